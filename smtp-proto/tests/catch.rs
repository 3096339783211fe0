//! The application of mail catchers, in memory.
#![cfg(feature = "testing")]

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use smtp_proto::server::{Need, Peer, ServerConfig, ServerSession, TlsInfo};
use smtp_proto::testing::Catch;
use smtp_proto::wire::reply::Reply;
use smtp_proto::{Input, Time};

const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
const LATER: Reply<'static> = Reply::new(451, (4, 2, 0), "Later");
const BYE: Reply<'static> = Reply::new(421, (4, 3, 2), "Bye");
const OK: Reply<'static> = Reply::new(250, (2, 0, 0), "All right");

/// What a server with this configuration says to a client that sends `octets` at once.
fn talk_to(config: ServerConfig, catch: &mut Catch, octets: &str) -> String {
    let mut session =
        ServerSession::new(Arc::new(config.without_arrival_checks()), Peer::unknown(), Time::ZERO);
    let mut application = catch.begin("in memory");
    let (mut left, mut now, mut said) = (octets.as_bytes(), Time::ZERO, Vec::new());
    catch.received(application.id(), left);
    loop {
        match session.needs(&Input::new(left), now) {
            Need::Step => {
                let mut input = Input::new(left);
                if let Some(step) = session.next(&mut input) {
                    application.answer(catch, step);
                }
                left = &left[input.used()..];
            }
            Need::Flush => {
                let output = session.output().split();
                catch.sent(application.id(), &output);
                said.extend_from_slice(&output);
            }
            Need::Upgrade => {
                // What is left comes under TLS here.
                session.tls_established(&mut Input::new(b""), TlsInfo::default(), now).unwrap();
            }
            Need::Input => session.handle_eof(),
            Need::Pause(until) => now = until,
            Need::Nothing => return String::from_utf8(said).unwrap(),
        }
    }
}

fn talk(catch: &mut Catch, lines: &[&str]) -> String {
    talk_to(Catch::config(), catch, &format!("EHLO a.example\r\n{}\r\n", lines.join("\r\n")))
}

/// The codes of all replies behind the answer to EHLO.
fn codes(said: &str) -> Vec<&str> {
    let last_lines = said.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    last_lines.skip(2).map(|line| &line[..3]).collect()
}

#[test]
fn mail_is_kept_as_it_was_accepted() {
    let mut catch = Catch::default();
    catch.on_rcpt("ghost@*", &[NO_USER]);
    let said = talk(
        &mut catch,
        &[
            "MAIL FROM:<a@a.example>",
            "RCPT TO:<ghost@b.example>",
            "RCPT TO:<c@b.example>",
            "DATA",
            "..x",
            ".",
        ],
    );
    assert_eq!(codes(&said), ["250", "550", "250", "354", "250"]);
    let mail = catch.take_mail().expect("a message");
    assert_eq!(mail.from().to_string(), "<a@a.example>");
    assert_eq!(mail.recipients().iter().map(|to| to.as_str()).collect::<Vec<_>>(), ["c@b.example"]);
    assert_eq!((mail.content(), mail.user(), mail.is_encrypted()), (&b".x\r\n"[..], None, false));
    assert_eq!(catch.take_mail(), None);
}

#[test]
fn replies_are_used_up_and_the_last_one_stays() {
    let mut catch = Catch::default();
    catch.on_rcpt("*", &[LATER, OK, NO_USER]);
    let lines = ["MAIL FROM:<>", "RCPT TO:<a@b.example>", "RCPT TO:<a@b.example>", "RCPT TO:<c@b.example>"];
    let said = talk(&mut catch, &lines);
    assert_eq!(codes(&said), ["250", "451", "250", "550"]);
    assert!(said.contains("250 2.0.0 All right\r\n"), "{said}");
    assert_eq!(codes(&talk(&mut catch, &lines)), ["250", "550", "550", "550"], "in the next session too");
    catch.on_rcpt("c@*", &[]);
    assert_eq!(codes(&talk(&mut catch, &lines)), ["250", "550", "550", "250"], "the later pattern decides");
}

