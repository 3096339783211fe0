use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::error::{Fault, ParseError};
use crate::sasl::Mechanism;
use crate::wire::datetime::DateTime;
use crate::wire::host::Host;
use crate::wire::leniency::Leniency;

/// SMTP or LMTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// SMTP with its extensions (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033): LHLO instead of EHLO, one verdict per accepted recipient.
    Lmtp,
}

/// When AUTH is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthWhen {
    /// Under TLS only: the default. In clear text it is answered 538.
    #[default]
    Tls,
    /// Always, so that passwords cross the network in clear text: for catchers and tests.
    Always,
}

/// An extension that a configuration can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extension {
    /// PIPELINING (RFC 2920).
    Pipelining,
    /// 8BITMIME (RFC 6152).
    EightBitMime,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    EnhancedStatusCodes,
    /// SMTPUTF8 (RFC 6531); needs 8BITMIME.
    Smtputf8,
    /// CHUNKING (RFC 3030).
    Chunking,
    /// BINARYMIME (RFC 3030); needs CHUNKING and 8BITMIME.
    BinaryMime,
    /// DSN (RFC 3461).
    Dsn,
    /// REQUIRETLS (RFC 8689); offered under TLS only.
    RequireTls,
    /// VRFY goes to the application; without it the session says 252.
    Vrfy,
    /// EXPN goes to the application; without it the session says 502.
    Expn,
    /// ETRN goes to the application (RFC 1985).
    Etrn,
    /// STARTTLS (RFC 3207); the adapter must be able to.
    StartTls,
    /// LIMITS with RCPTMAX (RFC 9422).
    Limits,
    /// DELIVERBY (RFC 2852).
    DeliverBy,
    /// FUTURERELEASE (RFC 4865).
    FutureRelease,
    /// MT-PRIORITY (RFC 6710).
    MtPriority,
    /// RRVS (RFC 7293).
    Rrvs,
    /// XCLIENT, from peers that [`ServerConfig::trust`] names.
    Xclient,
    /// XFORWARD, from peers that [`ServerConfig::trust`] names.
    Xforward,
}

/// A set of extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions(u32);

impl Extensions {
    /// PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES: what needs nothing from the application.
    pub const BASIC: Self = Self(0)
        .with(Extension::Pipelining)
        .with(Extension::EightBitMime)
        .with(Extension::EnhancedStatusCodes);

    /// This set and `extension`.
    #[must_use]
    pub const fn with(self, extension: Extension) -> Self {
        Self(self.0 | 1 << extension as u32)
    }

    /// This set without `extension`.
    #[must_use]
    pub const fn without(self, extension: Extension) -> Self {
        Self(self.0 & !(1 << extension as u32))
    }

    /// Whether `extension` is in it.
    #[must_use]
    pub const fn has(self, extension: Extension) -> bool {
        self.0 & (1 << extension as u32) != 0
    }
}

