//! The `user` commands, beside a server that runs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::harness::{Server, binary};
use crate::login::{log_in, serve};

/// Runs `user` with the settings in `folder`, writes `input` to it, and returns its exit code and what it said.
pub(crate) fn user(folder: &Path, args: &[&str], input: &str) -> (i32, String) {
    let mut command = binary();
    command.arg("user").args(args).args(["--config", "mail.toml"]).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails may not read what is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn offered(server: &Server) -> String {
    let mut client = crate::harness::Client::connect(server.address);
    client.send(b"PROXY TCP4 203.0.113.1 192.0.2.1 4711 587\r\n");
    client.reply();
    client.say("EHLO client.example")
}

#[test]
fn a_user_is_added_listed_and_given_a_password_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path(), "");
    assert_eq!(user(folder.path(), &["add", "carol"], "first\n"), (0, "added carol\n".to_owned()));
    server.line(" users-read ");
    assert!(log_in(&server, "198.51.100.1", "carol", "first").starts_with("235 2.7.0 "));
    assert!(log_in(&server, "198.51.100.1", "Carol@example.test", "first").starts_with("235 2.7.0 "));
    let (code, said) = user(folder.path(), &["add", "Carol"], "again\n");
    assert!(code == 64 && said.contains("`Carol` is there already"), "{said}");

    assert_eq!(user(folder.path(), &["passwd", "carol"], "second\n").0, 0);
    server.line(" users-read ");
    assert!(log_in(&server, "198.51.100.1", "carol", "first").starts_with("535 5.7.8 "));
    assert!(log_in(&server, "198.51.100.1", "carol", "second").starts_with("235 2.7.0 "));

    let (code, said) = user(folder.path(), &["passwd", "alice", "--generate"], "");
    let password = said.lines().last().unwrap().strip_prefix("password: ").unwrap();
    assert_eq!(code, 0);
    server.line(" users-read ");
    assert!(log_in(&server, "198.51.100.1", "alice", password).starts_with("235 2.7.0 "));

    let (_, said) = user(folder.path(), &["list"], "");
    let row = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("alice ").contains(" yes ") && row("carol ").contains(" yes "), "{said}");
    assert!(row("bob ").contains(" no password "), "{said}");
    let stored = fs::read_to_string(folder.path().join("mail/users.toml")).unwrap();
    assert!(stored.contains("$argon2id$") && !stored.contains("second") && !stored.contains(password));
}

#[test]
fn what_can_not_be_a_user_is_an_error_that_says_why() {
    let folder = TempDir::new().unwrap();
    let _server = serve(folder.path(), "");
    for (args, input, want, why) in [
        (&["add", "a b"][..], "x\n", "`a b` is no user name", "a space"),
        (&["add", "x@foreign.example"], "x\n", "the domain of `x@foreign.example` is not ours", "elsewhere"),
        (&["add", "../x"], "x\n", "does not do as a folder's name", "a path"),
        (&["add", "carol"], "", "no password was given", "nothing on standard input"),
        (&["add", "carol"], "a\u{7}\n", "that is no password", "a control character"),
        (&["passwd", "carol"], "x\n", "nobody is called `carol`", "nobody"),
        (&["import"], "", "required", "nothing to import"),
    ] {
        let (code, said) = user(folder.path(), args, input);
        assert!(code == 64 && said.contains(want), "{why}: {code} {said}");
    }
}

#[test]
fn imported_users_log_in_and_scram_is_offered_once_all_have_keys() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path(), "");
    let argon2 = "$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHRzYWx0$";
    let hash = hash_of("imported", argon2);
    fs::write(folder.path().join("passwd"), format!("dave:{{ARGON2ID}}{hash}\nerin:{{PLAIN}}clear\n"))
        .unwrap();
    fs::write(folder.path().join("aliases"), "sales: dave, erin\nodd: |/bin/sh\n").unwrap();
    let args = ["import", "--passwd-file", "passwd", "--aliases", "aliases"];
    let (code, said) = user(folder.path(), &args, "");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("user dave\nuser erin\nalias sales: dave, erin\nnote: odd: "), "{said}");
    server.line(" users-read ");
    assert!(!offered(&server).contains("SCRAM"), "dave has no keys");
    assert!(user(folder.path(), &["list"], "").1.contains("SCRAM is not offered: dave lack keys"));

    assert!(log_in(&server, "198.51.100.1", "erin", "clear").starts_with("235 2.7.0 "));
    assert!(log_in(&server, "198.51.100.1", "dave", "imported").starts_with("235 2.7.0 "));
    server.line(" users-read ");
    let offered = offered(&server);
    assert!(offered.contains("AUTH SCRAM-SHA-256 PLAIN LOGIN"), "his first log-in gave them: {offered}");
    let stored = fs::read_to_string(folder.path().join("mail/users.toml")).unwrap();
    assert!(!stored.contains("m=32,"), "and a hash of today's cost: {stored}");

    let mut client = crate::harness::Client::connect(server.address);
    client.send(b"PROXY TCP4 203.0.113.1 192.0.2.1 4711 587\r\n");
    client.reply();
    client.say_all(&["EHLO x.example", &format!("AUTH PLAIN {}", crate::login::base64("\0erin\0clear"))]);
    client.say_all(&["MAIL FROM:<erin@example.test>", "RCPT TO:<sales@example.test>", "DATA"]);
    client.say_all(&["From: erin@example.test\r\n\r\nx\r\n."]);
    assert_eq!((server.mail("dave").len(), server.mail("erin").len()), (1, 1));
}

/// A password's hash, by the parameters and salt that a PHC string begins with.
fn hash_of(password: &str, start: &str) -> String {
    use argon2::password_hash::PasswordHasher as _;
    let params = argon2::Params::new(32, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = hasher.hash_password_with_salt(password.as_bytes(), b"saltsaltsalt").unwrap().to_string();
    assert!(hash.starts_with(start), "{hash}");
    hash
}

#[test]
fn a_users_file_that_can_not_be_read_changes_nothing_and_says_so() {
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path(), "");
    user(folder.path(), &["add", "carol"], "first\n");
    server.line(" users-read ");
    fs::write(folder.path().join("mail/users.toml"), "[[user]]\nname = \"carol\"\npassword = \"hunter2\"\n")
        .unwrap();
    let line = server.line(" users-not-read ");
    assert!(line.contains("can't be read") && !line.contains("hunter2"), "{line}");
    assert!(log_in(&server, "198.51.100.1", "carol", "first").starts_with("235 2.7.0 "));
}

#[test]
fn aliases_that_lead_in_a_circle_are_named_at_the_start() {
    let folder = TempDir::new().unwrap();
    let settings = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\n\
                    [[alias]]\naddress = \"a\"\nto = [\"b\"]\n[[alias]]\naddress = \"b\"\nto = [\"a\"]\n";
    fs::write(folder.path().join("mail.toml"), settings).unwrap();
    let output =
        binary().args(["serve", "--config", "mail.toml"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("aliases lead in a circle: a -> b -> a"));
}
