//! Lists in DNS of addresses that send junk, and of those that don't (RFC 5782).
//!
//! A list is asked only while it proves to be one: it has what every list must have and lacks what every list must
//! lack. One that does not is switched off until it does again, and the log says so. Nobody is refused because DNS
//! fails.

mod health;
mod list;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use self::health::{Change, Health};
pub(crate) use self::list::List;
use self::list::{Family, Meaning, query};
use crate::dns::{Answer, Lookup};
use crate::log::Log;

/// All lists together have answered by then, or count as not answering. The client waits meanwhile.
const DECISION: Duration = Duration::from_secs(5);

/// How often a list that works is tested.
const TEST: Duration = Duration::from_secs(60 * 60);

/// How often one that is off is tested.
const RETRY: Duration = Duration::from_secs(60);

/// How much of a list's explanation is passed on to a client, in octets.
const EXPLANATION: usize = 300;

/// The lists, and what state they are in.
#[derive(Debug)]
pub(crate) struct Blocklists<L> {
    dns: L,
    lanes: Vec<Lane>,
    log: Log,
}

/// A list as it is for one family of addresses: each is tested by itself.
#[derive(Debug)]
struct Lane {
    list: Arc<List>,
    family: Family,
    health: Mutex<Health>,
}

/// What the lists say about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The sum of the weights of all lists that have it.
    pub(crate) weight: i32,
    /// Who has it.
    pub(crate) hits: Vec<Hit>,
}

/// A list that has the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) zone: String,
    pub(crate) weight: i32,
    pub(crate) code: Ipv4Addr,
    /// What the list says to those it has, cleaned; empty if nothing.
    pub(crate) explanation: String,
}

impl Judgement {
    /// The hit that counts most against the address.
    pub(crate) fn worst(&self) -> Option<&Hit> {
        self.hits.iter().filter(|hit| hit.weight > 0).max_by_key(|hit| hit.weight)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, hit) in self.hits.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", hit.zone, hit.code)?;
        }
        Ok(())
    }
}

impl<L: Lookup> Blocklists<L> {
    pub(crate) fn new(dns: L, lists: impl IntoIterator<Item = List>, log: Log) -> Self {
        let lanes = lists.into_iter().map(Arc::new).flat_map(|list| {
            let lane = move |family| Lane { list: Arc::clone(&list), family, health: Mutex::default() };
            [Family::V4, Family::V6].map(lane).into_iter().filter(|lane| lane.list.covers(lane.family))
        });
        Self { dns, lanes: lanes.collect(), log }
    }

    /// What the lists say about `address`, in five seconds at most.
    pub(crate) async fn judge(&self, address: IpAddr) -> Judgement {
        let (address, until) = (address.to_canonical(), Instant::now() + DECISION);
        let usable = self.lanes.iter().filter(|lane| lane.family.has(address) && lane.health().is_on());
        let hits = join_all(usable.map(|lane| self.ask(lane, address, until))).await;
        let hits: Vec<_> = hits.into_iter().flatten().collect();
        Judgement { weight: hits.iter().map(|hit| hit.weight).sum(), hits }
    }

    async fn ask(&self, lane: &Lane, address: IpAddr, until: Instant) -> Option<Hit> {
        let name = query(address, &lane.list.zone);
        let (meaning, change) = match in_time(until, self.dns.a(&name)).await {
            Answer::Failed(why) => (None, lane.health().failed(&why)),
            answer => match lane.list.meaning(&answer) {
                Meaning::QueryRefused(code) => (None, lane.health().refused(code)),
                meaning => (Some(meaning), lane.health().answered()),
            },
        };
        self.tell(lane, change);
        let Some(Meaning::Listed(code)) = meaning else { return None };
        let explanation = match in_time(until, self.dns.txt(&name)).await {
            Answer::Records(texts) if lane.list.weight > 0 => texts.first().map(|text| cleaned(text)),
            _ => None,
        };
        let zone = lane.list.zone.clone();
        Some(Hit { zone, weight: lane.list.weight, code, explanation: explanation.unwrap_or_default() })
    }

    /// Tests the lists now and then, for ever.
    pub(crate) async fn watch(&self) {
        let mut ticks = tokio::time::interval(RETRY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.test().await;
        }
    }

    /// Whether every list is known to work.
    #[cfg(test)]
    pub(crate) fn is_ready(&self) -> bool {
        self.lanes.iter().all(|lane| lane.health().is_on())
    }

    /// Tests those that are due.
    async fn test(&self) {
        let now = Instant::now();
        let due = self.lanes.iter().filter(|lane| lane.health().is_due(now, TEST));
        join_all(due.map(|lane| async move {
            let result = self.prove(lane).await;
            let change = lane.health().tested(result, now);
            self.tell(lane, change);
        }))
        .await;
    }

    /// Tests all of them now; those that work can be asked by then. Each with its family.
    pub(crate) async fn examine(&self) -> Vec<(String, Result<(), String>)> {
        let tests = self.lanes.iter().map(|lane| async move {
            let result = self.prove(lane).await;
            // Who examines tells of it.
            let _ = lane.health().tested(result.clone(), Instant::now());
            (format!("{} {}", lane.list.zone, lane.family), result)
        });
        join_all(tests).await
    }

    /// RFC 5782 §5: what every list has, and what no list has.
    async fn prove(&self, lane: &Lane) -> Result<(), String> {
        let until = Instant::now() + DECISION;
        let (listed, unlisted) = lane.family.test_points();
        let (listed, unlisted) = (query(listed, &lane.list.zone), query(unlisted, &lane.list.zone));
        let (has, lacks) =
            tokio::join!(in_time(until, self.dns.a(&listed)), in_time(until, self.dns.a(&unlisted)));
        for answer in [&has, &lacks] {
            if let Answer::Failed(why) = answer {
                return Err(why.clone());
            }
            if let Meaning::QueryRefused(code) = lane.list.meaning(answer) {
                return Err(format!("it refuses our questions ({code}); is a public resolver asked?"));
            }
        }
        // Whatever codes are accepted, a list that answers here is one.
        match (list::is_listing(&has), list::is_listing(&lacks)) {
            (true, false) => Ok(()),
            (false, _) => Err("it lacks the address that every list must have".to_owned()),
            (true, true) => Err("it lists every address".to_owned()),
        }
    }

    fn tell(&self, lane: &Lane, change: Option<Change>) {
        let event = |name| self.log.event(name).field("zone", &lane.list.zone).field("family", lane.family);
        match change {
            Some(Change::On) => drop(event("blocklist-on")),
            Some(Change::Off(why)) => {
                drop(
                    event("blocklist-off")
                        .field("error", why)
                        .field("hint", "nobody is refused by it until it works"),
                );
            }
            None => {}
        }
    }
}

impl Lane {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_time<T>(until: Instant, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout_at(until, answer).await.unwrap_or_else(|_| Answer::Failed("no answer in time".to_owned()))
}

/// Text of a list as a line that can stand in a reply: printable ASCII, of bounded length.
fn cleaned(text: &[u8]) -> String {
    let printable = text.iter().map(|octet| if octet.is_ascii_graphic() { char::from(*octet) } else { ' ' });
    let text: String = printable.take(EXPLANATION).collect();
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "blocklists/tests.rs"]
mod tests;
