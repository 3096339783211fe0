//! The lines of a reply.

use core::iter::FusedIterator;

use super::enhanced::EnhancedCode;
use crate::limits::{REPLY_LINE, REPLY_LINES};

/// The text of each line of a reply as it was received, behind code and separator; enhanced codes are in it.
///
/// This is how a greeting or an EHLO response is read, since neither has enhanced codes (RFC 2034 §3).
#[derive(Clone, Copy, Debug)]
pub struct RawLines<'b> {
    rest: Option<&'b [u8]>,
    form: Form,
    left: usize,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// Lines as received, with their codes and line ends.
    Wire,
    /// Texts with LF between them.
    Joined,
}

impl<'b> RawLines<'b> {
    pub(super) const fn wire(octets: &'b [u8]) -> Self {
        Self { rest: Some(octets), form: Form::Wire, left: REPLY_LINES }
    }

    pub(super) const fn joined(text: &'b [u8]) -> Self {
        Self { rest: Some(text), form: Form::Joined, left: REPLY_LINES }
    }

    const fn none() -> Self {
        Self { rest: None, form: Form::Joined, left: 0 }
    }
}

impl<'b> Iterator for RawLines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        while self.left > 0 {
            let rest = self.rest?;
            let line = match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    self.rest = Some(&rest[end + 1..]);
                    &rest[..end]
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            match self.form {
                Form::Joined => {
                    self.left -= 1;
                    return Some(line);
                }
                Form::Wire => {
                    if let Some(text) = wire_text(line) {
                        self.left -= 1;
                        return Some(text);
                    }
                }
            }
        }
        None
    }
}

impl FusedIterator for RawLines<'_> {}

/// The text of a line without its LF; `None` for an empty line, which only a lenient reader lets through.
fn wire_text(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = &line[..line.len().min(REPLY_LINE - 2)];
    let text = line.get(3..)?;
    Some(match text {
        [b' ' | b'-' | b'\t', text @ ..] => text,
        _ => text,
    })
}

/// The text of each line of a reply, enhanced codes taken off.
#[derive(Clone, Debug)]
pub struct Lines<'b> {
    /// The text of a reply of one line, which needs no search.
    only: Option<&'b [u8]>,
    raw: RawLines<'b>,
    codes: Codes,
}

impl<'b> Lines<'b> {
    pub(super) const fn of(raw: RawLines<'b>, codes: Codes) -> Self {
        Self { only: None, raw, codes }
    }

    pub(super) const fn only(text: &'b [u8], codes: Codes) -> Self {
        Self { only: Some(text), raw: RawLines::none(), codes }
    }
}

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if let Some(text) = self.only.take() {
            return Some(text);
        }
        let text = self.raw.next()?;
        Some(match self.codes.split(text) {
            Some((_, len)) => &text[len..],
            None => text,
        })
    }
}

impl FusedIterator for Lines<'_> {}

/// Which enhanced codes a reply's lines may begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes {
    /// First digit of the reply's code.
    pub(super) class: u8,
    /// Whether "#" may stand before them.
    pub(super) hashed: bool,
}

impl Codes {
    /// None at all.
    pub(super) const NONE: Self = Self { class: 0, hashed: false };

    pub(super) const fn of(code: u16, hashed: bool) -> Self {
        Self { class: (code / 100) as u8, hashed }
    }

    /// The code that `text` begins with, and how many octets belong to it.
    pub(super) fn split(self, text: &[u8]) -> Option<(EnhancedCode, usize)> {
        match text {
            [b'#', rest @ ..] if self.hashed => {
                EnhancedCode::split(rest, self.class).map(|(code, len)| (code, len + 1))
            }
            _ => EnhancedCode::split(text, self.class),
        }
    }

    /// The code of the last of `lines` that has one, and whether a "#" stood before any.
    pub(super) fn last_of(self, lines: RawLines<'_>) -> (Option<EnhancedCode>, bool) {
        let mut last = None;
        let mut hashed = false;
        for text in lines {
            if let Some((code, _)) = self.split(text) {
                last = Some(code);
                hashed |= text[0] == b'#';
            }
        }
        (last, hashed)
    }
}
