//! This adapter streams a large message.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the figures are half of what it is for")]

#[path = "streaming/mod.rs"]
mod streaming;

/// What differs between the adapters.
mod adapter {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, ReadBuf};

    pub(crate) use smtp_tokio::{Client, Connection, MailboxBuf};
    pub(crate) use tokio::io::DuplexStream as Stream;

    use crate::streaming::Pattern;

    impl AsyncRead for Pattern {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let filled = self.fill(buffer.initialize_unfilled());
            buffer.advance(filled);
            Poll::Ready(Ok(()))
        }
    }

    pub(crate) fn pipe() -> (Stream, Stream) {
        tokio::io::duplex(64 << 10)
    }

    pub(crate) fn spawn<T: Send + 'static>(
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        let running = tokio::spawn(task);
        async { running.await.unwrap() }
    }

    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }
}
