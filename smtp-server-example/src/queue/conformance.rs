//! What every store must do. Each store's tests run [`all`] on benches of its own.

use std::time::Duration;

use jiff::Timestamp;

use super::filter::Filter;
use super::model::{
    Attempt, DeliveryId, Entry, Envelope, Job, Kind, NewDelivery, NewMessage, NewRcpt, Place, RcptState,
    RouteKey, RouteState, Settled, Settlement,
};
use super::spool::body_of;
use super::store::{Change, Effect, Order, Reader, Store, StoreError, Trouble, Verb};

/// A recipient who goes by their domain.
pub(super) fn by_domain(rcpt: NewRcpt) -> Vec<NewDelivery> {
    let route = RouteKey::domain(rcpt.address.rsplit('@').next().unwrap());
    vec![NewDelivery { route, warn: None, rcpts: vec![rcpt] }]
}

/// A place for a queue that survives its store.
pub(super) trait Bench {
    type Store: Store;
    type Reader: Reader;

    /// Starts the store on what is there, as the next run of the server would.
    fn start(&self, now: Timestamp) -> (Self::Store, Self::Reader);
}

/// Runs every rule, each on a fresh bench.
pub(super) fn all<B: Bench>(fresh: impl Fn() -> B) {
    what_is_committed_is_there_after_a_crash(&fresh());
    a_change_that_makes_no_sense_does_not_take_others_along(&fresh());
    recipients_settle_one_by_one(&fresh());
    a_notice_is_stored_with_its_cause_or_not_at_all(&fresh());
    an_earlier_run_is_believed_an_acceptance_and_nothing_else(&fresh());
    what_the_operator_took_out_stays_out_but_an_acceptance_is_noted(&fresh());
    orders_do_what_they_say_and_nothing_when_dry(&fresh());
    a_body_goes_when_nobody_needs_it(&fresh());
    a_message_taken_back_was_never_there(&fresh());
    old_messages_are_forgotten(&fresh());
    routes_are_remembered(&fresh());
    domains_that_worked_are_remembered(&fresh());
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// A message from a@client.example, arrived at `at(0)`, with a delivery for each list of recipients.
pub(super) fn message(deliveries: &[&[&str]]) -> NewMessage {
    let delivery = |to: &&[&str]| NewDelivery {
        route: RouteKey::domain(to[0].rsplit('@').next().unwrap()),
        warn: Some(at(4 * 3_600)),
        rcpts: to
            .iter()
            .map(|to| NewRcpt { address: (*to).to_owned(), user: None, orcpt: None, notify: None })
            .collect(),
    };
    NewMessage {
        envelope: Envelope {
            client: Some("192.0.2.1".into()),
            hello: Some("client.example".into()),
            ..Envelope::sample(at(0))
        },
        prefix: b"Received: here\r\n".to_vec(),
        body: body_of(b"Subject: x\r\n\r\ntext\r\n".to_vec()),
        hold: None,
        deliveries: deliveries.iter().map(delivery).collect(),
        key: None,
        batch: 0,
    }
}

/// A settlement of `job` at `at(60)` that gives its recipients these states, and tries again at `at(120)`.
pub(super) fn settlement(job: &Job, states: &[RcptState]) -> Settlement {
    let settled = |(rcpt, state): (&super::model::Rcpt, &RcptState)| Settled {
        id: rcpt.id,
        state: *state,
        unsure: false,
        reply: format!("said {}", state.word()),
        mx: Some("mx.example".into()),
        tls: None,
    };
    Settlement {
        delivery: job.delivery,
        epoch: job.epoch,
        now: at(60),
        rcpts: job.rcpts.iter().zip(states).map(settled).collect(),
        next: at(120),
        warn: job.warn,
        attempt: Some(Attempt {
            began: at(59),
            ended: at(60),
            outcome: "tried".into(),
            ..Attempt::default()
        }),
        notices: Vec::new(),
        route: None,
        hold: None,
    }
}

pub(super) fn commit(store: &mut impl Store, change: Change) -> Result<Effect, StoreError> {
    store.commit(&[change]).and_then(|mut answers| answers.pop().expect("an answer"))
}

fn enqueue(store: &mut impl Store, message: &NewMessage) -> Vec<Entry> {
    commit(store, Change::Enqueue(Box::new(message.clone()))).unwrap().entries
}

/// What is told of new mail is what a reader says of it.
fn is_as_read(reader: &impl Reader, effect: &Effect) {
    let mut ready = reader.ready().unwrap();
    ready.sort_by_key(|entry| entry.id);
    assert_eq!(effect.entries, ready);
    assert_eq!(effect.fresh.len(), ready.len());
    for job in &effect.fresh {
        assert_eq!(format!("{:?}", Some(job)), format!("{:?}", reader.job(job.delivery).unwrap()));
    }
}

fn settle(store: &mut impl Store, settlement: Settlement) -> Effect {
    commit(store, Change::Settle(Box::new(settlement))).unwrap()
}

fn order(store: &mut impl Store, verb: Verb, filter: &str, dry: bool) -> Effect {
    let filter = Filter::parse(filter.split(' ')).unwrap();
    commit(store, Change::Order(Order { verb, filter, now: at(90), dry })).unwrap()
}

fn ready(reader: &impl Reader) -> Vec<DeliveryId> {
    reader.ready().unwrap().iter().map(|entry| entry.id).collect()
}

fn what_is_committed_is_there_after_a_crash(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let sent = message(&[&["b@one.example", "c@one.example"], &["d@two.example"]]);
    let effect = commit(&mut store, Change::Enqueue(Box::new(sent.clone()))).unwrap();
    is_as_read(&reader, &effect);
    let entries = effect.entries;
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].next, entries[0].deadline), (at(0), at(4 * 3_600)), "due now, late in 4 hours");
    // Not closed: the process is gone.
    drop(store);
    let (_store, reader) = bench.start(at(10));
    assert_eq!(reader.ready().unwrap(), entries);
    let job = reader.job(entries[0].id).unwrap().expect("a job");
    assert_eq!(job.envelope, sent.envelope);
    assert_eq!((job.prefix, job.body), (sent.prefix, sent.body));
    assert_eq!(job.route, RouteKey::domain("one.example"));
    assert!(job.adopted, "somebody may have tried it");
    let addresses: Vec<_> = job.rcpts.iter().map(|rcpt| rcpt.address.as_str()).collect();
    assert_eq!(addresses, ["b@one.example", "c@one.example"]);
}

