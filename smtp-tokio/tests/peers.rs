//! swaks, Python's smtplib, openssl and Postfix's smtp-source talk to this adapter.
#![cfg(feature = "aws-lc-rs")]

#[path = "peers/mod.rs"]
mod programs;

use std::net::SocketAddr;
use std::sync::Arc;

use programs::{App, Inbox, certificate, config};
use smtp_tokio::{Server, tls};

/// Runs `talk` beside a server.
async fn serve(talk: impl FnOnce(SocketAddr, &Inbox) + Send + 'static) {
    let (chain, key) = certificate();
    let tls = Arc::new(tls::server_config(chain.as_bytes(), key.as_bytes()).unwrap());
    let server = Server::builder(config()).starttls(tls).bind("127.0.0.1:0").await.unwrap();
    let (address, handle, inbox) = (server.local_addr().unwrap(), server.handle(), Inbox::default());
    let taken = Arc::clone(&inbox);
    let served = tokio::spawn(server.serve(move |mut connection| {
        let mut app = App::new(&taken);
        async move {
            while let Ok(Some(step)) = connection.next().await {
                app.answer(step);
            }
        }
    }));
    tokio::task::spawn_blocking(move || talk(address, &inbox)).await.unwrap();
    handle.shut_down();
    assert_eq!(served.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn swaks_logs_in_with_each_mechanism_under_tls() {
    serve(programs::swaks).await;
}

#[tokio::test]
async fn pythons_smtplib_sends() {
    serve(programs::smtplib).await;
}

#[tokio::test]
async fn openssls_client_shakes_hands() {
    serve(|address, _| programs::openssl(address)).await;
}

#[tokio::test]
async fn postfixs_smtp_source_sends_many() {
    serve(programs::smtp_source).await;
}
