//! Delivery to the mailboxes that are ours to write to.

use std::future::Future;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::content::{FinalContent, SLICE};
use super::home::{Home, Homes};
use super::loops;
use super::lots::Lots;
use super::model::{Job, Rcpt, RcptId};
use super::spool::{IN_ROW, Spool, is_corrupt};
use super::transport::{Outcome, Reach, Report, Said, Transport};
use crate::directory::User;
use crate::store::{Before, Delivery, Disk, Incoming, Store, commit_all};

/// Messages that are written one after the other and then waited for together. Each holds a descriptor until then.
const AT_ONCE: usize = 64;

/// Octets of a message that others wait for. A larger one is delivered by itself.
const SMALL: u64 = IN_ROW as u64;

/// Threads that deliver small mail. While one waits for the disk, the other writes.
const THREADS: usize = 2;

/// Puts mail into a [`Store`]: small mail in lots, as the writer of the queue does it.
pub(crate) struct Local<D, H> {
    hand: Hand<D, H>,
    small: Lots<Arc<Job>, Report>,
}

/// What it takes to deliver.
struct Hand<D, H> {
    store: Arc<dyn Store>,
    homes: Arc<H>,
    spool: Spool<D>,
}

impl<D, H> Clone for Hand<D, H> {
    fn clone(&self) -> Self {
        let (store, homes) = (Arc::clone(&self.store), Arc::clone(&self.homes));
        Self { store, homes, spool: self.spool.clone() }
    }
}

impl<D: Disk, H: Homes> Local<D, H> {
    /// Starts the threads, which end with this.
    pub(crate) fn new(store: Arc<dyn Store>, homes: Arc<H>, spool: Spool<D>) -> io::Result<Self> {
        let hand = Hand { store, homes, spool };
        let worker = hand.clone();
        let small =
            Lots::start("mailboxes", THREADS, AT_ONCE, move |jobs: &[Arc<Job>]| worker.deliver_all(jobs))?;
        Ok(Self { hand, small })
    }
}

impl<D: Disk, H: Homes> Hand<D, H> {
    /// Delivers to each recipient by itself: what fails for one does not keep it from the others. Blocks.
    fn deliver_all(&self, jobs: &[Arc<Job>]) -> Vec<Report> {
        let began = Instant::now();
        let mut lot = Lot { store: &*self.store, reports: Vec::new(), open: Vec::new() };
        for (at, job) in jobs.iter().enumerate() {
            lot.reports.push(Report {
                reach: Reach::Reached,
                phase: Some("mailbox".into()),
                ..Report::default()
            });
            for rcpt in &job.rcpts {
                match self.begin_one(job, rcpt) {
                    Ok(Ok(message)) => lot.add(at, rcpt.id, message),
                    Ok(Err(said)) => lot.reports[at].outcomes.push((rcpt.id, Outcome::Refused(said))),
                    Err(error) => lot.reports[at].outcomes.push((rcpt.id, failed(&error))),
                }
            }
        }
        lot.commit();
        let mut reports = lot.reports;
        reports.iter_mut().for_each(|report| report.delays.data = Some(began.elapsed()));
        reports
    }

    /// Whose mailboxes a recipient means, of those that we write to.
    fn users(&self, rcpt: &Rcpt) -> Vec<Arc<User>> {
        let homes = self.homes.of(&rcpt.address, rcpt.user.as_deref()).into_iter();
        homes.filter_map(|home| if let Home::Maildir(user) = home { Some(user) } else { None }).collect()
    }

    /// Writes a message for one recipient.
    fn begin_one(&self, job: &Job, rcpt: &Rcpt) -> io::Result<Result<Box<dyn Incoming>, Said>> {
        let to = self.users(rcpt);
        if to.is_empty() {
            return Ok(Err(Said::ours((5, 1, 1), "550 5.1.1 No such user here")));
        }
        let mut body = self.spool.read(&job.body)?;
        let mut slice = vec![0; SLICE.min(usize::try_from(job.body.octets).unwrap_or(SLICE)).max(1)];
        let mut filled = fill(&mut body, &mut slice)?;
        if loops::was_delivered_to(&slice[..filled], &rcpt.address) {
            return Ok(Err(loops::delivered_before()));
        }
        let again = job.attempts > 0 || job.adopted || rcpt.unsure;
        let delivery = Delivery {
            id: job.envelope.id,
            arrived: job.envelope.arrived,
            to,
            rcpt: rcpt.id.0,
            before: if again { Before::Perhaps } else { Before::Nothing },
        };
        let mut incoming = self.store.begin(&delivery)?;
        let sender = &job.envelope.sender;
        // RFC 5321 §4.4: whoever makes the final delivery says where it came from, on top.
        incoming
            .write(format!("Return-Path: <{sender}>\r\nDelivered-To: {}\r\n", rcpt.address).as_bytes())?;
        incoming.write(&job.prefix)?;
        let (mut content, mut kept) = (FinalContent::default(), Vec::with_capacity(filled));
        while filled > 0 {
            kept.clear();
            content.pass(&slice[..filled], &mut kept);
            incoming.write(&kept)?;
            filled = fill(&mut body, &mut slice)?;
        }
        kept.clear();
        content.finish(&mut kept);
        incoming.write(&kept)?;
        Ok(Ok(incoming))
    }
}