/// The numbers of a session that a configuration can change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest message in octets, announced by SIZE. Defaults to 50 MiB.
    pub message: u64,
    /// Most recipients of a transaction, then 452 4.5.3. Defaults to 1,000; below 100 counts as 100
    /// (RFC 5321 §4.5.3.1.8).
    pub recipients: u32,
    /// Wait for the next command. Defaults to 5 minutes (RFC 5321 §4.5.3.2.7).
    pub command: Duration,
    /// How far content may fall behind [`content_rate`](Self::content_rate). Defaults to 5 minutes.
    pub content: Duration,
    /// Slowest content in octets a second. Defaults to 500.
    pub content_rate: u32,
    /// Wait for the peer to read our replies. Defaults to 5 minutes.
    pub flush: Duration,
    /// The TLS handshake. Defaults to 30 seconds.
    pub handshake: Duration,
    /// The PROXY header of a balancer. Defaults to 10 seconds.
    pub proxy_header: Duration,
    /// An AUTH exchange as a whole. Defaults to 5 minutes.
    pub auth: Duration,
    /// Errors answered without delay. Defaults to 10; each further one costs a second.
    pub free_errors: u32,
    /// Errors after which the session ends with 421. Defaults to 20.
    pub errors: u32,
    /// Commands that do nothing (NOOP, RSET, VRFY, EHLO …) since the last message, then 421. Defaults to 100.
    pub junk: u32,
    /// Refused recipients, then 421. Defaults to 100.
    pub refused_recipients: u32,
    /// Failed AUTH, then 421. Defaults to 3.
    pub failed_auth: u32,
    /// Chunks of a message, then 421. Defaults to 100,000.
    pub chunks: u32,
    /// Shortest time that BY with R may ask for, in seconds, announced by DELIVERBY. Defaults to 0.
    pub deliver_by: u32,
    /// Longest hold that HOLDFOR may ask for, in seconds, announced by FUTURERELEASE. Defaults to 30 days.
    pub hold: u32,
    /// Pause before the greeting, in which a client that talks gives itself away. Defaults to none.
    pub greet_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            message: 50 * 1024 * 1024,
            recipients: 1_000,
            command: minutes(5),
            content: minutes(5),
            content_rate: 500,
            flush: minutes(5),
            handshake: Duration::from_secs(30),
            proxy_header: Duration::from_secs(10),
            auth: minutes(5),
            free_errors: 10,
            errors: 20,
            junk: 100,
            refused_recipients: 100,
            failed_auth: 3,
            chunks: 100_000,
            deliver_by: 0,
            hold: 30 * 86_400,
            greet_delay: Duration::ZERO,
        }
    }
}

/// How a server's sessions behave; made once and shared.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub(crate) host: String,
    pub(crate) greeting: String,
    pub(crate) protocol: Protocol,
    pub(crate) extensions: Extensions,
    pub(crate) limits: Limits,
    pub(crate) leniency: Leniency,
    pub(crate) hold_until: String,
    pub(crate) trusted: Vec<(IpAddr, u8)>,
    pub(crate) mechanisms: Vec<Mechanism>,
    /// Those that need no channel binding: what is offered where there is none.
    pub(crate) unbound_mechanisms: Vec<Mechanism>,
    pub(crate) auth_when: AuthWhen,
    pub(crate) auth_required: bool,
    pub(crate) arrival_checks: bool,
}

impl ServerConfig {
    /// A configuration for the host `name`, which the greeting and the answer to EHLO bear: PIPELINING, SIZE,
    /// 8BITMIME and ENHANCEDSTATUSCODES, everything strict.
    ///
    /// # Errors
    /// When `name` is no domain or address literal (RFC 5321 §4.1.2).
    pub fn new(name: &str) -> Result<Self, ParseError> {
        if Host::parse(name.as_bytes())?.domain().is_some_and(|domain| domain.needs_smtputf8()) {
            return Err(ParseError::new(Fault::NeedsSmtputf8, 0));
        }
        Ok(Self {
            host: name.to_string(),
            greeting: "ESMTP".to_string(),
            protocol: Protocol::Smtp,
            extensions: Extensions::BASIC,
            limits: Limits::default(),
            leniency: Leniency::STRICT,
            hold_until: "9999-12-31T23:59:59Z".to_string(),
            trusted: Vec::new(),
            mechanisms: Vec::new(),
            unbound_mechanisms: Vec::new(),
            auth_when: AuthWhen::Tls,
            auth_required: false,
            arrival_checks: true,
        })
    }

    /// LMTP for the host `name`: [`new`](Self::new) with [`Protocol::Lmtp`].
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn lmtp(name: &str) -> Result<Self, ParseError> {
        Ok(Self { protocol: Protocol::Lmtp, greeting: "LMTP".to_string(), ..Self::new(name)? })
    }

    /// The text behind the host name in the greeting. Defaults to `ESMTP`.
    ///
    /// # Errors
    /// When it holds anything but printable ASCII, or is over 400 octets, which with the name is a line's 512.
    pub fn greeting(mut self, text: &str) -> Result<Self, ParseError> {
        if let Some(at) = text.bytes().position(|octet| !matches!(octet, b' '..=b'~')) {
            return Err(ParseError::new(Fault::Control, at));
        }
        if text.len() > 400 {
            return Err(ParseError::new(Fault::LineTooLong, 400));
        }
        self.greeting = text.to_string();
        Ok(self)
    }

