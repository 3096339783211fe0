//! Against those who try passwords: failures are counted by address and by account.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Budget;
use crate::config::Auth;

/// Most that a refusal is delayed; a session that waits holds a connection.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// Wrong passwords and good addresses remembered. Both are forgotten as a whole when there are more.
const REMEMBERED: usize = 10_000;

/// Whether somebody may try a password, and what became of it.
pub(crate) struct Guard {
    counts: Mutex<Counts>,
    hasher: RandomState,
}

struct Counts {
    delay: Duration,
    addresses: Budget<IpAddr>,
    accounts: Budget<String>,
    /// Passwords that were wrong before: a device that keeps trying its old one is no attack.
    wrong: HashSet<u64>,
    /// From where accounts were logged in to: an attack from elsewhere does not lock their owners out.
    good: HashSet<(String, IpAddr)>,
}

/// One try: for an account, from an address (none for a Unix socket).
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    account: String,
    address: Option<IpAddr>,
}

impl Attempt {
    pub(crate) fn new(login: &str, address: Option<IpAddr>) -> Self {
        Self { account: login.to_ascii_lowercase(), address: address.map(network) }
    }
}

impl Attempt {
    pub(crate) fn account(&self) -> &str {
        &self.account
    }
}

/// An IPv6 host has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

impl Guard {
    pub(crate) fn new(auth: &Auth) -> Self {
        let span = Duration::from_secs(auth.failure_window_seconds);
        Self {
            counts: Mutex::new(Counts {
                delay: Duration::from_millis(auth.failure_delay_ms),
                addresses: Budget::new(auth.failures_per_address, span),
                accounts: Budget::new(auth.failures_per_account, span),
                wrong: HashSet::new(),
                good: HashSet::new(),
            }),
            hasher: RandomState::new(),
        }
    }

    /// Other bounds from now on. What is counted stays counted.
    pub(crate) fn limit(&self, auth: &Auth) {
        let span = Duration::from_secs(auth.failure_window_seconds);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.delay = Duration::from_millis(auth.failure_delay_ms);
        counts.addresses.limit(auth.failures_per_address, span);
        counts.accounts.limit(auth.failures_per_account, span);
    }

    /// Whether a password may be tried at all.
    pub(crate) fn admits(&self, attempt: &Attempt, now: Instant) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = attempt.address {
            // This machine's own programs share one address: none of them may lock the others out.
            if !address.is_loopback() && counts.addresses.is_spent(&address, now) {
                return false;
            }
            if counts.good.contains(&(attempt.account.clone(), address)) {
                return true;
            }
        }
        !counts.accounts.is_spent(&attempt.account, now)
    }

    /// It was wrong: how long to wait before saying so. `password` is what was tried, where it is known.
    pub(crate) fn failed(&self, attempt: &Attempt, password: Option<&str>, now: Instant) -> Duration {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let again = password.is_some_and(|password| {
            if counts.wrong.len() >= REMEMBERED {
                counts.wrong.clear();
            }
            !counts.wrong.insert(self.hasher.hash_one((&attempt.account, password)))
        });
        let cost = u32::from(!again);
        let by_account = counts.accounts.spend(attempt.account.clone(), cost, now);
        let by_address = attempt.address.map_or(0, |address| counts.addresses.spend(address, cost, now));
        counts.delay.saturating_mul(by_account.max(by_address).max(1)).min(LONGEST_DELAY)
    }

    /// It was right. Failures stay counted: else one account of their own would give an attacker new tries.
    pub(crate) fn succeeded(&self, attempt: &Attempt) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = attempt.address {
            if counts.good.len() >= REMEMBERED {
                counts.good.clear();
            }
            counts.good.insert((attempt.account.clone(), address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(&Auth {
            failures_per_address: 3,
            failures_per_account: 5,
            failure_delay_ms: 100,
            ..Auth::default()
        })
    }

    fn from(address: &str, login: &str) -> Attempt {
        Attempt::new(login, Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_runs_out_of_tries_whomever_it_tries() {
        let (guard, now) = (guard(), Instant::now());
        for n in 0..3 {
            let attempt = from("192.0.2.1", &format!("user{n}"));
            assert!(guard.admits(&attempt, now));
            guard.failed(&attempt, Some("x"), now);
        }
        assert!(!guard.admits(&from("192.0.2.1", "another"), now));
        assert!(guard.admits(&from("192.0.2.2", "another"), now), "its neighbour has its own");
        assert!(
            guard.admits(&from("192.0.2.1", "another"), now + Duration::from_secs(3_600)),
            "an hour later"
        );
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4() {
        let (guard, now) = (guard(), Instant::now());
        for n in 0..3 {
            guard.failed(&from(&format!("2001:db8::{n}"), &n.to_string()), Some("x"), now);
            guard.failed(&from("::ffff:192.0.2.1", &n.to_string()), Some("y"), now);
        }
        assert!(!guard.admits(&from("2001:db8::ffff", "a"), now));
        assert!(guard.admits(&from("2001:db8:0:1::1", "a"), now));
        assert!(!guard.admits(&from("192.0.2.1", "a"), now));
    }

    #[test]
    fn an_account_runs_out_of_tries_from_wherever_but_where_its_owner_is() {
        let (guard, now) = (guard(), Instant::now());
        guard.succeeded(&from("198.51.100.1", "alice"));
        for n in 0..5 {
            guard.failed(&from(&format!("192.0.2.{n}"), "alice"), Some(&format!("guess {n}")), now);
        }
        assert!(!guard.admits(&from("203.0.113.1", "Alice"), now), "in any spelling");
        assert!(guard.admits(&from("198.51.100.1", "alice"), now), "its owner comes in");
        assert!(guard.admits(&from("203.0.113.1", "bob"), now));
    }

    #[test]
    fn the_same_wrong_password_counts_once() {
        let (guard, now) = (guard(), Instant::now());
        for _ in 0..20 {
            guard.failed(&from("192.0.2.1", "alice"), Some("old one"), now);
        }
        assert!(guard.admits(&from("192.0.2.1", "alice"), now), "a telephone with an old password");
        for _ in 0..3 {
            guard.failed(&from("192.0.2.1", "alice"), None, now);
        }
        assert!(!guard.admits(&from("192.0.2.1", "alice"), now), "what is not seen counts each time");
    }

    #[test]
    fn the_own_machine_is_never_shut_out_as_an_address() {
        let (guard, now) = (guard(), Instant::now());
        for n in 0..4 {
            guard.failed(&from("127.0.0.1", &n.to_string()), Some("x"), now);
        }
        assert!(guard.admits(&from("127.0.0.1", "another"), now));
    }

    #[test]
    fn each_failure_is_answered_later_up_to_a_limit() {
        let (guard, now) = (guard(), Instant::now());
        let delays: Vec<_> = (0..3)
            .map(|n| guard.failed(&from("192.0.2.1", "alice"), Some(&n.to_string()), now).as_millis())
            .collect();
        assert_eq!(delays, [100, 200, 300]);
        let many = (0..1000).map(|n| guard.failed(&from("192.0.2.1", "alice"), Some(&format!("p{n}")), now));
        assert_eq!(many.last(), Some(LONGEST_DELAY));
    }
}
