//! `[[route]]`: which way mail for others leaves, and how it is found.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smtp_proto::wire::host::Host as AnyHost;
use smtp_proto::wire::path::Mailbox;

use super::Secret;
use super::sections::as_text;
use crate::dns::a_labels;
use crate::relay::MxTls;

/// A way for some of the mail. Of those that match the first in the file is taken; without any, mail goes by MX.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Route {
    pub(crate) to: Vec<Pattern>,
    pub(crate) from: Vec<Pattern>,
    pub(crate) hosts: Vec<Equals>,
    pub(crate) tls: RouteTls,
    pub(crate) user: String,
    pub(crate) secret: Secret,
}

/// Whether a route's connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RouteTls {
    /// By port and user; where neither asks for it, as `relay.tls` says.
    #[default]
    Auto,
    Off,
    Opportunistic,
    /// STARTTLS, and a certificate that is right.
    Required,
    /// From the start, and a certificate that is right.
    Implicit,
}

impl RouteTls {
    /// What it comes to where `relay.tls` says what is not said here.
    pub(crate) const fn settled(self, relay: MxTls) -> Self {
        match (self, relay) {
            (Self::Auto, MxTls::Off) => Self::Off,
            (Self::Auto, MxTls::Opportunistic) => Self::Opportunistic,
            (Self::Auto, MxTls::Required) => Self::Required,
            (tls, _) => tls,
        }
    }

    /// As settings have it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Opportunistic => "opportunistic",
            Self::Required => "required",
            Self::Implicit => "implicit",
        }
    }
}

impl Route {
    /// What a settings file can show.
    pub(super) fn example() -> Self {
        Self {
            to: vec![Pattern::Domain("example.com".to_owned())],
            hosts: vec![Equals(vec![SmartHost {
                at: At::Name("relay.example.net".to_owned()),
                port: Some(587),
            }])],
            user: "news".to_owned(),
            secret: Secret::new("${file:/etc/mail/relay-secret}"),
            ..Self::default()
        }
    }

    /// Whether it is this one's.
    pub(crate) fn takes(&self, sender: &str, recipient: &str) -> bool {
        let among = |patterns: &[Pattern], address: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(address))
        };
        among(&self.to, recipient) && among(&self.from, sender)
    }

    /// Whether everything that `other` takes is this one's.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let all = |wide: &[Pattern], narrow: &[Pattern]| {
            let covered = |narrow: &Pattern| wide.iter().any(|wide| wide.covers(narrow));
            wide.is_empty() || !narrow.is_empty() && narrow.iter().all(covered)
        };
        all(&self.to, &other.to) && all(&self.from, &other.from)
    }

    /// By MX, and not to hosts that are named here.
    pub(crate) const fn is_by_mx(&self) -> bool {
        self.hosts.is_empty()
    }

    /// How one of its hosts is spoken to, if that is not left to `relay.tls`.
    pub(crate) fn tls_of(&self, host: &SmartHost) -> RouteTls {
        match self.tls {
            RouteTls::Auto if host.port == Some(TLS_PORT) => RouteTls::Implicit,
            RouteTls::Auto if !self.user.is_empty() => RouteTls::Required,
            tls => tls,
        }
    }

    /// The port of one of its hosts: that where users log in, if somebody does.
    pub(crate) fn port_of(&self, host: &SmartHost) -> u16 {
        match (host.port, self.tls) {
            (Some(port), _) => port,
            (None, RouteTls::Implicit) => TLS_PORT,
            (None, _) if !self.user.is_empty() => 587,
            (None, _) => 25,
        }
    }

    /// By what others know it: its hosts, and as whom they are asked.
    pub(crate) fn name(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        let login = if self.user.is_empty() { String::new() } else { format!(" as {}", self.user) };
        hosts.join(", ") + &login
    }
}

/// The port where TLS comes first (RFC 8314 §3.3).
pub(super) const TLS_PORT: u16 = 465;

/// Finds the way for a recipient: the number of a route, and the route.
pub(crate) fn select<'r>(routes: &'r [Route], sender: &str, recipient: &str) -> Option<(usize, &'r Route)> {
    routes.iter().enumerate().find(|(_, route)| route.takes(sender, recipient))
}

/// Some addresses. Case makes no difference, and U-labels are the same as A-labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `<>`: the sender of notifications.
    Null,
    /// One.
    Address(String),
    /// All of a domain, or of an address in brackets.
    Domain(String),
    /// All of the domains below one: `*.example.org`.
    Below(String),
}

