//! What each change does to the rows.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::read::{entry, matching};
use crate::queue::model::{
    Crash, DeliveryId, DeliveryState, Entry, NewDelivery, NewMessage, Place, RcptId, RcptState, RouteKey,
    RouteState, Settled, Settlement, Taken, notify_word,
};
use crate::queue::store::{Change, Effect, Order, POISON, StoreError, Trouble, Verb};
use crate::queue_id::QueueId;

/// Crashes with a delivery, after which it is not tried any more: once is chance, and twice may be.
pub(super) const CRASHES: i64 = 3;

/// Attempts that are kept of a delivery, the newest.
const ATTEMPTS_KEPT: i64 = 20;

pub(super) fn make(db: &Connection, change: &Change, node: &str, epoch: i64) -> Result<Effect, StoreError> {
    match change {
        Change::Enqueue(message) => enqueue(db, message, node, epoch),
        Change::Withdraw(id) => withdraw(db, *id),
        Change::Doubt(id, doubt) => {
            db.prepare_cached("UPDATE message SET doubt = ? WHERE queue_id = ?")?
                .execute(params![doubt, id.as_str()])?;
            Ok(Effect::default())
        }
        Change::Confirmed(batch) => {
            db.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('confirmed', ?)")?
                .execute([batch.to_string()])?;
            Ok(Effect::default())
        }
        Change::Settle(settlement) => settle(db, settlement, node, epoch),
        Change::Crashed(crash) => crashed(db, crash),
        Change::SetAside(id, why) => set_aside(db, *id, why),
        Change::Order(order) => obey(db, order),
        Change::Forget(before) => forget(db, *before),
    }
}

fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn enqueue(db: &Connection, message: &NewMessage, node: &str, epoch: i64) -> Result<Effect, StoreError> {
    let (data, file) = match &message.body.place {
        Place::Row(data) => (Some(&data[..]), None),
        Place::File(file) => (None, Some(file)),
    };
    let octets = i64::try_from(message.body.octets).unwrap_or(i64::MAX);
    db.prepare_cached("INSERT INTO body (size, sha256, data, file) VALUES (?, ?, ?, ?)")?
        .execute(params![octets, message.body.sha256, data, file])?;
    let body = db.last_insert_rowid();
    let envelope = &message.envelope;
    let sql =
        "INSERT INTO message (queue_id, body_id, octets, prefix, sender, envid, ret, body_type, smtputf8,
            requiretls, kind, auth_user, client_ip, helo, tls, arrived_at, expires_at, hold_why, intake_key,
            batch)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        envelope.id.as_str(),
        body,
        octets,
        message.prefix,
        envelope.sender,
        envelope.envid,
        envelope.ret.map(|ret| ret.as_str()),
        envelope.body_type.word(),
        envelope.smtputf8,
        envelope.requiretls,
        envelope.kind.word(),
        envelope.user,
        envelope.client,
        envelope.hello,
        envelope.tls,
        millis(envelope.arrived),
        millis(envelope.expires),
        message.hold,
        message.key.map(|key| key.0),
        message.batch,
    ])?;
    let row = db.last_insert_rowid();
    let mut effect = Effect { messages: vec![envelope.id], ..Effect::default() };
    let state = if message.hold.is_some() { DeliveryState::Hold } else { DeliveryState::Ready };
    for delivery in &message.deliveries {
        let taken = insert_delivery(db, row, delivery, state, (node, epoch, envelope.arrived))?;
        if state == DeliveryState::Ready {
            let job = message.job(delivery, taken);
            effect.entries.push(Entry::of(&job));
            effect.fresh.push(job);
        }
    }
    Ok(effect)
}

fn insert_delivery(
    db: &Connection,
    message: i64,
    delivery: &NewDelivery,
    state: DeliveryState,
    (node, epoch, arrived): (&str, i64, Timestamp),
) -> Result<Taken, StoreError> {
    let sql = "INSERT INTO delivery (msg_id, route_key, owner, epoch, state, next_at, warn_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        message,
        delivery.route.as_str(),
        node,
        epoch,
        state.word(),
        millis(arrived),
        delivery.warn.map(millis),
    ])?;
    let id = db.last_insert_rowid();
    let sql =
        "INSERT INTO rcpt (delivery_id, address, user, orcpt, notify, state) VALUES (?, ?, ?, ?, ?, 'wait')";
    let mut insert = db.prepare_cached(sql)?;
    let mut rcpts = Vec::with_capacity(delivery.rcpts.len());
    for rcpt in &delivery.rcpts {
        insert.execute(params![id, rcpt.address, rcpt.user, rcpt.orcpt, rcpt.notify.map(notify_word)])?;
        rcpts.push(RcptId(db.last_insert_rowid()));
    }
    Ok(Taken { delivery: DeliveryId(id), epoch, rcpts })
}

