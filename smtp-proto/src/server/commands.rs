//! Lines: framing, order, and what each command does.

use memchr::memchr;

use super::config::{AuthWhen, Extension, Protocol};
use super::replies;
use super::session::{Answer, Open, Phase, ServerSession, Transaction};
use super::state::{Rule, State, rule};
use super::step::{
    Abuse, Answered, Auth, CloseReason, Data, Etrn, Expn, ForeignProtocol, Hello, Mail, Rcpt, ResetCause,
    StartTls, Step, Vrfy,
};
use crate::error::Fault;
use crate::io::Input;
use crate::limits;
use crate::sasl::Mechanism;
use crate::wire::base64::Base64;
use crate::wire::command::{self, Command, Verb};
use crate::wire::ehlo::{Capability, Keyword, write_ehlo};
use crate::wire::params::{Body, MailParams, Param, RcptParams};
use crate::wire::path::{Mailbox, ReversePath};
use crate::wire::reply::Reply;

/// What lies at the front of the input.
enum Line {
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

    fn find_line(&mut self, input: &Input<'_>) -> Line {
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
        if line.len() < 2 || line[line.len() - 2] != b'\r' {
            // Stricter than it need be: a bare LF ends the session's trust, not just the line (smuggling).
            return self.expel_for(line, &Fault::BareLf.reply(), Abuse::OutOfStep);
        }
        let followed = !input.rest().is_empty();
        match Command::parse_with(line, self.config.leniency) {
            Ok((command, _)) => {
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
            Command::Ehlo(name) | Command::Lhlo(name) => self.hello(line, name, true),
            Command::Helo(name) => self.hello(line, name, false),
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
            Command::Quit => {
                self.say(&replies::BYE);
                self.close(CloseReason::Quit, ResetCause::Quit);
                answered(line, replies::BYE.code())
            }
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
            Command::StartTls => self.start_tls(line),
            Command::Auth { mechanism, initial } => self.auth(line, mechanism, initial),
            _ => self.fault(line, &replies::NOT_HERE),
        }
    }

    fn offers(&self, extension: Extension) -> bool {
        self.config.extensions.has(extension)
    }

    // ---- answers by the session itself -------------------------------------------------------------------

    /// Answers an error and charges it.
    pub(crate) fn fault<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>) -> Step<'_, 'b> {
        self.say(reply);
        self.charge_error();
        answered(line, reply.code())
    }

