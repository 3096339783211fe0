//! Sessions, the thread that commits, and the end, in orders of steps that shuttle makes up: each is one that threads could
//! take.
//!
//! The order changes where somebody waits and in the middle of a commit. The channels are tokio's, and believed.

use std::sync::Mutex;

use shuttle::future::{block_on, spawn, yield_now};
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::queue::conformance::{at, message};
use crate::queue_id::{QueueId, QueueIds};

/// Orders that are tried in each test.
const ORDERS: usize = 1_000;

/// What a store has.
#[derive(Default)]
struct Ledger {
    has: Vec<QueueId>,
    withdrawn: Vec<QueueId>,
    commits: usize,
    closed: bool,
}

/// Makes a commit in two steps, between which others go on; each `fails`-th is not made.
struct Slow {
    ledger: Arc<Mutex<Ledger>>,
    fails: usize,
}

impl Store for Slow {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Result<Effect, StoreError>>, StoreError> {
        shuttle::thread::yield_now();
        let commits = {
            let mut ledger = self.ledger.lock().unwrap();
            assert!(!ledger.closed, "nothing comes behind the end");
            ledger.commits += 1;
            ledger.commits
        };
        shuttle::thread::yield_now();
        if commits.is_multiple_of(self.fails) {
            return Err(StoreError::new(Trouble::Full, "full"));
        }
        let mut ledger = self.ledger.lock().unwrap();
        for change in changes {
            match change {
                Change::Enqueue(message) => ledger.has.push(message.envelope.id),
                Change::Withdraw(id) => ledger.withdrawn.push(*id),
                _ => {}
            }
        }
        drop(ledger);
        shuttle::thread::yield_now();
        Ok(vec![Ok(Effect::default()); changes.len()])
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        shuttle::thread::yield_now();
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.ledger.lock().unwrap().closed = true;
        Ok(())
    }
}

/// Runs sessions on a writer to its end, in many orders; then looks at what the store has, and at whom was told.
fn in_many_orders(fails: usize, session: fn(Client), check: fn(&Ledger, &Said)) {
    let run = move || {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let store = Slow { ledger: Arc::clone(&ledger), fails };
        let (effects, _schedule) = unbounded_channel();
        let (writer, desk, waiting) =
            Writer::parts(store, Unconfirmed::default(), effects, Arc::new(|_: &str| Ok(())));
        let thread = shuttle::thread::spawn(move || desk.work(waiting, |waiting| block_on(waiting.recv())));
        let (said, ids) = (Arc::<Mutex<Said>>::default(), Arc::new(QueueIds::new()));
        for number in 0..3 {
            let (ledger, said) = (Arc::clone(&ledger), Arc::clone(&said));
            session(Client { number, writer: writer.clone(), ids: Arc::clone(&ids), ledger, said });
        }
        // The end comes while sessions wait: the thread goes on until the last of them is gone.
        drop(writer);
        thread.join().unwrap().unwrap();
        let ledger = ledger.lock().unwrap();
        assert!(ledger.closed, "it is closed in order");
        check(&ledger, &said.lock().unwrap());
    };
    shuttle::check_random(run, ORDERS);
}

/// What clients said and were told.
#[derive(Default)]
struct Said {
    offered: [Vec<QueueId>; 3],
    told: Vec<QueueId>,
    refused: Vec<QueueId>,
}

struct Client {
    number: usize,
    writer: Writer,
    ids: Arc<QueueIds>,
    ledger: Arc<Mutex<Ledger>>,
    said: Arc<Mutex<Said>>,
}

impl Client {
    /// Offers a message, and tells its client what became of it.
    async fn send(&self) {
        let mut message = message(&[&["b@one.example"]]);
        let id = self.ids.next(at(0));
        message.envelope.id = id;
        self.said.lock().unwrap().offered[self.number].push(id);
        match self.writer.offer(Change::Enqueue(Box::new(message))).await {
            Ok(committed) => {
                assert!(self.ledger.lock().unwrap().has.contains(&id), "answered before its commit");
                committed.release();
                self.said.lock().unwrap().told.push(id);
            }
            Err(error) => {
                assert_eq!(error.kind, Trouble::Full, "everybody is answered");
                self.said.lock().unwrap().refused.push(id);
            }
        }
    }
}

#[test]
fn nobody_is_answered_before_the_commit_and_everybody_is_before_the_end() {
    let session = |client: Client| {
        drop(spawn(async move {
            for _ in 0..3 {
                client.send().await;
            }
        }));
    };
    in_many_orders(3, session, |ledger, said| {
        assert_eq!(said.told.len() + said.refused.len(), 9);
        assert!(said.told.iter().all(|id| ledger.has.contains(id)), "what was told is there");
        assert!(!said.refused.iter().any(|id| ledger.has.contains(id)), "what was refused is not");
        assert_eq!(ledger.withdrawn, []);
    });
}

#[test]
fn changes_are_made_in_the_order_in_which_they_were_offered() {
    let session = |client: Client| {
        drop(spawn(async move {
            // At once, each behind the one before it.
            tokio::join!(client.send(), client.send(), client.send());
        }));
    };
    in_many_orders(usize::MAX, session, |ledger, said| {
        assert_eq!(ledger.has.len(), 9);
        for offered in &said.offered {
            let places = offered.iter().map(|id| ledger.has.iter().position(|has| has == id));
            assert!(places.is_sorted(), "{offered:?} in {:?}", ledger.has);
        }
    });
}

#[test]
fn what_nobody_waits_for_any_more_is_withdrawn_and_nothing_else_is() {
    let session = |client: Client| {
        drop(spawn(async move {
            // Whichever of both is ready first: the client is told, or is gone.
            tokio::select! {
                biased;
                () = client.send() => {}
                () = async { yield_now().await; yield_now().await } => {}
            }
            client.send().await;
        }));
    };
    in_many_orders(4, session, |ledger, said| {
        for id in &ledger.has {
            assert_ne!(said.told.contains(id), ledger.withdrawn.contains(id), "told, or withdrawn");
        }
        assert!(ledger.withdrawn.iter().all(|id| ledger.has.contains(id)));
    });
}
