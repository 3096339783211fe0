//! The end of the way: which of the mailboxes here an address means, and who puts mail into them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use smtp_tokio::MailboxBuf;

use super::lmtp::Lmtp;
use super::local::Local;
use super::model::{Job, Rcpt, RcptId};
use super::transport::{Outcome, Reach, Report, Transport};
use crate::config::Place;
use crate::directory::User;
use crate::store::Disk;

/// A mailbox here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// Ours to write to.
    Maildir(Arc<User>),
    /// An LMTP server's, which knows it by this address. That is made from the user table and the settings, never from
    /// what a client said.
    Lmtp(Place, MailboxBuf),
}

/// Where an address or a user's name leads; nowhere if nobody is there (any more).
pub(crate) trait Homes: Send + Sync + 'static {
    fn of(&self, address: &str, user: Option<&str>) -> Vec<Home>;
}

/// Delivers to mailboxes of both kinds.
pub(crate) struct Mailboxes<D, H> {
    homes: Arc<H>,
    local: Local<D, H>,
    lmtp: Lmtp<D, H>,
}

impl<D: Disk, H: Homes> Mailboxes<D, H> {
    pub(crate) const fn new(homes: Arc<H>, local: Local<D, H>, lmtp: Lmtp<D, H>) -> Self {
        Self { homes, local, lmtp }
    }

    /// The parts of a job: for whom we write, and for whom an LMTP server does. Nobody's mail is in the first, which
    /// says so.
    fn parts(&self, job: &Arc<Job>) -> [Option<Arc<Job>>; 2] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for rcpt in &job.rcpts {
            let homes = self.homes.of(&rcpt.address, rcpt.user.as_deref());
            let by_lmtp = homes.iter().filter(|home| matches!(home, Home::Lmtp(..))).count();
            if by_lmtp > 0 {
                theirs.push(rcpt.clone());
            }
            if by_lmtp < homes.len() || homes.is_empty() {
                ours.push(rcpt.clone());
            }
        }
        [ours, theirs].map(|rcpts| part(job, rcpts))
    }
}

/// A job for some of its recipients.
pub(crate) fn part(job: &Arc<Job>, rcpts: Vec<Rcpt>) -> Option<Arc<Job>> {
    match rcpts.len() {
        0 => None,
        all if all == job.rcpts.len() => Some(Arc::clone(job)),
        _ => Some(Arc::new(Job { rcpts, ..Job::clone(job) })),
    }
}

impl<D: Disk, H: Homes> Transport for Mailboxes<D, H> {
    fn deliver(&self, job: Arc<Job>) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            match self.parts(&job) {
                [None, Some(theirs)] => self.lmtp.deliver(theirs).await,
                [Some(ours), Some(theirs)] => {
                    let (ours, theirs) = tokio::join!(self.local.deliver(ours), self.lmtp.deliver(theirs));
                    together(ours, theirs)
                }
                [_, None] => self.local.deliver(job).await,
            }
        })
    }
}

/// One report of two. Who has mailboxes of both kinds has the message when both have.
fn together(ours: Report, theirs: Report) -> Report {
    let mut outcomes = theirs.outcomes;
    ours.outcomes.into_iter().for_each(|(id, outcome)| add(&mut outcomes, id, outcome));
    let reach = if theirs.reach == Reach::Reached { ours.reach } else { theirs.reach };
    // Where it lies here, then what was said elsewhere.
    let transcript = match (ours.transcript, theirs.transcript) {
        (Some(places), Some(wire)) => Some(format!("{places}\n{wire}")),
        (places, wire) => places.or(wire),
    };
    // Both are written at the same time, and the one with another process takes longer.
    Report { outcomes, reach, transcript, ..theirs }
}

/// Adds what became of one mailbox to what became of a recipient: what is open goes before what is done.
pub(super) fn add(outcomes: &mut Vec<(RcptId, Outcome)>, id: RcptId, outcome: Outcome) {
    match outcomes.iter_mut().find(|(known, _)| *known == id) {
        Some((_, known)) if urgency(&outcome) > urgency(known) => *known = outcome,
        Some(_) => {}
        None => outcomes.push((id, outcome)),
    }
}

const fn urgency(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Delivered(_) | Outcome::Relayed { .. } | Outcome::Expanded => 0,
        Outcome::Refused(_) | Outcome::Corrupt(_) => 1,
        Outcome::Later(_) => 2,
        Outcome::Unknown(_) => 3,
    }
}
