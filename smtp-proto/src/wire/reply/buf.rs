//! Replies that own their octets.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use super::Reply;
use super::enhanced::EnhancedCode;
use super::lines::{Codes, Lines, RawLines};
use super::parse::ReplyRef;
use crate::limits::REPLY_LINE;
use crate::wire::leniency::{Deviations, Leniency};

/// A reply that owns its octets, as a client keeps it.
///
/// Two are equal when they have the same code and the same octets on the same lines.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReplyBuf {
    /// Raw lines with LF between them; no CR, and no LF within one.
    pub(super) text: Vec<u8>,
    pub(super) code: u16,
    pub(super) enhanced: Option<EnhancedCode>,
    pub(super) deviations: Deviations,
}

impl ReplyBuf {
    pub(super) const fn empty() -> Self {
        Self { text: Vec::new(), code: 0, enhanced: None, deviations: Deviations::NONE }
    }

    /// Forgets code and text, and memory beyond that of usual replies: one long reply must not hold it for the rest of a
    /// connection's life.
    pub(super) fn clear(&mut self) {
        self.code = 0;
        self.text.clear();
        self.text.shrink_to(REPLY_LINE);
    }

    /// Becomes a copy of `reply`, in the memory it has.
    pub(super) fn assign(&mut self, reply: ReplyRef<'_>) {
        self.clear();
        self.text.reserve(reply.consumed());
        for (i, line) in reply.raw_lines().enumerate() {
            if i > 0 {
                self.text.push(b'\n');
            }
            self.text.extend_from_slice(line);
        }
        self.code = reply.code();
        self.enhanced = reply.enhanced();
        self.deviations = reply.deviations();
    }

    /// Becomes a copy of `other`, in the memory it has.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.clear();
        self.text.extend_from_slice(&other.text);
        self.code = other.code;
        self.enhanced = other.enhanced;
        self.deviations = other.deviations;
    }

    super::code_accessors!();

    /// What was not as the RFC has it and was tolerated when the reply was read.
    #[must_use]
    pub const fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// The text of each line, enhanced codes taken off.
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        Lines::of(
            self.raw_lines(),
            Codes::of(self.code, self.deviations.contains(Leniency::REPLY_HASHED_CODE)),
        )
    }

    /// The text of each line with whatever it begins with: for a greeting or an EHLO response.
    #[must_use]
    pub fn raw_lines(&self) -> RawLines<'_> {
        RawLines::joined(&self.text)
    }

    /// The text, LF between the lines, with U+FFFD for what is not UTF-8. For people, never for decisions.
    #[must_use]
    pub fn text_lossy(&self) -> Cow<'_, str> {
        super::text_lossy(self.lines())
    }
}

impl From<ReplyRef<'_>> for ReplyBuf {
    fn from(reply: ReplyRef<'_>) -> Self {
        let mut owned = Self::empty();
        owned.assign(reply);
        owned
    }
}

/// What a peer reads when the reply is written with enhanced codes: escaped, folded, cut.
impl From<&Reply<'_>> for ReplyBuf {
    fn from(reply: &Reply<'_>) -> Self {
        let text = reply.joined();
        let (enhanced, _) = Codes::of(reply.code(), false).last_of(RawLines::joined(&text));
        Self { text, code: reply.code(), enhanced, deviations: Deviations::NONE }
    }
}

impl From<Reply<'_>> for ReplyBuf {
    fn from(reply: Reply<'_>) -> Self {
        Self::from(&reply)
    }
}

/// One line for logs: code and raw lines, " / " between them, escaped.
impl fmt::Display for ReplyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::display(f, self.code, self.raw_lines())
    }
}

impl fmt::Debug for ReplyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyBuf(")?;
        fmt::Display::fmt(self, f)?;
        f.write_str(")")
    }
}
