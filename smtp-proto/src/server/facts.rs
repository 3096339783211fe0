use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::SocketAddr;

use super::config::Protocol;
use crate::sasl::Bindings;
use crate::wire::command::{Attribute, AttributeValue, Attributes};
use crate::wire::leniency::Deviations;
use crate::wire::path::Mailbox;

/// Who is at the other end, as far as the adapter knows.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    tls: Option<Box<TlsInfo>>,
}

impl Peer {
    /// Nothing is known: a pipe, a Unix socket.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { remote: None, local: None, tls: None }
    }

    /// A peer at `remote`.
    #[must_use]
    pub const fn at(remote: SocketAddr) -> Self {
        Self { remote: Some(remote), local: None, tls: None }
    }

    /// The same peer, connected to our address `local`.
    #[must_use]
    pub fn to_local(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// The same peer on a stream that is encrypted already (implicit TLS, RFC 8314).
    #[must_use]
    pub fn over_tls(mut self, tls: TlsInfo) -> Self {
        self.tls = Some(Box::new(tls));
        self
    }

    /// The peer's address.
    #[must_use]
    pub const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Our address.
    #[must_use]
    pub const fn local(&self) -> Option<SocketAddr> {
        self.local
    }
}

impl From<SocketAddr> for Peer {
    fn from(remote: SocketAddr) -> Self {
        Self::at(remote)
    }
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version, as `TLSv1.3`.
    pub protocol: String,
    /// The cipher suite's name.
    pub cipher: String,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// The client's certificate in DER, if it showed one.
    pub client_certificate: Option<Vec<u8>>,
    /// Channel binding of the type tls-exporter (RFC 9266): 32 octets. `None` where they may not be used, which is TLS
    /// 1.2 without the extended master secret.
    pub exporter: Option<Vec<u8>>,
    /// Channel binding of the type tls-server-end-point (RFC 5929).
    pub server_end_point: Option<Vec<u8>>,
}

impl TlsInfo {
    /// The channel bindings, as a SASL exchange takes them.
    #[must_use]
    pub fn bindings(&self) -> Bindings {
        let mut bindings = Bindings::new();
        if let Some(octets) = self.exporter.as_deref().and_then(|octets| octets.try_into().ok()) {
            bindings = bindings.exporter(octets);
        }
        if let Some(hash) = &self.server_end_point {
            bindings = bindings.end_point(hash);
        }
        bindings
    }
}

/// What is known about a session while a token is held.
#[derive(Debug, Default)]
pub struct Facts {
    pub(crate) peer: Peer,
    pub(crate) hello: Vec<u8>,
    pub(crate) extended: bool,
    pub(crate) protocol: Protocol,
    pub(crate) user: Option<String>,
    pub(crate) early: bool,
    pub(crate) smtputf8: bool,
    pub(crate) tls_dropped: usize,
    pub(crate) deviations: Deviations,
    pub(crate) deviation_count: u64,
    pub(crate) refusals: u32,
    pub(crate) last_refusal: u16,
    pub(crate) stand_in: Option<SocketAddr>,
}

/// A client that a trusted peer speaks for.
#[derive(Debug)]
pub(crate) struct StandIn {
    remote: Option<SocketAddr>,
    hello: Option<Vec<u8>>,
    user: Option<String>,
}

impl StandIn {
    pub(crate) fn of(attributes: Attributes<'_>) -> Self {
        let text = |attribute| match attributes.value(attribute) {
            Some(AttributeValue::Text(text)) => Some(text.decoded().collect::<Vec<u8>>()),
            _ => None,
        };
        let remote = attributes.addr().map(|ip| SocketAddr::new(ip, attributes.port().unwrap_or(0)));
        let user = text(Attribute::Login).and_then(|name| String::from_utf8(name).ok());
        Self { remote, hello: text(Attribute::Helo), user }
    }
}

/// What [`Facts::received`] can't know by itself.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedBy<'a> {
    /// The peer's name in DNS, only if that name leads back to the peer's address: what the server found out by itself
    /// (TCP-info of RFC 5321 §4.4), which the name in EHLO is not.
    pub from: Option<&'a str>,
    /// Our host name.
    pub host: &'a str,
    /// The message's id in our queue or logs.
    pub id: &'a str,
    /// The date as RFC 5322 §3.3 writes it: `Tue, 05 May 2026 09:03:01 +0200`.
    pub date: &'a str,
    /// The recipient, only where there is one: naming one of several would betray the blind copies.
    pub for_: Option<Mailbox<'a>>,
}

impl Facts {
    /// The peer's addresses.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The peer's name as it gave it with EHLO, HELO or LHLO; empty before.
    #[must_use]
    pub fn hello(&self) -> &[u8] {
        &self.hello
    }

