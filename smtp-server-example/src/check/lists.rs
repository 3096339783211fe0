//! Blocklists: whether they answer us, and whether they have us.

use std::net::{IpAddr, Ipv6Addr};

use super::{Findings, Site, outer_addresses};
use crate::blocklists::Blocklists;
use crate::dns::{self, ResolverSettings};
use crate::failure::Kind;
use crate::log::Log;

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let (Some(resolver), false) = (&site.resolver, site.config.blocklist.is_empty()) else { return };
    resolvers(&dns::servers(&ResolverSettings::from(&site.config.dns)), findings);
    // What they would tell the log is told here.
    let Ok((log, _writer)) = Log::start(std::io::sink()) else { return };
    let lists = Blocklists::new(resolver.clone(), site.config.blocklist.clone(), log);
    for (name, result) in site.runtime.block_on(lists.examine()) {
        let name = format!("blocklist {name}");
        match result {
            Ok(()) => {
                findings
                    .ok(name, "it has what every list has, and lacks what every list lacks (RFC 5782 §5)");
            }
            Err(error) => findings.fail(
                Kind::Unavailable,
                name,
                error,
                "nobody is refused by it while it does not work",
                "ask it through a resolver of your own (`dns.servers`), or take it out",
            ),
        }
    }
    let mut ours = site.config.dns.own_addresses.clone();
    ours.extend(outer_addresses().into_iter().filter(|address| !ours.contains(address)).collect::<Vec<_>>());
    for address in ours.into_iter().filter(|address| is_public(*address)) {
        let judgement = site.runtime.block_on(lists.judge(address));
        let name = format!("listed {address}");
        match judgement.worst() {
            Some(hit) => findings.fail(
                Kind::Refused,
                name,
                format!("{} has this server: {}", hit.zone, hit.explanation),
                "those who use it refuse our mail",
                "find out why, mend it, and ask the list to be taken off",
            ),
            None => findings.ok(name, "no list that is used here has it"),
        }
    }
}

/// Lists refuse to answer resolvers that everybody uses, since they can't tell who asks.
fn resolvers(servers: &[IpAddr], findings: &mut Findings) {
    let public: Vec<_> =
        servers.iter().filter(|server| is_public(**server)).map(ToString::to_string).collect();
    match public.is_empty() {
        true => findings.ok("resolver", "it is on this machine or near"),
        false => findings.warn(
            "resolver",
            format!("{} may be a public one", public.join(", ")),
            "blocklists refuse those, and then refuse nobody",
            "run one here, such as Unbound, and set `dns.servers = [\"127.0.0.1:53\"]`",
        ),
    }
}

/// Whether an address can be anybody's on the Internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || is_unique_local(v6))
        }
    }
}

/// `fc00::/7` (RFC 4193 §3.1).
fn is_unique_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xfe00 == 0xfc00
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_may_be_everybodys_is_warned_of() {
        for (servers, want, why) in [
            (&["127.0.0.1", "::1"][..], "ok ", "this machine's own"),
            (&["192.168.1.1", "fd00::53", "100.64.0.2"], "ok ", "in this network"),
            (&["127.0.0.1", "8.8.8.8"], "warn resolver: 8.8.8.8 may", "one of two is enough"),
            (&["2001:4860:4860::8888"], "warn", "over IPv6"),
        ] {
            let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
            let mut findings = Findings::default();
            resolvers(&servers, &mut findings);
            assert!(findings.lines()[0].starts_with(want), "{why}: {:?}", findings.lines());
        }
    }
}
