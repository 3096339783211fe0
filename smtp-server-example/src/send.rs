//! `send`: messages to a server, and what became of each recipient.

mod messages;
mod newlines;
pub(crate) mod options;
mod progress;
mod report;
mod secret;
mod transcript;
mod trouble;
mod work;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smtp_proto::wire::content::SendNewlines;
use smtp_tokio::client::Timeouts;
use smtp_tokio::tls::{client_config, rustls};
use smtp_tokio::{Client, ClientConfig, Credentials, MailboxBuf, Pool};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::options::{Send, Server, When};
use self::progress::Progress;
use self::report::{Report, Style};
use self::work::{Done, Halt, Work, Worker};
use crate::failure::{Failure, Kind};

/// Outcomes that may wait to be printed.
const UNPRINTED: usize = 1_024;

/// How long disk and resolver may take at the end.
const LAST: Duration = Duration::from_millis(100);

/// Sends everything and prints what became of it.
pub(crate) fn run(options: &Send) -> Result<(), Failure> {
    let (config, tls) = (client(options)?, roots(options)?);
    let to = recipients(options)?;
    let messages = messages::read(options)?;
    let credentials = options.user.as_deref().map(|user| credentials(options, user)).transpose()?;
    let octets: u64 = messages.iter().map(|message| message.octets).sum();
    let is_wanted = !options.quiet && !options.json;
    let progress = Progress::new(octets.saturating_mul(options.count.get()), is_wanted);
    let pool = pool(options, config, tls, credentials)?;
    let work = Arc::new(Work::new(
        pool,
        options.from.0.clone(),
        to,
        messages,
        options.count.get(),
        progress.clone(),
    ));
    let style = Style { json: options.json, verbose: options.verbose, quiet: options.quiet };
    let mut report = Report::new(report::stdout(), style);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start threads: {error}")))?;
    let begun = Instant::now();
    let halted = runtime.block_on(send_all(&work, usize::from(options.connections.get()), &mut report));
    let took = begun.elapsed();
    runtime.shutdown_timeout(LAST);
    progress.clear();
    let (left, failure) = left(&work);
    report.summary(took, left);
    if halted? != Halt::No {
        return Err(Failure::new(Kind::Interrupted, format!("interrupted: {left} messages were not begun")));
    }
    match failure {
        Some(failure) if left > 0 => Err(failure),
        _ => report.verdict(),
    }
}

/// How many messages nobody has begun, and why no connection could be made for them.
fn left(work: &Work) -> (u64, Option<Failure>) {
    let returned = work.returned();
    let left = work.total - work.begun() + returned.numbers.len() as u64;
    (left, returned.failure.as_deref().map(trouble::no_connection))
}

/// Runs connections until nothing is left to be sent, or they can't send it. Whether it was interrupted.
async fn send_all<W: std::io::Write>(
    work: &Arc<Work>,
    connections: usize,
    report: &mut Report<W>,
) -> Result<Halt, Failure> {
    let (halter, halt) = watch::channel(Halt::No);
    let watcher = tokio::spawn(watch_signals(
        halter,
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    ));
    let mut connections = connections;
    loop {
        let (sink, mut done) = mpsc::channel::<Done>(UNPRINTED);
        let mut workers = JoinSet::new();
        let left = work.total - work.begun() + work.returned().numbers.len() as u64;
        for _ in 0..connections.min(usize::try_from(left).unwrap_or(usize::MAX)) {
            workers.spawn(Worker::new(Arc::clone(work), halt.clone()).run(sink.clone()));
        }
        drop(sink);
        let before = work.begun();
        let mut sent = 0;
        while let Some(done) = done.recv().await {
            sent += 1;
            work.progress.aside(|| report.add(work, &done));
            work.progress.messages(before + sent, work.total);
            if report.is_broken() {
                break;
            }
        }
        while workers.join_next().await.is_some() {}
        // A server that takes fewer connections has left messages to those that it does take.
        let is_over = work.returned().numbers.is_empty() || sent == 0;
        if is_over || report.is_broken() || *halt.borrow() != Halt::No {
            break;
        }
        connections = 1;
    }
    work.pool.close_idle().await;
    watcher.abort();
    let halted = *halt.borrow();
    Ok(halted)
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(Kind::System, format!("can't watch for signals: {error}")))
}

