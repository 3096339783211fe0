//! What is tested with a catcher: clients that send mail.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use super::client::Client;

/// Welcomes a user, and tries again while that fails for now. It blocks.
pub(crate) fn sign_up(user: &str, server: SocketAddr) -> Result<(), String> {
    let mut client = Client::connect(server);
    client.expect(&[("EHLO app.example", "250"), ("MAIL FROM:<app@a.example>", "250")]);
    loop {
        let reply = client.ask(&format!("RCPT TO:<{user}>"));
        match &reply[..1] {
            "2" => break,
            "4" => {}
            _ => return Err(reply),
        }
    }
    client.expect(&[("DATA", "354"), ("From: app@a.example\r\n\r\nWelcome!\r\n.", "250"), ("QUIT", "221")]);
    Ok(())
}

/// Whether the server ends the connection, rather than to leave it open.
pub(crate) fn is_closed(client: Client<TcpStream>) -> bool {
    let read = client.into_stream().read(&mut [0; 1]);
    read.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |n| n == 0)
}

/// Sends a message under TLS, once where it comes first, once by STARTTLS.
#[cfg(feature = "aws-lc-rs")]
pub(crate) fn send_both_ways(clear: SocketAddr, encrypted: SocketAddr, certificate: &str) {
    const SESSION: &[(&str, &str)] = &[
        ("EHLO app.example", "250"),
        ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "235"),
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<a@b.example>", "250"),
        ("DATA", "354"),
        ("x\r\n.", "250"),
    ];
    let stream = TcpStream::connect(encrypted).unwrap();
    Client::over(encrypt(stream, certificate)).expect(SESSION);
    let mut client = Client::connect(clear);
    client.expect(&[("EHLO app.example", "250"), ("STARTTLS", "220")]);
    // There is no second greeting.
    Client::greeted(encrypt(client.into_stream(), certificate)).expect(SESSION);
}

/// A client's side that trusts nothing but the certificate.
#[cfg(feature = "aws-lc-rs")]
fn encrypt(stream: TcpStream, certificate: &str) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = rustls::ClientConfig::builder_with_provider(provider.into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(config.into(), name).unwrap(), stream)
}
