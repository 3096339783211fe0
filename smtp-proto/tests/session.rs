//! Rules of the server session that a transcript can't show: time, buffers, tokens, memory.

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{
    Abuse, AuthWhen, CloseReason, Extension, ForeignProtocol, Need, Peer, ResetCause, ServerSession, Step,
    TlsInfo, replies,
};
use smtp_proto::{Input, RecvBuf, Time, limits};

mod support;

use support::{Wire, at, config};

const ENVELOPE: &[u8] = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@mx.example>\r\n";

// ---- tokens ----------------------------------------------------------------------------------------------

#[test]
fn a_verdict_says_whether_the_peer_went_on_without_it() {
    for (content, followed, why) in
        [(&b"hi\r\n.\r\n"[..], false, "it waits"), (b"hi\r\n.\r\nQUIT\r\n", true, "it has said more")]
    {
        let mut wire = Wire::greeted(config());
        wire.send(ENVELOPE);
        wire.send(b"DATA\r\n");
        wire.arrive(content);
        let mut seen = Vec::new();
        wire.go_with(|step| {
            if let Step::Verdict(verdict) = &step {
                seen.push(verdict.followed());
            }
            step.accept();
        });
        assert_eq!(seen, [followed], "{why}");
    }
}

#[test]
fn a_token_dropped_unanswered_never_accepts() {
    let mut wire = Wire::new(config());
    wire.go_with(|step| drop(step));
    assert_eq!(wire.said(), "421 Service not available, try again later\r\n");
    assert_eq!(wire.close, Some(CloseReason::NotAccepted));

    let config = config()
        .offer(Extension::StartTls)
        .offer(Extension::Expn)
        .auth(&[Mechanism::parse(b"PLAIN").unwrap()], AuthWhen::Always);
    let mut wire = Wire::greeted(config);
    let commands: [(&[u8], &str); 5] = [
        (b"EHLO other.example\r\n", "451 Error"),
        (b"AUTH PLAIN\r\n", "454 4.7.0"),
        (b"STARTTLS\r\n", "454 4.7.0"),
        (b"EXPN list\r\n", "451 4.3.0"),
        (b"MAIL FROM:<>\r\n", "451 4.3.0"),
    ];
    for (command, reply) in commands {
        wire.arrive(command);
        wire.go_with(|step| drop(step));
        let said = wire.said();
        assert!(said.starts_with(reply), "{}: {said}", command.escape_ascii());
    }
    assert_eq!(wire.session.facts().hello(), b"client.example", "a refused EHLO changes nothing");
    wire.send(b"MAIL FROM:<>\r\n");
    wire.arrive(b"RCPT TO:<a@b.example>\r\n");
    wire.go_with(|step| drop(step));
    wire.send(b"RCPT TO:<a@b.example>\r\n");
    wire.arrive(b"DATA\r\n");
    wire.go_with(|step| drop(step));
    assert_eq!(wire.resets, [ResetCause::DataRefused]);
    wire.said.clear();
    wire.send(b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n");
    wire.send(b"DATA\r\n");
    wire.arrive(b"hi\r\n.\r\n");
    wire.go_with(|step| drop(step));
    assert!(wire.said().ends_with("451 4.3.0 Error: local problem, try again later\r\n"));
}

#[test]
fn the_class_of_a_reply_wins_over_the_verb_it_is_given_to() {
    let mut wire = Wire::greeted(config());
    wire.arrive(b"MAIL FROM:<>\r\n");
    wire.go_with(|step| match step {
        Step::Mail(mail) => mail.refuse(&replies::OK),
        _ => unreachable!(),
    });
    assert_eq!(wire.said(), "550 5.7.1 Rejected\r\n", "a refusal that says 250 would lie");
    wire.arrive(b"MAIL FROM:<>\r\n");
    wire.go_with(|step| match step {
        Step::Mail(mail) => mail.accept_with(&replies::NO_ANSWER),
        _ => unreachable!(),
    });
    assert!(wire.said().starts_with("451 "));
    wire.send(b"RCPT TO:<a@b.example>\r\n");
    assert!(wire.said().starts_with("503 "), "no transaction began");
}

#[test]
fn an_application_can_hang_up_at_any_token() {
    let mut wire = Wire::greeted(config());
    wire.send(b"MAIL FROM:<>\r\n");
    wire.arrive(b"RCPT TO:<a@b.example>\r\nNOOP\r\n");
    wire.said.clear();
    wire.go_with(|step| match step {
        Step::Rcpt(rcpt) => rcpt.hang_up(&replies::NOT_NOW),
        _ => unreachable!(),
    });
    assert!(wire.said().starts_with("421 "));
    assert_eq!(wire.resets, [ResetCause::Closing]);
    assert_eq!(wire.close, Some(CloseReason::Policy));
    assert!(wire.answered.is_empty(), "what was pipelined behind it is not run");
}

// ---- lines and buffers -----------------------------------------------------------------------------------

#[test]
fn an_over_long_line_is_skipped_and_answered_once() {
    let mut wire = Wire::greeted(config());
    let mut line = vec![b'x'; 1_000_000];
    line.extend_from_slice(b"\r\nNOOP\r\n");
    wire.send(&line);
    assert_eq!(wire.said(), "500 5.5.2 Error: line too long\r\n250 2.0.0 Ok\r\n");
    assert_eq!(wire.answered, [(limits::COMMAND_LINE, 500), (6, 250)]);
    assert_eq!(wire.buffer.capacity(), limits::COMMAND_LINE, "no more memory than a line needs");
}

#[test]
fn a_line_of_just_the_limit_is_taken() {
    let mut wire = Wire::greeted(config());
    let mut line = b"NOOP ".to_vec();
    line.resize(limits::COMMAND_LINE - 2, b'x');
    line.extend_from_slice(b"\r\n");
    wire.send(&line);
    assert!(wire.said().starts_with("250 "));
    line.insert(5, b'x');
    wire.send(&line);
    assert!(wire.said().starts_with("500 "));
}

#[test]
fn a_buffer_smaller_than_the_limit_fills_up_and_does_not_hang() {
    let mut session = ServerSession::new(Arc::new(config()), Peer::unknown(), Time::ZERO);
    let mut buffer = RecvBuf::with_capacity(64);
    let long = [b"NOOP ".as_slice(), &[b'x'; 200], b"\r\nNOOP\r\n"].concat();
    let (mut left, mut said, mut rounds) = (&long[..], Vec::new(), 0);
    loop {
        rounds += 1;
        assert!(rounds < 1_000, "the session spins");
        match session.needs(&buffer.input(), Time::ZERO) {
            Need::Flush => {
                said.extend_from_slice(session.output());
                session.output().clear();
            }
            Need::Step => {
                let mut input = buffer.input();
                session.next(&mut input).unwrap().accept();
                let used = input.used();
                buffer.consume(used);
            }
            Need::Input if left.is_empty() => break,
            Need::Input => {
                let spare = buffer.spare();
                assert!(!spare.is_empty(), "a read of no octets would look like the end");
                let n = spare.len().min(left.len());
                spare[..n].copy_from_slice(&left[..n]);
                buffer.commit(n);
                left = &left[n..];
            }
            need => panic!("{need:?}"),
        }
    }
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said, "220 mx.example ESMTP\r\n500 5.5.2 Error: line too long\r\n250 2.0.0 Ok\r\n");
}

