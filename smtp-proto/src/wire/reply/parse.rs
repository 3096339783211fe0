//! Reading a reply without copying it.

use alloc::borrow::Cow;
use core::fmt;

use super::buf::ReplyBuf;
use super::enhanced::EnhancedCode;
use super::lines::{Codes, Lines, RawLines};
use super::machine::{Machine, Octet};
use super::plain::{self, Plain};
use crate::wire::leniency::{Deviations, Leniency};
use crate::wire::sweep::Words;

/// Why octets are no reply, and where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {at} of a reply")]
pub struct ReplyError {
    /// What is wrong.
    pub fault: ReplyFault,
    /// Offset from the reply's first octet.
    pub at: usize,
}

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// A line begins with something else than a code: not SMTP, or out of step.
    #[error("no reply code")]
    Code,
    /// A CR that is not followed by LF. Never tolerated.
    #[error("CR without LF")]
    BareCr,
    /// More than [`REPLY_OCTETS`](crate::limits::REPLY_OCTETS).
    #[error("too many octets")]
    TooLong,
    /// A deviation that the [`Leniency`] does not tolerate.
    #[error("{}", .0.names().next().unwrap_or_default())]
    Refused(Leniency),
}

/// A reply, borrowed from the octets that were received.
#[derive(Clone, Copy)]
pub struct ReplyRef<'b> {
    octets: &'b [u8],
    code: u16,
    /// Where the text of a reply of one plain line begins; 0 for any other.
    text_at: u8,
    deviations: Deviations,
    enhanced: Option<EnhancedCode>,
}

impl<'b> ReplyRef<'b> {
    /// Reads the first reply in `input`; `None` when its end has not come yet.
    ///
    /// What follows the reply is not looked at: [`consumed`](Self::consumed) says how much to drop. A reply that has
    /// not come whole is read from its begin again next time: [`ReplyCollector`](super::ReplyCollector) does not.
    ///
    /// # Errors
    /// As soon as `input` can't become a reply that `leniency` lets through, also before its end has come.
    #[inline]
    pub fn parse(input: &'b [u8], leniency: Leniency) -> Result<Option<Self>, ReplyError> {
        match Self::parse_plain(input, leniency) {
            Some(reply) => Ok(Some(reply)),
            None => Self::parse_unusual(input, leniency),
        }
    }

    /// A reply that is whole and without a deviation.
    #[inline(always)]
    pub(super) fn parse_plain(input: &'b [u8], leniency: Leniency) -> Option<Self> {
        let plain = plain::read(Words::new(input)?, leniency)?;
        Some(Self::plain(input, plain))
    }

    pub(in crate::wire) fn plain(input: &'b [u8], plain: Plain) -> Self {
        let Plain { code, len, text_at, enhanced } = plain;
        Self { octets: &input[..len], code, text_at, deviations: Deviations::NONE, enhanced }
    }

    #[cold]
    pub(crate) fn parse_unusual(input: &'b [u8], leniency: Leniency) -> Result<Option<Self>, ReplyError> {
        let mut machine = Machine::new(leniency);
        for (at, &octet) in input.iter().enumerate() {
            if machine.step(octet)? == Octet::End {
                let octets = &input[..=at];
                let (enhanced, deviations) = finish(machine, RawLines::wire(octets));
                return Ok(Some(Self { octets, code: machine.code(), text_at: 0, deviations, enhanced }));
            }
        }
        Ok(None)
    }

    /// How many octets the reply has, all line ends and skipped empty lines included.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.octets.len()
    }

    /// The octets as received.
    #[must_use]
    pub const fn octets(&self) -> &'b [u8] {
        self.octets
    }

    super::code_accessors!();

    /// What was not as the RFC has it and was tolerated.
    #[must_use]
    pub const fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// The text of each line, enhanced codes taken off.
    #[must_use]
    pub fn lines(&self) -> Lines<'b> {
        let codes = Codes::of(self.code, self.deviations.contains(Leniency::REPLY_HASHED_CODE));
        match self.text_at {
            0 => Lines::of(self.raw_lines(), codes),
            begin => Lines::only(&self.octets[usize::from(begin)..self.octets.len() - 2], codes),
        }
    }

    /// The text of each line with whatever it begins with: for a greeting or an EHLO response.
    #[must_use]
    pub const fn raw_lines(&self) -> RawLines<'b> {
        RawLines::wire(self.octets)
    }

    /// The text, LF between the lines, with U+FFFD for what is not UTF-8. For people, never for decisions.
    #[must_use]
    pub fn text_lossy(&self) -> Cow<'b, str> {
        super::text_lossy(self.lines())
    }

    /// A copy that owns its octets.
    #[must_use]
    pub fn to_owned(self) -> ReplyBuf {
        ReplyBuf::from(self)
    }
}

/// What can be said of a reply only when its last line is there.
pub(super) fn finish(machine: Machine, lines: RawLines<'_>) -> (Option<EnhancedCode>, Deviations) {
    let codes = Codes::of(machine.code(), machine.leniency().allows(Leniency::REPLY_HASHED_CODE));
    let (enhanced, hashed) = codes.last_of(lines);
    let deviations = machine.deviations();
    (enhanced, if hashed { deviations.with(Leniency::REPLY_HASHED_CODE.into()) } else { deviations })
}

impl PartialEq for ReplyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        // The octets and what was tolerated in them decide all the rest.
        self.octets == other.octets && self.deviations == other.deviations
    }
}

impl Eq for ReplyRef<'_> {}

impl fmt::Debug for ReplyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyRef(")?;
        super::display(f, self.code, self.raw_lines())?;
        f.write_str(")")
    }
}
