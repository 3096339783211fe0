use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How this server appears in DNS, so that it does not send mail to itself for ever.
#[derive(Clone, Debug)]
pub(crate) struct Ourselves {
    /// Host names, in lower case.
    names: Vec<String>,
    /// Addresses that are ours without being this machine's, such as the outer one of a NAT.
    addresses: Vec<IpAddr>,
    /// Asks the system whether an interface has an address.
    on_interface: fn(IpAddr) -> bool,
}

impl Ourselves {
    pub(crate) fn new(names: impl IntoIterator<Item = String>, addresses: Vec<IpAddr>) -> Self {
        let names = names.into_iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
        Self { names, addresses, on_interface: belongs_to_this_machine }
    }

    /// The same on a machine that has no address but loopback, so that a test does not depend on where it runs.
    #[cfg(test)]
    pub(crate) fn alone(names: &[&str], addresses: &[&str]) -> Self {
        let names = names.iter().map(ToString::to_string);
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Self { on_interface: |_| false, ..Self::new(names, addresses) }
    }

    pub(crate) fn has_name(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// Whether mail sent to `address` would come back.
    ///
    /// What belongs to this machine is asked of the system each time, as addresses come and go. Loopback is no sign:
    /// where it may be a target at all, another server listens there.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.contains(&address) || (!is_unroutable(address) && (self.on_interface)(address))
    }
}

fn belongs_to_this_machine(address: IpAddr) -> bool {
    // Only an address of an own interface can be bound to. Nothing is sent.
    UdpSocket::bind((address, 0)).is_ok()
}

/// Whether there is a way to send IPv6 beyond this link, as it was a second ago at the most: the system is asked by four
/// calls.
#[derive(Debug, Default)]
pub(crate) struct Ipv6Route(Mutex<Option<(Instant, bool)>>);

impl Ipv6Route {
    const GOOD_FOR: Duration = Duration::from_secs(1);

    pub(crate) fn is_there(&self) -> bool {
        let (now, mut known) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match *known {
            Some((at, is_there)) if now.duration_since(at) < Self::GOOD_FOR => is_there,
            _ => known.insert((now, has_ipv6_route())).1,
        }
    }
}

fn has_ipv6_route() -> bool {
    // Connecting a datagram socket sends nothing; it asks the routing table. Any global unicast address does.
    let anywhere = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1);
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok_and(|socket| socket.connect((anywhere, 53)).is_ok())
}

/// Whether a public record that names `address` can only mean this machine, this link, or nothing at all.
pub(crate) fn is_unroutable(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_unroutable_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                || embedded_v4(v6).is_some_and(is_unroutable_v4)
        }
    }
}

fn is_unroutable_v4(address: Ipv4Addr) -> bool {
    // 0.0.0.0/8 reaches this machine on Linux.
    address.octets()[0] == 0
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
}

/// The IPv4 address that a translator would send to: 64:ff9b::/96 (RFC 6052 §2.1), or the old ::/96.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_only_mean_this_machine_or_link_are_told_apart() {
        for (address, unroutable, why) in [
            ("127.0.0.1", true, "loopback"),
            ("127.255.3.4", true, "all of 127/8 is loopback"),
            ("0.0.0.0", true, "reaches this machine on Linux"),
            ("0.1.2.3", true, "this network"),
            ("169.254.169.254", true, "link-local; the metadata of clouds"),
            ("255.255.255.255", true, "broadcast"),
            ("224.0.0.1", true, "multicast"),
            ("::1", true, "loopback"),
            ("::", true, "unspecified"),
            ("fe80::1", true, "link-local"),
            ("ff02::1", true, "multicast"),
            ("::ffff:127.0.0.1", true, "loopback, mapped"),
            ("::127.0.0.1", true, "loopback, in the old compatible form"),
            ("64:ff9b::7f00:1", true, "loopback behind a translator"),
            ("192.0.2.1", false, "an ordinary address"),
            ("10.0.0.1", false, "a private network may well be meant"),
            ("2001:db8::1", false, "an ordinary address"),
            ("64:ff9b::c000:201", false, "an ordinary address behind a translator"),
            ("fd00::1", false, "a private network may well be meant"),
        ] {
            assert_eq!(is_unroutable(address.parse().unwrap()), unroutable, "{address}: {why}");
        }
    }

    #[test]
    fn we_are_known_by_name_and_by_address() {
        let mut us = Ourselves::alone(&["MX.Example."], &["192.0.2.9"]);
        assert!(us.has_name("mx.example") && !us.has_name("example"));
        assert!(us.has_address("192.0.2.9".parse().unwrap()));
        assert!(us.has_address("::ffff:192.0.2.9".parse().unwrap()), "mapped into IPv6 it is the same");
        assert!(!us.has_address("192.0.2.8".parse().unwrap()), "somebody else's");
        us.on_interface = |_| true;
        assert!(us.has_address("192.0.2.8".parse().unwrap()), "an interface has it");
        assert!(!us.has_address("127.0.0.1".parse().unwrap()), "loopback is no sign");
        assert!(belongs_to_this_machine("127.0.0.1".parse().unwrap()), "yet this machine's");
        assert!(!belongs_to_this_machine("240.0.0.1".parse().unwrap()), "no interface can have it");
    }
}
