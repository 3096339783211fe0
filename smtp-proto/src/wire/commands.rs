//! Command lines, as nom parsers over the line without its end.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::combinator::{eof, opt, recognize, value, verify};
use nom::multi::many0_count;
use nom::sequence::{preceded, terminated};

use super::arguments::{Domains, Lookup, Node};
use super::attributes::{self, Attributes};
use super::base64::Base64;
use super::class::{DIGIT, GRAPHIC, HEX, LET_DIG, URI, is};
use super::command::Command;
use super::grammar::{Bad, Parsed, Rules, bad, domain, forward_path, host, local_part, named, reverse_path};
use super::host::{Domain, Hello};
use super::leniency::Leniency;
use super::params::{MailParams, RcptParams};
use super::values::number;
use super::verb::{self, Verb};
use crate::error::Fault;
use crate::sasl::Mechanism;

/// Reads a line without its end and without white space there.
pub(crate) fn command<'b>(rules: &Rules, line: &'b [u8]) -> Result<Command<'b>, Bad> {
    match parse(rules, line) {
        Ok(([], command)) => Ok(command),
        Ok((rest, command)) => Err(Bad { left: rest.len(), fault: left_over(&command) }),
        Err(nom::Err::Error(bad) | nom::Err::Failure(bad)) => Err(bad),
        Err(nom::Err::Incomplete(_)) => Err(Bad { left: 0, fault: Fault::Argument }),
    }
}

fn left_over(command: &Command<'_>) -> Fault {
    match command {
        Command::Mail { .. } => Fault::ReversePath,
        Command::Rcpt { .. } => Fault::ForwardPath,
        // What follows a chunk's line can be told from commands only if all of the line is understood.
        Command::Bdat { .. } => Fault::ChunkSize,
        Command::Data | Command::Rset | Command::Quit | Command::StartTls => Fault::ArgumentNotAllowed,
        _ => Fault::Argument,
    }
}

fn parse<'b>(rules: &Rules, line: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let (rest, word) = take_while(|octet| octet != b' ').parse(line)?;
    if !verb::is_word(word) {
        return bad(line, Fault::NoVerb);
    }
    match Verb::of_word(word) {
        Verb::Helo => hello(rules, rest, domain_only).map(third(Command::Helo)),
        Verb::Ehlo => hello(rules, rest, any_host).map(third(Command::Ehlo)),
        Verb::Lhlo => hello(rules, rest, any_host).map(third(Command::Lhlo)),
        Verb::Mail => mail(rules, rest),
        Verb::Rcpt => rcpt(rules, rest),
        Verb::Data => Ok((rest, Command::Data)),
        Verb::Rset => Ok((rest, Command::Rset)),
        Verb::Quit => Ok((rest, Command::Quit)),
        Verb::StartTls => Ok((rest, Command::StartTls)),
        Verb::Noop => ignored(rest).map(third(Command::Noop)),
        Verb::Help => ignored(rest).map(third(Command::Help)),
        Verb::Vrfy => lookup(rules, rest).map(third(Command::Vrfy)),
        Verb::Expn => lookup(rules, rest).map(third(Command::Expn)),
        Verb::Bdat => named(bdat(rest), Fault::ChunkSize),
        Verb::Auth => auth(rules, rest),
        Verb::Burl => burl(rest),
        Verb::Etrn => etrn(rules, rest),
        Verb::Atrn => atrn(rules, rest),
        Verb::Xclient => attrs(rules, rest, attributes::XCLIENT).map(third(Command::Xclient)),
        Verb::Xforward => attrs(rules, rest, attributes::XFORWARD).map(third(Command::Xforward)),
        Verb::Unknown => unknown(word, rest),
    }
}

/// Maps the value of what nom returns.
fn third<'b, T, U>(make: impl FnOnce(T) -> U) -> impl FnOnce((&'b [u8], T)) -> (&'b [u8], U) {
    |(rest, value)| (rest, make(value))
}

/// The SP before an argument that must be there.
fn space<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, ()> {
    if input.is_empty() {
        return bad(input, Fault::ArgumentMissing);
    }
    let (rest, _) = tag(" ").parse(input)?;
    if rest.first() == Some(&b' ') && rules.tolerate(Leniency::DOUBLE_SPACE) {
        let (rest, _) = take_while(|octet| octet == b' ').parse(rest)?;
        return Ok((rest, ()));
    }
    Ok((rest, ()))
}

fn domain_only<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    (|i| domain(rules, i)).map(Domain::as_bytes).parse(input)
}

fn any_host<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    (|i| host(rules, i)).map(|host| host.as_bytes()).parse(input)
}

