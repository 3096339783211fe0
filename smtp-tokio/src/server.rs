use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

#[cfg(feature = "tls")]
use smtp_proto::server::Extension;
use smtp_proto::server::{Peer, ServerConfig, contains};
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::message::{Message, collect};
use crate::observe;
use crate::slots::{Slot, Slots};
use crate::socket::{Listener, Socket, bind_tcp};
use crate::stop::Stop;

/// Wait after an accept that failed for want of descriptors or memory: long enough not to spin, short enough not to
/// be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Settings of a [`Server`] that are not the sessions'.
#[derive(Clone, Debug)]
pub struct Builder {
    config: Arc<ServerConfig>,
    max_connections: usize,
    max_per_address: usize,
    drain: Duration,
    proxies: Vec<(IpAddr, u8)>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// TLS as a listener does it.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
struct Tls {
    config: Current<rustls::ServerConfig>,
    implicit: bool,
}

/// What connections get from now on; it can be exchanged while others are open.
#[derive(Debug)]
struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Current<T> {
    fn new(value: Arc<T>) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }

    fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl Builder {
    /// Most connections at a time; further ones are told 421. Defaults to 10,000.
    #[must_use]
    pub fn max_connections(mut self, n: usize) -> Self {
        self.max_connections = n;
        self
    }

    /// Most connections at a time from one IPv4 address or IPv6 /64; further ones are told 421. Defaults to 50.
    #[must_use]
    pub fn max_per_address(mut self, n: usize) -> Self {
        self.max_per_address = n;
        self
    }

    /// Connections from addresses whose first `prefix` bits are those of `network` come from a balancer: each must begin
    /// with a PROXY header (version 1 or 2), which tells who the client is. From nobody else is one taken.
    ///
    /// They don't count as connections from one address.
    #[must_use]
    pub fn proxied_from(mut self, network: IpAddr, prefix: u8) -> Self {
        self.proxies.push((network, prefix));
        self
    }

    fn is_proxy(&self, remote: Option<SocketAddr>) -> bool {
        let Some(address) = remote.map(|remote| remote.ip()) else { return false };
        self.proxies.iter().any(|(network, prefix)| contains(*network, *prefix, address))
    }

    /// How long a shutdown waits for transactions in progress. Defaults to 30 seconds.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// Offers STARTTLS with `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn starttls(mut self, tls: Arc<rustls::ServerConfig>) -> Self {
        let offering = ServerConfig::clone(&self.config).offer(Extension::StartTls);
        self.config = Arc::new(offering);
        self.tls = Some(Tls { config: Current::new(tls), implicit: false });
        self
    }

    /// TLS comes first on this listener (RFC 8314), as on port 465.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn implicit_tls(mut self, tls: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(Tls { config: Current::new(tls), implicit: true });
        self
    }

    /// Binds `address`; port 0 takes a free one, which [`Server::local_addr`] tells.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for address in lookup_host(address).await? {
            match bind_tcp(address) {
                Ok(listener) => return Ok(self.listen(listener)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Binds a Unix socket at `path`. One that a process left behind is replaced; permissions are those that the
    /// process's umask leaves.
    ///
    /// # Errors
    /// When the socket can't be bound, or somebody listens there.
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<std::path::Path>) -> io::Result<Server> {
        Ok(self.listen_on(Listener::Unix(crate::socket::bind_unix(path.as_ref())?)))
    }

    /// Takes a listener that is bound already.
    pub fn listen(self, listener: TcpListener) -> Server {
        self.listen_on(Listener::Tcp(listener))
    }

    /// Takes a Unix socket's listener that is bound already, as by a service manager.
    #[cfg(unix)]
    pub fn listen_unix(self, listener: UnixListener) -> Server {
        self.listen_on(Listener::Unix(listener))
    }

    fn listen_on(self, listener: Listener) -> Server {
        let slots = Slots::new(self.max_connections, self.max_per_address);
        let sessions = Current::new(Arc::clone(&self.config));
        Server {
            listener,
            sessions,
            slots,
            stop: Arc::default(),
            builder: self,
            tasks: JoinSet::new(),
            messages: None,
        }
    }
}

