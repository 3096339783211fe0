//! What attackers do to a client, and what it does then.
#![cfg(feature = "testing")]

use smtp_proto::client::{
    AuthError, Certificate, ClientConfig, ClientSession, ClientStep, CloseReason, Need, Outcome, TlsInfo, Why,
};
use smtp_proto::limits;
use smtp_proto::sasl::client::{Credentials, Failure, NoMechanism};
use smtp_proto::testing::{Letter, Talk, Task, oracle};
use smtp_proto::wire::command::Command;
use smtp_proto::wire::content::BareNewlines;
use smtp_proto::{Input, MailboxBuf, ReversePath, Time};

#[path = "support/client.rs"]
mod support;

use support::{config, greeted_with, letter, pipelining, send};

const SECRET: &str = "tanstaaftanstaaf";

fn credentials() -> Credentials {
    Credentials::password("tim", SECRET)
}

/// A session whose server offers AUTH, on a stream that was encrypted before.
fn over_tls(certificate: Certificate, mechanisms: &str) -> Talk {
    let session = ClientSession::over_tls(config(), TlsInfo::default(), certificate, Time::ZERO);
    let mut talk = Talk::of(session);
    talk.hear(b"220 mx.example\r\n");
    talk.hear(format!("250-mx.example\r\n250 AUTH {mechanisms}\r\n").as_bytes());
    talk.said();
    talk.then(Task::Auth(credentials()));
    talk.go();
    talk
}

#[test]
fn what_is_injected_before_tls_is_never_an_answer_under_it() {
    let to_upgrade = || {
        let mut session = ClientSession::new(config(), Time::ZERO);
        let replies: [&[u8]; 3] = [b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n"];
        for reply in replies {
            let mut input = Input::new(reply);
            while session.needs(&input, Time::ZERO) == Need::Step && input.used() < reply.len() {
                let step = session.next(&mut input);
                assert!(matches!(step, Some(ClientStep::Reply { .. })), "{step:?}");
            }
            if let Some(ClientStep::Ready(ready)) = session.next(&mut Input::new(b"")) {
                ready.start_tls().unwrap();
            }
            session.output().clear();
        }
        assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Upgrade);
        session
    };
    let mut session = to_upgrade();
    assert_eq!(
        session.needs(&Input::new(b"2"), Time::ZERO),
        Need::Step,
        "the next segment came before the handshake"
    );
    assert_eq!(session.close_reason(), Some(CloseReason::Injection));
    let mut session = to_upgrade();
    let mut plaintext = Input::new(b"250 mx\r\n");
    session.tls_established(&mut plaintext, TlsInfo::default(), Certificate::Verified, Time::ZERO).unwrap();
    assert_eq!(
        session.close_reason(),
        Some(CloseReason::Injection),
        "it was in the buffer after the handshake"
    );
    assert!(session.output().is_empty());
    let mut session = to_upgrade();
    session
        .tls_established(&mut Input::new(b""), TlsInfo::default(), Certificate::Verified, Time::ZERO)
        .unwrap();
    assert_eq!(session.output(), "EHLO a.example\r\n");
    assert_eq!(session.extensions(), None);
}

#[test]
fn a_session_that_begins_with_tls_shakes_hands_before_the_greeting() {
    let mut session = ClientSession::implicit_tls(config(), Time::ZERO);
    assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Upgrade);
    let (tls, trust) = (TlsInfo::default(), Certificate::Verified);
    session.tls_established(&mut Input::new(b""), tls, trust, Time::ZERO).unwrap();
    assert_eq!(session.needs(&Input::new(b""), Time::ZERO), Need::Input, "the server speaks first");
    let mut input = Input::new(b"220 mx\r\n");
    assert!(session.next(&mut input).is_some());
    assert_eq!(session.output(), "EHLO a.example\r\n");
    assert!(session.is_verified());
}