    /// What the TLS handshake agreed on; `None` in clear text.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.peer.tls.as_deref()
    }

    /// Who logged in, as the application named them.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The peer talked before the greeting.
    #[must_use]
    pub const fn early_talker(&self) -> bool {
        self.early
    }

    /// Octets of clear text that came behind STARTTLS and were dropped: more than 0 is an attack or a broken client.
    #[must_use]
    pub const fn dropped_at_tls(&self) -> usize {
        self.tls_dropped
    }

    /// How mail comes in, as a `Received` header names it (RFC 3848, RFC 6531 §4.3): `ESMTPSA`, `UTF8LMTP` …
    #[must_use]
    pub fn with_protocol(&self) -> String {
        let mut name = String::new();
        if self.smtputf8 {
            name.push_str("UTF8");
        }
        // TLS and AUTH are extensions: RFC 3848 has no SMTPS, also for a client that said HELO.
        let extended = self.extended || self.tls().is_some() || self.user.is_some();
        name.push_str(match self.protocol {
            Protocol::Lmtp => "LMTP",
            Protocol::Smtp if extended && !self.smtputf8 => "ESMTP",
            Protocol::Smtp => "SMTP",
        });
        if self.tls().is_some() {
            name.push('S');
        }
        if self.user.is_some() {
            name.push('A');
        }
        name
    }

    /// The trace header of RFC 5321 §4.4, folded, with CR LF at each line's end.
    ///
    /// What the peer said of itself, and its name in DNS, is written only as far as it is harmless there: letters, digits and `.-_:[]`;
    /// anything else becomes `?`.
    #[must_use]
    pub fn received(&self, by: ReceivedBy<'_>) -> Vec<u8> {
        let mut header = String::from("Received: from ");
        if self.hello.is_empty() {
            header.push_str("unknown");
        }
        header.extend(self.hello.iter().take(255).map(|&octet| harmless(octet)));
        let ReceivedBy { from, host, id, date, for_ } = by;
        if let Some(ip) = self.peer.remote.map(|address| address.ip().to_canonical()) {
            header.push_str(" (");
            if let Some(name) = from {
                header.extend(name.bytes().take(255).map(harmless));
                header.push(' ');
            }
            header.push_str(if ip.is_ipv4() { "[" } else { "[IPv6:" });
            // INVARIANT: writing to a String never fails.
            write!(header, "{ip}])").unwrap_or_default();
        }
        write!(header, "\r\n\tby {host} with {} id {id}", self.with_protocol()).unwrap_or_default();
        if let Some(mailbox) = for_ {
            write!(header, "\r\n\tfor <{mailbox}>").unwrap_or_default();
        }
        write!(header, "; {date}\r\n").unwrap_or_default();
        header.into_bytes()
    }

    /// What deviations from the rules were tolerated so far.
    #[must_use]
    pub const fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// How many commands held a deviation that was tolerated.
    #[must_use]
    pub const fn deviation_count(&self) -> u64 {
        self.deviation_count
    }

    /// How many tokens the application answered with a refusal, or dropped.
    #[must_use]
    pub const fn refusals(&self) -> u32 {
        self.refusals
    }

    /// The code that the peer was told at the last of them.
    #[must_use]
    pub const fn last_refusal(&self) -> Option<u16> {
        if self.refusals > 0 { Some(self.last_refusal) } else { None }
    }

    /// The address that is really connected, where XCLIENT put another in its place.
    pub(crate) fn socket_address(&self) -> Option<core::net::IpAddr> {
        self.stand_in.or(self.peer.remote).map(|address| address.ip())
    }

    pub(crate) const fn refuse(&mut self, code: u16) {
        self.refusals = self.refusals.saturating_add(1);
        self.last_refusal = code;
    }

    pub(crate) fn tolerate(&mut self, deviations: Deviations) {
        self.deviations = self.deviations.with(deviations);
        self.deviation_count += 1;
    }

    /// Becomes the client that a trusted peer speaks for.
    pub(crate) fn become_client(&mut self, client: StandIn) {
        if let Some(remote) = client.remote {
            self.stand_in = self.stand_in.or(self.peer.remote);
            self.peer.remote = Some(remote);
        }
        self.hello = client.hello.unwrap_or_default();
        self.extended = false;
        self.user = client.user;
    }

    /// Forgets what was said before TLS (RFC 3207 §4.2).
    pub(crate) fn start_over(&mut self, tls: TlsInfo, dropped: usize) {
        self.peer.tls = Some(Box::new(tls));
        // Whoever spoke for another client did so in clear: it is the one connected again.
        if let Some(connected) = self.stand_in.take() {
            self.peer.remote = Some(connected);
        }
        self.hello.clear();
        self.extended = false;
        self.user = None;
        self.smtputf8 = false;
        self.tls_dropped = dropped;
    }
}

fn harmless(octet: u8) -> char {
    match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']' => {
            char::from(octet)
        }
        _ => '?',
    }
}
