//! Life under a service manager, as systemd has it: sockets that it has bound, and what it is told.
//!
//! Without one all of this does nothing.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::config::{Config, Kind, Place};
use crate::failure::{Failure, Kind as FailureKind};

/// Sockets that were bound before the server began, by their names (`FileDescriptorName=`).
#[derive(Debug, Default)]
pub(crate) struct Sockets(Vec<(String, Given)>);

/// One of them.
#[derive(Debug)]
pub(crate) enum Given {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Sockets {
    /// Those that are there for us. To be called once, while the process has one thread: it takes them out of the
    /// environment.
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..given.len() {
            let name = names.next().unwrap_or_default();
            let unix = given.take_unix_listener(at).ok().flatten().map(Given::Unix);
            let socket = match unix {
                Some(socket) => Some(socket),
                None => given.take_tcp_listener(at).map_err(|error| wrong(&name, &error))?.map(Given::Tcp),
            };
            sockets.extend(socket.map(|socket| (name, socket)));
        }
        Ok(Self(sockets))
    }

    /// The socket for a listener of this kind: the first that bears its name, and is not taken.
    pub(crate) fn take(&mut self, kind: Kind) -> Option<Given> {
        let at = self.0.iter().position(|(name, _)| name == kind.word())?;
        Some(self.0.remove(at).1)
    }

    /// All of them have to find their listener: who binds a port wants it served.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Failure> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            let listeners = config.listener.iter().filter(|listener| listener.kind.word() == name).count();
            let before = self.0[..at].iter().filter(|(other, _)| other == name).count();
            if before >= listeners {
                let what = format!(
                    "the service manager gives a socket named `{name}`, and no [[listener]] wants it"
                );
                return Err(Failure::new(FailureKind::Config, what).help(
                    "a socket's name (FileDescriptorName=) is the `kind` of its [[listener]]: mx, submission, \
                     submissions or lmtp",
                ));
            }
        }
        Ok(())
    }
}

fn wrong(name: &str, error: &std::io::Error) -> Failure {
    let what = format!("the service manager's socket `{name}`: {error}");
    Failure::new(FailureKind::Config, what).help("want ListenStream= with an address and port, or a path")
}

impl Given {
    /// Where it listens.
    pub(crate) fn place(&self) -> std::io::Result<Place> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Place::Tcp),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(Place::Unix(address.as_pathname().unwrap_or("".as_ref()).to_owned()))
            }
        }
    }
}

/// It listens, or has its new settings.
pub(crate) fn ready(listeners: usize) {
    let status = format!("Listening on {listeners}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// It reads its settings again; [`ready`] follows.
pub(crate) fn reloading() {
    let now = NotifyState::monotonic_usec_now().ok();
    tell(&[Some(NotifyState::Reloading), now].into_iter().flatten().collect::<Vec<_>>());
}

/// It ends, once what runs is done.
pub(crate) fn stopping(open: usize) {
    let status = format!("Waiting for {open} sessions");
    tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

/// Says that it is alive as often as is asked for, from a task: so it is if tasks still run. Without anybody who
/// asks, it returns.
pub(crate) async fn keep_alive() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    // Half of it, as sd_watchdog_enabled(3) advises.
    let mut ticks = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(what: &[NotifyState<'_>]) {
    // Whoever does not listen will notice by other means.
    let _ = sd_notify::notify(what);
}
