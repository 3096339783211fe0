//! Many connections to one destination.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_lock::{Semaphore, SemaphoreGuardArc};
use async_std::task::{sleep, spawn};
use smtp_proto::client::{CloseReason, Envelope, Outcome, Recipient, Why};

use super::connect::{Connect, ConnectError};
use super::pump::Client;

/// Most connections at a time, unless told otherwise: large receivers refuse more from a sender that they don't know.
const CONNECTIONS: usize = 10;
/// Most messages over one connection, unless told otherwise: what the strictest of the well-known receivers don't mind.
const MESSAGES: u32 = 100;
/// How long a connection may idle, unless told otherwise. Servers wait five minutes, many much less.
const IDLE: Duration = Duration::from_secs(30);
/// How old a connection may get, unless told otherwise: so that changes of addresses and certificates take effect.
const AGE: Duration = Duration::from_secs(600);
/// After this time at rest a connection is asked (RSET) before it is used.
const CHECK: Duration = Duration::from_secs(2);
/// How many connections a message may find gone before it stays unsent: each was closed by the server while idle.
const STALE: usize = 3;

/// Connections to one destination, kept and used again. Clones share them.
///
/// ```no_run
/// # async fn run(list: &[smtp_asyncstd::MailboxBuf], news: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// use smtp_asyncstd::{Client, ClientConfig, Credentials, Envelope, MailboxBuf, Pool, TlsPolicy};
///
/// let relay = Client::to("relay.example:587", ClientConfig::new("news.example")?)
///     .tls(TlsPolicy::Required)
///     .credentials(Credentials::password("news", "secret"));
/// let pool = Pool::to(relay).connections(20).messages_each(50).build();
/// let from: MailboxBuf = "news@news.example".parse()?;
/// for (to, outcome) in list.iter().zip(pool.send(&Envelope::new(&from).to(list), news).await) {
///     println!("{to}: {outcome:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

/// Settings of a [`Pool`].
#[derive(Clone, Debug)]
#[must_use = "a pool is made by `build`"]
pub struct PoolBuilder {
    connect: Connect,
    connections: usize,
    messages: u32,
    idle: Duration,
    age: Duration,
    check: Duration,
}

/// What a pool has done so far, and does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections made.
    pub connected: u64,
    /// Connections that could not be made.
    pub failed: u64,
    /// Times that a connection was used again.
    pub reused: u64,
    /// Connections that the server had closed, or spoken on unasked, while they idled.
    pub stale: u64,
    /// Messages handed to [`Pool::send`].
    pub messages: u64,
    /// Recipients by outcome.
    pub accepted: u64,
    /// Recipients by outcome.
    pub refused: u64,
    /// Recipients by outcome.
    pub not_tried: u64,
    /// Recipients by outcome.
    pub unknown: u64,
    /// Messages that wait for a connection now.
    pub waiting: usize,
    /// Connections that idle now.
    pub idle: usize,
    /// Connections that send now.
    pub busy: usize,
}

#[derive(Debug)]
struct Inner {
    settings: PoolBuilder,
    /// One for each connection; it hands them out in the order asked for.
    permits: Arc<Semaphore>,
    idle: Mutex<Idle>,
    last_failure: Mutex<Option<Arc<ConnectError>>>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    connected: AtomicU64,
    failed: AtomicU64,
    reused: AtomicU64,
    stale: AtomicU64,
    messages: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    not_tried: AtomicU64,
    unknown: AtomicU64,
    waiting: AtomicUsize,
    busy: AtomicUsize,
}

/// Connections at rest, the one used last at the end.
#[derive(Debug, Default)]
struct Idle {
    kept: VecDeque<Kept>,
    /// A task sees to it that none idles for too long.
    watched: bool,
}

/// A connection, and since when there is it.
#[derive(Debug)]
struct Kept {
    client: Client,
    made: Instant,
    idle_since: Instant,
}

/// A connection of a [`Pool`] on loan, for what [`Pool::send`] does not do: content that is streamed, a session looked at.
///
/// Dropped, the connection ends and is not used again.
#[derive(Debug)]
#[must_use = "a connection that is not given back ends"]
pub struct Lease {
    pool: Pool,
    kept: Kept,
    is_reused: bool,
    _busy: Counted,
    _permit: SemaphoreGuardArc,
}

impl Lease {
    /// Whether it was used before. What [ended while it idled](CloseReason::Idle) is to be tried on another one.
    #[must_use]
    pub const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Gives the connection back, to be used again if it may be: it has to be at rest, as it is after a message.
    pub fn give_back(self) {
        self.pool.put_back(self.kept);
    }
}

impl Deref for Lease {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.kept.client
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.kept.client
    }
}

impl PoolBuilder {
    /// Most connections at a time. Defaults to 10; at least 1.
    pub fn connections(mut self, n: usize) -> Self {
        self.connections = n.max(1);
        self
    }

