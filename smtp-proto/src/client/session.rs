use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use bytes::BytesMut;

use super::auth::Login;
use super::config::ClientConfig;
use super::job::{Fate, Job, Next};
use super::outcome::{Outcome, Why};
use super::output::Output;
use super::step::{Challenge, ClientStep, CloseReason, ContentWriter, Ready, Sent};
use super::waits::Wait;
use crate::io::Input;
use crate::limits;
use crate::sasl::Mechanism;
use crate::sasl::client::Failure;
use crate::server::{ApiMisuse, Need, TlsInfo};
use crate::time::Time;
use crate::wire::command::Command;
use crate::wire::ehlo::{Extensions, Keyword};
use crate::wire::leniency::{Deviations, Leniency};
use crate::wire::reply::{EnhancedCode, ReplyBuf, ReplyCollector};

/// What the session does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Greeting,
    /// EHLO or LHLO is out.
    Hello,
    /// HELO is out.
    PlainHello,
    Ready,
    /// The application waits for the server to speak or to go.
    Idle,
    /// A command of the application's is out.
    Single(Sent),
    StartTls,
    Upgrade {
        greeted: bool,
    },
    /// AUTH or a line of its exchange is out.
    Auth,
    /// The application must answer a challenge.
    Challenge,
    /// Answers to MAIL, RCPT or DATA are owed.
    Envelope,
    Content,
    /// The end of the content is out.
    Verdict,
    /// A lone dot is out, for nobody (RFC 2920 §3.1).
    LoneDot,
    Reset,
    Quit(CloseReason),
    Closing(CloseReason),
    Closed,
}

/// Whether the server's certificate was checked, and is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Checked against a root of trust, or a pin, and for the name that was connected to.
    Verified,
    /// Not checked, or not right and let through.
    Unverified,
}

#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) info: TlsInfo,
    pub(crate) certificate: Certificate,
}

/// What is decided on of a reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) code: u16,
    pub(crate) enhanced: Option<EnhancedCode>,
}

impl Heard {
    pub(crate) const fn class(self) -> u16 {
        self.code / 100
    }
}

/// A client's side of one connection, without the connection.
///
/// The caller owns the input and does the I/O that [`needs`](Self::needs) asks for; the application takes one
/// [`ClientStep`] after another from [`next`](Self::next).
pub struct ClientSession {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) output: Output,
    pub(crate) collector: ReplyCollector,
    pub(crate) phase: Phase,
    pub(crate) extensions: Option<Box<Extensions>>,
    pub(crate) tls: Option<Box<Tls>>,
    pub(crate) login: Option<Box<Login>>,
    pub(crate) auth: Option<Result<Mechanism, Failure>>,
    /// What the server said of the last AUTH in its exchange.
    pub(crate) auth_words: Option<Box<[u8]>>,
    pub(crate) job: Job,
    /// A transaction that was begun command by command may be open.
    pub(crate) by_hand: bool,
    /// Octets of the application's went out, so that answers may come at any time.
    pub(crate) raw: bool,
    /// Transactions begun on this connection.
    pub(crate) transactions: u32,
    /// The server said that it takes no further message on this connection.
    pub(crate) exhausted: bool,
    /// A greeting or keyword was made unreadable on the way.
    pub(crate) masked: bool,
    pub(crate) deviations: Deviations,
    pub(crate) now: Time,
    pub(crate) wait: Option<Wait>,
    /// Whether the need that was said last is the wait.
    pub(crate) waits: bool,
    pub(crate) deadline: Time,
    /// Grows with each answer and each block of content: another wait of the same name has its own deadline.
    pub(crate) turn: u32,
    pub(crate) wait_turn: u32,
    pub(crate) auth_deadline: Time,
    eof: bool,
    shutting_down: bool,
    closed: Option<CloseReason>,
    /// The answer that made the session say QUIT.
    turned_away: Option<Box<ReplyBuf>>,
}

