//! Message content: from the wire (DATA and BDAT), onto the wire, and what it needs to travel.
//!
//! Content of DATA ends at `CR LF . CR LF` and nowhere else (RFC 5321 §4.1.1.4): LF `.` LF, CR `.` CR and every mix of
//! them is text. The CR LF that ended the DATA command counts as the first one, so an empty message is `.CRLF`. A line
//! that starts with a dot and has more loses that dot (RFC 5321 §4.5.2). [`Decoder`] does this, [`Encoder`] its reverse.
//!
//! A CR without LF behind it or an LF without CR before it is *bare*: never legal (RFC 5321 §2.3.8), and what smuggling is
//! made of. What happens to bare ones is a named policy, [`BareNewlines`] for content taken and [`SendNewlines`] for content
//! sent. Under none of them does a bare one end a line.
//!
//! Everything here is a few octets of state: content is neither copied nor stored, and nothing allocates. Input may be cut
//! anywhere without changing the joined content, the counts or the end.

mod chunk;
mod decode;
mod encode;
mod scan;
mod survey;

pub use chunk::{ChunkCounter, ChunkOverflow};
pub use decode::{Decoded, Decoder, Status};
pub use encode::{BareNewline, Encoded, Encoder, SendNewlines};
pub(crate) use survey::Needs;
pub use survey::Survey;

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// What to do with a bare CR or LF in content that a peer sends.
///
/// It is never read as the end of a line or of the content, whatever the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BareNewlines {
    /// The default: counted, and the message is refused once its true end is reached (RFC 5321 §2.3.8).
    #[default]
    Refuse,
    /// Kept as they are and not looked for: only the end and the dots are. The counts stay 0, which makes it the fastest.
    /// Content taken this way has to be surveyed ([`Survey`]) before it travels on.
    Keep,
    /// Kept as they are and counted. Costs what [`Refuse`](Self::Refuse) costs.
    Count,
}

/// Where in a line the next octet stands: all that has to be known of the octets before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// CR LF came last.
    Start,
    /// CR came last.
    AfterCr,
    /// Anything else.
    Within,
}

impl Line {
    /// Where the next octet stands once `octet` is read.
    const fn after(self, octet: u8) -> Self {
        match (self, octet) {
            (_, CR) => Self::AfterCr,
            (Self::AfterCr, LF) => Self::Start,
            _ => Self::Within,
        }
    }

    /// Where octet `at` of `input` stands, if `self` is where its first one does.
    fn at(self, input: &[u8], at: usize) -> Self {
        match input.get(..at) {
            Some([.., before, last]) => Self::Within.after(*before).after(*last),
            Some([only]) => self.after(*only),
            _ => self,
        }
    }

    /// An octet that, standing before the next one, lets a scan of octet pairs see the same as this state.
    const fn as_octet(self) -> u8 {
        match self {
            Self::Start => LF,
            Self::AfterCr => CR,
            Self::Within => 0,
        }
    }
}

/// How many bare CRs and LFs were met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bare {
    cr: u64,
    lf: u64,
}

impl Bare {
    /// Counts what `octet` at `line` shows: the CR before it to be bare, or itself.
    const fn count(&mut self, line: Line, octet: u8) {
        match (line, octet) {
            (Line::AfterCr, LF) => {}
            (Line::AfterCr, _) => self.cr = self.cr.saturating_add(1),
            (_, LF) => self.lf = self.lf.saturating_add(1),
            _ => {}
        }
    }

    const fn any(self) -> bool {
        self.cr > 0 || self.lf > 0
    }
}