#[test]
fn replies_to_a_client_that_never_reads_stay_bounded() {
    let mut wire = Wire::greeted(config().limits(|limits| limits.junk = 1_000_000));
    let flood = b"NOOP\r\n".repeat(10_000);
    let mut session = wire.session;
    let mut input = Input::new(&flood);
    let mut most = 0;
    while session.needs(&Input::new(&flood[input.used()..]), at(0)) == Need::Step {
        let _ = session.next(&mut input);
        most = most.max(session.output().len());
    }
    assert!(most <= limits::OUTPUT + 512, "{most}");
    wire.buffer.release();
    assert_eq!(wire.buffer.capacity(), 0);
}

#[test]
fn a_buffer_that_is_appended_to_has_hardly_more_memory_than_octets() {
    let mut buffer = RecvBuf::default();
    buffer.allow(limits::COMMAND_LINE);
    assert_eq!(buffer.capacity(), 0);
    for octet in 0..=255 {
        buffer.append(&[octet]);
        assert!(buffer.capacity() <= 2 * buffer.waiting().len().max(32), "{octet}: {}", buffer.capacity());
    }
    assert_eq!(buffer.vacant(), limits::COMMAND_LINE - 256);
    buffer.consume(250);
    buffer.release();
    assert_eq!(buffer.capacity(), 64);
    assert_eq!(buffer.waiting(), [250, 251, 252, 253, 254, 255]);
    buffer.append(&[7; 60]);
    assert_eq!(buffer.waiting().len(), 66);
    buffer.fit(16);
    assert_eq!(buffer.vacant(), buffer.capacity() - 66);
}