impl ClientSession {
    /// A session on a connection that was made at `now`. The server speaks first.
    #[must_use]
    pub fn new(config: impl Into<Arc<ClientConfig>>, now: Time) -> Self {
        Self {
            config: config.into(),
            output: Output::default(),
            collector: ReplyCollector::new(),
            phase: Phase::Greeting,
            extensions: None,
            tls: None,
            login: None,
            auth: None,
            auth_words: None,
            job: Job::new(),
            by_hand: false,
            raw: false,
            transactions: 0,
            exhausted: false,
            masked: false,
            deviations: Deviations::NONE,
            now,
            wait: None,
            waits: false,
            deadline: now,
            turn: 0,
            wait_turn: 0,
            auth_deadline: now,
            eof: false,
            shutting_down: false,
            closed: None,
            turned_away: None,
        }
    }

    /// A session on a port where TLS comes first (RFC 8314): it asks for the handshake before anything else.
    #[must_use]
    pub fn implicit_tls(config: impl Into<Arc<ClientConfig>>, now: Time) -> Self {
        Self { phase: Phase::Upgrade { greeted: false }, ..Self::new(config, now) }
    }

    /// A session on a stream that is encrypted already.
    #[must_use]
    pub fn over_tls(
        config: impl Into<Arc<ClientConfig>>,
        tls: TlsInfo,
        certificate: Certificate,
        now: Time,
    ) -> Self {
        let tls = Some(Box::new(Tls { info: tls, certificate }));
        Self { tls, ..Self::new(config, now) }
    }

    /// Octets to be written. What AUTH sends is wiped from its memory at the next [`needs`](Self::needs) after it is out.
    pub const fn output(&mut self) -> &mut BytesMut {
        self.output.octets()
    }

    /// How large the receive buffer should be now, in octets; 0 where nothing is read.
    #[must_use]
    pub const fn room(&self) -> usize {
        if matches!(self.phase, Phase::Closed) { 0 } else { limits::COMMAND_LINE }
    }

    /// What the session needs. `input` is everything that was received and not consumed. The only place where time
    /// enters: call it before each [`next`](Self::next).
    ///
    /// While it says [`Need::Flush`] an adapter should read too, if there is room, and ask again when something came: a
    /// server that can't get rid of its answers takes no commands.
    pub fn needs(&mut self, input: &Input<'_>, now: Time) -> Need {
        self.now = self.now.max(now);
        self.output.wipe();
        let need = self.need(!input.rest().is_empty());
        self.set_deadline(need);
        need
    }

    fn need(&mut self, has_input: bool) -> Need {
        match self.phase {
            Phase::Closed => return Need::Nothing,
            Phase::Closing(_) => return Need::Step,
            Phase::Upgrade { greeted: true } if has_input && self.output.is_empty() => {
                self.break_off(CloseReason::Injection);
                return Need::Step;
            }
            Phase::Upgrade { .. } | Phase::Challenge => {}
            _ if has_input => return Need::Step,
            _ => {}
        }
        if self.eof {
            self.close_at_eof();
            return Need::Step;
        }
        if !self.output.is_empty() {
            return Need::Flush;
        }
        match self.phase {
            Phase::Upgrade { .. } => Need::Upgrade,
            Phase::Ready if self.shutting_down => {
                self.say_quit(CloseReason::Quit);
                Need::Flush
            }
            Phase::Ready | Phase::Content if self.collector.is_midway() => Need::Input,
            Phase::Content if !self.may_write_content() => Need::Input,
            Phase::Ready | Phase::Content | Phase::Challenge => Need::Step,
            _ => Need::Input,
        }
    }

