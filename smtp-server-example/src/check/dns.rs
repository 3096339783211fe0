//! What DNS tells others about this server.

use std::net::IpAddr;

use super::{Findings, Site, outer_addresses};
use crate::dns::{Answer, Lookup, Mx, Resolver, Reverse, reverse};
use crate::failure::Kind;

/// Why an answer matters that did not come.
const NO_ANSWER: &str = "nobody knows what others see";
const ASK_AGAIN: &str = "look at the resolver, and run this again";

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let Some(resolver) = &site.resolver else { return };
    site.runtime.block_on(async {
        let addresses = host(site, resolver, findings).await;
        for address in &addresses {
            back(site, resolver, *address, findings).await;
        }
        leaving(site, &addresses, findings);
        for domain in &site.config.domains {
            exchangers(site, resolver, domain, findings).await;
            senders(resolver, domain, findings).await;
            policy(resolver, domain, findings).await;
        }
    });
}

/// The addresses of our name, of both families.
async fn host(site: &Site, resolver: &Resolver, findings: &mut Findings) -> Vec<IpAddr> {
    let (host, name) = (&site.config.hostname, format!("address {}", site.config.hostname));
    let (v4, v6) = tokio::join!(resolver.a(host), resolver.aaaa(host));
    let failed = match (&v4, &v6) {
        (Answer::Failed(error), _) | (_, Answer::Failed(error)) => Some(error),
        _ => None,
    };
    if let Some(error) = failed {
        findings.fail(Kind::TryLater, name, format!("DNS fails: {error}"), NO_ANSWER, ASK_AGAIN);
        return Vec::new();
    }
    let mut addresses: Vec<IpAddr> = v4.records().iter().copied().map(IpAddr::from).collect();
    addresses.extend(v6.records().iter().copied().map(IpAddr::from));
    let strange: Vec<_> = addresses.iter().filter(|address| !site.ourselves.has_address(**address)).collect();
    if addresses.is_empty() {
        findings.fail(
            Kind::NoHost,
            name,
            "it has no address in DNS",
            "no mail comes, and others refuse ours",
            "publish an A record, and an AAAA record if this machine has IPv6",
        );
    } else if strange.is_empty() {
        findings.ok(name, list(&addresses));
    } else {
        findings.fail(
            Kind::NoHost,
            name,
            format!("{} is no address of this machine", list(strange)),
            "mail goes elsewhere",
            "mend the record; behind a NAT set `dns.own_addresses`",
        );
    }
    addresses
}

/// An address must have a name that leads back to it, in each family by itself; best, the name that we give.
async fn back(site: &Site, resolver: &Resolver, address: IpAddr, findings: &mut Findings) {
    let (name, host) = (format!("reverse {address}"), &site.config.hostname);
    let why = "large providers refuse mail from addresses without a name of their own";
    let remedy = format!("have whoever gave you the address set its PTR record to {host}");
    match reverse(resolver, address).await {
        Reverse::Confirmed(found) if found.eq_ignore_ascii_case(host) => {
            findings.ok(name, format!("it is {found}, which leads back"));
        }
        Reverse::Confirmed(found) => {
            let what = format!("it is {found}, we call ourselves {host}");
            findings.warn(name, what, "some servers compare the two", remedy);
        }
        Reverse::Unconfirmed => {
            findings.fail(Kind::NoHost, name, "it has no name that leads back to it", why, remedy);
        }
        Reverse::Unknown => findings.fail(Kind::TryLater, name, "DNS fails", NO_ANSWER, ASK_AGAIN),
    }
}

/// Mail leaves from the address that is set for its family, or that the system picks, which must be one of those that
/// were looked at.
fn leaving(site: &Site, published: &[IpAddr], findings: &mut Findings) {
    let sources = &site.config.relay.source_addresses;
    let picked = |address: &IpAddr| !sources.iter().any(|source| source.is_ipv4() == address.is_ipv4());
    for address in outer_addresses().into_iter().filter(picked).chain(sources.iter().copied()) {
        if super::is_public(address) && !published.contains(&address) {
            findings.warn(
                format!("reverse {address}"),
                "this machine sends from there, and the host's name does not lead there",
                "large providers refuse mail from addresses without a name of their own",
                "publish it, or take the address away",
            );
        }
    }
}

