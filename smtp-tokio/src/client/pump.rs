//! One connection: a session and the stream it runs over.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use smtp_proto::bytes::Buf;
use smtp_proto::client::{Certificate, ClientConfig, ClientSession, ClientStep, Need, TlsInfo};
use smtp_proto::trace::{Recorder, Transcript};
use smtp_proto::wire::ehlo::Extensions;
use smtp_proto::{RecvBuf, Time};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::observe::Observer;
use crate::clock::{far_future, instant, is_gone, now};
use crate::socket::Socket;
use crate::stream::Stream;

/// A client's connection to a server.
///
/// [`send`](Self::send) takes a message and returns an outcome for each recipient. Programs that decide in between go
/// command by command, or take the session's steps from [`next`](Self::next).
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use smtp_tokio::{Client, ClientConfig, Envelope, MailboxBuf, TlsPolicy};
///
/// let config = ClientConfig::new("client.example")?;
/// let mut client = Client::to("mx.example:25", config).tls(TlsPolicy::Opportunistic).connect().await?;
/// let (from, to): (MailboxBuf, MailboxBuf) = ("me@client.example".parse()?, "you@mx.example".parse()?);
/// let outcomes = client.send(&Envelope::new(&from).to(&to), b"Subject: hi\r\n\r\nHow are you?\r\n").await;
/// client.quit().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client<S = Socket> {
    pub(super) stream: Stream<S>,
    pub(super) session: Box<ClientSession>,
    buffer: RecvBuf,
    used: usize,
    origin: Instant,
    /// Octets were given to the stream that it may still hold.
    unflushed: bool,
    handshake: Option<Duration>,
    pub(super) recorder: Recorder,
    pub(super) observer: Observer,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Box<ClientTls>>,
}

/// TLS as a connection does it.
#[cfg(feature = "tls")]
#[derive(Debug)]
pub(super) struct ClientTls {
    pub(super) config: Arc<rustls::ClientConfig>,
    /// Whose certificate it must be, and what SNI says.
    pub(super) name: rustls::pki_types::ServerName<'static>,
    /// What a handshake by this configuration shows.
    pub(super) certificate: Certificate,
    /// Why the handshake failed.
    pub(super) error: Option<io::Error>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn of(stream: S, session: ClientSession, origin: Instant) -> Self {
        Self {
            stream: Stream::Plain(stream),
            session: Box::new(session),
            buffer: RecvBuf::default(),
            used: 0,
            origin,
            unflushed: false,
            handshake: None,
            recorder: Recorder::off(),
            observer: Observer::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// A session over any stream, before the greeting was read: for programs that take its steps themselves.
    /// [`over`](Client::over) reads on until a message can be sent.
    pub fn start(stream: S, config: impl Into<Arc<ClientConfig>>) -> Self {
        Self::of(stream, ClientSession::new(config, Time::ZERO), Instant::now())
    }

    /// The same over a stream that is encrypted already; `certificate` says whether the server was verified.
    pub fn start_over_tls(
        stream: S,
        config: impl Into<Arc<ClientConfig>>,
        tls: TlsInfo,
        certificate: Certificate,
    ) -> Self {
        Self::of(stream, ClientSession::over_tls(config, tls, certificate, Time::ZERO), Instant::now())
    }

    /// Makes STARTTLS possible: [`Ready::start_tls`](smtp_proto::client::Ready::start_tls) is then followed by a
    /// handshake with this configuration. `certificate` says what the configuration's verifier makes sure of.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(
        mut self,
        config: Arc<rustls::ClientConfig>,
        name: rustls::pki_types::ServerName<'static>,
        certificate: Certificate,
    ) -> Self {
        self.tls = Some(Box::new(ClientTls { config, name, certificate, error: None }));
        self
    }

    /// Writes down what both sides send from here on, in clear text: with [`Lines`](crate::trace::Lines) into a log.
    /// Secrets are left out unless the transcript was made `with_secrets`. Costs a pointer where it is not used.
    ///
    /// A connection that is made by name is recorded from the greeting on by [`Connect::record`](super::Connect::record),
    /// any other stream after [`start`](Self::start):
    ///
    /// ```
    /// use smtp_tokio::Client;
    /// use smtp_tokio::trace::{Lines, Transcript};
    ///
    /// fn log(client: &mut Client) {
    ///     client.record(Transcript::new(Lines::new(|line: &str| eprintln!("{line}"))));
    /// }
    /// ```
    pub fn record<W: fmt::Write + Send + Sync + 'static>(&mut self, transcript: Transcript<W>) {
        self.recorder = Recorder::of(transcript);
    }

    /// The span that its events are in: for your own, `instrument(client.span().clone())`.
    #[cfg(feature = "tracing")]
    pub fn span(&self) -> &tracing::Span {
        self.observer.span()
    }

    /// What is known of the session: extensions, TLS, outcomes, why it ended.
    #[must_use]
    pub fn session(&self) -> &ClientSession {
        &self.session
    }

    /// What the server offers; `None` before it has answered EHLO.
    #[must_use]
    pub fn extensions(&self) -> Option<&Extensions> {
        self.session.extensions()
    }

