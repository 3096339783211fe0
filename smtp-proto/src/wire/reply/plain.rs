//! The way of nearly every reply: whole, and without a deviation. One sweep a line finds its end and checks it.
//!
//! It declines whatever is unusual, unfinished replies too, and leaves that to [`Machine`](super::machine::Machine);
//! a test holds both equal.

use super::enhanced::EnhancedCode;
use crate::limits::{REPLY_LINE, REPLY_LINES, REPLY_OCTETS};
use crate::wire::leniency::Leniency;

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    pub(super) code: u16,
    /// Octets of the reply.
    pub(super) len: usize,
    /// Where the text of the only line begins; 0 where there are more lines.
    pub(super) text_at: u8,
    pub(super) enhanced: Option<EnhancedCode>,
}

/// Reads the reply in front of `input` and hands `each` the octets from each line's text on, and how many belong to it;
/// `None` for anything unusual, then `each` may have seen some lines.
#[inline]
pub(crate) fn read<'b>(
    input: &'b [u8],
    leniency: Leniency,
    mut each: impl FnMut(&'b [u8], usize),
) -> Option<Plain> {
    let first = load(input)?;
    let code = code_of(first)?;
    let class = (code / 100) as u8;
    let mut enhanced = None;
    let mut lines = 0;
    let mut begin = 0;
    loop {
        let line = &input[begin..];
        let head = load(line)?;
        if (head ^ first) & 0x00FF_FFFF != 0 {
            return None;
        }
        let end = line_end(line, 4)?;
        let text = &line[4..end];
        lines += 1;
        let mut text_at = 4;
        if let Some((code, len)) = EnhancedCode::split(text, class) {
            enhanced = Some(code);
            text_at += len;
        } else if text.first() == Some(&b'#') && leniency.allows(Leniency::REPLY_HASHED_CODE) {
            return None;
        }
        each(&line[4..], text.len());
        let len = begin + end + 2;
        if end + 2 > REPLY_LINE || lines > REPLY_LINES || len > REPLY_OCTETS {
            return None;
        }
        match line[3] {
            b'-' => begin = len,
            b' ' => {
                // At most 4 and the 11 octets of a code fit.
                let text_at = if lines == 1 { text_at as u8 } else { 0 };
                return Some(Plain { code, len, text_at, enhanced });
            }
            _ => return None,
        }
    }
}

/// RFC 5321 §4.2: three digits, the first 2 to 5, the second 0 to 5.
fn code_of(head: u64) -> Option<u16> {
    let digit = |n: u32| ((head >> (8 * n)) as u8).wrapping_sub(b'0');
    let (first, second, third) = (digit(0), digit(1), digit(2));
    if !(2..=5).contains(&first) || second > 5 || third > 9 {
        return None;
    }
    Some(u16::from(first) * 100 + u16::from(second) * 10 + u16::from(third))
}

/// Where the CR LF behind `from` stands; `None` if another control octet comes first, HT excepted.
fn line_end(line: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = sweep(line, at);
        match line.get(at..)? {
            [b'\r', b'\n', ..] => return Some(at),
            [b'\t', ..] => at += 1,
            _ => return None,
        }
    }
}

/// The offset of the first control octet or DEL at or behind `at`, or the length.
fn sweep(octets: &[u8], mut at: usize) -> usize {
    while let Some(word) = octets.get(at..).and_then(load) {
        let stops = controls(word);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&octet) = octets.get(at) {
        if octet.is_ascii_control() {
            break;
        }
        at += 1;
    }
    at
}

fn load(octets: &[u8]) -> Option<u64> {
    octets.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The high bit of the first control octet or DEL in the word; bits above it mean nothing.
const fn controls(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let below_space = word.wrapping_sub(0x20 * ONES) & !word;
    let del = word ^ (0x7F * ONES);
    (below_space | del.wrapping_sub(ONES) & !del) & HIGH
}
