//! From a user's client to another one's, by way of Dovecot: what is submitted is what is read.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::dovecot::{Dovecot, PASSWORD, User, as_sent};
use crate::harness::{Server, certificate, field};
use crate::peers::{peer, succeed};

const fn user(address: &'static str) -> User {
    User { address, quota: None }
}

/// Reads a mailbox with Python's library for a protocol, `imap` or `pop3`; its messages, oldest first.
pub(crate) fn read(protocol: &str, at: SocketAddr, user: &str) -> Vec<Vec<u8>> {
    let script = "\
import imaplib, poplib, sys
protocol, host, port, user, password = sys.argv[1:]
if protocol == 'imap':
    box = imaplib.IMAP4(host, int(port))
    box.login(user, password)
    box.select(readonly=True)
    numbers = box.search(None, 'ALL')[1][0].split()
    messages = [box.fetch(number, '(BODY.PEEK[])')[1][0][1] for number in numbers]
    box.logout()
else:
    box = poplib.POP3(host, int(port))
    box.user(user)
    box.pass_(password)
    count = box.stat()[0]
    messages = [b''.join(line + b'\\r\\n' for line in box.retr(number + 1)[1]) for number in range(count)]
    box.quit()
for message in messages:
    print(message.hex())
";
    let mut python = peer("python3").expect("looked for before");
    let address = [at.ip().to_string(), at.port().to_string()];
    python.args(["-c", script, protocol]).args(address).args([user, PASSWORD]);
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    succeed(&mut python).lines().map(|line| line.as_bytes().chunks(2).map(octet).collect()).collect()
}

/// A message's header and body.
pub(crate) fn parts(message: &[u8]) -> (String, &[u8]) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").expect("a header") + 4;
    (String::from_utf8_lossy(&message[..end]).into_owned(), &message[end..])
}

/// Submits a file as alice, under STARTTLS.
pub(crate) fn submit(server: &Server, from: &str, to: &str, file: &Path) {
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", server.address_of("submission"), "--tls", "--auth", "PLAIN"]);
    swaks.args(["--auth-user", from, "--auth-password", "word", "--from", from, "--to", to]);
    let said = succeed(swaks.arg("--data").arg(format!("@{}", file.display())));
    assert!(said.contains("250 2.0.0 Ok: queued as "), "{said}");
}

/// A body that suffers where somebody is careless: dots, every octet above 31, lines as long as may be.
pub(crate) fn body() -> Vec<u8> {
    let mut body = b".\r\n..\r\n.x\r\n\r\nFrom here\r\n trailing \r\n".to_vec();
    body.extend((32..=255).filter(|octet| *octet != 127));
    body.extend_from_slice(b"\r\n");
    for _ in 0..4 {
        body.extend(std::iter::repeat_n(b'.', 998));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"the end\r\n");
    body
}

/// Whether everything is here that a test of submission to reading needs.
pub(crate) fn has_programs() -> bool {
    ["swaks", "python3"].into_iter().all(|program| peer(program).is_some())
}

#[test]
fn what_swaks_submits_is_what_python_reads_from_dovecot_by_imap_and_by_pop3() {
    let users = [user("alice@store.test"), User { address: "full@store.test", quota: Some(2048) }];
    let Some(dovecot) = has_programs().then(|| Dovecot::start_for_readers(&users)).flatten() else { return };
    let folder = TempDir::new().unwrap();
    let settings = format!(
        "hostname = \"mx.example.test\"\ndata = \"mail\"\n[auth]\nargon2_memory_kib = 64\nargon2_passes = 1\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n\
         [[domain]]\nname = \"store.test\"\ndelivery = \"lmtp:unix:{}\"\n\
         [[user]]\nname = \"alice\"\n[[user]]\nname = \"full\"\n[[alias]]\naddress = \"all\"\nto = [\"alice\", \"full\"]\n\
         {}",
        dovecot.socket().display(),
        certificate(folder.path())
    );
    let server = Server::serve(folder.path(), &settings);
    crate::users::user(folder.path(), &["passwd", "alice"], "word\n");
    server.line(" users-read ");
    let file = folder.path().join("message");
    let (header, body) = ("From: alice@store.test\r\nSubject: to all\r\n\r\n", body());
    // swaks puts a line end behind whatever it is given.
    fs::write(&file, [header.as_bytes(), &body[..body.len() - 2]].concat()).unwrap();
    submit(&server, "alice@store.test", "all@store.test", &file);
    let lines = [server.line(" via=\"lmtp store.test\" "), server.line(" via=\"lmtp store.test\" ")];
    let full = lines.iter().find(|line| line.contains(" refused ")).expect("one is full");
    assert!(field(full, "reply").starts_with("552 5.2.2 <full@store.test> Quota exceeded"), "{full}");
    server.settle();
    for (protocol, address) in [("imap", dovecot.imap()), ("pop3", dovecot.pop3())] {
        let messages = read(protocol, address, "alice@store.test");
        // The second is the report about the other mailbox.
        assert_eq!(messages.len(), 2, "{protocol}: {}", dovecot.log());
        let at = messages.iter().position(|message| !message.starts_with(b"Return-Path: <>")).unwrap();
        let (top, read) = parts(as_sent(&messages[at]));
        assert!(top.contains("\r\nSubject: to all\r\n"), "{protocol}: {top}");
        assert_eq!(read.escape_ascii().to_string(), body.escape_ascii().to_string(), "{protocol}");
        let (_, report) = parts(&messages[1 - at]);
        let report = String::from_utf8_lossy(report);
        assert!(report.contains("Status: 5.2.2\r\n") && report.contains("Quota exceeded"), "{report}");
    }
}
