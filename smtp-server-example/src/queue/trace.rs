//! `trace`: what happened to a message, in the order in which it did.

use std::fmt::Write as _;
use std::net::IpAddr;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::admin::Request;
use super::command::{FORGOTTEN, Place, filter, plain};
use crate::failure::{Failure, Kind};

/// Tells what happened to a message: who brought it, each try, each answer, and when it is tried next.
///
/// A running server is asked; if none runs, its files are opened. What was done is kept for `queue.keep_done_seconds`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trace {
    #[command(flatten)]
    place: Place,
    /// A queue id, as the reply to the message and each line of the log have it; the address of a sender or recipient; or,
    /// for sessions that ended in an error, what the log calls `session`, or a client's IP address
    #[arg(value_name = "ID-OR-ADDRESS")]
    what: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  smtp-server-example trace --config mail.toml 01JXYZ0123456789
  smtp-server-example trace --config mail.toml carol@example.org --json";

/// Does it; returns what to print.
pub(crate) fn run(trace: &Trace) -> Result<String, Failure> {
    let terms = match &trace.what {
        what if what.contains('@') => vec![format!("from={what}"), format!("to={what}")],
        what if what.parse::<IpAddr>().is_ok() => Vec::new(),
        what => vec![what.clone()],
    };
    let mut messages: Vec<Value> = Vec::new();
    for term in terms {
        let some = filter(&[term])?;
        let shown = trace.place.ask_for_all(|behind| Request::Show(some.clone(), behind))?;
        for message in shown.as_array().into_iter().flatten() {
            if !messages.iter().any(|known| known["id"] == message["id"]) {
                messages.push(message.clone());
            }
        }
    }
    let sessions = trace.place.ask(Request::Sessions(trace.what.clone()))?;
    let sessions = sessions.as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() && sessions.is_empty() {
        return Err(Failure::new(
            Kind::NoInput,
            format!("no message is known with `{}`", plain(&json!(trace.what))),
        )
        .help(FORGOTTEN));
    }
    messages.sort_by_key(|message| time(&message["arrived"]));
    let stories: Vec<_> = messages.iter().map(story).collect();
    Ok(match trace.json {
        true => format!("{}\n", Value::Array(stories.into_iter().chain(sessions.iter().cloned()).collect())),
        false => stories.iter().map(text).chain(sessions.iter().map(session)).collect(),
    })
}

/// A message with its events: those that have a time in its order, then what it waits for.
fn story(message: &Value) -> Value {
    let mut events =
        vec![event("taken", &message["arrived"], message, &["client", "hello", "tls", "user", "kind"])];
    for delivery in message["deliveries"].as_array().into_iter().flatten() {
        for attempt in delivery["attempts"].as_array().into_iter().flatten() {
            let keys = ["n", "host", "ip", "tls", "phase", "outcome", "transcript"];
            let mut tried = event("try", &attempt["began"], attempt, &keys);
            tried["via"] = delivery["route"].clone();
            tried["ms"] = took(attempt);
            events.push(tried);
        }
        for rcpt in delivery["to"].as_array().into_iter().flatten() {
            let waits = rcpt["state"] == "wait";
            let (name, at) = if waits {
                ("waits", &Value::Null)
            } else {
                (rcpt["state"].as_str().unwrap_or("done"), &rcpt["done"])
            };
            let mut end = event(name, at, rcpt, &["reply", "host", "tls"]);
            end["to"] = rcpt["address"].clone();
            end["via"] = delivery["route"].clone();
            if waits {
                end["next"] = delivery["next"].clone();
                end["tries"] = delivery["tries"].clone();
            }
            events.push(end);
        }
    }
    if !message["held"].is_null() {
        events.push(json!({ "event": "held", "at": null, "why": message["held"] }));
    }
    // What has no time yet comes last. As text, 24.801Z would stand before 24.8Z.
    events.sort_by_key(|event| (event["at"].is_null(), time(&event["at"])));
    json!({ "id": message["id"], "from": message["from"], "octets": message["octets"], "events": events })
}

/// An event with those of the facts that are known.
fn event(name: &str, at: &Value, facts: &Value, keys: &[&str]) -> Value {
    let known =
        keys.iter().filter(|key| !facts[**key].is_null()).map(|key| ((*key).to_owned(), facts[*key].clone()));
    let mut event: Map<_, _> = known.collect();
    event.insert("event".to_owned(), json!(name));
    event.insert("at".to_owned(), at.clone());
    Value::Object(event)
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// How long an attempt took, in milliseconds.
fn took(attempt: &Value) -> Value {
    match (time(&attempt["began"]), time(&attempt["ended"])) {
        (Some(began), Some(ended)) => json!(ended.as_millisecond() - began.as_millisecond()),
        _ => Value::Null,
    }
}

fn text(story: &Value) -> String {
    let mut text = String::new();
    let from = if story["from"] == "" { "<>".to_owned() } else { format!("<{}>", plain(&story["from"])) };
    // INVARIANT: writing to a String does not fail.
    let _ = writeln!(text, "{} from {from}, {} octets", plain(&story["id"]), story["octets"]);
    for event in story["events"].as_array().into_iter().flatten() {
        let _ = write!(text, "  {:<24} {:<9}", plain(&event["at"]), plain(&event["event"]));
        let order = [
            "n",
            "to",
            "via",
            "client",
            "hello",
            "user",
            "kind",
            "host",
            "ip",
            "tls",
            "phase",
            "outcome",
            "reply",
            "tries",
            "next",
            "ms",
            "why",
            "transcript",
        ];
        let is_wire =
            |key: &&&str| **key == "transcript" && event["transcript"].as_str().is_some_and(has_lines);
        for key in order.iter().filter(|key| !event[**key].is_null() && !is_wire(key)) {
            let value = plain(&event[*key]);
            let quote = if value.contains(' ') || value.is_empty() { "\"" } else { "" };
            let _ = write!(text, " {key}={quote}{value}{quote}");
        }
        text.push('\n');
        if let Some(wire) = event["transcript"].as_str().filter(|wire| has_lines(wire)) {
            text.push_str(&indented(wire));
        }
    }
    text
}

fn has_lines(transcript: &str) -> bool {
    transcript.ends_with('\n')
}

/// What went over the wire, below what it belongs to.
fn indented(transcript: &str) -> String {
    transcript.lines().map(|line| format!("    {}\n", plain(&json!(line)))).collect()
}

/// A session that ended in an error, with its last lines.
fn session(told: &Value) -> String {
    let [id, at, via, peer, why] = ["session", "at", "via", "peer", "why"].map(|key| plain(&told[key]));
    let wire = indented(told["transcript"].as_str().unwrap_or_default());
    format!("session {id} {at} via={via} peer={peer} why=\"{why}\"\n{wire}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_in_the_order_of_their_times_whatever_their_digits() {
        let attempt = json!({ "n": 1, "began": "2026-01-02T03:04:24.801Z", "ended": "2026-01-02T03:04:25Z" });
        let to = json!({ "address": "a@example.org", "state": "accepted", "done": "2026-01-02T03:04:25Z" });
        let message = json!({
            "id": "1", "from": "", "octets": 3, "arrived": "2026-01-02T03:04:24.8Z", "held": null,
            "deliveries": [{ "route": "local", "attempts": [attempt], "to": [to] }],
        });
        let story = story(&message);
        let names: Vec<_> =
            story["events"].as_array().unwrap().iter().map(|event| plain(&event["event"])).collect();
        assert_eq!(names, ["taken", "try", "accepted"]);
        assert_eq!(story["events"][1]["ms"], 199);
    }
}
