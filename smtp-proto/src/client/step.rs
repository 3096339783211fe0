//! What the application sees and says.

use core::fmt;

use super::bdat::Chunks;
use super::session::{ClientSession, Phase};
use super::waits::Wait;
use crate::error::{Fault, ParseError};
use crate::wire::command::{Command, Verb};
use crate::wire::params::{MailParams, RcptParams};
use crate::wire::path::{Mailbox, ReversePath};
use crate::wire::reply::{ReplyBuf, ReplyFault};

/// What happened, or may be done now.
#[must_use]
#[non_exhaustive]
pub enum ClientStep<'s> {
    /// The session is at rest: start something. Dropped unused it is offered again.
    Ready(Ready<'s>),
    /// The server answered. Nothing has to be done about it; it is for logs, and for programs that go command by command.
    Reply {
        /// What it answers.
        to: Sent,
        /// The answer.
        reply: &'s ReplyBuf,
    },
    /// The server asks something in an exchange that [`Ready::auth_by_hand`] began.
    Challenge(Challenge<'s>),
    /// The server waits for content. It comes until [`ContentWriter::finish`].
    Content(ContentWriter<'s>),
    /// Octets that were eaten and mean nothing to you: a part of a reply.
    Quiet(usize),
    /// The session is over.
    Close(CloseReason),
}

/// What an answer belongs to: the command that was in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// Nothing yet: it is the greeting.
    Connection,
    /// Nothing: the server spoke unasked.
    Nothing,
    /// EHLO, LHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH, or a line of its exchange.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT for the recipient with this number in the envelope, or in the transaction where it goes command by command.
    Rcpt(usize),
    /// DATA.
    Data,
    /// BDAT, but for the last.
    Chunk,
    /// The end of the content; in LMTP with the recipient's number.
    Content(Option<usize>),
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
    /// Another command.
    Command(Verb),
    /// Octets of the application's.
    Raw,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "the connection",
            Self::Nothing => "nothing",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt(_) => "RCPT",
            Self::Data => "DATA",
            Self::Chunk => "BDAT",
            Self::Content(_) => "the end of the content",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
            Self::Command(verb) => verb.name(),
            Self::Raw => "raw octets",
        })
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We said QUIT, and it was answered or not awaited any longer.
    #[error("QUIT")]
    Quit,
    /// The server ended it, or spoke unasked, while nothing was in flight.
    #[error("closed by the server while idle")]
    Idle,
    /// The server did not greet with 220.
    #[error("greeted with {0}")]
    Unwelcome(u16),
    /// EHLO, LHLO or HELO was refused.
    #[error("EHLO answered with {0}")]
    HelloRefused(u16),
    /// The server said 421.
    #[error("421 in answer to {0}")]
    Farewell(Sent),
    /// The connection ended while an answer was due.
    #[error("connection lost while {0} was in flight")]
    PeerGone(Sent),
    /// A deadline passed.
    #[error("timed out waiting for {0}")]
    Timeout(Wait),
    /// What came is no reply.
    #[error("{fault} in the answer to {to}")]
    Garbled {
        /// What was in flight.
        to: Sent,
        /// What is wrong.
        fault: ReplyFault,
    },
    /// An answer that makes no sense there, such as 354 to MAIL.
    #[error("{code} in answer to {to}")]
    OutOfStep {
        /// What it answers.
        to: Sent,
        /// Its code.
        code: u16,
    },
    /// The server offers PIPELINING and takes commands in a group for a mistake.
    #[error("the server offers PIPELINING and can't do it: ignore the keyword for this host")]
    Pipelining,
    /// Octets behind the 220 of STARTTLS: somebody put them there.
    #[error("octets were injected before TLS")]
    Injection,
    /// The TLS handshake failed.
    #[error("the TLS handshake failed")]
    TlsFailed,
    /// The server said 235 before it had proved that it knows the password.
    #[error("the server accepted AUTH without proof of its own")]
    Unproven,
    /// The content is not what the envelope declared.
    #[error("the content is not what was declared")]
    FalseDeclaration,
    /// The application gave up in the middle of the content.
    #[error("given up in the middle of the content")]
    Abandoned,
}

/// The session is at rest.
#[must_use = "nothing happens until something is started"]
pub struct Ready<'s> {
    pub(crate) session: &'s mut ClientSession,
}

