//! How much waits, and for how long.

use jiff::Timestamp;
use rusqlite::Connection;

use super::runner::Queue;
use super::store::StoreError;
use crate::metrics::{AGES, Figures};

impl Queue {
    /// Looks it up.
    pub(crate) async fn figures(&self) -> Result<Figures, StoreError> {
        let (reader, now) = (std::sync::Arc::clone(&self.reader), Timestamp::now().as_millisecond());
        let figures = tokio::task::spawn_blocking(move || reader.read(|db| figures(db, now))).await;
        figures.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()))
    }
}

pub(super) fn figures(db: &Connection, now: i64) -> Result<Figures, StoreError> {
    let mut figures = Figures::default();
    let mut states =
        db.prepare_cached("SELECT state, count(*) FROM delivery WHERE state <> 'done' GROUP BY state")?;
    let states = states
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, i64)>, _>>()?;
    // Every state is there from the start, so that an alert can be made of its absence elsewhere.
    for state in ["ready", "dot", "hold"] {
        let count = states.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
        figures.states.push((state.to_owned(), count));
    }
    let sql = "SELECT m.arrived_at, d.next_at FROM delivery d JOIN message m USING (msg_id) WHERE d.state = 'ready'";
    let mut waiting = db.prepare_cached(sql)?;
    let mut rows = waiting.query([])?;
    while let Some(row) = rows.next()? {
        let (arrived, next): (i64, i64) = (row.get(0)?, row.get(1)?);
        let age = (now - arrived).max(0) / 1_000;
        let bucket = AGES.iter().rposition(|(_, from)| age >= *from).unwrap_or(0);
        figures.ages[bucket] += 1;
        figures.oldest = figures.oldest.max(age);
        figures.overdue = figures.overdue.max((now - next).max(0) / 1_000);
    }
    Ok(figures)
}
