//! AUTH: what the core asks about users, answered by the people.

use std::sync::Arc;
use std::time::Instant;

use smtp_proto::sasl::Bindings;
use smtp_proto::sasl::server::{Exchange, FAILED, Inputs, LATER, Next};
use smtp_proto::server::{Auth, Facts, Pending, TlsInfo};
use smtp_proto::wire::reply::Reply;

use crate::log::Log;
use crate::people::{Attempt, Known, People, random};

/// An exchange, kept beside its session.
#[derive(Default)]
pub(crate) struct Login {
    exchange: Exchange,
    /// Who is tried, once known.
    attempt: Option<Attempt>,
    /// What was tried and was wrong, where it was seen.
    wrong: Option<String>,
}

impl Login {
    fn begin(people: &People, auth: &Pending<'_, Auth<'_>>) -> Result<Self, String> {
        let mut inputs = Inputs::new(random()?, 0);
        if let Some(tls) = auth.facts().tls() {
            inputs = inputs.bindings(bindings(tls));
        }
        let exchange = Exchange::start(auth.mechanism(), &people.known().offer, inputs);
        Ok(Self { exchange, ..Self::default() })
    }

    /// Takes one step; the answer goes out with `auth`.
    pub(crate) async fn step(&mut self, people: &Arc<People>, log: &Log, auth: Pending<'_, Auth<'_>>) {
        if auth.is_first() {
            match Self::begin(people, &auth) {
                Ok(begun) => *self = begun,
                Err(error) => {
                    log.event("no-login").field("error", error);
                    return auth.refuse(&LATER);
                }
            }
        }
        let known = people.known();
        let Self { exchange, attempt, wrong } = self;
        let mut next = exchange.step(auth.response());
        loop {
            next = match next {
                Next::Password(ask) => {
                    let tried = attempt.insert(attempt_of(&known, ask.user(), auth.facts()));
                    if people.guard.admits(tried, Instant::now()) {
                        let secret = known.account(ask.user()).and_then(|(_, account)| account.secret());
                        let right = known.passwords.check(ask.password(), secret).await;
                        if right {
                            learn(people, log, ask.user(), ask.password());
                        } else {
                            *wrong = Some(ask.password().to_owned());
                        }
                        ask.decide(right)
                    } else {
                        ask.later()
                    }
                }
                Next::Keys(ask) => {
                    let tried = attempt.insert(attempt_of(&known, ask.user(), auth.facts()));
                    if people.guard.admits(tried, Instant::now()) {
                        let keys = known.keys(ask.user());
                        ask.decide(keys.as_ref())
                    } else {
                        ask.later()
                    }
                }
                // Nobody acts as somebody else, but their name and their address are the same person.
                Next::Authorize(ask) => {
                    let (user, other) =
                        (known.directory.login(ask.user()), known.directory.login(ask.authzid()));
                    let same = user.is_some() && user == other;
                    ask.decide(same)
                }
                Next::Challenge(octets) => return auth.challenge(octets),
                Next::Done(identity) => {
                    let Some(user) = known.directory.login(identity) else { return auth.refuse(&FAILED) };
                    if let Some(attempt) = attempt {
                        people.guard.succeeded(attempt);
                    }
                    log.event("login")
                        .field("user", &user.name)
                        .field("by", auth.mechanism())
                        .maybe("peer", auth.facts().peer().remote());
                    return auth.accept_as(&user.name);
                }
                Next::Refused(reply) => return refuse(people, log, auth, attempt, wrong.take(), reply).await,
                other => other.or_refuse(),
            };
        }
    }
}

/// What ties an exchange to its TLS connection, for -PLUS.
fn bindings(tls: &TlsInfo) -> Bindings {
    let mut bindings = Bindings::new();
    if let Some(exporter) = tls.exporter.as_deref().and_then(|octets| octets.try_into().ok()) {
        bindings = bindings.exporter(exporter);
    }
    match &tls.server_end_point {
        Some(hash) => bindings.end_point(hash),
        None => bindings,
    }
}

fn attempt_of(known: &Known, login: &str, facts: &Facts) -> Attempt {
    let name = known.directory.login(login).map_or(login, |user| &user.name);
    Attempt::new(name, facts.peer().remote().map(|address| address.ip()))
}

/// What a right password gives is kept in the background: the client need not wait for it.
fn learn(people: &Arc<People>, log: &Log, login: &str, password: &str) {
    let (people, log) = (Arc::clone(people), log.clone());
    let (login, password) = (login.to_owned(), password.to_owned());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = people.learn(&login, &password) {
            log.event("not-kept").field("user", login).field("error", error);
        }
    });
}

async fn refuse(
    people: &People,
    log: &Log,
    auth: Pending<'_, Auth<'_>>,
    attempt: &Option<Attempt>,
    wrong: Option<String>,
    reply: Reply<'static>,
) {
    let peer = auth.facts().peer().remote();
    let nobody = || Attempt::new("", peer.map(|address| address.ip()));
    let attempt = attempt.clone().unwrap_or_else(nobody);
    log.event("no-login")
        .field("user", attempt.account())
        .field("by", auth.mechanism())
        .field("reply", reply.code())
        .maybe("peer", peer);
    if reply == FAILED {
        let delay = people.guard.failed(&attempt, wrong.as_deref(), Instant::now());
        tokio::time::sleep(delay).await;
    }
    auth.refuse(&reply);
}
