//! What attackers send, and what a session answers. Ends of data, injected commands and foreign protocols are in
//! `quirks.rs`, `bdat.rs` and the transcripts; time and memory in `session.rs`.

use smtp_proto::Mailbox;
use smtp_proto::server::{
    Abuse, CloseReason, Extension, Facts, Need, Peer, ReceivedBy, Step, TlsInfo, replies,
};

mod support;

use support::{Wire, at, config};

const ENVELOPE: &[u8] = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@mx.example>\r\n";

/// The header that a message of this session would get.
fn received(facts: &Facts) -> String {
    let by = ReceivedBy {
        from: Some("evil.example)\r\nX: y"),
        host: "mx.example",
        id: "ID1",
        date: "Tue, 05 May 2026 09:03:01 +0200",
        for_: Some(Mailbox::parse(b"c@mx.example").unwrap()),
    };
    String::from_utf8(facts.received(by)).unwrap()
}

#[test]
fn a_bare_cr_before_the_end_refuses_the_message_and_ends_it_there() {
    for cut in 0..12 {
        let mut wire = Wire::greeted(config());
        wire.send(ENVELOPE);
        wire.send(b"DATA\r\n");
        wire.said.clear();
        let octets = b"x\r\r\n.\r\nNOOP\r\n";
        wire.send(&octets[..cut]);
        wire.send(&octets[cut..]);
        let said = wire.said();
        assert!(said.starts_with("550 5.6.11 "), "cut at {cut}: {said}");
        assert!(said.ends_with("250 2.0.0 Ok\r\n"), "cut at {cut}: {said}");
    }
}

#[test]
fn what_the_peer_says_of_itself_cannot_forge_a_header() {
    let peer = Peer::at(([192, 0, 2, 7], 4711).into());
    let lenient = smtp_proto::Leniency::DEVICES;
    for name in [b"a(b)\"c;d".as_slice(), b"x>y<z", b"\xff\xfe", b"'or'1'='1"] {
        let mut wire = Wire::with_peer(config().leniency(lenient), peer.clone());
        wire.go();
        wire.send(&[b"EHLO ", name, b"\r\n"].concat());
        let header = received(wire.session.facts());
        let shown = header.strip_prefix("Received: from ").unwrap().split(' ').next().unwrap();
        assert!(
            shown.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_:[]?".contains(&octet)),
            "{header}"
        );
        assert!(header.ends_with(
            " (evil.example???X:?y [192.0.2.7])\r\n\tby mx.example with ESMTP id ID1\r\n\tfor <c@mx.example>; \
             Tue, 05 May 2026 09:03:01 +0200\r\n"
        ));
    }
}

#[test]
fn the_trace_header_names_how_mail_came_in() {
    let mut wire = Wire::greeted(config().offer(Extension::StartTls).offer(Extension::Smtputf8));
    assert!(received(wire.session.facts()).contains(" with ESMTP id "));
    wire.send(b"MAIL FROM:<a@b.example> SMTPUTF8\r\n");
    assert!(received(wire.session.facts()).contains(" with UTF8SMTP id "));
    wire.send(b"RSET\r\nHELO a.example\r\n");
    assert!(received(wire.session.facts()).contains(" with SMTP id "));
    assert_eq!(wire.send(b"STARTTLS\r\n"), Need::Upgrade);
    wire.session.tls_established(&mut smtp_proto::Input::new(b""), TlsInfo::default(), at(0)).unwrap();
    wire.send(b"EHLO a.example\r\n");
    assert!(received(wire.session.facts()).contains(" with ESMTPS id "));
}

#[test]
fn starttls_is_refused_in_a_transaction_with_an_argument_and_where_it_is_not_offered() {
    let mut wire = Wire::greeted(config());
    wire.send(b"STARTTLS\r\n");
    assert!(wire.said().starts_with("502 "));
    let mut wire = Wire::greeted(config().offer(Extension::StartTls));
    wire.send(b"STARTTLS now\r\n");
    assert!(wire.said().starts_with("501 "));
    wire.send(ENVELOPE);
    wire.said.clear();
    wire.send(b"STARTTLS\r\n");
    assert!(wire.said().starts_with("503 "));
    wire.send(b"RSET\r\nSTARTTLS\r\n");
    assert!(wire.said().contains("220 "));
}

