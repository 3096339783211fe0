//! Sending mail: one connection as a [`Client`], many as a [`Pool`].

mod connect;
mod content;
mod observe;
mod pool;
mod pump;
mod single;

pub use connect::{Connect, ConnectError};
pub use pool::{Lease, Pool, PoolBuilder};
pub use pump::Client;
pub use smtp_proto::client::{
    Attempts, AuthError, Certificate, ClientConfig, ClientSession, ClientStep, CloseReason, ContentWriter,
    Envelope, NoStartTls, Outcome, Over, PoolStats, Ready, Recipient, Recipients, Retry, Sent, Timeouts,
    TlsPolicy, Wait, Why,
};
pub use smtp_proto::sasl::client::Credentials;
pub use smtp_proto::wire::content::SendNewlines;
pub use smtp_proto::wire::params::Body;
