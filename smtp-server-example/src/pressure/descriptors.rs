//! How many sessions and deliveries the descriptors suffice for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::limits::{DELIVERY_DESCRIPTORS, FEWEST, MOST_SESSIONS, OWN_DESCRIPTORS, SESSION_DESCRIPTORS};

/// What becomes of the descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// That the process may have.
    pub(crate) limit: u64,
    pub(crate) sessions: usize,
    /// Deliveries at once.
    pub(crate) deliveries: usize,
}

impl Budget {
    /// Raises the limit as far as that needs nobody's leave, and divides what there is. `deliveries` are wanted.
    pub(crate) fn take(listeners: usize, deliveries: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            // Where it may not be, what there was has to do.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        }
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::of(limit, listeners, deliveries)
    }

    /// Half of what is left is for deliveries if they want it: mail that can't leave is of no use.
    pub(crate) fn of(limit: u64, listeners: usize, deliveries: usize) -> Self {
        let left = limit.saturating_sub(OWN_DESCRIPTORS).saturating_sub(listeners as u64);
        let most = (left / 2 / DELIVERY_DESCRIPTORS).max(FEWEST);
        let deliveries = (deliveries as u64).min(most);
        let left = left.saturating_sub(deliveries * DELIVERY_DESCRIPTORS);
        let sessions = (left / SESSION_DESCRIPTORS).clamp(FEWEST, MOST_SESSIONS);
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self { limit, sessions: number(sessions), deliveries: number(deliveries) }
    }
}
