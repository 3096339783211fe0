//! A client that has greeted.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use smtp_proto::client::ClientConfig;
use smtp_proto::testing::{Letter, Talk, Task};

pub const HI: &[u8] = b"Subject: hi\r\n\r\n.dots\r\n";

pub fn config() -> ClientConfig {
    ClientConfig::new("a.example").unwrap()
}

/// A session that has heard this answer to EHLO.
pub fn greeted_with(config: ClientConfig, ehlo: &[u8]) -> Talk {
    let mut talk = Talk::new(config);
    talk.hear(b"220 mx.example ESMTP\r\n");
    talk.hear(ehlo);
    assert_eq!(talk.events.pop().as_deref(), Some("ready"), "{:?}", talk.events);
    talk.events.clear();
    talk.sent.clear();
    talk
}

pub fn pipelining() -> Talk {
    greeted_with(config(), b"250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000\r\n")
}

pub fn plain() -> Talk {
    greeted_with(config(), b"250 mx.example\r\n")
}

pub fn letter(to: &[&str]) -> Letter {
    Letter::new("me@a.example", to, HI).unwrap()
}

pub fn send(talk: &mut Talk, to: &[&str]) {
    talk.then(Task::Send(letter(to)));
    talk.go();
}
