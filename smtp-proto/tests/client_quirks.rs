//! What servers really say, strict and lenient: the rows that a client's session decides.
#![cfg(feature = "testing")]

use std::time::Duration;

use smtp_proto::client::{ClientConfig, ClientSession, CloseReason, Outcome, Wait};
use smtp_proto::sasl::Mechanism;
use smtp_proto::sasl::client::Credentials;
use smtp_proto::testing::{Letter, Talk, Task};
use smtp_proto::wire::ehlo::{Keyword, Size};
use smtp_proto::{Leniency, Time};

#[path = "support/client.rs"]
mod support;

use support::{config, greeted_with, letter, send};

/// What the application does, and how far the session is when the octets come.
#[derive(Clone, Copy)]
enum Do {
    /// Nothing; the octets begin with the greeting.
    Connect,
    /// A message in one group.
    Send,
    /// A message command by command.
    Slow,
    /// AUTH with this mechanism.
    Auth(Mechanism),
    /// STARTTLS.
    Tls,
    Quit,
    Rest,
}

const EHLO: &[u8] = b"250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

fn credentials(mechanism: Mechanism) -> Credentials {
    if mechanism == Mechanism::XOAUTH2 {
        Credentials::token("u", "t")
    } else {
        Credentials::password("u", "p")
    }
}

fn begin(act: Do, config: ClientConfig) -> Talk {
    let config = config.insecure_credentials();
    let mut talk = match act {
        Do::Connect => return Talk::new(config),
        Do::Slow => greeted_with(config, b"250 mx.example\r\n"),
        Do::Auth(mechanism) => {
            greeted_with(config, format!("250-mx.example\r\n250 AUTH {mechanism}\r\n").as_bytes())
        }
        _ => greeted_with(config, EHLO),
    };
    match act {
        Do::Send | Do::Slow => talk.then(Task::Send(letter(&["you@b.example"]))),
        Do::Auth(mechanism) => talk.then(Task::Auth(credentials(mechanism))),
        Do::Tls => talk.then(Task::StartTls),
        Do::Quit => talk.then(Task::Quit),
        Do::Connect | Do::Rest => {}
    }
    talk.go();
    talk
}

/// How the session stands, and the outcome or the login.
fn stand(talk: &Talk) -> String {
    let mut stand = talk.close().map_or("open".to_string(), |reason| {
        let text = format!("{reason:?}");
        if text.starts_with("Garbled") { "Garbled".to_string() } else { text }
    });
    for outcome in talk.outcomes() {
        let outcome = if outcome.starts_with("NotTried Closed") { "NotTried" } else { &outcome };
        stand.push_str("; ");
        stand.push_str(outcome);
    }
    if let Some(auth) = talk.session.auth_outcome() {
        stand.push_str(&format!("; {auth:?}"));
    }
    stand
}

/// Row, what is done, what the server sends (nothing: it ends), then how it stands when strict and when lenient, why.
type Row = (u32, Do, &'static [&'static [u8]], &'static str, &'static str, &'static str);

const LOGIN: Do = Do::Auth(Mechanism::LOGIN);

const GROUP: &[u8] = b"250 Ok\r\n250 Ok\r\n354 Go\r\n";

