//! What a run takes over from the one before it.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::change::{self, CRASHES, POISON};
use super::read::unreadable;
use crate::queue::in_flight::Left;
use crate::queue::model::DeliveryId;
use crate::queue::results::Fact;
use crate::queue::store::{Change, StoreError, Trouble};

/// Times that a delivery may be left at its final dot. It is held then, whatever the settings say: nobody wants so many
/// copies.
const ABANDONED: i64 = 3;

/// What the last run left beside the tables, and how to take it.
#[derive(Clone, Debug, Default)]
pub(in crate::queue) struct Past {
    /// With what it died.
    pub(in crate::queue) left: Left,
    /// What it could not store.
    pub(in crate::queue) facts: Vec<Fact>,
    /// What may have been delivered is left to the operator.
    pub(in crate::queue) hold_unknown: bool,
}

/// Stores what the last run could not.
pub(super) fn replay(
    db: &Connection,
    facts: &[Fact],
    (node, epoch): (&str, i64),
    now: Timestamp,
) -> Result<(), StoreError> {
    for fact in facts {
        if fact.is_unsure() {
            dotted(db, fact.delivery())?;
        }
        let settlement = Change::Settle(Box::new(fact.clone().settlement(now)));
        match change::make(db, &settlement, node, epoch) {
            // Forgotten long since.
            Err(error) if error.kind == Trouble::Wrong => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// Notes which deliveries were being tried.
pub(super) fn mark(db: &Connection, left: &Left) -> Result<(), StoreError> {
    let sql = "UPDATE delivery SET crashes = crashes + 1 WHERE delivery_id = ? AND state IN ('ready', 'dot')";
    let mut crashed = db.prepare(sql)?;
    for id in &left.crashed {
        crashed.execute([id.0])?;
    }
    left.dotted.iter().try_for_each(|id| dotted(db, *id))
}

fn dotted(db: &Connection, id: DeliveryId) -> Result<(), StoreError> {
    let sql = "UPDATE delivery SET state = 'dot' WHERE delivery_id = ? AND state = 'ready'";
    db.prepare_cached(sql)?.execute([id.0])?;
    Ok(())
}

/// Makes this run the owner of all that is not done. There is one node, so whoever owned it before is gone: the lock
/// says so.
pub(super) fn adopt(db: &Connection, node: &str, epoch: i64) -> Result<usize, StoreError> {
    let sql = "UPDATE rcpt SET unsure = 1
        WHERE state = 'wait' AND delivery_id IN (SELECT delivery_id FROM delivery WHERE state = 'dot')";
    db.execute(sql, [])?;
    let sql = "UPDATE delivery SET owner = ?1, epoch = ?2, adopted = adopted + 1,
            abandoned = abandoned + (state = 'dot'), unsure = unsure OR state = 'dot'
        WHERE state <> 'done'";
    Ok(db.execute(sql, params![node, epoch])?)
}

/// Leaves to the operator what can't be read, what broke the server, and what may have been delivered if that is wanted;
/// the rest that was at its final dot is to be tried again. Tells how many of those there were.
pub(super) fn hold(
    db: &Connection,
    hold_unknown: bool,
) -> Result<(usize, Vec<(DeliveryId, String)>), StoreError> {
    let mut held = Vec::new();
    let mut query =
        db.prepare("SELECT delivery_id FROM delivery WHERE state IN ('ready', 'dot') AND crashes >= ?")?;
    for row in query.query_map([CRASHES], |row| row.get(0))? {
        held.push((DeliveryId(row?), POISON.to_owned()));
    }
    let mut query = db.prepare("SELECT delivery_id, abandoned FROM delivery WHERE state = 'dot'")?;
    let dotted = query.query_map([], |row| Ok((DeliveryId(row.get(0)?), row.get::<_, i64>(1)?)))?;
    let dotted = dotted.collect::<Result<Vec<_>, _>>()?;
    for (id, abandoned) in &dotted {
        if hold_unknown || *abandoned >= ABANDONED {
            held.push((*id, "unknown: it may have been delivered, no answer was seen".to_owned()));
        }
    }
    db.execute("UPDATE delivery SET state = 'ready' WHERE state = 'dot'", [])?;
    let corrupt = unreadable(db)?.into_iter().map(|(id, why)| (id, format!("corrupt: {why}")));
    held.extend(corrupt);
    for (id, why) in &held {
        change::hold(db, *id, why)?;
    }
    Ok((dotted.len(), held))
}
