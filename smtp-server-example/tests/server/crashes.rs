//! A server that dies in the middle of deliveries, and what its next run makes of them.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, binary, field};
use crate::lmtp::{Store, greeted, send, settings};
use crate::queue::queue;

/// An LMTP server that kills whoever brings it poison, before it answers for that.
fn deadly(socket: &Path, victim: &Arc<AtomicU32>) -> Store {
    let victim = Arc::clone(victim);
    Store::with(socket, move |(_, content)| {
        if content.contains("poison") {
            while victim.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let id = victim.swap(0, Ordering::SeqCst).to_string();
            assert!(Command::new("kill").args(["-s", "KILL", &id]).status().unwrap().success());
        }
    })
}

/// A server that has ended, with these in its queue, and the store that waits for them. Who that kills is to be said.
fn before_a_deadly_store(folder: &Path, settings: &str, mail: &[(&str, &str)]) -> (Arc<AtomicU32>, Store) {
    // Nobody listens there yet, and so all of it waits.
    let mut server = Server::serve(folder, settings);
    for (to, text) in mail {
        send(&mut greeted(&server), "<a@client.example>", &[&format!("{to}@store.test")], text);
    }
    server.settle();
    server.signal("TERM");
    server.wait();
    let victim = Arc::new(AtomicU32::new(0));
    let store = deadly(&folder.join("lmtp"), &victim);
    // While none runs, the files are told that the store is to be asked again.
    queue(&server.data, "retry", &["all"]);
    (victim, store)
}

/// Runs the server to its end, and says whether that was in order.
fn live(folder: &Path, victim: &AtomicU32) -> bool {
    let mut serve = binary();
    serve.args(["serve", "--config", "mail.toml"]).current_dir(folder);
    let mut child = serve.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    victim.store(child.id(), Ordering::SeqCst);
    child.wait().unwrap().success()
}

#[test]
fn mail_that_kills_the_server_three_times_is_held_and_all_other_mail_is_delivered() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let mail = [("bob", "before"), ("alice", "poison"), ("bob", "behind")];
    let (victim, store) = before_a_deadly_store(folder.path(), &settings(&socket), &mail);
    for life in 1..=3 {
        assert!(!live(folder.path(), &victim), "life {life}");
    }
    let server = Server::again(folder.path());
    server.settle();
    let list = queue(&server.data, "list", &[]);
    assert!(list.contains("deliveries: 1") && list.contains(" hold "), "{list}");
    let held = server.start.iter().find(|line| line.contains(" held ")).expect("a line says so");
    assert!(list.starts_with(&format!("{} ", field(held, "id"))), "of that message: {held}");
    assert!(list.contains("poison: the server broke three times while it was delivered"), "{list}");
    let brought: Vec<_> = store.brought.try_iter().map(|(_, content)| content).collect();
    let times = |text: &str| brought.iter().filter(|content| content.contains(text)).count();
    assert_eq!(times("poison"), 3, "no more than that");
    // What was under way beside it may come again, as nobody knows whether it was taken.
    assert!((1..=2).contains(&times("before")) && (1..=2).contains(&times("behind")), "{brought:?}");
}

#[test]
fn what_was_taken_while_the_store_could_not_be_written_to_is_not_sent_again() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let ((there, is_there), (go, may_go)) = (channel(), channel());
    let may_go = std::sync::Mutex::new(may_go);
    let store = Store::with(&socket, move |_| {
        there.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap();
    });
    let mut server = Server::serve(folder.path(), &settings(&socket));
    send(&mut greeted(&server), "<a@client.example>", &["alice@store.test"], "Subject: x\r\n\r\nx\r\n");
    is_there.recv_timeout(PATIENCE).unwrap();
    // Somebody else writes to the tables, and does not end.
    let folder_of_queue = server.data.join(".queue");
    let db = rusqlite::Connection::open(folder_of_queue.join("queue.db")).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    go.send(()).unwrap();
    server.line(" not-stored ");
    let (journal, until) = (folder_of_queue.join("results.journal"), Instant::now() + PATIENCE);
    while !fs::read(&journal).is_ok_and(|text| text.ends_with(b"}\n")) {
        assert!(Instant::now() < until, "what is certain is written elsewhere");
    }
    server.signal("KILL");
    server.wait();
    drop(db);
    assert_eq!(store.brought.try_iter().count(), 1);

    let server = Server::again(folder.path());
    server.settle();
    let shown = queue(&server.data, "show", &["all"]);
    assert!(shown.contains("lmtp store.test: done") && shown.contains(": accepted, 250 2.0.0"), "{shown}");
    assert_eq!(store.brought.try_iter().count(), 0, "alice has it");
    assert!(!journal.exists(), "the tables have it now");
}

#[test]
fn what_a_store_had_not_even_greeted_for_when_the_server_died_is_not_perhaps_taken() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let silent = UnixListener::bind(&socket).unwrap();
    let (there, is_there) = channel();
    std::thread::spawn(move || {
        silent.incoming().map_while(Result::ok).try_for_each(|client| there.send(client))
    });
    let mut server = Server::serve(folder.path(), &settings(&socket));
    send(&mut greeted(&server), "<a@client.example>", &["alice@store.test"], "Subject: x\r\n\r\nx\r\n");
    let hangs = is_there.recv_timeout(PATIENCE).unwrap();
    server.signal("KILL");
    server.wait();
    drop(hangs);
    fs::remove_file(&socket).unwrap();
    let store = Store::start(&socket);
    let server = Server::again(folder.path());
    assert!(!server.start.iter().any(|line| line.contains(" unknown id=")), "{:?}", server.start);
    server.settle();
    assert_eq!(store.brought.try_iter().count(), 1);
}

#[test]
fn what_may_have_been_taken_when_the_server_died_is_sent_again_or_held_as_the_settings_want() {
    for (hold, want) in [(false, 2), (true, 1)] {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("lmtp");
        let settings = format!("{}[queue]\nhold_unknown = {hold}\n", settings(&socket));
        let mail = [("alice", "poison, the first time")];
        let (victim, store) = before_a_deadly_store(folder.path(), &settings, &mail);
        assert!(!live(folder.path(), &victim));
        // It is no poison the next time.
        drop(fs::remove_file(&socket));
        let harmless = Store::start(&socket);
        let server = Server::again(folder.path());
        server.settle();
        let brought = [store, harmless].map(|store| store.brought.try_iter().count());
        assert_eq!(brought.iter().sum::<usize>(), want, "hold_unknown = {hold}");
        let shown = queue(&server.data, "show", &["all"]);
        let says =
            if hold { "unknown: it may have been delivered, no answer was seen" } else { ": accepted, 250" };
        assert!(shown.contains(says), "{shown}");
    }
}
