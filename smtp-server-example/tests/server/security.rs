//! What attackers send to hurt or to deceive: floods, numbers that run over, headers without end, text for the log.

use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{Client, Server, content};
use crate::queue::queue;
use crate::submission::{alice, with_alice};

/// Says a line over and over; how often it was answered before the end, and the last answer.
fn flood(client: &mut Client, line: &str) -> (usize, String) {
    let mut last = String::new();
    for n in 0..5_000 {
        let reply = client.say_unless_closed(line);
        if reply.is_empty() {
            return (n, last);
        }
        last = reply;
    }
    (5_000, last)
}

#[test]
fn floods_of_commands_that_lead_nowhere_end_the_session() {
    let server = Server::demo();
    for (before, line, why) in [
        (&[][..], "NOOP", "nothing"),
        (&[], "RSET", "nothing, with a name"),
        (&[], "EHLO x.example", "always the begin"),
        (&[], "VRFY alice", "questions"),
        (&[], "HELP", "help"),
        (&[], "NONSENSE", "errors"),
        (&["MAIL FROM:<a@x.example>"], "RCPT TO:<ghost@example.test>", "a harvest of addresses"),
        (&["MAIL FROM:<a@x.example>"], "MAIL FROM:<a@x.example>", "out of order"),
    ] {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example"]);
        client.say_all(before);
        let (answered, last) = flood(&mut client, line);
        assert!(answered < 1_000, "{why}: {line} was borne {answered} times");
        assert!(last.starts_with("421 "), "{why}: {line}: {last}");
    }
    server.assert_no_mail("nothing was sent");
    server.assert_alive();
}

#[test]
fn recipients_beyond_the_limit_wait_and_the_same_one_again_gets_one_copy() {
    let folder = TempDir::new().unwrap();
    let server = Server::limited(folder.path(), "recipients = 100");
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>"]);
    for n in 0..100 {
        let rcpt = ["alice@example.test", "Alice@EXAMPLE.test", "\"alice\"@example.test"][n % 3];
        client.say_all(&[&format!("RCPT TO:<{rcpt}>")]);
    }
    assert!(client.say("RCPT TO:<bob@example.test>").starts_with("452 4.5.3 "));
    client.say_all(&["DATA", "Subject: x\r\n\r\nx\r\n."]);
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (1, 0));
}

#[test]
fn numbers_that_run_over_are_refused_and_nothing_behind_them_is_a_command() {
    let server = Server::demo();
    let begin = ["EHLO x.example", "MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>"];
    for (line, want, why) in [
        ("BDAT 18446744073709551615 LAST", "552 5.3.4 ", "the largest number there is"),
        ("BDAT 18446744073709551616 LAST", "501 5.5.4 ", "one more"),
        ("BDAT 000000000000000000000000000000005 LAST", "501 5.5.4 ", "more digits than a number has"),
        ("BDAT x LAST", "501 5.5.4 ", "none"),
        ("BDAT -1 LAST", "501 5.5.4 ", "less than nothing"),
        ("BDAT 5x LAST", "501 5.5.4 ", "half of one"),
    ] {
        let mut client = server.connect();
        client.say_all(&begin);
        // What follows would be content if the number were right, and can't be told from commands.
        client.send(format!("{line}\r\nRSET\r\nMAIL FROM:<evil@x.example>\r\n").as_bytes());
        client.finish();
        let said = client.rest();
        assert!(said.starts_with(want), "{why}: {line}: {said}");
        assert!(!said.contains("\r\n250"), "{why}: {line}: {said}");
    }
    for (size, want, why) in [
        ("18446744073709551615", "552 5.3.4 ", "the largest number there is"),
        ("18446744073709551616", "5", "one more"),
        ("99999999999999999999", "5", "twenty digits"),
        ("-1", "501 5.5.4 ", "less than nothing"),
        ("", "501 5.5.4 ", "none"),
    ] {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example"]);
        let reply = client.say(&format!("MAIL FROM:<a@x.example> SIZE={size}"));
        assert!(reply.starts_with(want), "{why}: SIZE={size}: {reply}");
    }
    server.assert_no_mail("none was whole");
    server.assert_alive();
}

#[test]
fn chunks_of_nothing_for_ever_end_the_session() {
    let server = Server::demo();
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>"]);
    let (answered, last) = flood(&mut client, "BDAT 0");
    assert!(answered < 5_000 && last.starts_with("421 "), "{answered}: {last}");
    server.assert_no_mail("there was no last chunk");
}

