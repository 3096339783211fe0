//! Lines: framing, order, and what each command does.

use memchr::memchr;

use super::config::{Extension, Protocol};
use super::replies;
use super::session::{Open, Phase, ServerSession};
use super::state::{Rule, State, rule};
use super::step::{Abuse, Answered, CloseReason, Etrn, Expn, ForeignProtocol, ResetCause, Step, Vrfy};
use crate::error::Fault;
use crate::io::Input;
use crate::limits;
use crate::wire::command::{Command, Verb};
use crate::wire::leniency::Leniency;
use crate::wire::reply::Reply;

/// What lies at the front of the input.
pub(crate) enum Line {
    None,
    /// So many octets, LF included.
    Complete(usize),
    /// No LF within the limit; so many octets are at hand.
    TooLong(usize),
}

impl ServerSession {
    const fn line_limit(&self) -> usize {
        match self.phase {
            Phase::Auth => limits::AUTH_LINE,
            _ => limits::COMMAND_LINE,
        }
    }

    pub(crate) fn find_line(&mut self, input: &Input<'_>) -> Line {
        let limit = self.line_limit();
        let rest = input.rest();
        let window = &rest[..rest.len().min(limit)];
        let from = self.scanned.min(window.len());
        if let Some(found) = memchr(b'\n', &window[from..]) {
            // Kept at the LF, so that the second look finds it at once.
            self.scanned = from + found;
            return Line::Complete(from + found + 1);
        }
        self.scanned = window.len();
        if window.len() == limit || input.is_full() { Line::TooLong(window.len()) } else { Line::None }
    }

    pub(crate) fn has_line(&mut self, input: &Input<'_>) -> bool {
        if !self.spoke && !self.facts.early && is_foreign_start(input.rest()) {
            return true;
        }
        !matches!(self.find_line(input), Line::None)
    }

    /// Eats the rest of an over-long line.
    pub(crate) fn skip_line(&mut self, input: &mut Input<'_>) -> usize {
        let rest = input.rest();
        let n = memchr(b'\n', rest).map_or(rest.len(), |at| {
            self.phase = Phase::Command;
            at + 1
        });
        input.take(n);
        self.scanned = 0;
        n
    }

