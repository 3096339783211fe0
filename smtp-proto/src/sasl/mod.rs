//! SASL exchanges without I/O (RFC 4422), as AUTH carries them (RFC 4954).
//!
//! | mechanism | feature | source |
//! |---|---|---|
//! | PLAIN | | RFC 4616 |
//! | LOGIN | | draft-murchison-sasl-login |
//! | CRAM-MD5 | `cram-md5` | RFC 2195 |
//! | SCRAM-SHA-1, SCRAM-SHA-256, and both with -PLUS | `scram` | RFC 5802, RFC 7677, RFC 9266, RFC 5929 |
//! | XOAUTH2 | | in use before RFC 7628 |
//! | OAUTHBEARER | | RFC 7628 |
//! | EXTERNAL | | RFC 4422 appendix A |
//! | ANONYMOUS | | RFC 4505; for mail catchers and tests, on the Internet an open relay |
//!
//! [`server`] and [`client`] hold the two sides. Neither has a clock, a generator of random numbers or a user
//! database: the first two are inputs, and the third is asked by a question that the application answers when it can.
//! [`Trap`] is a third side, for honeypots: it believes everything.
//!
//! Secrets are compared in constant time, wiped when they are dropped, and shown by no `Debug`.

mod anonymous;
mod binding;
pub mod client;
#[cfg(feature = "cram-md5")]
mod cram_md5;
mod external;
mod login;
mod mechanism;
mod names;
mod nonce;
mod oauthbearer;
mod plain;
#[cfg(feature = "saslprep")]
pub mod saslprep;
#[cfg(feature = "scram")]
mod scram;
mod secret;
pub mod server;
mod trap;
mod xoauth2;

pub use binding::Bindings;
pub use mechanism::Mechanism;
pub use nonce::Nonce;
pub use oauthbearer::TokenHints;
#[cfg(feature = "scram")]
pub use scram::{KeysError, ScramHash, ScramKeys};
pub use secret::same;
pub use trap::{Next, Trap};
