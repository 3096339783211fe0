//! What a subscriber of `tracing` hears.
#![cfg(all(feature = "tracing", feature = "aws-lc-rs", feature = "scram", feature = "testing"))]

#[path = "client/mod.rs"]
mod client;
#[path = "collector/mod.rs"]
mod collector;
#[allow(dead_code, reason = "only its handshakes are needed here")]
#[path = "handshake/mod.rs"]
mod handshake;

use std::net::SocketAddr;

use collector::{answer, config, listen, of_a_session_in_clear, of_clients, of_tls_and_too_many};
use handshake::Parties;
use smtp_tokio::client::ConnectError;
use smtp_tokio::sasl::client::Credentials;
use smtp_tokio::testing::Catcher;
use smtp_tokio::{Builder, Client, ClientConfig, Envelope, MailboxBuf, Reply, Server, TlsPolicy, tls};

async fn serve(builder: Builder) -> SocketAddr {
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(move |mut connection| async move {
        assert!(!connection.span().is_disabled());
        while let Ok(Some(step)) = connection.next().await {
            answer(step);
        }
    }));
    address
}

#[tokio::test]
async fn a_connection_is_a_span_with_what_happens_in_it_and_no_secret() {
    listen();
    let parties = Parties::new();
    let clear = serve(Server::builder(config())).await;
    let tls = Server::builder(config()).implicit_tls(parties.server_config()).max_per_address(1);
    let tls = serve(tls).await;
    let talk = move || {
        of_a_session_in_clear(clear);
        of_tls_and_too_many(tls, &parties);
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
    of_clients(send_and_fail().await);
}

/// Sends a message, takes a certificate for a false one, and connects to where nobody listens.
async fn send_and_fail() -> [SocketAddr; 2] {
    let mx = Catcher::start().await;
    mx.on_rcpt("ghost@*", &[Reply::new(550, (5, 1, 1), "No such user")]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connect = |to: SocketAddr| {
        let trusting = tls::client_config(mx.certificate().as_bytes()).unwrap();
        Client::to(to.to_string(), ClientConfig::new("client.example").unwrap())
            .tls(TlsPolicy::Required)
            .tls_config(trusting.into())
            .credentials(Credentials::password("tim", "tanstaaf"))
    };
    let mut client = connect(mx.addr()).connect().await.unwrap();
    assert!(!client.span().is_disabled());
    let from: MailboxBuf = "me@client.example".parse().unwrap();
    let to: [MailboxBuf; 2] = ["you@mx.example", "ghost@mx.example"].map(|text| text.parse().unwrap());
    client.send(&Envelope::new(&from).to(&to), b"Subject: hi\r\n\r\nHi\r\n").await;
    client.quit().await;
    let failed = connect(mx.addr()).server_name("other.example").connect().await.unwrap_err();
    assert!(matches!(failed, ConnectError::Tls(_)), "{failed:?}");
    let failed = connect(nobody).connect().await.unwrap_err();
    assert!(matches!(failed, ConnectError::Unreachable { .. }), "{failed:?}");
    [mx.addr(), nobody]
}
