use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::BytesMut;

use super::config::{Protocol, ServerConfig};
use super::facts::{Facts, Peer, StandIn, TlsInfo};
use super::replies;
use super::state::State;
use super::step::{Abuse, CloseReason, Connect, Data, Pending, ResetCause, Step, Verdict};
use crate::io::Input;
use crate::limits;
use crate::sasl::Mechanism;
use crate::time::Time;
use crate::wire::base64;
use crate::wire::content::{BareNewlines, ChunkCounter, Decoder};
use crate::wire::reply::Reply;

/// What I/O a session needs next.
///
/// It is exhaustive on purpose: an adapter must handle each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A step is ready: call [`ServerSession::next`].
    Step,
    /// Write [`ServerSession::output`], at least in part, and drop what was written.
    Flush,
    /// Read into the buffer. Never said while output is left, so that a loop by hand can't deadlock.
    Input,
    /// Come back at that time, or when octets or a hang-up come.
    Pause(Time),
    /// Shake hands, then call [`ServerSession::tls_established`].
    Upgrade,
    /// Closed; nothing more will be needed.
    Nothing,
}

/// A call that makes no sense where it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The session has begun: who its peer is stands.
    #[error("proxied called after the session's first step")]
    Begun,
    /// No handshake was asked for.
    #[error("tls_established called although Need::Upgrade was not said")]
    NoUpgrade,
}

/// Which token is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    None,
    Connect,
    Hello { extended: bool },
    Auth,
    StartTls,
    Xclient,
    Xforward,
    Mail { binary: bool, smtputf8: bool },
    Rcpt,
    Data,
    Chunk { size: u64, last: bool },
    Verdict,
    Lookup,
}

/// What the session does with the next octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connect,
    Command,
    SkipLine,
    Auth,
    Content,
    /// Octets of a BDAT chunk.
    Chunk {
        last: bool,
    },
    /// Octets of a refused BDAT chunk.
    DropChunk {
        left: u64,
    },
    Verdict,
    Upgrade {
        greeted: bool,
    },
    Closing(CloseReason),
    Closed,
}

/// Which wait a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    None,
    Line,
    Auth,
    Content,
    Flush,
    Upgrade,
}

/// Counters of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) accepted: u32,
    pub(crate) refused: u32,
    pub(crate) octets: u64,
    /// Octets swallowed after the message passed its size limit.
    pub(crate) swallowed: u64,
    pub(crate) too_big: bool,
    pub(crate) binary: bool,
    pub(crate) chunks: u32,
    /// The next verdict's index among the accepted recipients.
    pub(crate) verdict: u32,
}

/// Counters of one session, each with a limit in [`Limits`](super::Limits).
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    pub(crate) errors: u32,
    pub(crate) junk: u32,
    pub(crate) refused_recipients: u32,
    pub(crate) failed_auth: u32,
    pub(crate) misused_replies: u32,
}

/// A server's side of one connection, without the connection.
///
/// The caller owns the input and does the I/O that [`needs`](Self::needs) asks for; the application takes one
/// [`Step`] after another from [`next`](Self::next).
#[derive(Debug)]
pub struct ServerSession {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) facts: Facts,
    pub(crate) output: BytesMut,
    pub(crate) state: State,
    pub(crate) phase: Phase,
    pub(crate) open: Open,
    pub(crate) queued_reset: Option<ResetCause>,
    pub(crate) transaction: Transaction,
    pub(crate) budgets: Budgets,
    pub(crate) decoder: Decoder,
    pub(crate) chunks: ChunkCounter,
    /// The name of an EHLO that is not answered yet.
    pub(crate) candidate: Vec<u8>,
    pub(crate) mechanism: Option<Mechanism>,
    /// Who an XCLIENT that is not answered yet names; boxed, since that is rare.
    pub(crate) stand_in: Option<Box<StandIn>>,
    /// Octets at the front of the input that hold no LF.
    pub(crate) scanned: usize,
    /// Something was received at all.
    pub(crate) said: bool,
    /// A command was understood, so the peer speaks SMTP.
    pub(crate) spoke: bool,
    pub(crate) now: Time,
    /// When the connection, or the client an XCLIENT named, came.
    pub(crate) connected_at: Time,
    wait: Wait,
    deadline: Time,
    /// By when content must have come, moved on by octets.
    pub(crate) content_deadline: Time,
    auth_deadline: Time,
    pub(crate) pause: Option<Time>,
    oldest_reply: Option<Time>,
    eof: bool,
    shutting_down: bool,
}