#[test]
fn only_a_trusted_peer_speaks_for_others() {
    let offering = || {
        let config = config().offer(Extension::Xclient).offer(Extension::Xforward);
        config.trust([10, 0, 0, 0].into(), 8).trust("2001:db8::".parse().unwrap(), 32)
    };
    let outsiders = ["192.0.2.1:9", "[2001:db9::1]:9", "[::1]:9", "[::ffff:192.0.2.1]:9"];
    let insiders = ["10.1.2.3:9", "[2001:db8:1::1]:9", "[::ffff:10.1.2.3]:9"];
    for (addresses, trusted) in [(outsiders.as_slice(), false), (insiders.as_slice(), true)] {
        for address in addresses {
            let mut wire = Wire::with_peer(offering(), Peer::at(address.parse().unwrap()));
            wire.go();
            wire.said.clear();
            wire.send(b"EHLO proxy.example\r\n");
            assert_eq!(wire.said().contains("XCLIENT"), trusted, "{address}");
            wire.send(b"XCLIENT ADDR=198.51.100.7 PORT=77 LOGIN=tim HELO=client.example\r\n");
            let said = wire.said();
            assert!(said.starts_with(if trusted { "220 " } else { "550 5.7.0" }), "{address}: {said}");
            let facts = wire.session.facts();
            let remote = facts.peer().remote().unwrap().to_string();
            if trusted {
                assert_eq!((remote.as_str(), facts.user()), ("198.51.100.7:77", Some("tim")));
                wire.send(b"MAIL FROM:<>\r\n");
                assert!(wire.said().starts_with("503 "), "the session starts over");
                wire.send(b"EHLO client.example\r\n");
                assert!(wire.said().contains("XCLIENT"), "it is still the trusted peer that is connected");
            } else {
                assert_eq!((remote.as_str(), facts.user()), (*address, None));
            }
        }
    }
}

#[test]
fn recipients_beyond_the_cap_are_told_452_and_those_before_stand() {
    let mut wire = Wire::greeted(config().limits(|limits| limits.recipients = 5));
    wire.send(b"MAIL FROM:<>\r\n");
    wire.said.clear();
    wire.send(&b"RCPT TO:<c@mx.example>\r\n".repeat(150));
    let said = wire.said();
    assert_eq!(said.matches("250 2.1.5").count(), 100, "never below a hundred (RFC 5321 §4.5.3.1.8)");
    assert_eq!(said.matches("452 4.5.3").count(), 50);
    wire.send(b"DATA\r\n");
    assert!(wire.said().starts_with("354"), "fifty too many are no error of the client's");
}

#[test]
fn harvesting_recipients_ends_the_session() {
    let mut wire = Wire::greeted(config());
    wire.send(b"MAIL FROM:<>\r\n");
    let mut asked = 0;
    while wire.close.is_none() {
        asked += 1;
        wire.arrive(b"RCPT TO:<guess@mx.example>\r\n");
        wire.go_with(|step| match step {
            Step::Rcpt(rcpt) => rcpt.refuse(&replies::NO_SUCH_USER),
            other => other.accept(),
        });
    }
    assert_eq!(asked, 100);
    assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::RefusedRecipients)));
    assert!(wire.said().ends_with("421 4.7.0 Too many errors, closing\r\n"));
}

#[test]
fn floods_of_what_does_nothing_end_the_session() {
    let rows: [(&[u8], &str); 4] = [
        (b"NOOP\r\n", "NOOP"),
        (b"RSET\r\n", "RSET"),
        (b"VRFY a\r\n", "VRFY"),
        (b"EHLO a.example\r\n", "EHLO"),
    ];
    for (line, name) in rows {
        let mut wire = Wire::greeted(config());
        for _ in 0..100 {
            wire.send(line);
        }
        assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::Junk)), "{name}");
    }
    let mut wire = Wire::greeted(config().offer(Extension::Chunking));
    wire.send(ENVELOPE);
    wire.send(&b"BDAT 0\r\n".repeat(200));
    assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::Junk)), "empty chunks");
}

#[test]
fn a_chunk_of_any_announced_size_is_refused_before_it_is_read() {
    for size in ["52428801", "18446744073709551615"] {
        let mut wire = Wire::greeted(config().offer(Extension::Chunking));
        wire.send(ENVELOPE);
        wire.said.clear();
        wire.send(format!("BDAT {size}\r\nQUIT\r\n").as_bytes());
        let said = wire.said();
        assert!(said.starts_with("552 5.3.4 "), "{size}: {said}");
        assert!(!said.contains("221"), "{size}: what follows is the chunk's, not a command");
        assert!(wire.content.is_empty());
    }
}
