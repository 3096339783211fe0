//! This adapter streams a large message.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the figures are half of what it is for")]

#[path = "../../smtp-tokio/tests/streaming/mod.rs"]
mod streaming;

/// What differs between the adapters.
mod adapter {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::AsyncRead;

    pub(crate) use async_std::os::unix::net::UnixStream as Stream;
    pub(crate) use async_std::task::{block_on, spawn};
    pub(crate) use smtp_asyncstd::{Client, Connection, MailboxBuf};

    use crate::streaming::Pattern;

    impl AsyncRead for Pattern {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut [u8],
        ) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Ok(self.fill(room)))
        }
    }

    pub(crate) fn pipe() -> (Stream, Stream) {
        Stream::pair().unwrap()
    }
}
