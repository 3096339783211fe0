//! Deliveries that get nowhere.
//!
//! Each wait of a delivery has its deadline. One that outlives the longest of them is at fault itself, and would keep its
//! row, its place and its mail for as long as the process lives.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

/// How long a delivery that was told to end may take for that.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What a delivery does, for whoever watches it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<State>);

#[derive(Debug, Default)]
struct State {
    beats: AtomicU64,
    is_at_dot: AtomicBool,
}

impl Pulse {
    /// It got somewhere.
    pub(crate) fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// It sends a final dot.
    pub(super) fn dot(&self) {
        self.0.is_at_dot.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// Whether it may have been taken by whom it went to.
    pub(super) fn is_at_dot(&self) -> bool {
        self.0.is_at_dot.load(Ordering::Relaxed)
    }

    fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }
}

/// Does the work in a task of its own, and gives it up when its pulse stood still for `patience`: no later than twice
/// that. None then. A panic of it is the caller's.
pub(super) async fn watched<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    pulse: &Pulse,
    patience: Duration,
) -> Option<T> {
    let mut task = tokio::spawn(work);
    loop {
        let seen = pulse.beats();
        match timeout(patience, &mut task).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the process cancels it.
                Err(_) => return None,
            },
            Err(_) if pulse.beats() == seen => break,
            Err(_) => {}
        }
    }
    task.abort();
    // It may have been done just now, or be one that can't be ended: whatever that one brings, nobody hears it.
    timeout(LAST_WORD, task).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn what_gets_on_may_take_as_long_as_it_likes_and_what_does_not_is_given_up() {
        let pulse = Pulse::default();
        let beating = pulse.clone();
        let slow = async move {
            for _ in 0..100 {
                sleep(PATIENCE / 2).await;
                beating.beat();
            }
            "done"
        };
        assert_eq!(watched(slow, &pulse, PATIENCE).await, Some("done"));
        let began = tokio::time::Instant::now();
        assert_eq!(watched(std::future::pending::<()>(), &pulse, PATIENCE).await, None);
        assert!(began.elapsed() <= PATIENCE * 2, "{:?}", began.elapsed());
        assert_eq!(watched(async { 7 }, &pulse, PATIENCE).await, Some(7));
    }

    #[tokio::test]
    async fn a_task_that_never_comes_back_from_its_work_is_given_up_too() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let stuck = async move {
            let _ = tokio::task::spawn_blocking(move || held.recv()).await;
        };
        assert_eq!(watched(stuck, &Pulse::default(), Duration::from_millis(10)).await, None);
        drop(release);
    }
}
