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
use super::in_flight::InFlight;
use super::intake::Intake;
use super::lock::Lock;
use super::model::{Crash, DeliveryId, Job, RcptState, RouteKey, Settlement};
use super::policy::{Policy, after};
use super::results::Results;
use super::schedule::{Schedule, Turn};
use super::settle::{Circumstances, settle};
use super::spool::Spool;
use super::sqlite::{Past, Sqlite, SqliteReader, Start};
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
    in_flight: Arc<InFlight>,
    results: Arc<Results>,
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
    // The names of the tables' files are as much worth as what is in them.
    RealDisk.sync_folder(folder)?;
    let spool = Spool::new(Arc::new(RealDisk), folder.join("spool"));
    let swept = spool.sweep(&start.files)?;
    Ok(Some(Opened { lock, store, start, spool, swept, in_flight, results }))
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
        let shared = Arc::new(Shared {
            with,
            schedule,
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
        self.shared.with.remote.close().await;
        self.shared.in_flight.quit();
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
                self.with.log.event("corrupt").field("delivery", turn.id).field("error", &error);
                let _ = self.writer.make(Change::SetAside(turn.id, error.text)).await;
            }
        }
    }

    /// All about a delivery. An error says that nothing can be made of it.
    async fn job(&self, id: DeliveryId) -> Result<Option<Job>, StoreError> {
        loop {
            let reader = Arc::clone(&self.reader);
            let job = tokio::task::spawn_blocking(move || reader.job(id)).await;
            match job.unwrap_or_else(|panic| Err(io::Error::other(panic).into())) {
                Err(error) if error.kind != Trouble::Corrupt => {
                    self.with.log.event("unreadable").field("delivery", id).field("error", error);
                    tokio::time::sleep(STORE_AGAIN).await;
                }
                job => return job,
            }
        }
    }

    /// A delivery ended by a fault of ours.
    async fn broke_off(&self, delivery: DeliveryId, why: &str) {
        self.with.log.event("crashed").field("delivery", delivery).field("why", why);
        let now = Timestamp::now();
        let next = after(now, self.with.policy.retry_first);
        let crash = Change::Crashed(Crash { delivery, next, why: why.to_owned() });
        if let Ok(committed) = self.writer.make(crash).await {
            self.in_flight.end(delivery);
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
        if !job.route.is_local() {
            report.delays.wait = Some(until(turn.due, began));
            report.delays.total = Some(until(turn.due, now));
        }
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

    async fn carry(&self, job: &Arc<Job>) -> Report {
        let transport = if job.route.is_local() { &self.with.local } else { &self.with.remote };
        transport.deliver(Arc::clone(job)).await
    }

    fn returned(&self, job: &Job) -> Returned {
        match self.spool.read(&job.body) {
            Ok(body) => Returned::read(&job.envelope, job.body.octets, &job.prefix, body),
            Err(_) => Returned::Header(job.prefix.clone()),
        }
    }

    /// Stores what an attempt brought, however long that takes.
    async fn store(&self, job: &Job, settlement: Settlement) {
        let mut kept = false;
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
                    self.with.log.event("not-stored").field("id", job.envelope.id).field("error", &error);
                    kept = kept || self.keep(&settlement).await;
                    if matches!(error.kind, Trouble::Closed | Trouble::Wrong) {
                        return;
                    }
                    tokio::time::sleep(STORE_AGAIN).await;
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
                self.with.log.event("not-kept").field("delivery", delivery).field("error", error);
                false
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
                .maybe("ip", report.ip.as_ref())
                .maybe("tls", report.tls.as_ref())
                .maybe("file", report.transcript.as_ref().filter(|_| job.route.is_local()))
                .field("tries", job.attempts + u32::from(settlement.attempt.is_some()))
                .field("reply", &settled.reply)
                .maybe("next", next)
                .maybe("wait", report.delays.wait.map(seconds))
                .maybe("dns", report.delays.dns.map(seconds))
                .maybe("connect", report.delays.connect.map(seconds))
                .maybe("data", report.delays.data.map(seconds))
                .maybe("total", report.delays.total.map(seconds));
        }
        for notice in &settlement.notices {
            let to = notice.deliveries.iter().flat_map(|delivery| &delivery.rcpts).map(|rcpt| &rcpt.address);
            let event = self.with.log.event("notice").field("id", notice.envelope.id);
            event.field("about", job.envelope.id).maybe("to", to.map(|to| format!("<{to}>")).next());
        }
    }
}

