//! The client and the pool, against the catcher.
#![cfg(feature = "aws-lc-rs")]

use std::sync::Arc;
use std::time::Duration;

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{block_on, spawn};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use smtp_asyncstd::client::{CloseReason, ConnectError, Wait, Why};
use smtp_asyncstd::testing::Catcher;
use smtp_asyncstd::{
    Client, ClientConfig, Connection, Credentials, Envelope, MailboxBuf, Outcome, Pool, Reply, ServerConfig,
    Step, TlsPolicy, tls,
};

const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
const LATER: Reply<'static> = Reply::new(451, (4, 2, 0), "Try again later");
const FULL: Reply<'static> = Reply::new(452, (4, 5, 3), "Too many recipients");
const OK: Reply<'static> = Reply::new(250, (2, 1, 5), "Ok");
const TEXT: &[u8] = b"Subject: hi\r\n\r\n.dots\r\n..\r\nlast line";

fn mailbox(text: &str) -> MailboxBuf {
    text.parse().unwrap()
}

fn config() -> ClientConfig {
    ClientConfig::new("client.example").unwrap()
}

/// A TLS configuration that trusts the catcher.
fn trusting(mx: &Catcher) -> Arc<tls::rustls::ClientConfig> {
    Arc::new(tls::client_config(mx.certificate().as_bytes()).unwrap())
}

fn codes(outcomes: &[Outcome]) -> Vec<u16> {
    outcomes.iter().map(|outcome| outcome.reply().map_or(0, |reply| reply.code())).collect()
}

