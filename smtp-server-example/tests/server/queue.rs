//! Mail between our 250 and the mailbox: kept over a crash, tried again, told of, and in the operator's hands.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Client, Server, content, field, run};

/// Takes a folder away until it is dropped, so that nothing can be delivered there.
pub(crate) struct Broken {
    folder: std::path::PathBuf,
    aside: std::path::PathBuf,
}

impl Broken {
    pub(crate) fn new(folder: std::path::PathBuf) -> Self {
        let aside = folder.with_extension("aside");
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "in the way").unwrap();
        Self { folder, aside }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        fs::remove_file(&self.folder).unwrap();
        fs::rename(&self.aside, &self.folder).unwrap();
    }
}

/// Sends a message; returns its queue id.
pub(crate) fn send(server: &Server, mail: &str, rcpts: &[&str], content: &str) -> String {
    let mut client = begin(server, mail, rcpts);
    let reply = client.say(&format!("{content}\r\n."));
    reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}")).to_owned()
}

fn begin(server: &Server, mail: &str, rcpts: &[&str]) -> Client {
    let mut client = server.connect();
    client.say_all(&["EHLO client.example", &format!("MAIL FROM:{mail}")]);
    for rcpt in rcpts {
        client.say_all(&[&format!("RCPT TO:{rcpt}")]);
    }
    client.say_all(&["DATA"]);
    client
}

/// Runs a `queue` command on a mail folder; returns what it prints.
pub(crate) fn queue(data: &Path, verb: &str, args: &[&str]) -> String {
    let output = run(&[&["queue", verb, "--data", data.to_str().unwrap()], args].concat());
    assert!(output.status.success(), "{verb} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_was_acknowledged_outlives_a_kill_and_is_delivered_once() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    let mut server = Server::demo_in(data);
    let broken = Broken::new(data.join("alice/new"));
    let large =
        format!("Subject: large\r\n\r\n{}", "x".repeat(70).as_str().to_owned() + "\r\n").repeat(2_000);
    let small = send(&server, "<a@client.example>", &["<alice@example.test>"], "Subject: small\r\n\r\nx");
    let large = send(&server, "<a@client.example>", &["<alice@example.test>"], &large);
    server.settle();
    server.signal("KILL");
    assert!(!server.wait().success());
    // Nobody runs it now: the files are asked.
    let list = queue(data, "list", &[]);
    assert!(list.contains(&small) && list.contains(&large) && list.contains("deliveries: 2"), "{list}");
    assert!(list.contains("451 4.3.0 "), "the reason is there: {list}");
    drop(broken);
    let server = Server::demo_in(data);
    assert!(queue(data, "list", &[]).contains("deliveries: 2"), "they wait for their time");
    queue(data, "flush", &["--wait"]);
    assert_eq!(server.mail("alice").len(), 2);
    assert!(queue(data, "list", &[]).contains("deliveries: 0"));
    let shown = queue(data, "show", &[&large]);
    assert!(shown.contains("via local: done") && shown.contains("try 2 at"), "{shown}");
    let spool = fs::read_dir(data.join(".queue/spool")).unwrap();
    let left: usize = spool.map(|shard| fs::read_dir(shard.unwrap().path()).unwrap().count()).sum();
    assert_eq!(left, 0, "the large body is gone");
}

#[test]
fn one_mailbox_that_is_broken_keeps_nobody_else_from_their_mail() {
    let server = Server::demo();
    let broken = Broken::new(server.data.join("bob/tmp"));
    send(&server, "<a@client.example>", &["<alice@example.test>", "<bob@example.test>"], "x");
    assert_eq!(server.mail("alice").len(), 1);
    assert_eq!(field(&server.line(" deferred "), "to"), "<bob@example.test>");
    drop(broken);
    queue(&server.data, "retry", &["to=bob@example.test"]);
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (1, 1));
}

