use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which a list is switched off: each holds a client up.
const FAILURES: u32 = 5;

/// Whether a list can be relied on.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: State,
    failures: u32,
    tested: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Not used before it has proved to work.
    #[default]
    Untested,
    On,
    Off,
}

/// What has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    On,
    Off(String),
}

impl Health {
    pub(super) fn is_on(&self) -> bool {
        self.state == State::On
    }

    /// Whether a test is due: the last one is `interval` ago, or the list is not on.
    pub(super) fn is_due(&self, now: Instant, interval: Duration) -> bool {
        !self.is_on() || self.tested.is_none_or(|tested| now.saturating_duration_since(tested) >= interval)
    }

    pub(super) fn tested(&mut self, result: Result<(), String>, now: Instant) -> Option<Change> {
        self.tested = Some(now);
        match result {
            Ok(()) => {
                self.failures = 0;
                (std::mem::replace(&mut self.state, State::On) != State::On).then_some(Change::On)
            }
            Err(why) => self.off(why),
        }
    }

    pub(super) fn answered(&mut self) -> Option<Change> {
        self.failures = 0;
        None
    }

    pub(super) fn failed(&mut self, why: &str) -> Option<Change> {
        self.failures += 1;
        if self.failures < FAILURES { None } else { self.off(format!("{why}, {FAILURES} times in a row")) }
    }

    pub(super) fn refused(&mut self, code: Ipv4Addr) -> Option<Change> {
        self.off(format!("it refuses our questions ({code})"))
    }

    /// Told once: it may be off already when the last answers come in.
    fn off(&mut self, why: String) -> Option<Change> {
        (std::mem::replace(&mut self.state, State::Off) != State::Off).then_some(Change::Off(why))
    }
}
