//! The way to other hosts: from a delivery to the hosts of its domain, or to those that a route names, one after another.
//!
//! ```text
//!  Job --> Router: hosts and addresses, best first --> Hosts: a connection, kept or new --> Message: one transaction
//!                                                         |  no connection, 4yz              |  an outcome each
//!                                                         v                                  v
//!                                                      the next address                    Ledger --> Report
//! ```
//!
//! A route of the settings takes the router's place where it names hosts; those are spoken to as it says, and what is wrong
//! with them is told to the operator, and costs no mail.
//!
//! An answer of 5yz about the message is final; 4yz, or a host that can't be talked to, leads to the next host. What may
//! have been taken goes to no other host. The sender stays what it was, also where an alias leads here.

mod down;
mod hosts;
mod ledger;
mod settings;
mod transmit;
mod ways;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use smtp_proto::wire::ehlo::Keyword;
use smtp_tokio::Outcome as Sent;
use smtp_tokio::client::{CloseReason, Lease, Why};

pub(crate) use self::hosts::{Hosts, causes, tls_policy};
use self::hosts::{Login, NoLease, Target, temporary};
use self::ledger::{HostFailure, Ledger};
pub(crate) use self::settings::{MxTls, RelaySettings};
use self::transmit::Message;
pub(crate) use self::ways::route_key;
use self::ways::{Way, parts};
use crate::config::{Config, Route, SmartHost};
use crate::dns::{Lookup, NoRoute, Router, Why as NoHost};
use crate::queue::{Job, Outcome, Reach, Report, Said, Spool, Transport};
use crate::store::RealDisk;

/// How often a message goes out again at once to all that it went to before: kept connections may be gone, one after
/// another. Where a host takes it for some at a time, it goes out for the rest as long as that helps.
const AT_ONCE: usize = 5;

/// Octets that are kept of what hosts said that have got nothing: of the first of them, as the others rarely differ.
const TRANSCRIPTS: usize = 16 * 1024;

/// Carries mail to other hosts.
pub(crate) struct Relay<L> {
    router: Router<L>,
    hosts: Hosts,
    /// The settings of now, which say what routes there are.
    config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    spool: Spool<RealDisk>,
    /// Whose turn it is among hosts that are equal.
    turn: AtomicUsize,
}

/// One delivery on its way.
struct Attempt<'a> {
    job: &'a Arc<Job>,
    spool: &'a Spool<RealDisk>,
    ledger: Ledger,
    /// Once it was looked at.
    message: Option<Message>,
    report: Report,
    reached: bool,
    /// How often the address at hand was tried without effect.
    fruitless: usize,
}

impl<L: Lookup> Relay<L> {
    pub(crate) const fn new(
        router: Router<L>,
        hosts: Hosts,
        config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
        spool: Spool<RealDisk>,
    ) -> Self {
        Self { router, hosts, config, spool, turn: AtomicUsize::new(0) }
    }

    async fn deliver_all(&self, job: &Arc<Job>) -> Report {
        let config = (self.config)();
        let mut whole: Option<Report> = None;
        for (way, part) in parts(&config.route, job) {
            let report = self.deliver_one_way(&way, &part).await;
            whole = Some(match whole {
                None => report,
                Some(before) => together(before, report),
            });
        }
        whole.unwrap_or_default()
    }

    async fn deliver_one_way(&self, way: &Way, job: &Arc<Job>) -> Report {
        let began = Instant::now();
        let must_be_verified = job.envelope.requiretls;
        let found = match way {
            Way::Mx { domain, tls } => {
                let tls = self.hosts.policy(*tls, must_be_verified);
                self.router.route(domain).await.map(|route| self.hosts.targets(&route, tls))
            }
            Way::Smart(route) => self.smart_targets(route, must_be_verified).await,
        };
        let targets = match found {
            Ok(targets) => targets,
            Err(no_route) => return nowhere(job, &no_route),
        };
        job.flight.pulse.beat();
        let mut attempt = Attempt::new(job, &self.spool);
        attempt.report.delays.dns = Some(began.elapsed());
        for (at, target) in targets.iter().enumerate() {
            let elsewhere = targets[at + 1..].iter().any(|other| other.family() != target.family());
            attempt.visit(&self.hosts, target, elsewhere).await;
        }
        attempt.finish()
    }

