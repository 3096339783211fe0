//! Mailboxes and paths.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use super::grammar::{self, Rules};
use super::host::{Domain, Host, Literal};
use super::leniency::{Deviations, Leniency};
use crate::error::{Fault, ParseError};

/// A mailbox as it was written, without brackets: a local part, "@", a domain or a literal; or "Postmaster" alone
/// (RFC 5321 §4.1.2, §4.5.1).
///
/// Nothing is rewritten: a quoted local part stays quoted, case stays. Two mailboxes are equal when their domains
/// are without ASCII case, or their literals by value, and their local parts' *values* (unquoted) octet by octet;
/// the local part "postmaster" compares without case, and "Postmaster" alone equals only itself.
#[derive(Clone, Copy)]
pub struct Mailbox<'b> {
    text: &'b [u8],
    /// Where the "@" is; the length of the text if there is none.
    at: u16,
}

impl<'b> Mailbox<'b> {
    pub(crate) const POSTMASTER: &'static [u8] = b"Postmaster";

    /// Reads a mailbox without brackets, strictly, UTF-8 allowed. "Postmaster" alone is one too.
    ///
    /// # Errors
    /// [`Fault::ForwardPath`] when it is none.
    pub fn parse(octets: &'b [u8]) -> Result<Self, ParseError> {
        if octets.eq_ignore_ascii_case(Self::POSTMASTER) {
            return Ok(Self::checked(octets, octets.len()));
        }
        grammar::whole(octets, Some(Fault::ForwardPath), &Rules::default(), grammar::mailbox)
    }

    /// As [`parse`](Self::parse), with what `leniency` tolerates of mailboxes; the deviations that were met are
    /// returned beside it.
    ///
    /// # Errors
    /// [`Fault::ForwardPath`] when it is none even so.
    pub fn parse_with(octets: &'b [u8], leniency: Leniency) -> Result<(Self, Deviations), ParseError> {
        if let Ok(mailbox) = Self::parse(octets) {
            return Ok((mailbox, Deviations::NONE));
        }
        let rules = Rules::new(leniency);
        let mailbox = grammar::whole(octets, Some(Fault::ForwardPath), &rules, grammar::mailbox)?;
        Ok((mailbox, rules.met().into()))
    }

    /// What the grammar has checked; `local` is at most [`LOCAL_PART`](crate::limits::LOCAL_PART).
    pub(crate) const fn checked(text: &'b [u8], local: usize) -> Self {
        Self { text, at: local as u16 }
    }

    /// The octets as written: ASCII or well-formed UTF-8.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.text
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(self) -> &'b str {
        // INVARIANT: checked when it was parsed.
        core::str::from_utf8(self.text).unwrap_or_default()
    }

    /// The local part as written, with its quotes if it has any.
    #[must_use]
    pub fn local_part(self) -> &'b [u8] {
        self.text.get(..usize::from(self.at)).unwrap_or_default()
    }

    /// The local part's value: quotes and quoting backslashes taken off.
    pub fn local_value(self) -> impl Iterator<Item = u8> + Clone + use<'b> {
        unquoted(self.local_part())
    }

    /// The domain, or `None` for a literal and for "Postmaster" alone.
    #[must_use]
    pub fn domain(self) -> Option<Domain<'b>> {
        self.host().and_then(Host::domain)
    }

    /// The address literal, if there is one in place of a domain.
    #[must_use]
    pub fn literal(self) -> Option<Literal<'b>> {
        match self.host() {
            Some(Host::Literal(literal)) => Some(literal),
            _ => None,
        }
    }

    /// What stands right of the "@", or `None` for "Postmaster" alone.
    #[must_use]
    pub fn host(self) -> Option<Host<'b>> {
        self.text.get(usize::from(self.at) + 1..).map(Host::checked)
    }

    /// Whether the local part's value is "postmaster" in any case, with a domain or alone.
    #[must_use]
    pub fn is_postmaster(self) -> bool {
        let lower = self.local_value().map(|octet| octet.to_ascii_lowercase());
        lower.eq(Self::POSTMASTER.iter().map(u8::to_ascii_lowercase))
    }

    /// Whether it holds UTF-8, so that it can be sent under SMTPUTF8 only.
    #[must_use]
    pub fn needs_smtputf8(self) -> bool {
        !self.text.is_ascii()
    }

    /// An owned copy.
    #[must_use]
    pub fn to_owned(self) -> MailboxBuf {
        MailboxBuf { text: self.as_str().into(), at: self.at }
    }

    /// The canonical form, for storing and looking up: quotes only where needed, the domain and "postmaster" in
    /// lower case, literals of addresses written as RFC 5952 does. Equal mailboxes have the same.
    #[must_use]
    pub fn to_canonical(self) -> MailboxBuf {
        super::canonical::mailbox(self)
    }
}