#[test]
fn a_host_without_a_port_is_told_to_have_one() {
    for (host, said) in [
        ("127.0.0.1", "127.0.0.1 has no address: add the port, as in mx.example:25"),
        ("127.0.0.1:smtp", "127.0.0.1:smtp has no address: add the port, as in mx.example:25"),
    ] {
        let error = block_on(Client::to(host, config()).connect()).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
    let other = ConnectError::NoAddress { host: "mx.example:25".to_owned(), source: None };
    assert_eq!(other.to_string(), "mx.example:25 has no address");
}

#[test]
fn each_recipient_has_its_outcome_and_the_content_arrives_as_it_was() {
    block_on(async {
        let mx = Catcher::start().await;
        mx.on_rcpt("ghost@*", &[NO_USER]);
        mx.on_rcpt("busy@*", &[LATER]);
        let mut client = Client::to(mx.addr().to_string(), config()).connect().await.unwrap();
        let from = mailbox("me@client.example");
        let to = ["a@mx.example", "ghost@mx.example", "busy@mx.example", "b@mx.example"].map(mailbox);
        let outcomes = client.send(&Envelope::new(&from).to(&to), TEXT).await;
        assert_eq!(codes(&outcomes), [250, 550, 451, 250], "{}", mx.transcript());
        assert!(outcomes[0].is_accepted() && outcomes[3].is_accepted());
        let mail = mx.next().await;
        assert_eq!(mail.content(), [TEXT, b"\r\n"].concat());
        assert_eq!(mail.recipients().len(), 2);
        // And again over the same connection.
        let outcomes = client.send(&Envelope::new(&from).to(&to[..1]), b"Subject: second\r\n\r\n").await;
        assert_eq!(codes(&outcomes), [250]);
        assert_eq!(mx.next().await.content(), b"Subject: second\r\n\r\n");
        client.quit().await;
    });
}

#[test]
fn credentials_go_out_under_verified_tls_only() {
    block_on(async {
        let mx = Catcher::start().await;
        let connect =
            Client::to(mx.addr().to_string(), config()).credentials(Credentials::password("me", "secret"));
        let refused = connect.clone().connect().await.unwrap_err();
        assert!(matches!(refused, ConnectError::Auth(_)), "{refused:?}");
        let refused = connect.clone().tls(TlsPolicy::Opportunistic).connect().await.unwrap_err();
        assert!(matches!(refused, ConnectError::Auth(_)), "{refused:?}");
        assert!(!mx.transcript().contains("C: AUTH"), "{}", mx.transcript());

        let connect = connect.tls(TlsPolicy::Required).tls_config(trusting(&mx)).server_name("localhost");
        let client = connect.connect().await.unwrap();
        assert!(client.session().is_verified());
        assert!(client.session().tls().is_some_and(|tls| tls.protocol == "TLSv1.3"));
        assert!(client.handshake_time().is_some_and(|took| took > Duration::ZERO));
        assert!(client.session().auth_outcome().is_some_and(|outcome| outcome.is_ok()));
        client.quit().await;
    });
}

#[test]
fn a_certificate_for_another_name_is_refused_and_said_so() {
    block_on(async {
        let mx = Catcher::start().await;
        let connect = Client::to(mx.addr().to_string(), config())
            .tls(TlsPolicy::Required)
            .tls_config(trusting(&mx))
            .server_name("other.example");
        let refused = connect.connect().await.unwrap_err();
        assert!(matches!(refused, ConnectError::Tls(_)), "{refused:?}");
        // Opportunistic TLS takes it, and knows that nothing was verified.
        let connect = Client::to(mx.addr().to_string(), config()).tls(TlsPolicy::Opportunistic);
        let client = connect.connect().await.unwrap();
        assert!(client.session().tls().is_some() && !client.session().is_verified());
        client.quit().await;
    });
}

#[test]
fn a_refused_login_says_what_the_server_said() {
    block_on(async {
        let mx = Catcher::start().await;
        mx.on_auth("*", &[Reply::new(535, (5, 7, 8), "Wrong password")]);
        let refused = Client::to(mx.addr().to_string(), config().insecure_credentials())
            .credentials(Credentials::password("me", "secret"))
            .connect()
            .await
            .unwrap_err();
        let ConnectError::AuthFailed { reply, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!(reply.code(), 535);
        assert!(refused.to_string().contains("Wrong password"), "{refused}");
        assert!(!format!("{refused:?}").contains("secret"));
    });
}

#[test]
fn a_stream_is_not_held_in_memory_and_a_file_is_looked_through_first() {
    block_on(async {
        let mx = Catcher::start().await;
        let mut client = Client::to(mx.addr().to_string(), config()).connect().await.unwrap();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        let envelope = Envelope::new(&from).to(&to);
        let long = [b"Subject: long\r\n\r\n".as_slice(), &b".0123456789\r\n".repeat(50_000)].concat();

        let mut reader = long.as_slice();
        let outcomes = client.send_stream(&envelope.size(long.len() as u64), &mut reader).await.unwrap();
        assert!(outcomes[0].is_accepted(), "{outcomes:?}");
        assert!(mx.next().await.content() == long);

        let mut file = futures_util::io::Cursor::new(long.clone());
        let outcomes = client.send_file(&envelope, &mut file).await.unwrap();
        assert!(outcomes[0].is_accepted(), "{outcomes:?}");
        assert!(mx.next().await.content() == long);

        // A bare LF is seen before anything is sent.
        let mut file = futures_util::io::Cursor::new(b"Subject: x\n\r\n".to_vec());
        let outcomes = client.send_file(&envelope, &mut file).await.unwrap();
        assert_eq!(outcomes, [Outcome::NotTried(Why::BareNewline)]);
        // A stream that is longer than declared ends the connection without the message.
        let outcomes = client.send_stream(&envelope.size(10), &mut long.as_slice()).await.unwrap();
        assert!(matches!(outcomes[0], Outcome::NotTried(Why::FalseDeclaration(_))), "{outcomes:?}");
        let outcomes = client.send(&envelope, TEXT).await;
        assert_eq!(outcomes, [Outcome::NotTried(Why::Closed(CloseReason::FalseDeclaration))]);
        assert!(mx.try_next().is_none());
    });
}

/// Streams what is on loan: what a program awaits in a task must not depend on whose loan it is.
async fn stream_on_loan(client: &mut Client, envelope: &Envelope<'_>, octets: &[u8]) -> Vec<Outcome> {
    let outcomes = client.send_file(envelope, &mut futures_util::io::Cursor::new(octets)).await.unwrap();
    let mut reader = octets;
    let again = client.send_stream(envelope, &mut reader).await.unwrap();
    [outcomes, again].concat()
}

#[test]
fn a_file_is_streamed_from_a_task_of_its_own() {
    block_on(async {
        let mx = Catcher::start().await;
        let mut client = Client::to(mx.addr().to_string(), config()).connect().await.unwrap();
        let sent = async_std::task::spawn(async move {
            let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
            stream_on_loan(&mut client, &Envelope::new(&from).to(&to), TEXT).await
        });
        assert_eq!(codes(&sent.await), [250, 250]);
    });
}

#[test]
fn a_reader_that_fails_leaves_the_server_without_the_message() {
    block_on(async {
        let mx = Catcher::start().await;
        let mut client = Client::to(mx.addr().to_string(), config()).connect().await.unwrap();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        let broken = b"Subject: x\r\n".chain(Broken);
        let failed = client.send_stream(&Envelope::new(&from).to(&to), &mut Box::pin(broken)).await;
        assert_eq!(failed.unwrap_err().to_string(), "the disk is gone");
        assert_eq!(client.session().outcome(0), Outcome::NotTried(Why::Abandoned));
        drop(client);
        assert!(mx.try_next().is_none());
    });
}

struct Broken;

impl futures_io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Err(std::io::Error::other("the disk is gone")))
    }
}

