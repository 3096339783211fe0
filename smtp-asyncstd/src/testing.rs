//! For tests: a mail catcher in place of the server that your code sends to.
//!
//! ```
//! use smtp_asyncstd::Reply;
//! use smtp_asyncstd::testing::Catcher;
//!
//! const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
//! const LATER: Reply<'static> = Reply::new(451, (4, 2, 0), "Mailbox busy, try again later");
//!
//! # async fn sign_up(_user: &str, server: std::net::SocketAddr) {
//! #     use std::io::{BufRead, BufReader, Write};
//! #     let mut stream = BufReader::new(std::net::TcpStream::connect(server).unwrap());
//! #     let mut reply = String::new();
//! #     stream.read_line(&mut reply).unwrap();
//! #     let rcpt = "RCPT TO:<slow@a.example>";
//! #     for line in ["HELO a.example", "MAIL FROM:<>", rcpt, rcpt, "DATA", "From: us\r\n."] {
//! #         stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
//! #         stream.read_line(&mut reply).unwrap();
//! #     }
//! # }
//! # async_std::task::block_on(async {
//! let mx = Catcher::start().await;
//! mx.on_rcpt("ghost@*", &[NO_USER]);
//! mx.on_rcpt("slow@*", &[LATER, Reply::new(250, (2, 1, 5), "Ok")]);
//! sign_up("slow@a.example", mx.addr()).await; // your code
//! let mail = mx.next().await;
//! assert!(mail.content().starts_with(b"From: "), "{}", mx.transcript());
//! # });
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_std::channel::{self, Receiver, Sender};
use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use futures_io::{AsyncRead, AsyncWrite};
#[cfg(feature = "aws-lc-rs")]
use smtp_proto::server::Extension;
use smtp_proto::server::{Peer, ServerConfig};
pub use smtp_proto::testing::Mail;
use smtp_proto::testing::{Catch, Catching};
use smtp_proto::wire::reply::Reply;

use crate::connection::Connection;

/// How long [`Catcher::next`] waits. Far longer than a message on this host takes, shorter than a test may hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on a free port of 127.0.0.1 that takes all mail, lets anybody log in, and refuses what it is told to.
///
/// The replies that the `on_` methods take are used up one after another, in whatever session; the last one stays.
/// `*` in a pattern stands for anything, case does not matter, and of several patterns that match, the one that was
/// given last decides. A 421 ends the session; any other reply decides by its class.
///
/// With the feature `aws-lc-rs` it offers STARTTLS, and has a second port where TLS comes first.
///
/// Dropped, it ends, and so do its connections.
pub struct Catcher {
    addr: SocketAddr,
    #[cfg(feature = "aws-lc-rs")]
    tls_addr: SocketAddr,
    #[cfg(feature = "aws-lc-rs")]
    certificate: String,
    catch: Shared,
    /// Nothing is ever sent: its end is the word.
    _stop: Sender<()>,
}

type Shared = Arc<Mutex<Catch>>;

