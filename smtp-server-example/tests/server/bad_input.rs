//! What should not come: the right 5yz or 421, nothing delivered, and the server lives.

use crate::harness::{Server, TRANSACTION};

/// Sends `octets`, says that no more will come, and returns all replies after the greeting.
fn answers(server: &Server, octets: &[u8]) -> String {
    let mut client = server.connect();
    client.send(octets);
    client.finish();
    client.rest()
}

#[test]
fn commands_that_are_none_are_refused_and_what_follows_is_understood() {
    let server = Server::demo();
    let long = format!("NOOP {}\r\nNOOP\r\n", "x".repeat(10_000));
    for (octets, want, why) in [
        (long.as_bytes(), "500 5.5.2 ", "an over-long line is one bad command, not several"),
        (b"NO\0OP\r\nNOOP\r\n", "501 5.5.2 ", "NUL"),
        (b"MAIL FROM:<a\0b@c.example>\r\nNOOP\r\n", "501 5.5.2 ", "NUL in an address"),
        (b"NO\rOP\r\nNOOP\r\n", "501 5.5.2 ", "a bare CR is no line end"),
        (b"\r\r\nNOOP\r\n", "501 5.5.2 ", "nor before CR LF"),
        (b"\x80\x81\xFE\xFF\r\nNOOP\r\n", "500 5.5.2 ", "garbage"),
        (b"\r\nNOOP\r\n", "500 5.5.2 ", "an empty line"),
        (b"HELLO\r\nNOOP\r\n", "500 5.5.1 ", "an unknown word"),
        (b"DATA\r\nNOOP\r\n", "503 5.5.1 ", "DATA before anything"),
        (b"RCPT TO:<alice@example.test>\r\nNOOP\r\n", "503 5.5.1 ", "RCPT before MAIL"),
    ] {
        let answers = answers(&server, octets);
        let (first, second) = answers.split_once("\r\n").unwrap_or_default();
        assert!(first.starts_with(want), "{why}: {answers}");
        assert_eq!(second, "250 2.0.0 Ok\r\n", "{why}: the NOOP behind it");
    }
    server.assert_no_mail("no message was sent");
    server.assert_alive();
}

#[test]
fn a_line_that_ends_in_lf_alone_ends_the_session() {
    let server = Server::demo();
    let answers =
        answers(&server, b"EHLO client.example\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.test>\r\n");
    assert!(answers.starts_with("500 5.5.2 "), "{answers}");
    assert!(!answers.contains("250"), "nothing behind it is executed: {answers}");
    assert!(server.line(" closed ").contains("why=abuse-out-of-step"));
    server.assert_alive();
}

#[test]
fn other_protocols_are_told_so_and_dropped() {
    let server = Server::demo();
    for (octets, why) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "not-smtp-http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03xxxxxxxxxxxxxxxxxx\r\n", "not-smtp-tls"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nEHLO x.example\r\n", "not-smtp-proxy"),
    ] {
        let answers = answers(&server, octets);
        assert!(answers.starts_with("554 5.5.1 ") && answers.lines().count() == 1, "{why}: {answers}");
        let line = server.line(" closed ");
        assert!(line.contains(&format!("why={why}")), "{line}");
    }
    server.assert_alive();
}

#[test]
fn an_endless_line_is_skipped_in_little_memory() {
    let server = Server::demo();
    let before = server.resident();
    let mut client = server.connect();
    for _ in 0..300 {
        client.send(&[b'x'; 100_000]);
    }
    let most = server.resident();
    assert!(client.say("\r\nNOOP").starts_with("500 5.5.2 "));
    assert!(most < before + 4 * 1024, "30 MB without a line end took the server from {before} to {most} KiB");
    server.assert_alive();
}

#[test]
fn content_with_a_bare_cr_or_lf_is_refused_once_at_its_true_end() {
    let server = Server::demo();
    for (octets, why) in [
        (&b"a\nb\r\n.\r\n"[..], "bare LF"),
        (b"a\rb\r\n.\r\n", "bare CR"),
        (
            b"a\n.\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nx\r\n.\r\n",
            "LF . LF is no end",
        ),
        (b"a\n.\r\nMAIL FROM:<evil@x.example>\r\n.\r\n", "LF . CR LF is no end"),
        (b"a\r\n.\nMAIL FROM:<evil@x.example>\r\n.\r\n", "CR LF . LF is no end"),
        (b"a\r.\rMAIL FROM:<evil@x.example>\r\n.\r\n", "CR . CR is no end"),
        (b"a\r\n.\rMAIL FROM:<evil@x.example>\r\n.\r\n", "CR LF . CR is no end"),
        (b"a\r\r\n.\r\n", "CR CR LF . CR LF is an end, but the first CR is bare"),
    ] {
        let mut client = server.connect();
        client.begin_content();
        client.send(octets);
        let reply = client.reply();
        assert!(reply.starts_with("550 5.6.11 "), "{why}: {reply}");
        assert_eq!(
            client.say("QUIT"),
            "221 2.0.0 Bye",
            "{why}: nothing of the content was taken for a command"
        );
    }
    server.assert_no_mail("every message was refused");
    server.assert_alive();
}

