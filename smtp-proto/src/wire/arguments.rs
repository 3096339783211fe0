//! The arguments of the rarer commands.

use core::fmt;

use bytes::BufMut;

use super::host::Domain;
use super::path::{Mailbox, unquoted};

/// The argument of VRFY and EXPN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lookup<'b> {
    text: &'b [u8],
    smtputf8: bool,
}

impl<'b> Lookup<'b> {
    pub(crate) const fn new(text: &'b [u8], smtputf8: bool) -> Self {
        Self { text, smtputf8 }
    }

    /// The octets as written: an Atom, a Dot-string, a Quoted-string with its quotes, or a mailbox.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.text
    }

    /// What the argument stands for: a Quoted-string without its quotes and quoting backslashes, anything else as
    /// written.
    pub fn value(self) -> impl Iterator<Item = u8> + Clone + use<'b> {
        unquoted(self.text)
    }

    /// The argument as a mailbox, if it is one (RFC 5321 §3.5.1).
    #[must_use]
    pub fn mailbox(self) -> Option<Mailbox<'b>> {
        Mailbox::parse(self.text).ok()
    }

    /// Whether the reply may hold UTF-8 (RFC 6531 §3.7.4.2).
    #[must_use]
    pub const fn smtputf8(self) -> bool {
        self.smtputf8
    }
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({})", self.text.escape_ascii())
    }
}

/// The argument of ETRN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Node<'b> {
    /// The queue of this host.
    Host(Domain<'b>),
    /// `@`: of this host and all below it.
    Subdomains(Domain<'b>),
    /// `#`: a queue with this name.
    Queue(Domain<'b>),
}

impl<'b> Node<'b> {
    /// The name without its sign.
    #[must_use]
    pub const fn name(self) -> Domain<'b> {
        match self {
            Self::Host(name) | Self::Subdomains(name) | Self::Queue(name) => name,
        }
    }

    pub(crate) fn write(self, out: &mut impl BufMut) {
        match self {
            Self::Host(_) => {}
            Self::Subdomains(_) => out.put_u8(b'@'),
            Self::Queue(_) => out.put_u8(b'#'),
        }
        out.put_slice(self.name().as_bytes());
    }
}

/// The argument of ATRN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Domains<'b> {
    text: &'b [u8],
}

impl<'b> Domains<'b> {
    pub(crate) const fn new(text: &'b [u8]) -> Self {
        Self { text }
    }

    /// The text as written: domains with commas between; empty for all there are.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.text
    }

    /// The domains, in order.
    pub fn iter(self) -> impl Iterator<Item = Domain<'b>> {
        self.text.split(|&octet| octet == b',').filter(|name| !name.is_empty()).map(Domain)
    }
}

impl fmt::Debug for Domains<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domains({})", self.text.escape_ascii())
    }
}