/// Tells a [`Server`] to stop, from anywhere.
#[derive(Clone, Debug)]
pub struct Handle {
    sessions: Current<ServerConfig>,
    stop: Arc<Stop>,
    slots: Arc<Slots>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl Handle {
    /// No connection is accepted from now on; each session ends with 421 at once, or after the transaction in progress.
    pub fn shut_down(&self) {
        self.stop.tell();
    }

    /// Uses `tls` for handshakes from now on: a new certificate. Sessions that are open keep theirs. Nothing happens
    /// where the listener has no TLS.
    #[cfg(feature = "tls")]
    pub fn reload_tls(&self, tls: Arc<rustls::ServerConfig>) {
        if let Some(held) = &self.tls {
            held.config.set(tls);
        }
    }

    /// Gives connections from now on sessions by `config`: other limits, another offer. Sessions that are open go on by
    /// theirs. STARTTLS stays offered where the listener was built with it.
    pub fn reload_sessions(&self, config: impl Into<Arc<ServerConfig>>) {
        let config = config.into();
        #[cfg(feature = "tls")]
        let config = match &self.tls {
            Some(tls) if !tls.implicit => Arc::new(ServerConfig::clone(&config).offer(Extension::StartTls)),
            _ => config,
        };
        self.sessions.set(config);
    }

    /// Accepts so many connections at a time from now on, in all and from one address, as
    /// [`max_connections`](Builder::max_connections) and [`max_per_address`](Builder::max_per_address) say. Those that
    /// are open stay.
    pub fn reload_limits(&self, max_connections: usize, max_per_address: usize) {
        self.slots.limit(max_connections, max_per_address);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.slots.open()
    }
}

/// A listener and the connections it accepted.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    sessions: Current<ServerConfig>,
    builder: Builder,
    slots: Arc<Slots>,
    stop: Arc<Stop>,
    tasks: JoinSet<()>,
    messages: Option<(mpsc::Sender<Message>, mpsc::Receiver<Message>)>,
}

impl Server {
    /// Binds `address` with the default limits on connections.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(address: impl ToSocketAddrs, config: impl Into<Arc<ServerConfig>>) -> io::Result<Self> {
        Self::builder(config).bind(address).await
    }

    /// Limits on connections, then [`bind`](Builder::bind).
    pub fn builder(config: impl Into<Arc<ServerConfig>>) -> Builder {
        Builder {
            config: config.into(),
            max_connections: 10_000,
            max_per_address: 50,
            drain: Duration::from_secs(30),
            proxies: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What tells it to stop.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            sessions: self.sessions.clone(),
            stop: Arc::clone(&self.stop),
            slots: Arc::clone(&self.slots),
            #[cfg(feature = "tls")]
            tls: self.builder.tls.clone(),
        }
    }

    /// The next connection; `None` once the server was told to stop. Connections over a limit are told 421 and never
    /// seen here.
    ///
    /// # Errors
    /// When the listener is broken. A want of descriptors is waited out.
    pub async fn accept(&mut self) -> io::Result<Option<Connection>> {
        loop {
            let mut stopped = pin!(self.stop.wait());
            let accepted = poll_fn(|cx| {
                if stopped.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                self.listener.poll_accept(cx).map(Some)
            })
            .await;
            match accepted {
                None => return Ok(None),
                Some(Ok((stream, remote))) => {
                    let proxied = self.builder.is_proxy(remote);
                    let address = remote.map(|remote| remote.ip()).filter(|_| !proxied);
                    match self.slots.take(address) {
                        Some(slot) if proxied => {
                            let limit = self.sessions.get().numbers().proxy_header;
                            return Ok(Some(self.connection(stream, remote, slot).behind_proxy(limit)));
                        }
                        Some(slot) => return Ok(Some(self.connection(stream, remote, slot))),
                        None => {
                            observe::turned_away(remote);
                            turn_away(&stream, self.sessions.get().host());
                        }
                    }
                }
                Some(Err(error)) => wait_out(error).await?,
            }
        }
    }

    fn connection(&self, stream: Socket, remote: Option<SocketAddr>, slot: Slot) -> Connection {
        let mut peer = remote.map_or(Peer::unknown(), Peer::at);
        if let Some(local) = stream.prepare() {
            peer = peer.to_local(local);
        }
        let config = self.sessions.get();
        #[cfg(feature = "tls")]
        let connection = match &self.builder.tls {
            Some(tls) if tls.implicit => Connection::implicit_tls(stream, config, peer, tls.config.get()),
            Some(tls) => Connection::with_peer(stream, config, peer).with_tls(tls.config.get()),
            None => Connection::with_peer(stream, config, peer),
        };
        #[cfg(not(feature = "tls"))]
        let connection = Connection::with_peer(stream, config, peer);
        connection.with_stop(Arc::clone(&self.stop), slot)
    }

    /// Accepts until it is told to stop and runs `handler` for each connection in a task of its own. Returns when all
    /// are done, or when the drain limit has passed and the rest was cut off: how many is the result.
    ///
    /// # Errors
    /// When the listener is broken.
    pub async fn serve<H, F>(mut self, handler: H) -> io::Result<usize>
    where
        H: Fn(Connection) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        while let Some(connection) = self.accept().await? {
            self.tasks.spawn(handler(connection));
            while self.tasks.try_join_next().is_some() {}
        }
        let Self { mut tasks, builder, listener, .. } = self;
        drop(listener);
        let drained = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(builder.drain, drained).await;
        let cut_off = tasks.len();
        tasks.shutdown().await;
        Ok(cut_off)
    }

    /// The short way: the next whole message of any connection. Connections are served meanwhile, recipients all
    /// accepted; the size limit is the configuration's. `None` once the server was told to stop.
    ///
    /// # Errors
    /// When the listener is broken.
    pub async fn next_message(&mut self) -> io::Result<Option<Message>> {
        let (sender, mut receiver) = self.messages.take().unwrap_or_else(|| mpsc::channel(1));
        let next = loop {
            let event = {
                let mut accept = pin!(self.accept());
                poll_fn(|cx| {
                    if let Poll::Ready(Some(message)) = receiver.poll_recv(cx) {
                        return Poll::Ready(Ok(Event::Message(message)));
                    }
                    accept.as_mut().poll(cx).map_ok(|connection| Event::Accepted(connection.map(Box::new)))
                })
                .await
            };
            match event {
                Ok(Event::Accepted(Some(connection))) => {
                    self.tasks.spawn(collect(*connection, sender.clone()));
                    while self.tasks.try_join_next().is_some() {}
                }
                Ok(Event::Accepted(None)) => break Ok(None),
                Ok(Event::Message(message)) => break Ok(Some(message)),
                Err(error) => break Err(error),
            }
        };
        self.messages = Some((sender, receiver));
        next
    }
}

