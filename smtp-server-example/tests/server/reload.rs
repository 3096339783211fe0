//! Settings that are changed while the server runs.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Server, field, run};

const HEAD: &str = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n";
const TAIL: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";

fn change(folder: &Path, server: &Server, settings: &str) {
    fs::write(folder.join("mail.toml"), settings).unwrap();
    server.signal("HUP");
}

#[test]
fn users_aliases_domains_and_limits_change_without_a_restart() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &format!("{HEAD}{TAIL}"));
    let mut before = server.connect();
    assert!(!before.say("EHLO x.example").contains("SIZE 100000"));
    let new = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\", \"example.org\"]\ndata = \"mail\"\n\
         [limits]\nmessage_octets = 100000\n{TAIL}[[user]]\nname = \"carol\"\n\
         [[alias]]\naddress = \"info\"\nto = [\"carol\"]\n"
    );
    change(folder.path(), &server, &new);
    let read = server.line(" settings-read ");
    assert_eq!(field(&read, "changed"), "alias,domains,limits.message_octets,user", "{read}");

    // Whom a session knows is who is known when it asks; its own limits are those that it began with.
    before.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<carol@example.org>", "DATA", "x\r\n."]);
    let mut after = server.connect();
    assert!(after.say("EHLO x.example").contains("SIZE 100000"));
    after.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<info@example.test>", "DATA", "x\r\n."]);
    assert_eq!(server.mail("carol").len(), 2);
    assert!(server.data.join("carol/cur").is_dir(), "the mailbox is there before mail is");
}

#[test]
fn limits_on_connections_and_checks_of_clients_change_too() {
    let folder = TempDir::new().unwrap();
    let settings = |more: &str| format!("{HEAD}{more}{TAIL}");
    let server =
        Server::serve(folder.path(), &settings("[limits]\nconnections = 1\n[checks]\nexempt = []\n"));
    let first = server.connect();
    let refused = crate::harness::Client::connect(server.address).reply();
    assert!(refused.starts_with("421 "), "one at a time: {refused}");
    change(folder.path(), &server, &settings("[checks]\nexempt = []\nconnections_per_minute = 3\n"));
    let read = server.line(" settings-read ");
    assert_eq!(field(&read, "changed"), "checks.connections_per_minute,limits.connections", "{read}");
    let _more = [server.connect(), server.connect(), server.connect()];
    let refused = crate::harness::Client::connect(server.address).reply();
    assert!(refused.starts_with("421 Too many connections in a minute"), "{refused}");
    drop(first);
}

#[test]
fn a_bad_file_is_refused_in_the_same_words_as_at_the_start_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &format!("{HEAD}{TAIL}"));
    for (bad, why) in [
        (format!("{HEAD}hostnam = 1\n{TAIL}[[user]]\nname = \"carol\"\n"), "an unknown key"),
        (format!("{HEAD}domain = 1\n{TAIL}[[user]]\nname = \"carol\"\n"), "a value of another kind"),
        (
            format!("{HEAD}{TAIL}[[user]]\nname = \"carol\"\nmailbox = \"../out\"\n"),
            "a value that does not do",
        ),
        (
            format!(
                "{HEAD}{TAIL}[[user]]\nname = \"carol\"\n[[alias]]\naddress = \"a\"\nto = [\"nobody\"]\n"
            ),
            "nobody",
        ),
        (format!("{HEAD}{TAIL}[[user]]\nname = \"carol\"\n["), "half a file"),
    ] {
        change(folder.path(), &server, &bad);
        let line = server.line(" settings-not-read ");
        let file = folder.path().join("mail.toml");
        let at_start = run(&["serve", "--config", file.to_str().unwrap()]);
        let said = String::from_utf8(at_start.stderr).unwrap();
        // The log escapes line ends and quotes; the file's name is as it was given, here absolute in both.
        let said = said.trim_end().escape_default().to_string().replace("\\'", "'");
        assert!(line.contains(&said), "{why}:\n{line}\n{said}");
        let mut client = server.connect();
        client.say_all(&["EHLO x.example", "MAIL FROM:<>", "RCPT TO:<alice@example.test>"]);
        assert!(client.say("RCPT TO:<carol@example.test>").starts_with("550 5.1.1 "), "{why}");
    }
}

#[test]
fn what_needs_a_restart_is_named_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &format!("{HEAD}{TAIL}"));
    let new = "hostname = \"other.example.test\"\ndomains = [\"example.test\"]\ndata = \"elsewhere\"\n\
               [limits]\ndrain_seconds = 3\n[[listener]]\naddress = \"127.0.0.1:1\"\n\
               [[user]]\nname = \"alice\"\n[[user]]\nname = \"carol\"\n";
    change(folder.path(), &server, new);
    assert_eq!(field(&server.line(" settings-read "), "changed"), "user");
    let warning = server.line("needs a restart");
    assert_eq!(field(&warning, "keys"), "data,hostname,limits.drain_seconds,listener", "{warning}");
    let mut client = server.connect();
    assert!(client.say("EHLO x.example").starts_with("250-mx.example.test"));
    client.say_all(&["MAIL FROM:<>", "RCPT TO:<carol@example.test>", "DATA", "x\r\n."]);
    assert_eq!(server.mail("carol").len(), 1, "where mail was before");
    assert!(!folder.path().join("elsewhere").exists());
}
