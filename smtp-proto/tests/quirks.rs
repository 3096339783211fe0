//! What clients really send, strict and lenient: the rows that a session decides. Those that the grammar decides
//! alone are in `commands.rs`.

use std::sync::Arc;

use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, CloseReason, Extension, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::{Leniency, RecvBuf, Time};

/// What a session said and how it ended.
struct Talk {
    codes: Vec<u16>,
    close: Option<CloseReason>,
    content: Vec<u8>,
    senders: Vec<String>,
    /// What each write held.
    writes: Vec<String>,
    deviations: u64,
}

fn config(leniency: Leniency) -> ServerConfig {
    ServerConfig::new("mx.example").unwrap().leniency(leniency).offer(Extension::Chunking)
}

/// Sends each segment as one read; all tokens are accepted.
fn talk(config: ServerConfig, segments: &[&[u8]], eof: bool) -> Talk {
    let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), Time::ZERO);
    let mut buffer = RecvBuf::default();
    let mut said = Vec::new();
    let mut talk = Talk {
        codes: Vec::new(),
        close: None,
        content: Vec::new(),
        senders: Vec::new(),
        writes: Vec::new(),
        deviations: 0,
    };
    let mut segments = segments.iter();
    loop {
        buffer.fit(session.room());
        match session.needs(&buffer.input(), Time::ZERO) {
            Need::Flush => {
                said.extend_from_slice(session.output());
                talk.writes.push(String::from_utf8(session.output().to_vec()).unwrap());
                session.output().clear();
            }
            Need::Input => match segments.next() {
                Some(segment) => {
                    buffer.fit(segment.len());
                    buffer.spare()[..segment.len()].copy_from_slice(segment);
                    buffer.commit(segment.len());
                }
                None if eof => session.handle_eof(),
                None => break,
            },
            Need::Step => {
                let mut input = buffer.input();
                match session.next(&mut input).unwrap() {
                    Step::Content(octets) => talk.content.extend_from_slice(octets),
                    Step::Mail(mail) => {
                        talk.senders.push(mail.sender().to_string());
                        mail.accept();
                    }
                    Step::Auth(auth) if auth.response().is_none() => auth.challenge(b""),
                    Step::Close(reason) => talk.close = Some(reason),
                    step => step.accept(),
                }
                let used = input.used();
                buffer.consume(used);
            }
            _ => break,
        }
    }
    talk.deviations = session.facts().deviation_count();
    let text = String::from_utf8(said).unwrap();
    let last_lines = text.lines().filter(|line| line.as_bytes()[3] == b' ');
    talk.codes = last_lines.skip(1).map(|line| line[..3].parse().unwrap()).collect();
    talk
}

const EHLO: &[u8] = b"EHLO a.example\r\n";
const ENVELOPE: &[u8] = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n";

/// Row, segments, codes when strict, preset, codes under it, why.
type Row = (u32, &'static [&'static [u8]], &'static [u16], Leniency, &'static [u16], &'static str);

