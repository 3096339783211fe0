//! Domains, address literals, and the name a client gives itself.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use super::class::{DCONTENT, DIGIT, HEX, LDH, LET_DIG, all, is};
use super::grammar::{self, Rules};
use super::leniency::{Deviations, Leniency};
use crate::error::{Fault, ParseError};

/// A domain name as it was written: labels with dots between, no dot at the end (RFC 5321 §4.1.2).
///
/// Labels have at most 63 octets; one with UTF-8 (a U-label, RFC 6531 §3.3) may have more, since the limit is that
/// of its A-label. Compared without ASCII case; A-labels and U-labels are not converted into each other.
#[derive(Clone, Copy)]
pub struct Domain<'b>(pub(crate) &'b [u8]);

impl<'b> Domain<'b> {
    /// Reads a domain.
    ///
    /// # Errors
    /// [`Fault::Argument`] when it is none.
    pub fn parse(octets: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(octets, Some(Fault::Argument), &Rules::default(), grammar::domain)
    }

    /// The octets as written: ASCII or well-formed UTF-8.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(self) -> &'b str {
        // INVARIANT: checked when it was parsed.
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// The labels, from the left.
    pub fn labels(self) -> impl DoubleEndedIterator<Item = &'b [u8]> {
        self.0.split(|&octet| octet == b'.')
    }

    /// Whether it holds UTF-8, so that it can be sent under SMTPUTF8 only.
    #[must_use]
    pub fn needs_smtputf8(self) -> bool {
        !self.0.is_ascii()
    }

    /// As [`parse`](Self::parse), with what `leniency` tolerates of domains; the deviations that were met are
    /// returned beside it.
    ///
    /// # Errors
    /// [`Fault::Argument`] when it is none even so.
    pub fn parse_with(octets: &'b [u8], leniency: Leniency) -> Result<(Self, Deviations), ParseError> {
        let rules = Rules::new(leniency);
        let domain = grammar::whole(octets, Some(Fault::Argument), &rules, grammar::domain)?;
        Ok((domain, rules.met().into()))
    }

    /// An owned copy.
    #[must_use]
    pub fn to_owned(self) -> DomainBuf {
        DomainBuf(self.as_str().into())
    }

    /// The text in lower case, for storing and looking up: two domains are equal when these are.
    #[must_use]
    pub fn to_canonical(self) -> String {
        self.as_str().to_ascii_lowercase()
    }
}

impl PartialEq for Domain<'_> {
    fn eq(&self, other: &Domain<'_>) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Domain<'_> {}

impl Hash for Domain<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in self.0 {
            state.write_u8(octet.to_ascii_lowercase());
        }
        state.write_u8(0xFF);
    }
}

impl PartialEq<str> for Domain<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other.as_bytes())
    }
}

impl PartialEq<&str> for Domain<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0.eq_ignore_ascii_case(other.as_bytes())
    }
}

impl fmt::Display for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// An owned [`Domain`], compared alike: for sets of our own domains.
#[derive(Clone)]
pub struct DomainBuf(Box<str>);

impl DomainBuf {
    /// The domain, borrowed.
    #[must_use]
    pub fn as_domain(&self) -> Domain<'_> {
        Domain(self.0.as_bytes())
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainBuf {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Domain::parse(text.as_bytes()).map(Domain::to_owned)
    }
}

impl From<Domain<'_>> for DomainBuf {
    fn from(domain: Domain<'_>) -> Self {
        domain.to_owned()
    }
}

impl PartialEq for DomainBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_domain() == other.as_domain()
    }
}

impl PartialEq<Domain<'_>> for DomainBuf {
    fn eq(&self, other: &Domain<'_>) -> bool {
        self.as_domain() == *other
    }
}

impl Eq for DomainBuf {}

impl Hash for DomainBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_domain().hash(state);
    }
}

impl fmt::Display for DomainBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_domain().fmt(f)
    }
}

