//! From a name to a session that can send.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::future::timeout;
use async_std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::UnixStream;
use async_std::task::spawn_blocking;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::AsyncWriteExt;
use smtp_proto::Time;
use smtp_proto::client::{
    AuthError, Certificate, ClientConfig, ClientSession, ClientStep, CloseReason, NoStartTls, TlsInfo,
    TlsPolicy,
};
use smtp_proto::sasl::client::{Credentials, Failure};
use smtp_proto::trace::{Recorders, Transcript};
use smtp_proto::wire::reply::ReplyBuf;

use super::observe::unreachable;
use super::pump::Client;
use crate::socket::Socket;

/// How long one address may take to answer a connection, unless told otherwise. Hosts that are there answer in a second;
/// with several addresses the next must have its turn.
const CONNECT: Duration = Duration::from_secs(30);

/// Why there is no session that can send.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address, or it can't be found out.
    #[error("{host} has no address{}", portless(.host))]
    NoAddress {
        /// Name and port.
        host: String,
        /// What the resolver said, if it said anything.
        source: Option<io::Error>,
    },
    /// No connection to any address; the error is the last one's.
    #[error("no connection to {address}")]
    Unreachable {
        /// The address tried last.
        address: String,
        /// What happened there.
        source: io::Error,
    },
    /// The session ended.
    #[error("{reason}{}", said(.reply.as_ref()))]
    Closed {
        /// Why.
        reason: CloseReason,
        /// What the server said last, where it said anything.
        reply: Option<ReplyBuf>,
    },
    /// TLS is required and not to be had: STARTTLS is not offered.
    #[error(transparent)]
    NoStartTls(#[from] NoStartTls),
    /// TLS is required, and the server refused STARTTLS.
    #[error("STARTTLS was refused: {0}")]
    StartTlsRefused(ReplyBuf),
    /// The TLS handshake failed, or the certificate is not right.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// AUTH can't be said. Nothing of the credentials was sent.
    #[error("no AUTH")]
    Auth(#[from] AuthError),
    /// The server refused the credentials, or failed to prove who it is.
    #[error("AUTH failed: {failure}{}", said(Some(.reply)))]
    AuthFailed {
        /// How.
        failure: Failure,
        /// What the server said.
        reply: ReplyBuf,
        /// What it had said in the exchange, as it came: JSON for tokens (RFC 7628 §3.2.2), which says what is wrong with one.
        words: Option<Box<[u8]>>,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What to do about a host without a port, which no resolver says in so many words.
fn portless(host: &str) -> &'static str {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { "" } else { ": add the port, as in mx.example:25" }
}

fn said(reply: Option<&ReplyBuf>) -> String {
    reply.map(|reply| format!(" ({reply})")).unwrap_or_default()
}

/// Settings of a connection to be made. Made by [`Client::to`].
#[derive(Clone, Debug)]
#[must_use = "nothing is connected before `connect`"]
pub struct Connect {
    host: String,
    config: Arc<ClientConfig>,
    policy: TlsPolicy,
    credentials: Option<Credentials>,
    limit: Duration,
    source: Option<IpAddr>,
    recorders: Recorders,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ClientConfig>>,
    #[cfg(feature = "tls")]
    server_name: Option<String>,
}

impl Client {
    /// A connection to `host`, a name or address with its port as in `mx.example:25` or `[2001:db8::1]:25`, or to a Unix
    /// socket: `unix:/run/dovecot/lmtp`.
    pub fn to(host: impl Into<String>, config: impl Into<Arc<ClientConfig>>) -> Connect {
        Connect {
            host: host.into(),
            config: config.into(),
            policy: TlsPolicy::None,
            credentials: None,
            limit: CONNECT,
            source: None,
            recorders: Recorders::off(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            server_name: None,
        }
    }
}

impl Connect {
    /// When to encrypt. Defaults to never.
    pub fn tls(mut self, policy: TlsPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How to encrypt, and which certificates are right. Defaults to the system's roots of trust (feature `aws-lc-rs`);
    /// [`TlsPolicy::Opportunistic`] by default takes any certificate.
    #[cfg(feature = "tls")]
    pub fn tls_config(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Whose certificate it must be, and what SNI says. Defaults to the host's name.
    #[cfg(feature = "tls")]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Logs in once the connection is encrypted.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// How long each address may take to answer the connection. Defaults to 30 seconds.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The address to connect from. Only addresses of its family are tried then.
    pub fn local_addr(mut self, address: IpAddr) -> Self {
        self.source = Some(address);
        self
    }

    /// Writes down what both sides send, from the greeting on, in clear text: `transcript` makes one for each connection,
    /// and is told where it goes, as in `192.0.2.1:25`. There are two where [`TlsPolicy::Opportunistic`] tries again in clear, and many
    /// in a [`Pool`](super::Pool). Secrets are left out unless it was made `with_secrets`.
    ///
    /// ```
    /// use smtp_asyncstd::client::Connect;
    /// use smtp_asyncstd::trace::{Lines, Transcript};
    ///
    /// fn logged(connect: Connect) -> Connect {
    ///     connect.record(|to| {
    ///         let to = to.to_owned();
    ///         Transcript::new(Lines::new(move |line: &str| eprintln!("{to} {line}")))
    ///     })
    /// }
    /// ```
    pub fn record<W: fmt::Write + Send + Sync + 'static>(
        mut self,
        transcript: impl Fn(&str) -> Transcript<W> + Send + Sync + 'static,
    ) -> Self {
        self.recorders = Recorders::of(transcript);
        self
    }

    /// Connects and reads on until a message can be sent: greeting, EHLO, STARTTLS and AUTH as far as they are asked for.
    ///
    /// # Errors
    /// [`ConnectError`] says at which of these it ended, and what the server said.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        match self.attempt(self.policy).await {
            Err(ConnectError::Tls(_)) if self.policy == TlsPolicy::Opportunistic => {
                self.attempt(TlsPolicy::None).await
            }
            made => made,
        }
    }

    async fn attempt(&self, policy: TlsPolicy) -> Result<Client, ConnectError> {
        let (stream, address) = self.dial().await?;
        let config = self.with_server();
        let origin = Instant::now();
        let session = match policy {
            TlsPolicy::Implicit => ClientSession::implicit_tls(config, Time::ZERO),
            _ => ClientSession::new(config, Time::ZERO),
        };
        let mut client = Client::of(stream, session, origin);
        client.recorder = self.recorders.begin(&address);
        client.observer.connected(&self.host, &address);
        self.equipped(client, policy)?.opened(policy, self.credentials.as_ref()).await
    }

    /// The configuration with host and port in it, which OAUTHBEARER tells the server.
    fn with_server(&self) -> Arc<ClientConfig> {
        match (&self.credentials, self.host.rsplit_once(':')) {
            (Some(_), Some((host, port))) => match port.parse() {
                Ok(port) => Arc::new(ClientConfig::clone(&self.config).server(bare(host), port)),
                Err(_) => Arc::clone(&self.config),
            },
            _ => Arc::clone(&self.config),
        }
    }

    #[cfg(feature = "tls")]
    fn equipped<S>(&self, client: Client<S>, policy: TlsPolicy) -> Result<Client<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if policy == TlsPolicy::None {
            return Ok(client);
        }
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, _)| host);
        let name = self.server_name.as_deref().unwrap_or_else(|| bare(host)).to_owned();
        let name = rustls::pki_types::ServerName::try_from(name)
            .map_err(|error| ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let (config, certificate) = match (&self.tls, policy) {
            (Some(config), TlsPolicy::Opportunistic) => (Arc::clone(config), Certificate::Unverified),
            (Some(config), _) => (Arc::clone(config), Certificate::Verified),
            (None, TlsPolicy::Opportunistic) => (crate::tls::any_certificate()?, Certificate::Unverified),
            (None, _) => (crate::tls::system_roots()?, Certificate::Verified),
        };
        Ok(client.with_tls(config, name, certificate))
    }

    #[cfg(not(feature = "tls"))]
    fn equipped<S>(&self, client: Client<S>, policy: TlsPolicy) -> Result<Client<S>, ConnectError> {
        match policy {
            TlsPolicy::None | TlsPolicy::Opportunistic => Ok(client),
            _ => Err(ConnectError::Tls(io::Error::other("built without the feature `tls`"))),
        }
    }

    /// A connection, and where it goes.
    async fn dial(&self) -> Result<(Socket, String), ConnectError> {
        #[cfg(unix)]
        if let Some(path) = self.host.strip_prefix("unix:") {
            return Ok((Socket::Unix(self.dial_unix(path).await?), self.host.clone()));
        }
        let (stream, address) = self.dial_tcp().await?;
        Ok((Socket::Tcp(stream), address.to_string()))
    }

    #[cfg(unix)]
    async fn dial_unix(&self, path: &str) -> Result<UnixStream, ConnectError> {
        let dialled = timeout(self.limit, UnixStream::connect(path)).await;
        let made = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        made.map_err(|source| ConnectError::Unreachable { address: self.host.clone(), source })
    }

    /// A connection to the first address that answers.
    async fn dial_tcp(&self) -> Result<(TcpStream, SocketAddr), ConnectError> {
        let found = self.host.to_socket_addrs().await;
        let addresses = found.map_err(|error| self.no_address(Some(error)))?;
        let mut last = None;
        for address in addresses.filter(|to| self.source.is_none_or(|from| from.is_ipv4() == to.is_ipv4())) {
            match timeout(self.limit, self.dial_one(address)).await {
                Ok(Ok(stream)) => {
                    // Commands go out in groups already; waiting for more would only delay them.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, address));
                }
                Ok(Err(error)) => last = Some((address, error)),
                Err(_) => last = Some((address, io::ErrorKind::TimedOut.into())),
            }
            if let Some((address, error)) = &last {
                unreachable(&self.host, *address, error);
            }
        }
        Err(match last {
            Some((address, source)) => ConnectError::Unreachable { address: address.to_string(), source },
            None => self.no_address(None),
        })
    }

    async fn dial_one(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let Some(source) = self.source else { return TcpStream::connect(address).await };
        let limit = self.limit;
        // The runtime has no connection from a chosen address.
        let made = spawn_blocking(move || -> io::Result<std::net::TcpStream> {
            let kind = (socket2::Domain::for_address(address), socket2::Type::STREAM);
            let socket = socket2::Socket::new(kind.0, kind.1, None)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
            socket.connect_timeout(&address.into(), limit)?;
            Ok(socket.into())
        });
        Ok(TcpStream::from(made.await?))
    }

    fn no_address(&self, source: Option<io::Error>) -> ConnectError {
        ConnectError::NoAddress { host: self.host.clone(), source }
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A session over any stream, read on until a message can be sent: a Unix socket, what a proxy has connected, a pipe in
    /// memory.
    ///
    /// # Errors
    /// When the server does not greet, refuses EHLO, or is gone.
    pub async fn over(stream: S, config: impl Into<Arc<ClientConfig>>) -> Result<Self, ConnectError> {
        Self::start(stream, config).opened(TlsPolicy::None, None).await
    }

    /// The same over a stream that is encrypted already; `certificate` says whether the server was verified.
    ///
    /// # Errors
    /// As [`over`](Self::over).
    pub async fn over_tls(
        stream: S,
        config: impl Into<Arc<ClientConfig>>,
        tls: TlsInfo,
        certificate: Certificate,
    ) -> Result<Self, ConnectError> {
        Self::start_over_tls(stream, config, tls, certificate).opened(TlsPolicy::None, None).await
    }

    /// Takes steps until the session is at rest.
    async fn opened(
        mut self,
        policy: TlsPolicy,
        credentials: Option<&Credentials>,
    ) -> Result<Self, ConnectError> {
        let mut asked = false;
        loop {
            match self.next().await? {
                Some(ClientStep::Ready(ready)) => {
                    let by_starttls = matches!(policy, TlsPolicy::Opportunistic | TlsPolicy::Required);
                    if !by_starttls || ready.session().tls().is_some() {
                        break;
                    }
                    match (asked, policy) {
                        (true, TlsPolicy::Required) => {
                            let reply = self.session.last_reply().clone();
                            return Err(ConnectError::StartTlsRefused(reply));
                        }
                        (false, TlsPolicy::Required) => ready.start_tls()?,
                        (false, _) if ready.session().offers(smtp_proto::wire::ehlo::Keyword::StartTls) => {
                            ready.start_tls()?;
                        }
                        _ => break,
                    }
                    asked = true;
                }
                Some(ClientStep::Close(_)) | None => return Err(self.why_closed()),
                Some(_) => {}
            }
        }
        if let Some(credentials) = credentials {
            self.auth(credentials).await?;
        }
        Ok(self)
    }

    /// The error that ended the session.
    pub(super) fn why_closed(&mut self) -> ConnectError {
        #[cfg(feature = "tls")]
        if let Some(error) = self.tls.as_mut().and_then(|tls| tls.error.take()) {
            return ConnectError::Tls(error);
        }
        let reason = self.session.close_reason().unwrap_or(CloseReason::Idle);
        let reply = self.session.last_reply();
        let reply = (reply.code() != 0).then(|| reply.clone());
        ConnectError::Closed { reason, reply }
    }

    /// Ends the stream, with TLS's farewell where there is TLS.
    pub(super) async fn close(mut self) {
        let limit = self.session.config().waits().quit;
        let _ = timeout(limit, self.stream.close()).await;
    }
}
