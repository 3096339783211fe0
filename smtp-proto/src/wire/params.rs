//! The parameters of MAIL and RCPT.

use core::fmt;

use super::class::{LDH, LET_DIG, VALUE, is, key};
use super::datetime::DateTime;
use super::grammar::{self, Parsed, Rules, bad};
use super::leniency::Leniency;
pub use super::params_buf::{MailParamsBuf, RcptParamsBuf};
use super::values;
pub use super::values::{
    Body, ByMode, DeliverBy, Mtrk, Notify, Orcpt, OrcptAddress, Ret, Rrvs, RrvsAction, Solicit, Submitter,
};
use super::xtext::Xtext;
use crate::error::{Fault, ParseError};
use crate::limits;

/// A registered parameter of MAIL or RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Param {
    /// MAIL, RFC 1870.
    Size,
    /// MAIL, RFC 6152 and RFC 3030.
    Body,
    /// MAIL, RFC 6531.
    Smtputf8,
    /// MAIL, RFC 3461.
    Ret,
    /// MAIL, RFC 3461.
    Envid,
    /// MAIL, RFC 4954.
    Auth,
    /// MAIL, RFC 8689.
    RequireTls,
    /// MAIL, RFC 2852.
    By,
    /// MAIL, RFC 4865.
    HoldFor,
    /// MAIL, RFC 4865.
    HoldUntil,
    /// MAIL, RFC 6710.
    MtPriority,
    /// MAIL, RFC 1845.
    TransId,
    /// MAIL, RFC 3885.
    Mtrk,
    /// MAIL, RFC 3865.
    Solicit,
    /// MAIL, RFC 4141.
    ConPerm,
    /// RCPT, RFC 3461.
    Notify,
    /// RCPT, RFC 3461.
    Orcpt,
    /// RCPT, RFC 7293.
    Rrvs,
    /// RCPT, RFC 4141.
    ConNeg,
}

impl Param {
    /// Every parameter, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::Size,
        Self::Body,
        Self::Smtputf8,
        Self::Ret,
        Self::Envid,
        Self::Auth,
        Self::RequireTls,
        Self::By,
        Self::HoldFor,
        Self::HoldUntil,
        Self::MtPriority,
        Self::TransId,
        Self::Mtrk,
        Self::Solicit,
        Self::ConPerm,
        Self::Notify,
        Self::Orcpt,
        Self::Rrvs,
        Self::ConNeg,
    ];

    /// The keyword in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::Body => "BODY",
            Self::Smtputf8 => "SMTPUTF8",
            Self::Ret => "RET",
            Self::Envid => "ENVID",
            Self::Auth => "AUTH",
            Self::RequireTls => "REQUIRETLS",
            Self::By => "BY",
            Self::HoldFor => "HOLDFOR",
            Self::HoldUntil => "HOLDUNTIL",
            Self::MtPriority => "MT-PRIORITY",
            Self::TransId => "TRANSID",
            Self::Mtrk => "MTRK",
            Self::Solicit => "SOLICIT",
            Self::ConPerm => "CONPERM",
            Self::Notify => "NOTIFY",
            Self::Orcpt => "ORCPT",
            Self::Rrvs => "RRVS",
            Self::ConNeg => "CONNEG",
        }
    }

    /// Whether it belongs to MAIL; the others belong to RCPT.
    #[must_use]
    pub const fn is_mail(self) -> bool {
        !matches!(self, Self::Notify | Self::Orcpt | Self::Rrvs | Self::ConNeg)
    }

    /// The parameter with this keyword, compared without case.
    #[must_use]
    pub fn of(keyword: &[u8]) -> Option<Self> {
        const KEYS: [u128; Param::ALL.len()] = {
            let mut keys = [0; Param::ALL.len()];
            let mut i = 0;
            while i < keys.len() {
                keys[i] = key(Param::ALL[i].name().as_bytes());
                i += 1;
            }
            keys
        };
        let key = key(keyword);
        KEYS.iter().position(|known| *known == key).map(|number| Self::ALL[number])
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }

    /// Whether `value` is one that the parameter takes.
    fn takes(self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::Smtputf8 | Self::RequireTls | Self::ConPerm | Self::ConNeg);
        };
        match self {
            Self::Smtputf8 | Self::RequireTls | Self::ConPerm | Self::ConNeg => false,
            Self::Size => values::size(value).is_some(),
            Self::Body => Body::parse(value).is_some(),
            Self::Ret => Ret::parse(value).is_some(),
            Self::Envid => values::envid(value).is_some(),
            Self::Auth => Submitter::parse(value).is_some(),
            Self::By => DeliverBy::parse(value).is_some(),
            Self::HoldFor => values::holdfor(value).is_some(),
            Self::HoldUntil => DateTime::parse(value).is_some(),
            Self::MtPriority => values::priority(value).is_some(),
            Self::TransId => values::transid(value).is_some(),
            Self::Mtrk => Mtrk::parse(value).is_some(),
            Self::Solicit => Solicit::parse(value).is_some(),
            Self::Notify => Notify::parse(value).is_some(),
            Self::Orcpt => Orcpt::parse(value).is_some(),
            Self::Rrvs => Rrvs::parse(value).is_some(),
        }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Bit of [`Seen`] for parameters that are not registered.
