//! Mail from other people's programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Server, content};
use crate::octets::{MESSAGES, as_stored};

/// Finds a program, also where only root looks. A missing one fails the test unless the run goes without peers.
pub(crate) fn peer(name: &str) -> Option<Command> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin"]).map(Path::new);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let optional = std::env::var("SMTP_TEST_PEERS").is_ok_and(|peers| peers == "optional");
        assert!(
            optional,
            "{name} is not installed: run scripts/test, which gets it (or scripts/test --without-peers)"
        );
        eprintln!("skipped: {name} is not installed");
    }
    found.map(Command::new)
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// Writes each message to a file of its own.
fn message_files(folder: &TempDir, messages: &[Vec<u8>]) -> Vec<PathBuf> {
    let write = |(i, message): (usize, &Vec<u8>)| {
        let file = folder.path().join(format!("{i:02}"));
        fs::write(&file, message).unwrap();
        file
    };
    messages.iter().enumerate().map(write).collect()
}

/// The stored contents, in the order of arrival: file names begin with the queue id's time.
fn contents_in_order(server: &Server, user: &str) -> Vec<String> {
    let mut files = server.files(user, "new");
    files.sort_by_key(|file| {
        file.file_name().unwrap().to_string_lossy().split_once(".Q").unwrap().1.to_owned()
    });
    files.iter().map(|file| content(&fs::read(file).unwrap()).escape_ascii().to_string()).collect()
}

#[test]
fn what_python_sends_is_what_is_stored() {
    let Some(mut python) = peer("python3") else { return };
    let (server, folder) = (Server::demo(), TempDir::new().unwrap());
    let mut messages: Vec<_> = MESSAGES.iter().map(|(message, _)| message.to_vec()).collect();
    messages.push(b"Subject: no line end\r\n\r\nlast line".to_vec());
    messages.push(b"Subject: no line end, dots\r\n\r\n..".to_vec());
    let script = "\
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as smtp:
    for name in sys.argv[3:]:
        with open(name, 'rb') as file:
            smtp.sendmail('a@client.example', ['alice@example.test'], file.read())
";
    let address = server.address;
    python.arg("-c").arg(script).args([address.ip().to_string(), address.port().to_string()]);
    succeed(python.args(message_files(&folder, &messages)));
    let want: Vec<_> = messages
        .iter()
        .map(|message| {
            let mut stored = as_stored(message);
            // The client adds the line end that the last line lacks: it can't end a message otherwise. It does so
            // to an empty message too.
            if !stored.ends_with(b"\n") {
                stored.push(b'\n');
            }
            stored.escape_ascii().to_string()
        })
        .collect();
    assert_eq!(contents_in_order(&server, "alice"), want);
}

#[test]
fn python_is_told_who_was_refused() {
    let Some(mut python) = peer("python3") else { return };
    let server = Server::demo();
    let script = "\
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as smtp:
    people = ['bob@example.test', 'u@foreign.example', 'ghost@example.test']
    refused = smtp.sendmail('a@client.example', people, 'Subject: x\\r\\n\\r\\nx\\r\\n')
    print(sorted((who, code, text.split()[0]) for who, (code, text) in refused.items()))
";
    let address = server.address;
    let said =
        succeed(python.arg("-c").arg(script).args([address.ip().to_string(), address.port().to_string()]));
    assert_eq!(said.trim(), "[('ghost@example.test', 550, b'5.1.1'), ('u@foreign.example', 550, b'5.7.1')]");
    assert_eq!(server.mail("bob").len(), 1);
}

#[test]
fn what_swaks_sends_is_what_is_stored() {
    if peer("swaks").is_none() {
        return;
    }
    let (server, folder) = (Server::demo(), TempDir::new().unwrap());
    let messages = [
        &b"Subject: plain\r\n\r\nhello"[..],
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\nx.",
        b"Subject: dots at the end\r\n\r\nx\r\n..",
        b"Subject: 8-bit\r\n\r\n\xC3\xA4\xFF\x80",
        b"Subject: empty body\r\n\r\n",
    ]
    .map(<[u8]>::to_vec);
    for file in message_files(&folder, &messages) {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", &server.address.to_string(), "--from", "a@client.example"]);
        succeed(swaks.args(["--to", "alice@example.test", "--data"]).arg(format!("@{}", file.display())));
    }
    // swaks puts a line end behind whatever it is given.
    let as_sent = |message: &Vec<u8>| as_stored(&[message, &b"\r\n"[..]].concat()).escape_ascii().to_string();
    assert_eq!(contents_in_order(&server, "alice"), messages.iter().map(as_sent).collect::<Vec<_>>());
}

#[test]
fn swaks_is_refused_a_foreign_recipient() {
    let Some(mut swaks) = peer("swaks") else { return };
    let server = Server::demo();
    swaks.args(["--server", &server.address.to_string(), "--from", "alice@example.test"]);
    let output = swaks.args(["--to", "u@foreign.example"]).output().unwrap();
    // 24: no recipient was taken.
    assert_eq!(output.status.code(), Some(24));
    assert!(String::from_utf8_lossy(&output.stdout).contains("<** 550 5.7.1 "));
    server.assert_no_mail("the only recipient was refused");
}

#[test]
fn two_thousand_messages_in_twenty_sessions_all_arrive() {
    const MESSAGES: usize = 2000;
    let Some(mut source) = peer("smtp-source") else { return };
    let server = Server::demo();
    source.args(["-s", "20", "-m", &MESSAGES.to_string(), "-l", "4096"]);
    source.args(["-f", "a@client.example", "-t", "alice@example.test", &server.address.to_string()]);
    succeed(&mut source);
    let mail = server.mail("alice");
    assert_eq!(mail.len(), MESSAGES);
    assert_eq!(server.files("alice", "tmp").len(), 0);
    let mut ids = BTreeSet::new();
    for message in &mail {
        let text = std::str::from_utf8(content(message)).unwrap();
        let id = text.lines().find(|line| line.starts_with("Message-Id: ")).expect("a Message-Id");
        assert!(ids.insert(id), "{id} was delivered twice");
        assert!(
            text.len() > 4000 && text.ends_with('\n'),
            "a whole message has 4,096 octets: {}",
            text.len()
        );
    }
}

/// The commands that the README shows, in its console blocks.
fn readme_commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn the_readme_says_how_to_run_the_server_and_the_tests() {
    assert_eq!(readme_commands()[0], "cargo run --release -p smtp-server-example -- demo");
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    assert!(readme.contains("`scripts/test`"));
}

#[test]
fn what_the_readme_says_to_type_delivers() {
    let server = Server::demo();
    for (program, user) in [("swaks", "alice"), ("python3", "bob")] {
        if peer(program).is_none() {
            return;
        }
        let commands = readme_commands();
        let command = commands.iter().find(|command| command.starts_with(program)).expect(program);
        let port = server.address.port().to_string();
        assert!(command.contains("2525"), "{command}");
        let command = command.replace("2525", &port);
        succeed(Command::new("sh").arg("-c").arg(&command));
        let mail = server.mail(user);
        assert_eq!(mail.len(), 1, "{command}");
        assert!(content(&mail[0]).windows(14).any(|part| part == b"Subject: hello"), "{command}");
    }
}
