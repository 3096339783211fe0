//! The rows as values.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use smtp_proto::wire::params::Ret;

use super::keep_statements;
use crate::queue::filter::{Filter, Term};
use crate::queue::in_flight::Flight;
use crate::queue::model::{
    Body, BodyType, DeliveryId, DeliveryState, Entry, Envelope, Job, Kind, Place, Rcpt, RcptId, RouteKey,
    RouteState, notify_of,
};
use crate::queue::store::{Reader, StoreError, Trouble};
use crate::queue_id::QueueId;

/// The reading side. A log that is written ahead lets it read while the writer commits.
#[derive(Debug)]
pub(crate) struct SqliteReader {
    file: PathBuf,
    /// Connections that nobody uses at the moment.
    idle: Mutex<Vec<Connection>>,
}

/// Deliveries, the newest, that are looked through for domains that worked: with a million attempts in the file, and with
/// as many as are kept of each, the start would be late.
const LOOKED_THROUGH: i64 = 200_000;

/// Connections that are kept open.
const IDLE: usize = 8;

impl SqliteReader {
    pub(in crate::queue) const fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::new(Vec::new()) }
    }

    /// Runs a query on a connection of its own.
    pub(in crate::queue) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => {
                let db = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                keep_statements(&db)?;
                db
            }
        };
        let result = query(&db)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(db);
        }
        Ok(result)
    }
}

impl SqliteReader {
    /// The queue id of a delivery's message as it is stored, for people; none if it is forgotten or can't be read.
    pub(in crate::queue) fn message_of(&self, id: DeliveryId) -> Option<String> {
        let sql = "SELECT queue_id FROM message JOIN delivery USING (msg_id) WHERE delivery_id = ?";
        self.read(|db| Ok(db.query_row(sql, [id.0], |row| row.get(0)).optional()?)).ok().flatten()
    }
}

impl Reader for SqliteReader {
    fn ready(&self) -> Result<Vec<Entry>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare(&format!("{ENTRY} WHERE d.state = 'ready' ORDER BY d.next_at"))?;
            let rows = query.query_map([], |row| Ok(entry_of(row)))?;
            // What makes no sense was set aside at the start.
            rows.filter_map(|row| row.map(Result::ok).transpose()).map(|row| Ok(row?)).collect()
        })
    }

    fn worked(&self, most: usize) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT route_key FROM (
                SELECT d.route_key, a.mx, max(a.ended) AS last FROM delivery d JOIN attempt a USING (delivery_id)
                WHERE d.delivery_id > (SELECT coalesce(max(delivery_id), 0) - ?1 FROM delivery)
                    AND instr(d.route_key, ' ') = 0
                    AND (a.mx IS NOT NULL OR a.outcome LIKE 'refused: 550 5.1.2 %')
                GROUP BY d.route_key
            ) WHERE mx IS NOT NULL ORDER BY last DESC LIMIT ?2";
        self.read(|db| {
            let mut query = db.prepare(sql)?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let keys = query.query_map([LOOKED_THROUGH, most], |row| row.get(0))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
    }

    fn routes(&self) -> Result<Vec<RouteState>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare("SELECT route_key, failures, not_before, why FROM route")?;
            let rows = query.query_map([], |row| {
                let key = RouteKey::stored(row.get(0)?);
                Ok((key, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            let mut routes = Vec::new();
            for row in rows {
                let (key, failures, not_before, why): (_, i64, i64, _) = row?;
                // Of what makes no sense nothing is known: it is asked as if it had never been down.
                if let (Ok(failures), Ok(not_before)) = (u32::try_from(failures), time(not_before)) {
                    routes.push(RouteState { key, failures, not_before, why });
                }
            }
            Ok(routes)
        })
    }

    fn jobs(&self, ids: &[DeliveryId]) -> Vec<Result<Option<Job>, StoreError>> {
        let found = self.read(|db| {
            // What is read for one is known for the next as long as the transaction lasts.
            let tx = db.unchecked_transaction()?;
            Ok(ids.iter().map(|id| job(&tx, *id)).collect())
        });
        found.unwrap_or_else(|error| vec![Err(error); ids.len()])
    }
}

const ENTRY: &str =
    "SELECT d.delivery_id, d.route_key, d.next_at, min(coalesce(d.warn_at, m.expires_at), m.expires_at),
    m.octets, d.unsure FROM delivery d JOIN message m USING (msg_id)";

/// Deliveries that nothing can be made of, and why.
pub(super) fn unreadable(db: &Connection) -> Result<Vec<(DeliveryId, String)>, StoreError> {
    let mut query = db.prepare(&format!("{ENTRY} WHERE d.state = 'ready'"))?;
    let rows = query.query_map([], |row| Ok((DeliveryId(row.get(0)?), entry_of(row))))?;
    let mut found = Vec::new();
    for row in rows {
        if let (id, Err(error)) = row? {
            found.push((id, error.text));
        }
    }
    let sql = "SELECT delivery_id FROM delivery d LEFT JOIN message m USING (msg_id) LEFT JOIN body b USING (body_id)
        WHERE d.state = 'ready' AND b.body_id IS NULL";
    let mut query = db.prepare(sql)?;
    for row in query.query_map([], |row| row.get(0))? {
        found.push((DeliveryId(row?), "there is no content".to_owned()));
    }
    Ok(found)
}

/// What the schedule needs to know of a delivery; none if it is not to be tried.
pub(super) fn entry(db: &Connection, id: DeliveryId) -> Result<Option<Entry>, StoreError> {
    let sql = format!("{ENTRY} WHERE d.delivery_id = ? AND d.state = 'ready'");
    let found = db.prepare_cached(&sql)?.query_row([id.0], |row| Ok(entry_of(row))).optional()?;
    found.transpose()
}

fn entry_of(row: &Row<'_>) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: DeliveryId(row.get(0)?),
        route: RouteKey::stored(row.get(1)?),
        next: time(row.get(2)?)?,
        deadline: time(row.get(3)?)?,
        octets: octets(row.get(4)?),
        unsure: row.get(5)?,
    })
}