impl Catcher {
    /// Starts a catcher.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        Self::start_with(Catch::config()).await
    }

    /// Starts a catcher whose sessions are as `config` says; STARTTLS is offered nevertheless.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start_with(config: ServerConfig) -> Self {
        let catch = Shared::default();
        #[cfg(feature = "aws-lc-rs")]
        let ((certificate, tls), config) = (certificate(), config.offer(Extension::StartTls));
        let config = Arc::new(config);
        let clear = Door {
            listener: bind().await,
            config: Arc::clone(&config),
            catch: Arc::clone(&catch),
            #[cfg(feature = "aws-lc-rs")]
            tls: Tls::OnDemand(Arc::clone(&tls)),
        };
        #[cfg(feature = "aws-lc-rs")]
        let encrypted =
            Door { listener: bind().await, config, catch: Arc::clone(&catch), tls: Tls::First(tls) };
        let (stop, stopped) = channel::bounded(1);
        let catcher = Self {
            addr: clear.addr(),
            #[cfg(feature = "aws-lc-rs")]
            tls_addr: encrypted.addr(),
            #[cfg(feature = "aws-lc-rs")]
            certificate,
            catch,
            _stop: stop,
        };
        task::spawn(clear.serve(stopped.clone()));
        #[cfg(feature = "aws-lc-rs")]
        task::spawn(encrypted.serve(stopped));
        catcher
    }

    /// The address to send to: clear text, and STARTTLS with the feature `aws-lc-rs`.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address where TLS comes first (RFC 8314).
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub const fn tls_addr(&self) -> SocketAddr {
        self.tls_addr
    }

    /// The certificate, self-made for `localhost` and 127.0.0.1, as PEM: for your client to trust.
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Answers AUTH of users that match `pattern`.
    pub fn on_auth(&self, pattern: &str, replies: &[Reply<'_>]) {
        lock(&self.catch).on_auth(pattern, replies);
    }

    /// Answers MAIL from senders that match `pattern`, written without brackets; the null sender is `<>`.
    pub fn on_mail(&self, pattern: &str, replies: &[Reply<'_>]) {
        lock(&self.catch).on_mail(pattern, replies);
    }

    /// Answers RCPT to recipients that match `pattern`, written without brackets.
    pub fn on_rcpt(&self, pattern: &str, replies: &[Reply<'_>]) {
        lock(&self.catch).on_rcpt(pattern, replies);
    }

    /// Answers DATA, and the first BDAT.
    pub fn on_data(&self, replies: &[Reply<'_>]) {
        lock(&self.catch).on_data(replies);
    }

    /// Answers the end of the content.
    pub fn on_verdict(&self, replies: &[Reply<'_>]) {
        lock(&self.catch).on_verdict(replies);
    }

    /// The next message that was taken, in the order in which they came.
    ///
    /// # Panics
    /// When none has come after ten seconds; the text holds the [`transcript`](Self::transcript).
    #[track_caller]
    pub fn next(&self) -> impl Future<Output = Mail> + Send {
        self.next_within(PATIENCE)
    }

    /// [`next`](Self::next) with a limit of yours.
    ///
    /// # Panics
    /// When none has come by then.
    #[track_caller]
    pub fn next_within(&self, limit: Duration) -> impl Future<Output = Mail> + Send {
        let caller = Location::caller();
        async move {
            let next = poll_fn(|cx| lock(&self.catch).poll_mail(cx));
            match async_std::future::timeout(limit, next).await {
                Ok(mail) => mail,
                Err(_) => {
                    panic!("{caller}: no mail within {limit:?}, but this:\n{}", self.transcript())
                }
            }
        }
    }

    /// The next message, if it is there already: what your client was told 250 for is.
    #[must_use]
    pub fn try_next(&self) -> Option<Mail> {
        lock(&self.catch).take_mail()
    }

    /// What went over the wire, session after session, as [`smtp_proto::trace`] writes it. Secrets are left out;
    /// under TLS it is what the session made of it.
    #[must_use]
    pub fn transcript(&self) -> String {
        lock(&self.catch).transcript()
    }
}

impl fmt::Debug for Catcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catcher").field("addr", &self.addr).finish_non_exhaustive()
    }
}

fn lock(catch: &Mutex<Catch>) -> MutexGuard<'_, Catch> {
    catch.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn bind() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port")
}

/// A certificate as PEM, and a configuration with it.
#[cfg(feature = "aws-lc-rs")]
fn certificate() -> (String, Arc<rustls::ServerConfig>) {
    let names = ["localhost", "127.0.0.1", "catch.example"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = crate::tls::server_config(certificate.as_bytes(), key.as_bytes()).expect("a TLS configuration");
    (certificate, Arc::new(tls))
}

/// A port, and how connections begin there.
struct Door {
    listener: TcpListener,
    config: Arc<ServerConfig>,
    catch: Shared,
    #[cfg(feature = "aws-lc-rs")]
    tls: Tls,
}

#[cfg(feature = "aws-lc-rs")]
enum Tls {
    OnDemand(Arc<rustls::ServerConfig>),
    First(Arc<rustls::ServerConfig>),
}

impl Door {
    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// Accepts until the catcher is dropped.
    async fn serve(self, stopped: Receiver<()>) {
        until(&stopped, async {
            loop {
                let Ok((stream, peer)) = self.listener.accept().await else { continue };
                let (session, connection) = self.open(stream, peer);
                let (catch, stopped) = (Arc::clone(&self.catch), stopped.clone());
                task::spawn(async move { until(&stopped, answer(connection, session, catch)).await });
            }
        })
        .await;
    }

    fn open(&self, stream: TcpStream, peer: SocketAddr) -> (Catching, Connection<Tap>) {
        let (catch, config) = (Arc::clone(&self.catch), Arc::clone(&self.config));
        #[cfg(feature = "aws-lc-rs")]
        if let Tls::First(tls) = &self.tls {
            let session = lock(&catch).begin_encrypted(peer);
            let tap = Tap { stream, session: session.id(), catch };
            return (session, Connection::implicit_tls(tap, config, Peer::at(peer), Arc::clone(tls)));
        }
        let session = lock(&catch).begin(peer);
        let tap = Tap { stream, session: session.id(), catch };
        let connection = Connection::with_peer(tap, config, Peer::at(peer));
        #[cfg(feature = "aws-lc-rs")]
        if let Tls::OnDemand(tls) = &self.tls {
            return (session, connection.with_tls(Arc::clone(tls)));
        }
        (session, connection)
    }
}

/// Runs `task` to its end, or until the catcher is dropped.
async fn until(stopped: &Receiver<()>, task: impl Future<Output = ()>) {
    let (mut stopped, mut task) = (pin!(stopped.recv()), pin!(task));
    poll_fn(|cx| match stopped.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => task.as_mut().poll(cx),
    })
    .await;
}

async fn answer(mut connection: Connection<Tap>, mut session: Catching, catch: Shared) {
    loop {
        match connection.next().await {
            Ok(Some(step)) => session.answer(&mut lock(&catch), step),
            Ok(None) => break,
            Err(error) => return lock(&catch).note(session.id(), &error),
        }
    }
}

/// A stream whose octets are written down.
struct Tap {
    stream: TcpStream,
    session: usize,
    catch: Shared,
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        let read = ready!(Pin::new(&mut tap.stream).poll_read(cx, room))?;
        lock(&tap.catch).received(tap.session, &room[..read]);
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        // Locked before the client can read it: who knows the reply finds it in the transcript.
        let mut catch = lock(&tap.catch);
        let written = ready!(Pin::new(&mut tap.stream).poll_write(cx, octets))?;
        catch.sent(tap.session, &octets[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
