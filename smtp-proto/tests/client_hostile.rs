//! What a hostile server can do to a client, beyond `client_security.rs`: ends of content, answers in the wrong place,
//! downgrades, replies without end. Single odd replies are in `client_quirks.rs`.
#![cfg(feature = "testing")]

use std::time::Duration;

use allocation_counter::measure;
use smtp_proto::client::{Certificate, ClientConfig, ClientSession, CloseReason, Sent, TlsInfo};
use smtp_proto::limits;
use smtp_proto::sasl::Mechanism;
use smtp_proto::sasl::client::{Credentials, Failure};
use smtp_proto::testing::{Letter, Talk, Task, oracle};
use smtp_proto::trace::Transcript;
#[cfg(feature = "scram")]
use smtp_proto::wire::base64::{self, Base64};
use smtp_proto::wire::command::Command;
use smtp_proto::wire::content::{BareNewlines, SendNewlines};
use smtp_proto::wire::params::{MailParamsBuf, RcptParamsBuf};
use smtp_proto::{MailboxBuf, ReversePath, Time};

#[path = "support/client.rs"]
mod support;

use support::{config, greeted_with, letter, pipelining, send};

// ---- where a message ends --------------------------------------------------------------------------------

/// All strings of up to `most` octets over `alphabet`.
fn all_strings(alphabet: &[u8], most: usize) -> Vec<Vec<u8>> {
    let (mut all, mut last) = (vec![Vec::new()], vec![Vec::new()]);
    for _ in 0..most {
        last = last
            .iter()
            .flat_map(|text| alphabet.iter().map(|&octet| [&text[..], &[octet]].concat()))
            .collect();
        all.extend_from_slice(&last);
    }
    all
}

/// Where content ends for a server that takes LF for the end of a line.
fn lax_end(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(lf) = wire[at..].iter().position(|&octet| octet == b'\n') {
        let line = &wire[at..at + lf];
        at += lf + 1;
        if line == b"." || line == b".\r" {
            return Some(at);
        }
    }
    None
}

#[test]
fn no_content_ends_early_whether_the_server_is_strict_or_takes_lf_for_a_line_end() {
    for newlines in [SendNewlines::Refuse, SendNewlines::Normalise] {
        let mut sent = 0;
        for content in all_strings(b".\r\na", 6) {
            let mut talk = greeted_with(config().newlines(newlines), b"250-mx.example\r\n250 PIPELINING\r\n");
            talk.then(Task::Send(Letter::new("me@a.example", &["you@b.example"], &content).unwrap()));
            talk.go();
            if newlines == SendNewlines::Refuse && talk.said().is_empty() {
                assert_eq!(talk.outcomes(), ["NotTried BareNewline"], "{content:?}");
                continue;
            }
            talk.sent.clear();
            talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
            let wire = std::mem::take(&mut talk.sent);
            let strict = oracle::decode(&wire, BareNewlines::Count);
            assert!(strict.ended && strict.consumed == wire.len(), "{content:?} as {wire:?}");
            assert_eq!(lax_end(&wire), Some(wire.len()), "{content:?} as {wire:?}");
            assert_eq!((strict.bare_cr, strict.bare_lf), (0, 0), "{content:?} as {wire:?}");
            sent += 1;
        }
        assert!(sent > 50, "{newlines:?}: some can be sent");
    }
}

// ---- commands inside arguments ---------------------------------------------------------------------------

