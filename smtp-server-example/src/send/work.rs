//! What is to be sent, and the connections that take it from there.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smtp_proto::client::{CloseReason, Why};
use smtp_proto::wire::path::ReversePathBuf;
use smtp_tokio::client::{ConnectError, Lease};
use smtp_tokio::{Client, Envelope, Mailbox, MailboxBuf, Outcome, Pool};
use tokio::fs::File;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use super::messages::{Body, Message};
use super::progress::Progress;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    No,
    /// Begin nothing more.
    Finish,
    /// Let go of everything.
    Now,
}

/// All that is to be sent; connections share it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) pool: Pool,
    pub(crate) from: ReversePathBuf,
    pub(crate) to: Vec<MailboxBuf>,
    pub(crate) messages: Vec<Message>,
    /// How many messages go out in all: each as often as was asked for.
    pub(crate) total: u64,
    pub(crate) progress: Progress,
    next: AtomicU64,
    returned: Mutex<Returned>,
}

/// What a connection that could not be made has left to others.
#[derive(Debug, Default)]
pub(crate) struct Returned {
    pub(crate) numbers: Vec<u64>,
    pub(crate) failure: Option<Arc<ConnectError>>,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) struct Done {
    /// Which.
    pub(crate) number: u64,
    /// In the order of the recipients.
    pub(crate) outcomes: Vec<Outcome>,
    /// Why the connection ended, if it did.
    pub(crate) closed: Option<CloseReason>,
    /// Reading the message failed.
    pub(crate) unread: Option<io::Error>,
}

impl Work {
    pub(crate) fn new(
        pool: Pool,
        from: ReversePathBuf,
        to: Vec<MailboxBuf>,
        messages: Vec<Message>,
        count: u64,
        progress: Progress,
    ) -> Self {
        let total = count.saturating_mul(messages.len() as u64);
        Self {
            pool,
            from,
            to,
            messages,
            total,
            progress,
            next: AtomicU64::new(0),
            returned: Mutex::default(),
        }
    }

    /// The message with a number: all of them, and then all of them again.
    pub(crate) fn message(&self, number: u64) -> &Message {
        // INVARIANT: there is a message, and the remainder is below their number.
        &self.messages[(number % self.messages.len() as u64) as usize]
    }

    /// How many were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.next.load(Relaxed).min(self.total)
    }

    pub(crate) fn returned(&self) -> MutexGuard<'_, Returned> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<u64> {
        let returned = self.returned().numbers.pop();
        returned.or_else(|| Some(self.next.fetch_add(1, Relaxed)).filter(|number| *number < self.total))
    }

    fn give_back(&self, number: u64, failure: Arc<ConnectError>) {
        let mut returned = self.returned();
        returned.numbers.push(number);
        returned.failure = Some(failure);
    }
}

/// Takes one message after the other; as many as there may be connections at a time.
#[derive(Debug)]
pub(crate) struct Worker {
    work: Arc<Work>,
    halt: watch::Receiver<Halt>,
}

impl Worker {
    pub(crate) const fn new(work: Arc<Work>, halt: watch::Receiver<Halt>) -> Self {
        Self { work, halt }
    }

    /// Sends what there is, until nothing is left or no connection can be made.
    pub(crate) async fn run(mut self, sink: Sender<Done>) {
        while *self.halt.borrow() == Halt::No {
            let Some(number) = self.work.take() else { break };
            match self.deliver(number).await {
                Ok(done) => {
                    if sink.send(done).await.is_err() {
                        break;
                    }
                }
                // Maybe others have a connection: a server may take fewer than were asked for.
                Err(error) => {
                    self.work.give_back(number, error);
                    break;
                }
            }
        }
    }

    /// Sends one message, over further connections where one does not take all of it. An error means that nothing of it was
    /// sent.
    async fn deliver(&mut self, number: u64) -> Result<Done, Arc<ConnectError>> {
        let work = Arc::clone(&self.work);
        let outcomes = vec![Outcome::NotTried(Why::NoConnection); work.to.len()];
        let mut done = Done { number, outcomes, closed: None, unread: None };
        let mut open: Vec<usize> = (0..work.to.len()).collect();
        loop {
            let mut line = match self.line().await {
                Some(Ok(line)) => line,
                Some(Err(error)) if open.len() == work.to.len() => return Err(error),
                Some(Err(_)) | None => break,
            };
            let to: Vec<Mailbox<'_>> = open.iter().map(|at| work.to[*at].as_mailbox()).collect();
            let sent = self.send(&mut line, work.message(number), &Envelope::new(&work.from).to(&to)).await;
            done.closed = line.session().close_reason();
            let outcomes = match sent {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    done.unread = Some(error);
                    vec![Outcome::NotTried(Why::Abandoned); to.len()]
                }
            };
            for (at, outcome) in open.iter().zip(outcomes) {
                done.outcomes[*at] = outcome;
            }
            let (before, is_fresh) = (open.len(), !line.is_reused());
            open.retain(|at| is_to_repeat(&done.outcomes[*at]));
            let is_stuck = open.len() == before;
            // Who is stuck on a connection that was used before tries another one.
            if !is_stuck {
                line.give_back();
            }
            if open.is_empty() || (is_stuck && is_fresh) || *self.halt.borrow() == Halt::Now {
                break;
            }
        }
        Ok(done)
    }

    /// A connection; nothing if everything is to be let go of.
    async fn line(&mut self) -> Option<Result<Lease, Arc<ConnectError>>> {
        tokio::select! {
            made = self.work.pool.lease() => Some(made),
            () = let_go(&mut self.halt) => None,
        }
    }

    async fn send(
        &mut self,
        line: &mut Lease,
        message: &Message,
        envelope: &Envelope<'_>,
    ) -> io::Result<Vec<Outcome>> {
        let before = line.session().transactions();
        tokio::select! {
            sent = hand_over(line, message, envelope, &self.work.progress) => return sent,
            () = let_go(&mut self.halt) => {}
        }
        // Dropped in the middle: what is known by now.
        let session = line.session();
        let outcome = |at| match (session.transactions() > before).then(|| session.outcome(at)) {
            None | Some(Outcome::NotTried(Why::Closed(_))) => Outcome::NotTried(Why::Abandoned),
            Some(known) => known,
        };
        Ok((0..envelope.recipients().len()).map(outcome).collect())
    }
}

async fn hand_over(
    client: &mut Client,
    message: &Message,
    envelope: &Envelope<'_>,
    progress: &Progress,
) -> io::Result<Vec<Outcome>> {
    let path = match &message.body {
        Body::Held(octets) => {
            let outcomes = client.send(envelope, octets).await;
            progress.add(octets.len() as u64);
            return Ok(outcomes);
        }
        Body::File(path) => path.clone(),
        Body::Spooled(file) => file.path().to_owned(),
    };
    let mut file = progress.counted(File::open(path).await?);
    client.send_file(envelope, &mut file).await
}

/// Returns when everything is to be let go of.
async fn let_go(halt: &mut watch::Receiver<Halt>) {
    if halt.wait_for(|halt| *halt == Halt::Now).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

/// Whether another connection or transaction may take it: nothing that counts was sent.
fn is_to_repeat(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotTried(Why::Limits | Why::Closed(_)))
}
