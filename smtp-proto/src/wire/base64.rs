//! Base64 as AUTH uses it: RFC 4648 §4 with padding and nothing else.
//!
//! White space, line folding, the URL alphabet, missing padding and spare bits that are not zero are refused
//! (RFC 4954 §4): a text has one reading, so that nothing hides in a second one.

use alloc::vec::Vec;
use core::fmt;

use bytes::{BufMut, BytesMut};

use crate::error::{Fault, ParseError};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What stands in [`VALUES`] for an octet outside the alphabet; no value has this bit.
const NONE: u8 = 0x80;

static VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
}

/// Base64 text that was checked, still encoded.
///
/// It may hold a password, so that `Debug` shows its length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Base64<'b>(&'b [u8]);

impl<'b> Base64<'b> {
    /// The text of no octets: what "=" stands for as an initial response (RFC 4954 §4).
    pub const EMPTY: Self = Self(b"");

    /// Checks `text`. No octets are valid and decode to none; "=" alone is not base64 and belongs to the command.
    ///
    /// # Errors
    /// [`Fault::Base64`] at the first octet that does not belong, or at the end of a text that is too short.
    pub fn parse(text: &'b [u8]) -> Result<Self, ParseError> {
        let fault = |at| ParseError::new(Fault::Base64, at);
        let pads = match text {
            [.., b'=', b'='] => 2,
            [.., b'='] => 1,
            _ => 0,
        };
        let (body, _) = text.split_at(text.len() - pads);
        if body.iter().fold(0, |all, &octet| all | VALUES[usize::from(octet)]) & NONE != 0 {
            let bad = body.iter().position(|&octet| VALUES[usize::from(octet)] & NONE != 0);
            return Err(fault(bad.unwrap_or(0)));
        }
        if text.len() % 4 != 0 {
            return Err(fault(text.len()));
        }
        let spare = match pads {
            0 => 0,
            1 => 0b11,
            _ => 0b1111,
        };
        match body.last() {
            Some(&last) if VALUES[usize::from(last)] & spare != 0 => Err(fault(body.len() - 1)),
            None if pads > 0 => Err(fault(0)),
            _ => Ok(Self(text)),
        }
    }

    /// The text as it was written, padding included.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// How many octets it decodes to.
    #[must_use]
    pub fn decoded_len(self) -> usize {
        let pads = self.0.iter().rev().take_while(|&&octet| octet == b'=').count();
        self.0.len() / 4 * 3 - pads
    }

    /// Decodes into the front of `out`, which may be longer, and returns what was written. `None` when `out` is
    /// shorter than [`decoded_len`](Self::decoded_len); nothing is written then.
    pub fn decode_into(self, out: &mut [u8]) -> Option<&mut [u8]> {
        let out = out.get_mut(..self.decoded_len())?;
        for (quad, triple) in self.0.chunks_exact(4).zip(out.chunks_mut(3)) {
            // Padding has no value; its bits fall into octets that `triple` does not have.
            let bits = quad
                .iter()
                .fold(0_u32, |bits, &octet| bits << 6 | u32::from(VALUES[usize::from(octet)] & 0x3F));
            let [_, octets @ ..] = bits.to_be_bytes();
            triple.copy_from_slice(&octets[..triple.len()]);
        }
        Some(out)
    }

    /// The decoded octets.
    #[must_use]
    pub fn decode(self) -> Vec<u8> {
        let mut out = alloc::vec![0; self.decoded_len()];
        let written = self.decode_into(&mut out).map_or(0, |octets| octets.len());
        out.truncate(written);
        out
    }
}

impl fmt::Debug for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<redacted {} octets>", self.0.len())
    }
}

/// How many octets `len` octets are in base64.
#[must_use]
pub const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3).saturating_mul(4)
}

/// Appends `octets` in base64, padded.
pub fn encode(octets: &[u8], out: &mut BytesMut) {
    out.reserve(encoded_len(octets.len()));
    for triple in octets.chunks(3) {
        out.put_slice(&quad(triple));
    }
}

/// `octets` in base64, padded.
#[must_use]
pub fn encoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded_len(octets.len()));
    for triple in octets.chunks(3) {
        out.extend_from_slice(&quad(triple));
    }
    out
}

/// The four characters of one to three octets.
fn quad(triple: &[u8]) -> [u8; 4] {
    let octet = |i: usize| u32::from(triple.get(i).copied().unwrap_or(0));
    let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
    let letter = |shift: u32| ALPHABET[(bits >> shift & 0x3F) as usize];
    let mut quad = [letter(18), letter(12), letter(6), letter(0)];
    quad[triple.len() + 1..].fill(b'=');
    quad
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use proptest::prelude::*;
    use std::format;

    const TEXTS: &[(&str, Option<&[u8]>, &str)] = &[
        ("", Some(b""), "no octets"),
        ("Zg==", Some(b"f"), "RFC 4648 §10"),
        ("Zm8=", Some(b"fo"), "RFC 4648 §10"),
        ("Zm9v", Some(b"foo"), "RFC 4648 §10"),
        ("Zm9vYmFy", Some(b"foobar"), "RFC 4648 §10"),
        ("+/+/", Some(&[0xFB, 0xFF, 0xBF]), "the last two letters"),
        ("QUIT", Some(&[0x41, 0x42, 0x13]), "a verb may be valid base64"),
        ("=", None, "means empty only as an initial response, which the command reads"),
        ("====", None, "padding only"),
        ("A===", None, "three pads"),
        ("Zg=", None, "one pad missing"),
        ("Zg", None, "padding missing"),
        ("Z", None, "six bits are no octet"),
        ("Zh==", None, "spare bits not zero, two pads"),
        ("Zm9=", None, "spare bits not zero, one pad"),
        ("Zm9v====", None, "pads where none belong"),
        ("Zg==Zg==", None, "text after the padding"),
        ("Zm=v", None, "a pad inside"),
        ("Zm 9v", None, "a space inside"),
        ("Zm9v ", None, "a space at the end"),
        ("Zm9v\r\n", None, "a line end"),
        ("Zm9_", None, "the URL alphabet"),
        ("Zm9\u{e9}", None, "not ASCII"),
        ("*", None, "cancellation is no base64"),
    ];

    #[test]
    fn text_has_one_reading_or_none() {
        for &(text, octets, why) in TEXTS {
            let parsed = Base64::parse(text.as_bytes());
            assert_eq!(parsed.ok().map(Base64::decode).as_deref(), octets, "{text:?}: {why}");
        }
    }

    #[test]
    fn a_short_buffer_is_left_alone() {
        let text = Base64::parse(b"Zm9vYg==").unwrap();
        let mut short = [7; 3];
        assert_eq!(text.decode_into(&mut short), None);
        assert_eq!(short, [7; 3]);
        let mut long = [7; 6];
        assert_eq!(text.decode_into(&mut long), Some(&mut b"foob".to_owned()[..]));
        assert_eq!(long, *b"foob\x07\x07");
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Base64::parse(b"c2VjcmV0").unwrap()), "<redacted 8 octets>");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(octets: Vec<u8>) {
            let text = encoded(&octets);
            prop_assert_eq!(text.len(), encoded_len(octets.len()));
            prop_assert_eq!(Base64::parse(&text).unwrap().decode(), octets);
        }

        #[test]
        fn what_parses_is_written_the_same(text in "[A-Da-d0-3+/=]{0,12}") {
            if let Ok(parsed) = Base64::parse(text.as_bytes()) {
                prop_assert_eq!(encoded(&parsed.decode()), text.as_bytes());
            }
        }
    }
}
