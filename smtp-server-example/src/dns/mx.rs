//! From answers to an ordered list of hosts: RFC 5321 §5, RFC 7505 and RFC 3974, without a socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::is_unroutable;
use super::{Answer, Mx, Ourselves};
use crate::config::Network;

/// Mail exchangers looked at; the rest of a longer list is dropped. Ten is many for a domain that means well, and each
/// costs two questions.
const MOST_HOSTS: usize = 100;

/// A host to deliver to, with what to connect to, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) preference: u16,
    /// Never empty.
    pub(crate) addresses: Vec<IpAddr>,
}

/// Where a domain's mail goes, best first. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) hosts: Vec<Host>,
}

/// Why there is nowhere to deliver to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoRoute {
    pub(crate) why: Why,
    /// For the log and for the sender.
    pub(crate) text: String,
}

/// The kinds of [`NoRoute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// No such domain.
    NoDomain,
    /// No such domain, but there was one not long ago.
    DomainGone,
    /// The domain says that it takes no mail (RFC 7505).
    NullMx,
    /// The mail would come back to us.
    Loop,
    /// There are hosts before us, but none with an address now.
    NoBetterHost,
    /// No host has an address, yet: somebody may be changing the records.
    NoAddressYet,
    /// No host has an address, for longer than a change of records takes.
    NoAddress,
    /// Every address means this machine or its link.
    Forbidden,
    /// DNS does not answer, or not in a way that can be trusted.
    Unknown,
}

impl Why {
    /// Whether trying again is of no use.
    pub(crate) const fn is_permanent(self) -> bool {
        self.status().0 == 5
    }

    /// The status for replies and reports (RFC 3463; RFC 7505 §4 for the null MX).
    pub(crate) const fn status(self) -> (u8, u16, u16) {
        match self {
            Self::NoDomain => (5, 1, 2),
            Self::DomainGone => (4, 1, 2),
            Self::NullMx => (5, 1, 10),
            Self::Loop => (5, 4, 6),
            Self::NoBetterHost | Self::NoAddressYet => (4, 4, 4),
            Self::NoAddress | Self::Forbidden => (5, 4, 4),
            Self::Unknown => (4, 4, 3),
        }
    }

    /// The reply code that says the same in SMTP.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::NullMx => 556,
            _ if self.is_permanent() => 550,
            _ => 451,
        }
    }
}

impl NoRoute {
    pub(crate) fn new(why: Why, text: impl Into<String>) -> Self {
        Self { why, text: text.into() }
    }
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, subject, detail) = self.why.status();
        write!(f, "{} {class}.{subject}.{detail} {}", self.why.code(), self.text)
    }
}

/// Hosts whose addresses are still to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidates {
    /// Best first.
    pub(crate) hosts: Vec<Mx>,
    /// Whether we were in the list ourselves.
    cut: bool,
}

/// The hosts of `domain`, sorted by preference and in random order among equals; cut where we stand in the list
/// ourselves. `random` returns a number below its argument.
pub(crate) fn candidates(
    domain: &str,
    answer: Answer<Mx>,
    us: &Ourselves,
    random: &mut dyn FnMut(usize) -> usize,
) -> Result<Candidates, NoRoute> {
    let mut hosts = match answer {
        Answer::Records(records) => records,
        // RFC 5321 §5.1: without MX the domain is its own host.
        Answer::NoData => vec![Mx { preference: 0, host: domain.to_owned() }],
        Answer::NoName => return Err(NoRoute::new(Why::NoDomain, format!("there is no domain {domain}"))),
        Answer::Failed(why) => {
            return Err(NoRoute::new(Why::Unknown, format!("can't look up the MX of {domain}: {why}")));
        }
    };
    // RFC 7505 §3: the root alone means that no mail is taken. Beside other hosts it means nothing.
    hosts.retain(|mx| !mx.host.is_empty());
    if hosts.is_empty() {
        return Err(NoRoute::new(Why::NullMx, format!("{domain} takes no mail (null MX)")));
    }
    shuffle(&mut hosts, random);
    hosts.sort_by_key(|mx| mx.preference);
    hosts.truncate(MOST_HOSTS);
    let ours = hosts.iter().filter(|mx| us.has_name(&mx.host)).map(|mx| mx.preference).min();
    if let Some(preference) = ours {
        hosts.retain(|mx| mx.preference < preference);
    }
    if hosts.is_empty() {
        return Err(looped(domain));
    }
    Ok(Candidates { hosts, cut: ours.is_some() })
}

