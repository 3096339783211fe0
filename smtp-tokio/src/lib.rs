#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

pub mod client;
mod clock;
mod connection;
pub mod manual;
mod message;
#[cfg(doctest)]
mod misuse;
mod observe;
mod server;
mod slots;
mod socket;
mod stop;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(unix)]
mod watch;

pub use client::{Client, ClientConfig, Credentials, Envelope, Outcome, Pool, Retry, TlsPolicy};
pub use connection::Connection;
pub use message::Message;
pub use server::{Builder, Handle, Server};
/// The core, for what has no name here: parameters, keywords, what content needs.
pub use smtp_proto;
pub use smtp_proto::server::{
    Answered, AuthWhen, CloseReason, Decision, Extension, Facts, Limits, Peer, Pending, ReceivedBy,
    ResetCause, ServerConfig, Step,
};
pub use smtp_proto::wire::path::{Mailbox, MailboxBuf, ReversePath, ReversePathBuf};
pub use smtp_proto::wire::reply::{Reply, ReplyBuf};
pub use smtp_proto::{Command, Leniency, sasl, trace};
pub use socket::Socket;
#[cfg(unix)]
pub use watch::HangUp;

// The program on the repository's front page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;
