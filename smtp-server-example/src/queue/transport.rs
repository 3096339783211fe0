//! How mail leaves: what carries it, and what that says afterwards.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use smtp_proto::client::Why;
use smtp_proto::wire::ehlo::Keyword;
use smtp_proto::wire::reply::ReplyBuf;

use super::model::{Job, NewMessage, RcptId};
use super::spool::is_corrupt;

/// Carries deliveries: to mailboxes, to an LMTP server, to other hosts.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Tries one delivery. An answer for each recipient is in the report; one that is missing counts as
    /// [`Outcome::Later`].
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>>;

    /// The operator wants what waits to be tried: what is known of destinations that are down counts no more.
    fn ask_again(&self) {}

    /// Lets go of what was kept for the next delivery: there is none.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// What an attempt brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) outcomes: Vec<(RcptId, Outcome)>,
    pub(crate) reach: Reach,
    /// The host that was talked to last, its address, what TLS was agreed on.
    pub(crate) mx: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) tls: Option<String>,
    /// How far it came.
    pub(crate) phase: Option<String>,
    pub(crate) transcript: Option<String>,
    pub(crate) delays: Delays,
    /// What goes on from here in envelopes of their own.
    pub(crate) messages: Vec<NewMessage>,
}

/// Where the time of an attempt went, as far as it went there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delays {
    /// From when it was due to when it was begun.
    pub(crate) wait: Option<Duration>,
    /// Until the hosts were known.
    pub(crate) dns: Option<Duration>,
    /// Until a message could be sent: connection, greeting, EHLO; without the handshake.
    pub(crate) connect: Option<Duration>,
    /// TLS handshakes.
    pub(crate) tls: Option<Duration>,
    /// From MAIL to the final dot; for a mailbox of ours, writing it.
    pub(crate) data: Option<Duration>,
    /// Waiting for the answer to the final dot, where that is known by itself.
    pub(crate) dot: Option<Duration>,
    /// All of it.
    pub(crate) total: Option<Duration>,
}

/// Whether the destination can be talked to at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    #[default]
    Reached,
    /// No host of it could be; the others that wait need not try.
    Unreachable(String),
    /// It was not asked.
    Unasked,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the mailbox; how that is said.
    Delivered(String),
    /// The next host has it.
    Relayed {
        /// What it said.
        reply: String,
        /// It offers DSN, and so reports success itself (RFC 3461 §5.2.1).
        reports: bool,
    },
    /// It stands for several, who get the message each by their own delivery.
    Expanded,
    /// For good.
    Refused(Said),
    /// For now.
    Later(Said),
    /// The final dot was sent, and what came of it is not known: it may have been taken.
    Unknown(Said),
    /// What is stored is not what was taken. No final dot was sent.
    Corrupt(Said),
}

impl Outcome {
    /// What is stored can't be read.
    pub(crate) fn unreadable(error: &io::Error) -> Self {
        if is_corrupt(error) {
            return Self::Corrupt(Said::ours((5, 3, 0), format!("554 5.3.0 {error}")));
        }
        Self::Later(Said::ours((4, 3, 0), format!("451 4.3.0 {error}")))
    }

    /// A host has not got it, and did not refuse it either: for good where no host takes such a message.
    pub(crate) fn not_tried(why: Why) -> Self {
        let status = match why {
            Why::Unsupported(Keyword::SmtpUtf8) => (5, 6, 7),
            // RFC 8689 §4.2.1.
            Why::Unsupported(Keyword::RequireTls) | Why::NotUnderTls => (5, 7, 30),
            Why::Unsupported(_) => (5, 6, 3),
            Why::TooBig { .. } => (5, 3, 4),
            Why::BareNewline => (5, 6, 0),
            _ => return Self::Later(Said::ours((4, 4, 2), format!("451 4.4.2 {why}"))),
        };
        let (class, subject, detail) = status;
        Self::Refused(Said::ours(status, format!("554 {class}.{subject}.{detail} {why}")))
    }
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The reply with its code, or our own words.
    pub(crate) text: String,
    /// RFC 3463.
    pub(crate) status: (u8, u16, u16),
    /// It is what the other host said, and not we.
    pub(crate) remote: bool,
}

impl Said {
    /// In our own words.
    pub(crate) fn ours(status: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self { text: text.into(), status, remote: false }
    }
    /// In the other host's: with the status that it gave, or that its code means.
    pub(crate) fn theirs(reply: &ReplyBuf) -> Self {
        let class = u8::try_from(reply.code() / 100).unwrap_or(4);
        let given = reply.enhanced().map(|code| (code.class(), code.subject(), code.detail()));
        Self { text: reply.to_string(), status: given.unwrap_or((class, 0, 0)), remote: true }
    }
}
