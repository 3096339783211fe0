//! Whatever an address or a user's name says, files appear in the mailboxes of those who have one, and nowhere else.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::Server;
use crate::relay::tree;

/// A folder with the server's below, so that what leaves the inner one is seen. The settings hold a user whose name is not
/// ASCII, composed.
fn serve(parent: &Path) -> Server {
    let inner = parent.join("inner");
    fs::create_dir(&inner).unwrap();
    Server::serve(
        &inner,
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[user]]\nname = \"alice\"\n[[user]]\nname = \"ren\u{e9}\"\nmailbox = \"rene\"\n",
    )
}

/// All below `parent`, without what the queue keeps and what lies in mailboxes.
fn outside(parent: &Path) -> Vec<std::path::PathBuf> {
    let mail = parent.join("inner/mail");
    let boxes = ["alice", "rene"].map(|user| mail.join(user));
    let is_inside = |path: &Path| boxes.iter().any(|folder| path.starts_with(folder));
    let mut found = tree(parent);
    found.retain(|path| !is_inside(path) && !path.starts_with(mail.join(".queue")));
    found
}

/// Recipients, whether somebody has them, and why.
fn recipients() -> Vec<(String, bool, &'static str)> {
    let quoted = |local: &str| format!("<\"{local}\"@example.test>");
    let mut rows = vec![
        (
            "<alice+../x@example.test>".to_owned(),
            true,
            "a tag with a path: `.`, `/` are atoms but for the dots",
        ),
        (quoted("alice+../../x"), true, "a quoted one"),
        (quoted("alice+/etc/cron.d/x"), true, "an absolute one"),
        (quoted("alice+\\\\..\\\\x"), true, "the other way round"),
        (quoted("alice+.ssh"), true, "a hidden one"),
        ("<ren\u{e9}@example.test>".to_owned(), true, "composed, as in the settings"),
        ("<rene\u{301}@example.test>".to_owned(), false, "decomposed it is another name"),
        (format!("<{}@example.test>", "x".repeat(255)), false, "as long as a file's name may be"),
        (format!("<alice+{}@example.test>", "x".repeat(249)), true, "a tag as long"),
        (quoted("-oQ/tmp"), false, "an option"),
        (quoted("|/bin/sh"), false, "a pipe"),
        (quoted(":include:/etc/passwd"), false, "a file"),
        (quoted("$(touch x)"), false, "a shell's"),
        (quoted("alice/new/x"), false, "a path into a mailbox"),
        (quoted(".queue"), false, "the queue's folder"),
        (quoted("users.toml"), false, "the users' file"),
    ];
    for local in ["../x", "../../x", "../../../x", ".ssh/x", "/tmp/x", ".", "..", "alice/..", "../alice"] {
        rows.push((quoted(local), false, "a path"));
    }
    rows
}

#[test]
fn nothing_appears_outside_of_mailboxes_whatever_a_recipient_is_called() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    server.settle();
    let before = outside(folder.path());
    let mut delivered = 0;
    for (rcpt, is_somebody, why) in recipients() {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example> SMTPUTF8"]);
        let reply = client.say(&format!("RCPT TO:{rcpt}"));
        if !is_somebody {
            assert!(reply.starts_with("550 5.1.1 "), "{why}: {rcpt}: {reply}");
        } else if reply.starts_with("250 ") {
            client.say_all(&["DATA", "Subject: x\r\n\r\nx\r\n."]);
            delivered += 1;
        } else {
            assert!(reply.starts_with("501 5.1.3 "), "{why}: {rcpt}: {reply}");
        }
    }
    assert!(delivered >= 6, "{delivered}");
    let there = server.mail("alice").len() + server.mail("rene").len();
    assert_eq!(there, delivered);
    assert_eq!(outside(folder.path()), before);
    for path in tree(&folder.path().join("inner/mail/alice")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!name.contains("..") && name.len() < 256, "{name}");
    }
}

#[test]
fn a_users_name_that_is_a_path_is_refused_when_it_is_set() {
    for (name, why) in [
        ("../x", "a path"),
        (".ssh", "a hidden folder"),
        ("/x", "an absolute path"),
        ("a/b", "a path below"),
        ("..", "the folder above"),
        ("", "nothing"),
    ] {
        let folder = TempDir::new().unwrap();
        let before = tree(folder.path()).len();
        let settings = format!(
            "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"{name}\"\n"
        );
        fs::write(folder.path().join("mail.toml"), settings).unwrap();
        let mut serve = crate::harness::binary();
        let output =
            serve.args(["serve", "--config", "mail.toml"]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{why}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(tree(folder.path()).len(), before + 1, "{why}: nothing but the settings is there");
    }
}
