//! A client session on virtual time, with a list of things to do.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::client::{
    Certificate, ClientConfig, ClientSession, ClientStep, CloseReason, Envelope, Outcome, Ready, Recipient,
};
use crate::io::RecvBuf;
use crate::sasl::client::Credentials;
use crate::server::{Need, TlsInfo};
use crate::time::Time;
use crate::wire::command::Command;
use crate::wire::params::{Body, MailParamsBuf, RcptParamsBuf};
use crate::wire::path::{MailboxBuf, ReversePathBuf};

/// One thing that the application does when the session is at rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Task {
    /// Sends a message.
    Send(Letter),
    /// Says STARTTLS.
    StartTls,
    /// Logs in.
    Auth(Credentials),
    /// Says one command.
    Say(Vec<u8>),
    /// Sends octets as they are.
    Raw(Vec<u8>),
    /// Says QUIT.
    Quit,
    /// Sends a chunk.
    Chunk(Vec<u8>),
    /// Sends the last chunk.
    LastChunk(Vec<u8>),
}

/// A message that owns all its parts.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The sender.
    pub from: ReversePathBuf,
    /// The recipients with their parameters.
    pub to: Vec<(MailboxBuf, RcptParamsBuf)>,
    /// Parameters of MAIL.
    pub params: MailParamsBuf,
    /// The content.
    pub content: Vec<u8>,
    /// The declared body; the content is surveyed where it is `None`, or binary.
    pub stream: Option<Body>,
    /// Demands TLS.
    pub require_tls: bool,
    /// The content can be written only once, and nothing is known of it.
    pub once: bool,
    /// The application gives up after so many octets.
    pub abandon_at: Option<u64>,
}

impl Letter {
    /// A message from `from` to `to`, in the text forms of addresses.
    ///
    /// # Errors
    /// When one is no address; the text names it.
    pub fn new(from: &str, to: &[&str], content: &[u8]) -> Result<Self, String> {
        let mailbox = |text: &str| text.parse::<MailboxBuf>().map_err(|error| format!("{text}: {error}"));
        let from = if from == "<>" { ReversePathBuf::Null } else { mailbox(from)?.into() };
        let to =
            to.iter().map(|to| Ok((mailbox(to)?, RcptParamsBuf::new()))).collect::<Result<_, String>>()?;
        Ok(Self {
            from,
            to,
            params: MailParamsBuf::new(),
            content: content.to_vec(),
            stream: None,
            require_tls: false,
            once: false,
            abandon_at: None,
        })
    }
}

/// A client session and the little around it that an adapter would be.
#[derive(Debug)]
pub struct Talk {
    /// The session.
    pub session: ClientSession,
    /// What the client sent and nobody has looked at.
    pub sent: Vec<u8>,
    /// What the application saw.
    pub events: Vec<String>,
    todo: VecDeque<Task>,
    content: Letter,
    buffer: RecvBuf,
    used: usize,
    now: Time,
    waits: bool,
}

