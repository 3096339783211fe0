//! From settings to running listeners, and back to rest.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smtp_proto::server::ServerConfig;
use smtp_proto::wire::leniency::Leniency;
use smtp_tokio::{Handle, Server};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::directory::{Directory, User};
use crate::failure::{Failure, Kind};
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
    banner: impl FnOnce(&[SocketAddr], &Directory) -> Option<String>,
) -> Result<(), Failure> {
    let directory = directory(config);
    let store = Maildirs::new(RealDisk, &config.data, &config.hostname);
    store.prepare(&directory.users()).map_err(|(folder, error)| no_folder(&folder, &error))?;
    let session = session_config(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start threads: {error}")))?;
    let result = runtime.block_on(async {
        let signals = Signals::new()?;
        let servers = bind(config, session).await?;
        let text = banner(&addresses(&servers)?, &directory);
        for address in addresses(&servers)? {
            log.event("listening").field("address", address);
        }
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
        let handles = servers.iter().map(Server::handle).collect();
        tokio::spawn(signals.watch(handles, log.clone()));
        serve_all(servers, &service).await
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

fn session_config(config: &Config) -> Result<Arc<ServerConfig>, Failure> {
    let session = ServerConfig::new(&config.hostname)
        .map_err(|error| Failure::new(Kind::Config, format!("hostname `{}`: {error}", config.hostname)))?;
    let ours = &config.limits;
    Ok(Arc::new(session.leniency(Leniency::SUBMISSION).limits(|limits| {
        limits.message = ours.message_octets;
        limits.recipients = ours.recipients;
        limits.command = Duration::from_secs(ours.idle_seconds);
    })))
}

async fn bind(config: &Config, session: Arc<ServerConfig>) -> Result<Vec<Server>, Failure> {
    let mut servers = Vec::new();
    for listener in &config.listener {
        let server = Server::builder(Arc::clone(&session))
            .max_connections(config.limits.connections)
            .max_per_address(config.limits.connections_per_address)
            .drain(Duration::from_secs(config.limits.drain_seconds))
            .bind(listener.address)
            .await
            .map_err(|error| not_bound(listener.address, &error))?;
        servers.push(server);
    }
    Ok(servers)
}

fn addresses(servers: &[Server]) -> Result<Vec<SocketAddr>, Failure> {
    let addresses = servers.iter().map(Server::local_addr).collect::<io::Result<_>>();
    addresses.map_err(|error| Failure::new(Kind::System, format!("can't tell where it listens: {error}")))
}

/// Runs every listener until all are done; the first that breaks ends the others too.
async fn serve_all(servers: Vec<Server>, service: &Arc<Service>) -> Result<(), Failure> {
    let handles: Vec<_> = servers.iter().map(Server::handle).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for server in servers {
        let service = Arc::clone(service);
        tasks.spawn(server.serve(move |connection| Arc::clone(&service).serve(connection)));
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

fn no_folder(folder: &Path, error: &io::Error) -> Failure {
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

fn not_bound(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::new(Kind::Unavailable, format!("can't listen on {address}: {error}"));
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

/// What `demo` says at its start.
pub(crate) fn demo_banner(config: &Config, address: SocketAddr, directory: &Directory) -> String {
    let mut text =
        format!("\nMail for {} is taken on {address}. It lands in:\n\n", config.domains.join(", "));
    for user in directory.users() {
        for domain in &config.domains {
            let folder: PathBuf = config.data.join(&user.mailbox).join("new");
            text.push_str(&format!("  {:<28} {}\n", format!("{}@{domain}", user.name), folder.display()));
        }
    }
    let first = config.data.join("alice").join("new");
    text.push_str(&format!(
        "\nSend one:  swaks --server {address} --to alice@example.test\n\
         Read it:   cat {}/*\n\
         End:       Ctrl-C, once running transactions are finished; twice, at once\n",
        first.display()
    ));
    text
}
