//! One thread writes, and commits all that waits at once.
//!
//! There is no timer: while one commit waits for the disk, changes gather, and the next commit takes them all. A
//! single session waits for one sync, a hundred at once for about two.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;

use super::model::Place;
use super::store::{Change, Effect, Store, StoreError, Trouble};

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
}

#[derive(Debug)]
struct Letter {
    change: Change,
    answer: oneshot::Sender<Answer>,
}

/// Takes a file of the spool away.
pub(crate) type Unlink = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

type Answer = Result<Committed, StoreError>;

/// A change that is durable. Dropping it tells the schedule what there is to do now.
///
/// That it need not be told at once is for whoever looks, after the commit and before the `250`, whether the client is
/// there still.
#[derive(Debug)]
pub(crate) struct Committed {
    effect: Effect,
    schedule: Option<UnboundedSender<Effect>>,
}

impl Committed {
    pub(crate) const fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Keeps the schedule from being told, for a message that will be taken back.
    #[allow(dead_code, reason = "for a client that is gone before its 250")]
    pub(crate) fn suppress(mut self) -> Effect {
        self.schedule = None;
        std::mem::take(&mut self.effect)
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        if let Some(schedule) = self.schedule.take() {
            // Without a schedule the server stops; the next start schedules what is ready.
            let _ = schedule.send(std::mem::take(&mut self.effect));
        }
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
        schedule: UnboundedSender<Effect>,
        unlink: Unlink,
    ) -> io::Result<(Self, WriterThread)> {
        let (letters, waiting) = mpsc::channel(WAITING);
        let (ended, end) = channel();
        thread::Builder::new().name("queue".to_owned()).spawn(move || {
            // Nobody may wait for it.
            let _ = ended.send(Desk { store, schedule, unlink }.work(waiting));
        })?;
        Ok((Self { letters }, WriterThread(end)))
    }