fn time(millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|error| corrupt(format!("a time of {millis} ms: {error}")))
}

fn octets(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::new(Trouble::Corrupt, what)
}

pub(super) const JOB: &str =
    "SELECT m.queue_id, m.sender, m.envid, m.ret, m.body_type, m.smtputf8, m.requiretls, m.kind, m.auth_user,
            m.client_ip, m.helo, m.tls, m.arrived_at, m.expires_at, m.prefix, b.size, b.sha256, b.data, b.file,
            d.route_key, d.epoch, d.warn_at, d.attempts, d.adopted,
            d.crashes
        FROM delivery d JOIN message m USING (msg_id) LEFT JOIN body b USING (body_id)
        WHERE d.delivery_id = ? AND d.state = 'ready'";

pub(super) const WAITING: &str = "SELECT rcpt_id, address, orcpt, notify, unsure, user FROM rcpt
        WHERE delivery_id = ? AND state = 'wait' ORDER BY rcpt_id";

fn job(db: &Connection, id: DeliveryId) -> Result<Option<Job>, StoreError> {
    let job = db.prepare_cached(JOB)?.query_row([id.0], |row| Ok(job_of(row, id))).optional()?;
    let Some(mut job) = job.transpose()? else { return Ok(None) };
    job.rcpts = waiting(db, id)?;
    Ok(Some(job))
}

fn job_of(row: &Row<'_>, id: DeliveryId) -> Result<Job, StoreError> {
    let place = match (row.get::<_, Option<Vec<u8>>>("data")?, row.get::<_, Option<String>>("file")?) {
        (Some(data), None) => Place::Row(data.into()),
        (None, Some(file)) => Place::File(file),
        _ => return Err(corrupt(format!("delivery {id}: a body is in a row or in a file"))),
    };
    let warn: Option<i64> = row.get("warn_at")?;
    let adopted: i64 = row.get("adopted")?;
    Ok(Job {
        delivery: id,
        epoch: row.get("epoch")?,
        route: RouteKey::stored(row.get("route_key")?),
        envelope: envelope_of(row)?,
        prefix: row.get("prefix")?,
        body: Body { octets: octets(row.get("size")?), sha256: row.get("sha256")?, place },
        warn: warn.map(time).transpose()?,
        attempts: row.get("attempts")?,
        adopted: adopted > 0,
        crashes: row.get("crashes")?,
        flight: Flight::default(),
        rcpts: Vec::new(),
    })
}