fn a_change_that_makes_no_sense_does_not_take_others_along(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let first = Change::Enqueue(Box::new(message(&[&["b@one.example"]])));
    let other = Change::Enqueue(Box::new(message(&[&["c@one.example"], &["d@two.example"]])));
    let answers = store.commit(&[first.clone(), first, other]).unwrap();
    let kinds: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().map(|_| ()).map_err(|e| e.kind)).collect();
    assert_eq!(kinds, [Ok(()), Err(Trouble::Wrong), Ok(())], "a queue id is there once");
    assert_eq!(ready(&reader).len(), 3);
}

fn recipients_settle_one_by_one(bench: &impl Bench) {
    use RcptState::{Accepted, Refused, Wait};
    let (mut store, reader) = bench.start(at(0));
    let entries = enqueue(&mut store, &message(&[&["b@one.example", "c@one.example", "d@one.example"]]));
    let job = reader.job(entries[0].id).unwrap().unwrap();
    let effect = settle(&mut store, settlement(&job, &[Accepted, Wait, Refused]));
    assert_eq!(effect.entries.len(), 1, "one waits still");
    assert_eq!(effect.entries[0].next, at(120));
    drop(store);
    let (mut store, reader) = bench.start(at(100));
    let job = reader.job(entries[0].id).unwrap().unwrap();
    assert_eq!((job.rcpts.len(), job.attempts), (1, 1));
    assert_eq!(job.rcpts[0].address, "c@one.example");
    let effect = settle(&mut store, settlement(&job, &[Accepted]));
    assert_eq!((effect.entries, effect.gone), (vec![], vec![job.delivery]));
    assert!(reader.job(job.delivery).unwrap().is_none(), "done");
    assert!(ready(&reader).is_empty());
}

fn a_notice_is_stored_with_its_cause_or_not_at_all(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let entries = enqueue(&mut store, &message(&[&["b@one.example"]]));
    let job = reader.job(entries[0].id).unwrap().unwrap();
    let mut notice = message(&[&["a@client.example"]]);
    (notice.envelope.kind, notice.envelope.sender) = (Kind::Dsn, String::new());
    let mut broken = settlement(&job, &[RcptState::Refused]);
    // The second can't be stored, as its queue id is taken: then nothing of all this happened.
    broken.notices = vec![notice.clone(), notice.clone()];
    commit(&mut store, Change::Settle(Box::new(broken))).unwrap_err();
    assert_eq!(ready(&reader), [job.delivery]);
    let mut whole = settlement(&job, &[RcptState::Refused]);
    whole.notices = vec![notice];
    let effect = settle(&mut store, whole.clone());
    assert_eq!(ready(&reader), [effect.entries[0].id], "the notice alone");
    assert_ne!(effect.entries[0].id, job.delivery);
    // A second time, as after a result that was thought lost.
    let _ = commit(&mut store, Change::Settle(Box::new(whole)));
    assert_eq!(ready(&reader).len(), 1, "nobody is told twice");
}

