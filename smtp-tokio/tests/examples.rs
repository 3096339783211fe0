//! The examples do what they say, for clients that send mail.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "client/mod.rs"]
mod client;
#[path = "program/mod.rs"]
mod program;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;

use client::Client;
use program::{LIMIT, Program};
#[cfg(feature = "testing")]
use smtp_tokio::{Reply, testing::Catcher};

/// A connection of an example to what it needs.
fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn connect(program: &Program) -> Client<TcpStream> {
    Client::connect(program.address().parse().unwrap())
}

/// A server of somebody else's on a free port; each connection is served as `serve` says.
fn peer<T: Send + 'static>(
    connections: usize,
    serve: impl Fn(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || (0..connections).map(|_| serve(accept(&listener))).collect()))
}

#[test]
fn catcher_prints_who_sent_to_whom() {
    let catcher = Program::start("catcher", &["127.0.0.1:0"]);
    connect(&catcher).expect(&[
        ("HELO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<b@b.example>", "250"),
        ("DATA", "354"),
        ("Subject: hi\r\n\r\n.", "250"),
    ]);
    assert_eq!(catcher.line(), "<a@a.example> -> [<b@b.example>], 15 octets");
}

#[test]
fn sink_takes_mail() {
    let sink = Program::start("sink", &["127.0.0.1:0", "2"]);
    connect(&sink).expect(&[
        ("HELO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<b@b.example>", "250"),
        ("DATA", "354"),
        ("Subject: hi\r\n\r\n.", "250"),
        ("QUIT", "221"),
    ]);
}

/// Runs an example to its end: its exit code, and what it printed.
#[cfg(feature = "testing")]
fn run(name: &str, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(program::path(name));
    let piped = std::process::Stdio::piped;
    let mut child = command.args(arguments).stdin(piped()).stdout(piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn send_prints_what_became_of_each_recipient() {
    const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
    let mx = Catcher::start().await;
    mx.on_rcpt("ghost@*", &[NO_USER]);
    let address = mx.addr().to_string();
    let arguments = [&address, "me@a.example", "you@b.example", "ghost@b.example"];
    let (code, printed) = run("send", &arguments, "Subject: hi\n\n.dot\n");
    assert_eq!(mx.next().await.content(), b"Subject: hi\r\n\r\n.dot\r\n", "{}", mx.transcript());
    assert!(printed.contains("you@b.example: accepted: 250 2.0.0 "), "{printed}");
    assert!(printed.contains("ghost@b.example: refused: 550 5.1.1 No such user"), "{printed}");
    assert_eq!(code, Some(69), "{printed}");
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn proxy_passes_on_what_client_and_server_say() {
    const FULL: Reply<'static> = Reply::new(452, (4, 2, 2), "Mailbox full");
    let mx = Catcher::start().await;
    mx.on_rcpt("full@*", &[FULL]);
    mx.on_verdict(&[Reply::new(250, (2, 0, 0), "Queued as 42")]);
    let proxy = Program::start("proxy", &["127.0.0.1:0", &mx.addr().to_string()]);
    connect(&proxy).expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<full@b.example>", "452 4.2.2 Mailbox full\r\n"),
        ("RCPT TO:<b@b.example>", "250"),
        ("DATA", "354"),
        ("..dot\r\n.", "250 2.0.0 Queued as 42\r\n"),
        ("MAIL FROM:<>", "250"),
        ("RSET", "250"),
        ("QUIT", "221"),
    ]);
    let mail = mx.next().await;
    assert_eq!(mail.content(), b".dot\r\n", "{}", mx.transcript());
    assert_eq!(proxy.line().split(' ').next(), Some("<a@a.example>"));
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn probe_tells_what_a_server_offers_and_where_a_message_ends() {
    let mx = Catcher::start().await;
    let (code, printed) = run("probe", &[&mx.addr().to_string(), "postmaster@b.example"], "");
    for line in
        ["offers PIPELINING\n", "RCPT TO:<postmaster@b.example>: 250", "a bare LF ends a message: no\n"]
    {
        assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
    }
    assert_eq!(code, Some(0), "{printed}");
}

/// The body of a request that came in chunks, which end wherever the content was cut.
fn body(request: &str) -> String {
    let (_, mut chunks) = request.split_once("\r\n\r\n").unwrap();
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        body.push_str(chunk);
        chunks = rest.strip_prefix("\r\n").unwrap();
    }
    body
}

/// Answers one request and gives it back.
fn application(mut stream: TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n0\r\n\r\n") {
        let mut octets = [0; 1_024];
        let n = stream.read(&mut octets).unwrap();
        assert!(n > 0, "cut off: {}", request.escape_ascii());
        request.extend_from_slice(&octets[..n]);
    }
    let request = String::from_utf8(request).unwrap();
    let answer = if request.contains("please fail") { "500 No\r\n\r\n" } else { "201 Ok\r\n\r\nid 42\n" };
    stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
    request
}