/// The value of a Quoted-string; anything else is its own.
pub(crate) fn unquoted(text: &[u8]) -> impl Iterator<Item = u8> + Clone + use<'_> {
    let (quoted, inner) = match text {
        [b'"', inner @ .., b'"'] => (true, inner),
        plain => (false, plain),
    };
    let mut octets = inner.iter().copied();
    core::iter::from_fn(move || match octets.next() {
        Some(b'\\') if quoted => octets.next(),
        octet => octet,
    })
}

impl PartialEq for Mailbox<'_> {
    fn eq(&self, other: &Mailbox<'_>) -> bool {
        let locals =
            (self.is_postmaster() && other.is_postmaster()) || self.local_value().eq(other.local_value());
        locals && self.host() == other.host()
    }
}

impl Eq for Mailbox<'_> {}

impl Hash for Mailbox<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let fold = self.is_postmaster();
        for octet in self.local_value() {
            state.write_u8(if fold { octet.to_ascii_lowercase() } else { octet });
        }
        state.write_u8(0xFF);
        self.host().hash(state);
    }
}

impl fmt::Display for Mailbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Mailbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// The argument of MAIL: a mailbox, or `<>` for reports about reports (RFC 5321 §4.5.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReversePath<'b> {
    /// `<>`.
    Null,
    /// A mailbox.
    Mailbox(Mailbox<'b>),
}

impl<'b> ReversePath<'b> {
    /// Reads a reverse-path with its brackets, strictly, UTF-8 allowed.
    ///
    /// # Errors
    /// [`Fault::ReversePath`] when it is none.
    pub fn parse(octets: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(octets, Some(Fault::ReversePath), &Rules::default(), grammar::reverse_path)
    }

    /// As [`parse`](Self::parse), with what `leniency` tolerates of paths; the deviations that were met are returned
    /// beside it.
    ///
    /// # Errors
    /// [`Fault::ReversePath`] when it is none even so.
    pub fn parse_with(octets: &'b [u8], leniency: Leniency) -> Result<(Self, Deviations), ParseError> {
        if let Ok(path) = Self::parse(octets) {
            return Ok((path, Deviations::NONE));
        }
        let rules = Rules::new(leniency);
        let path = grammar::whole(octets, Some(Fault::ReversePath), &rules, grammar::reverse_path)?;
        Ok((path, rules.met().into()))
    }

    /// The mailbox, if it is not null.
    #[must_use]
    pub const fn mailbox(self) -> Option<Mailbox<'b>> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// Whether it is `<>`.
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it holds UTF-8.
    #[must_use]
    pub fn needs_smtputf8(self) -> bool {
        self.mailbox().is_some_and(Mailbox::needs_smtputf8)
    }

    /// An owned copy.
    #[must_use]
    pub fn to_owned(self) -> ReversePathBuf {
        match self {
            Self::Null => ReversePathBuf::Null,
            Self::Mailbox(mailbox) => ReversePathBuf::Mailbox(mailbox.to_owned()),
        }
    }
}

