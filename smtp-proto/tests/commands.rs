//! Command lines, row by row: every extension known, order not considered.

use serde_json::{Map, Value, json};
use smtp_proto::wire::base64::Base64;
use smtp_proto::wire::command::{AttributeValue, Attributes, Hello, Lookup, Node};
use smtp_proto::wire::host::Host;
use smtp_proto::wire::params::{
    ByMode, MailParams, Notify, OrcptAddress, Param, RcptParams, RrvsAction, Submitter,
};
use smtp_proto::{Command, Verb};

const ROWS: &str = include_str!("vectors/commands.json");

/// Keys of a row that say something about it, not what the line means. NOOP's and HELP's argument is not looked into.
const ABOUT: [&str; 12] = [
    "id",
    "line",
    "line_base64",
    "valid",
    "rfc",
    "why",
    "note",
    "disputed",
    "syntax_ok",
    "reply",
    "reply_also",
    "action_default",
];

fn rows() -> Vec<Value> {
    serde_json::from_str(ROWS).unwrap()
}

fn octets(row: &Value) -> Vec<u8> {
    match row["line"].as_str() {
        Some(line) => line.as_bytes().to_vec(),
        None => Base64::parse(row["line_base64"].as_str().unwrap().as_bytes()).unwrap().decode(),
    }
}

#[test]
fn every_row_is_accepted_or_refused_with_its_reply() {
    for row in rows() {
        let (id, line) = (&row["id"], octets(&row));
        let parsed = Command::parse(&line);
        let says = match (&parsed, row["valid"].as_bool().unwrap()) {
            (Ok(command), true) => {
                assert_ne!(command.verb(), Verb::Unknown, "{id}");
                continue;
            }
            (Ok(command), false) => {
                assert_eq!(command.verb(), Verb::Unknown, "{id} is accepted");
                500
            }
            (Err(error), _) => error.fault.reply().code(),
        };
        let also = row["reply_also"].as_array().is_some_and(|also| also.contains(&says.into()));
        assert!(row["reply"] == says || also, "{id} {parsed:?} is answered {says}");
    }
}

#[test]
fn every_row_means_what_it_says() {
    for row in rows().iter().filter(|row| row["valid"] == true) {
        let line = octets(row);
        let command = Command::parse(&line).unwrap();
        let mut wanted = row.as_object().unwrap().clone();
        wanted.retain(|key, _| !ABOUT.contains(&key.as_str()));
        if matches!(command, Command::Noop(_) | Command::Help(_)) {
            wanted.remove("argument_value");
        }
        assert_eq!(Value::from(meaning(&command)), Value::from(wanted), "{}", row["id"]);
    }
}

#[test]
fn unknown_verbs_are_kept_with_their_text() {
    for row in rows().iter().filter(|row| row["unknown_verb"].is_string()) {
        let line = octets(row);
        let Ok(Command::Unknown { verb, rest }) = Command::parse(&line) else { panic!("{}", row["id"]) };
        assert!(row["unknown_verb"].as_str().unwrap().as_bytes().eq_ignore_ascii_case(verb), "{}", row["id"]);
        let text = if rest.is_empty() { verb.to_vec() } else { [verb, rest].join(&b' ') };
        assert_eq!(text, line, "{}", row["id"]);
    }
}

#[test]
fn every_row_is_the_same_with_its_line_end() {
    for row in rows() {
        let line = octets(&row);
        let with_end = [&line, &b"\r\n"[..]].concat();
        // "NOOP\r" and CR LF is one CR too many either way.
        assert_eq!(Command::parse(&line), Command::parse(&with_end), "{}", row["id"]);
    }
}

#[test]
fn every_row_is_written_so_that_it_parses_to_the_same() {
    for row in rows() {
        let line = octets(&row);
        let Ok(command) = Command::parse(&line) else { continue };
        let mut written = Vec::new();
        command.write(&mut written);
        assert!(written.ends_with(b"\r\n"), "{}", row["id"]);
        assert_eq!(Command::parse(&written), Ok(command), "{}", row["id"]);
        let mut again = Vec::new();
        Command::parse(&written).unwrap().write(&mut again);
        assert_eq!(again, written, "{}: what is canonical stays as it is", row["id"]);
    }
}

