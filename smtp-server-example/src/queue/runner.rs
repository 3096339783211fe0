//! The queue at work: from what is due to what is settled.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::dsn::Returned;
use super::intake::Intake;
use super::lock::Lock;
use super::model::{Job, RcptState, RouteKey, Settlement};
use super::policy::Policy;
use super::schedule::{Schedule, Turn};
use super::settle::{Circumstances, settle};
use super::spool::Spool;
use super::sqlite::{Sqlite, SqliteReader, Start};
use super::store::{Change, Effect, Reader, StoreError, Trouble};
use super::transport::{Outcome, Reach, Report, Said, Transport};
use super::unconfirmed::Unconfirmed;
use super::writer::{Writer, WriterThread};
use crate::log::Log;
use crate::queue_id::{QueueId, QueueIds};
use crate::store::{Disk, RealDisk};

/// The pause before results are stored once more that could not be. Until then nothing of that delivery is tried: what
/// it brought may be an acceptance.
const STORE_AGAIN: Duration = Duration::from_secs(10);

/// How long what is done can be asked for.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// A queue whose files are opened and which nobody works at yet.
pub(crate) struct Opened {
    lock: Lock,
    store: Sqlite,
    pub(crate) start: Start,
    pub(crate) spool: Spool<RealDisk>,
    /// Bodies without a row, which were taken away.
    pub(crate) swept: usize,
}

/// What the queue needs from the rest of the server.
pub(crate) struct Surroundings {
    pub(crate) host: String,
    pub(crate) policy: Policy,
    pub(crate) log: Log,
    pub(crate) ids: Arc<QueueIds>,
    /// Which way an address goes.
    pub(crate) way: Arc<dyn Fn(&str) -> RouteKey + Send + Sync>,
    pub(crate) local: Arc<dyn Transport>,
    pub(crate) remote: Arc<dyn Transport>,
}

/// The queue for sessions and operators.
#[derive(Clone)]
pub(crate) struct Queue {
    pub(super) writer: Writer,
    pub(super) reader: Arc<SqliteReader>,
    spool: Spool<RealDisk>,
    policy: Policy,
    marks: UnboundedSender<Mark>,
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
    writer: Writer,
    reader: Arc<SqliteReader>,
    spool: Spool<RealDisk>,
}

/// Opens the queue in a folder, which is made if it is not there: lock, tables, adoption, sweep. None if another process
/// has it.
pub(crate) fn open(folder: &Path, host: &str, now: Timestamp) -> Result<Option<Opened>, StoreError> {
    RealDisk.make_folder(folder)?;
    let Some(lock) = Lock::take(folder)? else { return Ok(None) };
    let (store, start) = Sqlite::start(&lock, host, now)?;
    // The names of the tables' files are as much worth as what is in them.
    RealDisk.sync_folder(folder)?;
    let spool = Spool::new(Arc::new(RealDisk), folder.join("spool"));
    let swept = spool.sweep(&start.files)?;
    Ok(Some(Opened { lock, store, start, spool, swept }))
}

impl Opened {
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
        let spool = self.spool.clone();
        let unconfirmed = Unconfirmed::new(self.start.doubtful, self.start.batch);
        let unlink = Arc::new(move |file: &str| spool.remove(file));
        let (writer, thread) = Writer::start(self.store, unconfirmed, effects, unlink)?;
        let (marks, waiting) = unbounded_channel();
        let queue = Queue {
            writer: writer.clone(),
            reader: Arc::clone(&reader),
            spool: self.spool.clone(),
            policy: with.policy.clone(),
            marks,
        };
        let schedule = Mutex::new(schedule);
        let shared = Arc::new(Shared { with, schedule, writer, reader, spool: self.spool });
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

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Runner {
    /// Works until `stop` says so, then waits for what is being tried, but not longer than `drain`.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>, drain: Duration) {
        let mut tasks = JoinSet::new();
        let mut forget = tokio::time::interval(Duration::from_secs(3_600));
        loop {
            let now = Timestamp::now();
            let wakes = self.hand_out(&mut tasks, now);
            let sleep = wakes.map_or(Duration::MAX, |at| until(now, at));
            tokio::select! {
                effect = self.events.recv() => match effect {
                    Some(effect) => self.shared.schedule().apply(effect, Timestamp::now()),
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
    }

    /// Begins all that is due. Returns when more is.
    fn hand_out(&mut self, tasks: &mut JoinSet<()>, now: Timestamp) -> Option<Timestamp> {
        let mut schedule = self.shared.schedule();
        while let Ok(effect) = self.events.try_recv() {
            schedule.apply(effect, now);
        }
        while let Some(turn) = schedule.next(now) {
            tasks.spawn(Arc::clone(&self.shared).try_one(turn));
        }
        if schedule.running() == 0 {
            // Who waited may be gone.
            self.marks.drain(..).for_each(|mark| mark.send(()).unwrap_or_default());
        }
        schedule.wakes()
    }
}

/// The time from one moment to another, rounded up so that it is not woken too early.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).map_or(Duration::ZERO, |span| span + Duration::from_millis(1))
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(self: &Arc<Self>, now: Timestamp) {
        let Ok(before) = now.checked_sub(REMEMBERED) else { return };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let _ = shared.writer.make(Change::Forget(before)).await;
        });
    }