impl<'b> From<Mailbox<'b>> for ReversePath<'b> {
    fn from(mailbox: Mailbox<'b>) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl<'b> From<&'b MailboxBuf> for Mailbox<'b> {
    fn from(mailbox: &'b MailboxBuf) -> Self {
        mailbox.as_mailbox()
    }
}

impl<'b> From<&'b MailboxBuf> for ReversePath<'b> {
    fn from(mailbox: &'b MailboxBuf) -> Self {
        Self::Mailbox(mailbox.as_mailbox())
    }
}

impl<'b> From<&'b ReversePathBuf> for ReversePath<'b> {
    fn from(path: &'b ReversePathBuf) -> Self {
        path.as_path()
    }
}

impl fmt::Display for ReversePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

impl fmt::Debug for ReversePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a forward-path with its brackets: `<Postmaster>` or a path (RFC 5321 §4.1.1.3), strictly, UTF-8 allowed.
///
/// # Errors
/// [`Fault::ForwardPath`] when it is none.
pub fn forward_path(octets: &[u8]) -> Result<Mailbox<'_>, ParseError> {
    grammar::whole(octets, Some(Fault::ForwardPath), &Rules::default(), grammar::forward_path)
}

/// An owned [`Mailbox`], compared alike.
#[derive(Clone)]
pub struct MailboxBuf {
    text: Box<str>,
    at: u16,
}

impl MailboxBuf {
    pub(crate) fn checked(text: String, local: usize) -> Self {
        Self { text: text.into(), at: local as u16 }
    }

    /// The mailbox, borrowed.
    #[must_use]
    pub fn as_mailbox(&self) -> Mailbox<'_> {
        Mailbox { text: self.text.as_bytes(), at: self.at }
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part as written.
    #[must_use]
    pub fn local_part(&self) -> &[u8] {
        self.as_mailbox().local_part()
    }

    /// The domain, or `None` for a literal and for "Postmaster" alone.
    #[must_use]
    pub fn domain(&self) -> Option<Domain<'_>> {
        self.as_mailbox().domain()
    }
}

impl FromStr for MailboxBuf {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Mailbox::parse(text.as_bytes()).map(Mailbox::to_owned)
    }
}

impl From<Mailbox<'_>> for MailboxBuf {
    fn from(mailbox: Mailbox<'_>) -> Self {
        mailbox.to_owned()
    }
}

impl From<MailboxBuf> for String {
    fn from(mailbox: MailboxBuf) -> Self {
        mailbox.text.into()
    }
}

impl PartialEq for MailboxBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_mailbox() == other.as_mailbox()
    }
}

impl PartialEq<Mailbox<'_>> for MailboxBuf {
    fn eq(&self, other: &Mailbox<'_>) -> bool {
        self.as_mailbox() == *other
    }
}

impl PartialEq<MailboxBuf> for Mailbox<'_> {
    fn eq(&self, other: &MailboxBuf) -> bool {
        *self == other.as_mailbox()
    }
}

impl Eq for MailboxBuf {}

impl Hash for MailboxBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_mailbox().hash(state);
    }
}

impl fmt::Display for MailboxBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for MailboxBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_mailbox().fmt(f)
    }
}

/// An owned [`ReversePath`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ReversePathBuf {
    /// `<>`.
    Null,
    /// A mailbox.
    Mailbox(MailboxBuf),
}

impl ReversePathBuf {
    /// The path, borrowed.
    #[must_use]
    pub fn as_path(&self) -> ReversePath<'_> {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Mailbox(mailbox.as_mailbox()),
        }
    }
}

impl FromStr for ReversePathBuf {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        ReversePath::parse(text.as_bytes()).map(ReversePath::to_owned)
    }
}

impl From<MailboxBuf> for ReversePathBuf {
    fn from(mailbox: MailboxBuf) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl From<ReversePath<'_>> for ReversePathBuf {
    fn from(path: ReversePath<'_>) -> Self {
        path.to_owned()
    }
}

impl fmt::Display for ReversePathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().fmt(f)
    }
}

impl fmt::Debug for ReversePathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().fmt(f)
    }
}
