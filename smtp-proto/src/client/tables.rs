//! The manual's tables of outcomes and waits are what the code says. With `UPDATE_DOCS=1` this writes them instead.

use core::time::Duration;
use std::fmt::Write as _;
use std::string::{String, ToString};
use std::{format, fs, vec, vec::Vec};

use super::config::{ClientConfig, Timeouts};
use super::outcome::{Contradiction, Outcome, Retry, Why};
use super::session::ClientSession;
use super::step::{CloseReason, Sent};
use super::waits::Wait;
use crate::time::Time;
use crate::wire::ehlo::Keyword;
use crate::wire::reply::{Reply, ReplyBuf};

fn compare(page: &str, table: &str) {
    let path = format!("{}/src/manual/{page}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, table).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), table, "run this test once with UPDATE_DOCS=1");
}

fn reply(code: u16, enhanced: (u8, u16, u16)) -> ReplyBuf {
    Reply::clean(code, enhanced, "text").into()
}

/// When it comes, and what to do. Total: a new reason does not compile until it has its row.
const fn about(why: Why) -> (&'static str, &'static str) {
    match why {
        Why::Unsupported(_) => (
            "the message needs an extension that is not offered",
            "another host, or tell the sender which it is",
        ),
        Why::TooBig { .. } => ("larger than SIZE allows", "tell the sender"),
        Why::BareNewline => {
            ("a bare CR or LF in the content", "mend what made it, or `newlines(SendNewlines::Normalise)`")
        }
        Why::NotUnderTls => ("REQUIRETLS, and no verified TLS", "another host; never in clear"),
        Why::NoRecipients => ("an empty envelope", "nothing"),
        Why::Limits => (
            "one recipient or message too many for this transaction or connection",
            "again, over a new connection at once; a pool does",
        ),
        Why::FalseDeclaration(_) => ("a stream was not what its envelope declared", "mend what declares it"),
        Why::Abandoned => ("your program gave up in the content", "as you meant it"),
        Why::NoConnection => ("no address of the host answered", "the next host; later this one"),
        Why::Closed(CloseReason::Unwelcome(556)) => {
            ("greeted with 556: the domain takes no mail (RFC 7504 §4)", "tell the sender")
        }
        Why::Closed(_) => {
            ("the connection ended before the content was out", "the next host; later this one")
        }
    }
}

/// One of each; `about` sees to it that none is forgotten when one is added, `name` that it is listed here.
const WHYS: &[(Why, &str)] = &[
    (Why::Unsupported(Keyword::SmtpUtf8), "Unsupported"),
    (Why::NotUnderTls, "NotUnderTls"),
    (Why::NoConnection, "NoConnection"),
    (Why::Closed(CloseReason::PeerGone(Sent::Mail)), "Closed"),
    (Why::Closed(CloseReason::Unwelcome(556)), "Closed"),
    (Why::Limits, "Limits"),
    (Why::Abandoned, "Abandoned"),
    (Why::TooBig { octets: 2, limit: 1 }, "TooBig"),
    (Why::BareNewline, "BareNewline"),
    (Why::FalseDeclaration(Contradiction::Size), "FalseDeclaration"),
    (Why::NoRecipients, "NoRecipients"),
];

#[test]
fn the_documented_outcomes_are_those_of_the_code() {
    let of = |name: &str| format!("[`{name}`](crate::client::Outcome::{name})");
    let mut rows: Vec<(String, Outcome, &str, &str, &str)> = vec![
        (
            of("Accepted"),
            Outcome::Accepted(reply(250, (2, 0, 0))),
            "yes",
            "2yz to the end of the content; in LMTP, to this recipient's",
            "done; log the reply",
        ),
        (
            of("Refused"),
            Outcome::Refused(reply(550, (5, 1, 1))),
            "no",
            "5yz to MAIL, RCPT, DATA or the content",
            "tell the sender, with the reply",
        ),
        (
            of("Refused"),
            Outcome::Refused(reply(451, (4, 2, 0))),
            "no",
            "4yz to one of them, and 421",
            "keep it and try again later",
        ),
    ];
    for (why, name) in WHYS {
        let (when, then) = about(*why);
        let link = format!("{}, [`{name}`](crate::client::Why::{name})", of("NotTried"));
        rows.push((link, Outcome::NotTried(*why), "no", when, then));
    }
    rows.push((
        of("Unknown"),
        Outcome::Unknown,
        "perhaps",
        "the end of the content is out, and no answer came",
        "[a queue sends again, others ask](#unknown)",
    ));
    let mut table =
        "| outcome | the server has it | when | `retry()` | what to do |\n|---|---|---|---|---|\n"
            .to_string();
    for (link, outcome, has, when, then) in rows {
        assert_eq!(has == "yes", outcome.is_accepted(), "{outcome:?}");
        assert_eq!(has == "perhaps", outcome.retry() == Retry::AskUser, "{outcome:?}");
        let retry = format!("[`{0:?}`](crate::client::Retry::{0:?})", outcome.retry());
        writeln!(table, "| {link} | {has} | {when} | {retry} | {then} |").unwrap();
    }
    compare("outcomes.md", &table);
    for name in variants(include_str!("outcome.rs"), "Why") {
        assert!(WHYS.iter().any(|(_, listed)| *listed == name), "{name} has no row");
    }
}

/// The variants of an enum, from the text that declares it.
fn variants<'t>(source: &'t str, name: &str) -> Vec<&'t str> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let is_variant =
        |line: &&str| line.strip_prefix("    ").is_some_and(|line| line.starts_with(char::is_uppercase));
    let found: Vec<_> = body
        .lines()
        .filter(is_variant)
        .map(|line| line.trim_start().split([',', '(', ' ']).next().unwrap())
        .collect();
    assert!(found.len() > 9, "{found:?}");
    found
}

