//! The greeting, EHLO and its fall-back, STARTTLS.

use alloc::boxed::Box;

use super::job::Fate;
use super::session::{ClientSession, Heard, Phase};
use super::step::{CloseReason, Ready, Sent};
use crate::server::Protocol;
use crate::wire::command::{Command, Verb};
use crate::wire::ehlo::{Extensions, Keyword};

/// Why STARTTLS can't be said. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoStartTls {
    /// The server does not offer it.
    #[error("the server does not offer STARTTLS")]
    NotOffered,
    /// The server does not offer it, and what it said was overwritten with `X` or `*` on the way, as firewalls do that
    /// inspect mail.
    #[error("STARTTLS is not offered: masked by a firewall?")]
    Masked,
    /// TLS is in force.
    #[error("TLS is in force already")]
    Already,
}

impl Ready<'_> {
    /// Says STARTTLS. After 220 comes the handshake and EHLO again; after any other answer `Ready`, in clear: it is the
    /// caller who knows whether that will do.
    ///
    /// # Errors
    /// When it is not offered, or TLS is in force.
    pub fn start_tls(self) -> Result<(), NoStartTls> {
        let session = self.session;
        if session.tls.is_some() {
            return Err(NoStartTls::Already);
        }
        if !session.offers(Keyword::StartTls) {
            return Err(if session.masked { NoStartTls::Masked } else { NoStartTls::NotOffered });
        }
        session.write(&Command::StartTls);
        session.phase = Phase::StartTls;
        Ok(())
    }
}

impl ClientSession {
    pub(crate) fn on_greeting(&mut self, heard: Heard) {
        if heard.code != 220 {
            return self.say_quit(CloseReason::Unwelcome(heard.code));
        }
        let mut lines = self.collector.last().raw_lines();
        self.masked = lines.any(|line| line.windows(3).any(|three| three == b"***"));
        self.say_hello();
    }

    pub(crate) fn say_hello(&mut self) {
        let verb: &[u8] = match self.config.protocol {
            Protocol::Smtp => b"EHLO ",
            Protocol::Lmtp => b"LHLO ",
        };
        self.write_hello(verb);
        self.phase = Phase::Hello;
    }

    fn write_hello(&mut self, verb: &[u8]) {
        for part in [verb, self.config.host.as_bytes(), b"\r\n"] {
            self.output.extend_from_slice(part);
        }
    }

    pub(crate) fn on_hello(&mut self, heard: Heard) {
        if heard.class() == 2 {
            self.learn_extensions();
            self.phase = Phase::Ready;
        } else if self.falls_back(heard.code) {
            self.write_hello(b"HELO ");
            self.phase = Phase::PlainHello;
        } else {
            self.say_quit(CloseReason::HelloRefused(heard.code));
        }
    }

    /// RFC 5321 §3.2 has HELO after 500 and 502. Some servers that know no EHLO say something else; 521 and 554 mean the
    /// client, not the verb.
    fn falls_back(&self, code: u16) -> bool {
        let unknown_verb = matches!(code, 500 | 502);
        let lenient = !self.config.leniency.is_strict() && code / 100 == 5 && !matches!(code, 521 | 554);
        self.config.protocol == Protocol::Smtp && (unknown_verb || lenient)
    }

    pub(crate) fn on_plain_hello(&mut self, heard: Heard) {
        if heard.class() == 2 {
            self.extensions = Some(Box::new(Extensions::none(self.collector.last().clone())));
            self.phase = Phase::Ready;
        } else {
            self.say_quit(CloseReason::HelloRefused(heard.code));
        }
    }

    fn learn_extensions(&mut self) {
        let reply = self.collector.last().clone();
        let mut extensions = Extensions::new(reply, self.config.leniency);
        self.masked |= extensions.response().extensions().any(|line| is_masked(line.name()));
        self.deviations = self.deviations.with(extensions.response().deviations());
        extensions.ignore(self.config.ignored);
        self.extensions = Some(Box::new(extensions));
    }

    pub(crate) fn on_start_tls(&mut self, heard: Heard, is_last: bool) {
        match heard.class() {
            // What stands behind it in the buffer was not said under TLS, whoever said it.
            2 if !is_last => self.break_off(CloseReason::Injection),
            2 => self.phase = Phase::Upgrade { greeted: true },
            4 | 5 => self.phase = Phase::Ready,
            _ => self.break_off(CloseReason::OutOfStep { to: Sent::StartTls, code: heard.code }),
        }
    }

    /// The answer to a command of the application's.
    pub(crate) fn on_single(&mut self, heard: Heard, sent: Sent) {
        self.phase = Phase::Ready;
        match (sent, heard.class()) {
            (Sent::Rset, 2) => self.by_hand = false,
            (Sent::Hello, 2) => {
                self.by_hand = false;
                self.learn_extensions();
            }
            (Sent::Command(Verb::Helo), 2) => {
                self.by_hand = false;
                self.extensions = Some(Box::new(Extensions::none(self.collector.last().clone())));
            }
            (Sent::Rcpt(index), 2) => self.job.settle(index, Fate::Taken),
            (Sent::Rcpt(index), 4 | 5) => {
                let slot = self.job.keep(self.collector.last());
                self.job.settle(index, Fate::Refused(slot));
            }
            (Sent::Chunk, 4 | 5) => {
                let slot = self.job.keep(self.collector.last());
                self.job.settle_taken(Fate::Refused(slot));
            }
            (Sent::Data, 3) => {
                self.job.begin_content(self.config.newlines);
                self.phase = Phase::Content;
            }
            (_, 3) => self.break_off(CloseReason::OutOfStep { to: sent, code: heard.code }),
            _ => {}
        }
    }

    /// Sends a command of the application's, whose answer is a step.
    pub(crate) fn single(&mut self, command: &Command<'_>, sent: Sent) {
        self.write(command);
        self.phase = Phase::Single(sent);
    }
}

/// A keyword that was overwritten: `XXXXXXXA`.
fn is_masked(keyword: &[u8]) -> bool {
    let marks = keyword.iter().take_while(|&&octet| octet == b'X').count();
    marks >= 4 && marks + 1 >= keyword.len()
}
