//! From a session's content to a message in the queue.

use std::io;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::loops;
use super::model::{Body, Envelope, NewDelivery, NewMessage};
use super::spool::{Draft, Spool};
use super::store::{Change, StoreError, Trouble};
use super::unconfirmed::{IntakeKey, Unsure};
use super::writer::{Committed, Writer};
use crate::queue_id::QueueId;
use crate::store::Disk;

/// A message that a session is taking. Dropped before it is stored, it leaves nothing behind.
pub(crate) struct Intake<D: Disk> {
    draft: Result<Draft<D>, io::Error>,
    octets: u64,
    /// Of what the client sent, where that is not what is stored.
    sent: Option<Sha256>,
    /// What its header says, once that was seen.
    header: Option<Header>,
}

/// What counts of a header.
#[derive(Default)]
struct Header {
    /// Hosts that it has passed.
    hops: usize,
    message_id: Option<Vec<u8>>,
}

/// A message that is durable, and of which its client does not know yet. Dropped without [`given`](Self::given), it is
/// withdrawn.
pub(crate) struct Receipt {
    id: QueueId,
    arrived: Timestamp,
    key: Option<IntakeKey>,
    writer: Writer,
    /// None for a message that came again.
    committed: Option<Committed>,
}

impl Receipt {
    /// The message that this one is a second sending of, which is left alone.
    pub(crate) fn duplicate_of(&self) -> Option<QueueId> {
        self.committed.is_none().then_some(self.id)
    }

    /// The queue id to tell: the first one's of a message that came again.
    pub(crate) const fn id(&self) -> QueueId {
        self.id
    }

    /// The client is being told: delivery begins. Until it goes on, it may not have heard.
    pub(crate) fn given(self) -> Unsure {
        let batch = self.committed.as_ref().map(Committed::batch);
        let unsure = Unsure::new(self.writer, self.key, self.id, self.arrived, batch);
        if let Some(committed) = self.committed {
            committed.release();
        }
        unsure
    }
}

impl<D: Disk> Intake<D> {
    pub(super) fn begin(spool: &Spool<D>, id: QueueId) -> Self {
        Self { draft: Ok(spool.begin(id)), octets: 0, sent: None, header: None }
    }

    /// Takes note of what the client sends, of a message to which something is added: that is another date each time, and
    /// a second sending would not be known by it.
    pub(crate) fn see_sent(&mut self, octets: &[u8]) {
        self.sent.get_or_insert_default().update(octets);
    }

    /// Content octets so far.
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes the next slice of content; of a large message, waits for the disk now and then, which holds the peer back.
    ///
    /// An error shows at [`store`](Self::store): the peer has to be listened to until its final dot anyway.
    pub(crate) async fn write(&mut self, content: &[u8]) {
        self.octets += content.len() as u64;
        if let Ok(draft) = &mut self.draft
            && draft.take(content)
        {
            self.see_header();
            let _ = self.on_disk(|draft| draft.spill()).await;
        }
    }

    /// Hosts that the message has passed, as its header says.
    pub(crate) fn hops(&mut self) -> usize {
        self.see_header();
        self.header.as_ref().map_or(0, |header| header.hops)
    }

    /// Returns when the message is durable, at once if it came again. Cancelled, it leaves nothing behind. With a reason to
    /// hold it, nobody tries it before it is released.
    pub(crate) async fn store(
        mut self,
        writer: &Writer,
        envelope: Envelope,
        prefix: Vec<u8>,
        deliveries: Vec<NewDelivery>,
        hold: Option<String>,
    ) -> Result<Receipt, StoreError> {
        self.see_header();
        let body = self.finish().await?;
        let (id, arrived) = (envelope.id, envelope.arrived);
        let message_id = self.header.take().and_then(|header| header.message_id);
        let sent = self.sent.take().map_or(body.sha256, |sent| sent.finalize().into());
        let key = IntakeKey::of(&envelope, &deliveries, message_id.as_deref(), &sent);
        let receipt = |id, committed| Receipt { id, arrived, key, writer: writer.clone(), committed };
        if let Some(first) = key.and_then(|key| writer.unconfirmed().find(&key, arrived)) {
            self.abandon().await;
            return Ok(receipt(first, None));
        }
        // From here on a row may name the file, whatever becomes of whoever waits for the answer.
        if let Ok(draft) = &mut self.draft {
            draft.keep();
        }
        let message = NewMessage { envelope, prefix, body, hold, deliveries, key, batch: 0 };
        let stored = writer.offer(Change::Enqueue(Box::new(message))).await;
        if let Err(error) = &stored
            // After a failed sync the row may be there at the next start; a file without a row is swept then.
            && error.kind != Trouble::Io
        {
            let _ = self.on_disk(|draft| draft.discard()).await;
        }
        stored.map(|committed| receipt(id, Some(committed)))
    }

    /// Gives the message up. Merely dropped, it would hold up other sessions for as long as the disk takes.
    pub(crate) async fn abandon(mut self) {
        let _ = self.on_disk(|draft| draft.discard()).await;
    }

    async fn finish(&mut self) -> io::Result<Body> {
        match &mut self.draft {
            Ok(draft) if !draft.is_on_disk() => draft.finish(),
            _ => self.on_disk(Draft::finish).await,
        }
    }

    fn see_header(&mut self) {
        if let (None, Ok(draft)) = (&self.header, &self.draft) {
            let beginning = draft.in_memory();
            let message_id = loops::message_id(beginning).map(<[u8]>::to_vec);
            self.header = Some(Header { hops: loops::hops(beginning), message_id });
        }
    }

    /// Does what blocks on a thread that may. After an error the draft is gone, and each call says why.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Draft<D>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let gone = || io::Error::other("the message was given up");
        let mut draft = std::mem::replace(&mut self.draft, Err(gone()))?;
        let done = tokio::task::spawn_blocking(move || match work(&mut draft) {
            Ok(result) => Ok((draft, result)),
            Err(error) => Err(error),
        });
        match done.await.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok((draft, result)) => {
                self.draft = Ok(draft);
                Ok(result)
            }
            Err(error) => {
                self.draft = Err(io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}
