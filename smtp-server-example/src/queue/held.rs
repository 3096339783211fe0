//! Mail that waits for something else than a destination.

use jiff::Timestamp;
use rusqlite::OptionalExtension as _;

use super::filter::Filter;
use super::runner::Queue;
use super::store::{Change, Order, StoreError, Verb};
use crate::queue_id::QueueId;

impl Queue {
    /// Messages that are held for this reason, the oldest first: whose they are, and how many recipients they have.
    /// Blocks.
    pub(crate) fn held_for(&self, why: &str) -> Result<Vec<(QueueId, String, usize)>, StoreError> {
        self.reader.read(|db| {
            let sql = "SELECT m.queue_id, m.auth_user, count(*) FROM message m JOIN delivery d USING (msg_id)
                JOIN rcpt r USING (delivery_id) WHERE m.hold_why = ? AND d.state = 'hold' AND m.auth_user IS NOT NULL
                GROUP BY m.msg_id ORDER BY m.arrived_at, m.msg_id";
            let mut query = db.prepare(sql)?;
            let rows = query.query_map([why], |row| {
                let (id, count): (String, i64) = (row.get(0)?, row.get(2)?);
                Ok((QueueId::parse(&id), row.get(1)?, usize::try_from(count).unwrap_or(usize::MAX)))
            })?;
            let rows = rows.collect::<Result<Vec<(Option<_>, _, _)>, _>>()?.into_iter();
            Ok(rows.filter_map(|(id, user, count)| Some((id?, user, count))).collect())
        })
    }

    /// Makes a message due that is held for this reason; says whether it was.
    pub(crate) async fn release_held(&self, id: QueueId, why: &'static str) -> Result<bool, StoreError> {
        let reader = std::sync::Arc::clone(&self.reader);
        let looking = tokio::task::spawn_blocking(move || {
            reader.read(|db| {
                let sql = "SELECT hold_why FROM message WHERE queue_id = ?";
                let mut query = db.prepare_cached(sql)?;
                Ok(query
                    .query_row([id.as_str()], |row| row.get::<_, Option<String>>(0))
                    .optional()?
                    .flatten())
            })
        });
        let now_why = looking.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()))?;
        if now_why.as_deref() != Some(why) {
            return Ok(false);
        }
        let filter = Filter::parse([id.as_str()]).unwrap_or_default();
        let order = Order { verb: Verb::Release, filter, now: Timestamp::now(), dry: false };
        Ok(!self.writer.make(Change::Order(order)).await?.effect().messages.is_empty())
    }
}
