//! Others that hang or die in the middle of their part, and a server that is killed meanwhile: nothing is lost, and a second
//! sending makes no second copy.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::catcher::{Catcher, Mood, Stage};
use crate::harness::{Client, PATIENCE, Server, field};
use crate::kills::server;
use crate::neighbours::knot;
use crate::outages::{ZONE, submit, waiting};
use crate::queue::queue;
use crate::scanners;
use crate::sending::alice;

/// What a scanner does when a message has begun to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scanning {
    ToTheEnd,
    Dies,
    Hangs,
}

/// A clamd that finds nothing, if it gets so far.
struct Scanner {
    address: SocketAddr,
    does: Arc<Mutex<Scanning>>,
    /// Something each time that it hangs.
    hangs: Receiver<()>,
}

impl Scanner {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let does = Arc::new(Mutex::new(Scanning::ToTheEnd));
        let (hang, hangs) = channel();
        let shared = Arc::clone(&does);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (does, hang) = (*shared.lock().unwrap(), hang.clone());
                // Whoever asks may be killed.
                std::thread::spawn(move || drop(scan(&stream, does, &hang)));
            }
        });
        Self { address, does, hangs }
    }

    fn does(&self, what: Scanning) {
        *self.does.lock().unwrap() = what;
    }
}

fn scan(mut stream: &TcpStream, does: Scanning, hang: &Sender<()>) -> io::Result<()> {
    stream.read_exact(&mut [0; b"zINSTREAM\0".len()])?;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u64::from(u32::from_be_bytes(length));
        if length == 0 {
            return stream.write_all(b"stream: OK\0");
        }
        io::copy(&mut stream.take(length), &mut io::sink())?;
        match does {
            Scanning::ToTheEnd => {}
            Scanning::Dies => return Ok(()),
            Scanning::Hangs => {
                let _ = hang.send(());
                return io::copy(&mut stream, &mut io::sink()).map(drop);
            }
        }
    }
}

/// Sends a message of some size, to its dot.
fn send(server: &Server) -> Client {
    let mut client = server.connect();
    client.begin_content();
    let text = "A line of text, which is as long as lines of text are.\r\n".repeat(3_000);
    client.send(format!("Message-ID: <scan@client.example>\r\n\r\n{text}.\r\n").as_bytes());
    client
}

#[test]
fn a_scanner_that_dies_or_hangs_in_the_middle_puts_a_message_off_and_the_second_sending_is_the_one_copy() {
    for fault in [Scanning::Dies, Scanning::Hangs] {
        let (folder, scanner) = (TempDir::new().unwrap(), Scanner::start());
        let scan = format!("clamav = \"{}\"\ntimeout_seconds = 1", scanner.address);
        let server = scanners::server(folder.path(), &scan);
        scanner.does(fault);
        let reply = send(&server).reply();
        assert!(reply.starts_with("451 4.7.1 "), "{fault:?}: {reply}");
        server.assert_no_mail("it was not taken");
        scanner.does(Scanning::ToTheEnd);
        let reply = send(&server).reply();
        assert!(reply.starts_with("250 "), "{fault:?}: {reply}");
        assert_eq!(server.mail("alice").len(), 1, "{fault:?}");
    }
}

#[test]
fn a_kill_in_the_middle_of_a_scan_leaves_nothing_and_the_second_sending_is_the_one_copy() {
    let (folder, scanner) = (TempDir::new().unwrap(), Scanner::start());
    let mut server = scanners::server(folder.path(), &format!("clamav = \"{}\"", scanner.address));
    scanner.does(Scanning::Hangs);
    let mut client = send(&server);
    scanner.hangs.recv_timeout(PATIENCE).unwrap();
    server.signal("KILL");
    assert_eq!(client.reply(), "", "nothing was said to it");
    server.wait();
    scanner.does(Scanning::ToTheEnd);
    let server = Server::again(folder.path());
    server.assert_no_mail("it was not taken");
    let reply = send(&server).reply();
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn a_kill_while_a_host_hangs_at_any_stage_loses_nothing_and_doubles_only_what_was_at_its_dot() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    let mut server = server(folder.path(), &dns, catcher.address, "");
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        let subject = format!("{stage:?}");
        catcher.become_(Mood::HangAt(stage));
        submit(&mut alice(&server), &subject);
        catcher.wait_for_one_that_hangs();
        server.signal("KILL");
        server.wait();
        catcher.become_(Mood::TakeOne);
        server = Server::again(folder.path());
        let unknown: Vec<_> = server.start.iter().filter(|line| line.contains(" unknown id=")).collect();
        assert_eq!(unknown.len(), usize::from(stage == Stage::Dot), "{subject}: {unknown:?}");
        server.settle();
        queue(&server.data, "flush", &["--wait"]);
        assert!(waiting(&server).contains("deliveries: 0"), "{subject}: {}", waiting(&server));
        let copies = 1 + usize::from(stage == Stage::Dot);
        assert_eq!(catcher.copies().get(&subject), Some(&copies), "{subject}");
        assert!(unknown.iter().all(|line| field(line, "via") == "t.example"), "{unknown:?}");
    }
}

#[test]
fn a_kill_while_dns_says_nothing_loses_nothing_and_doubles_nothing() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    let mut server = server(folder.path(), &dns, catcher.address, "");
    dns.signal("STOP");
    submit(&mut alice(&server), "waits");
    server.line(" queued ");
    server.signal("KILL");
    server.wait();
    // Once without an answer, too.
    server = Server::again(folder.path());
    assert!(field(&server.line(" deferred "), "reply").starts_with("451 4.4.3 "));
    dns.signal("CONT");
    server.settle();
    queue(&server.data, "flush", &["--wait"]);
    assert!(waiting(&server).contains("deliveries: 0"), "{}", waiting(&server));
    assert_eq!(catcher.copies().get("waits"), Some(&1));
}
