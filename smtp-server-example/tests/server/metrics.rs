//! What Prometheus is told.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, certificate, run};

pub(crate) const SETTINGS: &str = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
    [metrics]\nlisten = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";

/// An answer: its head and its body.
fn ask(server: &Server, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.address_of("metrics")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer}"));
    (head.to_owned(), body.to_owned())
}

pub(crate) fn figures(server: &Server) -> String {
    let (head, body) = ask(server, "GET /metrics");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/openmetrics-text"), "{head}");
    body
}

#[test]
fn what_happened_is_counted_and_what_waits_is_told() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>"]);
    assert!(client.say("RCPT TO:<nobody@example.test>").starts_with("550 5.1.1 "));
    client.say_all(&["DATA", "x\r\n."]);
    assert!(client.say("NONSENSE").starts_with("500 "));
    server.settle();
    // The mailbox is out of the way: this one waits.
    fs::rename(server.data.join("alice/new"), server.data.join("aside")).unwrap();
    fs::write(server.data.join("alice/new"), "in the way").unwrap();
    client.say_all(&["MAIL FROM:<>", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
    server.settle();
    let text = figures(&server);
    for want in [
        "smtp_sessions_total{listener=\"mx\"} 1",
        "smtp_sessions_open{listener=\"mx\"} 1.0",
        "smtp_replies_total{listener=\"mx\",class=\"2xx\",enhanced=\"2.1.5\"} 2",
        "smtp_replies_total{listener=\"mx\",class=\"2xx\",enhanced=\"2.0.0\"} 2",
        "smtp_replies_total{listener=\"mx\",class=\"5xx\",enhanced=\"5.1.1\"} 1",
        "smtp_replies_total{listener=\"mx\",class=\"5xx\",enhanced=\"\"} 1",
        "smtp_deliveries_total{via=\"local\",outcome=\"delivered\",class=\"\",enhanced=\"\"} 1",
        "smtp_deliveries_total{via=\"local\",outcome=\"deferred\",class=\"4xx\",enhanced=\"4.3.0\"} 1",
        "smtp_delivery_time_seconds_count 1",
        "smtp_events_total{event=\"queued\"} 2",
        "smtp_events_total{event=\"failed\"} 0",
        "smtp_events_total{event=\"not-stored\"} 0",
        "smtp_events_total{event=\"stalled\"} 0",
        "smtp_queue_up 1.0",
        "smtp_queue_deliveries{state=\"ready\"} 1.0",
        "smtp_queue_deliveries{state=\"hold\"} 0.0",
        "smtp_queue_waiting{age=\"0s\"} 1.0",
        "smtp_queue_waiting{age=\"5m\"} 0.0",
        "smtp_queue_overdue_seconds 0.0",
        "smtp_pressure_ratios{resource=\"connections\"} 0.004",
        "smtp_pressure_ratios{resource=\"descriptors\"} 0.",
        "smtp_pressure_ratios{resource=\"sessions\"} 0.",
        "smtp_pressure_ratios{resource=\"memory\"} 0.",
        "smtp_pressure_level 0.0",
        "smtp_disk_has_room 1.0",
        "smtp_deliveries_in_flight 0.0",
        "smtp_queue_failed 0.0",
        "# EOF",
    ] {
        assert!(text.contains(want), "no `{want}`:\n{text}");
    }
    let commits = text.lines().find_map(|line| line.strip_prefix("smtp_queue_commit_seconds_count "));
    assert!(commits.unwrap().parse::<u64>().unwrap() >= 3, "{text}");
    assert!(!text.contains("smtp_certificate_end"), "there is none");
}

#[test]
fn every_metric_that_an_alert_names_exists() {
    let folder = TempDir::new().unwrap();
    let tls = certificate(folder.path());
    let server = Server::serve(folder.path(), &SETTINGS.replace("[metrics]", &format!("{tls}[metrics]")));
    let mut client = server.connect();
    client.begin_content();
    client.say_all(&["x\r\n."]);
    server.settle();
    let text = figures(&server);
    let there: BTreeSet<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let alerts = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/alerts.yml")).unwrap();
    let named: BTreeSet<_> = alerts
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("smtp_"))
        .collect();
    assert!(named.len() >= 9, "{named:?}");
    for name in named {
        assert!(there.contains(name), "{name} is not among {there:?}");
    }
    for group in ["refused", "expired", "delivered", "relayed", "not-stored", "failed", "hold", "5xx", "2xx"]
    {
        assert!(alerts.contains(group), "{group}: the labels that these tests know are used");
    }
}

#[test]
fn whoever_connects_and_asks_nothing_keeps_nobody_from_the_figures() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    let address = server.address_of("metrics");
    let _silent: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let began = Instant::now();
    assert!(ask(&server, "GET /metrics").0.starts_with("HTTP/1.1 200 "));
    assert!(began.elapsed() < Duration::from_secs(9), "a question may take 10 s, and 100 were before it");
}

#[test]
fn only_metrics_are_answered_and_on_loopback_alone() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    assert!(ask(&server, "GET /").0.starts_with("HTTP/1.1 404 "));
    assert!(ask(&server, "POST /metrics").0.starts_with("HTTP/1.1 405 "));
    assert!(ask(&server, "NONSENSE").0.starts_with("HTTP/1.1 4"));
    let file = folder.path().join("other.toml");
    fs::write(&file, SETTINGS.replace("127.0.0.1:0\"\n[[listener", "0.0.0.0:9925\"\n[[listener")).unwrap();
    let output = run(&["config", "show", "--config", file.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("metrics are for this machine alone") && output.status.code() == Some(78),
        "{error}"
    );
}