const ROWS: &[Row] = &[
    (
        45,
        &[EHLO, b"MAIL FROM: <a@b.example>\r\n"],
        &[250, 501],
        Leniency::SUBMISSION,
        &[250, 250],
        "a space before the path",
    ),
    (46, &[EHLO, b"MAIL FROM:a@b.example\r\n"], &[250, 501], Leniency::DEVICES, &[250, 250], "no brackets"),
    (
        47,
        &[EHLO, b"MAIL FROM:<Joe <a@b.example>>\r\n"],
        &[250, 501],
        Leniency::DEVICES,
        &[250, 501],
        "which mailbox?",
    ),
    (
        48,
        &[EHLO, b"MAIL FROM:<a@b.example>SIZE=1\r\n"],
        &[250, 501],
        Leniency::DEVICES,
        &[250, 501],
        "no space",
    ),
    (49, &[EHLO, b"NOOP \t\r\n"], &[250, 250], Leniency::SUBMISSION, &[250, 250], "trailing white space"),
    (50, &[b"EHLO  a.example\r\n"], &[501], Leniency::SUBMISSION, &[250], "two spaces"),
    (
        51,
        &[b"ehlo a.example\r\n", b"mail FROM:<>\r\n"],
        &[250, 250],
        Leniency::SUBMISSION,
        &[250, 250],
        "lower case",
    ),
    (52, &[b"HELO \r\n"], &[501], Leniency::DEVICES, &[250], "no name"),
    (53, &[b"EHLO my_host\r\n"], &[501], Leniency::SUBMISSION, &[250], "a name that is no domain"),
    (54, &[b"EHLO M\xdcLLER-PC\r\n"], &[501], Leniency::DEVICES, &[250], "a name in any charset"),
    (
        55,
        &[EHLO, EHLO, b"HELO a.example\r\n"],
        &[250, 250, 250],
        Leniency::STRICT,
        &[250, 250, 250],
        "EHLO again",
    ),
    (
        57,
        &[b"EHLO a.example\r\nQUIT\r\n"],
        &[554],
        Leniency::SUBMISSION,
        &[250, 221],
        "a group before EHLO's answer",
    ),
    (60, &[b"EHLO a.example\n"], &[500], Leniency::DEVICES, &[500], "a bare LF is never a line's end"),
    (
        65,
        &[EHLO, b"AUTH LOGIN dXNlcg==\r\n"],
        &[250, 235],
        Leniency::STRICT,
        &[250, 235],
        "a user name as initial response",
    ),
    (
        66,
        &[EHLO, b"AUTH PLAIN\r\n", b"AGEAYg==\r\n"],
        &[250, 334, 235],
        Leniency::STRICT,
        &[250, 334, 235],
        "no initial response",
    ),
    (
        66,
        &[EHLO, b"AUTH PLAIN =\r\n"],
        &[250, 235],
        Leniency::STRICT,
        &[250, 235],
        "an empty initial response",
    ),
    (
        67,
        &[b"HELO a.example\r\n", b"AUTH PLAIN AGEAYg==\r\n"],
        &[250, 503],
        Leniency::DEVICES,
        &[250, 235],
        "AUTH after HELO",
    ),
    (67, &[b"AUTH PLAIN AGEAYg==\r\n"], &[503], Leniency::DEVICES, &[503], "AUTH before EHLO"),
    (
        68,
        &[EHLO, b"AUTH PLAIN\r\n", b"*\r\n"],
        &[250, 334, 501],
        Leniency::STRICT,
        &[250, 334, 501],
        "cancelled",
    ),
    (
        68,
        &[EHLO, b"AUTH PLAIN\r\n", b"QUIT\r\n"],
        &[250, 334, 235],
        Leniency::SUBMISSION,
        &[250, 334, 221],
        "QUIT is base64",
    ),
    (
        70,
        &[EHLO, b"MAIL FROM:<> RET=HDRS\r\n"],
        &[250, 555],
        Leniency::DEVICES,
        &[250, 250],
        "a parameter not offered",
    ),
    (
        70,
        &[EHLO, b"MAIL FROM:<> X-OWN=1\r\n"],
        &[250, 555],
        Leniency::DEVICES,
        &[250, 555],
        "a parameter not known",
    ),
    (71, &[EHLO, b"MAIL FROM:<> SIZE=0\r\n"], &[250, 250], Leniency::STRICT, &[250, 250], "no size"),
    (
        73,
        &[EHLO, "MAIL FROM:<j\u{f6}rg@b.example>\r\n".as_bytes()],
        &[250, 553],
        Leniency::DEVICES,
        &[250, 250],
        "UTF-8 undeclared",
    ),
    (
        73,
        &[EHLO, b"MAIL FROM:<j\xf6rg@b.example>\r\n"],
        &[250, 501],
        Leniency::DEVICES,
        &[250, 501],
        "Latin-1",
    ),
    (74, &[EHLO, b"MAIL FROM:<a..b@c.example>\r\n"], &[250, 501], Leniency::DEVICES, &[250, 250], "dots"),
    (
        75,
        &[EHLO, b"MAIL FROM:<a@foo_bar.example>\r\n"],
        &[250, 501],
        Leniency::DEVICES,
        &[250, 250],
        "an underscore",
    ),
    (
        76,
        &[EHLO, b"MAIL FROM:<>\r\nRCPT TO:<@a.example,@b.example:c@d.example>\r\nRCPT TO:<Postmaster>\r\n"],
        &[250, 250, 250, 250],
        Leniency::STRICT,
        &[250, 250, 250, 250],
        "a route, postmaster",
    ),
    (
        77,
        &[EHLO, b"NOOP x\r\n", b"ONEX\r\n", b"VRFY a\r\n"],
        &[250, 250, 500, 252],
        Leniency::DEVICES,
        &[250, 250, 250, 252],
        "verbs of old",
    ),
    (80, &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], &[554], Leniency::DEVICES, &[554], "HTTP"),
    (80, &[b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"], &[554], Leniency::DEVICES, &[554], "PROXY unasked"),
    (47, &[EHLO, b"MAIL FROM:<a@b.example (x)>\r\n", b"MAIL FROM:<'a@b.example'>\r\n", b"MAIL FROM:<a@b.example\r\n"], &[250, 501, 501, 501], Leniency::DEVICES, &[250, 501, 501, 501], "nor here"),
    (50, &[EHLO, b"AUTH PLAIN  AGEAYg==\r\n"], &[250, 501], Leniency::SUBMISSION, &[250, 235], "two spaces before a response"),
    (53, &[b"EHLO XC-B8C463\r\n"], &[250], Leniency::SUBMISSION, &[250], "one label"),
    (
        53,
        &[b"EHLO fe80::1\r\n", b"EHLO x-.dom\r\n", b"EHLO x.\r\n"],
        &[501, 501, 501],
        Leniency::SUBMISSION,
        &[250, 250, 250],
        "more names that are no domains",
    ),
    (53, &[b"EHLO 192.168.1.2\r\n"], &[250], Leniency::STRICT, &[250], "labels may be digits"),
    (53, &[b"EHLO [IPV6:2001:db8::1]\r\n"], &[250], Leniency::STRICT, &[250], "a tag has no case"),
    (71, &[EHLO, b"MAIL FROM:<> SIZE=99999999999\r\n"], &[250, 552], Leniency::DEVICES, &[250, 552], "over the limit"),
    (72, &[EHLO, b"MAIL FROM:<a@b.example> SMTPUTF8\r\n"], &[250, 250], Leniency::STRICT, &[250, 250], "without BODY"),
    (74, &[EHLO, b"MAIL FROM:<a.@c.example>\r\n", b"MAIL FROM:<xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@c.example>\r\n"], &[250, 501, 250], Leniency::DEVICES, &[250, 250, 503], "a dot at the end; more than 64 octets, which is nested then"),
    (75, &[EHLO, b"MAIL FROM:<a@c.example.>\r\n"], &[250, 501], Leniency::DEVICES, &[250, 250], "a final dot"),
    (77, &[EHLO, b"VERB\r\n", b"XADR\r\n"], &[250, 500, 500], Leniency::DEVICES, &[250, 250, 250], "more verbs of old"),
    (80, &[b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], &[554], Leniency::DEVICES, &[554], "TLS"),
];

fn with_auth(leniency: Leniency) -> ServerConfig {
    let config = config(leniency).auth(&[Mechanism::PLAIN, Mechanism::LOGIN], AuthWhen::Always);
    config.offer(Extension::Smtputf8)
}

#[test]
fn each_row_is_answered_as_the_table_says_strict_and_lenient() {
    for (row, segments, strict, preset, lenient, why) in ROWS {
        let talked = talk(with_auth(Leniency::STRICT), segments, false);
        assert_eq!(talked.codes, *strict, "row {row}, strict: {why}");
        assert_eq!(talked.deviations, 0, "row {row}: nothing is tolerated by the strict");
        let talked = talk(with_auth(*preset), segments, false);
        assert_eq!(talked.codes, *lenient, "row {row}, lenient: {why}");
    }
}

#[test]
fn what_reports_are_about_need_be_no_mailbox_row_69() {
    let segments: &[&[u8]] = &[
        EHLO,
        b"MAIL FROM:<> ENVID=X400-a+20[/b;\r\n",
        b"RCPT TO:<a@b.example> NOTIFY=success,failure ORCPT=rfc822;root\r\n",
    ];
    for leniency in [Leniency::STRICT, Leniency::DEVICES] {
        let talked = talk(config(leniency).offer(Extension::Dsn), segments, false);
        assert_eq!(talked.codes, [250, 250, 250]);
        assert_eq!(talked.deviations, 0);
    }
}

#[test]
fn what_is_tolerated_is_counted() {
    let segments: &[&[u8]] = &[b"EHLO my_host\r\n", b"MAIL FROM: <a@b.example>\r\n", b"NOOP\r\n"];
    let talked = talk(with_auth(Leniency::DEVICES), segments, false);
    assert_eq!(talked.deviations, 2);
    assert_eq!(talked.senders, ["<a@b.example>"]);
}

#[test]
fn early_talk_is_flagged_or_refused_row_58() {
    for (leniency, accepted) in [(Leniency::STRICT, false), (Leniency::SUBMISSION, true)] {
        let config = config(leniency).limits(|limits| limits.greet_delay = std::time::Duration::from_secs(1));
        let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), Time::ZERO);
        let early = b"EHLO a.example\r\n";
        assert_eq!(session.needs(&smtp_proto::Input::new(early), Time::ZERO), Need::Step);
        assert!(session.facts().early_talker());
        session.next(&mut smtp_proto::Input::new(early)).unwrap().accept();
        let said = session.output().to_vec();
        assert_eq!(said.starts_with(b"220 "), accepted, "{}", said.escape_ascii());
    }
}

