//! The core's transcripts, through this adapter.

use std::time::Duration;

use async_std::future::timeout;
use async_std::io::{ReadExt, WriteExt};
use async_std::net::{Shutdown, TcpStream};
use async_std::task::{self, block_on};
use futures_io::{AsyncRead, AsyncWrite};
use smtp_asyncstd::{Connection, Handle, Server, ServerConfig};
use smtp_proto::testing::{Policy, Script, TRANSCRIPTS, Turn};

/// Far longer than anything here takes: a hang becomes a failure.
const LIMIT: Duration = Duration::from_secs(20);

/// Answers by the transcript and tells what it saw.
async fn serve(mut connection: Connection, mut policy: Policy) -> Vec<String> {
    while let Some(step) = connection.next().await.expect("no I/O error") {
        policy.answer(step);
    }
    policy.take_events()
}

/// Plays the client and checks each answer.
async fn play(name: &str, mut stream: &TcpStream, turns: &[Turn]) {
    for turn in turns {
        // A server that has hung up may refuse what is left.
        let _ = stream.write_all(&turn.send).await;
        if turn.eof {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut said = Vec::new();
        while !turn.is_answered(&said) {
            let mut octets = [0; 1_024];
            let n = stream.read(&mut octets).await.unwrap_or(0);
            assert!(n > 0, "{name}: closed after \"{}\", {turn:?}", said.escape_ascii());
            said.extend_from_slice(&octets[..n]);
        }
        turn.check(&said).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// All events that the transcript names, in their order.
fn check_events(name: &str, script: &Script, seen: &[String]) {
    let mut left = seen.iter();
    for want in script.turns().iter().flat_map(|turn| &turn.events) {
        assert!(left.any(|event| event == want), "{name}: no `{want}` in {seen:#?}");
    }
}

fn scripts() -> impl Iterator<Item = (&'static str, Script)> {
    let all = TRANSCRIPTS.iter().map(|(name, text)| (*name, Script::parse(text).unwrap()));
    all.filter(|(_, script)| !script.needs_time() && !script.shakes_hands())
}

#[test]
fn transcripts_run_over_tcp() {
    block_on(async {
        for (name, script) in scripts() {
            let mut server = Server::bind("127.0.0.1:0", script.config().unwrap()).await.unwrap();
            let address = server.local_addr().unwrap();
            let policy = script.policy();
            let served = task::spawn(async move {
                let connection = server.accept().await.unwrap().unwrap();
                serve(connection, policy).await
            });
            let client = TcpStream::connect(address).await.unwrap();
            timeout(LIMIT, play(name, &client, script.turns())).await.expect(name);
            drop(client);
            let events = timeout(LIMIT, served).await.expect(name);
            check_events(name, &script, &events);
        }
    });
}

async fn line(mut stream: &TcpStream) -> String {
    line_of(&mut stream).await
}

async fn line_of(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    let mut octet = [0];
    while !said.ends_with(b"\n") && stream.read(&mut octet).await.unwrap_or(0) > 0 {
        said.push(octet[0]);
    }
    String::from_utf8(said).unwrap()
}

/// Sends `text` and returns the answer's line.
async fn ask(mut stream: &TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    line(stream).await
}

/// A server that accepts everything, on a free port.
async fn start(per_address: usize) -> (std::net::SocketAddr, Handle, task::JoinHandle<usize>) {
    let config = ServerConfig::new("mx.example").unwrap();
    let builder = Server::builder(config).max_per_address(per_address).drain(LIMIT);
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let task = task::spawn(async move {
        let served = server.serve(|mut connection| async move {
            while let Ok(Some(step)) = connection.next().await {
                step.accept();
            }
        });
        served.await.unwrap()
    });
    (address, handle, task)
}

#[test]
fn connections_over_the_limit_are_told_to_come_back() {
    block_on(async {
        let (address, _handle, _task) = start(2).await;
        let first = TcpStream::connect(address).await.unwrap();
        let second = TcpStream::connect(address).await.unwrap();
        assert!(line(&first).await.starts_with("220 "));
        assert!(line(&second).await.starts_with("220 "));
        let third = TcpStream::connect(address).await.unwrap();
        assert!(line(&third).await.starts_with("421 "));
        drop(first);
        loop {
            let next = TcpStream::connect(address).await.unwrap();
            if line(&next).await.starts_with("220 ") {
                break;
            }
            task::yield_now().await;
        }
    });
}

#[test]
fn new_settings_are_for_connections_from_then_on() {
    block_on(async {
        let (address, handle, _task) = start(10).await;
        let before = TcpStream::connect(address).await.unwrap();
        assert!(line(&before).await.starts_with("220 mx.example "));
        handle.reload_sessions(ServerConfig::new("new.example").unwrap());
        let after = TcpStream::connect(address).await.unwrap();
        assert!(line(&after).await.starts_with("220 new.example "));
        assert!(ask(&before, "QUIT\r\n").await.starts_with("221 "), "who was there goes on");
    });
}

#[test]
fn so_are_those_over_the_limit_of_all_and_none_is_accepted_after_the_word_to_stop() {
    block_on(async {
        let config = ServerConfig::new("mx.example").unwrap();
        let builder = Server::builder(config).max_connections(1).max_per_address(10);
        let mut server = builder.bind("127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let _first = TcpStream::connect(address).await.unwrap();
        let held = server.accept().await.unwrap().unwrap();
        assert_eq!(handle.connections(), 1);
        let second = TcpStream::connect(address).await.unwrap();
        let stopping = handle.clone();
        let client = task::spawn(async move {
            let said = line(&second).await;
            stopping.shut_down();
            said
        });
        let accepted = timeout(LIMIT, server.accept()).await.unwrap().unwrap();
        assert!(accepted.is_none(), "a wait ends with the word");
        let said = client.await;
        assert!(said.starts_with("421 "), "{said}");
        drop(held);
        assert_eq!(handle.connections(), 0);
        assert!(timeout(LIMIT, server.accept()).await.unwrap().unwrap().is_none(), "and later ones, too");
    });
}

#[test]
fn a_shutdown_ends_idle_sessions_and_lets_transactions_finish() {
    block_on(async {
        let (address, handle, task) = start(10).await;
        let idle = TcpStream::connect(address).await.unwrap();
        let busy = TcpStream::connect(address).await.unwrap();
        line(&idle).await;
        line(&busy).await;
        ask(&busy, "HELO a.example\r\n").await;
        assert!(ask(&busy, "MAIL FROM:<>\r\n").await.starts_with("250 2.1.0"));
        handle.shut_down();
        assert!(line(&idle).await.starts_with("421 4.3.2"));
        assert!(ask(&busy, "RCPT TO:<b@c.example>\r\n").await.starts_with("250 2.1.5"));
        assert!(ask(&busy, "DATA\r\n").await.starts_with("354"));
        assert!(ask(&busy, "hi\r\n.\r\n").await.starts_with("250 2.0.0"));
        assert!(line(&busy).await.starts_with("421 4.3.2"));
        assert_eq!(timeout(LIMIT, task).await.unwrap(), 0, "none was cut off");
        assert_eq!(handle.connections(), 0);
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    });
}

#[test]
fn a_whole_message_comes_the_short_way() {
    block_on(async {
        let config = ServerConfig::new("mx.example").unwrap();
        let mut server = Server::bind("127.0.0.1:0", config).await.unwrap();
        let address = server.local_addr().unwrap();
        let client = task::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            line(&stream).await;
            ask(&stream, "HELO a.example\r\n").await;
            ask(&stream, "MAIL FROM:<a@b.example>\r\n").await;
            ask(&stream, "RCPT TO:<c@d.example>\r\n").await;
            ask(&stream, "DATA\r\n").await;
            ask(&stream, "..x\r\n.\r\n").await
        });
        let mail = server.next_message().await.unwrap().unwrap();
        assert_eq!(mail.from().to_string(), "<a@b.example>");
        assert_eq!(mail.recipients().len(), 1);
        assert_eq!(mail.content(), b".x\r\n");
        mail.accept();
        server.handle().shut_down();
        assert!(server.next_message().await.unwrap().is_none());
        assert!(client.await.starts_with("250 2.0.0"));
    });
}

#[test]
fn a_balancer_tells_who_the_client_is_and_gets_no_session_without_its_header() {
    block_on(async {
        let rows = [
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n".as_slice(), Some("192.0.2.7:4711"), "Quit"),
            (b"EHLO a.example\r\n", None, "NoProxyHeader"),
        ];
        for (header, client, end) in rows {
            let config = ServerConfig::new("mx.example").unwrap();
            let builder = Server::builder(config).proxied_from([127, 0, 0, 0].into(), 8);
            let mut server = builder.bind("127.0.0.1:0").await.unwrap();
            let address = server.local_addr().unwrap();
            let served = task::spawn(async move {
                let mut connection = server.accept().await.unwrap().unwrap();
                let (mut client, mut end) = (None, String::new());
                while let Some(step) = connection.next().await.unwrap() {
                    if let smtp_asyncstd::Step::Connect(connect) = &step {
                        client = connect.facts().peer().remote().map(|remote| remote.to_string());
                    }
                    if let smtp_asyncstd::Step::Close(reason) = &step {
                        end = format!("{reason:?}");
                    }
                    step.accept();
                }
                (client, end)
            });
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(header).await.unwrap();
            let _ = stream.write_all(b"QUIT\r\n").await;
            let seen = timeout(LIMIT, served).await.unwrap();
            assert_eq!((seen.0.as_deref(), seen.1.as_str()), (client, end));
        }
    });
}

#[cfg(unix)]
#[test]
fn lmtp_runs_on_a_unix_socket_and_an_abandoned_one_is_replaced() {
    use async_std::os::unix::net::UnixStream;

    let folder = std::env::temp_dir().join(format!("smtp-asyncstd-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("lmtp.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let builder = || Server::builder(ServerConfig::lmtp("mx.example").unwrap());
    block_on(async {
        let mut server = builder().bind_unix(&path).unwrap();
        assert!(server.local_addr().is_err(), "it has no address");
        assert!(builder().bind_unix(&path).is_err(), "somebody listens there");
        let served = task::spawn(async move {
            // The first is the second builder's look at whether somebody listens.
            for _ in 0..2 {
                let mut connection = server.accept().await.unwrap().unwrap();
                while let Some(step) = connection.next().await.unwrap() {
                    step.accept();
                }
            }
        });
        let mut client = UnixStream::connect(&path).await.unwrap();
        assert_eq!(line_of(&mut client).await, "220 mx.example LMTP\r\n");
        client.write_all(b"QUIT\r\n").await.unwrap();
        assert!(line_of(&mut client).await.starts_with("221 "));
        timeout(LIMIT, served).await.unwrap();
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A connection and its client, over TCP and over a Unix socket.
#[cfg(target_os = "linux")]
async fn connections() -> Vec<(&'static str, Connection, Box<dyn Duplex>)> {
    use async_std::os::unix::net::UnixStream;

    let config = || ServerConfig::new("mx.example").unwrap();
    let mut over_tcp = Server::bind("127.0.0.1:0", config()).await.unwrap();
    let client = TcpStream::connect(over_tcp.local_addr().unwrap()).await.unwrap();
    let tcp = over_tcp.accept().await.unwrap().unwrap();

    let path = std::env::temp_dir().join(format!("smtp-asyncstd-watch-{}", std::process::id()));
    let mut over_unix = Server::builder(config()).bind_unix(&path).unwrap();
    let unix_client = UnixStream::connect(&path).await.unwrap();
    let unix = over_unix.accept().await.unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    vec![("TCP", tcp, Box::new(client)), ("Unix", unix, Box::new(unix_client))]
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

#[cfg(target_os = "linux")]
#[test]
fn a_hang_up_is_seen_beside_a_token_and_unread_octets_are_none() {
    block_on(async {
        for (name, mut connection, mut client) in connections().await {
            let watch = connection.watch().unwrap();
            let Some(smtp_asyncstd::Step::Connect(token)) = connection.next().await.unwrap() else {
                panic!("no connect")
            };
            client.write_all(b"EHLO a.example\r\n").await.unwrap();
            // Time for the octets to arrive; a watch that they woke would be over.
            assert!(
                timeout(Duration::from_millis(200), watch.clone().wait()).await.is_err(),
                "{name}: unread octets are no hang-up"
            );
            let waiting = task::spawn(watch.clone().wait());
            drop(client);
            timeout(LIMIT, waiting).await.expect(name).unwrap();
            timeout(LIMIT, watch.wait()).await.expect("whoever asks later is told too").unwrap();
            token.accept();
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn who_is_gone_with_nothing_left_unread_is_told_from_who_waits_or_has_said_more() {
    block_on(async {
        for (last, gone) in [(&b""[..], true), (b"QUIT\r\n", false)] {
            for (name, connection, mut client) in connections().await {
                let watch = connection.watch().unwrap();
                assert!(!watch.is_gone(), "{name}: it waits");
                client.write_all(last).await.unwrap();
                drop(client);
                timeout(LIMIT, watch.clone().wait()).await.unwrap().unwrap();
                assert_eq!(watch.is_gone(), gone, "{name}: {last:?}");
            }
        }
    });
}
