//! Content of DATA, from the wire.

use super::{Bare, BareNewlines, CR, LF, Line, scan};

/// Takes the content of one DATA command off the wire: finds its end, removes the dots that stuffing added, counts bare
/// CRs and LFs (RFC 5321 §4.1.1.4, §4.5.2, §2.3.8).
///
/// ```
/// use smtp_proto::wire::content::{BareNewlines, Decoder, Status};
///
/// let mut wire: &[u8] = b"Hi\r\n..signed\r\n.\r\nQUIT\r\n";
/// let mut decoder = Decoder::new(BareNewlines::Refuse);
/// let mut message = Vec::new();
/// loop {
///     let decoded = decoder.decode(wire);
///     message.extend_from_slice(decoded.content);
///     wire = &wire[decoded.consumed..];
///     match decoded.status {
///         Status::Piece => {}
///         Status::More => unreachable!("the end is in the input"),
///         Status::End => break,
///     }
/// }
/// assert_eq!(message, b"Hi\r\n.signed\r\n");
/// assert_eq!(wire, b"QUIT\r\n");
/// assert!(!decoder.is_refused());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    policy: BareNewlines,
    line: Line,
    bare: Bare,
}

/// What [`Decoder::decode`] made of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decoded<'b> {
    /// Content, a part of the input; may be empty.
    pub content: &'b [u8],
    /// How many octets at the front of the input are done with.
    pub consumed: usize,
    /// What to do next.
    pub status: Status,
}

/// What to do after [`Decoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Call again when there is further input. Up to two octets (a dot, or a dot and a CR) may not have been consumed: they
    /// can't be decided yet and must be in front of what follows.
    More,
    /// Call again at once with the rest of the input, which is not empty.
    Piece,
    /// The dot line is consumed, the content is complete. Octets behind it are the next command's.
    End,
}

impl Decoder {
    /// A decoder that stands right behind the CR LF of the DATA command.
    #[must_use]
    pub const fn new(policy: BareNewlines) -> Self {
        Self { policy, line: Line::Start, bare: Bare { cr: 0, lf: 0 } }
    }

    /// Decodes the front of `input`: everything up to the next dot that has to go, the end, or the end of the input.
    ///
    /// Never fails and never stops for bare CRs and LFs: they are content, and [`is_refused`](Self::is_refused) tells. Must not
    /// be called again after [`Status::End`]: it would read the next command as content.
    pub fn decode<'b>(&mut self, input: &'b [u8]) -> Decoded<'b> {
        let start = match line_start(self.line, input) {
            Some(LineStart::End) => {
                return Decoded { content: &[], consumed: 3, status: Status::End };
            }
            Some(LineStart::Undecided) => return Decoded { content: &[], consumed: 0, status: Status::More },
            Some(LineStart::Stuffed) => 1,
            None => 0,
        };
        let line = if start == 1 { Line::Within } else { self.line };
        let text = &input[start..];
        let dot = match self.policy {
            BareNewlines::Keep => scan::first_dot(line, text),
            BareNewlines::Refuse | BareNewlines::Count => self.count_to_dot(line, text),
        };
        let at = dot.unwrap_or(text.len());
        self.line = line.at(text, at);
        let (content, rest) = text.split_at(at);
        let (dot, status) = match line_start(self.line, rest) {
            Some(LineStart::End) => (3, Status::End),
            Some(LineStart::Stuffed) => {
                self.line = Line::Within;
                (1, Status::Piece)
            }
            Some(LineStart::Undecided) | None => (0, Status::More),
        };
        Decoded { content, consumed: start + at + dot, status }
    }

    /// Offset of the first dot that starts a line; what is bare before it is counted.
    fn count_to_dot(&mut self, line: Line, text: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let here = line.at(text, from);
            let at = from + scan::first_irregular(here, &text[from..])?;
            let here = line.at(text, at);
            if here == Line::Start && text[at] == b'.' {
                return Some(at);
            }
            self.bare.count(here, text[at]);
            from = at + 1;
        }
    }

    /// Bare CRs so far. Always 0 under [`BareNewlines::Keep`]. A CR that came last is not counted before its successor is known.
    #[must_use]
    pub const fn bare_cr(&self) -> u64 {
        self.bare.cr
    }

    /// Bare LFs so far. Always 0 under [`BareNewlines::Keep`].
    #[must_use]
    pub const fn bare_lf(&self) -> u64 {
        self.bare.lf
    }

    /// Whether the message must be refused (550 5.6.11) when its end is reached: the policy is [`BareNewlines::Refuse`] and
    /// something bare was seen.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.policy, BareNewlines::Refuse) && self.bare.any()
    }
}

/// What a dot at the start of a line means.
enum LineStart {
    End,
    Stuffed,
    Undecided,
}

/// `None` when no dot starts a line here.
const fn line_start(line: Line, input: &[u8]) -> Option<LineStart> {
    match (line, input) {
        (Line::Start, [b'.', CR, LF, ..]) => Some(LineStart::End),
        (Line::Start, [b'.'] | [b'.', CR]) => Some(LineStart::Undecided),
        (Line::Start, [b'.', ..]) => Some(LineStart::Stuffed),
        _ => None,
    }
}