#[test]
fn a_spool_that_can_not_be_written_to_means_451_and_nothing_is_queued() {
    let server = Server::demo();
    let broken = Broken::new(server.data.join(".queue/spool"));
    let mut client = begin(&server, "<a@client.example>", &["<alice@example.test>"]);
    client.send(&b"more than a row takes\r\n".repeat(10_000));
    let reply = client.say(".");
    assert!(reply.starts_with("451 4.3.0 ") && !reply.contains("spool"), "told no more than that: {reply}");
    let line = server.line(" failed ");
    assert!(
        line.contains(" error=") && field(&line, "hint").starts_with("look at the disk"),
        "but the log: {line}"
    );
    drop(broken);
    server.assert_no_mail("it was refused");
    client.say_all(&["MAIL FROM:<a@client.example>", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn a_sender_is_told_of_failure_and_of_success_where_asked_and_nobody_of_a_bounce() {
    let server = Server::demo();
    let looped = "Delivered-To: alice@example.test\r\nSubject: round\r\n\r\nx";
    send(
        &server,
        "<bob@example.test> ENVID=QQ1",
        &["<alice@example.test> ORCPT=rfc822;al@x.example"],
        looped,
    );
    let mail = server.mail("bob");
    let report = String::from_utf8(mail[0].clone()).unwrap();
    for part in [
        "Return-Path: <>\n",
        "Auto-Submitted: auto-replied\n",
        "Original-Envelope-Id: QQ1\n",
        "Original-Recipient: rfc822; al@x.example\n",
        "Final-Recipient: rfc822; alice@example.test\nAction: failed\nStatus: 5.4.6\n",
        "Subject: round\n",
    ] {
        assert!(report.contains(part), "{part} is missing in\n{report}");
    }
    send(&server, "<bob@example.test>", &["<alice@example.test> NOTIFY=SUCCESS"], "Subject: good\r\n\r\nx");
    let mail = server.mail("bob");
    assert!(mail.iter().any(|mail| String::from_utf8_lossy(mail).contains("Action: delivered\n")));
    for (sender, rcpt) in
        [("<>", "<alice@example.test>"), ("<bob@example.test>", "<alice@example.test> NOTIFY=NEVER")]
    {
        send(&server, sender, &[rcpt], looped);
    }
    assert_eq!(server.mail("bob").len(), 2, "nobody is told");
    assert_eq!(server.mail("alice").len(), 1, "only what went round nowhere");
}

#[test]
fn mail_that_has_passed_fifty_hosts_is_refused() {
    let server = Server::demo();
    for (hops, want) in [(49, "250 "), (50, "554 5.4.6 ")] {
        let mut client = begin(&server, "<a@client.example>", &["<alice@example.test>"]);
        let reply = client.say(&format!("{}\r\nx\r\n.", "Received: from a by b\r\n".repeat(hops)));
        assert!(reply.starts_with(want), "{hops} hosts: {reply}");
    }
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn the_operator_holds_releases_and_drops_on_a_server_that_runs() {
    let server = Server::demo();
    let data = &server.data;
    let broken = Broken::new(data.join("alice/new"));
    let ids: Vec<_> = (0..3)
        .map(|i| send(&server, &format!("<a{i}@client.example>"), &["<alice@example.test>"], "x"))
        .collect();
    server.settle();
    assert!(queue(data, "drop", &["--dry-run", "all"]).contains("messages: 3"));
    assert!(queue(data, "hold", &["from=a0@client.example"]).contains(&ids[0]));
    assert_eq!(field(&server.line(" ordered "), "verb"), "hold", "what was only asked about is no order");
    assert!(queue(data, "drop", &[&ids[1]]).contains("messages: 1"));
    assert!(server.line(" ordered ").ends_with(&format!(" id={} verb=drop", ids[1])));
    let listed: serde_json::Value = serde_json::from_str(&queue(data, "list", &["--json"])).unwrap();
    let states: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["hold", "ready"]);
    drop(broken);
    queue(data, "flush", &["--wait"]);
    assert_eq!(server.mail("alice").len(), 1, "one is held, one is dropped");
    queue(data, "release", &["state=hold"]);
    assert_eq!(server.mail("alice").len(), 2);
    assert!(queue(data, "show", &[&ids[1]]).contains("dropped"), "what was dropped can be seen");
    for (args, why) in
        [(&["drop"][..], "of a drop without saying which"), (&["drop", ""], "of an unset variable")]
    {
        let output = run(&[&["queue"], args, &["--data", data.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(64), "nothing comes {why}");
    }
    let mut control = UnixStream::connect(data.join(".queue/control.sock")).unwrap();
    control.write_all(b"{\"Order\":{\"verb\":\"Drop\",\"filter\":[],\"dry\":false}}\n").unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("say `all`"), "nor of a program that forgets: {answer}");
}

#[test]
fn a_folder_whose_name_is_too_long_for_a_socket_is_refused_in_words() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("d".repeat(100));
    let any = "127.0.0.1:0";
    let listen = ["--listen", any, "--listen-submission", any, "--listen-submissions", any];
    let output = run(&[&["demo", "--data", data.to_str().unwrap()], &listen[..]].concat());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("have `data` be a shorter one") && output.status.code() == Some(73), "{error}");
}

#[test]
fn a_queue_from_a_backup_is_held_until_it_is_released() {
    let folder = TempDir::new().unwrap();
    let settings = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
        [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";
    let server = Server::serve(folder.path(), settings);
    let data = server.data.clone();
    let broken = Broken::new(data.join("alice/new"));
    let id = send(&server, "<a@client.example>", &["<alice@example.test>"], "x");
    server.settle();
    drop((server, broken));
    let server = Server::serve_with(folder.path(), settings, &["--hold-all"]);
    queue(&data, "flush", &["--wait"]);
    assert!(server.mail("alice").is_empty(), "though all was to be tried");
    assert!(queue(&data, "list", &[]).contains(&format!("{id} hold")));
    let new = send(&server, "<a@client.example>", &["<alice@example.test>"], "new");
    assert_eq!(server.mail("alice").len(), 1, "what comes from now on is delivered");
    assert!(!queue(&data, "list", &[]).contains(&new));
    queue(&data, "release", &["all"]);
    assert_eq!(server.mail("alice").len(), 2);
}

#[test]
fn a_queue_has_one_server() {
    let server = Server::demo();
    let output = run(&[
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--listen-submission",
        "127.0.0.1:0",
        "--listen-submissions",
        "127.0.0.1:0",
        "--data",
        server.data.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(69));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("another server has the queue"), "{error}");
    send(&server, "<a@client.example>", &["<alice@example.test>"], "Subject: x\r\n\r\nstill here");
    assert_eq!(content(&server.mail("alice")[0]), b"Subject: x\n\nstill here\n");
}

fn trace(data: &Path, args: &[&str]) -> std::process::Output {
    run(&[&["trace", "--data", data.to_str().unwrap()], args].concat())
}

#[test]
fn trace_tells_what_happened_to_a_message_by_id_sender_and_recipient() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    let mut server = Server::demo_in(data);
    let broken = Broken::new(data.join("alice/new"));
    let id = send(&server, "<a@client.example>", &["<alice@example.test>", "<bob@example.test>"], "x");
    let queued = server.line(" queued ");
    for key in ["scan", "commit"] {
        assert!(field(&queued, key).parse::<f64>().is_ok(), "where the time went: {queued}");
    }
    server.settle();
    let told = |what: &str| {
        let output = trace(data, &[what, "--json"]);
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let waiting = told(&id);
    let events = waiting[0]["events"].as_array().unwrap();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["taken", "try", "accepted", "waits"], "{waiting}");
    assert_eq!((&events[0]["client"], &events[0]["hello"]), (&"127.0.0.1".into(), &"client.example".into()));
    assert!(events[1]["outcome"].as_str().unwrap().contains("wait: 451 4.3.0 "), "{waiting}");
    assert!(events[1]["ms"].as_i64().unwrap() >= 0, "{waiting}");
    assert_eq!(events[2]["to"], "bob@example.test");
    let next: jiff::Timestamp = events[3]["next"].as_str().unwrap().parse().unwrap();
    assert!(next > jiff::Timestamp::now(), "{waiting}");

    drop(broken);
    queue(data, "flush", &["--wait"]);
    for what in [&id, "a@client.example", "bob@example.test", "Bob@EXAMPLE.test"] {
        let done = told(what);
        let events = done[0]["events"].as_array().unwrap();
        let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["taken", "try", "accepted", "try", "accepted"], "{what}: {done}");
    }
    // Nobody runs it now: the files are asked.
    server.signal("TERM");
    server.wait();
    let text = String::from_utf8(trace(data, &[&id]).stdout).unwrap();
    assert!(text.starts_with(&format!("{id} from <a@client.example>, 3 octets\n")), "{text}");
    assert!(
        text.contains(" taken     client=127.0.0.1 hello=client.example ")
            && text.contains(" try       n=2 "),
        "{text}"
    );
    let unknown = trace(data, &["nobody@example.test"]);
    assert_eq!(unknown.status.code(), Some(66), "{}", String::from_utf8_lossy(&unknown.stderr));
}

#[test]
fn what_waits_is_counted_by_destination_and_age_and_flushed_by_selection() {
    let server = Server::demo();
    let data = &server.data;
    let broken = ["alice/new", "bob/new"].map(|folder| Broken::new(data.join(folder)));
    let ids = ["alice", "bob", "alice"]
        .map(|to| send(&server, "<a@client.example>", &[&format!("<{to}@example.test>")], "x"));
    server.settle();
    queue(data, "hold", &[&ids[2]]);
    let shape: serde_json::Value = serde_json::from_str(&queue(data, "shape", &["--json"])).unwrap();
    assert_eq!(shape[0]["route"], "local");
    assert_eq!((&shape[0]["deliveries"], &shape[0]["ages"]["0s"]), (&3.into(), &3.into()), "{shape}");
    assert_eq!((&shape[0]["ages"]["3d"], &shape[1]), (&0.into(), &serde_json::Value::Null), "{shape}");
    let table = queue(data, "shape", &["state=hold"]);
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    assert_eq!(lines[0], ["destination", "all", "0s", "5m", "1h", "4h", "1d", "3d"]);
    assert_eq!(lines[1], ["local", "1", "1", "0", "0", "0", "0", "0"]);
    assert_eq!(lines[2], ["total", "1", "1", "0", "0", "0", "0", "0"]);

    drop(broken);
    let would = queue(data, "flush", &["--dry-run", "--wait", "to=bob@example.test"]);
    assert!(would.contains(&format!("{} would be tried now", ids[1])) && would.contains("messages: 1"));
    assert!(server.mail("bob").is_empty(), "it was only said");
    queue(data, "flush", &["--wait", "to=bob@example.test"]);
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (0, 1), "as selected");
    queue(data, "flush", &["--wait"]);
    assert_eq!(server.mail("alice").len(), 1, "all but what is held");
}

