//! From settings to running listeners, and back to rest.

mod attend;
mod certificate;
mod pressed;
mod reload;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smtp_tokio::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use self::certificate::Shown;
use self::reload::{Running, Tests};
use crate::config::{Config, Place};
use crate::dns::{Ourselves, Resolver, ResolverSettings};
use crate::failed::Failed;
use crate::failure::{Failure, Kind as FailureKind};
use crate::gate::{Action, Gate};
use crate::held::Held;
use crate::listen::Door;
use crate::live::Live;
use crate::log::Log;
use crate::mailroom::{self, Waiting};
use crate::metrics::{self, Sources};
use crate::people::People;
use crate::pressure::{Budget, Groups, Pressure};
use crate::queue_id::QueueIds;
use crate::scan::Scanners;
use crate::session::Service;
use crate::store::{Maildirs, RealDisk};
use crate::systemd::{self, Sockets};
use crate::tls::Pair;

/// How long the process waits at its end for a disk that does not answer.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// How often the users' file and the certificate's files are looked at: what `user passwd` said holds a second later, a
/// new certificate after two.
const WATCH: Duration = Duration::from_secs(1);

/// The exit code after a second Ctrl-C or SIGTERM: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// Runs until a signal ends it. `source` is the file that SIGHUP has it read again; `banner` gets the addresses it
/// listens on. Listeners take their `sockets`, and bind what is not among them.
pub(crate) fn run(
    people: People,
    waiting: Waiting,
    log: &Log,
    tls: Option<Pair>,
    mut sockets: Sockets,
    source: Option<&Path>,
    banner: impl FnOnce(&[Door], &People) -> Option<String>,
) -> Result<(), Failure> {
    let people = Arc::new(people);
    let config = people.config();
    let store = Arc::new(Maildirs::new(RealDisk, &config.data, &config.hostname));
    store.prepare(&people.known().directory.users()).map_err(|(folder, error)| no_folder(&folder, &error))?;
    let opened = mailroom::open(&people, waiting, log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::System, format!("can't start threads: {error}")))?;
    let result = runtime.block_on(async {
        let (signals, hang_up) = (Signals::new()?, listen_for(SignalKind::hangup())?);
        let ids = Arc::new(QueueIds::new());
        let (pressure, failed) = (pressure(&config, log), Arc::<Failed>::default());
        let (mailroom, writer) = mailroom::begin(
            opened,
            &people,
            Arc::<Maildirs<_>>::clone(&store),
            &ids,
            &pressure,
            &failed,
            log,
        )?;
        let mut doors = Vec::new();
        for listener in &config.listener {
            let given = sockets.take(listener.kind);
            doors.push(Door::open(&people, listener, given, tls.as_ref().map(|pair| &pair.config)).await?);
        }
        let figures = match config.metrics.listen.place() {
            Some(Place::Tcp(address)) => Some(metrics::bind(*address).await?),
            _ => None,
        };
        let text = banner(&doors, &people);
        for door in &doors {
            log.event("listening").field("kind", door.kind).field("address", &door.place);
        }
        if let Some(address) = figures.as_ref().and_then(|listener| listener.local_addr().ok()) {
            log.event("listening").field("kind", "metrics").field("address", address);
        }
        log.event("ready").field("listeners", doors.len());
        systemd::ready(doors.len());
        tokio::spawn(systemd::keep_alive());
        if let Some(text) = text {
            log.text(text);
        }
        let gate = gate(&config, log)?;
        let tests = Tests::default();
        tests.begin(Arc::clone(&gate));
        let held = Held::open(&mailroom.queue)
            .map_err(|error| mailroom::broken(&mailroom::folder(&config.data), &error))?;
        let service = Arc::new(Service {
            host: config.hostname.clone(),
            gate: Live::new(gate),
            people: Arc::clone(&people),
            queue: mailroom.queue.clone(),
            held: held.clone(),
            scanners: Live::new(Scanners::new(config.scan.clone(), log.clone())),
            ids,
            pressure: Arc::clone(&pressure),
            failed,
            log: log.clone(),
        });
        tokio::spawn(held.watch(mailroom.queue.clone(), Arc::clone(&people), log.clone()));
        let handles = doors.iter().map(Door::handle).collect();
        tokio::spawn(signals.watch(handles, Arc::clone(&pressure), log.clone()));
        let handles: Vec<_> = doors.iter().map(|door| (door.kind, door.handle())).collect();
        let shown = Arc::new(Shown::new(tls, handles.clone()));
        let running = Arc::new(Running {
            service: Arc::clone(&service),
            doors: handles,
            shown: Arc::clone(&shown),
            store,
            source: source.map(Path::to_owned),
            tests,
        });
        if let Some(listener) = figures {
            let sources = Sources {
                people: Arc::clone(&people),
                queue: mailroom.queue.clone(),
                doors: running.doors.clone(),
                shown,
                pressure,
            };
            tokio::spawn(metrics::serve(listener, Arc::new(sources)));
        }
        tokio::spawn(Arc::clone(&running).watch_hang_up(hang_up));
        tokio::spawn(Arc::clone(&running).watch_certificate());
        tokio::spawn(Arc::clone(&running).watch_users());
        tokio::spawn(running.watch_pressure());
        let served = serve_all(doors, &service).await;
        mailroom.end().await;
        served.map(|()| writer)
    });
    runtime.shutdown_timeout(LAST_WRITES);
    // By now nobody is left who writes.
    let result = result.and_then(|writer| {
        let closed = writer.finish(LAST_WRITES);
        closed.map_err(|error| mailroom::broken(&mailroom::folder(&config.data), &error))
    });
    log.event("stopped");
    result
}

