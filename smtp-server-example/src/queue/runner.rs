//! The queue at work: from what is due to what is settled.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::dsn::Returned;
use super::filter::Filter;
use super::fresh::Fresh;
use super::hint;
use super::in_flight::InFlight;
use super::intake::Intake;
use super::lists::{FindList, Lists, expanded};
use super::lock::Lock;
use super::lots::Lots;
use super::model::{Crash, DeliveryId, Job, Kind, NewDelivery, NewRcpt, RcptState, Settlement};
use super::policy::{Event, Policy, after};
use super::removals::Removals;
use super::results::Results;
use super::schedule::{Schedule, Turn};
use super::settle::{Circumstances, settle};
use super::spool::Spool;
use super::sqlite::{Past, Sqlite, SqliteReader, Start};
use super::store::{Change, Effect, Order, POISON, Reader, Store as _, StoreError, Trouble, Verb};
use super::transport::{Outcome, Reach, Report, Said, Transport};
use super::unconfirmed::Unconfirmed;
use super::watchdog;
use super::writer::{Writer, WriterThread};
use crate::log::{Log, seconds};
use crate::metrics;
use crate::queue_id::{QueueId, QueueIds};
use crate::store::{Disk, RealDisk};

/// The pause before results are stored once more that could not be, or a delivery is read; it doubles each time. Until then
/// nothing of that delivery is tried: what it brought may be an acceptance.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// It gets no longer than this.
const STORE_AGAIN_MOST: Duration = Duration::from_secs(10);

/// Deliveries that are read at once, with up to 64 KiB of content each.
const READ_AT_ONCE: usize = 32;

/// How often what has been done for long enough is forgotten, at the least.
const FORGET: Duration = Duration::from_secs(3_600);

/// A queue whose files are opened and which nobody works at yet.
pub(crate) struct Opened {
    lock: Lock,
    store: Sqlite,
    pub(crate) start: Start,
    pub(crate) spool: Spool<RealDisk>,
    /// Bodies without a row, which were taken away.
    pub(crate) swept: usize,
    in_flight: Arc<InFlight>,
    results: Arc<Results>,
}

/// What the queue needs from the rest of the server.
pub(crate) struct Surroundings {
    pub(crate) host: String,
    pub(crate) policy: Policy,
    pub(crate) log: Log,
    pub(crate) ids: Arc<QueueIds>,
    /// Who gets a notice to this recipient, and by which way.
    pub(crate) ways: Arc<dyn Fn(NewRcpt) -> Vec<NewDelivery> + Send + Sync>,
    /// Where mail for a list goes on to.
    pub(crate) onward: Arc<FindList>,
    pub(crate) local: Arc<dyn Transport>,
    pub(crate) remote: Arc<dyn Transport>,
    /// A delivery that gets nowhere for so long is given up.
    pub(crate) patience: Duration,
}

/// The queue for sessions and operators.
#[derive(Clone)]
pub(crate) struct Queue {
    pub(super) writer: Writer,
    pub(super) reader: Arc<SqliteReader>,
    pub(super) removals: Arc<Removals<RealDisk>>,
    spool: Spool<RealDisk>,
    policy: Policy,
    in_flight: Arc<InFlight>,
    marks: UnboundedSender<Mark>,
    pub(super) log: Log,
}

/// Somebody who waits until nothing is due and nothing is being tried.
type Mark = oneshot::Sender<()>;

/// What works at the queue, until it is told to stop.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    events: UnboundedReceiver<Effect>,
    waiting: UnboundedReceiver<Mark>,
    marks: Vec<Mark>,
    _lock: Lock,
}

struct Shared {
    with: Surroundings,
    schedule: Mutex<Schedule>,
    fresh: Mutex<Fresh>,
    /// Reads the others.
    stored: Lots<DeliveryId, Result<Option<Job>, StoreError>>,
    writer: Writer,
    reader: Arc<SqliteReader>,
    spool: Spool<RealDisk>,
    in_flight: Arc<InFlight>,
    results: Arc<Results>,
    /// Whoever was there when the server broke is tried alone: if it breaks again, it is known with whom.
    alone: tokio::sync::Mutex<()>,
}

