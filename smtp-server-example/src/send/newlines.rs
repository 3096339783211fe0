//! How a message's lines end, looked at before anything is sent.

use memchr::memchr2_iter;

/// Line ends of a message, counted while it is read in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Newlines {
    crlf: u64,
    lf: u64,
    cr: u64,
    /// The octet that came last was CR.
    after_cr: bool,
    /// The first line that ends in LF alone, that ends in CR LF, that has a CR in it.
    first_lf: Option<u64>,
    first_crlf: Option<u64>,
    first_cr: Option<u64>,
}

/// Why a message can't be sent as it is: what a server would make of its lines is anybody's guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Most lines end one way, and this one another.
    Mixed { line: u64, ends: &'static str, others: &'static str },
    /// A CR stands where no line ends.
    BareCr { line: u64 },
}

impl Newlines {
    /// Looks at the next piece.
    pub(crate) fn update(&mut self, octets: &[u8]) {
        let mut next = 0;
        for found in memchr2_iter(b'\r', b'\n', octets) {
            if found > next || octets[found] == b'\r' {
                self.settle_cr();
            }
            match octets[found] {
                b'\r' => self.after_cr = true,
                _ => self.line_end(),
            }
            next = found + 1;
        }
        if next < octets.len() {
            self.settle_cr();
        }
    }

    /// Nothing follows.
    pub(crate) fn finish(&mut self) {
        self.settle_cr();
    }

    /// What is wrong with it; nothing if all lines end in CR LF, or all in LF as in files on Unix.
    pub(crate) const fn doubt(&self) -> Option<Doubt> {
        if let Some(line) = self.first_cr {
            return Some(Doubt::BareCr { line });
        }
        match (self.first_lf, self.first_crlf) {
            (Some(line), Some(_)) if self.lf <= self.crlf => {
                Some(Doubt::Mixed { line, ends: "LF", others: "CR LF" })
            }
            (Some(_), Some(line)) => Some(Doubt::Mixed { line, ends: "CR LF", others: "LF" }),
            _ => None,
        }
    }

    /// How many octets it has more once every line ends in CR LF.
    pub(crate) const fn to_be_added(self) -> u64 {
        self.lf + self.cr
    }

    fn line_end(&mut self) {
        let line = self.lf + self.crlf + 1;
        if std::mem::take(&mut self.after_cr) {
            self.crlf += 1;
            self.first_crlf.get_or_insert(line);
        } else {
            self.lf += 1;
            self.first_lf.get_or_insert(line);
        }
    }

    /// A CR that came last is bare: no LF has followed.
    fn settle_cr(&mut self) {
        if std::mem::take(&mut self.after_cr) {
            self.cr += 1;
            self.first_cr.get_or_insert(self.lf + self.crlf + 1);
        }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mixed { line, ends, others } => {
                write!(f, "line {line} ends in {ends} and other lines in {others}")
            }
            Self::BareCr { line } => write!(f, "line {line} has a CR that no LF follows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED_LF: Doubt = Doubt::Mixed { line: 2, ends: "LF", others: "CR LF" };
    const MIXED_CRLF: Doubt = Doubt::Mixed { line: 3, ends: "CR LF", others: "LF" };

    #[rustfmt::skip]
    const ROWS: &[(&[u8], Option<Doubt>, u64, &str)] = &[
        (b"", None, 0, "nothing is not wrong"),
        (b"no end", None, 0, "a line without an end gets one from the protocol"),
        (b"a\r\nb\r\n", None, 0, "as mail is"),
        (b"a\nb\n", None, 2, "as text files on Unix are"),
        (b"a\n\n", None, 2, "an empty line is a line"),
        (b"a\r\nb\nc\r\n", Some(MIXED_LF), 1, "an editor left a line of its own"),
        (b"a\nb\nc\r\n", Some(MIXED_CRLF), 2, "the rarer kind is the odd one"),
        (b"a\rb\r\n", Some(Doubt::BareCr { line: 1 }), 1, "a CR in a line is no line end"),
        (b"a\r\nb\r", Some(Doubt::BareCr { line: 2 }), 1, "a CR at the end is none either"),
        (b"a\r\r\n", Some(Doubt::BareCr { line: 1 }), 1, "of two CR the first is bare"),
        (b"a\r\rb\n", Some(Doubt::BareCr { line: 1 }), 3, "each is counted"),
        (b"\r\n\ra", Some(Doubt::BareCr { line: 2 }), 1, "at the begin of a line"),
    ];

    #[test]
    fn lines_that_all_end_alike_are_taken_and_the_first_odd_one_is_named_in_whatever_pieces_they_come() {
        for (content, want, added, why) in ROWS {
            for size in 1..=content.len().max(1) {
                let mut newlines = Newlines::default();
                for piece in content.chunks(size) {
                    newlines.update(piece);
                }
                newlines.finish();
                assert_eq!(newlines.doubt(), *want, "{why}, in pieces of {size}");
                assert_eq!(newlines.to_be_added(), *added, "{why}, in pieces of {size}");
            }
        }
    }
}