impl ServerSession {
    /// A session with `peer`, which connected at `now`.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>, peer: Peer, now: Time) -> Self {
        let facts = Facts { peer, protocol: config.protocol, ..Facts::default() };
        Self {
            facts,
            output: BytesMut::new(),
            state: State::Greeted,
            phase: Phase::Connect,
            open: Open::None,
            queued_reset: None,
            transaction: Transaction::default(),
            budgets: Budgets::default(),
            decoder: Decoder::new(BareNewlines::Refuse),
            chunks: ChunkCounter::new(BareNewlines::Refuse),
            candidate: Vec::new(),
            mechanism: None,
            stand_in: None,
            scanned: 0,
            said: false,
            spoke: false,
            now,
            connected_at: now,
            wait: Wait::None,
            deadline: now,
            content_deadline: now,
            auth_deadline: now,
            pause: None,
            oldest_reply: None,
            eof: false,
            shutting_down: false,
            config,
        }
    }

    /// A session on a port where TLS comes first (RFC 8314): it asks for the handshake before it greets.
    #[must_use]
    pub fn implicit_tls(config: Arc<ServerConfig>, peer: Peer, now: Time) -> Self {
        Self { phase: Phase::Upgrade { greeted: false }, ..Self::new(config, peer, now) }
    }

    /// What is known about the session.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Replies to be written, batched until the next read (RFC 2920 §3.2).
    pub const fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// By when the wait that [`needs`](Self::needs) named must be over: Input, Flush or Upgrade. It belongs to the
    /// command, not to each read. When it passes, call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        (self.wait != Wait::None).then_some(self.deadline)
    }

    /// How large the receive buffer should be now, in octets; 0 where nothing is read.
    #[must_use]
    pub const fn room(&self) -> usize {
        match self.phase {
            Phase::Content | Phase::Chunk { .. } | Phase::DropChunk { .. } => {
                let large = self.transaction.octets >= limits::FIRST_CONTENT_ROOM as u64;
                if large { limits::CONTENT_ROOM } else { limits::FIRST_CONTENT_ROOM }
            }
            Phase::Auth => limits::AUTH_LINE,
            Phase::Closed => 0,
            _ => limits::COMMAND_LINE,
        }
    }

    /// What the session needs. `input` is everything that was received and not consumed. The only place where time
    /// enters: call it before each [`next`](Self::next).
    pub fn needs(&mut self, input: &Input<'_>, now: Time) -> Need {
        self.now = self.now.max(now);
        self.answer_dropped();
        self.said |= !input.rest().is_empty();
        let need = self.need(input);
        self.set_deadline(need);
        need
    }

    fn need(&mut self, input: &Input<'_>) -> Need {
        if self.phase == Phase::Closed {
            return if self.queued_reset.is_some() { Need::Step } else { Need::Nothing };
        }
        self.note_arrival(input);
        if self.shutting_down {
            self.shut_down_if_idle();
        }
        if self.output.is_empty() {
            self.oldest_reply = None;
        } else {
            // A reply waits for its batch, but not for a slow policy, and not without bound.
            let oldest = *self.oldest_reply.get_or_insert(self.now);
            let slow = self.now.since(oldest) >= Duration::from_secs(1);
            let verdicts = self.phase == Phase::Verdict;
            if slow || verdicts || self.output.len() >= limits::OUTPUT || self.pause.is_some() {
                return Need::Flush;
            }
        }
        if let Some(until) = self.pause {
            if self.now < until && !self.eof {
                return Need::Pause(until);
            }
            self.pause = None;
        }
        if self.has_step(input) {
            return Need::Step;
        }
        if !self.output.is_empty() {
            return Need::Flush;
        }
        match self.phase {
            _ if self.eof => {
                self.close_at_eof();
                Need::Step
            }
            Phase::Upgrade { .. } => Need::Upgrade,
            _ => Need::Input,
        }
    }

    /// Looks at what has come before it may (quirks of arrival, not of content).
    fn note_arrival(&mut self, input: &Input<'_>) {
        if self.phase != Phase::Connect || self.open != Open::None {
            return;
        }
        let until = self.connected_at + self.config.limits.greet_delay;
        if self.config.arrival_checks && !input.rest().is_empty() {
            self.facts.early = true;
            self.pause = None;
        } else if self.now < until {
            self.pause = Some(until);
        }
    }

    fn has_step(&mut self, input: &Input<'_>) -> bool {
        if self.queued_reset.is_some() {
            return true;
        }
        match self.phase {
            Phase::Connect | Phase::Verdict => true,
            Phase::Closing(_) => self.output.is_empty(),
            Phase::Command | Phase::Auth => self.has_line(input),
            Phase::SkipLine => !input.rest().is_empty(),
            Phase::Content => self.has_content(input),
            Phase::Chunk { .. } => self.chunks.left() == 0 || !input.rest().is_empty(),
            Phase::DropChunk { left } => left == 0 || !input.rest().is_empty(),
            Phase::Upgrade { .. } | Phase::Closed => false,
        }
    }

    fn set_deadline(&mut self, need: Need) {
        let limits = &self.config.limits;
        let (wait, deadline) = match (need, self.phase) {
            (Need::Input, Phase::Content | Phase::Chunk { .. } | Phase::DropChunk { .. }) => {
                self.deadline = self.content_deadline;
                (Wait::Content, self.content_deadline)
            }
            (Need::Input, Phase::Auth) => (Wait::Auth, self.auth_deadline),
            (Need::Input, _) => (Wait::Line, self.now + limits.command),
            (Need::Flush, _) => (Wait::Flush, self.now + limits.flush),
            (Need::Upgrade, _) => (Wait::Upgrade, self.now + limits.handshake),
            // The rest of an over-long line is still the command that is waited for.
            (Need::Step, Phase::SkipLine) => return,
            (Need::Step | Need::Pause(_) | Need::Nothing, _) => (Wait::None, self.now),
        };
        // A wait that goes on keeps its deadline: a peer that drips octets gains nothing.
        if wait != self.wait {
            self.wait = wait;
            self.deadline = deadline;
        }
    }

    /// Takes the next step. `None` means closed, and nothing else.
    pub fn next<'b>(&mut self, input: &mut Input<'b>) -> Option<Step<'_, 'b>> {
        self.answer_dropped();
        if let Some(cause) = self.queued_reset.take() {
            return Some(Step::Reset(cause));
        }
        match self.phase {
            Phase::Connect => Some(Step::Connect(self.token(Open::Connect, Connect))),
            Phase::Command => Some(self.next_command(input)),
            Phase::Auth => Some(self.next_response(input)),
            Phase::SkipLine => Some(Step::Quiet(self.skip_line(input))),
            Phase::Content => Some(self.next_content(input)),
            Phase::Chunk { last } => Some(self.next_chunk(input, last)),
            Phase::DropChunk { left } => Some(Step::Quiet(self.drop_chunk(input, left))),
            Phase::Verdict => {
                let recipient =
                    (self.config.protocol == Protocol::Lmtp).then_some(self.transaction.verdict as usize);
                let followed = !input.rest().is_empty();
                let verdict = Verdict { recipient, octets: self.transaction.octets, followed };
                Some(Step::Verdict(self.token(Open::Verdict, verdict)))
            }
            Phase::Closing(reason) => {
                self.phase = Phase::Closed;
                Some(Step::Close(reason))
            }
            Phase::Upgrade { .. } => Some(Step::Quiet(0)),
            Phase::Closed => None,
        }
    }

    pub(crate) const fn token<C>(&mut self, open: Open, command: C) -> Pending<'_, C> {
        self.open = open;
        Pending::new(self, command)
    }

    /// Says that the deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        match self.wait {
            Wait::None => {}
            // The peer does not read: there is no way to tell it.
            Wait::Flush | Wait::Upgrade => {
                self.output.clear();
                self.close(CloseReason::Timeout, ResetCause::HangUp);
            }
            Wait::Line if self.scanned == 0 && !self.state.in_transaction() => {
                self.say(&replies::TIMED_OUT);
                self.close(CloseReason::Idle, ResetCause::HangUp);
            }
            Wait::Line | Wait::Auth | Wait::Content => {
                self.say(&replies::TIMED_OUT);
                self.close(CloseReason::Timeout, ResetCause::HangUp);
            }
        }
        self.wait = Wait::None;
    }

    /// Says that the peer will send nothing more. What it sent is still worked off and answered.
    pub const fn handle_eof(&mut self) {
        self.eof = true;
    }

    fn close_at_eof(&mut self) {
        let reason = if self.said { CloseReason::PeerGone } else { CloseReason::Probe };
        self.close(reason, ResetCause::HangUp);
    }

    /// Says that the handshake is done. `plaintext` is what the buffer still holds: octets sent in clear behind
    /// STARTTLS. They are used up, counted and never executed, and the session is back before EHLO
    /// (RFC 3207 §4.2).
    ///
    /// # Errors
    /// When no handshake was asked for; then nothing is changed.
    pub fn tls_established(
        &mut self,
        plaintext: &mut Input<'_>,
        tls: TlsInfo,
        now: Time,
    ) -> Result<(), ApiMisuse> {
        let Phase::Upgrade { greeted } = self.phase else { return Err(ApiMisuse::NoUpgrade) };
        self.now = self.now.max(now);
        let dropped = plaintext.rest().len();
        plaintext.take(dropped);
        self.facts.start_over(tls, dropped);
        self.state = State::Greeted;
        self.phase = if greeted { Phase::Command } else { Phase::Connect };
        self.scanned = 0;
        Ok(())
    }

    /// Says who is at the other end of a connection that came through a balancer, as its PROXY header tells
    /// ([`wire::proxy`](crate::wire::proxy)). Before the first step and before TLS.
    ///
    /// # Errors
    /// When the session has begun; then nothing is changed.
    pub fn proxied(&mut self, client: SocketAddr, destination: SocketAddr) -> Result<(), ApiMisuse> {
        if self.open != Open::None
            || !matches!(self.phase, Phase::Connect | Phase::Upgrade { greeted: false })
        {
            return Err(ApiMisuse::Begun);
        }
        self.facts.peer = Peer::at(client).to_local(destination);
        Ok(())
    }

    /// Says that the PROXY header which the peer owes did not come or is wrong: the session is over before it began.
    pub fn proxy_failed(&mut self) {
        self.output.clear();
        self.close(CloseReason::NoProxyHeader, ResetCause::HangUp);
    }

    /// Says that the handshake failed: the session is over, and nothing more can be said to the peer.
    pub fn tls_failed(&mut self) {
        self.output.clear();
        self.close(CloseReason::TlsFailed, ResetCause::HangUp);
    }

    /// Asks the session to end: 421 at once where no transaction is open, else after the one in progress.
    pub const fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    fn shut_down_if_idle(&mut self) {
        let between = matches!(self.phase, Phase::Connect | Phase::Command | Phase::Auth | Phase::SkipLine);
        if between && self.open == Open::None && self.queued_reset.is_none() && !self.state.in_transaction() {
            if self.phase == Phase::Connect {
                replies::NOT_NOW.write(&mut self.output, false);
            } else {
                self.say(&replies::SHUTTING_DOWN);
            }
            self.close(CloseReason::Shutdown, ResetCause::Closing);
        }
    }

    /// Ends the session once the output is out; a transaction in progress is dropped.
    pub(crate) fn close(&mut self, reason: CloseReason, cause: ResetCause) {
        if self.state.in_transaction() {
            self.end_transaction(cause, State::Ready);
        }
        self.pause = None;
        self.open = Open::None;
        self.phase = Phase::Closing(reason);
    }

    /// Says `reply` and ends the session for abuse.
    pub(crate) fn expel(&mut self, reply: &Reply<'_>, abuse: Abuse) {
        self.say(reply);
        self.close(CloseReason::Abuse(abuse), ResetCause::Closing);
    }

    /// The transaction is over; the application hears of it in the next step.
    pub(crate) fn end_transaction(&mut self, cause: ResetCause, state: State) {
        self.queued_reset = Some(cause);
        self.transaction = Transaction::default();
        self.facts.smtputf8 = false;
        self.state = state;
    }

    pub(crate) fn log_in(&mut self, user: &str) {
        self.facts.user = Some(user.to_string());
    }

    pub(crate) fn challenge(&mut self, data: &[u8]) {
        self.output.extend_from_slice(b"334 ");
        base64::encode(data, &mut self.output);
        self.output.extend_from_slice(b"\r\n");
        if self.phase != Phase::Auth {
            self.auth_deadline = self.now + self.config.limits.auth;
        }
        self.open = Open::None;
        self.phase = Phase::Auth;
    }
}

impl Data {
    pub(crate) const fn of(transaction: &Transaction, chunked: bool) -> Self {
        Self { recipients: transaction.accepted, chunked }
    }
}