#[test]
fn an_end_with_octets_between_is_none() {
    let server = Server::demo();
    for (octets, why) in [
        (&b"a\r\n\0.\r\nb\r\n.\r\n"[..], "NUL before the dot"),
        (b"a\r\n.\0\r\nb\r\n.\r\n", "NUL behind the dot"),
        (b"a\r\n. \r\nb\r\n.\r\n", "a space behind the dot"),
        (b"a\r\n..\r\nb\r\n.\r\n", "two dots"),
    ] {
        let before = server.mail("alice").len();
        let mut client = server.connect();
        client.begin_content();
        client.send(octets);
        assert!(client.reply().starts_with("250 2.0.0 "), "{why}");
        assert_eq!(client.say("QUIT"), "221 2.0.0 Bye", "{why}");
        assert_eq!(server.mail("alice").len(), before + 1, "{why}: one message");
    }
}

#[test]
fn content_sent_before_it_was_asked_for_is_not_taken() {
    let server = Server::demo();
    let octets = format!("{TRANSACTION}Subject: early\r\n\r\nx\r\n.\r\nQUIT\r\n");
    let answers = answers(&server, octets.as_bytes());
    let last = answers.lines().last().unwrap_or_default();
    assert!(last.starts_with("503 5.5.1 "), "{answers}");
    assert!(server.line(" closed ").contains("why=abuse-early"));
    server.assert_no_mail("the client did not wait for 354");
    server.assert_alive();
}

#[test]
fn a_client_that_vanishes_in_its_content_leaves_nothing() {
    let server = Server::demo();
    for (octets, why) in [
        (Vec::new(), "right after 354"),
        (b"Subject: x\r\n\r\nhalf a li".to_vec(), "in a line"),
        (b"Subject: x\r\n\r\nwhole line\r\n.".to_vec(), "in the end mark itself"),
        (b"x\r\n".repeat(100_000), "when much is written already"),
    ] {
        let mut client = server.connect();
        client.begin_content();
        client.send(&octets);
        client.vanish();
        let line = server.line(" dropped ");
        assert!(line.contains("why=hang-up"), "{why}: {line}");
        server.assert_no_mail(why);
    }
    server.assert_alive();
}

#[test]
fn a_message_over_the_limit_is_refused_and_leaves_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::limited(folder.path(), "message_octets = 100000");
    let mut client = server.connect();
    client.say("EHLO client.example");
    assert!(client.say("MAIL FROM:<a@client.example> SIZE=100001").starts_with("552 5.3.4 "));
    client.begin_content();
    client.send(&b"0123456789012345678901234567890123456789\r\n".repeat(5_000));
    assert!(client.say(".").starts_with("552 5.3.4 "));
    server.assert_no_mail("it is too large");
    client.begin_content();
    assert!(client.say("small\r\n.").starts_with("250 "), "the session goes on");
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn too_many_connections_from_one_address_are_told_421() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::limited(folder.path(), "connections_per_address = 2");
    let first = server.connect();
    let _second = server.connect();
    let third = std::net::TcpStream::connect(server.address).unwrap();
    let reply = std::io::read_to_string(third).unwrap();
    assert!(reply.starts_with("421 "), "{reply}");
    first.vanish();
    // The place is free as soon as the server has seen the end of the first: ask until then.
    let free = (0..1000).any(|_| {
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        let mut greeting = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut greeting).unwrap();
        greeting.starts_with("220 ")
    });
    assert!(free, "the place of a connection that ended stays taken");
}

#[test]
fn a_client_that_says_nothing_is_sent_away() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::limited(folder.path(), "idle_seconds = 1");
    let mut client = server.connect();
    let reply = client.reply();
    assert!(reply.starts_with("421 "), "{reply}");
    assert_eq!(client.reply(), "", "and the connection is closed");
    assert!(server.line(" closed ").contains("why=idle"));
}
