//! A disk that gets full at each place in turn of taking and delivering a small and a large message.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::catcher::{Catcher, Mood, Stage};
use crate::durable::{fault, folder, meet, offer_both, once_each};
use crate::harness::{Server, field};
use crate::kills::server;
use crate::neighbours::knot;
use crate::outages::{ZONE, submit};
use crate::pressure::Disk;
use crate::sending::alice;
use crate::strace::{Call, Trace};

/// There is always room for this many octets or files, when there is.
const ENOUGH: &str = "size=64m,nr_inodes=10000";

/// What is left on a disk.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// Room for so many pages, which are what such a file system is made of.
    Pages(u64),
    /// Any amount of room, for so many names.
    Files(u64),
}

impl Left {
    fn on(self, disk: &Disk) {
        let (octets, files) = disk.used();
        disk.change(&match self {
            Self::Pages(pages) => format!("size={}", octets + pages * 4_096),
            Self::Files(more) => format!("nr_inodes={}", files + more),
        });
    }
}

/// The server after a kill; it may refuse to start before there is room.
fn killed_and_started_again(folder: &Path, mut server: Server, disk: &Disk) -> Server {
    server.signal("KILL");
    server.wait();
    match Server::again_by(Command::new("env"), folder) {
        Ok(server) => {
            disk.change(ENOUGH);
            server
        }
        Err(status) => {
            assert!(matches!(status.code(), Some(1..=78)), "it says why: {status}");
            disk.change(ENOUGH);
            Server::again(folder)
        }
    }
}

/// With this left, two messages come, the server goes on or is killed, and then there is room again. Returns whether the
/// disk was full anywhere.
fn with(left: Left, kill: bool) -> Option<bool> {
    let folder = folder();
    let disk = Disk::mount(&folder.path().join("mail"), "64m")?;
    let settings = std::fs::read_to_string(folder.path().join("mail.toml")).unwrap();
    let limits = "[limits]\ndisk_reserve_percent = 0\ninode_reserve_percent = 0\n";
    let mut server = Server::serve(folder.path(), &format!("{settings}{limits}"));
    left.on(&disk);
    let replies = offer_both(&server);
    for reply in &replies {
        assert!(["250 ", "452 4.3.1 "].iter().any(|want| reply.starts_with(want)), "{left:?}: {replies:?}");
    }
    // Each is tried; but the outcome can't be stored, perhaps.
    let mut all_good = true;
    for reply in &replies {
        all_good &= reply.starts_with("250 ") && server.line(" via=local ").contains(" delivered ");
    }
    if kill {
        server = killed_and_started_again(folder.path(), server, &disk);
    } else {
        disk.change(ENOUGH);
    }
    once_each(&server, &replies);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{left:?}: {replies:?}");
    Some(!all_good)
}

/// Leaves more and more, until all goes well.
fn each(left: impl Fn(u64) -> Left, step: usize, least: u64) {
    for number in (0..1_000).step_by(step) {
        for kill in [false, true] {
            match with(left(number), kill) {
                None => return,
                Some(true) => {}
                Some(false) => {
                    assert!(number > least, "{number}: was it full anywhere?");
                    return;
                }
            }
        }
    }
    panic!("it is never enough");
}

#[test]
fn a_disk_that_fills_up_at_some_places_loses_nothing_and_room_heals_it() {
    each(Left::Pages, 29, 50);
}

#[test]
#[ignore = "hundreds of starts"]
fn wherever_a_disk_fills_up_nothing_is_lost_and_room_heals_it() {
    each(Left::Pages, 1, 50);
}

#[test]
fn wherever_names_run_out_nothing_is_lost_and_room_heals_it() {
    each(Left::Files, 1, 1);
}

