//! Counts of what somebody may do so often in so much time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Entries kept; more, and the oldest go. Somebody with many addresses can make many.
const MOST: usize = 100_000;

/// So many in each span of time, by key. A span begins with the first count.
#[derive(Debug)]
pub(crate) struct Budget<K> {
    most: u32,
    span: Duration,
    spent: HashMap<K, (u32, Instant)>,
}

impl<K: Eq + Hash + Clone> Budget<K> {
    pub(crate) fn new(most: u32, span: Duration) -> Self {
        Self { most, span, spent: HashMap::new() }
    }

    /// Other bounds from now on. What is spent stays spent.
    pub(crate) fn limit(&mut self, most: u32, span: Duration) {
        (self.most, self.span) = (most, span);
    }

    /// How much is spent.
    pub(crate) fn spent(&self, key: &K, now: Instant) -> u32 {
        let entry = self.spent.get(key).filter(|(_, began)| now.duration_since(*began) < self.span);
        entry.map_or(0, |(count, _)| *count)
    }

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self, key: &K, now: Instant) -> bool {
        self.spent(key, now) >= self.most
    }

    /// Spends `count`, whether or not it is there; returns how much is spent by then.
    pub(crate) fn spend(&mut self, key: K, count: u32, now: Instant) -> u32 {
        if self.spent.len() >= MOST && !self.spent.contains_key(&key) {
            self.make_room(now);
        }
        let entry = self.spent.entry(key).or_insert((0, now));
        if now.duration_since(entry.1) >= self.span {
            *entry = (0, now);
        }
        entry.0 = entry.0.saturating_add(count);
        entry.0
    }

    fn make_room(&mut self, now: Instant) {
        let span = self.span;
        self.spent.retain(|_, (_, began)| now.duration_since(*began) < span);
        if self.spent.len() >= MOST {
            let mut ages: Vec<_> = self.spent.values().map(|(_, began)| *began).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            self.spent.retain(|_, (_, began)| *began > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_by_key_and_comes_back_with_time() {
        let (mut budget, start) = (Budget::new(2, Duration::from_secs(60)), Instant::now());
        assert_eq!(budget.spend("a", 1, start), 1);
        assert!(!budget.is_spent(&"a", start));
        assert_eq!(budget.spend("a", 1, start + Duration::from_secs(59)), 2);
        assert!(budget.is_spent(&"a", start + Duration::from_secs(59)) && !budget.is_spent(&"b", start));
        assert!(!budget.is_spent(&"a", start + Duration::from_secs(60)), "a minute after the first");
        assert_eq!(budget.spend("a", 1, start + Duration::from_secs(60)), 1);
    }

    #[test]
    fn other_bounds_forget_nothing() {
        let (mut budget, start) = (Budget::new(2, Duration::from_secs(60)), Instant::now());
        budget.spend("a", 2, start);
        budget.limit(3, Duration::from_secs(60));
        assert!(!budget.is_spent(&"a", start), "one more is allowed");
        budget.limit(1, Duration::from_secs(60));
        assert!(budget.is_spent(&"a", start) && !budget.is_spent(&"b", start));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let (mut budget, start) = (Budget::new(2, Duration::from_secs(60)), Instant::now());
        for n in 0..MOST * 2 {
            budget.spend(n, 1, start + Duration::from_micros(n as u64));
        }
        assert!(budget.spent.len() <= MOST);
        assert_eq!(budget.spent(&(MOST * 2 - 1), start), 1, "the newest are kept");
    }
}
