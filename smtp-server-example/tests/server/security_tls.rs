//! What is said in clear is forgotten under TLS; old TLS is not spoken; log-ins show nowhere.

use tempfile::TempDir;

use crate::harness::{Client, Server};
use crate::login::{base64, log_in};
use crate::peers::{peer, succeed};
use crate::submission::{alice, with_alice};

/// Runs a script with the port of `kind` and the demo's certificate, and functions to talk line by line.
pub(crate) fn python(server: &Server, kind: &str, script: &str) -> Option<String> {
    let mut python = peer("python3")?;
    let before = "\
import socket, ssl, sys
trust = ssl.create_default_context(cafile=sys.argv[2])
def connect():
    stream = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30)
    return stream, reply(stream)
def reply(stream):
    text = b''
    while True:
        line = b''
        while not line.endswith(b'\\n'):
            octet = stream.recv(1)
            if not octet:
                return 'closed'
            line += octet
        if line[3:4] == b' ':
            return line.decode().strip()
def say(stream, octets):
    stream.sendall(octets)
    return reply(stream)
def encrypt(stream):
    return trust.wrap_socket(stream, server_hostname='127.0.0.1')
";
    let port = server.address_of(kind).rsplit(':').next().unwrap().to_owned();
    python.arg("-c").arg(format!("{before}{script}")).arg(port);
    Some(succeed(python.arg(server.data.join("demo-certificate.pem"))))
}

#[test]
fn what_stands_behind_starttls_in_clear_is_never_run() {
    let server = Server::demo();
    let Some(said) = python(
        &server,
        "mx",
        "
for injected in [b'MAIL FROM:<evil@x.example>\\r\\nRCPT TO:<alice@example.test>\\r\\n', b'EHLO x.example\\r\\nMAI', b'QUIT\\r\\n']:
    stream, _ = connect()
    say(stream, b'EHLO clear.example\\r\\n')
    print(say(stream, b'STARTTLS\\r\\n' + injected)[:3])
    stream = encrypt(stream)
    print(say(stream, b'L FROM:<a@x.example>\\r\\n')[:9])
    print(say(stream, b'MAIL FROM:<a@x.example>\\r\\n')[:9])
    print(say(stream, b'EHLO tls.example\\r\\n')[:3])
    print(say(stream, b'RCPT TO:<alice@example.test>\\r\\n')[:9])
",
    ) else {
        return;
    };
    // No verb `L`, no MAIL before EHLO is said again, and no transaction.
    assert_eq!(said, "220\n500 5.5.1\n503 5.5.1\n250\n503 5.5.1\n".repeat(3));
    server.assert_no_mail("nothing was sent");
    server.assert_alive();
}

#[test]
fn nothing_of_before_starttls_is_left_and_it_comes_once_alone_and_outside_of_transactions() {
    let server = Server::demo();
    let Some(said) = python(
        &server,
        "mx",
        "
stream, _ = connect()
say(stream, b'EHLO clear.example\\r\\n')
print(say(stream, b'STARTTLS now\\r\\n')[:9])
say(stream, b'MAIL FROM:<a@x.example>\\r\\n')
print(say(stream, b'STARTTLS\\r\\n')[:9])
say(stream, b'RSET\\r\\n')
print(say(stream, b'STARTTLS\\r\\n')[:3])
stream = encrypt(stream)
print(say(stream, b'MAIL FROM:<a@x.example>\\r\\n')[:9])
say(stream, b'EHLO tls.example\\r\\n')
print(say(stream, b'STARTTLS\\r\\n')[:9])
",
    ) else {
        return;
    };
    assert_eq!(said, "501 5.5.4\n503 5.5.1\n220\n503 5.5.1\n503 5.5.1\n");
}

/// Whether openssl can say QUIT under TLS of that version.
fn speaks(server: &Server, version: &str) -> Option<bool> {
    peer("openssl")?;
    let script = "printf 'QUIT\\n' | openssl s_client -starttls smtp -ign_eof -crlf -connect \"$0\" \"$1\" \
                  -cipher 'ALL:@SECLEVEL=0' 2>&1";
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", script, server.address_of("mx"), version]).output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).contains("\n221 2.0.0 "))
}

#[test]
fn old_versions_of_tls_are_not_spoken() {
    let server = Server::demo();
    for (version, want) in [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let Some(spoken) = speaks(&server, version) else { return };
        assert_eq!(spoken, want, "{version}");
    }
    server.assert_alive();
}

#[test]
fn auth_comes_once_after_ehlo_and_outside_of_transactions() {
    let folder = TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let login = format!("AUTH PLAIN {}", base64("\0alice\0word"));
    let mut client = Client::connect(server.address);
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 587\r\n");
    client.reply();
    assert!(client.say(&login).starts_with("503 5.5.1 "), "before EHLO");
    let mut client = alice(&server);
    assert!(client.say(&login).starts_with("503 5.5.1 "), "twice");
    client.say_all(&["MAIL FROM:<alice@example.test>"]);
    assert!(client.say(&login).starts_with("503 5.5.1 "), "in a transaction");
    client.say_all(&["RCPT TO:<bob@example.test>"]);
}

#[test]
fn nobody_may_speak_for_others() {
    let server = Server::demo();
    let mut client = server.connect();
    let offered = client.say("EHLO x.example");
    assert!(!offered.contains("XCLIENT") && !offered.contains("XFORWARD"), "{offered}");
    for command in
        ["XCLIENT ADDR=192.0.2.1 LOGIN=alice", "XCLIENT NAME=mx.example.test", "XFORWARD ADDR=192.0.2.1"]
    {
        let reply = client.say(command);
        assert!(reply.starts_with("550 5.7.0 "), "{command}: {reply}");
    }
    client.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
    assert!(server.line(" queued ").contains(" peer=127.0.0.1:"));
}

#[test]
fn no_line_of_the_log_and_no_reply_shows_a_password() {
    let folder = TempDir::new().unwrap();
    let server = with_alice(folder.path(), "");
    let secret = "tanstaaftanstaaf";
    let plain = base64(&format!("\0alice\0{secret}"));
    let mut said = log_in(&server, "198.51.100.1", "alice", secret);
    let mut client = Client::connect(server.address);
    client.send(b"PROXY TCP4 198.51.100.2 192.0.2.1 4711 587\r\n");
    client.reply();
    client.say_all(&["EHLO client.example"]);
    for line in [
        format!("AUTH PLAIN {plain}"),
        format!("AUTH  PLAIN {plain}"),
        format!("AUTH PLAIN {plain}="),
        format!("AUTH PLAIN {plain} x"),
        format!("AUTH NOSUCH {plain}"),
        format!("AUTHPLAIN {plain}"),
        plain.clone(),
        "QUIT".to_owned(),
    ] {
        said.push_str(&client.say(&line));
    }
    // A log-in from elsewhere is the last line of all that is looked at.
    said.push_str(&log_in(&server, "198.51.100.3", "alice", "wrong"));
    let seen = server.lines_to("198.51.100.3");
    assert!(seen.iter().any(|line| line.contains("198.51.100.1")), "the log-ins are in it: {seen:#?}");
    for text in seen.iter().chain([&said]) {
        assert!(!text.contains(secret) && !text.contains(&plain[4..]), "{text}");
        assert!(!text.contains(&base64(secret)), "{text}");
    }
}
