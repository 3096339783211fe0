//! Listeners: each with the sessions that its clients get.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, Extension, ServerConfig};
use smtp_proto::wire::leniency::Leniency;
use smtp_tokio::tls::rustls;
use smtp_tokio::{Builder, Handle, Server};
use tokio::net::{TcpListener, UnixListener};

use crate::config::{Config, Kind, Listener, Place};
use crate::failure::{Failure, Kind as FailureKind};
use crate::people::People;
use crate::pressure::{self, Level};
use crate::systemd::Given;
use crate::tls;

/// A listener that is bound.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) kind: Kind,
    /// Where it listens; the real port where any was asked for.
    pub(crate) place: Place,
    pub(crate) server: Server,
}

impl Door {
    pub(crate) fn handle(&self) -> Handle {
        self.server.handle()
    }

    /// Binds a listener, unless it is given its socket.
    pub(crate) async fn open(
        people: &People,
        listener: &Listener,
        given: Option<Given>,
        certificate: Option<&Arc<rustls::ServerConfig>>,
    ) -> Result<Self, Failure> {
        let config = people.config();
        let session = sessions(&config, listener.kind, &people.known().mechanisms(), Level::Normal)?;
        let mut builder = Server::builder(session)
            .max_connections(config.limits.connections)
            .max_per_address(config.limits.connections_per_address)
            .drain(Duration::from_secs(config.limits.drain_seconds));
        for proxy in &listener.proxies {
            builder = builder.proxied_from(proxy.address, proxy.prefix);
        }
        builder = match certificate {
            Some(shown) if listener.kind == Kind::Submissions => builder.implicit_tls(Arc::clone(shown)),
            // A Unix socket leads nowhere that could be listened to.
            Some(shown) if matches!(listener.address, Place::Tcp(_)) => {
                builder.starttls(tls::of_kind(shown, listener.kind))
            }
            _ => builder,
        };
        if let Some(given) = given {
            let (server, place) = adopt(builder, given).map_err(|error| {
                let what = format!("can't listen on the service manager's socket: {error}");
                Failure::new(FailureKind::Unavailable, what)
            })?;
            return Ok(Self { kind: listener.kind, place, server });
        }
        let (server, place) = match &listener.address {
            Place::Tcp(address) => {
                let bound = builder.bind(address).await.map_err(|error| not_bound(*address, &error))?;
                let address = bound.local_addr().map_err(|error| {
                    Failure::new(FailureKind::System, format!("can't tell where it listens: {error}"))
                })?;
                (bound, Place::Tcp(address))
            }
            Place::Unix(path) => {
                let bound = builder.bind_unix(path).and_then(|bound| open_to_all(path).map(|()| bound));
                (bound.map_err(|error| no_socket(path, &error))?, listener.address.clone())
            }
        };
        Ok(Self { kind: listener.kind, place, server })
    }
}

/// How the sessions of a kind of listener behave, at a level of pressure.
pub(crate) fn sessions(
    config: &Config,
    kind: Kind,
    mechanisms: &[Mechanism],
    level: Level,
) -> Result<ServerConfig, Failure> {
    let named = match kind {
        Kind::Lmtp => ServerConfig::lmtp(&config.hostname),
        Kind::Mx | Kind::Submission | Kind::Submissions => ServerConfig::new(&config.hostname),
    };
    let mut session = named.map_err(|error| {
        Failure::new(FailureKind::Config, format!("hostname `{}`: {error}", config.hostname))
    })?;
    for extension in [Extension::Smtputf8, Extension::Chunking, Extension::Dsn, Extension::Limits] {
        session = session.offer(extension);
    }
    if kind.is_submission() {
        let when = if config.auth.allow_insecure_auth { AuthWhen::Always } else { AuthWhen::Tls };
        session = session.auth(mechanisms, when).require_auth();
    }
    let ours = &config.limits;
    let bounds = pressure::bounds(ours, kind, level);
    Ok(session.leniency(Leniency::SUBMISSION).limits(|limits| {
        limits.message = ours.message_octets;
        limits.recipients = ours.recipients;
        limits.command = bounds.idle;
        if let Some((errors, junk)) = bounds.faults {
            (limits.errors, limits.junk) = (errors, junk);
        }
    }))
}

/// Takes a socket that is bound already.
fn adopt(builder: Builder, given: Given) -> io::Result<(Server, Place)> {
    let place = given.place()?;
    let server = match given {
        Given::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            builder.listen(TcpListener::from_std(listener)?)
        }
        Given::Unix(listener) => {
            listener.set_nonblocking(true)?;
            builder.listen_unix(UnixListener::from_std(listener)?)
        }
    };
    Ok((server, place))
}

/// Lets every user of this machine connect: what comes here is for our mailboxes only, and its folder can bar whom
/// it wants.
fn open_to_all(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
}

fn no_socket(path: &Path, error: &io::Error) -> Failure {
    let failure =
        Failure::new(FailureKind::Unavailable, format!("can't listen on unix:{}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            failure.help("another program listens there: end it, or choose another path")
        }
        io::ErrorKind::NotFound => failure.help("its folder is missing: make it"),
        _ => failure,
    }
}

fn not_bound(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::new(FailureKind::Unavailable, format!("can't listen on {address}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.help(format!(
            "another program has port {port}: end it, or choose another port with --listen or `address` (port 0 takes \
             a free one).\nTo see which program it is: ss -ltnp 'sport = :{port}'",
            port = address.port()
        )),
        io::ErrorKind::PermissionDenied => failure.help(
            "ports below 1024 need the right CAP_NET_BIND_SERVICE: choose a higher port, or give the right to the \
             service",
        ),
        io::ErrorKind::AddrNotAvailable => {
            failure.help("this machine does not have that address: 127.0.0.1 is itself, 0.0.0.0 and [::] are all it has")
        }
        _ => failure,
    }
}
