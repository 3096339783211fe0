//! Places for connections. Both adapters have this file: it needs a lock that waits, and the core, which is `no_std`, has
//! none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that are open, in all and by address.
#[derive(Debug)]
pub(crate) struct Slots {
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    most: usize,
    most_per_address: usize,
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when dropped, whatever ended the connection.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    key: Option<IpAddr>,
}

impl Slots {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        let open = Open { most, most_per_address, total: 0, by_address: HashMap::new() };
        Arc::new(Self { open: Mutex::new(open) })
    }

    /// Other limits from now on. Connections that are over them already stay.
    pub(crate) fn limit(&self, most: usize, most_per_address: usize) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (open.most, open.most_per_address) = (most, most_per_address);
    }

    /// A place for a connection from `address`; `None` when there is none left.
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Slot> {
        let key = address.map(network);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= open.most {
            return None;
        }
        let most = open.most_per_address;
        if let Some(key) = key {
            let held = open.by_address.entry(key).or_default();
            if *held >= most {
                return None;
            }
            *held += 1;
        }
        open.total += 1;
        Some(Slot { slots: Arc::clone(self), key })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        let Some(key) = self.key else { return };
        if let Some(held) = open.by_address.get_mut(&key) {
            *held -= 1;
            if *held == 0 {
                open.by_address.remove(&key);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 host can choose from at will.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let slots = Slots::new(2, 1);
        let first = slots.take(Some([127, 0, 0, 1].into())).unwrap();
        assert!(slots.take(Some([127, 0, 0, 1].into())).is_none(), "one per address");
        let second = slots.take(Some([127, 0, 0, 2].into())).unwrap();
        assert!(slots.take(Some([127, 0, 0, 3].into())).is_none(), "two in all");
        drop(first);
        assert!(slots.take(Some([127, 0, 0, 1].into())).is_some());
        drop(second);
        assert_eq!(slots.open(), 0);
        assert!(slots.open.lock().unwrap().by_address.is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn other_limits_hold_for_those_who_come_from_then_on() {
        let slots = Slots::new(2, 2);
        let held = [1, 2].map(|_| slots.take(None).unwrap());
        slots.limit(1, 1);
        assert!(slots.take(None).is_none(), "two are open, and stay open");
        drop(held);
        let _one = slots.take(Some([127, 0, 0, 1].into())).unwrap();
        slots.limit(3, 1);
        assert!(slots.take(Some([127, 0, 0, 1].into())).is_none(), "one per address now");
        assert!(slots.take(Some([127, 0, 0, 2].into())).is_some());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let slots = Slots::new(10, 1);
        let _first = slots.take(Some("2001:db8::1".parse().unwrap())).unwrap();
        assert!(slots.take(Some("2001:db8::2".parse().unwrap())).is_none());
        assert!(slots.take(Some("2001:db8:0:1::1".parse().unwrap())).is_some());
    }
}