fn hello<'b>(
    rules: &Rules,
    input: &'b [u8],
    name: fn(&Rules, &'b [u8]) -> Parsed<'b, &'b [u8]>,
) -> Parsed<'b, Hello<'b>> {
    if input.is_empty() && rules.tolerate(Leniency::EMPTY_HELLO) {
        return Ok((input, Hello::new(input, false)));
    }
    let (input, ()) = space(rules, input)?;
    // No U-label: SMTPUTF8 has not been offered yet (RFC 6531 §3.7.1). What a name may be elsewhere does not
    // count here: what is no Domain is kept raw.
    let read = name(&Rules::default(), input);
    if matches!(read, Ok(([], _))) && input.is_ascii() {
        return Ok((&[], Hello::new(input, true)));
    }
    if !input.is_empty()
        && input.iter().all(|&octet| is(octet, GRAPHIC))
        && rules.tolerate(Leniency::HELLO_NAME)
    {
        return Ok((&[], raw_hello(input)));
    }
    let visible = |octet: &u8| is(*octet, GRAPHIC) || *octet >= 0x80;
    if !input.is_ascii() && input.iter().all(visible) && rules.tolerate(Leniency::HELLO_OCTETS) {
        return Ok((&[], Hello::new(input, false)));
    }
    match read {
        Ok(([], _)) => bad(input, Fault::Argument),
        Ok((rest, _)) => bad(rest, Fault::Argument),
        Err(error) => Err(error),
    }
}

/// A literal after HELO is one all the same.
fn raw_hello(raw: &[u8]) -> Hello<'_> {
    Hello::new(raw, matches!(host(&Rules::default(), raw), Ok(([], _))))
}

fn mail<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let (input, _) = named(tag_no_case(" FROM:").parse(input), Fault::ReversePath)?;
    let input = before_path(rules, input);
    let (rest, path) = named(reverse_path(rules, input), Fault::ReversePath)?;
    let (rest, _) = named(before_params(rest), Fault::ReversePath)?;
    let (rest, params) = MailParams::read(rules, rest)?;
    let undeclared = path.needs_smtputf8() && !params.smtputf8();
    if undeclared && !rules.tolerate(Leniency::UTF8_UNDECLARED) {
        return bad(input, Fault::NeedsSmtputf8);
    }
    Ok((rest, Command::Mail { path, params }))
}

fn rcpt<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let (input, _) = named(tag_no_case(" TO:").parse(input), Fault::ForwardPath)?;
    let input = before_path(rules, input);
    let (rest, path) = named(forward_path(rules, input), Fault::ForwardPath)?;
    let (rest, _) = named(before_params(rest), Fault::ForwardPath)?;
    let (rest, params) = RcptParams::read(rules, rest)?;
    Ok((rest, Command::Rcpt { path, params }))
}

fn before_path<'b>(rules: &Rules, input: &'b [u8]) -> &'b [u8] {
    let path = input.trim_ascii_start();
    let white = &input[..input.len() - path.len()];
    if white.is_empty() || white.iter().any(|octet| !matches!(octet, b' ' | b'\t')) {
        return input;
    }
    if rules.tolerate(Leniency::SPACE_BEFORE_PATH) { path } else { input }
}

/// The SP before parameters, or the end of the line.
fn before_params(input: &[u8]) -> Parsed<'_, &[u8]> {
    alt((eof, tag(" "))).parse(input)
}

/// What NOOP and HELP carry: printable text, tabs, UTF-8 (RFC 5321 §4.1.1.9: to be ignored).
fn ignored(input: &[u8]) -> Parsed<'_, &[u8]> {
    let text = input.get(1..).unwrap_or_default();
    let printable = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~' | 0x80..);
    match text.iter().position(|octet| !printable(octet)) {
        Some(at) => bad(&text[at..], Fault::Argument),
        None if core::str::from_utf8(text).is_err() => bad(text, Fault::Argument),
        None => Ok((&[], text)),
    }
}

fn lookup<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Lookup<'b>> {
    let (input, _) =
        if input.is_empty() { bad(input, Fault::ArgumentMissing) } else { tag(" ").parse(input) }?;
    let (rest, text) = match input {
        [b'<', inner @ ..] if rules.allow(Leniency::LOOKUP_BRACKETS) => {
            let found = terminated(|i| name_or_mailbox(rules, i), tag(">")).parse(inner)?;
            rules.note(Leniency::LOOKUP_BRACKETS);
            found
        }
        _ => name_or_mailbox(rules, input)?,
    };
    let (rest, smtputf8) = opt(terminated(tag_no_case(" SMTPUTF8"), eof)).parse(rest)?;
    if !text.is_ascii() && smtputf8.is_none() && !rules.tolerate(Leniency::UTF8_UNDECLARED) {
        return bad(input, Fault::NeedsSmtputf8);
    }
    Ok((rest, Lookup::new(text, smtputf8.is_some())))
}