/// The hosts that take a domain's mail: one of them should be this one.
async fn exchangers(site: &Site, resolver: &Resolver, domain: &str, findings: &mut Findings) {
    let (name, host) = (format!("mx {domain}"), &site.config.hostname);
    let remedy = format!("publish: {domain}. MX 10 {host}.");
    let list = match resolver.mx(domain).await {
        Answer::Failed(error) => {
            return findings.fail(Kind::TryLater, name, format!("DNS fails: {error}"), NO_ANSWER, ASK_AGAIN);
        }
        Answer::NoName => {
            let what = "the domain does not exist in DNS";
            return findings.fail(Kind::NoHost, name, what, "no mail comes", remedy);
        }
        Answer::NoData => Vec::new(),
        Answer::Records(list) => list,
    };
    if list.is_empty() {
        // RFC 5321 §5.1: then the domain itself is its host.
        match is_ours(site, resolver, domain).await {
            true => findings.warn(
                name,
                "there is no MX record, only an address",
                "others may not look further",
                remedy,
            ),
            false => findings.fail(Kind::NoHost, name, "there is no MX record", "no mail comes", remedy),
        }
    } else if list.iter().any(|mx| mx.host.is_empty()) {
        // RFC 7505 §3.
        findings.fail(Kind::NoHost, name, "a null MX says that it takes no mail", "no mail comes", remedy);
    } else {
        let mut ours = None;
        for Mx { preference, host } in &list {
            if site.ourselves.has_name(host) || is_ours(site, resolver, host).await {
                ours = Some((preference, host));
            }
        }
        let hosts: Vec<_> = list.iter().map(|mx| mx.host.as_str()).collect();
        match ours {
            Some((preference, host)) => findings.ok(name, format!("{preference} {host} is this server")),
            None => findings.fail(
                Kind::NoHost,
                name,
                format!("{} take its mail, none is this server", hosts.join(", ")),
                "no mail comes",
                remedy,
            ),
        }
    }
}

/// SPF (RFC 7208): whether the domain says who sends in its name. What it says is not weighed.
async fn senders(resolver: &Resolver, domain: &str, findings: &mut Findings) {
    let name = format!("spf {domain}");
    let answer = resolver.txt(domain).await;
    if let Answer::Failed(error) = &answer {
        return findings.fail(Kind::TryLater, name, format!("DNS fails: {error}"), NO_ANSWER, ASK_AGAIN);
    }
    let is_policy =
        |text: &&Vec<u8>| text.strip_prefix(b"v=spf1").is_some_and(|rest| matches!(rest, [] | [b' ', ..]));
    let policies: Vec<_> =
        answer.records().iter().filter(is_policy).map(|text| String::from_utf8_lossy(text)).collect();
    match &policies[..] {
        [] => findings.warn(
            name,
            "there is no policy",
            "large providers refuse mail of domains without one",
            format!("publish: {domain}. TXT \"v=spf1 mx -all\" (see dns print)"),
        ),
        [one] => findings.ok(name, one.clone()),
        // RFC 7208 §4.5: then it counts as an error.
        more => findings.fail(
            Kind::NoHost,
            name,
            format!("there are {} policies", more.len()),
            "then none of them counts",
            "take all but one away",
        ),
    }
}

/// DMARC (RFC 7489 §6.1): whether the domain says what is to be done with mail that only looks like its own.
async fn policy(resolver: &Resolver, domain: &str, findings: &mut Findings) {
    let name = format!("dmarc {domain}");
    let answer = resolver.txt(&format!("_dmarc.{domain}")).await;
    if let Answer::Failed(error) = &answer {
        return findings.fail(Kind::TryLater, name, format!("DNS fails: {error}"), NO_ANSWER, ASK_AGAIN);
    }
    let policies: Vec<_> = answer.records().iter().filter(|text| text.starts_with(b"v=DMARC1")).collect();
    match &policies[..] {
        [one] => findings.ok(name, String::from_utf8_lossy(one).into_owned()),
        [] => findings.warn(
            name,
            "there is no policy",
            "large providers ask for one from who sends much",
            format!("publish: _dmarc.{domain}. TXT \"v=DMARC1; p=none\" (see dns print)"),
        ),
        // RFC 7489 §6.6.3.
        more => findings.warn(
            name,
            format!("there are {} policies", more.len()),
            "then none of them counts",
            "take all but one away",
        ),
    }
}

/// Whether a host's address is one of ours.
async fn is_ours(site: &Site, resolver: &Resolver, host: &str) -> bool {
    let (v4, v6) = tokio::join!(resolver.a(host), resolver.aaaa(host));
    let mut all =
        v4.records().iter().copied().map(IpAddr::from).chain(v6.records().iter().copied().map(IpAddr::from));
    all.any(|address| site.ourselves.has_address(address))
}

fn list<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> String {
    addresses.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
