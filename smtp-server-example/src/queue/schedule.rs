//! What is due, and whose turn it is.
//!
//! Destinations take turns, so that a large queue to one of them holds nobody else up. Within one, small mail goes
//! first among what came at about the same time. A destination that can't be reached is left alone for a while and
//! then asked by one delivery; the others wait, and are neither tried nor counted as tried.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::model::{DeliveryId, Entry, RouteKey, RouteState};
use super::policy::{Policy, after};
use super::store::Effect;
use super::transport::Reach;

/// Deliveries at once to a destination that nothing is known of. Each success adds one.
const WINDOW_FIRST: usize = 5;

/// A mail goes as if it had come a second later for each of these octets: a large one is overtaken by small ones for
/// some seconds, and never for good.
const OCTETS_A_SECOND: u64 = 1 << 20;

/// The schedule. It has no clock.
#[derive(Debug)]
pub(crate) struct Schedule {
    policy: Policy,
    routes: HashMap<RouteKey, Route>,
    /// Destinations with something to do now.
    ring: VecDeque<RouteKey>,
    /// Destinations with something to do later.
    sleeping: BTreeSet<(Timestamp, RouteKey)>,
    entries: HashMap<DeliveryId, Entry>,
    running: HashMap<DeliveryId, RouteKey>,
}

#[derive(Debug, Default)]
struct Route {
    /// By time.
    waiting: BTreeSet<(Timestamp, DeliveryId)>,
    /// By turn.
    due: BTreeSet<(Timestamp, DeliveryId)>,
    /// All of them, by deadline.
    deadlines: BTreeSet<(Timestamp, DeliveryId)>,
    running: usize,
    window: usize,
    failures: u32,
    not_before: Timestamp,
    why: String,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    Ring,
    Sleeping(Timestamp),
}

/// A delivery whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) id: DeliveryId,
    /// Since when.
    pub(crate) due: Timestamp,
    /// It is not to be tried, as its destination can't be reached, for this reason; but its sender has to be told.
    pub(crate) skip: Option<String>,
}

/// What may have been delivered goes as if it had come so much later.
const UNSURE_LATER: Duration = Duration::from_secs(900);

/// Where a delivery stands among those that are due.
fn in_turn(entry: &Entry) -> (Timestamp, DeliveryId) {
    let unsure = if entry.unsure { UNSURE_LATER } else { Duration::ZERO };
    (after(entry.next, Duration::from_secs(entry.octets / OCTETS_A_SECOND) + unsure), entry.id)
}

impl Route {
    fn is_closed(&self, now: Timestamp) -> bool {
        self.failures > 0 && now < self.not_before
    }

    /// When there is something to do next; none if it takes an end of something running.
    fn wakes(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_closed(now) {
            let deadline = self.deadlines.first()?.0;
            return Some(deadline.min(self.not_before));
        }
        let allowed = if self.failures > 0 { 1 } else { self.window };
        if self.running >= allowed {
            return None;
        }
        if self.due.is_empty() { self.waiting.first().map(|first| first.0) } else { Some(now) }
    }

    fn is_forgettable(&self) -> bool {
        self.deadlines.is_empty() && self.running == 0 && self.failures == 0
    }
}