fn withdraw(db: &Connection, id: QueueId) -> Result<Effect, StoreError> {
    let row: Option<i64> = db
        .query_row("SELECT msg_id FROM message WHERE queue_id = ?", [id.as_str()], |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(Effect::default()) };
    let mut effect = Effect { messages: vec![id], ..Effect::default() };
    let mut query = db.prepare_cached("SELECT delivery_id FROM delivery WHERE msg_id = ?")?;
    effect.gone = query.query_map([row], |row| row.get(0).map(DeliveryId))?.collect::<Result<_, _>>()?;
    let body = body_of(db, row)?;
    remove_rows(db, row)?;
    effect.files.extend(remove_body(db, body)?);
    Ok(effect)
}

/// What was true of a delivery before it is settled.
struct Before {
    message: i64,
    epoch: i64,
    state: DeliveryState,
    attempts: i64,
}

fn settle(db: &Connection, settlement: &Settlement, node: &str, epoch: i64) -> Result<Effect, StoreError> {
    let id = settlement.delivery;
    let before = before(db, id)?;
    // Whoever brings it, an acceptance is a fact. The rest counts only if the delivery is still the one that was given
    // out, and still to be made.
    let counts = before.epoch == settlement.epoch && before.state != DeliveryState::Done;
    let ended = settlement.now;
    for rcpt in &settlement.rcpts {
        if counts || rcpt.state == RcptState::Accepted && settlement.is_fact() {
            settle_rcpt(db, id, rcpt, ended)?;
        }
    }
    let sql = "SELECT count(*) FROM rcpt WHERE delivery_id = ? AND state = 'wait'";
    let waiting: i64 = db.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?;
    let mut effect = Effect::default();
    if counts {
        note_attempt(db, settlement, before.attempts + 1, node)?;
        if waiting > 0 {
            let sql = "UPDATE delivery SET next_at = ?2, warn_at = ?3 WHERE delivery_id = ?1";
            let warn = settlement.warn.map(millis);
            db.prepare_cached(sql)?.execute(params![id.0, millis(settlement.next), warn])?;
        }
        for notice in &settlement.notices {
            let stored = enqueue(db, notice, node, epoch)?;
            effect.entries.extend(stored.entries);
            effect.fresh.extend(stored.fresh);
            effect.messages.extend(stored.messages);
        }
    }
    if let Some(route) = &settlement.route {
        note_route(db, route)?;
    }
    if waiting == 0 {
        finish(db, id, before.message, ended, &mut effect)?;
    } else if let Some(why) = settlement.hold.as_ref().filter(|_| counts) {
        hold(db, id, why)?;
        effect.gone.push(id);
    } else if before.state == DeliveryState::Ready {
        effect.entries.extend(entry(db, id)?);
    } else {
        effect.gone.push(id);
    }
    Ok(effect)
}

fn before(db: &Connection, id: DeliveryId) -> Result<Before, StoreError> {
    let sql = "SELECT msg_id, epoch, state, attempts FROM delivery WHERE delivery_id = ?";
    let row: Option<(i64, i64, String, i64)> = db
        .prepare_cached(sql)?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let wrong = |what: String| StoreError::new(Trouble::Wrong, what);
    let (message, epoch, state, attempts) = row.ok_or_else(|| wrong(format!("there is no delivery {id}")))?;
    let state =
        DeliveryState::of(&state).ok_or_else(|| wrong(format!("delivery {id} has the state `{state}`")))?;
    Ok(Before { message, epoch, state, attempts })
}

fn settle_rcpt(
    db: &Connection,
    delivery: DeliveryId,
    rcpt: &Settled,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE rcpt SET state = ?3, unsure = ?4, reply = ?5, mx = ?6, tls = ?7, done_at = ?8
        WHERE rcpt_id = ?1 AND delivery_id = ?2 AND (state = 'wait' OR ?3 = 'accepted')";
    let done = (rcpt.state != RcptState::Wait).then(|| millis(now));
    db.prepare_cached(sql)?.execute(params![
        rcpt.id.0,
        delivery.0,
        rcpt.state.word(),
        rcpt.unsure,
        rcpt.reply,
        rcpt.mx,
        rcpt.tls,
        done,
    ])?;
    Ok(())
}

