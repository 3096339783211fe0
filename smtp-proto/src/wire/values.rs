//! The values of registered parameters, one reader each: the same that checks is the one that reads again later.

use core::fmt;

use super::base64::Base64;
use super::class::{ATEXT, DIGIT, LET_DIG, VALUE, all, is};
use super::datetime::DateTime;
use super::path::Mailbox;
use super::xtext::{Utf8Address, Xtext};
use crate::limits;

/// BODY: what the content is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Body {
    /// Lines of ASCII (RFC 6152).
    SevenBit,
    /// Lines of octets (RFC 6152).
    EightBitMime,
    /// Octets, lines or not; needs BDAT (RFC 3030).
    BinaryMime,
}

impl Body {
    /// The value as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }

    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        [Self::SevenBit, Self::EightBitMime, Self::BinaryMime]
            .into_iter()
            .find(|body| value.eq_ignore_ascii_case(body.as_str().as_bytes()))
    }
}

/// RET: how much of the message a report returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ret {
    /// All of it.
    Full,
    /// The header only.
    Hdrs,
}

impl Ret {
    /// The value as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Hdrs => "HDRS",
        }
    }

    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        [Self::Full, Self::Hdrs].into_iter().find(|ret| value.eq_ignore_ascii_case(ret.as_str().as_bytes()))
    }
}

/// AUTH of MAIL: who submitted the message (RFC 4954 §5). To be believed from authenticated peers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Submitter<'b> {
    /// `<>`: not known, or not trusted.
    Unknown,
    /// A mailbox in xtext; what it stands for was checked to be one.
    Mailbox(Xtext<'b>),
}

impl<'b> Submitter<'b> {
    pub(crate) fn parse(value: &'b [u8]) -> Option<Self> {
        let text = Xtext::parse(value).ok()?;
        // Most have nothing encoded.
        if !value.contains(&b'+') {
            return Self::decoded(value, text);
        }
        let mut kept = [0; limits::PATH];
        let mut len = 0;
        for octet in text.decoded() {
            *kept.get_mut(len)? = octet;
            len += 1;
        }
        Self::decoded(kept.get(..len)?, text)
    }

    fn decoded(octets: &[u8], text: Xtext<'b>) -> Option<Self> {
        if octets == b"<>" {
            return Some(Self::Unknown);
        }
        let mailbox = Mailbox::parse(octets).ok()?;
        (mailbox.host().is_some() && !mailbox.needs_smtputf8()).then_some(Self::Mailbox(text))
    }
}

/// What BY asks for when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ByMode {
    /// N: go on, and tell the sender.
    Notify,
    /// R: give up, and return the message.
    Return,
}

/// BY: deliver within a time (RFC 2852 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliverBy {
    /// Seconds left, of at most nine digits; above zero for [`ByMode::Return`].
    pub seconds: i32,
    /// What happens then.
    pub mode: ByMode,
    /// T: report each relay.
    pub trace: bool,
}

impl DeliverBy {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let semicolon = value.iter().position(|&octet| octet == b';')?;
        let (time, mode) = (&value[..semicolon], &value[semicolon + 1..]);
        let (sign, digits) = match time {
            [b'-', digits @ ..] => (-1, digits),
            [b'+', digits @ ..] => (1, digits),
            digits => (1, digits),
        };
        let seconds = sign * i32::try_from(number(digits, 9)?).ok()?;
        let (mode, trace) = match mode {
            [b'N' | b'n', trace @ ..] => (ByMode::Notify, trace),
            [b'R' | b'r', trace @ ..] if seconds > 0 => (ByMode::Return, trace),
            _ => return None,
        };
        match trace {
            [] => Some(Self { seconds, mode, trace: false }),
            [b'T' | b't'] => Some(Self { seconds, mode, trace: true }),
            _ => None,
        }
    }
}

/// MTRK: what a later question about the message must prove (RFC 3885 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtrk<'b> {
    /// A hash.
    pub certifier: Base64<'b>,
    /// How long to keep track, in seconds.
    pub timeout: Option<u32>,
}

impl<'b> Mtrk<'b> {
    pub(crate) fn parse(value: &'b [u8]) -> Option<Self> {
        let (certifier, timeout) = match value.iter().position(|&octet| octet == b':') {
            Some(colon) => (&value[..colon], Some(u32::try_from(number(&value[colon + 1..], 9)?).ok()?)),
            None => (value, None),
        };
        let certifier = Base64::parse(certifier).ok().filter(|text| !text.as_bytes().is_empty())?;
        Some(Self { certifier, timeout })
    }
}