/// The first signal lets what runs finish, the second lets go of it.
async fn watch_signals(halter: watch::Sender<Halt>, mut interrupt: Signal, mut terminate: Signal) {
    for halt in [Halt::Finish, Halt::Now] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        halter.send_replace(halt);
    }
}

/// How the client behaves.
fn client(options: &Send) -> Result<Arc<ClientConfig>, Failure> {
    let name = options.ehlo.clone().unwrap_or_else(host_name);
    let made = if options.lmtp { ClientConfig::lmtp(&name) } else { ClientConfig::new(&name) };
    let mut config = made.map_err(|error| {
        usage(format!("`{name}` is no name for EHLO: {error}"))
            .help("--ehlo sets it: a host's name, or an address in brackets as [192.0.2.1]")
    })?;
    // What was found wrong was refused before; what is left are files whose lines all end in LF.
    config = config.newlines(SendNewlines::Normalise);
    if let Some(seconds) = options.timeout {
        config = config.timeouts(|waits| every(waits, Duration::from_secs(seconds)));
    }
    if options.insecure || matches!(options.server, Server::Unix(_)) {
        config = config.insecure_credentials();
    }
    Ok(Arc::new(config))
}

fn every(waits: &mut Timeouts, limit: Duration) {
    let quit = waits.quit.min(limit);
    for wait in [
        &mut waits.greeting,
        &mut waits.hello,
        &mut waits.start_tls,
        &mut waits.handshake,
        &mut waits.auth,
        &mut waits.mail,
        &mut waits.rcpt,
        &mut waits.data_init,
        &mut waits.data_block,
        &mut waits.data_end,
        &mut waits.chunk,
        &mut waits.command,
    ] {
        *wait = limit;
    }
    waits.quit = quit;
}

/// This host's name, as far as it knows itself.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // A name that can't be one would make every server refuse us.
    if ClientConfig::new(&name).is_ok() { name } else { "[127.0.0.1]".to_owned() }
}

fn roots(options: &Send) -> Result<Option<Arc<rustls::ClientConfig>>, Failure> {
    let Some(file) = &options.ca else { return Ok(None) };
    let pem = fs::read(file).map_err(|error| unreadable(file, &error))?;
    let made = client_config(&pem);
    made.map(|config| Some(Arc::new(config))).map_err(|error| {
        let what = format!("no use for {}: {error}", file.display());
        Failure::new(Kind::NoInput, what).help("want PEM text, as `-----BEGIN CERTIFICATE-----` begins it")
    })
}

fn recipients(options: &Send) -> Result<Vec<MailboxBuf>, Failure> {
    let mut to = options.to.clone();
    if let Some(file) = &options.to_file {
        let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        for (number, line) in text.lines().enumerate().map(|(number, line)| (number, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            to.push(line.parse().map_err(|error| {
                let place = format!("{}:{}", file.display(), number + 1);
                Failure::new(Kind::Refused, format!("{place}: `{line}` is no mail address: {error}"))
                    .help("want one address a line, as alice@example.test")
            })?);
        }
        if to.is_empty() {
            return Err(Failure::new(Kind::NoInput, format!("no recipient in {}", file.display())));
        }
    }
    Ok(to)
}

fn credentials(options: &Send, user: &str) -> Result<Credentials, Failure> {
    Ok(Credentials::password(user, secret::password(options, user)?))
}

fn pool(
    options: &Send,
    config: Arc<ClientConfig>,
    tls: Option<Arc<rustls::ClientConfig>>,
    credentials: Option<Credentials>,
) -> Result<Pool, Failure> {
    if matches!(options.server, Server::Unix(_)) && options.when() != When::None {
        return Err(usage("--tls: there is no TLS on Unix sockets").help("leave --tls out"));
    }
    let mut connect = Client::to(options.address(), config).tls(options.when().into());
    if let Some(file) = &options.transcript {
        connect = connect.record(transcript::to(file)?);
    }
    if let Some(tls) = tls {
        connect = connect.tls_config(tls);
    }
    if let Some(name) = &options.server_name {
        connect = connect.server_name(name);
    }
    if let Some(credentials) = credentials {
        connect = connect.credentials(credentials);
    }
    if let Some(seconds) = options.timeout {
        connect = connect.connect_timeout(Duration::from_secs(seconds));
    }
    Ok(Pool::to(connect).connections(usize::from(options.connections.get())).build())
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::NoInput, format!("can't read {}: {error}", file.display()))
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::CantCreate, format!("can't write {}: {error}", file.display()))
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, what)
}
