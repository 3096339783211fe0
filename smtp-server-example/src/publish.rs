//! `dns print`: what has to be in DNS so that mail comes here, and is taken elsewhere.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::Serialize;

use crate::check;
use crate::cli;
use crate::config::{Config, Kind, Place};
use crate::failure::Failure;

/// How long others may keep a record, in seconds: an hour, so that a mistake is mended in one.
const TTL: u32 = 3_600;

/// A record to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Record {
    /// Absolute, with the dot at its end.
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// As zone files have it.
    value: String,
    why: &'static str,
}

/// What is to be published, as a table, a zone file or JSON.
pub(crate) fn print(command: &cli::DnsPrint) -> Result<String, Failure> {
    let config = Config::read(&command.config)?;
    let addresses = addresses(&config, &command.address);
    let records = records(&config, &addresses, &readers(command));
    Ok(match (command.json, command.zone) {
        // INVARIANT: the types are plain, nothing of them can fail.
        (true, _) => serde_json::to_string(&records).unwrap_or_default() + "\n",
        (false, true) => zone(&records),
        (false, false) => table(&records),
    })
}

/// Those given, else those set, else those that this machine sends from and anybody can reach.
fn addresses(config: &Config, given: &[IpAddr]) -> Vec<IpAddr> {
    if !given.is_empty() {
        return given.to_vec();
    }
    if !config.dns.own_addresses.is_empty() {
        return config.dns.own_addresses.clone();
    }
    check::outer_addresses().into_iter().filter(|address| check::is_public(*address)).collect()
}

fn records(config: &Config, addresses: &[IpAddr], readers: &[Service]) -> Vec<Record> {
    let host = format!("{}.", config.hostname.to_ascii_lowercase());
    let mut records = Vec::new();
    let mut add = |name: &str, kind, value: String, why| {
        records.push(Record { name: name.to_owned(), kind, value, why });
    };
    for address in addresses {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        add(&host, kind, address.to_string(), "where this server is");
    }
    for address in addresses {
        let why = "what this server is called: whoever gave you the address publishes it";
        add(&reverse_name(*address), "PTR", host.clone(), why);
    }
    // Bounces have no sender; who checks them looks at this host's name (RFC 7208 §2.4).
    add(&host, "TXT", text("v=spf1 a -all"), "only this server sends in this host's name (SPF)");
    for domain in &config.domains {
        let domain = format!("{}.", domain.to_ascii_lowercase());
        add(&domain, "MX", format!("10 {host}"), "which host takes the domain's mail");
        if domain != host {
            add(&domain, "TXT", text("v=spf1 mx -all"), "only the domain's own hosts send in its name (SPF)");
        }
        add(
            &format!("_dmarc.{domain}"),
            "TXT",
            text("v=DMARC1; p=none"),
            "mail that only looks like the domain's is nobody's to refuse yet (DMARC)",
        );
        for (port, service, why) in services(config).into_iter().chain(readers.iter().copied()) {
            let name = format!("_{service}._tcp.{domain}");
            add(&name, "SRV", format!("0 1 {port} {host}"), why);
        }
    }
    records
}

/// Port, name and reason.
type Service = (u16, &'static str, &'static str);

/// Where users' programs find their mail, which others keep for us on this host (RFC 6186 §3.2, §3.3).
fn readers(command: &cli::DnsPrint) -> Vec<Service> {
    let imap = command.imap.then_some((993, "imaps", "where users' programs read by IMAP, under TLS"));
    let pop3 = command.pop3.then_some((995, "pop3s", "where users' programs read by POP3, under TLS"));
    [imap, pop3].into_iter().flatten().collect()
}

/// Where users' programs find the listeners that are for them (RFC 6186 §3.1, RFC 8314 §5.1).
fn services(config: &Config) -> Vec<Service> {
    let service = |listener: &crate::config::Listener| {
        let Place::Tcp(address) = &listener.address else { return None };
        let (service, why) = match listener.kind {
            Kind::Submission => ("submission", "where users' programs send, after STARTTLS"),
            Kind::Submissions => ("submissions", "where users' programs send, under TLS"),
            Kind::Mx | Kind::Lmtp => return None,
        };
        (address.port() != 0 && !address.ip().is_loopback()).then_some((address.port(), service, why))
    };
    let mut services: Vec<_> = config.listener.iter().filter_map(service).collect();
    // One listener for each family is one service.
    services.sort_unstable();
    services.dedup();
    services
}

/// Where an address's name is kept (RFC 1035 §3.5, RFC 3596 §2.5).
fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let digits = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            let labels: Vec<_> = digits.rev().map(|digit| format!("{digit:x}")).collect();
            format!("{}.ip6.arpa.", labels.join("."))
        }
    }
}

/// Text of a TXT record: strings of 255 octets at most, in quotes (RFC 1035 §3.3.14, §5.1).
fn text(text: &str) -> String {
    let strings = text.as_bytes().chunks(255).map(|part| {
        let escaped = String::from_utf8_lossy(part).replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    });
    strings.collect::<Vec<_>>().join(" ")
}

fn table(records: &[Record]) -> String {
    let width = records.iter().map(|record| record.name.len()).max().unwrap_or_default();
    let mut out = String::new();
    let mut why = "";
    for record in records {
        // INVARIANT: writing to a String does not fail.
        if std::mem::replace(&mut why, record.why) != record.why {
            let _ = writeln!(out, "# {}", record.why);
        }
        let _ = writeln!(out, "{:<width$}  {:<4}  {}", record.name, record.kind, record.value);
    }
    if !records.iter().any(|record| matches!(record.kind, "A" | "AAAA")) {
        out.push_str("# Which address others reach this server at is not known: give --address, or set `dns.own_addresses`\n");
    }
    out
}

fn zone(records: &[Record]) -> String {
    let mut out = String::new();
    for record in records {
        // INVARIANT: writing to a String does not fail.
        let _ = writeln!(out, "{} {TTL} IN {} {} ; {}", record.name, record.kind, record.value, record.why);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_turned_around() {
        for (address, want) in [
            ("198.51.100.9", "9.100.51.198.in-addr.arpa."),
            ("2001:db8::9", "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."),
        ] {
            assert_eq!(reverse_name(address.parse().unwrap()), want);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_quotes_are_escaped() {
        let long = text(&"x".repeat(300));
        let lengths: Vec<_> = long.split(' ').map(|part| part.trim_matches('"').len()).collect();
        assert_eq!(lengths, [255, 45]);
        assert_eq!(text("a\"b\\"), "\"a\\\"b\\\\\"");
    }
}
