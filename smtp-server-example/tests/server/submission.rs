//! What is put right in a user's message, and what is not let out.

use crate::harness::{Client, Server};
use crate::login::{base64, serve};
use crate::queue::queue;

/// A session of alice, logged in in clear text.
pub(crate) fn alice(server: &Server) -> Client {
    let mut client = Client::connect(server.address);
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 587\r\n");
    assert!(client.reply().starts_with("220 "));
    let login = format!("AUTH PLAIN {}", base64("\0alice\0word"));
    client.say_all(&["EHLO laptop.client.example", &login]);
    client
}

pub(crate) fn with_alice(folder: &std::path::Path, more: &str) -> Server {
    let server = serve(folder, more);
    crate::users::user(folder, &["passwd", "alice"], "word\n");
    server.line(" users-read ");
    server
}

/// Submits a message; the reply.
pub(crate) fn submit(client: &mut Client, message: &[u8]) -> String {
    client.say_all(&["MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>", "DATA"]);
    client.send(&crate::harness::stuffed(message));
    client.reply()
}

#[test]
fn what_is_missing_is_added_what_is_secret_goes_and_the_body_stays() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let body = "\r\n.\r\n  two  spaces \r\nBcc: not a field\r\n\u{e4}\r\n";
    let message =
        format!("From: Alice <alice@example.test>\r\nBcc: carol@example.test\r\nSubject: s\r\n{body}");
    assert!(submit(&mut alice(&server), message.as_bytes()).starts_with("250 2.0.0 "));
    let mail = String::from_utf8(server.mail("bob").remove(0)).unwrap();
    let (header, stored) = mail.split_once("\n\n").unwrap();
    assert_eq!(format!("\r\n{}", stored.replace('\n', "\r\n")), body);
    let names: Vec<_> = header
        .lines()
        .filter(|line| !line.starts_with('\t'))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(names, ["Return-Path", "Delivered-To", "Received", "From", "Subject", "Date", "Message-ID"]);
    assert!(
        header.contains("Received: from authenticated-user\n\tby mx.example.test with ESMTPA id "),
        "{header}"
    );
    for secret in ["203.0.113.9", "laptop", "carol"] {
        assert!(!mail.contains(secret), "{secret} in {mail}");
    }
}

#[test]
fn a_message_in_somebody_elses_name_is_not_let_out() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let mut client = alice(&server);
    assert!(submit(&mut client, b"From: bob@example.test\r\n\r\nx\r\n").starts_with("550 5.7.1 "));
    assert!(server.line(" refused ").contains("not yours"));
    let two = b"From: alice@example.test\r\nFrom: bob@example.test\r\n\r\nx\r\n";
    assert!(submit(&mut client, two).starts_with("550 5.6.0 "));
    assert!(server.mail("bob").is_empty() && server.files("bob", "tmp").is_empty());
    assert!(submit(&mut client, b"From: alice@example.test\r\n\r\nx\r\n").starts_with("250 "));
}

#[test]
fn from_is_not_looked_at_where_the_settings_say_so_and_the_client_is_shown() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = with_alice(folder.path(), "[submission]\ncheck_from = false\nshow_client = true\n");
    assert!(submit(&mut alice(&server), b"From: bob@example.test\r\n\r\nx\r\n").starts_with("250 "));
    let mail = String::from_utf8(server.mail("bob").remove(0)).unwrap();
    assert!(mail.contains("from laptop.client.example ([203.0.113.9])"), "{mail}");
}

const FROM_ALICE: &[u8] = b"From: alice@example.test\r\n\r\nx\r\n";

/// The queue id of a message that is held, from the reply to its dot.
fn held(reply: &str) -> String {
    let words: Vec<_> = reply.split([' ', ';']).collect();
    assert!(reply.starts_with("250 2.0.0 Ok: queued as ") && reply.contains("; held for now, "), "{reply}");
    words[5].to_owned()
}

#[test]
fn who_sends_too_much_in_an_hour_has_mail_held_and_is_told_so() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = with_alice(folder.path(), "[submission]\nmessages_per_hour = 3\n");
    let mut client = alice(&server);
    for _ in 0..3 {
        let reply = submit(&mut client, FROM_ALICE);
        assert!(reply.starts_with("250 ") && !reply.contains("held"), "{reply}");
    }
    let [by_operator, kept, by_time] = [(); 3].map(|()| held(&submit(&mut client, FROM_ALICE)));
    assert!(server.line(" held ").contains("user=alice"));
    assert_eq!(server.mail("bob").len(), 3);
    let list = queue(&server.data, "list", &[]);
    assert!(list.contains("hold") && list.contains("held: its user has sent enough for this hour"), "{list}");
    // As much again may wait, and then the client has to.
    assert!(client.say("MAIL FROM:<alice@example.test>").starts_with("451 4.7.1 "));
    let line = server.line(" refused ");
    for part in ["via=submission", "user=alice", "peer=203.0.113.9:", "why=enough"] {
        assert!(line.contains(part), "{line}");
    }
    queue(&server.data, "release", &[&by_operator]);
    assert_eq!(server.mail("bob").len(), 4, "by the operator");
    queue(&server.data, "hold", &[&kept]);
    let file = folder.path().join("mail.toml");
    let settings =
        std::fs::read_to_string(&file).unwrap().replace("messages_per_hour = 3", "messages_per_hour = 9");
    std::fs::write(&file, settings).unwrap();
    server.signal("HUP");
    assert!(server.line(" released ").contains(&by_time));
    assert_eq!(server.mail("bob").len(), 5, "as soon as there is room, but not what the operator holds");
    assert!(queue(&server.data, "list", &[]).contains("held by the operator"));
}

#[test]
fn what_is_held_for_its_users_rate_is_released_after_a_restart_too() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut server = with_alice(folder.path(), "[submission]\nmessages_per_hour = 1\n");
    let mut client = alice(&server);
    assert!(submit(&mut client, FROM_ALICE).starts_with("250 "));
    let id = held(&submit(&mut client, FROM_ALICE));
    server.settle();
    server.signal("KILL");
    server.wait();
    // It begins with a new hour, as it does not know the old one.
    let server = Server::again(folder.path());
    assert!(server.line(" released ").contains(&id));
    assert_eq!(server.mail("bob").len(), 2);
}

#[test]
fn what_other_servers_send_is_not_put_right() {
    let server = Server::demo();
    let mut client = server.connect();
    client.begin_content();
    client.say_all(&["Bcc: x@y.example\r\n\r\nx\r\n."]);
    let mail = server.mail("alice").remove(0);
    assert_eq!(crate::harness::content(&mail), b"Bcc: x@y.example\n\nx\n");
}

#[test]
fn a_message_that_is_given_a_date_and_sent_again_in_another_second_is_delivered_once() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let message = b"From: alice@example.test\r\nMessage-ID: <1@client.example>\r\n\r\nx\r\n";
    let first = submit(&mut alice(&server), message);
    assert!(first.starts_with("250 "), "{first}");
    let date = jiff::Timestamp::now().as_second();
    while jiff::Timestamp::now().as_second() == date {
        std::thread::yield_now();
    }
    // The first session has ended without a word behind its 250.
    assert_eq!(submit(&mut alice(&server), message), first);
    assert_eq!(server.mail("bob").len(), 1);
}
