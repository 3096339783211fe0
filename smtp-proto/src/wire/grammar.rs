//! The shapes that everything else is built from, as nom parsers over a framed line.
//!
//! They work on suffixes of the line, so that what is left over says where a fault is.

use core::cell::Cell;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::combinator::{opt, recognize, verify};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::class::{ATEXT, DCONTENT, LDH, QTEXT, is};
use super::host::{Domain, Host, Literal, is_literal};
use super::leniency::Leniency;
use super::path::{Mailbox, ReversePath};
use crate::error::{Fault, ParseError};
use crate::limits;

/// What a parser was not satisfied with; where is told by how much was left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bad {
    pub(crate) left: usize,
    pub(crate) fault: Fault,
}

impl nom::error::ParseError<&[u8]> for Bad {
    fn from_error_kind(input: &[u8], _: nom::error::ErrorKind) -> Self {
        Self { left: input.len(), fault: Fault::Argument }
    }

    fn append(_: &[u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

pub(crate) type Parsed<'b, T> = IResult<&'b [u8], T, Bad>;

/// A fault at the front of `input`.
pub(crate) fn bad<T>(input: &[u8], fault: Fault) -> Parsed<'_, T> {
    Err(nom::Err::Error(Bad { left: input.len(), fault }))
}

/// Gives what `parser` refuses the name `fault`.
pub(crate) fn named<'b, T>(parsed: Parsed<'b, T>, fault: Fault) -> Parsed<'b, T> {
    parsed.map_err(|error| error.map(|bad| Bad { fault, ..bad }))
}

/// What is tolerated, and what of it was met.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    allowed: Leniency,
    met: Cell<Leniency>,
}

impl Rules {
    pub(crate) const fn new(allowed: Leniency) -> Self {
        Self { allowed, met: Cell::new(Leniency::STRICT) }
    }

    pub(crate) const fn allow(&self, one: Leniency) -> bool {
        self.allowed.allows(one)
    }

    /// To be called where a deviation is found and nothing but it could be read.
    pub(crate) fn note(&self, one: Leniency) {
        self.met.set(self.met.get().with(one));
    }

    pub(crate) fn tolerate(&self, one: Leniency) -> bool {
        let allowed = self.allow(one);
        if allowed {
            self.note(one);
        }
        allowed
    }

    pub(crate) fn met(&self) -> Leniency {
        self.met.get()
    }
}

/// Runs a parser that must take all of `octets`; what it refuses is called `fault`, if that is given.
pub(crate) fn whole<'b, T>(
    octets: &'b [u8],
    fault: Option<Fault>,
    rules: &Rules,
    parser: impl FnOnce(&Rules, &'b [u8]) -> Parsed<'b, T>,
) -> Result<T, ParseError> {
    let bad = match parser(rules, octets) {
        Ok(([], value)) => return Ok(value),
        Ok((rest, _)) => Bad { left: rest.len(), fault: Fault::Argument },
        Err(nom::Err::Incomplete(_)) => Bad { left: 0, fault: Fault::Argument },
        Err(nom::Err::Error(bad) | nom::Err::Failure(bad)) => bad,
    };
    Err(ParseError::new(fault.unwrap_or(bad.fault), octets.len() - bad.left))
}

const NON_ASCII: core::ops::RangeInclusive<u8> = 0x80..=0xFF;

/// Whether `text` is UTF-8 that a mailbox or a domain may hold.
///
/// Refused though the ABNF has them: C1 controls and the separators U+2028 and U+2029, which are line ends to
/// some, and U+FEFF, which shows nowhere.
fn is_clean_utf8(text: &[u8]) -> bool {
    let refused = |c| matches!(c, '\u{80}'..='\u{9F}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}');
    core::str::from_utf8(text).is_ok_and(|text| !text.contains(refused))
}

/// Whether `text` has one of the dots that only some readers split labels at (RFC 3490 §3.1).
fn has_odd_dot(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| text.contains(['\u{3002}', '\u{FF0E}', '\u{FF61}']))
}

fn label<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    let underscore = rules.allow(Leniency::DOMAIN_UNDERSCORE);
    let octet = |octet| is(octet, LDH) || NON_ASCII.contains(&octet) || (underscore && octet == b'_');
    let (rest, label) = verify(take_while1(octet), |label: &[u8]| {
        label.first() != Some(&b'-')
            && label.last() != Some(&b'-')
            && (label.len() <= limits::LABEL || !label.is_ascii())
    })
    .parse(input)?;
    if label.contains(&b'_') {
        rules.note(Leniency::DOMAIN_UNDERSCORE);
    }
    Ok((rest, label))
}

/// `Domain`, with U-labels.
pub(crate) fn domain<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Domain<'b>> {
    let labels = (|i| label(rules, i), many0_count(preceded(tag("."), |i| label(rules, i))));
    let (mut rest, mut text) = recognize(labels).parse(input)?;
    if rest.first() == Some(&b'.') && rules.tolerate(Leniency::DOMAIN_FINAL_DOT) {
        (text, rest) = input.split_at(text.len() + 1);
    }
    let clean = text.is_ascii() || (is_clean_utf8(text) && !has_odd_dot(text));
    if text.len() > limits::DOMAIN || !clean {
        return bad(input, Fault::Argument);
    }
    Ok((rest, Domain(text)))
}