#[test]
fn an_appended_line_is_too_long_only_where_no_more_is_allowed() {
    let mut session =
        ServerSession::new(Arc::new(config().without_arrival_checks()), Peer::unknown(), Time::ZERO);
    let mut buffer = RecvBuf::default();
    let mut said = Vec::new();
    for octet in [b"NOOP ".as_slice(), &[b'x'; 200], b"\r\n"].concat() {
        buffer.allow(206);
        buffer.append(&[octet]);
        loop {
            match session.needs(&buffer.input(), Time::ZERO) {
                Need::Flush => {
                    said.extend_from_slice(session.output());
                    session.output().clear();
                }
                Need::Step => {
                    let mut input = buffer.input();
                    session.next(&mut input).unwrap().accept();
                    let used = input.used();
                    buffer.consume(used);
                }
                Need::Input => break,
                need => panic!("{need:?}"),
            }
        }
    }
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "220 mx.example ESMTP\r\n500 5.5.2 Error: line too long\r\n"
    );
}

#[test]
fn completion_reads_bring_their_buffer_back() {
    let mut buffer = RecvBuf::with_capacity(16);
    buffer.spare()[..3].copy_from_slice(b"abc");
    buffer.commit(3);
    buffer.consume(1);
    let mut room = buffer.take();
    assert_eq!(room.len(), 14);
    room[..2].copy_from_slice(b"de");
    buffer.restore(room, 2);
    assert_eq!(buffer.capacity(), 16);
    buffer.consume(2);
    assert_eq!(buffer.spare().len(), 14);
    buffer.consume(2);
    assert!(buffer.is_empty());
}

// ---- time ------------------------------------------------------------------------------------------------

#[test]
fn a_client_that_drips_octets_gains_no_time() {
    let mut wire = Wire::greeted(config());
    for second in 0..300 {
        wire.now = at(second);
        assert_eq!(wire.send(b"x"), Need::Input);
        assert_eq!(wire.session.deadline(), Some(at(300)), "the deadline belongs to the command");
    }
    wire.session.handle_timeout(at(300));
    wire.go();
    assert!(wire.said().starts_with("421 4.4.2"));
    assert_eq!(wire.close, Some(CloseReason::Timeout));
}

#[test]
fn dripping_the_rest_of_an_over_long_line_gains_no_time() {
    let mut wire = Wire::greeted(config());
    wire.send(&[b'x'; limits::COMMAND_LINE]);
    let deadline = wire.session.deadline();
    assert!(deadline.is_some());
    for second in [100, 200, 299] {
        wire.now = at(second);
        assert_eq!(wire.send(b"x"), Need::Input);
        assert_eq!(wire.session.deadline(), deadline);
    }
}

#[test]
fn an_idle_client_is_told_so() {
    let mut wire = Wire::greeted(config());
    wire.go();
    assert_eq!(wire.session.deadline(), Some(at(300)));
    wire.session.handle_timeout(at(300));
    assert_eq!(wire.go(), Need::Nothing);
    assert_eq!(wire.close, Some(CloseReason::Idle));
}

#[test]
fn content_must_keep_up_with_the_slowest_rate() {
    let mut wire = Wire::greeted(config());
    wire.send(ENVELOPE);
    wire.send(b"DATA\r\n");
    // Half the rate: a second is lost every other second, and 300 may be lost.
    let mut last = 0;
    for second in 0..700 {
        wire.now = at(second);
        if wire.session.deadline().is_some_and(|deadline| deadline <= wire.now) {
            break;
        }
        last = second;
        wire.send(&[b'x'; 250]);
    }
    assert!((595..=605).contains(&last), "{last}");
    wire.session.handle_timeout(wire.now);
    wire.go();
    assert_eq!(wire.close, Some(CloseReason::Timeout));
    assert_eq!(wire.resets, [ResetCause::HangUp]);
}

