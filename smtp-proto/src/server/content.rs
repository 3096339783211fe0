//! Content: DATA and BDAT, the size limit, the verdicts.

use core::time::Duration;

use super::answer::Answer;
use super::config::Protocol;
use super::replies;
use super::session::{Open, Phase, ServerSession, Transaction};
use super::state::State;
use super::step::{Abuse, Data, ResetCause, Step};
use crate::io::Input;
use crate::limits;
use crate::wire::content::{BareNewlines, ChunkCounter, Decoder, Status};
use crate::wire::leniency::Leniency;
use crate::wire::reply::Reply;

impl ServerSession {
    // ---- DATA --------------------------------------------------------------------------------------------

    pub(crate) fn answer_data(&mut self, answer: Answer<'_>) {
        if let Answer::Accept(_) = answer {
            self.say(&replies::GO_ON);
            self.decoder = Decoder::new(self.bare_newlines(false));
            self.phase = Phase::Content;
            self.begin_content();
        } else {
            self.speak(&answer, &replies::GO_ON, &replies::REJECTED);
            self.end_transaction(ResetCause::DataRefused, State::Ready);
        }
    }

    /// What becomes of bare CRs and LFs.
    fn bare_newlines(&self, chunked: bool) -> BareNewlines {
        let both = Leniency::BARE_LF_IN_DATA.with(Leniency::BARE_CR_IN_DATA);
        match chunked {
            true if self.transaction.binary => BareNewlines::Keep,
            true if !self.strictly(Leniency::BARE_LF_IN_BDAT) => BareNewlines::Keep,
            true => BareNewlines::Refuse,
            false if !self.strictly(both) => BareNewlines::Keep,
            false => BareNewlines::Count,
        }
    }

    fn is_bare(&self) -> bool {
        (self.decoder.bare_cr() > 0 && self.strictly(Leniency::BARE_CR_IN_DATA))
            || (self.decoder.bare_lf() > 0 && self.strictly(Leniency::BARE_LF_IN_DATA))
    }

    pub(crate) fn begin_content(&mut self) {
        self.content_deadline = self.now + self.config.limits.content;
    }

    /// Octets pay for time at the slowest rate allowed; no credit beyond the full wait can be saved up.
    fn pay_content(&mut self, octets: usize) {
        let limits = &self.config.limits;
        let paid = Duration::from_secs(octets as u64) / limits.content_rate.max(1);
        self.content_deadline = (self.content_deadline.max(self.now) + paid).min(self.now + limits.content);
    }

    /// The decoder may want more than a lone CR or dot at the buffer's front.
    pub(crate) fn has_content(&self, input: &Input<'_>) -> bool {
        // At most a dot and a CR stay undecided.
        let mut probe = self.decoder;
        input.rest().len() > 2 || probe.decode(input.rest()).consumed > 0
    }

