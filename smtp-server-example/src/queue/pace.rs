//! How long commits take: for whoever asks now and then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Of the commit that is being made.
    since: Option<Instant>,
    /// Of those that were made since somebody asked.
    longest: Duration,
}

impl Pace {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit begins.
    pub(super) fn begin(&self, now: Instant) {
        self.state().since = Some(now);
    }

    /// It is made, or not made. Returns how long that took.
    pub(super) fn end(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let took = state.since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        state.longest = state.longest.max(took);
        took
    }

    /// The longest since this was asked last, which may be the one that is being made.
    pub(crate) fn longest(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let running = state.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        std::mem::take(&mut state.longest).max(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_commit_is_told_once_and_one_that_hangs_again_and_again() {
        let (pace, start) = (Pace::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.longest(start), Duration::ZERO);
        pace.begin(start);
        assert_eq!(pace.end(at(3)), Duration::from_secs(3));
        pace.begin(at(4));
        assert_eq!(pace.end(at(5)), Duration::from_secs(1));
        assert_eq!(pace.longest(at(6)), Duration::from_secs(3));
        assert_eq!(pace.longest(at(6)), Duration::ZERO);
        pace.begin(at(10));
        assert_eq!(pace.longest(at(12)), Duration::from_secs(2));
        assert_eq!(pace.longest(at(70)), Duration::from_secs(60));
        assert_eq!(pace.end(at(80)), Duration::from_secs(70));
    }
}
