//! A queue that is saved and taken back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Server, binary, content};
use crate::peers::{peer, succeed};
use crate::queue::{Broken, queue, send};

const SETTINGS: &str = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
    [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";

/// Runs `backup` or `restore` by the settings in a folder; what it says, and its exit code.
fn copy(verb: &str, folder: &Path, copy: &Path) -> (String, Option<i32>) {
    let config = folder.join("mail.toml");
    let mut command = binary();
    command.args([verb, "--config"]).arg(config).arg(copy).current_dir(folder);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (said, output.status.code())
}

/// The same where it has to succeed.
fn copied(verb: &str, folder: &Path, to: &Path) -> String {
    let (said, code) = copy(verb, folder, to);
    assert_eq!(code, Some(0), "{verb}: {said}");
    said
}

fn large() -> String {
    format!("Subject: large\r\n\r\n{}", format!("{}\r\n", "x".repeat(70)).repeat(2_000))
}

/// A server whose alice has two messages that wait, and a copy of its queue that was made meanwhile.
fn saved() -> (TempDir, Server, PathBuf, [String; 2]) {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    crate::users::user(folder.path(), &["add", "carol", "--generate"], "");
    let broken = Broken::new(server.data.join("alice/new"));
    let ids = [large().as_str(), "Subject: small\r\n\r\nx"]
        .map(|text| send(&server, "<a@client.example>", &["<alice@example.test>"], text));
    server.settle();
    let copy = folder.path().join("copy");
    let said = copied("backup", folder.path(), &copy);
    assert!(said.contains("messages that wait: 2\nlarge ones, in files: 1\n"), "{said}");
    drop(broken);
    (folder, server, copy, ids)
}

#[test]
fn a_queue_saved_from_a_running_server_comes_back_held_and_whole() {
    let (_folder, server, copy, ids) = saved();
    drop(server);
    for (file, mode) in [("", 0o700), ("queue/queue.db", 0o600), ("users.toml", 0o600)] {
        let found = fs::metadata(copy.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{file} is its owner's");
    }
    let other = TempDir::new().unwrap();
    fs::copy(copy.join("settings.toml"), other.path().join("mail.toml")).unwrap();
    let said = copied("restore", other.path(), &copy);
    assert!(said.contains("messages that wait: 2\n") && said.contains("is held"), "{said}");
    let server = Server::again(other.path());
    let list = queue(&server.data, "list", &["state=hold"]);
    for id in &ids {
        assert!(list.contains(&format!("{id} hold")), "{list}");
    }
    assert!(list.contains("from a backup: it may have been delivered since"), "{list}");
    queue(&server.data, "flush", &["--wait"]);
    assert!(server.mail("alice").is_empty(), "it waits for the operator");
    let shown = queue(&server.data, "show", &[&ids[0]]);
    assert!(shown.contains("may be there already"), "{shown}");
    queue(&server.data, "release", &["all"]);
    let mut mail = server.mail("alice");
    mail.sort_by_key(Vec::len);
    assert_eq!(content(&mail[0]), b"Subject: small\n\nx\n");
    assert_eq!(content(&mail[1]), (large() + "\n").replace('\r', "").as_bytes());
    let list = fs::read_to_string(server.data.join("users.toml")).unwrap();
    assert!(list.contains("carol"), "who can log in comes back too");
}

#[test]
fn what_was_delivered_after_it_was_saved_gets_into_no_mailbox_twice() {
    let (folder, server, copy, _) = saved();
    queue(&server.data, "flush", &["--wait"]);
    assert_eq!(server.mail("alice").len(), 2);
    // One of them was read.
    let read = server.files("alice", "new").remove(0);
    let name = read.file_name().unwrap().to_str().unwrap().to_owned();
    fs::rename(&read, server.data.join("alice/cur").join(name + ":2,S")).unwrap();
    drop(server);
    fs::rename(folder.path().join("mail/.queue"), folder.path().join("lost")).unwrap();
    let said = copied("restore", folder.path(), &copy);
    assert!(said.contains("users.toml was there, and stays as it is"), "{said}");
    let server = Server::again(folder.path());
    queue(&server.data, "release", &["all"]);
    assert_eq!((server.files("alice", "new").len(), server.files("alice", "cur").len()), (1, 1));
    assert!(queue(&server.data, "list", &[]).contains("deliveries: 0"));
}

#[test]
fn nothing_is_overwritten_and_what_can_not_be_done_is_said() {
    let (folder, server, copy_there, _) = saved();
    let path = folder.path();
    let row = |(said, code): (String, Option<i32>), want: &str, wanted: i32| {
        assert!(said.contains(want), "no `{want}`: {said}");
        assert_eq!(code, Some(wanted), "{said}");
    };
    row(copy("backup", path, &copy_there), "choose a folder that does not exist", 73);
    row(copy("backup", path, &path.join("no/such")), "in one that does", 73);
    row(copy("restore", path, &copy_there), "a server works at it", 73);
    row(copy("restore", path, &path.join("nothing")), "there is no queue in ", 66);
    drop(server);
    row(copy("restore", path, &copy_there), "there is one already: move it away", 73);
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("mail.toml"), SETTINGS).unwrap();
    row(copy("backup", other.path(), &other.path().join("copy")), "there is no queue in ", 66);
    let left: Vec<_> = fs::read_dir(other.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["mail.toml"], "nothing half done stays");
}

#[test]
fn a_large_message_that_is_lost_is_told_and_keeps_the_others_from_nothing() {
    let (folder, server, _, _) = saved();
    drop(server);
    let spool = folder.path().join("mail/.queue/spool");
    let shards = fs::read_dir(spool).unwrap().map(|shard| shard.unwrap().path());
    let mut files = shards.flat_map(|shard| fs::read_dir(shard).unwrap().map(|file| file.unwrap().path()));
    let file = files.next().unwrap();
    fs::write(&file, "other octets").unwrap();
    let said = copied("backup", folder.path(), &folder.path().join("damaged"));
    assert!(said.contains("messages that wait: 2\nbodies that are lost: 1,"), "{said}");
    fs::remove_file(&file).unwrap();
    let said = copied("backup", folder.path(), &folder.path().join("missing"));
    assert!(said.contains("messages that wait: 2\nbodies that are lost: 1,"), "{said}");
}

#[test]
fn whenever_it_is_saved_while_mail_comes_and_goes_the_copy_is_whole() {
    let Some(mut source) = peer("smtp-source") else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), SETTINGS);
    let address = server.address.to_string();
    // Larger than a row takes.
    source.args(["-s", "4", "-m", "300", "-l", "100000", "-f", "a@client.example"]);
    source.args(["-t", "alice@example.test", &address]);
    let sending = std::thread::spawn(move || succeed(&mut source));
    let mut copies = 0;
    while !sending.is_finished() {
        let copy = folder.path().join(format!("copy-{copies}"));
        let said = copied("backup", folder.path(), &copy);
        assert!(!said.contains("lost"), "{said}");
        let waiting = said.split("messages that wait: ").nth(1).unwrap().lines().next().unwrap();
        copies += 1;
        let other = TempDir::new().unwrap();
        fs::write(other.path().join("mail.toml"), SETTINGS).unwrap();
        let said = copied("restore", other.path(), &copy);
        assert!(
            said.contains(&format!("messages that wait: {waiting}\n")) && !said.contains("lost"),
            "{said}"
        );
        fs::remove_dir_all(copy).unwrap();
    }
    sending.join().unwrap();
    assert!(copies > 0, "nothing was looked at");
    assert_eq!(server.mail("alice").len(), 300);
}
