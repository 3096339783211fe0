//! SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and neither sends it.

mod crypto;
mod exchange;
mod keys;
mod message;

pub(super) use exchange::{Binding, Client, ClientFault, Expected, Login, Plus, Proof, Server};
pub use keys::{KeysError, ScramHash, ScramKeys};
pub(super) use message::ServerError;
