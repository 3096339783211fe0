//! swaks, Python's smtplib, openssl and Postfix's smtp-source talk to this adapter: in clear, under TLS, and by LMTP on a
//! Unix socket.
#![cfg(all(feature = "aws-lc-rs", unix))]

#[path = "../../smtp-tokio/tests/peers/mod.rs"]
mod programs;

use std::sync::Arc;

use programs::{App, Inbox, Places, certificate, config, lmtp_config, socket_path};
use smtp_asyncstd::{Handle, Server, tls};

/// Serves all connections of a listener.
fn run(server: Server, inbox: &Inbox) -> (Handle, async_std::task::JoinHandle<std::io::Result<usize>>) {
    let (handle, taken) = (server.handle(), Arc::clone(inbox));
    let served = async_std::task::spawn(server.serve(move |mut connection| {
        let mut app = App::new(&taken);
        async move {
            while let Ok(Some(step)) = connection.next().await {
                app.answer(step);
            }
        }
    }));
    (handle, served)
}

/// Runs `talk` beside a server on three listeners.
async fn serve(name: &str, talk: impl FnOnce(&Places, &Inbox) + Send + 'static) {
    let (chain, key) = certificate();
    let tls = || Arc::new(tls::server_config(chain.as_bytes(), key.as_bytes()).unwrap());
    let clear = Server::builder(config()).starttls(tls()).bind("127.0.0.1:0").await.unwrap();
    let encrypted = Server::builder(config()).implicit_tls(tls()).bind("127.0.0.1:0").await.unwrap();
    let path = socket_path(name);
    let lmtp = Server::builder(lmtp_config()).starttls(tls()).bind_unix(&path).unwrap();
    let (address, tls) = (clear.local_addr().unwrap(), encrypted.local_addr().unwrap());
    let places = Places { clear: address, tls, lmtp: path.clone() };
    let inbox = Inbox::default();
    let running = [clear, encrypted, lmtp].map(|server| run(server, &inbox));
    async_std::task::spawn_blocking(move || talk(&places, &inbox)).await;
    for (handle, served) in running {
        handle.shut_down();
        assert_eq!(served.await.unwrap(), 0);
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn swaks_logs_in_with_each_mechanism_under_tls() {
    async_std::task::block_on(serve("swaks", programs::swaks));
}

#[test]
fn pythons_smtplib_sends() {
    async_std::task::block_on(serve("smtplib", programs::smtplib));
}

#[test]
fn openssls_client_shakes_hands() {
    async_std::task::block_on(serve("openssl", |places, _| programs::openssl(places)));
}

#[test]
fn postfixs_smtp_source_sends_many() {
    async_std::task::block_on(serve("smtp-source", programs::smtp_source));
}
