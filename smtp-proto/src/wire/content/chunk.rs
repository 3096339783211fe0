//! Content of BDAT, from the wire.

use super::{Bare, BareNewlines, Line, scan};

/// Counts the octets of BDAT chunks (RFC 3030 §2) and, by policy, the bare CRs and LFs in them. One for a message, however
/// many chunks it comes in: a CR that ends one chunk and an LF that begins the next are a pair.
///
/// Nothing is unstuffed: a chunk's octets are the message's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkCounter {
    policy: BareNewlines,
    line: Line,
    bare: Bare,
    left: u64,
    total: u64,
}

/// The chunks of a message add up to more than 64 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message of more than 2^64 octets")]
pub struct ChunkOverflow;

impl ChunkCounter {
    /// No chunk has begun. For a message with BODY=BINARYMIME the policy should be [`BareNewlines::Keep`]: no octet is bare there.
    #[must_use]
    pub const fn new(policy: BareNewlines) -> Self {
        Self { policy, line: Line::Start, bare: Bare { cr: 0, lf: 0 }, left: 0, total: 0 }
    }

    /// Begins a chunk of `size` octets. What is left of the chunk before, if anything, is added to it: octets announced are
    /// never read as commands.
    ///
    /// # Errors
    /// When all chunks so far announce more than `u64::MAX` octets; nothing has changed then. The connection can't go on, since
    /// the chunk could not be told from what follows it.
    pub const fn begin(&mut self, size: u64) -> Result<(), ChunkOverflow> {
        let Some(total) = self.total.checked_add(size) else {
            return Err(ChunkOverflow);
        };
        self.total = total;
        self.left += size; // no overflow: left <= total
        Ok(())
    }

    /// The octets at the front of `input` that belong to the chunk, all of which are consumed. Empty when the chunk is complete.
    #[must_use = "these octets are consumed"]
    pub fn take<'b>(&mut self, input: &'b [u8]) -> &'b [u8] {
        let content = match usize::try_from(self.left) {
            Ok(left) => &input[..left.min(input.len())],
            Err(_) => input, // more left than an address space holds
        };
        self.left -= content.len() as u64;
        if self.policy != BareNewlines::Keep {
            self.count(content);
        }
        content
    }

    fn count(&mut self, content: &[u8]) {
        let mut from = 0;
        while let Some(found) = scan::first_bare(self.line.at(content, from), &content[from..]) {
            let at = from + found;
            self.bare.count(self.line.at(content, at), content[at]);
            from = at + 1;
        }
        self.line = self.line.at(content, content.len());
    }

    /// Tells the counter that the last chunk is complete: a CR at the very end is bare. Needed once, before
    /// [`is_refused`](Self::is_refused) is asked.
    pub const fn finish(&mut self) {
        // Under Keep the line is never followed, so it is never behind a CR.
        self.bare.count(self.line, 0);
        self.line = Line::Start;
    }

    /// Octets of the chunk that are still to come.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Octets that all chunks so far announced.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bare CRs so far, over the edges of chunks. Always 0 under [`BareNewlines::Keep`].
    #[must_use]
    pub const fn bare_cr(&self) -> u64 {
        self.bare.cr
    }

    /// Bare LFs so far, over the edges of chunks. Always 0 under [`BareNewlines::Keep`].
    #[must_use]
    pub const fn bare_lf(&self) -> u64 {
        self.bare.lf
    }

    /// Whether the message must be refused (550 5.6.11): the policy is [`BareNewlines::Refuse`] and something bare was seen.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.policy, BareNewlines::Refuse) && self.bare.any()
    }
}
