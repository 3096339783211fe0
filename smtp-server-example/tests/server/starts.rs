//! The order in which a server starts: nothing is written before it is alone and has looked, nobody is let in before what
//! the last run left is known.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::harness::Server;
use crate::queue::{Broken, queue, send};
use crate::strace::{Call, strace};

const SETTINGS: &str = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
    [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";

/// SQLite's page, as it is where nobody has set another.
const PAGE: u64 = 4_096;

const WATCHED: &str = "trace=flock,openat,pread64,pwrite64,fsync,fdatasync,unlink,unlinkat,listen";

/// A queue whose server was killed: two deliveries wait, of which one was at its final dot, and the journal says that
/// the other was made. A body without a row lies beside them. Returns the ids of both.
fn left_behind(folder: &Path) -> [String; 2] {
    let mut server = Server::serve(folder, SETTINGS);
    let broken = Broken::new(server.data.join("alice/new"));
    let ids =
        ["first", "second"].map(|text| send(&server, "<a@client.example>", &["<alice@example.test>"], text));
    server.settle();
    server.signal("KILL");
    server.wait();
    drop(broken);
    let folder_of_queue = folder.join("mail/.queue");
    fs::write(folder_of_queue.join("in-flight"), "S 1\nD 1\n").unwrap();
    let accepted = r#"[{"rcpt":2,"reply":"250 2.0.0 kept","mx":null,"tls":null}]"#;
    let at = jiff::Timestamp::now().as_millisecond();
    let fact = format!(r#"{{"delivery":2,"at":{at},"accepted":{accepted},"unsure":[]}}"#);
    fs::write(folder_of_queue.join("results.journal"), format!("{fact}\n")).unwrap();
    let shard = fs::read_dir(folder_of_queue.join("spool")).unwrap().next().unwrap().unwrap().path();
    fs::write(shard.join("orphan"), "nobody's").unwrap();
    // All of it to one file, so that it can be seen how much of that is looked at.
    let db = Connection::open(folder_of_queue.join("queue.db")).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    ids
}

/// The first of these calls.
fn first<'c>(calls: &'c [Call], what: &str, is_it: impl Fn(&Call) -> bool) -> &'c Call {
    calls.iter().find(|call| call.succeeded() && is_it(call)).unwrap_or_else(|| panic!("no {what}"))
}

/// Starts it once more; what it asked the kernel for, and the lines of its log before it was ready. None without strace.
fn start(folder: &Path) -> Option<(Vec<Call>, Vec<String>)> {
    let (command, trace) = strace(folder, &["-e", WATCHED])?;
    let mut server = Server::again_by(command, folder).unwrap();
    let said = server.start.clone();
    server.signal("TERM");
    assert!(server.wait().success());
    Some((trace.end(), said))
}

/// The pages of the tables that are read before this moment.
fn pages_read(calls: &[Call], before: &Call) -> BTreeSet<u64> {
    let reads = calls.iter().filter(|call| {
        call.name == "pread64" && call.file.ends_with("/queue.db") && call.ended < before.began
    });
    reads.filter_map(|call| call.arguments.rsplit_once(", ")?.1.split(')').next()?.parse().ok()).collect()
}