    pub(crate) fn next_command<'b>(&mut self, input: &mut Input<'b>) -> Step<'_, 'b> {
        if !self.spoke && is_foreign_start(input.rest()) {
            let line = input.take(input.rest().len());
            return self.close_foreign(line, ForeignProtocol::Tls);
        }
        let line = match self.find_line(input) {
            Line::None => return Step::Quiet(0),
            Line::Complete(n) => input.take(n),
            Line::TooLong(n) => {
                let line = input.take(n);
                self.scanned = 0;
                self.phase = Phase::SkipLine;
                return self.fault(line, &Fault::LineTooLong.reply());
            }
        };
        self.scanned = 0;
        let bare = !line.ends_with(b"\r\n");
        if bare && self.strictly(Leniency::UNSAFE_LF_COMMANDS) {
            // Stricter than it need be: a bare LF ends the session's trust, not just the line (smuggling).
            return self.expel_for(line, &Fault::BareLf.reply(), Abuse::OutOfStep);
        }
        let followed = !input.rest().is_empty();
        let text = if bare { &line[..line.len() - 1] } else { line };
        match Command::parse_with(text, self.config.leniency) {
            Ok((command, deviations)) => {
                if !deviations.is_empty() {
                    self.facts.tolerate(deviations);
                }
                self.spoke |= !matches!(command, Command::Unknown { .. });
                self.run(line, command, followed)
            }
            Err(error) if error.fault == Fault::ChunkSize => {
                self.say(&Fault::ChunkSize.reply());
                self.expel_for(line, &replies::OUT_OF_STEP, Abuse::OutOfStep)
            }
            Err(error) => self.fault(line, &error.fault.reply()),
        }
    }

    /// Looks the command up in the state table and runs it.
    fn run<'b>(&mut self, line: &'b [u8], command: Command<'b>, followed: bool) -> Step<'_, 'b> {
        let verb = command.verb();
        if let Some(reply) = self.wrong_protocol(verb) {
            return self.fault(line, reply);
        }
        let reply = match rule(self.state, verb) {
            Rule::Run => return self.execute(line, command, followed),
            Rule::HelloFirst => &replies::HELLO_FIRST,
            Rule::MailFirst => &replies::MAIL_FIRST,
            Rule::NoRecipient if self.transaction.refused > 0 && self.config.protocol == Protocol::Smtp => {
                &replies::NO_RECIPIENTS
            }
            Rule::NoRecipient => &replies::RCPT_FIRST,
            Rule::Nested => &replies::NESTED,
            Rule::InTransaction => &replies::IN_TRANSACTION,
            Rule::Failed => &replies::FAILED,
            Rule::Refused => &replies::REFUSED,
            Rule::NotHere => &replies::NOT_HERE,
            Rule::Unknown => return self.unknown(line),
        };
        if let Command::Bdat { size, .. } = command {
            // RFC 3030 §2: the octets of a refused chunk are read and dropped all the same.
            self.phase = Phase::DropChunk { left: size };
            self.begin_content();
        }
        self.fault(line, reply)
    }

    fn wrong_protocol(&self, verb: Verb) -> Option<&'static Reply<'static>> {
        match (self.config.protocol, verb) {
            (Protocol::Smtp, Verb::Lhlo) => Some(&replies::WRONG_PROTOCOL_SMTP),
            (Protocol::Lmtp, Verb::Helo | Verb::Ehlo) => Some(&replies::WRONG_PROTOCOL_LMTP),
            _ => None,
        }
    }

    fn execute<'b>(&mut self, line: &'b [u8], command: Command<'b>, followed: bool) -> Step<'_, 'b> {
        match command {
            Command::Ehlo(name) | Command::Lhlo(name) => self.hello(line, name, true, followed),
            Command::Helo(name) => self.hello(line, name, false, followed),
            Command::Mail { path, params } => self.mail(line, path, params),
            Command::Rcpt { path, params } => self.rcpt(line, path, params),
            Command::Data => self.data(line, followed),
            Command::Bdat { size, last } => self.bdat(line, size, last),
            Command::Rset if self.state.in_transaction() => {
                self.say(&replies::RESET);
                self.end_transaction(ResetCause::Rset, State::Ready);
                let cause = self.queued_reset.take().unwrap_or(ResetCause::Rset);
                Step::Reset(cause)
            }
            Command::Rset => {
                if self.state == State::Failed {
                    self.state = State::Ready;
                }
                self.junk(line, &replies::RESET)
            }
            Command::Noop(_) => self.junk(line, &replies::OK),
            Command::Help(_) => self.junk(line, &replies::HELP),
            Command::Quit => self.quit(line),
            Command::Vrfy(argument) if self.offers(Extension::Vrfy) => {
                Step::Vrfy(self.token(Open::Lookup, Vrfy(argument)))
            }
            Command::Vrfy(_) => self.junk(line, &replies::CANNOT_VERIFY),
            Command::Expn(argument) if self.offers(Extension::Expn) => {
                Step::Expn(self.token(Open::Lookup, Expn(argument)))
            }
            Command::Etrn(node) if self.offers(Extension::Etrn) => {
                Step::Etrn(self.token(Open::Lookup, Etrn(node)))
            }
            Command::Xclient(attributes) => self.xclient(line, attributes),
            Command::Xforward(attributes) => self.xforward(line, attributes),
            Command::StartTls => self.start_tls(line),
            Command::Auth { mechanism, initial } => self.auth(line, mechanism, initial),
            _ => self.fault(line, &replies::NOT_HERE),
        }
    }

    pub(crate) fn quit<'b>(&mut self, line: &'b [u8]) -> Step<'_, 'b> {
        self.say(&replies::BYE);
        self.close(CloseReason::Quit, ResetCause::Quit);
        answered(line, replies::BYE.code())
    }

    /// Answers an error and charges it.
    pub(crate) fn fault<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>) -> Step<'_, 'b> {
        match Verb::of(line) {
            // RFC 2034 §4: no enhanced code in an answer to these.
            Verb::Ehlo | Verb::Helo => reply.write(&mut self.output, false),
            _ => self.say(reply),
        }
        self.charge_error();
        answered(line, reply.code())
    }

    /// [`fault`](Self::fault) for a line that may hold a password.
    pub(crate) fn secret_fault<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>) -> Step<'_, 'b> {
        self.say(reply);
        self.charge_error();
        secret(line, reply.code())
    }

    fn charge_error(&mut self) {
        self.budgets.errors += 1;
        let patience = if self.strictly(Leniency::MORE_ERRORS) { 1 } else { limits::PATIENCE };
        let free = self.config.limits.free_errors.saturating_mul(patience);
        let most = self.config.limits.errors.saturating_mul(patience);
        if self.budgets.errors >= most {
            self.expel(&replies::TOO_MANY_ERRORS, Abuse::Errors);
        } else if self.budgets.errors > free {
            self.pause = Some(self.now + core::time::Duration::from_secs(1));
        }
    }

    /// Answers a command that does nothing and charges it.
    fn junk<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>) -> Step<'_, 'b> {
        self.say(reply);
        self.charge_junk();
        answered(line, reply.code())
    }

    pub(crate) fn charge_junk(&mut self) {
        self.budgets.junk += 1;
        if self.budgets.junk >= self.config.limits.junk {
            self.expel(&replies::TOO_MUCH_JUNK, Abuse::Junk);
        }
    }

    pub(crate) fn expel_for<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>, abuse: Abuse) -> Step<'_, 'b> {
        self.expel(reply, abuse);
        answered(line, reply.code())
    }

    /// Whether a deviation is not tolerated.
    pub(crate) fn strictly(&self, deviation: Leniency) -> bool {
        !self.config.leniency.allows(deviation)
    }

    fn unknown<'b>(&mut self, line: &'b [u8]) -> Step<'_, 'b> {
        let noop = [b"ONEX".as_slice(), b"VERB", b"XADR"].iter().any(|verb| {
            line.get(..verb.len()).is_some_and(|front| front.eq_ignore_ascii_case(verb))
                && matches!(line.get(verb.len()), Some(b' ' | b'\r' | b'\n'))
        });
        if noop && !self.strictly(Leniency::NOOP_VERBS) {
            return self.junk(line, &replies::OK);
        }
        if !self.spoke {
            if memchr::memmem::find(line, b" HTTP/").is_some() {
                return self.close_foreign(line, ForeignProtocol::Http);
            }
            if line.starts_with(b"PROXY ") {
                return self.close_foreign(line, ForeignProtocol::Proxy);
            }
        }
        self.fault(line, &replies::UNKNOWN)
    }

    fn close_foreign<'b>(&mut self, line: &'b [u8], protocol: ForeignProtocol) -> Step<'_, 'b> {
        self.say(&replies::NOT_SMTP);
        self.close(CloseReason::NotSmtp(protocol), ResetCause::Closing);
        answered(line, replies::NOT_SMTP.code())
    }
}

/// A TLS record of type handshake: nothing that SMTP begins with.
fn is_foreign_start(octets: &[u8]) -> bool {
    octets.first() == Some(&0x16)
}

pub(crate) const fn answered<'s, 'b>(line: &'b [u8], code: u16) -> Step<'s, 'b> {
    Step::Answered(Answered { line, code, secret: false })
}

pub(crate) const fn secret<'s, 'b>(line: &'b [u8], code: u16) -> Step<'s, 'b> {
    Step::Answered(Answered { line, code, secret: true })
}