const ROWS: &[Row] = &[
    (
        1,
        Do::Send,
        &[b"250\r\n250\r\n354\r\n", b"250\r\n"],
        "open; Accepted 250",
        "open; Accepted 250",
        "no text",
    ),
    (1, LOGIN, &[b"334\r\n", b"334\r\n", b"235\r\n"], "open; Ok(LOGIN)", "open; Ok(LOGIN)", "a bare 334"),
    (
        2,
        LOGIN,
        &[b"334 \r\n", b"334  \r\n", b"501 cancelled\r\n", b""],
        "Idle; Err(Base64)",
        "Idle; Err(Refused)",
        "two spaces",
    ),
    (
        2,
        LOGIN,
        &[b"334  \r\n", b"334  \r\n", b"235 in\r\n"],
        "OutOfStep { to: Auth, code: 334 }",
        "open; Ok(LOGIN)",
        "two spaces",
    ),
    (3, Do::Connect, &[b"220Ready\r\n", EHLO], "Garbled", "open", "glued to the code"),
    (3, Do::Slow, &[b"250\tOk\r\n250 Ok\r\n"], "Garbled; NotTried", "open; NotTried", "a tab"),
    (
        3,
        Do::Send,
        &[b"250\tOk\r\n250 Ok\r\n"],
        "Garbled; NotTried",
        "Garbled; NotTried",
        "while others are owed",
    ),
    (4, Do::Connect, &[b"220 mx\n"], "Garbled", "Garbled", "LF alone"),
    (5, Do::Connect, &[b"220-wait\r\n521 no\r\n", b""], "Garbled", "Unwelcome(521)", "codes differ"),
    (
        6,
        Do::Connect,
        &[
            b"220-1\r\n220-2\r\n220-3\r\n220-4\r\n220-5\r\n220-6\r\n220-7\r\n220-8\r\n220-9\r\n220 10\r\n",
            EHLO,
        ],
        "open",
        "open",
        "ten lines of greeting",
    ),
    (7, Do::Connect, &[b"220-teaser\r\n", b"220 mx\r\n", EHLO], "open", "open", "the rest comes later"),
    (9, Do::Connect, &[b"554-go\r\n554 away\r\n", b""], "Unwelcome(554)", "Unwelcome(554)", "no service"),
    (9, Do::Connect, &[b"421 busy\r\n"], "Unwelcome(421)", "Unwelcome(421)", "busy"),
    (10, Do::Rest, &[b"421 4.4.2 idle\r\n"], "Idle", "Idle", "421 unasked"),
    (10, Do::Rest, &[b"221 Idle\r\n"], "Idle", "Idle", "221 unasked"),
    (10, Do::Rest, &[b"451 4.4.2 Timeout\r\n"], "Idle", "Idle", "451 unasked"),
    (10, Do::Rest, &[b""], "Idle", "Idle", "the end unasked"),
    (
        11,
        Do::Send,
        &[GROUP, b"421 4.3.2 down\r\n"],
        "Farewell(Content(None)); Refused 421",
        "Farewell(Content(None)); Refused 421",
        "421 at the dot",
    ),
    (
        11,
        Do::Send,
        &[b"250 Ok\r\n421 4.3.2 down\r\n"],
        "Farewell(Rcpt(0)); NotTried",
        "Farewell(Rcpt(0)); NotTried",
        "",
    ),
    (
        12,
        Do::Send,
        &[GROUP, b"552 5.3.4 big\r\n", b""],
        "Idle; Refused 552",
        "Idle; Refused 552",
        "reply and FIN",
    ),
    (
        13,
        Do::Send,
        &[b"550 5.7.1 listed\r\n", b""],
        "PeerGone(Rcpt(0)); Refused 550",
        "PeerGone(Rcpt(0)); Refused 550",
        "MAIL's answer stands for all",
    ),
    (14, Do::Quit, &[b""], "Quit", "Quit", "no 221"),
    (15, Do::Slow, &[b"\r\n250 Ok\r\n250 Ok\r\n"], "Garbled; NotTried", "open; NotTried", "an empty line"),
    (
        15,
        Do::Send,
        &[b"\r\n250 Ok\r\n"],
        "Garbled; NotTried",
        "Garbled; NotTried",
        "an empty line while others are owed",
    ),
    (15, Do::Slow, &[b"huh\r\n250 Ok\r\n"], "Garbled; NotTried", "Garbled; NotTried", "garbage"),
    (16, Do::Connect, &[b"220 mx\r\n", b"500 what?\r\n", b"250 mx\r\n"], "open", "open", "HELO after 500"),
    (16, Do::Connect, &[b"220 mx\r\n", b"502 what?\r\n", b"250 mx\r\n"], "open", "open", "HELO after 502"),
    (
        16,
        Do::Connect,
        &[b"220 mx\r\n", b"550 what?\r\n", b"250 mx\r\n"],
        "HelloRefused(550)",
        "open",
        "HELO after another 5yz",
    ),
    (
        16,
        Do::Connect,
        &[b"220 mx\r\n", b"554 no\r\n", b""],
        "HelloRefused(554)",
        "HelloRefused(554)",
        "not after 554",
    ),
    (
        16,
        Do::Connect,
        &[b"220 mx\r\n", b"521 no\r\n", b""],
        "HelloRefused(521)",
        "HelloRefused(521)",
        "not after 521",
    ),
    (
        16,
        Do::Connect,
        &[b"220 mx\r\n", b"421 no\r\n"],
        "HelloRefused(421)",
        "HelloRefused(421)",
        "not after 421",
    ),
    (
        16,
        Do::Connect,
        &[b"220 mx\r\n", b"451 no\r\n", b""],
        "HelloRefused(451)",
        "HelloRefused(451)",
        "not after 4yz",
    ),
    (20, Do::Connect, &[b"220 mx\r\n", b"250 OK: Nice to meet you\r\n"], "open", "open", "no name"),
    (
        25,
        LOGIN,
        &[b"334 GSSAPI supported\r\n", b"334 \r\n", b"501 cancelled\r\n"],
        "OutOfStep { to: Auth, code: 334 }",
        "open; Err(Refused)",
        "words that are no base64 where only a prompt is due",
    ),
    (
        26,
        LOGIN,
        &[b"334 dXNlcm5hbWU6\r\n", b"334 VXNlciBOYW1lAA==\r\n", b"235 in\r\n"],
        "open; Ok(LOGIN)",
        "open; Ok(LOGIN)",
        "prompts are not read",
    ),
    (
        29,
        Do::Auth(Mechanism::XOAUTH2),
        &[b"334 eyJzIjoiNDAxIn0=\r\n", b"535 5.7.8 no\r\n"],
        "open; Err(Said)",
        "open; Err(Said)",
        "JSON first",
    ),
    (30, Do::Slow, &[b"550 \xc4\xe3\xba\xc3\r\n"], "open; Refused 550", "open; Refused 550", "any charset"),
    (32, Do::Slow, &[b"550 no enhanced code\r\n"], "open; Refused 550", "open; Refused 550", ""),
    (
        34,
        Do::Send,
        &[b"250 Ok\r\n250 Ok\r\n250 Ok\r\n"],
        "OutOfStep { to: Data, code: 250 }; NotTried",
        "OutOfStep { to: Data, code: 250 }; NotTried",
        "250 to DATA",
    ),
    (
        34,
        Do::Send,
        &[GROUP, b"354 more\r\n"],
        "OutOfStep { to: Content(None), code: 354 }; Unknown",
        "OutOfStep { to: Content(None), code: 354 }; Unknown",
        "354 to the dot",
    ),
    (35, Do::Send, &[b"250 Ok\r\n500 not supported\r\n"], "Pipelining; NotTried", "Pipelining; NotTried", ""),
    (
        35,
        Do::Send,
        &[b"250 Ok\r\n250 Ok\r\n503 sync\r\n"],
        "Pipelining; NotTried",
        "Pipelining; NotTried",
        "an error at DATA",
    ),
    (37, Do::Tls, &[b"454 4.7.0 not now\r\n"], "open", "open", "it is the caller who goes on in clear"),
    (38, Do::Tls, &[b"220 go\r\n250 injected\r\n"], "Injection", "Injection", "octets behind the 220"),
    (38, Do::Tls, &[b"220 go\r\n2"], "Injection", "Injection", "a part of a line"),
    (
        39,
        Do::Slow,
        &[b"250 Ok\r\n", b"550 no\r\n", b"500 RSET?\r\n"],
        "OutOfStep { to: Rset, code: 500 }; Refused 550",
        "OutOfStep { to: Rset, code: 500 }; Refused 550",
        "RSET refused",
    ),
];