fn shuffle(hosts: &mut [Mx], random: &mut dyn FnMut(usize) -> usize) {
    for i in (1..hosts.len()).rev() {
        hosts.swap(i, random(i + 1) % (i + 1));
    }
}

fn looped(domain: &str) -> NoRoute {
    NoRoute::new(Why::Loop, format!("mail for {domain} would come back: this server is its best host"))
}

/// What was said about a host's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Answer<Ipv4Addr>,
    pub(crate) v6: Answer<Ipv6Addr>,
}

/// Which addresses may be used, and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    /// Ranges that may be used although they are loopback or link-local.
    pub(crate) allowed: Vec<Network>,
    /// Whether IPv6 leads anywhere; its addresses come first if so, last if not.
    pub(crate) ipv6: bool,
}

impl Targets {
    fn may_use(&self, address: IpAddr) -> bool {
        !is_unroutable(address) || self.allowed.iter().any(|network| network.contains(address))
    }
}

/// The hosts with their addresses. `answers` are those of the candidates, in their order.
///
/// A host whose addresses can't be had is left out. When none is left, a failure that may pass counts more than one
/// that won't.
pub(crate) fn route(
    domain: &str,
    mut candidates: Candidates,
    mut answers: Vec<Addresses>,
    us: &Ourselves,
    targets: &Targets,
) -> Result<Route, NoRoute> {
    let ours = |(mx, answer): (&Mx, &Addresses)| {
        answer.all(targets).iter().any(|a| us.has_address(*a)).then_some(mx.preference)
    };
    if let Some(preference) = candidates.hosts.iter().zip(&answers).filter_map(ours).min() {
        // The list is sorted, so this cuts its end off.
        candidates.hosts.retain(|mx| mx.preference < preference);
        candidates.cut = true;
        answers.truncate(candidates.hosts.len());
        if answers.is_empty() {
            return Err(looped(domain));
        }
    }
    let (mut hosts, mut failed, mut forbidden) = (Vec::new(), None, None);
    for (mx, answer) in candidates.hosts.into_iter().zip(answers) {
        let (usable, refused): (Vec<_>, Vec<_>) =
            answer.all(targets).into_iter().partition(|address| targets.may_use(*address));
        if !usable.is_empty() {
            hosts.push(Host { name: mx.host, preference: mx.preference, addresses: usable });
        } else if let Some(why) = answer.failure() {
            failed.get_or_insert_with(|| format!("can't look up the address of {}: {why}", mx.host));
        } else if let Some(address) = refused.first() {
            forbidden.get_or_insert_with(|| {
                format!("{} has the address {address}, where no mail is sent", mx.host)
            });
        }
    }
    match (failed, forbidden) {
        _ if !hosts.is_empty() => Ok(Route { hosts }),
        _ if candidates.cut => {
            let text = format!("no host of {domain} that comes before this server has an address");
            Err(NoRoute::new(Why::NoBetterHost, text))
        }
        (Some(text), _) => Err(NoRoute::new(Why::Unknown, text)),
        (None, Some(text)) => Err(NoRoute::new(Why::Forbidden, text)),
        (None, None) => Err(NoRoute::new(Why::NoAddress, format!("no host of {domain} has an address"))),
    }
}

/// The route to an address that stands in the place of a domain, `[192.0.2.1]` (RFC 5321 §4.1.3).
pub(crate) fn literal(address: IpAddr, us: &Ourselves, targets: &Targets) -> Result<Route, NoRoute> {
    let name = format!("[{address}]");
    if us.has_address(address) {
        return Err(looped(&name));
    }
    if !targets.may_use(address) {
        return Err(NoRoute::new(Why::Forbidden, format!("no mail is sent to {name}")));
    }
    Ok(Route { hosts: vec![Host { name, preference: 0, addresses: vec![address] }] })
}

impl Addresses {
    pub(super) fn all(&self, targets: &Targets) -> Vec<IpAddr> {
        let mut v4: Vec<_> = self.v4.records().iter().map(|v4| IpAddr::V4(*v4)).collect();
        let mut v6: Vec<_> = self.v6.records().iter().map(|v6| IpAddr::V6(*v6).to_canonical()).collect();
        if targets.ipv6 {
            v6.append(&mut v4);
            return v6;
        }
        v4.append(&mut v6);
        v4
    }

    pub(super) fn failure(&self) -> Option<&str> {
        match (&self.v4, &self.v6) {
            (Answer::Failed(why), _) | (_, Answer::Failed(why)) => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "mx_tests.rs"]
mod tests;
