use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::*;
use crate::dns::Mx;
use crate::log::{Page, Writer};

/// A DNS of which each test changes what it says.
#[derive(Clone, Default)]
struct Dns(Arc<Mutex<BTreeMap<String, Answer<Ipv4Addr>>>>);

impl Dns {
    fn says(&self, address: &str, zone: &str, answer: Answer<Ipv4Addr>) {
        self.0.lock().unwrap().insert(query(address.parse().unwrap(), zone), answer);
    }

    fn lists(&self, address: &str, zone: &str, code: &str) {
        self.says(address, zone, Answer::Records(vec![code.parse().unwrap()]));
    }

    /// A list that has nothing but its test points.
    fn list(&self, zone: &str) {
        self.lists("127.0.0.2", zone, "127.0.0.2");
        self.lists("::ffff:127.0.0.2", zone, "127.0.0.2");
    }

    fn fails(&self) -> Answer<Ipv4Addr> {
        Answer::Failed("SERVFAIL".to_owned())
    }
}

impl Lookup for Dns {
    async fn a(&self, name: &str) -> Answer<Ipv4Addr> {
        if name.ends_with("mute.example") {
            std::future::pending::<()>().await;
        }
        self.0.lock().unwrap().get(name).cloned().unwrap_or(Answer::NoName)
    }

    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        if name.contains("mute") {
            std::future::pending::<()>().await;
        }
        Answer::Records(vec![b"see\r\n250 http://bl.example/\xFF?a".to_vec()])
    }

    async fn mx(&self, _: &str) -> Answer<Mx> {
        Answer::NoName
    }

    async fn aaaa(&self, _: &str) -> Answer<Ipv6Addr> {
        Answer::NoName
    }

    async fn ptr(&self, _: IpAddr) -> Answer<String> {
        Answer::NoName
    }
}

/// Lists, and the log they write to.
struct Setup {
    dns: Dns,
    lists: Blocklists<Dns>,
    page: Page,
    writer: Writer,
}

impl Setup {
    fn new(lists: &[List]) -> Self {
        let (dns, page) = (Dns::default(), Page::default());
        let (log, writer) = Log::start(page.clone()).unwrap();
        Self { dns: dns.clone(), lists: Blocklists::new(dns, lists.to_vec(), log), page, writer }
    }

    async fn weight(&self, address: &str) -> i32 {
        self.lists.judge(address.parse().unwrap()).await.weight
    }

    /// The log, once everything is written.
    fn log(self) -> String {
        drop(self.lists);
        self.writer.finish();
        self.page.text()
    }
}

#[tokio::test]
async fn an_address_is_listed_when_a_list_that_works_has_it() {
    let setup = Setup::new(&[List { ipv6: true, ..List::new("bl.example") }]);
    setup.dns.list("bl.example");
    setup.dns.lists("192.0.2.7", "bl.example", "127.0.0.4");
    setup.dns.lists("2001:db8::7", "bl.example", "127.0.0.4");
    assert_eq!(setup.weight("192.0.2.7").await, 0, "not before it has proved to work");
    setup.lists.test().await;
    for (address, weight, why) in [
        ("192.0.2.7", 1, "listed"),
        ("192.0.2.8", 0, "not listed"),
        ("2001:db8::7", 1, "listed, IPv6"),
        ("2001:db8::8", 0, "not listed, IPv6"),
        ("::ffff:192.0.2.7", 1, "an IPv4 client on an IPv6 socket"),
    ] {
        assert_eq!(setup.weight(address).await, weight, "{address}: {why}");
    }
    let judgement = setup.lists.judge("192.0.2.7".parse().unwrap()).await;
    let hit = judgement.worst().unwrap();
    assert_eq!(hit.explanation, "see 250 http://bl.example/ ?a", "one line of printable text");
    assert_eq!(judgement.to_string(), "bl.example:127.0.0.4");
}

#[tokio::test]
async fn a_family_that_a_list_is_not_set_to_cover_is_not_asked_for() {
    let setup = Setup::new(&[List::new("bl.example")]);
    setup.dns.list("bl.example");
    setup.dns.lists("2001:db8::7", "bl.example", "127.0.0.4");
    setup.lists.test().await;
    assert_eq!(setup.weight("2001:db8::7").await, 0);
}

#[tokio::test]
async fn weights_add_up_and_an_allowlist_takes_away() {
    let list = |zone, weight| List { weight, ..List::new(zone) };
    let setup = Setup::new(&[list("a.example", 2), list("b.example", 3), list("good.example", -4)]);
    for zone in ["a.example", "b.example", "good.example"] {
        setup.dns.list(zone);
    }
    for (address, zones) in [
        ("192.0.2.1", &["a.example"][..]),
        ("192.0.2.2", &["a.example", "b.example"]),
        ("192.0.2.3", &["b.example", "good.example"]),
    ] {
        zones.iter().for_each(|zone| setup.dns.lists(address, zone, "127.0.0.2"));
    }
    setup.lists.test().await;
    assert_eq!(setup.weight("192.0.2.1").await, 2);
    assert_eq!(setup.weight("192.0.2.2").await, 5);
    assert_eq!(setup.weight("192.0.2.3").await, -1);
    let worst = setup.lists.judge("192.0.2.2".parse().unwrap()).await.worst().unwrap().zone.clone();
    assert_eq!(worst, "b.example");
}