#[test]
fn each_row_stands_as_it_says() {
    for (row, act, octets, strict, lenient, why) in ROWS {
        let presets = [(Leniency::STRICT, strict), (Leniency::REPLIES, lenient)];
        for (leniency, want) in presets {
            let mut talk = begin(*act, config().leniency(leniency));
            for segment in *octets {
                match segment.len() {
                    0 => talk.eof(),
                    _ => talk.hear(segment),
                }
            }
            assert_eq!(stand(&talk), **want, "row {row} under {leniency:?}: {why}: {:?}", talk.events);
        }
    }
}

#[test]
fn lf_alone_is_taken_where_that_is_asked_for_and_nothing_else_is_owed() {
    let unsafe_lf = Leniency::REPLIES.with(Leniency::UNSAFE_LF_REPLIES);
    let mut talk = begin(Do::Connect, config().leniency(unsafe_lf));
    talk.hear(b"220 mx\n");
    assert_eq!(talk.close(), None, "row 4");
    assert!(talk.session.deviations().contains(Leniency::UNSAFE_LF_REPLIES));
    let mut talk = begin(Do::Send, config().leniency(unsafe_lf));
    talk.hear(b"250 Ok\n");
    assert!(matches!(talk.close(), Some(CloseReason::Garbled { .. })), "row 4, while others are owed");
    let mut talk = begin(LOGIN, config().leniency(unsafe_lf));
    talk.hear(b"334 \n");
    assert!(matches!(talk.close(), Some(CloseReason::Garbled { .. })), "row 4, once secrets go out");
}

