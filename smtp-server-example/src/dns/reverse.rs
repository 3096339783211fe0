use std::net::IpAddr;

use super::{Answer, Lookup};

/// Names of an address that are looked at; an honest one has one or two.
const MOST_NAMES: usize = 5;

/// What DNS says about an address's name, and about that name's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reverse {
    /// The name's addresses have this one among them.
    Confirmed(String),
    /// There is no name, or none that leads back.
    Unconfirmed,
    /// DNS does not say.
    Unknown,
}

/// Looks an address up there and back.
pub(crate) async fn reverse(dns: &impl Lookup, address: IpAddr) -> Reverse {
    let names = match dns.ptr(address).await {
        Answer::Records(names) => names,
        Answer::NoName | Answer::NoData => return Reverse::Unconfirmed,
        Answer::Failed(_) => return Reverse::Unknown,
    };
    let mut result = Reverse::Unconfirmed;
    for name in names.into_iter().take(MOST_NAMES) {
        let leads_back = match address {
            IpAddr::V4(v4) => contains(&dns.a(&name).await, &v4),
            IpAddr::V6(v6) => contains(&dns.aaaa(&name).await, &v6),
        };
        match leads_back {
            Some(true) => return Reverse::Confirmed(name),
            Some(false) => {}
            None => result = Reverse::Unknown,
        }
    }
    result
}

/// None if DNS does not say.
fn contains<T: PartialEq>(answer: &Answer<T>, address: &T) -> Option<bool> {
    match answer {
        Answer::Failed(_) => None,
        answer => Some(answer.records().contains(address)),
    }
}