    /// The addresses of a route's hosts: in its order, and among equals in turns. What can't be found is left out, unless
    /// nothing can.
    async fn smart_targets(&self, route: &Route, must_be_verified: bool) -> Result<Vec<Target>, NoRoute> {
        let login = login(route).await?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = |equals: &[SmartHost]| {
            let first = turn % equals.len().max(1);
            [&equals[first..], &equals[..first]].concat()
        };
        let hosts: Vec<_> = route.hosts.iter().flat_map(|equals| in_turn(&equals.0)).collect();
        let found = join_all(hosts.iter().map(|host| self.router.of_host(&host.at))).await;
        let (mut targets, mut trouble) = (Vec::new(), None);
        for (host, found) in hosts.iter().zip(found) {
            match found {
                Ok(addresses) => targets.extend(addresses.into_iter().map(|address| Target {
                    name: host.at.to_string(),
                    address: SocketAddr::new(address, route.port_of(host)),
                    tls: self.hosts.policy(route.tls_of(host), must_be_verified),
                    login: login.clone(),
                    is_named: true,
                })),
                Err(no_route) => trouble = trouble.or(Some(no_route)),
            }
        }
        match trouble {
            Some(no_route) if targets.is_empty() => Err(no_route),
            _ => Ok(self.hosts.usable(targets)),
        }
    }
}

/// As whom a route's hosts are asked. That it can't be found out is no fault of the mail.
async fn login(route: &Route) -> Result<Option<Login>, NoRoute> {
    if route.user.is_empty() {
        return Ok(None);
    }
    let secret = route.secret.clone();
    let read = tokio::task::spawn_blocking(move || secret.read()).await;
    match read.unwrap_or_else(|panic| Err(panic.to_string())) {
        Ok(secret) => Ok(Some(Login { user: route.user.clone(), secret })),
        Err(why) => Err(NoRoute::new(NoHost::Unknown, format!("no secret for {}: {why}", route.user))),
    }
}

/// One report of two parts of a delivery.
fn together(mut before: Report, after: Report) -> Report {
    before.outcomes.extend(after.outcomes);
    let reach = if before.reach == Reach::Reached { before.reach } else { after.reach };
    Report { outcomes: before.outcomes, reach, ..after }
}

impl<'a> Attempt<'a> {
    fn new(job: &'a Arc<Job>, spool: &'a Spool<RealDisk>) -> Self {
        let report = Report { phase: Some("connect".to_owned()), ..Report::default() };
        Self { job, spool, ledger: Ledger::new(job), message: None, report, reached: false, fruitless: 0 }
    }

    /// Tries one address with all that are open.
    async fn visit(&mut self, hosts: &Hosts, target: &Target, elsewhere: bool) {
        let mut to = self.ledger.pending(target.family());
        self.fruitless = 0;
        while !to.is_empty() {
            if let Some(why) = hosts.down(target) {
                self.not_reached(&why);
                return self.ledger.host_failed(target.family(), &HostFailure::Away(why));
            }
            let began = Instant::now();
            let connected = hosts.connect(target).await;
            self.job.flight.pulse.beat();
            let mut took = began.elapsed();
            if let Some(tls) = connected.as_ref().ok().and_then(handshake) {
                took = took.saturating_sub(tls);
                *self.report.delays.tls.get_or_insert_default() += tls;
            }
            *self.report.delays.connect.get_or_insert_default() += took;
            self.talks_to(target);
            let lease = match connected {
                Ok(lease) => lease,
                Err(NoLease { failure, wire }) => {
                    self.tell(wire);
                    self.not_reached(failure.said());
                    return self.ledger.host_failed(target.family(), &self.for_the_message(failure));
                }
            };
            let again = self.send(hosts, lease, target, &to, elsewhere).await;
            self.fruitless += usize::from(again.len() == to.len());
            to = again;
        }
    }

    /// What a failure means for a message that requires TLS: a host that has none does not take it (RFC 8689 §4.2.1).
    fn for_the_message(&self, failure: HostFailure) -> HostFailure {
        match failure {
            HostFailure::NoTls(_) if self.job.envelope.requiretls => {
                let text = "554 5.7.30 The message requires TLS, which the host does not offer";
                HostFailure::Always(Said::ours((5, 7, 30), text))
            }
            failure => failure,
        }
    }

    /// Keeps what a host said that has got nothing, as long as there is room.
    fn tell(&mut self, wire: Option<String>) {
        let before = self.report.transcript.as_ref().map_or(0, String::len);
        if let Some(wire) = wire.filter(|wire| before + wire.len() <= TRANSCRIPTS) {
            self.report.transcript.get_or_insert_default().push_str(&wire);
        }
    }

    fn not_reached(&mut self, why: &Said) {
        // A host without the TLS that this message requires is there for others.
        let is_there = self.job.envelope.requiretls && !why.remote && matches!(why.status, (4, 7, 4 | 5));
        if !self.reached && !is_there {
            self.report.reach = Reach::Unreachable(why.text.clone());
        }
    }

    fn talks_to(&mut self, target: &Target) {
        self.report.mx = Some(target.name.clone());
        self.report.ip = Some(target.address.ip().to_string());
        self.report.tls = None;
    }