#[test]
fn no_identity_ends_the_line_of_its_exchange() {
    let names = ["u\r\nMAIL FROM:<>", "u\nv", "u\u{1}v", "u\r"];
    let secrets = ["p\r\nRSET", "p\u{1}q"];
    let mechanisms = [Mechanism::PLAIN, Mechanism::LOGIN, Mechanism::XOAUTH2, Mechanism::OAUTHBEARER];
    for mechanism in mechanisms {
        for (name, secret) in names.iter().flat_map(|name| secrets.map(|secret| (name, secret))) {
            let offer = format!("250-mx.example\r\n250 AUTH {mechanism}\r\n");
            let mut talk = greeted_with(config().insecure_credentials(), offer.as_bytes());
            let is_token = matches!(mechanism, Mechanism::XOAUTH2 | Mechanism::OAUTHBEARER);
            let credentials = if is_token {
                Credentials::token(*name, secret)
            } else {
                Credentials::password(*name, secret)
            };
            talk.then(Task::Auth(credentials));
            talk.hear(b"334 \r\n334 \r\n");
            for line in talk.said().split_terminator("\r\n") {
                let text = line.strip_prefix("AUTH ").unwrap_or(line);
                let is_base64 = |octet: u8| octet.is_ascii_alphanumeric() || b"+/=- *".contains(&octet);
                assert!(text.bytes().all(is_base64), "{mechanism}, {name:?}: {line:?}");
            }
        }
    }
    let mut talk = greeted_with(config().insecure_credentials(), b"250-mx.example\r\n250 AUTH PLAIN\r\n");
    talk.then(Task::Auth(Credentials::password("u\0admin", "p")));
    talk.go();
    assert_eq!(talk.said(), "", "NUL would make another field of it: {:?}", talk.events);
}

/// What would end a line, a command or a field, wherever it stands.
const ENDS: [&str; 4] = ["\r\nRSET", "\n", "\r", "\0"];

