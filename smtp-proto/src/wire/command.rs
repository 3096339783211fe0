//! Commands.
//!
//! ```
//! use smtp_proto::wire::command::Command;
//! use smtp_proto::wire::params::Body;
//! use smtp_proto::Leniency;
//!
//! let line = b"mail from:<\"a b\"@example.com> size=1024 BODY=8BITMIME\r\n";
//! let Command::Mail { path, params } = Command::parse(line)? else { panic!() };
//! let mailbox = path.mailbox().unwrap();
//! assert_eq!(mailbox.local_part(), b"\"a b\"");
//! assert_eq!(mailbox.domain().unwrap(), "Example.COM");
//! assert_eq!((params.size(), params.body()), (Some(1024), Some(Body::EightBitMime)));
//!
//! // A line that is wrong says so, where, and which reply tells the client.
//! let error = Command::parse(b"MAIL FROM: <a@b.example>\r\n").unwrap_err();
//! assert_eq!((error.at, error.fault.reply().code()), (10, 501));
//!
//! // Or it is tolerated, by name.
//! let (_, deviations) = Command::parse_with(b"MAIL FROM: <a@b.example>\r\n", Leniency::SUBMISSION)?;
//! assert!(deviations.contains(Leniency::SPACE_BEFORE_PATH));
//! # Ok::<(), smtp_proto::ParseError>(())
//! ```

use core::fmt;

use bytes::BufMut;

pub use super::arguments::{Domains, Lookup, Node};
pub use super::attributes::{Attribute, AttributeValue, Attributes};
use super::base64::Base64;
use super::commands;
use super::fast;
use super::grammar::Rules;
pub use super::host::Hello;
use super::leniency::{Deviations, Leniency};
use super::number::put_number;
use super::params::{MailParams, RcptParams};
use super::path::{Mailbox, ReversePath};
pub use super::verb::Verb;
use crate::error::{Fault, ParseError};
use crate::limits;
use crate::sasl::Mechanism;

