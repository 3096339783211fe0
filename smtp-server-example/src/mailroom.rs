//! The queue of this server, tied to its people.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use smtp_proto::wire::path::Mailbox;
use smtp_tokio::ClientConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::directory::Found;
use crate::dns::history::DOMAINS;
use crate::dns::{Resolver, ResolverSettings, Router, RouterSettings};
use crate::failed::Failed;
use crate::failure::{Failure, Kind};
use crate::log::Log;
use crate::people::People;
use crate::pressure::Pressure;
use crate::queue::{
    self, Lmtp, Local, Mailboxes, NewDelivery, NewRcpt, Nowhere, Onward, Opened, Policy, Queue, Request,
    RouteKey, StoreError, Surroundings, Transport, Trouble, WriterThread,
};
use crate::queue_id::QueueIds;
use crate::recipients::Recipients;
use crate::relay::{Hosts, Relay};
use crate::store::{RealDisk, Store};

/// The queue's folder below the mail folder. No user's mailbox has that name unless somebody wants it so.
const FOLDER: &str = ".queue";

/// The longest that a delivery by LMTP waits for one thing: ten minutes for the answer to a final dot (RFC 5321
/// §4.5.3.2.6), and as much before for all else.
const LMTP_WAIT: Duration = Duration::from_secs(1_200);

/// What a delivery may take longer than its longest wait before it is given up: what it waits for is late, and it is not.
const SPARE: Duration = Duration::from_secs(60);

pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// What becomes of the mail that a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It is tried when it is time.
    Tried,
    /// It is left to the operator: much of a queue from a backup was delivered since.
    Held,
}

/// Opens the queue, so that a fault of it shows before anything listens.
pub(crate) fn open(people: &People, waiting: Waiting, log: &Log) -> Result<Opened, Failure> {
    let config = people.config();
    let folder = folder(&config.data);
    let opened = queue::open(&folder, &config.hostname, &Policy::from(&config.queue), Timestamp::now());
    let mut opened = opened.map_err(|error| broken(&folder, &error))?.ok_or_else(|| {
        let what = format!("another server has the queue in {}", folder.display());
        Failure::new(Kind::Unavailable, what).help("end it, or choose another folder with --data or `data`")
    })?;
    let start = &opened.start;
    for (delivery, why) in &start.held {
        let event = log.event("held").maybe("id", opened.message_of(*delivery));
        event.field("delivery", delivery).field("why", why);
    }
    // Their hosts may get these twice.
    for unknown in &start.unknown {
        let event = log.event("unknown").field("id", &unknown.message);
        event.field("delivery", unknown.delivery).field("via", &unknown.route);
    }
    log.event("queue")
        .field("epoch", start.epoch)
        .field("waiting", start.adopted)
        .field("unknown", start.unknown.len())
        .field("swept", opened.swept)
        .field("closed", if start.clean { "in-order" } else { "not" });
    // Behind what the last run left: what may have been delivered is marked so for whoever looks it over.
    if waiting == Waiting::Held {
        let messages = opened.hold_all(Timestamp::now()).map_err(|error| broken(&folder, &error))?;
        log.event("ordered").field("verb", "hold").field("messages", messages);
    }
    Ok(opened)
}

/// The queue at work.
pub(crate) struct Mailroom {
    pub(crate) queue: Queue,
    stop: watch::Sender<bool>,
    runner: JoinHandle<()>,
}

/// Starts what works at the queue; to be called where tasks can be started.
pub(crate) fn begin(
    opened: Opened,
    people: &Arc<People>,
    store: Arc<dyn Store>,
    ids: &Arc<QueueIds>,
    pressure: &Arc<Pressure>,
    failed: &Arc<Failed>,
    log: &Log,
) -> Result<(Mailroom, WriterThread), Failure> {
    let config = people.config();
    let mut policy = Policy::from(&config.queue);
    policy.at_once = policy.at_once.min(pressure.deliveries);
    let folder = folder(&config.data);
    let broken = |error: StoreError| broken(&folder, &error);
    let control = queue::listen(&folder).map_err(|error| broken(error.into()))?;
    let (known, lists) = (Arc::clone(people), Arc::clone(people));
    let with = Surroundings {
        host: config.hostname.clone(),
        policy,
        log: log.clone(),
        ids: Arc::clone(ids),
        ways: Arc::new(move |rcpt| ways(&known, rcpt)),
        onward: Arc::new(move |address| onward(&lists, address)),
        local: Arc::new(mailboxes(store, people, &opened)?),
        remote: remote(people, &opened, log)?,
        patience: config.relay.longest_wait().max(LMTP_WAIT) + SPARE,
    };
    let (queue, runner, writer) = opened.begin(with, Timestamp::now()).map_err(broken)?;
    let (stop, stopped) = watch::channel(false);
    let drain = Duration::from_secs(config.limits.drain_seconds);
    let runner = tokio::spawn(runner.run(stopped, drain));
    let shown = (Arc::clone(people), Arc::clone(pressure), queue.clone(), Arc::clone(failed));
    let elsewhere = Arc::new(move |request: &Request| match request {
        Request::State => Some(state(&shown.0, &shown.1, &shown.2)),
        Request::Sessions(what) => Some(shown.3.find(what)),
        _ => None,
    });
    tokio::spawn(queue.clone().answer_all(control, elsewhere));
    Ok((Mailroom { queue, stop, runner }, writer))
}