fn envelope_of(row: &Row<'_>) -> Result<Envelope, StoreError> {
    let id: String = row.get("queue_id")?;
    let (kind, body_type): (String, String) = (row.get("kind")?, row.get("body_type")?);
    let ret: Option<String> = row.get("ret")?;
    Ok(Envelope {
        id: QueueId::parse(&id).ok_or_else(|| corrupt(format!("`{id}` is no queue id")))?,
        sender: row.get("sender")?,
        envid: row.get("envid")?,
        ret: ret.map(|ret| if ret == Ret::Full.as_str() { Ret::Full } else { Ret::Hdrs }),
        body_type: BodyType::of(&body_type)
            .ok_or_else(|| corrupt(format!("{id}: body type `{body_type}`")))?,
        smtputf8: row.get("smtputf8")?,
        requiretls: row.get("requiretls")?,
        kind: Kind::of(&kind).ok_or_else(|| corrupt(format!("{id}: kind `{kind}`")))?,
        user: row.get("auth_user")?,
        client: row.get("client_ip")?,
        hello: row.get("helo")?,
        tls: row.get("tls")?,
        arrived: time(row.get("arrived_at")?)?,
        expires: time(row.get("expires_at")?)?,
    })
}

fn waiting(db: &Connection, id: DeliveryId) -> Result<Vec<Rcpt>, StoreError> {
    let mut query = db.prepare_cached(WAITING)?;
    let rcpts = query.query_map([id.0], |row| {
        let notify: Option<String> = row.get(3)?;
        Ok(Rcpt {
            id: RcptId(row.get(0)?),
            address: row.get(1)?,
            orcpt: row.get(2)?,
            notify: notify.as_deref().map(notify_of),
            unsure: row.get(4)?,
            user: row.get(5)?,
        })
    })?;
    Ok(rcpts.collect::<Result<_, _>>()?)
}

/// A filter as a condition on `delivery d` and `message m`, with its values.
pub(in crate::queue) fn matching(
    filter: &Filter,
    states: &[DeliveryState],
    now: Timestamp,
) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut conditions = Vec::new();
    if !states.is_empty() {
        let words: Vec<_> = states.iter().map(|state| format!("'{}'", state.word())).collect();
        conditions.push(format!("d.state IN ({})", words.join(", ")));
    }
    for term in filter.terms() {
        let (condition, value) = match term {
            Term::Id(id) => ("m.queue_id = ?", Value::from(id.clone())),
            Term::From(address) => ("m.sender = ?", Value::from(address.clone())),
            Term::To(address) => (
                "d.delivery_id IN (SELECT r.delivery_id FROM rcpt r WHERE r.address = ?)",
                Value::from(address.clone()),
            ),
            Term::Domain(domain) => {
                let key = if domain == "local" { RouteKey::local() } else { RouteKey::domain(domain) };
                // A domain of ours by LMTP, too; and what goes to it over smart hosts.
                let condition = "EXISTS (SELECT 1 FROM (SELECT ? AS key) WHERE key = REPLACE(d.route_key, 'lmtp ', '')
                    OR d.route_key LIKE 'smart %' AND EXISTS (SELECT 1 FROM rcpt r WHERE r.delivery_id = d.delivery_id
                        AND lower(substr(r.address, -length(key) - 1)) = '@' || key))";
                (condition, Value::from(key.as_str().to_owned()))
            }
            Term::State(state) => ("d.state = ?", Value::from(state.clone())),
            Term::Older(age) => {
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                ("m.arrived_at < ?", Value::from(now.as_millisecond().saturating_sub(age)))
            }
            Term::All => continue,
        };
        conditions.push(condition.to_owned());
        values.push(value);
    }
    if conditions.is_empty() {
        conditions.push("TRUE".to_owned());
    }
    (conditions.join(" AND "), values)
}
