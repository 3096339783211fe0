//! Mail of users who have sent enough for now: it is taken and waits until there is room in their hour.
//!
//! Nobody's mail bounces over a busy hour, and who stole a password gets no further than its owner would. The operator
//! sees what waits and why, and may release or drop it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Log;
use crate::people::People;
use crate::queue::{Queue, StoreError};
use crate::queue_id::QueueId;

/// Why it waits, as `queue list` shows it. Mail that waits for another reason is not released from here.
const WHY: &str = "held: its user has sent enough for this hour";

/// How often it is looked whether there is room.
const LOOK: Duration = Duration::from_secs(1);

/// A message that waits.
#[derive(Clone, Debug)]
struct Waiting {
    id: QueueId,
    user: String,
    recipients: usize,
}

/// What waits, oldest first. The queue has it too: this is what need not be asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<VecDeque<Waiting>>>);

impl Held {
    /// With what waited when the server ended.
    pub(crate) fn open(queue: &Queue) -> Result<Self, StoreError> {
        let rows = queue.held_for(WHY)?.into_iter();
        let waiting = rows.map(|(id, user, recipients)| Waiting { id, user, recipients });
        Ok(Self(Arc::new(Mutex::new(waiting.collect()))))
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more of a user's mail may wait: as much again as may be sent in an hour.
    pub(crate) fn has_room(&self, people: &People, user: &str) -> bool {
        let most = people.config().submission.messages_per_hour as usize;
        self.list().iter().filter(|waiting| waiting.user == user).count() < most
    }

    /// Why a user's message has to wait, if it has to.
    pub(crate) fn why(people: &People, user: &str) -> Option<String> {
        (!people.may_send(user, Instant::now())).then(|| WHY.to_owned())
    }

    pub(crate) fn add(&self, id: QueueId, user: &str, recipients: usize) {
        self.list().push_back(Waiting { id, user: user.to_owned(), recipients });
    }

    /// Releases what there is room for, for ever.
    pub(crate) async fn watch(self, queue: Queue, people: Arc<People>, log: Log) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            while let Some(next) = self.next(&people) {
                match queue.release_held(next.id, WHY).await {
                    Ok(true) => {
                        people.sent(&next.user, next.recipients, Instant::now());
                        log.event("released").field("id", next.id).field("user", &next.user);
                    }
                    // The operator has done something else with it.
                    Ok(false) => {}
                    Err(error) => {
                        log.event("not-stored").field("id", next.id).field("error", &error);
                        self.list().push_front(next);
                        break;
                    }
                }
            }
        }
    }

    /// Takes the first message out whose user may send again.
    fn next(&self, people: &People) -> Option<Waiting> {
        let mut list = self.list();
        let now = Instant::now();
        let at = list.iter().position(|waiting| people.may_send(&waiting.user, now))?;
        list.remove(at)
    }
}
