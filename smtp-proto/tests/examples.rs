//! The examples do what they say.

#[path = "../../smtp-tokio/tests/client/mod.rs"]
#[allow(dead_code, reason = "each test takes what it needs")]
mod client;
#[path = "../../smtp-tokio/tests/program/mod.rs"]
#[allow(dead_code, reason = "each test takes what it needs")]
mod program;

use std::io::Write;
use std::process::{Command, Stdio};

use client::Client;
use program::Program;

#[test]
fn blocking_server_takes_mail_beside_a_client_that_says_nothing() {
    let server = Program::start("blocking_server", &["127.0.0.1:0"]);
    let address = server.address().parse().unwrap();
    let silent = Client::connect(address);
    Client::connect(address).expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<b@b.example>", "250"),
        ("DATA", "354"),
        ("..dot\r\n.", "250"),
        ("QUIT", "221"),
    ]);
    drop(silent);
    let mut seen = Vec::new();
    while seen.iter().filter(|line: &&String| line.starts_with("Close(")).count() < 2 {
        seen.push(server.line());
    }
    for want in ["Close(Quit)", "Close(Probe)", "Reset(Finished)"] {
        assert!(seen.iter().any(|line| line == want), "{want}: {seen:#?}");
    }
}

/// What explain prints when it is given `octets`.
fn explain(octets: &[u8]) -> String {
    let mut command = Command::new(program::path("explain"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(octets).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn explain_prints_what_a_server_makes_of_a_client() {
    let text = explain(
        b"EHLO a.example\r\nAUTH LOGIN\r\ndGlt\r\nc2VjcmV0\r\nMAIL FROM:<a@a.example> SIZE=7\r\n\
          RCPT TO:<b@b.example\r\nRCPT TO:<b@b.example>\r\nBDAT 4 LAST\r\nhi\r\nQUIT\r\n",
    );
    for line in [
        "S: 220 explain.example ESMTP\\r\\n",
        "S: 334 UGFzc3dvcmQ6\\r\\n",
        "S: 235 2.7.0 Authentication succeeded\\r\\n",
        "= Answered(Answered { line: \"RCPT TO:<b@b.example\\r\\n\", code: 501 })",
        "= Content(\"hi\\r\\n\")",
        "= Reset(Finished)",
        "= Close(Quit)",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line} is missing from:\n{text}");
    }
    assert!(!text.contains("c2VjcmV0"), "a log-in stays secret:\n{text}");
}

#[test]
fn the_manual_shows_what_explain_prints() {
    let page = include_str!("../src/manual/debugging.rs");
    let text = explain(b"EHLO me.example\r\nRCPT TO:<a@b.example>\r\n");
    let shown = page.lines().filter_map(|line| line.strip_prefix("//! "));
    let mut shown = shown.filter(|line| line.starts_with("= ") || line.starts_with("S: ")).peekable();
    assert!(shown.peek().is_some());
    for line in shown {
        assert!(text.lines().any(|printed| printed == line), "{line} is not in:\n{text}");
    }
}
