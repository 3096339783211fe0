//! The tables of deviations in the manual are what a session and the parsers say.

use std::fmt::Write as _;
use std::sync::Arc;

use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, Extension, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::wire::ehlo::EhloResponse;
use smtp_proto::{Leniency, RecvBuf, Time};

const SERVER_PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/leniency_server.md");
const CLIENT_PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/leniency_client.md");

const EHLO: &str = "EHLO a.example\r\n";
const MAIL: &str = "MAIL FROM:<>\r\n";
const RCPT: &str = "RCPT TO:<a@b.example>\r\n";

/// Each is an error.
const TWENTY_LINES: &str = "A\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\n\
                            A\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\nA\r\n";

/// A deviation, what a client sends in a read each, and which of these shows it.
type ServerRow = (&'static str, &'static [&'static str], usize);

const SERVER: &[ServerRow] = &[
    ("SPACE_BEFORE_PATH", &[EHLO, "MAIL FROM: <a@b.example>\r\n"], 1),
    ("BARE_PATH", &[EHLO, "MAIL FROM:a@b.example\r\n"], 1),
    ("DOUBLE_SPACE", &["EHLO  a.example\r\n"], 0),
    ("EMPTY_HELLO", &["HELO\r\n"], 0),
    ("HELLO_NAME", &["EHLO my_host\r\n"], 0),
    ("HELLO_OCTETS", &["EHLO MÜLLER-PC\r\n"], 0),
    ("UTF8_UNDECLARED", &[EHLO, "MAIL FROM:<ü@b.example>\r\n"], 1),
    ("LOCAL_PART_DOTS", &[EHLO, MAIL, "RCPT TO:<a..b@c.example>\r\n"], 2),
    ("DOMAIN_UNDERSCORE", &[EHLO, "MAIL FROM:<a@foo_bar.example>\r\n"], 1),
    ("DOMAIN_FINAL_DOT", &[EHLO, "MAIL FROM:<a@b.example.>\r\n"], 1),
    ("LOOKUP_BRACKETS", &["VRFY <a@b.example>\r\n"], 0),
    ("PIPELINED_HELLO", &["EHLO a.example\r\nMAIL FROM:<>\r\n"], 0),
    ("EARLY_TALK", &["EHLO a.example\r\n"], 0),
    ("BARE_LF_IN_DATA", &[EHLO, MAIL, RCPT, "DATA\r\n", "a\nb\r\n.\r\n"], 4),
    ("BARE_CR_IN_DATA", &[EHLO, MAIL, RCPT, "DATA\r\n", "a\rb\r\n.\r\n"], 4),
    ("BARE_LF_IN_BDAT", &[EHLO, MAIL, RCPT, "BDAT 4 LAST\r\na\nb\n"], 3),
    ("AUTH_AFTER_HELO", &["HELO a.example\r\n", "AUTH PLAIN AGEAYg==\r\n"], 1),
    ("QUIT_IN_AUTH", &[EHLO, "AUTH PLAIN\r\n", "QUIT\r\n"], 2),
    ("PARAMS_NOT_OFFERED", &[EHLO, "MAIL FROM:<> RET=HDRS\r\n"], 1),
    ("NOOP_VERBS", &["ONEX\r\n"], 0),
    ("MORE_ERRORS", &[TWENTY_LINES], 0),
    ("UNSAFE_LF_COMMANDS", &["NOOP\n"], 0),
    ("UNSAFE_EARLY_CONTENT", &[EHLO, MAIL, RCPT, "DATA\r\na\r\n.\r\n"], 3),
];

/// A deviation, and a reply that shows it.
const CLIENT: &[(&str, &str)] = &[
    ("UNSAFE_LF_REPLIES", "250 Ok\n"),
    ("REPLY_EMPTY_LINE", "\r\n250 Ok\r\n"),
    ("REPLY_SEPARATOR", "220Ready\r\n"),
    ("REPLY_CODES_DIFFER", "220-a.example\r\n521 No\r\n"),
    ("REPLY_SECOND_DIGIT", "571 No\r\n"),
    ("REPLY_CONTROL", "250 \u{1b}[1mOk\r\n"),
    ("REPLY_HASHED_CODE", "550 #5.1.0 No\r\n"),
    ("REPLY_OVERLONG", ""),
    ("EHLO_AUTH_EQUALS", "250-a.example\r\n250 AUTH=LOGIN\r\n"),
];

fn named(name: &str) -> Leniency {
    let found = Leniency::NAMES.iter().find(|(_, text)| *text == name.to_ascii_lowercase());
    found.unwrap_or_else(|| panic!("{name} is no deviation")).0
}

fn config(leniency: Leniency) -> Arc<ServerConfig> {
    let config = ServerConfig::new("mx.example").unwrap().leniency(leniency);
    let config = config.offer(Extension::Chunking).offer(Extension::Vrfy);
    Arc::new(config.auth(&[Mechanism::PLAIN], AuthWhen::Always))
}

/// The codes of the last reply to a client; an early talker's octets are there before the greeting. Pauses pass at once.
fn said(leniency: Leniency, (name, segments, _): ServerRow) -> String {
    let mut session = ServerSession::new(config(leniency), Peer::unknown(), Time::ZERO);
    let (mut buffer, mut now, mut said, mut closed) = (RecvBuf::default(), Time::ZERO, Vec::new(), false);
    let mut segments = segments.iter();
    let mut reading = name == "EARLY_TALK";
    loop {
        if reading {
            let Some(segment) = segments.next() else { break };
            buffer.fit(session.room().max(segment.len()));
            buffer.spare()[..segment.len()].copy_from_slice(segment.as_bytes());
            buffer.commit(segment.len());
            reading = false;
        }
        match session.needs(&buffer.input(), now) {
            Need::Input => reading = true,
            Need::Flush => said = session.output().split().to_vec(),
            Need::Pause(until) => now = until,
            Need::Step => {
                let mut input = buffer.input();
                match session.next(&mut input).unwrap() {
                    Step::Auth(auth) if auth.response().is_none() => auth.challenge(b""),
                    Step::Close(_) => closed = true,
                    step => step.accept(),
                }
                let used = input.used();
                buffer.consume(used);
            }
            Need::Upgrade | Need::Nothing => break,
        }
    }
    let text = String::from_utf8(said).unwrap();
    let last = text.lines().last().unwrap();
    let digits = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    let mut codes = last.split(' ').take_while(digits).collect::<Vec<_>>().join(" ");
    if closed {
        codes.push_str(", closed");
    }
    codes
}

/// What a client makes of a reply.
fn read(leniency: Leniency, reply: &str) -> String {
    match EhloResponse::parse(reply.as_bytes(), leniency) {
        Ok(Some((reply, response))) => {
            let mechanisms = response.auth().count();
            let mechanisms = if mechanisms > 0 { ", its mechanism counts" } else { "" };
            let enhanced = reply.enhanced().map_or(String::new(), |code| format!(" {code}"));
            format!("{}{enhanced}{mechanisms}", reply.code())
        }
        Ok(None) => "no end".to_owned(),
        Err(_) => "refused".to_owned(),
    }
}

fn presets(one: Leniency, presets: &[(&str, Leniency)]) -> String {
    let names = presets.iter().filter(|(_, preset)| preset.allows(one)).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(", ")
}

/// Text as the table has it: what can't be printed is escaped.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
}

fn server_table() -> String {
    let mut page =
        String::from("| switch | in | a client says | strict | with it |\n|---|---|---|---|---|\n");
    let known = [("`SUBMISSION`", Leniency::SUBMISSION), ("`DEVICES`", Leniency::DEVICES)];
    for row @ (name, segments, at) in SERVER {
        let one = named(name);
        let (strict, lenient) = (said(Leniency::STRICT, *row), said(one, *row));
        assert_ne!(strict, lenient, "{name} changes nothing");
        let says = format!("`{}`", shown(segments[*at]));
        let says = match *name {
            "MORE_ERRORS" => "its 20th error".to_owned(),
            "EARLY_TALK" => format!("{says} before the greeting"),
            "AUTH_AFTER_HELO" => format!("{says} after HELO"),
            "QUIT_IN_AUTH" => format!("{says} in an AUTH exchange"),
            _ => says,
        };
        writeln!(
            page,
            "| [`{name}`](crate::Leniency::{name}) | {} | {says} | {strict} | {lenient} |",
            presets(one, &known)
        )
        .unwrap();
    }
    page
}

fn client_table() -> String {
    let mut page =
        String::from("| switch | in | a server says | strict | with it |\n|---|---|---|---|---|\n");
    let known = [("`REPLIES_OWED`", Leniency::REPLIES_OWED), ("`REPLIES`", Leniency::REPLIES)];
    for (name, reply) in CLIENT {
        let one = named(name);
        let long = format!("250 {}\r\n", "x".repeat(5_000));
        let (reply, says) = match *name {
            "REPLY_OVERLONG" => (long.as_str(), "a line of 5,000 octets".to_owned()),
            _ => (*reply, format!("`{}`", shown(reply))),
        };
        let (strict, lenient) = (read(Leniency::STRICT, reply), read(one, reply));
        assert_ne!(strict, lenient, "{name} changes nothing");
        writeln!(
            page,
            "| [`{name}`](crate::Leniency::{name}) | {} | {says} | {strict} | {lenient} |",
            presets(one, &known)
        )
        .unwrap();
    }
    page
}

/// With `UPDATE_DOCS=1` it writes the pages instead.
#[test]
fn the_documented_deviations_are_what_a_session_says() {
    for (path, table) in [(SERVER_PAGE, server_table()), (CLIENT_PAGE, client_table())] {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), table, "run this test once with UPDATE_DOCS=1");
    }
}

#[test]
fn each_deviation_is_in_one_of_the_tables() {
    let rows = SERVER.iter().map(|(name, ..)| *name).chain(CLIENT.iter().map(|(name, _)| *name));
    let mut rows: Vec<String> = rows.map(str::to_ascii_lowercase).collect();
    let mut names: Vec<&str> = Leniency::NAMES.iter().map(|(_, name)| *name).collect();
    rows.sort_unstable();
    names.sort_unstable();
    assert_eq!(rows, names);
}
