//! Accepting without descriptors left. It is alone in its process, as that has them for all.
#![cfg(target_os = "linux")]

#[path = "../../smtp-tokio/tests/scarce/mod.rs"]
mod scarce;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use async_std::future::timeout;
use async_std::task::block_on;
use scarce::Scarcity;
use smtp_asyncstd::{Server, ServerConfig};

/// Far longer than anything here takes: a hang becomes a failure.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_want_of_descriptors_is_waited_out_without_spinning() {
    block_on(async {
        let mut server = Server::bind("127.0.0.1:0", ServerConfig::new("mx.example").unwrap()).await.unwrap();
        let _client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let scarcity = Scarcity::begin();
        let mut polls = 0;
        {
            let mut accept = pin!(server.accept());
            let counted = poll_fn(|cx| {
                polls += 1;
                accept.as_mut().poll(cx)
            });
            let waited = timeout(Duration::from_millis(350), counted).await;
            assert!(waited.is_err(), "nothing can be accepted");
        }
        assert!((2..30).contains(&polls), "{polls} polls in a third of a second");
        drop(scarcity);
        let accepted = timeout(LIMIT, server.accept()).await.expect("the client is not forgotten");
        assert!(accepted.unwrap().is_some());
    });
}