    /// Most messages over one connection. Defaults to 100. LIMITS MAILMAX is obeyed without being told.
    pub fn messages_each(mut self, n: u32) -> Self {
        self.messages = n.max(1);
        self
    }

    /// How long a connection may idle before QUIT. Defaults to 30 seconds.
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// How old a connection may get. Defaults to 10 minutes.
    pub fn max_age(mut self, limit: Duration) -> Self {
        self.age = limit;
        self
    }

    /// After how long at rest a connection is asked (RSET) before a message is trusted to it. Defaults to 2 seconds.
    pub fn check_after(mut self, rest: Duration) -> Self {
        self.check = rest;
        self
    }

    /// The pool. Connections are made when they are needed.
    #[must_use]
    pub fn build(self) -> Pool {
        let inner = Inner {
            permits: Arc::new(Semaphore::new(self.connections)),
            settings: self,
            idle: Mutex::default(),
            last_failure: Mutex::default(),
            counters: Counters::default(),
        };
        Pool { inner: Arc::new(inner) }
    }
}

impl Pool {
    /// A pool of connections as `connect` makes them.
    pub fn to(connect: Connect) -> PoolBuilder {
        PoolBuilder {
            connect,
            connections: CONNECTIONS,
            messages: MESSAGES,
            idle: IDLE,
            age: AGE,
            check: CHECK,
        }
    }

    /// Sends a message over a connection that is free, or over a new one; waits for its turn where all are busy. What became
    /// of it for each recipient, in the envelope's order.
    ///
    /// What was not tried because of a server's limits (transactions, recipients) or because a kept connection had ended
    /// is sent again at once. Refused and [`Unknown`](Outcome::Unknown) never are: the first was said by the server, the
    /// second could deliver twice.
    pub async fn send(&self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        self.inner.counters.messages.fetch_add(1, Relaxed);
        let all = envelope.recipients();
        let (mut outcomes, mut stale) = (self.send_once(envelope, content).await, 0);
        loop {
            let again: Vec<usize> = (0..outcomes.len()).filter(|at| is_to_repeat(&outcomes[*at])).collect();
            // Limits that leave nobody served would leave nobody served the next time.
            let is_hopeless = again.len() == outcomes.len() && outcomes.iter().all(is_limited);
            if again.is_empty() || is_hopeless || stale == STALE {
                break;
            }
            stale += usize::from(!again.iter().all(|at| is_limited(&outcomes[*at])));
            let rest: Vec<Recipient<'_>> = again.iter().filter_map(|at| all.at(*at)).collect();
            let further = self.send_once(&envelope.to(&rest), content).await;
            let is_stuck = further.iter().all(is_limited);
            for (at, outcome) in again.into_iter().zip(further) {
                outcomes[at] = outcome;
            }
            if is_stuck {
                break;
            }
        }
        self.count(&outcomes);
        outcomes
    }

    /// A connection that is free, or a new one; waits for its turn where all are busy.
    ///
    /// # Errors
    /// When none can be made; [`last_failure`](Self::last_failure) tells it too.
    pub async fn lease(&self) -> Result<Lease, Arc<ConnectError>> {
        let waiting = Counted::new(&self.inner, |counters| &counters.waiting);
        let permits = Arc::clone(&self.inner.permits);
        let permit = permits.acquire_arc().await;
        drop(waiting);
        let busy = Counted::new(&self.inner, |counters| &counters.busy);
        match self.kept_or_new().await {
            Ok((kept, is_reused)) => {
                Ok(Lease { pool: self.clone(), kept, is_reused, _busy: busy, _permit: permit })
            }
            Err(error) => {
                let error = Arc::new(error);
                self.inner.counters.failed.fetch_add(1, Relaxed);
                *lock(&self.inner.last_failure) = Some(Arc::clone(&error));
                Err(error)
            }
        }
    }

    /// Why a connection could not be made, the last time that this happened.
    #[must_use]
    pub fn last_failure(&self) -> Option<Arc<ConnectError>> {
        lock(&self.inner.last_failure).clone()
    }

