//! The connection's start: greeting, hello, what is offered, XCLIENT and XFORWARD.

use alloc::boxed::Box;

use super::answer::Answer;
use super::config::{AuthWhen, Extension};
use super::facts::StandIn;
use super::replies;
use super::session::{Open, Phase, ServerSession};
use super::state::State;
use super::step::{Abuse, CloseReason, Hello, ResetCause, Step, Xclient, Xforward};
use crate::limits;
use crate::sasl::Mechanism;
use crate::wire::command::{self, Attributes};
use crate::wire::ehlo::{self, Capability, Keyword, write_ehlo};
use crate::wire::leniency::Leniency;

/// Extensions that EHLO names with a bare keyword.
const FLAGS: [(Extension, Keyword); 12] = [
    (Extension::Pipelining, Keyword::Pipelining),
    (Extension::EightBitMime, Keyword::EightBitMime),
    (Extension::EnhancedStatusCodes, Keyword::EnhancedStatusCodes),
    (Extension::Smtputf8, Keyword::SmtpUtf8),
    (Extension::Chunking, Keyword::Chunking),
    (Extension::BinaryMime, Keyword::BinaryMime),
    (Extension::Dsn, Keyword::Dsn),
    (Extension::RequireTls, Keyword::RequireTls),
    (Extension::Rrvs, Keyword::Rrvs),
    (Extension::Expn, Keyword::Expn),
    (Extension::Etrn, Keyword::Etrn),
    (Extension::StartTls, Keyword::StartTls),
];
const XCLIENT: &[&str] = &["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];
const XFORWARD: &[&str] = &["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"];

impl ServerSession {
    pub(crate) fn answer_connect(&mut self, answer: Answer<'_>) {
        if self.facts.early && self.strictly(Leniency::EARLY_TALK) && matches!(answer, Answer::Accept(_)) {
            return self.expel(&replies::EARLY_TALKER, Abuse::Early);
        }
        self.phase = Phase::Command;
        self.output.reserve(limits::FIRST_OUTPUT);
        match answer {
            Answer::Accept(_) => {
                self.output.extend_from_slice(b"220 ");
                self.output.extend_from_slice(self.config.host.as_bytes());
                self.output.extend_from_slice(b" ");
                self.output.extend_from_slice(self.config.greeting.as_bytes());
                self.output.extend_from_slice(b"\r\n");
            }
            Answer::Refuse(reply) => {
                let reply = reply.unwrap_or(&replies::NO_SERVICE);
                // No enhanced code on a greeting (RFC 2034 §4).
                reply.write(&mut self.output, false);
                self.state = State::Refused;
                if reply.code() == 421 {
                    self.close(CloseReason::Policy, ResetCause::Closing);
                }
            }
            Answer::Dropped => {
                replies::NOT_NOW.write(&mut self.output, false);
                self.close(CloseReason::NotAccepted, ResetCause::Closing);
            }
        }
    }

    pub(crate) fn hello<'b>(
        &mut self,
        line: &'b [u8],
        name: command::Hello<'b>,
        extended: bool,
        followed: bool,
    ) -> Step<'_, 'b> {
        if followed && self.config.arrival_checks && self.strictly(Leniency::PIPELINED_HELLO) {
            return self.expel_for(line, &replies::EARLY_GROUP, Abuse::Early);
        }
        self.charge_junk();
        if matches!(self.phase, Phase::Closing(_)) {
            return super::commands::answered(line, replies::TOO_MUCH_JUNK.code());
        }
        self.candidate.clear();
        self.candidate.extend_from_slice(name.raw());
        Step::Hello(self.token(Open::Hello { extended }, Hello { name, extended }))
    }

    pub(crate) fn answer_hello(&mut self, answer: Answer<'_>, extended: bool) {
        if !matches!(answer, Answer::Accept(_)) {
            // RFC 5321 §4.1.4: a refused EHLO changes nothing. RFC 2034 §4: no enhanced code in its answer.
            self.speak_bare(&answer, &replies::REJECTED);
            return;
        }
        if self.state.in_transaction() {
            self.end_transaction(ResetCause::Hello, State::Ready);
        }
        self.state = State::Ready;
        self.facts.extended = extended;
        core::mem::swap(&mut self.facts.hello, &mut self.candidate);
        if extended {
            self.say_capabilities();
        } else {
            self.output.extend_from_slice(b"250 ");
            self.output.extend_from_slice(self.config.host.as_bytes());
            self.output.extend_from_slice(b"\r\n");
        }
    }

    /// Whether `extension` is switched on and legal now.
    pub(crate) fn offers(&self, extension: Extension) -> bool {
        let tls = self.facts.tls().is_some();
        self.config.extensions.has(extension)
            && match extension {
                Extension::StartTls => !tls,
                Extension::RequireTls => tls,
                // RFC 6531 §3.1; and BODY, which BINARYMIME adds a value to, is 8BITMIME's (RFC 3030 §3).
                Extension::Smtputf8 => self.config.extensions.has(Extension::EightBitMime),
                Extension::BinaryMime => {
                    let needed = [Extension::Chunking, Extension::EightBitMime];
                    needed.iter().all(|needed| self.config.extensions.has(*needed))
                }
                Extension::Xclient | Extension::Xforward => self.peer_is_trusted(),
                _ => true,
            }
    }

    /// Whether AUTH is offered now.
    pub(crate) fn offers_auth(&self) -> bool {
        let config = &self.config;
        let safe = self.facts.tls().is_some() || config.auth_when == AuthWhen::Always;
        safe && !self.mechanisms().is_empty()
    }

    /// The mechanisms that make sense on this connection.
    pub(crate) fn mechanisms(&self) -> &[Mechanism] {
        let bound =
            self.facts.tls().is_some_and(|tls| tls.exporter.is_some() || tls.server_end_point.is_some());
        if bound { &self.config.mechanisms } else { &self.config.unbound_mechanisms }
    }

    fn peer_is_trusted(&self) -> bool {
        self.facts.socket_address().is_some_and(|address| self.config.trusts(address))
    }

    /// The answer to EHLO.
    fn say_capabilities(&mut self) {
        let mut out = core::mem::take(&mut self.output);
        let config = &self.config;
        let limits = &config.limits;
        let flags = FLAGS
            .iter()
            .filter(|(extension, _)| self.offers(*extension))
            .map(|(_, keyword)| Capability::Flag(*keyword));
        let when = |extension, capability| self.offers(extension).then_some(capability);
        let values = [
            Some(Capability::Size(Some(limits.message))),
            when(Extension::Limits, Capability::Limits(ehlo::Limits::NONE.with_rcpt_max(limits.recipients))),
            when(Extension::DeliverBy, Capability::DeliverBy(Some(limits.deliver_by))),
            when(
                Extension::FutureRelease,
                Capability::FutureRelease { max_interval: limits.hold, max_datetime: &config.hold_until },
            ),
            when(Extension::MtPriority, Capability::MtPriority(None)),
            when(Extension::Xclient, Capability::Xclient(XCLIENT)),
            when(Extension::Xforward, Capability::Xforward(XFORWARD)),
            self.offers_auth().then_some(Capability::Auth(self.mechanisms())),
        ];
        write_ehlo(&mut out, &config.host, "", flags.chain(values.into_iter().flatten()));
        self.output = out;
    }

    pub(crate) fn xclient<'b>(&mut self, line: &'b [u8], attributes: Attributes<'b>) -> Step<'_, 'b> {
        if !self.offers(Extension::Xclient) {
            return self.fault(line, &replies::NOT_TRUSTED);
        }
        self.stand_in = Some(Box::new(StandIn::of(attributes)));
        Step::Xclient(self.token(Open::Xclient, Xclient(attributes)))
    }

    pub(crate) fn xforward<'b>(&mut self, line: &'b [u8], attributes: Attributes<'b>) -> Step<'_, 'b> {
        if !self.offers(Extension::Xforward) {
            return self.fault(line, &replies::NOT_TRUSTED);
        }
        Step::Xforward(self.token(Open::Xforward, Xforward(attributes)))
    }

    /// An accepted XCLIENT starts the session over as the client it names, from the decision about the connection on.
    pub(crate) fn answer_xclient(&mut self, answer: Answer<'_>) {
        let stand_in = self.stand_in.take();
        match (answer, stand_in) {
            (Answer::Accept(_), Some(stand_in)) => {
                self.facts.become_client(*stand_in);
                self.state = State::Greeted;
                self.phase = Phase::Connect;
                self.connected_at = self.now;
            }
            (answer, _) => {
                self.speak(&answer, &replies::OK, &replies::NOT_TRUSTED);
            }
        }
    }
}
