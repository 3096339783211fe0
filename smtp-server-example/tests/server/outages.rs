//! Mail while others are down, hang or put it off: it waits, and all of it arrives once they are themselves again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
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

/// A policy service for Postfix that greylists: who comes with an envelope for the first time is to come again after
/// `period`. It answers until the test's process ends.
fn greylist(period: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let known = Arc::new(Mutex::new(HashMap::new()));
        for stream in listener.incoming().map_while(Result::ok) {
            let known = Arc::clone(&known);
            // Postfix keeps its connections, and may go whenever it likes.
            std::thread::spawn(move || drop(judge(&stream, period, &known)));
        }
    });
    address
}

/// Envelopes, and when they came first.
type Known = Mutex<HashMap<(String, String), Instant>>;

/// Answers what is asked over a connection: lines of attributes, and an empty one.
fn judge(mut stream: &TcpStream, period: Duration, known: &Known) -> std::io::Result<()> {
    let (mut from, mut to) = (String::new(), String::new());
    for line in BufReader::new(stream).lines() {
        match line?.split_once('=') {
            Some(("sender", sender)) => from = sender.to_owned(),
            Some(("recipient", rcpt)) => to = rcpt.to_owned(),
            Some(_) => {}
            None => {
                let envelope = (std::mem::take(&mut from), std::mem::take(&mut to));
                let first = *known.lock().unwrap().entry(envelope).or_insert_with(Instant::now);
                let is_early = first.elapsed() < period;
                let action = if is_early { "450 4.2.0 Greylisted, come again" } else { "dunno" };
                stream.write_all(format!("action={action}\n\n").as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Deliveries at once to the host.
const AT_ONCE: usize = 5;

/// Seconds from the first failure of a message to its second try, and between probes of a host that is down.
const SECONDS: u64 = 1;

/// A Postfix that greylists gets its message when it wants it, and the tries come when they were promised. Then it is
/// away for some seconds, while so many messages come, of which one at a time asks for it; back, it gets them within the
/// limit for a host. In earnest these are minutes. `patience` is for what waits to leave.
fn greylisted_and_down(messages: usize, seconds: u64, patience: Duration) {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let mut address = free_address();
    address.set_ip([127, 0, 0, 2].into());
    let grey = greylist(Duration::from_secs(2 * SECONDS));
    // A client that has twice as many connections as ours may have is told so. One that has said QUIT may count still.
    let settings = format!(
        "myhostname = mx.t.example\nvirtual_mailbox_domains = t.example\nvirtual_mailbox_maps = static:u/\n\
         smtpd_peername_lookup = no\nsmtpd_client_event_limit_exceptions =\n\
         smtpd_client_connection_count_limit = {}\n\
         smtpd_recipient_restrictions = check_policy_service inet:{grey}, permit_auth_destination, reject\n",
        2 * AT_ONCE
    );
    let Some(postfix) = Postfix::start(address, &settings) else { return };
    let folder = TempDir::new().unwrap();
    let rules = format!(
        "dead_host_seconds = {SECONDS}\n[submission]\nmessages_per_hour = 100000\nrecipients_per_hour = 100000\n\
         [queue]\nretry_first_seconds = {SECONDS}\nretry_growth_percent = 180\npause_first_seconds = {SECONDS}\n\
         pause_most_seconds = {SECONDS}\ndeliveries_per_destination = {AT_ONCE}\n"
    );
    let server = server(folder.path(), &dns, address, &rules);
    let mut alice = alice(&server);
    submit(&mut alice, "grey");
    let promised = [server.line(" deferred "), server.line(" deferred ")];
    let id = field(&server.line(" relayed "), "id");
    assert!(
        promised.iter().all(|line| line.contains("450 4.2.0 ") && line.contains("Greylisted")),
        "{promised:?}"
    );
    server.settle();
    tries_are_kept(&server, &id, &promised.map(|line| field(&line, "next").parse().unwrap()));

    drop(postfix);
    let began = Instant::now();
    (0..messages).for_each(|number| submit(&mut alice, &format!("m{number}")));
    // Whoever asks finds nobody, until the time is over.
    let until = Instant::now() + Duration::from_secs(seconds);
    while server.line_until(" deferred ", until).is_some() {}
    let (tries, away) = (tries(&server), began.elapsed());
    let most = AT_ONCE + 1 + (away.as_secs() / SECONDS) as usize;
    assert!(tries <= most, "{tries} tries in {away:?}: one probe in {SECONDS} s, and a few at first");
    assert!(waiting(&server).contains(&format!("deliveries: {messages}\n")), "all wait");

    let Some(postfix) = Postfix::start(address, &settings) else { return };
    let (began, mut most_open) = (Instant::now(), 0);
    // By itself: nobody tells it that the host is back.
    while !queue(&server.data, "shape", &[]).contains("total                                   0") {
        assert!(began.elapsed() < patience, "{}", queue(&server.data, "shape", &[]));
        most_open = most_open.max(connections_to(address));
    }
    let drained = began.elapsed();
    assert!((1..=AT_ONCE).contains(&most_open), "{most_open} connections");
    while let Some(line) = server.line_until(" deferred ", Instant::now()) {
        assert!(!line.contains("too many connections"), "{line}");
    }
    let until = Instant::now() + patience;
    while postfix.mail("u").len() < messages {
        assert!(Instant::now() < until, "{} of them are there", postfix.mail("u").len());
    }
    let mut subjects: Vec<_> = postfix.mail("u").iter().map(|mail| subject(mail)).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!((subjects.len(), postfix.mail("u").len()), (messages, messages), "each once");
    eprintln!(
        "{messages} messages, {tries} tries in {:.0} s while the host was down; gone {:.1} s after it was back, over \
         {most_open} connections at most",
        away.as_secs_f64(),
        drained.as_secs_f64(),
    );
}

/// Each wait is as long as the rules say, by a tenth more or less, and each try begins when it was promised.
fn tries_are_kept(server: &Server, id: &str, promised: &[Timestamp]) {
    let shown: serde_json::Value =
        serde_json::from_str(&queue(&server.data, "show", &["--json", id])).unwrap();
    let tried = shown[0]["deliveries"][0]["attempts"].as_array().unwrap();
    assert_eq!(tried.len(), promised.len() + 1, "{shown}");
    let time = |value: &serde_json::Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let mut plain = SECONDS as f64;
    for (pair, promised) in tried.windows(2).zip(promised) {
        let (ended, began) = (time(&pair[0]["ended"]), time(&pair[1]["began"]));
        let wait = promised.duration_since(ended).as_secs_f64();
        // Times are stored in milliseconds.
        assert!((plain * 0.9 - 0.01..=plain * 1.1 + 0.01).contains(&wait), "{wait} s for {plain} s");
        let late = began.duration_since(*promised).as_secs_f64();
        assert!((-0.01..1.0).contains(&late), "{late} s late");
        plain *= 1.8;
    }
}

/// Connections that are open to this address, as the kernel says.
fn connections_to(address: SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else { return 0 };
    // In the machine's order of octets, as /proc has it.
    let there = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_open = |line: &&str| {
        let mut words = line.split_ascii_whitespace().skip(2);
        words.next() == Some(&*there) && words.next() == Some("01")
    };
    table.lines().filter(is_open).count()
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
    greylisted_and_down(60, 4, PATIENCE);
}

#[test]
#[ignore = "as many messages as an outage gathers take minutes"]
fn what_comes_while_postfix_is_down_for_long_arrives_once() {
    greylisted_and_down(5_000, 60, 10 * PATIENCE);
}