#[test]
fn a_mute_server_times_out_and_the_error_names_the_wait() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let hasty = config().timeouts(|waits| waits.greeting = Duration::from_millis(20));
        let error = Client::over(near, hasty).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Closed { reason: CloseReason::Timeout(Wait::Greeting), .. }),
            "{error:?}"
        );
    });
}

#[test]
fn a_server_that_is_mute_after_the_dot_may_have_the_message() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let script = spawn(async move {
            let (mut far, _) = listener.accept().await.unwrap();
            far.write_all(b"220 mx\r\n").await.unwrap();
            answer(&mut far, "EHLO", b"250 mx\r\n").await;
            answer(&mut far, "MAIL", b"250 Ok\r\n").await;
            answer(&mut far, "RCPT", b"250 Ok\r\n").await;
            answer(&mut far, "DATA", b"354 Go on\r\n").await;
            answer(&mut far, "\r\n.\r\n", b"").await;
            far
        });
        let hasty = config().timeouts(|waits| waits.data_end = Duration::from_millis(200));
        let mut client = Client::over(near, hasty).await.unwrap();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        let outcomes = client.send(&Envelope::new(&from).to(&to), TEXT).await;
        assert_eq!(outcomes, [Outcome::Unknown]);
        assert_eq!(client.session().close_reason(), Some(CloseReason::Timeout(Wait::DataEnd)));
        drop(script.await);
    });
}

/// Reads until `mark` has come and a line has ended, then writes `reply`.
async fn answer(stream: &mut TcpStream, mark: &str, reply: &[u8]) {
    let mut got = Vec::new();
    while !(String::from_utf8_lossy(&got).contains(mark) && got.ends_with(b"\r\n")) {
        let mut octets = [0; 4096];
        let n = stream.read(&mut octets).await.unwrap();
        assert!(n > 0, "closed before {mark}");
        got.extend_from_slice(&octets[..n]);
    }
    stream.write_all(reply).await.unwrap();
}

#[test]
fn a_proxy_goes_command_by_command() {
    block_on(async {
        let mx = Catcher::start().await;
        mx.on_rcpt("ghost@*", &[NO_USER]);
        let mut client = Client::to(mx.addr().to_string(), config()).connect().await.unwrap();
        let (from, to, ghost) =
            (mailbox("me@client.example"), mailbox("you@mx.example"), mailbox("ghost@mx.example"));
        let none = smtp_proto::wire::params::MailParams::EMPTY;
        let bare = smtp_proto::wire::params::RcptParams::EMPTY;
        assert_eq!(client.mail((&from).into(), none).await.unwrap().code(), 250);
        assert_eq!(client.rcpt(ghost.as_mailbox(), bare).await.unwrap().code(), 550);
        assert_eq!(client.rset().await.unwrap().code(), 250);
        assert_eq!(client.mail((&from).into(), none).await.unwrap().code(), 250);
        assert_eq!(client.rcpt(to.as_mailbox(), bare).await.unwrap().code(), 250);
        assert_eq!(client.data().await.unwrap().code(), 354);
        client.write(b"Subject: by hand\r\n").await.unwrap();
        client.write(b"\r\n.\r\n").await.unwrap();
        assert_eq!(client.finish().await.unwrap().code(), 250);
        assert_eq!(mx.next().await.content(), b"Subject: by hand\r\n\r\n.\r\n");
        // In chunks, as they came.
        client.mail((&from).into(), none).await.unwrap();
        client.rcpt(to.as_mailbox(), bare).await.unwrap();
        assert_eq!(client.bdat(b"Subject: chunks\r\n\r").await.unwrap().code(), 250);
        let refused = client.bdat(b"a").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput, "a bare CR: nothing was sent");
        assert_eq!(client.bdat_last(b"\n.\r\n").await.unwrap().code(), 250);
        assert_eq!(mx.next().await.content(), b"Subject: chunks\r\n\r\n.\r\n");
        // RSET in the middle of content: there is no such thing, and the server has no message.
        client.mail((&from).into(), none).await.unwrap();
        client.rcpt(to.as_mailbox(), bare).await.unwrap();
        client.data().await.unwrap();
        client.write(b"Subject: never\r\n\r\n").await.unwrap();
        assert_eq!(client.rset().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
        assert!(mx.try_next().is_none());
    });
}