#[test]
fn webhook_posts_mail_to_an_application() {
    let (address, served) = peer(2, application);
    let webhook = Program::start("webhook", &["127.0.0.1:0", &address.to_string()]);
    let mut client = connect(&webhook);
    client.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<b@elsewhere.example>", "550 5.1.1"),
        ("RCPT TO:<b@IN.example>", "250"),
        ("RCPT TO:<c@in.example>", "250"),
        ("DATA", "354"),
        ("Subject: hi\r\n\r\n..dot\r\n.", "250 2.0.0 id 42\r\n"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<d@in.example>", "250"),
        ("DATA", "354"),
        ("please fail\r\n.", "451 4.3.0"),
    ]);
    let requests = served.join().unwrap();
    assert!(requests[0].starts_with("POST /mail HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("\r\nX-Recipients: b@IN.example, c@in.example\r\n"), "{}", requests[0]);
    assert_eq!(body(&requests[0]), "Subject: hi\r\n\r\n.dot\r\n");
    assert!(requests[1].contains("\r\nX-Recipients: d@in.example\r\n"), "{}", requests[1]);
    client.expect(&[
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<d@in.example>", "250"),
        ("DATA", "451 4.3.0"), // nobody listens there any more
        ("QUIT", "221"),
    ]);
}

/// Names of files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn lmtp_store_answers_each_recipient_for_its_own_copy() {
    let root = tempfile::tempdir().unwrap();
    let (tim, eve, socket) = (root.path().join("tim"), root.path().join("eve"), root.path().join("socket"));
    std::fs::create_dir(&tim).unwrap();
    std::fs::create_dir(&eve).unwrap();
    let store = Program::start("lmtp_store", &[socket.to_str().unwrap(), root.path().to_str().unwrap()]);
    let stream = std::os::unix::net::UnixStream::connect(store.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut client = Client::over(stream);
    client.expect(&[
        ("EHLO a.example", "500"),
        ("LHLO a.example", "250"),
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<tim@mx.example>", "250"),
        ("RCPT TO:<bob@mx.example>", "550 5.1.1"),
        ("RCPT TO:<\"../tim\"@mx.example>", "550 5.1.1"),
        ("RCPT TO:<eve@mx.example>", "250"),
        ("DATA", "354"),
    ]);
    // The second mailbox is gone before its copy can be named.
    std::fs::rename(&eve, root.path().join("gone")).unwrap();
    client.expect(&[("Subject: hi\r\n\r\n.", "250 2.0.0")]);
    assert!(client.reply().starts_with("452 4.2.2 Mailbox full"));
    client.expect(&[("QUIT", "221")]);
    let kept = names(&tim);
    assert!(kept.len() == 1 && kept[0].ends_with(".eml"), "{kept:?}");
    assert_eq!(std::fs::read(tim.join(&kept[0])).unwrap(), b"Subject: hi\r\n\r\n");
}

#[test]
fn honeypot_believes_everything_and_prints_it() {
    let honeypot = Program::start("honeypot", &["127.0.0.1:0", "0.01"]);
    let mut client = connect(&honeypot);
    client.expect(&[
        ("EHLO a.example", "250"),
        ("AUTH LOGIN", "334"),
        ("cm9vdA==", "334"),
        ("MTIzNDU2", "235"),
        ("GET / HTTP/1.1", "5"),
    ]);
    let mut seen = vec![honeypot.line()];
    while !seen.last().is_some_and(|line| line.ends_with(" odd GET / HTTP/1.1\\r\\n")) {
        seen.push(honeypot.line());
    }
    for what in [
        " S: 220 mail.example ESMTP Sendmail 8.12.11/8.12.11",
        " C: EHLO a.example",
        " C: MTIzNDU2",
        " user root, password 123456",
    ] {
        let met = seen.iter().any(|line| line.starts_with("127.0.0.1:") && line.ends_with(what));
        assert!(met, "{what}: {seen:#?}");
    }
}

/// Speaks clamd's INSTREAM and gives the octets back.
fn clamd(mut stream: TcpStream) -> Vec<u8> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).unwrap();
    assert_eq!(&command, b"zINSTREAM\0");
    let mut content = Vec::new();
    loop {
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        if size == [0; 4] {
            break;
        }
        let begin = content.len();
        content.resize(begin + u32::from_be_bytes(size) as usize, 0);
        stream.read_exact(&mut content[begin..]).unwrap();
    }
    let text = String::from_utf8_lossy(&content);
    let found = [("evil", "Test.Evil FOUND"), ("limit", "Size limit exceeded ERROR")];
    let found = found.iter().find(|(word, _)| text.contains(word)).map_or("OK", |(_, found)| found);
    stream.write_all(format!("stream: {found}\0").as_bytes()).unwrap();
    content
}

#[test]
fn content_filter_keeps_what_clamd_finds_clean() {
    let queue = tempfile::tempdir().unwrap();
    let (address, served) = peer(3, clamd);
    let arguments = ["127.0.0.1:0", &address.to_string(), queue.path().to_str().unwrap()];
    let filter = Program::start("content_filter", &arguments);
    let mut client = connect(&filter);
    client.expect(&[("EHLO a.example", "250")]);
    let envelope = [("MAIL FROM:<a@a.example>", "250"), ("RCPT TO:<b@mx.example>", "250")];
    for (content, reply) in [
        ("Subject: hi\r\n\r\n..dot\r\n.", "250 2.0.0"),
        ("something evil\r\n.", "550 5.7.1 stream: Test.Evil\r\n"),
        ("over the limit\r\n.", "451"),
    ] {
        client.expect(&envelope);
        client.expect(&[("DATA", "354"), (content, reply)]);
    }
    assert_eq!(served.join().unwrap()[0], b"Subject: hi\r\n\r\n.dot\r\n");
    // Nobody listens there any more; or another test does by now, which is no scanner.
    client.expect(&envelope);
    let mut reply = client.ask("DATA");
    if reply.starts_with("354") {
        reply = client.ask("unscanned\r\n.");
    }
    assert!(reply.starts_with("451"), "{reply}");
    client.expect(&[("QUIT", "221")]);
    let kept = names(queue.path());
    assert_eq!(kept.len(), 1, "only what is clean: {kept:?}");
    let mail = std::fs::read_to_string(queue.path().join(&kept[0])).unwrap();
    assert!(
        mail.starts_with("Received: from a.example ([127.0.0.1])\r\n\tby mx.example with ESMTP id -; "),
        "{mail}"
    );
    assert!(mail.ends_with("\r\nSubject: hi\r\n\r\n.dot\r\n"), "{mail}");
}
