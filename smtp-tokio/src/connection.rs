use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use smtp_proto::bytes::{Buf, BytesMut};
use smtp_proto::server::{Facts, Need, Peer, ServerConfig, ServerSession, Step, TlsInfo};
use smtp_proto::trace::{Recorder, Transcript};
use smtp_proto::wire::proxy::{Header, Preface};
use smtp_proto::{RecvBuf, Time, limits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::clock::{far_future, instant, is_gone, now};
use crate::observe::Observer;
use crate::slots::Slot;
use crate::socket::Socket;
use crate::stop::Stop;
use crate::stream::Stream;

/// How long a silent connection keeps its buffers. Shorter, and each command would allocate anew; longer, and memory is
/// held for peers that do nothing.
const KEEP_BUFFERS: Duration = Duration::from_secs(1);

/// Octets read by way of the stack: more than the commands that a client sends at once.
const COMMANDS: usize = 1_024;

/// One client's connection: a session and the stream it runs over.
///
/// It is a pointer in size, so that tasks which own one are small.
#[derive(Debug)]
pub struct Connection<S = Socket> {
    /// Boxed, since an async fn has room for what it is given twice.
    parts: Box<Parts<S>>,
}

#[derive(Debug)]
struct Parts<S> {
    stream: Stream<S>,
    session: ServerSession,
    buffer: RecvBuf,
    used: usize,
    origin: Instant,
    stop: Option<Arc<Stop>>,
    _slot: Option<Slot>,
    /// By when the PROXY header must be there, as long as it is not.
    proxy_header: Option<Instant>,
    /// What is waited for; here, since the future of a wait would hold it three times.
    need: Need,
    /// Nothing came for so long that the buffers' memory was given back.
    idle: bool,
    recorder: Recorder,
    observer: Observer,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// What ended a wait.
enum Woke {
    Read(io::Result<usize>),
    Wrote(io::Result<()>),
    Shook(io::Result<Box<TlsInfo>>),
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
        let parts = Parts {
            stream: Stream::Plain(stream),
            observer: Observer::new(session.facts().peer()),
            session,
            buffer: RecvBuf::default(),
            used: 0,
            origin: Instant::now(),
            stop: None,
            _slot: None,
            proxy_header: None,
            need: Need::Step,
            idle: false,
            recorder: Recorder::off(),
            #[cfg(feature = "tls")]
            tls: None,
        };
        Self { parts: Box::new(parts) }
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
        self.parts.tls = Some(tls);
        self
    }

    pub(crate) fn with_stop(mut self, stop: Arc<Stop>, slot: Slot) -> Self {
        self.parts.stop = Some(stop);
        self.parts._slot = Some(slot);
        self
    }

    /// Requires a PROXY header within `limit`, before everything else: the connection comes from a balancer. Without one
    /// it ends with [`CloseReason::NoProxyHeader`](crate::CloseReason::NoProxyHeader).
    #[must_use]
    pub fn behind_proxy(mut self, limit: Duration) -> Self {
        self.parts.proxy_header = Some(self.parts.origin + limit);
        self
    }

    /// Writes down what both sides send from here on, in clear text: with [`Lines`](crate::trace::Lines) into a log.
    /// Secrets are left out unless the transcript was made `with_secrets`. Costs a pointer where it is not used.
    ///
    /// ```
    /// use smtp_tokio::Connection;
    /// use smtp_tokio::trace::{Lines, Transcript};
    ///
    /// fn log(connection: &mut Connection) {
    ///     connection.record(Transcript::new(Lines::new(|line: &str| eprintln!("{line}"))));
    /// }
    /// ```
    pub fn record<W: fmt::Write + Send + Sync + 'static>(&mut self, transcript: Transcript<W>) {
        self.parts.recorder = Recorder::of(transcript);
    }

    /// The span that its events are in: for your own, `instrument(connection.span().clone())`.
    #[cfg(feature = "tracing")]
    pub fn span(&self) -> &tracing::Span {
        self.parts.observer.span()
    }

    /// What is known about the session; beside a token use [`Pending::facts`](crate::Pending::facts).
    pub fn facts(&self) -> &Facts {
        self.parts.session.facts()
    }

    /// Asks the session to end: 421 at once, or after the transaction in progress.
    pub fn shut_down(&mut self) {
        self.parts.session.shut_down();
    }

    /// The next step; `None` once the session is over.
    ///
    /// Dropping the future loses nothing: call again. Dropping the step refuses what the client asked for (451), and
    /// `connection.next().await?;` does just that: no lint looks into an `Option`.
    ///
    /// # Errors
    /// When reading or writing fails. A peer that is gone is no error but `Step::Reset` and `Step::Close`.
    pub async fn next(&mut self) -> io::Result<Option<Step<'_, '_>>> {
        let parts = &mut *self.parts;
        parts.buffer.consume(std::mem::take(&mut parts.used));
        if let Some(until) = parts.proxy_header {
            parts.read_proxy_header(until).await?;
        }
        while parts.must_wait() {
            let woke = parts.wait().await;
            parts.woke(woke)?;
        }
        let mut input = parts.buffer.input();
        let step = parts.session.next(&mut input);
        parts.used = input.used();
        if let Some(step) = &step {
            parts.observer.step(step);
            if let Step::Close(reason) = step {
                parts.recorder.note(format_args!("closed: {reason:?}"));
            }
        }
        Ok(step)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Parts<S> {
    /// Whether something is needed before the next step.
    fn must_wait(&mut self) -> bool {
        // Content is read in place, so its memory is made beforehand. Commands bring theirs with them: `poll_fill`.
        let room = self.session.room();
        if room > limits::COMMAND_LINE {
            self.buffer.fit(room);
        } else {
            self.buffer.allow(room);
        }
        self.need = self.session.needs(&self.buffer.input(), now(self.origin));
        self.observer.look_at(self.session.facts());
        !matches!(self.need, Need::Step | Need::Nothing)
    }

    /// Does what is needed as far as it can be done at once, else waits for it, for the deadline, or for the word to
    /// stop. While it pauses it reads, so that a peer that goes away or talks is noticed.
    async fn wait(&mut self) -> Woke {
        let mut timer = pin!(sleep_until(self.until()));
        let reads = matches!(self.need, Need::Input | Need::Pause(_));
        // Cloned, so that what follows borrows the parts as one: a pointer, not six.
        let stop = self.stop.clone().filter(|_| reads);
        let mut told = pin!(stop.as_deref().map(Stop::next));
        if stop.as_deref().is_some_and(Stop::is_told) {
            return Woke::Stop;
        }
        poll_fn(move |cx| {
            let Self { stream, session, buffer, recorder, .. } = self;
            let done = match self.need {
                Need::Flush => poll_drain(stream, session.output(), recorder, cx).map(Woke::Wrote),
                #[cfg(feature = "tls")]
                Need::Upgrade => poll_shake(stream, self.tls.as_ref(), cx).map(Woke::Shook),
                #[cfg(not(feature = "tls"))]
                Need::Upgrade => Poll::Ready(Woke::Shook(Err(no_tls()))),
                _ => poll_fill(stream, buffer, cx).map(Woke::Read),
            };
            if done.is_ready() {
                return done;
            }
            if told.as_mut().as_pin_mut().is_some_and(|told| told.poll(cx).is_ready()) {
                return Poll::Ready(Woke::Stop);
            }
            timer.as_mut().poll(cx).map(|()| Woke::Deadline)
        })
        .await
    }

    /// How long to wait.
    fn until(&self) -> Instant {
        if let Need::Pause(until) = self.need {
            return instant(self.origin, until);
        }
        let deadline = self.deadline();
        if self.need == Need::Input && !self.idle {
            deadline.min(Instant::now() + KEEP_BUFFERS)
        } else {
            deadline
        }
    }

    fn deadline(&self) -> Instant {
        self.session.deadline().map_or_else(far_future, |deadline| instant(self.origin, deadline))
    }

    fn woke(&mut self, woke: Woke) -> io::Result<()> {
        self.idle = false;
        match woke {
            Woke::Read(Ok(0)) => self.session.handle_eof(),
            Woke::Read(Ok(n)) => {
                let waiting = self.buffer.waiting();
                self.recorder.received(&waiting[waiting.len() - n..]);
            }
            Woke::Wrote(Ok(())) => {}
            Woke::Read(Err(error)) if is_gone(&error) => self.session.handle_eof(),
            Woke::Wrote(Err(error)) if is_gone(&error) => {
                self.session.output().clear();
                self.session.handle_eof();
            }
            Woke::Read(Err(error)) | Woke::Wrote(Err(error)) => return Err(error),
            Woke::Shook(shaken) => return self.shook(shaken),
            Woke::Deadline if matches!(self.need, Need::Pause(_)) => {}
            Woke::Deadline if Instant::now() < self.deadline() => self.release(),
            Woke::Deadline => self.session.handle_timeout(now(self.origin)),
            Woke::Stop => {
                self.stop = None;
                self.session.shut_down();
            }
        }
        Ok(())
    }

    /// A handshake ended. What the peer sent in clear text behind STARTTLS is dropped.
    #[cfg(feature = "tls")]
    fn shook(&mut self, shaken: io::Result<Box<TlsInfo>>) -> io::Result<()> {
        let info = match shaken {
            Ok(info) => info,
            Err(error) if self.tls.is_none() => return Err(error),
            Err(error) => {
                self.recorder.note(format_args!("no TLS: {error}"));
                self.observer.not_encrypted(&error);
                self.session.tls_failed();
                return Ok(());
            }
        };
        self.recorder.note(format_args!("{} with {}", info.protocol, info.cipher));
        self.observer.encrypted(&info, self.buffer.waiting().len());
        let mut plaintext = self.buffer.input();
        let upgraded = self.session.tls_established(&mut plaintext, *info, now(self.origin));
        let dropped = plaintext.used();
        self.buffer.consume(dropped);
        upgraded.map_err(io::Error::other)
    }

    #[cfg(not(feature = "tls"))]
    fn shook(&mut self, shaken: io::Result<Box<TlsInfo>>) -> io::Result<()> {
        shaken.map(drop)
    }

    /// Gives memory back while nothing happens.
    fn release(&mut self) {
        self.idle = true;
        self.buffer.release();
        if self.session.output().is_empty() {
            *self.session.output() = Default::default();
        }
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
                        self.observer.proxied(client);
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
            let mut room = ReadBuf::new(&mut self.buffer.spare()[..missing]);
            let stream = &mut self.stream;
            let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut room));
            let read = tokio::time::timeout_at(until, read).await;
            match (read, room.filled().len()) {
                (Ok(Ok(())), n) if n > 0 => self.buffer.commit(n),
                _ => break,
            }
        }
        self.proxy_header = None;
        self.session.proxy_failed();
        Ok(())
    }
}