    /// Offers `extension` too, wherever it is legal: one that needs another is not offered without it.
    #[must_use]
    pub fn offer(mut self, extension: Extension) -> Self {
        self.extensions = self.extensions.with(extension);
        self
    }

    /// Offers `extension` no longer.
    #[must_use]
    pub fn withhold(mut self, extension: Extension) -> Self {
        self.extensions = self.extensions.without(extension);
        self
    }

    /// Changes the numbers: `config.limits(|l| l.message = 1_000_000)`.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self.limits.recipients = self.limits.recipients.max(100);
        self
    }

    /// What deviations are tolerated. Defaults to [`Leniency::STRICT`].
    #[must_use]
    pub fn leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }

    /// The latest date-time that HOLDUNTIL may name, announced by FUTURERELEASE. Defaults to the year 9999.
    ///
    /// # Errors
    /// When `datetime` is none as RFC 3339 §5.6 writes it.
    pub fn hold_until(mut self, datetime: &str) -> Result<Self, ParseError> {
        DateTime::parse(datetime.as_bytes()).ok_or(ParseError::new(Fault::Argument, 0))?;
        self.hold_until = datetime.to_string();
        Ok(self)
    }

    pub(crate) fn hold_until_seconds(&self) -> i64 {
        // INVARIANT: it was checked when it was set.
        DateTime::parse(self.hold_until.as_bytes()).map_or(i64::MAX, DateTime::unix_seconds)
    }

    /// Trusts peers whose first `prefix` bits are those of `network` with XCLIENT and XFORWARD, where these are
    /// offered: they may say who a client is.
    #[must_use]
    pub fn trust(mut self, network: IpAddr, prefix: u8) -> Self {
        self.trusted.push((network, prefix));
        self
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|(network, prefix)| contains(*network, *prefix, address))
    }

    /// The numbers of its sessions.
    #[must_use]
    pub const fn numbers(&self) -> &Limits {
        &self.limits
    }

    /// Offers AUTH with `mechanisms`, strongest first. Those that bind to the channel (-PLUS) are offered only where
    /// [`TlsInfo`](super::TlsInfo) has a binding.
    #[must_use]
    pub fn auth(mut self, mechanisms: &[Mechanism], when: AuthWhen) -> Self {
        self.mechanisms = mechanisms.to_vec();
        self.unbound_mechanisms =
            mechanisms.iter().copied().filter(|mechanism| !mechanism.binds_channel()).collect();
        self.auth_when = when;
        self
    }

    /// Submission: MAIL before AUTH is answered 530 (RFC 6409 §4.3).
    #[must_use]
    pub fn require_auth(mut self) -> Self {
        self.auth_required = true;
        self
    }

    /// Turns off the two checks that look at when octets arrive rather than at what they are: talk before the
    /// greeting and content before 354. Tests that cut input at will need it; otherwise leave them on.
    #[must_use]
    pub fn without_arrival_checks(mut self) -> Self {
        self.arrival_checks = false;
        self
    }

    /// The host's name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether STARTTLS is switched on; the adapter must then be able to.
    #[must_use]
    pub fn offers(&self, extension: Extension) -> bool {
        self.extensions.has(extension)
    }
}

/// Whether the first `prefix` bits of `address` are those of `network`. An IPv4 address mapped into IPv6 is one of IPv4.
#[must_use]
pub fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32, true),
        IpAddr::V6(v6) => (v6.to_bits(), 128, false),
    };
    let ((network, width, is_v4), (address, _, also_v4)) = (bits(network), bits(address));
    let prefix = u32::from(prefix).min(width);
    is_v4 == also_v4 && (address ^ network).checked_shr(128 - prefix).unwrap_or(0) == 0
}
