//! The running server's ear for the operator: a Unix socket beside the queue's files.
//!
//! A line of JSON with a [`Request`], a line of JSON back, and the connection ends. Who may open the folder may ask;
//! the folder is its owner's alone. While no server runs there is nobody to ask, and the files are opened instead,
//! under the same lock.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream as Client;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::admin::{Request, answer_at_rest, asked, careless, is_careless, obeyed};
use super::lock::Lock;
use super::runner::Queue;
use super::store::{Change, Order, StoreError, Trouble, Verb};
use crate::queue_id::QueueId;

/// Longest question. A filter is a few words.
const QUESTION: u64 = 64 * 1024;

/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Messages of an order that the log names: lines are dropped where more come than it can write.
const NAMED: usize = 1_000;

/// How long files are kept for who copies them, at most.
const LONGEST_COPY: Duration = Duration::from_secs(6 * 3_600);

fn socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

/// The listening end. Whoever has the queue's lock may take over the name.
pub(crate) fn listen(folder: &Path) -> io::Result<UnixListener> {
    let path = socket(folder);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // The system has room for 107 octets, and says so in its own words.
        _ => UnixListener::bind(&path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                let what = format!(
                    "{} is too long a name for a socket: have `data` be a shorter one",
                    path.display()
                );
                io::Error::new(error.kind(), what)
            }
            _ => error,
        }),
    }
}

/// Answers what is not the queue's to know.
pub(crate) type Elsewhere = dyn Fn(&Request) -> Option<Value> + Send + Sync;

impl Queue {
    /// Answers operators for as long as it is polled.
    pub(crate) async fn answer_all(self, listener: UnixListener, elsewhere: Arc<Elsewhere>) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (queue, elsewhere) = (self.clone(), Arc::clone(&elsewhere));
                    tokio::spawn(async move { queue.answer_one(stream, &*elsewhere).await });
                }
                // Descriptors are short: others end meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn answer_one(self, mut stream: UnixStream, elsewhere: &Elsewhere) -> io::Result<()> {
        let (reading, mut writing) = stream.split();
        let mut line = String::new();
        let mut question = tokio::io::BufReader::new(reading.take(QUESTION));
        tokio::time::timeout(PATIENCE, question.read_line(&mut line)).await??;
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Keep) => return self.keep_files(stream).await,
            Ok(request) => match elsewhere(&request) {
                Some(answer) => Ok(answer),
                None => self.answer(request).await,
            },
            Err(error) => Err(StoreError::new(Trouble::Wrong, format!("not understood: {error}"))),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.text }));
        writing.write_all(format!("{answer}\n").as_bytes()).await
    }

    async fn keep_files(self, mut stream: UnixStream) -> io::Result<()> {
        let kept = self.removals.keep();
        let said = stream.write_all(b"null\n").await;
        // Who asked says nothing more.
        let _ = tokio::time::timeout(LONGEST_COPY, stream.read_u8()).await;
        // It takes files away.
        tokio::task::spawn_blocking(move || drop(kept)).await?;
        said
    }

    /// A line for each message, before anything comes of it.
    fn log_order(&self, verb: Verb, messages: &[QueueId]) {
        for id in messages.iter().take(NAMED) {
            self.log.event("ordered").field("id", id).field("verb", verb.word());
        }
        let more = messages.len().saturating_sub(NAMED);
        if more > 0 {
            self.log.event("ordered").field("verb", verb.word()).field("more", more);
        }
    }

    async fn answer(self, request: Request) -> Result<Value, StoreError> {
        let now = Timestamp::now();
        match request {
            request if is_careless(&request) => Err(careless()),
            Request::Order { verb, filter, dry } => {
                let done = self.writer.make(Change::Order(Order { verb, filter, now, dry })).await?;
                if !dry {
                    self.log_order(verb, &done.effect().messages);
                }
                Ok(obeyed(done.effect()))
            }
            Request::Wait => {
                self.settled().await;
                Ok(Value::Null)
            }
            other => {
                let reader = self.reader;
                let answer = tokio::task::spawn_blocking(move || asked(&reader, &other, now)).await;
                answer.unwrap_or_else(|panic| Err(io::Error::other(panic).into()))
            }
        }
    }
}

/// Asks the server that runs, or the files if none does. Blocks.
pub(crate) fn ask(folder: &Path, request: Request) -> Result<Value, StoreError> {
    if !folder.is_dir() {
        return Err(StoreError::new(Trouble::Closed, format!("there is no queue in {}", folder.display())));
    }
    match Lock::take(folder)? {
        Some(lock) => answer_at_rest(&lock, request, Timestamp::now()),
        None => ask_server(folder, &request),
    }
}

/// How the server is, if one runs. Blocks.
pub(crate) fn state_of_server(folder: &Path) -> Option<Value> {
    let server = Client::connect(socket(folder)).ok()?;
    server.set_read_timeout(Some(PATIENCE)).ok()?;
    put_to(server, &Request::State).ok().map(|(answer, _)| answer)
}

/// What keeps the files of a queue where they are, for as long as it lives: the lock, or the server that has it.
pub(super) struct Kept {
    _lock: Option<Lock>,
    server: Option<Client>,
}

impl Kept {
    /// Asks for it. Blocks.
    pub(super) fn ask(folder: &Path) -> Result<Self, StoreError> {
        match Lock::take(folder)? {
            lock @ Some(_) => Ok(Self { _lock: lock, server: None }),
            None => Ok(Self { _lock: None, server: Some(put(folder, &Request::Keep)?.1) }),
        }
    }

    /// Whether they were kept until now: the server is still there.
    pub(super) fn has_held(self) -> io::Result<bool> {
        let Some(mut server) = self.server else { return Ok(true) };
        server.set_nonblocking(true)?;
        let said = server.read(&mut [0]);
        Ok(said.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock))
    }
}

fn ask_server(folder: &Path, request: &Request) -> Result<Value, StoreError> {
    put(folder, request).map(|(answer, _)| answer)
}

/// Asks; the answer comes with the connection.
fn put(folder: &Path, request: &Request) -> Result<(Value, Client), StoreError> {
    put_to(Client::connect(socket(folder))?, request)
}

fn put_to(mut server: Client, request: &Request) -> Result<(Value, Client), StoreError> {
    let question = serde_json::to_string(request).map_err(io::Error::from)?;
    server.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(&server).read_line(&mut line)?;
    let answer: Value = serde_json::from_str(&line).map_err(io::Error::from)?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(StoreError::new(Trouble::Wrong, error)),
        None => Ok((answer, server)),
    }
}