/// Lets one call after the other of a thread, or of each, find no room, up to the one that is not made any more. This is
/// where no page is added, too: in the queue's log that is written over, at the end, where its rows go to the tables.
fn at_each_call(thread: Option<&str>, calls: &str, step: usize, least: usize) {
    for number in (1..).step_by(step) {
        let (folder, fault) = (folder(), fault(calls, "ENOSPC", number));
        let server = Server::again(folder.path());
        let fault = fault.each_ref().map(String::as_str);
        let Some(trace) = Trace::attach(&server, folder.path(), thread, &fault) else { return };
        let met = meet(folder.path(), server);
        let calls = trace.end();
        let failed: Vec<_> = calls.iter().filter(|call| call.is_injected()).collect();
        let why = format!("call {number}, {failed:?}: {:?}, {:?}, {:?}", met.replies, met.greeting, met.code);
        for reply in &met.replies {
            assert!(["250 ", "452 4.3.1 "].iter().any(|want| reply.starts_with(want)), "{why}");
        }
        assert!(met.greeting.starts_with("220 "), "it goes on: {why}");
        if failed.is_empty() {
            assert_eq!(met.code, Some(0), "{why}");
            assert!(number > least, "{number}: is it still faulted?");
            return;
        }
    }
}

#[test]
fn the_queue_finds_no_room_at_some_writes_and_goes_on_without_a_loss() {
    at_each_call(Some("queue"), "pwrite64,ftruncate", 26, 26);
}

#[test]
#[ignore = "a hundred starts under strace"]
fn whichever_write_of_the_queue_finds_no_room_nothing_is_lost_and_it_goes_on() {
    at_each_call(Some("queue"), "pwrite64,ftruncate", 1, 26);
    at_each_call(None, "linkat,mkdir", 1, 1);
}

#[test]
fn what_was_at_its_dot_is_known_though_the_line_that_a_try_begins_found_no_room() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    let mut server = server(folder.path(), &dns, catcher.address, "");
    let mut alice = alice(&server);
    let file = server.data.join(".queue/in-flight");
    let mut options = Vec::from(fault("write", "ENOSPC", 1));
    options.extend(["-P".to_owned(), file.to_str().unwrap().to_owned()]);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let Some(trace) = Trace::attach(&server, folder.path(), None, &options) else { return };
    catcher.become_(Mood::HangAt(Stage::Dot));
    submit(&mut alice, "dot");
    catcher.wait_for_one_that_hangs();
    server.signal("KILL");
    server.wait();
    assert!(trace.end().iter().any(Call::is_injected), "is it still faulted?");
    catcher.become_(Mood::Take);
    let server = Server::again(folder.path());
    let unknown = server.start.iter().find(|line| line.contains(" unknown id="));
    assert!(unknown.is_some_and(|line| field(line, "via") == "t.example"), "{:?}", server.start);
}

#[test]
fn what_another_host_took_on_a_disk_that_was_full_is_named_at_the_next_start() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    let Some(disk) = Disk::mount(&folder.path().join("mail"), "64m") else { return };
    let more =
        "[limits]\ndisk_reserve_percent = 0\n[queue]\nretry_first_seconds = 5\npause_first_seconds = 5\n";
    let mut server = server(folder.path(), &dns, catcher.address, more);
    dns.signal("STOP");
    submit(&mut alice(&server), "taken");
    server.line(" deferred ");
    server.settle();
    server.signal("TERM");
    server.wait();
    dns.signal("CONT");
    server = Server::again(folder.path());
    // Neither its rows nor the journal of results can say now that it was taken.
    Left::Pages(0).on(&disk);
    server.line(" relayed ");
    server.line(" not-kept ");
    server.signal("KILL");
    server.wait();
    disk.change(ENOUGH);
    let server = Server::again(folder.path());
    let unknown = server.start.iter().find(|line| line.contains(" unknown id="));
    assert!(unknown.is_some(), "a second copy leaves, and nobody is told: {:?}", server.start);
    server.settle();
    assert_eq!(catcher.copies().get("taken"), Some(&2));
}
