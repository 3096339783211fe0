//! What there is enough of, and what is said where there is not: disk, memory, descriptors, and time for commits.
//!
//! Nothing that was begun is ended for want of these. New messages are told 452, new clients wait or are told 421, and
//! all of it stops by itself once there is room again.

mod descriptors;
mod gauge;
mod group;
pub(crate) mod limits;
mod memory;
mod places;
mod room;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smtp_proto::wire::reply::Reply;
use tokio::sync::watch;

pub(crate) use self::descriptors::Budget;
pub(crate) use self::gauge::{Gauge, Level, Readings};
pub(crate) use self::group::Groups;
pub(crate) use self::memory::Held;
pub(crate) use self::places::Places;
pub(crate) use self::room::{Space, space};
use crate::config::{Kind, Limits};

/// Too little is left of the disk, or would be after this message (RFC 3463 §3.4).
pub(crate) const NO_ROOM: Reply<'static> =
    Reply::new(452, (4, 3, 1), "Not enough room for the message, try again later");
/// As many messages are on their way as memory was set apart for.
pub(crate) const NO_MEMORY: Reply<'static> =
    Reply::new(452, (4, 3, 1), "Too many messages at once, try again later");
/// Too much goes on for another client.
pub(crate) const BUSY: Reply<'static> = Reply::new(421, (4, 3, 2), "Too busy, try again later");

/// What all sessions share of this.
#[derive(Debug)]
pub(crate) struct Pressure {
    /// The folder of mail, whose disk is looked at.
    folder: PathBuf,
    /// Octets that running transactions have announced or sent.
    promised: Arc<AtomicU64>,
    /// Octets of memory that they may take.
    held: Arc<AtomicU64>,
    groups: Groups,
    pub(crate) places: Arc<Places>,
    /// Deliveries for which there are descriptors.
    pub(crate) deliveries: usize,
    level: watch::Sender<Level>,
}

/// What a transaction has been promised. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    disk: Held,
    memory: Held,
}

impl Share {
    /// So much has come of its content, and so many recipients: never refused, as it was begun.
    pub(crate) fn grow(&mut self, octets: u64, recipients: usize) {
        self.disk.raise_to(octets);
        self.memory.raise_to(memory::of_transaction(Some(octets), recipients));
    }
}

impl Pressure {
    pub(crate) fn new(folder: &Path, budget: Budget, groups: Groups) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            promised: Arc::default(),
            held: Arc::default(),
            groups,
            places: Arc::new(Places::new(budget.sessions)),
            deliveries: budget.deliveries,
            level: watch::Sender::new(Level::Normal),
        })
    }

    pub(crate) fn level(&self) -> Level {
        *self.level.borrow()
    }

    /// Returns whether it is another than before.
    pub(crate) fn set_level(&self, level: Level) -> bool {
        self.level.send_if_modified(|before| std::mem::replace(before, level) != level)
    }

    /// Whether there is a place for a message of which `size` octets were announced, on the disk and in memory.
    pub(crate) fn begin(&self, size: Option<u64>, limits: &Limits) -> Result<Share, Reply<'static>> {
        // Where it can't be told how much room there is, the store says so when it is full.
        let enough = self
            .space()
            .is_none_or(|space| space.has_room(self.promised().saturating_add(size.unwrap_or(0)), limits));
        if !enough {
            return Err(NO_ROOM);
        }
        let needed = memory::of_transaction(size, 1);
        if self.memory().saturating_add(needed) > limits.memory_octets {
            return Err(NO_MEMORY);
        }
        let disk = Held::take(&self.promised, size.unwrap_or(0));
        Ok(Share { disk, memory: Held::take(&self.held, needed) })
    }

    /// Whether a new client is sent away. Who is no stranger is, only where there is no memory for anybody.
    pub(crate) fn turns_away(&self, is_stranger: bool, limits: &Limits) -> bool {
        is_stranger && self.level() == Level::Shed || self.memory() > limits.memory_octets
    }

    /// Returns once an idle session should end, if it ever should: some seconds after many others want its place.
    pub(crate) async fn wants_idle_place(&self) {
        loop {
            let mut level = self.level.subscribe();
            // Whoever could tell otherwise is `self`.
            let _ = level.wait_for(|level| *level > Level::Normal).await;
            let calm = level.wait_for(|level| *level == Level::Normal);
            if tokio::time::timeout(limits::LEAN_IDLE, calm).await.is_err() {
                return;
            }
        }
    }

    /// Octets that running transactions have announced or sent.
    pub(crate) fn promised(&self) -> u64 {
        self.promised.load(Ordering::Relaxed)
    }

    /// Octets of memory that sessions have, or may take without being asked.
    pub(crate) fn memory(&self) -> u64 {
        let sessions = (self.places.open() as u64).saturating_mul(limits::SESSION_OCTETS);
        self.held.load(Ordering::Relaxed).saturating_add(sessions)
    }

    /// How much is used of what the control group may have by the settings, and that; none if there is no limit.
    pub(crate) fn group(&self, limits: &Limits) -> Option<(u64, u64)> {
        let usage = self.groups.usage().filter(|_| limits.group_memory_percent > 0)?;
        Some((usage.used, room::percent(usage.limit, limits.group_memory_percent)))
    }

    /// Whether there is room for a message at all.
    pub(crate) fn has_room(&self, limits: &Limits) -> bool {
        // Where it can't be told, the store says so when it is full.
        self.space().is_none_or(|space| space.has_room(self.promised(), limits))
    }

    pub(crate) fn space(&self) -> Option<Space> {
        space(&self.folder).ok()
    }

    /// How things are now. `commit` is the longest that the queue took or is taking.
    pub(crate) fn readings(&self, limits: &Limits, commit: Duration) -> Readings {
        let share = |used: u64, most: u64| used as f64 / most.max(1) as f64;
        Readings {
            sessions: share(self.places.open() as u64, self.places.for_strangers() as u64),
            memory: share(self.memory(), limits.memory_octets),
            group: self.group(limits).map_or(0.0, |(used, most)| share(used, most)),
            commit,
        }
    }
}

/// What clients of a listener may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The wait for a command.
    pub(crate) idle: Duration,
    /// Connections from one address.
    pub(crate) per_address: usize,
    /// Errors, and commands that do nothing, after which a session ends; as the core has it if none.
    pub(crate) faults: Option<(u32, u32)>,
}

/// A listener's bounds at a level.
pub(crate) fn bounds(limits: &Limits, kind: Kind, level: Level) -> Bounds {
    let idle = Duration::from_secs(limits.idle_seconds);
    let is_lean = match kind {
        Kind::Mx => level >= Level::Lean,
        // Our own users come last.
        Kind::Submission | Kind::Submissions => level == Level::Shed,
        Kind::Lmtp => false,
    };
    if is_lean {
        Bounds {
            idle: idle.min(self::limits::LEAN_IDLE),
            per_address: limits.connections_per_address.div_ceil(self::limits::LEAN_CLIENT_DIVISOR),
            faults: Some((self::limits::LEAN_ERRORS, self::limits::LEAN_JUNK)),
        }
    } else {
        Bounds { idle, per_address: limits.connections_per_address, faults: None }
    }
}

#[cfg(test)]
#[path = "pressure/tests.rs"]
mod tests;
