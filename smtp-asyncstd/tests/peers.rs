//! swaks, Python's smtplib, openssl and Postfix's smtp-source talk to this adapter.
#![cfg(feature = "aws-lc-rs")]

#[path = "../../smtp-tokio/tests/peers/mod.rs"]
mod programs;

use std::net::SocketAddr;
use std::sync::Arc;

use programs::{App, Inbox, certificate, config};
use smtp_asyncstd::{Server, tls};

/// Runs `talk` beside a server.
async fn serve(talk: impl FnOnce(SocketAddr, &Inbox) + Send + 'static) {
    let (chain, key) = certificate();
    let tls = Arc::new(tls::server_config(chain.as_bytes(), key.as_bytes()).unwrap());
    let server = Server::builder(config()).starttls(tls).bind("127.0.0.1:0").await.unwrap();
    let (address, handle, inbox) = (server.local_addr().unwrap(), server.handle(), Inbox::default());
    let taken = Arc::clone(&inbox);
    let served = async_std::task::spawn(server.serve(move |mut connection| {
        let mut app = App::new(&taken);
        async move {
            while let Ok(Some(step)) = connection.next().await {
                app.answer(step);
            }
        }
    }));
    async_std::task::spawn_blocking(move || talk(address, &inbox)).await;
    handle.shut_down();
    assert_eq!(served.await.unwrap(), 0);
}

#[test]
fn swaks_logs_in_with_each_mechanism_under_tls() {
    async_std::task::block_on(serve(programs::swaks));
}

#[test]
fn pythons_smtplib_sends() {
    async_std::task::block_on(serve(programs::smtplib));
}

#[test]
fn openssls_client_shakes_hands() {
    async_std::task::block_on(serve(|address, _| programs::openssl(address)));
}

#[test]
fn postfixs_smtp_source_sends_many() {
    async_std::task::block_on(serve(programs::smtp_source));
}
