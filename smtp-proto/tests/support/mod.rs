//! A session driven by hand, for tests.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use smtp_proto::server::{CloseReason, Need, Peer, ResetCause, ServerConfig, ServerSession, Step};
use smtp_proto::{RecvBuf, Time, limits};

pub fn config() -> ServerConfig {
    ServerConfig::new("mx.example").unwrap()
}

pub fn at(seconds: u64) -> Time {
    Time::new(Duration::from_secs(seconds))
}

/// A session and its buffer, driven by hand.
pub struct Wire {
    pub session: ServerSession,
    pub buffer: RecvBuf,
    pub now: Time,
    pub said: Vec<u8>,
    pub close: Option<CloseReason>,
    pub resets: Vec<ResetCause>,
    pub content: Vec<u8>,
    pub answered: Vec<(usize, u16)>,
}

impl Wire {
    pub fn new(config: ServerConfig) -> Self {
        Self::with_peer(config, Peer::unknown())
    }

    pub fn with_peer(config: ServerConfig, peer: Peer) -> Self {
        let session = ServerSession::new(Arc::new(config), peer, Time::ZERO);
        Self {
            session,
            buffer: RecvBuf::default(),
            now: Time::ZERO,
            said: Vec::new(),
            close: None,
            resets: Vec::new(),
            content: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// Past the greeting and EHLO.
    pub fn greeted(config: ServerConfig) -> Self {
        let mut wire = Self::new(config);
        wire.go();
        wire.send(b"EHLO client.example\r\n");
        wire.said.clear();
        wire
    }

    pub fn send(&mut self, mut octets: &[u8]) -> Need {
        let mut need = self.go();
        while !octets.is_empty() && matches!(need, Need::Input) {
            let spare = self.buffer.spare();
            let n = spare.len().min(octets.len());
            spare[..n].copy_from_slice(&octets[..n]);
            self.buffer.commit(n);
            octets = &octets[n..];
            need = self.go();
        }
        need
    }

    /// Puts octets into the buffer without letting the session look.
    pub fn arrive(&mut self, octets: &[u8]) {
        self.buffer.fit(limits::COMMAND_LINE);
        self.buffer.spare()[..octets.len()].copy_from_slice(octets);
        self.buffer.commit(octets.len());
    }

    /// Goes on until the session wants something but a flush; every token is accepted.
    pub fn go(&mut self) -> Need {
        self.go_with(|step| step.accept())
    }

    pub fn go_with(&mut self, mut answer: impl FnMut(Step<'_, '_>)) -> Need {
        loop {
            self.buffer.fit(self.session.room());
            match self.session.needs(&self.buffer.input(), self.now) {
                Need::Flush => {
                    self.said.extend_from_slice(self.session.output());
                    self.session.output().clear();
                }
                Need::Step => {
                    let mut input = self.buffer.input();
                    match self.session.next(&mut input) {
                        Some(Step::Content(octets)) => self.content.extend_from_slice(octets),
                        Some(Step::Answered(it)) => self.answered.push((it.line().len(), it.code())),
                        Some(Step::Reset(cause)) => self.resets.push(cause),
                        Some(Step::Close(reason)) => self.close = Some(reason),
                        Some(step) => answer(step),
                        None => {}
                    }
                    let used = input.used();
                    self.buffer.consume(used);
                }
                need => return need,
            }
        }
    }

    pub fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.said)).unwrap()
    }
}