#[test]
fn a_client_that_does_not_read_is_dropped_without_a_word() {
    let mut wire = Wire::greeted(config());
    wire.arrive(b"NOOP\r\n");
    let mut input = wire.buffer.input();
    assert_eq!(wire.session.needs(&input, at(0)), Need::Step);
    let _ = wire.session.next(&mut input);
    let used = input.used();
    wire.buffer.consume(used);
    assert_eq!(wire.session.needs(&wire.buffer.input(), at(1)), Need::Flush);
    assert_eq!(wire.session.deadline(), Some(at(301)));
    wire.session.handle_timeout(at(301));
    assert!(wire.session.output().is_empty());
    wire.go();
    assert_eq!(wire.close, Some(CloseReason::Timeout));
}

#[test]
fn a_reply_waits_for_its_batch_but_not_for_a_slow_policy() {
    let mut wire = Wire::greeted(config());
    wire.arrive(b"NOOP\r\nMAIL FROM:<>\r\n");
    let mut input = wire.buffer.input();
    assert_eq!(wire.session.needs(&input, at(0)), Need::Step);
    let _ = wire.session.next(&mut input);
    let used = input.used();
    wire.buffer.consume(used);
    assert_eq!(wire.session.needs(&wire.buffer.input(), at(0)), Need::Step, "it is batched");
    assert_eq!(wire.session.needs(&wire.buffer.input(), at(1)), Need::Flush, "it is a second old");
}

#[test]
fn errors_beyond_the_free_ones_cost_a_second_each_and_then_the_session() {
    let mut wire = Wire::greeted(config());
    for _ in 0..10 {
        assert_eq!(wire.send(b"XYZZY\r\n"), Need::Input);
    }
    for n in 11..20 {
        let Need::Pause(until) = wire.send(b"XYZZY\r\n") else { panic!("error {n} costs nothing") };
        assert_eq!(until.since(wire.now), Duration::from_secs(1));
        wire.now = until;
    }
    assert_eq!(wire.send(b"XYZZY\r\n"), Need::Nothing);
    assert!(wire.said().ends_with("421 4.7.0 Too many errors, closing\r\n"));
    assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::Errors)));
}

// ---- arrival ---------------------------------------------------------------------------------------------

#[test]
fn a_client_that_talks_in_the_greet_delay_is_turned_away() {
    let mut wire = Wire::new(config().limits(|limits| limits.greet_delay = Duration::from_secs(5)));
    assert_eq!(wire.go(), Need::Pause(at(5)));
    wire.arrive(b"EHLO bot.example\r\n");
    wire.go();
    assert_eq!(wire.said(), "554 5.5.1 Error: wait for the greeting\r\n");
    assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::Early)));

    let mut wire = Wire::new(config().limits(|limits| limits.greet_delay = Duration::from_secs(5)));
    assert_eq!(wire.go(), Need::Pause(at(5)));
    wire.now = at(5);
    assert_eq!(wire.go(), Need::Input);
    assert!(wire.said().starts_with("220 "));
}

#[test]
fn content_that_does_not_wait_for_354_ends_the_session() {
    let mut wire = Wire::greeted(config());
    wire.send(ENVELOPE);
    wire.said.clear();
    wire.arrive(b"DATA\r\nSubject: hi\r\n\r\nQUIT\r\n.\r\n");
    assert_eq!(wire.go(), Need::Nothing);
    assert_eq!(wire.said(), "503 5.5.1 Error: data before 354, wait for the reply to DATA\r\n");
    assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::Early)));
    assert!(wire.content.is_empty());
}

#[test]
fn a_tls_hello_on_a_plain_port_is_told_apart_by_its_first_octet() {
    let mut wire = Wire::new(config());
    wire.go();
    wire.send(b"\x16\x03\x01");
    assert_eq!(wire.close, Some(CloseReason::NotSmtp(ForeignProtocol::Tls)));
}

// ---- STARTTLS, AUTH, shutdown ----------------------------------------------------------------------------

