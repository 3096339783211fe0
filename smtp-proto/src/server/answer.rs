//! Answers: how a token was settled, and what is said then.

use super::config::Extension;
use super::replies;
use super::session::{Open, ServerSession};
use super::step::{CloseReason, ResetCause};
use crate::wire::reply::Reply;

/// How a token was answered.
pub(crate) enum Answer<'a> {
    Accept(Option<&'a Reply<'a>>),
    Refuse(Option<&'a Reply<'a>>),
    Dropped,
}

impl<'a> Answer<'a> {
    /// By the class of its reply; no reply accepts.
    pub(crate) fn of(reply: Option<&'a Reply<'a>>) -> Self {
        match reply {
            Some(reply) if !reply.is_positive() => Self::Refuse(Some(reply)),
            _ => Self::Accept(reply),
        }
    }
}

impl ServerSession {
    pub(crate) fn say(&mut self, reply: &Reply<'_>) {
        let enhanced = self.config.extensions.has(Extension::EnhancedStatusCodes);
        // RFC 2034 §4: on every 2yz, 4yz and 5yz, also on those that an application made without.
        reply.with_some_code().write(&mut self.output, enhanced);
    }

    pub(crate) fn hang_up(&mut self, reply: &Reply<'_>) {
        let reply = if reply.is_positive() { &replies::OUT_OF_STEP } else { reply };
        self.facts.refuse(reply.code());
        // RFC 2034 §4: no enhanced code in a greeting, nor in an answer to EHLO or HELO.
        if matches!(self.open, Open::Connect | Open::Hello { .. }) {
            reply.write(&mut self.output, false);
        } else {
            self.say(reply);
        }
        self.close(CloseReason::Policy, ResetCause::Closing);
    }

    pub(super) fn answer_dropped(&mut self) {
        if self.open != Open::None {
            self.answer(Answer::Dropped);
        }
    }

    /// Settles the token that is out.
    pub(crate) fn answer(&mut self, answer: Answer<'_>) {
        let (refuses, begin) = (!matches!(answer, Answer::Accept(_)), self.output.len());
        self.settle(answer);
        if let (true, Some(&[a, b, c])) = (refuses, self.output[begin..].first_chunk()) {
            // INVARIANT: what was said first is the answer's reply, which begins with three digits.
            self.facts.refuse(
                [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0'))),
            );
        }
    }

    fn settle(&mut self, answer: Answer<'_>) {
        match core::mem::replace(&mut self.open, Open::None) {
            Open::None => {}
            Open::Connect => self.answer_connect(answer),
            Open::Hello { extended } => self.answer_hello(answer, extended),
            Open::Auth => self.answer_auth(answer),
            Open::StartTls => self.answer_start_tls(answer),
            Open::Xclient => self.answer_xclient(answer),
            Open::Xforward => self.say_answer(answer, &replies::FORWARDED, &replies::NOT_TRUSTED),
            Open::Mail { binary, smtputf8 } => self.answer_mail(answer, binary, smtputf8),
            Open::Rcpt => self.answer_rcpt(answer),
            Open::Data => self.answer_data(answer),
            Open::Chunk { size, last } => self.answer_first_chunk(answer, size, last),
            Open::Verdict => self.answer_verdict(answer),
            Open::Lookup => self.say_answer(answer, &replies::CANNOT_VERIFY, &replies::REJECTED),
        }
    }

    /// Says a refusal without an enhanced code.
    pub(crate) fn speak_bare(&mut self, answer: &Answer<'_>, refuse: &Reply<'_>) {
        let (reply, _) = self.words(answer, &replies::NO_ANSWER, refuse);
        reply.write(&mut self.output, false);
    }

    /// Says what the answer says or, where it has no words, the session's own. True where it accepts.
    pub(crate) fn speak(&mut self, answer: &Answer<'_>, accept: &Reply<'_>, refuse: &Reply<'_>) -> bool {
        let (reply, accepted) = self.words(answer, accept, refuse);
        self.say(reply);
        accepted
    }

    /// The words for an answer, and whether it accepts.
    const fn words<'r>(
        &mut self,
        answer: &Answer<'r>,
        accept: &'r Reply<'r>,
        refuse: &'r Reply<'r>,
    ) -> (&'r Reply<'r>, bool) {
        match answer {
            Answer::Accept(Some(reply)) => (reply, true),
            Answer::Accept(None) => (accept, true),
            Answer::Refuse(Some(reply)) => (reply, false),
            Answer::Refuse(None) => {
                self.budgets.misused_replies += 1;
                (refuse, false)
            }
            Answer::Dropped => (&replies::NO_ANSWER, false),
        }
    }

    fn say_answer(&mut self, answer: Answer<'_>, accept: &Reply<'_>, refuse: &Reply<'_>) {
        self.speak(&answer, accept, refuse);
    }
}
