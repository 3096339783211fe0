//! `send`: what it does with messages and servers, what it prints, and how it ends.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::harness::{Server, binary, content};

const MAIL: &str = "Subject: hello\n\n.dots\n..more\nend\n";

/// Runs `send` in a folder, to a server, from a client's address.
fn send(folder: &Path, server: &str, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.current_dir(folder).env("SMTP_PASSWORD", "word").env_remove("RUST_BACKTRACE");
    command.args(["send", "--server", server, "--ehlo", "client.example", "--from", "me@client.example"]);
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it printed on both, with its code, where a test fails.
fn all(output: &Output) -> String {
    format!("{:?}\n{}{}", output.status.code(), out(output), String::from_utf8_lossy(&output.stderr))
}

fn demo() -> (Server, TempDir, String) {
    let (server, folder) = (Server::demo(), TempDir::new().unwrap());
    fs::write(folder.path().join("hello.eml"), MAIL).unwrap();
    let address = server.address.to_string();
    (server, folder, address)
}

#[test]
fn a_file_arrives_as_it_is_and_the_last_line_counts() {
    let (server, folder, address) = demo();
    let sent = send(folder.path(), &address, &["--to", "alice@example.test", "hello.eml"]);
    assert_eq!(sent.status.code(), Some(0), "{}", all(&sent));
    assert_eq!(out(&sent).lines().count(), 1, "only the summary: {}", all(&sent));
    server.settle();
    assert_eq!(content(&server.mail("alice")[0]), MAIL.as_bytes());
}

#[test]
fn each_refused_recipient_has_a_line_and_the_others_their_mail() {
    let (server, folder, address) = demo();
    let to = ["--to", "nobody@example.test", "--to", "alice@example.test", "hello.eml"];
    let sent = send(folder.path(), &address, &to);
    assert_eq!(sent.status.code(), Some(69), "{}", all(&sent));
    let told = out(&sent);
    assert!(told.starts_with("refused nobody@example.test, hello.eml: 550 5.1.1 "), "{}", all(&sent));
    assert!(!told.contains("alice"), "{}", all(&sent));
    server.settle();
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn json_has_an_object_for_each_recipient_and_one_for_all() {
    let (_server, folder, address) = demo();
    let to = ["--json", "--to", "nobody@example.test", "--to", "alice@example.test", "hello.eml"];
    let sent = send(folder.path(), &address, &to);
    let told: Vec<serde_json::Value> =
        out(&sent).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 3, "{}", all(&sent));
    assert_eq!((&told[0]["outcome"], &told[0]["to"]), (&"refused".into(), &"nobody@example.test".into()));
    assert_eq!((&told[1]["outcome"], &told[1]["message"]), (&"accepted".into(), &"hello.eml".into()));
}

#[test]
fn line_ends_that_are_mixed_are_refused_by_line_before_anything_is_sent_or_made_good() {
    let (server, folder, address) = demo();
    fs::write(folder.path().join("mixed.eml"), "Subject: x\r\n\r\na\nb\r\n").unwrap();
    let sent = send(folder.path(), &address, &["--to", "alice@example.test", "hello.eml", "mixed.eml"]);
    assert_eq!(sent.status.code(), Some(65), "{}", all(&sent));
    let told = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert!(
        told.contains("mixed.eml") && told.contains("line 3") && told.contains("--fix-newlines"),
        "{told}"
    );
    server.assert_no_mail("one of the messages can't be sent");
    let sent = send(folder.path(), &address, &["--fix-newlines", "--to", "alice@example.test", "mixed.eml"]);
    assert_eq!(sent.status.code(), Some(0), "{}", all(&sent));
    server.settle();
    assert_eq!(content(&server.mail("alice")[0]), b"Subject: x\n\na\nb\n");
}

#[test]
fn standard_input_is_a_message_too() {
    let (server, folder, address) = demo();
    let mut command = binary();
    command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(["send", "--server", &address, "--from", "<>", "--to", "bob@example.test", "-"]);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(MAIL.as_bytes()).unwrap();
    let sent = child.wait_with_output().unwrap();
    assert_eq!(sent.status.code(), Some(0), "{}", all(&sent));
    server.settle();
    assert_eq!(content(&server.mail("bob")[0]), MAIL.as_bytes());
}

#[test]
fn a_folder_is_its_files_and_each_goes_out_as_often_as_is_said() {
    let (server, folder, address) = demo();
    fs::create_dir(folder.path().join("letters")).unwrap();
    for name in ["a", "b", ".hidden"] {
        fs::write(folder.path().join("letters").join(name), format!("Subject: {name}\n\n")).unwrap();
    }
    let how = ["--count", "10", "--connections", "3", "--to", "alice@example.test", "letters"];
    let sent = send(folder.path(), &address, &how);
    assert_eq!(sent.status.code(), Some(0), "{}", all(&sent));
    assert!(!all(&sent).contains('\r'), "no progress where nobody looks: {}", all(&sent));
    server.settle();
    let mail = server.mail("alice");
    let of = |what: &[u8]| mail.iter().filter(|mail| content(mail) == what).count();
    assert_eq!((mail.len(), of(b"Subject: a\n\n"), of(b"Subject: b\n\n")), (20, 10, 10));
}

#[test]
fn who_logs_in_does_so_under_verified_tls_and_the_transcript_has_no_password() {
    let (server, folder, _) = demo();
    let certificate = server.data.join("demo-certificate.pem");
    let trust = ["--ca", certificate.to_str().unwrap(), "--user", "alice", "--to", "bob@example.test"];
    for (kind, tls) in [("submission", "required"), ("submissions", "implicit")] {
        let how = ["--tls", tls, "--transcript", "wire.txt", "--from", "alice@example.test", "hello.eml"];
        let mut command = binary();
        command.current_dir(folder.path()).env("SMTP_PASSWORD", "word");
        command.args(["send", "--server", server.address_of(kind)]).args(trust).args(how);
        let sent = command.output().unwrap();
        assert_eq!(sent.status.code(), Some(0), "{tls}: {}", all(&sent));
        let wire = fs::read_to_string(folder.path().join("wire.txt")).unwrap();
        assert!(wire.contains("AUTH ") && wire.contains("DATA") && wire.contains("250 "), "{wire}");
        assert!(!wire.contains("word") && !wire.contains("AGFsaWNlAHdvcmQ"), "{wire}");
        let wrong = command.env("SMTP_PASSWORD", "wrong").output().unwrap();
        assert_eq!(wrong.status.code(), Some(77), "{tls}: {}", all(&wrong));
        // The demo's certificate is nobody's that this machine trusts.
        let mut strange = binary();
        strange.current_dir(folder.path()).env("SMTP_PASSWORD", "word");
        strange.args(["send", "--server", server.address_of(kind), "--tls", tls, "--user", "alice"]);
        strange.args(["--from", "alice@example.test", "--to", "bob@example.test", "hello.eml"]);
        let strange = strange.output().unwrap();
        assert_ne!(strange.status.code(), Some(0), "{tls}: {}", all(&strange));
    }
}

#[test]
fn each_failure_has_its_code() {
    let (server, folder, address) = demo();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    #[rustfmt::skip]
    let rows: [(&str, &[&str], i32, &str); 5] = [
        (&nobody, &["--to", "alice@example.test", "hello.eml"], 69, "nobody listens"),
        (&address, &["--to", "alice@example.test", "missing.eml"], 66, "there is no such file"),
        (&address, &["--to", "alice", "hello.eml"], 64, "no address"),
        (&address, &["--to", "alice@example.test"], 64, "no message"),
        (&address, &["--to", "carol@elsewhere.example", "hello.eml"], 69, "refused for good"),
    ];
    for (place, arguments, code, why) in rows {
        let sent = send(folder.path(), place, arguments);
        assert_eq!(sent.status.code(), Some(code), "{why}: {}", all(&sent));
    }
    server.assert_no_mail("nothing was sent");
}

#[test]
fn a_store_behind_a_unix_socket_is_sent_to_by_lmtp() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let settings = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
         [[listener]]\nkind = \"lmtp\"\naddress = \"unix:{}\"\n[[user]]\nname = \"alice\"\n",
        socket.display()
    );
    let server = Server::serve(folder.path(), &settings);
    fs::write(folder.path().join("hello.eml"), MAIL).unwrap();
    let to = ["--lmtp", "--to", "alice@example.test", "--to", "nobody@example.test", "hello.eml"];
    let sent = send(folder.path(), &format!("unix:{}", socket.display()), &to);
    assert_eq!(sent.status.code(), Some(69), "{}", all(&sent));
    assert!(out(&sent).starts_with("refused nobody@example.test"), "{}", all(&sent));
    server.settle();
    assert_eq!(content(&server.mail("alice")[0]), MAIL.as_bytes());
}