/// The wait, its setting by name and by hand, and the minimum of RFC 5321.
type Row = (Wait, &'static str, fn(&mut Timeouts) -> &mut Duration, &'static str);

const WAITS: &[Row] = &[
    (Wait::Greeting, "greeting", |t| &mut t.greeting, "5 min, §4.5.3.2.1"),
    (Wait::Hello, "hello", |t| &mut t.hello, "-"),
    (Wait::StartTls, "start_tls", |t| &mut t.start_tls, "-"),
    (Wait::Handshake, "handshake", |t| &mut t.handshake, "-"),
    (Wait::Auth, "auth", |t| &mut t.auth, "-"),
    (Wait::Mail, "mail", |t| &mut t.mail, "5 min, §4.5.3.2.2"),
    (Wait::Rcpt, "rcpt", |t| &mut t.rcpt, "5 min, §4.5.3.2.3"),
    (Wait::DataInit, "data_init", |t| &mut t.data_init, "2 min, §4.5.3.2.4"),
    (Wait::DataBlock, "data_block", |t| &mut t.data_block, "3 min, §4.5.3.2.5"),
    (Wait::DataEnd, "data_end", |t| &mut t.data_end, "10 min, §4.5.3.2.6"),
    (Wait::Chunk, "chunk", |t| &mut t.chunk, "-"),
    (Wait::Command, "command", |t| &mut t.command, "-"),
    (Wait::Write, "command", |t| &mut t.command, "-"),
    (Wait::Quit, "quit", |t| &mut t.quit, "-"),
];

fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 60 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[test]
fn the_documented_waits_are_those_of_the_code() {
    let mut table =
        "| wait | setting | default | minimum | what an error says |\n|---|---|---|---|---|\n".to_string();
    for (wait, setting, field, minimum) in WAITS {
        let default = *field(&mut Timeouts::default());
        let least = minimum.split_once(' ').and_then(|(minutes, _)| minutes.parse::<u64>().ok());
        assert!(default.as_secs() >= 60 * least.unwrap_or(0), "{wait:?} is shorter than RFC 5321 wants");
        // The setting is the one that this wait obeys, and no other.
        let odd = Duration::from_secs(77);
        let config = ClientConfig::new("a.example").unwrap().timeouts(|t| *field(t) = odd);
        let session = ClientSession::new(config, Time::ZERO);
        for (other, its, ..) in WAITS {
            assert_eq!(session.timeout(*other) == odd, its == setting, "{setting} and {other:?}");
        }
        let link = format!("[`{wait:?}`](crate::client::Wait::{wait:?})");
        let setting = format!("[`{setting}`](crate::client::Timeouts::{setting})");
        writeln!(
            table,
            "| {link} | {setting} | {} | {minimum} | timed out waiting for {wait} |",
            shown(default)
        )
        .unwrap();
    }
    compare("waits.md", &table);
    for name in variants(include_str!("waits.rs"), "Wait") {
        assert!(WAITS.iter().any(|(listed, ..)| format!("{listed:?}") == name), "{name} has no row");
    }
}
