//! Reading a reply that may come in pieces.

use super::buf::ReplyBuf;
use super::lines::RawLines;
use super::machine::{Machine, Octet};
use super::parse::{ReplyError, ReplyRef, finish};
use crate::io::Input;
use crate::wire::leniency::Leniency;

/// Gathers one reply after the other from octets that may be cut anywhere.
///
/// It uses up what it reads and keeps the text, so the caller's buffer need not hold a whole reply, and its memory
/// is bounded by [`REPLY_OCTETS`](crate::limits::REPLY_OCTETS). Once warm it does not allocate.
#[derive(Clone, Debug)]
pub struct ReplyCollector {
    /// The reply that was read last, or the text so far with code 0.
    reply: ReplyBuf,
    /// The reply that has come in part.
    begun: Option<Machine>,
}

impl ReplyCollector {
    /// A collector without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { reply: ReplyBuf::empty(), begun: None }
    }

    /// Whether a reply has come in part: a hang-up now cuts it short.
    #[must_use]
    pub const fn is_midway(&self) -> bool {
        self.begun.is_some()
    }

    /// Uses octets of `input` up to the end of one reply and lends that reply; `None` when all of them are used and
    /// the end has not come.
    ///
    /// `leniency` counts for the whole reply: what is given while a reply is midway changes nothing.
    ///
    /// # Errors
    /// When the octets are no reply that `leniency` lets through. Where the next one begins can't be known then.
    pub fn feed(
        &mut self,
        input: &mut Input<'_>,
        leniency: Leniency,
    ) -> Result<Option<&ReplyBuf>, ReplyError> {
        let rest = input.rest();
        let mut machine = match self.begun.take() {
            Some(machine) => machine,
            None => {
                if let Some(reply) = ReplyRef::parse_plain(rest, leniency) {
                    self.reply.assign(reply);
                    input.take(reply.consumed());
                    return Ok(Some(&self.reply));
                }
                self.reply.clear();
                Machine::new(leniency)
            }
        };
        for (at, &octet) in rest.iter().enumerate() {
            match machine.step(octet)? {
                Octet::Framing => {}
                Octet::Text => self.reply.text.push(octet),
                Octet::LineEnd => self.reply.text.push(b'\n'),
                Octet::End => {
                    input.take(at + 1);
                    self.settle(machine);
                    return Ok(Some(&self.reply));
                }
            }
        }
        input.take(rest.len());
        if !machine.is_fresh() {
            self.begun = Some(machine);
        }
        Ok(None)
    }

    fn settle(&mut self, machine: Machine) {
        self.reply.code = machine.code();
        let (enhanced, deviations) = finish(machine, RawLines::joined(&self.reply.text));
        self.reply.enhanced = enhanced;
        self.reply.deviations = deviations;
    }

    /// The reply that was read last, on loan; with code 0 where there is none.
    pub(crate) const fn last(&self) -> &ReplyBuf {
        &self.reply
    }

    /// The reply that was read last, by value; `None` before the first one, while one is midway, and after an error.
    #[must_use]
    pub fn take(&mut self) -> Option<ReplyBuf> {
        let is_whole = self.begun.is_none() && self.reply.code != 0;
        is_whole.then(|| core::mem::replace(&mut self.reply, ReplyBuf::empty()))
    }
}

impl Default for ReplyCollector {
    fn default() -> Self {
        Self::new()
    }
}
