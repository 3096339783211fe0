//! Our client against our server, on virtual time.

mod app;
mod check;
mod dice;
mod ends;
mod link;
mod trial;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use app::{App, PASSWORD, Say, USER};
use check::Message;
pub(super) use dice::Dice;
use ends::{End, Task};
use link::Link;

use crate::client::{self, Certificate, ClientConfig, ClientSession, Envelope, Outcome};
use crate::sasl::Mechanism;
use crate::sasl::client::Credentials;
use crate::sasl::server::Offer;
use crate::server::{Peer, ServerConfig, ServerSession};
use crate::time::Time;
use crate::wire::reply::Reply;

pub use app::Stored;
pub use link::{Mishap, Side};

/// Mechanisms that the server's application knows.
const MECHANISMS: [Mechanism; 2] = [Mechanism::PLAIN, Mechanism::LOGIN];

/// A client and a server of ours with a connection between them, all of it in memory and on virtual time: a seed
/// makes every choice, so that the same seed gives the same run.
///
/// ```
/// use std::time::Duration;
/// use smtp_proto::MailboxBuf;
/// use smtp_proto::client::{Envelope, Outcome};
/// use smtp_proto::testing::Pair;
///
/// let (from, to): (MailboxBuf, MailboxBuf) = ("a@x.example".parse()?, "b@y.example".parse()?);
/// for seed in 0..100 {
///     let slow = Duration::ZERO..Duration::from_secs(90);
///     let mut net = Pair::seeded(seed).latency(slow).chunks(1..1500).cut_once();
///     let outcome = net.send(&Envelope::new(&from).to(&to), b"Subject: hi\r\n\r\n..dots\r\n").remove(0);
///     let fits = match outcome {
///         Outcome::Accepted(_) => net.stored() == 1,
///         Outcome::Unknown => net.stored() <= 1,
///         _ => net.stored() == 0,
///     };
///     assert!(fits, "seed {seed}, {outcome:?}:\n{}", net.transcript());
/// }
/// # Ok::<(), smtp_proto::ParseError>(())
/// ```
///
/// It is the application on both sides too. The server's accepts everything and keeps it, unless it is told otherwise
/// ([`refuse_at`](Self::refuse_at), [`hang_up_at`](Self::hang_up_at), [`moody`](Self::moody)). TLS is simulated: where
/// both sides ask for the handshake, both are told that it is done.
pub struct Pair {
    dice: Dice,
    link: Link,
    client: End<ClientSession>,
    server: End<ServerSession>,
    app: App,
    wants: Wants,
    /// How long the server's application takes to decide.
    slow: Range<Duration>,
    /// The server does nothing until then.
    busy: Time,
    /// Until when the server pauses by itself.
    pause: Option<Time>,
    /// One piece of content in so many is the last, though it is not; none if 0.
    fickle: usize,
    messages: Vec<Message>,
    /// The content's line ends are repaired on the way.
    normalises: bool,
}

/// What the client's application does once it is at rest for the first time.
struct Wants {
    tls: bool,
    certificate: Certificate,
    handshake_fails: bool,
    credentials: Option<Credentials>,
}

