//! Sending mail: one connection as a [`Client`], many as a [`Pool`].

mod connect;
mod content;
mod observe;
mod pool;
mod pump;
mod single;

pub use connect::{Connect, ConnectError, TlsPolicy};
pub use pool::{Lease, Pool, PoolBuilder, PoolStats};
pub use pump::Client;
pub use smtp_proto::client::{
    AuthError, Certificate, ClientConfig, ClientSession, ClientStep, CloseReason, ContentWriter, Envelope,
    NoStartTls, Outcome, Ready, Recipient, Recipients, Retry, Sent, Timeouts, Wait, Why,
};
pub use smtp_proto::sasl::client::Credentials;