#[test]
fn a_pool_keeps_connections_and_sends_again_what_was_not_tried() {
    block_on(async {
        let mx = Catcher::start().await;
        mx.on_rcpt("second@*", &[FULL, OK]);
        let pool =
            Pool::to(Client::to(mx.addr().to_string(), config())).connections(3).messages_each(10).build();
        let from = mailbox("me@client.example");
        let to = ["first@mx.example", "second@mx.example"].map(mailbox);
        let outcomes = pool.send(&Envelope::new(&from).to(&to), TEXT).await;
        assert_eq!(codes(&outcomes), [250, 250], "{}", mx.transcript());

        let tasks = (0..30).map(|_| {
            let (pool, from, to) = (pool.clone(), from.clone(), to.clone());
            spawn(async move { pool.send(&Envelope::new(&from).to(&to[..1]), TEXT).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            assert!(task.await.iter().all(Outcome::is_accepted));
        }
        let stats = pool.stats();
        assert_eq!((stats.messages, stats.accepted, stats.refused, stats.unknown), (31, 32, 0, 0));
        assert!((4..=6).contains(&stats.connected), "{stats:?}");
        assert_eq!((stats.busy, stats.waiting), (0, 0));
        pool.close_idle().await;
        assert_eq!(pool.stats().idle, 0);
    });
}

#[test]
fn a_pool_does_not_send_over_what_the_server_has_closed() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, closed) = async_std::channel::unbounded();
        let server = spawn(async move {
            for _ in 0..2 {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = Connection::over(stream, ServerConfig::new("mx.example").unwrap());
                while let Some(step) = connection.next().await.unwrap() {
                    let is_over = matches!(step, Step::Reset(_));
                    step.accept();
                    if is_over {
                        connection.shut_down();
                    }
                }
                drop(connection);
                tell.send(()).await.unwrap();
            }
        });
        let pool = Pool::to(Client::to(address.to_string(), config())).connections(1).build();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        for _ in 0..2 {
            let outcomes = pool.send(&Envelope::new(&from).to(&to), TEXT).await;
            assert_eq!(codes(&outcomes), [250]);
            // The server says 421 and closes after each message.
            closed.recv().await.unwrap();
        }
        let stats = pool.stats();
        // Whether the 421 came with the answer to the dot or later is the kernel's choice.
        assert!(stats.stale <= 1, "{stats:?}");
        assert_eq!((stats.connected, stats.accepted, stats.not_tried), (2, 2, 0));
        server.await;
    });
}

#[test]
fn a_pool_says_why_there_is_no_connection() {
    block_on(async {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let pool = Pool::to(Client::to(address.to_string(), config())).build();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        let outcomes = pool.send(&Envelope::new(&from).to(&to), TEXT).await;
        assert_eq!(outcomes, [Outcome::NotTried(Why::NoConnection)]);
        let failure = pool.last_failure().unwrap();
        assert!(failure.to_string().contains(&address.to_string()), "{failure}");
        assert_eq!(pool.stats().failed, 1);
    });
}

#[cfg(unix)]
#[test]
fn lmtp_over_a_unix_socket_answers_for_each_recipient() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp");
        let listener = async_std::os::unix::net::UnixListener::bind(&path).await.unwrap();
        let server = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = Connection::over(stream, ServerConfig::lmtp("store.example").unwrap());
            while let Some(step) = connection.next().await.unwrap() {
                match step {
                    Step::Verdict(verdict) if verdict.recipient() == Some(1) => verdict.refuse(&LATER),
                    step => step.accept(),
                }
            }
        });
        let store = format!("unix:{}", path.display());
        let pool = Pool::to(Client::to(store, ClientConfig::lmtp("mx.example").unwrap())).build();
        let to = ["a@store.example", "b@store.example", "c@store.example"].map(mailbox);
        for _ in 0..2 {
            let outcomes = pool.send(&Envelope::new(&mailbox("me@client.example")).to(&to), TEXT).await;
            assert_eq!(codes(&outcomes), [250, 451, 250]);
        }
        assert_eq!((pool.stats().connected, pool.stats().reused), (1, 1));
        pool.close_idle().await;
        server.await;
    });
}
