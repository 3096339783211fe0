use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use super::{NoRoute, Route, Why};

/// Domains remembered. An entry is about 150 octets.
pub(crate) const DOMAINS: u64 = 50_000;

/// How long a domain that worked may be missing before its mail comes back. Zones vanish for minutes when somebody
/// slips, or when a registrar moves them.
const GONE: Duration = Duration::from_secs(5 * 60);

/// How long a domain may have hosts without addresses before its mail comes back.
const NO_ADDRESS: Duration = Duration::from_secs(60 * 60);

/// A trouble that was not seen for so long is forgotten. More than the longest wait between two tries of a queue.
const FORGET: Duration = Duration::from_secs(6 * 60 * 60);

/// What is remembered of domains, so that a slip in a zone does not bounce mail.
#[derive(Clone, Debug)]
pub(crate) struct History {
    worked: Cache<String, ()>,
    trouble: Cache<String, Trouble>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    since: Instant,
    seen: Instant,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { worked: Cache::new(DOMAINS), trouble: Cache::new(DOMAINS) }
    }

    /// Takes over which domains worked before this server was started, newest first.
    pub(crate) fn remember(&self, domains: &[String]) {
        for domain in domains.iter().rev() {
            self.worked.insert(domain.clone(), ());
        }
    }

    /// Takes note of a result, and returns it with what time makes of it.
    pub(crate) fn judge(
        &self,
        domain: &str,
        result: Result<Route, NoRoute>,
        now: Instant,
    ) -> Result<Route, NoRoute> {
        let mut no_route = match result {
            Ok(route) => {
                self.worked.insert(domain.to_owned(), ());
                self.trouble.invalidate(domain);
                return Ok(route);
            }
            Err(no_route) => no_route,
        };
        match no_route.why {
            Why::NoDomain if self.worked.contains_key(domain) => {
                if self.lasts(domain, now) < GONE {
                    no_route.why = Why::DomainGone;
                } else {
                    // Once is enough: from here on it is a domain like any other that does not exist.
                    self.worked.invalidate(domain);
                }
            }
            Why::NoAddress if self.lasts(domain, now) < NO_ADDRESS => no_route.why = Why::NoAddressYet,
            _ => {}
        }
        Err(no_route)
    }

    /// For how long the domain has been in trouble.
    fn lasts(&self, domain: &str, now: Instant) -> Duration {
        let known =
            self.trouble.get(domain).filter(|known| now.saturating_duration_since(known.seen) < FORGET);
        let since = known.map_or(now, |known| known.since);
        self.trouble.insert(domain.to_owned(), Trouble { since, seen: now });
        now.saturating_duration_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn route() -> Result<Route, NoRoute> {
        Ok(Route { hosts: Vec::new() })
    }

    fn fails(why: Why) -> Result<Route, NoRoute> {
        Err(NoRoute::new(why, "text"))
    }

    fn why(result: Result<Route, NoRoute>) -> Option<Why> {
        result.err().map(|no_route| no_route.why)
    }

    #[test]
    fn a_domain_that_never_worked_is_given_up_at_once() {
        let history = History::new();
        assert_eq!(why(history.judge("a", fails(Why::NoDomain), Instant::now())), Some(Why::NoDomain));
    }

    #[test]
    fn a_domain_that_worked_is_waited_for_once() {
        let (history, now) = (History::new(), Instant::now());
        assert_eq!(why(history.judge("a", route(), now)), None);
        for (minutes, want, reason) in [
            (1, Why::DomainGone, "it worked a minute ago"),
            (3, Why::DomainGone, "a retry that comes early"),
            (7, Why::NoDomain, "more than five minutes after it was first missed"),
            (8, Why::NoDomain, "and it stays so"),
        ] {
            let got = why(history.judge("a", fails(Why::NoDomain), now + minutes * MINUTE));
            assert_eq!(got, Some(want), "minute {minutes}: {reason}");
        }
    }

    #[test]
    fn a_domain_that_worked_before_a_restart_is_waited_for_too() {
        let history = History::new();
        history.remember(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(why(history.judge("a", fails(Why::NoDomain), Instant::now())), Some(Why::DomainGone));
        assert_eq!(why(history.judge("c", fails(Why::NoDomain), Instant::now())), Some(Why::NoDomain));
    }

    #[test]
    fn a_domain_that_comes_back_is_trusted_anew() {
        let (history, now) = (History::new(), Instant::now());
        drop(history.judge("a", route(), now));
        drop(history.judge("a", fails(Why::NoDomain), now));
        drop(history.judge("a", route(), now + MINUTE));
        let got = why(history.judge("a", fails(Why::NoDomain), now + 60 * MINUTE));
        assert_eq!(got, Some(Why::DomainGone), "the first miss is no longer counted");
    }

    #[test]
    fn hosts_without_addresses_are_given_an_hour() {
        let (history, now) = (History::new(), Instant::now());
        for (minutes, want) in [(0, Why::NoAddressYet), (59, Why::NoAddressYet), (60, Why::NoAddress)] {
            let got = why(history.judge("a", fails(Why::NoAddress), now + minutes * MINUTE));
            assert_eq!(got, Some(want), "minute {minutes}");
        }
        let got = why(history.judge("b", fails(Why::NoAddress), now + 60 * MINUTE));
        assert_eq!(got, Some(Why::NoAddressYet), "another domain has an hour of its own");
    }

    #[test]
    fn an_old_trouble_is_forgotten() {
        let (history, now) = (History::new(), Instant::now());
        drop(history.judge("a", fails(Why::NoAddress), now));
        let got = why(history.judge("a", fails(Why::NoAddress), now + 7 * 60 * MINUTE));
        assert_eq!(got, Some(Why::NoAddressYet));
    }

    #[test]
    fn what_time_does_not_change_stays() {
        let history = History::new();
        for kind in [Why::NullMx, Why::Loop, Why::Unknown, Why::Forbidden, Why::NoBetterHost] {
            assert_eq!(why(history.judge("a", fails(kind), Instant::now())), Some(kind));
        }
    }
}