/// Opens the queue in a folder, which is made if it is not there: lock, tables, what the last run left, adoption, sweep.
/// None if another process has it.
pub(crate) fn open(
    folder: &Path,
    host: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<Opened>, StoreError> {
    RealDisk.make_folder(folder)?;
    let Some(lock) = Lock::take(folder)? else { return Ok(None) };
    let past = Past {
        left: InFlight::read(folder)?,
        facts: Results::read(folder)?,
        hold_unknown: policy.hold_unknown,
    };
    let (store, start) = Sqlite::start(&lock, host, past, now)?;
    // Now that the tables know it.
    let in_flight = Arc::new(InFlight::begin_anew(folder));
    let results = Arc::new(Results::begin_anew(folder)?);
    let spool = Spool::new(Arc::new(RealDisk), folder.join("spool"));
    spool.prepare()?;
    // The names of the tables' files are as much worth as what is in them.
    RealDisk.sync_folder(folder)?;
    let swept = spool.sweep(&start.files)?;
    Ok(Some(Opened { lock, store, start, spool, swept, in_flight, results }))
}

impl Opened {
    /// Domains whose hosts an earlier run talked to, at most so many.
    pub(crate) fn worked(&self, most: usize) -> Result<Vec<String>, StoreError> {
        self.store.reader().worked(most)
    }

    /// Leaves all that waits to the operator. Returns how many messages that are.
    pub(crate) fn hold_all(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let hold = Order { verb: Verb::Hold, filter: Filter::all(), now, dry: false };
        let held = self.store.commit(&[Change::Order(hold)])?.pop().transpose()?;
        Ok(held.map_or(0, |effect| effect.messages.len()))
    }

    /// The queue id of a delivery's message, for people.
    pub(crate) fn message_of(&self, id: DeliveryId) -> Option<String> {
        self.store.reader().message_of(id)
    }

    /// Starts the writer, and fills the schedule.
    pub(crate) fn begin(
        self,
        with: Surroundings,
        now: Timestamp,
    ) -> Result<(Queue, Runner, WriterThread), StoreError> {
        let reader = Arc::new(self.store.reader());
        let mut schedule = Schedule::new(with.policy.clone());
        for route in reader.routes()? {
            schedule.remember(route, now);
        }
        for entry in reader.ready()? {
            schedule.add(entry, now);
        }
        let (effects, events) = unbounded_channel();
        let removals = Removals::new(self.spool.clone());
        let unconfirmed = Unconfirmed::new(self.start.doubtful, self.start.batch);
        let removing = Arc::clone(&removals);
        let unlink = Arc::new(move |file: &str| removing.remove(file));
        let (writer, thread) = Writer::start(self.store, unconfirmed, effects, unlink)?;
        let (marks, waiting) = unbounded_channel();
        let queue = Queue {
            writer: writer.clone(),
            reader: Arc::clone(&reader),
            removals,
            spool: self.spool.clone(),
            policy: with.policy.clone(),
            in_flight: Arc::clone(&self.in_flight),
            marks,
            log: with.log.clone(),
        };
        let schedule = Mutex::new(schedule);
        let looking = Arc::clone(&reader);
        let shared = Arc::new(Shared {
            with,
            schedule,
            fresh: Mutex::default(),
            stored: Lots::start("jobs", 1, READ_AT_ONCE, move |ids: &[DeliveryId]| looking.jobs(ids))?,
            writer,
            reader,
            spool: self.spool,
            in_flight: self.in_flight,
            results: self.results,
            alone: tokio::sync::Mutex::default(),
        });
        Ok((queue, Runner { shared, events, waiting, marks: Vec::new(), _lock: self.lock }, thread))
    }
}

impl Queue {
    /// Begins to take a message.
    pub(crate) fn intake(&self, id: QueueId) -> Intake<RealDisk> {
        Intake::begin(&self.spool, id)
    }

    /// Returns when nothing is due and nothing is being tried, of what was committed before.
    pub(super) async fn settled(&self) {
        let (mark, reached) = oneshot::channel();
        // Without a runner nothing is tried.
        if self.marks.send(mark).is_ok() {
            let _ = reached.await;
        }
    }

    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The longest commit since this was asked last.
    pub(crate) fn longest_commit(&self) -> Duration {
        self.writer.pace().longest(Instant::now())
    }

    /// Deliveries that are being tried.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// Why nothing is taken and nothing delivered, if that is so: what is written may not be there.
    pub(crate) fn trouble(&self) -> Option<&StoreError> {
        self.writer.health().trouble()
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Runner {
    /// Works until `stop` says so, then waits for what is being tried, but not longer than `drain`.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>, drain: Duration) {
        let mut tasks = JoinSet::new();
        let mut forget = tokio::time::interval(FORGET.min(self.shared.with.policy.keep_done));
        loop {
            let now = Timestamp::now();
            let wakes = self.hand_out(&mut tasks, now);
            let sleep = wakes.map_or(Duration::MAX, |at| until(now, at));
            tokio::select! {
                effect = self.events.recv() => match effect {
                    Some(effect) => self.shared.apply(&mut self.shared.schedule(), effect, Timestamp::now()),
                    None => break,
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                Some(mark) = self.waiting.recv() => self.marks.push(mark),
                () = tokio::time::sleep(sleep), if sleep < Duration::MAX => {}
                _ = forget.tick() => self.shared.forget(now),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        // What was acknowledged last is tried once.
        self.hand_out(&mut tasks, Timestamp::now());
        let rest = async { while tasks.join_next().await.is_some() {} };
        // What is cut off is tried again at the next start.
        let _ = tokio::time::timeout(drain, rest).await;
        self.shared.with.remote.close().await;
        self.shared.in_flight.quit();
    }

    /// Begins all that is due. Returns when more is.
    fn hand_out(&mut self, tasks: &mut JoinSet<()>, now: Timestamp) -> Option<Timestamp> {
        let mut schedule = self.shared.schedule();
        while let Ok(effect) = self.events.try_recv() {
            self.shared.apply(&mut schedule, effect, now);
        }
        // What can't be stored must not be delivered: it would be delivered again.
        let may_store = self.shared.writer.health().trouble().is_none();
        while let Some(turn) = may_store.then(|| schedule.next(now)).flatten() {
            tasks.spawn(Arc::clone(&self.shared).try_one(turn));
        }
        if schedule.running() == 0 {
            // Who waited may be gone.
            self.marks.drain(..).for_each(|mark| mark.send(()).unwrap_or_default());
        }
        schedule.wakes().filter(|_| may_store)
    }
}

/// The time from one moment to another, rounded up so that it is not woken too early.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).map_or(Duration::ZERO, |span| span + Duration::from_millis(1))
}

async fn wait_longer(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(STORE_AGAIN_MOST);
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, schedule: &mut Schedule, mut effect: Effect, now: Timestamp) {
        if !effect.opened.is_empty() {
            self.with.remote.ask_again();
        }
        {
            let mut fresh = self.fresh();
            effect.gone.iter().for_each(|id| drop(fresh.take(*id)));
            effect.fresh.drain(..).for_each(|job| fresh.keep(job));
        }
        schedule.apply(effect, now);
    }

    fn forget(self: &Arc<Self>, now: Timestamp) {
        let Ok(before) = now.checked_sub(self.with.policy.keep_done) else { return };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let _ = shared.writer.make(Change::Forget(before)).await;
        });
    }

    /// Tries a delivery and stores what it brought. A panic there is that delivery's failure, and nobody else's.
    async fn try_one(self: Arc<Self>, turn: Turn) {
        let id = turn.id;
        if let Err(error) = tokio::spawn(Arc::clone(&self).try_whole(turn)).await {
            self.broke_off(id, &format!("451 4.3.0 The delivery broke off: {error}")).await;
        }
        self.schedule().finished(id, Timestamp::now());
    }

    async fn try_whole(self: Arc<Self>, turn: Turn) {
        let began = Timestamp::now();
        match self.job(turn.id).await {
            Ok(Some(job)) => self.try_job(job, turn, began).await,
            // Held or dropped meanwhile.
            Ok(None) => {}
            Err(error) => {
                self.about("corrupt", turn.id).await.field("error", &error);
                let _ = self.writer.make(Change::SetAside(turn.id, error.text)).await;
            }
        }
    }

    /// All about a delivery. An error says that nothing can be made of it.
    async fn job(&self, id: DeliveryId) -> Result<Option<Job>, StoreError> {
        let fresh = self.fresh().take(id);
        if fresh.is_some() {
            return Ok(fresh);
        }
        let mut pause = STORE_AGAIN;
        loop {
            let broken = |_| Err(StoreError::new(Trouble::Io, "the reader broke off"));
            match self.stored.done(id).await.unwrap_or_else(broken) {
                Err(error) if error.kind != Trouble::Corrupt => {
                    self.about("unreadable", id).await.field("error", error);
                    wait_longer(&mut pause).await;
                }
                job => return job,
            }
        }
    }

    /// A line about a delivery of which no more than the number is at hand.
    async fn about(&self, name: &str, id: DeliveryId) -> crate::log::Event<'_> {
        let reader = Arc::clone(&self.reader);
        let message = tokio::task::spawn_blocking(move || reader.message_of(id)).await;
        self.with.log.event(name).maybe("id", message.ok().flatten()).field("delivery", id)
    }

    /// A delivery ended by a fault of ours.
    async fn broke_off(&self, delivery: DeliveryId, why: &str) {
        self.about("crashed", delivery).await.field("why", why);
        let now = Timestamp::now();
        let next = after(now, self.with.policy.retry_first);
        let crash = Change::Crashed(Crash { delivery, next, why: why.to_owned() });
        if let Ok(committed) = self.writer.make(crash).await {
            self.in_flight.end(delivery);
            if committed.effect().gone.contains(&delivery) {
                self.about("held", delivery).await.field("why", POISON);
            }
            let mut schedule = self.schedule();
            schedule.finished(delivery, now);
            drop(committed);
        }
    }

    async fn try_job(&self, mut job: Job, turn: Turn, began: Timestamp) {
        let _alone = if job.crashes > 0 { Some(self.alone.lock().await) } else { None };
        if turn.skip.is_none() {
            job.flight = self.in_flight.start(job.delivery);
        }
        let job = Arc::new(job);
        let mut report = match turn.skip {
            Some(why) => skipped(&job, &why),
            None => self.carry(&job).await,
        };
        let now = Timestamp::now();
        report.delays.wait = Some(until(turn.due, began));
        report.delays.total = Some(until(turn.due, now));
        let route = self.schedule().reach(&job.route, &report.reach, now);
        let ids = &self.with.ids;
        let settlement = settle(
            &job,
            &report,
            &Circumstances {
                policy: &self.with.policy,
                host: &self.with.host,
                began,
                now,
                chance: chance(),
                route,
                next_id: &|| ids.next(now),
                ways: &|rcpt| (self.with.ways)(rcpt),
                returned: &|event| self.returned(event, &job),
            },
        );
        self.log(&job, &report, &settlement);
        self.store(&job, settlement).await;
    }

    async fn carry(&self, job: &Arc<Job>) -> Report {
        if job.route.is_alias() {
            return expanded(job);
        }
        if job.route.is_list() {
            let (policy, ids, onward) = (&self.with.policy, &*self.with.ids, &*self.with.onward);
            return Lists { spool: &self.spool, policy, ids, onward }.send_on(job).await;
        }
        let transport = if job.route.is_local() { &self.with.local } else { &self.with.remote };
        let (transport, carried, patience) = (Arc::clone(transport), Arc::clone(job), self.with.patience);
        let work = async move { transport.deliver(carried).await };
        let report = watchdog::watched(work, &job.flight.pulse, patience).await;
        report.unwrap_or_else(|| {
            let event = self.with.log.event("stalled").field("id", job.envelope.id);
            let event = event.field("delivery", job.delivery).field("via", &job.route);
            let event = event.field("at", if job.flight.pulse.is_at_dot() { "dot" } else { "before-dot" });
            event.field("patience", seconds(patience)).field("hint", "a fault of this server: report it");
            stalled(job)
        })
    }

    fn returned(&self, event: Event, job: &Job) -> Returned {
        match self.spool.read(&job.body) {
            Ok(body) => Returned::read(event, &job.envelope, job.body.octets, &job.prefix, body),
            Err(_) => Returned::Header(job.prefix.clone()),
        }
    }

    /// Stores what an attempt brought, however long that takes.
    async fn store(&self, job: &Job, settlement: Settlement) {
        let (mut kept, mut pause) = (false, STORE_AGAIN);
        loop {
            match self.writer.make(Change::Settle(Box::new(settlement.clone()))).await {
                Ok(committed) => {
                    self.in_flight.end(job.delivery);
                    // In this order: what is running can't be added. At once: who looks in between would think that
                    // all is done.
                    let mut schedule = self.schedule();
                    schedule.finished(job.delivery, settlement.now);
                    drop(committed);
                    drop(schedule);
                    return;
                }
                Err(error) => {
                    let event = self.with.log.event("not-stored").field("id", job.envelope.id);
                    event.field("error", &error).maybe("hint", error.hint());
                    kept = kept || self.keep(&settlement).await;
                    let never = self.writer.health().trouble().is_some();
                    if never || matches!(error.kind, Trouble::Closed | Trouble::Wrong) {
                        return;
                    }
                    wait_longer(&mut pause).await;
                }
            }
        }
    }

    /// Writes down what is certain, for the next start.
    async fn keep(&self, settlement: &Settlement) -> bool {
        let (results, settlement) = (Arc::clone(&self.results), settlement.clone());
        let delivery = settlement.delivery;
        let kept = tokio::task::spawn_blocking(move || results.keep(&settlement)).await;
        match kept.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(()) => {
                // The journal knows better than that line.
                self.in_flight.end(delivery);
                true
            }
            Err(error) => {
                self.about("not-kept", delivery).await.field("error", error);
                false
            }
        }
    }

    /// A line for each recipient.
    fn log(&self, job: &Job, report: &Report, settlement: &Settlement) {
        for (rcpt, settled) in job.rcpts.iter().zip(&settlement.rcpts) {
            let name = match settled.state {
                RcptState::Accepted if job.route.is_alias() => "expanded",
                RcptState::Accepted if job.route.is_local() => "delivered",
                RcptState::Accepted => "relayed",
                RcptState::Wait => "deferred",
                other => other.word(),
            };
            metrics::delivery(if job.route.is_local() { "local" } else { "remote" }, name, &settled.reply);
            if settled.state == RcptState::Accepted && !(job.route.is_alias() || job.route.is_list()) {
                let since = settlement.now.duration_since(job.envelope.arrived);
                metrics::arrived(since.try_into().unwrap_or_default());
            }
            let waits = settled.state == RcptState::Wait;
            let hold = settlement.hold.as_ref().filter(|_| waits);
            self.with
                .log
                .event(name)
                .field("id", job.envelope.id)
                .field("from", format!("<{}>", job.envelope.sender))
                .field("to", format!("<{}>", rcpt.address))
                .field("via", &job.route)
                .maybe("host", report.mx.as_ref())
                .maybe("ip", report.ip.as_ref())
                .maybe("tls", report.tls.as_ref())
                .maybe(
                    "file",
                    report.transcript.as_ref().filter(|told| job.route.is_local() && !told.ends_with('\n')),
                )
                .field("tries", job.attempts + u32::from(settlement.attempt.is_some()))
                .field("reply", &settled.reply)
                .maybe("next", (waits && hold.is_none()).then_some(settlement.next))
                .maybe("hold", hold)
                .maybe("wait", report.delays.wait.map(seconds))
                .maybe("dns", report.delays.dns.map(seconds))
                .maybe("connect", report.delays.connect.map(seconds))
                .maybe("handshake", report.delays.tls.map(seconds))
                .maybe("data", report.delays.data.map(seconds))
                .maybe("dot", report.delays.dot.map(seconds))
                .maybe("total", report.delays.total.map(seconds))
                .maybe("hint", hint::of(report, rcpt.id));
        }
        for notice in &settlement.notices {
            let to = notice.deliveries.iter().flat_map(|delivery| &delivery.rcpts).map(|rcpt| &rcpt.address);
            let name = if notice.envelope.kind == Kind::Dsn { "notice" } else { "sent-on" };
            let event = self.with.log.event(name).field("id", notice.envelope.id);
            event.field("about", job.envelope.id).maybe("to", to.map(|to| format!("<{to}>")).next());
        }
    }
}

/// What became of a delivery that got nowhere: it may have been taken if it was at its dot.
fn stalled(job: &Job) -> Report {
    let said = Said::ours((4, 4, 2), "451 4.4.2 The delivery got nowhere and was given up");
    let outcome = if job.flight.pulse.is_at_dot() { Outcome::Unknown(said) } else { Outcome::Later(said) };
    let outcomes = job.rcpts.iter().map(|rcpt| (rcpt.id, outcome.clone())).collect();
    Report { outcomes, reach: Reach::Reached, phase: Some("stalled".to_owned()), ..Report::default() }
}

fn skipped(job: &Job, why: &str) -> Report {
    let said = Said::ours((4, 4, 1), why);
    let outcomes = job.rcpts.iter().map(|rcpt| (rcpt.id, Outcome::Later(said.clone()))).collect();
    Report { outcomes, reach: Reach::Unasked, ..Report::default() }
}

/// Any number: it spreads tries and guards nothing.
fn chance() -> u32 {
    getrandom::u32().unwrap_or(10)
}

#[cfg(test)]
mod tests;