/// A command, borrowing its line.
///
/// [`parse`](Self::parse) reads what the RFCs' grammar has, with every extension known and none in force: whether
/// an extension was offered, whether the order is right, and whether SMTPUTF8 is in force for a RCPT is for the
/// session to see.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'b> {
    /// HELO: no extensions wanted.
    Helo(Hello<'b>),
    /// EHLO.
    Ehlo(Hello<'b>),
    /// LHLO: EHLO of LMTP.
    Lhlo(Hello<'b>),
    /// MAIL: a transaction begins.
    Mail {
        /// Where reports go.
        path: ReversePath<'b>,
        /// What follows the path.
        params: MailParams<'b>,
    },
    /// RCPT: one recipient more.
    Rcpt {
        /// Who gets the message. Perhaps "Postmaster" alone.
        path: Mailbox<'b>,
        /// What follows the path.
        params: RcptParams<'b>,
    },
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
    /// STARTTLS.
    StartTls,
    /// NOOP, with what is to be ignored (RFC 5321 §4.1.1.9).
    Noop(&'b [u8]),
    /// HELP, with its topic.
    Help(&'b [u8]),
    /// VRFY.
    Vrfy(Lookup<'b>),
    /// EXPN.
    Expn(Lookup<'b>),
    /// BDAT: that many octets follow the line (RFC 3030 §2).
    Bdat {
        /// Octets of the chunk.
        size: u64,
        /// Whether the message ends with it.
        last: bool,
    },
    /// AUTH (RFC 4954 §4).
    Auth {
        /// Which mechanism.
        mechanism: Mechanism,
        /// The initial response; `Some` of no octets for "=".
        initial: Option<Base64<'b>>,
    },
    /// BURL: content from a URL (RFC 4468 §3).
    Burl {
        /// An absolute URI.
        url: &'b [u8],
        /// Whether the message ends with it.
        last: bool,
    },
    /// ETRN: start a queue (RFC 1985 §5).
    Etrn(Node<'b>),
    /// ATRN: turn the connection for these domains; for all if none is named (RFC 2645 §5.2.1).
    Atrn(Domains<'b>),
    /// XCLIENT: be that client.
    Xclient(Attributes<'b>),
    /// XFORWARD: for the log, this is the client.
    Xforward(Attributes<'b>),
    /// A verb that is none of these, kept with its text.
    Unknown {
        /// Letters, digits and "-", as written.
        verb: &'b [u8],
        /// What follows the SP behind it, trailing white space taken off.
        rest: &'b [u8],
    },
}

impl<'b> Command<'b> {
    /// Reads a line, with or without its CR LF, by the grammar and nothing else. White space at its end is no part
    /// of it (RFC 5321 §4.1.1).
    ///
    /// # Errors
    /// What is wrong, where, and by [`Fault::reply`] how to say so. [`Fault::BareLf`] for a line that ends with LF
    /// alone, [`Fault::Control`] for one that holds CR, LF or NUL, whatever else is wrong with it.
    pub fn parse(line: &'b [u8]) -> Result<Self, ParseError> {
        match fast::command(line) {
            Some(command) => Ok(command),
            None => Self::read(line, &Rules::new(Leniency::STRICT)),
        }
    }

    /// As [`parse`](Self::parse); what that refuses is read again with `leniency`, and the deviations that were
    /// met are returned beside it.
    ///
    /// # Errors
    /// What is wrong with the line even so.
    pub fn parse_with(line: &'b [u8], leniency: Leniency) -> Result<(Self, Deviations), ParseError> {
        match Self::parse(line) {
            Ok(command) => Ok((command, Deviations::NONE)),
            Err(error) if leniency.is_strict() => Err(error),
            Err(_) => {
                let rules = Rules::new(leniency);
                let command = Self::read(line, &rules)?;
                Ok((command, rules.met().into()))
            }
        }
    }

    pub(super) fn read(line: &'b [u8], rules: &Rules) -> Result<Self, ParseError> {
        let text = without_end(line, rules)?;
        let text = trim_end(text);
        commands::command(rules, text).map_err(|bad| {
            // One name for what must never pass, wherever it stands.
            let control = text.iter().position(|octet| matches!(octet, b'\0' | b'\r' | b'\n'));
            match control {
                Some(at) => ParseError::new(Fault::Control, at),
                None => ParseError::new(bad.fault, text.len() - bad.left),
            }
        })
    }

    /// Which command it is.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Helo(_) => Verb::Helo,
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Lhlo(_) => Verb::Lhlo,
            Self::Mail { .. } => Verb::Mail,
            Self::Rcpt { .. } => Verb::Rcpt,
            Self::Data => Verb::Data,
            Self::Rset => Verb::Rset,
            Self::Quit => Verb::Quit,
            Self::StartTls => Verb::StartTls,
            Self::Noop(_) => Verb::Noop,
            Self::Help(_) => Verb::Help,
            Self::Vrfy(_) => Verb::Vrfy,
            Self::Expn(_) => Verb::Expn,
            Self::Bdat { .. } => Verb::Bdat,
            Self::Auth { .. } => Verb::Auth,
            Self::Burl { .. } => Verb::Burl,
            Self::Etrn(_) => Verb::Etrn,
            Self::Atrn(_) => Verb::Atrn,
            Self::Xclient(_) => Verb::Xclient,
            Self::Xforward(_) => Verb::Xforward,
            Self::Unknown { .. } => Verb::Unknown,
        }
    }

    /// Appends the command's octets with CR LF: the verb in upper case, one SP where one belongs, the arguments as
    /// they were given. What was parsed parses to the same value again. Whatever a value that was put together by
    /// hand holds, one line is written: CR, LF and NUL become "?".
    pub fn write(&self, out: &mut impl BufMut) {
        if let Self::Unknown { verb, .. } = self {
            put_text(out, verb);
        } else {
            out.put_slice(self.verb().name().as_bytes());
        }
        self.write_arguments(out);
        out.put_slice(b"\r\n");
    }

    fn write_arguments(&self, out: &mut impl BufMut) {
        match self {
            Self::Data | Self::Rset | Self::Quit | Self::StartTls => {}
            Self::Helo(hello) | Self::Ehlo(hello) | Self::Lhlo(hello) => argument(out, hello.raw()),
            Self::Mail { path, params } => {
                out.put_slice(b" FROM:<");
                out.put_slice(path.mailbox().map_or(b"", Mailbox::as_bytes));
                out.put_u8(b'>');
                argument(out, params.as_bytes());
            }
            Self::Rcpt { path, params } => {
                out.put_slice(b" TO:<");
                out.put_slice(path.as_bytes());
                out.put_u8(b'>');
                argument(out, params.as_bytes());
            }
            Self::Noop(text) | Self::Help(text) => argument(out, text),
            Self::Vrfy(lookup) | Self::Expn(lookup) => {
                argument(out, lookup.as_bytes());
                argument(out, if lookup.smtputf8() { b"SMTPUTF8" } else { b"" });
            }
            Self::Bdat { size, last } => {
                out.put_u8(b' ');
                put_number(out, *size);
                argument(out, if *last { b"LAST" } else { b"" });
            }
            Self::Auth { mechanism, initial } => {
                argument(out, mechanism.as_str().as_bytes());
                match initial.map(Base64::as_bytes) {
                    Some([]) => argument(out, b"="),
                    Some(text) => argument(out, text),
                    None => {}
                }
            }
            Self::Burl { url, last } => {
                argument(out, url);
                argument(out, if *last { b"LAST" } else { b"" });
            }
            Self::Etrn(node) => {
                out.put_u8(b' ');
                node.write(out);
            }
            Self::Atrn(domains) => argument(out, domains.as_bytes()),
            Self::Xclient(attributes) | Self::Xforward(attributes) => argument(out, attributes.as_bytes()),
            Self::Unknown { rest, .. } => argument(out, rest),
        }
    }
}

impl fmt::Debug for Command<'_> {
    /// The verb and the arguments, but the initial response of AUTH, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Auth { mechanism, initial } = self {
            return write!(f, "AUTH {mechanism} {initial:?}");
        }
        let mut line = alloc::vec::Vec::new();
        self.write(&mut line);
        write!(f, "{}", line.strip_suffix(b"\r\n").unwrap_or(&line).escape_ascii())
    }
}

/// The line without its CR LF, or without its LF where that is tolerated.
fn without_end<'b>(line: &'b [u8], rules: &Rules) -> Result<&'b [u8], ParseError> {
    let text = match line {
        [text @ .., b'\r', b'\n'] => text,
        [text @ .., b'\n'] if rules.tolerate(Leniency::UNSAFE_LF_COMMANDS) => text,
        [text @ .., b'\n'] => return Err(ParseError::new(Fault::BareLf, text.len())),
        text => text,
    };
    // Each AUTH line may be as long as those that follow it (RFC 4954 §4).
    let auth = text.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
    let most = if auth { limits::AUTH_LINE } else { limits::COMMAND_LINE } - 2;
    if text.len() > most { Err(ParseError::new(Fault::LineTooLong, most)) } else { Ok(text) }
}

fn trim_end(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn argument(out: &mut impl BufMut, text: &[u8]) {
    if !text.is_empty() {
        out.put_u8(b' ');
        put_text(out, text);
    }
}

/// Text that can't end the line.
fn put_text(out: &mut impl BufMut, text: &[u8]) {
    let mut text = text;
    while let Some(at) = text.iter().position(|octet| matches!(octet, b'\0' | b'\r' | b'\n')) {
        out.put_slice(&text[..at]);
        out.put_u8(b'?');
        text = &text[at + 1..];
    }
    out.put_slice(text);
}