#[test]
fn no_value_that_an_application_makes_holds_the_end_of_a_line() {
    for end in ENDS {
        let name = format!("a{end}b.example");
        let why = name.escape_debug();
        assert!(ClientConfig::new(&name).is_err(), "EHLO {why}");
        assert!(ClientConfig::lmtp(&name).is_err(), "LHLO {why}");
        assert!(format!("a@{name}").parse::<MailboxBuf>().is_err(), "an address {why}");
        assert!(format!("\"{name}\"@b.example").parse::<MailboxBuf>().is_err(), "a quoted address {why}");
        assert!(ReversePath::parse(format!("<a@{name}>").as_bytes()).is_err(), "a path {why}");
        assert!(Command::parse(format!("VRFY {name}").as_bytes()).is_err(), "an argument {why}");
        assert!(MailParamsBuf::new().set("X-ANY", Some(&name)).is_err(), "a parameter's value {why}");
        assert!(MailParamsBuf::new().set(&name, None).is_err(), "a parameter's name {why}");
        assert!(RcptParamsBuf::new().orcpt(&name, "a@b.example").is_err(), "an address type {why}");
        // What is written in xtext may be anything that RFC 3461 §4 lets into it, and ends nothing.
        let written = [
            MailParamsBuf::new().envid(&name).map(|params| params.as_str().to_owned()),
            RcptParamsBuf::new().orcpt("rfc822", &name).map(|params| params.as_str().to_owned()),
        ];
        for params in written.into_iter().flatten() {
            assert!(params.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{params:?}");
        }
    }
}

#[test]
fn replies_show_without_what_would_steer_a_terminal_or_forge_a_log() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    talk.hear(b"250 Ok\r\n550-5.1.1 \x1b[2Jno\x07\r\n550 5.1.1 \xff\xfe\x00\x7f\r\n");
    let reply = talk.session.outcome(0).reply().cloned().expect("a refusal");
    let shown = [format!("{reply}"), format!("{reply:?}"), format!("{:?}", talk.session.outcome(0))];
    for shown in shown {
        assert!(shown.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{shown:?}");
    }
}

// ---- STARTTLS --------------------------------------------------------------------------------------------

#[test]
fn an_offer_of_tls_that_is_stripped_is_an_error_and_nothing_is_sent() {
    let rows: [(&[u8], &[u8], &str, &str); 4] = [
        (b"220 mx\r\n", b"250-mx\r\n250 SIZE\r\n", "NotOffered", "cut out"),
        (b"220 mx\r\n", b"250-mx\r\n250 XXXXXXXA\r\n", "Masked", "overwritten"),
        (b"220 ****02**\r\n", b"250 mx\r\n", "Masked", "the greeting shows who is on the way"),
        (b"220 mx\r\n", b"250-mx\r\n250 STARTTLSX\r\n", "NotOffered", "another word"),
    ];
    for (greeting, ehlo, error, why) in rows {
        let mut talk = Talk::new(config());
        talk.hear(greeting);
        talk.hear(ehlo);
        talk.sent.clear();
        talk.then(Task::StartTls);
        talk.go();
        assert_eq!((talk.said().as_str(), talk.session.tls()), ("", None), "{why}");
        assert!(talk.events.contains(&format!("error {error}")), "{why}: {:?}", talk.events);
    }
}

#[test]
fn whatever_a_server_says_behind_its_220_is_injected() {
    for behind in [&b"\r\n"[..], b"2", b"\0", b"250 mx\r\n250-AUTH PLAIN\r\n", b"220 go\r\n", b"\x16\x03\x03"]
    {
        let mut talk = greeted_with(config(), b"250-mx\r\n250 STARTTLS\r\n");
        talk.then(Task::StartTls);
        talk.go();
        talk.sent.clear();
        talk.hear(&[b"220 go\r\n", behind].concat());
        assert_eq!(talk.close(), Some(CloseReason::Injection), "{}", behind.escape_ascii());
        assert_eq!((talk.said().as_str(), talk.session.tls()), ("", None), "{}", behind.escape_ascii());
        let text = talk.close().unwrap().to_string();
        assert!(text.contains("injected"), "{text}");
    }
}

#[test]
fn a_login_is_not_carried_into_tls() {
    let offer = b"250-mx\r\n250-STARTTLS\r\n250-SIZE 5\r\n250 AUTH LOGIN\r\n";
    let mut talk = greeted_with(config(), offer);
    talk.then(Task::StartTls);
    talk.go();
    talk.hear(b"220 go\r\n");
    assert!(talk.session.extensions().is_none(), "the offer of before counts no longer");
    talk.said();
    talk.hear(b"250-mx\r\n250 AUTH PLAIN\r\n");
    log_in(&mut talk);
    assert!(talk.said().starts_with("AUTH PLAIN "), "what is offered under TLS is used");
    send(&mut talk, &["you@b.example"]);
    talk.hear(b"235 in\r\n");
    assert!(talk.said().starts_with("MAIL"), "the size of before is forgotten");
}

#[test]
fn a_greeting_that_claims_more_than_readiness_ends_the_session() {
    let rows: [(&[u8], &str); 6] = [
        (b"235 2.7.0 Authenticated already\r\n", "as PREAUTH does in IMAP"),
        (b"250 mx.example\r\n", "an answer to nothing"),
        (b"334 \r\n", "a challenge for nothing"),
        (b"354 Send it\r\n", "wants content"),
        (b"221 Bye\r\n", "a farewell"),
        (b"* PREAUTH ready\r\n", "another protocol"),
    ];
    for (greeting, why) in rows {
        let mut talk = Talk::new(config());
        talk.then(Task::Send(letter(&["you@b.example"])));
        talk.hear(greeting);
        talk.hear(b"250 mx.example\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n");
        assert!(matches!(talk.said().as_str(), "" | "QUIT\r\n"), "{why}");
        assert!(talk.close().is_some(), "{why}");
    }
}

// ---- AUTH ------------------------------------------------------------------------------------------------

const SECRET: &str = "tanstaaf";

fn log_in(talk: &mut Talk) {
    talk.then(Task::Auth(Credentials::password("tim", SECRET)));
    talk.go();
}

#[test]
fn the_strongest_mechanism_is_used_and_nothing_weaker_follows_a_failure() {
    let offer = b"250-mx\r\n250 AUTH LOGIN PLAIN SCRAM-SHA-256 CRAM-MD5\r\n";
    for said in [&b"535 5.7.8 No\r\n"[..], b"504 5.5.4 Not this one\r\n", b"334 bm9uc2Vuc2U=\r\n"] {
        let mut talk = greeted_with(config().insecure_credentials(), offer);
        log_in(&mut talk);
        let opening = talk.said();
        if cfg!(feature = "scram") {
            assert!(opening.starts_with("AUTH SCRAM-SHA-256 "), "{opening}");
        }
        talk.hear(said);
        let further = talk.said();
        assert!(matches!(further.as_str(), "" | "*\r\n"), "{further}");
    }
}

/// A server under TLS that offers these mechanisms, and the first thing that was said to it.
fn under_tls(certificate: Certificate, mechanisms: &str) -> (Talk, String) {
    let session = ClientSession::over_tls(config(), TlsInfo::default(), certificate, Time::ZERO);
    let mut talk = Talk::of(session);
    talk.hear(b"220 mx\r\n");
    talk.hear(format!("250-mx\r\n250 AUTH {mechanisms}\r\n").as_bytes());
    talk.sent.clear();
    log_in(&mut talk);
    let said = talk.said();
    (talk, said)
}

#[test]
fn nothing_of_the_credentials_goes_to_a_server_that_is_not_verified() {
    for mechanisms in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS SCRAM-SHA-256"] {
        let (talk, said) = under_tls(Certificate::Unverified, mechanisms);
        assert_eq!(said, "", "{mechanisms}: {:?}", talk.events);
    }
    let (_, said) = under_tls(Certificate::Verified, "PLAIN");
    assert!(said.starts_with("AUTH PLAIN "), "{said}");
}

