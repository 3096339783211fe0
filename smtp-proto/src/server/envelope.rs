//! MAIL, RCPT, DATA: the envelope and its parameters.

use super::answer::Answer;
use super::commands::answered;
use super::config::Extension;
use super::replies;
use super::session::{Open, ServerSession, Transaction};
use super::state::State;
use super::step::{Abuse, Data, Mail, Rcpt, Step};
use crate::wire::leniency::Leniency;
use crate::wire::params::{Body, ByMode, DeliverBy, MailParams, Param, RcptParams};
use crate::wire::path::{Mailbox, ReversePath};
use crate::wire::reply::Reply;

impl ServerSession {
    pub(crate) fn mail<'b>(
        &mut self,
        line: &'b [u8],
        path: ReversePath<'b>,
        params: MailParams<'b>,
    ) -> Step<'_, 'b> {
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
        if params.unknown().next().is_some() || !params.known().all(|param| self.takes(param)) {
            return Some(&replies::PARAM_NOT_OFFERED);
        }
        self.mail_values_refusal(params)
    }

    /// What is wrong with values, though their parameters are offered.
    fn mail_values_refusal(&self, params: &MailParams<'_>) -> Option<&'static Reply<'static>> {
        let limits = &self.config.limits;
        if params.size() > Some(limits.message) {
            return Some(&replies::TOO_BIG);
        }
        if params.body() == Some(Body::BinaryMime) && !self.offers(Extension::BinaryMime) {
            return Some(&replies::PARAM_NOT_OFFERED);
        }
        let too_soon = |by: DeliverBy| {
            matches!(by.mode, ByMode::Return) && i64::from(by.seconds) < i64::from(limits.deliver_by)
        };
        let too_late = self.config.hold_until_seconds();
        let held_too_long = params.holdfor() > Some(limits.hold)
            || params.holduntil().is_some_and(|until| until.unix_seconds() > too_late);
        if self.offers(Extension::DeliverBy) && params.by().is_some_and(too_soon) {
            return Some(&replies::BY_TOO_SHORT);
        }
        (self.offers(Extension::FutureRelease) && held_too_long).then_some(&replies::HOLD_TOO_LONG)
    }

    /// Whether a parameter is offered now, or ignored by leniency.
    fn takes(&self, param: Param) -> bool {
        let extension = match param {
            Param::Size => return true,
            Param::Auth => return !self.config.mechanisms.is_empty() || self.ignores_unoffered(),
            Param::Body => Extension::EightBitMime,
            Param::Smtputf8 => Extension::Smtputf8,
            Param::Ret | Param::Envid | Param::Notify | Param::Orcpt => Extension::Dsn,
            Param::RequireTls => Extension::RequireTls,
            Param::By => Extension::DeliverBy,
            Param::HoldFor | Param::HoldUntil => Extension::FutureRelease,
            Param::MtPriority => Extension::MtPriority,
            Param::Rrvs => Extension::Rrvs,
            Param::TransId | Param::Mtrk | Param::Solicit | Param::ConPerm | Param::ConNeg => {
                return self.ignores_unoffered();
            }
        };
        self.offers(extension) || self.ignores_unoffered()
    }

    fn ignores_unoffered(&self) -> bool {
        !self.strictly(Leniency::PARAMS_NOT_OFFERED)
    }

    pub(crate) fn answer_mail(&mut self, answer: Answer<'_>, binary: bool, smtputf8: bool) {
        if self.speak(&answer, &replies::SENDER_OK, &replies::REJECTED) {
            self.transaction = Transaction { binary, ..Transaction::default() };
            self.facts.smtputf8 = smtputf8;
            self.state = State::Mail;
        }
    }

    pub(crate) fn rcpt<'b>(
        &mut self,
        line: &'b [u8],
        mailbox: Mailbox<'b>,
        params: RcptParams<'b>,
    ) -> Step<'_, 'b> {
        let offered = params.unknown().next().is_none() && params.known().all(|param| self.takes(param));
        let refusal = if !offered {
            Some(&replies::PARAM_NOT_OFFERED)
        } else if mailbox.needs_smtputf8() && !self.facts.smtputf8 && self.strictly(Leniency::UTF8_UNDECLARED)
        {
            Some(&replies::NEEDS_SMTPUTF8)
        } else if self.transaction.accepted >= self.config.limits.recipients {
            Some(&replies::TOO_MANY_RECIPIENTS)
        } else {
            None
        };
        match refusal {
            // A list that is longer than the cap is no attack: nothing is charged until it is twice as long.
            Some(reply)
                if reply.code() == 452 && self.transaction.refused < self.config.limits.recipients =>
            {
                self.transaction.refused += 1;
                self.say(reply);
                answered(line, reply.code())
            }
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

    pub(crate) fn data<'b>(&mut self, line: &'b [u8], followed: bool) -> Step<'_, 'b> {
        if self.transaction.binary {
            return self.fault(line, &replies::NEEDS_BDAT);
        }
        if followed && self.config.arrival_checks && self.strictly(Leniency::UNSAFE_EARLY_CONTENT) {
            // Were DATA refused, the content would be read as commands: a client that does not wait is not trusted.
            return self.expel_for(line, &replies::EARLY_CONTENT, Abuse::Early);
        }
        let data = Data::of(&self.transaction, false);
        Step::Data(self.token(Open::Data, data))
    }
}
