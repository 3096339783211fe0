use core::fmt;
use core::ops::Deref;

use super::answer::Answer;
use super::decision::Decision;
use super::facts::Facts;
use super::replies;
use super::session::ServerSession;
use crate::sasl::Mechanism;
use crate::wire::base64::Base64;
use crate::wire::command::{self, Attributes, Lookup};
use crate::wire::params::{Body, MailParams, RcptParams};
use crate::wire::path::{Mailbox, ReversePath};
use crate::wire::reply::Reply;

/// One unit of a session, for the application.
///
/// A step borrows the receive buffer (`'b`); one that wants an answer borrows the session too (`'s`).
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a step dropped unanswered refuses what the peer asked for (451)"]
pub enum Step<'s, 'b> {
    /// A peer has connected and waits for the greeting.
    Connect(Pending<'s, Connect>),
    /// EHLO, HELO or LHLO.
    Hello(Pending<'s, Hello<'b>>),
    /// AUTH, or the client's answer to a challenge.
    Auth(Pending<'s, Auth<'b>>),
    /// STARTTLS.
    StartTls(Pending<'s, StartTls>),
    /// MAIL: a transaction may begin.
    Mail(Pending<'s, Mail<'b>>),
    /// RCPT: one recipient.
    Rcpt(Pending<'s, Rcpt<'b>>),
    /// VRFY, where it is switched on.
    Vrfy(Pending<'s, Vrfy<'b>>),
    /// EXPN, where it is switched on.
    Expn(Pending<'s, Expn<'b>>),
    /// ETRN, where it is switched on.
    Etrn(Pending<'s, Etrn<'b>>),
    /// XCLIENT from a trusted peer, where it is switched on: accepted, the session starts over as that client.
    Xclient(Pending<'s, Xclient<'b>>),
    /// XFORWARD from a trusted peer, where it is switched on: who a message's client was, for logs.
    Xforward(Pending<'s, Xforward<'b>>),
    /// DATA or the first BDAT: may a message start?
    Data(Pending<'s, Data>),
    /// Content, dots removed, as long as the buffer holds it. DATA and BDAT look the same. Wants no answer.
    Content(&'b [u8]),
    /// The content is complete: once in SMTP, in LMTP once per accepted recipient, in their order.
    Verdict(Pending<'s, Verdict>),
    /// The session answered by itself: for logs and counters.
    Answered(Answered<'b>),
    /// So many octets were eaten that mean nothing to you: the rest of an over-long line, swallowed content.
    Quiet(usize),
    /// The transaction is over; drop what you gathered for it. Nothing of it follows.
    Reset(ResetCause),
    /// The session is over; nothing follows.
    Close(CloseReason),
}

impl Step<'_, '_> {
    /// What a last `match` arm should do: accepts Connect, Hello, StartTls, Mail and Data; 550 to Rcpt, 451 to
    /// Verdict, 252 to Vrfy, 502 to Auth, Expn and Etrn, 550 to
    /// Xclient and Xforward; nothing for steps that want no answer.
    pub fn or_default(self) {
        match self {
            Self::Connect(token) => token.accept(),
            Self::Hello(token) => token.accept(),
            Self::StartTls(token) => token.accept(),
            Self::Mail(token) => token.accept(),
            Self::Data(token) => token.accept(),
            Self::Rcpt(token) => token.refuse(&replies::NO_SUCH_USER),
            Self::Verdict(token) => token.refuse(&replies::NO_ANSWER),
            Self::Vrfy(token) => token.accept(),
            Self::Auth(token) => token.refuse(&replies::NOT_HERE),
            Self::Expn(token) => token.refuse(&replies::NOT_HERE),
            Self::Etrn(token) => token.refuse(&replies::NOT_HERE),
            Self::Xclient(token) => token.refuse(&replies::NOT_TRUSTED),
            Self::Xforward(token) => token.refuse(&replies::NOT_TRUSTED),
            Self::Content(_) | Self::Answered(_) | Self::Quiet(_) | Self::Reset(_) | Self::Close(_) => {}
        }
    }

    /// Accepts whatever can be accepted: for honeypots and catchers.
    pub fn accept(self) {
        match self {
            Self::Connect(token) => token.accept(),
            Self::Hello(token) => token.accept(),
            Self::Auth(token) => token.accept(),
            Self::StartTls(token) => token.accept(),
            Self::Mail(token) => token.accept(),
            Self::Rcpt(token) => token.accept(),
            Self::Vrfy(token) => token.accept(),
            Self::Expn(token) => token.accept(),
            Self::Etrn(token) => token.accept(),
            Self::Xclient(token) => token.accept(),
            Self::Xforward(token) => token.accept(),
            Self::Data(token) => token.accept(),
            Self::Verdict(token) => token.accept(),
            Self::Content(_) | Self::Answered(_) | Self::Quiet(_) | Self::Reset(_) | Self::Close(_) => {}
        }
    }
}

/// A command that waits for the application's answer. It dereferences to the command.
///
/// Nothing is sent until the adapter flushes; several answers may leave in one write. Dropped (or forgotten)
/// unanswered it never accepts: Connect 421 and close; Auth and StartTls 454 4.7.0; all else 451 4.3.0.
#[must_use = "dropped unanswered, the peer is told to try later (451)"]
pub struct Pending<'s, C> {
    session: &'s mut ServerSession,
    command: C,
}

impl<'s, C> Pending<'s, C> {
    pub(crate) const fn new(session: &'s mut ServerSession, command: C) -> Self {
        Self { session, command }
    }

    /// Accepts, in the session's own words.
    pub fn accept(self) {
        self.session.answer(Answer::Accept(None));
    }

    /// Accepts in your words. The reply's class wins: with a 4yz or 5yz this refuses. DATA is always told 354.
    pub fn accept_with(self, reply: &Reply<'_>) {
        self.session.answer(Answer::of(Some(reply)));
    }

    /// Refuses. A 2yz or 3yz here would lie to the peer: it is replaced by the session's own refusal.
    pub fn refuse(self, reply: &Reply<'_>) {
        self.session.answer(Answer::Refuse(Some(reply).filter(|reply| !reply.is_positive())));
    }

    /// Refuses and ends the session once the reply is out.
    pub fn hang_up(self, reply: &Reply<'_>) {
        self.session.hang_up(reply);
    }

    /// Answers as a policy decided: a [`Reply`], whose class decides, or a `Result` whose error is one.
    ///
    /// Bind the decision first: in `rcpt.decide(lookup(rcpt.mailbox()).await)` the token is gone before it is looked
    /// at (E0382).
    pub fn decide<'r>(self, decision: impl Into<Decision<'r>>) {
        let decision = decision.into();
        self.session.answer(Answer::of(decision.reply().as_ref()));
    }

    /// What is known about the session. An adapter's connection is borrowed while a token lives (E0502), so ask here.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        self.session.facts()
    }
}

impl Pending<'_, Auth<'_>> {
    /// Sends `data` as a challenge (334); the client's answer is the next [`Step::Auth`].
    pub fn challenge(self, data: &[u8]) {
        self.session.challenge(data);
    }

    /// Accepts (235) and names who it is: [`Facts::user`] says so from now on.
    pub fn accept_as(self, user: &str) {
        self.session.log_in(user);
        self.session.answer(Answer::Accept(None));
    }
}

impl<C> Deref for Pending<'_, C> {
    type Target = C;
    fn deref(&self) -> &C {
        &self.command
    }
}

impl<C: fmt::Debug> fmt::Debug for Pending<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.command).finish()
    }
}

