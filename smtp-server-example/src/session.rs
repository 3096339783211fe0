//! One client's session: what the core asks, answered from the directory and the store.

mod transaction;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use smtp_proto::server::{CloseReason, Facts, Mail, Pending, ReceivedBy, ResetCause, Step};
use smtp_proto::wire::params::RcptParams;
use smtp_proto::wire::path::{Mailbox, ReversePath};
use smtp_proto::wire::reply::{EnhancedCode, Reply};
use smtp_tokio::Connection;

use self::transaction::{Draft, Transaction, address_of};
use crate::after_dot::{AfterDot, Client, LATE, LOST, UNSAFE};
use crate::config::Kind;
use crate::directory::{Found, POSTMASTER};
use crate::failed::{Failed, Notes};
use crate::fixups::{Fixups, Given};
use crate::gate::{Gate, Stage};
use crate::held::Held;
use crate::live::Live;
use crate::log::{Event, Log, seconds};
use crate::login::Login;
use crate::metrics;
use crate::people::{People, random_text};
use crate::pressure::{BUSY, Pressure, Share};
use crate::queue::{MOST_HOPS, Queue, after};
use crate::queue_id::{QueueId, QueueIds};
use crate::refusal::Refusal;
use crate::scan::{Scanners, Verdict};
use crate::trace;

/// A recipient of ours that does not exist (RFC 3463 §3.2).
const NO_SUCH_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user here");
/// A recipient elsewhere.
const NO_RELAY: Reply<'static> =
    Reply::new(550, (5, 7, 1), "Relaying denied: that domain is not served here");
/// An alias of ours that leads elsewhere, as long as nothing is sent on.
const NO_FORWARD: Reply<'static> =
    Reply::new(550, (5, 7, 1), "Forwarding denied: mail is not sent on from here");
/// A sender that is not the user's (RFC 6409 §6.1).
const NOT_YOURS: Reply<'static> = Reply::new(553, (5, 7, 1), "That sender address is not yours");
/// A user who sent enough for now, and of whose mail enough waits.
const ENOUGH: Reply<'static> = Reply::new(451, (4, 7, 1), "Too much mail in this hour, try again later");
/// The store failed; it says why in our log, not to the client.
const NOT_STORED: Reply<'static> = Reply::new(451, (4, 3, 0), "Could not store the message, try again later");
/// The same, where there is nothing that could be stored.
static NOTHING_STORED: Result<String, Refusal> = Err(Refusal::Own(NOT_STORED));
/// A message that goes in circles (RFC 5321 §6.3).
const LOOP: Reply<'static> = Reply::new(554, (5, 4, 6), "Mail loop: it has passed too many hosts");

/// What all sessions share.
pub(crate) struct Service {
    pub(crate) host: String,
    pub(crate) gate: Live<Gate>,
    pub(crate) people: Arc<People>,
    pub(crate) queue: Queue,
    pub(crate) scanners: Live<Scanners>,
    pub(crate) ids: Arc<QueueIds>,
    pub(crate) held: Held,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) failed: Arc<Failed>,
    pub(crate) log: Log,
}

impl Service {
    /// Serves a connection to its end.
    pub(crate) async fn serve(self: Arc<Self>, mut connection: Connection, kind: Kind) {
        let mut notes = Notes::default();
        connection.record(notes.tail.transcript());
        let result = self.converse(&mut connection, kind, &mut notes).await;
        // By now it is known for whom a balancer spoke.
        let peer = connection.facts().peer().remote();
        if let Err(error) = &result {
            notes.fail(|| format!("broken: {error}"));
        }
        if !notes.has_failed() {
            return;
        }
        let now = Timestamp::now();
        let session = self.ids.next(now);
        let event = self.log.event(if result.is_err() { "broken" } else { "closed" });
        let event = event.maybe("peer", peer).maybe("why", notes.why()).maybe("error", result.err());
        event.field("session", session);
        self.failed.keep(session, now, kind, peer, notes);
    }

