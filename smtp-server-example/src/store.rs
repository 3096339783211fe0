//! Where accepted mail goes.
//!
//! A store is written to from threads that may block.

#[cfg(test)]
mod conformance;
mod disk;
mod maildir;
#[cfg(test)]
pub(crate) mod simulated;

use std::fmt;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

#[cfg(test)]
pub(crate) use self::conformance::user as test_user;
pub(crate) use self::disk::{Disk, RealDisk};
pub(crate) use self::maildir::Maildirs;
use crate::directory::User;
use crate::queue_id::QueueId;

/// What a store is told about a message before its octets come.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: QueueId,
    pub(crate) arrived: Timestamp,
    /// Each user gets one copy. Never empty; no mailbox is in it twice.
    pub(crate) to: Vec<Arc<User>>,
    /// The recipient's number: with the id it names the copy in each mailbox, so that a second try makes the same
    /// name.
    pub(crate) rcpt: i64,
    pub(crate) before: Before,
}

/// What was before a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: it is tried for the first time.
    Nothing,
    /// It may have been made already, and read since then.
    Perhaps,
}

/// A place for mail.
pub(crate) trait Store: Send + Sync + 'static {
    /// Begins to take a message. Nothing can be seen of it in any mailbox before [`Incoming::commit`].
    fn begin(&self, delivery: &Delivery) -> io::Result<Box<dyn Incoming>>;
}

/// A message that is being taken. Dropped without [`commit`](Self::commit), it leaves nothing behind.
pub(crate) trait Incoming: Send {
    /// Takes more octets, in wire form: lines end with CR LF. They may be cut anywhere.
    fn write(&mut self, octets: &[u8]) -> io::Result<()>;

    /// Makes the message durable in the mailbox of every recipient, then returns. After an error it is in none, but
    /// for where an earlier try had put it. No mailbox gets it twice.
    fn commit(self: Box<Self>) -> io::Result<Receipt>;
}

/// Where a message went, for the log.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    /// One entry for each copy.
    pub(crate) places: Vec<String>,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.places.join(" "))
    }
}