#[test]
fn a_late_greeting_is_awaited_for_five_minutes() {
    let mut talk = begin(Do::Connect, config());
    talk.advance(Duration::from_secs(299));
    assert_eq!(talk.close(), None, "row 8");
    talk.advance(Duration::from_secs(1));
    assert_eq!(talk.close(), Some(CloseReason::Timeout(Wait::Greeting)));
    let text = talk.close().unwrap().to_string();
    assert!(text.contains("TLS comes first?"), "{text}");
}

#[test]
fn ehlo_comes_again_after_tls_and_never_after_auth() {
    let mut talk = begin(Do::Tls, config());
    talk.said();
    talk.hear(b"220 go\r\n");
    assert_eq!(talk.said(), "EHLO a.example\r\n", "row 17");
    assert_eq!(talk.session.extensions(), None, "what was said in clear is forgotten");
    let mut talk = begin(Do::Auth(Mechanism::PLAIN), config());
    assert_eq!(talk.said(), "AUTH PLAIN AHUAcA==\r\n", "row 27: with its initial response");
    talk.hear(b"235 in\r\n");
    assert_eq!(talk.said(), "");
    assert!(talk.session.extensions().is_some());
}

#[test]
fn extensions_are_read_from_what_servers_write() {
    let auth = |ehlo: &str, leniency| {
        let mut talk = greeted_with(config().insecure_credentials().leniency(leniency), ehlo.as_bytes());
        talk.then(Task::Auth(credentials(Mechanism::PLAIN)));
        talk.go();
        talk.said().trim_end().to_string() + &talk.events.concat()
    };
    let old = "250-mx\r\n250 AUTH=LOGIN\r\n";
    assert_eq!(auth(old, Leniency::STRICT), "error Mechanism(NoneInCommon)ready", "row 18");
    assert_eq!(auth(old, Leniency::REPLIES), "AUTH LOGIN", "rows 18 and 28: LOGIN has no initial response");
    let both = "250-mx\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN\r\n";
    assert_eq!(auth(both, Leniency::REPLIES), "AUTH PLAIN AHUAcA==", "row 18: the union");
    let odd = "250-mx\r\n250-X-EXPS GSSAPI NTLM\r\n250 AUTH\r\n";
    assert_eq!(auth(odd, Leniency::REPLIES), "error Mechanism(NoneInCommon)ready", "row 23");
    let unknown = "250-mx\r\n250 AUTH PLAIN-CLIENTTOKEN XOAUTH PLAIN\r\n";
    assert_eq!(auth(unknown, Leniency::REPLIES), "AUTH PLAIN AHUAcA==", "row 24");
    let talk = greeted_with(config(), b"250-mx\r\n250-starttls\r\n250 Size\r\n");
    assert!(talk.session.offers(Keyword::StartTls), "row 19");
    for (line, size) in
        [("SIZE", Size::NoLimit), ("SIZE 0", Size::NoLimit), ("SIZE 8589934592", Size::Octets(1 << 33))]
    {
        let talk = greeted_with(config(), format!("250-mx\r\n250 {line}\r\n").as_bytes());
        assert_eq!(talk.session.extensions().unwrap().size(), Some(size), "row 22");
    }
}

