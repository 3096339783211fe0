//! STARTTLS, implicit TLS and a new certificate, with a real handshake over loopback.
#![cfg(feature = "aws-lc-rs")]

use std::sync::Arc;
use std::time::Duration;

use async_std::future::timeout;
use async_std::io::{Read, ReadExt, Write, WriteExt};
use async_std::net::TcpStream;
use async_std::task::{self, block_on};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::pki_types::{CertificateDer, ServerName};
use smtp_asyncstd::{Server, ServerConfig, Step, tls};
use tls::rustls;

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

async fn ask<S: Read + Write + Unpin>(stream: &mut S, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut said = Vec::new();
    loop {
        let mut octet = [0];
        let n = timeout(LIMIT, stream.read(&mut octet)).await.expect("an answer").unwrap();
        said.extend_from_slice(&octet[..n]);
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

async fn handshake(stream: TcpStream, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("mx.example").unwrap();
    timeout(LIMIT, client.connect(name, stream)).await.expect("a handshake")
}

/// Serves everything and tells the senders.
fn serve(server: Server) -> task::JoinHandle<usize> {
    task::spawn(async move {
        let served = server.serve(|mut connection| async move {
            while let Ok(Some(step)) = connection.next().await {
                if let Step::Mail(mail) = &step {
                    assert!(mail.facts().tls().is_some(), "no mail in clear text here");
                }
                step.accept();
            }
        });
        served.await.unwrap()
    })
}

#[test]
fn starttls_encrypts_drops_what_was_injected_and_takes_a_new_certificate() {
    block_on(async {
        let (first, client) = configs();
        let config = ServerConfig::new("mx.example").unwrap();
        let server = Server::builder(config).starttls(first).bind("127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let served = serve(server);

        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut stream, "").await.starts_with("220 "));
        assert!(ask(&mut stream, "EHLO a.example\r\n").await.contains("STARTTLS"));
        assert!(ask(&mut stream, "STARTTLS\r\nMAIL FROM:<evil@b.example>\r\n").await.starts_with("220 "));
        let mut stream = handshake(stream, &client).await.unwrap();
        assert!(ask(&mut stream, "MAIL FROM:<>\r\n").await.starts_with("503 "));
        assert!(!ask(&mut stream, "EHLO a.example\r\n").await.contains("STARTTLS"));
        assert!(ask(&mut stream, "MAIL FROM:<>\r\n").await.starts_with("250 "));
        assert!(ask(&mut stream, "QUIT\r\n").await.starts_with("221 "));

        let (second, trusting_second) = configs();
        handle.reload_tls(second);
        for (connector, works) in [(&client, false), (&trusting_second, true)] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            ask(&mut stream, "").await;
            ask(&mut stream, "EHLO a.example\r\n").await;
            ask(&mut stream, "STARTTLS\r\n").await;
            assert_eq!(handshake(stream, connector).await.is_ok(), works, "the new certificate is in use");
        }
        handle.shut_down();
        assert_eq!(timeout(LIMIT, served).await.unwrap(), 0);
    });
}

#[test]
fn implicit_tls_comes_before_the_greeting() {
    block_on(async {
        let (tls, client) = configs();
        let config = ServerConfig::new("mx.example").unwrap();
        let server = Server::builder(config).implicit_tls(tls).bind("127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let served = serve(server);
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = handshake(stream, &client).await.unwrap();
        assert!(ask(&mut stream, "").await.starts_with("220 mx.example"));
        assert!(!ask(&mut stream, "EHLO a.example\r\n").await.contains("STARTTLS"));
        assert!(ask(&mut stream, "MAIL FROM:<>\r\n").await.starts_with("250 "));
        ask(&mut stream, "QUIT\r\n").await;
        handle.shut_down();
        assert_eq!(timeout(LIMIT, served).await.unwrap(), 0);
    });
}

#[test]
fn a_transcript_shows_what_went_over_tls_and_no_secrets() {
    use smtp_asyncstd::trace::{Lines, Transcript};
    use smtp_asyncstd::{AuthWhen, sasl::Mechanism};

    block_on(async {
        let (tls, client) = configs();
        let config = ServerConfig::new("mx.example").unwrap().auth(&[Mechanism::LOGIN], AuthWhen::Tls);
        let mut server = Server::builder(config).implicit_tls(tls).bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let (log, lines) = std::sync::mpsc::channel();
        let served = task::spawn(async move {
            let mut connection = server.accept().await.unwrap().unwrap();
            let log = move |line: &str| log.send(line.to_owned()).unwrap();
            connection.record(Transcript::new(Lines::new(log)));
            while let Ok(Some(step)) = connection.next().await {
                match step {
                    Step::Auth(auth) if auth.response().is_none() => auth.challenge(b"Password:"),
                    other => other.accept(),
                }
            }
        });
        let mut stream = handshake(TcpStream::connect(address).await.unwrap(), &client).await.unwrap();
        ask(&mut stream, "").await;
        ask(&mut stream, "EHLO a.example\r\n").await;
        assert!(ask(&mut stream, "AUTH LOGIN\r\n").await.starts_with("334 "));
        assert!(ask(&mut stream, "dGFuc3RhYWY=\r\n").await.starts_with("235 "));
        ask(&mut stream, "QUIT\r\n").await;
        timeout(LIMIT, served).await.unwrap();
        let lines: Vec<String> = lines.iter().filter(|line| !line.starts_with("S: 250-")).collect();
        assert_eq!(
            lines,
            [
                "-- TLSv1.3 with AES_256_GCM_SHA384",
                "S: 220 mx.example ESMTP",
                "C: EHLO a.example",
                "S: 250 AUTH LOGIN",
                "C: AUTH LOGIN",
                "S: 334 UGFzc3dvcmQ6",
                "C: <redacted 12 octets>",
                "S: 235 2.7.0 Authentication succeeded",
                "C: QUIT",
                "S: 221 2.0.0 Bye",
                "-- closed: Quit",
            ]
        );
    });
}
