//! BDAT, for programs that go command by command (RFC 3030 §2).

use super::outcome::Why;
use super::session::{ClientSession, Phase};
use super::step::{Ready, Sent};
use crate::wire::command::Command;
use crate::wire::content::{SendNewlines, Survey};
use crate::wire::ehlo::Keyword;
use crate::wire::params::{Body, MailParams};

/// The content that goes in chunks which the application cuts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    survey: Survey,
    /// MAIL said BODY=BINARYMIME: whatever is in there may be.
    binary: bool,
}

impl Chunks {
    pub(crate) const NONE: Self = Self { survey: Survey::new(), binary: false };

    pub(crate) fn of(params: MailParams<'_>) -> Self {
        Self { binary: params.body() == Some(Body::BinaryMime), ..Self::NONE }
    }
}

impl Ready<'_> {
    /// Says BDAT with `octets` as one chunk; more of the message follows. The answer comes as [`ClientStep::Reply`], and
    /// then `Ready` again: a refusal ends the transaction, and [`rset`](Self::rset) or another MAIL comes next.
    ///
    /// Octets travel as they are, and no dot is doubled. They are copied, and have to be out within
    /// [`Timeouts::data_block`]: content that is large is cut, anywhere.
    ///
    /// # Errors
    /// [`Why::Unsupported`] where the server does not offer CHUNKING: it would take the octets for commands.
    /// [`Why::BareNewline`] for a bare CR or LF, unless MAIL said `BODY=BINARYMIME` or
    /// [`newlines`](super::ClientConfig::newlines) is `Keep`. Nothing is sent then.
    ///
    /// [`ClientStep::Reply`]: super::ClientStep::Reply
    /// [`Timeouts::data_block`]: super::Timeouts::data_block
    pub fn bdat(self, octets: &[u8]) -> Result<(), Why> {
        self.session.say_chunk(octets, Last::No)
    }

    /// Says BDAT LAST with `octets` as the last chunk, which may be empty. The answer is about the message; in LMTP there
    /// is one for each recipient that was accepted.
    ///
    /// # Errors
    /// As [`bdat`](Self::bdat).
    pub fn bdat_last(self, octets: &[u8]) -> Result<(), Why> {
        self.session.say_chunk(octets, Last::Yes)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    No,
    Yes,
}

impl ClientSession {
    fn say_chunk(&mut self, octets: &[u8], last: Last) -> Result<(), Why> {
        if !self.offers(Keyword::Chunking) {
            return Err(Why::Unsupported(Keyword::Chunking));
        }
        let mut chunks = self.job.chunks;
        chunks.survey.update(octets);
        if last == Last::Yes {
            chunks.survey.finish();
        }
        let is_bare = chunks.survey.bare_cr() + chunks.survey.bare_lf() > 0;
        if is_bare && !chunks.binary && self.config.newlines != SendNewlines::Keep {
            return Err(Why::BareNewline);
        }
        self.job.chunks = chunks;
        self.job.chunked = true;
        self.write(&Command::Bdat { size: octets.len() as u64, last: last == Last::Yes });
        self.output.extend_from_slice(octets);
        match last {
            Last::No => self.phase = Phase::Single(Sent::Chunk),
            Last::Yes => self.begin_verdict(),
        }
        Ok(())
    }
}
