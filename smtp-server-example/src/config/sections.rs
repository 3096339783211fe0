//! The tables of a settings file, each with its defaults.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smtp_proto::server::contains;

/// Bounds on what a client can make us do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub(crate) message_octets: u64,
    pub(crate) recipients: u32,
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) memory_octets: u64,
    pub(crate) group_memory_percent: u32,
    pub(crate) disk_reserve_percent: u32,
    pub(crate) inode_reserve_percent: u32,
    pub(crate) idle_seconds: u64,
    pub(crate) verdict_seconds: u64,
    pub(crate) drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 50 * 1024 * 1024,
            recipients: 1_000,
            connections: 250,
            connections_per_address: 50,
            memory_octets: 256 * 1024 * 1024,
            group_memory_percent: 75,
            disk_reserve_percent: 5,
            inode_reserve_percent: 5,
            idle_seconds: 300,
            verdict_seconds: 240,
            drain_seconds: 30,
        }
    }
}

/// The certificate that listeners show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Tls {
    /// Whether there is a certificate at all.
    pub(crate) fn is_set(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }
}

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    #[serde(default)]
    pub(crate) kind: Kind,
    pub(crate) address: Place,
    #[serde(default)]
    pub(crate) proxies: Vec<Network>,
}

impl Listener {
    pub(crate) const fn new(kind: Kind, address: SocketAddr) -> Self {
        Self { kind, address: Place::Tcp(address), proxies: Vec::new() }
    }
}

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Other servers, with mail for us.
    #[default]
    Mx,
    /// Our users, who log in after STARTTLS.
    Submission,
    /// Our users, under TLS from the start.
    Submissions,
    /// Programs of our own, by LMTP.
    Lmtp,
}

impl Kind {
    /// As settings and logs have it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Lmtp => "lmtp",
        }
    }

    /// Whether who comes here must log in.
    pub(crate) const fn is_submission(self) -> bool {
        matches!(self, Self::Submission | Self::Submissions)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An address and port, or a Unix socket: `unix:/run/mail/lmtp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("want a path behind `unix:`"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(
                |_| "want an IP address and a port, as 127.0.0.1:25 or [::]:25, or unix: and a path",
            ),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Addresses that begin with the same bits: `10.0.0.0/8`, or one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

impl Network {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        contains(self.address, self.prefix, address)
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANT: &str = "want an IP address or a network, as 192.0.2.7 or 10.0.0.0/8";
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| WANT)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| WANT)?;
        if prefix > width { Err(WANT) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
pub(super) use as_text;
as_text!(Place, Network, Delivery);

/// A domain of ours that is not treated as all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [[domain]]; a list of names is `domains`")]
pub(crate) struct Domain {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) delivery: Delivery,
}

/// Who puts mail into mailboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// We.
    #[default]
    Maildir,
    /// A server that speaks LMTP (RFC 2033).
    Lmtp(Place),
}

impl FromStr for Delivery {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("lmtp:") {
            Some(place) => place.parse().map(Self::Lmtp),
            None if text == "maildir" => Ok(Self::Maildir),
            None => Err("want maildir, or lmtp: and where it listens, as lmtp:unix:/run/dovecot/lmtp"),
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maildir => f.write_str("maildir"),
            Self::Lmtp(place) => write!(f, "lmtp:{place}"),
        }
    }
}

/// Somebody with a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox: Option<PathBuf>,
    #[serde(default)]
    pub(crate) senders: Vec<String>,
}

/// An address that stands for others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alias {
    pub(crate) address: String,
    pub(crate) to: Vec<String>,
    #[serde(default)]
    pub(crate) sender: String,
}

/// Logging in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    pub(crate) allow_insecure_auth: bool,
    pub(crate) argon2_memory_kib: u32,
    pub(crate) argon2_passes: u32,
    pub(crate) checks_at_once: usize,
    pub(crate) scram_iterations: u32,
    pub(crate) failures_per_address: u32,
    pub(crate) failures_per_account: u32,
    pub(crate) failure_window_seconds: u64,
    pub(crate) failure_delay_ms: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            allow_insecure_auth: false,
            argon2_memory_kib: 19 * 1024,
            argon2_passes: 2,
            checks_at_once: 4,
            scram_iterations: 15_000,
            failures_per_address: 20,
            failures_per_account: 50,
            failure_window_seconds: 3_600,
            failure_delay_ms: 1_000,
        }
    }
}

/// What our users send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Submission {
    pub(crate) check_from: bool,
    pub(crate) show_client: bool,
    pub(crate) messages_per_hour: u32,
    pub(crate) recipients_per_hour: u32,
}

impl Default for Submission {
    fn default() -> Self {
        Self { check_from: true, show_client: false, messages_per_hour: 200, recipients_per_hour: 1_000 }
    }
}

impl User {
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The mailbox's folder, below `data` unless it is absolute.
    pub(crate) fn folder(&self) -> PathBuf {
        // A folder for each domain, where the name has one.
        let by_name =
            || self.name.rsplit_once('@').map_or_else(|| self.name.clone(), |(l, d)| format!("{d}/{l}"));
        self.mailbox.clone().unwrap_or_else(|| PathBuf::from(by_name()))
    }
}