    /// Tries a delivery and stores what it brought.
    async fn try_one(self: Arc<Self>, turn: Turn) {
        let began = Timestamp::now();
        let reader = Arc::clone(&self.reader);
        let job = tokio::task::spawn_blocking(move || reader.job(turn.id)).await;
        let job = job.unwrap_or_else(|panic| Err(io::Error::other(panic).into()));
        match job {
            Ok(Some(job)) => self.try_job(Arc::new(job), turn.skip, began).await,
            // Held or dropped meanwhile.
            Ok(None) => {}
            // Nobody can tell what to do with it. The next start looks again.
            Err(error) => {
                self.with.log.event("unreadable").field("delivery", turn.id).field("error", error);
            }
        }
        self.schedule().finished(turn.id, Timestamp::now());
    }

    async fn try_job(&self, job: Arc<Job>, skip: Option<String>, began: Timestamp) {
        let report = match skip {
            Some(why) => skipped(&job, &why),
            None => self.carry(&job).await,
        };
        let now = Timestamp::now();
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
                way: &|address| (self.with.way)(address),
                returned: &|| self.returned(&job),
            },
        );
        self.log(&job, &report, &settlement);
        self.store(&job, settlement).await;
    }

    /// Hands a delivery to what carries it. A panic there is that delivery's failure, and nobody else's.
    async fn carry(&self, job: &Arc<Job>) -> Report {
        let transport = if job.route.is_local() { &self.with.local } else { &self.with.remote };
        let (transport, job_there) = (Arc::clone(transport), Arc::clone(job));
        let carried = tokio::spawn(async move { transport.deliver(job_there).await });
        carried.await.unwrap_or_else(|error| {
            let said = Said::ours((4, 3, 0), format!("451 4.3.0 The delivery broke off: {error}"));
            let later = |rcpt: &super::model::Rcpt| (rcpt.id, Outcome::Later(said.clone()));
            Report { outcomes: job.rcpts.iter().map(later).collect(), ..Report::default() }
        })
    }

    fn returned(&self, job: &Job) -> Returned {
        match self.spool.read(&job.body) {
            Ok(body) => Returned::read(&job.envelope, job.body.octets, &job.prefix, body),
            Err(_) => Returned::Header(job.prefix.clone()),
        }
    }

    /// Stores what an attempt brought, however long that takes.
    async fn store(&self, job: &Job, settlement: Settlement) {
        loop {
            match self.writer.make(Change::Settle(Box::new(settlement.clone()))).await {
                Ok(committed) => {
                    // In this order: what is running can't be added. At once: who looks in between would think that
                    // all is done.
                    let mut schedule = self.schedule();
                    schedule.finished(job.delivery, settlement.now);
                    drop(committed);
                    drop(schedule);
                    return;
                }
                Err(error) => {
                    self.with.log.event("not-stored").field("id", job.envelope.id).field("error", &error);
                    if matches!(error.kind, Trouble::Closed | Trouble::Wrong) {
                        return;
                    }
                    tokio::time::sleep(STORE_AGAIN).await;
                }
            }
        }
    }

    /// A line for each recipient.
    fn log(&self, job: &Job, report: &Report, settlement: &Settlement) {
        for (rcpt, settled) in job.rcpts.iter().zip(&settlement.rcpts) {
            let name = match settled.state {
                RcptState::Accepted if job.route.is_local() => "delivered",
                RcptState::Accepted => "relayed",
                RcptState::Wait => "deferred",
                other => other.word(),
            };
            let next = (settled.state == RcptState::Wait).then_some(settlement.next);
            self.with
                .log
                .event(name)
                .field("id", job.envelope.id)
                .field("from", format!("<{}>", job.envelope.sender))
                .field("to", format!("<{}>", rcpt.address))
                .field("via", &job.route)
                .maybe("host", report.mx.as_ref())
                .maybe("file", report.transcript.as_ref().filter(|_| job.route.is_local()))
                .field("tries", job.attempts + u32::from(settlement.attempt.is_some()))
                .field("reply", &settled.reply)
                .maybe("next", next);
        }
        for notice in &settlement.notices {
            let to = notice.deliveries.iter().flat_map(|delivery| &delivery.rcpts).map(|rcpt| &rcpt.address);
            let event = self.with.log.event("notice").field("id", notice.envelope.id);
            event.field("about", job.envelope.id).maybe("to", to.map(|to| format!("<{to}>")).next());
        }
    }
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
mod tests {
    use std::future::Future;
    use std::pin::Pin;