impl Mailroom {
    /// Begins nothing more, and waits for what is being tried.
    pub(crate) async fn end(self) {
        // Both fail only if the runner is gone, which is what is wanted.
        let _ = self.stop.send(true);
        let _ = self.runner.await;
    }
}

/// How the server is, in a few words.
fn state(people: &People, pressure: &Pressure, queue: &Queue) -> Value {
    let config = people.config();
    json!({
        "level": pressure.level().word(),
        "sessions": pressure.places.open(),
        "most_sessions": pressure.places.most(),
        "memory_octets": pressure.memory(),
        "deliveries": queue.in_flight(),
        "has_room": pressure.has_room(&config.limits),
        "failed": queue.trouble().map(|error| error.text.clone()),
    })
}

/// Who gets a notice to this recipient, and by which way.
fn ways(people: &People, rcpt: NewRcpt) -> Vec<NewDelivery> {
    // The sender of what the queue itself sends.
    const NULL: &str = "";
    let mut to = Recipients::default();
    let address = rcpt.address.clone();
    match Mailbox::parse(address.as_bytes()).map(|mailbox| (mailbox, people.known().directory.find(mailbox)))
    {
        Ok((_, Found::Here(targets))) => to.add_here(people, NULL, &targets, &rcpt),
        Ok((mailbox, Found::Foreign)) => to.add_elsewhere(people, NULL, mailbox, rcpt),
        // Where nobody has that name, the mailboxes say so.
        Ok((_, Found::NoUser)) | Err(_) => drop(to.put(RouteKey::local(), rcpt)),
    }
    to.into_deliveries()
}

/// Where mail for a list goes on to; none if there is no list of that name.
fn onward(people: &People, address: &str) -> Option<Onward> {
    let Found::Here(targets) = people.known().directory.find(Mailbox::parse(address.as_bytes()).ok()?) else {
        return None;
    };
    let sender = targets.sender.clone()?;
    let mut to = Recipients::default();
    let list = NewRcpt { address: address.to_owned(), user: None, orcpt: None, notify: None };
    to.add_behind(people, &targets, &list);
    Some(Onward { sender, deliveries: to.into_deliveries() })
}

/// Delivery to the mailboxes here, by whomever.
fn mailboxes(
    store: Arc<dyn Store>,
    people: &Arc<People>,
    opened: &Opened,
) -> Result<Mailboxes<RealDisk, People>, Failure> {
    let host = &people.config().hostname;
    let lmtp = ClientConfig::lmtp(host)
        .map_err(|error| Failure::new(Kind::Config, format!("`hostname`: {host}: {error}")))?;
    let (spool, most) = (&opened.spool, people.config().queue.deliveries_per_destination);
    let local = Local::new(store, Arc::clone(people), spool.clone())
        .map_err(|error| Failure::new(Kind::System, format!("can't start a thread: {error}")))?;
    let lmtp = Lmtp::new(lmtp, Arc::clone(people), spool.clone(), most);
    Ok(Mailboxes::new(Arc::clone(people), local, lmtp))
}

/// The way to other hosts.
fn remote(people: &Arc<People>, opened: &Opened, log: &Log) -> Result<Arc<dyn Transport>, Failure> {
    let config = people.config();
    let settings = &config.relay;
    if !settings.enabled {
        return Ok(Arc::new(Nowhere));
    }
    let resolver = Resolver::new(&ResolverSettings::from(&config.dns))?;
    let hello = if settings.hello.is_empty() { &config.hostname } else { &settings.hello };
    let client = ClientConfig::new(hello)
        .map_err(|error| Failure::new(Kind::Config, format!("`relay.hello`: {hello}: {error}")))?;
    let router = Router::new(resolver, RouterSettings::of(&config));
    let worked = opened.worked(usize::try_from(DOMAINS).unwrap_or(usize::MAX));
    router.remember(&worked.map_err(|error| broken(&folder(&config.data), &error))?);
    let hosts = Hosts::new(client, settings.clone(), log.clone());
    let people = Arc::clone(people);
    Ok(Arc::new(Relay::new(router, hosts, Arc::new(move || people.config()), opened.spool.clone())))
}

/// A fault of the queue, for whoever starts the server.
pub(crate) fn broken(folder: &Path, error: &StoreError) -> Failure {
    let what = format!("the queue in {}: {error}", folder.display());
    match error.kind {
        Trouble::Full => Failure::new(Kind::CantCreate, what).help("make room there"),
        Trouble::Corrupt => Failure::new(Kind::Io, what).help(
            "the file is damaged: restore a backup, or move the folder away to begin with an empty queue (what waits \
             in it is lost then)",
        ),
        Trouble::Busy => Failure::new(Kind::TryLater, what),
        Trouble::Io => Failure::new(Kind::CantCreate, what)
            .help("is the disk full? if not, let the user that runs the server write there, or choose another folder with --data or `data`"),
        Trouble::Wrong | Trouble::Closed => Failure::new(Kind::Io, what),
    }
}