/// An address literal with its brackets.
pub(crate) fn literal(input: &[u8]) -> Parsed<'_, Literal<'_>> {
    let inner = verify(take_while(|octet| is(octet, DCONTENT)), is_literal);
    let (rest, text) = recognize(delimited(tag("["), inner, tag("]"))).parse(input)?;
    if text.len() > limits::DOMAIN {
        return bad(input, Fault::Argument);
    }
    Ok((rest, Literal(text)))
}

/// `Domain / address-literal`.
pub(crate) fn host<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Host<'b>> {
    match input {
        [b'[', ..] => literal.map(Host::Literal).parse(input),
        _ => (|i| domain(rules, i)).map(Host::Domain).parse(input),
    }
}

fn is_atext(octet: u8) -> bool {
    is(octet, ATEXT) || NON_ASCII.contains(&octet)
}

/// `Atom`, with UTF-8.
fn atom(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(is_atext).parse(input)
}

fn dot_string<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    let strict = recognize((atom, many0_count(preceded(tag("."), atom)))).parse(input);
    let next = strict.as_ref().map_or(input, |(rest, _)| rest).first();
    if next == Some(&b'.') && rules.allow(Leniency::LOCAL_PART_DOTS) {
        let dots = take_while1(|octet| octet == b'.' || is_atext(octet)).parse(input);
        rules.note(Leniency::LOCAL_PART_DOTS);
        return dots;
    }
    strict
}

/// `Quoted-string` with its quotes.
fn quoted_string(input: &[u8]) -> Parsed<'_, &[u8]> {
    let text = take_while1(|octet| is(octet, QTEXT) || NON_ASCII.contains(&octet));
    let pair =
        recognize((tag("\\"), verify(nom::number::complete::u8, |octet| matches!(octet, b' '..=b'~'))));
    recognize(delimited(tag("\""), many0_count(alt((text, pair))), tag("\""))).parse(input)
}

/// `Local-part`.
pub(crate) fn local_part<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    let (rest, text) = match input {
        [b'"', ..] => quoted_string(input)?,
        _ => dot_string(rules, input)?,
    };
    if text.len() > limits::LOCAL_PART || !(text.is_ascii() || is_clean_utf8(text)) {
        return bad(input, Fault::Argument);
    }
    Ok((rest, text))
}

/// `Mailbox`.
pub(super) fn mailbox<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Mailbox<'b>> {
    let (rest, local) = local_part(rules, input)?;
    let (rest, _) = tag("@").parse(rest)?;
    let (rest, _) = host(rules, rest)?;
    let (text, _) = input.split_at(input.len() - rest.len());
    Ok((rest, Mailbox::checked(text, local.len())))
}

/// `A-d-l ":"`: a source route, which is accepted and dropped (RFC 5321 appendix C).
fn route<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    let hop = |i| preceded(tag("@"), |i| domain(rules, i)).parse(i);
    recognize((hop, many0_count(preceded(tag(","), hop)), tag(":"))).parse(input)
}

/// `Path`: brackets, an optional route, a mailbox.
fn path<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Mailbox<'b>> {
    let inner = preceded(opt(|i| route(rules, i)), |i| mailbox(rules, i));
    let (rest, mailbox) = delimited(tag("<"), inner, tag(">")).parse(input)?;
    if input.len() - rest.len() > limits::PATH {
        return bad(input, Fault::Argument);
    }
    Ok((rest, mailbox))
}

/// A path that lacks its brackets, where that is tolerated: what it could be otherwise is left to nobody.
fn bare_path<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Mailbox<'b>> {
    if matches!(input, [b'<' | b'"' | b'@', ..]) || !rules.allow(Leniency::BARE_PATH) {
        return bad(input, Fault::Argument);
    }
    let (rest, found) = mailbox(rules, input)?;
    if !matches!(rest, [] | [b' ', ..]) || matches!(found.host(), Some(Host::Literal(_))) {
        return bad(rest, Fault::Argument);
    }
    rules.note(Leniency::BARE_PATH);
    Ok((rest, found))
}

fn any_path<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Mailbox<'b>> {
    match input {
        [b'<', ..] => path(rules, input),
        _ => bare_path(rules, input),
    }
}

/// `Reverse-path`.
pub(crate) fn reverse_path<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, ReversePath<'b>> {
    match input {
        [b'<', b'>', rest @ ..] => Ok((rest, ReversePath::Null)),
        _ => (|i| any_path(rules, i)).map(ReversePath::Mailbox).parse(input),
    }
}

/// `Forward-path`, or "<Postmaster>" in any case.
pub(crate) fn forward_path<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Mailbox<'b>> {
    alt((postmaster, |i| any_path(rules, i))).parse(input)
}

fn postmaster(input: &[u8]) -> Parsed<'_, Mailbox<'_>> {
    let name = tag_no_case(Mailbox::POSTMASTER).map(|name: &[u8]| Mailbox::checked(name, name.len()));
    delimited(tag("<"), name, tag(">")).parse(input)
}
