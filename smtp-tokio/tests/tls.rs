//! STARTTLS and implicit TLS with a real handshake.
#![cfg(feature = "aws-lc-rs")]

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use smtp_tokio::{CloseReason, Connection, Extension, Peer, ServerConfig, Step, tls};
use tls::rustls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const LIMIT: Duration = Duration::from_secs(20);

/// A self-made certificate for both sides.
fn configs() -> (Arc<rustls::ServerConfig>, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
    let chain = made.cert.pem();
    let server = tls::server_config(chain.as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

/// What the application saw.
#[derive(Debug, Default)]
struct Seen {
    senders: Vec<String>,
    binding: Option<Vec<u8>>,
    tls: Vec<String>,
    dropped: usize,
    close: Option<CloseReason>,
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut connection: Connection<S>) -> Seen {
    let mut seen = Seen::default();
    while let Some(step) = connection.next().await.unwrap() {
        match step {
            Step::Mail(mail) => {
                seen.senders.push(mail.sender().to_string());
                mail.accept();
            }
            Step::Hello(hello) => {
                if let Some(tls) = hello.facts().tls() {
                    seen.tls = vec![tls.protocol.clone(), tls.server_name.clone().unwrap_or_default()];
                    seen.binding = tls.exporter.clone();
                    assert!(!tls.cipher.is_empty());
                }
                seen.dropped = hello.facts().dropped_at_tls();
                hello.accept();
            }
            Step::Close(reason) => seen.close = Some(reason),
            other => other.accept(),
        }
    }
    seen
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    read_reply(stream).await
}

async fn read_reply<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut said = Vec::new();
    loop {
        let n = timeout(LIMIT, stream.read_buf(&mut said)).await.expect("an answer").unwrap();
        let complete = said.ends_with(b"\n")
            && said
                .split(|octet| *octet == b'\n')
                .rev()
                .nth(1)
                .is_some_and(|line| line.get(3) == Some(&b' '));
        if n == 0 || complete {
            return String::from_utf8(said).unwrap();
        }
    }
}

fn starttls_server(size: usize) -> (DuplexStream, tokio::task::JoinHandle<Seen>, TlsConnector) {
    let (server, client) = configs();
    let config = ServerConfig::new("mx.example").unwrap().offer(Extension::StartTls);
    let (near, far) = tokio::io::duplex(size);
    let served = tokio::spawn(serve(Connection::over(far, config).with_tls(server)));
    (near, served, client)
}

async fn handshake(stream: DuplexStream, client: &TlsConnector) -> TlsStream<DuplexStream> {
    let name = ServerName::try_from("mx.example").unwrap();
    timeout(LIMIT, client.connect(name, stream)).await.expect("a handshake").unwrap()
}

#[tokio::test]
async fn starttls_encrypts_and_forgets_what_was_before() {
    for size in [2_048, 65_536] {
        let (mut near, served, client) = starttls_server(size);
        read_reply(&mut near).await;
        assert!(ask(&mut near, "EHLO a.example\r\n").await.contains("STARTTLS"));
        assert!(ask(&mut near, "STARTTLS\r\n").await.starts_with("220 "));
        let mut near = handshake(near, &client).await;
        assert!(ask(&mut near, "MAIL FROM:<>\r\n").await.starts_with("503 "), "EHLO is forgotten");
        assert!(!ask(&mut near, "EHLO a.example\r\n").await.contains("STARTTLS"));
        assert!(ask(&mut near, "MAIL FROM:<a@b.example>\r\n").await.starts_with("250 "));
        assert!(ask(&mut near, "QUIT\r\n").await.starts_with("221 "));
        let theirs = near.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
        let seen = served.await.unwrap();
        assert_eq!(seen.tls, ["TLSv1.3", "mx.example"]);
        assert_eq!(seen.binding.unwrap(), theirs.unwrap(), "both sides have the same channel binding");
        assert_eq!(seen.close, Some(CloseReason::Quit));
    }
}

#[tokio::test]
async fn what_is_injected_behind_starttls_is_never_run() {
    let (mut near, served, client) = starttls_server(65_536);
    read_reply(&mut near).await;
    ask(&mut near, "EHLO a.example\r\n").await;
    let injected = "STARTTLS\r\nMAIL FROM:<evil@b.example>\r\n";
    assert!(ask(&mut near, injected).await.starts_with("220 "));
    let mut near = handshake(near, &client).await;
    ask(&mut near, "EHLO a.example\r\n").await;
    ask(&mut near, "QUIT\r\n").await;
    let seen = served.await.unwrap();
    assert!(seen.senders.is_empty());
    assert_eq!(seen.dropped, 28);
}

#[tokio::test]
async fn implicit_tls_comes_before_the_greeting() {
    let (server, client) = configs();
    let config = ServerConfig::new("mx.example").unwrap().offer(Extension::StartTls);
    let (near, far) = tokio::io::duplex(65_536);
    let served = tokio::spawn(serve(Connection::implicit_tls(far, config, Peer::unknown(), server)));
    let mut near = handshake(near, &client).await;
    assert!(read_reply(&mut near).await.starts_with("220 mx.example"));
    assert!(!ask(&mut near, "EHLO a.example\r\n").await.contains("STARTTLS"));
    ask(&mut near, "QUIT\r\n").await;
    assert_eq!(served.await.unwrap().close, Some(CloseReason::Quit));
}

#[tokio::test]
async fn a_handshake_that_fails_ends_the_session() {
    let (mut near, served, _client) = starttls_server(65_536);
    read_reply(&mut near).await;
    ask(&mut near, "EHLO a.example\r\n").await;
    ask(&mut near, "STARTTLS\r\n").await;
    near.write_all(b"this is no handshake at all\r\n").await.unwrap();
    assert_eq!(timeout(LIMIT, served).await.unwrap().unwrap().close, Some(CloseReason::TlsFailed));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_comes_is_given_up() {
    let (mut near, served, _client) = starttls_server(65_536);
    read_reply(&mut near).await;
    ask(&mut near, "EHLO a.example\r\n").await;
    ask(&mut near, "STARTTLS\r\n").await;
    let begun = tokio::time::Instant::now();
    assert_eq!(served.await.unwrap().close, Some(CloseReason::Timeout));
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn behind_a_balancer_the_handshake_follows_the_proxy_header() {
    let (server, client) = configs();
    let config = ServerConfig::new("mx.example").unwrap();
    let (mut near, far) = tokio::io::duplex(65_536);
    let connection = Connection::implicit_tls(far, config, Peer::unknown(), server).behind_proxy(LIMIT);
    let served = tokio::spawn(serve(connection));
    near.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 465\r\n").await.unwrap();
    let mut near = handshake(near, &client).await;
    assert!(read_reply(&mut near).await.starts_with("220 mx.example"));
    ask(&mut near, "QUIT\r\n").await;
    assert_eq!(served.await.unwrap().close, Some(CloseReason::Quit));
}

#[tokio::test]
async fn a_transcript_shows_what_went_over_tls_and_no_secrets() {
    use smtp_tokio::trace::{Lines, Transcript};
    use smtp_tokio::{AuthWhen, sasl::Mechanism};

    let (server, client) = configs();
    let config = ServerConfig::new("mx.example").unwrap().offer(Extension::StartTls);
    let config = config.auth(&[Mechanism::PLAIN, Mechanism::LOGIN], AuthWhen::Tls);
    let (mut near, far) = tokio::io::duplex(65_536);
    let mut connection = Connection::over(far, config).with_tls(server);
    let (log, lines) = std::sync::mpsc::channel();
    connection.record(Transcript::new(Lines::new(move |line: &str| log.send(line.to_owned()).unwrap())));
    let served = tokio::spawn(serve(connection));
    read_reply(&mut near).await;
    ask(&mut near, "EHLO a.example\r\n").await;
    ask(&mut near, "STARTTLS\r\nAUTH PLAIN AHRpbQB0YW5zdGFhZg==").await;
    let mut near = handshake(near, &client).await;
    ask(&mut near, "EHLO a.example\r\n").await;
    assert!(ask(&mut near, "AUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n").await.starts_with("235 "));
    assert!(ask(&mut near, "MAIL FROM:<tim@a.example>\r\n").await.starts_with("250 "));
    ask(&mut near, "QUIT\r\n").await;
    assert_eq!(served.await.unwrap().close, Some(CloseReason::Quit));
    let lines: Vec<String> = lines.iter().filter(|line| !line.starts_with("S: 250-")).collect();
    assert_eq!(
        lines,
        [
            "S: 220 mx.example ESMTP",
            "C: EHLO a.example",
            "S: 250 SIZE 52428800",
            "C: STARTTLS",
            "S: 220 2.0.0 Ready to start TLS",
            "C! AUTH PLAIN <redacted 20 octets>",
            "-- TLSv1.3 with AES_256_GCM_SHA384",
            "C: EHLO a.example",
            "S: 250 AUTH PLAIN LOGIN",
            "C: AUTH PLAIN <redacted 20 octets>",
            "S: 235 2.7.0 Authentication succeeded",
            "C: MAIL FROM:<tim@a.example>",
            "S: 250 2.1.0 Sender ok",
            "C: QUIT",
            "S: 221 2.0.0 Bye",
            "-- closed: Quit",
        ]
    );
}
