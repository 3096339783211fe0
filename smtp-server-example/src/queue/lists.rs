//! What is done for an alias itself, beside what goes to those behind it: it is said that it stands for several, or the
//! message goes on to them in an envelope of its own (RFC 3461 §5.2.7.1, §5.2.7.4).

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::content::SLICE;
use super::local::fill;
use super::model::{Body, Envelope, Job, Kind, NewDelivery, NewMessage};
use super::policy::{Policy, after};
use super::spool::Spool;
use super::transport::{Outcome, Report, Said};
use crate::queue_id::{QueueId, QueueIds};
use crate::store::Disk;

/// Where a list's mail goes on to, and in whose name.
#[derive(Debug)]
pub(crate) struct Onward {
    pub(crate) sender: String,
    pub(crate) deliveries: Vec<NewDelivery>,
}

/// Knows where a list's mail goes on to; nothing if there is no list of that name.
pub(crate) type FindList = dyn Fn(&str) -> Option<Onward> + Send + Sync;

/// What there is to say of an alias that stands for several: they have deliveries of their own.
pub(super) fn expanded(job: &Job) -> Report {
    let outcomes = job.rcpts.iter().map(|rcpt| (rcpt.id, Outcome::Expanded)).collect();
    Report { outcomes, phase: Some("alias".into()), ..Report::default() }
}

/// What sending on needs to know.
pub(super) struct Lists<'a, D> {
    pub(super) spool: &'a Spool<D>,
    pub(super) policy: &'a Policy,
    pub(super) ids: &'a QueueIds,
    pub(super) onward: &'a FindList,
}

impl<D: Disk> Lists<'_, D> {
    /// Gives a message to lists: it is delivered there, and a new one goes on, stored in the same commit.
    pub(super) async fn send_on(&self, job: &Arc<Job>) -> Report {
        let mut report = Report { phase: Some("list".into()), ..Report::default() };
        for rcpt in &job.rcpts {
            let outcome = match (self.onward)(&rcpt.address) {
                Some(onward) => match self.message(job, onward).await {
                    Ok(message) => {
                        report.messages.push(message);
                        Outcome::Delivered("delivered to the list".into())
                    }
                    Err(error) => Outcome::unreadable(&error),
                },
                None => Outcome::Refused(Said::ours((5, 1, 1), "550 5.1.1 No such list here any more")),
            };
            report.outcomes.push((rcpt.id, outcome));
        }
        report
    }

    async fn message(&self, job: &Arc<Job>, onward: Onward) -> io::Result<NewMessage> {
        let now = Timestamp::now();
        let (id, spool, source) = (self.ids.next(now), self.spool.clone(), Arc::clone(job));
        let copying = tokio::task::spawn_blocking(move || copy(&spool, &source.body, id));
        let body = copying.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))?;
        // What comes from nobody goes on from nobody: it is a report, and must not make others.
        let sender = if job.envelope.sender.is_empty() { String::new() } else { onward.sender };
        let warn = Some(after(now, self.policy.warn));
        let deliveries = onward.deliveries.into_iter().map(|delivery| NewDelivery { warn, ..delivery });
        Ok(NewMessage {
            // Whatever its sender wanted to be told ends here: reports of those behind the list go to its owner.
            envelope: Envelope {
                id,
                sender,
                envid: None,
                ret: None,
                kind: Kind::Mail,
                user: None,
                client: None,
                hello: None,
                tls: None,
                arrived: now,
                expires: self.policy.expires(now),
                ..job.envelope.clone()
            },
            prefix: job.prefix.clone(),
            body,
            hold: None,
            deliveries: deliveries.collect(),
            key: None,
            batch: 0,
        })
    }
}

/// The same octets again, as durable as they have to be. Blocks.
fn copy<D: Disk>(spool: &Spool<D>, body: &Body, id: QueueId) -> io::Result<Body> {
    let mut source = spool.read(body)?;
    let (mut draft, mut slice) = (spool.begin(id), vec![0; SLICE]);
    loop {
        let filled = fill(&mut source, &mut slice)?;
        if filled == 0 {
            break;
        }
        if draft.take(&slice[..filled]) {
            draft.spill()?;
        }
    }
    let body = draft.finish()?;
    // If its row is not committed, the next start sweeps it away.
    draft.keep();
    Ok(body)
}