    async fn converse(
        &self,
        connection: &mut Connection,
        kind: Kind,
        notes: &mut Notes,
    ) -> std::io::Result<()> {
        let mut transaction: Option<Transaction> = None;
        let mut login = Login::default();
        let mut visit = self.gate.now().visit(kind, None);
        let mut after_dot = AfterDot::default();
        loop {
            after_dot.watch(connection, transaction.as_ref().is_some_and(|open| open.draft.is_some()));
            // Other servers' clients, between two messages.
            let is_idle = kind == Kind::Mx && transaction.is_none();
            let next = tokio::select! {
                biased;
                next = connection.next() => Some(next?),
                () = self.pressure.wants_idle_place(), if is_idle => None,
            };
            let step = match next {
                Some(Some(step)) => step,
                Some(None) => break,
                None => {
                    connection.shut_down();
                    continue;
                }
            };
            after_dot.see(&step);
            match step {
                Step::Auth(auth) if kind.is_submission() => login.step(&self.people, &self.log, auth).await,
                Step::Connect(connect) if self.queue.trouble().is_some() => {
                    connect.hang_up(&metrics::reply(kind, UNSAFE));
                }
                Step::Connect(connect) if self.is_turned_away(kind, connect.facts()) => {
                    connect.hang_up(&metrics::reply(kind, BUSY));
                }
                Step::Connect(connect) => {
                    // Only now is it known for whom a balancer speaks.
                    visit = self.gate.now().visit(kind, connect.facts().peer().remote());
                    match visit.refusal(Stage::Connect, b"").await {
                        Some(refusal) => connect.hang_up(&metrics::reply(kind, refusal.reply())),
                        None => {
                            metrics::code(kind, 220, None);
                            connect.accept();
                        }
                    }
                }
                Step::Hello(hello) => match visit.refusal(Stage::Hello, hello.name().raw()).await {
                    Some(refusal) => hello.refuse(&metrics::reply(kind, refusal.reply())),
                    None => {
                        metrics::code(kind, 250, None);
                        hello.accept();
                    }
                },
                Step::Mail(mail) => {
                    if let Some(refusal) = visit.refusal(Stage::Mail, mail.facts().hello()).await {
                        mail.refuse(&metrics::reply(kind, refusal.reply()));
                        continue;
                    }
                    let sender = self.sender(kind, mail.facts(), mail.sender());
                    match sender.and_then(|()| self.share(kind, &mail)) {
                        Ok(share) => {
                            transaction = Some(Transaction::new(kind, &mail, share));
                            metrics::code(kind, 250, EnhancedCode::new(2, 1, 0));
                            mail.accept();
                        }
                        Err(refusal) => mail.refuse(&metrics::reply(kind, refusal)),
                    }
                }
                // The core puts MAIL before these. Were it not so, the client would be told 451: that is what a step
                // without an answer means.
                Step::Rcpt(rcpt) => {
                    if let Some(open) = &mut transaction {
                        // Postmaster can always be written to (RFC 5321 §4.5.1).
                        let refusal = match is_postmaster(rcpt.mailbox()) {
                            true => None,
                            false => visit.refusal(Stage::Rcpt, rcpt.facts().hello()).await,
                        };
                        if let Some(refusal) = refusal {
                            open.refused(rcpt.mailbox(), &refusal.reply());
                            rcpt.refuse(&metrics::reply(kind, refusal.reply()));
                            continue;
                        }
                        let decision = self.recipient(open, rcpt.mailbox(), rcpt.params());
                        match decision {
                            Ok(()) => metrics::code(kind, 250, EnhancedCode::new(2, 1, 5)),
                            Err(refusal) => drop(metrics::reply(kind, refusal)),
                        }
                        rcpt.decide(decision);
                    }
                }
                Step::Data(data) => {
                    if let Some(open) = &mut transaction {
                        notes.begin(self.begin(open, data.facts(), visit.name().await));
                        data.accept();
                    }
                }
                Step::Content(octets) => {
                    if let Some(open) = &mut transaction {
                        open.take(octets).await;
                    }
                }
                Step::Verdict(verdict) => {
                    if let Some(whole) = &mut transaction {
                        let limit = Duration::from_secs(self.people.config().limits.verdict_seconds);
                        let client = after_dot.begin(&verdict, limit);
                        self.deliver(whole, &client).await;
                        after_dot.given(whole.unsure.take());
                        if let Some(Err(refusal)) = &whole.outcome {
                            notes.fail(|| format!("message refused: {refusal}"));
                        }
                        match whole.outcome.as_ref().unwrap_or(&NOTHING_STORED) {
                            Ok(said) => {
                                verdict
                                    .accept_with(&metrics::reply(kind, Reply::clean(250, (2, 0, 0), said)));
                            }
                            Err(refusal) => verdict.refuse(&metrics::reply(kind, refusal.reply())),
                        }
                    }
                }
                Step::Reset(cause) => {
                    if let Some(given_up) = transaction.take().filter(|over| over.outcome.is_none()) {
                        if given_up.draft.is_some() {
                            notes.fail(|| format!("message cut off: {}", name(&cause)));
                        }
                        self.give_up(given_up, cause).await;
                    }
                }
                Step::Close(CloseReason::Quit | CloseReason::PeerGone | CloseReason::Probe) => {}
                Step::Close(reason) => notes.fail(|| name(&reason)),
                Step::Answered(answered) => metrics::code(kind, answered.code(), None),
                other => other.or_default(),
            }
        }
        Ok(())
    }