#[test]
fn credentials_go_to_a_verified_server_only() {
    let untrusted = format!("error {:?}", AuthError::Mechanism(NoMechanism::Untrusted));
    let rows = [
        (over_tls(Certificate::Verified, "PLAIN"), true, "verified"),
        (over_tls(Certificate::Unverified, "PLAIN"), false, "TLS without a verified certificate"),
        (over_tls(Certificate::Unverified, "SCRAM-SHA-256"), false, "no proof either"),
    ];
    for (mut talk, sent, why) in rows {
        assert_eq!(talk.said().starts_with("AUTH"), sent, "{why}");
        assert_eq!(talk.events.contains(&untrusted), !sent, "{why}");
    }
    let offer = b"250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN CRAM-MD5\r\n";
    let mut talk = greeted_with(config(), offer);
    talk.then(Task::StartTls);
    talk.hear(b"454 4.7.0 not now\r\n");
    talk.said();
    talk.then(Task::Auth(credentials()));
    talk.go();
    assert_eq!(talk.said(), "", "in clear after STARTTLS was refused");
    assert!(talk.events.contains(&untrusted));
    let mut talk = greeted_with(config().insecure_credentials(), offer);
    talk.then(Task::Auth(credentials()));
    talk.go();
    assert_eq!(
        talk.said(),
        "AUTH CRAM-MD5\r\n",
        "in clear by name, and even then nothing that shows the secret"
    );
}

#[test]
fn a_server_that_accepts_without_proof_is_left() {
    let mut talk = over_tls(Certificate::Verified, "SCRAM-SHA-256 PLAIN");
    assert!(talk.said().starts_with("AUTH SCRAM-SHA-256 "), "the strongest first");
    talk.hear(b"235 2.7.0 welcome\r\n");
    assert_eq!(talk.session.auth_outcome(), Some(Err(Failure::Unproven)));
    assert_eq!(talk.close(), Some(CloseReason::Unproven));
}

#[test]
fn a_response_too_long_for_the_line_waits_for_its_own() {
    let token = "t".repeat(600);
    let session = ClientSession::over_tls(config(), TlsInfo::default(), Certificate::Verified, Time::ZERO);
    let mut talk = Talk::of(session);
    talk.hear(b"220 mx.example\r\n");
    talk.hear(b"250-mx.example\r\n250 AUTH XOAUTH2\r\n");
    talk.said();
    talk.then(Task::Auth(Credentials::token("tim", token)));
    talk.go();
    assert_eq!(talk.said(), "AUTH XOAUTH2\r\n");
    talk.hear(b"334 \r\n");
    assert!(talk.said().len() > 800);
    talk.hear(b"235 in\r\n");
    assert!(matches!(talk.session.auth_outcome(), Some(Ok(_))));
    talk.then(Task::Auth(credentials()));
    talk.go();
    assert_eq!(talk.said(), "", "AUTH after AUTH");
}

#[test]
fn no_debug_of_a_session_shows_a_secret() {
    let mut session =
        ClientSession::over_tls(config(), TlsInfo::default(), Certificate::Verified, Time::ZERO);
    let replies: [&[u8]; 2] = [b"220 mx\r\n", b"250-mx\r\n250 AUTH PLAIN\r\n"];
    for reply in replies {
        let mut input = Input::new(reply);
        assert!(session.next(&mut input).is_some());
        session.output().clear();
    }
    if let Some(ClientStep::Ready(ready)) = session.next(&mut Input::new(b"")) {
        ready.auth(&credentials(), &[1; 24]).unwrap();
    }
    assert!(session.output().starts_with(b"AUTH PLAIN "));
    let encoded = String::from_utf8(session.output()[11..].to_vec()).unwrap();
    let shown = format!("{session:?} {:?}", credentials());
    assert!(!shown.contains(SECRET) && !shown.contains(encoded.trim_end()), "{shown}");
}

#[test]
fn nothing_given_to_the_client_ends_a_line_early() {
    for bad in ["a@b.example\r\nRSET", "a\n@b.example", "a@b.example>\r\n", "a\0@b.example"] {
        assert!(bad.parse::<MailboxBuf>().is_err(), "{bad:?}");
        assert!(ReversePath::parse(format!("<{bad}>").as_bytes()).is_err(), "{bad:?}");
        assert!(ClientConfig::new(bad).is_err(), "{bad:?}");
        assert!(Command::parse(format!("VRFY {bad}").as_bytes()).is_err(), "{bad:?}");
    }
    for user in ["tim\0root", "tim\r\nMAIL"] {
        let session =
            ClientSession::over_tls(config(), TlsInfo::default(), Certificate::Verified, Time::ZERO);
        let mut talk = Talk::of(session);
        talk.hear(b"220 mx\r\n");
        talk.hear(b"250-mx\r\n250 AUTH PLAIN\r\n");
        talk.said();
        talk.then(Task::Auth(Credentials::password(user, SECRET)));
        talk.go();
        assert_eq!(talk.said(), "", "{user:?}");
    }
}

