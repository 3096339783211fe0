//! Hosts that could not be reached lately, so that not each message finds that out anew.
//!
//! While one is down, one message after another probes it, a pause apart, and all others pass it over: what a minute's
//! mail for a hundred domains would wait for at the same dead address, one message waits for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::Said;

/// Addresses remembered at a time. One is some hundred octets; who sends to more that are down has other troubles.
const MOST: usize = 10_000;

/// What is remembered.
#[derive(Debug)]
pub(super) struct Down {
    pause: Duration,
    hosts: Mutex<HashMap<SocketAddr, Host>>,
}

#[derive(Debug)]
struct Host {
    failed: Instant,
    /// When the next may ask.
    again: Instant,
    why: Said,
}

impl Down {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, hosts: Mutex::default() }
    }

    /// Why an address is not to be asked now. Whoever is told nothing asks it, and says whether it could be
    /// [`reached`](Self::reached) or has [`failed`](Self::failed).
    pub(super) fn why(&self, address: SocketAddr, now: Instant) -> Option<Said> {
        let mut hosts = self.hosts();
        let host = hosts.get_mut(&address)?;
        if now >= host.again {
            host.again = now + self.pause;
            return None;
        }
        let seconds = now.saturating_duration_since(host.failed).as_secs();
        Some(Said {
            text: format!("{} ({seconds} s ago, not asked again so soon)", host.why.text),
            ..host.why.clone()
        })
    }

    pub(super) fn failed(&self, address: SocketAddr, why: &Said, now: Instant) {
        let mut hosts = self.hosts();
        if hosts.len() >= MOST && !hosts.contains_key(&address) {
            hosts.retain(|_, host| now < host.again);
            if hosts.len() >= MOST {
                return;
            }
        }
        hosts.insert(address, Host { failed: now, again: now + self.pause, why: why.clone() });
    }

    pub(super) fn reached(&self, address: SocketAddr) {
        self.hosts().remove(&address);
    }

    /// Somebody knows better.
    pub(super) fn forget(&self) {
        self.hosts().clear();
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<SocketAddr, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    fn place(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn refused() -> Said {
        Said::ours((4, 4, 1), "451 4.4.1 refused")
    }

    #[test]
    fn one_asks_what_is_down_and_the_others_do_not_wait_for_that() {
        let (down, now) = (Down::new(PAUSE), Instant::now());
        let is_asked = |after: u64| down.why(place(25), now + Duration::from_secs(after)).is_none();
        assert!(is_asked(0) && is_asked(0), "nothing is known");
        down.failed(place(25), &refused(), now);
        assert!(!is_asked(0) && !is_asked(59));
        assert_eq!(down.why(place(26), now), None, "another");
        assert_eq!([60, 60, 61, 119].map(is_asked), [true, false, false, false], "one probe");
        assert!(is_asked(120), "the probe never came back");
        down.failed(place(25), &refused(), now + Duration::from_secs(120));
        assert_eq!([121, 179, 180].map(is_asked), [false, false, true]);
        down.reached(place(25));
        assert!(is_asked(180) && is_asked(180));
        let why = down.why(place(25), now);
        assert_eq!(why, None);
    }

    #[test]
    fn the_reason_is_that_of_before_and_says_so() {
        let (down, now) = (Down::new(PAUSE), Instant::now());
        down.failed(place(25), &refused(), now);
        let why = down.why(place(25), now + Duration::from_secs(7)).unwrap();
        assert_eq!(why.text, "451 4.4.1 refused (7 s ago, not asked again so soon)");
        assert_eq!((why.status, why.remote), ((4, 4, 1), false));
        down.forget();
        assert_eq!(down.why(place(25), now), None, "the operator knows better");
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_makes_room() {
        let (down, now) = (Down::new(PAUSE), Instant::now());
        for number in 0..=MOST as u16 {
            down.failed(place(number), &refused(), now);
        }
        assert_eq!(down.hosts().len(), MOST);
        assert_eq!(down.why(place(MOST as u16), now), None, "there was no room");
        down.failed(place(MOST as u16), &refused(), now + PAUSE);
        assert_eq!(down.hosts().len(), 1);
    }

    #[test]
    fn without_a_pause_each_message_asks() {
        let (down, now) = (Down::new(Duration::ZERO), Instant::now());
        down.failed(place(25), &refused(), now);
        assert_eq!(down.why(place(25), now), None);
    }
}
