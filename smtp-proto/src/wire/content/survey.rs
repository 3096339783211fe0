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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    needs: Needs,
    line_octets: u64,
    longest_line: u64,
    nul: bool,
}

impl Survey {
    /// Nothing looked at yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { needs: Needs::NONE, line_octets: 0, longest_line: 0, nul: false }
    }

    /// Looks at the next piece, cut anywhere.
    pub fn update(&mut self, content: &[u8]) {
        for block in content.chunks(BLOCK) {
            self.nul = self.nul || memchr::memchr(0, block).is_some();
            self.lines(block);
            self.needs.look_at(block);
        }
    }

    /// Measures the lines.
    fn lines(&mut self, block: &[u8]) {
        let mut from = 0;
        for end in line_ends(self.needs.line, block) {
            self.line_piece(end - from);
            self.line_octets = 0;
            from = end;
        }
        self.line_piece(block.len() - from);
    }

    fn line_piece(&mut self, octets: usize) {
        self.line_octets = self.line_octets.saturating_add(octets as u64);
        self.longest_line = self.longest_line.max(self.line_octets);
    }

    pub(crate) const fn needs(&self) -> Needs {
        self.needs
    }

    /// Tells the survey that the content is complete: a CR at the very end is bare.
    pub const fn finish(&mut self) {
        self.needs.finish();
    }

    /// Whether the content ends with CR LF or is empty. If not, DATA adds them, which SIZE counts.
    #[must_use]
    pub const fn ends_line(&self) -> bool {
        self.needs.ends_line()
    }

    /// Octets in all: the number for SIZE, since stuffed dots and the dot line don't count (RFC 1870 §5).
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.needs.octets
    }

    /// Bare CRs; one that came last only once [`finish`](Self::finish) was called.
    #[must_use]
    pub const fn bare_cr(&self) -> u64 {
        self.needs.bare.cr
    }

    /// Bare LFs: those without a CR before them.
    #[must_use]
    pub const fn bare_lf(&self) -> u64 {
        self.needs.bare.lf
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
        self.needs.eight_bit
    }

    /// Whether an octet above 127 stands before the first empty line: SMTPUTF8 is needed (RFC 6532).
    #[must_use]
    pub const fn has_8bit_header(&self) -> bool {
        self.needs.eight_bit_header
    }

    /// Whether there is a NUL.
    #[must_use]
    pub const fn has_nul(&self) -> bool {
        self.nul
    }

    /// Whether only BDAT with BODY=BINARYMIME may carry it: something bare, or a NUL (RFC 3030 §3, RFC 5321 §2.3.8, RFC 5322 §2.1).
    #[must_use]
    pub const fn needs_binarymime(&self) -> bool {
        self.needs.bare.any() || self.nul
    }
}

/// How much is looked at before going on: each pass over it but the first finds it in the nearest cache.
const BLOCK: usize = 4_096;

/// What content asks of a server, and nothing that costs a look at each line: what a client has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    line: Line,
    bare: Bare,
    octets: u64,
    in_header: bool,
    /// Octets of the header's line so far.
    header_line: u64,
    eight_bit: bool,
    eight_bit_header: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self::NONE
    }
}

impl Needs {
    const NONE: Self = Self {
        line: Line::Start,
        bare: Bare { cr: 0, lf: 0 },
        octets: 0,
        in_header: true,
        header_line: 0,
        eight_bit: false,
        eight_bit_header: false,
    };

    /// What `content` needs, all of it.
    pub(crate) fn of(content: &[u8]) -> Self {
        let mut needs = Self::NONE;
        for block in content.chunks(BLOCK) {
            needs.look_at(block);
        }
        needs.finish();
        needs
    }

    fn look_at(&mut self, block: &[u8]) {
        if self.in_header {
            self.header(block);
        }
        let mut from = 0;
        while let Some(found) = scan::first_bare(self.line.at(block, from), &block[from..]) {
            let at = from + found;
            self.bare.count(self.line.at(block, at), block[at]);
            from = at + 1;
        }
        self.eight_bit = self.eight_bit || !block.is_ascii();
        self.line = self.line.at(block, block.len());
        self.octets = self.octets.saturating_add(block.len() as u64);
    }

    /// Looks for 8-bit octets up to the empty line.
    fn header(&mut self, block: &[u8]) {
        let mut from = 0;
        for end in line_ends(self.line, block) {
            self.header_piece(&block[from..end]);
            if self.header_line == 2 {
                self.in_header = false;
                return;
            }
            self.header_line = 0;
            from = end;
        }
        self.header_piece(&block[from..]);
    }

    fn header_piece(&mut self, piece: &[u8]) {
        self.header_line = self.header_line.saturating_add(piece.len() as u64);
        self.eight_bit_header |= !piece.is_ascii();
    }

    const fn finish(&mut self) {
        if matches!(self.line, Line::AfterCr) {
            self.bare.count(self.line, 0);
            self.line = Line::Within;
        }
    }

    const fn ends_line(self) -> bool {
        matches!(self.line, Line::Start)
    }

    /// The number for SIZE, with the CR LF that DATA adds where the content lacks it (RFC 1870 §5).
    pub(crate) const fn size(self) -> u64 {
        self.octets.saturating_add(if self.ends_line() { 0 } else { 2 })
    }

    /// Bare CRs and LFs.
    pub(crate) const fn bare(self) -> u64 {
        self.bare.cr.saturating_add(self.bare.lf)
    }

    pub(crate) const fn has_8bit(self) -> bool {
        self.eight_bit
    }

    pub(crate) const fn has_8bit_header(self) -> bool {
        self.eight_bit_header
    }
}

/// Where lines end in `block`, behind their CR LF. `line` is where its first octet stands.
fn line_ends(line: Line, block: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr_iter(LF, block).filter(move |&lf| line.at(block, lf) == Line::AfterCr).map(|lf| lf + 1)
}
