//! The command line and the settings file, seen from outside.

use std::fs;

use tempfile::TempDir;

use crate::harness::{Server, run};

#[test]
fn an_unknown_key_is_refused_by_name_and_line_before_anything_starts() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mail.toml");
    fs::write(&file, "hostname = \"mx.example.test\"\ndomans = [\"example.test\"]\n").unwrap();
    let file = file.to_str().unwrap();
    for command in [&["serve", "--config", file][..], &["config", "show", "--config", file]] {
        let output = run(command);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.starts_with(&format!("error: {file}:2: unknown key `domans`\n")), "{error}");
        assert!(error.contains("help: did you mean `domains`?"), "{error}");
    }
}

#[test]
fn the_example_serves_once_its_port_is_free() {
    let folder = TempDir::new().unwrap();
    let example = String::from_utf8(run(&["config", "example"]).stdout).unwrap();
    let settings = example.replace("127.0.0.1:2525", "127.0.0.1:0").replace("mail-data", "mail");
    assert_ne!(settings, example);
    let server = Server::serve(folder.path(), &settings);
    let mut client = server.connect();
    client.begin_content();
    client.say_all(&["x\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn mailboxes_and_listeners_are_where_the_settings_put_them() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let settings = format!(
        "hostname = \"mx.example.org\"\ndomains = [\"example.test\", \"example.org\"]\ndata = \"mail\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[user]]\nname = \"alice\"\nmailbox = \"people/a\"\n\
         [[user]]\nname = \"carol\"\nmailbox = \"{}\"\n",
        elsewhere.path().join("c").display()
    );
    let server = Server::serve(folder.path(), &settings);
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<>", "RCPT TO:<alice@example.org>"]);
    client.say_all(&["RCPT TO:<carol@example.test>", "RCPT TO:<postmaster@example.org>", "DATA", "x\r\n."]);
    server.settle();
    let count = |folder: &std::path::Path| fs::read_dir(folder.join("new")).unwrap().count();
    assert_eq!(count(&server.data.join("people/a")), 1);
    assert_eq!(count(&elsewhere.path().join("c")), 1);
    assert_eq!(count(&server.data.join("postmaster")), 1, "postmaster is there without being listed");
}

#[test]
fn exit_codes_say_what_kind_of_error_it_was() {
    for (args, code, want, why) in [
        (&["--help"][..], 0, "", "help is no error"),
        (&["--version"], 0, "", "nor is the version"),
        (&["demo", "--nonsense"], 64, "--nonsense", "an unknown option"),
        (&["demo", "--listen", "localhost"], 64, "want an IP address and a port", "no port"),
        (&["serve"], 64, "--config <FILE>", "serve without its file"),
        (&["serve", "--config", "/nowhere/mail.toml"], 66, "config example", "a file that is not there"),
    ] {
        let output = run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{why}: {error}");
        assert!(error.contains(want), "{why}: {error}");
    }
}

#[test]
fn help_teaches_with_examples() {
    for args in [
        &["--help"][..],
        &["demo", "--help"],
        &["serve", "--help"],
        &["config", "--help"],
        &["user", "--help"],
    ] {
        let text = String::from_utf8(run(args).stdout).unwrap();
        assert!(text.contains("Examples:\n  smtp-server-example "), "{args:?}: {text}");
    }
}

#[test]
fn every_default_is_shown() {
    let output = run(&["config", "show"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("[octets]\nmessage_octets = 52428800\n"), "{text}");
}

#[test]
fn a_name_that_no_file_system_takes_is_a_fault_of_the_settings() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mail.toml");
    for (user, why) in [
        (format!("name = \"{}\"", "x".repeat(256)), "the name is the folder's"),
        (format!("name = \"alice\"\nmailbox = \"mail/{}\"", "x".repeat(256)), "the folder is named"),
    ] {
        let settings = format!(
            "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\n{user}\n"
        );
        fs::write(&file, settings).unwrap();
        let output = run(&["serve", "--config", file.to_str().unwrap()]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{why}: {error}");
        assert!(error.contains("more than 255 octets"), "{why}: {error}");
    }
}