/// Messages that are waited for together.
struct Lot<'s> {
    store: &'s dyn Store,
    /// One for each job.
    reports: Vec<Report>,
    /// What is written, with the place of its job, and for whom it is.
    open: Vec<(usize, RcptId, Box<dyn Incoming>)>,
}

impl Lot<'_> {
    fn add(&mut self, job: usize, rcpt: RcptId, message: Box<dyn Incoming>) {
        self.open.push((job, rcpt, message));
        if self.open.len() == AT_ONCE {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let (whose, messages): (Vec<_>, Vec<_>) =
            self.open.drain(..).map(|(job, rcpt, message)| ((job, rcpt), message)).unzip();
        for ((job, rcpt), result) in whose.into_iter().zip(commit_all(self.store, messages)) {
            let report = &mut self.reports[job];
            let outcome = match result {
                Ok(receipt) => {
                    let places = report.transcript.get_or_insert_default();
                    for place in receipt.places {
                        if !places.is_empty() {
                            places.push(' ');
                        }
                        places.push_str(&place);
                    }
                    Outcome::Delivered("delivered to the mailbox".into())
                }
                Err(error) => failed(&error),
            };
            report.outcomes.push((rcpt, outcome));
        }
    }
}

/// Reads as much as fits.
pub(super) fn fill(source: &mut impl Read, slice: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < slice.len() {
        match source.read(&mut slice[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn failed(error: &io::Error) -> Outcome {
    match error.kind() {
        _ if is_corrupt(error) => Outcome::Corrupt(Said::ours((5, 3, 0), format!("554 5.3.0 {error}"))),
        io::ErrorKind::QuotaExceeded => Outcome::Later(Said::ours((4, 2, 2), format!("452 4.2.2 {error}"))),
        // The disk is everybody's, and whoever makes room wants no mailbox left alone for long (RFC 3463 §3.4).
        io::ErrorKind::StorageFull => Outcome::Later(Said::ours((4, 3, 1), format!("452 4.3.1 {error}"))),
        _ => Outcome::Later(Said::ours((4, 3, 0), format!("451 4.3.0 {error}"))),
    }
}

impl<D: Disk, H: Homes> Transport for Local<D, H> {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            // With whom it broke before, nobody else shall be.
            if job.crashes == 0 && job.body.octets <= SMALL {
                let report = self.small.done(job).await;
                // As if it had panicked here: whoever called counts it, and each is tried again by itself.
                return report.unwrap_or_else(|_| resume_unwind(Box::new("a delivery of its lot")));
            }
            let hand = self.hand.clone();
            let alone = move || hand.deliver_all(&[job]).pop().unwrap_or_default();
            match tokio::task::spawn_blocking(alone).await {
                Ok(report) => report,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => Report { reach: Reach::Unasked, ..Report::default() },
                },
            }
        })
    }
}

/// The way to other hosts where there is none: what would go there is refused.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Transport for Nowhere {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        let said = Said::ours((5, 4, 4), "550 5.4.4 This server sends no mail to other hosts");
        let refused = |rcpt: &Rcpt| (rcpt.id, Outcome::Refused(said.clone()));
        let outcomes = job.rcpts.iter().map(refused).collect();
        Box::pin(async move { Report { outcomes, ..Report::default() } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_full_mailbox() {
        for (kind, status) in
            [(io::ErrorKind::StorageFull, (4, 3, 1)), (io::ErrorKind::QuotaExceeded, (4, 2, 2))]
        {
            let Outcome::Later(said) = failed(&kind.into()) else { panic!("{kind}: it may pass") };
            assert_eq!(said.status, status, "{kind}");
        }
    }
}
