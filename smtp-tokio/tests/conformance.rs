//! The core's transcripts, through this adapter.

use std::time::Duration;

use smtp_proto::testing::{Policy, Script, TRANSCRIPTS, Turn};
use smtp_tokio::{Connection, Handle, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than anything here takes: a hang becomes a failure.
const LIMIT: Duration = Duration::from_secs(20);

/// Answers by the transcript and tells what it saw.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S>,
    mut policy: Policy,
) -> Vec<String> {
    while let Some(step) = connection.next().await.expect("no I/O error") {
        policy.answer(step);
    }
    policy.take_events()
}

/// Plays the client and checks each answer. It reads while it writes, as pipes smaller than a reply demand.
async fn play<S: AsyncRead + AsyncWrite>(name: &str, stream: S, turns: &[Turn]) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    for turn in turns {
        let write = async {
            // A server that has hung up may refuse what is left.
            let _ = writer.write_all(&turn.send).await;
            if turn.eof {
                writer.shutdown().await.unwrap();
            }
        };
        let read = async {
            let mut said = Vec::new();
            while !turn.is_answered(&said) {
                let n = reader.read_buf(&mut said).await.unwrap_or(0);
                assert!(n > 0, "{name}: closed after \"{}\", {turn:?}", said.escape_ascii());
            }
            said
        };
        let ((), said) = tokio::join!(write, read);
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

#[tokio::test]
async fn transcripts_run_over_pipes_of_any_size() {
    for (name, script) in scripts() {
        for size in [1, 2, 64, 4_096, 65_536] {
            let (client, server) = tokio::io::duplex(size);
            let connection = Connection::with_peer(server, script.config().unwrap(), script.peer());
            let served = tokio::spawn(serve(connection, script.policy()));
            timeout(LIMIT, play(name, client, script.turns())).await.expect(name);
            let events = timeout(LIMIT, served).await.expect(name).unwrap();
            check_events(name, &script, &events);
        }
    }
}

#[tokio::test]
async fn transcripts_run_over_tcp() {
    for (name, script) in scripts() {
        let mut server = Server::bind("127.0.0.1:0", script.config().unwrap()).await.unwrap();
        let address = server.local_addr().unwrap();
        let policy = script.policy();
        let served = tokio::spawn(async move {
            let connection = server.accept().await.unwrap().unwrap();
            serve(connection, policy).await
        });
        let client = TcpStream::connect(address).await.unwrap();
        timeout(LIMIT, play(name, client, script.turns())).await.expect(name);
        let events = timeout(LIMIT, served).await.expect(name).unwrap();
        check_events(name, &script, &events);
    }
}

#[tokio::test(start_paused = true)]
async fn transcripts_that_need_time_run_on_a_paused_clock() {
    let timed = TRANSCRIPTS.iter().map(|(name, text)| (*name, Script::parse(text).unwrap()));
    let mut ran = 0;
    for (name, script) in timed.filter(|(_, script)| script.needs_time()) {
        let (client, server) = tokio::io::duplex(4_096);
        let connection = Connection::over(server, script.config().unwrap());
        let served = tokio::spawn(serve(connection, script.policy()));
        // The clock goes on by itself while everyone waits.
        play(name, client, script.turns()).await;
        check_events(name, &script, &served.await.unwrap());
        ran += 1;
    }
    assert!(ran > 0);
}

async fn greeting(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    while !said.ends_with(b"\n") {
        if stream.read_buf(&mut said).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(said).unwrap()
}

/// A server that accepts everything, on a free port.
async fn start(per_address: usize) -> (std::net::SocketAddr, Handle, tokio::task::JoinHandle<usize>) {
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let builder = Server::builder(config).max_per_address(per_address).drain(LIMIT);
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let task = tokio::spawn(async move {
        let served = server.serve(|mut connection| async move {
            while let Ok(Some(step)) = connection.next().await {
                step.accept();
            }
        });
        served.await.unwrap()
    });
    (address, handle, task)
}

#[tokio::test]
async fn connections_over_the_limit_are_told_to_come_back() {
    let (address, _handle, _task) = start(2).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(greeting(&mut first).await.starts_with("220 "));
    assert!(greeting(&mut second).await.starts_with("220 "));
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(greeting(&mut third).await.starts_with("421 "));
    drop(first);
    loop {
        let mut next = TcpStream::connect(address).await.unwrap();
        if greeting(&mut next).await.starts_with("220 ") {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn new_settings_are_for_connections_from_then_on() {
    let (address, handle, _task) = start(10).await;
    let mut before = TcpStream::connect(address).await.unwrap();
    assert!(greeting(&mut before).await.starts_with("220 mx.example "));
    handle.reload_sessions(smtp_tokio::ServerConfig::new("new.example").unwrap());
    let mut after = TcpStream::connect(address).await.unwrap();
    assert!(greeting(&mut after).await.starts_with("220 new.example "));
    before.write_all(b"QUIT\r\n").await.unwrap();
    assert!(greeting(&mut before).await.starts_with("221 "), "who was there goes on");
}

#[tokio::test]
async fn so_are_those_over_the_limit_of_all_and_none_is_accepted_after_the_word_to_stop() {
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let builder = Server::builder(config).max_connections(1).max_per_address(10);
    let mut server = builder.bind("127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let _first = TcpStream::connect(address).await.unwrap();
    let held = server.accept().await.unwrap().unwrap();
    assert_eq!(handle.connections(), 1);
    let mut second = TcpStream::connect(address).await.unwrap();
    let (accepted, said) = tokio::join!(timeout(LIMIT, server.accept()), async {
        let said = greeting(&mut second).await;
        handle.shut_down();
        said
    });
    assert!(said.starts_with("421 "), "{said}");
    assert!(accepted.unwrap().unwrap().is_none(), "a wait ends with the word");
    drop(held);
    assert_eq!(handle.connections(), 0);
    assert!(timeout(LIMIT, server.accept()).await.unwrap().unwrap().is_none(), "and later ones, too");
}

#[tokio::test]
async fn a_shutdown_ends_idle_sessions_and_lets_transactions_finish() {
    let (address, handle, task) = start(10).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    greeting(&mut idle).await;
    greeting(&mut busy).await;
    busy.write_all(b"HELO a.example\r\n").await.unwrap();
    greeting(&mut busy).await;
    busy.write_all(b"MAIL FROM:<>\r\n").await.unwrap();
    assert!(greeting(&mut busy).await.starts_with("250 2.1.0"));
    handle.shut_down();
    assert!(greeting(&mut idle).await.starts_with("421 4.3.2"));
    busy.write_all(b"RCPT TO:<b@c.example>\r\n").await.unwrap();
    assert!(greeting(&mut busy).await.starts_with("250 2.1.5"));
    busy.write_all(b"DATA\r\n").await.unwrap();
    assert!(greeting(&mut busy).await.starts_with("354"));
    busy.write_all(b"hi\r\n.\r\n").await.unwrap();
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.starts_with("250 2.0.0"), "{rest}");
    assert!(rest.contains("\r\n421 4.3.2"), "{rest}");
    assert_eq!(timeout(LIMIT, task).await.unwrap().unwrap(), 0, "none was cut off");
    assert_eq!(handle.connections(), 0);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_whole_message_comes_the_short_way() {
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let mut server = Server::bind("127.0.0.1:0", config).await.unwrap();
    let address = server.local_addr().unwrap();
    let client = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let lines = [
            "HELO a.example\r\n",
            "MAIL FROM:<a@b.example>\r\n",
            "RCPT TO:<c@d.example>\r\n",
            "DATA\r\n",
            "..x\r\n.\r\n",
        ];
        greeting(&mut stream).await;
        let mut last = String::new();
        for line in lines {
            stream.write_all(line.as_bytes()).await.unwrap();
            last = greeting(&mut stream).await;
        }
        last
    });
    let mail = server.next_message().await.unwrap().unwrap();
    assert_eq!(mail.from().to_string(), "<a@b.example>");
    assert_eq!(mail.recipients().len(), 1);
    assert_eq!(mail.content(), b".x\r\n");
    mail.accept();
    server.handle().shut_down();
    assert!(server.next_message().await.unwrap().is_none());
    assert!(client.await.unwrap().starts_with("250 2.0.0"));
}

#[cfg(unix)]
#[tokio::test]
async fn lmtp_runs_on_a_unix_socket_and_an_abandoned_one_is_replaced() {
    let folder = std::env::temp_dir().join(format!("smtp-tokio-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("lmtp.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let builder = || Server::builder(smtp_tokio::ServerConfig::lmtp("mx.example").unwrap());
    let mut server = builder().bind_unix(&path).unwrap();
    assert!(builder().bind_unix(&path).is_err(), "somebody listens there");
    let served = tokio::spawn(async move {
        // The first is the second builder's look at whether somebody listens.
        for _ in 0..2 {
            let mut connection = server.accept().await.unwrap().unwrap();
            while let Some(step) = connection.next().await.unwrap() {
                step.accept();
            }
        }
    });
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    assert_eq!(greeting(&mut client).await, "220 mx.example LMTP\r\n");
    client.write_all(b"QUIT\r\n").await.unwrap();
    assert!(greeting(&mut client).await.starts_with("221 "));
    timeout(LIMIT, served).await.unwrap().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A listener behind a balancer on 127.0.0.1; tells the client's address and how the session ended.
async fn behind_a_balancer(header: &[u8]) -> (String, Option<String>, String) {
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let builder = Server::builder(config).proxied_from([127, 0, 0, 0].into(), 8).max_per_address(1);
    let mut server = builder.bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let mut connection = server.accept().await.unwrap().unwrap();
        let (mut client, mut end) = (None, String::new());
        while let Some(step) = connection.next().await.unwrap() {
            match step {
                smtp_tokio::Step::Connect(connect) => {
                    client = connect.facts().peer().remote().map(|remote| remote.to_string());
                    connect.accept();
                }
                smtp_tokio::Step::Close(reason) => end = format!("{reason:?}"),
                other => other.accept(),
            }
        }
        (client, end)
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    for octet in header {
        stream.write_all(&[*octet]).await.unwrap();
    }
    let _ = stream.write_all(b"QUIT\r\n").await;
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said).await;
    let (client, end) = timeout(LIMIT, served).await.unwrap().unwrap();
    (said, client, end)
}

#[tokio::test]
async fn a_balancer_tells_who_the_client_is() {
    let (said, client, end) = behind_a_balancer(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n").await;
    assert!(said.starts_with("220 "), "{said}");
    assert_eq!((client.as_deref(), end.as_str()), (Some("192.0.2.7:4711"), "Quit"));

    let mut header = smtp_proto::bytes::BytesMut::new();
    let endpoints = smtp_proto::wire::proxy::Endpoints::tcp(
        "[2001:db8::7]:4711".parse().unwrap(),
        "[2001:db8::1]:25".parse().unwrap(),
    );
    smtp_proto::wire::proxy::write_v2(&mut header, endpoints, []).unwrap();
    let (said, client, _) = behind_a_balancer(&header).await;
    assert!(said.starts_with("220 "), "{said}");
    assert_eq!(client.as_deref(), Some("[2001:db8::7]:4711"));
}

#[tokio::test]
async fn a_balancer_without_its_header_gets_no_session() {
    for header in
        [b"EHLO a.example\r\n".as_slice(), b"PROXY TCP4 192.0.2.7 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\nxx"]
    {
        let (said, client, end) = behind_a_balancer(header).await;
        assert_eq!((said.as_str(), client, end.as_str()), ("", None, "NoProxyHeader"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_says_nothing_is_given_up() {
    let (_client, server) = tokio::io::duplex(4_096);
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let mut connection = Connection::over(server, config).behind_proxy(Duration::from_secs(10));
    let begun = tokio::time::Instant::now();
    let step = connection.next().await.unwrap();
    assert!(matches!(step, Some(smtp_tokio::Step::Close(smtp_tokio::CloseReason::NoProxyHeader))));
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[cfg(unix)]
#[tokio::test]
async fn a_hang_up_is_seen_beside_a_token_and_unread_octets_are_none() {
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let mut server = Server::bind("127.0.0.1:0", config).await.unwrap();
    let address = server.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut connection = server.accept().await.unwrap().unwrap();
    let watch = connection.watch().unwrap();
    let Some(smtp_tokio::Step::Connect(token)) = connection.next().await.unwrap() else {
        panic!("no connect")
    };
    client.write_all(b"EHLO a.example\r\n").await.unwrap();
    // Time for the octets to arrive; a watch that they woke would be over.
    assert!(
        timeout(Duration::from_millis(200), watch.clone().wait()).await.is_err(),
        "unread octets are no hang-up"
    );
    drop(client);
    timeout(LIMIT, watch.wait()).await.expect("the hang-up is seen").unwrap();
    token.accept();
}

#[cfg(unix)]
#[tokio::test]
async fn who_is_gone_with_nothing_left_unread_is_told_from_who_waits_or_has_said_more() {
    let config = smtp_tokio::ServerConfig::new("mx.example").unwrap();
    let mut server = Server::bind("127.0.0.1:0", config).await.unwrap();
    let address = server.local_addr().unwrap();
    for (last, reset, gone) in
        [(&b""[..], false, true), (b"QUIT\r\n", false, false), (b"QUIT\r\n", true, true)]
    {
        let mut client = TcpStream::connect(address).await.unwrap();
        let connection = server.accept().await.unwrap().unwrap();
        let watch = connection.watch().unwrap();
        assert!(!watch.is_gone(), "it waits");
        client.write_all(last).await.unwrap();
        if reset {
            client.set_zero_linger().unwrap();
        }
        drop(client);
        timeout(LIMIT, watch.clone().wait()).await.unwrap().unwrap();
        assert_eq!(watch.is_gone(), gone, "{last:?}, reset: {reset}");
    }
}
