//! Places for sessions, of all listeners together. Where there is none, nobody is accepted: clients wait in the
//! system's queue, which costs neither a descriptor nor time.

use std::sync::Arc;

use tokio::sync::watch;

use super::limits::KEPT_FOR_USERS;
use crate::config::Kind;

#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    is_closed: bool,
}

/// One session's place, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: watch::Sender::default() }
    }

    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Without those that are kept for users.
    pub(crate) const fn for_strangers(&self) -> usize {
        self.most - self.most / KEPT_FOR_USERS
    }

    pub(crate) fn open(&self) -> usize {
        self.state.borrow().open
    }

    /// Waits until there is a place for a client of such a listener; false if nobody is to be accepted any more.
    pub(crate) async fn room(&self, kind: Kind) -> bool {
        let most = match kind {
            Kind::Mx => self.for_strangers(),
            _ => self.most,
        };
        let mut state = self.state.subscribe();
        let seen = state.wait_for(|state| state.is_closed || state.open < most).await;
        // The sender is `self`.
        seen.is_ok_and(|state| !state.is_closed)
    }

    /// Takes one. Listeners that accept at the same time may each take one more than there are.
    pub(crate) fn take(self: &Arc<Self>) -> Place {
        self.state.send_modify(|state| state.open += 1);
        Place(Arc::clone(self))
    }

    /// Nobody waits for a place any more.
    pub(crate) fn close(&self) {
        self.state.send_modify(|state| state.is_closed = true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.open -= 1);
    }
}
