//! What the operator asks and wants, and what is answered: the same for a running server and for a queue at rest.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::filter::Filter;
use super::lock::Lock;
use super::model::{DeliveryState, RouteKey};
use super::shape::shape;
use super::sqlite::{Sqlite, SqliteReader, matching};
use super::store::{Change, Effect, Order, Store, StoreError, Trouble, Verb};

/// Deliveries or messages in one answer, which is a line of some MiB at most. Who asks goes on behind the last of them.
const PAGE: usize = 2_000;

/// One thing that is asked or wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Deliveries, oldest first, as many as an answer holds. Those that are done only if the filter says so.
    List(Filter, Behind),
    /// Everything about messages, as many as an answer holds, oldest first.
    Show(Filter, Behind),
    /// How much waits for each destination, by age.
    Shape(Filter),
    /// See [`Order`].
    Order { verb: Verb, filter: Filter, dry: bool },
    /// Answered once nothing is due and nothing is being tried.
    Wait,
    /// Keeps every file of the spool until whoever asked hangs up.
    Keep,
    /// How the server is; nothing where none runs.
    State,
    /// Sessions that ended in an error, by session, message or address; nothing where no server runs.
    Sessions(String),
}

/// Behind which row an answer begins: when its message came, in milliseconds of Unix, and which it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behind {
    arrived: i64,
    row: i64,
}

impl Behind {
    /// The last row of an answer; none if all rows were in it.
    pub(super) fn last(answer: &[Value]) -> Option<Self> {
        let last = answer.last().filter(|_| answer.len() >= PAGE)?;
        let arrived: Timestamp = last["arrived"].as_str()?.parse().ok()?;
        Some(Self { arrived: arrived.as_millisecond(), row: last["row"].as_i64()? })
    }
}

/// Does what is asked at a queue that no server runs.
pub(super) fn answer_at_rest(lock: &Lock, request: Request, now: Timestamp) -> Result<Value, StoreError> {
    let mut store = Sqlite::open_at_rest(lock)?;
    match request {
        request if is_careless(&request) => Err(careless()),
        Request::Order { verb, filter, dry } => {
            let change = Change::Order(Order { verb, filter, now, dry });
            let answer = store.commit(&[change])?.pop();
            let effect = answer.unwrap_or_else(|| Ok(Effect::default()))?;
            // Files without a row are swept at the next start.
            Ok(obeyed(&effect))
        }
        other => asked(&store.reader(), &other, now),
    }
}

/// Whether something would be done to all that waits without saying so. To try all of it does no harm.
pub(super) fn is_careless(request: &Request) -> bool {
    matches!(request, Request::Order { verb, filter, .. } if *verb != Verb::Retry && filter.terms().is_empty())
}

/// What is said to that.
pub(super) fn careless() -> StoreError {
    StoreError::new(Trouble::Wrong, "which? say `all` for all of them")
}

/// Answers what needs no writing.
pub(super) fn asked(reader: &SqliteReader, request: &Request, now: Timestamp) -> Result<Value, StoreError> {
    match request {
        Request::List(filter, behind) => reader.read(|db| list(db, filter, *behind, now)),
        Request::Show(filter, behind) => reader.read(|db| show(db, filter, *behind, now)),
        Request::Shape(filter) => reader.read(|db| shape(db, filter, now)),
        Request::Order { .. } | Request::Wait | Request::Keep | Request::State | Request::Sessions(_) => {
            Ok(Value::Null)
        }
    }
}

/// The answer to an order.
pub(super) fn obeyed(effect: &Effect) -> Value {
    let messages: Vec<_> = effect.messages.iter().map(|id| id.as_str()).collect();
    json!({ "count": messages.len(), "messages": messages })
}

fn time(millis: i64) -> Value {
    Timestamp::from_millisecond(millis).map_or(Value::Null, |time| json!(time.to_string()))
}

fn maybe_time(millis: Option<i64>) -> Value {
    millis.map_or(Value::Null, time)
}

