//! How mail leaves: what carries it, and what that says afterwards.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::model::{Job, RcptId};

/// Carries deliveries: to mailboxes, to an LMTP server, to other hosts.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Tries one delivery. An answer for each recipient is in the report; one that is missing counts as
    /// [`Outcome::Later`].
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>>;
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
#[allow(dead_code, reason = "mailboxes relay to nobody")]
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
    /// For good.
    Refused(Said),
    /// For now.
    Later(Said),
    /// The final dot was sent, and what came of it is not known: it may have been taken.
    Unknown(Said),
    /// What is stored is not what was taken. No final dot was sent.
    Corrupt(Said),
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
}
