//! What happens where there is not enough of something.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::harness::{Client, Server};

fn settings(limits: &str, more: &str) -> String {
    format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n[limits]\n{limits}\n{more}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n"
    )
}

/// A small file system, gone when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where it can't be made: that needs root.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output();
        done.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_message_that_would_not_leave_the_reserve_is_told_452_at_mail() {
    let folder = TempDir::new().unwrap();
    let most = i64::MAX;
    let server = Server::serve(folder.path(), &settings(&format!("message_octets = {most}"), ""));
    let mut client = server.connect();
    client.say_all(&["EHLO x.example"]);
    let reply = client.say(&format!("MAIL FROM:<a@x.example> SIZE={}", most / 2));
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    client.say_all(&["MAIL FROM:<a@x.example> SIZE=1000", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
    assert_eq!(server.mail("alice").len(), 1, "a smaller one finds room");
}

#[test]
fn a_disk_that_gets_full_refuses_new_mail_delivers_what_is_here_and_recovers_by_itself() {
    let folder = TempDir::new().unwrap();
    let Some(_disk) = Disk::mount(&folder.path().join("mail"), "8m") else { return };
    let server = Server::serve(folder.path(), &settings("disk_reserve_percent = 50", ""));
    let mut client = server.connect();
    client.begin_content();
    let mut other = server.connect();
    other.say_all(&["EHLO x.example"]);
    fs::write(server.data.join("filling"), vec![0; 4 << 20]).unwrap();
    server.line(" disk-short ");
    let reply = other.say("MAIL FROM:<a@x.example>");
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    client.say_all(&["begun before\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
    assert!(server.ask("State").unwrap().contains("\"has_room\":false"));
    fs::remove_file(server.data.join("filling")).unwrap();
    other.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>", "DATA", "after\r\n."]);
    server.line(" disk-has-room ");
    assert_eq!(server.mail("alice").len(), 2);
}

#[test]
fn as_many_messages_as_memory_is_set_apart_for_and_no_one_is_ended_in_the_middle() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings("memory_octets = 1048576", ""));
    let mut clients: Vec<Client> = Vec::new();
    let mut refused = loop {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example"]);
        let reply = client.say("MAIL FROM:<a@x.example>");
        if reply.starts_with("452 4.3.1 ") {
            break client;
        }
        assert!(reply.starts_with("250 "), "{reply}");
        clients.push(client);
        assert!(clients.len() < 10, "a megabyte is not without end");
    };
    assert!(clients.len() >= 5, "{}", clients.len());
    server.line(" pressure ");
    let begun = clients.len();
    for client in &mut clients {
        client.say_all(&["RCPT TO:<alice@example.test>", "DATA"]);
        client.send(&[b"0123456789".repeat(7), b"\r\n".to_vec()].concat().repeat(3_000));
        client.say_all(&["."]);
    }
    assert_eq!(server.mail("alice").len(), begun);
    refused.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
}

#[test]
fn who_connects_while_it_is_lean_makes_one_error_and_no_more() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings("memory_octets = 1048576", ""));
    let mut before = server.connect();
    let begun: Vec<Client> = (0..5)
        .map(|_| {
            let mut client = server.connect();
            client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>"]);
            client
        })
        .collect();
    server.line(" level=lean ");
    let mut guesses = server.connect();
    guesses.send(b"NONSENSE\r\n");
    let said = guesses.rest();
    assert!(said.starts_with("500 ") && said.contains("\n421 4.7.0 "), "{said}");
    let mut idles = server.connect();
    idles.say_all(&["EHLO x.example", "EHLO x.example", "NOOP"]);
    idles.send(b"NOOP\r\n");
    assert!(idles.rest().contains("421 4.7.0 "));
    server.connect().begin_content();
    for _ in 0..3 {
        assert!(before.say("NONSENSE").starts_with("500 "), "who was here before is not judged by it");
    }
    drop(begun);
    server.line(" level=normal ");
    let mut after = server.connect();
    assert!(after.say("NONSENSE").starts_with("500 ") && after.say("NOOP").starts_with("250 "));
}

/// Room for a thousand sockets of our own.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

#[test]
fn a_thousand_idle_sockets_and_few_descriptors_cost_no_time_and_end_nothing_that_runs() {
    raise_descriptors();
    let folder = TempDir::new().unwrap();
    let more = "[checks]\nexempt = []\nconnections_per_minute = 0\n[auth]\nallow_insecure_auth = true\n\
        [[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n";
    let text = settings("connections = 5000\nconnections_per_address = 5000", more);
    // The listener that [`settings`] adds comes second then.
    let mut program = Command::new("prlimit");
    program.arg("--nofile=256:256");
    let server = Server::serve_through(folder.path(), &text, program);
    let mx = server.address_of("mx").parse().unwrap();
    let mut running = server.connect_to("mx");
    running.begin_content();
    let idle: Vec<TcpStream> = (0..1_000).map(|_| TcpStream::connect(mx).unwrap()).collect();
    let line = server.line(" level=shed ");
    let (began, used) = (Instant::now(), server.processor_time());
    assert!(line.contains(" sessions=0.9") || line.contains(" sessions=1"), "{line}");
    let mut waiting = Client::connect(mx);
    assert_eq!(waiting.reply_within(Duration::from_secs(2)), None, "it is not accepted, and not sent away");
    // What is kept for users is there for them, and operators are answered.
    drop(server.connect_to("submission"));
    assert!(server.ask("State").unwrap().contains("\"level\":\"shed\""));
    running.say_all(&["begun before\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
    // Those who only sit there make room after ten seconds.
    assert!(server.line(" closed ").contains(" why="));
    let (took, used) = (began.elapsed(), server.processor_time() - used);
    assert!(took > Duration::from_secs(5), "{took:?}: too short to say anything");
    assert!(used < took / 20, "{used:?} of {took:?}");
    let reply = waiting.reply();
    assert!(reply.starts_with("421 Too busy"), "still too busy for strangers: {reply}");
    drop(idle);
    server.line(" level=normal ");
    server.connect_to("mx").begin_content();
}
