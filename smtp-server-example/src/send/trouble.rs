//! What went wrong, as an exit code and advice.

use std::error::Error;

use smtp_proto::client::{AuthError, CloseReason, Why};
use smtp_proto::sasl::client::NoMechanism;
use smtp_proto::wire::ehlo::Keyword;
use smtp_tokio::client::ConnectError;
use smtp_tokio::{Outcome, ReplyBuf};

use crate::failure::{Failure, Kind};

/// Why there is no connection.
pub(crate) fn no_connection(error: &ConnectError) -> Failure {
    let failure = Failure::new(kind(error), chain(error));
    match advice(error) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// The kind of trouble that an outcome is; nothing if the server took the message.
pub(crate) fn of_outcome(outcome: &Outcome) -> Option<Kind> {
    match outcome {
        Outcome::Accepted(_) => None,
        Outcome::Refused(reply) => Some(of_reply(reply)),
        Outcome::NotTried(why) => Some(of_why(*why)),
        Outcome::Unknown => Some(Kind::Io),
    }
}

/// What can be done about an outcome, where that is not plain.
pub(crate) const fn about(outcome: &Outcome) -> Option<&'static str> {
    let Outcome::NotTried(Why::Unsupported(keyword)) = outcome else { return None };
    match keyword {
        Keyword::EightBitMime => Some("encode its body as quoted-printable or base64"),
        Keyword::SmtpUtf8 => Some("encode its header (RFC 2047), and use addresses in ASCII"),
        _ => None,
    }
}

fn of_reply(reply: &ReplyBuf) -> Kind {
    if reply.is_permanent() { Kind::Unavailable } else { Kind::TryLater }
}

const fn of_why(why: Why) -> Kind {
    match why {
        Why::BareNewline | Why::FalseDeclaration(_) => Kind::Refused,
        Why::TooBig { .. } | Why::Unsupported(_) | Why::NotUnderTls | Why::NoRecipients => Kind::Unavailable,
        Why::Closed(reason) => of_end(reason),
        _ => Kind::TryLater,
    }
}

const fn of_end(reason: CloseReason) -> Kind {
    match reason {
        CloseReason::Unwelcome(500..=599) | CloseReason::HelloRefused(500..=599) => Kind::Unavailable,
        CloseReason::Garbled { .. }
        | CloseReason::OutOfStep { .. }
        | CloseReason::Pipelining
        | CloseReason::Injection
        | CloseReason::TlsFailed => Kind::Protocol,
        CloseReason::Unproven => Kind::NoPermission,
        _ => Kind::TryLater,
    }
}

fn kind(error: &ConnectError) -> Kind {
    match error {
        ConnectError::NoAddress { .. } => Kind::NoHost,
        ConnectError::Unreachable { source, .. } if source.kind() == std::io::ErrorKind::TimedOut => {
            Kind::TryLater
        }
        ConnectError::Unreachable { .. } => Kind::Unavailable,
        ConnectError::Closed { reason, .. } => of_end(*reason),
        ConnectError::NoStartTls(_) | ConnectError::StartTlsRefused(_) | ConnectError::Tls(_) => {
            Kind::Protocol
        }
        ConnectError::AuthFailed { reply, .. } if reply.is_transient() => Kind::TryLater,
        ConnectError::Auth(_) | ConnectError::AuthFailed { .. } => Kind::NoPermission,
        _ => Kind::TryLater,
    }
}

fn advice(error: &ConnectError) -> Option<&'static str> {
    Some(match error {
        ConnectError::NoAddress { .. } => {
            "check the spelling of --server; for a domain's mail, `route DOMAIN` says which hosts take it"
        }
        ConnectError::Unreachable { source, .. } => match source.kind() {
            std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound => {
                "nobody listens there: is the server running, and is the port right?"
            }
            std::io::ErrorKind::TimedOut => {
                "a firewall may be in between: many networks block port 25, and have 587 for users who log in"
            }
            _ => return None,
        },
        ConnectError::Closed { reason: CloseReason::Garbled { .. } | CloseReason::Timeout(_), .. } => {
            "is it a mail server, and does TLS begin where --tls says? Port 465 wants --tls implicit"
        }
        ConnectError::Closed { reason: CloseReason::HelloRefused(_), .. } => {
            "--ehlo sets the name that was refused; LMTP servers want --lmtp"
        }
        ConnectError::NoStartTls(_) | ConnectError::StartTlsRefused(_) => {
            "--tls implicit, if TLS begins with the first octet (port 465); --tls none sends in clear"
        }
        ConnectError::Tls(_) => {
            "--ca FILE trusts a certificate that the system does not know, --server-name HOST expects another \
             name in it; --tls opportunistic takes any, and keeps out only those who listen"
        }
        ConnectError::Auth(AuthError::Mechanism(NoMechanism::Untrusted)) => {
            "--tls required sends it to a verified server alone; --insecure sends it anyway"
        }
        ConnectError::Auth(AuthError::Mechanism(NoMechanism::NoneInCommon)) => {
            "servers offer AUTH on port 587 or 465, and often under TLS alone: try --tls required or implicit"
        }
        ConnectError::AuthFailed { .. } => "check the name and the password",
        _ => return None,
    })
}

/// An error and what it comes from.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