/// `state=…` or an id asks for what is done too.
pub(super) fn states(filter: &Filter) -> &'static [DeliveryState] {
    const OPEN: &[DeliveryState] = &[DeliveryState::Ready, DeliveryState::Dot, DeliveryState::Hold];
    if filter.names_state() { &[] } else { OPEN }
}

fn list(db: &Connection, filter: &Filter, behind: Behind, now: Timestamp) -> Result<Value, StoreError> {
    let (condition, mut values) = matching(filter, states(filter), now);
    values.extend([behind.arrived.into(), behind.row.into()]);
    let sql = format!(
        "SELECT m.queue_id, m.sender, m.octets, m.arrived_at, d.route_key, d.state, d.next_at, d.attempts,
            coalesce(m.hold_why, d.last_reply, r.why) AS why, d.delivery_id
         FROM delivery d JOIN message m USING (msg_id) LEFT JOIN route r USING (route_key)
         WHERE {condition} AND (m.arrived_at, d.delivery_id) > (?, ?)
         ORDER BY m.arrived_at, d.delivery_id LIMIT {PAGE}"
    );
    let mut query = db.prepare(&sql)?;
    let rows = query.query_map(params_from_iter(values), |row| Ok((listed(row)?, row.get(9)?)))?;
    let mut list = Vec::new();
    for row in rows {
        let (mut delivery, id): (Value, i64) = row?;
        delivery["row"] = json!(id);
        delivery["to"] = json!(column(db, "SELECT address FROM rcpt WHERE delivery_id = ?", id)?);
        list.push(delivery);
    }
    Ok(Value::Array(list))
}

