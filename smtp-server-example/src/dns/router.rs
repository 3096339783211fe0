use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use smtp_proto::wire::host::Host as AnyHost;
use tokio::time::{Instant, timeout_at};

use super::history::History;
use super::mx::{Addresses, Targets, candidates, literal, route};
use super::network::Ipv6Route;
use super::resolver::a_labels;
use super::{Answer, Lookup, NoRoute, Ourselves, Route, Why};
use crate::config::{At, Config, Network};

/// Hosts whose addresses are looked up at a time.
const AT_A_TIME: usize = 8;

/// All questions of one route together; what is still open then counts as a failure that may pass. A list of 100 hosts
/// in a zone whose servers are down would take minutes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How routes are found.
#[derive(Clone, Debug)]
pub(crate) struct RouterSettings {
    pub(crate) ourselves: Ourselves,
    /// Loopback and link-local ranges that mail may be sent to all the same.
    pub(crate) allowed_targets: Vec<Network>,
}

impl RouterSettings {
    /// Those of a server.
    pub(crate) fn of(config: &Config) -> Self {
        let hello = Some(&config.relay.hello).filter(|hello| !hello.is_empty());
        let names = config.domains.iter().chain([&config.hostname]).chain(hello).cloned();
        Self {
            ourselves: Ourselves::new(names, config.dns.own_addresses.clone()),
            allowed_targets: config.relay.allowed_targets.clone(),
        }
    }
}

/// Finds the hosts for a domain's mail.
#[derive(Debug)]
pub(crate) struct Router<L> {
    dns: L,
    settings: RouterSettings,
    history: History,
    ipv6: Ipv6Route,
}

impl<L: Lookup> Router<L> {
    pub(crate) fn new(dns: L, settings: RouterSettings) -> Self {
        Self { dns, settings, history: History::new(), ipv6: Ipv6Route::default() }
    }

    /// Takes over which domains worked before this server was started, newest first.
    pub(crate) fn remember(&self, domains: &[String]) {
        self.history.remember(domains);
    }

    /// Where to deliver mail for `domain`: a name, in A-labels or not, or an address in brackets.
    pub(crate) async fn route(&self, domain: &str) -> Result<Route, NoRoute> {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let targets = Targets { allowed: self.settings.allowed_targets.clone(), ipv6: self.ipv6.is_there() };
        let result = match AnyHost::parse(domain.as_bytes()) {
            Ok(AnyHost::Literal(given)) => match given.address() {
                Some(address) => return literal(address, &self.settings.ourselves, &targets),
                None => Err(NoRoute::new(Why::NoDomain, format!("{domain} is no address of a known kind"))),
            },
            Ok(AnyHost::Domain(_)) => match a_labels(&domain) {
                Some(domain) => self.look_up(&domain, &targets).await,
                None => Err(no_domain(&domain)),
            },
            _ => Err(no_domain(&domain)),
        };
        self.history.judge(&domain, result, Instant::now())
    }

    /// The addresses of a host that an operator names: no MX, and any address goes, as it is meant.
    pub(crate) async fn of_host(&self, host: &At) -> Result<Vec<IpAddr>, NoRoute> {
        let host = match host {
            At::Name(name) => name.as_str(),
            At::Address(address) => return Ok(vec![*address]),
        };
        let targets = Targets { allowed: Vec::new(), ipv6: self.ipv6.is_there() };
        // RFC 6761 §6.3: whatever DNS says.
        if host == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let found = self.addresses(host.to_owned(), Instant::now() + PATIENCE).await;
        let all = found.all(&targets);
        if !all.is_empty() {
            return Ok(all);
        }
        let text = match (found.failure(), &found.v4) {
            (Some(why), _) => format!("can't look up the address of the smart host {host}: {why}"),
            (None, Answer::NoName) => format!("there is no host {host}, which a route names"),
            (None, _) => format!("the smart host {host} has no address"),
        };
        // Never for good: it is the operator's slip, and not the sender's.
        Err(NoRoute::new(Why::Unknown, text))
    }

    async fn look_up(&self, domain: &str, targets: &Targets) -> Result<Route, NoRoute> {
        let until = Instant::now() + PATIENCE;
        let us = &self.settings.ourselves;
        let mx = in_time(until, self.dns.mx(domain)).await;
        let candidates = candidates(domain, mx, us, &mut random_below)?;
        let names: Vec<_> = candidates.hosts.iter().map(|mx| mx.host.clone()).collect();
        let answers: Vec<_> =
            stream::iter(names).map(|name| self.addresses(name, until)).buffered(AT_A_TIME).collect().await;
        route(domain, candidates, answers, us, targets)
    }

    async fn addresses(&self, host: String, until: Instant) -> Addresses {
        // An address where a name should stand is a common slip, and works with some resolvers by accident.
        if host.parse::<IpAddr>().is_ok() {
            return Addresses { v4: Answer::NoName, v6: Answer::NoName };
        }
        let (v4, v6) = tokio::join!(in_time(until, self.dns.a(&host)), in_time(until, self.dns.aaaa(&host)));
        Addresses { v4, v6 }
    }
}

fn no_domain(text: &str) -> NoRoute {
    NoRoute::new(Why::NoDomain, format!("{} is no domain", text.escape_debug()))
}

async fn in_time<T>(until: Instant, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout_at(until, answer).await.unwrap_or_else(|_| Answer::Failed("no answer in time".to_owned()))
}

fn random_below(limit: usize) -> usize {
    let mut octets = [0; 8];
    // Without randomness the order is merely not random.
    let _ = getrandom::fill(&mut octets);
    let number = u64::from_le_bytes(octets);
    usize::try_from(number % (limit.max(1) as u64)).unwrap_or(0)
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
