//! Many connections to one destination.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_lock::{Semaphore, SemaphoreGuardArc};
use async_std::task::{sleep, spawn};
use smtp_proto::client::{Attempts, Envelope, Outcome, Over, PoolLimits, PoolStats};

use super::connect::{Connect, ConnectError};
use super::pump::Client;

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
///     println!("{to}: {outcome}");
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
    limits: PoolLimits,
}

#[derive(Debug)]
struct Inner {
    settings: PoolBuilder,
    /// One for each connection; it hands them out in the order asked for.
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections at rest, the one used last at the end.
    kept: VecDeque<Kept>,
    /// A task sees to it that none idles for too long.
    watched: bool,
    stats: PoolStats,
    last_failure: Option<Arc<ConnectError>>,
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
    _turn: Turn,
}

/// The right to use one of the connections.
#[derive(Debug)]
struct Turn {
    _busy: Counted,
    _permit: SemaphoreGuardArc,
}

impl Lease {
    /// Whether it was used before: a server that left at rest, or when MAIL was said, then said nothing about the message,
    /// which is to be tried on another one, as [`Attempts`] does.
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
        self.limits.connections = n.max(1);
        self
    }

    /// Most messages over one connection. Defaults to 100. LIMITS MAILMAX is obeyed without being told.
    pub fn messages_each(mut self, n: u32) -> Self {
        self.limits.messages = n.max(1);
        self
    }

    /// How long a connection may idle before QUIT. Defaults to 30 seconds.
    pub fn idle(mut self, limit: Duration) -> Self {
        self.limits.idle = limit;
        self
    }

    /// How old a connection may get. Defaults to 10 minutes.
    pub fn max_age(mut self, limit: Duration) -> Self {
        self.limits.age = limit;
        self
    }

    /// After how long at rest a connection is asked (RSET) before a message is trusted to it. Defaults to 2 seconds.
    pub fn check_after(mut self, rest: Duration) -> Self {
        self.limits.check = rest;
        self
    }

    /// The pool. Connections are made when they are needed.
    #[must_use]
    pub fn build(self) -> Pool {
        let inner = Inner {
            permits: Arc::new(Semaphore::new(self.limits.connections)),
            settings: self,
            state: Mutex::default(),
        };
        Pool { inner: Arc::new(inner) }
    }
}

impl Pool {
    /// A pool of connections as `connect` makes them.
    pub fn to(connect: Connect) -> PoolBuilder {
        PoolBuilder { connect, limits: PoolLimits::default() }
    }

    /// Sends a message over a connection that is free, or over a new one; waits for its turn where all are busy. What became
    /// of it for each recipient, in the envelope's order.
    ///
    /// What was not tried because of a server's limits (transactions, recipients) or because a kept connection had ended,
    /// at rest or when MAIL was said on it, is sent again at once. Refused and [`Unknown`](Outcome::Unknown) never are: the
    /// first was said by the server, the second could deliver twice.
    pub async fn send(&self, envelope: &Envelope<'_>, content: &[u8]) -> Vec<Outcome> {
        self.inner.stat(|stats| stats.messages += 1);
        let mut attempts = Attempts::new(envelope);
        while let Some(over) = attempts.over() {
            let lease = match over {
                Over::Any => self.lease().await,
                Over::New => self.lease_new().await,
            };
            let Ok(mut lease) = lease else {
                attempts.give_up();
                break;
            };
            let outcomes = lease.send(&envelope.to(&attempts.recipients(envelope)), content).await;
            if lease.is_reused() || lease.session().transactions() > 1 {
                attempts.settle_used(outcomes);
            } else {
                attempts.settle(outcomes);
            }
            lease.give_back();
        }
        let outcomes = attempts.into_outcomes();
        self.inner.stat(|stats| stats.count(&outcomes));
        outcomes
    }

    /// A connection that is free, or a new one; waits for its turn where all are busy.
    ///
    /// # Errors
    /// When none can be made; [`last_failure`](Self::last_failure) tells it too.
    pub async fn lease(&self) -> Result<Lease, Arc<ConnectError>> {
        let turn = self.turn().await;
        match self.kept().await {
            Some(kept) => Ok(Lease { pool: self.clone(), kept, is_reused: true, _turn: turn }),
            None => self.lend_new(turn).await,
        }
    }

    /// A new connection, in place of one at rest where there are any.
    async fn lease_new(&self) -> Result<Lease, Arc<ConnectError>> {
        let turn = self.turn().await;
        let oldest = lock(&self.inner.state).kept.pop_front();
        if let Some(oldest) = oldest {
            spawn(oldest.client.quit());
        }
        self.lend_new(turn).await
    }