#[test]
fn clear_text_behind_starttls_is_dropped_and_nothing_of_before_is_left() {
    let mut wire = Wire::greeted(config().offer(Extension::StartTls));
    wire.arrive(b"STARTTLS\r\nMAIL FROM:<evil@b.example>\r\nRCPT ");
    assert_eq!(wire.go(), Need::Upgrade);
    assert_eq!(wire.said(), "220 2.0.0 Ready to start TLS\r\n");
    let mut plaintext = wire.buffer.input();
    wire.session.tls_established(&mut plaintext, TlsInfo::default(), at(1)).unwrap();
    let used = plaintext.used();
    wire.buffer.consume(used);
    assert!(wire.buffer.is_empty());
    let facts = wire.session.facts();
    assert_eq!(facts.dropped_at_tls(), 33);
    assert!(facts.hello().is_empty());
    assert!(facts.tls().is_some());
    wire.send(b"MAIL FROM:<a@b.example>\r\n");
    assert!(wire.said().starts_with("503 5.5.1 Error: send EHLO first"));
    wire.send(b"EHLO client.example\r\n");
    let said = wire.said();
    assert!(!said.contains("STARTTLS"), "{said}");
    wire.send(b"STARTTLS\r\n");
    assert!(wire.said().starts_with("503 5.5.1 Error: TLS already active"));
}

/// What the client says in clear before STARTTLS, and a command under TLS that would need it.
const BEFORE_TLS: &[(&[u8], &[u8], &str)] = &[
    (b"EHLO a.example\r\n", b"MAIL FROM:<>\r\n", "EHLO"),
    (b"EHLO a.example\r\nMAIL FROM:<>\r\nRSET\r\n", b"RCPT TO:<a@mx.example>\r\n", "MAIL"),
    (b"EHLO a.example\r\nAUTH PLAIN AGEAYg==\r\n", b"MAIL FROM:<>\r\n", "AUTH"),
    (
        b"EHLO a.example\r\nXCLIENT ADDR=192.0.2.9 LOGIN=tim\r\nEHLO b.example\r\n",
        b"MAIL FROM:<>\r\n",
        "XCLIENT",
    ),
];

#[test]
fn nothing_that_was_said_in_clear_holds_under_tls() {
    let connected = ([10, 0, 0, 1], 4_711).into();
    for (before, command, why) in BEFORE_TLS {
        for fragment in [&b""[..], b"NOOP ", b"MAIL FROM:<evil@b.example>\r\nNO"] {
            let config = config().auth(&[Mechanism::PLAIN], AuthWhen::Always).trust([10, 0, 0, 0].into(), 8);
            let config = config.offer(Extension::StartTls).offer(Extension::Xclient);
            let mut wire = Wire::with_peer(config.without_arrival_checks(), Peer::at(connected));
            wire.arrive(&[before, &b"STARTTLS\r\n"[..], fragment].concat());
            assert_eq!(wire.go(), Need::Upgrade, "{why}");
            let mut plaintext = wire.buffer.input();
            wire.session.tls_established(&mut plaintext, TlsInfo::default(), at(1)).unwrap();
            assert_eq!(plaintext.used(), fragment.len());
            wire.buffer.consume(fragment.len());
            let facts = wire.session.facts();
            assert_eq!((facts.user(), facts.hello()), (None, &b""[..]), "{why}");
            assert_eq!(facts.peer().remote(), Some(connected), "{why}");
            wire.said.clear();
            wire.send(command);
            assert!(wire.said().starts_with("503 5.5.1 "), "{why}");
            wire.send(b"EHLO a.example\r\nRCPT TO:<a@mx.example>\r\n");
            assert!(wire.said().ends_with("503 5.5.1 Error: need MAIL command\r\n"), "{why}");
        }
    }
}

#[test]
fn a_handshake_nobody_asked_for_is_refused() {
    let mut wire = Wire::greeted(config());
    let mut plaintext = Input::new(b"NOOP\r\n");
    assert!(wire.session.tls_established(&mut plaintext, TlsInfo::default(), at(1)).is_err());
    assert_eq!(plaintext.used(), 0);
}

#[test]
fn an_auth_exchange_ends_where_it_should() {
    let plain = Mechanism::parse(b"PLAIN").unwrap();
    let mut wire = Wire::greeted(config().auth(&[plain], AuthWhen::Always));
    let challenge = |step: Step<'_, '_>| match step {
        Step::Auth(auth) => auth.challenge(b"say it"),
        other => other.accept(),
    };
    let rows: [(&[u8], &str); 3] = [
        (b"*\r\n", "501 5.7.0 Authentication cancelled"),
        (b"not base64!\r\n", "501 5.5.2"),
        (&[b'A'; limits::AUTH_LINE + 1], "500 5.5.6"),
    ];
    for (response, reply) in rows {
        wire.arrive(b"AUTH PLAIN\r\n");
        wire.go_with(challenge);
        assert_eq!(wire.said(), "334 c2F5IGl0\r\n");
        wire.send(response);
        let said = wire.said();
        assert!(said.starts_with(reply), "{said}");
        wire.send(b"\r\n");
        wire.said.clear();
    }
    wire.send(b"AUTH X-OTHER\r\n");
    assert!(wire.said().starts_with("504 5.5.4"));
    wire.arrive(b"AUTH PLAIN AGEAYg==\r\n");
    wire.go_with(|step| match step {
        Step::Auth(auth) => {
            assert_eq!(auth.response().unwrap().decode(), b"\0a\0b");
            auth.accept_as("a");
        }
        _ => unreachable!(),
    });
    assert!(wire.said().starts_with("235 2.7.0"));
    assert_eq!(wire.session.facts().user(), Some("a"));
    wire.send(b"AUTH PLAIN AGEAYg==\r\n");
    assert!(wire.said().starts_with("503 5.5.1 Error: already authenticated"));
}

