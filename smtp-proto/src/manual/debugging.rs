//! Why was this message refused? What did the client really send?
//!
//! # Write it down
//!
//! A [`Transcript`](crate::trace::Transcript) is a connection's octets as text, a line each, `C:` the client's and `S:` the
//! server's, with log-ins left out. In the adapters `connection.record(transcript)` fills it, under TLS too, and adds
//! notes: the handshake, a PROXY header, the [`CloseReason`](crate::server::CloseReason). Where it goes is your choice:
//! [`Lines`](crate::trace::Lines) hands over one line at a time.
//!
//! To keep the last lines of each connection, and log them only when something went wrong:
//!
//! ```
//! use std::collections::VecDeque;
//! use std::sync::{Arc, Mutex};
//!
//! use smtp_proto::trace::{Lines, Transcript};
//!
//! let last = Arc::new(Mutex::new(VecDeque::new()));
//! let kept = Arc::clone(&last);
//! let sink = Lines::new(move |line: &str| {
//!     let mut last = kept.lock().unwrap();
//!     if last.len() == 100 {
//!         last.pop_front();
//!     }
//!     last.push_back(line.to_owned());
//! });
//! // connection.record(Transcript::new(sink));
//! # let mut transcript = Transcript::new(sink);
//! # transcript.received(b"EHLO a.example\r\nRCPT TO:<b@b.example\r\n");
//! # transcript.sent(b"501 5.1.3 Error: bad address\r\n");
//!
//! // Later, at a Step::Verdict that you refuse, or a Step::Close that is no Quit:
//! for line in last.lock().unwrap().iter() {
//!     eprintln!("{line}");
//! }
//! # assert_eq!(last.lock().unwrap().len(), 3);
//! ```
//!
//! # Read it
//!
//! | what you see | what it means |
//! |---|---|
//! | `C! EHLO a.example\n` | the line ended with LF alone, or not at all: no mail program, or one that runs on the wrong system |
//! | `S: 451 4.3.0` to a command that is right | your policy dropped its token: [decisions](crate::server#decisions) |
//! | `S: 501`, `S: 500` | the client is wrong by the grammar; perhaps a switch takes it: [`leniency`](super::leniency) |
//! | `S: 503` | the order is wrong: [the state table](crate::server#the-state-table) |
//! | `S: 554 5.5.1` and the end, at once | it did not wait for the greeting or for EHLO's answer |
//! | `S: 421` | a time-out or a budget, and the text says which: [`server`](crate::server#budgets) |
//! | `S: 550 5.6.11` | the content holds a bare CR or LF |
//! | `-- closed: Probe` | nothing was said: a health check |
//! | `-- closed: PeerGone` | the client left without QUIT; look at the reply before |
//! | `-- closed: NotSmtp(Tls)` | it wanted TLS from the start: [`tls`](super::tls) |
//!
//! Beside a token [`Facts::deviations`](crate::server::Facts::deviations) names what was tolerated, and what the session
//! answered by itself comes as [`Step::Answered`](crate::server::Step::Answered), which is what a log wants to count.
//!
//! # Play it again
//!
//! The example `explain` reads what a client sends and prints each step and each reply:
//!
//! ```text
//! $ printf 'EHLO me.example\r\nRCPT TO:<a@b.example>\r\n' | cargo run -q -p smtp-proto --example explain
//! = Connect(Pending(Connect))
//! S: 220 explain.example ESMTP\r\n
//! = Hello(Pending(Hello { name: Hello(me.example), extended: true }))
//! ...
//! = Answered(Answered { line: "RCPT TO:<a@b.example>\r\n", code: 503 })
//! S: 503 5.5.1 Error: need MAIL command\r\n
//! = Close(PeerGone)
//! ```
//!
//! `sed -n 's/^C: \(.*\)/\1\r/p' FILE` makes its input of a transcript. When it shows something that should not be so, the
//! octets belong into `fuzz/seeds` (`CONTRIBUTING.md`).