#[test]
fn a_server_is_alone_looks_and_knows_what_was_left_before_it_listens() {
    let folder = TempDir::new().unwrap();
    let [unknown, done] = left_behind(folder.path());
    let octets = fs::metadata(folder.path().join("mail/.queue/queue.db")).unwrap().len();
    let Some((calls, said)) = start(folder.path()) else { return };
    let of_queue = |call: &Call| call.file.contains("/.queue/") || call.arguments.contains("/.queue/");
    let opens =
        |name: &'static str| move |call: &Call| call.name == "openat" && call.arguments.contains(name);
    let unlinks = |name: &'static str| {
        move |call: &Call| call.name.starts_with("unlink") && call.arguments.contains(name)
    };
    let is_log = |call: &Call| call.file.ends_with("/queue.db-wal");
    let steps = [
        ("lock", first(&calls, "lock", |call| call.name == "flock" && call.file.ends_with("/queue.lock"))),
        ("what the last run died with", first(&calls, "look at in-flight", opens("/in-flight\""))),
        ("its journal", first(&calls, "look at the journal", opens("/results.journal\""))),
        ("the tables", first(&calls, "tables", opens("/queue.db\""))),
        ("the epoch, adoption", first(&calls, "write", |call| call.name == "pwrite64" && is_log(call))),
        ("their sync", first(&calls, "sync", |call| call.is_sync() && is_log(call))),
        ("a new in-flight", first(&calls, "end of in-flight", unlinks("/in-flight\""))),
        ("a new journal", first(&calls, "end of the journal", unlinks("/results.journal\""))),
        ("the sweep", first(&calls, "sweep", unlinks("/orphan\""))),
        ("the operator's ear", first(&calls, "socket for the operator", |call| call.name == "listen")),
    ];
    for pair in steps.windows(2) {
        assert!(pair[0].1.ended < pair[1].1.began, "{} comes before {}", pair[0].0, pair[1].0);
    }
    let lock = steps[0].1;
    let early: Vec<_> = calls.iter().filter(|call| call.ended < lock.began && of_queue(call)).collect();
    assert!(
        early.iter().all(|call| call.arguments.contains("queue.lock") || call.name == "openat"),
        "{early:?}"
    );
    assert!(!early.iter().any(|call| call.arguments.contains("/queue.db")), "{early:?}");
    // The whole file was looked at before anything was written to it.
    let pages = pages_read(&calls, steps[4].1);
    let missing: Vec<_> =
        (0..octets / PAGE).map(|page| page * PAGE).filter(|at| !pages.contains(at)).collect();
    assert!(octets > 10 * PAGE && missing.is_empty(), "{missing:?} of {octets} octets were not looked at");
    // What it found is said before anybody can come.
    let at = |part: &str| {
        let place = said.iter().position(|line| line.contains(part));
        place.unwrap_or_else(|| panic!("no `{part}` in {said:?}"))
    };
    let order = [at(&format!(" unknown id={unknown} ")), at(" closed=not"), at(" listening ")];
    assert!(order.is_sorted(), "{said:?}");
    let listened: Vec<_> = calls.iter().filter(|call| call.name == "listen").collect();
    assert_eq!(listened.len(), 2, "for the operator, then for clients: {listened:?}");
    let shown = queue(&folder.path().join("mail"), "show", &[&done]);
    assert!(shown.contains(": accepted, 250 2.0.0 kept"), "by the journal: {shown}");

    // It has ended in order: not all of the file is looked at this time.
    let (calls, said) = start(folder.path()).unwrap();
    assert!(said.iter().any(|line| line.contains(" closed=in-order")), "{said:?}");
    let write = first(&calls, "write", |call| call.name == "pwrite64" && is_log(call));
    assert!(pages_read(&calls, write).len() < pages.len());
}

#[test]
fn what_is_held_from_the_start_on_is_known_to_be_done_or_perhaps_done_all_the_same() {
    let folder = TempDir::new().unwrap();
    let [unknown, done] = left_behind(folder.path());
    let server = Server::serve_with(folder.path(), SETTINGS, &["--hold-all"]);
    assert!(
        server.start.iter().any(|line| line.ends_with(" ordered verb=hold messages=1")),
        "{:?}",
        server.start
    );
    let list = queue(&server.data, "list", &[]);
    assert!(list.contains("deliveries: 1") && list.contains(&format!("{unknown} hold ")), "{list}");
    assert!(queue(&server.data, "show", &[&unknown]).contains("may be there already"));
    assert!(queue(&server.data, "show", &[&done]).contains(": accepted, 250 2.0.0 kept"));
    assert!(server.mail("alice").is_empty());
    queue(&server.data, "release", &["all"]);
    assert_eq!(server.mail("alice").len(), 1);
}