impl Pattern {
    fn matches(&self, address: &str) -> bool {
        let domain = || address.rsplit_once('@').map(|(_, domain)| plain(domain));
        match self {
            Self::Null => address.is_empty(),
            Self::Address(one) => plain_address(address).as_deref() == Some(one.as_str()),
            Self::Domain(ours) => domain().as_deref() == Some(ours.as_str()),
            Self::Below(above) => domain().is_some_and(|domain| is_below(&domain, above)),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(above), Self::Below(domain)) => domain == above || is_below(domain, above),
            (Self::Below(above), Self::Domain(domain)) => is_below(domain, above),
            (_, Self::Address(address)) => self.matches(address),
            _ => self == other,
        }
    }

    /// The domain that it is about; none if there is not one alone.
    pub(super) fn domain(&self) -> Option<&str> {
        match self {
            Self::Address(address) => address.rsplit_once('@').map(|(_, domain)| domain),
            Self::Domain(domain) => Some(domain),
            Self::Null | Self::Below(_) => None,
        }
    }
}

fn is_below(domain: &str, above: &str) -> bool {
    domain.strip_suffix(above).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// A domain as it is compared. What is none is compared as it is.
fn plain(domain: &str) -> String {
    let domain = domain.trim_end_matches('.');
    match domain.starts_with('[') {
        true => domain.to_ascii_lowercase(),
        false => a_labels(domain).unwrap_or_else(|| domain.to_ascii_lowercase()),
    }
}

fn plain_address(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    Some(format!("{}@{}", local.to_ascii_lowercase(), plain(domain)))
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANT: &str =
            "want a domain, *. and a domain for those below it, an address, or <> for notifications";
        let is_domain = |text: &str| matches!(AnyHost::parse(text.as_bytes()), Ok(AnyHost::Domain(_)));
        match text {
            "<>" => Ok(Self::Null),
            _ if text.contains('@') => {
                let address = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
                Mailbox::parse(address.as_bytes()).map_err(|_| WANT)?;
                plain_address(address).map(Self::Address).ok_or(WANT)
            }
            _ => match text.strip_prefix("*.") {
                Some(above) if is_domain(above) => Ok(Self::Below(plain(above))),
                None if AnyHost::parse(text.as_bytes()).is_ok() => Ok(Self::Domain(plain(text))),
                _ => Err(WANT),
            },
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(text) | Self::Domain(text) => f.write_str(text),
            Self::Below(above) => write!(f, "*.{above}"),
        }
    }
}

/// Hosts that are as good as each other, and take turns: `a.example:587 | b.example:587`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Equals(pub(crate) Vec<SmartHost>);

impl FromStr for Equals {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('|').map(|host| host.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Equals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, host) in self.0.iter().enumerate() {
            write!(f, "{}{host}", if at > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

/// A host that takes mail for others: its own addresses are looked up, never its MX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SmartHost {
    pub(crate) at: At,
    pub(crate) port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Name(String),
    Address(IpAddr),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for At {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANT: &str =
            "want a host and its port, as relay.example:587, [192.0.2.1]:25 or [2001:db8::1]:25";
        // Brackets may be around anything: elsewhere they say that no MX is to be looked up, as it never is here.
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let tagged = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).map(|_| &inner[5..]);
        if let Some(address) = tagged {
            return address
                .parse::<Ipv6Addr>()
                .map(|address| Self::Address(address.into()))
                .map_err(|_| WANT);
        }
        if let Ok(address) = inner.parse() {
            return Ok(Self::Address(address));
        }
        // A name of digits alone is an address that went wrong.
        let inner = inner.strip_suffix('.').unwrap_or(inner);
        let numeric = inner.bytes().all(|c| c.is_ascii_digit() || c == b'.');
        match AnyHost::parse(inner.as_bytes()) {
            Ok(AnyHost::Domain(_)) if !numeric => a_labels(inner).map(Self::Name).ok_or(WANT),
            _ => Err(WANT),
        }
    }
}

impl FromStr for SmartHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An address of IPv6 without brackets ends in no port.
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { at: text.parse()?, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let number = |port: &str| port.parse().ok().filter(|port| *port != 0);
        let port = port
            .map(|port| number(port).ok_or("want a port from 1 to 65535 behind the colon"))
            .transpose()?;
        Ok(Self { at: host.parse()?, port })
    }
}

impl fmt::Display for SmartHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.at),
            None => self.at.fmt(f),
        }
    }
}

