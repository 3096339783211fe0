//! What content needs to travel.

use super::{Bare, LF, Line, scan};
use crate::limits;

/// Looks at content before it is sent, so that MAIL can say what it needs: 8BITMIME or BINARYMIME (RFC 6152, RFC 3030),
/// SMTPUTF8 (RFC 6531), or whether DATA can carry it at all.
///
/// ```
/// use smtp_proto::wire::content::Survey;
///
/// let mut survey = Survey::new();
/// survey.update("Subject: x\r\n\r\nGr\u{fc}\u{df}e\r\n".as_bytes());
/// survey.finish();
/// assert!(survey.has_8bit() && !survey.has_8bit_header());
/// assert!(!survey.needs_binarymime());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    line: Line,
    bare: Bare,
    octets: u64,
    line_octets: u64,
    longest_line: u64,
    in_header: bool,
    eight_bit: bool,
    eight_bit_header: bool,
    nul: bool,
}

impl Default for Survey {
    fn default() -> Self {
        Self::new()
    }
}

impl Survey {
    /// Nothing looked at yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            line: Line::Start,
            bare: Bare { cr: 0, lf: 0 },
            octets: 0,
            line_octets: 0,
            longest_line: 0,
            in_header: true,
            eight_bit: false,
            eight_bit_header: false,
            nul: false,
        }
    }

    /// Looks at the next piece, cut anywhere.
    pub fn update(&mut self, content: &[u8]) {
        let mut from = 0;
        while let Some(found) = scan::first_irregular(self.line.at(content, from), &content[from..]) {
            let at = from + found;
            self.bare.count(self.line.at(content, at), content[at]);
            from = at + 1;
        }
        self.nul |= memchr::memchr(0, content).is_some();
        self.eight_bit |= !content.is_ascii();
        self.lines(content);
        self.line = self.line.at(content, content.len());
        self.octets = self.octets.saturating_add(content.len() as u64);
    }

    /// Measures the lines, and sees the header end.
    fn lines(&mut self, content: &[u8]) {
        let mut from = 0;
        for lf in memchr::memchr_iter(LF, content) {
            if self.line.at(content, lf) != Line::AfterCr {
                continue;
            }
            self.line_piece(&content[from..=lf]);
            if self.line_octets == 2 {
                self.in_header = false;
            }
            self.line_octets = 0;
            from = lf + 1;
        }
        self.line_piece(&content[from..]);
    }

    fn line_piece(&mut self, piece: &[u8]) {
        self.line_octets = self.line_octets.saturating_add(piece.len() as u64);
        self.longest_line = self.longest_line.max(self.line_octets);
        if self.in_header {
            self.eight_bit_header |= !piece.is_ascii();
        }
    }

    /// Tells the survey that the content is complete: a CR at the very end is bare.
    pub const fn finish(&mut self) {
        if matches!(self.line, Line::AfterCr) {
            self.bare.count(self.line, 0);
            self.line = Line::Within;
        }
    }

    /// Whether the content ends with CR LF or is empty. If not, DATA adds them, which SIZE counts.
    #[must_use]
    pub const fn ends_line(&self) -> bool {
        matches!(self.line, Line::Start)
    }

    /// Octets in all: the number for SIZE, since stuffed dots and the dot line don't count (RFC 1870 §5).
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Bare CRs; one that came last only once [`finish`](Self::finish) was called.
    #[must_use]
    pub const fn bare_cr(&self) -> u64 {
        self.bare.cr
    }

    /// Bare LFs: those without a CR before them.
    #[must_use]
    pub const fn bare_lf(&self) -> u64 {
        self.bare.lf
    }

    /// Octets of the longest line, its CR LF included.
    #[must_use]
    pub const fn longest_line(&self) -> u64 {
        self.longest_line
    }

    /// Whether a line is longer than the 1,000 octets that every receiver takes (RFC 5321 §4.5.3.1.6).
    #[must_use]
    pub const fn has_long_line(&self) -> bool {
        self.longest_line > limits::TEXT_LINE
    }

    /// Whether an octet is above 127: 8BITMIME is needed (RFC 6152).
    #[must_use]
    pub const fn has_8bit(&self) -> bool {
        self.eight_bit
    }

    /// Whether an octet above 127 stands before the first empty line: SMTPUTF8 is needed (RFC 6532).
    #[must_use]
    pub const fn has_8bit_header(&self) -> bool {
        self.eight_bit_header
    }

    /// Whether there is a NUL.
    #[must_use]
    pub const fn has_nul(&self) -> bool {
        self.nul
    }

    /// Whether only BDAT with BODY=BINARYMIME may carry it: something bare, or a NUL (RFC 3030 §3, RFC 5321 §2.3.8, RFC 5322 §2.1).
    #[must_use]
    pub const fn needs_binarymime(&self) -> bool {
        self.bare.any() || self.nul
    }
}
