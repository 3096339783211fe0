//! Connections to hosts, kept for the next message.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use smtp_tokio::client::{CloseReason, ConnectError, Lease, Wait};
use smtp_tokio::{Client, ClientConfig, Credentials, Pool, ReplyBuf, TlsPolicy};
use tokio::time::Instant;

use super::down::Down;
use super::ledger::{Family, HostFailure};
use super::settings::RelaySettings;
use crate::config::RouteTls;
use crate::dns::Route;
use crate::failed::Newest;
use crate::log::Log;
use crate::queue::Said;

/// Pools that are kept though nothing goes over them; one without connections is some hundred octets.
const POOLS: usize = 1_000;

/// One address of one host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) tls: TlsPolicy,
    /// Who logs in there.
    pub(super) login: Option<Login>,
    /// The settings name the host: what is wrong with it is the operator's to put right.
    pub(super) is_named: bool,
}

/// A name, and the secret that goes with it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) secret: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Target {
    pub(super) const fn family(&self) -> Family {
        match self.address {
            SocketAddr::V4(_) => Family::V4,
            SocketAddr::V6(_) => Family::V6,
        }
    }
}

/// Why there is no connection that a message can be sent over, and what was said until then.
pub(super) struct NoLease {
    pub(super) failure: HostFailure,
    pub(super) wire: Option<String>,
}

/// Everybody's connections.
#[derive(Debug)]
pub(crate) struct Hosts {
    config: Arc<ClientConfig>,
    settings: RelaySettings,
    pools: Mutex<HashMap<Target, (Pool, Newest)>>,
    down: Down,
    log: Log,
}

impl Hosts {
    pub(crate) fn new(config: ClientConfig, settings: RelaySettings, log: Log) -> Self {
        let answer = Duration::from_secs(settings.answer_seconds);
        let config = config.timeouts(|waits| {
            for wait in [&mut waits.greeting, &mut waits.hello, &mut waits.mail, &mut waits.rcpt] {
                *wait = answer;
            }
            waits.data_init = waits.data_init.min(answer);
            waits.data_block = waits.data_block.min(answer);
            waits.data_end = Duration::from_secs(settings.final_answer_seconds);
        });
        let down = Down::new(Duration::from_secs(settings.dead_host_seconds));
        Self { config: Arc::new(config), settings, pools: Mutex::default(), down, log }
    }

    /// How connections of a route are encrypted.
    pub(super) const fn policy(&self, tls: RouteTls, must_be_verified: bool) -> TlsPolicy {
        tls_policy(tls.settled(self.settings.tls), must_be_verified)
    }

    /// The addresses of a domain's hosts, in the order in which they are tried.
    pub(super) fn targets(&self, route: &Route, tls: TlsPolicy) -> Vec<Target> {
        let of_host = |host: &crate::dns::Host| {
            let target = |address: &IpAddr| Target {
                name: host.name.clone(),
                address: SocketAddr::new(*address, self.settings.port),
                tls,
                login: None,
                is_named: false,
            };
            host.addresses.iter().map(target).collect::<Vec<_>>()
        };
        self.usable(route.hosts.iter().flat_map(of_host).collect())
    }

    /// Those that can be tried: without those of a family that we have no address to send from.
    pub(super) fn usable(&self, mut targets: Vec<Target>) -> Vec<Target> {
        targets.retain(|target| self.has_source(target.address.ip()));
        targets
    }

    fn has_source(&self, to: IpAddr) -> bool {
        self.settings.source_addresses.is_empty() || self.source(to).is_some()
    }

    fn source(&self, to: IpAddr) -> Option<IpAddr> {
        self.settings.source_addresses.iter().copied().find(|from| from.is_ipv4() == to.is_ipv4())
    }

    /// Why an address is not to be asked now, where it could not be reached lately.
    pub(super) fn down(&self, target: &Target) -> Option<Said> {
        self.down.why(target.address, Instant::now())
    }

    /// Has each address asked again.
    pub(super) fn forget_down(&self) {
        self.down.forget();
    }