const UNKNOWN: u32 = 1 << 31;

/// The parameters of MAIL, checked, borrowing the line.
///
/// The text is kept as written; a value that is not asked for costs nothing but its check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MailParams<'b> {
    raw: Raw<'b>,
    size: u64,
    body: Option<Body>,
}

/// The parameters of RCPT, checked, borrowing the line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RcptParams<'b> {
    raw: Raw<'b>,
}

/// Checked text and which parameters are in it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Raw<'b> {
    text: &'b [u8],
    seen: u32,
}

impl<'b> Raw<'b> {
    const EMPTY: Self = Self { text: b"", seen: 0 };

    const fn has(self, param: Param) -> bool {
        self.seen & param.bit() != 0
    }

    fn value(self, param: Param) -> Option<&'b [u8]> {
        if !self.has(param) {
            return None;
        }
        let (_, value) = pairs(self.text).find(|(keyword, _)| Param::of(keyword) == Some(param))?;
        value
    }

    fn unknown(self) -> impl Iterator<Item = (&'b [u8], Option<&'b [u8]>)> {
        let text = if self.seen & UNKNOWN == 0 { b"" } else { self.text };
        pairs(text).filter(|(keyword, _)| Param::of(keyword).is_none())
    }
}

/// Keyword and value of each parameter in checked text.
fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    text.split(|&octet| octet == b' ').filter(|pair| !pair.is_empty()).map(|pair| {
        match pair.iter().position(|&octet| octet == b'=') {
            Some(equals) => (&pair[..equals], Some(&pair[equals + 1..])),
            None => (pair, None),
        }
    })
}

macro_rules! common {
    ($name:ident { $($hot:ident),* }) => {
        impl<'b> $name<'b> {
            /// The text as written, without the SP before the first; empty if there is none.
            #[must_use]
            pub const fn as_bytes(&self) -> &'b [u8] {
                self.raw.text
            }

            /// Notes that `param` is there; whether it was before.
            pub(super) const fn see(&mut self, param: Param) -> bool {
                let before = self.raw.has(param);
                self.raw.seen |= param.bit();
                before
            }

            pub(super) const fn set_text(&mut self, text: &'b [u8]) {
                self.raw.text = text;
            }

            /// The same over another text, which must mean the same or be empty.
            pub(super) const fn over<'c>(&self, text: &'c [u8]) -> $name<'c> {
                $name { raw: Raw { text, seen: self.raw.seen }, $($hot: self.$hot),* }
            }

            /// Whether there is none.
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.raw.text.is_empty()
            }

            /// Whether it is given.
            #[must_use]
            pub const fn contains(&self, param: Param) -> bool {
                self.raw.has(param)
            }

            /// Keyword and value of each, as written and in order.
            pub fn iter(&self) -> impl Iterator<Item = (&'b [u8], Option<&'b [u8]>)> + use<'b> {
                pairs(self.raw.text)
            }

            /// Those that are not registered. A server that does not know one answers 555 (RFC 5321 §4.1.1.11).
            pub fn unknown(&self) -> impl Iterator<Item = (&'b [u8], Option<&'b [u8]>)> + use<'b> {
                self.raw.unknown()
            }

            /// Which registered ones are given, in the order of [`Param::ALL`].
            pub fn known(&self) -> impl Iterator<Item = Param> + use<'b> {
                let raw = self.raw;
                Param::ALL.into_iter().filter(move |&param| raw.has(param))
            }

            /// Whether a value holds UTF-8, which SMTPUTF8 must be in force for (RFC 6531 §3.3).
            #[must_use]
            pub fn needs_smtputf8(&self) -> bool {
                !self.raw.text.is_ascii()
            }
        }

        impl Default for $name<'_> {
            fn default() -> Self {
                Self::EMPTY
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.raw.text.escape_ascii())
            }
        }
    };
}