#[test]
fn content_before_354_is_taken_only_where_that_unsafe_switch_is_on_row_59() {
    let early = [ENVELOPE, b"DATA\r\nSubject: hi\r\n.\r\nQUIT\r\n"].concat();
    let segments: &[&[u8]] = &[EHLO, &early];
    for leniency in [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES] {
        let talked = talk(config(leniency), segments, false);
        assert_eq!(talked.codes, [250, 250, 250, 503]);
        assert!(talked.close.is_some());
        assert!(talked.content.is_empty());
    }
    let talked = talk(config(Leniency::DEVICES.with(Leniency::UNSAFE_EARLY_CONTENT)), segments, false);
    assert_eq!(talked.codes, [250, 250, 250, 354, 250, 221]);
    assert_eq!(talked.content, b"Subject: hi\r\n");
}

#[test]
fn lines_that_end_with_lf_are_taken_only_where_that_unsafe_switch_is_on_row_60() {
    let unsafe_lf = Leniency::DEVICES.with(Leniency::UNSAFE_LF_COMMANDS);
    let talked = talk(config(unsafe_lf), &[b"EHLO a.example\n", b"MAIL FROM:<a@b.example>\nNOOP\n"], false);
    assert_eq!(talked.codes, [250, 250, 250]);
    let talked = talk(config(unsafe_lf), &[b"NO\rOP\n"], false);
    assert_eq!(talked.codes.len(), 1, "a bare CR stays one line's fault");
    assert!(talked.codes[0] >= 500);
}

