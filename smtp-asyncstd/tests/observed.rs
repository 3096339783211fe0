//! What a subscriber of `tracing` hears.
#![cfg(all(feature = "tracing", feature = "aws-lc-rs", feature = "scram"))]

#[path = "../../smtp-tokio/tests/client/mod.rs"]
mod client;
#[path = "../../smtp-tokio/tests/collector/mod.rs"]
mod collector;
#[allow(dead_code, reason = "only its handshakes are needed here")]
#[path = "../../smtp-tokio/tests/handshake/mod.rs"]
mod handshake;

use std::net::SocketAddr;

use collector::{answer, config, listen, of_a_session_in_clear, of_tls_and_too_many};
use handshake::Parties;
use smtp_asyncstd::{Builder, Server};

async fn serve(builder: Builder) -> SocketAddr {
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    async_std::task::spawn(server.serve(move |mut connection| async move {
        assert!(!connection.span().is_disabled());
        while let Ok(Some(step)) = connection.next().await {
            answer(step);
        }
    }));
    address
}

#[test]
fn a_connection_is_a_span_with_what_happens_in_it_and_no_secret() {
    async_std::task::block_on(async {
        listen();
        let parties = Parties::new();
        let clear = serve(Server::builder(config())).await;
        let tls = Server::builder(config()).implicit_tls(parties.server_config()).max_per_address(1);
        let tls = serve(tls).await;
        let talk = move || {
            of_a_session_in_clear(clear);
            of_tls_and_too_many(tls, &parties);
        };
        async_std::task::spawn_blocking(talk).await;
    });
}