/// SOLICIT: keywords of solicitation classes (RFC 3865 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Solicit<'b>(&'b [u8]);

impl<'b> Solicit<'b> {
    pub(crate) fn parse(value: &'b [u8]) -> Option<Self> {
        let is_word = |word: &[u8]| {
            word.first().is_some_and(u8::is_ascii_alphabetic)
                && word.iter().all(|&octet| is(octet, LET_DIG) || matches!(octet, b'.' | b'-' | b'_' | b':'))
        };
        (value.len() <= limits::SOLICIT && value.split(|&octet| octet == b',').all(is_word))
            .then_some(Self(value))
    }

    /// The text as written.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The keywords, in order.
    pub fn keywords(self) -> impl Iterator<Item = &'b [u8]> {
        self.0.split(|&octet| octet == b',')
    }
}

impl fmt::Debug for Solicit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Solicit({})", self.0.escape_ascii())
    }
}

/// NOTIFY: which reports are wanted (RFC 3461 §4.1). A set; the empty one is NEVER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notify(u8);

impl Notify {
    /// No report at all.
    pub const NEVER: Self = Self(0);
    /// When it was delivered.
    pub const SUCCESS: Self = Self(1);
    /// When it could not be delivered.
    pub const FAILURE: Self = Self(2);
    /// When it is late.
    pub const DELAY: Self = Self(4);

    /// This and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether reports of this kind are wanted; [`NEVER`](Self::NEVER) is contained in NEVER only.
    #[must_use]
    pub const fn contains(self, one: Self) -> bool {
        if one.0 == 0 { self.0 == 0 } else { self.0 & one.0 == one.0 }
    }

    /// Whether no report is wanted.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        if value.eq_ignore_ascii_case(b"NEVER") {
            return Some(Self::NEVER);
        }
        value.split(|&octet| octet == b',').try_fold(Self::NEVER, |sum, word| {
            let (one, _) = Self::WORDS.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()))?;
            (sum.0 & one.0 == 0).then(|| sum.with(*one))
        })
    }

    const WORDS: [(Self, &'static str); 3] =
        [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")];
}

impl fmt::Display for Notify {
    /// The value as it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.write_str("NEVER");
        }
        let words = Self::WORDS.iter().filter(|(one, _)| self.contains(*one));
        for (i, (_, name)) in words.enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// ORCPT: the address as the sender gave it (RFC 3461 §4.2). It need not be a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orcpt<'b> {
    kind: &'b [u8],
    address: OrcptAddress<'b>,
}

/// How the address of an [`Orcpt`] is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrcptAddress<'b> {
    /// xtext of printable ASCII: every type but utf-8.
    Xtext(Xtext<'b>),
    /// UTF-8 perhaps escaped: type utf-8 (RFC 6533 §3).
    Utf8(Utf8Address<'b>),
}

impl<'b> Orcpt<'b> {
    pub(crate) fn parse(value: &'b [u8]) -> Option<Self> {
        let semicolon = value.iter().position(|&octet| octet == b';')?;
        let (kind, text) = (&value[..semicolon], &value[semicolon + 1..]);
        if kind.is_empty() || !all(kind, ATEXT) || value.len() > limits::ORCPT {
            return None;
        }
        let address = if kind.eq_ignore_ascii_case(b"utf-8") {
            OrcptAddress::Utf8(Utf8Address::parse(text).ok()?)
        } else {
            OrcptAddress::Xtext(Xtext::parse(text).ok().filter(|text| text.is_printable())?)
        };
        Some(Self { kind, address })
    }

    /// The address type as written: `rfc822`, `utf-8`, or another. Compared without case.
    #[must_use]
    pub const fn kind(self) -> &'b [u8] {
        self.kind
    }

    /// The address, still encoded.
    #[must_use]
    pub const fn address(self) -> OrcptAddress<'b> {
        self.address
    }

    /// The characters the address stands for.
    pub fn decoded(self) -> impl Iterator<Item = char> + use<'b> {
        let (xtext, utf8) = match self.address {
            OrcptAddress::Xtext(text) => (Some(text.decoded().map(char::from)), None),
            OrcptAddress::Utf8(text) => (None, Some(text.decoded())),
        };
        xtext.into_iter().flatten().chain(utf8.into_iter().flatten())
    }
}

/// What RRVS asks for where it can't be honoured (RFC 7293 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RrvsAction {
    /// C: deliver all the same.
    Continue,
    /// R: refuse. Meant where nothing is said.
    Reject,
}

/// RRVS: deliver only if the mailbox has had its owner since then (RFC 7293 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rrvs<'b> {
    /// Since when.
    pub since: DateTime<'b>,
    /// What to do where that can't be told.
    pub action: RrvsAction,
}