as_text!(Pattern, Equals);

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect(text)
    }

    #[test]
    fn patterns_match_what_an_operator_means() {
        for (text, address, want, why) in [
            ("example.org", "carol@example.org", true, "a domain"),
            ("example.org", "carol@EXAMPLE.org", true, "case makes no difference"),
            ("example.org", "carol@sub.example.org", false, "a sub-domain is another domain"),
            ("*.example.org", "carol@sub.example.org", true, "unless all below are meant"),
            ("*.example.org", "carol@a.b.example.org", true, "at any depth"),
            ("*.example.org", "carol@example.org", false, "which is not the domain itself"),
            ("*.example.org", "carol@notexample.org", false, "nor one that ends alike"),
            ("carol@example.org", "Carol@example.org", true, "an address"),
            ("<carol@example.org>", "carol@example.org", true, "in brackets"),
            ("carol@example.org", "dave@example.org", false, "another one"),
            ("<>", "", true, "notifications"),
            ("<>", "carol@example.org", false, "and nothing else"),
            ("example.org", "", false, "they have no domain"),
            ("[192.0.2.1]", "carol@[192.0.2.1]", true, "an address in brackets"),
            ("xn--bcher-kva.example", "carol@b\u{fc}cher.example", true, "U-labels"),
        ] {
            assert_eq!(pattern(text).matches(address), want, "{text}, {address}: {why}");
        }
        for wrong in ["", "*", "*.", "a b", "@example.org", "carol@", "*.[192.0.2.1]", "example.org:25"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_that_matches_is_taken() {
        let route = |to: &[&str], from: &[&str]| Route {
            to: to.iter().map(|text| pattern(text)).collect(),
            from: from.iter().map(|text| pattern(text)).collect(),
            ..Route::default()
        };
        let routes = [
            route(&["carol@example.org"], &[]),
            route(&["example.org"], &["news@us.example"]),
            route(&[], &["us.example"]),
        ];
        for (from, to, want) in [
            ("news@us.example", "carol@example.org", Some(0)),
            ("news@us.example", "dave@example.org", Some(1)),
            ("alice@us.example", "dave@example.org", Some(2)),
            ("alice@us.example", "x@else.example", Some(2)),
            ("alice@them.example", "x@else.example", None),
            ("", "x@else.example", None),
        ] {
            assert_eq!(select(&routes, from, to).map(|(n, _)| n), want, "{from} to {to}");
        }
        assert!(
            routes[2].covers(&routes[2])
                && !routes[2].covers(&routes[0])
                && routes[2].covers(&route(&["a.b"], &["x@us.example"]))
        );
        assert!(!routes[1].covers(&routes[2]) && Route::default().covers(&routes[0]));
    }

    #[test]
    fn hosts_are_names_or_addresses_with_ports() {
        for (text, want, why) in [
            ("relay.example", "relay.example", "a name"),
            ("Relay.Example.:587", "relay.example:587", "with its port, and a dot at the end"),
            ("[relay.example]:587", "relay.example:587", "brackets around a name"),
            ("192.0.2.1:25", "192.0.2.1:25", "an address"),
            ("[192.0.2.1]", "192.0.2.1", "in brackets"),
            ("[IPv6:2001:db8::1]:25", "[2001:db8::1]:25", "as in mail"),
            ("[2001:db8::1]:25", "[2001:db8::1]:25", "as in URLs"),
            ("2001:db8::1", "[2001:db8::1]", "bare"),
            ("localhost:2525", "localhost:2525", "a name without a dot"),
        ] {
            let host: SmartHost = text.parse().expect(text);
            assert_eq!(host.to_string(), want, "{why}");
            assert_eq!(want.parse::<SmartHost>(), Ok(host), "{why}: and back");
        }
        for wrong in [
            "",
            ":25",
            "relay.example:",
            "relay.example:0",
            "relay.example:70000",
            "a b",
            "192.0.2.256",
            "[a",
        ] {
            assert!(wrong.parse::<SmartHost>().is_err(), "{wrong}");
        }
        let equal: Equals = "a.example:1|b.example:2".parse().unwrap();
        assert_eq!((equal.0.len(), equal.to_string().as_str()), (2, "a.example:1 | b.example:2"));
        assert!("a.example | ".parse::<Equals>().is_err());
    }

    #[test]
    fn port_and_tls_follow_from_each_other_where_they_are_not_given() {
        use RouteTls::{Auto, Implicit, Opportunistic, Required};
        for (host, tls, user, want, why) in [
            ("a.b", Auto, "", (25, Auto), "as any host"),
            ("a.b", Auto, "me", (587, Required), "where one logs in, and never in clear"),
            ("a.b:465", Auto, "me", (465, Implicit), "that port's custom"),
            ("a.b:465", Auto, "", (465, Implicit), "without a user too"),
            ("a.b", Implicit, "me", (465, Implicit), "the other way round"),
            ("a.b:2525", Opportunistic, "", (2525, Opportunistic), "as given"),
        ] {
            let route = Route { tls, user: user.to_owned(), ..Route::default() };
            let host: SmartHost = host.parse().unwrap();
            assert_eq!((route.port_of(&host), route.tls_of(&host)), want, "{why}");
        }
    }
}