common!(MailParams { size, body });
common!(RcptParams {});

impl<'b> MailParams<'b> {
    /// None at all.
    pub const EMPTY: Self = Self { raw: Raw::EMPTY, size: 0, body: None };

    /// SIZE: how large the message is, as far as the client knows. `None` is "not said", not zero.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        if self.raw.has(Param::Size) { Some(self.size) } else { None }
    }

    pub(super) const fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    pub(super) const fn set_body(&mut self, body: Body) {
        self.body = Some(body);
    }

    /// BODY.
    #[must_use]
    pub const fn body(&self) -> Option<Body> {
        self.body
    }

    /// SMTPUTF8.
    #[must_use]
    pub const fn smtputf8(&self) -> bool {
        self.raw.has(Param::Smtputf8)
    }

    /// REQUIRETLS.
    #[must_use]
    pub const fn requiretls(&self) -> bool {
        self.raw.has(Param::RequireTls)
    }

    /// CONPERM.
    #[must_use]
    pub const fn conperm(&self) -> bool {
        self.raw.has(Param::ConPerm)
    }

    /// RET.
    #[must_use]
    pub fn ret(&self) -> Option<Ret> {
        self.raw.value(Param::Ret).and_then(Ret::parse)
    }

    /// ENVID.
    #[must_use]
    pub fn envid(&self) -> Option<Xtext<'b>> {
        self.raw.value(Param::Envid).and_then(values::envid)
    }

    /// AUTH.
    #[must_use]
    pub fn auth(&self) -> Option<Submitter<'b>> {
        self.raw.value(Param::Auth).and_then(Submitter::parse)
    }

    /// BY.
    #[must_use]
    pub fn by(&self) -> Option<DeliverBy> {
        self.raw.value(Param::By).and_then(DeliverBy::parse)
    }

    /// HOLDFOR: seconds.
    #[must_use]
    pub fn holdfor(&self) -> Option<u32> {
        self.raw.value(Param::HoldFor).and_then(values::holdfor)
    }

    /// HOLDUNTIL.
    #[must_use]
    pub fn holduntil(&self) -> Option<DateTime<'b>> {
        self.raw.value(Param::HoldUntil).and_then(DateTime::parse)
    }

    /// MT-PRIORITY: -9 to 9.
    #[must_use]
    pub fn mt_priority(&self) -> Option<i8> {
        self.raw.value(Param::MtPriority).and_then(values::priority)
    }

    /// TRANSID, without its brackets.
    #[must_use]
    pub fn transid(&self) -> Option<&'b [u8]> {
        self.raw.value(Param::TransId).and_then(values::transid)
    }

    /// MTRK.
    #[must_use]
    pub fn mtrk(&self) -> Option<Mtrk<'b>> {
        self.raw.value(Param::Mtrk).and_then(Mtrk::parse)
    }

    /// SOLICIT.
    #[must_use]
    pub fn solicit(&self) -> Option<Solicit<'b>> {
        self.raw.value(Param::Solicit).and_then(Solicit::parse)
    }

    /// Reads parameters with one SP between two, as they stand behind a path, strictly.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn parse(text: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(text, None, &Rules::default(), Self::read)
    }

    /// As [`parse`](Self::parse), with UTF-8 even where SMTPUTF8 is not beside it.
    pub(super) fn parse_stored(text: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(text, None, &Rules::new(Leniency::UTF8_UNDECLARED), Self::read)
    }

    /// What stands behind the path of MAIL and its SP.
    pub(crate) fn read(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Self> {
        let mut params = Self::EMPTY;
        let (rest, raw) = read(input, |param, value| {
            match param {
                Param::Size => params.size = value.and_then(values::size)?,
                Param::Body => params.body = Some(value.and_then(Body::parse)?),
                _ => {}
            }
            param.is_mail().then_some(())
        })?;
        if raw.has(Param::HoldFor) && raw.has(Param::HoldUntil) {
            return bad(input, Fault::ParamConflict);
        }
        // RFC 6531 §3.3 extends esmtp-value for a transaction with SMTPUTF8 only.
        let undeclared = !raw.has(Param::Smtputf8) && !raw.text.is_ascii();
        if undeclared && !rules.tolerate(Leniency::UTF8_UNDECLARED) {
            return bad(input, Fault::ParamValue);
        }
        Ok((rest, Self { raw, ..params }))
    }
}

