//! One thread writes, and commits all that waits at once.
//!
//! There is no timer: while one commit waits for the disk, changes gather, and the next commit takes them all. A
//! single session waits for one sync, a hundred at once for about two.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;

use super::health::Health;
use super::pace::Pace;
use super::store::{Change, Effect, Store, StoreError, Trouble};
use super::unconfirmed::{Shared, Unconfirmed, Untold};
use crate::metrics;

/// Changes that may wait. With a row's body each, they hold 64 MiB.
const WAITING: usize = 1_024;

/// Changes in one commit at most. More would make everybody in it wait for longer than a sync takes.
const BATCH: usize = 512;

/// Octets in one commit at most, for the same reason.
const BATCH_OCTETS: usize = 4 << 20;

/// The writing end of the queue; as many as are needed.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    letters: mpsc::Sender<Letter>,
    unconfirmed: Shared,
    health: Arc<Health>,
    pace: Arc<Pace>,
}

#[derive(Debug)]
enum Letter {
    Change(Change, oneshot::Sender<Answer>),
    /// A change whose answer nobody waits for.
    Note(Change),
    /// There is something to withdraw.
    Wake,
}

/// Takes a file of the spool away.
pub(crate) type Unlink = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

type Answer = Result<Committed, StoreError>;

/// A change that is durable. Dropping it tells the schedule what there is to do now; but new mail has to be
/// [released](Self::release), and is withdrawn if it is not: then nobody was told that we have it.
#[derive(Debug)]
pub(crate) struct Committed {
    effect: Effect,
    schedule: UnboundedSender<Effect>,
    /// The number of the commit.
    batch: i64,
    new: Option<New>,
}

/// What it takes to withdraw new mail.
#[derive(Debug)]
struct New {
    mail: Untold,
    desk: mpsc::WeakSender<Letter>,
    unconfirmed: Shared,
}

impl Committed {
    pub(crate) const fn effect(&self) -> &Effect {
        &self.effect
    }

    pub(super) const fn batch(&self) -> i64 {
        self.batch
    }

    /// Lets new mail be delivered: its client is being told.
    pub(crate) fn release(mut self) {
        self.new = None;
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        if let Some(New { mail, desk, unconfirmed }) = self.new.take() {
            unconfirmed.not_told(mail);
            // One that has too much to do looks by itself.
            if let Some(desk) = desk.upgrade() {
                let _ = desk.try_send(Letter::Wake);
            }
            return;
        }
        // Without a schedule the server stops; the next start schedules what is ready.
        let _ = self.schedule.send(std::mem::take(&mut self.effect));
    }
}

/// The thread, which ends when every [`Writer`] is gone.
#[derive(Debug)]
pub(crate) struct WriterThread(Receiver<Result<(), StoreError>>);

impl WriterThread {
    /// Waits for its end, but not longer than `patience`: a disk may not answer. Returns whether everything was closed
    /// in order.
    pub(crate) fn finish(self, patience: Duration) -> Result<(), StoreError> {
        let late = || StoreError::new(Trouble::Closed, "the writer did not end");
        self.0.recv_timeout(patience).unwrap_or_else(|_| Err(late()))
    }
}

impl Writer {
    /// Starts the thread. `schedule` gets the effects; `unlink` is called for each file that no row names any more.
    pub(crate) fn start(
        store: impl Store,
        unconfirmed: Unconfirmed,
        schedule: UnboundedSender<Effect>,
        unlink: Unlink,
    ) -> io::Result<(Self, WriterThread)> {
        let (writer, desk, waiting) = Self::parts(store, unconfirmed, schedule, unlink);
        let (ended, end) = channel();
        thread::Builder::new().name("queue".to_owned()).spawn(move || {
            // Nobody may wait for it.
            let _ = ended.send(desk.work(waiting, mpsc::Receiver::blocking_recv));
        })?;
        Ok((writer, WriterThread(end)))
    }