fn an_earlier_run_is_believed_an_acceptance_and_nothing_else(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let entries = enqueue(&mut store, &message(&[&["b@one.example", "c@one.example"]]));
    let stale = reader.job(entries[0].id).unwrap().unwrap();
    drop(store);
    let (mut store, reader) = bench.start(at(10));
    let mut late = settlement(&stale, &[RcptState::Accepted, RcptState::Refused]);
    late.notices = vec![message(&[&["a@client.example"]])];
    late.notices[0].envelope.kind = Kind::Dsn;
    settle(&mut store, late);
    let job = reader.job(stale.delivery).unwrap().unwrap();
    assert_eq!(job.rcpts.len(), 1);
    assert_eq!(job.rcpts[0].address, "c@one.example", "its refusal does not count");
    assert_eq!(ready(&reader), [stale.delivery], "and nobody is told of it");
}

fn what_the_operator_took_out_stays_out_but_an_acceptance_is_noted(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let entries = enqueue(&mut store, &message(&[&["b@one.example"]]));
    let job = reader.job(entries[0].id).unwrap().unwrap();
    assert_eq!(order(&mut store, Verb::Drop, "all", false).gone, [job.delivery]);
    let mut late = settlement(&job, &[RcptState::Refused]);
    late.notices = vec![message(&[&["a@client.example"]])];
    late.notices[0].envelope.kind = Kind::Dsn;
    let effect = settle(&mut store, late);
    assert!(effect.entries.is_empty(), "dropped mail bounces to nobody");
    settle(&mut store, settlement(&job, &[RcptState::Accepted]));
    let entries = enqueue(&mut store, &message(&[&["b@one.example"]]));
    let job = reader.job(entries[0].id).unwrap().unwrap();
    order(&mut store, Verb::Hold, "all", false);
    let effect = settle(&mut store, settlement(&job, &[RcptState::Wait]));
    assert!(effect.entries.is_empty(), "what was held while it was tried is held");
    assert_eq!(order(&mut store, Verb::Release, "all", false).entries[0].id, job.delivery);
}

fn orders_do_what_they_say_and_nothing_when_dry(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let mut messages = Vec::new();
    for to in [&["b@one.example"], &["c@two.example"], &["D@Two.example"]] {
        messages.push(message(&[to]));
        enqueue(&mut store, messages.last().unwrap());
    }
    let id = messages[0].envelope.id;
    for (filter, want, why) in [
        ("all", 3, "everything"),
        ("domain=two.example", 2, "by domain"),
        ("to=d@two.example", 1, "an address has no case here"),
        ("domain=two.example to=b@one.example", 0, "every term must be true"),
        (id.as_str(), 1, "by queue id"),
        ("from=a@client.example", 3, "by sender"),
        ("from=<>", 0, "the null sender is a sender like any other"),
        ("older=80s", 3, "by age"),
        ("older=2m", 0, "they are younger"),
        ("state=hold", 0, "none is held"),
    ] {
        let effect = order(&mut store, Verb::Drop, filter, true);
        assert_eq!(effect.messages.len(), want, "{why}: {filter}");
        assert!(effect.gone.is_empty(), "dry");
    }
    assert_eq!(ready(&reader).len(), 3, "dry");
    assert_eq!(order(&mut store, Verb::Hold, id.as_str(), false).gone.len(), 1);
    assert_eq!(ready(&reader).len(), 2);
    assert_eq!(order(&mut store, Verb::Retry, "all", false).entries.len(), 2, "what is held is not retried");
    drop(store);
    let (mut store, reader) = bench.start(at(95));
    assert_eq!(ready(&reader).len(), 2, "what was held is held after a crash");
    let effect = order(&mut store, Verb::Release, "all", false);
    assert_eq!((effect.messages, effect.entries[0].next), (vec![id], at(90)));
    order(&mut store, Verb::Drop, "all", false);
    assert!(ready(&reader).is_empty());
}

