//! Delivery to the mailboxes of an LMTP server (RFC 2033), such as Dovecot.
//!
//! One delivery is one transaction, and its server answers for each recipient. That server writes `Return-Path`.

use std::collections::HashMap;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smtp_proto::client::{Attempts, Why};
use smtp_proto::wire::params::Body;
use smtp_tokio::client::{Connect, ConnectError};
use smtp_tokio::{Client, ClientConfig, Envelope, MailboxBuf, Outcome as Sent, Pool, ReversePath};

use super::content::{Feed, FinalReader, Seen, look};
use super::home::{Home, Homes, add};
use super::loops;
use super::model::{BodyType, Job, RcptId};
use super::spool::Spool;
use super::transport::{Outcome, Reach, Report, Said, Transport};
use crate::failed::{Newest, Tail};
use crate::store::Disk;

/// How long the server may take to answer a connection: it is near.
const CONNECT: Duration = Duration::from_secs(10);

/// Hands mail to LMTP servers.
pub(crate) struct Lmtp<D, H> {
    config: Arc<ClientConfig>,
    homes: Arc<H>,
    spool: Spool<D>,
    /// Connections at a time to each of them.
    connections: usize,
    pools: Mutex<HashMap<String, (Connect, Pool, Newest)>>,
}

/// Recipients behind one server.
struct Group {
    place: String,
    to: Vec<(RcptId, MailboxBuf)>,
}

impl<D: Disk, H: Homes> Lmtp<D, H> {
    pub(crate) fn new(config: ClientConfig, homes: Arc<H>, spool: Spool<D>, connections: usize) -> Self {
        // Who has mailboxes here has always had them in 8 bits.
        let config = Arc::new(config.send_8bit_anyway());
        Self { config, homes, spool, connections, pools: Mutex::default() }
    }

    async fn deliver_all(&self, job: &Arc<Job>) -> Report {
        let mut report = Report { phase: Some("lmtp".into()), ..Report::default() };
        let seen = match self.look(job).await {
            Ok(seen) => seen,
            Err(error) => {
                let outcome = Outcome::unreadable(&error);
                report.outcomes = job.rcpts.iter().map(|rcpt| (rcpt.id, outcome.clone())).collect();
                return report;
            }
        };
        for mut group in self.groups(job) {
            group.to.retain(|(id, mailbox)| {
                let given = job.rcpts.iter().find(|rcpt| rcpt.id == *id).map(|rcpt| rcpt.address.as_str());
                let before = [given, Some(mailbox.as_str())];
                let is_looped = before
                    .into_iter()
                    .flatten()
                    .any(|address| loops::was_delivered_to(&seen.beginning, address));
                if is_looped {
                    add(&mut report.outcomes, *id, Outcome::Refused(loops::delivered_before()));
                }
                !is_looped
            });
            if !group.to.is_empty() {
                self.hand_over(job, &seen, &group, &mut report).await;
            }
        }
        report
    }

    /// Hands the message to one server.
    async fn hand_over(&self, job: &Arc<Job>, seen: &Seen, group: &Group, report: &mut Report) {
        report.mx = Some(group.place.clone());
        let (connect, pool, newest) = self.server(&group.place);
        let to: Vec<_> = group.to.iter().map(|(_, mailbox)| mailbox.clone()).collect();
        let sender = format!("<{}>", job.envelope.sender);
        // It was one when the message came.
        let sender = ReversePath::parse(sender.as_bytes()).unwrap_or(ReversePath::Null);
        let mut envelope = Envelope::new(sender).to(&to).surveyed(&seen.survey);
        if job.envelope.body_type == BodyType::Binary {
            envelope = envelope.body(Body::BinaryMime);
        }
        let sent = match &seen.whole {
            Some(whole) => send(job, &pool, &envelope.rewinds(), whole, report).await,
            // One that is large has its own connection: making that takes no time beside the message's.
            None => match timed(&mut report.delays.connect, connect.connect()).await {
                Ok(client) => Ok(self.stream(job, client, &envelope, report).await),
                Err(error) => Err(Arc::new(error)),
            },
        };
        let outcomes: Vec<_> = match sent {
            Ok(outcomes) => outcomes.into_iter().map(outcome).collect(),
            Err(failure) => {
                if let Some(wire) = newest.until(&failure) {
                    report.transcript.get_or_insert_default().push_str(&wire);
                }
                let said = unreachable(&failure);
                report.reach = Reach::Unreachable(said.text.clone());
                vec![Outcome::Later(said); to.len()]
            }
        };
        for ((id, _), outcome) in group.to.iter().zip(outcomes) {
            add(&mut report.outcomes, *id, outcome);
        }
    }

    /// Sends a message from the disk. One that can't be read to its end ends the connection before the final dot.
    async fn stream(
        &self,
        job: &Arc<Job>,
        mut client: Client,
        envelope: &Envelope<'_>,
        report: &mut Report,
    ) -> Vec<Sent> {
        let (spool, source) = (self.spool.clone(), Arc::clone(job));
        let mut feed = Feed::start(move || read(&spool, &source));
        let wire = recorded(&mut client);
        job.flight.before_dot();
        let sent = timed(&mut report.delays.data, client.send_stream(envelope, &mut feed)).await;
        let sent = sent.unwrap_or_else(|_| vec![Sent::NotTried(Why::Abandoned); envelope.recipients().len()]);
        tell(report, &wire, &sent);
        client.quit().await;
        sent
    }