fn column(db: &Connection, sql: &str, id: i64) -> Result<Vec<String>, StoreError> {
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(rows)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Value> {
    let route: String = row.get("route_key")?;
    let state: String = row.get("state")?;
    let next = if state == DeliveryState::Ready.word() { time(row.get("next_at")?) } else { Value::Null };
    Ok(json!({
        "id": row.get::<_, String>("queue_id")?,
        "from": row.get::<_, String>("sender")?,
        "octets": row.get::<_, i64>("octets")?,
        "arrived": time(row.get("arrived_at")?),
        "route": RouteKey::stored(route).to_string(),
        "state": state,
        "next": next,
        "tries": row.get::<_, i64>("attempts")?,
        "why": row.get::<_, Option<String>>("why")?,
    }))
}

fn show(db: &Connection, filter: &Filter, behind: Behind, now: Timestamp) -> Result<Value, StoreError> {
    let (condition, mut values) = matching(filter, &[], now);
    values.extend([behind.arrived.into(), behind.row.into()]);
    let sql = format!(
        "SELECT DISTINCT m.msg_id FROM delivery d JOIN message m USING (msg_id)
         WHERE {condition} AND (m.arrived_at, m.msg_id) > (?, ?)
         ORDER BY m.arrived_at, m.msg_id LIMIT {PAGE}"
    );
    let mut query = db.prepare(&sql)?;
    let ids =
        query.query_map(params_from_iter(values), |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    // What is forgotten meanwhile is not shown.
    ids.into_iter().filter_map(|id| message(db, id).transpose()).collect::<Result<_, _>>().map(Value::Array)
}

fn message(db: &Connection, id: i64) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT queue_id, sender, octets, kind, envid, auth_user, client_ip, helo, tls, arrived_at, expires_at,
            hold_why, done_at FROM message WHERE msg_id = ?";
    let found = db.query_row(sql, [id], |row| {
        Ok(json!({
            "id": row.get::<_, String>(0)?, "from": row.get::<_, String>(1)?, "octets": row.get::<_, i64>(2)?,
            "kind": row.get::<_, String>(3)?, "envid": row.get::<_, Option<String>>(4)?,
            "user": row.get::<_, Option<String>>(5)?, "client": row.get::<_, Option<String>>(6)?,
            "hello": row.get::<_, Option<String>>(7)?, "tls": row.get::<_, Option<String>>(8)?,
            "arrived": time(row.get(9)?), "expires": time(row.get(10)?),
            "held": row.get::<_, Option<String>>(11)?, "done": maybe_time(row.get(12)?),
        }))
    });
    let Some(mut message) = found.optional()? else { return Ok(None) };
    message["row"] = json!(id);
    let sql =
        "SELECT queue_id, sender, octets, arrived_at, route_key, state, next_at, attempts, last_reply AS why,
            delivery_id FROM delivery JOIN message USING (msg_id) WHERE msg_id = ? ORDER BY delivery_id";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([id], |row| Ok((listed(row)?, row.get(9)?)))?;
    let mut deliveries = Vec::new();
    for row in rows {
        let (listed, id): (Value, i64) = row?;
        deliveries.push(json!({
            "route": listed["route"], "state": listed["state"], "next": listed["next"], "tries": listed["tries"],
            "to": rcpts(db, id)?, "attempts": attempts(db, id)?,
        }));
    }
    message["deliveries"] = Value::Array(deliveries);
    Ok(Some(message))
}

fn rcpts(db: &Connection, id: i64) -> Result<Vec<Value>, StoreError> {
    let sql = "SELECT address, user, orcpt, notify, state, reply, mx, tls, done_at, unsure FROM rcpt WHERE delivery_id = ?";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([id], |row| {
        Ok(json!({
            "address": row.get::<_, String>(0)?, "user": row.get::<_, Option<String>>(1)?,
            "orcpt": row.get::<_, Option<String>>(2)?, "notify": row.get::<_, Option<String>>(3)?,
            "state": row.get::<_, String>(4)?, "reply": row.get::<_, Option<String>>(5)?,
            "host": row.get::<_, Option<String>>(6)?, "tls": row.get::<_, Option<String>>(7)?,
            "done": maybe_time(row.get(8)?), "unsure": row.get::<_, bool>(9)?,
        }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn attempts(db: &Connection, id: i64) -> Result<Vec<Value>, StoreError> {
    let sql =
        "SELECT n, began, ended, mx, ip, tls, phase, outcome, transcript FROM attempt WHERE delivery_id = ?
        ORDER BY n";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([id], |row| {
        Ok(json!({
            "n": row.get::<_, i64>(0)?, "began": time(row.get(1)?), "ended": time(row.get(2)?),
            "host": row.get::<_, Option<String>>(3)?, "ip": row.get::<_, Option<String>>(4)?,
            "tls": row.get::<_, Option<String>>(5)?, "phase": row.get::<_, Option<String>>(6)?,
            "outcome": row.get::<_, String>(7)?, "transcript": row.get::<_, Option<String>>(8)?,
        }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{at, message};
    use super::*;
    use crate::queue_id::QueueIds;

    #[test]
    fn however_many_there_are_each_is_answered_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let lock = Lock::take(folder.path()).unwrap().expect("free");
        let (mut store, ids) = (Sqlite::open_at_rest(&lock).unwrap(), QueueIds::new());
        // Of the same moment and of another, so that neither alone says where an answer begins.
        let sent = (0..2 * PAGE + 1).map(|number| {
            let mut sent = message(&[&["b@one.example"]]);
            (sent.envelope.id, sent.envelope.arrived) = (ids.next(at(0)), at(i64::from(number > PAGE)));
            Change::Enqueue(Box::new(sent))
        });
        assert!(store.commit(&sent.collect::<Vec<_>>()).unwrap().iter().all(Result::is_ok));
        let (reader, all) = (store.reader(), || Filter::parse(["all"]).unwrap());
        for ask in [Request::List as fn(Filter, Behind) -> Request, Request::Show] {
            let (mut ids, mut behind) = (Vec::new(), Some(Behind::default()));
            while let Some(last) = behind {
                let answer = asked(&reader, &ask(all(), last), at(9)).unwrap();
                let rows = answer.as_array().unwrap();
                ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
                behind = Behind::last(rows);
            }
            assert_eq!(ids.len(), 2 * PAGE + 1);
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 2 * PAGE + 1, "each once");
        }
    }
}