    /// Both sides, and what is between them.
    fn parts<S: Store>(
        store: S,
        unconfirmed: Unconfirmed,
        schedule: UnboundedSender<Effect>,
        unlink: Unlink,
    ) -> (Self, Desk<S>, mpsc::Receiver<Letter>) {
        let (letters, waiting) = mpsc::channel(WAITING);
        let unconfirmed = Arc::new(unconfirmed);
        let (health, pace) = (Arc::<Health>::default(), Arc::<Pace>::default());
        let desk = Desk {
            store,
            confirmed: unconfirmed.confirmed(),
            unconfirmed: Arc::clone(&unconfirmed),
            health: Arc::clone(&health),
            pace: Arc::clone(&pace),
            schedule,
            unlink,
            myself: letters.downgrade(),
            failed: false,
        };
        (Self { letters, unconfirmed, health, pace }, desk, waiting)
    }

    /// Whether what is committed is there.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// How long commits take.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(super) const fn unconfirmed(&self) -> &Shared {
        &self.unconfirmed
    }

    /// Makes a change some time, for which nobody waits. It is forgotten where too much waits already.
    pub(super) fn note(&self, change: Change) {
        let _ = self.letters.try_send(Letter::Note(change));
    }

    /// Makes a change if it need not wait to be heard; else the error is [`Trouble::Busy`]. This is for new mail, which
    /// can be refused.
    pub(crate) async fn offer(&self, change: Change) -> Answer {
        let (answer, heard) = oneshot::channel();
        match self.letters.try_send(Letter::Change(change, answer)) {
            Ok(()) => heard.await.unwrap_or_else(|_| Err(closed())),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(StoreError::new(Trouble::Busy, "too many changes wait already"))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(closed()),
        }
    }

    /// Makes a change that can't be refused.
    pub(crate) async fn make(&self, change: Change) -> Answer {
        let (answer, heard) = oneshot::channel();
        self.letters.send(Letter::Change(change, answer)).await.map_err(|_| closed())?;
        heard.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> StoreError {
    StoreError::new(Trouble::Closed, "the queue is closed")
}

/// The thread's side.
struct Desk<S> {
    store: S,
    unconfirmed: Shared,
    /// As the store has it.
    confirmed: i64,
    health: Arc<Health>,
    pace: Arc<Pace>,
    schedule: UnboundedSender<Effect>,
    unlink: Unlink,
    myself: mpsc::WeakSender<Letter>,
    /// The last commit was not made.
    failed: bool,
}

/// Waits for a letter; none once there can't be one.
type Wait = fn(&mut mpsc::Receiver<Letter>) -> Option<Letter>;

impl<S: Store> Desk<S> {
    fn work(mut self, mut waiting: mpsc::Receiver<Letter>, wait: Wait) -> Result<(), StoreError> {
        loop {
            let mut batch = Batch::default();
            // What could not be withdrawn is tried again when there is something else to do.
            if self.failed || !self.unconfirmed.has_untold() {
                let Some(first) = self.first(&mut waiting, wait) else { break };
                batch.add(first);
            }
            // Before the other letters: what it no longer counts as open is in one of them.
            let confirmed = self.unconfirmed.confirmed();
            while batch.has_room() {
                let Ok(letter) = waiting.try_recv() else { break };
                batch.add(letter);
            }
            self.commit_with(batch, confirmed);
        }
        if let Some(error) = self.health.trouble() {
            return Err(error.clone());
        }
        self.commit_with(Batch::default(), self.unconfirmed.confirmed());
        self.store.close()
    }

    /// The next letter, however long it takes; none once there can't be one.
    fn first(&mut self, waiting: &mut mpsc::Receiver<Letter>, wait: Wait) -> Option<Letter> {
        waiting.try_recv().ok().or_else(|| {
            if self.health.trouble().is_none()
                && let Err(error) = self.store.idle()
            {
                self.health.note(&error);
            }
            wait(waiting)
        })
    }

    /// Commits a batch with what the thread itself has to say.
    fn commit_with(&mut self, mut batch: Batch, confirmed: i64) {
        let untold = self.unconfirmed.take_untold();
        for mail in &untold {
            batch.add(Letter::Note(Change::Withdraw(mail.id)));
        }
        if confirmed != self.confirmed {
            batch.add(Letter::Note(Change::Confirmed(confirmed)));
        }
        if batch.changes.is_empty() {
            return;
        }
        self.failed = !self.commit(batch);
        if self.failed {
            untold.into_iter().for_each(|mail| self.unconfirmed.not_told(mail));
        } else {
            self.confirmed = confirmed;
            untold.iter().filter_map(|mail| mail.batch).for_each(|batch| self.unconfirmed.close(batch));
        }
    }

    /// Has the store commit these, unless it can't be believed any more.
    fn ask_store(&mut self, changes: &[Change]) -> Result<Vec<Result<Effect, StoreError>>, StoreError> {
        if let Some(error) = self.health.trouble() {
            return Err(error.clone());
        }
        self.pace.begin(Instant::now());
        let result = self.store.commit(changes);
        metrics::commit(self.pace.end(Instant::now()));
        result
    }

    /// Returns whether it is committed.
    fn commit(&mut self, mut batch: Batch) -> bool {
        let number = batch.number(&self.unconfirmed);
        let result = self.ask_store(&batch.changes).and_then(|effects| {
            // Nobody may be answered with somebody else's result.
            let whole = effects.len() == batch.answers.len();
            if whole { Ok(effects) } else { Err(StoreError::new(Trouble::Wrong, "answers are missing")) }
        });
        let committed = result.is_ok();
        if let Err(error) = &result {
            self.health.note(error);
        }
        let results = match result {
            Ok(effects) => effects,
            Err(error) => vec![Err(error); batch.answers.len()],
        };
        let mut files = Vec::new();
        for ((answer, result), change) in batch.answers.into_iter().zip(results).zip(&batch.changes) {
            // What was not made is known to be so, unless nobody can tell.
            if result.as_ref().is_err_and(|error| error.kind != Trouble::Io) && may_come_again(change) {
                self.unconfirmed.close(number);
            }
            let done = result.map(|mut effect| {
                files.append(&mut effect.files);
                let (schedule, new) = (self.schedule.clone(), self.new_mail(change, number));
                Committed { effect, schedule, batch: number, new }
            });
            // Whoever waited may be gone. Then dropping what it would have got does what is right.
            if let Some(answer) = answer {
                let _ = answer.send(done);
            }
        }
        for file in files {
            // What stays is swept away at the next start.
            let _ = (self.unlink)(&file);
        }
        committed
    }

    fn new_mail(&self, change: &Change, batch: i64) -> Option<New> {
        let Change::Enqueue(message) = change else { return None };
        let batch = may_come_again(change).then_some(batch);
        let mail = Untold { id: message.envelope.id, batch };
        Some(New { mail, desk: self.myself.clone(), unconfirmed: Arc::clone(&self.unconfirmed) })
    }
}

const fn may_come_again(change: &Change) -> bool {
    matches!(change, Change::Enqueue(message) if message.key.is_some())
}

#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    answers: Vec<Option<oneshot::Sender<Answer>>>,
    octets: usize,
}

impl Batch {
    fn add(&mut self, letter: Letter) {
        let (change, answer) = match letter {
            Letter::Change(change, answer) => (change, Some(answer)),
            Letter::Note(change) => (change, None),
            Letter::Wake => return,
        };
        self.octets += octets(&change);
        self.changes.push(change);
        self.answers.push(answer);
    }

    /// Gives it a number, and tells it to all that is in it.
    fn number(&mut self, unconfirmed: &Unconfirmed) -> i64 {
        let number =
            unconfirmed.next_batch(self.changes.iter().filter(|change| may_come_again(change)).count());
        for change in &mut self.changes {
            if let Change::Enqueue(message) = change {
                message.batch = number;
            }
        }
        number
    }

    fn has_room(&self) -> bool {
        self.changes.len() < BATCH && self.octets < BATCH_OCTETS
    }
}

fn octets(change: &Change) -> usize {
    match change {
        Change::Enqueue(message) => message.prefix.len() + message.body.octets_in_row(),
        _ => 0,
    }
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