    /// Whether it is too busy for another client.
    fn is_turned_away(&self, kind: Kind, facts: &Facts) -> bool {
        let is_stranger = self.gate.now().is_stranger(kind, facts.peer().remote());
        self.pressure.turns_away(is_stranger, &self.people.config().limits)
    }

    /// What a message of that size needs.
    fn share(&self, kind: Kind, mail: &Pending<'_, Mail<'_>>) -> Result<Share, Reply<'static>> {
        let size = mail.params().size();
        let share = self.pressure.begin(size, &self.people.config().limits);
        share.inspect_err(|reply| {
            let event = self.refused(kind, mail.facts(), mail.sender());
            event.maybe("size", size).octets("why", reply.text());
        })
    }

    /// A line that tells of a MAIL that is refused: who asks for that message later has no more than its sender.
    fn refused(&self, kind: Kind, facts: &Facts, sender: ReversePath<'_>) -> Event<'_> {
        let event = self.log.event("refused").field("via", kind).field("from", sender);
        event.maybe("user", facts.user()).maybe("peer", facts.peer().remote())
    }

    /// Whoever logged in sends in their own name, and so much in an hour.
    fn sender(&self, kind: Kind, facts: &Facts, sender: ReversePath<'_>) -> Result<(), Reply<'static>> {
        let Some(name) = facts.user() else { return Ok(()) };
        let known = self.people.known();
        let user = known.directory.login(name).ok_or(NOT_YOURS)?;
        if sender.mailbox().is_some_and(|mailbox| !known.directory.owns(user, mailbox)) {
            self.refused(kind, facts, sender).field("why", "not-theirs");
            return Err(NOT_YOURS);
        }
        if !self.people.may_send(name, Instant::now()) && !self.held.has_room(&self.people, name) {
            self.refused(kind, facts, sender).field("why", "enough");
            return Err(ENOUGH);
        }
        Ok(())
    }

    fn recipient(
        &self,
        transaction: &mut Transaction,
        mailbox: Mailbox<'_>,
        params: RcptParams<'_>,
    ) -> Result<(), Reply<'static>> {
        let sends = self.people.config().relay.enabled;
        let refusal = match self.people.known().directory.find(mailbox) {
            // A user's mail goes anywhere; whoever else comes is no user.
            Found::Foreign if sends && transaction.user.is_some() => {
                let given = transaction.taken(mailbox, params);
                let Transaction { to, sender, .. } = transaction;
                to.add_elsewhere(&self.people, address_of(sender), mailbox, given);
                return Ok(());
            }
            Found::Here(targets) if sends || targets.remote.is_empty() => {
                let given = transaction.taken(mailbox, params);
                let Transaction { to, sender, .. } = transaction;
                to.add_here(&self.people, address_of(sender), &targets, &given);
                return Ok(());
            }
            Found::Here(_) => NO_FORWARD,
            Found::NoUser => NO_SUCH_USER,
            Found::Foreign => NO_RELAY,
        };
        transaction.refused(mailbox, &refusal);
        Err(refusal)
    }

    /// Prepares to take a message's content.
    fn begin(&self, transaction: &mut Transaction, facts: &Facts, from: Option<&str>) -> QueueId {
        let arrived = Timestamp::now();
        let id = self.ids.next(arrived);
        let recipient = match &transaction.recipients[..] {
            [one] => Some(one.as_mailbox()),
            _ => None,
        };
        let date = trace::date_of(arrived);
        let by = ReceivedBy { from, host: &self.host, id: id.as_str(), date: &date, for_: recipient };
        let hidden = facts.user().is_some() && !self.people.config().submission.show_client;
        let prefix = if hidden { trace::received_from_user(facts, by) } else { facts.received(by) };
        if facts.user().is_some() {
            let message_id = format!("{id}.{}@{}", random_text(), self.host);
            transaction.fixups =
                Some(Fixups::new(Given { date, message_id, sender: transaction.sender.clone() }));
        }
        let tls = facts.tls().map(|tls| format!("{} {}", tls.protocol, tls.cipher));
        let scan = self.scanners.now().begin(transaction.about(id));
        transaction.draft =
            Some(Draft { id, arrived, prefix, tls, intake: self.queue.intake(id), scan: Some(scan) });
        id
    }

    /// Whether the header lets a user's message out.
    fn check_header(&self, transaction: &Transaction) -> Result<(), Reply<'static>> {
        let (Some(fixups), Some(name)) = (&transaction.fixups, &transaction.user) else { return Ok(()) };
        let (known, check) = (self.people.known(), self.people.config().submission.check_from);
        let user = known.directory.login(name).ok_or(NOT_YOURS)?;
        fixups.verdict(|author| !check || known.directory.owns(user, author))
    }

    /// Finds out what to say. When it says yes, the message is durable. In LMTP each recipient is told the same, as the
    /// message is taken for all of them or for none.
    async fn deliver(&self, transaction: &mut Transaction, client: &Client<'_>) {
        if transaction.outcome.is_some() {
            return;
        }
        let id = transaction.draft.as_ref().map(|draft| draft.id);
        let stored = tokio::time::timeout_at(client.until.into(), self.store(transaction, client)).await;
        let outcome = stored.unwrap_or_else(|_| {
            // What was cut off is given up, or withdrawn.
            transaction.event(&self.log, "failed").maybe("id", id).field("error", "late after final dot");
            Err(LATE.into())
        });
        transaction.outcome = Some(outcome);
    }

    async fn store(&self, transaction: &mut Transaction, client: &Client<'_>) -> Result<String, Refusal> {
        transaction.finish().await;
        let Some(mut draft) = transaction.draft.take() else { return Err(NOT_STORED.into()) };
        let (id, octets) = (draft.id, draft.intake.octets());
        let began = Instant::now();
        if let Err(refusal) = self.look_over(transaction, &mut draft).await {
            draft.intake.abandon().await;
            return Err(refusal);
        }
        let scan = began.elapsed();
        let envelope = transaction.envelope(&draft, self.queue.policy());
        let mut deliveries = std::mem::take(&mut transaction.to).into_deliveries();
        let warn = after(draft.arrived, self.queue.policy().warn);
        deliveries.iter_mut().for_each(|delivery| delivery.warn = Some(warn));
        let hold = transaction.user.as_ref().and_then(|user| Held::why(&self.people, user));
        let is_held = hold.is_some();
        let began = Instant::now();
        let stored = draft.intake.store(self.queue.writer(), envelope, draft.prefix, deliveries, hold).await;
        let commit = began.elapsed();
        let event = |name| {
            let event = transaction.event(&self.log, name).field("id", id).field("octets", octets);
            event.field("scan", seconds(scan)).field("commit", seconds(commit))
        };
        match stored {
            // Dropping the receipt withdraws it.
            Ok(_) if client.is_late() => {
                event("failed").field("error", "late after final dot");
                Err(LATE.into())
            }
            Ok(_) if client.is_gone() => {
                event("lost").field("why", "lost after final dot");
                Err(LOST.into())
            }
            Ok(receipt) => {
                let is_held = is_held && receipt.duplicate_of().is_none();
                let recipients = transaction.recipients.len();
                match transaction.user.as_ref().filter(|_| receipt.duplicate_of().is_none()) {
                    Some(user) if is_held => self.held.add(id, user, recipients),
                    Some(user) => self.people.sent(user, recipients, Instant::now()),
                    None => {}
                }
                let event = event(if is_held { "held" } else { "queued" });
                event.maybe("duplicate-of", receipt.duplicate_of());
                let id = receipt.id();
                // Delivery begins here, and so after that line.
                transaction.unsure = Some(receipt.given());
                let more = if is_held { "; held for now, as enough was sent in this hour" } else { "" };
                Ok(format!("Ok: queued as {id}{more}"))
            }
            Err(error) => {
                event("failed").field("error", &error).maybe("hint", error.hint());
                Err(error.reply().into())
            }
        }
    }

    /// Whether a message is let in, by its header and by what scanners say, whose lines it gets.
    async fn look_over(&self, transaction: &Transaction, draft: &mut Draft) -> Result<(), Refusal> {
        let looped = draft.intake.hops() >= MOST_HOPS;
        if let Err(refusal) = if looped { Err(LOOP) } else { self.check_header(transaction) } {
            let event = transaction.event(&self.log, "refused").field("id", draft.id);
            event.octets("why", refusal.text());
            return Err(refusal.into());
        }
        match scanned(draft).await {
            Verdict::Take(marks) => drop(draft.prefix.splice(..0, marks)),
            Verdict::Refuse(refusal) => {
                transaction.event(&self.log, "refused").field("id", draft.id).field("why", &refusal);
                return Err(refusal);
            }
        }
        Ok(())
    }

    async fn give_up(&self, mut transaction: Transaction, cause: ResetCause) {
        let mut id = None;
        if let Some(draft) = transaction.draft.take() {
            id = Some(draft.id);
            draft.intake.abandon().await;
        }
        let nobody = transaction.recipients.is_empty() && transaction.refused_count > 0;
        let event = transaction.event(&self.log, if nobody { "refused" } else { "dropped" });
        event.maybe("id", id).field("why", name(&cause));
    }
}