/// What is looked at when somebody connects. DNS is set up only if something is to be asked.
fn gate(config: &Config, log: &Log) -> Result<Arc<Gate>, Failure> {
    let asks = !config.blocklist.is_empty() || config.checks.reverse_dns != Action::Off;
    let dns = asks.then(|| Resolver::new(&ResolverSettings::from(&config.dns))).transpose()?;
    let names = config.domains.iter().chain([&config.hostname]).cloned();
    let ourselves = Ourselves::new(names, config.dns.own_addresses.clone());
    Ok(Gate::new(config.checks.clone(), config.blocklist.clone(), ourselves, dns, log))
}

/// Divides the descriptors, and says how; and what the control group may have of memory, if that is bounded.
fn pressure(config: &Config, log: &Log) -> Arc<Pressure> {
    let budget = Budget::take(config.listener.len(), config.queue.deliveries);
    let event = log.event("descriptors").field("limit", budget.limit);
    event.field("sessions", budget.sessions).field("deliveries", budget.deliveries);
    let groups = Groups::ours();
    if let Some(usage) = groups.usage() {
        log.event("memory").field("group-limit-mib", usage.limit >> 20).field("used-mib", usage.used >> 20);
    }
    Pressure::new(&config.data, budget, groups)
}

/// Runs every listener until all are done; the first that breaks ends the others too.
async fn serve_all(doors: Vec<Door>, service: &Arc<Service>) -> Result<(), Failure> {
    let handles: Vec<_> = doors.iter().map(Door::handle).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for Door { kind, server, .. } in doors {
        tasks.spawn(attend::attend(kind, server, Arc::clone(service)));
    }
    let mut result = Ok(());
    while let Some(done) = tasks.join_next().await {
        match done.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(0) => {}
            Ok(cut_off) => drop(service.log.event("cut-off").field("sessions", cut_off)),
            Err(error) => {
                result = Err(Failure::new(FailureKind::Io, format!("a listener broke: {error}")));
                service.pressure.places.close();
                handles.iter().for_each(Handle::shut_down);
            }
        }
    }
    result
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind)
        .map_err(|error| Failure::new(FailureKind::System, format!("can't watch for signals: {error}")))
}

/// The signals that end the server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen_for(SignalKind::interrupt())?,
            terminate: listen_for(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The first signal lets running transactions finish, the second does not wait for anything.
    async fn watch(mut self, servers: Vec<Handle>, pressure: Arc<Pressure>, log: Log) {
        self.next().await;
        let open: usize = servers.iter().map(Handle::connections).sum();
        log.event("stopping").field("open", open);
        systemd::stopping(open);
        pressure.places.close();
        servers.iter().for_each(Handle::shut_down);
        self.next().await;
        std::process::exit(INTERRUPTED);
    }
}

pub(crate) fn no_folder(folder: &Path, error: &io::Error) -> Failure {
    let what = format!("can't make the mailbox {}: {error}", folder.display());
    let failure = Failure::new(FailureKind::CantCreate, what);
    match error.kind() {
        io::ErrorKind::PermissionDenied => failure.help(
            "let the user that runs the server write there, or choose another folder with --data or `data`",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            failure.help("a file is in its way: move it, or choose another folder with --data or `data`")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failure.help("make room there"),
        io::ErrorKind::ReadOnlyFilesystem => failure.help("choose a folder that can be written to"),
        _ => failure.help("is `data` (or --data) the folder that was meant?"),
    }
}