#[test]
fn the_verb_of_a_line_is_known_whatever_follows_it() {
    for row in rows() {
        let line = octets(&row);
        let verb = Verb::of(&line);
        match Command::parse(&line) {
            Ok(command) => assert_eq!(command.verb(), verb, "{}", row["id"]),
            Err(error) if error.fault == smtp_proto::Fault::NoVerb => {
                assert_eq!(verb, Verb::Unknown, "{}", row["id"]);
            }
            Err(_) => {}
        }
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the size is wanted in the log")]
fn a_command_is_small() {
    let octets = size_of::<Command<'_>>();
    println!("Command: {octets} octets");
    assert!(octets <= 128, "{octets}");
}

/// What a row would say of `command`.
fn meaning(command: &Command<'_>) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| drop(row.insert(key.into(), value));
    put("verb", command.verb().name().into());
    match command {
        Command::Helo(hello) | Command::Ehlo(hello) | Command::Lhlo(hello) => {
            let (key, name) = hello_entry(hello);
            put(key, name);
        }
        Command::Mail { path, params } => {
            put("path", path.to_string().into());
            put("params", mail_params(params));
        }
        Command::Rcpt { path, params } => {
            put("path", format!("<{path}>").into());
            put("params", rcpt_params(params));
        }
        Command::Noop(b"") | Command::Help(b"") => {}
        Command::Noop(text) | Command::Help(text) => put("argument", utf8(text)),
        Command::Vrfy(lookup) | Command::Expn(lookup) => {
            put("argument", utf8(lookup.as_bytes()));
            put("smtputf8", lookup.smtputf8().into());
            if let Some(value) = quoted(lookup) {
                put("argument_value", value);
            }
        }
        Command::Bdat { size, last } => {
            put("size", (*size).into());
            put("last", (*last).into());
        }
        Command::Auth { mechanism, initial } => {
            put("mechanism", mechanism.as_str().into());
            if let Some(initial) = initial {
                put("initial_response_base64", utf8(initial.as_bytes()));
            }
        }
        Command::Burl { url, last } => {
            put("url", utf8(url));
            put("last", (*last).into());
        }
        Command::Etrn(node) => {
            put("node", node.name().as_str().into());
            match node {
                Node::Subdomains(_) => put("option", "@".into()),
                Node::Queue(_) => put("option", "#".into()),
                _ => {}
            }
        }
        Command::Atrn(domains) => put("domains", domains.iter().map(|name| name.as_str()).collect()),
        Command::Xclient(list) | Command::Xforward(list) => put("attributes", attributes(list)),
        _ => {}
    }
    row
}

fn utf8(octets: &[u8]) -> Value {
    std::str::from_utf8(octets).unwrap().into()
}

fn hello_entry(hello: &Hello<'_>) -> (&'static str, Value) {
    match hello.host().expect("strict reading has a host") {
        Host::Domain(name) => ("domain", name.as_str().into()),
        other => ("literal", utf8(other.as_bytes())),
    }
}

fn quoted(lookup: &Lookup<'_>) -> Option<Value> {
    let text = lookup.as_bytes();
    let is_quoted = text.starts_with(b"\"") && text.ends_with(b"\"");
    is_quoted.then(|| String::from_utf8(lookup.value().collect()).unwrap().into())
}

fn attributes(list: &Attributes<'_>) -> Value {
    let entry = |(name, value): (smtp_proto::wire::command::Attribute, AttributeValue<'_>)| {
        let value = match value {
            AttributeValue::Unavailable => "[UNAVAILABLE]".into(),
            AttributeValue::TempUnavail => "[TEMPUNAVAIL]".into(),
            AttributeValue::Text(text) => String::from_utf8(text.decoded().collect()).unwrap(),
            other => panic!("{other:?}"),
        };
        (name.name().to_owned(), Value::from(value))
    };
    list.iter().map(entry).collect::<Map<_, _>>().into()
}

fn mail_params(params: &MailParams<'_>) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            row.insert(key.into(), value);
        }
    };
    let flag = |param: Param| params.contains(param).then_some(Value::from(true));
    assert_eq!(params.smtputf8(), params.contains(Param::Smtputf8));
    assert_eq!(params.requiretls(), params.contains(Param::RequireTls));
    put("size", params.size().map(Value::from));
    put("body", params.body().map(|body| body.as_str().into()));
    put("smtputf8", flag(Param::Smtputf8));
    put("requiretls", flag(Param::RequireTls));
    put("ret", params.ret().map(|ret| ret.as_str().into()));
    put("envid", params.envid().map(|text| String::from_utf8(text.decoded().collect()).unwrap().into()));
    put("auth", params.auth().map(submitter));
    put(
        "by",
        params.by().map(|by| {
            let mode = if by.mode == ByMode::Return { "R" } else { "N" };
            json!({ "seconds": by.seconds, "mode": mode, "trace": by.trace })
        }),
    );
    put("holdfor", params.holdfor().map(Value::from));
    put("holduntil", params.holduntil().map(|time| time.as_str().into()));
    put("mt_priority", params.mt_priority().map(Value::from));
    put("unknown", unknown(params.unknown()));
    row.into()
}

fn submitter(submitter: Submitter<'_>) -> Value {
    match submitter {
        Submitter::Unknown => "<>".into(),
        Submitter::Mailbox(text) => String::from_utf8(text.decoded().collect()).unwrap().into(),
    }
}

fn rcpt_params(params: &RcptParams<'_>) -> Value {
    let mut row = Map::new();
    if let Some(notify) = params.notify() {
        let words = [(Notify::NEVER, "NEVER"), (Notify::DELAY, "DELAY"), (Notify::FAILURE, "FAILURE")];
        let words = words.into_iter().chain([(Notify::SUCCESS, "SUCCESS")]);
        let words: Value = words.filter(|(one, _)| notify.contains(*one)).map(|(_, word)| word).collect();
        row.insert("notify".into(), words);
    }
    if let Some(orcpt) = params.orcpt() {
        let is_utf8 = orcpt.kind().eq_ignore_ascii_case(b"utf-8");
        assert_eq!(is_utf8, matches!(orcpt.address(), OrcptAddress::Utf8(_)));
        let address: String = orcpt.decoded().collect();
        row.insert("orcpt".into(), json!({ "type": utf8(orcpt.kind()), "address": address }));
    }
    if let Some(rrvs) = params.rrvs() {
        let action = if rrvs.action == RrvsAction::Continue { "C" } else { "R" };
        row.insert("rrvs".into(), json!({ "time": rrvs.since.as_str(), "action": action }));
    }
    if let Some(unknown) = unknown(params.unknown()) {
        row.insert("unknown".into(), unknown);
    }
    row.into()
}

fn unknown<'b>(pairs: impl Iterator<Item = (&'b [u8], Option<&'b [u8]>)>) -> Option<Value> {
    let pairs: Vec<Value> = pairs.map(|(keyword, value)| json!([utf8(keyword), value.map(utf8)])).collect();
    (!pairs.is_empty()).then_some(pairs.into())
}
