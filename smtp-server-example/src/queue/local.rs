//! Delivery to the mailboxes that are ours to write to.

use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::content::{FinalContent, SLICE};
use super::home::{Home, Homes};
use super::loops;
use super::model::{Job, Rcpt};
use super::spool::{Spool, is_corrupt};
use super::transport::{Outcome, Reach, Report, Said, Transport};
use crate::directory::User;
use crate::store::{Before, Delivery, Disk, Receipt, Store};

/// Puts mail into a [`Store`].
pub(crate) struct Local<D, H> {
    store: Arc<dyn Store>,
    homes: Arc<H>,
    spool: Spool<D>,
}

impl<D, H> Clone for Local<D, H> {
    fn clone(&self) -> Self {
        let (store, homes) = (Arc::clone(&self.store), Arc::clone(&self.homes));
        Self { store, homes, spool: self.spool.clone() }
    }
}

impl<D: Disk, H: Homes> Local<D, H> {
    pub(crate) fn new(store: Arc<dyn Store>, homes: Arc<H>, spool: Spool<D>) -> Self {
        Self { store, homes, spool }
    }

    /// Delivers to each recipient by itself: what fails for one does not keep it from the others. Blocks.
    fn deliver_all(&self, job: &Job) -> Report {
        let mut report = Report { reach: Reach::Reached, phase: Some("mailbox".into()), ..Report::default() };
        let (mut places, began) = (Vec::new(), Instant::now());
        for rcpt in &job.rcpts {
            let outcome = match self.deliver_one(job, rcpt) {
                Ok(Ok(receipt)) => {
                    places.extend(receipt.places);
                    Outcome::Delivered("delivered to the mailbox".into())
                }
                Ok(Err(said)) => Outcome::Refused(said),
                Err(error) => failed(&error),
            };
            report.outcomes.push((rcpt.id, outcome));
        }
        report.delays.data = Some(began.elapsed());
        report.transcript = (!places.is_empty()).then(|| places.join(" "));
        report
    }

    /// Whose mailboxes a recipient means, of those that we write to.
    fn users(&self, rcpt: &Rcpt) -> Vec<Arc<User>> {
        let homes = self.homes.of(&rcpt.address, rcpt.user.as_deref()).into_iter();
        homes.filter_map(|home| if let Home::Maildir(user) = home { Some(user) } else { None }).collect()
    }

    fn deliver_one(&self, job: &Job, rcpt: &Rcpt) -> io::Result<Result<Receipt, Said>> {
        let to = self.users(rcpt);
        if to.is_empty() {
            return Ok(Err(Said::ours((5, 1, 1), "550 5.1.1 No such user here")));
        }
        let mut body = self.spool.read(&job.body)?;
        let mut slice = vec![0; SLICE];
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
        incoming.commit().map(Ok)
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
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Outcome::Later(Said::ours((4, 2, 2), format!("452 4.2.2 {error}")))
        }
        _ => Outcome::Later(Said::ours((4, 3, 0), format!("451 4.3.0 {error}"))),
    }
}

impl<D: Disk, H: Homes> Transport for Local<D, H> {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        let this = self.clone();
        Box::pin(async move {
            let blocking = tokio::task::spawn_blocking(move || this.deliver_all(&job));
            match blocking.await {
                Ok(report) => report,
                // As if it had panicked here: whoever called counts it.
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
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
