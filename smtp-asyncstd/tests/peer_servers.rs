//! This adapter's client sends to other people's servers.
#![cfg(all(feature = "aws-lc-rs", unix))]

#[path = "../../smtp-tokio/tests/peer_servers/mod.rs"]
mod servers;

/// What differs between the adapters.
mod adapter {
    pub(crate) use async_std::os::unix::net::UnixStream;
    pub(crate) use async_std::task::block_on;
    pub(crate) use smtp_asyncstd::*;
}
