//! The attributes of XCLIENT and XFORWARD.

use core::fmt;
use core::net::IpAddr;

use super::grammar::{Parsed, bad};
use super::host::{ipv4, ipv6};
use super::values::number;
use super::xtext::Xtext;
use crate::error::Fault;

/// The name of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Attribute {
    /// The client's name.
    Name,
    /// The client's address.
    Addr,
    /// The client's port.
    Port,
    /// SMTP or ESMTP; in XFORWARD perhaps another protocol.
    Proto,
    /// What the client said in HELO or EHLO.
    Helo,
    /// XCLIENT: the user name.
    Login,
    /// XCLIENT: the address it connected to.
    DestAddr,
    /// XCLIENT: the port it connected to.
    DestPort,
    /// XFORWARD: the message's identifier at the sender.
    Ident,
    /// XFORWARD: LOCAL or REMOTE.
    Source,
}

impl Attribute {
    /// Every attribute, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Addr,
        Self::Port,
        Self::Proto,
        Self::Helo,
        Self::Login,
        Self::DestAddr,
        Self::DestPort,
        Self::Ident,
        Self::Source,
    ];

    /// The name in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Addr => "ADDR",
            Self::Port => "PORT",
            Self::Proto => "PROTO",
            Self::Helo => "HELO",
            Self::Login => "LOGIN",
            Self::DestAddr => "DESTADDR",
            Self::DestPort => "DESTPORT",
            Self::Ident => "IDENT",
            Self::Source => "SOURCE",
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|one| name.eq_ignore_ascii_case(one.name().as_bytes()))
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// What XCLIENT takes.
pub(crate) const XCLIENT: u16 = Attribute::Ident.bit() - 1;
/// What XFORWARD takes.
pub(crate) const XFORWARD: u16 =
    (Attribute::Login.bit() - 1) | Attribute::Ident.bit() | Attribute::Source.bit();

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttributeValue<'b> {
    /// `[UNAVAILABLE]`: not known.
    Unavailable,
    /// `[TEMPUNAVAIL]`: not known for now; NAME only.
    TempUnavail,
    /// A value; what it stands for was checked where the attribute has a form.
    Text(Xtext<'b>),
}

/// Checked attributes, each at most once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'b> {
    text: &'b [u8],
}

impl<'b> Attributes<'b> {
    /// The text as written.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.text
    }

    /// The attributes, in order.
    pub fn iter(self) -> impl Iterator<Item = (Attribute, AttributeValue<'b>)> {
        // INVARIANT: all were checked when they were parsed.
        self.text.split(|&octet| octet == b' ').filter_map(pair)
    }

    /// The value of one.
    #[must_use]
    pub fn value(self, attribute: Attribute) -> Option<AttributeValue<'b>> {
        self.iter().find(|(one, _)| *one == attribute).map(|(_, value)| value)
    }

    /// ADDR as an address.
    #[must_use]
    pub fn addr(self) -> Option<IpAddr> {
        self.address(Attribute::Addr)
    }

    /// DESTADDR as an address.
    #[must_use]
    pub fn dest_addr(self) -> Option<IpAddr> {
        self.address(Attribute::DestAddr)
    }

    /// PORT as a number.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        self.number(Attribute::Port)
    }

    /// DESTPORT as a number.
    #[must_use]
    pub fn dest_port(self) -> Option<u16> {
        self.number(Attribute::DestPort)
    }

    fn address(self, which: Attribute) -> Option<IpAddr> {
        match self.value(which)? {
            AttributeValue::Text(text) => address(text.as_bytes()),
            _ => None,
        }
    }

    fn number(self, which: Attribute) -> Option<u16> {
        match self.value(which)? {
            AttributeValue::Text(text) => port(text.as_bytes()),
            _ => None,
        }
    }

    /// The rest of the line behind the verb's SP: attributes out of `allowed`, at least one.
    pub(crate) fn read(input: &'b [u8], allowed: u16) -> Parsed<'b, Self> {
        let mut seen = 0;
        let mut left = input.len();
        for one in input.split(|&octet| octet == b' ') {
            let here = &input[input.len() - left..];
            match pair(one) {
                Some((Attribute::Proto, value)) if allowed == XCLIENT && !is_smtp(value) => {
                    return bad(here, Fault::Argument);
                }
                Some((attribute, _)) if attribute.bit() & allowed & !seen != 0 => seen |= attribute.bit(),
                Some((attribute, _)) if attribute.bit() & seen != 0 => return bad(here, Fault::ParamTwice),
                _ => return bad(here, Fault::Argument),
            }
            left = left.saturating_sub(one.len() + 1);
        }
        Ok((&[], Self { text: input }))
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attributes({})", self.text.escape_ascii())
    }
}

fn pair(text: &[u8]) -> Option<(Attribute, AttributeValue<'_>)> {
    let equals = text.iter().position(|&octet| octet == b'=')?;
    let (name, value) = (Attribute::of(&text[..equals])?, &text[equals + 1..]);
    if value.eq_ignore_ascii_case(b"[UNAVAILABLE]") {
        return Some((name, AttributeValue::Unavailable));
    }
    if value.eq_ignore_ascii_case(b"[TEMPUNAVAIL]") {
        return (name == Attribute::Name).then_some((name, AttributeValue::TempUnavail));
    }
    let text = Xtext::parse(value).ok()?;
    let fits = match name {
        Attribute::Addr | Attribute::DestAddr => address(value).is_some(),
        Attribute::Port | Attribute::DestPort => port(value).is_some(),
        Attribute::Source => value.eq_ignore_ascii_case(b"LOCAL") || value.eq_ignore_ascii_case(b"REMOTE"),
        _ => !value.is_empty() && text.decoded().all(|octet| octet >= b' ' && octet != 0x7F),
    };
    fits.then_some((name, AttributeValue::Text(text)))
}

/// What PROTO of XCLIENT may be.
fn is_smtp(value: AttributeValue<'_>) -> bool {
    match value {
        AttributeValue::Text(text) => {
            [&b"SMTP"[..], b"ESMTP"].iter().any(|one| text.as_bytes().eq_ignore_ascii_case(one))
        }
        _ => true,
    }
}

/// An IPv4 address, or "IPV6:" and an IPv6 address.
fn address(text: &[u8]) -> Option<IpAddr> {
    match text.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case(b"IPV6:") => ipv6(rest).map(IpAddr::V6),
        _ => ipv4(text).map(IpAddr::V4),
    }
}

fn port(text: &[u8]) -> Option<u16> {
    number(text, 5).and_then(|port| u16::try_from(port).ok())
}