impl Ready<'_> {
    /// What is known of the session.
    #[must_use]
    pub const fn session(&self) -> &ClientSession {
        self.session
    }

    /// Waits for the server: the next need is Input, so that a pool notices when an idle connection ends. Octets bring a
    /// step, and [`ClientSession::wake`] brings `Ready` back.
    pub fn wait(self) {
        self.session.phase = Phase::Idle;
    }

    /// Says QUIT. The session ends once that is answered, or a little later.
    pub fn quit(self) {
        self.session.say_quit(CloseReason::Quit);
    }

    /// Says RSET: any transaction begun command by command is forgotten.
    pub fn rset(self) {
        self.session.forget_transaction();
        self.session.single(&Command::Rset, Sent::Rset);
    }

    /// Says MAIL with parameters as they are, for programs that go command by command. The answer comes as
    /// [`ClientStep::Reply`], and then `Ready` again.
    pub fn mail(self, from: ReversePath<'_>, params: MailParams<'_>) {
        self.session.forget_transaction();
        self.session.by_hand = true;
        self.session.job.chunks = Chunks::of(params);
        self.session.single(&Command::Mail { path: from, params }, Sent::Mail);
    }

    /// Says RCPT with parameters as they are.
    pub fn rcpt(self, to: Mailbox<'_>, params: RcptParams<'_>) {
        let index = self.session.job.count_recipient();
        self.session.single(&Command::Rcpt { path: to, params }, Sent::Rcpt(index));
    }

    /// Says DATA. After 354 comes [`ClientStep::Content`].
    pub fn data(self) {
        self.session.single(&Command::Data, Sent::Data);
    }

    /// Says any other command that one reply answers. EHLO, LHLO and HELO change what is known of the server.
    ///
    /// # Errors
    /// [`Fault::ArgumentNotAllowed`] for STARTTLS, AUTH, BDAT and BURL, which are more than a command and its reply:
    /// [`start_tls`](Self::start_tls), [`auth`](Self::auth) and [`bdat`](Self::bdat) are for the first three.
    pub fn say(self, command: &Command<'_>) -> Result<(), ParseError> {
        match command {
            Command::Mail { path, params } => self.mail(*path, *params),
            Command::Rcpt { path, params } => self.rcpt(*path, *params),
            Command::Data => self.data(),
            Command::Rset => self.rset(),
            Command::Quit => self.quit(),
            Command::StartTls | Command::Auth { .. } | Command::Bdat { .. } | Command::Burl { .. } => {
                return Err(ParseError::new(Fault::ArgumentNotAllowed, 0));
            }
            Command::Ehlo(_) | Command::Lhlo(_) => {
                self.session.forget_transaction();
                self.session.single(command, Sent::Hello);
            }
            _ => self.session.single(command, Sent::Command(command.verb())),
        }
        Ok(())
    }

    /// Sends octets as they are, for scanners and tests. From here on answers that come are steps, whatever they answer,
    /// and none is waited for.
    pub fn raw(self, octets: &[u8]) {
        self.session.output.extend_from_slice(octets);
        self.session.raw = true;
    }
}

/// Where content goes.
#[must_use = "dropped unused it is offered again"]
pub struct ContentWriter<'s> {
    pub(crate) session: &'s mut ClientSession,
}

impl ContentWriter<'_> {
    /// Takes octets of the content, cut anywhere, and returns how many: all or the front, and none when there is no room
    /// until the next step. Dots are doubled on the way.
    ///
    /// Where the content turns out not to be what was declared, the session ends without the end of the content.
    #[must_use = "what was not taken has to be written again"]
    pub fn write(&mut self, octets: &[u8]) -> usize {
        self.session.write_content(octets)
    }

    /// How many octets of the content were taken. It is 0 again where recipients had to be split: write from the begin.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.session.job.octets
    }

    /// Which transaction of this message it is, from 0.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.session.job.round.saturating_sub(1)
    }

    /// Sends octets as they are, as [`Ready::raw`] does, and is done with the content: for scanners that try where a
    /// server sees its end.
    pub fn raw(self, octets: &[u8]) {
        self.session.phase = Phase::Ready;
        Ready { session: self.session }.raw(octets);
    }

    /// The content is complete: its end goes out, with the CR LF that it may lack.
    pub fn finish(self) {
        self.session.finish_content();
    }

    /// Gives up. The connection ends without the end of the content, so that the server has no message.
    pub fn abandon(self) {
        self.session.abandon();
    }
}

/// A challenge of an exchange that [`Ready::auth_by_hand`] began.
#[must_use = "dropped unused it is offered again"]
pub struct Challenge<'s> {
    pub(crate) session: &'s mut ClientSession,
}

impl Challenge<'_> {
    /// The text behind 334 as it was received, trimmed.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.session.challenge_text()
    }

    /// Answers with these octets, in base64.
    pub fn answer(self, octets: &[u8]) {
        self.session.answer_challenge(octets);
    }

    /// Ends the exchange.
    pub fn cancel(self) {
        self.session.cancel_challenge();
    }
}

impl fmt::Debug for ClientStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(_) => f.write_str("Ready"),
            Self::Reply { to, reply } => write!(f, "Reply({to:?}, {reply})"),
            Self::Challenge(_) => f.write_str("Challenge"),
            Self::Content(writer) => write!(f, "Content(at {})", writer.at()),
            Self::Quiet(octets) => write!(f, "Quiet({octets})"),
            Self::Close(reason) => write!(f, "Close({reason:?})"),
        }
    }
}
