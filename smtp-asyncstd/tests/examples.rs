//! The examples do what they say, for clients that send mail.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../../smtp-tokio/tests/client/mod.rs"]
mod client;
#[path = "../../smtp-tokio/tests/program/mod.rs"]
mod program;

use client::Client;
use program::Program;

/// Sends a message to an example.
fn send(program: &Program) {
    Client::connect(program.address().parse().unwrap()).expect(&[
        ("HELO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<b@b.example>", "250"),
        ("DATA", "354"),
        ("Subject: hi\r\n\r\n.", "250"),
    ]);
}

#[test]
fn catcher_prints_who_sent_to_whom() {
    let catcher = Program::start("async_std_catcher", &["127.0.0.1:0"]);
    send(&catcher);
    assert_eq!(catcher.line(), "<a@a.example> -> [<b@b.example>], 15 octets");
}

#[test]
fn smol_serves_on_its_own_listener() {
    let smol = Program::start("smol", &["127.0.0.1:0"]);
    send(&smol);
    assert_eq!(smol.line(), "a.example -> [<b@b.example>], 15 octets");
}
