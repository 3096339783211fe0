//! Copies of a queue: saved while a server works at it, and taken back where none does.
//!
//! The tables are copied as they are at one moment, then the files that they name, which a server that runs is asked to
//! keep until then.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::control::Kept;
use super::lock::Lock;
use super::model::Place;
use super::results::Results;
use super::spool::Spool;
use super::sqlite::{Sqlite, SqliteReader};
use super::store::{Store as _, StoreError, Trouble};
use crate::store::{Disk as _, RealDisk};

/// The folder in which tables are made ready before they have their place.
const STAGE: &str = "restore";

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Messages that are not done.
    pub(crate) waiting: u64,
    /// Bodies that are files.
    pub(crate) files: usize,
    /// Bodies that are missing or not what they were, and are left out.
    pub(crate) damaged: usize,
}

/// Copies the queue in a folder to another one, whether or not a server works at it. Blocks.
pub(crate) fn save(folder: &Path, to: &Path) -> Result<Copied, StoreError> {
    let tables = of(folder)?;
    let kept = Kept::ask(folder)?;
    RealDisk.make_folder(to)?;
    let file = to.join(Sqlite::FILE);
    RealDisk.create(&file)?;
    // Before the tables: what they know already is passed over when it is read.
    copy_results(folder, to)?;
    tables.copy_to(&file)?;
    let copied = take(&of(to)?, &spool(folder), &spool(to))?;
    RealDisk.sync_folder(to)?;
    match copied.damaged == 0 || kept.has_held()? {
        true => Ok(copied),
        false => Err(StoreError::new(Trouble::Busy, "the server ended meanwhile: try again")),
    }
}

/// Takes a copy back into a folder in which there is no queue. All that is not done is held. Blocks.
pub(crate) fn take_back(from: &Path, folder: &Path) -> Result<Copied, StoreError> {
    let tables = of(from)?;
    RealDisk.make_folder(folder)?;
    let there = |what: &str| StoreError::new(Trouble::Wrong, what);
    let _lock = Lock::take(folder)?.ok_or_else(|| there("a server works at it"))?;
    let place = folder.join(Sqlite::FILE);
    if place.exists() {
        return Err(there("there is one already: move it away, or drop what is in it"));
    }
    let stage = folder.join(STAGE);
    match fs::remove_dir_all(&stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => RealDisk.make_folder(&stage)?,
    }
    RealDisk.create(&stage.join(Sqlite::FILE))?;
    tables.copy_to(&stage.join(Sqlite::FILE))?;
    let copied = take(&tables, &spool(from), &spool(folder))?;
    hold(&stage)?;
    copy_results(from, folder)?;
    // From here on there is a queue.
    fs::rename(stage.join(Sqlite::FILE), place)?;
    RealDisk.sync_folder(folder)?;
    fs::remove_dir_all(stage)?;
    Ok(copied)
}

/// Holds all that is not done. When this returns, it is in the one file.
fn hold(stage: &Path) -> Result<(), StoreError> {
    let lock = Lock::take(stage)?.ok_or_else(|| StoreError::new(Trouble::Busy, "somebody else restores"))?;
    let mut store = Sqlite::open_at_rest(&lock)?;
    store.hold_from_backup()?;
    store.close()
}

fn of(folder: &Path) -> Result<SqliteReader, StoreError> {
    let file = folder.join(Sqlite::FILE);
    match file.is_file() {
        true => Ok(SqliteReader::new(file)),
        false => Err(StoreError::new(Trouble::Closed, format!("there is no queue in {}", folder.display()))),
    }
}

fn spool(folder: &Path) -> Spool<RealDisk> {
    Spool::new(Arc::new(RealDisk), folder.join("spool"))
}

/// Copies the files that tables name, and takes away what else is there.
fn take(tables: &SqliteReader, from: &Spool<RealDisk>, to: &Spool<RealDisk>) -> Result<Copied, StoreError> {
    let mut copied = Copied { waiting: tables.waiting()?, ..Copied::default() };
    let mut named = Vec::new();
    for body in tables.bodies()? {
        match to.take(&body, from)? {
            true => copied.files += 1,
            false => copied.damaged += 1,
        }
        if let Place::File(name) = body.place {
            named.push(name);
        }
    }
    to.sweep(&named)?;
    Ok(copied)
}

/// What deliveries brought that the tables may not have.
fn copy_results(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (from, to) = (from.join(Results::FILE), to.join(Results::FILE));
    match fs::remove_file(&to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    match RealDisk.copy(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copy => Ok(RealDisk.sync(&copy?)?),
    }
}
