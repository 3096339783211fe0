//! Mail while others are down, hang or put it off: it waits, and all of it arrives once they are themselves again.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::catcher::{Catcher, Mood, Stage};
use crate::daemon::free_address;
use crate::harness::{Client, PATIENCE, Server, field};
use crate::kills::server;
use crate::neighbours::knot;
use crate::postfix::Postfix;
use crate::queue::queue;
use crate::sending::alice;

pub(crate) const ZONE: &str = "@ MX 10 mx\nmx A 127.0.0.2\n";

/// Submits a message with this subject for t.example.
pub(crate) fn submit(client: &mut Client, subject: &str) {
    client.say_all(&["MAIL FROM:<alice@us.example>", "RCPT TO:<u@t.example>", "DATA"]);
    client.say_all(&[&format!("Message-ID: <{subject}@us.example>\r\nSubject: {subject}\r\n\r\nx\r\n.")]);
}

pub(crate) fn waiting(server: &Server) -> String {
    queue(&server.data, "list", &[])
}

#[test]
fn a_host_that_hangs_at_any_stage_loses_nothing() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    let patience =
        "dead_host_seconds = 1\nconnect_seconds = 1\nanswer_seconds = 1\nfinal_answer_seconds = 1\n";
    let server = server(folder.path(), &dns, catcher.address, patience);
    let mut alice = alice(&server);
    for (stage, copies) in [
        (Stage::Greeting, 1),
        (Stage::Ehlo, 1),
        (Stage::Mail, 1),
        (Stage::Rcpt, 1),
        (Stage::Data, 1),
        // It has the message, which nobody else can know.
        (Stage::Dot, 2),
    ] {
        let subject = format!("{stage:?}");
        catcher.become_(Mood::HangAt(stage));
        submit(&mut alice, &subject);
        catcher.wait_for_one_that_hangs();
        let line = server.line(" deferred ");
        assert!(field(&line, "reply").starts_with('4'), "{subject}: {line}");
        // The line comes before it is stored.
        server.settle();
        let shown = queue(&server.data, "show", &[&field(&line, "id")]);
        assert_eq!(shown.contains("may be there already"), stage == Stage::Dot, "{subject}: {shown}");
        // So that the next message passes through all stages.
        catcher.become_(Mood::TakeOne);
        queue(&server.data, "flush", &["--wait"]);
        assert!(waiting(&server).contains("deliveries: 0"), "{subject}: {}", waiting(&server));
        assert_eq!(catcher.copies().get(&subject), Some(&copies), "{subject}");
    }
}

#[test]
fn mail_waits_for_dns_that_does_not_answer_and_leaves_when_it_does() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    let server = server(folder.path(), &dns, catcher.address, "");
    dns.signal("STOP");
    submit(&mut alice(&server), "waits");
    let line = server.line(" deferred ");
    assert!(field(&line, "reply").starts_with("451 4.4.3 "), "{line}");
    dns.signal("CONT");
    queue(&server.data, "flush", &["--wait"]);
    assert!(waiting(&server).contains("deliveries: 0"), "{}", waiting(&server));
    assert_eq!(catcher.copies().get("waits"), Some(&1));
}

/// As many messages as wait, while the host is down for some seconds. In earnest these are minutes.
fn greylisted_and_down(messages: usize, seconds: u64) {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let mut address = free_address();
    address.set_ip([127, 0, 0, 2].into());
    let boxes = "myhostname = mx.t.example\nvirtual_mailbox_domains = t.example\nvirtual_mailbox_maps = static:u/\n\
        smtpd_peername_lookup = no\n";
    let grey = "smtpd_recipient_restrictions = check_recipient_access inline:{ { u@t.example = 450 4.2.0 Greylisted } }, \
        reject\n";
    let Some(postfix) = Postfix::start(address, &format!("{boxes}{grey}")) else { return };
    let folder = TempDir::new().unwrap();
    let rules = "dead_host_seconds = 2\n[queue]\nretry_first_seconds = 2\npause_first_seconds = 2\npause_most_seconds = 2\n\
        deliveries_per_destination = 5\n";
    let server = server(folder.path(), &dns, address, rules);
    let mut alice = alice(&server);
    submit(&mut alice, "grey");
    let line = server.line(" deferred ");
    assert!(line.contains("450 4.2.0 ") && line.contains("Greylisted"), "{line}");
    drop(postfix);
    (0..messages).for_each(|number| submit(&mut alice, &format!("m{number}")));
    // Whoever asks finds nobody, until the time is over.
    let until = Instant::now() + Duration::from_secs(seconds);
    while server.line_until(" deferred ", until).is_some() {}
    let (tries, most) = (tries(&server), 5 + 2 + seconds as usize);
    assert!(tries <= most, "{tries} tries in {seconds} s: one probe in two seconds, and a few at first");
    assert!(waiting(&server).contains(&format!("deliveries: {}", messages + 1)), "{}", waiting(&server));
    let Some(postfix) = Postfix::start(address, boxes) else { return };
    let until = Instant::now() + PATIENCE;
    while postfix.mail("u").len() < messages + 1 {
        assert!(Instant::now() < until, "{}", waiting(&server));
        // A probe that found nobody has put the others off.
        queue(&server.data, "flush", &["--wait"]);
    }
    let mut subjects: Vec<_> = postfix.mail("u").iter().map(|mail| subject(mail)).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), messages + 1, "each once");
    assert_eq!(postfix.mail("u").len(), messages + 1, "none twice");
}

fn subject(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail).into_owned();
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject").to_owned()
}

/// Tries of all that waits, together.
fn tries(server: &Server) -> usize {
    let listed: serde_json::Value = serde_json::from_str(&queue(&server.data, "list", &["--json"])).unwrap();
    let tries = listed.as_array().unwrap().iter().map(|row| row["tries"].as_u64().unwrap_or(0));
    usize::try_from(tries.sum::<u64>()).unwrap()
}

#[test]
fn what_postfix_puts_off_and_what_comes_while_it_is_down_arrives_once() {
    greylisted_and_down(60, 5);
}