/// RFC 5321 §4.1.1.6 has a String here, §3.5.1 a user name with or without a domain.
fn name_or_mailbox<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, &'b [u8]> {
    let at_host = preceded(tag("@"), |i| host(rules, i));
    recognize((|i| local_part(rules, i), opt(at_host))).parse(input)
}

/// "LAST" at the end of BDAT and BURL, if it is there.
fn last(input: &[u8]) -> Parsed<'_, bool> {
    alt((value(true, terminated(tag_no_case(" LAST"), eof)), value(false, eof))).parse(input)
}

fn bdat(input: &[u8]) -> Parsed<'_, Command<'_>> {
    let (rest, digits) = preceded(tag(" "), take_while1(|octet| is(octet, DIGIT))).parse(input)?;
    let Some(size) = number(digits, 20) else { return bad(input, Fault::ChunkSize) };
    let (rest, last) = last(rest)?;
    Ok((rest, Command::Bdat { size, last }))
}

fn auth<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let (input, ()) = space(rules, input)?;
    let (rest, name) = take_while1(|octet| octet != b' ').parse(input)?;
    let Some(mechanism) = Mechanism::parse(name) else { return bad(input, Fault::Argument) };
    if rest.is_empty() {
        return Ok((rest, Command::Auth { mechanism, initial: None }));
    }
    let (text, ()) = space(rules, rest)?;
    let initial = match text {
        b"=" => Base64::EMPTY,
        [] => return bad(text, Fault::Argument),
        _ => match Base64::parse(text) {
            Ok(initial) => initial,
            Err(error) => return bad(&text[error.at.min(text.len())..], error.fault),
        },
    };
    Ok((&[], Command::Auth { mechanism, initial: Some(initial) }))
}

/// RFC 3986 §4.3 `absolute-URI`: a scheme, ":", no fragment. What the scheme means is not looked at.
fn burl(input: &[u8]) -> Parsed<'_, Command<'_>> {
    let (input, _) =
        if input.is_empty() { bad(input, Fault::ArgumentMissing) } else { tag(" ").parse(input) }?;
    let scheme = verify(
        take_while1(|octet| is(octet, LET_DIG) || matches!(octet, b'+' | b'-' | b'.')),
        |scheme: &[u8]| scheme[0].is_ascii_alphabetic(),
    );
    let escaped = recognize((tag("%"), hex, hex));
    let plain = take_while1(|octet| is(octet, URI) && octet != b'%');
    let (rest, url) = recognize((scheme, tag(":"), many0_count(alt((plain, escaped))))).parse(input)?;
    let (rest, last) = last(rest)?;
    Ok((rest, Command::Burl { url, last }))
}

fn hex(input: &[u8]) -> Parsed<'_, u8> {
    verify(nom::number::complete::u8, |&octet| is(octet, HEX)).parse(input)
}

fn etrn<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let (input, _) =
        if input.is_empty() { bad(input, Fault::ArgumentMissing) } else { tag(" ").parse(input) }?;
    let (make, name): (fn(_) -> _, _) = match input {
        [b'@', name @ ..] => (Node::Subdomains, name),
        [b'#', name @ ..] => (Node::Queue, name),
        name => (Node::Host, name),
    };
    let (rest, name) = ascii_domain(rules, name)?;
    Ok((rest, Command::Etrn(make(name))))
}

fn ascii_domain<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Domain<'b>> {
    verify(|i| domain(rules, i), |name: &Domain<'_>| name.as_bytes().is_ascii()).parse(input)
}

fn atrn<'b>(rules: &Rules, input: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let name = |i| ascii_domain(rules, i);
    let names = preceded(tag(" "), recognize((name, many0_count(preceded(tag(","), name)))));
    let (rest, text) = if input.is_empty() { (input, input) } else { { names }.parse(input)? };
    Ok((rest, Command::Atrn(Domains::new(text))))
}

fn attrs<'b>(rules: &Rules, input: &'b [u8], allowed: u16) -> Parsed<'b, Attributes<'b>> {
    let (input, ()) = space(rules, input)?;
    Attributes::read(input, allowed)
}

fn unknown<'b>(verb: &'b [u8], rest: &'b [u8]) -> Parsed<'b, Command<'b>> {
    let rest = rest.get(1..).unwrap_or_default();
    match rest.iter().position(|octet| matches!(octet, b'\0' | b'\r' | b'\n')) {
        Some(at) => bad(&rest[at..], Fault::Control),
        None => Ok((&[], Command::Unknown { verb, rest })),
    }
}