    use tempfile::TempDir;

    use super::super::admin::{Request, asked};
    use super::super::conformance::message;
    use super::super::filter::Filter;
    use super::*;

    /// Panics for recipients named `panic`, says that `down` can't be reached, and takes the rest.
    struct Moody;

    impl Transport for Moody {
        fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
            Box::pin(async move {
                assert!(!job.rcpts[0].address.starts_with("panic@"), "asked to panic");
                let down = job.rcpts[0].address.starts_with("down@");
                let outcome = |rcpt: &super::super::model::Rcpt| {
                    let reply = "250 ok".to_owned();
                    (rcpt.id, Outcome::Relayed { reply, reports: false })
                };
                let outcomes = if down { Vec::new() } else { job.rcpts.iter().map(outcome).collect() };
                let reach = if down { Reach::Unreachable("refused".into()) } else { Reach::Reached };
                Report { outcomes, reach, ..Report::default() }
            })
        }
    }

    struct Running {
        queue: Queue,
        stop: watch::Sender<bool>,
        runner: tokio::task::JoinHandle<()>,
        thread: WriterThread,
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    fn start(folder: &TempDir) -> Running {
        let now = Timestamp::now();
        let (log, _) = Log::start(io::sink()).unwrap();
        let with = Surroundings {
            host: "mx.example.test".into(),
            policy: Policy::default(),
            log,
            ids: Arc::new(QueueIds::new()),
            way: Arc::new(|address| RouteKey::domain(address.rsplit('@').next().unwrap())),
            local: Arc::new(Moody),
            remote: Arc::new(Moody),
        };
        let opened = open(folder.path(), "mx.example.test", now).unwrap().expect("one at a time");
        let (queue, runner, thread) = opened.begin(with, now).unwrap();
        let (stop, stopped) = watch::channel(false);
        let runner = tokio::spawn(runner.run(stopped, PATIENCE));
        Running { queue, stop, runner, thread }
    }

    impl Running {
        async fn enqueue(&self, to: &[&[&str]]) {
            let mut sent = message(to);
            sent.envelope.arrived = Timestamp::now();
            sent.envelope.expires = self.queue.policy().expires(sent.envelope.arrived);
            sent.deliveries.iter_mut().for_each(|delivery| delivery.warn = None);
            self.queue.writer().offer(Change::Enqueue(Box::new(sent))).await.unwrap().release();
        }

        /// Each delivery's recipient, state and tries, once all that is due was tried.
        async fn deliveries(&self) -> Vec<(String, String, u64)> {
            self.queue.settled().await;
            let filter = Filter::parse(["all"]).unwrap();
            let shown = asked(&self.queue.reader, &Request::Show(filter), Timestamp::now()).unwrap();
            let messages = shown.as_array().unwrap().iter();
            let deliveries = messages.flat_map(|message| message["deliveries"].as_array().unwrap());
            let of = |delivery: &serde_json::Value| {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                let (to, tries) = (&delivery["to"][0]["address"], delivery["tries"].as_u64().unwrap());
                (text(to), text(&delivery["state"]), tries)
            };
            deliveries.map(of).collect()
        }

        async fn end(self) {
            self.stop.send(true).unwrap();
            self.runner.await.unwrap();
            drop(self.queue);
            // Elsewhere, as tasks of this thread may be the ones that are waited for.
            let finish = move || self.thread.finish(PATIENCE);
            tokio::task::spawn_blocking(finish).await.unwrap().unwrap();
        }
    }

    fn is(to: &str, state: &str, tries: u64) -> (String, String, u64) {
        (to.to_owned(), state.to_owned(), tries)
    }

    #[tokio::test]
    async fn a_delivery_that_panics_waits_and_keeps_nobody_else_from_going() {
        let folder = TempDir::new().unwrap();
        let running = start(&folder);
        running.enqueue(&[&["panic@one.example"], &["b@two.example"]]).await;
        let want = [is("panic@one.example", "ready", 1), is("b@two.example", "done", 1)];
        assert_eq!(running.deliveries().await, want);
        running.end().await;
        let again = start(&folder);
        assert_eq!(again.deliveries().await, want, "it waits for its time in the next run, too");
        again.end().await;
    }

    #[tokio::test]
    async fn what_goes_to_a_host_that_is_down_waits_without_being_tried_in_the_next_run_too() {
        let folder = TempDir::new().unwrap();
        let running = start(&folder);
        running.enqueue(&[&["down@one.example"]]).await;
        assert_eq!(running.deliveries().await, [is("down@one.example", "ready", 1)]);
        running.enqueue(&[&["b@one.example"]]).await;
        assert_eq!(running.deliveries().await[1], is("b@one.example", "ready", 0), "it was not tried");
        running.end().await;
        let again = start(&folder);
        assert_eq!(again.deliveries().await[1], is("b@one.example", "ready", 0));
        again.end().await;
    }
}