/// A new connection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connect;

/// EHLO, HELO or LHLO.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'b> {
    pub(crate) name: command::Hello<'b>,
    pub(crate) extended: bool,
}

impl<'b> Hello<'b> {
    /// The name as it was given, and parsed.
    #[must_use]
    pub const fn name(&self) -> command::Hello<'b> {
        self.name
    }

    /// EHLO or LHLO rather than HELO.
    #[must_use]
    pub const fn is_extended(&self) -> bool {
        self.extended
    }
}

/// AUTH or a step of its exchange.
#[derive(Clone, Copy, Debug)]
pub struct Auth<'b> {
    pub(crate) mechanism: Mechanism,
    pub(crate) response: Option<Base64<'b>>,
    pub(crate) first: bool,
}

impl<'b> Auth<'b> {
    /// The mechanism of the exchange.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether this is the AUTH command, and not a step of its exchange: what was kept of an exchange before is
    /// over then, for the client may have cancelled it, which the session answers by itself.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.first
    }

    /// What the client sent; `None` for an AUTH command without an initial response.
    #[must_use]
    pub const fn response(&self) -> Option<Base64<'b>> {
        self.response
    }
}

/// STARTTLS.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StartTls;

/// MAIL.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'b> {
    pub(crate) sender: ReversePath<'b>,
    pub(crate) params: MailParams<'b>,
}

impl<'b> Mail<'b> {
    /// The reverse-path.
    #[must_use]
    pub const fn sender(&self) -> ReversePath<'b> {
        self.sender
    }

    /// Its parameters.
    #[must_use]
    pub const fn params(&self) -> MailParams<'b> {
        self.params
    }

    /// The size that the client announced, in octets.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.params.size()
    }

    /// The body type that the client announced.
    #[must_use]
    pub fn body(&self) -> Option<Body> {
        self.params.body()
    }
}

/// RCPT.
#[derive(Clone, Copy, Debug)]
pub struct Rcpt<'b> {
    pub(crate) mailbox: Mailbox<'b>,
    pub(crate) params: RcptParams<'b>,
}

impl<'b> Rcpt<'b> {
    /// The recipient. It outlives the answer (bind it before), not the step: `to_owned()` keeps it.
    #[must_use]
    pub const fn mailbox(&self) -> Mailbox<'b> {
        self.mailbox
    }

    /// Its parameters.
    #[must_use]
    pub const fn params(&self) -> RcptParams<'b> {
        self.params
    }
}

