//! What a client's transcript holds, from the first octet on.
#![cfg(all(feature = "aws-lc-rs", feature = "testing"))]

use std::sync::{Arc, Mutex};

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{block_on, spawn};
use smtp_asyncstd::client::Connect;
use smtp_asyncstd::sasl::Mechanism;
use smtp_asyncstd::testing::Catcher;
use smtp_asyncstd::trace::{Lines, Transcript};
use smtp_asyncstd::{
    AuthWhen, Client, ClientConfig, Connection, Credentials, Envelope, MailboxBuf, Pool, ServerConfig, Step,
    TlsPolicy, tls,
};

const TEXT: &[u8] = b"Subject: hi\r\n\r\nAUTH PLAIN is no secret here\r\n.dots\r\n";

/// Keeps what each connection's transcript says, line by line.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(String, String)>>>);

impl Kept {
    fn recorded(&self, connect: Connect) -> Connect {
        let kept = self.clone();
        connect.record(move |to| {
            let (kept, to) = (kept.clone(), to.to_owned());
            Transcript::new(Lines::new(move |line: &str| {
                kept.0.lock().unwrap().push((to.clone(), line.to_owned()));
            }))
        })
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

fn mailbox(text: &str) -> MailboxBuf {
    text.parse().unwrap()
}

fn config() -> ClientConfig {
    ClientConfig::new("client.example").unwrap()
}

/// A connection under TLS that logs in.
fn connect(mx: &Catcher) -> Connect {
    Client::to(mx.addr().to_string(), config())
        .tls(TlsPolicy::Required)
        .tls_config(Arc::new(tls::client_config(mx.certificate().as_bytes()).unwrap()))
        .credentials(Credentials::password("tim", "tanstaaf"))
}

#[test]
fn a_connection_is_recorded_from_the_greeting_on_through_tls_and_without_the_password() {
    block_on(async {
        let (mx, kept) = (Catcher::start().await, Kept::default());
        let mut client = kept.recorded(connect(&mx)).connect().await.unwrap();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        assert!(client.send(&Envelope::new(&from).to(&to), TEXT).await[0].is_accepted());
        client.quit().await;

        let lines = kept.lines();
        let text = lines.join("\n");
        assert!(kept.0.lock().unwrap().iter().all(|(to, _)| *to == mx.addr().to_string()), "{text}");
        assert_eq!(lines[0], format!("-- connected to {}", mx.addr()));
        assert!(lines[1].starts_with("S: 220 "), "{text}");
        // The server's lines are its own; what is said by the client, and what is noted, is this.
        let ours: Vec<&str> =
            lines[1..].iter().map(String::as_str).filter(|line| !line.starts_with('S')).collect();
        let wanted = [
            "C: EHLO client.example",
            "C: STARTTLS",
            "-- TLSv1.3 with AES_256_GCM_SHA384",
            "C: EHLO client.example",
            "C: AUTH ",
            "C: MAIL FROM:<me@client.example> ",
            "C: RCPT TO:<you@mx.example>",
            "C: DATA",
            "C: Subject: hi",
            "C: ",
            "C: AUTH PLAIN is no secret here",
            "C: ..dots",
            "C: .",
            "C: QUIT",
            "-- closed: QUIT",
        ];
        let mut said = ours.iter().filter(|line| !line.starts_with("C: <redacted "));
        for want in wanted {
            let line = said.next().unwrap();
            let is_begin = want.ends_with(' ') && want != "C: ";
            assert!(*line == want || is_begin && line.starts_with(want), "{want} in {text}");
        }
        assert_eq!(said.next(), None, "{text}");
        assert!(text.contains("<redacted ") && !text.contains("tanstaaf"), "{text}");
        for secret in ["AHRpbQB0YW5zdGFhZg==", "dGlt", "dGFuc3RhYWY="] {
            assert!(!text.contains(secret), "{text}");
        }
    });
}

#[test]
fn a_stream_is_recorded_from_the_greeting_on_and_a_secret_stays_one() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let server = spawn(async move {
            let config = ServerConfig::new("mx.example").unwrap().auth(&[Mechanism::LOGIN], AuthWhen::Always);
            let mut connection = Connection::over(far, config);
            let mut asks = vec!["Password:", "Username:"];
            while let Some(step) = connection.next().await.unwrap() {
                match step {
                    Step::Auth(auth) => match asks.pop() {
                        Some(ask) => auth.challenge(ask.as_bytes()),
                        None => auth.accept_as("tim"),
                    },
                    step => step.accept(),
                }
            }
        });
        let kept = Kept::default();
        let mut client = Client::start(near, config().insecure_credentials());
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        let sink = kept.clone();
        client.record(Transcript::new(Lines::new(move |line: &str| {
            sink.0.lock().unwrap().push((String::new(), line.to_owned()));
        })));
        client.auth(&Credentials::password("tim", "tanstaaf")).await.unwrap();
        assert!(client.send(&Envelope::new(&from).to(&to), TEXT).await[0].is_accepted());
        client.quit().await;
        server.await;
        let lines = kept.lines();
        let find = |what: &str| lines.iter().position(|line| line.starts_with(what));
        assert_eq!(find("S: 220 "), Some(0), "{lines:#?}");
        let at = find("C: AUTH LOGIN").unwrap();
        let exchange = [
            "C: AUTH LOGIN",
            "S: 334 ",
            "C: <redacted 4 octets>",
            "S: 334 ",
            "C: <redacted 12 octets>",
            "S: 235 ",
        ];
        for (line, want) in lines[at..].iter().zip(exchange) {
            assert!(line.starts_with(want), "{want} in {lines:#?}");
        }
        assert!(find("C: AUTH PLAIN is no secret here").is_some(), "{lines:#?}");
        assert_eq!(lines.last().unwrap(), "-- closed: QUIT");
    });
}

#[test]
fn a_failed_handshake_and_the_second_attempt_in_clear_are_two_transcripts() {
    block_on(async {
        let (mx, kept) = (Catcher::start().await, Kept::default());
        let untrusting = tls::client_config(Catcher::start().await.certificate().as_bytes()).unwrap();
        let connect = Client::to(mx.addr().to_string(), config()).tls(TlsPolicy::Opportunistic);
        let client = kept.recorded(connect).tls_config(untrusting.into()).connect().await.unwrap();
        client.quit().await;
        let lines = kept.lines();
        let count = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
        assert_eq!(
            (count("-- connected to "), count("S: 220 ")),
            (2, 3),
            "greeted twice, and once for STARTTLS: {lines:#?}"
        );
        assert_eq!((count("-- no TLS: "), count("C: STARTTLS")), (1, 1), "{lines:#?}");
    });
}

#[test]
fn a_pool_records_each_of_its_connections() {
    block_on(async {
        let (mx, kept) = (Catcher::start().await, Kept::default());
        let pool = Pool::to(kept.recorded(connect(&mx))).messages_each(2).build();
        let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
        for _ in 0..3 {
            assert!(pool.send(&Envelope::new(&from).to(&to), TEXT).await[0].is_accepted());
        }
        pool.close_idle().await;
        let lines = kept.lines();
        let count = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
        assert_eq!((count("-- connected to "), count("C: MAIL FROM:")), (2, 3), "{lines:#?}");
        assert!(!lines.concat().contains("tanstaaf"));
    });
}