/// All strings over `. CR LF a` of up to `len` octets.
fn strings(len: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..=len).flat_map(|len| {
        (0..4_usize.pow(len)).map(move |mut n| {
            let octet = |_| {
                let octet = b".\r\na"[n % 4];
                n /= 4;
                octet
            };
            (0..len).map(octet).collect()
        })
    })
}

#[test]
fn no_content_ends_itself_and_what_is_sent_reads_back() {
    let mut refused = 0;
    for content in strings(6) {
        let mut talk = pipelining();
        talk.then(Task::Send(Letter { content: content.clone(), ..letter(&["you@b.example"]) }));
        talk.go();
        talk.sent.clear();
        if talk.outcomes()[0] == format!("NotTried {:?}", Why::BareNewline) {
            refused += 1;
            continue;
        }
        talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
        let decoded = oracle::decode(&talk.sent, BareNewlines::Refuse);
        assert!(decoded.ended);
        let mut whole = content.clone();
        if !content.is_empty() && !content.ends_with(b"\r\n") {
            whole.extend_from_slice(b"\r\n");
        }
        assert_eq!(decoded.content, whole, "{}", content.escape_ascii());
        assert_eq!(decoded.consumed, talk.sent.len(), "{}", content.escape_ascii());
        assert!(
            !talk.sent.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'),
            "no LF that ends a line at others"
        );
    }
    assert!(refused > 2000, "{refused}");
}

#[test]
fn a_reply_without_end_is_bounded() {
    let mut talk = pipelining();
    talk.then(Task::Say(b"NOOP".to_vec()));
    talk.go();
    let mut octets = 0;
    while talk.close().is_none() {
        talk.hear(b"250-and so on\r\n");
        octets += 15;
        assert!(octets <= limits::REPLY_OCTETS + 15);
    }
    assert!(matches!(talk.close(), Some(CloseReason::Garbled { .. })));
    let mut talk = pipelining();
    talk.then(Task::Say(b"NOOP".to_vec()));
    talk.go();
    talk.hear(&[&b"250 "[..], &[b'x'; 9000], b"\r\n"].concat());
    assert_eq!(talk.close(), None, "a long line is cut, its code stands");
    assert!(talk.session.last_reply().raw_lines().all(|line| line.len() <= limits::REPLY_LINE));
}

#[test]
fn a_server_that_never_reads_bounds_what_is_queued() {
    let many: Vec<String> = (0..1000).map(|n| format!("user{n}@b.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut talk = pipelining();
    send(&mut talk, &many);
    let once = talk.said().len();
    assert!(once < limits::CLIENT_WINDOW + limits::COMMAND_LINE, "{once}");
}

#[test]
fn a_message_that_requires_tls_goes_to_a_verified_server_that_offers_it() {
    let rows = [
        (Certificate::Verified, "REQUIRETLS", true, "verified and offered"),
        (Certificate::Verified, "SIZE", false, "not offered"),
        (Certificate::Unverified, "REQUIRETLS", false, "not verified"),
    ];
    for (certificate, keyword, sent, why) in rows {
        let session = ClientSession::over_tls(config(), TlsInfo::default(), certificate, Time::ZERO);
        let mut talk = Talk::of(session);
        talk.hear(b"220 mx\r\n");
        talk.hear(format!("250-mx\r\n250 {keyword}\r\n").as_bytes());
        talk.said();
        talk.then(Task::Send(Letter { require_tls: true, ..letter(&["you@b.example"]) }));
        talk.go();
        assert_eq!(talk.said().ends_with(" REQUIRETLS\r\n"), sent, "{why}");
        assert_eq!(matches!(talk.session.outcome(0), Outcome::NotTried(Why::Closed(_))), sent, "{why}");
    }
}