#[test]
fn bare_octets_in_content_are_refused_or_kept_and_never_end_it_rows_61_to_63() {
    for ends in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\r\r\n.\r\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n. \r\n",
    ] {
        let content = format!("a{ends}MAIL FROM:<evil@b.example>\r\nb");
        let body = format!("{content}\r\n.\r\n");
        let segments: &[&[u8]] = &[EHLO, ENVELOPE, b"DATA\r\n", body.as_bytes(), b"NOOP\r\n"];
        let talked = talk(config(Leniency::STRICT), segments, false);
        assert_eq!(talked.senders, ["<a@b.example>"], "{}: nothing is smuggled", ends.escape_debug());
        assert_eq!(talked.codes.last(), Some(&250), "the session goes on");
        let bare = !matches!(ends, "\r\n\0.\r\n" | "\r\n.\0\r\n" | "\r\n. \r\n");
        assert_eq!(talked.codes[4], if bare { 550 } else { 250 }, "{}", ends.escape_debug());

        let talked = talk(config(Leniency::DEVICES), segments, false);
        assert_eq!(talked.codes[4], 250, "{}", ends.escape_debug());
        assert_eq!(talked.senders, ["<a@b.example>"]);
    }
}

#[test]
fn bare_lf_in_chunks_has_a_switch_of_its_own_row_61() {
    let chunk = b"BDAT 4 LAST\r\na\nb\n";
    let segments: &[&[u8]] = &[EHLO, ENVELOPE, chunk];
    assert_eq!(talk(config(Leniency::STRICT), segments, false).codes, [250, 250, 250, 550]);
    let talked = talk(config(Leniency::SUBMISSION), segments, false);
    assert_eq!(talked.codes, [250, 250, 250, 250]);
    assert_eq!(talked.content, b"a\nb\n");
}

