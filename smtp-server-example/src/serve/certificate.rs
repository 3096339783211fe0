//! The certificate that is shown, which is another one soon after its files are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use smtp_tokio::Handle;

use crate::config::{Kind, Tls};
use crate::failure::Failure;
use crate::tls::{self, Pair, Stamps};

/// What handshakes begin with.
pub(crate) struct Shown {
    doors: Vec<(Kind, Handle)>,
    state: Mutex<State>,
}

struct State {
    /// When what is shown ends.
    ends: Option<i64>,
    /// The files as they were when they were read last, whether or not that did.
    read: Option<Stamps>,
    /// The files as they were seen last.
    seen: Option<Stamps>,
}

impl Shown {
    /// What the doors were opened with.
    pub(super) fn new(pair: Option<Pair>, doors: Vec<(Kind, Handle)>) -> Self {
        let (ends, read) = pair.map_or((None, None), |pair| (pair.ends, pair.files));
        Self { doors, state: Mutex::new(State { ends, read, seen: None }) }
    }

    /// When the first certificate of what is shown ends, in seconds of Unix.
    pub(crate) fn ends(&self) -> Option<i64> {
        self.state().ends
    }

    /// Shows another one from now on; sessions that are open go on with theirs.
    pub(super) fn show(&self, pair: Pair) {
        self.show_in(&mut self.state(), pair);
    }

    fn show_in(&self, state: &mut State, pair: Pair) {
        for (kind, door) in &self.doors {
            door.reload_tls(tls::of_kind(&pair.config, *kind));
        }
        (state.ends, state.read) = (pair.ends, pair.files);
    }

    /// Shows what the files hold if they have changed, and then stayed as they are from one look to the next:
    /// certificate and key are written one after the other. None if there is nothing new; an error is told once.
    pub(super) fn look(&self, tls: &Tls) -> Option<Result<(), Failure>> {
        let mut state = self.state();
        // What began without a certificate can't be given one.
        let read = state.read.as_ref()?;
        let now = Stamps::of(tls);
        if *read == now || state.seen.replace(now.clone()).as_ref() != Some(&now) {
            return None;
        }
        state.read = Some(now);
        match tls::load(tls) {
            Ok(pair) => self.show_in(&mut state, pair?),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
