//! Where accepted mail goes.
//!
//! A store is written to from threads that may block.

#[cfg(test)]
mod conformance;
mod disk;
mod maildir;
#[cfg(test)]
pub(crate) mod simulated;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jiff::Timestamp;

#[cfg(test)]
pub(crate) use self::conformance::{commit as test_commit, user as test_user};
pub(crate) use self::disk::{Disk, RealDisk};
pub(crate) use self::maildir::Maildirs;
use crate::directory::User;
use crate::queue_id::QueueId;

/// Threads that wait for the disk together, for messages that are delivered together.
const WAITERS: usize = 8;

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
    /// Begins to take a message. Nothing can be seen of it in any mailbox before [`commit_all`].
    fn begin(&self, delivery: &Delivery) -> io::Result<Box<dyn Incoming>>;

    /// Returns when the names in a folder are durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A message that is being taken, step by step. Dropped before its [`receipt`](Self::receipt), it leaves nothing behind,
/// but for where an earlier try had put it.
pub(crate) trait Incoming: Send {
    /// Takes more octets, in wire form: lines end with CR LF. They may be cut anywhere.
    fn write(&mut self, octets: &[u8]) -> io::Result<()>;

    /// No more octets come. The disk may begin to make them durable.
    fn end(&mut self) -> io::Result<()>;

    /// Returns when the octets are durable, for every recipient.
    fn sync(&mut self) -> io::Result<()>;

    /// Lets readers see the message. It is delivered once the names in all these folders are durable.
    fn show(&mut self) -> io::Result<Vec<PathBuf>>;

    /// It is delivered.
    fn receipt(self: Box<Self>) -> Receipt;
}

/// Makes messages durable in the mailbox of every recipient, then returns. A message for which that failed is in none, but
/// for where an earlier try had put it; the others are delivered all the same. No mailbox gets one twice.
///
/// All are written before the first is waited for, and each folder is synced once: what a disk does for one message alone
/// takes as long as for all of these.
pub(crate) fn commit_all(
    store: &dyn Store,
    mut messages: Vec<Box<dyn Incoming>>,
) -> Vec<io::Result<Receipt>> {
    let mut results: Vec<_> = messages.iter_mut().map(|message| message.end()).collect();
    sync_all(&mut messages, &mut results);
    let mut folders: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    for (at, (message, result)) in messages.iter_mut().zip(&mut results).enumerate() {
        if result.is_ok() {
            *result = message.show().map(|seen| {
                seen.into_iter().for_each(|folder| folders.entry(folder).or_default().push(at));
            });
        }
    }
    for (folder, whose) in folders {
        if let Err(error) = store.sync_folder(&folder) {
            for at in whose {
                results[at] = Err(io::Error::new(error.kind(), error.to_string()));
            }
        }
    }
    let receipt = |(message, result): (Box<dyn Incoming>, io::Result<()>)| result.map(|()| message.receipt());
    messages.into_iter().zip(results).map(receipt).collect()
}

/// Waits for the octets of all. A disk asked by several at once answers them together; where no more threads can be had,
/// those that there are do it.
fn sync_all(messages: &mut [Box<dyn Incoming>], results: &mut [io::Result<()>]) {
    let more = messages.len().clamp(1, WAITERS) - 1;
    let rest = Mutex::new(messages.iter_mut().zip(results));
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((message, result)) = next() {
            if result.is_ok() {
                *result = message.sync();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..more {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
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