    /// Looks at all of a message, so that one that is damaged is noticed before anybody is asked.
    async fn look(&self, job: &Arc<Job>) -> io::Result<Seen> {
        let (spool, job) = (self.spool.clone(), Arc::clone(job));
        let body = job.body.clone();
        look(&body, move || read(&spool, &job)).await
    }

    /// The recipients by server, each mailbox once.
    fn groups(&self, job: &Job) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for rcpt in &job.rcpts {
            for home in self.homes.of(&rcpt.address, rcpt.user.as_deref()) {
                let Home::Lmtp(place, mailbox) = home else { continue };
                let place = place.to_string();
                match groups.iter_mut().find(|group| group.place == place) {
                    Some(group) => group.to.push((rcpt.id, mailbox)),
                    None => groups.push(Group { place, to: vec![(rcpt.id, mailbox)] }),
                }
            }
        }
        groups
    }

    fn server(&self, place: &str) -> (Connect, Pool, Newest) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let newest = Newest::default();
            let connect = Client::to(place, Arc::clone(&self.config)).connect_timeout(CONNECT);
            let connect = newest.record(connect);
            (connect.clone(), Pool::to(connect).connections(self.connections).build(), newest)
        };
        pools.entry(place.to_owned()).or_insert_with(make).clone()
    }
}

/// A message as its mailbox gets it.
fn read<D: Disk>(spool: &Spool<D>, job: &Job) -> io::Result<FinalReader<impl Read + use<D>>> {
    Ok(FinalReader::new(io::Cursor::new(job.prefix.clone()).chain(spool.read(&job.body)?)))
}

/// Sends a small message as [`Pool::send`] does. An error says why there is no connection at all.
async fn send(
    job: &Job,
    pool: &Pool,
    envelope: &Envelope<'_>,
    whole: &[u8],
    report: &mut Report,
) -> Result<Vec<Sent>, Arc<ConnectError>> {
    let (mut attempts, mut connected) = (Attempts::new(envelope), false);
    while attempts.over().is_some() {
        let mut lease = match timed(&mut report.delays.connect, pool.lease()).await {
            Ok(lease) => lease,
            Err(_) if connected => {
                attempts.give_up();
                break;
            }
            Err(error) => return Err(error),
        };
        connected = true;
        let to = attempts.recipients(envelope);
        let wire = recorded(&mut lease);
        // Not as late as it could be: the final dot is sent without asking.
        job.flight.before_dot();
        let outcomes = timed(&mut report.delays.data, lease.send(&envelope.to(&to), whole)).await;
        tell(report, &wire, &outcomes);
        if lease.is_reused() || lease.session().transactions() > 1 {
            attempts.settle_used(outcomes);
        } else {
            attempts.settle(outcomes);
        }
        lease.give_back();
    }
    Ok(attempts.into_outcomes())
}

/// What goes over a connection from here on, without content.
fn recorded(client: &mut Client) -> Tail {
    let wire = Tail::default();
    client.record(wire.transcript());
    wire
}

/// Keeps what was said, unless all recipients have the message.
fn tell(report: &mut Report, wire: &Tail, sent: &[Sent]) {
    if !sent.iter().all(Sent::is_accepted) {
        report.transcript.get_or_insert_default().push_str(&wire.text());
    }
}

async fn timed<T>(sum: &mut Option<Duration>, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    *sum.get_or_insert_default() += began.elapsed();
    done
}

fn no_connection(text: impl Into<String>) -> Said {
    Said::ours((4, 4, 1), text)
}

/// Why there is no session: what the server said, if it said anything.
fn unreachable(why: &ConnectError) -> Said {
    match why {
        ConnectError::Closed { reply: Some(reply), .. } if !reply.is_positive() => Said::theirs(reply),
        ConnectError::Unreachable { address, source } => {
            no_connection(format!("451 4.4.1 No connection to {address}: {source}"))
        }
        other => no_connection(format!("451 4.4.1 {other}")),
    }
}

/// What became of one recipient.
fn outcome(sent: Sent) -> Outcome {
    match sent {
        Sent::Accepted(reply) => Outcome::Delivered(reply.to_string()),
        Sent::Refused(reply) if reply.is_permanent() => Outcome::Refused(Said::theirs(&reply)),
        Sent::Refused(reply) => Outcome::Later(Said::theirs(&reply)),
        Sent::Unknown => {
            Outcome::Unknown(Said::ours((4, 4, 2), "451 4.4.2 No valid answer came after the final dot"))
        }
        Sent::NotTried(why) => Outcome::not_tried(why),
    }
}

impl<D: Disk, H: Homes> Transport for Lmtp<D, H> {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move { self.deliver_all(&job).await })
    }
}
