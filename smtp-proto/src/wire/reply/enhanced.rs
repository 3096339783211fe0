//! Enhanced status codes (RFC 2034, RFC 3463).

use core::fmt;
use core::num::NonZeroU32;

use crate::wire::sweep::literal;

/// Largest subject and detail: three digits (RFC 3463 §2).
const MOST: u16 = 999;

/// An enhanced status code: class, subject, detail.
///
/// Its class is the first digit of the reply that it stands in; a 3yz reply has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    /// Class, subject and detail, ten bits each: in this order they compare as numbers. The class is never 0.
    bits: NonZeroU32,
}

impl EnhancedCode {
    /// The code of these three numbers; `None` unless the class is 2, 4 or 5 and the others are at most 999.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        if !is_class(class) || subject > MOST || detail > MOST {
            return None;
        }
        match NonZeroU32::new((class as u32) << 20 | (subject as u32) << 10 | detail as u32) {
            Some(bits) => Some(Self { bits }),
            None => None,
        }
    }

    /// Reads `class.subject.detail`: one digit, then twice one to three without a leading zero.
    #[must_use]
    pub const fn parse(text: &[u8]) -> Option<Self> {
        match Self::read(text) {
            Some((code, len)) if len == text.len() => Some(code),
            _ => None,
        }
    }

    /// 2, 4 or 5.
    #[must_use]
    pub const fn class(self) -> u8 {
        (self.bits.get() >> 20) as u8
    }

    /// What it is about: 1 addressing, 2 mailbox, 3 mail system, 4 network, 5 protocol, 6 content, 7 policy.
    #[must_use]
    pub const fn subject(self) -> u16 {
        (self.bits.get() >> 10) as u16 & 0x3FF
    }

    /// What exactly.
    #[must_use]
    pub const fn detail(self) -> u16 {
        self.bits.get() as u16 & 0x3FF
    }

    /// Reads a code at the begin of `text` and says how many octets it has, whatever follows.
    const fn read(text: &[u8]) -> Option<(Self, usize)> {
        let [digit, b'.', ..] = text else { return None };
        let Some((subject, dot)) = read_number(text, 2) else { return None };
        if dot == text.len() || text[dot] != b'.' {
            return None;
        }
        let Some((detail, end)) = read_number(text, dot + 1) else { return None };
        match Self::new(digit.wrapping_sub(b'0'), subject, detail) {
            Some(code) => Some((code, end)),
            None => None,
        }
    }

    /// Splits the text of a reply line whose code's first digit is `class`: the code in front, with SP or the end of
    /// the text behind it, and how many octets belong to it, the SP included. Anything else is text.
    pub(crate) const fn split(text: &[u8], class: u8) -> Option<(Self, usize)> {
        match Self::read(text) {
            Some((code, len)) if code.class() == class => {
                if len == text.len() {
                    Some((code, len))
                } else if text[len] == b' ' {
                    Some((code, len + 1))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// [`split`](Self::split) of a text of which `front` is the first eight octets and what follows it, the first one
    /// lowest. Most codes have three digits; these need no loop.
    #[inline(always)]
    pub(super) fn split_front(front: u64, text: &[u8], class: u8) -> Option<(Self, usize)> {
        const SHAPE: u64 = literal(b"0.0.0 ");
        const FIXED: u64 = 0x0000_FFF0_FFF0_FFF0;
        const DIGITS: u64 = 0x0000_000F_000F_000F;
        // Six more carry a digit over 9 into the next four bits.
        let over = (front & DIGITS) + 0x0000_0006_0006_0006;
        if front & FIXED != SHAPE || over & (DIGITS << 4) != 0 || front as u8 & 0xF != class {
            return Self::split(text, class);
        }
        let code = Self::new(class, (front >> 16) as u16 & 0xF, (front >> 32) as u16 & 0xF)?;
        Some((code, 6))
    }

    /// The code as it is written.
    pub(super) fn octets(self) -> Octets {
        let mut octets = Octets { octets: [b'0' + self.class(), 0, 0, 0, 0, 0, 0, 0, 0], len: 1 };
        for n in [self.subject(), self.detail()] {
            octets.push(b'.');
            let [hundreds, tens, ones] = [n / 100, n / 10 % 10, n % 10].map(|digit| b'0' + digit as u8);
            if n >= 100 {
                octets.push(hundreds);
            }
            if n >= 10 {
                octets.push(tens);
            }
            octets.push(ones);
        }
        octets
    }
}

const fn is_class(digit: u8) -> bool {
    matches!(digit, 2 | 4 | 5)
}

/// At most `5.999.999`.
pub(super) struct Octets {
    octets: [u8; 9],
    len: usize,
}

impl Octets {
    fn push(&mut self, octet: u8) {
        self.octets[self.len] = octet;
        self.len += 1;
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// One to three digits without a leading zero, and the offset behind them.
const fn read_number(text: &[u8], begin: usize) -> Option<(u16, usize)> {
    let mut n = 0;
    let mut at = begin;
    while at < text.len() && text[at].is_ascii_digit() {
        if at - begin == 3 {
            return None;
        }
        n = n * 10 + (text[at] - b'0') as u16;
        at += 1;
    }
    if at == begin || (text[begin] == b'0' && at - begin > 1) { None } else { Some((n, at)) }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class(), self.subject(), self.detail())
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EnhancedCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EnhancedCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = alloc::string::String::deserialize(deserializer)?;
        Self::parse(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("not an enhanced status code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_code_is_three_numbers_of_at_most_three_digits() {
        let rows: &[(&str, bool, &str)] = &[
            ("2.0.0", true, "zeros alone"),
            ("5.7.509", true, "three digits"),
            ("4.999.999", true, "the most"),
            ("3.0.0", false, "no class 3"),
            ("5.01.1", false, "leading zero"),
            ("5.1.1000", false, "four digits"),
            ("5.1", false, "two numbers"),
            ("5.1.", false, "empty detail"),
            ("5..1", false, "empty subject"),
            ("5.1.1 ", false, "more behind"),
            ("", false, "nothing"),
        ];
        for &(text, valid, why) in rows {
            let code = EnhancedCode::parse(text.as_bytes());
            assert_eq!(code.is_some(), valid, "{text:?}: {why}");
            if let Some(code) = code {
                assert_eq!(code.to_string(), text);
            }
        }
        assert_eq!(EnhancedCode::new(5, 1, 1000), None);
        assert_eq!(EnhancedCode::new(3, 0, 0), None);
    }

    #[test]
    fn an_optional_code_needs_no_more_room_than_a_code() {
        assert_eq!(size_of::<Option<EnhancedCode>>(), 4);
    }
}