    /// [`fault`](Self::fault) for a line that may hold a password.
    fn secret_fault<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>) -> Step<'_, 'b> {
        self.say(reply);
        self.charge_error();
        secret(line, reply.code())
    }

    fn charge_error(&mut self) {
        self.budgets.errors += 1;
        let (free, most) = (self.config.limits.free_errors, self.config.limits.errors);
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

    fn unknown<'b>(&mut self, line: &'b [u8]) -> Step<'_, 'b> {
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

    // ---- connection and hello ----------------------------------------------------------------------------

    pub(crate) fn answer_connect(&mut self, answer: Answer<'_>) {
        if self.facts.early && matches!(answer, Answer::Accept(_)) {
            return self.expel(&replies::EARLY_TALKER, Abuse::Early);
        }
        self.phase = Phase::Command;
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

    fn hello<'b>(&mut self, line: &'b [u8], name: command::Hello<'b>, extended: bool) -> Step<'_, 'b> {
        self.charge_junk();
        if matches!(self.phase, Phase::Closing(_)) {
            return answered(line, replies::TOO_MUCH_JUNK.code());
        }
        self.candidate.clear();
        self.candidate.extend_from_slice(name.raw());
        Step::Hello(self.token(Open::Hello { extended }, Hello { name, extended }))
    }

    pub(crate) fn answer_hello(&mut self, answer: Answer<'_>, extended: bool) {
        if !matches!(answer, Answer::Accept(_)) {
            // RFC 5321 §4.1.4: a refused EHLO changes nothing.
            self.speak(&answer, &replies::OK, &replies::REJECTED);
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

    /// The answer to EHLO: what is switched on and legal now.
    fn say_capabilities(&mut self) {
        let config = &self.config;
        let tls = self.facts.tls().is_some();
        let offered = |extension: Extension| match extension {
            Extension::StartTls => config.offers(extension) && !tls,
            Extension::RequireTls => config.offers(extension) && tls,
            Extension::BinaryMime => config.offers(extension) && config.offers(Extension::Chunking),
            _ => config.offers(extension),
        };
        let auth = !config.mechanisms.is_empty() && (tls || config.auth_when == AuthWhen::Always);
        let flags = [
            (Extension::Pipelining, Keyword::Pipelining),
            (Extension::EightBitMime, Keyword::EightBitMime),
            (Extension::EnhancedStatusCodes, Keyword::EnhancedStatusCodes),
            (Extension::Smtputf8, Keyword::SmtpUtf8),
            (Extension::Chunking, Keyword::Chunking),
            (Extension::BinaryMime, Keyword::BinaryMime),
            (Extension::Dsn, Keyword::Dsn),
            (Extension::RequireTls, Keyword::RequireTls),
            (Extension::Expn, Keyword::Expn),
            (Extension::Etrn, Keyword::Etrn),
            (Extension::StartTls, Keyword::StartTls),
        ];
        let lines = flags
            .into_iter()
            .filter(|(extension, _)| offered(*extension))
            .map(|(_, keyword)| Capability::Flag(keyword))
            .chain(core::iter::once(Capability::Size(Some(config.limits.message))))
            .chain(auth.then_some(Capability::Auth(&config.mechanisms)));
        write_ehlo(&mut self.output, &config.host, "", lines);
    }

    // ---- STARTTLS and AUTH -------------------------------------------------------------------------------

    fn start_tls<'b>(&mut self, line: &'b [u8]) -> Step<'_, 'b> {
        if self.facts.tls().is_some() {
            return self.fault(line, &replies::TLS_ALREADY);
        }
        if !self.offers(Extension::StartTls) {
            return self.fault(line, &replies::NOT_HERE);
        }
        Step::StartTls(self.token(Open::StartTls, StartTls))
    }

    pub(crate) fn answer_start_tls(&mut self, answer: Answer<'_>) {
        match answer {
            Answer::Dropped => self.say(&replies::TRY_LATER_TLS),
            answer => {
                if self.speak(&answer, &replies::START_TLS, &replies::TRY_LATER_TLS) {
                    self.phase = Phase::Upgrade;
                }
            }
        }
    }

    fn auth<'b>(
        &mut self,
        line: &'b [u8],
        mechanism: Mechanism,
        initial: Option<Base64<'b>>,
    ) -> Step<'_, 'b> {
        let config = &self.config;
        let refusal = if config.mechanisms.is_empty() {
            Some(&replies::NOT_HERE)
        } else if self.facts.user.is_some() {
            Some(&replies::AUTH_ALREADY)
        } else if self.facts.tls().is_none() && config.auth_when == AuthWhen::Tls {
            Some(&replies::AUTH_NEEDS_TLS)
        } else if !config.mechanisms.contains(&mechanism) {
            Some(&replies::AUTH_MECHANISM)
        } else {
            None
        };
        if let Some(reply) = refusal {
            return self.secret_fault(line, reply);
        }
        self.mechanism = Some(mechanism);
        Step::Auth(self.token(Open::Auth, Auth { mechanism, response: initial, first: true }))
    }

    /// The client's line in an AUTH exchange.
    pub(crate) fn next_response<'b>(&mut self, input: &mut Input<'b>) -> Step<'_, 'b> {
        let line = match self.find_line(input) {
            Line::None => return Step::Quiet(0),
            Line::Complete(n) => input.take(n),
            Line::TooLong(n) => {
                let line = input.take(n);
                self.scanned = 0;
                self.phase = Phase::SkipLine;
                return self.secret_fault(line, &replies::AUTH_TOO_LONG);
            }
        };
        self.scanned = 0;
        let Some(text) = line.strip_suffix(b"\r\n") else {
            self.expel(&Fault::BareLf.reply(), Abuse::OutOfStep);
            return secret(line, Fault::BareLf.reply().code());
        };
        let (response, mechanism) = match (text, Base64::parse(text), self.mechanism) {
            (b"*", _, _) => return self.end_auth(line, &replies::AUTH_CANCELLED),
            (_, Ok(response), Some(mechanism)) => (response, mechanism),
            _ => return self.end_auth(line, &replies::AUTH_BASE64),
        };
        Step::Auth(self.token(Open::Auth, Auth { mechanism, response: Some(response), first: false }))
    }

    fn end_auth<'b>(&mut self, line: &'b [u8], reply: &Reply<'_>) -> Step<'_, 'b> {
        self.phase = Phase::Command;
        self.secret_fault(line, reply)
    }

    pub(crate) fn answer_auth(&mut self, answer: Answer<'_>) {
        self.phase = Phase::Command;
        let accepted = match answer {
            Answer::Dropped => {
                self.say(&replies::TRY_LATER_TLS);
                return;
            }
            answer => self.speak(&answer, &replies::AUTHENTICATED, &replies::AUTH_WRONG),
        };
        if accepted {
            self.facts.user.get_or_insert_default();
            return;
        }
        self.facts.user = None;
        self.budgets.failed_auth += 1;
        if self.budgets.failed_auth >= self.config.limits.failed_auth {
            self.expel(&replies::TOO_MANY_ERRORS, Abuse::FailedAuth);
        }
    }

    // ---- the envelope ------------------------------------------------------------------------------------

    fn mail<'b>(&mut self, line: &'b [u8], path: ReversePath<'b>, params: MailParams<'b>) -> Step<'_, 'b> {
        if let Some(reply) = self.mail_refusal(&params) {
            return self.fault(line, reply);
        }
        let open =
            Open::Mail { binary: params.body() == Some(Body::BinaryMime), smtputf8: params.smtputf8() };
        Step::Mail(self.token(open, Mail { sender: path, params }))
    }

    fn mail_refusal(&self, params: &MailParams<'_>) -> Option<&'static Reply<'static>> {
        if self.config.auth_required && self.facts.user.is_none() {
            return Some(&replies::AUTH_REQUIRED);
        }
        if params.is_empty() {
            return None;
        }
        let tls = self.facts.tls().is_some();
        let needs = [
            (Param::Smtputf8, self.offers(Extension::Smtputf8)),
            (Param::Ret, self.offers(Extension::Dsn)),
            (Param::Envid, self.offers(Extension::Dsn)),
            (Param::RequireTls, self.offers(Extension::RequireTls) && tls),
            (Param::Auth, !self.config.mechanisms.is_empty()),
            (Param::Body, self.offers(Extension::EightBitMime) || params.body() == Some(Body::SevenBit)),
        ];
        let binary = self.offers(Extension::BinaryMime) && self.offers(Extension::Chunking);
        let known = needs.iter().all(|(param, offered)| *offered || !params.contains(*param));
        let only = params.iter().all(|(keyword, _)| {
            needs.iter().any(|(param, _)| Param::of(keyword) == Some(*param))
                || Param::of(keyword) == Some(Param::Size)
        });
        if !known || !only || (params.body() == Some(Body::BinaryMime) && !binary) {
            return Some(&replies::PARAM_NOT_OFFERED);
        }
        (params.size() > Some(self.config.limits.message)).then_some(&replies::TOO_BIG)
    }

    pub(crate) fn answer_mail(&mut self, answer: Answer<'_>, binary: bool, smtputf8: bool) {
        if self.speak(&answer, &replies::SENDER_OK, &replies::REJECTED) {
            self.transaction = Transaction { binary, ..Transaction::default() };
            self.facts.smtputf8 = smtputf8;
            self.state = State::Mail;
        }
    }

    fn rcpt<'b>(&mut self, line: &'b [u8], mailbox: Mailbox<'b>, params: RcptParams<'b>) -> Step<'_, 'b> {
        let dsn = self.offers(Extension::Dsn);
        let known = [Param::Notify, Param::Orcpt];
        let offered = params.is_empty()
            || params
                .iter()
                .all(|(keyword, _)| dsn && known.iter().any(|param| Param::of(keyword) == Some(*param)));
        let refusal = if !offered {
            Some(&replies::PARAM_NOT_OFFERED)
        } else if mailbox.needs_smtputf8() && !self.facts.smtputf8 {
            Some(&replies::NEEDS_SMTPUTF8)
        } else if self.transaction.accepted >= self.config.limits.recipients {
            Some(&replies::TOO_MANY_RECIPIENTS)
        } else {
            None
        };
        match refusal {
            Some(reply) => {
                self.transaction.refused += 1;
                self.fault(line, reply)
            }
            None => Step::Rcpt(self.token(Open::Rcpt, Rcpt { mailbox, params })),
        }
    }

    pub(crate) fn answer_rcpt(&mut self, answer: Answer<'_>) {
        if self.speak(&answer, &replies::RECIPIENT_OK, &replies::NO_SUCH_USER) {
            self.transaction.accepted += 1;
            self.state = State::Rcpt;
            return;
        }
        self.transaction.refused += 1;
        self.budgets.refused_recipients += 1;
        if self.budgets.refused_recipients >= self.config.limits.refused_recipients {
            self.expel(&replies::TOO_MANY_ERRORS, Abuse::RefusedRecipients);
        }
    }

    fn data<'b>(&mut self, line: &'b [u8], followed: bool) -> Step<'_, 'b> {
        if self.transaction.binary {
            return self.fault(line, &replies::NEEDS_BDAT);
        }
        if followed && self.config.arrival_checks {
            // Were DATA refused, the content would be read as commands: a client that does not wait is not trusted.
            return self.expel_for(line, &replies::EARLY_CONTENT, Abuse::Early);
        }
        let data = Data::of(&self.transaction, false);
        Step::Data(self.token(Open::Data, data))
    }
}

/// A TLS record of type handshake: nothing that SMTP begins with.
fn is_foreign_start(octets: &[u8]) -> bool {
    octets.first() == Some(&0x16)
}

pub(crate) const fn answered<'s, 'b>(line: &'b [u8], code: u16) -> Step<'s, 'b> {
    Step::Answered(Answered { line, code, secret: false })
}

const fn secret<'s, 'b>(line: &'b [u8], code: u16) -> Step<'s, 'b> {
    Step::Answered(Answered { line, code, secret: true })
}
