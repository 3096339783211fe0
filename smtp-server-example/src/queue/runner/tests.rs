//! Deliveries that break off, destinations that are down, rows that make no sense.

use std::future::Future;
use std::pin::Pin;

use tempfile::TempDir;

use super::*;
use crate::queue::admin::{Behind, Request, asked};
use crate::queue::conformance::{self, message};
use crate::queue::filter::Filter;
use crate::queue::model::NewMessage;
use crate::queue::store::{Order, Verb};

/// Panics for recipients named `panic`, dies for `poison`, gets nowhere for `stuck`, says that `down` can't be reached, and takes the rest.
struct Moody;

impl Transport for Moody {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            assert!(!job.rcpts[0].address.starts_with("panic@"), "asked to panic");
            if job.rcpts[0].address.starts_with("poison@") {
                std::process::abort();
            }
            if job.rcpts[0].address.starts_with("stuck-at-dot@") {
                job.flight.before_dot();
            }
            if job.rcpts[0].address.starts_with("stuck") {
                std::future::pending::<()>().await;
            }
            let down = job.rcpts[0].address.starts_with("down@");
            let outcome = |rcpt: &crate::queue::model::Rcpt| {
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
    begin_in(folder, |_| {})
}

/// Does this to the queue before anything is tried.
fn begin_in(folder: &Path, before: impl FnOnce(&Queue)) -> Running {
    let now = Timestamp::now();
    let (log, _) = Log::start(io::sink()).unwrap();
    let with = Surroundings {
        host: "mx.example.test".into(),
        policy: Policy::default(),
        log,
        ids: Arc::new(QueueIds::new()),
        ways: Arc::new(conformance::by_domain),
        onward: Arc::new(|_| None),
        local: Arc::new(Moody),
        remote: Arc::new(Moody),
        patience: Duration::from_millis(100),
    };
    let opened = open(folder, "mx.example.test", &Policy::default(), now).unwrap().expect("one at a time");
    let (queue, runner, thread) = opened.begin(with, now).unwrap();
    before(&queue);
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

    fn shown(&self) -> serde_json::Value {
        let all = Request::Show(Filter::parse(["all"]).unwrap(), Behind::default());
        asked(&self.queue.reader, &all, Timestamp::now()).unwrap()
    }

    /// Each delivery's recipient, state and tries, once all that is due was tried.
    async fn deliveries(&self) -> Vec<(String, String, u64)> {
        self.queue.settled().await;
        let shown = self.shown();
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

#[tokio::test]
async fn a_delivery_that_gets_nowhere_is_given_up_and_may_have_been_taken_only_behind_its_dot() {
    let folder = TempDir::new().unwrap();
    let running = start(&folder);
    running.enqueue(&[&["stuck@one.example"], &["stuck-at-dot@two.example"], &["b@three.example"]]).await;
    let want = [
        is("stuck@one.example", "ready", 1),
        is("stuck-at-dot@two.example", "ready", 1),
        is("b@three.example", "done", 1),
    ];
    assert_eq!(running.deliveries().await, want);
    let shown = running.shown();
    let of = |n: usize| &shown[0]["deliveries"][n]["to"][0];
    assert_eq!((&of(0)["unsure"], &of(1)["unsure"]), (&false.into(), &true.into()));
    assert!(of(0)["reply"].as_str().unwrap().starts_with("451 4.4.2 "), "{shown}");
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
async fn a_queue_that_has_failed_delivers_nothing_until_the_next_run_and_its_end_says_so() {
    let folder = TempDir::new().unwrap();
    {
        let opened = open(folder.path(), "mx.example.test", &Policy::default(), Timestamp::now());
        let mut store = opened.unwrap().expect("one at a time").store;
        store.commit(&[Change::Enqueue(Box::new(recent(&[&["b@two.example"]])))]).unwrap();
    }
    let sync = || StoreError::new(Trouble::Io, "a sync failed");
    let running = begin_in(folder.path(), |queue| assert!(queue.writer().health().note(&sync())));
    assert_eq!(running.deliveries().await, [is("b@two.example", "ready", 0)], "due, and not tried");
    let offered =
        running.queue.writer().offer(Change::Enqueue(Box::new(recent(&[&["c@two.example"]])))).await;
    assert_eq!(offered.unwrap_err(), sync());
    running.stop.send(true).unwrap();
    running.runner.await.unwrap();
    drop(running.queue);
    let ended = tokio::task::spawn_blocking(move || running.thread.finish(PATIENCE)).await.unwrap();
    assert_eq!(ended, Err(sync()));
    let again = start(&folder);
    assert_eq!(again.deliveries().await, [is("b@two.example", "done", 1)]);
    again.end().await;
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
        // Not of mail: they are passed over.
        "INSERT INTO route VALUES ('one.example', 1, 9223372036854775807, 'x'), ('two.example', -1, 0, 'x')",
        "UPDATE message SET intake_key = x'00', doubt = 1 WHERE msg_id = 5",
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
