use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::config::Network;
use crate::dns::Answer;

/// A list to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) zone: String,
    #[serde(default = "one")]
    pub(crate) weight: i32,
    #[serde(default = "all_codes")]
    pub(crate) accept: Vec<Network>,
    #[serde(default = "yes")]
    pub(crate) ipv4: bool,
    #[serde(default)]
    pub(crate) ipv6: bool,
}

const fn one() -> i32 {
    1
}

const fn yes() -> bool {
    true
}

fn all_codes() -> Vec<Network> {
    vec![Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 }]
}

/// What an answer of a list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Listed(Ipv4Addr),
    NotListed,
    /// The list does not answer us, whatever the address.
    QueryRefused(Ipv4Addr),
}

impl List {
    pub(crate) fn new(zone: &str) -> Self {
        Self { zone: zone.to_owned(), weight: one(), accept: all_codes(), ipv4: true, ipv6: false }
    }

    pub(super) const fn covers(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.ipv4,
            Family::V6 => self.ipv6,
        }
    }

    /// What `answer` says. A failure is no answer, and means nothing.
    pub(super) fn meaning(&self, answer: &Answer<Ipv4Addr>) -> Meaning {
        let codes = answer.records();
        if let Some(code) = codes.iter().find(|code| code.octets()[..3] == [127, 255, 255]) {
            return Meaning::QueryRefused(*code);
        }
        let accepted = |code: &&Ipv4Addr| self.accept.iter().any(|range| range.contains(IpAddr::V4(**code)));
        match codes.iter().filter(|code| is_code(**code)).find(accepted) {
            Some(code) => Meaning::Listed(*code),
            None => Meaning::NotListed,
        }
    }
}

/// Whether a list has the address, by whatever code.
pub(super) fn is_listing(answer: &Answer<Ipv4Addr>) -> bool {
    answer.records().iter().any(|code| is_code(*code))
}

/// An address outside of 127/8 comes from whoever bought the list's domain or from a resolver that "corrects" what does
/// not exist, and so does 127.0.0.1 (RFC 5782 §2.1: codes are in 127/8, by convention from 127.0.0.2 on).
fn is_code(address: Ipv4Addr) -> bool {
    address.is_loopback() && address != Ipv4Addr::LOCALHOST
}

/// The two families that a list may cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const fn has(self, address: IpAddr) -> bool {
        matches!((self, address), (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_)))
    }

    /// An address that must be listed, and one that must not (RFC 5782 §5).
    pub(super) fn test_points(self) -> (IpAddr, IpAddr) {
        let (listed, unlisted) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 1));
        match self {
            Self::V4 => (listed.into(), unlisted.into()),
            Self::V6 => (listed.to_ipv6_mapped().into(), unlisted.to_ipv6_mapped().into()),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

/// The name to ask for: the address backwards, by octets (RFC 5782 §2.1) or by nibbles (§2.4), below the zone.
pub(super) fn query(address: IpAddr, zone: &str) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.{zone}")
        }
        IpAddr::V6(v6) => nibbles(v6) + zone,
    }
}

fn nibbles(address: Ipv6Addr) -> String {
    let mut name = String::with_capacity(64);
    for octet in address.octets().iter().rev() {
        // INVARIANT: writing to a String does not fail.
        let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_backwards() {
        for (address, want, why) in [
            ("192.0.2.99", "99.2.0.192.bl.example", "RFC 5782 §2.1's example"),
            (
                "2001:db8:1:2:3:4:567:89ab",
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example",
                "RFC 5782 §2.4's example",
            ),
            (
                "::ffff:127.0.0.2",
                "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example",
                "the test point of IPv6 lists",
            ),
        ] {
            assert_eq!(query(address.parse().unwrap(), "bl.example"), want, "{why}");
        }
    }

    #[test]
    fn answers_mean_what_the_list_is_set_to_accept() {
        let narrow = List { accept: vec!["127.0.0.4/30".parse().unwrap()], ..List::new("bl.example") };
        let wide = List::new("bl.example");
        let code = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        for (list, answer, want, why) in [
            (&wide, "127.0.0.2", Meaning::Listed(code("127.0.0.2")), "the usual code"),
            (
                &wide,
                "192.0.2.7",
                Meaning::NotListed,
                "outside of 127/8: a parked domain, a resolver that lies",
            ),
            (&wide, "127.0.0.1", Meaning::NotListed, "a resolver that lies"),
            (&wide, "127.255.255.254", Meaning::QueryRefused(code("127.255.255.254")), "a public resolver"),
            (&wide, "127.255.255.1", Meaning::QueryRefused(code("127.255.255.1")), "all of the /24"),
            (&wide, "127.255.254.1", Meaning::Listed(code("127.255.254.1")), "the /24 beside it is not"),
            (&narrow, "127.0.0.2", Meaning::NotListed, "a code that this server does not act on"),
            (&narrow, "127.0.0.2 127.0.0.5", Meaning::Listed(code("127.0.0.5")), "one of several"),
            (
                &narrow,
                "127.0.0.5 127.255.255.252",
                Meaning::QueryRefused(code("127.255.255.252")),
                "never a listing",
            ),
        ] {
            let answer = Answer::Records(answer.split(' ').map(code).collect());
            assert_eq!(list.meaning(&answer), want, "{answer:?}: {why}");
        }
        for answer in [Answer::NoName, Answer::NoData, Answer::Failed("SERVFAIL".to_owned())] {
            assert_eq!(wide.meaning(&answer), Meaning::NotListed, "{answer:?}");
        }
    }
}
