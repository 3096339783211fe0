//! STARTTLS and AUTH.

use super::answer::Answer;
use super::commands::{Line, secret};
use super::config::Extension;
use super::replies;
use super::session::{Open, Phase, ServerSession};
use super::step::{Abuse, Auth, StartTls, Step};
use crate::error::Fault;
use crate::io::Input;
use crate::sasl::Mechanism;
use crate::wire::base64::Base64;
use crate::wire::leniency::Leniency;
use crate::wire::reply::Reply;

impl ServerSession {
    pub(crate) fn start_tls<'b>(&mut self, line: &'b [u8]) -> Step<'_, 'b> {
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
                    self.phase = Phase::Upgrade { greeted: true };
                }
            }
        }
    }

    pub(crate) fn auth<'b>(
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
        } else if !self.facts.extended && self.strictly(Leniency::AUTH_AFTER_HELO) {
            Some(&replies::HELLO_FIRST)
        } else if !self.offers_auth() {
            Some(&replies::AUTH_NEEDS_TLS)
        } else if !self.mechanisms().contains(&mechanism) {
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
            (text, _, _) if text.eq_ignore_ascii_case(b"QUIT") && !self.strictly(Leniency::QUIT_IN_AUTH) => {
                self.phase = Phase::Command;
                return self.quit(line);
            }
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
}
