//! From settings to running listeners, and back to rest.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smtp_tokio::Handle;
use smtp_tokio::tls::rustls;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::directory::{Directory, User};
use crate::failure::{Failure, Kind};
use crate::listen::Door;
use crate::log::Log;
use crate::queue_id::QueueIds;
use crate::session::Service;
use crate::store::{Maildirs, RealDisk};

/// How long the process waits at its end for a disk that does not answer.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// The exit code after a second Ctrl-C or SIGTERM: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// Runs until a signal ends it. `banner` gets the addresses it listens on.
pub(crate) fn run(
    config: &Config,
    log: &Log,
    tls: Option<Arc<rustls::ServerConfig>>,
    banner: impl FnOnce(&[Door], &Directory) -> Option<String>,
) -> Result<(), Failure> {
    let directory = directory(config);
    let store = Maildirs::new(RealDisk, &config.data, &config.hostname);
    store.prepare(&directory.users()).map_err(|(folder, error)| no_folder(&folder, &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start threads: {error}")))?;
    let result = runtime.block_on(async {
        let signals = Signals::new()?;
        let mut doors = Vec::new();
        for listener in &config.listener {
            doors.push(Door::open(config, listener, tls.as_ref()).await?);
        }
        let text = banner(&doors, &directory);
        for door in &doors {
            log.event("listening").field("kind", door.kind).field("address", &door.place);
        }
        log.event("ready").field("listeners", doors.len());
        if let Some(text) = text {
            log.text(text);
        }
        let service = Arc::new(Service {
            host: config.hostname.clone(),
            directory,
            store: Arc::new(store),
            ids: QueueIds::new(),
            log: log.clone(),
        });
        let handles = doors.iter().map(Door::handle).collect();
        tokio::spawn(signals.watch(handles, log.clone()));
        serve_all(doors, &service).await
    });
    end(runtime, log);
    result
}

fn end(runtime: Runtime, log: &Log) {
    runtime.shutdown_timeout(LAST_WRITES);
    log.event("stopped");
}

fn directory(config: &Config) -> Directory {
    let users = config.user.iter().map(|user| User { name: user.name.clone(), mailbox: user.folder() });
    Directory::new(config.domains.iter().cloned(), users)
}

/// Runs every listener until all are done; the first that breaks ends the others too.
async fn serve_all(doors: Vec<Door>, service: &Arc<Service>) -> Result<(), Failure> {
    let handles: Vec<_> = doors.iter().map(Door::handle).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for Door { kind, server, .. } in doors {
        let service = Arc::clone(service);
        tasks.spawn(server.serve(move |connection| Arc::clone(&service).serve(connection, kind)));
    }
    let mut result = Ok(());
    while let Some(done) = tasks.join_next().await {
        match done.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(0) => {}
            Ok(cut_off) => drop(service.log.event("cut-off").field("sessions", cut_off)),
            Err(error) => {
                result = Err(Failure::new(Kind::Io, format!("a listener broke: {error}")));
                handles.iter().for_each(Handle::shut_down);
            }
        }
    }
    result
}

/// The signals that end the server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Kind::System, format!("can't watch for signals: {error}")))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The first signal lets running transactions finish, the second does not wait for anything.
    async fn watch(mut self, servers: Vec<Handle>, log: Log) {
        self.next().await;
        let open: usize = servers.iter().map(Handle::connections).sum();
        log.event("stopping").field("open", open);
        servers.iter().for_each(Handle::shut_down);
        self.next().await;
        std::process::exit(INTERRUPTED);
    }
}

pub(crate) fn no_folder(folder: &Path, error: &io::Error) -> Failure {
    let what = format!("can't make the mailbox {}: {error}", folder.display());
    let failure = Failure::new(Kind::CantCreate, what);
    match error.kind() {
        io::ErrorKind::PermissionDenied => failure.help(
            "let the user that runs the server write there, or choose another folder with --data or `data`",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            failure.help("a file is in its way: move it, or choose another folder with --data or `data`")
        }
        io::ErrorKind::ReadOnlyFilesystem => failure.help("choose a folder that can be written to"),
        _ => failure,
    }
}
