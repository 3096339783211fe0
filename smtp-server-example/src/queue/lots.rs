//! Threads that do at once all that waits, and then what has come meanwhile: what costs as much for one as for many is
//! paid once.

use std::io;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Where something is left to be done. The threads end with it.
#[derive(Debug)]
pub(super) struct Lots<Q, A>(Sender<Letter<Q, A>>);

#[derive(Debug)]
struct Letter<Q, A> {
    what: Q,
    done: oneshot::Sender<A>,
}

/// Whoever did it broke, and perhaps with another of its lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BrokeOff;

impl<Q: Send + 'static, A: Send + 'static> Lots<Q, A> {
    /// Starts so many threads. `work` does a lot of `most` at the most, and answers in its order.
    pub(super) fn start<W>(name: &str, threads: usize, most: usize, work: W) -> io::Result<Self>
    where
        W: Fn(&[Q]) -> Vec<A> + Send + Sync + 'static,
    {
        let (letters, waiting) = channel();
        let (waiting, work) = (Arc::new(Mutex::new(waiting)), Arc::new(work));
        for _ in 0..threads {
            let (waiting, work) = (Arc::clone(&waiting), Arc::clone(&work));
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || while do_lot(&waiting, most, &*work) {})?;
        }
        Ok(Self(letters))
    }

    /// Returns when it is done.
    pub(super) async fn done(&self, what: Q) -> Result<A, BrokeOff> {
        let (done, answer) = oneshot::channel();
        // Without the threads nobody answers.
        let _ = self.0.send(Letter { what, done });
        answer.await.map_err(|_| BrokeOff)
    }
}

/// Does what waits, or the first that comes. False if nothing can come any more.
fn do_lot<Q, A>(
    waiting: &Mutex<Receiver<Letter<Q, A>>>,
    most: usize,
    work: &impl Fn(&[Q]) -> Vec<A>,
) -> bool {
    let (whats, dones): (Vec<_>, Vec<_>) = {
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(first) = waiting.recv() else { return false };
        let lot = iter::once(first).chain(waiting.try_iter().take(most - 1));
        lot.map(|letter| (letter.what, letter.done)).unzip()
    };
    // A panic has been printed. All of the lot hear of it, by getting no answer.
    let answers = catch_unwind(AssertUnwindSafe(|| work(&whats))).unwrap_or_default();
    for (done, answer) in dones.into_iter().zip(answers) {
        // Whoever waited may have given up.
        let _ = done.send(answer);
    }
    true
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn what_comes_while_a_lot_is_done_is_the_next_lot_and_each_gets_its_own_answer() {
        let (begun, lots) = channel();
        let (go, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let double = move |numbers: &[u32]| {
            begun.send(numbers.len()).unwrap();
            gate.lock().unwrap().recv().unwrap();
            numbers.iter().map(|number| 2 * number).collect()
        };
        let threads = Arc::new(Lots::start("lots", 1, 10, double).unwrap());
        let ask = |number| {
            let threads = Arc::clone(&threads);
            tokio::spawn(async move { threads.done(number).await })
        };
        let first = ask(1);
        tokio::task::yield_now().await;
        assert_eq!(lots.recv().unwrap(), 1);
        let others: Vec<_> = (2..17).map(ask).collect();
        tokio::task::yield_now().await;
        (0..3).for_each(|_| go.send(()).unwrap());
        let answers: Vec<_> =
            join_all(others).await.into_iter().map(|answer| answer.unwrap().unwrap()).collect();
        assert_eq!(answers, (2..17).map(|number| 2 * number).collect::<Vec<_>>());
        assert_eq!(first.await.unwrap(), Ok(2));
        assert_eq!(lots.try_iter().collect::<Vec<_>>(), [10, 5]);
    }

    #[tokio::test]
    async fn a_lot_that_breaks_takes_nobody_along_but_its_own() {
        let work = |numbers: &[u32]| {
            assert!(!numbers.contains(&7), "a panic that is meant");
            numbers.to_vec()
        };
        let threads = Lots::start("lots", 2, 10, work).unwrap();
        assert_eq!(threads.done(7).await, Err(BrokeOff));
        for number in [1, 2, 3] {
            assert_eq!(threads.done(number).await, Ok(number), "both threads go on");
        }
    }
}