enum Event {
    Accepted(Option<Box<Connection>>),
    Message(Message),
}

/// Tells a connection over a limit to come back later, as far as that is possible without waiting.
fn turn_away(stream: &Socket, host: &str) {
    let _ = stream.try_write(format!("421 {host} Too many connections, try again later\r\n").as_bytes());
}

async fn wait_out(error: io::Error) -> io::Result<()> {
    observe::accept_failed(&error);
    // EMFILE, ENFILE, ENOBUFS, ENOMEM: others will end and free some.
    let exhausted = matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12));
    if exhausted {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
    if exhausted || is_theirs(&error) { Ok(()) } else { Err(error) }
}

/// Whether an error is that of a connection that was waiting, which is gone with it: Linux hands on what its network or a
/// firewall says of it (accept(2)).
fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        PermissionDenied, TimedOut,
    };
    let named = matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    );
    // EPROTO, ENOPROTOOPT, ENONET, EHOSTDOWN have no names.
    named || matches!(error.raw_os_error(), Some(71 | 92 | 64 | 112))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_connection_that_waited_does_not_end_the_listener() {
        for (number, theirs, why) in [
            (103, true, "ECONNABORTED: it went away"),
            (4, true, "EINTR: nothing happened"),
            (71, true, "EPROTO: its network said so"),
            (92, true, "ENOPROTOOPT: likewise"),
            (64, true, "ENONET: likewise"),
            (112, true, "EHOSTDOWN: likewise"),
            (100, true, "ENETDOWN: likewise"),
            (101, true, "ENETUNREACH: likewise"),
            (113, true, "EHOSTUNREACH: likewise"),
            (110, true, "ETIMEDOUT: likewise"),
            (1, true, "EPERM: a firewall said so"),
            (9, false, "EBADF: the listener is none"),
            (22, false, "EINVAL: it does not listen"),
        ] {
            assert_eq!(is_theirs(&io::Error::from_raw_os_error(number)), theirs, "{why}");
        }
    }
}
