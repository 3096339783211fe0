//! What real scanners say, and what becomes of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::{Server, run, stuffed};
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
fn server(folder: &Path, scan: &str) -> Server {
    let settings = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n[scan]\n{scan}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n"
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
