//! The server's side of a session: what may be said when, and what the application decides.
//!
//! [`ServerSession`] reads octets and hands out one [`Step`] after another. A step that wants an answer carries a
//! token, [`Pending`]: look at it, await what you need, then consume it with `accept`, `refuse` or `decide`.
//! **A token dropped without an answer never accepts**: the peer gets 451 (421 at the connection's start, 454 for
//! AUTH and STARTTLS), so `Step::Mail(_) => {}` refuses mail for now and loses nothing.
//!
//! # The state table
//!
//! What each verb does in each state; `run` means that its step goes to the application (or that the session
//! does what RFC 5321 asks), a number is the reply the session gives by itself.
#![doc = include_str!("state_table.md")]

mod commands;
mod config;
mod content;
mod decision;
mod envelope;
mod facts;
mod greet;
pub mod replies;
mod secure;
mod session;
pub mod state;
mod step;

pub use config::{AuthWhen, Extension, Extensions, Limits, Protocol, ServerConfig};
pub use decision::Decision;
pub use facts::{Facts, Peer, ReceivedBy, TlsInfo};
pub use session::{ApiMisuse, Need, ServerSession};
pub use step::{
    Abuse, Answered, Auth, CloseReason, Connect, Data, Etrn, Expn, ForeignProtocol, Hello, Mail, Pending,
    Rcpt, ResetCause, StartTls, Step, Verdict, Vrfy, Xclient, Xforward,
};