    /// A connection to an address, and a note whether there is somebody.
    pub(super) async fn connect(&self, target: &Target) -> Result<Lease, NoLease> {
        let connected = self.connect_to(target).await;
        match &connected {
            Err(NoLease { failure: HostFailure::Away(why), .. }) => {
                self.down.failed(target.address, why, Instant::now());
            }
            _ => self.down.reached(target.address),
        }
        connected
    }

    /// A connection to an address. Where TLS is for the asking and breaks, a new one in clear (RFC 7435).
    async fn connect_to(&self, target: &Target) -> Result<Lease, NoLease> {
        let (pool, mut newest) = self.pool(target);
        let made = match pool.lease().await {
            Err(error) if target.tls == TlsPolicy::Opportunistic && is_of_tls(&error) => {
                let clear = Target { tls: TlsPolicy::None, ..target.clone() };
                let (pool, of_clear) = self.pool(&clear);
                newest = of_clear;
                pool.lease().await
            }
            made => made,
        };
        made.map_err(|error| NoLease { wire: newest.until(&error), failure: self.failure(target, &error) })
    }

    fn failure(&self, target: &Target, error: &ConnectError) -> HostFailure {
        match failure(error) {
            // What such a host has against us does not concern this message: none is given back for it.
            HostFailure::Always(said) | HostFailure::NoMail(said) if target.is_named => {
                HostFailure::Now(Said { status: temporary(said.status), ..said })
            }
            failure => {
                if target.is_named {
                    self.complain(target, error);
                }
                failure
            }
        }
    }

    /// Tells the operator what only they can put right.
    fn complain(&self, target: &Target, error: &ConnectError) {
        let (what, hint) = match error {
            ConnectError::AuthFailed { reply, .. } if reply.is_permanent() => (
                "it refuses our name and secret",
                "set `user` and `secret` below [[route]] right, then: queue retry; mail waits meanwhile",
            ),
            ConnectError::AuthFailed { .. } => ("it can't log us in now", "mail waits until it can"),
            ConnectError::Auth(_) => (
                "it can't be logged in at",
                "see what it offers with `check`; nothing secret was sent; mail waits",
            ),
            ConnectError::NoStartTls(_) | ConnectError::StartTlsRefused(_) => (
                "it has no TLS",
                "see `tls` below [[route]], and the port; nothing secret was sent; mail waits",
            ),
            ConnectError::Tls(_) => (
                "its certificate is not right",
                "see whether `hosts` below [[route]] has the name that it is for; nothing secret was sent; mail waits",
            ),
            _ => return,
        };
        self.tell(target, what, causes(error), hint);
    }

    /// Tells the operator that a smart host answers mail by asking for a log-in.
    pub(super) fn wants_log_in(&self, target: &Target, said: &Said) {
        let hint = "set `user` and `secret` below [[route]], which need TLS, then: queue retry; mail waits meanwhile";
        self.tell(target, "it wants us to log in", &said.text, hint);
    }

    fn tell(&self, target: &Target, what: &str, error: impl Display, hint: &str) {
        let event = self.log.event("smart-host").field("host", &target.name).field("ip", target.address);
        event
            .maybe("user", target.login.as_ref().map(|login| &login.user))
            .field("what", what)
            .field("error", error)
            .field("hint", hint);
    }

    fn pool(&self, target: &Target) -> (Pool, Newest) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= POOLS && !pools.contains_key(target) {
            pools.retain(|_, (pool, _)| {
                let stats = pool.stats();
                stats.idle + stats.busy + stats.waiting > 0
            });
        }
        pools.entry(target.clone()).or_insert_with(|| self.new_pool(target)).clone()
    }

    fn new_pool(&self, target: &Target) -> (Pool, Newest) {
        let name = target.name.trim_start_matches('[').trim_end_matches(']');
        let mut connect = Client::to(target.address.to_string(), Arc::clone(&self.config))
            .tls(target.tls)
            .server_name(name)
            .connect_timeout(Duration::from_secs(self.settings.connect_seconds));
        if let Some(login) = &target.login {
            connect = connect.credentials(Credentials::password(&login.user, &login.secret));
        }
        if let Some(source) = self.source(target.address.ip()) {
            connect = connect.local_addr(source);
        }
        let newest = Newest::default();
        let pool = Pool::to(newest.record(connect))
            .connections(self.settings.connections_per_host)
            .messages_each(self.settings.messages_per_connection)
            .idle(Duration::from_secs(self.settings.idle_seconds))
            .build();
        (pool, newest)
    }

    /// Says QUIT wherever nothing is going on.
    pub(super) async fn close_idle(&self) {
        let pools: Vec<_> =
            self.pools.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        futures_util::future::join_all(pools.iter().map(|(pool, _)| pool.close_idle())).await;
    }
}