#[cfg(unix)]
impl Connection {
    /// What tells when the peer hangs up while a token is held: take it before the loop, it may be cloned. `None` where
    /// the system can't tell, or has no descriptor left.
    #[must_use]
    pub fn watch(&self) -> Option<crate::HangUp> {
        self.parts.stream.hang_up()
    }
}

/// Reads into the buffer; where that is small, by way of the stack, so that waiting needs no memory. Pending while nothing
/// more may be read.
fn poll_fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut RecvBuf,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if buffer.vacant() == 0 {
        return Poll::Pending;
    }
    if buffer.capacity() >= limits::COMMAND_LINE {
        let mut spare = ReadBuf::new(buffer.spare());
        ready!(Pin::new(stream).poll_read(cx, &mut spare))?;
        let n = spare.filled().len();
        buffer.commit(n);
        return Poll::Ready(Ok(n));
    }
    let mut octets = [MaybeUninit::uninit(); COMMANDS];
    let mut read = ReadBuf::uninit(&mut octets[..COMMANDS.min(buffer.vacant())]);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    let n = read.filled().len();
    buffer.append(read.filled());
    if n == COMMANDS {
        // There is more, so it is read in place from now on.
        buffer.fit(limits::COMMAND_LINE);
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

#[cfg(feature = "tls")]
fn poll_shake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut Stream<S>,
    tls: Option<&Arc<rustls::ServerConfig>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Box<TlsInfo>>> {
    let Some(tls) = tls else { return Poll::Ready(Err(no_tls())) };
    stream.poll_accept(tls, cx)
}

fn no_tls() -> io::Error {
    io::Error::other("STARTTLS was accepted, but the connection was given no TLS configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn handle(mut connection: Connection) {
        while let Ok(Some(step)) = connection.next().await {
            step.accept();
        }
    }

    /// Whoever needs more raises these knowingly: ten thousand wait at a time.
    #[tokio::test]
    async fn a_waiting_connection_stays_small() {
        let (_client, server) = tokio::io::duplex(1);
        let config = ServerConfig::new("mx.example").unwrap();
        let mut connection = Connection::over(server, config.clone());
        assert!(size_of_val(&connection.next()) <= 256, "{}", size_of_val(&connection.next()));
        assert_eq!(size_of::<Connection>(), size_of::<usize>(), "the part that an async fn holds twice");
        let bound = 800 + size_of::<Observer>();
        assert!(size_of::<Parts<Socket>>() <= bound, "{}", size_of::<Parts<Socket>>());
        #[cfg(unix)]
        {
            let socket = Socket::Unix(tokio::net::UnixStream::pair().unwrap().0);
            let future = handle(Connection::over(socket, config));
            // With tokio's 104 octets a task of 384: it rounds up to 128.
            assert!(size_of_val(&future) <= 280, "{}", size_of_val(&future));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_gives_its_buffers_back_and_keeps_what_came_of_a_line() {
        use tokio::io::AsyncWriteExt;

        let (mut client, server) = tokio::io::duplex(1_024);
        let mut connection = Connection::over(server, ServerConfig::new("mx.example").unwrap());
        let mut wait = async |seconds| {
            let run = async {
                while let Ok(Some(step)) = connection.next().await {
                    step.accept();
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(seconds), run).await;
            let parts = &mut connection.parts;
            (parts.buffer.capacity(), parts.session.output().capacity())
        };
        assert_eq!(wait(2).await, (0, 0), "greeted");
        client.write_all(b"EHLO client.example\r\n").await.unwrap();
        let (octets, replies) = wait(0).await;
        assert!(octets == 64 && replies > 0, "kept for a second: {octets} {replies}");
        client.write_all(b"NOOP").await.unwrap();
        assert_eq!(wait(2).await, (64, 0), "four octets wait");
        client.write_all(b"\r\n").await.unwrap();
        assert_eq!(wait(2).await, (0, 0), "answered");
    }
}
