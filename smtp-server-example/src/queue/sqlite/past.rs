//! What a run takes over from the one before it.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::change::{self, CRASHES};
use super::read::unreadable;
use crate::queue::in_flight::Left;
use crate::queue::model::DeliveryId;
use crate::queue::results::Fact;
use crate::queue::store::{Change, POISON, StoreError, Trouble};

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

/// A delivery that is left to the operator, and why.
type Held = (DeliveryId, String);

/// A delivery that may have been made, though no answer was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) delivery: DeliveryId,
    /// The message's queue id, for people.
    pub(crate) message: String,
    pub(crate) route: String,
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
/// the rest that was at its final dot is to be tried again. Tells which those were.
pub(super) fn hold(db: &Connection, hold_unknown: bool) -> Result<(Vec<Unknown>, Vec<Held>), StoreError> {
    let mut held = Vec::new();
    let mut query =
        db.prepare("SELECT delivery_id FROM delivery WHERE state IN ('ready', 'dot') AND crashes >= ?")?;
    for row in query.query_map([CRASHES], |row| row.get(0))? {
        held.push((DeliveryId(row?), POISON.to_owned()));
    }
    let sql = "SELECT d.delivery_id, m.queue_id, d.route_key, d.abandoned FROM delivery d JOIN message m USING (msg_id)
        WHERE d.state = 'dot'";
    let mut query = db.prepare(sql)?;
    let mut rows = query.query([])?;
    let mut dotted = Vec::new();
    while let Some(row) = rows.next()? {
        let (delivery, message, route) = (DeliveryId(row.get(0)?), row.get(1)?, row.get(2)?);
        // What it died of says more; that it may have been delivered is said of each recipient.
        let is_held = held.iter().any(|(known, _)| *known == delivery);
        if !is_held && (hold_unknown || row.get::<_, i64>(3)? >= ABANDONED) {
            held.push((delivery, "unknown: it may have been delivered, no answer was seen".to_owned()));
        }
        dotted.push(Unknown { delivery, message, route });
    }
    db.execute("UPDATE delivery SET state = 'ready' WHERE state = 'dot'", [])?;
    let corrupt = unreadable(db)?.into_iter().map(|(id, why)| (id, format!("corrupt: {why}")));
    held.extend(corrupt);
    for (id, why) in &held {
        change::hold(db, *id, why)?;
    }
    Ok((dotted, held))
}
