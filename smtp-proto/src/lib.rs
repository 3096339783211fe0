//! SMTP and LMTP without I/O.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod error;
mod io;
pub mod limits;
pub mod sasl;
pub mod server;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
pub mod wire;

pub use bytes;
pub use error::{Fault, ParseError};
pub use io::{Input, RecvBuf};
pub use time::Time;
pub use wire::command::{Command, Verb};
pub use wire::host::Domain;
pub use wire::leniency::Leniency;
pub use wire::path::{Mailbox, MailboxBuf, ReversePath, ReversePathBuf};
