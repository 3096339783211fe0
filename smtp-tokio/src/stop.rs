//! The word that ends all sessions of a server.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Said once, heard by all that wait and by all that ask later.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    told: AtomicBool,
    waiting: Notify,
}

impl Stop {
    pub(crate) fn tell(&self) {
        self.told.store(true, Ordering::SeqCst);
        self.waiting.notify_waiters();
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Ready once it is told from now on: made first, then asked [`is_told`](Self::is_told), nothing is missed.
    pub(crate) fn next(&self) -> Notified<'_> {
        self.waiting.notified()
    }

    /// Returns once it is told.
    pub(crate) async fn wait(&self) {
        let next = self.next();
        if !self.is_told() {
            next.await;
        }
    }
}
