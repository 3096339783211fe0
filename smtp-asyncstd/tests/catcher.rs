//! The mail catcher, as tests use it.
#![cfg(feature = "testing")]

#[path = "../../smtp-tokio/tests/client/catching.rs"]
mod catching;
#[path = "../../smtp-tokio/tests/client/mod.rs"]
mod client;

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use async_std::task::block_on;
use catching::{is_closed, sign_up};
use client::Client;
use smtp_asyncstd::Reply;
use smtp_asyncstd::testing::Catcher;

const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
const LATER: Reply<'static> = Reply::new(451, (4, 2, 0), "Mailbox busy, try again later");

#[test]
fn a_slow_mailbox_gets_its_mail() {
    block_on(async {
        let mx = Catcher::start().await;
        mx.on_rcpt("ghost@*", &[NO_USER]);
        mx.on_rcpt("slow@*", &[LATER, Reply::new(250, (2, 1, 5), "Ok")]);
        sign_up("slow@a.example", mx.addr()).unwrap();
        let mail = mx.next().await;
        assert!(mail.content().starts_with(b"From: "), "{}", mx.transcript());
        assert_eq!(mail.recipients()[0].as_str(), "slow@a.example");
        assert_eq!(sign_up("ghost@a.example", mx.addr()).unwrap_err(), "550 5.1.1 No such user\r\n");
        assert_eq!(mx.try_next(), None, "{}", mx.transcript());
    });
}

#[test]
fn a_message_that_does_not_come_shows_what_came() {
    let mx = block_on(Catcher::start());
    Client::connect(mx.addr()).expect(&[("EHLO app.example", "250"), ("NOOP", "250")]);
    let waiting = AssertUnwindSafe(|| block_on(mx.next_within(Duration::ZERO)));
    let text = catch_unwind(waiting).unwrap_err().downcast::<String>().unwrap();
    assert!(text.starts_with(concat!(file!(), ":")), "{text}");
    assert!(text.ends_with("C: NOOP\nS: 250 2.0.0 Ok\n"), "{text}");
}

#[test]
fn a_dropped_catcher_is_gone() {
    let mx = block_on(Catcher::start());
    let address = mx.addr();
    let client = Client::connect(address);
    drop(mx);
    assert!(is_closed(client));
    // The port is closed by a task of the runtime, in its own time.
    let begun = std::time::Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(30), "somebody listens");
    }
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn mail_comes_under_tls_both_ways() {
    block_on(async {
        let mx = Catcher::start().await;
        catching::send_both_ways(mx.addr(), mx.tls_addr(), mx.certificate());
        for _ in ["TLS first", "STARTTLS"] {
            let mail = mx.next().await;
            assert!(mail.is_encrypted());
            assert_eq!((mail.user(), mail.content()), (Some("tim"), &b"x\r\n"[..]));
        }
        let transcript = mx.transcript();
        assert_eq!(transcript.matches("-- Content(\"x\\r\\n\")\n").count(), 2, "{transcript}");
        assert!(!transcript.contains("tanstaaf") && !transcript.contains("AHRpbQB0"), "{transcript}");
    });
}