impl<'b> Rrvs<'b> {
    pub(crate) fn parse(value: &'b [u8]) -> Option<Self> {
        let (since, action) = match value {
            [since @ .., b';', b'C' | b'c'] => (since, RrvsAction::Continue),
            [since @ .., b';', b'R' | b'r'] => (since, RrvsAction::Reject),
            since => (since, RrvsAction::Reject),
        };
        Some(Self { since: DateTime::parse(since)?, action })
    }
}

/// Decimal digits, at least one and at most `most`; `None` also where 64 bits are too few.
pub(crate) fn number(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most || !all(digits, DIGIT) {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// SIZE (RFC 1870 §6).
pub(crate) fn size(value: &[u8]) -> Option<u64> {
    number(value, 20)
}

/// HOLDFOR (RFC 4865 §4): no leading zero.
pub(crate) fn holdfor(value: &[u8]) -> Option<u32> {
    let seconds = number(value, 9)?;
    (value.first() != Some(&b'0')).then_some(seconds as u32)
}

/// MT-PRIORITY (RFC 6710 §3): -9 to 9, no "+", no leading zero.
pub(crate) fn priority(value: &[u8]) -> Option<i8> {
    match *value {
        [digit @ b'0'..=b'9'] => Some((digit - b'0') as i8),
        [b'-', digit @ b'1'..=b'9'] => Some(-((digit - b'0') as i8)),
        _ => None,
    }
}

/// ENVID (RFC 3461 §4.4): xtext of printable ASCII, at most 100 characters as written.
pub(crate) fn envid(value: &[u8]) -> Option<Xtext<'_>> {
    let text = Xtext::parse(value).ok()?;
    ((1..=limits::ENVID).contains(&value.len()) && text.is_printable()).then_some(text)
}

/// TRANSID (RFC 1845): in angle brackets, which are taken off.
pub(crate) fn transid(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'<', id @ .., b'>'] if (1..=limits::TRANSID).contains(&id.len()) && all(id, VALUE) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::params::MailParams;

    /// The values that are rare enough for nobody to have collected any.
    const VALUES: &[(&str, bool, &str)] = &[
        ("TRANSID=<12345@client.example>", true, "in brackets"),
        ("TRANSID=12345", false, "no brackets"),
        ("TRANSID=<>", false, "nothing in them"),
        ("TRANSID=<a=b>", false, "no value has an equals sign"),
        ("TRANSID", false, "no value"),
        ("MTRK=rO0ABXNyABFqYXZhLnV0aWwuSGFzaA==", true, "base64 with its padding, which RFC 3885 §4 has"),
        ("MTRK=QUJD:86400", true, "with a time-out"),
        ("MTRK=QUJD:", false, "a colon and no time-out"),
        ("MTRK=QUJD:1234567890", false, "ten digits"),
        ("MTRK=:5", false, "no certifier"),
        ("MTRK=QU*D", false, "no base64"),
        ("MTRK=QUI", false, "padding missing"),
        ("MTRK", false, "no value"),
        ("SOLICIT=net.example:ADV", true, "one keyword"),
        ("SOLICIT=net.example:ADV,org.example:ADV:ADLT", true, "two"),
        ("SOLICIT=net.example:ADV,", false, "an empty one"),
        ("SOLICIT=1.example:ADV", false, "begins with a digit"),
        ("SOLICIT=a/b", false, "no slash"),
        ("CONPERM", true, "no value"),
        ("CONPERM=1", false, "a value"),
        ("CONNEG", false, "belongs to RCPT"),
    ];

    #[test]
    fn rare_values_are_judged_by_their_rfcs() {
        for &(text, valid, why) in VALUES {
            assert_eq!(MailParams::parse(text.as_bytes()).is_ok(), valid, "{text}: {why}");
        }
    }

    #[test]
    fn rare_values_are_read_as_written() {
        let text = b"transid=<a@b> mtrk=QUJD:60 solicit=a.example:ADV,b.example:X conperm";
        let params = MailParams::parse(text).unwrap();
        assert_eq!(params.transid(), Some(&b"a@b"[..]));
        let mtrk = params.mtrk().unwrap();
        assert_eq!((mtrk.certifier.as_bytes(), mtrk.timeout), (&b"QUJD"[..], Some(60)));
        let solicit = params.solicit().unwrap();
        assert!(solicit.keywords().eq([&b"a.example:ADV"[..], b"b.example:X"]));
        assert!(params.conperm());
        assert_eq!(params.as_bytes(), text);
    }
}
