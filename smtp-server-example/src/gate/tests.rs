use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::dns::{Answer, Mx};
use crate::log::Page;

/// Lists 192.0.2.7 in every zone, and knows the names of some addresses.
#[derive(Clone, Debug)]
struct Dns;

impl Lookup for Dns {
    async fn a(&self, name: &str) -> Answer<Ipv4Addr> {
        let records = |text: &str| Answer::Records(vec![text.parse().unwrap()]);
        match name {
            "named.example" => records("192.0.2.20"),
            "liar.example" => records("192.0.2.99"),
            name if name.starts_with("7.2.0.192.") || name.starts_with("2.0.0.127.") => records("127.0.0.2"),
            _ => Answer::NoName,
        }
    }

    async fn txt(&self, _: &str) -> Answer<Vec<u8>> {
        Answer::Records(vec![b"Junk seen".to_vec()])
    }

    async fn mx(&self, _: &str) -> Answer<Mx> {
        Answer::NoName
    }

    async fn aaaa(&self, _: &str) -> Answer<Ipv6Addr> {
        Answer::NoName
    }

    async fn ptr(&self, address: IpAddr) -> Answer<String> {
        let name = |text: &str| Answer::Records(vec![text.to_owned()]);
        match address.to_string().as_str() {
            "192.0.2.20" => name("named.example"),
            "192.0.2.21" => name("liar.example"),
            "192.0.2.22" => Answer::Failed("SERVFAIL".to_owned()),
            _ => Answer::NoName,
        }
    }
}

/// What each stage says to a client at `address` that calls itself `hello`.
async fn told(checks: &Checks, kind: Kind, address: &str, hello: &str) -> Vec<String> {
    let (log, _writer) = Log::start(Page::default()).unwrap();
    let us = Ourselves::alone(&["mx.example", "us.example"], &["192.0.2.1"]);
    let gate = Gate::new(checks.clone(), vec![List::new("bl.example")], us, Some(Dns), &log);
    let watch = tokio::spawn(Arc::clone(&gate).watch());
    while !gate.lists.as_ref().unwrap().is_ready() {
        tokio::task::yield_now().await;
    }
    let mut visit = gate.visit(kind, Some(SocketAddr::new(address.parse().unwrap(), 25)));
    let mut told = Vec::new();
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt] {
        let said = visit.refusal(stage, if stage == Stage::Connect { b"" } else { hello.as_bytes() }).await;
        told.push(said.map_or_else(String::new, |refusal| refusal.to_string()));
    }
    watch.abort();
    told
}

const LISTED: &str = "554 Your address 192.0.2.7 is listed by bl.example: Junk seen";

#[tokio::test]
async fn a_listed_client_is_told_at_the_stage_that_is_set_and_from_then_on() {
    for (stage, at) in [(Stage::Connect, 0), (Stage::Hello, 1), (Stage::Mail, 2), (Stage::Rcpt, 3)] {
        let checks = Checks { stage, ..Checks::default() };
        let told = told(&checks, Kind::Mx, "192.0.2.7", "c.example").await;
        let want: Vec<_> = (0..4).map(|i| if i < at { "" } else { LISTED }).collect();
        assert_eq!(told, want, "{stage:?}");
    }
}

#[tokio::test]
async fn who_is_not_concerned_is_told_nothing() {
    let exempt = Checks { exempt: vec!["192.0.2.0/24".parse().unwrap()], ..Checks::default() };
    let heavy = Checks { blocklist_weight: 2, ..Checks::default() };
    let default = Checks::default();
    for (checks, kind, address, why) in [
        (&default, Kind::Mx, "192.0.2.8", "not listed"),
        (&default, Kind::Submission, "192.0.2.7", "users come from listed addresses, and log in"),
        (&default, Kind::Submissions, "192.0.2.7", "the same under TLS"),
        (&default, Kind::Lmtp, "192.0.2.7", "programs of our own"),
        (&exempt, Kind::Mx, "192.0.2.7", "exempt"),
        (&heavy, Kind::Mx, "192.0.2.7", "one list is not enough"),
        (&default, Kind::Mx, "2001:db8::7", "a list without IPv6"),
    ] {
        assert_eq!(told(checks, kind, address, "c.example").await, [""; 4], "{why}");
    }
}

#[tokio::test]
async fn a_client_that_calls_itself_by_our_name_is_refused_if_set_so() {
    for (action, hello, refused, why) in [
        (Action::Refuse, "mx.example", true, "our name"),
        (Action::Refuse, "[192.0.2.1]", true, "our address"),
        (Action::Refuse, "c.example", false, "its own name"),
        (Action::Log, "us.example", false, "only noted"),
        (Action::Off, "us.example", false, "not looked at"),
    ] {
        let checks = Checks { hello: action, ..Checks::default() };
        let told = told(&checks, Kind::Mx, "192.0.2.8", hello).await;
        assert_eq!(told[3].starts_with("550 "), refused, "{hello}: {why}: {told:?}");
        assert_eq!(told[..3], [""; 3], "{why}");
    }
}

#[tokio::test]
async fn an_address_must_have_a_name_that_leads_back_if_set_so() {
    for (action, address, refused, why) in [
        (Action::Refuse, "192.0.2.20", false, "there and back"),
        (Action::Refuse, "192.0.2.21", true, "the name is somebody else's"),
        (Action::Refuse, "192.0.2.23", true, "no name"),
        (Action::Refuse, "192.0.2.22", false, "DNS does not say"),
        (Action::Log, "192.0.2.23", false, "only noted"),
        (Action::Off, "192.0.2.23", false, "not looked at"),
    ] {
        let checks = Checks { reverse_dns: action, ..Checks::default() };
        let told = told(&checks, Kind::Mx, address, "c.example").await;
        assert_eq!(told[3].starts_with("550 "), refused, "{address}: {why}: {told:?}");
    }
}

#[tokio::test]
async fn a_name_is_told_only_if_it_leads_back_and_was_looked_up() {
    let (log, _writer) = Log::start(Page::default()).unwrap();
    for (action, address, want, why) in [
        (Action::Log, "192.0.2.20", Some("named.example"), "there and back"),
        (Action::Log, "192.0.2.21", None, "the name is somebody else's"),
        (Action::Log, "192.0.2.22", None, "DNS does not say"),
        (Action::Off, "192.0.2.20", None, "not looked up"),
    ] {
        let checks = Checks { reverse_dns: action, ..Checks::default() };
        let gate = Gate::new(checks, Vec::new(), Ourselves::alone(&[], &[]), Some(Dns), &log);
        let mut visit = gate.visit(Kind::Mx, Some(SocketAddr::new(address.parse().unwrap(), 25)));
        assert_eq!(visit.name().await, want, "{address}: {why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_or_sends_too_often_is_told_to_come_later() {
    let (log, _writer) = Log::start(Page::default()).unwrap();
    let checks = Checks { connections_per_minute: 2, messages_per_minute: 3, ..Checks::default() };
    let gate = Gate::<Dns>::new(checks, Vec::new(), Ourselves::alone(&[], &[]), None, &log);
    let remote = Some("192.0.2.8:25".parse().unwrap());
    for want in [None, None, Some(TOO_OFTEN)] {
        assert_eq!(gate.visit(Kind::Mx, remote).refusal(Stage::Connect, b"").await, want);
    }
    let mut visit = gate.visit(Kind::Mx, remote);
    for want in [None, None, None, Some(TOO_MANY)] {
        assert_eq!(visit.refusal(Stage::Mail, b"c.example").await, want);
    }
    assert_eq!(gate.visit(Kind::Submission, remote).refusal(Stage::Connect, b"").await, None);
}