#[tokio::test]
async fn a_list_that_fails_its_test_is_off_and_the_log_says_why_once() {
    let refused = || Answer::Records(vec!["127.255.255.254".parse().unwrap()]);
    let code = || Answer::Records(vec!["127.0.0.2".parse().unwrap()]);
    for (has, lacks, want, why) in [
        (Answer::NoName, Answer::NoName, "it lacks the address", "an empty zone"),
        (code(), code(), "it lists every address", "a wildcard"),
        (Answer::Records(vec!["192.0.2.1".parse().unwrap()]), Answer::NoName, "it lacks", "a parked domain"),
        (refused(), refused(), "it refuses our questions (127.255.255.254)", "a public resolver"),
        (Answer::Failed("SERVFAIL".to_owned()), Answer::NoName, "SERVFAIL", "its servers are down"),
    ] {
        let setup = Setup::new(&[List::new("bl.example")]);
        setup.dns.says("127.0.0.2", "bl.example", has);
        setup.dns.says("127.0.0.1", "bl.example", lacks);
        setup.dns.lists("192.0.2.7", "bl.example", "127.0.0.2");
        setup.lists.test().await;
        setup.lists.test().await;
        assert_eq!(setup.weight("192.0.2.7").await, 0, "{why}");
        let log = setup.log();
        assert_eq!(log.matches(" blocklist-off ").count(), 1, "{why}: {log}");
        assert!(log.contains(want) && log.contains("zone=bl.example"), "{why}: {log}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_back_when_it_works_again() {
    let setup = Setup::new(&[List::new("bl.example")]);
    setup.dns.lists("192.0.2.7", "bl.example", "127.0.0.2");
    setup.lists.test().await;
    assert_eq!(setup.weight("192.0.2.7").await, 0);
    setup.dns.list("bl.example");
    let _ = tokio::time::timeout(RETRY / 2, setup.lists.watch()).await;
    assert_eq!(setup.weight("192.0.2.7").await, 1);
    assert!(setup.log().contains(" blocklist-on "));
}

#[tokio::test]
async fn an_answer_that_refuses_the_question_switches_the_list_off_at_once() {
    let setup = Setup::new(&[List::new("bl.example")]);
    setup.dns.list("bl.example");
    setup.lists.test().await;
    setup.dns.lists("192.0.2.7", "bl.example", "127.255.255.255");
    setup.dns.lists("192.0.2.8", "bl.example", "127.0.0.2");
    assert_eq!(setup.weight("192.0.2.7").await, 0, "never a listing");
    assert_eq!(setup.weight("192.0.2.8").await, 0, "off");
    assert!(setup.log().contains(" blocklist-off "));
}

#[tokio::test]
async fn failures_in_a_row_switch_a_list_off_and_an_answer_between_them_does_not() {
    let setup = Setup::new(&[List::new("bl.example")]);
    setup.dns.list("bl.example");
    setup.lists.test().await;
    setup.dns.lists("192.0.2.8", "bl.example", "127.0.0.2");
    setup.dns.says("192.0.2.7", "bl.example", setup.dns.fails());
    for _ in 0..4 {
        assert_eq!(setup.weight("192.0.2.7").await, 0, "a failure means not listed");
    }
    assert_eq!(setup.weight("192.0.2.8").await, 1, "still on after four");
    for _ in 0..5 {
        setup.weight("192.0.2.7").await;
    }
    assert_eq!(setup.weight("192.0.2.8").await, 0, "off after five");
    assert!(setup.log().contains("SERVFAIL, 5 times in a row"));
}

#[tokio::test(start_paused = true)]
async fn a_decision_takes_five_seconds_at_most_and_counts_what_is_known_by_then() {
    let setup = Setup::new(&[List::new("bl.example"), List::new("slow-txt-mute.zone.example")]);
    for zone in ["bl.example", "slow-txt-mute.zone.example"] {
        setup.dns.list(zone);
        setup.dns.lists("192.0.2.7", zone, "127.0.0.2");
    }
    setup.lists.test().await;
    let before = Instant::now();
    assert_eq!(
        setup.weight("192.0.2.7").await,
        2,
        "the explanation is not waited for longer, the listing stands"
    );
    assert_eq!(before.elapsed(), DECISION);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_answers_is_found_out_in_five_seconds() {
    let setup = Setup::new(&[List::new("mute.example")]);
    let before = Instant::now();
    setup.lists.test().await;
    assert_eq!(before.elapsed(), DECISION);
    assert!(setup.log().contains("no answer in time"));
}