/// An address literal with its brackets (RFC 5321 §4.1.3).
///
/// Compared by value where it is an address, without ASCII case where it is of another kind.
#[derive(Clone, Copy)]
pub struct Literal<'b>(pub(crate) &'b [u8]);

impl<'b> Literal<'b> {
    /// Reads a literal, brackets included.
    ///
    /// Refused though the ABNF has it: a number of an IPv4 address with a leading zero, since it is read as octal
    /// by some, and a general literal that reads as an IPv6 address as a whole, since it is one without its tag.
    ///
    /// # Errors
    /// [`Fault::Argument`] when it is none.
    pub fn parse(octets: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(octets, Some(Fault::Argument), &Rules::default(), |_, input| grammar::literal(input))
    }

    /// The octets as written, brackets included.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The text as written, brackets included.
    #[must_use]
    pub fn as_str(self) -> &'b str {
        // INVARIANT: ASCII, checked when it was parsed.
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// The address, or `None` for a general literal.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        let inner = self.inner();
        match after_ipv6_tag(inner) {
            Some(text) => ipv6(text).map(IpAddr::V6),
            None => ipv4(inner).map(IpAddr::V4),
        }
    }

    /// Tag and content of a general literal, or `None` for an address.
    #[must_use]
    pub fn general(self) -> Option<(&'b [u8], &'b [u8])> {
        if self.address().is_some() {
            return None;
        }
        let inner = self.inner();
        let colon = inner.iter().position(|&octet| octet == b':')?;
        Some((&inner[..colon], &inner[colon + 1..]))
    }

    fn inner(self) -> &'b [u8] {
        self.0.get(1..self.0.len() - 1).unwrap_or_default()
    }
}

impl PartialEq for Literal<'_> {
    fn eq(&self, other: &Literal<'_>) -> bool {
        match (self.address(), other.address()) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (None, None) => self.0.eq_ignore_ascii_case(other.0),
            _ => false,
        }
    }
}

impl Eq for Literal<'_> {}

impl Hash for Literal<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.address() {
            Some(address) => address.hash(state),
            None => Domain(self.0).hash(state),
        }
    }
}

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What stands right of the "@", or behind EHLO.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host<'b> {
    /// A name.
    Domain(Domain<'b>),
    /// An address literal.
    Literal(Literal<'b>),
}

impl<'b> Host<'b> {
    /// Reads a domain or a literal.
    ///
    /// # Errors
    /// [`Fault::Argument`] when it is neither.
    pub fn parse(octets: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(octets, Some(Fault::Argument), &Rules::default(), grammar::host)
    }

    /// What [`parse`](Self::parse) has checked before.
    pub(crate) const fn checked(octets: &'b [u8]) -> Self {
        match octets {
            [b'[', ..] => Self::Literal(Literal(octets)),
            _ => Self::Domain(Domain(octets)),
        }
    }

    /// The octets as written.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        match self {
            Self::Domain(Domain(octets)) | Self::Literal(Literal(octets)) => octets,
        }
    }

    /// The name, or `None` for a literal.
    #[must_use]
    pub const fn domain(self) -> Option<Domain<'b>> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Literal(_) => None,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

/// The argument of HELO, EHLO and LHLO.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hello<'b> {
    raw: &'b [u8],
    valid: bool,
}

impl<'b> Hello<'b> {
    pub(crate) const fn new(raw: &'b [u8], valid: bool) -> Self {
        Self { raw, valid }
    }

    /// The octets as sent; empty only under [`Leniency::EMPTY_HELLO`](crate::Leniency::EMPTY_HELLO).
    #[must_use]
    pub const fn raw(self) -> &'b [u8] {
        self.raw
    }

    /// The host, or `None` for what a [`Leniency`] let through. Never `None` where nothing is tolerated.
    #[must_use]
    pub const fn host(self) -> Option<Host<'b>> {
        if self.valid { Some(Host::checked(self.raw)) } else { None }
    }
}