macro_rules! lookup {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'b>(pub(crate) Lookup<'b>);

        impl<'b> $name<'b> {
            /// What is asked for.
            #[must_use]
            pub const fn argument(&self) -> Lookup<'b> {
                self.0
            }
        }
    };
}
lookup!(/** VRFY. */ Vrfy);
lookup!(/** EXPN. */ Expn);

macro_rules! attributes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'b>(pub(crate) Attributes<'b>);

        impl<'b> $name<'b> {
            /// What the peer says of its client.
            #[must_use]
            pub const fn attributes(&self) -> Attributes<'b> {
                self.0
            }
        }
    };
}
attributes!(/** XCLIENT. */ Xclient);
attributes!(/** XFORWARD. */ Xforward);

/// ETRN.
#[derive(Clone, Copy, Debug)]
pub struct Etrn<'b>(pub(crate) command::Node<'b>);

impl<'b> Etrn<'b> {
    /// The node whose queue is to be run.
    #[must_use]
    pub const fn node(&self) -> command::Node<'b> {
        self.0
    }
}

/// DATA or the first BDAT.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    pub(crate) recipients: u32,
    pub(crate) chunked: bool,
}

impl Data {
    /// How many recipients were accepted.
    #[must_use]
    pub const fn recipients(&self) -> u32 {
        self.recipients
    }

    /// The content comes by BDAT.
    #[must_use]
    pub const fn is_chunked(&self) -> bool {
        self.chunked
    }
}

/// The content is complete.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub(crate) recipient: Option<usize>,
    pub(crate) octets: u64,
    pub(crate) followed: bool,
}

impl Verdict {
    /// In LMTP which of the accepted recipients this is about, counted from 0; `None` in SMTP.
    #[must_use]
    pub const fn recipient(&self) -> Option<usize> {
        self.recipient
    }

    /// The content's size in octets, dots removed.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether octets wait behind the content: the peer went on without the answer. Unlike all else here it depends on
    /// when they arrive.
    ///
    /// A peer that closes its side after them has said what it wanted to; one that closes without them may be gone, and
    /// send the message again.
    #[must_use]
    pub const fn followed(&self) -> bool {
        self.followed
    }
}

/// What the session answered by itself.
#[derive(Clone, Copy)]
pub struct Answered<'b> {
    pub(crate) line: &'b [u8],
    pub(crate) code: u16,
    pub(crate) secret: bool,
}

impl<'b> Answered<'b> {
    /// The line as it came, its end included; of an over-long line as much as the limit allows.
    ///
    /// It may hold a password where the line belongs to AUTH: see [`is_secret`](Self::is_secret).
    #[must_use]
    pub const fn line(&self) -> &'b [u8] {
        self.line
    }

    /// The reply's code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The line belongs to an AUTH exchange and must not be logged.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.secret
    }
}

impl fmt::Debug for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut answered = f.debug_struct("Answered");
        if self.secret {
            answered.field("line", &format_args!("<redacted {} octets>", self.line.len()));
        } else {
            answered.field("line", &format_args!("\"{}\"", self.line.escape_ascii()));
        }
        answered.field("code", &self.code).finish()
    }
}

/// Why a transaction is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetCause {
    /// The last verdict was given.
    Finished,
    /// RSET.
    Rset,
    /// EHLO, HELO or LHLO, which act as RSET.
    Hello,
    /// DATA or the first BDAT was refused.
    DataRefused,
    /// The message is over the size limit; the peer is told 552.
    TooBig,
    /// The content holds a bare CR or LF; the peer is told 550.
    BareNewline,
    /// QUIT in the middle.
    Quit,
    /// The connection ended in the middle.
    HangUp,
    /// The session was ended by us in the middle.
    Closing,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// QUIT.
    Quit,
    /// No command for too long.
    Idle,
    /// Something begun took too long: content, an AUTH exchange, a handshake, reading our replies.
    Timeout,
    /// The peer left without QUIT.
    PeerGone,
    /// The peer never said anything: a health check, a port scan.
    Probe,
    /// The TLS handshake failed.
    TlsFailed,
    /// A balancer did not send the PROXY header that it owes, or a wrong one.
    NoProxyHeader,
    /// The peer speaks another protocol.
    NotSmtp(ForeignProtocol),
    /// The application hung up.
    Policy,
    /// A budget was used up, or the peer sent what can't be told from commands.
    Abuse(Abuse),
    /// We are shutting down.
    Shutdown,
    /// The connection was not accepted, as nobody decided about it.
    NotAccepted,
}

/// Which budget was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abuse {
    /// Errors the session answered by itself.
    Errors,
    /// Commands that do nothing.
    Junk,
    /// Refused recipients.
    RefusedRecipients,
    /// Failed AUTH.
    FailedAuth,
    /// Content far over the size limit, or too many chunks.
    Oversize,
    /// Octets before the greeting, or content before 354.
    Early,
    /// A line that ends in a bare LF, or a chunk whose size can't be read.
    OutOfStep,
}

/// A protocol that is not SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignProtocol {
    /// A TLS ClientHello on a plain port.
    Tls,
    /// An HTTP request.
    Http,
    /// A PROXY header from a peer that is not configured for it.
    Proxy,
}
