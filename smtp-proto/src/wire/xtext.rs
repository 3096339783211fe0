//! xtext (RFC 3461 §4) and the forms of UTF-8 addresses in ORCPT (RFC 6533 §3).

use core::fmt;

use bytes::BufMut;

use super::class::{UPPER_HEX, XCHAR, is};
use crate::error::{Fault, ParseError};

/// Checked xtext, still encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Xtext<'b>(&'b [u8]);

impl<'b> Xtext<'b> {
    /// Checks `text`: `xchar`, or "+" and two upper-case hex digits.
    ///
    /// # Errors
    /// [`Fault::ParamValue`] at the first octet that does not belong.
    pub fn parse(text: &'b [u8]) -> Result<Self, ParseError> {
        let mut rest = text;
        loop {
            rest = match rest {
                [] => return Ok(Self(text)),
                [b'+', high, low, rest @ ..] if is(*high, UPPER_HEX) && is(*low, UPPER_HEX) => rest,
                [octet, rest @ ..] if is(*octet, XCHAR) => rest,
                _ => return Err(ParseError::new(Fault::ParamValue, text.len() - rest.len())),
            };
        }
    }

    /// The text as written.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The octets it stands for. They may be any, CR and LF included, unless the parameter says otherwise.
    pub fn decoded(self) -> impl Iterator<Item = u8> + Clone + use<'b> {
        let mut octets = self.0.iter().copied();
        core::iter::from_fn(move || match octets.next()? {
            b'+' => Some(hex(octets.next()?) << 4 | hex(octets.next()?)),
            octet => Some(octet),
        })
    }

    /// Whether all it stands for is printable ASCII or SP, as ENVID and ORCPT want it (RFC 3461 §4.2, §4.4).
    pub(crate) fn is_printable(self) -> bool {
        self.decoded().all(|octet| matches!(octet, b' '..=b'~'))
    }
}

impl fmt::Debug for Xtext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xtext({})", self.0.escape_ascii())
    }
}

/// The value of a hex digit that was checked.
fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}

/// Appends `octets` as xtext, encoding what must be.
pub fn encode(octets: &[u8], out: &mut impl BufMut) {
    for &octet in octets {
        if is(octet, XCHAR) {
            out.put_u8(octet);
        } else {
            out.put_slice(&[b'+', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(value & 15)]
}

/// Checked `utf-8-addr-xtext` or `utf-8-addr-unitext`, still encoded: the address of an ORCPT of type utf-8.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Utf8Address<'b>(&'b [u8]);

impl<'b> Utf8Address<'b> {
    /// Checks `text`: printable ASCII but `\`, "+" and "=", UTF-8, or `\x{…}` for what can't be written so.
    ///
    /// # Errors
    /// [`Fault::ParamValue`] when it is empty or something in it does not belong.
    pub fn parse(text: &'b [u8]) -> Result<Self, ParseError> {
        let fault = |at| ParseError::new(Fault::ParamValue, at);
        let utf8 = core::str::from_utf8(text).map_err(|error| fault(error.valid_up_to()))?;
        if text.is_empty() {
            return Err(fault(0));
        }
        let mut rest = utf8;
        while let Some((_, after)) = next_char(rest).ok_or_else(|| fault(text.len() - rest.len()))? {
            rest = after;
        }
        Ok(Self(text))
    }

    /// The text as written.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The characters it stands for.
    pub fn decoded(self) -> impl Iterator<Item = char> + Clone + use<'b> {
        // INVARIANT: checked when it was parsed.
        let mut rest = core::str::from_utf8(self.0).unwrap_or_default();
        core::iter::from_fn(move || {
            let (c, after) = next_char(rest)??;
            rest = after;
            Some(c)
        })
    }
}

impl fmt::Debug for Utf8Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Utf8Address({})", self.0.escape_ascii())
    }
}

/// The next character and what follows; the inner `None` at the end, the outer where something does not belong.
#[allow(clippy::option_option, reason = "an iterator of what may fail")]
fn next_char(text: &str) -> Option<Option<(char, &str)>> {
    let mut chars = text.chars();
    let Some(c) = chars.next() else { return Some(None) };
    match c {
        '\\' => {
            let (digits, rest) = text.strip_prefix("\\x{")?.split_once('}')?;
            Some(Some((hexpoint(digits)?, rest)))
        }
        '+' | '=' => None,
        '!'..='~' | '\u{80}'.. => Some(Some((c, chars.as_str()))),
        _ => None,
    }
}

/// RFC 6533 §3 `HEXPOINT`: 2 to 6 upper-case digits without leading zeros, for SP, `\`, "+", "=" and beyond ASCII.
fn hexpoint(digits: &str) -> Option<char> {
    let short = digits.len() == 2 || !digits.starts_with('0');
    if !(2..=6).contains(&digits.len()) || !short || !digits.bytes().all(|digit| is(digit, UPPER_HEX)) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    (matches!(c, ' ' | '\\' | '+' | '=') || !c.is_ascii()).then_some(c)
}

/// Appends `address` in the form that needs no SMTPUTF8 (`utf-8-addr-xtext`).
pub fn encode_utf8_address(address: &str, out: &mut impl BufMut) {
    for c in address.chars() {
        if c.is_ascii() && is(c as u8, XCHAR) && c != '\\' {
            out.put_u8(c as u8);
            continue;
        }
        let code = u32::from(c);
        let digits = code.checked_ilog2().unwrap_or(0) / 4 + 1;
        out.put_slice(b"\\x{");
        for place in (0..digits.max(2)).rev() {
            out.put_u8(digit((code >> (4 * place) & 15) as u8));
        }
        out.put_u8(b'}');
    }
}