    /// How long the TLS handshake took, for whoever wants to know where the time goes; `None` where this connection made
    /// none.
    #[must_use]
    pub const fn handshake_time(&self) -> Option<Duration> {
        self.handshake
    }

    /// The next step; `None` once the session is over.
    ///
    /// It reads while it writes, and every wait ends at the session's deadline. Dropping the future loses nothing: call
    /// again.
    ///
    /// # Errors
    /// When reading or writing fails. A server that is gone is no error but [`ClientStep::Close`].
    pub async fn next(&mut self) -> io::Result<Option<ClientStep<'_>>> {
        self.buffer.consume(std::mem::take(&mut self.used));
        loop {
            self.buffer.fit(self.session.room());
            match self.session.needs(&self.buffer.input(), now(self.origin)) {
                Need::Step | Need::Nothing => break,
                Need::Pause(until) => sleep_until(instant(self.origin, until)).await,
                Need::Flush | Need::Input => self.exchange().await?,
                Need::Upgrade => self.upgrade().await?,
            }
        }
        let mut input = self.buffer.input();
        let step = self.session.next(&mut input);
        self.used = input.used();
        if let Some(step) = &step {
            self.observer.step(step);
            if let ClientStep::Close(reason) = step {
                self.recorder.note(format_args!("closed: {reason}"));
            }
        }
        Ok(step)
    }

    /// Writes what there is, and reads while that waits, at most until the session's deadline.
    async fn exchange(&mut self) -> io::Result<()> {
        let until =
            self.session.deadline().map_or_else(far_future, |deadline| instant(self.origin, deadline));
        match timeout_at(until, poll_fn(|cx| self.poll_exchange(cx))).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => self.session.handle_eof(),
            Ok(Err(error)) if is_gone(&error) => {
                // It may have said why before it went. The runtime may not have noticed yet that there is something to
                // read, so that this waits for the end; a stream that has none can't hold it for long.
                let end = until.min(Instant::now() + self.session.config().waits().quit);
                let _ = timeout_at(end, poll_fn(|cx| self.poll_rest(cx))).await;
                self.session.handle_eof();
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => self.session.handle_timeout(now(self.origin)),
        }
        Ok(())
    }

    /// Ready once something went out or came in; `false` at the end of what the server sends.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut went_on = false;
        let output = self.session.output();
        while !output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, output)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(n) => {
                    self.recorder.received(&output[..n]);
                    output.advance(n);
                    (went_on, self.unflushed) = (true, true);
                }
                Poll::Pending => break,
            }
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        if went_on {
            return Poll::Ready(Ok(true));
        }
        self.poll_fill(cx).map_ok(|n| n > 0)
    }

    /// Reads what there is, and says how much; pending while there is no room.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.spare().is_empty() {
            return Poll::Pending;
        }
        let mut spare = ReadBuf::new(self.buffer.spare());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut spare))?;
        let n = spare.filled().len();
        self.buffer.commit(n);
        let waiting = self.buffer.waiting();
        self.recorder.sent(&waiting[waiting.len() - n..]);
        Poll::Ready(Ok(n))
    }

    /// Reads what is left, up to the end or what there is room for.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.buffer.spare().is_empty() {
            if !matches!(ready!(self.poll_fill(cx)), Ok(n) if n > 0) {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Whether the server has spoken or gone although nothing was asked: looks, and does not wait.
    pub(super) async fn is_disturbed(&mut self) -> bool {
        self.buffer.consume(std::mem::take(&mut self.used));
        if !self.buffer.waiting().is_empty() {
            return true;
        }
        self.buffer.fit(self.session.room());
        poll_fn(|cx| Poll::Ready(self.poll_fill(cx).is_ready())).await
    }

    /// Shakes hands, at most until the session's deadline. Octets that came before are the session's to judge.
    #[cfg(feature = "tls")]
    async fn upgrade(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Err(no_tls()) };
        let until =
            self.session.deadline().map_or_else(far_future, |deadline| instant(self.origin, deadline));
        let (stream, began) = (&mut self.stream, Instant::now());
        let handshake = poll_fn(|cx| stream.poll_connect(&tls.config, &tls.name, cx));
        match timeout_at(until, handshake).await {
            Ok(Ok(info)) => {
                self.handshake = Some(began.elapsed());
                self.recorder.note(format_args!("{} with {}", info.protocol, info.cipher));
                self.observer.encrypted(&info, tls.certificate);
                let mut plaintext = self.buffer.input();
                let at = now(self.origin);
                let upgraded = self.session.tls_established(&mut plaintext, *info, tls.certificate, at);
                let dropped = plaintext.used();
                self.buffer.consume(dropped);
                upgraded.map_err(io::Error::other)
            }
            Ok(Err(error)) => {
                self.recorder.note(format_args!("no TLS: {error}"));
                self.observer.not_encrypted(&error);
                tls.error = Some(error);
                self.session.tls_failed();
                Ok(())
            }
            Err(_) => {
                self.session.handle_timeout(now(self.origin));
                Ok(())
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn upgrade(&mut self) -> io::Result<()> {
        Err(no_tls())
    }
}

fn no_tls() -> io::Error {
    io::Error::other("TLS was asked for, but the connection was given no TLS configuration")
}
