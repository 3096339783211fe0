//! The whole of what a reply may look like, octet by octet: the one place that knows every deviation.

use super::parse::{ReplyError, ReplyFault};
use crate::limits::{REPLY_LINE, REPLY_LINES, REPLY_OCTETS};
use crate::wire::leniency::{Deviations, Leniency};

/// What an octet of a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Octet {
    /// Code, separator, part of a line end, or text that is dropped.
    Framing,
    /// Text.
    Text,
    /// The end of a line that is followed by another one whose text is kept.
    LineEnd,
    /// The end of the reply.
    End,
}

/// Reads one reply; its input may be cut anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    leniency: Leniency,
    deviations: Deviations,
    place: Place,
    /// Of the last line whose code was read whole.
    code: u16,
    /// Whether this line ends the reply.
    last: bool,
    /// Lines that have ended.
    lines: usize,
    /// Octets of this line.
    line: usize,
    /// Octets of all lines.
    total: usize,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    LineStart,
    /// The digits read so far, and how many.
    Code(u16, u8),
    Separator,
    Text,
    /// Behind a CR.
    LineEnd,
    /// Behind a CR that began a line.
    EmptyLineEnd,
}

impl Machine {
    pub(super) const fn new(leniency: Leniency) -> Self {
        Self {
            leniency,
            deviations: Deviations::NONE,
            place: Place::LineStart,
            code: 0,
            last: false,
            lines: 0,
            line: 0,
            total: 0,
        }
    }

    pub(super) const fn code(&self) -> u16 {
        self.code
    }

    pub(super) const fn leniency(&self) -> Leniency {
        self.leniency
    }

    pub(super) const fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// Whether no octet was read yet.
    pub(super) const fn is_fresh(&self) -> bool {
        self.total == 0
    }

    pub(super) fn step(&mut self, octet: u8) -> Result<Octet, ReplyError> {
        let at = self.total;
        if at == REPLY_OCTETS {
            return Err(ReplyError { fault: ReplyFault::TooLong, at });
        }
        self.total += 1;
        self.line += 1;
        self.advance(octet).map_err(|fault| ReplyError { fault, at })
    }

    fn advance(&mut self, octet: u8) -> Result<Octet, ReplyFault> {
        match self.place {
            Place::LineStart => match octet {
                b'\r' => self.go(Place::EmptyLineEnd),
                b'\n' => {
                    self.note(Leniency::UNSAFE_LF_REPLIES)?;
                    self.empty_line()
                }
                _ => self.digit(octet, 0, 0),
            },
            Place::Code(n, digits) => self.digit(octet, n, digits),
            Place::Separator => self.separator(octet),
            Place::Text => self.text(octet),
            Place::LineEnd if octet == b'\n' => self.line_end(),
            Place::EmptyLineEnd if octet == b'\n' => self.empty_line(),
            Place::LineEnd | Place::EmptyLineEnd => Err(ReplyFault::BareCr),
        }
    }

    /// RFC 5321 §4.2: `%x32-35 %x30-35 %x30-39`.
    fn digit(&mut self, octet: u8, n: u16, digits: u8) -> Result<Octet, ReplyFault> {
        match (digits, octet) {
            (0, b'2'..=b'5') | (1, b'0'..=b'5') | (2, b'0'..=b'9') => {}
            (1, b'6'..=b'9') => self.note(Leniency::REPLY_SECOND_DIGIT)?,
            _ => return Err(ReplyFault::Code),
        }
        let n = n * 10 + u16::from(octet - b'0');
        if digits < 2 {
            return self.go(Place::Code(n, digits + 1));
        }
        if self.lines > 0 && n != self.code {
            self.note(Leniency::REPLY_CODES_DIFFER)?;
        }
        self.code = n;
        self.go(Place::Separator)
    }

    fn separator(&mut self, octet: u8) -> Result<Octet, ReplyFault> {
        self.last = octet != b'-';
        match octet {
            b' ' | b'-' => self.go(Place::Text),
            b'\r' | b'\n' => self.text(octet),
            b'0'..=b'9' => Err(ReplyFault::Code),
            _ => {
                self.note(Leniency::REPLY_SEPARATOR)?;
                self.place = Place::Text;
                if octet == b'\t' { Ok(Octet::Framing) } else { self.text(octet) }
            }
        }
    }

    fn text(&mut self, octet: u8) -> Result<Octet, ReplyFault> {
        match octet {
            b'\r' => return self.go(Place::LineEnd),
            b'\n' => {
                self.note(Leniency::UNSAFE_LF_REPLIES)?;
                return self.line_end();
            }
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => self.note(Leniency::REPLY_CONTROL)?,
        }
        if self.line > REPLY_LINE - 2 {
            self.note(Leniency::REPLY_OVERLONG)?;
            return Ok(Octet::Framing);
        }
        Ok(if self.lines < REPLY_LINES { Octet::Text } else { Octet::Framing })
    }

    fn line_end(&mut self) -> Result<Octet, ReplyFault> {
        if self.last {
            return Ok(Octet::End);
        }
        self.lines += 1;
        self.line = 0;
        self.place = Place::LineStart;
        if self.lines < REPLY_LINES {
            return Ok(Octet::LineEnd);
        }
        self.note(Leniency::REPLY_OVERLONG)?;
        Ok(Octet::Framing)
    }

    fn empty_line(&mut self) -> Result<Octet, ReplyFault> {
        self.note(Leniency::REPLY_EMPTY_LINE)?;
        self.line = 0;
        self.go(Place::LineStart)
    }

    fn go(&mut self, place: Place) -> Result<Octet, ReplyFault> {
        self.place = place;
        Ok(Octet::Framing)
    }

    fn note(&mut self, deviation: Leniency) -> Result<(), ReplyFault> {
        if !self.leniency.allows(deviation) {
            return Err(ReplyFault::Refused(deviation));
        }
        self.deviations = self.deviations.with(deviation.into());
        Ok(())
    }
}