fn note_attempt(db: &Connection, settlement: &Settlement, n: i64, node: &str) -> Result<(), StoreError> {
    let id = settlement.delivery.0;
    let reply = settlement.rcpts.last().map(|rcpt| rcpt.reply.as_str());
    let unsure = settlement.rcpts.iter().any(|rcpt| rcpt.unsure && rcpt.state == RcptState::Wait);
    let sql =
        "UPDATE delivery SET attempts = attempts + ?2, last_reply = coalesce(?3, last_reply), unsure = ?4
        WHERE delivery_id = ?1";
    let tried = settlement.attempt.is_some();
    db.prepare_cached(sql)?.execute(params![id, tried, reply, unsure])?;
    let Some(attempt) = &settlement.attempt else { return Ok(()) };
    let sql = "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        id,
        n,
        node,
        millis(attempt.began),
        millis(attempt.ended),
        attempt.mx,
        attempt.ip,
        attempt.tls,
        attempt.phase,
        attempt.outcome,
        attempt.transcript,
    ])?;
    if n > ATTEMPTS_KEPT {
        db.prepare_cached("DELETE FROM attempt WHERE delivery_id = ? AND n <= ?")?
            .execute(params![id, n - ATTEMPTS_KEPT])?;
    }
    Ok(())
}

/// Leaves a delivery to the operator.
pub(super) fn hold(db: &Connection, id: DeliveryId, why: &str) -> Result<(), StoreError> {
    let sql = "UPDATE message SET hold_why = ?2 WHERE msg_id = (SELECT msg_id FROM delivery WHERE delivery_id = ?1)";
    db.prepare_cached(sql)?.execute(params![id.0, why])?;
    db.prepare_cached("UPDATE delivery SET state = 'hold' WHERE delivery_id = ?")?.execute([id.0])?;
    Ok(())
}

fn set_aside(db: &Connection, id: DeliveryId, why: &str) -> Result<Effect, StoreError> {
    hold(db, id, &format!("corrupt: {why}"))?;
    Ok(Effect { gone: vec![id], ..Effect::default() })
}

fn crashed(db: &Connection, crash: &Crash) -> Result<Effect, StoreError> {
    let id = crash.delivery;
    let sql =
        "UPDATE delivery SET crashes = crashes + 1, attempts = attempts + 1, next_at = ?2, last_reply = ?3
        WHERE delivery_id = ?1 AND state = 'ready' RETURNING crashes";
    let crashes: Option<i64> = db
        .prepare_cached(sql)?
        .query_row(params![id.0, millis(crash.next), crash.why], |row| row.get(0))
        .optional()?;
    let mut effect = Effect::default();
    match crashes {
        Some(crashes) if crashes >= CRASHES => {
            hold(db, id, POISON)?;
            effect.gone.push(id);
        }
        Some(_) => effect.entries.extend(entry(db, id)?),
        None => {}
    }
    Ok(effect)
}

fn note_route(db: &Connection, route: &RouteState) -> Result<(), StoreError> {
    if route.failures == 0 {
        db.prepare_cached("DELETE FROM route WHERE route_key = ?")?.execute([route.key.as_str()])?;
        return Ok(());
    }
    db.prepare_cached("INSERT OR REPLACE INTO route VALUES (?, ?, ?, ?)")?.execute(params![
        route.key.as_str(),
        route.failures,
        millis(route.not_before),
        route.why,
    ])?;
    Ok(())
}

/// Ends a delivery, and its message when it was the last one.
fn finish(
    db: &Connection,
    id: DeliveryId,
    message: i64,
    now: Timestamp,
    effect: &mut Effect,
) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE delivery SET state = 'done', warn_at = NULL WHERE delivery_id = ?")?
        .execute([id.0])?;
    effect.gone.push(id);
    let sql = "SELECT count(*) FROM delivery WHERE msg_id = ? AND state <> 'done'";
    let open: i64 = db.prepare_cached(sql)?.query_row([message], |row| row.get(0))?;
    if open == 0 {
        let body = body_of(db, message)?;
        db.prepare_cached("UPDATE message SET done_at = ?2, body_id = NULL WHERE msg_id = ?1")?
            .execute(params![message, millis(now)])?;
        effect.files.extend(remove_body(db, body)?);
    }
    Ok(())
}

/// A message's body, and the file that it is in, if it is in one.
type StoredBody = (i64, Option<String>);

