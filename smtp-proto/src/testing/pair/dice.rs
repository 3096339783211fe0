//! Choices.

use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

/// Makes choices by a seed, or by the octets of a fuzzer; when those are used up, each choice is the first there is.
#[derive(Clone, Debug)]
pub(in crate::testing) enum Dice {
    Seed(u64),
    Octets { octets: Vec<u8>, at: usize },
}

impl Dice {
    pub(in crate::testing) const fn seeded(seed: u64) -> Self {
        Self::Seed(seed)
    }

    pub(in crate::testing) fn octets(octets: &[u8]) -> Self {
        Self::Octets { octets: octets.to_vec(), at: 0 }
    }

    /// A number below `n`, or 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        if n < 2 {
            return 0;
        }
        match self {
            Self::Seed(state) => {
                // SplitMix64.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) % n as u64) as usize
            }
            Self::Octets { octets, at } => {
                let width = if n <= 256 { 1 } else { 3 };
                let taken = octets.get(*at..).unwrap_or_default();
                let taken = &taken[..taken.len().min(width)];
                *at += taken.len();
                taken.iter().fold(0, |number, octet| number << 8 | usize::from(*octet)) % n
            }
        }
    }

    /// True one time in `n`.
    pub(super) fn chance(&mut self, n: usize) -> bool {
        n > 0 && self.below(n) + 1 == n
    }

    /// One of these; the first is what happens without a choice.
    pub(super) fn pick<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())].clone()
    }

    /// A number of the range, from its end on.
    pub(super) fn within(&mut self, range: &Range<usize>) -> usize {
        let span = range.end.saturating_sub(range.start).max(1);
        range.start + span - 1 - self.below(span)
    }

    /// A time of the range, to the millisecond.
    pub(super) fn time(&mut self, range: &Range<Duration>) -> Duration {
        let span = range.end.saturating_sub(range.start).as_millis();
        range.start + Duration::from_millis(self.below(usize::try_from(span).unwrap_or(usize::MAX)) as u64)
    }
}
