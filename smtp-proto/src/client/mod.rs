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
//! [`Outcome`] says for each recipient whether the server has the message, [`Outcome::retry`] whether to send again:
//! [`manual::outcomes`](crate::manual::outcomes) has the table. QUIT changes none of them. An answer that comes unasked while
//! the session is at rest means that it is closed ([`CloseReason::Idle`]), not that something failed.
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
//! Each wait has a name, a setting and a deadline: [`manual::waits`](crate::manual::waits) has the table.
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
mod bdat;
mod check;
mod config;
mod envelope;
mod hello;
mod job;
#[cfg(doctest)]
mod misuse;
mod outcome;
mod output;
mod pool;
mod session;
mod step;
#[cfg(test)]
mod tables;
mod transaction;
mod waits;

pub use crate::server::{Need, Protocol, TlsInfo};
pub use auth::AuthError;
pub use config::{ClientConfig, Timeouts, TlsPolicy};
pub use envelope::{Envelope, Recipient, Recipients};
pub use hello::NoStartTls;
pub use outcome::{Contradiction, Outcome, Retry, Why};
pub use pool::{Attempts, Over, PoolLimits, PoolStats};
pub use session::{Certificate, ClientSession};
pub use step::{Challenge, ClientStep, CloseReason, ContentWriter, Ready, Sent};
pub use waits::Wait;