/// The same in the client's words.
pub(crate) const fn tls_policy(tls: RouteTls, must_be_verified: bool) -> TlsPolicy {
    match tls {
        RouteTls::Implicit => TlsPolicy::Implicit,
        _ if must_be_verified => TlsPolicy::Required,
        RouteTls::Off => TlsPolicy::None,
        RouteTls::Auto | RouteTls::Opportunistic => TlsPolicy::Opportunistic,
        RouteTls::Required => TlsPolicy::Required,
    }
}

/// The same trouble, as one that passes.
pub(super) const fn temporary((_, subject, detail): (u8, u16, u16)) -> (u8, u16, u16) {
    (4, subject, detail)
}

/// An error and what led to it.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether STARTTLS broke the connection where it was not refused: without a handshake, or without an end of one.
fn is_of_tls(error: &ConnectError) -> bool {
    use smtp_tokio::client::Sent;
    match error {
        ConnectError::Tls(_) => true,
        ConnectError::Closed { reason, .. } => matches!(
            reason,
            CloseReason::TlsFailed
                | CloseReason::PeerGone(Sent::StartTls)
                | CloseReason::Timeout(Wait::StartTls | Wait::Handshake)
        ),
        _ => false,
    }
}

/// Why there is no connection, and for how long that is likely.
fn failure(error: &ConnectError) -> HostFailure {
    let ours = |status: (u8, u16, u16), text: String| {
        let (class, subject, detail) = status;
        HostFailure::Now(Said::ours(status, format!("451 {class}.{subject}.{detail} {text}")))
    };
    match error {
        ConnectError::Closed { reason, reply: Some(reply) } if !reply.is_positive() => said(*reason, reply),
        ConnectError::Unreachable { address, source } => HostFailure::Away(Said::ours(
            (4, 4, 1),
            format!("451 4.4.1 No connection to {address}: {source}"),
        )),
        ConnectError::Closed { reason: CloseReason::Timeout(Wait::Greeting), .. } => {
            HostFailure::Away(Said::ours((4, 4, 2), format!("451 4.4.2 {error}")))
        }
        ConnectError::NoStartTls(_) => {
            HostFailure::NoTls(Said::ours((4, 7, 4), format!("451 4.7.4 TLS is required: {error}")))
        }
        ConnectError::StartTlsRefused(_) => ours((4, 7, 4), format!("TLS is required: {error}")),
        ConnectError::Tls(source) => ours((4, 7, 5), format!("TLS is required: {source}")),
        // Whatever is wrong with the credentials is ours to put right; no mail comes back for it.
        ConnectError::AuthFailed { reply, .. } => {
            HostFailure::Now(Said { status: (4, 7, 8), ..Said::theirs(reply) })
        }
        ConnectError::Auth(_) => ours((4, 7, 0), error.to_string()),
        _ => ours((4, 4, 2), error.to_string()),
    }
}

fn said(reason: CloseReason, reply: &ReplyBuf) -> HostFailure {
    match reason {
        CloseReason::Unwelcome(556) => HostFailure::NoMail(Said::theirs(reply)),
        CloseReason::Unwelcome(_) | CloseReason::HelloRefused(_) if reply.is_permanent() => {
            HostFailure::Always(Said::theirs(reply))
        }
        _ if reply.is_permanent() => HostFailure::Now(Said { status: (4, 4, 2), ..Said::theirs(reply) }),
        _ => HostFailure::Now(Said::theirs(reply)),
    }
}
