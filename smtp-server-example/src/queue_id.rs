use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Mutex;

use jiff::Timestamp;

/// Names one message wherever it shows up: in our `250`, in `Received`, in the log and in its file's name.
///
/// 15 digits: 11 of time in microseconds, so that names sort by arrival, and 4 of chance for the process, so that
/// two processes can share a store. No letter that reads like a digit (I, L, O, U) is among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueId([u8; Self::DIGITS]);

const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_DIGITS: usize = 11;

impl QueueId {
    const DIGITS: usize = TIME_DIGITS + 4;

    fn new(micros: u64, process: u32) -> Self {
        let mut digits = [0; Self::DIGITS];
        let mut rest = u128::from(micros) << 20 | u128::from(process & 0xF_FFFF);
        for digit in digits.iter_mut().rev() {
            *digit = BASE32[(rest & 31) as usize];
            rest >>= 5;
        }
        Self(digits)
    }

    /// Reads an id as it was written; none if it never was one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: [u8; Self::DIGITS] = text.as_bytes().try_into().ok()?;
        digits.iter().all(|digit| BASE32.contains(digit)).then_some(Self(digits))
    }

    pub(crate) fn as_str(&self) -> &str {
        // INVARIANT: every octet comes from BASE32.
        std::str::from_utf8(&self.0).expect("base32 is ASCII")
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes queue ids, each larger than the one before it even when the clock stands or goes back.
#[derive(Debug)]
pub(crate) struct QueueIds {
    last: Mutex<u64>,
    process: u32,
}

impl QueueIds {
    pub(crate) fn new() -> Self {
        // The standard library seeds its hash maps from the operating system; that is chance enough for a name.
        let process = RandomState::new().build_hasher().finish() as u32;
        Self { last: Mutex::new(0), process }
    }

    pub(crate) fn next(&self, now: Timestamp) -> QueueId {
        let now = u64::try_from(now.as_microsecond()).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = now.max(*last + 1);
        QueueId::new(*last, self.process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_sort_by_arrival_even_when_the_clock_goes_back() {
        let ids = QueueIds::new();
        let times =
            [1_700_000_000_000_000, 1_700_000_000_000_000, 1_600_000_000_000_000, 1_700_000_000_000_009];
        let made: Vec<_> = times.iter().map(|&t| ids.next(Timestamp::from_microsecond(t).unwrap())).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]), "{made:?}");
        assert!(
            made.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()),
            "text sorts the same: {made:?}"
        );
    }

    #[test]
    fn an_id_is_its_time_then_its_process() {
        assert_eq!(QueueId::new(0, 0).as_str(), "000000000000000");
        assert_eq!(QueueId::parse("000000000000000"), Some(QueueId::new(0, 0)));
        assert_eq!(QueueId::parse("00000000000000I"), None, "a letter that is not used");
        assert_eq!(QueueId::parse("0"), None, "too short");
        assert_eq!(QueueId::new(31, 0).as_str(), "0000000000Z0000");
        assert_eq!(QueueId::new(32, 0xF_FFFF).as_str(), "00000000010ZZZZ");
    }

    #[test]
    fn two_processes_differ_in_the_same_microsecond() {
        let now = Timestamp::from_microsecond(1_700_000_000_000_000).unwrap();
        let ids: std::collections::HashSet<_> = (0..8).map(|_| QueueIds::new().next(now)).collect();
        assert!(ids.len() > 1, "the chance part is always the same");
    }
}