/// What a SCRAM server says first, made from our nonce; what fails; why.
#[cfg(feature = "scram")]
type First = (fn(&str) -> String, Failure, &'static str);

#[cfg(feature = "scram")]
const FIRSTS: &[First] = &[
    (|_| "r=another,s=c2FsdA==,i=4096".into(), Failure::Nonce, "another nonce"),
    (|ours| format!("r={ours},s=c2FsdA==,i=4096"), Failure::Nonce, "nothing of its own"),
    (|ours| format!("r={},s=c2FsdA==,i=4096", &ours[..ours.len() - 1]), Failure::Nonce, "cut"),
    (|ours| format!("r=x{ours}y,s=c2FsdA==,i=4096"), Failure::Nonce, "put before ours"),
    (|ours| format!("r={ours}y,s=c2FsdA==,i=1"), Failure::Iterations(1), "quick to guess from"),
    (|ours| format!("r={ours}y,s=c2FsdA==,i=4095"), Failure::Iterations(4_095), "below the least"),
    (|ours| format!("r={ours}y,s=c2FsdA==,i=1000001"), Failure::Iterations(1_000_001), "busy for long"),
    (|ours| format!("r={ours}y,s=c2FsdA==,i=4294967296"), Failure::Iterations(1 << 32), "beyond 32 bits"),
    (|ours| format!("r={ours}y,s=c2FsdA==,i=-1"), Failure::Malformed, "no number"),
    (|ours| format!("r={ours}y,s=!,i=4096"), Failure::Malformed, "no salt"),
    (|ours| format!("m=x,r={ours}y,s=c2FsdA==,i=4096"), Failure::Extension, "RFC 5802 §5.1: m= must fail"),
];

#[cfg(feature = "scram")]
#[test]
fn a_scram_server_that_cheats_gets_no_proof() {
    for (first, failure, why) in FIRSTS {
        let (mut talk, said) = under_tls(Certificate::Verified, "SCRAM-SHA-256");
        let initial = said.trim_end().rsplit(' ').next().unwrap();
        let initial = Base64::parse(initial.as_bytes()).unwrap().decode();
        let initial = String::from_utf8(initial).unwrap();
        let (_, nonce) = initial.split_once("r=").unwrap();
        talk.hear(&[b"334 ", base64::encoded(first(nonce).as_bytes()).as_slice(), b"\r\n"].concat());
        assert_eq!(talk.said(), "*\r\n", "{why}");
        talk.hear(b"501 cancelled\r\n");
        assert_eq!(talk.session.auth_outcome(), Some(Err(*failure)), "{why}");
        assert_eq!(talk.close(), None, "{why}");
    }
}

#[test]
fn a_password_is_said_once_however_often_a_server_asks() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let offer = format!("250-mx\r\n250 AUTH {mechanism}\r\n");
        let mut talk = greeted_with(config().insecure_credentials(), offer.as_bytes());
        log_in(&mut talk);
        for _ in 0..20 {
            talk.hear(b"334 UGFzc3dvcmQ6\r\n");
        }
        let said = talk.said();
        let times = match mechanism {
            "PLAIN" => said.matches("AHRpbQB0YW5zdGFhZg==").count(),
            _ => said.matches("dGFuc3RhYWY=").count(),
        };
        assert_eq!(times, 1, "{said}");
        assert!(said.ends_with("*\r\n"), "what it does not understand it cancels: {said}");
        assert!(!matches!(talk.session.auth_outcome(), Some(Ok(_))));
    }
}

