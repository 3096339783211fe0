//! Descriptors that run out at each place in turn, and a network that is gone: strace makes them up.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::catcher::{Catcher, Mood};
use crate::durable::{fault, folder, meet, offer_both, once_each};
use crate::harness::{Client, Server};
use crate::kills::server;
use crate::neighbours::{Neighbour, knot};
use crate::outages::{ZONE, submit, waiting};
use crate::queue::queue;
use crate::sending::alice;
use crate::strace::{Call, Trace};

/// A server whose threads meet a fault each, at these calls. None without strace.
fn faulted(
    server: &Server,
    folder: &Path,
    calls: &str,
    error: &str,
    number: impl std::fmt::Display,
) -> Option<Trace> {
    let fault = fault(calls, error, number);
    Trace::attach(server, folder, None, &fault.each_ref().map(String::as_str))
}

fn injected(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.is_injected()).count()
}

#[test]
fn a_listener_outlives_whatever_accepting_ends_with_and_does_not_spin() {
    // What accept(2) says may come of a full table, of the network behind a connection, or of a firewall.
    for (error, is_ours) in [
        ("EMFILE", true),
        ("ENFILE", true),
        ("ENOBUFS", true),
        ("ENOMEM", true),
        ("ECONNABORTED", false),
        ("EINTR", false),
        ("EPROTO", false),
        ("ENETDOWN", false),
        ("ENETUNREACH", false),
        ("EHOSTUNREACH", false),
        ("EPERM", false),
    ] {
        let folder = folder();
        let mut server = Server::again(folder.path());
        let Some(trace) = faulted(&server, folder.path(), "accept4", error, "1..3") else { return };
        let began = Instant::now();
        let mut client = Client::connect(server.address);
        let greeting = client.reply();
        assert!(greeting.starts_with("220 "), "{error}: {greeting}");
        let took = began.elapsed();
        client.vanish();
        once_each(&server, &[]);
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0), "{error}");
        let failed = injected(&trace.end());
        assert!(failed >= 3, "{error}: {failed}");
        // It waits for a tenth of a second each time; three threads' calls may be meant.
        assert!(!is_ours || took >= Duration::from_millis(200), "{error}: {took:?}");
    }
}

#[test]
fn without_descriptors_clients_wait_and_running_sessions_end_well_and_it_costs_next_to_nothing() {
    let folder = folder();
    let server = Server::again(folder.path());
    let mut running = server.connect();
    running.begin_content();
    let Some(trace) = faulted(&server, folder.path(), "accept4", "EMFILE", "1+") else { return };
    let used = server.processor_time();
    let mut waiting = Client::connect(server.address);
    assert_eq!(waiting.reply_within(Duration::from_secs(2)), None, "it is not accepted, and not sent away");
    let used = server.processor_time() - used;
    running.say_all(&["Message-ID: <begun@client.example>\r\n\r\nbegun before\r\n."]);
    let failed = injected(&trace.detach());
    assert!((10..=40).contains(&failed), "{failed}: ten times a second");
    assert!(used < Duration::from_millis(500), "{used:?}");
    assert!(waiting.reply().starts_with("220 "), "as soon as there are some");
    assert_eq!(server.mail("alice").len(), 1);
}

/// Lets one opening of a file after the other fail while two messages are taken and delivered; `many` calls after that
/// fail too.
fn at_each_opening(step: usize, many: usize) {
    for number in (1..).step_by(step) {
        let folder = folder();
        let server = Server::again(folder.path());
        let calls = format!("{number}..{}", number + many);
        let Some(trace) = faulted(&server, folder.path(), "openat", "EMFILE", calls) else { return };
        let met = meet(folder.path(), server);
        let failed = injected(&trace.end());
        let why = format!("opening {number}: {:?}, {:?}, {:?}", met.replies, met.greeting, met.code);
        for reply in &met.replies {
            assert!(["250 ", "452 4.3.1 ", "451 4.3.0 "].iter().any(|want| reply.starts_with(want)), "{why}");
        }
        assert!(met.greeting.starts_with("220 "), "it goes on: {why}");
        assert_eq!(met.code, Some(0), "{why}");
        if failed == 0 {
            assert!(number > 3, "{why}: is it still faulted?");
            return;
        }
    }
}

#[test]
fn whichever_file_can_not_be_opened_for_want_of_descriptors_nothing_is_lost() {
    at_each_opening(1, 0);
}

#[test]
fn however_many_files_can_not_be_opened_nothing_is_lost() {
    at_each_opening(3, 4);
}

#[test]
fn without_descriptors_for_files_a_large_message_is_put_off_and_the_next_one_is_taken() {
    let folder = folder();
    let server = Server::again(folder.path());
    let Some(trace) = faulted(&server, folder.path(), "openat", "EMFILE", "1+") else { return };
    let replies = offer_both(&server);
    assert!(replies[1].starts_with("451 4.3.0 "), "{replies:?}: there is no file for it");
    trace.detach();
    once_each(&server, &replies);
}

/// Lets calls of each thread fail while a message leaves for another host, the first in one run, the second in the next.
fn on_the_way(dns: &Neighbour, calls: &str, error: &str) {
    let (folder, catcher) = (TempDir::new().unwrap(), Catcher::listen());
    catcher.become_(Mood::TakeOne);
    drop(server(folder.path(), dns, catcher.address, "connect_seconds = 2\n"));
    // One thread or another makes a call; few make more than two.
    for number in ["1", "2", "3", "1+"] {
        let server = Server::again(folder.path());
        let mut alice = alice(&server);
        let Some(trace) = faulted(&server, folder.path(), calls, error, number) else { return };
        submit(&mut alice, number);
        let line = server.line(" via=t.example ");
        server.settle();
        let failed = injected(&trace.detach());
        assert!(line.contains(" relayed ") || line.contains(" deferred "), "{calls} {number}: {line}");
        queue(&server.data, "flush", &["--wait"]);
        assert!(waiting(&server).contains("deliveries: 0"), "{calls} {number}: {line}, {}", waiting(&server));
        assert_eq!(catcher.copies().get(number), Some(&1), "{calls} {number}: {line}");
        if number == "1+" {
            assert!(
                failed > 0 && line.contains(" deferred "),
                "{calls}, {failed}: is it still faulted? {line}"
            );
        }
    }
}

#[test]
fn mail_for_others_waits_for_a_socket_and_a_way_and_leaves_once() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    on_the_way(&dns, "socket", "EMFILE");
    on_the_way(&dns, "connect", "ENETUNREACH");
}