    pub(crate) fn next_content<'b>(&mut self, input: &mut Input<'b>) -> Step<'_, 'b> {
        let decoded = self.decoder.decode(input.rest());
        input.take(decoded.consumed);
        self.pay_content(decoded.consumed);
        let content = self.cap(decoded.content);
        if decoded.status == Status::End {
            self.end_content();
            if content.is_empty() {
                // INVARIANT: the end queued a reset or moved to the verdicts, so a step follows at once.
                return Step::Quiet(decoded.consumed);
            }
        }
        match content {
            [] => Step::Quiet(decoded.consumed),
            content => Step::Content(content),
        }
    }

    /// What of `content` lies within the size limit. Content stops exactly there, whatever the cuts.
    fn cap<'b>(&mut self, content: &'b [u8]) -> &'b [u8] {
        let limit = self.config.limits.message;
        let left = limit - self.transaction.octets.min(limit);
        let keep = usize::try_from(left).map_or(content.len(), |left| content.len().min(left));
        self.transaction.octets += keep as u64;
        if keep < content.len() {
            if !self.transaction.too_big {
                self.transaction.too_big = true;
                self.queued_reset = Some(ResetCause::TooBig);
                // Over for the application: whatever ends the swallowing is no second reset.
                self.state = State::Ready;
            }
            self.transaction.swallowed += (content.len() - keep) as u64;
            if self.transaction.swallowed / limits::OVERSIZE_FACTOR > limit {
                self.expel(&replies::TOO_BIG, Abuse::Oversize);
            }
        }
        &content[..keep]
    }

    fn end_content(&mut self) {
        if matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        if self.transaction.too_big {
            self.refuse_content(&replies::TOO_BIG);
            self.transaction = Transaction::default();
            self.facts.smtputf8 = false;
        } else if self.is_bare() {
            self.refuse_content(&replies::BARE_NEWLINE);
            self.end_transaction(ResetCause::BareNewline, State::Ready);
        } else {
            self.phase = Phase::Verdict;
        }
    }

    /// The session's own refusal of a complete message: in LMTP once per recipient.
    fn refuse_content(&mut self, reply: &Reply<'_>) {
        let times = if self.config.protocol == Protocol::Lmtp { self.transaction.accepted } else { 1 };
        for _ in 0..times {
            self.say(reply);
        }
        self.phase = Phase::Command;
    }

    // ---- BDAT --------------------------------------------------------------------------------------------

    pub(crate) fn bdat<'b>(&mut self, line: &'b [u8], size: u64, last: bool) -> Step<'_, 'b> {
        if self.state == State::Rcpt {
            let data = Data::of(&self.transaction, true);
            return Step::Data(self.token(Open::Chunk { size, last }, data));
        }
        self.begin_chunk(size, last);
        Step::Quiet(line.len())
    }

    pub(crate) fn answer_first_chunk(&mut self, answer: Answer<'_>, size: u64, last: bool) {
        if let Answer::Accept(_) = answer {
            self.chunks = ChunkCounter::new(self.bare_newlines(true));
            self.state = State::Chunks;
            self.begin_chunk(size, last);
        } else {
            self.speak(&answer, &replies::CHUNK_OK, &replies::REJECTED);
            self.end_transaction(ResetCause::DataRefused, State::Failed);
            self.phase = Phase::DropChunk { left: size };
        }
        self.begin_content();
    }

    fn begin_chunk(&mut self, size: u64, last: bool) {
        self.transaction.chunks += 1;
        self.begin_content();
        if size == 0 && !last {
            self.charge_junk();
        }
        if self.transaction.chunks > self.config.limits.chunks {
            self.expel(&replies::TOO_MUCH_JUNK, Abuse::Oversize);
        }
        if matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        let limit = self.config.limits.message;
        self.phase = Phase::Chunk { last };
        if self.chunks.begin(size).is_err() || self.chunks.total() > limit {
            self.phase = Phase::DropChunk { left: size };
            self.say(&replies::TOO_BIG);
            self.end_transaction(ResetCause::TooBig, State::Failed);
            if size / limits::OVERSIZE_FACTOR > limit {
                self.expel(&replies::OUT_OF_STEP, Abuse::Oversize);
            }
        }
    }

    pub(crate) fn next_chunk<'b>(&mut self, input: &mut Input<'b>, last: bool) -> Step<'_, 'b> {
        let octets = self.chunks.take(input.rest());
        input.take(octets.len());
        self.pay_content(octets.len());
        self.transaction.octets += octets.len() as u64;
        if self.chunks.left() == 0 {
            self.end_chunk(last);
        }
        if octets.is_empty() { Step::Quiet(0) } else { Step::Content(octets) }
    }

    fn end_chunk(&mut self, last: bool) {
        self.phase = Phase::Command;
        if !last {
            return self.say(&replies::CHUNK_OK);
        }
        self.chunks.finish();
        if self.chunks.is_refused() {
            self.refuse_content(&replies::BARE_NEWLINE);
            self.end_transaction(ResetCause::BareNewline, State::Ready);
        } else {
            self.phase = Phase::Verdict;
        }
    }

    /// Eats octets of a refused chunk.
    pub(crate) fn drop_chunk(&mut self, input: &mut Input<'_>, left: u64) -> usize {
        let rest = input.rest();
        let n = usize::try_from(left).map_or(rest.len(), |left| rest.len().min(left));
        input.take(n);
        self.pay_content(n);
        let left = left - n as u64;
        self.phase = if left == 0 { Phase::Command } else { Phase::DropChunk { left } };
        n
    }

    // ---- verdicts ----------------------------------------------------------------------------------------

    pub(crate) fn answer_verdict(&mut self, answer: Answer<'_>) {
        self.speak(&answer, &replies::MESSAGE_OK, &replies::REJECTED);
        self.transaction.verdict += 1;
        let last =
            self.config.protocol == Protocol::Smtp || self.transaction.verdict >= self.transaction.accepted;
        if last {
            self.budgets.junk = 0;
            self.phase = Phase::Command;
            self.end_transaction(ResetCause::Finished, State::Ready);
        }
    }
}
