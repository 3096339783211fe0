use std::io;
use std::mem;
use std::sync::Arc;

use tokio::task;

use super::{Delivery, Incoming, Receipt, Store};

/// Octets that are gathered before a blocking thread is asked to write them. A smaller message costs one such
/// call in all; a message in flight holds at most this and one slice of content in memory.
const BUFFER: usize = 64 * 1024;

/// Carries one message from the session to the store, whose calls block.
pub(crate) struct Upload {
    store: Arc<dyn Store>,
    delivery: Arc<Delivery>,
    buffer: Vec<u8>,
    /// Content octets so far, without the headers that we add.
    octets: u64,
    state: State,
}

enum State {
    /// Nothing was written yet.
    New,
    Open(Box<dyn Incoming>),
    /// The store failed: what still comes is dropped, and [`Upload::commit`] says why.
    Failed(io::Error),
}

impl Upload {
    /// Nothing is written yet; `headers` will stand above the content.
    pub(crate) fn new(store: Arc<dyn Store>, delivery: Delivery, headers: Vec<u8>) -> Self {
        Self { store, delivery: Arc::new(delivery), buffer: headers, octets: 0, state: State::New }
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes the next slice of content; waits for the disk now and then, which holds the peer back.
    ///
    /// An error shows at [`commit`](Self::commit): the peer has to be listened to until its final dot anyway.
    pub(crate) async fn write(&mut self, content: &[u8]) {
        self.octets += content.len() as u64;
        self.buffer.extend_from_slice(content);
        if self.buffer.len() >= BUFFER {
            self.flush().await;
        }
    }

    /// Returns when the message is durable in every mailbox, or with the reason why it is in none.
    pub(crate) async fn commit(mut self) -> io::Result<Receipt> {
        let (state, buffer) = (mem::replace(&mut self.state, State::New), mem::take(&mut self.buffer));
        let (store, delivery) = (Arc::clone(&self.store), Arc::clone(&self.delivery));
        blocking(move || {
            let mut incoming = state.open(&*store, &delivery)?;
            incoming.write(&buffer)?;
            incoming.commit()
        })
        .await
    }

    /// Gives the message up. Returns when nothing is left of it; merely dropped, it would hold up other sessions for
    /// as long as the disk takes.
    pub(crate) async fn abandon(mut self) {
        let state = mem::replace(&mut self.state, State::New);
        // An error here could only be a panic, which has been printed.
        let _ = blocking(move || {
            drop(state);
            Ok(())
        })
        .await;
    }

    async fn flush(&mut self) {
        let state = mem::replace(&mut self.state, State::New);
        if let State::Failed(_) = state {
            (self.state, self.buffer) = (state, Vec::new());
            return;
        }
        let mut buffer = mem::take(&mut self.buffer);
        let (store, delivery) = (Arc::clone(&self.store), Arc::clone(&self.delivery));
        let written = blocking(move || {
            let mut incoming = state.open(&*store, &delivery)?;
            incoming.write(&buffer)?;
            buffer.clear();
            Ok((incoming, buffer))
        })
        .await;
        match written {
            Ok((incoming, buffer)) => (self.state, self.buffer) = (State::Open(incoming), buffer),
            Err(error) => self.state = State::Failed(error),
        }
    }
}

impl State {
    fn open(self, store: &dyn Store, delivery: &Delivery) -> io::Result<Box<dyn Incoming>> {
        match self {
            Self::New => store.begin(delivery),
            Self::Open(incoming) => Ok(incoming),
            Self::Failed(error) => Err(error),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    // A panic in the store is that message's failure, not the connection's.
    task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::queue_id::QueueIds;

    /// Keeps what was committed, counts the calls, and fails or panics at a given call of `write`.
    #[derive(Default)]
    struct Probe {
        committed: Mutex<Option<Vec<u8>>>,
        writes: AtomicUsize,
        fail_at: Option<usize>,
        panic_at: Option<usize>,
    }

    struct ProbeIncoming(Arc<Probe>, Vec<u8>);

    impl Store for Arc<Probe> {
        fn begin(&self, _: &Delivery) -> io::Result<Box<dyn Incoming>> {
            Ok(Box::new(ProbeIncoming(Arc::clone(self), Vec::new())))
        }
    }

    impl Incoming for ProbeIncoming {
        fn write(&mut self, octets: &[u8]) -> io::Result<()> {
            let call = self.0.writes.fetch_add(1, Ordering::SeqCst);
            assert_ne!(self.0.panic_at, Some(call), "asked to panic");
            if self.0.fail_at == Some(call) {
                return Err(io::Error::other("asked to fail"));
            }
            self.1.extend_from_slice(octets);
            Ok(())
        }

        fn commit(self: Box<Self>) -> io::Result<Receipt> {
            *self.0.committed.lock().unwrap() = Some(self.1);
            Ok(Receipt::default())
        }
    }

    async fn upload(probe: &Arc<Probe>, content: &[u8]) -> io::Result<Receipt> {
        let now = jiff::Timestamp::now();
        let delivery = Delivery {
            id: QueueIds::new().next(now),
            arrived: now,
            to: Vec::new(),
            rcpt: 0,
            before: super::super::Before::Nothing,
        };
        let mut upload = Upload::new(Arc::new(Arc::clone(probe)), delivery, b"H: 1\r\n".to_vec());
        for slice in content.chunks(1000) {
            upload.write(slice).await;
            assert!(upload.buffer.len() < BUFFER + 1000, "memory is bounded");
        }
        assert_eq!(upload.octets(), content.len() as u64);
        upload.commit().await
    }

    #[tokio::test]
    async fn headers_and_content_arrive_in_order_whatever_the_length() {
        for length in [0, 1, BUFFER - 7, BUFFER - 6, BUFFER, 3 * BUFFER + 5] {
            let probe = Arc::new(Probe::default());
            let content: Vec<u8> = (0..length).map(|i| i as u8).collect();
            upload(&probe, &content).await.unwrap();
            let stored = probe.committed.lock().unwrap().take().unwrap();
            assert!(stored == [b"H: 1\r\n", &content[..]].concat(), "length {length}");
        }
    }

    #[tokio::test]
    async fn a_small_message_costs_one_write() {
        let probe = Arc::new(Probe::default());
        upload(&probe, &[b'x'; 4000]).await.unwrap();
        assert_eq!(probe.writes.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_error_on_the_way_shows_at_the_end_and_nothing_is_committed() {
        for fail_at in 0..3 {
            let probe = Arc::new(Probe { fail_at: Some(fail_at), ..Probe::default() });
            upload(&probe, &[b'x'; 3 * BUFFER + 5]).await.unwrap_err();
            assert_eq!(
                probe.writes.load(Ordering::SeqCst),
                fail_at + 1,
                "nothing is tried after the failure"
            );
            assert!(probe.committed.lock().unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_panic_in_the_store_is_an_error_of_that_message() {
        let probe = Arc::new(Probe { panic_at: Some(1), ..Probe::default() });
        upload(&probe, &[b'x'; 2 * BUFFER]).await.unwrap_err();
        assert!(probe.committed.lock().unwrap().is_none());
    }
}