fn a_body_goes_when_nobody_needs_it(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let mut sent = message(&[&["b@one.example"], &["c@two.example"]]);
    sent.body.place = Place::File("00/FILE".into());
    let entries = enqueue(&mut store, &sent);
    for (entry, files) in entries.iter().zip([vec![], vec!["00/FILE".to_owned()]]) {
        let job = reader.job(entry.id).unwrap().unwrap();
        assert_eq!(settle(&mut store, settlement(&job, &[RcptState::Accepted])).files, files);
    }
}

fn a_message_taken_back_was_never_there(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let sent = message(&[&["b@one.example"], &["c@two.example"]]);
    enqueue(&mut store, &sent);
    assert_eq!(commit(&mut store, Change::Withdraw(sent.envelope.id)).unwrap().gone.len(), 2);
    assert!(ready(&reader).is_empty());
    assert_eq!(enqueue(&mut store, &sent).len(), 2, "its id is free");
}

fn old_messages_are_forgotten(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let (done, open) = (message(&[&["b@one.example"]]), message(&[&["c@two.example"]]));
    let entries = enqueue(&mut store, &done);
    enqueue(&mut store, &open);
    let job = reader.job(entries[0].id).unwrap().unwrap();
    settle(&mut store, settlement(&job, &[RcptState::Accepted]));
    let forget = |store: &mut _, before| commit(store, Change::Forget(before)).unwrap().messages;
    assert_eq!(forget(&mut store, at(60)), [], "done at 60");
    assert_eq!(forget(&mut store, at(61)), [done.envelope.id]);
    assert_eq!(
        forget(&mut store, at(61) + Duration::from_secs(1_000_000)),
        [],
        "what waits is not forgotten"
    );
}

fn routes_are_remembered(bench: &impl Bench) {
    let (mut store, reader) = bench.start(at(0));
    let entries = enqueue(&mut store, &message(&[&["b@one.example"]]));
    let job = reader.job(entries[0].id).unwrap().unwrap();
    let route =
        RouteState { key: job.route.clone(), failures: 3, not_before: at(500), why: "refused".into() };
    let mut closed = settlement(&job, &[RcptState::Wait]);
    closed.route = Some(route.clone());
    settle(&mut store, closed);
    drop(store);
    let (mut store, reader) = bench.start(at(70));
    assert_eq!(reader.routes().unwrap(), std::slice::from_ref(&route));
    assert_eq!(order(&mut store, Verb::Retry, "all", false).opened, [route.key]);
    assert_eq!(reader.routes().unwrap(), [], "retrying forgets that it could not be reached");
}

fn domains_that_worked_are_remembered<B: Bench>(bench: &B) {
    const GONE: &str = "refused: 550 5.1.2 there is no domain x";
    let (mut store, reader) = bench.start(at(0));
    let mut try_one = |domain: &str, ended, mx: Option<&str>, outcome: &str| {
        let to = format!("b@{domain}");
        let entry = enqueue(&mut store, &message(&[&[&to]])).remove(0);
        let job = reader.job(entry.id).unwrap().unwrap();
        let mut settled = settlement(&job, &[RcptState::Wait]);
        let (mx, outcome) = (mx.map(str::to_owned), outcome.to_owned());
        settled.attempt = Some(Attempt { began: at(0), ended: at(ended), mx, outcome, ..Attempt::default() });
        settle(&mut store, settled);
    };
    try_one("worked.example", 10, Some("mx.example"), "accepted: 250 ok");
    try_one("refused.example", 20, Some("mx.example"), "refused: 550 5.1.1 no such user");
    try_one("failing.example", 20, None, "wait: 451 4.4.3 no answer");
    try_one("gone.example", 30, Some("mx.example"), "accepted: 250 ok");
    try_one("gone.example", 40, None, GONE);
    try_one("back.example", 30, None, GONE);
    try_one("back.example", 40, Some("mx.example"), "accepted: 250 ok");
    try_one("missing.example", 50, Some("mx.example"), "accepted: 250 ok");
    try_one("missing.example", 60, None, "wait: 451 4.1.2 there is no domain missing.example");
    let all = ["missing.example", "back.example", "refused.example", "worked.example"];
    assert_eq!(reader.worked(10).unwrap(), all, "who could be talked to, the last one first");
    assert_eq!(reader.worked(2).unwrap(), all[..2], "no more than are wanted");
}
