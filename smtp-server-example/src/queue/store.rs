//! What a queue's store must do. SQLite is one; `conformance.rs` holds the rules for all.

use std::fmt;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smtp_proto::wire::reply::Reply;

use super::filter::Filter;
use super::model::{Crash, DeliveryId, Entry, Job, NewMessage, RouteKey, RouteState, Settlement};
use crate::queue_id::QueueId;

/// One change, which is made as a whole or not at all.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Takes a message.
    Enqueue(Box<NewMessage>),
    /// Takes a message back that nobody was told about.
    Withdraw(QueueId),
    /// Notes that its client may not know of a message, or that it does after all.
    Doubt(QueueId, bool),
    /// Notes that the clients of all batches up to this one know, but for those of doubtful messages.
    Confirmed(i64),
    /// Notes what an attempt brought.
    Settle(Box<Settlement>),
    /// Notes that a delivery broke off; after the third time it is held.
    Crashed(Crash),
    /// Holds a delivery that makes no sense, for this reason.
    SetAside(DeliveryId, String),
    /// Does what the operator wants.
    Order(Order),
    /// Forgets messages that were done before this time.
    Forget(Timestamp),
}

/// What the operator wants with messages that [`filter`](Self::filter) matches.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) verb: Verb,
    pub(crate) filter: Filter,
    pub(crate) now: Timestamp,
    /// Only tell what would be changed.
    pub(crate) dry: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    /// Makes waiting deliveries due, and opens their routes.
    Retry,
    /// Stops trying until released.
    Hold,
    /// Makes held deliveries due.
    Release,
    /// Ends deliveries without telling anybody. The rows stay, so that it can be seen.
    Drop,
}

impl Verb {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Drop => "drop",
        }
    }
}

/// What a change did, as far as others have to act on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effect {
    /// To be scheduled, instead of what was scheduled for these before.
    pub(crate) entries: Vec<Entry>,
    /// All about those of them that are new. They can be had from the reader too.
    pub(crate) fresh: Vec<Job>,
    /// Not to be scheduled any more.
    pub(crate) gone: Vec<DeliveryId>,
    /// To be tried again, though they could not be reached.
    pub(crate) opened: Vec<RouteKey>,
    /// Files of the spool that no row refers to any more.
    pub(crate) files: Vec<String>,
    /// The messages concerned.
    pub(crate) messages: Vec<QueueId>,
}

/// Why a delivery is held that broke the server three times.
pub(super) const POISON: &str = "poison: the server broke three times while it was delivered";

/// The writing side, owned by one thread.
pub(crate) trait Store: Send + 'static {
    /// Makes changes in one transaction. When this returns, they are durable.
    ///
    /// An answer for each change: one that could not be made does not keep the others from being made. An error of
    /// the whole means that none was made.
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Result<Effect, StoreError>>, StoreError>;

    /// Has time: nothing waits.
    fn idle(&mut self) -> Result<(), StoreError>;

    /// Notes that everything was ended in order.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// The reading side, for any thread. It sees what is committed.
pub(crate) trait Reader: Send + Sync + 'static {
    /// Everything that waits for its time.
    fn ready(&self) -> Result<Vec<Entry>, StoreError>;

    /// Destinations that could not be reached.
    fn routes(&self) -> Result<Vec<RouteState>, StoreError>;

    /// Domains of which a host was talked to, and whose last word since then was not that there is no such domain: at most
    /// so many, the one talked to last first.
    fn worked(&self, most: usize) -> Result<Vec<String>, StoreError>;

    /// All about deliveries, in their order; none of one that nobody waits for any more, or that is held.
    fn jobs(&self, ids: &[DeliveryId]) -> Vec<Result<Option<Job>, StoreError>>;

    /// All about a delivery.
    #[cfg(test)]
    fn job(&self, id: DeliveryId) -> Result<Option<Job>, StoreError> {
        self.jobs(&[id]).pop().unwrap_or(Ok(None))
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreError {
    pub(crate) kind: Trouble,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No room is left.
    Full,
    /// More changes wait already than may.
    Busy,
    /// Reading or writing failed. Whether the change was made shows only after a new start.
    Io,
    /// What is stored makes no sense.
    Corrupt,
    /// The change makes no sense.
    Wrong,
    /// The store is closed.
    Closed,
}

impl StoreError {
    pub(crate) fn new(kind: Trouble, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What a client is told whose message could not be stored. Never a 5yz: the fault is ours, it may come again.
    pub(crate) const fn reply(&self) -> Reply<'static> {
        match self.kind {
            Trouble::Full => Reply::new(452, (4, 3, 1), "Not enough room for the message, try again later"),
            Trouble::Busy => Reply::new(451, (4, 3, 2), "Too much mail at once, try again later"),
            Trouble::Io | Trouble::Corrupt | Trouble::Wrong | Trouble::Closed => {
                Reply::new(451, (4, 3, 0), "Could not store the message, try again later")
            }
        }
    }

    /// What whoever reads the log may do about it.
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        Some(match self.kind {
            Trouble::Full => "make room on the disk: the next message is taken then",
            Trouble::Busy => "more comes than the disk can sync: see what else writes to it",
            Trouble::Io => {
                "look at the disk and the kernel's log; if the queue has failed, restart: `check` says so"
            }
            Trouble::Corrupt => "the queue's file is damaged: keep a copy, then restore a backup",
            Trouble::Wrong | Trouble::Closed => return None,
        })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::Full,
            _ => Trouble::Io,
        };
        Self::new(kind, error.to_string())
    }
}