    /// Takes the next step. `None` means closed, and nothing else.
    pub fn next(&mut self, input: &mut Input<'_>) -> Option<ClientStep<'_>> {
        let has_input = !input.rest().is_empty();
        match self.phase {
            Phase::Closed => None,
            Phase::Closing(reason) => {
                self.phase = Phase::Closed;
                Some(ClientStep::Close(reason))
            }
            Phase::Upgrade { .. } => Some(ClientStep::Quiet(0)),
            Phase::Challenge => Some(ClientStep::Challenge(Challenge { session: self })),
            _ if has_input => Some(self.hear(input)),
            Phase::Ready if !self.collector.is_midway() => Some(ClientStep::Ready(Ready { session: self })),
            Phase::Content if self.output.is_empty() && !self.collector.is_midway() => {
                Some(ClientStep::Content(ContentWriter { session: self }))
            }
            _ => Some(ClientStep::Quiet(0)),
        }
    }

    /// Reads on in the answer that is due, or that nobody asked for.
    fn hear(&mut self, input: &mut Input<'_>) -> ClientStep<'_> {
        let begin = input.used();
        let to = self.in_flight();
        match self.collector.feed(input, self.reply_leniency()) {
            Ok(None) => return ClientStep::Quiet(input.used() - begin),
            Ok(Some(reply)) => {
                let heard = Heard { code: reply.code(), enhanced: reply.enhanced() };
                self.deviations = self.deviations.with(reply.deviations());
                self.turn = self.turn.wrapping_add(1);
                self.on_reply(heard, to, input.rest().is_empty());
            }
            Err(error) => {
                self.break_off(CloseReason::Garbled { to, fault: error.fault });
                self.phase = Phase::Closed;
                return ClientStep::Close(CloseReason::Garbled { to, fault: error.fault });
            }
        }
        ClientStep::Reply { to, reply: self.collector.last() }
    }

    /// While several replies are owed, nothing is tolerated that could move a reply's end.
    fn reply_leniency(&self) -> Leniency {
        let config = self.config.leniency;
        let narrowed = config.without(Leniency::REPLY_EMPTY_LINE).without(Leniency::REPLY_SEPARATOR);
        if self.job.owed > 1 {
            narrowed.without(Leniency::UNSAFE_LF_REPLIES)
        } else if self.auth.is_some() || self.login.is_some() {
            config.without(Leniency::UNSAFE_LF_REPLIES)
        } else {
            config
        }
    }

    /// What the next answer belongs to.
    pub(crate) fn in_flight(&self) -> Sent {
        match self.phase {
            Phase::Greeting => Sent::Connection,
            Phase::Hello | Phase::PlainHello => Sent::Hello,
            Phase::Single(sent) => sent,
            Phase::StartTls | Phase::Upgrade { .. } => Sent::StartTls,
            Phase::Auth | Phase::Challenge => Sent::Auth,
            Phase::Envelope => match self.job.answered() {
                Next::Mail => Sent::Mail,
                Next::Rcpt(index) => Sent::Rcpt(index),
                Next::Data => Sent::Data,
            },
            Phase::Content if self.job.chunked => Sent::Chunk,
            Phase::Content => Sent::Data,
            Phase::Verdict => Sent::Content(self.verdict_of()),
            Phase::LoneDot => Sent::Content(None),
            Phase::Reset => Sent::Rset,
            Phase::Quit(_) => Sent::Quit,
            Phase::Ready | Phase::Idle if self.raw => Sent::Raw,
            Phase::Ready | Phase::Idle | Phase::Closing(_) | Phase::Closed => Sent::Nothing,
        }
    }

    fn on_reply(&mut self, heard: Heard, to: Sent, is_last: bool) {
        if heard.code == 421 && !matches!(self.phase, Phase::Quit(_)) {
            return self.on_farewell(to);
        }
        match self.phase {
            Phase::Greeting => self.on_greeting(heard),
            Phase::Hello => self.on_hello(heard),
            Phase::PlainHello => self.on_plain_hello(heard),
            Phase::StartTls => self.on_start_tls(heard, is_last),
            Phase::Auth => self.on_auth(heard),
            Phase::Single(sent) => self.on_single(heard, sent),
            Phase::Envelope => self.on_envelope(heard),
            Phase::Content if self.job.chunked => self.on_chunk(heard),
            Phase::Content => self.on_early_reply(heard),
            Phase::Verdict => self.on_verdict(heard),
            Phase::LoneDot => self.after_transaction(),
            Phase::Reset if heard.class() == 2 => self.after_transaction(),
            Phase::Reset => self.break_off(CloseReason::OutOfStep { to, code: heard.code }),
            Phase::Quit(reason) => self.finish(reason),
            Phase::Ready | Phase::Idle if self.raw => self.phase = Phase::Ready,
            Phase::Ready | Phase::Idle => self.break_off(CloseReason::Idle),
            Phase::Upgrade { .. } | Phase::Challenge | Phase::Closing(_) | Phase::Closed => {}
        }
    }

    /// 421: the server ends the session. Where the end of the content was due it refuses the message.
    fn on_farewell(&mut self, to: Sent) {
        match self.phase {
            Phase::Greeting => return self.break_off(CloseReason::Unwelcome(421)),
            Phase::Hello | Phase::PlainHello => return self.break_off(CloseReason::HelloRefused(421)),
            Phase::Ready | Phase::Idle => return self.break_off(CloseReason::Idle),
            Phase::Verdict if self.output.is_empty() => {
                let slot = self.job.keep(self.collector.last());
                let Some(index) = self.verdict_of() else {
                    self.job.settle_taken(Fate::Refused(slot));
                    return self.break_off(CloseReason::Farewell(to));
                };
                self.job.settle(index, Fate::Refused(slot));
                // RFC 2033 §4.2: it is about one recipient. Some servers go on with the others, so that only the end of
                // the connection tells that nothing is known of them.
                if self.job.first_taken().is_some() {
                    return;
                }
            }
            _ => {}
        }
        self.break_off(CloseReason::Farewell(to));
    }

    /// Says that the deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        let Some(wait) = self.waiting_for() else { return };
        match self.phase {
            Phase::Quit(reason) => self.finish(reason),
            _ => self.break_off(CloseReason::Timeout(wait)),
        }
        self.waits = false;
    }

    /// Says that the server will send nothing more, or that a write failed because it is gone. What it sent before is
    /// still worked off.
    ///
    /// Call it before the output is cleared: an end of the content that is still in there was never out.
    pub fn handle_eof(&mut self) {
        if self.phase == Phase::Verdict && !self.output.is_empty() {
            // The end was never out: what the server said before it left refuses the message, or means nothing.
            self.phase = Phase::Content;
        }
        self.eof = true;
        self.output.discard();
    }

    fn close_at_eof(&mut self) {
        match self.phase {
            Phase::Quit(reason) => self.finish(reason),
            Phase::Ready | Phase::Idle => self.break_off(CloseReason::Idle),
            Phase::Upgrade { .. } => self.break_off(CloseReason::TlsFailed),
            _ => self.break_off(CloseReason::PeerGone(self.in_flight())),
        }
    }

    /// Brings [`Ready`] back after [`Ready::wait`].
    pub fn wake(&mut self) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Ready;
        }
    }

    /// Asks the session to end: QUIT as soon as it is at rest.
    pub fn shut_down(&mut self) {
        self.shutting_down = true;
        self.wake();
    }

    /// Ends the session at once; what is not settled is NotTried, or Unknown where the end of the content is out.
    pub(crate) fn break_off(&mut self, reason: CloseReason) {
        if self.phase == Phase::Verdict && self.output.is_empty() {
            self.job.settle_taken(Fate::Unknown);
        }
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        self.job.settle_open(Fate::NotTried(Why::Closed(reason)));
        self.output.discard();
        self.login = None;
        self.closed = Some(reason);
        self.phase = Phase::Closing(reason);
    }

    /// Says QUIT; the session ends for `reason` when that is answered.
    pub(crate) fn say_quit(&mut self, reason: CloseReason) {
        if reason != CloseReason::Quit {
            self.turned_away = Some(Box::new(self.collector.last().clone()));
        }
        self.write(&Command::Quit);
        self.phase = Phase::Quit(reason);
    }

    pub(crate) fn write(&mut self, command: &Command<'_>) {
        command.write(&mut *self.output);
    }

    /// Whether the server offers `keyword`, and it is not ignored.
    #[must_use]
    pub fn offers(&self, keyword: Keyword) -> bool {
        self.extensions().is_some_and(|extensions| extensions.has(keyword))
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What the server offers; `None` before it has answered EHLO, LHLO or HELO.
    #[must_use]
    pub fn extensions(&self) -> Option<&Extensions> {
        self.extensions.as_deref()
    }

    /// What the TLS handshake agreed on; `None` in clear text.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref().map(|tls| &tls.info)
    }

    /// Whether TLS is in force and the server's certificate was verified.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.tls.as_deref().is_some_and(|tls| tls.certificate == Certificate::Verified)
    }

    /// How the last AUTH ended; `None` where there was none, or it still runs.
    #[must_use]
    pub const fn auth_outcome(&self) -> Option<Result<Mechanism, Failure>> {
        self.auth
    }

    /// How many recipients the message has that was sent last.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.job.len()
    }

    /// What became of the last message for the recipient at `index`, or would become of it if the connection were dropped
    /// now: Unknown once the end of the content is out, NotTried before, and for a number that no recipient has.
    #[must_use]
    pub fn outcome(&self, index: usize) -> Outcome {
        let reason = self.closed.unwrap_or(CloseReason::PeerGone(self.in_flight()));
        let is_out = self.phase == Phase::Verdict && self.output.is_empty();
        match self.job.outcome(index, Why::Closed(reason)) {
            Outcome::NotTried(Why::Closed(_)) if is_out && self.job.is_taken(index) => Outcome::Unknown,
            outcome => outcome,
        }
    }

    /// What became of the last message, for each recipient in order.
    pub fn outcomes(&self) -> impl ExactSizeIterator<Item = Outcome> + '_ {
        (0..self.job.len()).map(|index| self.outcome(index))
    }

    /// Why the session ended; `None` while it goes on.
    #[must_use]
    pub const fn close_reason(&self) -> Option<CloseReason> {
        self.closed
    }

    /// How many transactions were begun on the connection.
    #[must_use]
    pub const fn transactions(&self) -> u32 {
        self.transactions
    }

    /// Whether the server takes a further message on this connection, as far as it has said (RFC 9422 §4.1).
    #[must_use]
    pub fn takes_another(&self) -> bool {
        let most = self.extensions().and_then(|extensions| extensions.limits().mail_max());
        !self.exhausted && most.is_none_or(|most| self.transactions < most)
    }

    /// The last reply that was read; after a greeting or EHLO that was refused, the refusal, and not the answer to QUIT.
    #[must_use]
    pub fn last_reply(&self) -> &ReplyBuf {
        self.turned_away.as_deref().unwrap_or_else(|| self.collector.last())
    }

    /// What deviations from the rules were tolerated in replies so far.
    #[must_use]
    pub const fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// Says that the handshake is done. `plaintext` is what the buffer still holds: anything there was put in by somebody
    /// before TLS, and ends the session. All that was known of the server is forgotten, and EHLO is said again
    /// (RFC 3207 §4.2).
    ///
    /// # Errors
    /// When no handshake was asked for; then nothing is changed.
    pub fn tls_established(
        &mut self,
        plaintext: &mut Input<'_>,
        tls: TlsInfo,
        certificate: Certificate,
        now: Time,
    ) -> Result<(), ApiMisuse> {
        let Phase::Upgrade { greeted } = self.phase else { return Err(ApiMisuse::NoUpgrade) };
        self.now = self.now.max(now);
        let injected = plaintext.rest().len();
        plaintext.take(injected);
        if injected > 0 {
            self.break_off(CloseReason::Injection);
            return Ok(());
        }
        self.tls = Some(Box::new(Tls { info: tls, certificate }));
        self.extensions = None;
        self.auth = None;
        self.by_hand = false;
        self.phase = Phase::Greeting;
        if greeted {
            self.say_hello();
        }
        Ok(())
    }

    /// Says that the handshake failed: the session is over.
    pub fn tls_failed(&mut self) {
        self.break_off(CloseReason::TlsFailed);
    }
}

impl fmt::Debug for ClientSession {
    /// Without octets: credentials may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("phase", &self.phase)
            .field("tls", &self.tls)
            .field("auth", &self.auth)
            .field("output", &self.output.len())
            .field("owed", &self.job.owed)
            .field("recipients", &self.job.len())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