impl Pair {
    /// A pair with default configurations, no latency, and pipes of 64 KiB.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::thrown(Dice::seeded(seed))
    }

    fn thrown(dice: Dice) -> Self {
        // INVARIANT: these names are domains.
        let client = ClientConfig::new("client.example").expect("a domain");
        let server = ServerConfig::new("server.example").expect("a domain");
        Self {
            dice,
            link: Link::new(),
            client: End::new(ClientSession::new(client, Time::ZERO)),
            server: End::new(ServerSession::new(Arc::new(server), Peer::unknown(), Time::ZERO)),
            app: App::new(Offer::new(&MECHANISMS)),
            wants: Wants {
                tls: false,
                certificate: Certificate::Verified,
                handshake_fails: false,
                credentials: None,
            },
            slow: Duration::ZERO..Duration::ZERO,
            busy: Time::ZERO,
            pause: None,
            fickle: 0,
            messages: Vec::new(),
            normalises: false,
        }
    }

    /// With this client. Before anything is sent.
    #[must_use]
    pub fn client(mut self, config: ClientConfig) -> Self {
        self.normalises = config.newlines == crate::wire::content::SendNewlines::Normalise;
        self.client = End::new(ClientSession::new(config, Time::ZERO));
        self
    }

    /// With this server. Before anything is sent.
    #[must_use]
    pub fn server(mut self, config: ServerConfig) -> Self {
        self.server = End::new(ServerSession::new(Arc::new(config), Peer::unknown(), Time::ZERO));
        self
    }

    /// Octets take so long from one side to the other, by the seed, and stay in order. Defaults to no time.
    #[must_use]
    pub fn latency(mut self, range: Range<Duration>) -> Self {
        self.link.latency = range;
        self
    }

    /// Octets arrive so many at a time, by the seed. Defaults to as many as were written.
    #[must_use]
    pub fn chunks(mut self, range: Range<usize>) -> Self {
        self.link.chunks = range;
        self
    }

    /// At most so many octets are on their way in each direction. Defaults to 64 KiB.
    #[must_use]
    pub fn pipes(mut self, octets: usize) -> Self {
        self.link.capacity = octets.max(1);
        self
    }

    /// The server's application takes so long for each step, by the seed. Defaults to no time.
    #[must_use]
    pub fn slow(mut self, range: Range<Duration>) -> Self {
        self.slow = range;
        self
    }

    /// The connection is lost once, somewhere: the seed says where and how.
    #[must_use]
    pub fn cut_once(mut self) -> Self {
        let from = self.dice.pick(&[Side::Client, Side::Server]);
        let magnitude = self.dice.below(11);
        let at = self.dice.below(1 << magnitude);
        let mishap = self.dice.pick(&[Mishap::Cut, Mishap::Reset, Mishap::Silence, Mishap::Stall]);
        self.mishap(from, at, mishap)
    }

    /// This goes wrong as soon as `from` has sent so many octets.
    #[must_use]
    pub fn mishap(mut self, from: Side, octets: usize, mishap: Mishap) -> Self {
        self.link.mishaps.push((from, octets, mishap));
        self
    }

    /// The server's application refuses with `reply` at its decision with this number: 0 is the connection, 1 EHLO.
    #[must_use]
    pub fn refuse_at(mut self, decision: usize, reply: &Reply<'_>) -> Self {
        self.app.orders.push((decision, Say::Refuse(reply.code(), triple(reply))));
        self
    }

    /// The same, and hangs up behind it.
    #[must_use]
    pub fn hang_up_at(mut self, decision: usize, reply: &Reply<'_>) -> Self {
        self.app.orders.push((decision, Say::HangUp(reply.code(), triple(reply))));
        self
    }

    /// One decision in `n` of the server's application falls badly, by the seed: it refuses, hangs up or forgets.
    #[must_use]
    pub fn moody(mut self, n: usize) -> Self {
        self.app.moody = n;
        self
    }

    /// The client asks for TLS before it sends, where it is offered.
    #[must_use]
    pub fn start_tls(mut self, certificate: Certificate) -> Self {
        (self.wants.tls, self.wants.certificate) = (true, certificate);
        self
    }

    /// The client logs in before it sends, where it can.
    #[must_use]
    pub fn log_in(mut self) -> Self {
        self.wants.credentials = Some(Credentials::password(USER, PASSWORD));
        self
    }

    /// Sends a message whose content is looked through first, and returns what became of it once the client is at rest
    /// again, or client and server both have ended.
    ///
    /// # Panics
    /// When nothing can happen any more, when a session spins, or when it asks for what makes no sense.
    pub fn send(&mut self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        self.send_declared(&envelope.content(content), content)
    }

    /// Sends a message as a stream, of which nothing is known but what the envelope declares.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn send_declared(&mut self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        self.send_by(Task::send(envelope, content), envelope, content)
    }

    /// Sends a message command by command, as a proxy does, without parameters, and whatever the server offers.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn say(&mut self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        self.send_by(Task::say(envelope, content), envelope, content)
    }

    fn send_by(&mut self, mut task: Task<'_>, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        let message = Message::new(envelope, content, self.normalises);
        let number = self.messages.len();
        self.messages.push(message);
        let mut outcomes = Vec::new();
        if self.run(&mut task) {
            outcomes.extend(self.client.session.outcomes());
        }
        // Who was not named to the server: the session ended before.
        let reason = self.close_reason().unwrap_or(client::CloseReason::Idle);
        outcomes.resize(envelope.recipients().len(), Outcome::NotTried(client::Why::Closed(reason)));
        self.messages[number].outcomes = Some(outcomes.clone());
        outcomes
    }

    /// Lets time pass while the client waits for nothing.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn idle(&mut self, time: Duration) {
        let until = self.link.now + time;
        self.run(&mut Task::idle(until));
    }

    /// Says QUIT, and goes on until both sides have ended. Why the client has.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn quit(&mut self) -> Option<client::CloseReason> {
        self.run(&mut Task::quit());
        self.close_reason()
    }

    /// Why the client's session has ended.
    #[must_use]
    pub const fn close_reason(&self) -> Option<client::CloseReason> {
        self.client.session.close_reason()
    }

    /// How often a message was stored for a recipient.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.app.stored.iter().map(|mail| mail.recipients.len()).sum()
    }

    /// What the server's application accepted.
    #[must_use]
    pub fn mails(&self) -> &[Stored] {
        &self.app.stored
    }

    /// What became of each recipient of each message, in order.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.messages.iter().filter_map(|message| message.outcomes.as_deref()).flatten()
    }

    /// How often the server's application decided.
    #[must_use]
    pub const fn decisions(&self) -> usize {
        self.app.decisions
    }

    /// How many octets `side` has sent.
    #[must_use]
    pub const fn octets(&self, side: Side) -> usize {
        self.link.passed(side)
    }

    /// The client.
    #[must_use]
    pub const fn session(&self) -> &ClientSession {
        &self.client.session
    }

    /// What was said, with what went wrong in between.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.link.trace.clone().into_sink()
    }

    /// A pair and messages made by a seed: extensions on and off on either side, SMTP or LMTP, pipes down to one octet,
    /// latency, slow and moody applications, streams, TLS and AUTH, and up to two mishaps. It has run to its end.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    #[must_use]
    pub fn trial(seed: u64) -> Self {
        trial::run(Dice::seeded(seed))
    }

    /// The same, by the octets of a fuzzer.
    pub(super) fn trial_of(octets: &[u8]) -> Self {
        trial::run(Dice::octets(octets))
    }
}

fn triple(reply: &Reply<'_>) -> (u8, u16, u16) {
    let class = (reply.code() / 100) as u8;
    reply.enhanced().map_or((class, 0, 0), |code| (class, code.subject(), code.detail()))
}
