//! This adapter's client sends to other people's servers.
#![cfg(all(feature = "aws-lc-rs", unix))]

#[path = "peer_servers/mod.rs"]
mod servers;

/// What differs between the adapters.
mod adapter {
    pub(crate) use smtp_tokio::*;
    pub(crate) use tokio::net::UnixStream;

    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }
}