impl<'b> From<Domain<'b>> for Hello<'b> {
    fn from(domain: Domain<'b>) -> Self {
        Self::new(domain.0, true)
    }
}

impl<'b> From<Host<'b>> for Hello<'b> {
    fn from(host: Host<'b>) -> Self {
        Self::new(host.as_bytes(), true)
    }
}

impl fmt::Debug for Hello<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hello({})", self.raw.escape_ascii())
    }
}

/// Whether `inner`, a literal without its brackets, is valid.
pub(crate) fn is_literal(inner: &[u8]) -> bool {
    if let Some(address) = after_ipv6_tag(inner) {
        return ipv6(address).is_some();
    }
    ipv4(inner).is_some() || is_general(inner)
}

fn after_ipv6_tag(inner: &[u8]) -> Option<&[u8]> {
    let (tag, address) = inner.split_at_checked(5)?;
    tag.eq_ignore_ascii_case(b"IPv6:").then_some(address)
}

fn is_general(inner: &[u8]) -> bool {
    let Some(colon) = inner.iter().position(|&octet| octet == b':') else { return false };
    let (tag, content) = (&inner[..colon], &inner[colon + 1..]);
    let forgotten_tag = core::str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    !forgotten_tag
        && tag.last().is_some_and(|&octet| is(octet, LET_DIG))
        && all(tag, LDH)
        && !content.is_empty()
        && all(content, DCONTENT)
}

/// RFC 5321 §4.1.3 `IPv4-address-literal`, but no leading zeros: some read them as octal.
pub(crate) fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|&octet| octet == b'.');
    for octet in &mut octets {
        let digits = parts.next()?;
        if digits.is_empty()
            || digits.len() > 3
            || !all(digits, DIGIT)
            || (digits[0] == b'0' && digits.len() > 1)
        {
            return None;
        }
        let value = digits.iter().fold(0_u16, |value, digit| value * 10 + u16::from(digit - b'0'));
        *octet = u8::try_from(value).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// RFC 5321 §4.1.3 `IPv6-addr`: "::" stands for at least two groups, which the ABNF says and RFC 4291 does not.
pub(crate) fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let Some(gap) = text.windows(2).position(|pair| pair == b"::") else {
        let (groups, len) = ipv6_groups(text)?;
        return (len == 8).then(|| groups.into());
    };
    let (head, tail) = (&text[..gap], &text[gap + 2..]);
    let (mut groups, head_len) = if head.is_empty() { ([0; 8], 0) } else { ipv6_groups(head)? };
    // An IPv4 part stands at the end only.
    if head.contains(&b'.') {
        return None;
    }
    let (tail, tail_len) = if tail.is_empty() { ([0; 8], 0) } else { ipv6_groups(tail)? };
    if head_len + tail_len > 6 {
        return None;
    }
    groups[8 - tail_len..].copy_from_slice(&tail[..tail_len]);
    Some(groups.into())
}

/// Groups with colons between, the last two perhaps as IPv4, and how many there are.
fn ipv6_groups(text: &[u8]) -> Option<([u16; 8], usize)> {
    let mut groups = [0; 8];
    let mut len = 0;
    let mut parts = text.split(|&octet| octet == b':').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() && part.contains(&b'.') {
            let [a, b, c, d] = ipv4(part)?.octets();
            *groups.get_mut(len)? = u16::from_be_bytes([a, b]);
            *groups.get_mut(len + 1)? = u16::from_be_bytes([c, d]);
            return Some((groups, len + 2));
        }
        if part.is_empty() || part.len() > 4 || !all(part, HEX) {
            return None;
        }
        let hex = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0) as u16;
        *groups.get_mut(len)? = part.iter().fold(0, |value, digit| value << 4 | hex(digit));
        len += 1;
    }
    Some((groups, len))
}
