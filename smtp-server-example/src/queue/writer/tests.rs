//! Batches, answers, and what becomes of mail that nobody was told of.

use std::sync::Mutex;
use std::sync::mpsc::Sender;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::queue::conformance::message;
use crate::queue::model::DeliveryId;
use crate::queue::unconfirmed::IntakeKey;

const PATIENCE: Duration = Duration::from_secs(30);

fn name(change: &Change) -> &'static str {
    match change {
        Change::Enqueue(_) => "enqueue",
        Change::Withdraw(_) => "withdraw",
        Change::Forget(_) => "forget",
        Change::Confirmed(1) => "confirmed 1",
        _ => "another",
    }
}

/// A store that tells what is in each batch, and commits when it is allowed to, with the result it is told.
struct Probe {
    batches: Sender<Vec<&'static str>>,
    results: Receiver<Result<(), StoreError>>,
}

impl Store for Probe {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Result<Effect, StoreError>>, StoreError> {
        self.batches.send(changes.iter().map(name).collect()).unwrap();
        self.results.recv().unwrap()?;
        let effect = |i: usize| Effect {
            gone: vec![DeliveryId(i as i64)],
            files: vec![format!("file {i}")],
            ..Effect::default()
        };
        Ok((0..changes.len()).map(|i| Ok(effect(i))).collect())
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Bench {
    writer: Writer,
    thread: WriterThread,
    batches: Receiver<Vec<&'static str>>,
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
    let (writer, thread) =
        Writer::start(Probe { batches: batch, results }, Unconfirmed::default(), effects, unlink).unwrap();
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
    assert_eq!(bench.batches.recv().unwrap().len(), 1);
    let others: Vec<_> = (0..20).map(|_| send()).collect();
    until_waiting(&bench.writer, 20).await;
    bench.allow.send(Ok(())).unwrap();
    assert_eq!(bench.batches.recv().unwrap().len(), 20);
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
    assert_eq!(bench.batches.recv().unwrap().len(), 1, "the thread is at work");
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

fn mail() -> Change {
    Change::Enqueue(Box::new(message(&[&["b@one.example"]])))
}

/// Waits for the next batch, lets it be committed, and returns what is in it.
fn commits(bench: &Bench) -> Vec<&'static str> {
    let names = bench.batches.recv_timeout(PATIENCE).unwrap();
    bench.allow.send(Ok(())).unwrap();
    names
}

#[tokio::test]
async fn a_result_is_scheduled_even_if_nobody_waits_for_it() {
    let mut bench = bench();
    let writer = bench.writer.clone();
    let task = tokio::spawn(async move { writer.make(change()).await.map(|_| ()) });
    until_waiting(&bench.writer, 0).await;
    tokio::task::yield_now().await;
    task.abort();
    task.await.unwrap_err();
    commits(&bench);
    assert_eq!(bench.schedule.recv().await.unwrap().gone.len(), 1);
}

#[tokio::test]
async fn mail_that_nobody_was_told_of_is_withdrawn_in_the_next_commit() {
    for answered in [false, true] {
        let mut bench = bench();
        let writer = bench.writer.clone();
        let session = tokio::spawn(async move { writer.offer(mail()).await });
        tokio::task::yield_now().await;
        if answered {
            assert_eq!(commits(&bench), ["enqueue"]);
            drop(session.await.unwrap().unwrap());
        } else {
            session.abort();
            session.await.unwrap_err();
            assert_eq!(commits(&bench), ["enqueue"]);
        }
        assert_eq!(commits(&bench), ["withdraw"]);
        // What is gone; nothing that is to be tried.
        assert!(bench.schedule.recv().await.unwrap().entries.is_empty());
        drop(bench.writer);
        bench.thread.finish(PATIENCE).unwrap();
        assert!(bench.schedule.try_recv().is_err());
    }
}

#[tokio::test]
async fn what_can_not_be_withdrawn_is_tried_again_with_the_next_change() {
    let bench = bench();
    let session = tokio::spawn({
        let writer = bench.writer.clone();
        async move { writer.offer(mail()).await }
    });
    tokio::task::yield_now().await;
    commits(&bench);
    drop(session.await.unwrap().unwrap());
    assert_eq!(bench.batches.recv().unwrap(), ["withdraw"]);
    bench.allow.send(Err(StoreError::new(Trouble::Full, "full"))).unwrap();
    let next = tokio::spawn({
        let writer = bench.writer.clone();
        async move { writer.make(change()).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    assert_eq!(commits(&bench), ["forget", "withdraw"]);
    next.await.unwrap().unwrap();
}

#[tokio::test]
async fn released_mail_is_scheduled() {
    let mut bench = bench();
    bench.allow.send(Ok(())).unwrap();
    bench.writer.offer(mail()).await.unwrap().release();
    assert_eq!(bench.schedule.recv().await.unwrap().gone.len(), 1);
}

#[tokio::test]
async fn a_batch_is_confirmed_in_a_later_commit_once_nothing_of_it_is_open() {
    let bench = bench();
    let mut keyed = message(&[&["b@one.example"]]);
    keyed.key = Some(IntakeKey([1; 32]));
    let offer = |change| {
        let writer = bench.writer.clone();
        tokio::spawn(async move { writer.offer(change).await.map(Committed::release) })
    };
    for (change, want) in [(Change::Enqueue(Box::new(keyed)), &["enqueue"][..]), (change(), &["forget"])] {
        let done = offer(change);
        tokio::task::yield_now().await;
        assert_eq!(commits(&bench), want);
        done.await.unwrap().unwrap();
    }
    bench.writer.unconfirmed().close(1);
    let done = offer(change());
    tokio::task::yield_now().await;
    assert_eq!(commits(&bench), ["forget", "confirmed 1"]);
    done.await.unwrap().unwrap();
    drop(bench.writer);
    bench.thread.finish(PATIENCE).unwrap();
    assert!(bench.batches.try_recv().is_err(), "said once");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_any_more_and_the_end_says_so() {
    let bench = bench();
    bench.allow.send(Err(StoreError::new(Trouble::Io, "disk I/O error"))).unwrap();
    for why in ["it failed", "nobody tries again"] {
        let error = bench.writer.offer(mail()).await.unwrap_err();
        assert_eq!((error.kind, error.reply().code()), (Trouble::Io, 451), "{why}");
        bench.writer.make(change()).await.unwrap_err();
    }
    assert_eq!(bench.writer.health().trouble().unwrap().text, "disk I/O error");
    assert_eq!(bench.batches.try_iter().count(), 1, "the store was asked once");
    drop(bench.writer);
    assert_eq!(bench.thread.finish(PATIENCE).unwrap_err().text, "disk I/O error");
}

#[tokio::test]
async fn a_full_disk_is_no_reason_to_stop() {
    let bench = bench();
    bench.allow.send(Err(StoreError::new(Trouble::Full, "full"))).unwrap();
    bench.writer.offer(mail()).await.unwrap_err();
    assert_eq!(bench.writer.health().trouble(), None);
    bench.allow.send(Ok(())).unwrap();
    bench.writer.offer(mail()).await.unwrap().release();
    drop(bench.writer);
    bench.thread.finish(PATIENCE).unwrap();
}