#[test]
fn a_masked_offer_of_tls_is_told_from_none() {
    let rows: [(&[u8], &[u8], &str); 3] = [
        (b"220 mx\r\n", b"250 mx\r\n", "NotOffered"),
        (b"220 mx\r\n", b"250-mx\r\n250 XXXXXXXA\r\n", "Masked"),
        (b"220 ***0*****\r\n", b"250 mx\r\n", "Masked"),
    ];
    for (greeting, ehlo, error) in rows {
        let mut talk = Talk::new(config());
        talk.hear(greeting);
        talk.hear(ehlo);
        talk.then(Task::StartTls);
        talk.go();
        assert!(talk.events.contains(&format!("error {error}")), "row 21: {:?}", talk.events);
    }
}

#[test]
fn the_enhanced_code_of_a_refusal_is_kept() {
    for (reply, detail, why) in [
        (&b"550 5.7.509 no\r\n"[..], Some(509), "three digits"),
        (b"550 4.2.2 no\r\n", None, "another class"),
        (b"550 #5.1.0 no\r\n", Some(0), "behind a mark"),
    ] {
        let mut talk = begin(Do::Slow, config());
        talk.hear(reply);
        let Outcome::Refused(reply) = talk.session.outcome(0) else { panic!("row 31: {why}") };
        assert_eq!(reply.enhanced().map(|code| code.detail()), detail, "row 31: {why}");
    }
}

#[test]
fn chunks_are_not_used_unless_they_are_needed() {
    let ehlo = b"250-mx\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250-BINARYMIME\r\n250 CHUNKING\r\n";
    let mut talk = greeted_with(config(), ehlo);
    send(&mut talk, &["you@b.example"]);
    assert_eq!(
        talk.said(),
        "MAIL FROM:<me@a.example>\r\nRCPT TO:<you@b.example>\r\nDATA\r\n",
        "rows 36 and 41"
    );
}

#[test]
fn a_failed_handshake_ends_the_session() {
    let mut session = ClientSession::implicit_tls(config(), Time::ZERO);
    session.tls_failed();
    assert_eq!(session.close_reason(), Some(CloseReason::TlsFailed), "row 37");
}

#[test]
fn reset_goes_between_messages_on_request() {
    let mut talk = greeted_with(config().reset_between(), EHLO);
    send(&mut talk, &["you@b.example"]);
    talk.hear(GROUP);
    talk.said();
    talk.hear(b"250 Ok\r\n");
    assert_eq!(talk.said(), "RSET\r\n", "row 39");
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
    talk.hear(b"250 Ok\r\n");
    assert_eq!(talk.events.last().map(String::as_str), Some("ready"));
}

#[test]
fn content_in_8_bits_goes_to_a_7_bit_server_on_request_only() {
    let message = || Letter { content: "x: \u{fc}\r\n\r\n\u{fc}\r\n".into(), ..letter(&["you@b.example"]) };
    for (config, said) in [
        (config(), ""),
        (config().send_8bit_anyway(), "MAIL FROM:<me@a.example>\r\nRCPT TO:<you@b.example>\r\nDATA\r\n"),
    ] {
        let mut talk = greeted_with(config, EHLO);
        talk.then(Task::Send(message()));
        talk.go();
        assert_eq!(talk.said(), said, "row 40");
    }
}

#[test]
fn a_client_needs_a_name_that_servers_take() {
    for name in ["", "my host", "m\u{fc}ller.example", "-x.example", "127.0.0.1]"] {
        assert!(ClientConfig::new(name).is_err(), "row 43: {name}");
    }
    for name in ["a.example", "[127.0.0.1]", "[IPv6:2001:db8::1]"] {
        assert!(ClientConfig::new(name).is_ok(), "row 43: {name}");
    }
}

#[test]
fn a_connection_that_has_had_enough_leaves_the_message_for_another() {
    let mut talk = begin(Do::Send, config());
    talk.hear(GROUP);
    talk.hear(b"250 Ok\r\n");
    send(&mut talk, &["you@b.example"]);
    talk.hear(b"452 4.4.5 Enough\r\n503 no\r\n503 no\r\n");
    assert_eq!(talk.outcomes(), ["NotTried Limits"], "row 44");
    assert!(!talk.session.takes_another());
}
