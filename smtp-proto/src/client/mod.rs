//! The client's side of a session: a message goes out, and each recipient has an outcome.
//!
//! [`ClientSession`] hands out one [`ClientStep`] after another. [`Ready`] is the only place to start something:
//! [`start_tls`](Ready::start_tls), [`auth`](Ready::auth), [`send`](Ready::send), [`quit`](Ready::quit), or one command
//! at a time. The loop by hand is that of the server; this is `examples/blocking_client.rs`, on a blocking socket, with its
//! deadlines:
//!
//! ```no_run
#![doc = include_str!("../../examples/blocking_client.rs")]
//! ```
//!
//! An adapter adds TLS, and reads while it writes: when something came it asks [`needs`](ClientSession::needs)
//! again, whether all was written or not. A server whose answers nobody reads takes no commands.
//!
//! # Outcomes
//!
//! | outcome | when | [`retry`](Outcome::retry) |
//! |---|---|---|
//! | [`Accepted`](Outcome::Accepted) | 2yz to the end of the content (in LMTP to this recipient's) | [`Never`](Retry::Never) |
//! | [`Refused`](Outcome::Refused) | 4yz to MAIL, RCPT, DATA or the content; 421 where the content's answer was due | [`Later`](Retry::Later) |
//! | [`Refused`](Outcome::Refused) | 5yz to one of them | [`Never`](Retry::Never) |
//! | [`NotTried`](Outcome::NotTried) | the server can't take it: [`Unsupported`](Why::Unsupported), [`NotUnderTls`](Why::NotUnderTls) | [`OtherHost`](Retry::OtherHost) |
//! | [`NotTried`](Outcome::NotTried) | the connection ended before the content was out: [`Closed`](Why::Closed) | [`OtherHost`](Retry::OtherHost) |
//! | [`NotTried`](Outcome::NotTried) | [`Limits`](Why::Limits), [`Abandoned`](Why::Abandoned) | [`Later`](Retry::Later) |
//! | [`NotTried`](Outcome::NotTried) | no host would take it: [`TooBig`](Why::TooBig), [`BareNewline`](Why::BareNewline), [`FalseDeclaration`](Why::FalseDeclaration) | [`Never`](Retry::Never) |
//! | [`Unknown`](Outcome::Unknown) | the content is out with its end; then silence, the connection's end, or what is no answer | [`AskUser`](Retry::AskUser) |
//!
//! QUIT changes none of them. An answer that comes unasked while the session is at rest means that it is closed
//! ([`CloseReason::Idle`]), not that something failed.
//!
//! # Content
//!
//! [`Envelope::content`] looks through a slice and says what it needs; a file is surveyed with
//! [`Survey`](crate::wire::content::Survey) and [`Envelope::surveyed`]; a stream declares with [`Envelope::body`] and
//! [`Envelope::size`], and what turns out false ends the connection before the content's end. Content that can be
//! written twice says so ([`Envelope::rewinds`]): where the server takes fewer recipients at once,
//! [`ContentWriter::at`] is 0 again in a further transaction.
//!
//! # Waits
//!
//! | wait | time | default | source |
//! |---|---|---|---|
//! | [`Greeting`](Wait::Greeting) | [`greeting`](Timeouts::greeting) | 5 min | RFC 5321 §4.5.3.2.1 |
//! | [`Hello`](Wait::Hello) | [`hello`](Timeouts::hello) | 5 min | as for MAIL |
//! | [`StartTls`](Wait::StartTls), [`Handshake`](Wait::Handshake) | [`start_tls`](Timeouts::start_tls), [`handshake`](Timeouts::handshake) | 5 min, 30 s | ours |
//! | [`Auth`](Wait::Auth) | [`auth`](Timeouts::auth) | 5 min for all of it | ours |
//! | [`Mail`](Wait::Mail), [`Rcpt`](Wait::Rcpt) | [`mail`](Timeouts::mail), [`rcpt`](Timeouts::rcpt) | 5 min each | RFC 5321 §4.5.3.2.2, §4.5.3.2.3 |
//! | [`DataInit`](Wait::DataInit) | [`data_init`](Timeouts::data_init) | 2 min | RFC 5321 §4.5.3.2.4 |
//! | [`DataBlock`](Wait::DataBlock) | [`data_block`](Timeouts::data_block) | 3 min a block | RFC 5321 §4.5.3.2.5 |
//! | [`DataEnd`](Wait::DataEnd) | [`data_end`](Timeouts::data_end) | 10 min | RFC 5321 §4.5.3.2.6 |
//! | [`Chunk`](Wait::Chunk), [`Command`](Wait::Command), [`Write`](Wait::Write) | [`chunk`](Timeouts::chunk), [`command`](Timeouts::command) | 5 min | ours |
//! | [`Quit`](Wait::Quit) | [`quit`](Timeouts::quit) | 2 s | ours |
//!
//! ```
//! # use {smtp_proto::client::{ClientConfig, Timeouts}, std::time::Duration};
//! let config = ClientConfig::new("a.example")?.timeouts(|waits| waits.greeting = Duration::from_secs(30));
//! # let Timeouts { greeting, hello, start_tls, handshake, auth, mail, rcpt, data_init, data_block, data_end, chunk,
//! #     command, quit, .. } = Timeouts::default();
//! # assert_eq!([greeting, hello, start_tls, auth, mail, rcpt, chunk, command], [Duration::from_secs(300); 8]);
//! # let rest = [handshake, data_init, data_block, data_end, quit].map(|wait| wait.as_secs());
//! # assert_eq!(rest, [30, 120, 180, 600, 2], "the table above says so");
//! # Ok::<(), smtp_proto::ParseError>(())
//! ```
//!
//! # Traps
//!
//! - `ready.send(&envelope)` borrows the envelope for the call only: addresses and parameters are copied.
//! - [`ContentWriter::write`] may take less than it is given, and nothing when there is no room before the next step: a
//!   loop around it must end then.
//! - A write that fails because the server is gone means [`ClientSession::handle_eof`], *before* the output is cleared:
//!   what is left there tells whether the end of the content was out.
//! - Credentials go to a server whose certificate was verified ([`Certificate`]). For a socket that needs no TLS, such as
//!   one in the file system, [`ClientConfig::insecure_credentials`] has to be said.

mod auth;
mod check;
mod config;
mod envelope;
mod hello;
mod job;
#[cfg(doctest)]
mod misuse;
mod outcome;
mod session;
mod step;
mod transaction;
mod waits;

pub use crate::server::{Need, Protocol, TlsInfo};
pub use auth::AuthError;
pub use config::{ClientConfig, Timeouts};
pub use envelope::{Envelope, Recipient, Recipients};
pub use hello::NoStartTls;
pub use outcome::{Contradiction, Outcome, Retry, Why};
pub use session::{Certificate, ClientSession};
pub use step::{Challenge, ClientStep, CloseReason, ContentWriter, Ready, Sent};
pub use waits::Wait;
