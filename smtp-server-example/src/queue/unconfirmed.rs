//! Mail of which its client may not know that we have it.
//!
//! A client that has lost our `250` sends the message again (RFC 1047). It is known by what both sendings have in
//! common, and answered with the first one's queue id. Only mail that is not confirmed is looked at: as soon as a
//! client goes on behind its `250`, it knows, and an equal message from then on is meant.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::model::{Envelope, NewDelivery};
use super::policy::after;
use super::store::Change;
use super::writer::Writer;
use crate::queue_id::QueueId;

/// How long a client may take to come again.
pub(super) const LIVES: Duration = Duration::from_secs(86_400);

/// Messages that are remembered at a time, 15 MiB of them. Each lost connection leaves one.
const REMEMBERED: usize = 100_000;

/// What two sendings of one message have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IntakeKey(pub(super) [u8; 32]);

impl IntakeKey {
    /// None where the client gave no Message-ID: then nothing says that two equal messages are one.
    pub(super) fn of(
        envelope: &Envelope,
        deliveries: &[NewDelivery],
        message_id: Option<&[u8]>,
        sha256: &[u8; 32],
    ) -> Option<Self> {
        let who = match (&envelope.user, &envelope.client) {
            (Some(user), _) => format!("user {user}"),
            (None, client) => format!("net {}", client.as_deref().map(network).unwrap_or_default()),
        };
        let mut rcpts: Vec<_> = deliveries.iter().flat_map(|delivery| &delivery.rcpts).collect();
        rcpts.sort_by(|a, b| (&a.address, &a.user).cmp(&(&b.address, &b.user)));
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            // With its length, so that nothing can move from one part to the next.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        [who.as_bytes(), envelope.sender.as_bytes(), message_id?, sha256].into_iter().for_each(&mut add);
        for rcpt in rcpts {
            add(rcpt.address.as_bytes());
            add(rcpt.user.as_deref().unwrap_or_default().as_bytes());
        }
        Some(Self(hash.finalize().into()))
    }
}

/// Where a client is at home: it may come again from a neighbour. The first 24 bits of an IPv4 address, 64 of IPv6.
fn network(client: &str) -> String {
    match client.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => format!("{:?}", &address.octets()[..3]),
        Ok(IpAddr::V6(address)) => format!("{:?}", &address.octets()[..8]),
        Err(_) => client.to_owned(),
    }
}

/// A message that may come again, as the store keeps it over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubtful {
    pub(crate) key: IntakeKey,
    pub(crate) id: QueueId,
    pub(crate) arrived: Timestamp,
}

/// All of them, shared by sessions and the writer.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<IntakeKey, (QueueId, Timestamp)>,
    /// By age.
    order: VecDeque<(Timestamp, IntakeKey)>,
    /// How many messages of a batch are not answered yet, or their clients have not gone on.
    open: BTreeMap<i64, usize>,
    /// The newest batch of all, and the newest with something that may come again.
    newest: i64,
    newest_counted: i64,
    untold: Vec<Untold>,
}

/// A message that is committed, and that is to be withdrawn since nobody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) id: QueueId,
    /// Its batch, where that counts it as open.
    pub(super) batch: Option<i64>,
}

impl Unconfirmed {
    /// What an earlier run has left, whose last batch was `newest`.
    pub(crate) fn new(left: Vec<Doubtful>, newest: i64) -> Self {
        let mut state = State { newest, newest_counted: newest, ..State::default() };
        for doubtful in left {
            state.remember(doubtful.key, doubtful.id, doubtful.arrived);
        }
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message that this one is a second sending of.
    pub(super) fn find(&self, key: &IntakeKey, now: Timestamp) -> Option<QueueId> {
        self.state().known.get(key).filter(|(_, until)| now < *until).map(|(id, _)| *id)
    }

    /// The number of a batch that is going to be committed, with so many messages that may come again.
    pub(super) fn next_batch(&self, messages: usize) -> i64 {
        let mut state = self.state();
        state.newest += 1;
        let batch = state.newest;
        if messages > 0 {
            state.open.insert(batch, messages);
            state.newest_counted = batch;
        }
        batch
    }

    /// One message of a batch need no longer hold up what [`confirmed`](Self::confirmed) says.
    pub(super) fn close(&self, batch: i64) {
        let mut state = self.state();
        if let Some(open) = state.open.get_mut(&batch) {
            *open -= 1;
            if *open == 0 {
                state.open.remove(&batch);
            }
        }
    }

    pub(super) fn not_told(&self, mail: Untold) {
        self.state().untold.push(mail);
    }

    pub(super) fn has_untold(&self) -> bool {
        !self.state().untold.is_empty()
    }

    pub(super) fn take_untold(&self) -> Vec<Untold> {
        std::mem::take(&mut self.state().untold)
    }

    /// The newest batch up to which every client knows what became of its message, or the store knows who may not.
    pub(super) fn confirmed(&self) -> i64 {
        let state = self.state();
        state.open.first_key_value().map_or(state.newest_counted, |(batch, _)| batch - 1)
    }
}

impl State {
    fn remember(&mut self, key: IntakeKey, id: QueueId, arrived: Timestamp) {
        let until = after(arrived, LIVES);
        if self.known.insert(key, (id, until)).is_none() {
            self.order.push_back((until, key));
        }
        while self.known.len() > REMEMBERED {
            let Some((until, oldest)) = self.order.pop_front() else { break };
            if self.known.get(&oldest).is_some_and(|(_, known)| *known == until) {
                self.known.remove(&oldest);
            }
        }
        // Most that came first are confirmed since.
        while self.order.front().is_some_and(|(_, key)| !self.known.contains_key(key)) {
            self.order.pop_front();
        }
    }
}

/// A message whose `250` is given. Dropped without [`confirm`](Self::confirm), it stays one that may come again.
#[derive(Debug)]
pub(crate) struct Unsure {
    writer: Writer,
    key: Option<IntakeKey>,
    id: QueueId,
    /// The batch it was committed with; none for one that came again, of which the store knows.
    batch: Option<i64>,
}

impl Unsure {
    pub(super) fn new(
        writer: Writer,
        key: Option<IntakeKey>,
        id: QueueId,
        arrived: Timestamp,
        batch: Option<i64>,
    ) -> Self {
        if let (Some(key), Some(_)) = (key, batch) {
            writer.unconfirmed().state().remember(key, id, arrived);
        }
        Self { writer, key, id, batch }
    }

