//! What a pool does when servers leave.
#![cfg(feature = "aws-lc-rs")]

#[path = "../../smtp-tokio/tests/scripted/mod.rs"]
mod scripted;

use async_std::task::block_on;
use scripted::Answer::{Close, Content, Reset, Say};
use scripted::{Script, serve};
use smtp_asyncstd::client::{CloseReason, PoolStats, Sent, Why};
use smtp_asyncstd::{Client, ClientConfig, Envelope, MailboxBuf, Outcome, Pool};

const HELLO: (&str, scripted::Answer) = ("EHLO", Say("250 mx.example\r\n"));
const MAIL: (&str, scripted::Answer) = ("MAIL", Say("250 Ok\r\n"));
const RCPT: (&str, scripted::Answer) = ("RCPT", Say("250 Ok\r\n"));
const DATA: (&str, scripted::Answer) = ("DATA", Say("354 Go on\r\n"));
const TAKEN: (&str, scripted::Answer) = ("Subject", Content("250 Got it\r\n"));
const LATER: (&str, scripted::Answer) = ("MAIL", Say("421 Too many, come again\r\n"));

const ONE: Script = &[HELLO, MAIL, RCPT, DATA, TAKEN, ("QUIT", Close)];

/// Sends so many messages one after the other; what became of them, and of the pool.
async fn send(scripts: &'static [Script], messages: usize) -> (Vec<Outcome>, PoolStats) {
    let (address, server) = serve(scripts);
    let pool = Pool::to(Client::to(address.to_string(), ClientConfig::new("client.example").unwrap()));
    let pool = pool.connections(1).build();
    let from: MailboxBuf = "me@client.example".parse().unwrap();
    let to: MailboxBuf = "you@mx.example".parse().unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..messages {
        outcomes.extend(pool.send(&Envelope::new(&from).to(&to), b"Subject: hi\r\n\r\n").await);
    }
    pool.close_idle().await;
    server.join().unwrap();
    (outcomes, pool.stats())
}

#[test]
fn a_used_connection_that_dies_under_mail_is_replaced_once_and_the_message_arrives() {
    block_on(async {
        let deaths: [(Script, &str); 3] = [
            (&[HELLO, MAIL, RCPT, DATA, TAKEN, LATER], "421 to the second MAIL"),
            (&[HELLO, MAIL, RCPT, DATA, TAKEN, ("MAIL", Close)], "closed at the second MAIL"),
            (&[HELLO, MAIL, RCPT, DATA, TAKEN, ("MAIL", Reset)], "reset at the second MAIL"),
        ];
        for (dies, why) in deaths {
            let scripts: Vec<Script> = vec![dies, ONE];
            let (outcomes, stats) = send(scripts.leak(), 2).await;
            assert!(outcomes.iter().all(Outcome::is_accepted), "{why}: {outcomes:?}");
            assert_eq!((stats.connected, stats.reused, stats.messages), (2, 1, 2), "{why}: {stats:?}");
        }
    });
}

#[test]
fn a_new_connection_that_dies_under_mail_is_the_servers_answer() {
    block_on(async {
        const BUSY: Script = &[HELLO, LATER];
        let (outcomes, stats) = send(&[BUSY], 1).await;
        let farewell = Outcome::NotTried(Why::Closed(CloseReason::Farewell(Sent::Mail)));
        assert_eq!(outcomes[0], farewell);
        assert_eq!((stats.connected, stats.not_tried), (1, 1), "{stats:?}");
        // Likewise the one that replaces a used one.
        const DIES: Script = &[HELLO, MAIL, RCPT, DATA, TAKEN, ("MAIL", Close)];
        let (outcomes, stats) = send(&[DIES, BUSY], 2).await;
        assert!(outcomes[0].is_accepted() && outcomes[1] == farewell, "{outcomes:?}");
        assert_eq!((stats.connected, stats.accepted, stats.not_tried), (2, 1, 1), "{stats:?}");
    });
}

#[test]
fn what_the_server_may_have_is_not_sent_again() {
    block_on(async {
        const DIES: Script = &[HELLO, MAIL, RCPT, DATA, TAKEN, MAIL, RCPT, DATA, ("Subject", Content(""))];
        let (outcomes, stats) = send(&[DIES], 2).await;
        assert!(outcomes[0].is_accepted() && outcomes[1] == Outcome::Unknown, "{outcomes:?}");
        assert_eq!((stats.connected, stats.unknown), (1, 1), "{stats:?}");
    });
}
