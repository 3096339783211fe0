//! Content of DATA, onto the wire.

use super::{CR, LF, Line, scan};
use bytes::BufMut;

/// What to do with a bare CR or LF in content that is to be sent by DATA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendNewlines {
    /// The default: an error. RFC 5321 §2.3.8 forbids to send them, and a peer that takes LF for a line end may be made to see
    /// an end of data that was none.
    #[default]
    Refuse,
    /// Each becomes CR LF. What was signed (DKIM) no longer verifies if it had any.
    Normalise,
    /// Sent as they are, and not looked for. Only for peers known to end lines at CR LF alone: content with LF `.` LF ends early
    /// at any other.
    Keep,
}

/// Content has a bare CR or LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bare {} at octet {at} of the content", if *.octet == CR { "CR" } else { "LF" })]
pub struct BareNewline {
    /// CR or LF.
    pub octet: u8,
    /// Its offset in the whole content.
    pub at: u64,
}

/// Puts content on the wire of one DATA command: doubles dots that start a line, and ends it (RFC 5321 §4.5.2, §4.1.1.4).
///
/// Content may come in pieces, cut anywhere. Either [`put`](Self::put) copies it into a buffer, or [`encode`](Self::encode)
/// yields slices for a vectored write. [`finish`](Self::finish) gives the last octets.
///
/// ```
/// use smtp_proto::wire::content::{Encoder, SendNewlines};
///
/// let mut wire = Vec::new();
/// let mut encoder = Encoder::new(SendNewlines::Refuse);
/// for piece in ["Hi\r\n", ".signed"] {
///     encoder.put(piece.as_bytes(), &mut wire)?;
/// }
/// wire.extend_from_slice(encoder.finish()?);
/// assert_eq!(wire, b"Hi\r\n..signed\r\n.\r\n");
/// # Ok::<(), smtp_proto::wire::content::BareNewline>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    policy: SendNewlines,
    line: Line,
    at: u64,
}

/// The next octets for the wire: `insert`, then `content`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Encoded<'b> {
    /// What has to go before `content` and is not part of it: a dot, or the other half of a line end. Often empty.
    pub insert: &'static [u8],
    /// The front of the input, of which so many octets are consumed. Not empty unless the input was.
    pub content: &'b [u8],
}

impl Encoder {
    /// An encoder that stands right behind the CR LF of the DATA command.
    #[must_use]
    pub const fn new(policy: SendNewlines) -> Self {
        Self { policy, line: Line::Start, at: 0 }
    }

    /// The next slices for the wire: as much of the front of `input` as goes out unchanged. Call again with what is behind it
    /// until nothing is left.
    ///
    /// # Errors
    /// Under [`SendNewlines::Refuse`], at the first bare CR or LF. What was yielded before is on its way by then, so the
    /// connection can only be closed, without the dot: content that can be looked at twice should be surveyed first.
    pub fn encode<'b>(&mut self, input: &'b [u8]) -> Result<Encoded<'b>, BareNewline> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(Encoded { insert: &[], content: input });
        };
        let insert = self.insert(first)?;
        // Where `first` stands is settled; the search is for the next octet that needs something before it.
        let line = if insert.last() == Some(&CR) { Line::AfterCr } else { self.line }.after(first);
        let run = match self.policy {
            SendNewlines::Keep => scan::first_dot(line, rest),
            SendNewlines::Refuse | SendNewlines::Normalise => scan::first_irregular(line, rest),
        };
        let run = run.unwrap_or(rest.len());
        self.line = line.at(rest, run);
        let content = &input[..=run];
        self.at = self.at.saturating_add(content.len() as u64);
        Ok(Encoded { insert, content })
    }

    /// What has to go before `octet`.
    fn insert(&mut self, octet: u8) -> Result<&'static [u8], BareNewline> {
        let after_bare_cr = self.line == Line::AfterCr && octet != LF;
        let bare_lf = self.line != Line::AfterCr && octet == LF;
        match self.policy {
            SendNewlines::Refuse if after_bare_cr => {
                Err(BareNewline { octet: CR, at: self.at.saturating_sub(1) })
            }
            SendNewlines::Refuse if bare_lf => Err(BareNewline { octet: LF, at: self.at }),
            SendNewlines::Normalise if after_bare_cr => {
                self.line = Line::Start;
                Ok(if octet == b'.' { b"\n." } else { b"\n" })
            }
            SendNewlines::Normalise if bare_lf => Ok(b"\r"),
            _ if self.line == Line::Start && octet == b'.' => Ok(b"."),
            _ => Ok(b""),
        }
    }

    /// Copies encoded content into `out`, as much as it has room for, and returns how many octets of `input` that took: all
    /// of them if `out` grows, as `BytesMut` and `Vec` do. `out.limit(n)` bounds it; with room for fewer than three octets
    /// (a dot line's start and one more) nothing is taken.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); what stands before the bare octet is in `out`.
    #[must_use = "what was not taken has to be put again"]
    pub fn put(&mut self, input: &[u8], out: &mut impl BufMut) -> Result<usize, BareNewline> {
        let mut taken = 0;
        // Room for any insertion and one octet more: without it the buffer counts as full.
        while taken < input.len() && out.remaining_mut() > MAX_INSERT {
            let rest = &input[taken..];
            let room = out.remaining_mut() - MAX_INSERT;
            let rest = &rest[..rest.len().min(room).min(COPY_BLOCK)];
            let encoded = self.encode(rest)?;
            if !encoded.insert.is_empty() {
                out.put_slice(encoded.insert);
            }
            copy(encoded.content, out);
            taken += encoded.content.len();
        }
        Ok(taken)
    }

    /// Whether the content so far ends with CR LF or is empty, so that [`finish`](Self::finish) adds only the dot line.
    #[must_use]
    pub const fn ends_line(&self) -> bool {
        matches!(self.line, Line::Start)
    }

    /// The last octets: the CR LF that the content may lack, and the dot line.
    ///
    /// # Errors
    /// Under [`SendNewlines::Refuse`] when the content ends with a bare CR: it must not become a line end by adding an LF.
    pub const fn finish(self) -> Result<&'static [u8], BareNewline> {
        match (self.line, self.policy) {
            (Line::Start, _) => Ok(b".\r\n"),
            (Line::AfterCr, SendNewlines::Refuse) => {
                Err(BareNewline { octet: CR, at: self.at.saturating_sub(1) })
            }
            (Line::AfterCr, SendNewlines::Normalise) => Ok(b"\n.\r\n"),
            (Line::AfterCr, SendNewlines::Keep) | (Line::Within, _) => Ok(b"\r\n.\r\n"),
        }
    }
}

/// Copies one block. From about 2 KiB on `memcpy` is the processor's own string instruction, which beats a loop when source and
/// destination are aligned alike, and loses to it when they are not.
fn copy(block: &[u8], out: &mut impl BufMut) {
    let is_aligned_alike = (block.as_ptr().addr() ^ out.chunk_mut().as_mut_ptr().addr()) % 64 == 0;
    for piece in block.chunks(if is_aligned_alike { COPY_BLOCK } else { COPY_BLOCK / 2 }) {
        out.put_slice(piece);
    }
}

/// The longest insertion, an LF and a dot.
const MAX_INSERT: usize = 2;

/// How much is scanned before it is copied. The copy finds it in the nearest cache, and its writes drain while the next block is
/// scanned. Measured on 10 MiB the best of 512 octets to 128 KiB.
const COPY_BLOCK: usize = 4_096;
