//! What a handshake tells about the peer, what SCRAM binds itself to, a new certificate, and transcripts under TLS.
#![cfg(all(feature = "aws-lc-rs", feature = "scram"))]

#[path = "client/mod.rs"]
mod client;
#[path = "handshake/mod.rs"]
mod handshake;
#[path = "under_tls/mod.rs"]
mod under_tls;

use std::net::SocketAddr;
use std::sync::Arc;

use handshake::{App, Parties, Told, around_a_reload, config, in_each_way};
use smtp_proto::testing::Policy;
use smtp_tokio::{Builder, Handle, Server};
use under_tls::{Begin, check_events, play, plays};

async fn serve(builder: Builder, told: &Told) -> (SocketAddr, Handle) {
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let (address, handle, told) = (server.local_addr().unwrap(), server.handle(), Arc::clone(told));
    tokio::spawn(server.serve(move |mut connection| {
        let mut app = App::new(&told);
        async move {
            while let Ok(Some(step)) = connection.next().await {
                app.answer(step);
            }
        }
    }));
    (address, handle)
}

#[tokio::test]
async fn scram_plus_logs_in_over_each_kind_of_tls_and_lets_nobody_in_between() {
    let (parties, told) = (Parties::new(), Told::default());
    let tls = parties.server_config();
    let (starttls, _) = serve(Server::builder(config()).starttls(Arc::clone(&tls)), &told).await;
    let (implicit, _) = serve(Server::builder(config()).implicit_tls(tls), &told).await;
    let talk = move || in_each_way(&parties, starttls, implicit, &told);
    tokio::task::spawn_blocking(talk).await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_then_on() {
    let (old, new) = (Parties::new(), Parties::new());
    let (address, handle) =
        serve(Server::builder(config()).implicit_tls(old.server_config()), &Told::default()).await;
    let talk = move || around_a_reload(address, &old, &new, || handle.reload_tls(new.server_config()));
    tokio::task::spawn_blocking(talk).await.unwrap();
}

/// Serves one connection by a transcript and tells what it saw.
async fn serve_one(mut server: Server, mut policy: Policy) -> Vec<String> {
    let mut connection = server.accept().await.unwrap().unwrap();
    while let Some(step) = connection.next().await.expect("no I/O error") {
        policy.answer(step);
    }
    policy.take_events()
}

#[tokio::test]
async fn transcripts_run_under_tls_and_into_it() {
    let parties = Arc::new(Parties::new());
    for (name, script, begin) in plays() {
        let builder = Server::builder(script.config().unwrap());
        let tls = parties.server_config();
        let builder = if begin == Begin::Tls { builder.implicit_tls(tls) } else { builder.starttls(tls) };
        let server = builder.bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let served = tokio::spawn(serve_one(server, script.policy()));
        let (parties, played) = (Arc::clone(&parties), script.clone());
        let client = move || play(&parties, address, name, &played, begin);
        tokio::task::spawn_blocking(client).await.unwrap();
        let events = served.await.unwrap();
        check_events(name, &script, &events);
    }
}