#[test]
fn content_of_any_octets_is_taken_undeclared_rows_64_and_72() {
    let segments: &[&[u8]] = &[EHLO, ENVELOPE, b"DATA\r\n", b"From me Mon\r\n\xe4\xf6\x00\r\n.\r\n"];
    let talked = talk(config(Leniency::STRICT), segments, false);
    assert_eq!(talked.codes, [250, 250, 250, 354, 250]);
    assert_eq!(talked.content, b"From me Mon\r\n\xe4\xf6\x00\r\n");
}

#[test]
fn a_client_that_goes_on_after_errors_is_borne_longer_where_told_so_row_79() {
    let junk = b"body line\r\n".repeat(19);
    assert!(talk(config(Leniency::STRICT), &[&junk[..110]], false).close.is_none(), "ten are free");
    let many = b"body line\r\n".repeat(40);
    assert!(talk(config(Leniency::DEVICES), &[&many], false).close.is_none());
}

#[test]
fn a_client_that_leaves_without_quit_is_no_error_row_81() {
    assert_eq!(talk(config(Leniency::STRICT), &[], true).close, Some(CloseReason::Probe));
    assert_eq!(talk(config(Leniency::STRICT), &[EHLO], true).close, Some(CloseReason::PeerGone));
}

/// Row 78: clients that understand no reply of several lines, want each in a packet of its own, and need a text behind 354.
#[test]
fn who_waits_for_each_reply_gets_one_line_with_text_in_one_write() {
    let lines: &[&[u8]] = &[
        b"HELO a.example\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"RCPT TO:<c@d.example>\r\n",
        b"DATA\r\n",
        b"Subject: hi\r\n\r\n.\r\n",
        b"QUIT\r\n",
    ];
    for leniency in [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES] {
        let talk = talk(config(leniency), lines, false);
        assert_eq!(talk.codes, [250, 250, 250, 354, 250, 221]);
        assert_eq!(talk.writes.len(), 1 + lines.len(), "{:?}", talk.writes);
        for write in &talk.writes {
            let (line, rest) = write.split_once("\r\n").unwrap();
            assert_eq!(rest, "", "one line: {write:?}");
            assert!(line.len() > "250 ".len() && line.as_bytes()[3] == b' ', "with text: {line:?}");
        }
    }
}