    /// Makes a change if it need not wait to be heard; else the error is [`Trouble::Busy`]. This is for new mail, which
    /// can be refused.
    pub(crate) async fn offer(&self, change: Change) -> Answer {
        let (answer, heard) = oneshot::channel();
        match self.letters.try_send(Letter { change, answer }) {
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
        self.letters.send(Letter { change, answer }).await.map_err(|_| closed())?;
        heard.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> StoreError {
    StoreError::new(Trouble::Closed, "the queue is closed")
}

/// The thread's side.
struct Desk<S> {
    store: S,
    schedule: UnboundedSender<Effect>,
    unlink: Unlink,
}

impl<S: Store> Desk<S> {
    fn work(mut self, mut waiting: mpsc::Receiver<Letter>) -> Result<(), StoreError> {
        let mut next = waiting.blocking_recv();
        while let Some(first) = next.take() {
            let mut batch = Batch::new(first);
            while batch.has_room() {
                let Ok(letter) = waiting.try_recv() else { break };
                batch.add(letter);
            }
            self.commit(batch);
            next = waiting.try_recv().ok();
            if next.is_none() {
                self.store.idle();
                next = waiting.blocking_recv();
            }
        }
        self.store.close()
    }

    fn commit(&mut self, batch: Batch) {
        let result = self.store.commit(&batch.changes).and_then(|effects| {
            // Nobody may be answered with somebody else's result.
            let whole = effects.len() == batch.answers.len();
            if whole { Ok(effects) } else { Err(StoreError::new(Trouble::Wrong, "answers are missing")) }
        });
        let results = match result {
            Ok(effects) => effects,
            Err(error) => vec![Err(error); batch.answers.len()],
        };
        let mut files = Vec::new();
        for (answer, result) in batch.answers.into_iter().zip(results) {
            let committed = result.map(|mut effect| {
                files.append(&mut effect.files);
                Committed { effect, schedule: Some(self.schedule.clone()) }
            });
            // Whoever waited may be gone; then dropping what it would have got tells the schedule.
            let _ = answer.send(committed);
        }
        for file in files {
            // What stays is swept away at the next start.
            let _ = (self.unlink)(&file);
        }
    }
}

struct Batch {
    changes: Vec<Change>,
    answers: Vec<oneshot::Sender<Answer>>,
    octets: usize,
}

impl Batch {
    fn new(first: Letter) -> Self {
        let mut batch = Self { changes: Vec::new(), answers: Vec::new(), octets: 0 };
        batch.add(first);
        batch
    }

    fn add(&mut self, letter: Letter) {
        self.octets += octets(&letter.change);
        self.changes.push(letter.change);
        self.answers.push(letter.answer);
    }

    fn has_room(&self) -> bool {
        self.changes.len() < BATCH && self.octets < BATCH_OCTETS
    }
}

fn octets(change: &Change) -> usize {
    match change {
        Change::Enqueue(message) => match &message.body.place {
            Place::Row(data) => message.prefix.len() + data.len(),
            Place::File(_) => message.prefix.len(),
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    use jiff::Timestamp;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::queue::model::DeliveryId;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A store that tells how large each batch is and commits when it is allowed to, with the result it is told.
    struct Probe {
        batches: Sender<usize>,
        results: Receiver<Result<(), StoreError>>,
    }

    impl Store for Probe {
        fn commit(&mut self, changes: &[Change]) -> Result<Vec<Result<Effect, StoreError>>, StoreError> {
            self.batches.send(changes.len()).unwrap();
            self.results.recv().unwrap()?;
            let effect = |i: usize| Effect {
                gone: vec![DeliveryId(i as i64)],
                files: vec![format!("file {i}")],
                ..Effect::default()
            };
            Ok((0..changes.len()).map(|i| Ok(effect(i))).collect())
        }

        fn idle(&mut self) {}

        fn close(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    struct Bench {
        writer: Writer,
        thread: WriterThread,
        batches: Receiver<usize>,
        allow: Sender<Result<(), StoreError>>,
        schedule: UnboundedReceiver<Effect>,
        unlinked: Arc<Mutex<Vec<String>>>,
    }

    fn bench() -> Bench {
        let ((batch, batches), (allow, results)) = (channel(), channel());
        let (effects, schedule) = unbounded_channel();
        let unlinked = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&unlinked);
        let unlink = Arc::new(move |name: &str| {
            list.lock().unwrap().push(name.to_owned());
            Ok(())
        });
        let (writer, thread) = Writer::start(Probe { batches: batch, results }, effects, unlink).unwrap();
        Bench { writer, thread, batches, allow, schedule, unlinked }
    }

    /// Lets the tasks run until this many letters wait.
    async fn until_waiting(writer: &Writer, count: usize) {
        while WAITING - writer.letters.capacity() < count {
            tokio::task::yield_now().await;
        }
    }

    fn change() -> Change {
        Change::Forget(Timestamp::UNIX_EPOCH)
    }

    #[tokio::test]
    async fn what_comes_during_a_commit_is_one_commit() {
        let bench = bench();
        let send = || {
            let writer = bench.writer.clone();
            tokio::spawn(async move { writer.offer(change()).await.map(|done| done.effect().gone.clone()) })
        };
        let first = send();
        tokio::task::yield_now().await;
        assert_eq!(bench.batches.recv().unwrap(), 1);
        let others: Vec<_> = (0..20).map(|_| send()).collect();
        until_waiting(&bench.writer, 20).await;
        bench.allow.send(Ok(())).unwrap();
        assert_eq!(bench.batches.recv().unwrap(), 20);
        bench.allow.send(Ok(())).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), [DeliveryId(0)]);
        for (i, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap().unwrap(), [DeliveryId(i as i64)], "each gets its own answer");
        }
        drop(bench.writer);
        bench.thread.finish(PATIENCE).unwrap();
        assert_eq!(bench.unlinked.lock().unwrap().len(), 21, "after the commit, once each");
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_refused_to_all_in_it_and_to_nobody_else() {
        let mut bench = bench();
        let full = StoreError::new(Trouble::Full, "full");
        for (result, why) in [(Err(full.clone()), "the failure"), (Ok(()), "the one after it")] {
            bench.allow.send(result.clone()).unwrap();
            let answer = bench.writer.offer(change()).await;
            assert_eq!(answer.map(|_| ()), result, "{why}");
        }
        assert_eq!(bench.schedule.recv().await.unwrap().gone.len(), 1, "of the second only");
        assert!(bench.schedule.try_recv().is_err());
        drop(bench.writer);
        bench.thread.finish(PATIENCE).unwrap();
        assert_eq!(bench.unlinked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn new_mail_is_refused_when_too_much_waits_and_results_are_not() {
        let bench = bench();
        let mut waiting = Vec::new();
        let send = |writer: Writer| tokio::spawn(async move { writer.offer(change()).await.map(|_| ()) });
        waiting.push(send(bench.writer.clone()));
        tokio::task::yield_now().await;
        assert_eq!(bench.batches.recv().unwrap(), 1, "the thread is at work");
        waiting.extend((0..WAITING).map(|_| send(bench.writer.clone())));
        until_waiting(&bench.writer, WAITING).await;
        let refused = bench.writer.offer(change()).await.map(|_| ()).unwrap_err();
        assert_eq!((refused.kind, refused.reply().code()), (Trouble::Busy, 451));
        let writer = bench.writer.clone();
        let result = tokio::spawn(async move { writer.make(change()).await.map(|_| ()) });
        for _ in 0..10 {
            bench.allow.send(Ok(())).unwrap();
        }
        for answer in waiting {
            answer.await.unwrap().unwrap();
        }
        result.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_session_that_is_gone_leaves_its_mail_to_the_schedule() {
        let mut bench = bench();
        let writer = bench.writer.clone();
        let session = tokio::spawn(async move { writer.offer(change()).await.map(|_| ()) });
        tokio::task::yield_now().await;
        bench.batches.recv().unwrap();
        session.abort();
        session.await.unwrap_err();
        bench.allow.send(Ok(())).unwrap();
        assert_eq!(bench.schedule.recv().await.unwrap().gone.len(), 1);
    }

    #[tokio::test]
    async fn mail_that_is_taken_back_is_never_scheduled() {
        let mut bench = bench();
        bench.allow.send(Ok(())).unwrap();
        let effect = bench.writer.offer(change()).await.unwrap().suppress();
        assert_eq!(effect.gone.len(), 1);
        drop(bench.writer);
        bench.thread.finish(PATIENCE).unwrap();
        assert!(bench.schedule.try_recv().is_err());
    }
}