/// What scanners have found, now that the content is complete.
async fn scanned(draft: &mut Draft) -> Verdict {
    match draft.scan.take() {
        Some(scan) => scan.finish().await,
        None => Verdict::Take(Vec::new()),
    }
}

fn is_postmaster(mailbox: Mailbox<'_>) -> bool {
    mailbox.local_value().map(|octet| octet.to_ascii_lowercase()).eq(POSTMASTER.bytes())
}

/// A variant's name as log lines have it: `BareNewline` is `bare-newline`.
fn name(variant: &impl std::fmt::Debug) -> String {
    let mut name = String::new();
    for c in format!("{variant:?}").chars() {
        match c {
            'A'..='Z' => {
                if name.ends_with(|last: char| last.is_ascii_lowercase()) {
                    name.push('-');
                }
                name.push(c.to_ascii_lowercase());
            }
            '(' => name.push('-'),
            ')' => {}
            c => name.push(c),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use smtp_proto::server::{Abuse, ForeignProtocol};

    use super::*;

    #[test]
    fn reasons_are_logged_in_kebab_case() {
        assert_eq!(name(&ResetCause::BareNewline), "bare-newline");
        assert_eq!(name(&CloseReason::Abuse(Abuse::OutOfStep)), "abuse-out-of-step");
        assert_eq!(name(&CloseReason::NotSmtp(ForeignProtocol::Http)), "not-smtp-http");
    }
}
