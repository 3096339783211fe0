//! A copy of the tables, made while they are written to, and what is done to one that is taken back.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::version::VERSION;
use super::{Sqlite, check};
use crate::queue::model::{Body, Place};
use crate::queue::sqlite::SqliteReader;
use crate::queue::store::{StoreError, Trouble};

/// Why mail from a backup waits, as `queue list` shows it.
const WHY: &str = "from a backup: it may have been delivered since";

impl SqliteReader {
    /// Copies all tables, as they are at one moment, to a file that is whole and durable afterwards.
    pub(in crate::queue) fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        self.read(|db| {
            let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if !(1..=VERSION).contains(&version) {
                let what = format!("the tables have version {version}, and this program knows {VERSION}");
                return Err(StoreError::new(Trouble::Wrong, what));
            }
            let mut copy = Connection::open(file)?;
            let step = {
                // All at once: nothing that is written meanwhile makes it begin anew, and nobody who writes waits.
                let backup = Backup::new(db, &mut copy)?;
                backup.step(-1)?
            };
            if step != StepResult::Done {
                return Err(StoreError::new(Trouble::Busy, format!("the tables can't be read: {step:?}")));
            }
            // One file, without a log beside it.
            copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
            check(&copy)
        })
    }

    /// The bodies that are files.
    pub(in crate::queue) fn bodies(&self) -> Result<Vec<Body>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare("SELECT size, sha256, file FROM body WHERE file IS NOT NULL")?;
            let rows = query.query_map([], |row| {
                let octets: i64 = row.get(0)?;
                let place = Place::File(row.get(2)?);
                Ok(Body { octets: octets.unsigned_abs(), sha256: row.get(1)?, place })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many messages are not done.
    pub(in crate::queue) fn waiting(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM message WHERE done_at IS NULL";
        self.read(|db| Ok(db.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs()))
    }
}

impl Sqlite {
    /// Leaves all that is not done to the operator, whoever held it before, and notes that others may have it.
    pub(in crate::queue) fn hold_from_backup(&mut self) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        let open = "SELECT msg_id FROM delivery WHERE state <> 'done'";
        let sql = format!(
            "UPDATE message SET hold_why = ? || coalesce('; before that ' || hold_why, '') WHERE msg_id IN ({open})"
        );
        tx.execute(&sql, [WHY])?;
        tx.execute("UPDATE rcpt SET unsure = 1 WHERE state = 'wait'", [])?;
        tx.execute("UPDATE delivery SET state = 'hold', unsure = 1 WHERE state <> 'done'", [])?;
        tx.commit()?;
        Ok(())
    }
}