impl Talk {
    /// A session that has not begun.
    ///
    /// # Panics
    /// Never: the addresses in here are right.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self::of(ClientSession::new(config, Time::ZERO))
    }

    /// A talk of this session.
    #[must_use]
    pub fn of(session: ClientSession) -> Self {
        let nothing = Letter {
            from: ReversePathBuf::Null,
            to: Vec::new(),
            params: MailParamsBuf::new(),
            content: Vec::new(),
            stream: None,
            require_tls: false,
            once: false,
            abandon_at: None,
        };
        Self {
            session,
            sent: Vec::new(),
            events: Vec::new(),
            todo: VecDeque::new(),
            content: nothing,
            buffer: RecvBuf::default(),
            used: 0,
            now: Time::ZERO,
            waits: false,
        }
    }

    /// Does `task` when the session is at rest.
    pub fn then(&mut self, task: Task) {
        self.todo.push_back(task);
        self.session.wake();
        self.waits = false;
    }

    /// The server sends `octets`; the session goes on until it wants more.
    pub fn hear(&mut self, octets: &[u8]) {
        self.go();
        let mut rest = octets;
        while !rest.is_empty() && self.session.close_reason().is_none() {
            let spare = self.buffer.spare();
            let n = rest.len().min(spare.len());
            spare[..n].copy_from_slice(&rest[..n]);
            self.buffer.commit(n);
            rest = &rest[n..];
            self.go();
        }
    }

    /// The server sends nothing more.
    pub fn eof(&mut self) {
        self.go();
        self.session.handle_eof();
        self.go();
    }

    /// Time passes.
    pub fn advance(&mut self, span: Duration) {
        self.go();
        self.now = self.now + span;
        if self.session.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.session.handle_timeout(self.now);
        }
        self.go();
    }

    /// What the client sent since this was asked last.
    pub fn said(&mut self) -> String {
        String::from_utf8_lossy(&core::mem::take(&mut self.sent)).into_owned()
    }

    /// Why the session ended.
    #[must_use]
    pub fn close(&self) -> Option<CloseReason> {
        self.session.close_reason()
    }

    /// What became of each recipient of the last message, in few words.
    #[must_use]
    pub fn outcomes(&self) -> Vec<String> {
        let name = |outcome: Outcome| match outcome {
            Outcome::Accepted(reply) => format!("Accepted {}", reply.code()),
            Outcome::Refused(reply) => format!("Refused {}", reply.code()),
            Outcome::NotTried(why) => format!("NotTried {why:?}"),
            Outcome::Unknown => "Unknown".to_string(),
        };
        self.session.outcomes().map(name).collect()
    }

    /// Goes on until the session wants input or is closed.
    ///
    /// # Panics
    /// When the session spins.
    pub fn go(&mut self) {
        for _ in 0..1_000_000 {
            self.buffer.consume(core::mem::take(&mut self.used));
            self.buffer.fit(self.session.room());
            match self.session.needs(&self.buffer.input(), self.now) {
                Need::Input | Need::Nothing => return,
                Need::Pause(until) => self.now = until,
                Need::Flush => {
                    self.sent.extend_from_slice(self.session.output());
                    self.session.output().clear();
                }
                Need::Upgrade => {
                    let mut plaintext = self.buffer.input();
                    let (tls, trust) = (TlsInfo::default(), Certificate::Verified);
                    // INVARIANT: the session asked for it.
                    let _ = self.session.tls_established(&mut plaintext, tls, trust, self.now);
                    self.used = plaintext.used();
                    self.events.push("tls".to_string());
                }
                Need::Step => self.step(),
            }
        }
        panic!("the session spins: {:?}", self.session);
    }

    fn step(&mut self) {
        let mut input = self.buffer.input();
        match self.session.next(&mut input) {
            Some(ClientStep::Ready(ready)) => match self.todo.pop_front() {
                Some(task) => {
                    let wrong = start(ready, &task);
                    self.events.extend(wrong.map(|why| format!("error {why}")));
                    if let Task::Send(letter) = task {
                        self.content = letter;
                    }
                }
                None => {
                    if !self.waits {
                        self.events.push("ready".to_string());
                    }
                    self.waits = true;
                    ready.wait();
                }
            },
            Some(ClientStep::Content(mut body)) => {
                if body.at() == 0 && body.round() > 0 {
                    self.events.push(format!("again {}", body.round()));
                }
                let content = &self.content.content;
                let abandon_at = self.content.abandon_at;
                let end = abandon_at.map_or(content.len(), |at| (at as usize).min(content.len()));
                let rest = &content[body.at() as usize..end];
                let taken = body.write(rest);
                if taken == rest.len() {
                    if abandon_at.is_some() { body.abandon() } else { body.finish() }
                }
            }
            Some(ClientStep::Reply { to, reply }) => self.events.push(format!("{to:?} {}", reply.code())),
            Some(ClientStep::Close(reason)) => self.events.push(format!("close {reason:?}")),
            Some(ClientStep::Challenge(challenge)) => challenge.cancel(),
            Some(ClientStep::Quiet(_)) | None => {}
        }
        self.used = input.used();
    }
}

/// Starts `task`; what is wrong with it.
fn start(ready: Ready<'_>, task: &Task) -> Option<String> {
    match task {
        Task::Send(letter) => {
            let to: Vec<Recipient<'_>> =
                letter.to.iter().map(|(to, params)| Recipient::new(to).params(params)).collect();
            let mut envelope = Envelope::new(&letter.from).to(&to).params(&letter.params);
            if let Some(body) = letter.stream {
                envelope = envelope.body(body);
            }
            if letter.require_tls {
                envelope = envelope.require_tls();
            }
            if !letter.once {
                envelope = envelope.content(&letter.content);
            }
            ready.send(&envelope).err().map(|why| format!("{why:?}"))
        }
        Task::StartTls => ready.start_tls().err().map(|why| format!("{why:?}")),
        Task::Auth(credentials) => ready.auth(credentials, &[7; 24]).err().map(|why| format!("{why:?}")),
        Task::Say(line) => match Command::parse(line) {
            Ok(command) => ready.say(&command).err().map(|why| format!("{why:?}")),
            Err(error) => Some(format!("{error:?}")),
        },
        Task::Chunk(octets) => ready.bdat(octets).err().map(|why| format!("{why:?}")),
        Task::LastChunk(octets) => ready.bdat_last(octets).err().map(|why| format!("{why:?}")),
        Task::Raw(octets) => {
            ready.raw(octets);
            None
        }
        Task::Quit => {
            ready.quit();
            None
        }
    }
}
