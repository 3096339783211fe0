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

/// Runs the client to its end: whether it went well, and what it printed.
fn blocking_client(server: &str, octets: &[u8]) -> (bool, String) {
    let mut command = Command::new(program::path("blocking_client"));
    command.args([server, "me@a.example", "you@b.example"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(octets).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn blocking_client_sends_to_our_server_and_prints_the_outcome() {
    let server = Program::start("blocking_server", &["127.0.0.1:0"]);
    let (went_well, printed) = blocking_client(server.address(), b"Subject: hi\r\n\r\n.dots\r\n");
    assert!(went_well && printed.starts_with("you@b.example: Accepted("), "{printed}");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line: &String| !line.starts_with("Close(")) {
        seen.push(server.line());
    }
    assert!(seen.contains(&format!("Content({:?})", b".dots\r\n")), "{seen:#?}");
    assert_eq!(seen.last().unwrap(), "Close(Quit)");
    let (went_well, printed) = blocking_client(server.address(), b"Subject: hi\n\n.\n");
    assert_eq!((went_well, printed.as_str()), (true, "you@b.example: NotTried(BareNewline)\n"));
}

/// What the manual shows on a client's page is the example itself.
#[test]
fn blocking_client_says_that_the_server_left_and_what_that_means() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mx.example\r\n").unwrap();
    });
    let (went_well, printed) = blocking_client(&address, b"Subject: hi\r\n\r\n");
    server.join().unwrap();
    assert!(went_well && printed.contains("NotTried(Closed(PeerGone(Hello)))"), "{printed}");
}