fn body_of(db: &Connection, message: i64) -> Result<Option<StoredBody>, StoreError> {
    let sql = "SELECT body_id, file FROM body JOIN message USING (body_id) WHERE msg_id = ?";
    let found = db.prepare_cached(sql)?.query_row([message], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}

/// Takes a body away that no message has any more; tells which file is no longer needed once this is committed.
fn remove_body(db: &Connection, body: Option<StoredBody>) -> Result<Option<String>, StoreError> {
    let Some((body, file)) = body else { return Ok(None) };
    db.prepare_cached("DELETE FROM body WHERE body_id = ?")?.execute([body])?;
    Ok(file)
}

fn remove_rows(db: &Connection, message: i64) -> Result<(), StoreError> {
    for table in ["attempt", "rcpt"] {
        let sql = format!(
            "DELETE FROM {table} WHERE delivery_id IN (SELECT delivery_id FROM delivery WHERE msg_id = ?)"
        );
        db.prepare_cached(&sql)?.execute([message])?;
    }
    db.prepare_cached("DELETE FROM delivery WHERE msg_id = ?")?.execute([message])?;
    db.prepare_cached("DELETE FROM message WHERE msg_id = ?")?.execute([message])?;
    Ok(())
}

fn obey(db: &Connection, order: &Order) -> Result<Effect, StoreError> {
    let states: &[DeliveryState] = match order.verb {
        Verb::Retry => &[DeliveryState::Ready],
        // What is held already, for whatever reason, waits for the operator from now on.
        Verb::Hold => &[DeliveryState::Ready, DeliveryState::Dot, DeliveryState::Hold],
        Verb::Release => &[DeliveryState::Hold],
        Verb::Drop => &[DeliveryState::Ready, DeliveryState::Dot, DeliveryState::Hold],
    };
    let (condition, mut values) = matching(&order.filter, states, order.now);
    let sql = format!(
        "SELECT d.delivery_id, d.msg_id, d.route_key, m.queue_id FROM delivery d JOIN message m USING (msg_id)
         WHERE {condition} ORDER BY d.delivery_id"
    );
    let mut query = db.prepare(&sql)?;
    let found = query
        .query_map(params_from_iter(values.drain(..)), |row| {
            Ok((DeliveryId(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<Vec<(DeliveryId, i64, String, String)>, _>>()?;
    let mut effect = Effect::default();
    for (id, message, route, name) in found {
        effect.messages.extend(QueueId::parse(&name));
        if !order.dry {
            obey_for(db, order, (id, message, route), &mut effect)?;
        }
    }
    effect.messages.dedup();
    effect.opened.sort();
    effect.opened.dedup();
    Ok(effect)
}

fn obey_for(
    db: &Connection,
    order: &Order,
    (id, message, route): (DeliveryId, i64, String),
    effect: &mut Effect,
) -> Result<(), StoreError> {
    let set = |sql: &str, values: &[Value]| db.prepare_cached(sql)?.execute(params_from_iter(values));
    let (id_value, now) = (Value::from(id.0), Value::from(millis(order.now)));
    match order.verb {
        Verb::Retry | Verb::Release => {
            set("UPDATE delivery SET state = 'ready', next_at = ? WHERE delivery_id = ?", &[now, id_value])?;
            set("UPDATE message SET hold_why = NULL WHERE msg_id = ?", &[Value::from(message)])?;
            set("DELETE FROM route WHERE route_key = ?", &[Value::from(route.clone())])?;
            effect.opened.push(RouteKey::stored(route));
            effect.entries.extend(entry(db, id)?);
        }
        Verb::Hold => {
            set("UPDATE delivery SET state = 'hold' WHERE delivery_id = ?", &[id_value])?;
            let sql = "UPDATE message SET hold_why = 'held by the operator' WHERE msg_id = ?";
            set(sql, &[Value::from(message)])?;
            effect.gone.push(id);
        }
        Verb::Drop => {
            let sql = "UPDATE rcpt SET state = ?, done_at = ? WHERE delivery_id = ? AND state = 'wait'";
            set(sql, &[Value::from(RcptState::Dropped.word().to_owned()), now, id_value])?;
            finish(db, id, message, order.now, effect)?;
        }
    }
    Ok(())
}

fn forget(db: &Connection, before: Timestamp) -> Result<Effect, StoreError> {
    let mut query = db.prepare_cached("SELECT msg_id, queue_id FROM message WHERE done_at < ?")?;
    let old = query
        .query_map([millis(before)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, String)>, _>>()?;
    let mut effect = Effect::default();
    for (message, name) in old {
        effect.messages.extend(QueueId::parse(&name));
        remove_rows(db, message)?;
    }
    Ok(effect)
}
