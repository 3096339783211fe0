//! What a hostile server can do to a client, beyond `client_security.rs`: ends of content, answers in the wrong place,
//! downgrades, replies without end. Single odd replies are in `client_quirks.rs`.
#![cfg(feature = "testing")]

use allocation_counter::measure;
use smtp_proto::client::{CloseReason, Sent};
use smtp_proto::limits;
use smtp_proto::sasl::Mechanism;
use smtp_proto::sasl::client::{Credentials, Failure};
use smtp_proto::testing::{Letter, Talk, Task, oracle};
use smtp_proto::trace::Transcript;
use smtp_proto::wire::content::{BareNewlines, SendNewlines};

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