#[test]
fn each_command_has_its_script() {
    let mut catch = Catch::default();
    catch.on_mail("<>", &[NO_USER]);
    catch.on_data(&[LATER, OK]);
    catch.on_verdict(&[LATER, OK]);
    catch.on_auth("tim", &[Reply::new(535, (5, 7, 8), "Wrong"), OK]);
    let (auth, bounce) = ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "MAIL FROM:<>");
    let mail = ["MAIL FROM:<a@a.example>", "RCPT TO:<c@b.example>", "DATA"];
    assert_eq!(codes(&talk(&mut catch, &[auth, auth, bounce])), ["535", "235", "550"]);
    assert_eq!(codes(&talk(&mut catch, &mail)), ["250", "250", "451"]);
    assert_eq!(codes(&talk(&mut catch, &[mail.as_slice(), &["."]].concat())), ["250", "250", "354", "451"]);
    assert_eq!(catch.take_mail(), None, "refused behind the dot");
    assert_eq!(codes(&talk(&mut catch, &[mail.as_slice(), &["."]].concat())), ["250", "250", "354", "250"]);
    assert_eq!(catch.take_mail().expect("a message").content(), b"");
}

#[test]
fn a_421_ends_the_session() {
    let mut catch = Catch::default();
    catch.on_rcpt("*", &[BYE]);
    let said = talk(&mut catch, &["MAIL FROM:<>", "RCPT TO:<a@b.example>", "NOOP"]);
    assert!(said.ends_with("421 4.3.2 Bye\r\n"), "{said}");
}

#[test]
fn every_mechanism_that_is_offered_lets_in() {
    for (lines, user) in [
        (&["AUTH PLAIN AHRpbQB0YW5zdGFhZg=="][..], "tim"),
        (&["AUTH LOGIN", "dGlt", "dGFuc3RhYWY="], "tim"),
        (&["AUTH LOGIN dGlt", "dGFuc3RhYWY="], "tim"),
        (&["AUTH CRAM-MD5", "dGltIDAxMjM="], "tim"),
        (&["AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgdAEB"], "tim"),
        (&["AUTH ANONYMOUS dGlt"], "tim"),
        (&["AUTH EXTERNAL ="], ""),
        (&["AUTH LOGIN", "bm90", "*", "AUTH LOGIN dGlt", "dGFuc3RhYWY="], "tim"),
    ] {
        let mut catch = Catch::default();
        let mail = ["MAIL FROM:<>", "RCPT TO:<a@b.example>", "DATA", "."];
        let said = talk(&mut catch, &[lines, &mail].concat());
        assert!(said.contains("\r\n235 "), "{lines:?}: {said}");
        assert_eq!(catch.take_mail().expect("a message").user(), Some(user), "{lines:?}");
        let transcript = catch.transcript();
        assert!(!transcript.contains("dGFuc3RhYWY=") && !transcript.contains("AHRpbQB0"), "{transcript}");
    }
}

#[test]
fn lmtp_gives_each_recipient_a_message() {
    let mut catch = Catch::default();
    catch.on_verdict(&[OK, LATER, OK]);
    let octets = "LHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n\
        RCPT TO:<d@b.example>\r\nDATA\r\nx\r\n.\r\n";
    talk_to(ServerConfig::lmtp("mx.example").unwrap(), &mut catch, octets);
    let names = [catch.take_mail(), catch.take_mail()].map(|mail| mail.unwrap().recipients()[0].to_string());
    assert_eq!(names, ["a@b.example", "d@b.example"]);
    assert_eq!(catch.take_mail(), None);
}

#[test]
fn the_transcript_is_the_wire_and_under_tls_the_steps() {
    let mut catch = Catch::default();
    catch.on_rcpt("*", &[NO_USER]);
    let config = Catch::config().offer(smtp_proto::server::Extension::StartTls);
    let octets = "EHLO a.example\r\nSTARTTLS\r\nEHLO b.example\r\nAUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n\
        MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\n";
    talk_to(config, &mut catch, octets);
    let transcript = catch.transcript();
    let (clear, encrypted) = transcript.split_once("S: 220 2.0.0").expect("STARTTLS and its answer");
    assert!(clear.starts_with("-- session 1, client in memory\n"), "{transcript}");
    assert!(clear.contains("\nS: 220 catch.example ESMTP\n") && clear.contains("STARTTLS\n"), "{transcript}");
    assert!(encrypted.contains("a@b.example") && encrypted.contains("-- answered 550 5.1.1 No such user\n"));
    assert!(!transcript.contains("AHRpbQB0") && !transcript.contains("tanstaaf"), "{transcript}");
}

#[test]
fn who_waits_for_mail_is_woken() {
    let mut catch = Catch::default();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(catch.poll_mail(&mut cx).is_pending());
    talk(&mut catch, &["MAIL FROM:<>", "RCPT TO:<a@b.example>", "DATA", "."]);
    assert!(matches!(catch.poll_mail(&mut cx), Poll::Ready(_)));
}