impl Schedule {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            routes: HashMap::new(),
            ring: VecDeque::new(),
            sleeping: BTreeSet::new(),
            entries: HashMap::new(),
            running: HashMap::new(),
        }
    }

    /// What an earlier run knew about a destination.
    pub(crate) fn remember(&mut self, state: RouteState, now: Timestamp) {
        let key = state.key.clone();
        let route = self.route(&key);
        (route.failures, route.not_before, route.why) = (state.failures, state.not_before, state.why);
        self.place(&key, now);
    }

    /// Takes over what a commit changed.
    pub(crate) fn apply(&mut self, effect: Effect, now: Timestamp) {
        for id in effect.gone {
            self.remove(id, now);
        }
        for key in effect.opened {
            if let Some(route) = self.routes.get_mut(&key) {
                route.failures = 0;
                self.place(&key, now);
            }
        }
        for entry in effect.entries {
            self.add(entry, now);
        }
    }

    /// Adds a delivery, or changes when it is due. One that is being tried is left to its end, which brings its own.
    pub(crate) fn add(&mut self, entry: Entry, now: Timestamp) {
        if self.running.contains_key(&entry.id) {
            return;
        }
        self.remove(entry.id, now);
        let key = entry.route.clone();
        let route = self.route(&key);
        route.waiting.insert((entry.next, entry.id));
        route.deadlines.insert((entry.deadline, entry.id));
        self.entries.insert(entry.id, entry);
        self.place(&key, now);
    }

    /// The next delivery, if there is one now and a slot for it.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Turn> {
        self.wake_up(now);
        while self.running.len() < self.policy.at_once {
            let key = self.ring.pop_front()?;
            let turn = self.next_of(&key, now);
            self.place(&key, now);
            if turn.is_some() {
                return turn;
            }
        }
        None
    }

    /// When [`next`](Self::next) may have something, if nothing else happens before.
    pub(crate) fn wakes(&self) -> Option<Timestamp> {
        let free = self.running.len() < self.policy.at_once;
        self.sleeping.first().filter(|_| free).map(|first| first.0)
    }

    /// Deliveries that are being tried.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Notes whether a destination could be reached. Returns what has to be stored of it.
    pub(crate) fn reach(&mut self, key: &RouteKey, reach: &Reach, now: Timestamp) -> Option<RouteState> {
        let (policy, most) = (self.policy.clone(), self.most(key));
        let route = self.route(key);
        match reach {
            Reach::Unasked => return None,
            Reach::Reached => {
                route.window = most.min(route.window + 1);
                if route.failures == 0 {
                    return None;
                }
                (route.failures, route.why) = (0, String::new());
            }
            // Several were on their way when it broke: that is one failure.
            Reach::Unreachable(_) if route.is_closed(now) => return None,
            Reach::Unreachable(why) => {
                route.failures = route.failures.saturating_add(1);
                (route.window, route.why) = (1, why.clone());
                route.not_before = after(now, policy.pause_after(route.failures));
            }
        }
        let (failures, not_before) = (route.failures, route.not_before);
        let state = RouteState { key: key.clone(), failures, not_before, why: route.why.clone() };
        self.place(key, now);
        Some(state)
    }

    /// A delivery is no longer being tried. What comes next for it is [added](Self::add).
    pub(crate) fn finished(&mut self, id: DeliveryId, now: Timestamp) {
        let Some(key) = self.running.remove(&id) else { return };
        if let Some(route) = self.routes.get_mut(&key) {
            route.running = route.running.saturating_sub(1);
        }
        self.place(&key, now);
    }

    /// How many may be tried at once for a destination.
    fn most(&self, key: &RouteKey) -> usize {
        let Policy { per_route, at_once, .. } = self.policy;
        // One thread writes to the mailboxes here; what it takes at once costs the less.
        if *key == RouteKey::local() { per_route.max(at_once / 2) } else { per_route }
    }

    fn route(&mut self, key: &RouteKey) -> &mut Route {
        let most = self.most(key);
        let window = if key.is_local() { most } else { WINDOW_FIRST.min(most) };
        self.routes.entry(key.clone()).or_insert_with(|| Route { window, ..Route::default() })
    }

    fn wake_up(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.sleeping.first().cloned() {
            if at > now {
                break;
            }
            self.sleeping.pop_first();
            if let Some(route) = self.routes.get_mut(&key) {
                route.place = Place::Nowhere;
            }
            self.place(&key, now);
        }
    }

    fn next_of(&mut self, key: &RouteKey, now: Timestamp) -> Option<Turn> {
        let route = self.routes.get_mut(key)?;
        route.place = Place::Nowhere;
        if route.is_closed(now) {
            let (deadline, id) = *route.deadlines.first()?;
            let turn = Turn { id, due: deadline, skip: Some(route.why.clone()) };
            return (deadline <= now).then(|| self.begin(turn, now));
        }
        while let Some(&(next, id)) = route.waiting.first() {
            if next > now {
                break;
            }
            route.waiting.pop_first();
            route.due.extend(self.entries.get(&id).map(in_turn));
        }
        let (_, id) = *route.due.first()?;
        let due = self.entries.get(&id).map_or(now, |entry| entry.next);
        Some(self.begin(Turn { id, due, skip: None }, now))
    }

    fn begin(&mut self, turn: Turn, now: Timestamp) -> Turn {
        if let Some(key) = self.entries.get(&turn.id).map(|entry| entry.route.clone()) {
            self.route(&key).running += 1;
            self.running.insert(turn.id, key);
        }
        self.remove(turn.id, now);
        turn
    }

    fn remove(&mut self, id: DeliveryId, now: Timestamp) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if let Some(route) = self.routes.get_mut(&entry.route) {
            route.waiting.remove(&(entry.next, id));
            route.deadlines.remove(&(entry.deadline, id));
            route.due.remove(&in_turn(&entry));
        }
        self.place(&entry.route, now);
    }

    /// Puts a destination where it belongs after something changed.
    fn place(&mut self, key: &RouteKey, now: Timestamp) {
        let Some(route) = self.routes.get_mut(key) else { return };
        let place = match route.wakes(now) {
            None => Place::Nowhere,
            Some(at) if at <= now => Place::Ring,
            Some(at) => Place::Sleeping(at),
        };
        let was = std::mem::replace(&mut route.place, place);
        let forgettable = route.is_forgettable();
        if was != place {
            match was {
                Place::Nowhere => {}
                Place::Ring => self.ring.retain(|other| other != key),
                Place::Sleeping(at) => {
                    self.sleeping.remove(&(at, key.clone()));
                }
            }
            match place {
                Place::Nowhere => {}
                Place::Ring => self.ring.push_back(key.clone()),
                Place::Sleeping(at) => {
                    self.sleeping.insert((at, key.clone()));
                }
            }
        }
        if forgettable {
            self.routes.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::at;
    use super::*;

    fn entry(id: i64, domain: &str, next: i64) -> Entry {
        let route = RouteKey::domain(domain);
        Entry {
            id: DeliveryId(id),
            route,
            next: at(next),
            deadline: at(4 * 3_600),
            octets: 1_000,
            unsure: false,
        }
    }

    fn schedule() -> Schedule {
        Schedule::new(Policy::default())
    }

    fn turns(schedule: &mut Schedule, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| schedule.next(at(now))).map(|turn| turn.id.0).collect()
    }

    #[test]
    fn destinations_take_turns_and_none_gets_all_slots() {
        let mut schedule = schedule();
        for id in 0..100 {
            schedule.add(entry(id, "large.example", 0), at(0));
        }
        schedule.add(entry(100, "small.example", 0), at(1));
        assert_eq!(turns(&mut schedule, 1), [0, 100, 1, 2, 3, 4], "five at first, and the other after one");
        schedule.reach(&RouteKey::domain("large.example"), &Reach::Reached, at(2));
        schedule.finished(DeliveryId(0), at(2));
        assert_eq!(turns(&mut schedule, 2), [5, 6], "a success makes room for one more");
    }

    #[test]
    fn small_mail_goes_first_and_large_mail_is_not_starved() {
        let mut schedule = Schedule::new(Policy { per_route: 1, ..Policy::default() });
        let large = Entry { octets: 30 << 20, ..entry(1, "a.example", 0) };
        schedule.add(large, at(0));
        schedule.add(entry(2, "a.example", 20), at(0));
        schedule.add(entry(3, "a.example", 40), at(0));
        let mut order = Vec::new();
        for _ in 0..3 {
            let turn = schedule.next(at(50)).expect("one at a time");
            assert_eq!(schedule.next(at(50)), None);
            schedule.finished(turn.id, at(50));
            order.push(turn.id.0);
        }
        assert_eq!(order, [2, 1, 3], "overtaken by what came within its 30 seconds");
    }

    #[test]
    fn a_destination_that_is_down_is_asked_by_one_and_drained_when_it_is_up() {
        let (mut schedule, key) = (schedule(), RouteKey::domain("a.example"));
        for id in 0..50 {
            schedule.add(entry(id, "a.example", 0), at(0));
        }
        let first = turns(&mut schedule, 0);
        assert_eq!(first.len(), 5);
        let down = Reach::Unreachable("refused".into());
        let state = schedule.reach(&key, &down, at(1)).expect("to be stored");
        assert_eq!((state.failures, state.not_before), (1, at(61)));
        assert_eq!(schedule.reach(&key, &down, at(2)), None, "the other four failed with it");
        for id in first {
            schedule.finished(DeliveryId(id), at(2));
        }
        assert!(turns(&mut schedule, 60).is_empty());
        assert_eq!(schedule.wakes(), Some(at(61)));
        assert_eq!(turns(&mut schedule, 61).len(), 1, "one probe");
        assert_eq!(schedule.reach(&key, &Reach::Reached, at(62)).expect("to be stored").failures, 0);
        assert_eq!(turns(&mut schedule, 62).len(), 1, "one runs, two may");
        assert_eq!(schedule.running(), 2);
    }

    #[test]
    fn who_waits_for_a_dead_destination_is_handed_out_when_its_sender_must_be_told() {
        let mut schedule = schedule();
        let key = RouteKey::domain("a.example");
        schedule.remember(
            RouteState { key: key.clone(), failures: 9, not_before: at(9_000), why: "refused".into() },
            at(0),
        );
        schedule.add(Entry { deadline: at(100), ..entry(1, "a.example", 0) }, at(0));
        schedule.add(entry(2, "a.example", 0), at(0));
        assert_eq!(schedule.next(at(99)), None);
        assert_eq!(schedule.wakes(), Some(at(100)));
        let turn = schedule.next(at(100)).unwrap();
        assert_eq!((turn.id, turn.skip.as_deref()), (DeliveryId(1), Some("refused")));
        assert_eq!(schedule.next(at(100)), None);
        schedule.apply(Effect { opened: vec![key], ..Effect::default() }, at(101));
        assert_eq!(turns(&mut schedule, 101), [2], "the operator says that it is up");
    }

    #[test]
    fn what_may_have_been_delivered_goes_behind_what_is_certain() {
        let mut schedule = schedule();
        let unsure = Entry { unsure: true, ..entry(1, "a.example", 0) };
        schedule.add(unsure, at(0));
        schedule.add(entry(2, "a.example", 10), at(0));
        schedule.add(entry(3, "a.example", 1_000), at(0));
        assert_eq!(turns(&mut schedule, 1_000), [2, 1, 3], "but not for ever");
    }

    #[test]
    fn nothing_is_tried_twice_at_once_and_what_is_gone_is_not_tried() {
        let mut schedule = schedule();
        for id in [1, 2, 3] {
            schedule.add(entry(id, "a.example", 0), at(0));
        }
        schedule.add(entry(3, "a.example", 50), at(0));
        let gone = Effect { gone: vec![DeliveryId(2)], ..Effect::default() };
        schedule.apply(gone, at(0));
        assert_eq!(turns(&mut schedule, 0), [1]);
        schedule.add(entry(1, "a.example", 0), at(1));
        assert!(turns(&mut schedule, 1).is_empty(), "it runs");
        schedule.finished(DeliveryId(1), at(2));
        assert!(turns(&mut schedule, 49).is_empty());
        assert_eq!(turns(&mut schedule, 50), [3], "when it was moved to");
        schedule.finished(DeliveryId(3), at(50));
        assert!(schedule.routes.is_empty() && schedule.entries.is_empty() && schedule.sleeping.is_empty());
    }
}
