//! AUTH in a session: the exchange and the trap driven from its steps.

use std::sync::Arc;

use smtp_proto::sasl::server::{Exchange, Inputs, Next, Offer};
use smtp_proto::sasl::{self, Mechanism, Trap};
use smtp_proto::server::{Auth, AuthWhen, Need, Peer, Pending, ServerConfig, ServerSession, Step};
use smtp_proto::{Input, Time};

const MECHANISMS: [Mechanism; 2] = [Mechanism::PLAIN, Mechanism::LOGIN];

/// Plays a client's lines and returns the reply codes; AUTH goes to `auth`.
fn play(lines: &str, auth: &mut dyn FnMut(Pending<'_, Auth<'_>>)) -> (Vec<String>, Option<String>) {
    let config =
        ServerConfig::new("mx.example").unwrap().auth(&MECHANISMS, AuthWhen::Always).without_arrival_checks();
    let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), Time::ZERO);
    let (mut at, mut replies) = (0, Vec::new());
    loop {
        match session.needs(&Input::new(&lines.as_bytes()[at..]), Time::ZERO) {
            Need::Flush => {
                replies.extend_from_slice(session.output());
                session.output().clear();
            }
            Need::Step => {
                let mut input = Input::new(&lines.as_bytes()[at..]);
                match session.next(&mut input) {
                    Some(Step::Auth(step)) => auth(step),
                    Some(step) => step.accept(),
                    None => break,
                }
                at += input.used();
            }
            _ => break,
        }
    }
    let text = String::from_utf8(replies).unwrap();
    let last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
    (text.lines().filter(last).skip(2).map(Into::into).collect(), session.facts().user().map(Into::into))
}

/// The application: one exchange at a time, one user.
fn exchanges() -> impl FnMut(Pending<'_, Auth<'_>>) {
    let offer = Offer::new(&MECHANISMS);
    let mut exchange = Exchange::default();
    move |auth| {
        if auth.is_first() {
            exchange = Exchange::start(auth.mechanism(), &offer, Inputs::new([0; 32], 0));
        }
        let mut next = exchange.step(auth.response());
        loop {
            next = match next {
                Next::Password(ask) => {
                    let good = ask.user() == "tim" && ask.password() == "pw";
                    ask.decide(good)
                }
                Next::Challenge(octets) => break auth.challenge(octets),
                Next::Done(user) => break auth.accept_as(user),
                Next::Refused(reply) => break auth.refuse(&reply),
                other => other.or_refuse(),
            };
        }
    }
}

const SESSIONS: &[(&str, &[&str], Option<&str>, &str)] = &[
    ("AUTH PLAIN AHRpbQBwdw==\r\n", &["235"], Some("tim"), "initial response"),
    ("AUTH LOGIN\r\ndGlt\r\ncHc=\r\n", &["334", "334", "235"], Some("tim"), "two prompts"),
    ("AUTH PLAIN AHRpbQB4\r\n", &["535"], None, "wrong password"),
    (
        "AUTH LOGIN\r\nZ2hvc3Q=\r\n*\r\nAUTH LOGIN dGlt\r\ncHc=\r\n",
        &["334", "334", "501", "334", "235"],
        Some("tim"),
        "a cancelled exchange leaves nothing to the next",
    ),
    (
        "AUTH LOGIN\r\n!\r\nAUTH PLAIN AHRpbQBwdw==\r\n",
        &["334", "501", "235"],
        Some("tim"),
        "nor does bad base64",
    ),
];

#[test]
fn an_exchange_logs_a_user_in() {
    for (lines, codes, user, why) in SESSIONS {
        let (replies, who) = play(&format!("EHLO a.example\r\n{lines}"), &mut exchanges());
        let said: Vec<&str> = replies.iter().map(|reply| &reply[..3]).collect();
        assert_eq!((said.as_slice(), who.as_deref()), (*codes, *user), "{why}");
    }
}

#[test]
fn a_honeypot_collects_what_it_is_shown() {
    let mut caught = Vec::new();
    let mut login = Trap::new();
    let lines = "EHLO a.example\r\nAUTH LOGIN\r\ncm9vdA==\r\nMTIzNDU2\r\n";
    let (replies, _) = play(lines, &mut |auth| match login.step(auth.mechanism(), auth.response()) {
        sasl::Next::Challenge(text) => auth.challenge(text),
        sasl::Next::Credentials { user, password } => {
            caught.push((user.to_vec(), password.to_vec()));
            auth.accept();
        }
    });
    assert_eq!(caught, [(b"root".to_vec(), b"123456".to_vec())]);
    assert_eq!(replies[..2], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"]);
    assert!(replies[2].starts_with("235 "), "{replies:?}");
}
