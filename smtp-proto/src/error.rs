//! What can be wrong with octets, where, and which reply says so.

use crate::wire::reply::Reply;

/// Why a line was refused and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {at}")]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// Offset into the parsed octets at which it was found.
    pub at: usize,
}

impl ParseError {
    pub(crate) const fn new(fault: Fault, at: usize) -> Self {
        Self { fault, at }
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The line does not begin with a verb.
    #[error("no command")]
    NoVerb,
    /// The line is longer than its limit.
    #[error("line too long")]
    LineTooLong,
    /// A NUL, or a CR or LF that is not part of the line's end.
    #[error("control octet in the line")]
    Control,
    /// The line ends with LF alone (RFC 5321 §2.3.8).
    #[error("line ends with a bare LF")]
    BareLf,
    /// An argument is needed and missing.
    #[error("argument missing")]
    ArgumentMissing,
    /// An argument stands where none belongs.
    #[error("argument not allowed")]
    ArgumentNotAllowed,
    /// An argument is malformed.
    #[error("argument malformed")]
    Argument,
    /// The reverse-path is malformed.
    #[error("sender malformed, not user@domain or empty")]
    ReversePath,
    /// The forward-path is malformed.
    #[error("mailbox malformed, not user@domain")]
    ForwardPath,
    /// The mailbox holds UTF-8 and SMTPUTF8 is not in force (RFC 6531 §3.5).
    #[error("SMTPUTF8 needed")]
    NeedsSmtputf8,
    /// A parameter is given twice.
    #[error("parameter given twice")]
    ParamTwice,
    /// What stands behind a path is no parameter.
    #[error("parameter malformed")]
    ParamKeyword,
    /// A parameter's value is missing or malformed.
    #[error("parameter value malformed")]
    ParamValue,
    /// Two parameters exclude each other.
    #[error("parameters exclude each other")]
    ParamConflict,
    /// The parameter belongs to another command.
    #[error("parameter not known here")]
    ParamUnknown,
    /// The size of a BDAT chunk cannot be read, so that what follows cannot be told from commands.
    #[error("chunk size unreadable")]
    ChunkSize,
    /// The response of an AUTH exchange is not base64 (RFC 4954 §4).
    #[error("base64 malformed")]
    Base64,
}

impl Fault {
    /// The reply that says so. Total: a new fault does not compile until someone chooses.
    #[must_use]
    pub const fn reply(self) -> Reply<'static> {
        match self {
            Self::NoVerb => Reply::new(500, (5, 5, 2), "Error: command expected"),
            Self::LineTooLong => Reply::new(500, (5, 5, 2), "Error: line too long"),
            Self::Control => Reply::new(501, (5, 5, 2), "Error: control character in command"),
            Self::BareLf => Reply::new(500, (5, 5, 2), "Error: lines must end with CR LF"),
            Self::ArgumentMissing => Reply::new(501, (5, 5, 4), "Error: argument missing"),
            Self::ArgumentNotAllowed => Reply::new(501, (5, 5, 4), "Error: no argument allowed here"),
            Self::Argument => Reply::new(501, (5, 5, 4), "Error: malformed argument"),
            Self::ReversePath => {
                Reply::new(501, (5, 1, 7), "Error: malformed sender, want FROM:<user@domain>")
            }
            Self::ForwardPath => {
                Reply::new(501, (5, 1, 3), "Error: malformed recipient, want TO:<user@domain>")
            }
            Self::NeedsSmtputf8 => Reply::new(553, (5, 6, 7), "Error: address needs SMTPUTF8"),
            Self::ParamTwice => Reply::new(501, (5, 5, 4), "Error: parameter given twice"),
            Self::ParamKeyword => Reply::new(501, (5, 5, 4), "Error: malformed parameter"),
            Self::ParamValue => Reply::new(501, (5, 5, 4), "Error: malformed parameter value"),
            Self::ParamConflict => Reply::new(501, (5, 5, 4), "Error: parameters exclude each other"),
            Self::ParamUnknown => Reply::new(555, (5, 5, 4), "Error: parameter not recognized"),
            Self::ChunkSize => Reply::new(501, (5, 5, 4), "Error: unreadable chunk size"),
            Self::Base64 => Reply::new(501, (5, 5, 2), "Error: malformed base64"),
        }
    }
}
