//! Start, stop, and what is found on the disk in between.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{Server, content, run};

#[test]
fn sigterm_lets_a_message_finish_that_is_on_its_way() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::demo();
        let mut idle = server.connect();
        let mut busy = server.connect();
        busy.begin_content();
        busy.send(b"Subject: half\r\n\r\nfirst\r\n");
        server.signal(signal);
        server.line(" stopping ");
        assert!(idle.reply().starts_with("421 "), "who does nothing is sent away");
        assert!(server.is_closed(), "nobody new is let in");
        assert!(busy.say("second\r\n.").starts_with("250 2.0.0 "), "SIG{signal}");
        assert!(busy.reply().starts_with("421 "), "and then it is over");
        assert_eq!(server.wait().code(), Some(0), "SIG{signal}");
        assert_eq!(content(&server.mail("alice")[0]), b"Subject: half\n\nfirst\nsecond\n");
    }
}

#[test]
fn sigterm_lets_a_transaction_finish_that_has_no_content_yet() {
    let mut server = Server::demo();
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>"]);
    server.signal("TERM");
    server.line(" stopping ");
    client.say_all(&["RCPT TO:<bob@example.test>", "DATA", "x\r\n."]);
    assert!(client.reply().starts_with("421 "));
    assert!(server.wait().success());
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (1, 1));
}

#[test]
fn a_transaction_that_does_not_end_is_cut_off_when_the_drain_limit_has_passed() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::limited(folder.path(), "drain_seconds = 1");
    let mut client = server.connect();
    client.begin_content();
    client.send(&b"never finished\r\n".repeat(10_000));
    let began = Instant::now();
    server.signal("TERM");
    server.line(" cut-off ");
    assert!(server.wait().success());
    assert!(began.elapsed() >= Duration::from_secs(1));
    server.assert_no_mail("the message was not complete");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::demo();
    let mut client = server.connect();
    client.begin_content();
    server.signal("INT");
    server.line(" stopping ");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(130));
    assert!(server.mail("alice").is_empty());
}

#[test]
fn a_mail_folder_that_exists_is_used_again() {
    let folder = TempDir::new().unwrap();
    for count in 1..=2 {
        let mut server = Server::demo_in(folder.path());
        let mut client = server.connect();
        client.begin_content();
        client.say_all(&["again\r\n."]);
        assert_eq!(server.mail("alice").len(), count, "what was there stays");
        server.signal("TERM");
        assert!(server.wait().success());
    }
}

#[test]
fn the_banner_says_where_mail_lands() {
    let folder = TempDir::new().unwrap();
    let server = Server::demo_in(folder.path());
    for user in ["alice", "bob", "postmaster"] {
        let line = server.line(&format!("{user}@example.test"));
        assert!(line.ends_with(&folder.path().join(user).join("new").display().to_string()), "{line}");
    }
    assert!(server.line("swaks").contains(&server.address.to_string()));
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().to_str().unwrap();
    let output = run(&["demo", "--listen", &address, "--data", data]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{error}");
    assert!(error.starts_with(&format!("error: can't listen on {address}: ")), "{error}");
    assert!(error.contains("help: another program has port") && error.contains("--listen"), "{error}");
}

#[test]
fn a_mail_folder_that_can_not_be_made_is_an_error_that_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for data in [&file, &file.join("below")] {
        let output = run(&["demo", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(73), "{error}");
        assert!(error.contains("help: a file is in its way") && error.contains("--data"), "{error}");
    }
}
