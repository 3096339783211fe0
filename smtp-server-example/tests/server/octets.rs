//! The stored octets are those that were sent.

use std::collections::BTreeSet;

use crate::harness::{Server, content, stuffed};

/// Messages in wire form, and why each is here.
pub(crate) const MESSAGES: &[(&[u8], &str)] = &[
    (b"Subject: plain\r\n\r\nhello\r\n", "the plain case"),
    (b"", "an empty message"),
    (b"\r\n", "an empty line alone"),
    (b".\r\n", "a lone dot alone"),
    (b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n..x\r\nx.\r\n", "lone, leading and trailing dots"),
    (b"Subject: dots at the end\r\n\r\nx\r\n.\r\n", "a lone dot as the last line"),
    (b"\tfolded at once\r\n more\r\n", "lines that look like folding of the headers above"),
    (b"Delivered-To: x@y\r\nReceived: from z; never\r\n\r\n", "trace headers of others stay"),
    (b"Subject: 8-bit\r\n\r\n\xC3\xA4\xFF\x80\x01\x7F\r\n", "8-bit and control octets"),
    (b"Subject: nul\r\n\r\na\0b\r\n", "NUL"),
    (b"From me\r\n>From me\r\n", "mbox has no say in a Maildir"),
    (b" \r\n\t\r\n  x  \r\n", "white space at line ends"),
];

/// What a Maildir holds of a message: CR LF as LF, and nothing else changed.
pub(crate) fn as_stored(wire: &[u8]) -> Vec<u8> {
    let mut stored = wire.to_vec();
    let mut at = 0;
    while at + 1 < stored.len() {
        if &stored[at..at + 2] == b"\r\n" {
            stored.remove(at);
        }
        at += 1;
    }
    stored
}

#[test]
fn what_is_stored_is_what_was_sent_however_it_was_cut() {
    let server = Server::demo();
    for step in [1, 3, usize::MAX] {
        for (message, why) in MESSAGES {
            let before: BTreeSet<_> = server.files("alice", "new").into_iter().collect();
            let mut client = server.connect();
            client.begin_content();
            for piece in stuffed(message).chunks(step) {
                client.send(piece);
            }
            let reply = client.reply();
            assert!(reply.starts_with("250 2.0.0 "), "{why}: {reply}");
            let after: BTreeSet<_> = server.files("alice", "new").into_iter().collect();
            let new: Vec<_> = after.difference(&before).collect();
            assert_eq!(new.len(), 1, "{why}: the file is there as soon as 250 was said");
            let stored = std::fs::read(new[0]).unwrap();
            let (stored, want) =
                (content(&stored).escape_ascii(), as_stored(message).escape_ascii().to_string());
            assert_eq!(stored.to_string(), want, "{why}, in pieces of {step}");
        }
    }
    assert_eq!(server.files("alice", "tmp").len(), 0);
}

#[test]
fn a_large_message_is_stored_whole_and_in_little_memory() {
    let server = Server::demo();
    let mut client = server.connect();
    client.begin_content();
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let before = server.resident();
    let mut most = 0;
    for i in 0..20_000 {
        client.send(&line);
        if i % 1000 == 0 {
            most = most.max(server.resident());
        }
    }
    assert!(client.say(".").starts_with("250 "));
    let mail = server.mail("alice");
    assert_eq!(content(&mail[0]).len(), 20_000 * 999);
    assert!(most < before + 8 * 1024, "20 MB of content took the server from {before} to {most} KiB");
}

#[test]
fn the_trace_headers_say_where_it_came_from() {
    let server = Server::demo();
    let mut client = server.connect();
    client.begin_content();
    let reply = client.say("Subject: x\r\n\r\nx\r\n.");
    let id = reply.rsplit(' ').next().unwrap();
    let stored = String::from_utf8(server.mail("alice").remove(0)).unwrap();
    let lines: Vec<_> = stored.lines().collect();
    assert_eq!(lines[0], "Return-Path: <a@client.example>");
    assert_eq!(lines[1], "Delivered-To: alice@example.test");
    assert_eq!(lines[2], "Received: from client.example ([127.0.0.1])");
    assert_eq!(lines[3], format!("\tby mail.example.test with ESMTP id {id}"));
    let date = lines[4].strip_prefix("\tfor <alice@example.test>; ").expect(lines[4]);
    // Tue, 05 May 2026 09:03:01 +0200
    assert_eq!((date.len(), &date[3..5], &date[25..26]), (31, ", ", " "), "{date}");
    assert_eq!(lines[5], "Subject: x", "nothing else is added");
}

#[test]
fn several_recipients_get_a_copy_each_and_do_not_learn_of_each_other() {
    let server = Server::demo();
    let mut client = server.connect();
    client.say_all(&[
        "HELO old.example",
        "MAIL FROM:<>",
        "RCPT TO:<alice@example.test>",
        "RCPT TO:<BOB@Example.Test>",
        "RCPT TO:<\"alice\"@example.test>",
        "DATA",
        "Subject: x\r\n\r\n.",
    ]);
    let (alice, bob) = (server.mail("alice"), server.mail("bob"));
    assert_eq!((alice.len(), bob.len()), (1, 1), "two spellings of one mailbox are one copy");
    let text = String::from_utf8(alice[0].clone()).unwrap();
    let theirs = text.replace("Delivered-To: alice@example.test\n", "Delivered-To: BOB@Example.Test\n");
    assert_eq!(theirs.as_bytes(), bob[0], "they differ in who got it, and in nothing else");
    assert!(!text.contains(" for <"), "{text}");
    let head =
        "Return-Path: <>\nDelivered-To: alice@example.test\nReceived: from old.example ([127.0.0.1])\n";
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains(" with SMTP id "), "HELO is SMTP, not ESMTP (RFC 3848): {text}");
}

#[test]
fn a_hostile_ehlo_name_stays_within_its_place() {
    let server = Server::demo();
    let mut client = server.connect();
    client.say("EHLO evil)\t(x;\"y\\z");
    client.say("HELO evil");
    client.say_all(&["MAIL FROM:<\"a\\>b c\"@x.example>", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
    let stored = String::from_utf8(server.mail("alice").remove(0)).unwrap();
    assert!(stored.starts_with("Return-Path: <\"a\\>b c\"@x.example>\nDelivered-To: "), "{stored}");
    assert_eq!(content(stored.as_bytes()), b"x\n", "{stored}");
}
