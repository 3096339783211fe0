//! The tables of each version.

use rusqlite::{Connection, TransactionBehavior};

use crate::queue::store::{StoreError, Trouble};

/// The tables' version, kept in `user_version`. A file of a later one is refused, not guessed at.
pub(super) const VERSION: i64 = 2;

const SCHEMA: &str = include_str!("schema.sql");

/// From version 1 to 2.
const TO_2: &str = "CREATE INDEX message_body ON message (body_id) WHERE body_id IS NOT NULL";

/// Makes the tables, or those of an earlier version to those of this one.
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        VERSION => Ok(()),
        0 => make_version(db, &[SCHEMA, "INSERT INTO meta VALUES ('closed', 'yes')"]),
        1 => make_version(db, &[TO_2]),
        other => {
            let what = format!("the queue's tables have version {other}, and this program knows {VERSION}");
            Err(StoreError::new(Trouble::Wrong, what))
        }
    }
}

/// Makes the tables of this version.
fn make_version(db: &mut Connection, statements: &[&str]) -> Result<(), StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    statements.iter().try_for_each(|statement| tx.execute_batch(statement))?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(())
}
