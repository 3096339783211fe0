//! Mail that has just come, kept in memory for its first try: to read it back from the disk costs more than the try.

use std::collections::{HashMap, VecDeque};

use super::model::{DeliveryId, Job};

/// Octets that are kept at most, the newest: as much as comes in a second or so. What has to wait for longer is read back.
const MOST: usize = 16 << 20;

/// Octets of a job besides its content, about.
const EACH: usize = 1024;

/// Jobs as they were committed. Whoever changes one in the store takes it out here.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    jobs: HashMap<DeliveryId, Job>,
    /// By age; some are taken already.
    order: VecDeque<DeliveryId>,
    octets: usize,
}

impl Fresh {
    /// Keeps a job, instead of the oldest if there is no room.
    pub(super) fn keep(&mut self, job: Job) {
        let id = job.delivery;
        self.octets += octets(&job);
        self.order.push_back(id);
        self.jobs.insert(id, job);
        while self.octets > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.take(oldest);
        }
    }

    pub(super) fn take(&mut self, id: DeliveryId) -> Option<Job> {
        let job = self.jobs.remove(&id)?;
        self.octets -= octets(&job);
        while self.order.front().is_some_and(|id| !self.jobs.contains_key(id)) {
            self.order.pop_front();
        }
        Some(job)
    }
}

fn octets(job: &Job) -> usize {
    EACH + job.prefix.len() + job.body.octets_in_row()
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{at, message};
    use super::*;
    use crate::queue::model::{RcptId, Taken};
    use crate::queue::spool::body_of;

    #[test]
    fn the_newest_are_kept_and_each_can_be_had_once() {
        let mut fresh = Fresh::default();
        let mut sent = message(&[&["b@one.example"]]);
        sent.body = body_of(vec![b'x'; MOST / 10]);
        sent.envelope.arrived = at(7);
        for id in 0..100 {
            let taken = Taken { delivery: DeliveryId(id), epoch: 3, rcpts: vec![RcptId(id + 1)] };
            fresh.keep(sent.job(&sent.deliveries[0], taken));
        }
        assert!(fresh.octets <= MOST, "{}", fresh.octets);
        assert!((91..=100).all(|id| fresh.jobs.contains_key(&DeliveryId(id)) == (id < 100)));
        assert!(fresh.take(DeliveryId(90)).is_none(), "too long ago");
        let job = fresh.take(DeliveryId(99)).expect("the newest");
        assert_eq!((job.rcpts[0].id, job.epoch, job.attempts), (RcptId(100), 3, 0));
        assert_eq!((job.rcpts[0].address.as_str(), job.envelope.arrived), ("b@one.example", at(7)));
        assert!(fresh.take(DeliveryId(99)).is_none(), "once");
        (91..99).for_each(|id| drop(fresh.take(DeliveryId(id))));
        assert_eq!((fresh.octets, fresh.order.len()), (0, 0), "nothing is left behind");
    }
}
