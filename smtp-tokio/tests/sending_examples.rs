//! The examples that send, run against those that take mail.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "program/mod.rs"]
mod program;

use std::io::Write;
use std::process::{Command, Stdio};

use program::{Program, path};

/// Runs an example to its end and returns what it printed.
fn run(name: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(path(name));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // A program that ends without reading may close its input first.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn send_many_tells_what_to_do_about_each() {
    let sink = Program::start("sink", &["127.0.0.1:0"]);
    let list: String = (0..120).map(|i| format!("r{i}@b.example\n")).collect();
    let said = run("send_many", &[sink.address(), "news@a.example"], &list);
    assert_eq!(said.lines().filter(|line| line.starts_with("done r")).count(), 120, "{said}");
    assert!(said.contains("messages: 3, accepted: 120, refused: 0"), "{said}");
}

#[cfg(unix)]
#[test]
fn unix_socket_hands_mail_to_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, mail) = (folder.path().join("lmtp"), folder.path().join("mail"));
    std::fs::create_dir_all(mail.join("tim")).unwrap();
    let (socket, mail_text) = (socket.to_str().unwrap(), mail.to_str().unwrap());
    let _store = Program::start("lmtp_store", &[socket, mail_text]);
    let said = run("unix_socket", &[socket, "tim@mx.example", "tom@mx.example"], "Subject: hi\r\n\r\n");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("tim@mx.example: accepted: 250 "), "{said}");
    assert!(lines[1].starts_with("tom@mx.example: refused: 550 "), "{said}");
    assert_eq!(std::fs::read_dir(mail.join("tim")).unwrap().count(), 1);
}
