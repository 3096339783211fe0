//! rspamd's HTTP: one request, chunked as its length is not known, and one answer in JSON.
//!
//! One connection carries one request to a neighbour, without TLS, redirects or reuse; an HTTP library would bring a
//! hundred packages for that.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::mpsc::Receiver;

use super::wire::Wire;
use super::{About, Finding};

/// The parts of an answer that matter.
#[derive(Debug, Deserialize)]
struct Answer {
    action: String,
    score: f64,
    required_score: f64,
    #[serde(default)]
    messages: Messages,
}

#[derive(Debug, Default, Deserialize)]
struct Messages {
    #[serde(default)]
    smtp_message: String,
}

pub(super) async fn scan(
    mut wire: Wire,
    about: &About,
    mut content: Receiver<Arc<[u8]>>,
) -> Result<Finding, String> {
    wire.write(head(about).as_bytes()).await?;
    while let Some(octets) = content.recv().await {
        // An empty chunk would end the body.
        if !octets.is_empty() {
            wire.write(format!("{:x}\r\n", octets.len()).as_bytes()).await?;
            wire.write(&octets).await?;
            wire.write(b"\r\n").await?;
        }
    }
    wire.write(b"0\r\n\r\n").await?;
    meaning(&wire.read(|answer| body(answer).is_some_and(|body| body.is_ok())).await?)
}

/// Whether it is rspamd, and at work.
pub(super) async fn ping(mut wire: Wire) -> Result<(), String> {
    wire.write(b"GET /ping HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\n\r\n").await?;
    let answer = wire.read(|answer| body(answer).is_some_and(|body| body.is_ok())).await?;
    match body(&answer) {
        Some(Ok(pong)) if pong.trim_ascii() == b"pong" => Ok(()),
        _ => Err(format!("rspamd says {}", answer[..answer.len().min(80)].escape_ascii())),
    }
}

fn head(about: &About) -> String {
    let mut head =
        "POST /checkv2 HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
            .to_owned();
    let mut add = |name: &str, value: &str| {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        // INVARIANT: writing to a String does not fail.
        let _ = write!(head, "{name}: {value}\r\n");
    };
    add("Queue-Id", &about.id);
    add("From", &about.sender);
    about.recipients.iter().for_each(|recipient| add("Rcpt", recipient));
    add("Helo", &about.hello);
    if let Some(ip) = about.ip {
        add("IP", &ip.to_string());
    }
    if let Some(user) = &about.user {
        add("User", user);
    }
    head.push_str("\r\n");
    head
}

/// The body of a whole answer; None or an error as long as, or since, it is none.
fn body(answer: &[u8]) -> Option<Result<&[u8], String>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match length {
        Some(length) if body.len() >= length => Some(Ok(&body[..length])),
        _ => Some(Err("its answer is cut off".to_owned())),
    }
}

fn meaning(answer: &[u8]) -> Result<Finding, String> {
    let start = || answer[..answer.len().min(80)].escape_ascii().to_string();
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(1..5));
    if status != Some(b" 200") {
        return Err(format!("rspamd says {}", start()));
    }
    let body = body(answer).unwrap_or_else(|| Err("its answer has no body".to_owned()))?;
    let answer: Answer = serde_json::from_slice(body).map_err(|error| format!("its answer: {error}"))?;
    let (score, required) = (answer.score, answer.required_score);
    match answer.action.as_str() {
        "no action" => Ok(Finding::Marked { score, required, junk: false }),
        "add header" | "rewrite subject" => Ok(Finding::Marked { score, required, junk: true }),
        "reject" => Ok(Finding::Junk(answer.messages.smtp_message)),
        "soft reject" | "greylist" => Ok(Finding::Later(answer.messages.smtp_message)),
        other => Err(format!("rspamd wants `{}`", other.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(json: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{json}", json.len()).into_bytes()
    }

    #[test]
    fn actions_are_read_from_a_whole_answer_and_from_nothing_else() {
        let action = |action: &str| {
            http(&format!(r#"{{"action":"{action}","score":7.5,"required_score":15.0,"symbols":{{}}}}"#))
        };
        let marked = |junk| Some(Finding::Marked { score: 7.5, required: 15.0, junk });
        let mut cut = action("reject");
        cut.pop();
        for (answer, want, why) in [
            (action("no action"), marked(false), "to be delivered"),
            (action("add header"), marked(true), "to be marked"),
            (action("rewrite subject"), marked(true), "the message itself is not touched"),
            (action("reject"), Some(Finding::Junk(String::new())), "junk"),
            (action("soft reject"), Some(Finding::Later(String::new())), "later"),
            (action("greylist"), Some(Finding::Later(String::new())), "later"),
            (action("explode"), None, "an action that nobody knows"),
            (cut, None, "cut off"),
            (http("{}"), None, "nothing in it"),
            (http("<html>"), None, "no JSON"),
            (b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}".to_vec(), None, "its own trouble"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}".to_vec(), None, "a length that is none"),
            (b"stream: Eicar FOUND\0".to_vec(), None, "no HTTP at all"),
            (Vec::new(), None, "nothing"),
        ] {
            assert_eq!(meaning(&answer).ok(), want, "{}: {why}", answer.escape_ascii());
        }
    }

    #[test]
    fn what_the_scanner_wants_to_say_is_kept() {
        let json = r#"{"action":"reject","score":20,"required_score":15,"messages":{"smtp_message":"Gtube pattern"}}"#;
        assert_eq!(meaning(&http(json)), Ok(Finding::Junk("Gtube pattern".to_owned())));
    }

    #[test]
    fn nothing_of_the_envelope_can_end_a_header() {
        let about = About {
            sender: "a@b\r\nIP: 127.0.0.1".to_owned(),
            recipients: vec!["x@y".to_owned(), "z@y".to_owned()],
            ..About::default()
        };
        let head = head(&about);
        assert!(head.contains("From: a@bIP: 127.0.0.1\r\n") && !head.contains("\nIP: "), "{head}");
        assert_eq!(head.matches("\r\nRcpt: ").count(), 2);
    }
}
