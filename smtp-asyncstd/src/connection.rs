use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_std::channel::Receiver;
use async_std::task::sleep;
use futures_io::{AsyncRead, AsyncWrite};
use smtp_proto::bytes::{Buf, BytesMut};
use smtp_proto::server::{Facts, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::trace::{Recorder, Transcript};
use smtp_proto::wire::proxy::{Header, Preface};
use smtp_proto::{RecvBuf, Time, limits};

use crate::slots::Slot;
use crate::socket::Socket;
use crate::stream::Stream;

/// How long a silent connection keeps its receive buffer. Shorter, and each command would allocate anew; longer, and
/// memory is held for peers that do nothing.
const KEEP_BUFFER: Duration = Duration::from_secs(1);

/// One client's connection: a session and the stream it runs over.
#[derive(Debug)]
pub struct Connection<S = Socket> {
    stream: Stream<S>,
    session: ServerSession,
    buffer: RecvBuf,
    used: usize,
    origin: Instant,
    stop: Option<Receiver<()>>,
    _slot: Option<Slot>,
    /// By when the PROXY header must be there, as long as it is not.
    proxy_header: Option<Instant>,
    recorder: Recorder,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// What ended a wait.
enum Woke {
    Read(io::Result<usize>),
    Deadline,
    Stop,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A session over any stream: a Unix socket, a pipe in memory, a stream that is encrypted already.
    pub fn over(stream: S, config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::with_peer(stream, config, Peer::unknown())
    }

    /// [`over`](Self::over) with what is known about the peer.
    pub fn with_peer(stream: S, config: impl Into<Arc<ServerConfig>>, peer: Peer) -> Self {
        Self::of(stream, ServerSession::new(config.into(), peer, Time::ZERO))
    }

    fn of(stream: S, session: ServerSession) -> Self {
        Self {
            stream: Stream::Plain(stream),
            session,
            buffer: RecvBuf::default(),
            used: 0,
            origin: Instant::now(),
            stop: None,
            _slot: None,
            proxy_header: None,
            recorder: Recorder::off(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// A session on a stream where TLS comes first (RFC 8314): the handshake is made before the greeting.
    #[cfg(feature = "tls")]
    pub fn implicit_tls(
        stream: S,
        config: impl Into<Arc<ServerConfig>>,
        peer: Peer,
        tls: Arc<rustls::ServerConfig>,
    ) -> Self {
        Self::of(stream, ServerSession::implicit_tls(config.into(), peer, Time::ZERO)).with_tls(tls)
    }

    /// Makes STARTTLS possible. That it is offered is the session's configuration
    /// ([`Extension::StartTls`](crate::Extension::StartTls)).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    pub(crate) fn with_stop(mut self, stop: Receiver<()>, slot: Slot) -> Self {
        self.stop = Some(stop);
        self._slot = Some(slot);
        self
    }

    /// Requires a PROXY header within `limit`, before everything else: the connection comes from a balancer. Without one
    /// it ends with [`CloseReason::NoProxyHeader`](crate::CloseReason::NoProxyHeader).
    #[must_use]
    pub fn behind_proxy(mut self, limit: Duration) -> Self {
        self.proxy_header = Some(self.origin + limit);
        self
    }

    /// Writes down what both sides send from here on, in clear text: with [`Lines`](crate::trace::Lines) into a log.
    /// Secrets are left out unless the transcript was made `with_secrets`. Costs a pointer where it is not used.
    ///
    /// ```
    /// use smtp_asyncstd::Connection;
    /// use smtp_asyncstd::trace::{Lines, Transcript};
    ///
    /// fn log(connection: &mut Connection) {
    ///     connection.record(Transcript::new(Lines::new(|line: &str| eprintln!("{line}"))));
    /// }
    /// ```
    pub fn record<W: fmt::Write + Send + Sync + 'static>(&mut self, transcript: Transcript<W>) {
        self.recorder = Recorder::of(transcript);
    }

    /// What is known about the session; beside a token use [`Pending::facts`](crate::Pending::facts).
    pub fn facts(&self) -> &Facts {
        self.session.facts()
    }

    /// Asks the session to end: 421 at once, or after the transaction in progress.
    pub fn shut_down(&mut self) {
        self.session.shut_down();
    }

    /// The next step; `None` once the session is over.
    ///
    /// Dropping the future loses nothing: call again. Dropping the step refuses what the client asked for (451), and
    /// `connection.next().await?;` does just that: no lint looks into an `Option`.
    ///
    /// # Errors
    /// When reading or writing fails. A peer that is gone is no error but `Step::Reset` and `Step::Close`.
    pub async fn next(&mut self) -> io::Result<Option<Step<'_, '_>>> {
        self.buffer.consume(std::mem::take(&mut self.used));
        if let Some(until) = self.proxy_header {
            self.read_proxy_header(until).await?;
        }
        loop {
            self.buffer.fit(self.session.room());
            match self.session.needs(&self.buffer.input(), now(self.origin)) {
                Need::Step | Need::Nothing => break,
                Need::Pause(until) => self.pause(until).await?,
                Need::Flush => self.flush().await?,
                Need::Upgrade => self.upgrade().await?,
                Need::Input => self.fill().await?,
            }
        }
        let mut input = self.buffer.input();
        let step = self.session.next(&mut input);
        self.used = input.used();
        if let Some(Step::Close(reason)) = &step {
            self.recorder.note(format_args!("closed: {reason:?}"));
        }
        Ok(step)
    }

    /// Reads the PROXY header and no octet more: what follows may be a TLS handshake.
    async fn read_proxy_header(&mut self, until: Instant) -> io::Result<()> {
        loop {
            let had = self.buffer.waiting().len();
            let missing = match Header::parse(self.buffer.waiting()) {
                Ok(Preface::Header(header)) => {
                    let (addresses, consumed) = (header.endpoints().addresses(), header.consumed());
                    if let Some((client, destination)) = addresses {
                        self.recorder.note(format_args!("PROXY header: the client is {client}"));
                        self.session.proxied(client, destination).map_err(io::Error::other)?;
                    }
                    self.buffer.consume(consumed);
                    self.proxy_header = None;
                    return Ok(());
                }
                Ok(Preface::NeedMore { needed }) => {
                    needed.map_or(1, |needed| needed.saturating_sub(had).max(1))
                }
                Ok(Preface::NotProxy) | Err(_) => break,
            };
            self.buffer.fit(missing.max(limits::COMMAND_LINE));
            let Self { stream, buffer, .. } = self;
            let mut timer = pin!(sleep(until.saturating_duration_since(Instant::now())));
            let read =
                poll_fn(|cx| match Pin::new(&mut *stream).poll_read(cx, &mut buffer.spare()[..missing]) {
                    Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
                    Poll::Pending => timer.as_mut().poll(cx).map(|()| 0),
                });
            match read.await {
                0 => break,
                n => self.buffer.commit(n),
            }
        }
        self.proxy_header = None;
        self.session.proxy_failed();
        Ok(())
    }

    /// Waits for octets, at most until the session's deadline.
    async fn fill(&mut self) -> io::Result<()> {
        let deadline = self.session.deadline().map(|deadline| instant(self.origin, deadline));
        let keep_until = Instant::now() + KEEP_BUFFER;
        let until = deadline.map_or(keep_until, |deadline| deadline.min(keep_until));
        match self.wait(until).await {
            Woke::Deadline if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                self.session.handle_timeout(now(self.origin));
                Ok(())
            }
            Woke::Deadline => {
                self.release();
                let woke = self.wait(deadline.unwrap_or_else(far_future)).await;
                self.woke(woke)
            }
            woke => self.woke(woke),
        }
    }

    /// Reads while it waits, so that a peer that goes away or talks is noticed.
    async fn pause(&mut self, until: Time) -> io::Result<()> {
        let until = instant(self.origin, until);
        if self.buffer.capacity() > 0 && self.buffer.spare().is_empty() {
            sleep(until.saturating_duration_since(Instant::now())).await;
            return Ok(());
        }
        match self.wait(until).await {
            Woke::Deadline => Ok(()),
            woke => self.woke(woke),
        }
    }

    fn woke(&mut self, woke: Woke) -> io::Result<()> {
        match woke {
            Woke::Read(Ok(0)) => self.session.handle_eof(),
            Woke::Read(Ok(n)) => {
                let waiting = self.buffer.waiting();
                self.recorder.received(&waiting[waiting.len() - n..]);
            }
            Woke::Read(Err(error)) if is_gone(&error) => self.session.handle_eof(),
            Woke::Read(Err(error)) => return Err(error),
            Woke::Deadline => self.session.handle_timeout(now(self.origin)),
            Woke::Stop => self.session.shut_down(),
        }
        Ok(())
    }

    async fn wait(&mut self, until: Instant) -> Woke {
        let room = self.session.room();
        let Self { stream, buffer, stop, .. } = self;
        let mut timer = pin!(sleep(until.saturating_duration_since(Instant::now())));
        let stopped = async {
            match stop {
                Some(told) => {
                    // Nothing is ever sent: the channel's end is the word.
                    let _ = told.recv().await;
                    *stop = None;
                }
                None => std::future::pending().await,
            }
        };
        let mut stopped = pin!(stopped);
        poll_fn(|cx| {
            if let Poll::Ready(read) = poll_fill(stream, buffer, room, cx) {
                return Poll::Ready(Woke::Read(read));
            }
            if stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Woke::Stop);
            }
            timer.as_mut().poll(cx).map(|()| Woke::Deadline)
        })
        .await
    }

    /// Writes what the stream takes, at most until the session's deadline.
    async fn flush(&mut self) -> io::Result<()> {
        let until =
            self.session.deadline().map_or_else(far_future, |deadline| instant(self.origin, deadline));
        let Self { stream, session, recorder, .. } = self;
        let output = session.output();
        let mut timer = pin!(sleep(until.saturating_duration_since(Instant::now())));
        let wrote = poll_fn(|cx| {
            if let Poll::Ready(wrote) = poll_drain(stream, output, recorder, cx) {
                return Poll::Ready(Some(wrote));
            }
            timer.as_mut().poll(cx).map(|()| None)
        })
        .await;
        match wrote {
            Some(Ok(())) => {}
            Some(Err(error)) if is_gone(&error) => {
                self.session.output().clear();
                self.session.handle_eof();
            }
            Some(Err(error)) => return Err(error),
            None => self.session.handle_timeout(now(self.origin)),
        }
        Ok(())
    }

    /// Shakes hands, at most until the session's deadline. What the peer sent in clear text behind STARTTLS is dropped.
    #[cfg(feature = "tls")]
    async fn upgrade(&mut self) -> io::Result<()> {
        let Some(tls) = self.tls.clone() else { return Err(no_tls()) };
        let until =
            self.session.deadline().map_or_else(far_future, |deadline| instant(self.origin, deadline));
        let stream = &mut self.stream;
        let mut timer = pin!(sleep(until.saturating_duration_since(Instant::now())));
        let shaken = poll_fn(|cx| match stream.poll_handshake(&tls, cx) {
            Poll::Ready(shaken) => Poll::Ready(Some(shaken)),
            Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
        });
        match shaken.await {
            Some(Ok(info)) => {
                let mut plaintext = self.buffer.input();
                self.recorder.note(format_args!("{} with {}", info.protocol, info.cipher));
                let upgraded = self.session.tls_established(&mut plaintext, *info, now(self.origin));
                let dropped = plaintext.used();
                self.buffer.consume(dropped);
                upgraded.map_err(io::Error::other)
            }
            Some(Err(error)) => {
                self.recorder.note(format_args!("no TLS: {error}"));
                self.session.tls_failed();
                Ok(())
            }
            None => {
                self.session.handle_timeout(now(self.origin));
                Ok(())
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn upgrade(&mut self) -> io::Result<()> {
        Err(no_tls())
    }

    /// Gives memory back while nothing happens.
    fn release(&mut self) {
        self.buffer.release();
        if self.session.output().is_empty() {
            *self.session.output() = Default::default();
        }
    }
}

#[cfg(unix)]
impl Connection {
    /// What tells when the peer hangs up while a token is held: take it before the loop, it may be cloned. `None` where
    /// the system can't tell (it is Linux that can), or has no descriptor left.
    #[must_use]
    pub fn watch(&self) -> Option<crate::HangUp> {
        self.stream.hang_up()
    }
}

/// Reads into the buffer; where it was released, by way of the stack, so that waiting needs no memory.
fn poll_fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut RecvBuf,
    room: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if buffer.capacity() > 0 {
        let n = ready!(Pin::new(stream).poll_read(cx, buffer.spare()))?;
        buffer.commit(n);
        return Poll::Ready(Ok(n));
    }
    let mut octets = [0; 1024];
    let n = ready!(Pin::new(stream).poll_read(cx, &mut octets))?;
    if n > 0 {
        buffer.fit(room.max(n));
        buffer.spare()[..n].copy_from_slice(&octets[..n]);
        buffer.commit(n);
    }
    Poll::Ready(Ok(n))
}

/// Writes and flushes all of `output`.
fn poll_drain<S: AsyncWrite + Unpin>(
    stream: &mut S,
    output: &mut BytesMut,
    recorder: &mut Recorder,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !output.is_empty() {
        let n = ready!(Pin::new(&mut *stream).poll_write(cx, output))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        recorder.sent(&output[..n]);
        output.advance(n);
    }
    Pin::new(stream).poll_flush(cx)
}

fn no_tls() -> io::Error {
    io::Error::other("STARTTLS was accepted, but the connection was given no TLS configuration")
}

/// The peer went away: an event of its session, not an error of ours.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

fn now(origin: Instant) -> Time {
    Time::new(Instant::now().saturating_duration_since(origin))
}

fn instant(origin: Instant, time: Time) -> Instant {
    origin.checked_add(time.since_origin()).unwrap_or_else(far_future)
}

/// Thirty years: a wait without an end that every timer can hold.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}