/// A span as log lines have it.
fn seconds(span: Duration) -> String {
    format!("{:.3}", span.as_secs_f64())
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
    use super::super::model::NewMessage;
    use super::super::store::{Order, Store as _, Verb};
    use super::*;

    /// Panics for recipients named `panic`, dies for `poison`, says that `down` can't be reached, and takes the rest.
    struct Moody;

    impl Transport for Moody {
        fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
            Box::pin(async move {
                assert!(!job.rcpts[0].address.starts_with("panic@"), "asked to panic");
                if job.rcpts[0].address.starts_with("poison@") {
                    std::process::abort();
                }
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
        start_in(folder.path())
    }

    /// A message that comes now, of which nobody is told that it is late.
    fn recent(to: &[&[&str]]) -> NewMessage {
        let mut sent = message(to);
        sent.envelope.arrived = Timestamp::now();
        sent.envelope.expires = Policy::default().expires(sent.envelope.arrived);
        sent.deliveries.iter_mut().for_each(|delivery| delivery.warn = None);
        sent
    }

    fn start_in(folder: &Path) -> Running {
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
        let opened =
            open(folder, "mx.example.test", &Policy::default(), now).unwrap().expect("one at a time");
        let (queue, runner, thread) = opened.begin(with, now).unwrap();
        let (stop, stopped) = watch::channel(false);
        let runner = tokio::spawn(runner.run(stopped, PATIENCE));
        Running { queue, stop, runner, thread }
    }

    impl Running {
        async fn enqueue(&self, to: &[&[&str]]) {
            let sent = recent(to);
            self.queue.writer().offer(Change::Enqueue(Box::new(sent))).await.unwrap().release();
        }

        async fn order(&self, verb: Verb) {
            let order =
                Order { verb, filter: Filter::parse(["all"]).unwrap(), now: Timestamp::now(), dry: false };
            self.queue.writer().make(Change::Order(order)).await.unwrap();
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
    async fn the_third_panic_leaves_a_delivery_to_the_operator() {
        let folder = TempDir::new().unwrap();
        let running = start(&folder);
        running.enqueue(&[&["panic@one.example"]]).await;
        for state in ["ready", "ready", "hold"] {
            assert_eq!(running.deliveries().await[0].1, state);
            running.order(Verb::Retry).await;
        }
        assert_eq!(running.deliveries().await, [is("panic@one.example", "hold", 3)], "it is not retried");
        running.order(Verb::Release).await;
        assert_eq!(running.deliveries().await, [is("panic@one.example", "hold", 4)], "as its operator wants");
        running.end().await;
    }

    /// What the test below runs in a process of its own: a server that dies of a mail.
    #[test]
    #[ignore = "it is run by another test"]
    fn a_process_that_dies_of_poison() {
        let Some(folder) = std::env::var_os("QUEUE_WITH_POISON") else { return };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let running = start_in(Path::new(&folder));
            running.queue.settled().await;
            running.end().await;
        });
    }

    #[tokio::test]
    async fn a_mail_that_kills_the_process_is_held_after_three_times_and_the_rest_is_delivered() {
        let folder = TempDir::new().unwrap();
        let sent = |to: &str| Change::Enqueue(Box::new(recent(&[&[to]])));
        {
            let opened = open(folder.path(), "mx.example.test", &Policy::default(), Timestamp::now());
            let mut store = opened.unwrap().expect("one at a time").store;
            let mails = ["poison@one.example", "b@two.example", "c@one.example"].map(sent);
            store.commit(&mails).unwrap().into_iter().for_each(|done| drop(done.unwrap()));
        }
        let run = || {
            let name = "queue::runner::tests::a_process_that_dies_of_poison";
            let mut run = std::process::Command::new(std::env::current_exe().unwrap());
            run.args(["--exact", name, "--ignored"]).env("QUEUE_WITH_POISON", folder.path());
            run.output().unwrap().status.success()
        };
        let lives: Vec<_> = (0..4).map(|_| run()).collect();
        assert_eq!(lives, [false, false, false, true], "it dies of it three times and no more");
        let running = start(&folder);
        let deliveries = running.deliveries().await;
        assert_eq!((deliveries[0].0.as_str(), deliveries[0].1.as_str()), ("poison@one.example", "hold"));
        let done = |delivery: &(String, String, u64)| delivery.1 == "done" && delivery.2 == 1;
        assert!(deliveries[1..].iter().all(done), "once each: {deliveries:?}");
        running.end().await;
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_set_aside_and_the_rest_goes() {
        let folder = TempDir::new().unwrap();
        let running = start(&folder);
        running.enqueue(&[&["b@two.example"]]).await;
        running.deliveries().await;
        running.end().await;
        let change = |sql: &str| {
            let db = rusqlite::Connection::open(folder.path().join("queue.db")).unwrap();
            db.execute_batch(sql).unwrap();
        };
        let damages = [
            "UPDATE message SET kind = 'nonsense' WHERE msg_id = 2",
            "UPDATE delivery SET next_at = 9223372036854775807 WHERE msg_id = 3",
            "UPDATE message SET body_id = NULL WHERE msg_id = 4",
        ];
        {
            let opened = open(folder.path(), "mx.example.test", &Policy::default(), Timestamp::now());
            let mut store = opened.unwrap().expect("one at a time").store;
            let mails = ["c@one.example", "d@one.example", "e@one.example", "f@one.example"];
            let mails = mails.map(|to| Change::Enqueue(Box::new(recent(&[&[to]]))));
            store.commit(&mails).unwrap();
        }
        damages.iter().for_each(|sql| change(sql));
        let running = start(&folder);
        let states: Vec<_> = running.deliveries().await.into_iter().map(|(_, state, _)| state).collect();
        assert_eq!(states, ["done", "hold", "hold", "hold", "done"]);
        running.end().await;
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
