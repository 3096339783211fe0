//! SMTP and LMTP without I/O: the protocol as a state machine that you feed with octets and time.
//!
//! [`ServerSession`](server::ServerSession) takes what a client sends, checks grammar, order and limits, and hands out
//! one [`Step`](server::Step) after another: somebody connected, a sender, a recipient, a slice of content, the end of
//! a message. A step that wants an answer carries a token; to consume it is to decide. There is no socket, clock,
//! thread, runtime or `unsafe` in here and no `std` below it, so that one code serves under tokio, on blocking
//! sockets, on a device, and in a test where an hour takes no time.
//!
//! **A token that is dropped without an answer never accepts; the client is told to try later (451).** So
//! `Step::Mail(_) => {}` refuses every mail. End your `match` with `other => other.or_default()`, and read
//! [`server`] for what that does.
//!
//! Programs want `smtp-tokio` or `smtp-asyncstd`, which add sockets and timers and re-export what is needed of this
//! crate. It is used by itself for other runtimes, for simulations, and for its parsers.
//!
//! # How it fits together
//!
//! ```text
//!            octets                         Step, with a token
//!   client ---------> RecvBuf --> +---------------+ --> your policy
//!                                 | ServerSession |
//!   client <--------- output  <-- +---------------+ <-- accept, refuse, decide
//!            octets                  ^         |
//!                               now  |         v  Need: Step, Flush, Input, Pause, Upgrade, Nothing
//!                                  your loop, or an adapter
//! ```
//!
//! The caller owns the octets and the time. [`needs`](server::ServerSession::needs) says what to do next and borrows
//! nothing; [`next`](server::ServerSession::next) lends a step that borrows from the buffer and the session, so that
//! nothing is copied and a policy may await its database with the mailbox still in hand.
//!
//! # The loop by hand
//!
//! This is all that an adapter is, but for time-outs and TLS. It runs over anything that reads and writes.
//!
//! ```
//! use std::io::{self, Read, Write};
//!
//! use smtp_proto::server::{Need, ServerSession, Step};
//! use smtp_proto::{RecvBuf, Time, bytes::Buf};
//!
//! fn serve(
//!     stream: &mut (impl Read + Write),
//!     session: &mut ServerSession,
//!     now: impl Fn() -> Time,
//!     mut policy: impl FnMut(Step<'_, '_>),
//! ) -> io::Result<()> {
//!     let mut buffer = RecvBuf::default();
//!     loop {
//!         buffer.fit(session.room());
//!         match session.needs(&buffer.input(), now()) {
//!             Need::Step => {
//!                 let mut input = buffer.input();
//!                 if let Some(step) = session.next(&mut input) {
//!                     policy(step);
//!                 }
//!                 let used = input.used();
//!                 buffer.consume(used);
//!             }
//!             Need::Flush => {
//!                 let written = stream.write(session.output())?;
//!                 session.output().advance(written);
//!             }
//!             Need::Input => match stream.read(buffer.spare())? {
//!                 0 => session.handle_eof(),
//!                 read => buffer.commit(read),
//!             },
//!             Need::Pause(until) => std::thread::sleep(until.since(now())),
//!             Need::Upgrade => return Err(io::Error::other("no TLS here: do not offer STARTTLS")),
//!             Need::Nothing => return Ok(()),
//!         }
//!     }
//! }
//!
//! # // A client that waits for each reply: it sends a line a read.
//! # struct Client(io::Cursor<&'static [u8]>, Vec<u8>);
//! # impl Read for Client {
//! #     fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
//! #         let mut line = Vec::new();
//! #         io::BufRead::read_until(&mut self.0, b'\n', &mut line)?;
//! #         room[..line.len()].copy_from_slice(&line);
//! #         Ok(line.len())
//! #     }
//! # }
//! # impl Write for Client {
//! #     fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
//! #         self.1.write(octets)
//! #     }
//! #     fn flush(&mut self) -> io::Result<()> {
//! #         Ok(())
//! #     }
//! # }
//! # use smtp_proto::server::{Peer, ServerConfig};
//! # let mut client = Client(io::Cursor::new(
//! #     b"EHLO a.example\r\nMAIL FROM:<me@a.example>\r\nRCPT TO:<you@mx.example>\r\nRCPT TO:<you@b.example>\r\n\
//! #     DATA\r\n..dots\r\n.\r\nQUIT\r\n",
//! # ), Vec::new());
//! let mut session = ServerSession::new(ServerConfig::new("mx.example")?.into(), Peer::unknown(), Time::ZERO);
//! let mut mail = Vec::new();
//! serve(&mut client, &mut session, || Time::ZERO, |step| match step {
//!     Step::Rcpt(rcpt) if rcpt.mailbox().domain().is_some_and(|domain| domain == "mx.example") => rcpt.accept(),
//!     Step::Content(octets) => mail.extend_from_slice(octets),
//!     Step::Verdict(verdict) => verdict.accept(),
//!     other => other.or_default(),
//! })?;
//! assert_eq!(mail, b".dots\r\n");
//! # let replies = String::from_utf8(client.1)?;
//! # assert!(replies.starts_with("220 mx.example ESMTP\r\n250-mx.example\r\n"), "{replies}");
//! # assert!(replies.contains("550 5.1.1 No such user here\r\n"), "{replies}");
//! # assert!(replies.ends_with("250 2.0.0 Message accepted\r\n221 2.0.0 Bye\r\n"), "{replies}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To be fit for a network it lacks a deadline: wait for the socket at most until
//! [`deadline`](server::ServerSession::deadline), then call
//! [`handle_timeout`](server::ServerSession::handle_timeout). `examples/blocking_server.rs` does, in 60 lines, and
//! while it pauses a loop should read as well, to see a client that leaves or talks out of turn. A write that is
//! refused because the client is gone means: clear the output, then
//! [`handle_eof`](server::ServerSession::handle_eof). Where reads own their buffer (io_uring),
//! [`RecvBuf::take`] and [`RecvBuf::restore`] hand it over.
//!
//! # Where things are
//!
//! | module | what it holds |
//! |---|---|
//! | [`manual`] | the questions that are asked, and where the answers are |
//! | [`server`] | sessions: steps, tokens, decisions, time-outs, budgets, the state table |
//! | [`client`] | sessions: a message goes out, an outcome for each recipient comes back |
//! | [`sasl`] | the exchanges behind AUTH, both sides |
//! | [`wire`] | octets to values and back: commands, replies, EHLO, paths, parameters, content; no state |
//! | [`limits`] | every number, with its reason |
//! | [`RecvBuf`], [`Input`] | the receive buffer, and its octets on loan |
//! | [`trace`] | the octets of a session written down, secrets left out |
//! | [`Time`] | a point in time as a session knows it: the span since an origin of the caller's |
//! | [`ParseError`], [`Fault`] | what is wrong, at which octet, and which reply says so |
//! | [`Leniency`] | which deviations are borne; none, unless you say so |
//! | `testing` | with the feature of that name: transcripts run against a session, cut anywhere; what a catcher does |
//!
//! # Features
//!
//! None is on by default, and none takes anything away.
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` | lets the search for line ends use the CPU's wider vectors; the crate itself stays `no_std` |
//! | `scram` | SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms; implies `saslprep` |
//! | `cram-md5` | CRAM-MD5 |
//! | `saslprep` | preparation of user names and passwords (RFC 4013) |
//! | `serde` | owned values to and from serde's formats |
//! | `testing` | the module `testing` |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod client;
mod error;
mod io;
pub mod limits;
pub mod manual;
pub mod sasl;
pub mod server;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
pub mod trace;
pub mod wire;

pub use bytes;
pub use error::{Fault, ParseError};
pub use io::{Input, RecvBuf};
pub use time::Time;
pub use wire::command::{Command, Verb};
pub use wire::host::Domain;
pub use wire::leniency::Leniency;
pub use wire::path::{Mailbox, MailboxBuf, ReversePath, ReversePathBuf};
