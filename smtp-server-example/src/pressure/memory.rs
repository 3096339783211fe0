//! Counting what is held, by whoever holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::limits::{RECIPIENT_OCTETS, TRANSACTION_OCTETS};
use crate::queue::IN_ROW;

/// Memory that a transaction can take. Of content up to `IN_ROW` octets are in memory, whose buffer is copied when it
/// grows; who does not say how much will come may send all of it.
pub(super) fn of_transaction(octets: Option<u64>, recipients: usize) -> u64 {
    let content = octets.map_or(IN_ROW as u64, |octets| octets.min(IN_ROW as u64));
    let recipients = (recipients as u64).saturating_mul(RECIPIENT_OCTETS);
    (2 * content).saturating_add(recipients).saturating_add(TRANSACTION_OCTETS)
}

/// Something of which there is a sum; its part is taken off the sum when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    sum: Arc<AtomicU64>,
    part: u64,
}

impl Held {
    pub(super) fn take(sum: &Arc<AtomicU64>, part: u64) -> Self {
        sum.fetch_add(part, Ordering::Relaxed);
        Self { sum: Arc::clone(sum), part }
    }

    /// Makes it more, never less.
    pub(super) fn raise_to(&mut self, part: u64) {
        let more = part.saturating_sub(self.part);
        if more > 0 {
            self.sum.fetch_add(more, Ordering::Relaxed);
            self.part = part;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.part, Ordering::Relaxed);
    }
}
