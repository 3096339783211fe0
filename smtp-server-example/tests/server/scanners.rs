//! What real scanners say, and what becomes of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::{Server, run, stuffed};
use crate::login::base64;
use crate::neighbours::{Neighbour, clamd, free_address, rspamd};

/// The test string of EICAR, in halves so that no scanner takes this file for it.
const EICAR: [&str; 2] = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];

/// rspamd's test string, in halves for the same reason.
const GTUBE: [&str; 2] = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"];

/// An EICAR file with `head` above it, in a folder.
fn message(folder: &Path, name: &str, content: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, content).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A message with an attachment that is infected, as it is or in a zip file.
fn infected(folder: &Path, zipped: bool) -> String {
    let script = "\
import sys, io, zipfile
from email.message import EmailMessage
message = EmailMessage()
message['From'], message['To'], message['Subject'] = 'a@client.example', 'alice@example.test', 'look'
message.set_content('see the attachment')
data = sys.argv[1].encode()
if sys.argv[2] == 'zip':
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('eicar.com', data)
    data = packed.getvalue()
message.add_attachment(data, maintype='application', subtype='octet-stream', filename='a.bin')
sys.stdout.buffer.write(bytes(message).replace(b'\\n', b'\\r\\n'))
";
    let kind = if zipped { "zip" } else { "plain" };
    let output = Command::new("python3").args(["-c", script, &EICAR.concat(), kind]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    message(folder, kind, &String::from_utf8(output.stdout).unwrap())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn scan(scanner: &str, neighbour: &Neighbour, message: &str) -> Output {
    run(&["scan", message, scanner, &neighbour.address.to_string(), "--timeout", "30"])
}

#[test]
fn clamd_finds_what_is_infected_also_when_it_is_zipped() {
    let folder = TempDir::new().unwrap();
    let Some(clamd) = clamd(&EICAR.concat()) else { return };
    let clean = message(folder.path(), "clean", "Subject: x\r\n\r\nhello\r\n");
    let large = message(folder.path(), "large", &"a line of a large message\r\n".repeat(100_000));
    for (message, code, text, why) in [
        (clean, 0, "X-Virus-Scan: clean\n", "clean"),
        (infected(folder.path(), false), 65, "550 The message is infected with Eicar", "an attachment"),
        (
            infected(folder.path(), true),
            65,
            "550 The message is infected with Eicar",
            "an attachment, zipped",
        ),
        (large, 75, "451 The message could not be scanned", "above StreamMaxLength"),
    ] {
        let output = scan("--clamav", &clamd, &message);
        let said = said(&output);
        assert!(said.contains(text), "{why}: {said}");
        assert_eq!(output.status.code(), Some(code), "{why}: {said}");
    }
}

#[test]
fn a_scanner_that_is_not_there_is_no_finding() {
    let folder = TempDir::new().unwrap();
    let file = message(folder.path(), "m", &EICAR.concat());
    let nobody = free_address().to_string();
    for scanner in ["--clamav", "--rspamd"] {
        let output = run(&["scan", &file, scanner, &nobody]);
        assert_eq!(output.status.code(), Some(75), "{}", said(&output));
        assert!(said(&output).contains("scanner="), "the log says which: {}", said(&output));
    }
    assert_eq!(run(&["scan", &file]).status.code(), Some(64), "with none named, nothing was looked at");
}

#[test]
fn rspamd_weighs_junk() {
    let folder = TempDir::new().unwrap();
    let Some(rspamd) = rspamd() else { return };
    let head = "From: a@client.example\r\nTo: alice@example.test\r\nSubject: x\r\n\
                Date: Wed, 25 Nov 2026 00:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n\r\n";
    let plain = message(folder.path(), "plain", &format!("{head}hello\r\n"));
    let junk = message(folder.path(), "junk", &format!("{head}{}\r\n", GTUBE.concat()));
    let output = scan("--rspamd", &rspamd, &plain);
    assert!(said(&output).contains("X-Spam-Status: no, score="), "{}", said(&output));
    let output = scan("--rspamd", &rspamd, &junk);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert!(said(&output).contains("550 "), "{}", said(&output));
}

/// A server for example.test with these lines in [scan].
pub(crate) fn server(folder: &Path, scan: &str) -> Server {
    let settings = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n[scan]\n{scan}\n\
         [auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n\
         [[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n"
    );
    Server::serve(folder, &settings)
}

/// The reply to the final dot.
fn send(server: &Server, content: &str) -> String {
    let mut client = server.connect();
    client.begin_content();
    client.send(&stuffed(content.as_bytes()));
    client.reply()
}

/// The reply to the final dot of a message that bob submits.
fn submit(server: &Server, content: &str) -> String {
    let mut client = server.connect_to("submission");
    client.say_all(&["EHLO client.example", &format!("AUTH PLAIN {}", base64("\0bob\0word"))]);
    client.say_all(&["MAIL FROM:<bob@example.test>", "RCPT TO:<alice@example.test>", "DATA"]);
    client.send(&stuffed(format!("From: bob@example.test\r\n{content}").as_bytes()));
    client.reply()
}

const PLAIN: &str = "Subject: x\r\n\r\nhello\r\n";

#[test]
fn an_infected_message_is_refused_after_the_dot_and_a_clean_one_says_it_was_scanned() {
    let folder = TempDir::new().unwrap();
    let Some(clamd) = clamd(&EICAR.concat()) else { return };
    let server = server(folder.path(), &format!("clamav = \"{}\"", clamd.address));
    let infected = fs::read_to_string(infected(folder.path(), true)).unwrap();
    let reply = send(&server, &infected);
    assert!(reply.starts_with("550 5.7.1 The message is infected with Eicar"), "{reply}");
    assert!(server.line(" infected ").contains("malware=Eicar"));
    server.assert_no_mail("it was refused");
    assert!(send(&server, PLAIN).starts_with("250 "));
    let mail = String::from_utf8(server.mail("alice").remove(0)).unwrap();
    assert!(mail.contains("\nX-Virus-Scan: clean\n") && mail.ends_with("\nhello\n"), "{mail}");
}

#[test]
fn a_scanner_that_dies_defers_or_passes_as_set_and_finds_nothing() {
    for (on_error, reply) in [("defer", "451 4.7.1 "), ("pass", "250 ")] {
        let folder = TempDir::new().unwrap();
        let Some(clamd) = clamd(&EICAR.concat()) else { return };
        let scan = format!("clamav = \"{}\"\non_error = \"{on_error}\"", clamd.address);
        let server = server(folder.path(), &scan);
        let mut client = server.connect();
        client.begin_content();
        client.send(&EICAR.concat().into_bytes());
        drop(clamd);
        client.send(b"\r\n.\r\n");
        let said = client.reply();
        assert!(said.starts_with(reply), "killed in the middle, {on_error}: {said}");
        let said = send(&server, PLAIN);
        assert!(said.starts_with(reply), "not there, {on_error}: {said}");
        assert!(server.line(" not-scanned ").contains("scanner=clamav"));
    }
}

#[test]
fn in_a_session_malware_is_refused_and_what_is_too_large_to_scan_goes_as_the_settings_say() {
    let Some(clamd) = clamd(&EICAR.concat()) else { return };
    let large = format!("Subject: large\r\n\r\n{}", "a line of a large message\r\n".repeat(100_000));
    for (on_error, want) in [("defer", "451 4.7.1 The message could not be scanned"), ("pass", "250 ")] {
        let folder = TempDir::new().unwrap();
        let scan = format!("clamav = \"{}\"\non_error = \"{on_error}\"", clamd.address);
        let server = server(folder.path(), &scan);
        let eicar = fs::read_to_string(infected(folder.path(), false)).unwrap();
        let reply = send(&server, &eicar);
        assert!(reply.starts_with("550 5.7.1 The message is infected with Eicar"), "{on_error}: {reply}");
        let reply = send(&server, &large);
        assert!(reply.starts_with(want), "{on_error}: {reply}");
        assert!(server.line(" not-scanned ").contains("scanner=clamav"), "the log says so either way");
        let mail = server.mail("alice").into_iter().map(|mail| String::from_utf8(mail).unwrap());
        let marked = mail.filter(|mail| mail.contains("\nX-Virus-Scan: unscanned\n")).count();
        assert_eq!(marked, usize::from(on_error == "pass"), "{on_error}");
    }
}

#[test]
fn garbage_from_a_scanner_is_never_taken_for_a_finding() {
    for (kind, garbage) in [
        ("clamav", &b"\xff\xfe stream: Eicar FOUND\0"[..]),
        ("clamav", b"FOUND\0"),
        ("rspamd", b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"action\":\"reject\"...}"),
        ("rspamd", b"reject"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(garbage).unwrap();
            // To its end: a reset could overtake the answer.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let folder = TempDir::new().unwrap();
        let server = server(folder.path(), &format!("{kind} = \"{address}\""));
        let reply = send(&server, PLAIN);
        let garbage = garbage.escape_ascii();
        assert!(reply.starts_with("451 4.7.1 The message could not be scanned"), "{kind} {garbage}: {reply}");
        answering.join().unwrap();
    }
}

/// A message that rspamd's own rules have nothing against.
fn about(subject: &str, text: &str) -> String {
    format!(
        "To: alice@example.test\r\nSubject: {subject}\r\nDate: Wed, 25 Nov 2026 00:00:00 +0000\r\n\
         Message-ID: <{}@client.example>\r\n\r\n{text}\r\n",
        subject.replace(' ', "-")
    )
}

#[test]
fn in_a_session_rspamd_marks_puts_off_and_refuses_but_puts_no_user_off() {
    let Some(rspamd) = rspamd() else { return };
    let folder = TempDir::new().unwrap();
    let server = server(folder.path(), &format!("rspamd = \"{}\"", rspamd.address));
    crate::users::user(folder.path(), &["passwd", "bob"], "word\n");
    server.line(" users-read ");
    let from = |message: &str| format!("From: a@client.example\r\n{message}");
    for (message, want, why) in [
        (about("plain", "hello"), "250 ", "nothing is wrong with it"),
        (about("add header", "hello"), "250 ", "taken, and marked"),
        (about("soft reject", "hello"), "451 4.7.1 as the subject says", "later"),
        (about("junk", &GTUBE.concat()), "550 5.7.1 ", "GTUBE"),
    ] {
        let reply = send(&server, &from(&message));
        assert!(reply.starts_with(want), "{why}: {reply}");
    }
    let marks = |server: &Server| {
        let mail = server.mail("alice").into_iter().map(|mail| String::from_utf8(mail).unwrap());
        let mut marks: Vec<_> = mail
            .map(|mail| {
                let of = |name: &str| mail.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none");
                let status = of("X-Spam-Status: ").split(',').next().unwrap();
                format!("{}: {status}", of("Subject: "))
            })
            .collect();
        marks.sort();
        marks
    };
    assert_eq!(marks(&server), ["add header: yes", "plain: no"]);
    let reply = submit(&server, &about("soft reject", "hello"));
    assert!(reply.starts_with("250 "), "a user has nobody to try again: {reply}");
    let reply = submit(&server, &about("junk", &GTUBE.concat()));
    assert!(reply.starts_with("550 5.7.1 "), "but lets no junk out: {reply}");
    drop(rspamd);
    let reply = send(&server, &from(&about("down", "hello")));
    assert!(reply.starts_with("451 4.7.1 "), "down, for others: {reply}");
    let reply = submit(&server, &about("down", "hello"));
    assert!(reply.starts_with("250 "), "down, for users: {reply}");
    let want = ["add header: yes", "down: unscanned", "plain: no", "soft reject: none"];
    assert_eq!(marks(&server), want);
}
