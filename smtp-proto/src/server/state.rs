//! The state machine as data: what a verb does in a state.

use crate::wire::command::Verb;

/// Where a session stands between two commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Greeted; no EHLO, HELO or LHLO yet, or none since TLS began.
    Greeted,
    /// Greeted by name; no transaction.
    Ready,
    /// A reverse-path stands; no recipient yet.
    Mail,
    /// At least one recipient stands.
    Rcpt,
    /// A BDAT chunk was taken; the last has not come.
    Chunks,
    /// A chunk failed: nothing of this transaction can be saved (RFC 3030 §2).
    Failed,
    /// The connection was refused with 554: only QUIT is left (RFC 5321 §3.1).
    Refused,
}

impl State {
    /// Each state, in the order in which a session goes through them.
    pub const ALL: [Self; 7] =
        [Self::Greeted, Self::Ready, Self::Mail, Self::Rcpt, Self::Chunks, Self::Failed, Self::Refused];

    /// A transaction is open as the application sees it: MAIL was accepted and no `Reset` came since.
    #[must_use]
    pub const fn in_transaction(self) -> bool {
        matches!(self, Self::Mail | Self::Rcpt | Self::Chunks)
    }
}

/// What a verb does in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It runs.
    Run,
    /// 503: EHLO first.
    HelloFirst,
    /// 503: MAIL first.
    MailFirst,
    /// 503, or 554 where recipients were refused: no valid recipient.
    NoRecipient,
    /// 503: a transaction is open already.
    Nested,
    /// 503: not while a message is in progress.
    InTransaction,
    /// 503: the transaction failed, RSET first.
    Failed,
    /// 503: the connection was refused.
    Refused,
    /// 502: known and not offered here.
    NotHere,
    /// 500: unknown.
    Unknown,
}

impl Rule {
    /// The reply code that the session gives by itself; `None` where the verb runs.
    #[must_use]
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::Run => None,
            Self::HelloFirst
            | Self::MailFirst
            | Self::NoRecipient
            | Self::Nested
            | Self::InTransaction
            | Self::Failed
            | Self::Refused => Some(503),
            Self::NotHere => Some(502),
            Self::Unknown => Some(500),
        }
    }
}

/// What `verb` does in `state`. The whole order of SMTP is here and nowhere else.
///
/// Switches (an extension that is off) and LMTP's exchange of EHLO for LHLO are looked at before.
#[must_use]
pub const fn rule(state: State, verb: Verb) -> Rule {
    use State::{Chunks, Failed, Greeted, Mail, Rcpt, Ready, Refused};
    match (state, verb) {
        (_, Verb::Quit) => Rule::Run,
        (Refused, _) => Rule::Refused,
        (_, Verb::Helo | Verb::Ehlo | Verb::Lhlo) => Rule::Run,
        (_, Verb::Rset | Verb::Noop | Verb::Help | Verb::Vrfy | Verb::Expn) => Rule::Run,

        (Greeted, Verb::Mail | Verb::Auth | Verb::StartTls | Verb::Etrn | Verb::Xclient | Verb::Xforward) => {
            Rule::HelloFirst
        }
        (Ready, Verb::Mail | Verb::Auth | Verb::StartTls | Verb::Etrn | Verb::Xclient | Verb::Xforward) => {
            Rule::Run
        }
        (Mail | Rcpt | Chunks, Verb::Mail) => Rule::Nested,
        (Mail | Rcpt | Chunks, Verb::Auth | Verb::StartTls | Verb::Etrn | Verb::Xclient | Verb::Xforward) => {
            Rule::InTransaction
        }

        (Greeted | Ready, Verb::Rcpt) => Rule::MailFirst,
        (Mail | Rcpt, Verb::Rcpt) => Rule::Run,
        (Chunks, Verb::Rcpt) => Rule::InTransaction,

        (Greeted | Ready, Verb::Data | Verb::Bdat) => Rule::MailFirst,
        (Mail, Verb::Data | Verb::Bdat) => Rule::NoRecipient,
        (Rcpt, Verb::Data | Verb::Bdat) | (Chunks, Verb::Bdat) => Rule::Run,
        (Chunks, Verb::Data) => Rule::InTransaction,

        (
            Failed,
            Verb::Mail
            | Verb::Rcpt
            | Verb::Data
            | Verb::Bdat
            | Verb::Auth
            | Verb::StartTls
            | Verb::Etrn
            | Verb::Xclient
            | Verb::Xforward,
        ) => Rule::Failed,
        (_, Verb::Atrn | Verb::Burl) => Rule::NotHere,
        (_, Verb::Unknown) => Rule::Unknown,
    }
}
