//! What became of a message, recipient by recipient.

use core::fmt;

use super::step::CloseReason;
use crate::wire::ehlo::Keyword;
use crate::wire::reply::ReplyBuf;

/// What became of a message for one recipient. Shown in words, with the server's reply or the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken responsibility (RFC 5321 §6.1): its answer to the end of the content.
    Accepted(ReplyBuf),
    /// The server refused: its answer to MAIL, RCPT, DATA or the end of the content, a 421 there included.
    Refused(ReplyBuf),
    /// The server has not got the message, and did not refuse it either.
    NotTried(Why),
    /// The content went out with its end, and then came silence, the end of the connection, or what is no answer. The
    /// server may have it.
    Unknown,
}

/// Whether to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It was accepted, or would be refused again.
    Never,
    /// Later, to the same host; at once on a new connection where the reason is [`Why::Limits`].
    Later,
    /// To another host of the domain now, or to this one later.
    OtherHost,
    /// To send again may deliver twice, not to may lose it. Queues send again (RFC 1047); who must not send twice asks.
    AskUser,
}

/// Why a message was not tried. Nothing that counts was sent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The message needs an extension that the server does not offer, or that is ignored for it.
    #[error("the server does not offer {}, which the message needs", .0.as_str())]
    Unsupported(Keyword),
    /// The message is larger than the server takes (RFC 1870 §6).
    #[error("the message has {octets} octets, the server takes {limit}")]
    TooBig {
        /// Octets of the message, as SIZE counts them.
        octets: u64,
        /// Most octets that the server takes.
        limit: u64,
    },
    /// The content has a bare CR or LF, which DATA can't carry (RFC 5321 §2.3.8).
    #[error("the content has a line end that is not CR LF, which `ClientConfig::newlines` can change")]
    BareNewline,
    /// REQUIRETLS without TLS, or with a certificate that was not verified (RFC 8689 §4.2.1).
    #[error("the message requires verified TLS")]
    NotUnderTls,
    /// The envelope has no recipient.
    #[error("the envelope has no recipient")]
    NoRecipients,
    /// The server's limits: another transaction or another connection is needed (RFC 9422, RFC 5321 §4.5.3.1.10).
    #[error("more than the server takes in one transaction or connection")]
    Limits,
    /// The content is not what the envelope declared. The connection was ended without the end of the content.
    #[error("the content {0}")]
    FalseDeclaration(Contradiction),
    /// The application gave up in the middle of the content.
    #[error("given up in the middle of the content")]
    Abandoned,
    /// No connection to the server could be made.
    #[error("no connection to the server could be made")]
    NoConnection,
    /// The connection ended before the message was out.
    #[error("the connection ended: {0}")]
    Closed(CloseReason),
}

/// How content differs from what was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// It has octets above 127.
    #[error("has octets above 127 and was declared without")]
    EightBit,
    /// It is larger.
    #[error("is larger than was declared")]
    Size,
    /// It has a bare CR or LF.
    #[error("has a bare CR or LF")]
    BareNewline,
}

impl Outcome {
    /// Whether to send again, where, and when.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Accepted(_) => Retry::Never,
            Self::Refused(reply) if reply.is_permanent() => Retry::Never,
            Self::Refused(_) => Retry::Later,
            Self::NotTried(why) => why.retry(),
            Self::Unknown => Retry::AskUser,
        }
    }

    /// Whether the server has taken responsibility.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// The server's answer, if there is one.
    #[must_use]
    pub const fn reply(&self) -> Option<&ReplyBuf> {
        match self {
            Self::Accepted(reply) | Self::Refused(reply) => Some(reply),
            Self::NotTried(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(reply) => write!(f, "accepted: {reply}"),
            Self::Refused(reply) => write!(f, "refused: {reply}"),
            Self::NotTried(why) => write!(f, "not tried: {why}"),
            Self::Unknown => f.write_str("unknown: all of it went out, and the server did not answer"),
        }
    }
}

impl Why {
    /// Whether to send again, where, and when.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Self::Unsupported(_) | Self::NotUnderTls => Retry::OtherHost,
            // RFC 7504 §4: the domain takes no mail at all.
            Self::Closed(CloseReason::Unwelcome(556)) => Retry::Never,
            Self::Closed(_) | Self::NoConnection => Retry::OtherHost,
            Self::Limits | Self::Abandoned => Retry::Later,
            Self::TooBig { .. } | Self::BareNewline | Self::NoRecipients | Self::FalseDeclaration(_) => {
                Retry::Never
            }
        }
    }
}
