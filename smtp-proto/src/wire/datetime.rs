//! Date and time as RFC 3339 §5.6 writes them.

use core::fmt;

use super::class::{DIGIT, is};

/// A checked date-time with its offset.
///
/// Kept as written, since a fraction of a second may have any number of digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime<'b>(&'b [u8]);

impl<'b> DateTime<'b> {
    /// Reads one; `None` when it is malformed, or no such day, hour, minute, second or offset exists. Second 60 is
    /// a leap second.
    #[must_use]
    pub fn parse(text: &'b [u8]) -> Option<Self> {
        Fields::parse(text).map(|_| Self(text))
    }

    /// The text as written.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(self) -> &'b str {
        // INVARIANT: ASCII, checked when it was parsed.
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted; second 60 is that after 59.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        // INVARIANT: checked when it was parsed.
        Fields::parse(self.0).map_or(0, |fields| fields.unix_seconds())
    }
}

impl fmt::Display for DateTime<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DateTime<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

struct Fields {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    offset_minutes: i16,
}

impl Fields {
    fn parse(text: &[u8]) -> Option<Self> {
        let (date, rest) = text.split_at_checked(19)?;
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2] =
            date
        else {
            return None;
        };
        let fields = Self {
            year: u16::from(two(y1, y2)?) * 100 + u16::from(two(y3, y4)?),
            month: two(m1, m2)?,
            day: two(d1, d2)?,
            hour: two(h1, h2)?,
            minute: two(n1, n2)?,
            second: two(s1, s2)?,
            offset_minutes: offset(after_fraction(rest)?)?,
        };
        fields.exists().then_some(fields)
    }

    fn exists(&self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        (1..=days).contains(&self.day) && self.hour < 24 && self.minute < 60 && self.second <= 60
    }

    fn unix_seconds(&self) -> i64 {
        // Days since 0000-03-01: the leap day comes last in a year that begins in March.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (month * 153 + 2) / 5
            + i64::from(self.day)
            - 1;
        let minutes = (days - 719_468) * 1_440 + i64::from(self.hour) * 60 + i64::from(self.minute)
            - i64::from(self.offset_minutes);
        minutes * 60 + i64::from(self.second)
    }
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    (is(tens, DIGIT) && is(ones, DIGIT)).then(|| (tens - b'0') * 10 + ones - b'0')
}

fn after_fraction(rest: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(rest) };
    let digits = fraction.iter().take_while(|&&octet| is(octet, DIGIT)).count();
    (digits > 0).then(|| &fraction[digits..])
}

fn offset(text: &[u8]) -> Option<i16> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            let offset = i16::from(hours) * 60 + i16::from(minutes);
            (hours < 24 && minutes < 60).then_some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}
