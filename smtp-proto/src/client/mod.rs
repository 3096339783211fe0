//! The client's side of a session: a message goes out, and each recipient has an outcome.
//!
//! [`ClientSession`] hands out one [`ClientStep`] after another. [`Ready`] is the only place to start something:
//! [`start_tls`](Ready::start_tls), [`auth`](Ready::auth), [`send`](Ready::send), [`quit`](Ready::quit), or one command
//! at a time. The loop by hand is that of the server.
//!
//! ```
//! use smtp_proto::client::{ClientConfig, ClientSession, ClientStep, Envelope, Outcome};
//! use smtp_proto::server::Need;
//! use smtp_proto::{MailboxBuf, RecvBuf, Time};
//!
//! let (from, to): (MailboxBuf, MailboxBuf) = ("me@a.example".parse()?, "you@b.example".parse()?);
//! let text = b"Subject: hi\r\n\r\n.dots\r\n";
//! let envelope = Envelope::new(&from).to(&to).content(text);
//!
//! let mut smtp = ClientSession::new(ClientConfig::new("a.example")?, Time::ZERO);
//! let (mut buffer, mut sent) = (RecvBuf::default(), false);
//! # let mut wire = Vec::new();
//! # let mut script = [
//! #     "220 b.example\r\n", "250-b.example\r\n250 PIPELINING\r\n",
//! #     "250 Ok\r\n250 Ok\r\n354 Go on\r\n", "250 2.0.0 Got it\r\n", "221 Bye\r\n",
//! # ].into_iter();
//! # let mut read = |spare: &mut [u8]| {
//! #     let octets = script.next().unwrap_or_default().as_bytes();
//! #     spare[..octets.len()].copy_from_slice(octets);
//! #     octets.len()
//! # };
//! loop {
//!     buffer.fit(smtp.room());
//!     match smtp.needs(&buffer.input(), Time::ZERO) {
//!         Need::Flush => {
//! #           wire.extend_from_slice(smtp.output());
//!             // Write smtp.output() to the socket.
//!             smtp.output().clear();
//!         }
//!         Need::Input => match read(buffer.spare()) {
//!             0 => smtp.handle_eof(),
//!             n => buffer.commit(n),
//!         },
//!         Need::Step => {
//!             let mut input = buffer.input();
//!             match smtp.next(&mut input) {
//!                 Some(ClientStep::Ready(ready)) if sent => ready.quit(),
//!                 Some(ClientStep::Ready(ready)) => {
//!                     ready.send(&envelope)?;
//!                     sent = true;
//!                 }
//!                 Some(ClientStep::Content(mut body)) => {
//!                     let at = body.at() as usize;
//!                     let taken = body.write(&text[at..]);
//!                     if at + taken == text.len() {
//!                         body.finish();
//!                     }
//!                 }
//!                 _ => {}
//!             }
//!             let used = input.used();
//!             buffer.consume(used);
//!         }
//!         Need::Pause(_) | Need::Upgrade | Need::Nothing => break,
//!     }
//! }
//! assert!(matches!(smtp.outcome(0), Outcome::Accepted(reply) if reply.code() == 250));
//! # let wire = String::from_utf8(wire)?;
//! # assert!(wire.ends_with("DATA\r\nSubject: hi\r\n\r\n..dots\r\n.\r\nQUIT\r\n"), "{wire}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auth;
mod check;
mod config;
mod envelope;
mod hello;
mod job;
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
