//! The way of nearly every reply: whole, and without a deviation. One sweep a line finds its end and checks it.
//!
//! It declines whatever is unusual, unfinished replies too, and leaves that to [`Machine`](super::machine::Machine);
//! a test holds both equal.

use super::enhanced::EnhancedCode;
use crate::limits::{REPLY_LINE, REPLY_LINES, REPLY_OCTETS};
use crate::wire::leniency::Leniency;
use crate::wire::sweep::Words;

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Plain {
    pub(super) code: u16,
    /// Octets of the reply.
    pub(super) len: usize,
    /// Where the text of the only line begins; 0 where that was not looked at.
    pub(super) text_at: u8,
    pub(super) enhanced: Option<EnhancedCode>,
}

/// Reads the reply that `words` begin with; `None` for anything unusual.
#[inline(always)]
pub(in crate::wire) fn read(words: Words<'_>, leniency: Leniency) -> Option<Plain> {
    let (start, text) = words.line().split_first_chunk()?;
    if start[3] != b' ' {
        return read_lines(words, leniency, |_| {});
    }
    let code = code_of(*start)?;
    let line = PlainLine::read(words, text)?;
    let (enhanced, len) = line.enhanced(start[0], leniency)?;
    Some(Plain { code, len: words.line().len() - line.rest.len(), text_at: 4 + len as u8, enhanced })
}

/// Reads the reply that `words` begin with, of however many lines, and hands `each` its lines; `None` for anything
/// unusual, then `each` may have seen some lines.
#[inline(always)]
pub(in crate::wire) fn read_lines<'b>(
    words: Words<'b>,
    leniency: Leniency,
    mut each: impl FnMut(PlainLine<'b>),
) -> Option<Plain> {
    let [a, b, c, _] = *words.line().first_chunk()?;
    let code = code_of([a, b, c, b' '])?;
    let mut enhanced = None;
    let (mut lines, mut rest) = (0, words.line());
    loop {
        let (start, text) = rest.split_first_chunk()?;
        let is_last = *start == [a, b, c, b' '];
        if !is_last && *start != [a, b, c, b'-'] {
            return None;
        }
        let line = PlainLine::read(words, text)?;
        each(line);
        let (code_here, _) = line.enhanced(a, leniency)?;
        enhanced = code_here.or(enhanced);
        lines += 1;
        rest = line.rest;
        if is_last {
            let len = words.line().len() - rest.len();
            let fits = lines <= REPLY_LINES && len <= REPLY_OCTETS;
            return fits.then_some(Plain { code, len, text_at: 0, enhanced });
        }
    }
}

/// A line of a reply on the plain way.
#[derive(Clone, Copy)]
pub(in crate::wire) struct PlainLine<'b> {
    /// The first eight octets of the text and what follows it.
    pub(in crate::wire) front: u64,
    /// The text and all that follows it.
    pub(in crate::wire) octets: &'b [u8],
    pub(in crate::wire) text: &'b [u8],
    /// What follows the line.
    rest: &'b [u8],
}

impl<'b> PlainLine<'b> {
    /// The line whose text `octets` begin with, if it is plain.
    #[inline(always)]
    fn read(words: Words<'b>, octets: &'b [u8]) -> Option<Self> {
        let (front, len) = words.text(octets);
        let (text, end) = octets.split_at_checked(len)?;
        let [b'\r', b'\n', rest @ ..] = end else { return None };
        (len <= REPLY_LINE - 6).then_some(Self { front, octets, text, rest })
    }

    /// The enhanced code of a line whose code begins with `digit`, and how many octets belong to it; `None` for a code
    /// behind "#" that would count.
    #[inline(always)]
    fn enhanced(self, digit: u8, leniency: Leniency) -> Option<(Option<EnhancedCode>, usize)> {
        if self.front as u16 == u16::from_le_bytes([digit, b'.']) {
            if let Some((code, len)) = EnhancedCode::split_front(self.front, self.text, digit & 0xF) {
                return Some((Some(code), len));
            }
        } else if self.front as u8 == b'#' && leniency.allows(Leniency::REPLY_HASHED_CODE) {
            return None;
        }
        Some((None, 0))
    }
}

/// RFC 5321 §4.2: three digits, the first 2 to 5, the second 0 to 5.
#[inline(always)]
const fn code_of(start: [u8; 4]) -> Option<u16> {
    let digits = (u32::from_le_bytes(start) ^ u32::from_le_bytes(*b"000 ")) & 0x00FF_FFFF;
    // Top bits where a digit is over the last one that it may be, and where the first is over 1.
    let (over, over_one) = ((digits + 0x0076_7A7A) | digits, digits + 0x7E);
    if over & 0x0080_8080 != 0 || over_one & 0x80 == 0 {
        return None;
    }
    Some((digits & 0xF) as u16 * 100 + (digits >> 8 & 0xF) as u16 * 10 + (digits >> 16 & 0xF) as u16)
}
