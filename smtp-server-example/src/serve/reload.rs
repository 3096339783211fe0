//! What a running server can be told anew.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use smtp_proto::server::ServerConfig;
use smtp_tokio::Handle;
use tokio::signal::unix::Signal;
use tokio::task::JoinHandle;

use super::{Shown, gate, no_folder};
use crate::config::{Config, Kind};
use crate::failure::Failure;
use crate::gate::Gate;
use crate::listen;
use crate::log::Log;
use crate::people::{Known, Stamp};
use crate::pressure;
use crate::scan::Scanners;
use crate::session::Service;
use crate::store::{Maildirs, RealDisk};
use crate::{systemd, tls};

/// Everything that new settings reach.
pub(super) struct Running {
    pub(super) service: Arc<Service>,
    pub(super) doors: Vec<(Kind, Handle)>,
    pub(super) shown: Arc<Shown>,
    pub(super) store: Arc<Maildirs<RealDisk>>,
    /// The settings' file; a demonstration has none.
    pub(super) source: Option<PathBuf>,
    pub(super) tests: Tests,
}

/// The task that tests blocklists.
#[derive(Debug, Default)]
pub(super) struct Tests(Mutex<Option<JoinHandle<()>>>);

impl Tests {
    /// Tests those of `gate` from now on, and no others.
    pub(super) fn begin(&self, gate: Arc<Gate>) {
        let task = tokio::spawn(gate.watch());
        if let Some(before) = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(task) {
            before.abort();
        }
    }
}

impl Running {
    /// Reads settings and certificate again at SIGHUP, for connections from then on.
    pub(super) async fn watch_hang_up(self: Arc<Self>, mut hang_up: Signal) {
        while hang_up.recv().await.is_some() {
            // Nothing here waits for a peer, but it reads files.
            let running = Arc::clone(&self);
            systemd::reloading();
            let _ = tokio::task::spawn_blocking(move || running.reload()).await;
            systemd::ready(self.doors.len());
        }
    }

    /// Reads the users' file again when it has changed, and offers what they can log in with by then.
    pub(super) async fn watch_users(self: Arc<Self>) {
        let people = &self.service.people;
        let Some(file) = people.file() else { return };
        let mut seen = people.stamp();
        let mut ticks = tokio::time::interval(super::WATCH);
        loop {
            ticks.tick().await;
            let now = Some(Stamp::of(file));
            if std::mem::replace(&mut seen, now.clone()) == now {
                continue;
            }
            let config = people.config();
            match people.renew(&config, |known| self.offer(known)) {
                Ok(()) => drop(self.log().event("users-read").field("file", file.display())),
                Err(error) => drop(self.log().event("users-not-read").field("error", error)),
            }
        }
    }

    /// Reads the certificate and its key again when they have changed.
    pub(super) async fn watch_certificate(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(super::WATCH);
        loop {
            ticks.tick().await;
            // It reads files, and a disk may be slow.
            let running = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || running.look_at_certificate()).await;
        }
    }

    fn look_at_certificate(&self) {
        let config = self.service.people.config();
        match self.shown.look(&config.tls) {
            None => {}
            Some(Ok(())) => self.tell_certificate(&config),
            Some(Err(error)) => {
                let event = self.log().event("certificate-not-read").field("error", error);
                event.field("hint", "the certificate of before is shown");
            }
        }
    }

    fn tell_certificate(&self, config: &Config) {
        let event = self.log().event("certificate-read").field("file", config.tls.certificate.display());
        if let Some(Ok(ends)) = self.shown.ends().map(jiff::Timestamp::from_second) {
            event.field("ends", ends);
        }
    }

    /// All of it or nothing: after an error everything is as it was.
    fn reload(&self) {
        match self.try_reload() {
            Ok(()) => {}
            Err(error) => {
                let event = self.log().event("settings-not-read").field("error", error);
                event.field("hint", "the settings of before stay in force");
            }
        }
    }

    fn try_reload(&self) -> Result<(), Failure> {
        let people = &self.service.people;
        let before = people.config();
        let Some(source) = &self.source else {
            return Ok(());
        };
        let renewed = before.renewed(&Config::read_to_serve(source)?)?;
        let config = Arc::new(renewed.config);
        let certificate = tls::load(&config.tls)?;
        let looks = |config: &Config| {
            (config.checks.clone(), config.blocklist.clone(), config.dns.clone(), config.domains.clone())
        };
        let other_gate = (looks(&before) != looks(&config)).then(|| gate(&config, self.log())).transpose()?;
        people.renew(&config, |known| self.offer(known))?;
        // From here on nothing can fail.
        if let Some(gate) = other_gate {
            self.tests.begin(Arc::clone(&gate));
            self.service.gate.set(gate);
        }
        self.service.scanners.set(Scanners::new(config.scan.clone(), self.log().clone()));
        for (kind, door) in &self.doors {
            let bounds = pressure::bounds(&config.limits, *kind, self.service.pressure.level());
            door.reload_limits(config.limits.connections, bounds.per_address);
        }
        let is_read = certificate.is_some();
        if let Some(pair) = certificate {
            self.shown.show(pair);
        }
        let event = self.log().event("settings-read").field("file", source.display());
        event.field("changed", renewed.changed.join(","));
        if is_read {
            self.tell_certificate(&config);
        }
        if !renewed.waiting.is_empty() {
            let keys = renewed.waiting.join(",");
            self.log().event("warning").field("what", "needs a restart").field("keys", keys);
        }
        Ok(())
    }

    /// Makes the mailboxes of those who will be known, and has sessions from now on offer what they can log in with.
    fn offer(&self, known: &Known) -> Result<(), Failure> {
        let mechanisms = known.mechanisms();
        let level = self.service.pressure.level();
        let sessions =
            |(kind, _): &(Kind, Handle)| listen::sessions(known.config(), *kind, &mechanisms, level);
        let sessions: Vec<ServerConfig> = self.doors.iter().map(sessions).collect::<Result<_, _>>()?;
        self.store.prepare(&known.directory.users()).map_err(|(folder, error)| no_folder(&folder, &error))?;
        for ((_, door), sessions) in self.doors.iter().zip(sessions) {
            door.reload_sessions(sessions);
        }
        Ok(())
    }

    pub(super) fn log(&self) -> &Log {
        &self.service.log
    }
}