#[test]
fn no_secret_shows_in_debug_or_in_a_transcript() {
    let mut talk = greeted_with(config().insecure_credentials(), b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n");
    log_in(&mut talk);
    let wire = std::mem::take(&mut talk.sent);
    let encoded = "AHRpbQB0YW5zdGFhZg==";
    assert!(String::from_utf8_lossy(&wire).contains(encoded), "it goes over the wire");
    let mut transcript = Transcript::new(String::new());
    transcript.sent(b"220 mx\r\n");
    transcript.received(&wire);
    talk.hear(b"535 5.7.8 No\r\n");
    let shown = [
        format!("{:?}", talk.session),
        transcript.into_sink(),
        format!("{:?}", Credentials::password("tim", SECRET)),
        format!("{:?}", talk.session.auth_outcome()),
        format!("{:?}", talk.events),
    ];
    for shown in shown {
        assert!(!shown.contains(SECRET) && !shown.contains(encoded), "{shown}");
    }
    assert_eq!(talk.session.auth_outcome(), Some(Err(Failure::Refused)));
}

// ---- answers in the wrong place --------------------------------------------------------------------------

#[test]
fn nothing_but_go_on_to_data_brings_content_out() {
    // What is said one by one, to a client without PIPELINING; it goes on as long as it likes the answers.
    let good: [&[u8]; 3] = [b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go\r\n"];
    let bad: [&[u8]; 7] = [
        b"354 Go\r\n",
        b"334 \r\n",
        b"300 Huh\r\n",
        b"250 Ok\r\n",
        b"235 In\r\n",
        b"354-Go\r\n250 on\r\n",
        b"220 mx\r\n",
    ];
    for place in 0..3 {
        for odd in bad {
            // The first digit decides (RFC 5321 §4.2.1).
            let is_fine = odd[0] == good[place][0] && !odd.contains(&b'-');
            if is_fine {
                continue;
            }
            let mut talk = greeted_with(config(), b"250 mx\r\n");
            send(&mut talk, &["you@b.example"]);
            good[..place].iter().for_each(|reply| talk.hear(reply));
            talk.hear(odd);
            talk.hear(b"250 Ok\r\n250 Ok\r\n");
            let said = talk.said();
            let why = format!("{} in place {place}: {said}", odd.escape_ascii());
            assert!(!said.contains("Subject"), "{why}");
            assert!(talk.close().is_some(), "{why}");
            assert!(talk.outcomes()[0].starts_with("NotTried"), "{why}: {:?}", talk.outcomes());
        }
    }
}

#[test]
fn an_answer_given_before_the_question_accepts_nothing() {
    let early: [(&[u8], &[u8], &str); 4] = [
        (b"250 Ok\r\n250 Ok\r\n354 Go\r\n250 Queued\r\n", b"", "with the 354, before the content"),
        (b"250 Ok\r\n250 Ok\r\n250 Queued\r\n354 Go\r\n", b"", "before the 354"),
        (b"250 Ok\r\n250 Ok\r\n354 Go\r\n250-Got\r\n", b"250 it\r\n", "begun before the content"),
        (b"250 Ok\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n", b"", "four times yes"),
    ];
    for (group, rest, why) in early {
        let mut talk = pipelining();
        send(&mut talk, &["you@b.example"]);
        talk.hear(group);
        talk.hear(rest);
        assert!(talk.outcomes()[0].starts_with("NotTried"), "{why}: {:?}", talk.outcomes());
        assert!(talk.close().is_some(), "{why}");
        assert!(!talk.said().contains("\r\n.\r\n"), "{why}: the content was not ended");
    }
}

#[test]
fn what_a_server_says_unasked_is_no_answer_to_what_comes_next() {
    let mut talk = pipelining();
    talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n250 Queued\r\n");
    assert_eq!(talk.close(), Some(CloseReason::Idle));
    talk.then(Task::Send(letter(&["you@b.example"])));
    talk.go();
    assert_eq!(talk.said(), "", "the session is over");

    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
    talk.hear(b"250 Queued\r\n250 Queued\r\n");
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
    assert_eq!(talk.close(), Some(CloseReason::Idle), "a second answer leaves no way to tell the next ones");
}

#[test]
fn recipients_that_stand_behind_a_refused_mail_get_no_empty_message() {
    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    talk.said();
    talk.hear(b"503 5.5.1 nested MAIL\r\n250 2.1.5 Ok\r\n354 Go\r\n");
    assert_eq!(talk.said(), "", "a lone dot would send nothing to somebody");
    assert_eq!(talk.outcomes(), ["Refused 503"]);
    assert_eq!(talk.close(), Some(CloseReason::OutOfStep { to: Sent::Data, code: 354 }));

    let mut talk = pipelining();
    send(&mut talk, &["you@b.example"]);
    talk.said();
    talk.hear(b"503 5.5.1 nested MAIL\r\n250 2.1.5 Ok\r\n451 4.3.0 Later\r\n");
    assert_eq!(talk.said(), "RSET\r\n", "whatever is open there is ended");
}

// ---- resources -------------------------------------------------------------------------------------------

/// Most octets that a session may hold for what a server sends: its reply, its copies of it, and the buffer.
const MOST_HELD: u64 = 6 * limits::REPLY_OCTETS as u64;

#[test]
fn replies_without_end_end_the_session_and_hold_no_memory() {
    let endless: [(&[u8], &str); 5] = [
        (b"250-x\r\n", "lines"),
        (b"x", "octets that are no reply"),
        (b"250-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "a line"),
        (b"250-AUTH PLAIN LOGIN\r\n", "mechanisms"),
        (b"250-\r\n", "empty lines"),
    ];
    for (octets, why) in endless {
        for place in ["connection", "EHLO", "MAIL", "rest"] {
            let mut talk = match place {
                "connection" => Talk::new(config()),
                "EHLO" => {
                    let mut talk = Talk::new(config());
                    talk.hear(b"220 mx\r\n");
                    talk
                }
                _ => pipelining(),
            };
            if place == "MAIL" {
                send(&mut talk, &["you@b.example"]);
            }
            let blocks = octets.repeat(4_096 / octets.len());
            let mut heard = 0;
            let info = measure(|| {
                while talk.close().is_none() && heard < 10 * limits::REPLY_OCTETS {
                    talk.hear(&blocks);
                    heard += blocks.len();
                }
            });
            assert!(talk.close().is_some(), "{why}, {place}: {heard} octets and no end");
            assert!(heard <= 2 * limits::REPLY_OCTETS, "{why}, {place}: {heard} octets");
            assert!(info.bytes_max < MOST_HELD, "{why}, {place}: {} octets held", info.bytes_max);
        }
    }
}

#[test]
fn a_server_that_drips_gains_no_time_wherever_it_does() {
    type Row<'a> = (&'a [&'a [u8]], Option<Task>, &'a str);
    let places: [Row<'_>; 7] = [
        (&[], None, "greeting"),
        (&[b"220 mx\r\n"], None, "EHLO"),
        (&[], Some(Task::StartTls), "STARTTLS"),
        (&[], Some(Task::Auth(Credentials::password("tim", SECRET))), "AUTH"),
        (&[], Some(Task::Send(letter(&["you@b.example"]))), "MAIL"),
        (&[b"250 Ok\r\n250 Ok\r\n"], Some(Task::Send(letter(&["you@b.example"]))), "DATA"),
        (&[b"250 Ok\r\n250 Ok\r\n354 Go\r\n"], Some(Task::Send(letter(&["you@b.example"]))), "the dot"),
    ];
    for (heard, task, place) in places {
        let mut talk = match task {
            None => Talk::new(config()),
            Some(task) => {
                let offer = b"250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n";
                let mut talk = greeted_with(config().insecure_credentials(), offer);
                talk.then(task);
                talk
            }
        };
        heard.iter().for_each(|reply| talk.hear(reply));
        let mut waited = 0;
        for octet in b"250-".iter().chain([b'x'; 100].iter()) {
            talk.hear(&[*octet]);
            talk.advance(Duration::from_secs(20));
            waited += 20;
            if talk.close().is_some() {
                break;
            }
        }
        let reason = talk.close();
        assert!(matches!(reason, Some(CloseReason::Timeout(_))), "{place}: {reason:?} after {waited} s");
        assert!(waited <= 600, "{place}: {waited} s");
    }
}

#[test]
fn ten_thousand_lines_are_one_reply_whose_text_is_cut() {
    // Short enough lines that all of it stays below 64 KiB.
    let long = [&b"250-\r\n".repeat(10_000)[..], b"250 Ok\r\n"].concat();
    assert!(long.len() < limits::REPLY_OCTETS);
    let mut talk = greeted_with(config(), b"250 mx\r\n");
    send(&mut talk, &["you@b.example"]);
    let info = measure(|| talk.hear(&long));
    assert!(info.bytes_max < MOST_HELD, "{} octets held", info.bytes_max);
    assert_eq!(talk.session.last_reply().code(), 250);
    assert!(talk.session.last_reply().raw_lines().count() <= limits::REPLY_LINES);
    assert_eq!(talk.close(), None);
    for reply in [&b"250 Ok\r\n"[..], b"354 Go\r\n", b"250 Ok\r\n"] {
        talk.hear(reply);
    }
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
}

#[test]
fn an_absurd_offer_is_read_and_changes_nothing_else() {
    let many: String = (0..5_000).map(|i| format!("250-X{i}\r\n")).collect();
    let ehlo = format!("250-mx\r\n{many}250 PIPELINING\r\n");
    let mut talk = Talk::new(config());
    talk.hear(b"220 mx\r\n");
    talk.hear(ehlo.as_bytes());
    assert_eq!(talk.close(), None);
    for size in ["18446744073709551616", "-1", "99999999999999999999999", "1x"] {
        let ehlo = format!("250-mx\r\n250 SIZE {size}\r\n");
        let mut talk = greeted_with(config(), ehlo.as_bytes());
        send(&mut talk, &["you@b.example"]);
        assert!(talk.said().starts_with("MAIL"), "a size that can't be read is no limit: {size}");
    }
    let mut talk = greeted_with(config(), b"250-mx\r\n250-SIZE\r\n250 LIMITS RCPTMAX=0 MAILMAX=0\r\n");
    send(&mut talk, &["you@b.example"]);
    assert!(
        talk.close().is_none() && talk.said().starts_with("MAIL"),
        "no limit can be 0: {:?}",
        talk.events
    );
}