    async fn lend_new(&self, turn: Turn) -> Result<Lease, Arc<ConnectError>> {
        match self.inner.settings.connect.connect().await {
            Ok(client) => {
                self.inner.stat(|stats| stats.connected += 1);
                let made = Instant::now();
                let kept = Kept { client, made, idle_since: made };
                Ok(Lease { pool: self.clone(), kept, is_reused: false, _turn: turn })
            }
            Err(error) => {
                let error = Arc::new(error);
                let mut state = lock(&self.inner.state);
                state.stats.failed += 1;
                state.last_failure = Some(Arc::clone(&error));
                Err(error)
            }
        }
    }

    /// The right to use a connection.
    async fn turn(&self) -> Turn {
        let waiting = Counted::new(&self.inner, |stats| &mut stats.waiting);
        let permit = Arc::clone(&self.inner.permits).acquire_arc().await;
        drop(waiting);
        Turn { _busy: Counted::new(&self.inner, |stats| &mut stats.busy), _permit: permit }
    }

    /// Why a connection could not be made, the last time that this happened.
    #[must_use]
    pub fn last_failure(&self) -> Option<Arc<ConnectError>> {
        lock(&self.inner.state).last_failure.clone()
    }

    /// What was done so far, and is being done.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let state = lock(&self.inner.state);
        let mut stats = state.stats;
        stats.idle = state.kept.len();
        stats
    }

    /// Says QUIT on all connections that idle, and waits until that is done.
    pub async fn close_idle(&self) {
        let idle = std::mem::take(&mut lock(&self.inner.state).kept);
        for kept in idle {
            kept.client.quit().await;
        }
    }

    /// A connection at rest that can be used.
    async fn kept(&self) -> Option<Kept> {
        loop {
            // The one used last is the least likely to have been closed.
            let mut kept = lock(&self.inner.state).kept.pop_back()?;
            if self.inner.is_spent(&kept, Instant::now()) {
                spawn(kept.client.quit());
            } else if self.is_sound(&mut kept).await {
                self.inner.stat(|stats| stats.reused += 1);
                return Some(kept);
            } else {
                self.inner.stat(|stats| stats.stale += 1);
            }
        }
    }

    /// Whether the server is there and has not spoken unasked; asked where that was long ago.
    async fn is_sound(&self, kept: &mut Kept) -> bool {
        if kept.client.is_disturbed().await {
            return false;
        }
        if kept.idle_since.elapsed() < self.inner.settings.limits.check {
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
        let until = kept.idle_since + self.inner.settings.limits.idle;
        let mut state = lock(&self.inner.state);
        state.kept.push_back(kept);
        if !std::mem::replace(&mut state.watched, true) {
            spawn(reap(Arc::downgrade(&self.inner), until));
        }
    }
}

impl Inner {
    /// Whether a connection has had its share of messages or time.
    fn is_spent(&self, kept: &Kept, now: Instant) -> bool {
        let (age, rest) = (now.duration_since(kept.made), now.duration_since(kept.idle_since));
        self.settings.limits.is_spent(kept.client.session().transactions(), age, rest)
    }

    fn stat(&self, change: impl FnOnce(&mut PoolStats)) {
        change(&mut lock(&self.state).stats);
    }
}

/// Says QUIT on connections that have idled long enough, until none idles or the pool is gone.
async fn reap(pool: Weak<Inner>, mut until: Instant) {
    loop {
        sleep(until.saturating_duration_since(Instant::now())).await;
        let Some(inner) = pool.upgrade() else { return };
        let (mut expired, mut is_over) = (Vec::new(), false);
        {
            let mut state = lock(&inner.state);
            let now = Instant::now();
            while state.kept.front().is_some_and(|kept| inner.is_spent(kept, now)) {
                expired.extend(state.kept.pop_front());
            }
            match state.kept.front() {
                Some(next) => until = next.idle_since + inner.settings.limits.idle,
                None => (state.watched, is_over) = (false, true),
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

/// Counts a message as waiting or being sent, for as long as it lives.
#[derive(Debug)]
struct Counted {
    inner: Arc<Inner>,
    which: fn(&mut PoolStats) -> &mut usize,
}

impl Counted {
    fn new(inner: &Arc<Inner>, which: fn(&mut PoolStats) -> &mut usize) -> Self {
        inner.stat(|stats| *which(stats) += 1);
        Self { inner: Arc::clone(inner), which }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.inner.stat(|stats| *(self.which)(stats) -= 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