#[test]
fn each_verb_of_the_queue_explains_what_can_be_selected() {
    for verb in ["list", "shape", "show", "retry", "hold", "release", "drop", "flush"] {
        let output = run(&["queue", verb, "--help"]);
        let help = String::from_utf8(output.stdout).unwrap();
        let mut parts =
            vec!["from=<>", "to=ADDRESS", "domain=local", "older=AGE", "dot: its final dot", "--json"];
        if !matches!(verb, "list" | "shape" | "show") {
            parts.push("--dry-run");
        }
        for part in parts {
            assert!(help.contains(part), "{part} in the help of {verb}: {help}");
        }
    }
}

#[test]
fn what_was_done_is_forgotten_when_it_was_kept_for_long_enough() {
    let folder = TempDir::new().unwrap();
    let settings = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
        [queue]\nkeep_done_seconds = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";
    let server = Server::serve(folder.path(), settings);
    let id = send(&server, "<a@client.example>", &["<alice@example.test>"], "x");
    assert_eq!(server.mail("alice").len(), 1);
    let until = std::time::Instant::now() + crate::harness::PATIENCE;
    while run(&["queue", "show", "--data", server.data.to_str().unwrap(), &id]).status.success() {
        assert!(std::time::Instant::now() < until, "it is still known");
    }
    assert_eq!(server.mail("alice").len(), 1, "but it is where it was delivered to");
}
