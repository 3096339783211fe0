//! Between the final dot and the client's next word: who is gone has not handed anything over, who sends again what it
//! may not have heard of gets one copy, and nobody is told yes when it is too late.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{Client, PATIENCE, Server, field};
use crate::strace::Trace;

/// A message of which a client says that it is this one.
const NAMED: &str = "Message-ID: <1@client.example>\r\nSubject: x\r\n\r\nx\r\n.\r\n";

fn queued_id(reply: &str) -> String {
    reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}")).to_owned()
}

/// Sends a message; returns its queue id and the client, which has not said anything since.
fn send(server: &Server, content: &str) -> (String, Client) {
    let mut client = server.connect();
    client.begin_content();
    client.send(content.as_bytes());
    (queued_id(&client.reply()), client)
}

#[test]
fn a_client_gone_before_its_250_has_handed_nothing_over() {
    let server = Server::demo();
    for reset in [false, true] {
        let mut client = server.connect();
        if reset {
            // Closed with the reply to DATA unread.
            client.send(crate::harness::TRANSACTION.as_bytes());
            server.settle();
        } else {
            client.begin_content();
        }
        // What it sends and its end come at once.
        server.signal("STOP");
        client.send(NAMED.as_bytes());
        client.vanish();
        server.signal("CONT");
        let line = server.line(" lost ");
        assert_eq!(field(&line, "why"), "lost after final dot", "{line}");
    }
    server.assert_no_mail("its client will send it again");
    let (_, mut client) = send(&server, NAMED);
    client.say_all(&["QUIT"]);
    assert_eq!(server.mail("alice").len(), 1, "which it does");
}

#[test]
fn a_client_that_said_goodbye_in_advance_is_no_lost_one() {
    let server = Server::demo();
    let mut client = server.connect();
    client.begin_content();
    server.signal("STOP");
    client.send(NAMED.as_bytes());
    client.send(b"QUIT\r\n");
    client.finish();
    server.signal("CONT");
    assert!(client.rest().starts_with("250 "));
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn what_a_client_may_not_have_heard_of_and_sends_again_is_delivered_once() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::demo_in(folder.path());
    let (first, client) = send(&server, NAMED);
    client.vanish();
    // Its session ends with that, so that another one can't be taken for it.
    let (again, client) = send(&server, NAMED);
    assert_eq!(again, first);
    assert_eq!(field(&server.line(" duplicate-of="), "duplicate-of"), first);
    client.vanish();
    assert_eq!(server.mail("alice").len(), 1);
    let (other, client) = send(&server, &NAMED.replace("x\r\n.", "y\r\n."));
    assert_ne!(other, first, "other content");
    client.vanish();
    assert_eq!(server.mail("alice").len(), 2);
    server.signal("KILL");
    server.wait();
    let server = Server::demo_in(folder.path());
    let (again, mut client) = send(&server, NAMED);
    assert_eq!(again, first, "after a crash, too");
    client.say_all(&["NOOP"]);
    let (meant, _) = send(&server, NAMED);
    assert_ne!(meant, first, "it has gone on, so it knows");
    assert_eq!(server.mail("alice").len(), 3);
}

#[test]
fn what_a_client_sends_twice_on_purpose_comes_twice() {
    for (content, why) in [(NAMED, "it has said QUIT"), ("Subject: x\r\n\r\nx\r\n.\r\n", "it has no name")] {
        let server = Server::demo();
        for _ in 0..2 {
            let (_, mut client) = send(&server, content);
            if content == NAMED {
                client.say_all(&["QUIT"]);
            }
        }
        assert_eq!(server.mail("alice").len(), 2, "{why}");
    }
}

/// Has each sync of the queue's thread take so many seconds longer, from here on. None without strace.
fn slow_disk(server: &Server, folder: &Path, seconds: u32) -> Option<Trace> {
    let delay = format!("inject=fdatasync,fsync:delay_exit={seconds}000000");
    Trace::attach(server, folder, Some("queue"), &["-e", "trace=fdatasync,fsync", "-e", &delay])
}

fn limited(more: &str) -> String {
    format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n{more}\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n"
    )
}

#[test]
fn a_client_that_goes_while_its_message_is_committed_has_handed_nothing_over() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::serve(folder.path(), &limited(""));
    let mut client = server.connect();
    client.begin_content();
    let log = || fs::metadata(server.data.join(".queue/queue.db-wal")).map_or(0, |log| log.len());
    let before = log();
    let Some(trace) = slow_disk(&server, folder.path(), 1) else { return };
    client.send(NAMED.as_bytes());
    let until = Instant::now() + PATIENCE;
    while log() == before {
        assert!(Instant::now() < until, "nothing is written");
    }
    // It is written, and its sync has a second to go.
    client.vanish();
    assert_eq!(field(&server.line(" lost "), "why"), "lost after final dot");
    assert!(server.mail("alice").is_empty(), "its client will send it again");
    server.signal("KILL");
    server.wait();
    trace.end();
}

#[test]
fn a_commit_that_takes_too_long_is_no_late_250_and_a_second_sending_makes_one_copy() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::serve(folder.path(), &limited("[limits]\nverdict_seconds = 1\n"));
    let mut client = server.connect();
    client.begin_content();
    let Some(trace) = slow_disk(&server, folder.path(), 3) else { return };
    client.send(NAMED.as_bytes());
    let reply = client.reply();
    assert!(reply.starts_with("451 4.3.2 "), "{reply}");
    let mut said = server.lines_to(" failed ");
    assert_eq!(field(said.last().unwrap(), "error"), "late after final dot");
    // Such a disk is pressure, too.
    while !said.iter().any(|line| line.contains(" pressure level=lean ")) {
        said = server.lines_to(" pressure ");
    }
    assert!(server.mail("alice").is_empty(), "it was refused");
    server.signal("KILL");
    server.wait();
    trace.end();
    let server = Server::again(folder.path());
    let (_, mut client) = send(&server, NAMED);
    client.say_all(&["QUIT"]);
    assert_eq!(server.mail("alice").len(), 1, "whether or not the first one was taken back in time");
}

#[test]
fn too_late_the_answer_is_no_and_nothing_is_delivered() {
    // A scanner that takes everything and never says what it found.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = TempDir::new().unwrap();
    let server = Server::serve(
        folder.path(),
        &limited(&format!(
            "[limits]\nverdict_seconds = 1\n[scan]\nclamav = \"{}\"\n",
            deaf.local_addr().unwrap()
        )),
    );
    let mut client = server.connect();
    client.begin_content();
    client.send(format!("{}{NAMED}", "X-Large: x\r\n".repeat(10_000)).as_bytes());
    assert!(client.reply().starts_with("451 4.3.2 "));
    assert_eq!(field(&server.line(" failed "), "error"), "late after final dot");
    client.say_all(&["NOOP"]);
    assert!(server.files("alice", "new").is_empty());
    let shards = fs::read_dir(folder.path().join("mail/.queue/spool")).unwrap();
    let left: usize = shards.map(|shard| fs::read_dir(shard.unwrap().path()).unwrap().count()).sum();
    assert_eq!(left, 0, "its content is gone from the disk");
}