#[test]
fn auth_is_not_offered_in_clear_text_and_required_where_it_is_required() {
    let plain = Mechanism::parse(b"PLAIN").unwrap();
    let mut wire = Wire::new(config().auth(&[plain], AuthWhen::Tls).require_auth());
    wire.go();
    wire.send(b"EHLO client.example\r\n");
    let said = wire.said();
    assert!(!said.contains("AUTH"), "{said}");
    wire.send(b"AUTH PLAIN AGEAYg==\r\n");
    assert!(wire.said().starts_with("538 5.7.11"));
    wire.send(b"MAIL FROM:<>\r\n");
    assert!(wire.said().starts_with("530 5.7.0"));
}

#[test]
fn mechanisms_that_bind_the_channel_are_offered_only_where_there_is_a_binding() {
    let plus = Mechanism::parse(b"SCRAM-SHA-256-PLUS").unwrap();
    let config = config().auth(&[plus, Mechanism::PLAIN], AuthWhen::Always).offer(Extension::StartTls);
    let mut wire = Wire::new(config);
    wire.go();
    wire.send(b"EHLO client.example\r\n");
    let said = wire.said();
    assert!(said.contains("AUTH PLAIN\r\n"), "{said}");
    wire.send(b"AUTH SCRAM-SHA-256-PLUS\r\n");
    assert!(wire.said().starts_with("504 "));
    assert_eq!(wire.send(b"STARTTLS\r\n"), Need::Upgrade);
    let mut tls = TlsInfo::default();
    tls.exporter = Some(vec![0; 32]);
    wire.session.tls_established(&mut Input::new(b""), tls, at(1)).unwrap();
    wire.send(b"EHLO client.example\r\n");
    let said = wire.said();
    assert!(said.contains("AUTH SCRAM-SHA-256-PLUS PLAIN\r\n"), "{said}");
}

#[test]
fn failed_logins_end_the_session() {
    let plain = Mechanism::parse(b"PLAIN").unwrap();
    let mut wire = Wire::greeted(config().auth(&[plain], AuthWhen::Always));
    for _ in 0..3 {
        wire.arrive(b"AUTH PLAIN AGEAYg==\r\n");
        wire.go_with(|step| match step {
            Step::Auth(auth) => auth.refuse(&replies::AUTH_WRONG),
            _ => unreachable!(),
        });
    }
    assert_eq!(wire.close, Some(CloseReason::Abuse(Abuse::FailedAuth)));
}

#[test]
fn secrets_do_not_show_in_debug() {
    let plain = Mechanism::parse(b"PLAIN").unwrap();
    let config = config().auth(&[plain], AuthWhen::Tls).without_arrival_checks();
    let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), at(0));
    let octets = b"EHLO a.example\r\nAUTH PLAIN AHNlY3JldA==\r\n";
    let mut input = Input::new(octets);
    let mut shown = String::new();
    while let Need::Step | Need::Flush = session.needs(&Input::new(&octets[input.used()..]), at(0)) {
        session.output().clear();
        let step = session.next(&mut input).unwrap();
        shown.push_str(&format!("{step:?}\n"));
        step.accept();
        if input.used() == octets.len() {
            break;
        }
    }
    assert!(shown.contains("redacted"), "{shown}");
    assert!(!shown.contains("AHNlY3JldA"), "{shown}");
}