/// Content whose header is meant to cost more than it weighs.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let end = "\r\n\r\nx\r\n";
    vec![
        ("one field of 8 MB", format!("Subject: {}{end}", "x".repeat(8_000_000)).into_bytes()),
        ("folded a million times", format!("Subject: x{}{end}", "\r\n x".repeat(1_000_000)).into_bytes()),
        ("200,000 fields", format!("{}{end}", "X: y\r\n".repeat(200_000)).into_bytes()),
        ("200,000 Bcc", format!("{}{end}", "Bcc: a@b.example\r\n".repeat(200_000)).into_bytes()),
        (
            "From with 200,000 addresses",
            format!("From: a@b.example{}{end}", ",\r\n a@b.example".repeat(200_000)).into_bytes(),
        ),
        (
            "comments in comments",
            format!("From: {}{}{end}", "(".repeat(1_000_000), ")".repeat(1_000_000)).into_bytes(),
        ),
        ("no end of the header", "X: y\r\n".repeat(500_000).into_bytes()),
        (
            "parts in parts",
            format!(
                "Content-Type: multipart/mixed; boundary=a\r\n\r\n{}",
                "--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n".repeat(100_000)
            )
            .into_bytes(),
        ),
    ]
}

#[test]
fn headers_without_end_cost_neither_memory_nor_the_server() {
    let folder = TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let before = server.resident();
    for (why, message) in bombs() {
        let mut client = alice(&server);
        client.say_all(&["MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>", "DATA"]);
        client.send(&crate::harness::stuffed(&message));
        let reply = client.reply();
        assert!(reply.starts_with(['2', '5']), "{why}: {reply}");
        assert!(client.say("NOOP").starts_with("250 "), "{why}: the session goes on");
    }
    let after = server.resident();
    assert!(after < before + 64 * 1024, "from {before} to {after} KiB");
}

#[test]
fn a_command_that_drips_in_gains_no_time() {
    let folder = TempDir::new().unwrap();
    let server = Server::limited(folder.path(), "idle_seconds = 1");
    let mut client = server.connect();
    // An octet whenever there was no answer for a while, for far longer than the limit.
    let (mut said, mut dripped) = (None, 0);
    while said.is_none() && dripped < 100 {
        client.send_if_open(b"N");
        dripped += 1;
        said = client.reply_within(Duration::from_millis(200));
    }
    let said = said.unwrap_or_default();
    assert!(said.starts_with("421 ") || said.is_empty(), "{said}");
    assert!(dripped < 50, "{dripped} octets, one each 200 ms");
    let line = server.line(" closed ");
    assert!(line.contains("why=timeout"), "{line}");
}

#[test]
fn nobody_here_is_told_of_mail_that_was_refused() {
    let server = Server::demo();
    for rcpt in ["<ghost@example.test>", "<u@foreign.example>"] {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example", "MAIL FROM:<bob@example.test>"]);
        assert!(client.say(&format!("RCPT TO:{rcpt}")).starts_with("550 "));
    }
    let mut client = server.connect();
    client.say_all(&[
        "EHLO x.example",
        "MAIL FROM:<bob@example.test>",
        "RCPT TO:<alice@example.test>",
        "DATA",
    ]);
    client.send(b"a bare\nLF\r\n.\r\n");
    assert!(client.reply().starts_with("550 5.6.11 "));
    assert!(queue(&server.data, "list", &[]).contains("deliveries: 0"));
    server.assert_no_mail("a refusal is told to who sends, not to the address that they write");
}

/// What a client may call itself, or an address be, to look like something else in a header or in the log.
const NAMES: &[&str] = &[
    "x\x1b[2J",
    "x\ty",
    "evil\\n2026-01-01T00:00:00 queued id=FAKE user=alice",
    "a;b",
    "\"quoted\"",
    "(comment)",
    "x\u{e9}\u{202e}",
    "[IPv6:zz]",
    "a=b",
    "$(touch x)",
];

#[test]
fn no_name_of_a_client_forges_a_header_or_a_line_of_the_log() {
    let server = Server::demo();
    for name in NAMES {
        let mut client = server.connect();
        if !client.say(&format!("EHLO {name}")).starts_with("250") {
            // Refused: what the log has of it is looked at below.
            client.say_all(&["EHLO x.example"]);
        }
        let quoted = "\"a\\\" queued id=FAKE\"@x.example";
        client.say_all(&[&format!("MAIL FROM:<{quoted}>"), "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
        client.say("QUIT");
        for line in server.lines_to(" queued ") {
            assert!(line.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{name:?}: {line:?}");
            // Outside of quotes each word is a time, an event's name or key=value.
            let mut outside = String::new();
            let mut in_quotes = false;
            let mut octets = line.chars();
            while let Some(c) = octets.next() {
                match c {
                    '\\' if in_quotes => drop(octets.next()),
                    '"' => in_quotes = !in_quotes,
                    c if !in_quotes => outside.push(c),
                    _ => {}
                }
            }
            assert!(!in_quotes && !outside.contains("FAKE"), "{name:?}: {line}");
        }
    }
    let stored = server.mail("alice");
    assert_eq!(stored.len(), NAMES.len());
    for mail in stored {
        let header = &mail[..mail.len() - content(&mail).len()];
        let text = std::str::from_utf8(header).expect("a header of ours is ASCII");
        assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~' | b'\t' | b'\n')), "{text:?}");
        let starts = text.lines().filter(|line| !line.starts_with('\t')).count();
        assert_eq!(starts, 3, "Return-Path, Delivered-To, Received: {text}");
    }
}
