//! From figures to one of three levels.

use std::fmt;
use std::time::Duration;

use super::limits::{CALM_LOOKS, LEAN_COMMIT, LEAN_SHARE, LEAVE, SHED_COMMIT, SHED_SHARE};

/// How much goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    Normal,
    /// Idle clients, those with many connections and those who make errors make room for others.
    Lean,
    /// New strangers are sent away.
    Shed,
}

impl Level {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Lean => "lean",
            Self::Shed => "shed",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What was found at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Readings {
    /// How much of what strangers may have is used: 1 is all, and users may go beyond.
    pub(crate) sessions: f64,
    /// How much of what there may be is held.
    pub(crate) memory: f64,
    /// The same of the control group's memory, by whatever is in it.
    pub(crate) group: f64,
    /// The longest commit since the look before.
    pub(crate) commit: Duration,
}

impl Readings {
    /// The level by thresholds that are multiplied by `scale`.
    fn level(self, scale: f64) -> Level {
        let above = |share: f64, commit: Duration| {
            self.sessions.max(self.memory).max(self.group) >= share * scale
                || self.commit >= commit.mul_f64(scale)
        };
        if above(SHED_SHARE, SHED_COMMIT) {
            Level::Shed
        } else if above(LEAN_SHARE, LEAN_COMMIT) {
            Level::Lean
        } else {
            Level::Normal
        }
    }
}

/// The level, by what is found from look to look: up at once, down when it has been calm for a while.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    level: Level,
    calm: u32,
}

impl Gauge {
    /// Takes one look into account; returns the level from now on.
    pub(crate) fn see(&mut self, readings: Readings) -> Level {
        let up = readings.level(1.0);
        let stays = readings.level(LEAVE);
        if up > self.level {
            (self.level, self.calm) = (up, 0);
        } else if stays >= self.level {
            self.calm = 0;
        } else {
            self.calm += 1;
            if self.calm >= CALM_LOOKS {
                (self.level, self.calm) = (stays, 0);
            }
        }
        self.level
    }
}