#[test]
fn a_shutdown_waits_for_the_transaction_and_no_longer() {
    let mut wire = Wire::greeted(config());
    wire.send(ENVELOPE);
    wire.session.shut_down();
    wire.send(b"DATA\r\n");
    wire.send(b"hi\r\n.\r\n");
    let said = wire.said();
    assert!(
        said.ends_with("250 2.0.0 Message accepted\r\n421 4.3.2 Shutting down, try again later\r\n"),
        "{said}"
    );
    assert_eq!(wire.resets, [ResetCause::Finished]);
    assert_eq!(wire.close, Some(CloseReason::Shutdown));
}

#[test]
fn after_the_end_nothing_is_needed_and_nothing_comes() {
    let mut wire = Wire::greeted(config());
    assert_eq!(wire.send(b"QUIT\r\nNOOP\r\n"), Need::Nothing);
    assert!(wire.session.next(&mut Input::new(b"NOOP\r\n")).is_none());
    assert_eq!(wire.session.deadline(), None);
}

// ---- memory ----------------------------------------------------------------------------------------------

/// Runs what is in `octets` with every token accepted; the content is looked at and dropped.
fn run(session: &mut ServerSession, octets: &[u8]) {
    let mut input = Input::new(octets);
    loop {
        match session.needs(&Input::new(&octets[input.used()..]), at(0)) {
            Need::Step => {
                if let Some(step) = session.next(&mut input) {
                    step.accept();
                }
            }
            Need::Flush => session.output().clear(),
            _ => return,
        }
    }
}

#[test]
fn a_warm_session_allocates_nothing_per_command() {
    let mut config = config().without_arrival_checks().limits(|limits| limits.junk = u32::MAX);
    for extension in [Extension::Chunking, Extension::Smtputf8, Extension::Dsn] {
        config = config.offer(extension);
    }
    let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), at(0));
    let commands: Vec<u8> = [
        b"EHLO client.example\r\n".as_slice(),
        b"MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x SMTPUTF8\r\n",
        b"RCPT TO:<c@mx.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c@mx.example\r\n",
        b"RCPT TO:<\"quoted part\"@[IPv6:2001:db8::1]>\r\nRSET\r\n",
        ENVELOPE,
        b"DATA\r\nSubject: hi\r\n\r\n..dots\r\n.\r\n",
        ENVELOPE,
        b"BDAT 3\r\nabcBDAT 0 LAST\r\n",
        b"NOOP\r\nVRFY a\r\nHELP\r\n",
    ]
    .concat();
    // Twice: two buffers take turns for the EHLO name.
    run(&mut session, &commands);
    run(&mut session, &commands);
    let counted = measure(|| {
        for _ in 0..100 {
            run(&mut session, &commands);
        }
    });
    assert_eq!(counted.count_total, 0);
}

/// A session is made for each connection and warms up with its first messages. Between a fresh one and its end are the
/// buffer of replies, which grows to the longest batch, and the EHLO name; then nothing more is allocated.
#[test]
fn a_whole_transaction_allocates_nothing_on_a_warm_session_and_little_on_a_fresh_one() {
    let line = b"A line of text as there are many in a message, and its end\r\n";
    let message = [
        b"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n".as_slice(),
        b"RCPT TO:<c@mx.example>\r\nRCPT TO:<d@mx.example>\r\nDATA\r\n",
        &line.repeat(4_096_usize.div_ceil(line.len())),
        b".\r\n",
    ]
    .concat();
    let whole = [message.as_slice(), b"QUIT\r\n"].concat();
    let config = Arc::new(config().without_arrival_checks());
    let fresh = || ServerSession::new(Arc::clone(&config), Peer::unknown(), at(0));

    let mut warm = fresh();
    // Twice: two buffers take turns for the EHLO name.
    run(&mut warm, &message);
    run(&mut warm, &message);
    assert_eq!(measure(|| run(&mut warm, &whole)).count_total, 0);
    let first = measure(|| run(&mut fresh(), &whole)).count_total;
    assert!(first <= 3, "{first} for a connection of one message");
}

#[test]
fn sizes_stay_small() {
    let sizes = [
        // Ten thousand wait at a time, so what is rare is boxed.
        ("ServerSession", size_of::<ServerSession>(), 576),
        ("Step", size_of::<Step<'_, '_>>(), 96),
        ("Need", size_of::<Need>(), 24),
    ];
    for (name, size, limit) in sizes {
        eprintln!("{name}: {size} octets");
        assert!(size <= limit, "{name}: {size} > {limit}");
    }
}