    /// The client has gone on: it knows.
    pub(crate) fn confirm(mut self) {
        let Some(key) = self.key.take() else { return };
        self.writer.unconfirmed().state().known.remove(&key);
        match self.batch {
            Some(batch) => self.writer.unconfirmed().close(batch),
            None => self.writer.note(Change::Doubt(self.id, false)),
        }
    }
}

impl Drop for Unsure {
    fn drop(&mut self) {
        if let (Some(_), Some(batch)) = (self.key, self.batch) {
            // In this order: a commit that no longer counts the batch as open has the note.
            self.writer.note(Change::Doubt(self.id, true));
            self.writer.unconfirmed().close(batch);
        }
    }
}

/// Shared, as sessions and the writer's thread have it.
pub(super) type Shared = Arc<Unconfirmed>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::conformance::{at, message};

    fn key(change: impl FnOnce(&mut Envelope, &mut Vec<NewDelivery>)) -> IntakeKey {
        let mut sent = message(&[&["b@one.example", "c@one.example"]]);
        change(&mut sent.envelope, &mut sent.deliveries);
        IntakeKey::of(&sent.envelope, &sent.deliveries, Some(b"<1@client.example>"), &[7; 32]).unwrap()
    }

    #[test]
    fn a_second_sending_is_known_by_all_that_it_has_in_common_with_the_first() {
        let first = key(|_, _| {});
        type Edit = fn(&mut Envelope, &mut Vec<NewDelivery>);
        let rows: [(Edit, bool, &str); 8] = [
            (|_, to| to[0].rcpts.reverse(), true, "recipients in any order"),
            (|envelope, _| envelope.client = Some("192.0.2.77".into()), true, "from a neighbour"),
            (
                |envelope, _| envelope.client = Some("::ffff:192.0.2.1".into()),
                true,
                "a mapped address is IPv4",
            ),
            (|envelope, _| envelope.client = Some("192.0.3.1".into()), false, "from elsewhere"),
            (|envelope, _| envelope.user = Some("alice".into()), false, "a user"),
            (|envelope, _| envelope.sender.push('x'), false, "another sender"),
            (|_, to| drop(to[0].rcpts.pop()), false, "a recipient less"),
            (|envelope, _| envelope.hello = None, true, "what it calls itself says nothing"),
        ];
        for (edit, same, why) in rows {
            assert_eq!(key(edit) == first, same, "{why}");
        }
        let sent = message(&[&["b@one.example"]]);
        let of = |id, sha: u8| IntakeKey::of(&sent.envelope, &sent.deliveries, id, &[sha; 32]);
        assert_eq!(of(None, 7), None, "without a Message-ID");
        assert_ne!(of(Some(b"<1@a>"), 7), of(Some(b"<2@a>"), 7));
        assert_ne!(of(Some(b"<1@a>"), 7), of(Some(b"<1@a>"), 8), "other content");
    }

    #[test]
    fn a_batch_holds_up_those_behind_it_until_all_its_clients_went_on() {
        let unconfirmed = Unconfirmed::new(Vec::new(), 10);
        assert_eq!(unconfirmed.confirmed(), 10);
        assert_eq!(unconfirmed.next_batch(2), 11);
        assert_eq!(unconfirmed.next_batch(0), 12);
        assert_eq!(unconfirmed.next_batch(1), 13);
        assert_eq!(unconfirmed.confirmed(), 10);
        unconfirmed.close(11);
        unconfirmed.close(13);
        assert_eq!(unconfirmed.confirmed(), 10);
        unconfirmed.close(11);
        assert_eq!(unconfirmed.confirmed(), 13);
    }

    #[test]
    fn a_message_is_known_for_a_day_and_their_number_is_bounded() {
        let ids = crate::queue_id::QueueIds::new();
        let left = |n: u64| Doubtful {
            key: IntakeKey(Sha256::digest(n.to_be_bytes()).into()),
            id: ids.next(at(0)),
            arrived: at(0),
        };
        let first = left(0);
        let unconfirmed = Unconfirmed::new(vec![first.clone()], 0);
        assert_eq!(unconfirmed.find(&first.key, at(86_399)), Some(first.id));
        assert_eq!(unconfirmed.find(&first.key, at(86_400)), None);
        for n in 1..=REMEMBERED as u64 {
            let next = left(n);
            unconfirmed.state().remember(next.key, next.id, next.arrived);
        }
        assert_eq!(unconfirmed.find(&first.key, at(1)), None, "the oldest went");
        let state = unconfirmed.state();
        assert_eq!((state.known.len(), state.order.len()), (REMEMBERED, REMEMBERED));
    }
}