    /// Sends over a connection. Those to whom it is sent again at once.
    async fn send(
        &mut self,
        hosts: &Hosts,
        mut lease: Lease,
        target: &Target,
        to: &[usize],
        elsewhere: bool,
    ) -> Vec<usize> {
        (self.reached, self.report.reach) = (true, Reach::Reached);
        let session = lease.session();
        self.report.tls = session.tls().map(|tls| format!("{} {}", tls.protocol, tls.cipher));
        let reports = session.offers(Keyword::Dsn);
        let (to, in_utf8): (Vec<_>, Vec<_>) =
            to.iter().partition(|at| session.offers(Keyword::SmtpUtf8) || self.is_ascii(**at));
        for at in in_utf8 {
            let why = Why::Unsupported(Keyword::SmtpUtf8);
            self.ledger.note(at, Sent::NotTried(why), reports, target.family(), elsewhere);
        }
        if self.message.is_none() && !to.is_empty() {
            match Message::open(self.job, self.spool).await {
                Ok(message) => self.message = Some(message),
                Err(error) => self.ledger.settle(&Outcome::unreadable(&error)),
            }
        }
        let Some(message) = self.message.as_ref().filter(|_| !to.is_empty()) else {
            lease.give_back();
            return Vec::new();
        };
        let began = Instant::now();
        let sent = message.transmit(&mut lease, &to).await;
        *self.report.delays.data.get_or_insert_default() +=
            began.elapsed().saturating_sub(sent.dot.unwrap_or_default());
        if let Some(dot) = sent.dot {
            *self.report.delays.dot.get_or_insert_default() += dot;
        }
        self.report.phase = sent.phase.map(str::to_owned).or(self.report.phase.take());
        self.report.transcript = Some(sent.transcript);
        let (mut again, mut wanted) = (Vec::new(), None);
        let worn = lease.is_reused() || lease.session().transactions() > 1;
        let is_stuck = self.fruitless >= AT_ONCE || !worn && sent.outcomes.iter().all(is_limited);
        for (at, outcome) in to.into_iter().zip(sent.outcomes) {
            if !is_stuck && (is_limited(&outcome) || worn && is_worn_out(&outcome)) {
                again.push(at);
            } else if let Some(said) = wants_log_in(target, &outcome) {
                wanted = Some(said.clone());
                self.ledger.put_off(at, said);
            } else {
                self.ledger.note(at, outcome, reports, target.family(), elsewhere);
            }
        }
        if let Some(said) = wanted {
            hosts.wants_log_in(target, &said);
        }
        if let Some(error) = sent.unreadable {
            self.ledger.settle(&Outcome::unreadable(&error));
            again.clear();
        }
        lease.give_back();
        again
    }

    fn is_ascii(&self, at: usize) -> bool {
        self.job.rcpts.get(at).is_none_or(|rcpt| rcpt.address.is_ascii())
    }

    fn finish(mut self) -> Report {
        self.report.outcomes = self.ledger.finish();
        self.report
    }
}

/// How long the handshake of a connection took that is new.
fn handshake(lease: &Lease) -> Option<Duration> {
    lease.handshake_time().filter(|_| !lease.is_reused())
}

const fn is_limited(sent: &Sent) -> bool {
    matches!(sent, Sent::NotTried(Why::Limits))
}

/// Whether the host left, or said that it does, at rest or when MAIL was said: of a connection that was used before that
/// says nothing about the message.
const fn is_worn_out(sent: &Sent) -> bool {
    use smtp_tokio::client::Sent::Mail;
    let Sent::NotTried(Why::Closed(reason)) = sent else { return false };
    matches!(reason, CloseReason::Idle | CloseReason::PeerGone(Mail) | CloseReason::Farewell(Mail))
}

/// What a smart host said that takes mail only from who logs in (RFC 4954 §6): settings lack that, not the message.
fn wants_log_in(target: &Target, sent: &Sent) -> Option<Said> {
    let Sent::Refused(reply) = sent else { return None };
    let said = (target.is_named && reply.code() == 530).then(|| Said::theirs(reply))?;
    Some(Said { status: temporary(said.status), ..said })
}

/// There is no host, now or for good.
fn nowhere(job: &Job, no_route: &NoRoute) -> Report {
    let said = Said::ours(no_route.why.status(), no_route.to_string());
    let (outcome, reach) = if no_route.why.is_permanent() {
        (Outcome::Refused(said), Reach::Reached)
    } else {
        let why = said.text.clone();
        (Outcome::Later(said), Reach::Unreachable(why))
    };
    let outcomes = job.rcpts.iter().map(|rcpt| (rcpt.id, outcome.clone())).collect();
    Report { outcomes, reach, phase: Some("dns".to_owned()), ..Report::default() }
}

impl<L: Lookup + 'static> Transport for Relay<L> {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move { self.deliver_all(&job).await })
    }

    fn ask_again(&self) {
        self.hosts.forget_down();
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.hosts.close_idle())
    }
}

#[cfg(test)]
mod tests;