    /// What was done so far, and is being done.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let counters = &self.inner.counters;
        PoolStats {
            connected: counters.connected.load(Relaxed),
            failed: counters.failed.load(Relaxed),
            reused: counters.reused.load(Relaxed),
            stale: counters.stale.load(Relaxed),
            messages: counters.messages.load(Relaxed),
            accepted: counters.accepted.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            not_tried: counters.not_tried.load(Relaxed),
            unknown: counters.unknown.load(Relaxed),
            waiting: counters.waiting.load(Relaxed),
            idle: lock(&self.inner.idle).kept.len(),
            busy: counters.busy.load(Relaxed),
        }
    }

    /// Says QUIT on all connections that idle, and waits until that is done.
    pub async fn close_idle(&self) {
        let idle = std::mem::take(&mut lock(&self.inner.idle).kept);
        for kept in idle {
            kept.client.quit().await;
        }
    }

    async fn send_once(&self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        match self.lease().await {
            Ok(mut lease) => {
                let outcomes = lease.send(envelope, content).await;
                lease.give_back();
                outcomes
            }
            Err(_) => vec![Outcome::NotTried(Why::NoConnection); envelope.recipients().len()],
        }
    }

    async fn kept_or_new(&self) -> Result<(Kept, bool), ConnectError> {
        loop {
            // The one used last is the least likely to have been closed.
            let Some(mut kept) = lock(&self.inner.idle).kept.pop_back() else { break };
            if self.inner.is_spent(&kept, Instant::now()) {
                spawn(kept.client.quit());
            } else if self.is_sound(&mut kept).await {
                self.inner.counters.reused.fetch_add(1, Relaxed);
                return Ok((kept, true));
            } else {
                self.inner.counters.stale.fetch_add(1, Relaxed);
            }
        }
        let client = self.inner.settings.connect.connect().await?;
        self.inner.counters.connected.fetch_add(1, Relaxed);
        let made = Instant::now();
        Ok((Kept { client, made, idle_since: made }, false))
    }

    /// Whether the server is there and has not spoken unasked; asked where that was long ago.
    async fn is_sound(&self, kept: &mut Kept) -> bool {
        if kept.client.is_disturbed().await {
            return false;
        }
        if kept.idle_since.elapsed() < self.inner.settings.check {
            return true;
        }
        kept.client.rset().await.is_ok_and(|reply| reply.code() == 250)
    }

    fn put_back(&self, mut kept: Kept) {
        let session = kept.client.session();
        if session.close_reason().is_some() || session.waiting_for().is_some() {
            return;
        }
        kept.idle_since = Instant::now();
        if !session.takes_another() || self.inner.is_spent(&kept, kept.idle_since) {
            spawn(kept.client.quit());
            return;
        }
        let until = kept.idle_since + self.inner.settings.idle;
        let mut idle = lock(&self.inner.idle);
        idle.kept.push_back(kept);
        if !std::mem::replace(&mut idle.watched, true) {
            spawn(reap(Arc::downgrade(&self.inner), until));
        }
    }

    fn count(&self, outcomes: &[Outcome]) {
        let counters = &self.inner.counters;
        for outcome in outcomes {
            let counter = match outcome {
                Outcome::Accepted(_) => &counters.accepted,
                Outcome::Refused(_) => &counters.refused,
                Outcome::NotTried(_) => &counters.not_tried,
                Outcome::Unknown => &counters.unknown,
            };
            counter.fetch_add(1, Relaxed);
        }
    }
}

impl Inner {
    /// Whether a connection has had its share of messages or time.
    fn is_spent(&self, kept: &Kept, now: Instant) -> bool {
        kept.client.session().transactions() >= self.settings.messages
            || now.duration_since(kept.made) >= self.settings.age
            || now.duration_since(kept.idle_since) >= self.settings.idle
    }
}

/// Says QUIT on connections that have idled long enough, until none idles or the pool is gone.
async fn reap(pool: Weak<Inner>, mut until: Instant) {
    loop {
        sleep(until.saturating_duration_since(Instant::now())).await;
        let Some(inner) = pool.upgrade() else { return };
        let (mut expired, mut is_over) = (Vec::new(), false);
        {
            let mut idle = lock(&inner.idle);
            let now = Instant::now();
            while idle.kept.front().is_some_and(|kept| inner.is_spent(kept, now)) {
                expired.extend(idle.kept.pop_front());
            }
            match idle.kept.front() {
                Some(next) => until = next.idle_since + inner.settings.idle,
                None => (idle.watched, is_over) = (false, true),
            }
        }
        drop(inner);
        for kept in expired {
            spawn(kept.client.quit());
        }
        if is_over {
            return;
        }
    }
}

/// Whether to send again at once: nothing that counts was sent, and on another connection or in another transaction it
/// may well be taken.
fn is_to_repeat(outcome: &Outcome) -> bool {
    is_limited(outcome) || matches!(outcome, Outcome::NotTried(Why::Closed(CloseReason::Idle)))
}

fn is_limited(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotTried(Why::Limits))
}

/// Counts a message as waiting or being sent, for as long as it lives.
#[derive(Debug)]
struct Counted {
    inner: Arc<Inner>,
    counter: fn(&Counters) -> &AtomicUsize,
}

impl Counted {
    fn new(inner: &Arc<Inner>, counter: fn(&Counters) -> &AtomicUsize) -> Self {
        counter(&inner.counters).fetch_add(1, Relaxed);
        Self { inner: Arc::clone(inner), counter }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.counter)(&self.inner.counters).fetch_sub(1, Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