impl<'b> RcptParams<'b> {
    /// None at all.
    pub const EMPTY: Self = Self { raw: Raw::EMPTY };

    /// NOTIFY. Absent means failures, and delays where the server likes (RFC 3461 §4.1).
    #[must_use]
    pub fn notify(&self) -> Option<Notify> {
        self.raw.value(Param::Notify).and_then(Notify::parse)
    }

    /// ORCPT.
    #[must_use]
    pub fn orcpt(&self) -> Option<Orcpt<'b>> {
        self.raw.value(Param::Orcpt).and_then(Orcpt::parse)
    }

    /// RRVS.
    #[must_use]
    pub fn rrvs(&self) -> Option<Rrvs<'b>> {
        self.raw.value(Param::Rrvs).and_then(Rrvs::parse)
    }

    /// CONNEG.
    #[must_use]
    pub const fn conneg(&self) -> bool {
        self.raw.has(Param::ConNeg)
    }

    /// Reads parameters with one SP between two, as they stand behind a path.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn parse(text: &'b [u8]) -> Result<Self, ParseError> {
        grammar::whole(text, None, &Rules::default(), Self::read)
    }

    pub(super) fn parse_stored(text: &'b [u8]) -> Result<Self, ParseError> {
        Self::parse(text)
    }

    /// What stands behind the path of RCPT and its SP.
    pub(crate) fn read(_: &Rules, input: &'b [u8]) -> Parsed<'b, Self> {
        let (rest, raw) = read(input, |param, _| (!param.is_mail()).then_some(()))?;
        Ok((rest, Self { raw }))
    }
}

/// Reads parameters with one SP between two up to the end of the line. `take` is told of each registered one whose
/// value is right, and says `None` to one that does not belong.
fn read<'b>(
    text: &'b [u8],
    mut take: impl FnMut(Param, Option<&'b [u8]>) -> Option<()>,
) -> Parsed<'b, Raw<'b>> {
    let (mut rest, mut seen, mut unknown) = (text, 0, 0);
    while !text.is_empty() {
        let (next, (keyword, value)) = esmtp_param(rest)?;
        match Param::of(keyword) {
            Some(param) => {
                if seen & param.bit() != 0 {
                    return bad(rest, Fault::ParamTwice);
                }
                if !param.takes(value) {
                    return bad(rest, Fault::ParamValue);
                }
                if take(param, value).is_none() {
                    return bad(rest, Fault::ParamUnknown);
                }
                seen |= param.bit();
            }
            None => {
                let before = &text[..text.len() - rest.len()];
                if pairs(before).any(|(earlier, _)| earlier.eq_ignore_ascii_case(keyword)) {
                    return bad(rest, Fault::ParamTwice);
                }
                unknown += 1;
                if unknown > limits::UNKNOWN_PARAMS {
                    return bad(rest, Fault::ParamUnknown);
                }
                seen |= UNKNOWN;
            }
        }
        rest = match next {
            [] => break,
            [b' ', after @ ..] => after,
            _ => return bad(next, Fault::ParamKeyword),
        };
    }
    Ok((&[], Raw { text, seen }))
}

/// `esmtp-param` (RFC 5321 §4.1.2), the value with UTF-8 (RFC 6531 §3.3).
fn esmtp_param(input: &[u8]) -> Parsed<'_, (&[u8], Option<&[u8]>)> {
    let len = input.iter().take_while(|&&octet| is(octet, LDH)).count();
    let (keyword, rest) = input.split_at(len);
    if !keyword.first().is_some_and(|&octet| is(octet, LET_DIG)) {
        return bad(input, Fault::ParamKeyword);
    }
    let [b'=', value @ ..] = rest else {
        return if matches!(rest, [] | [b' ', ..]) {
            Ok((rest, (keyword, None)))
        } else {
            bad(rest, Fault::ParamKeyword)
        };
    };
    let len = value.iter().position(|&octet| octet == b' ').unwrap_or(value.len());
    let (value, rest) = value.split_at(len);
    // RFC 3885 §4 has base64 with its padding here, which esmtp-value has not.
    let equals = keyword.eq_ignore_ascii_case(b"MTRK");
    let fits = |octet: u8| is(octet, VALUE) || octet >= 0x80 || (equals && octet == b'=');
    let clean = value.iter().all(|&octet| fits(octet)) && core::str::from_utf8(value).is_ok();
    if value.is_empty() || !clean {
        return bad(&input[keyword.len() + 1..], Fault::ParamValue);
    }
    Ok((rest, (keyword, Some(value))))
}
