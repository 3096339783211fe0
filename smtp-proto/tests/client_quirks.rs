//! What servers really say, by the number that each habit has here, strict and lenient: the rows that a client's session
//! decides. [`MOST`] of them; one without a test fails.
#![cfg(feature = "testing")]

use std::collections::BTreeSet;
use std::time::Duration;

use smtp_proto::client::{
    ClientConfig, ClientSession, ClientStep, CloseReason, Envelope, Need, Outcome, Wait,
};
use smtp_proto::sasl::Mechanism;
use smtp_proto::sasl::client::Credentials;
use smtp_proto::testing::{Letter, Talk, Task};
use smtp_proto::wire::ehlo::{Keyword, Size};
use smtp_proto::wire::params::Body;
use smtp_proto::{Input, Leniency, MailboxBuf, Time};

#[path = "client_quirks/rows.rs"]
mod rows;
#[path = "support/client.rs"]
mod support;

use rows::{Do, EHLO, GROUP, Heard, ROWS};
use support::{config, greeted_with, letter, send};

/// The habits are numbered from 1 to this.
const MOST: u32 = 44;

/// Strict first.
const PRESETS: [Leniency; 2] = [Leniency::STRICT, Leniency::REPLIES];

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
        Do::Binary => greeted_with(config, b"250-mx\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING\r\n"),
        Do::Auth(mechanism) => {
            greeted_with(config, format!("250-mx.example\r\n250 AUTH {mechanism}\r\n").as_bytes())
        }
        _ => greeted_with(config, EHLO),
    };
    let one = || letter(&["you@b.example"]);
    match act {
        Do::Send | Do::Slow => talk.then(Task::Send(one())),
        Do::Two => talk.then(Task::Send(letter(&["you@b.example", "me@b.example"]))),
        Do::Binary => talk.then(Task::Send(Letter { stream: Some(Body::BinaryMime), ..one() })),
        Do::Again => {
            talk.then(Task::Send(one()));
            talk.hear(GROUP);
            talk.hear(b"250 Ok\r\n");
            talk.then(Task::Send(one()));
        }
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

#[test]
fn each_row_stands_as_it_says() {
    for (row, act, heard, strict, lenient, why) in ROWS {
        for (leniency, want) in PRESETS.into_iter().zip([strict, lenient]) {
            let mut talk = begin(*act, config().leniency(leniency));
            for event in *heard {
                match event {
                    Heard::Say(octets) => talk.hear(octets),
                    Heard::Times(octets, times) => talk.hear(&octets.repeat(*times)),
                    Heard::Wait(seconds) => talk.advance(Duration::from_secs(*seconds)),
                    Heard::End => talk.eof(),
                }
            }
            assert_eq!(stand(&talk), **want, "row {row} under {leniency:?}: {why}: {:?}", talk.events);
        }
    }
}

/// What no row can say: number, what holds under either preset.
type Case = (u32, fn(Leniency));

const CASES: &[Case] = &[
    (4, lf_alone_is_taken_where_that_is_asked_for_and_nothing_else_is_owed),
    (5, what_is_tolerated_is_counted),
    (8, a_late_greeting_is_awaited_for_five_minutes),
    (9, a_refused_greeting_is_answered_with_quit),
    (12, what_is_said_in_the_middle_of_the_content_stops_it_and_counts),
    (17, ehlo_comes_again_after_tls_and_never_after_auth),
    (18, mechanisms_are_read_from_what_servers_write),
    (19, keywords_are_known_in_any_letters),
    (21, a_masked_offer_of_tls_is_told_from_none),
    (22, a_size_of_nothing_is_no_limit),
    (23, what_is_no_mechanism_is_kept_and_not_used),
    (24, mechanisms_that_nobody_knows_are_passed_over),
    (27, plain_says_its_response_at_once_unless_the_line_would_be_too_long),
    (28, login_never_says_its_response_at_once),
    (29, the_json_of_a_refused_token_is_answered_with_an_empty_line),
    (31, the_enhanced_code_of_a_refusal_is_kept),
    (35, a_server_that_cannot_pipeline_is_masked_and_takes_the_message),
    (36, chunks_are_not_used_unless_they_are_needed),
    (37, a_failed_handshake_ends_the_session),
    (39, reset_goes_between_messages_on_request),
    (40, content_in_8_bits_goes_to_a_7_bit_server_on_request_only),
    (41, nobody_says_auth_of_a_sender_unasked),
    (43, a_client_needs_a_name_that_servers_take),
    (44, a_connection_that_has_had_enough_takes_no_other_message),
];

#[test]
fn each_case_holds_strict_and_lenient() {
    for (_, case) in CASES {
        PRESETS.into_iter().for_each(case);
    }
}

#[test]
fn no_number_is_without_a_test() {
    let tested: BTreeSet<u32> = ROWS.iter().map(|row| row.0).chain(CASES.iter().map(|case| case.0)).collect();
    assert!(tested.iter().copied().eq(1..=MOST), "{tested:?}");
}

fn lf_alone_is_taken_where_that_is_asked_for_and_nothing_else_is_owed(leniency: Leniency) {
    let unsafe_lf = leniency.with(Leniency::UNSAFE_LF_REPLIES);
    let mut talk = begin(Do::Connect, config().leniency(unsafe_lf));
    talk.hear(b"220 mx\n");
    assert_eq!(talk.close(), None);
    assert!(talk.session.deviations().contains(Leniency::UNSAFE_LF_REPLIES));
    for (act, octets, why) in [
        (Do::Send, &b"250 Ok\n"[..], "while others are owed"),
        (Do::Auth(Mechanism::LOGIN), b"334 \n", "once secrets go out"),
        (Do::Connect, b"220 mx\rx\n", "a CR alone ends nothing"),
    ] {
        let mut talk = begin(act, config().leniency(unsafe_lf));
        talk.hear(octets);
        assert!(matches!(talk.close(), Some(CloseReason::Garbled { .. })), "{why}");
    }
}

fn what_is_tolerated_is_counted(leniency: Leniency) {
    let mut talk = begin(Do::Connect, config().leniency(leniency));
    talk.hear(b"220-a\r\n521 b\r\n");
    let counted = talk.session.deviations().contains(Leniency::REPLY_CODES_DIFFER);
    assert_eq!(counted, leniency != Leniency::STRICT);
}

fn a_late_greeting_is_awaited_for_five_minutes(leniency: Leniency) {
    let mut talk = begin(Do::Connect, config().leniency(leniency));
    talk.advance(Duration::from_secs(300));
    assert_eq!(talk.close(), Some(CloseReason::Timeout(Wait::Greeting)));
    let text = talk.close().unwrap().to_string();
    assert!(text.contains("TLS comes first?"), "{text}");
}

fn a_refused_greeting_is_answered_with_quit(leniency: Leniency) {
    for (greeting, said) in [(&b"554-go\r\n554 away\r\n"[..], "QUIT\r\n"), (b"421 busy\r\n", "")] {
        let mut talk = begin(Do::Connect, config().leniency(leniency));
        talk.hear(greeting);
        assert_eq!(talk.said(), said, "{}", greeting.escape_ascii());
        assert_eq!(
            &*talk.session.last_reply().text_lossy(),
            if said.is_empty() { "busy" } else { "go\naway" }
        );
    }
}

fn what_is_said_in_the_middle_of_the_content_stops_it_and_counts(leniency: Leniency) {
    let mut session = ClientSession::new(config().leniency(leniency), Time::ZERO);
    let mut hear = |octets: &[u8]| {
        let mut input = Input::new(octets);
        while session.needs(&input, Time::ZERO) != Need::Input || input.used() < octets.len() {
            match session.needs(&input, Time::ZERO) {
                Need::Flush => session.output().clear(),
                Need::Step => match session.next(&mut input) {
                    Some(ClientStep::Ready(ready)) => {
                        let [from, to] =
                            ["me@a.example", "you@b.example"].map(|text| text.parse::<MailboxBuf>().unwrap());
                        ready.send(&Envelope::new(&from).to(&to)).unwrap();
                    }
                    Some(ClientStep::Content(mut body)) => {
                        let _ = body.write(&[b'x'; 100_000]);
                        return;
                    }
                    _ => {}
                },
                Need::Nothing => return,
                need => panic!("{need:?}"),
            }
        }
    };
    hear(b"220 mx\r\n");
    hear(EHLO);
    hear(GROUP);
    hear(b"552 5.3.4 big\r\n");
    assert!(matches!(session.outcome(0), Outcome::Refused(reply) if reply.code() == 552));
    assert!(session.close_reason().is_some(), "nothing can follow unfinished content");
}

fn ehlo_comes_again_after_tls_and_never_after_auth(leniency: Leniency) {
    let mut talk = begin(Do::Tls, config().leniency(leniency));
    talk.said();
    talk.hear(b"220 go\r\n");
    assert_eq!(talk.said(), "EHLO a.example\r\n");
    assert_eq!(talk.session.extensions(), None, "what was said in clear is forgotten");
    let mut talk = begin(Do::Auth(Mechanism::PLAIN), config().leniency(leniency));
    talk.said();
    talk.hear(b"235 in\r\n");
    assert_eq!(talk.said(), "");
    assert!(talk.session.extensions().is_some());
}

/// What is said to log in by PLAIN or what there is, or what is wrong.
fn log_in(ehlo: &str, leniency: Leniency) -> String {
    let mut talk = greeted_with(config().insecure_credentials().leniency(leniency), ehlo.as_bytes());
    talk.then(Task::Auth(credentials(Mechanism::PLAIN)));
    talk.go();
    talk.said().trim_end().to_string() + &talk.events.concat()
}

const NONE_IN_COMMON: &str = "error Mechanism(NoneInCommon)ready";

const PLAIN: &str = "AUTH PLAIN AHUAcA==";

fn mechanisms_are_read_from_what_servers_write(leniency: Leniency) {
    let strict = leniency == Leniency::STRICT;
    let old = log_in("250-mx\r\n250 AUTH=LOGIN\r\n", leniency);
    assert_eq!(old, if strict { NONE_IN_COMMON } else { "AUTH LOGIN" });
    let both = "250-mx\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN\r\n";
    assert_eq!(log_in(both, leniency), PLAIN, "the union");
    let other_way = "250-mx\r\n250-AUTH LOGIN\r\n250 AUTH=PLAIN\r\n";
    assert_eq!(log_in(other_way, leniency), if strict { "AUTH LOGIN" } else { PLAIN }, "the union");
    let twice = "250-mx\r\n250-AUTH LOGIN\r\n250 AUTH PLAIN\r\n";
    assert_eq!(log_in(twice, leniency), PLAIN, "of two lists too");
}

fn keywords_are_known_in_any_letters(leniency: Leniency) {
    let talk = greeted_with(config().leniency(leniency), b"250-mx\r\n250-starttls\r\n250 Size\r\n");
    assert!(talk.session.offers(Keyword::StartTls) && talk.session.offers(Keyword::Size));
}

fn a_masked_offer_of_tls_is_told_from_none(leniency: Leniency) {
    let rows: [(&[u8], &[u8], &str); 3] = [
        (b"220 mx\r\n", b"250 mx\r\n", "NotOffered"),
        (b"220 mx\r\n", b"250-mx\r\n250 XXXXXXXA\r\n", "Masked"),
        (b"220 ***0*****\r\n", b"250 mx\r\n", "Masked"),
    ];
    for (greeting, ehlo, error) in rows {
        let mut talk = Talk::new(config().leniency(leniency));
        talk.hear(greeting);
        talk.hear(ehlo);
        talk.then(Task::StartTls);
        talk.go();
        assert!(talk.events.contains(&format!("error {error}")), "{:?}", talk.events);
    }
}

fn a_size_of_nothing_is_no_limit(leniency: Leniency) {
    for (line, size) in
        [("SIZE", Size::NoLimit), ("SIZE 0", Size::NoLimit), ("SIZE 8589934592", Size::Octets(1 << 33))]
    {
        let ehlo = format!("250-mx\r\n250 {line}\r\n");
        let talk = greeted_with(config().leniency(leniency), ehlo.as_bytes());
        assert_eq!(talk.session.extensions().unwrap().size(), Some(size));
    }
}

fn what_is_no_mechanism_is_kept_and_not_used(leniency: Leniency) {
    let odd = "250-mx\r\n250-X-EXPS GSSAPI NTLM\r\n250-X-ANONYMOUSTLS\r\n250-XRDST\r\n250 AUTH\r\n";
    assert_eq!(log_in(odd, leniency), NONE_IN_COMMON);
    let talk = greeted_with(config().leniency(leniency), odd.as_bytes());
    let response = talk.session.extensions().unwrap().response();
    let names: Vec<_> = response.extensions().map(|line| line.name().escape_ascii().to_string()).collect();
    assert_eq!(names, ["X-EXPS", "X-ANONYMOUSTLS", "XRDST", "AUTH"]);
    let exps = response.extensions().next().unwrap();
    assert!(exps.params().eq([&b"GSSAPI"[..], b"NTLM"]), "they can be read");
    assert!(!talk.session.offers(Keyword::StartTls), "X-ANONYMOUSTLS is not STARTTLS");
}

fn mechanisms_that_nobody_knows_are_passed_over(leniency: Leniency) {
    assert_eq!(log_in("250-mx\r\n250 AUTH PLAIN-CLIENTTOKEN XOAUTH PLAIN\r\n", leniency), PLAIN);
    assert_eq!(log_in("250-mx\r\n250 AUTH PLAIN-CLIENTTOKEN XOAUTH\r\n", leniency), NONE_IN_COMMON);
}

fn plain_says_its_response_at_once_unless_the_line_would_be_too_long(leniency: Leniency) {
    let offer = "250-mx\r\n250 AUTH PLAIN\r\n";
    assert_eq!(log_in(offer, leniency), PLAIN);
    let mut talk = greeted_with(config().insecure_credentials().leniency(leniency), offer.as_bytes());
    talk.then(Task::Auth(Credentials::password("u", "p".repeat(600))));
    talk.go();
    assert_eq!(talk.said(), "AUTH PLAIN\r\n");
    talk.hear(b"334 \r\n");
    assert!(talk.said().len() > 800);
}

fn login_never_says_its_response_at_once(leniency: Leniency) {
    let mut talk = begin(Do::Auth(Mechanism::LOGIN), config().leniency(leniency));
    assert_eq!(talk.said(), "AUTH LOGIN\r\n");
    talk.hear(b"334 VXNlcm5hbWU6\r\n");
    assert_eq!(talk.said(), "dQ==\r\n");
}

fn the_json_of_a_refused_token_is_answered_with_an_empty_line(leniency: Leniency) {
    let mut talk = begin(Do::Auth(Mechanism::XOAUTH2), config().leniency(leniency));
    talk.said();
    talk.hear(b"334 eyJzIjoiNDAxIn0=\r\n");
    assert_eq!(talk.said(), "\r\n");
    talk.hear(b"535 5.7.8 no\r\n");
    assert_eq!(talk.session.auth_words(), Some(&b"{\"s\":\"401\"}"[..]));
}

fn the_enhanced_code_of_a_refusal_is_kept(leniency: Leniency) {
    let hashed = (leniency != Leniency::STRICT).then_some(0);
    for (reply, detail, why) in [
        (&b"550 5.7.509 no\r\n"[..], Some(509), "three digits"),
        (b"450 4.7.28 no\r\n", Some(28), "two"),
        (b"550 4.2.2 no\r\n", None, "another class"),
        (b"550 #5.1.0 no\r\n", hashed, "behind a mark"),
    ] {
        let mut talk = begin(Do::Slow, config().leniency(leniency));
        talk.hear(reply);
        let Outcome::Refused(reply) = talk.session.outcome(0) else { panic!("{why}") };
        assert_eq!(reply.enhanced().map(|code| code.detail()), detail, "{why}");
    }
}

fn a_server_that_cannot_pipeline_is_masked_and_takes_the_message(leniency: Leniency) {
    let mut talk = begin(Do::Send, config().leniency(leniency));
    talk.hear(b"250 Ok\r\n500 not supported\r\n");
    let text = talk.close().unwrap().to_string();
    assert!(text.contains("ignore the keyword for this host"), "{text}");
    let masked = config().leniency(leniency).ignore(&[Keyword::Pipelining]);
    let mut talk = begin(Do::Send, masked);
    assert_eq!(talk.said(), "MAIL FROM:<me@a.example>\r\n", "one by one");
    for reply in [&b"250 Ok\r\n"[..], b"250 Ok\r\n", b"354 Go\r\n", b"250 Ok\r\n"] {
        talk.hear(reply);
    }
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
}

fn chunks_are_not_used_unless_they_are_needed(leniency: Leniency) {
    let ehlo = b"250-mx\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING\r\n";
    let mut talk = greeted_with(config().leniency(leniency), ehlo);
    send(&mut talk, &["you@b.example"]);
    assert_eq!(talk.said(), "MAIL FROM:<me@a.example>\r\nRCPT TO:<you@b.example>\r\nDATA\r\n");
}

fn a_failed_handshake_ends_the_session(leniency: Leniency) {
    let mut session = ClientSession::implicit_tls(config().leniency(leniency), Time::ZERO);
    session.tls_failed();
    assert_eq!(session.close_reason(), Some(CloseReason::TlsFailed));
    let mut talk = begin(Do::Tls, config().leniency(leniency));
    talk.hear(b"454 4.7.0 not now\r\n");
    assert_eq!(
        (talk.session.tls(), talk.session.is_verified()),
        (None, false),
        "what goes on does so in clear"
    );
}

fn reset_goes_between_messages_on_request(leniency: Leniency) {
    for (config, said) in [(config().reset_between(), "RSET\r\n"), (config(), "")] {
        let mut talk = greeted_with(config.leniency(leniency), EHLO);
        send(&mut talk, &["you@b.example"]);
        talk.hear(GROUP);
        talk.said();
        talk.hear(b"250 Ok\r\n");
        assert_eq!(talk.said(), said);
        assert_eq!(talk.outcomes(), ["Accepted 250"]);
        if !said.is_empty() {
            talk.hear(b"250 Ok\r\n");
        }
        assert_eq!(talk.events.last().map(String::as_str), Some("ready"));
    }
}

fn content_in_8_bits_goes_to_a_7_bit_server_on_request_only(leniency: Leniency) {
    let message = || Letter { content: "x: \u{fc}\r\n\r\n\u{fc}\r\n".into(), ..letter(&["you@b.example"]) };
    for (config, said) in [
        (config(), ""),
        (config().send_8bit_anyway(), "MAIL FROM:<me@a.example>\r\nRCPT TO:<you@b.example>\r\nDATA\r\n"),
    ] {
        let mut talk = greeted_with(config.leniency(leniency), EHLO);
        talk.then(Task::Send(message()));
        talk.go();
        assert_eq!(talk.said(), said);
    }
}

fn nobody_says_auth_of_a_sender_unasked(leniency: Leniency) {
    let mut talk = begin(Do::Auth(Mechanism::PLAIN), config().leniency(leniency));
    talk.hear(b"235 in\r\n");
    talk.said();
    send(&mut talk, &["you@b.example"]);
    assert_eq!(talk.said(), "MAIL FROM:<me@a.example>\r\n");
}

fn a_client_needs_a_name_that_servers_take(_leniency: Leniency) {
    for name in ["", "my host", "m\u{fc}ller.example", "-x.example", "127.0.0.1]"] {
        assert!(ClientConfig::new(name).is_err(), "{name}");
    }
    for name in ["a.example", "[127.0.0.1]", "[IPv6:2001:db8::1]"] {
        assert!(ClientConfig::new(name).is_ok(), "{name}");
    }
}

fn a_connection_that_has_had_enough_takes_no_other_message(leniency: Leniency) {
    let mut talk = begin(Do::Again, config().leniency(leniency));
    talk.hear(b"452 4.4.5 Enough\r\n503 no\r\n503 no\r\n");
    assert!(!talk.session.takes_another());
}
