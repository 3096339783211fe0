//! Runs a transcript through a session in memory.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::script::{Script, Turn};
use crate::io::RecvBuf;
use crate::server::{Need, ServerSession, TlsInfo};
use crate::time::Time;

/// How the client's octets are cut before the session sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Not at all: each turn arrives as a whole.
    Whole,
    /// Into pieces of so many octets.
    Every(usize),
    /// Into pieces of 1 to 40 octets, by this seed.
    Seeded(u64),
}

impl Cut {
    /// The length of the next piece.
    pub(super) fn next(&mut self, left: usize) -> usize {
        match self {
            Self::Whole => left,
            Self::Every(n) => left.min(*n),
            Self::Seeded(state) => {
                // A linear congruential generator is random enough to choose cuts.
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                left.min((*state >> 33) as usize % 40 + 1)
            }
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What the application saw.
    pub events: Vec<String>,
    /// What the server sent.
    pub output: Vec<u8>,
}

impl Script {
    /// Runs the transcript on virtual time and checks each turn.
    ///
    /// # Errors
    /// When replies or events are not what the transcript says; the text tells both.
    pub fn run(&self, mut cut: Cut) -> Result<Run, String> {
        let mut wire = Wire::new(self, Upgrade::InItsTurn)?;
        let mut run = Run::default();
        for turn in self.turns() {
            wire.play(turn, &mut cut)?;
            let events = wire.policy.take_events();
            turn.check(&wire.sent)?;
            turn.check_events(&events)?;
            run.events.extend(events);
            run.output.append(&mut wire.sent);
        }
        Ok(run)
    }

    /// Sends `octets` and the end of file in place of the transcript's turns, to its server and its application.
    ///
    /// # Errors
    /// When the session spins or wants input without room for it; the text tells which.
    pub fn play(&self, octets: &[u8], mut cut: Cut) -> Result<Run, String> {
        let mut wire = Wire::new(self, Upgrade::AtOnce)?;
        wire.play(&Turn { send: octets.to_vec(), eof: true, ..Turn::default() }, &mut cut)?;
        Ok(Run { events: wire.policy.take_events(), output: wire.sent })
    }
}

/// When the client shakes hands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    /// With what has arrived by then.
    AtOnce,
    /// Where the transcript says so: what it sends before that is clear text, however it is cut.
    InItsTurn,
}

/// A session and the little around it that an adapter would be.
struct Wire {
    upgrade: Upgrade,
    session: ServerSession,
    buffer: RecvBuf,
    used: usize,
    now: Time,
    sent: Vec<u8>,
    policy: super::Policy,
    steps: usize,
}

impl Wire {
    fn new(script: &Script, upgrade: Upgrade) -> Result<Self, String> {
        Ok(Self {
            upgrade,
            session: ServerSession::new(Arc::new(script.config()?), script.peer(), Time::ZERO),
            buffer: RecvBuf::default(),
            used: 0,
            now: Time::ZERO,
            sent: Vec::new(),
            policy: script.policy(),
            steps: 0,
        })
    }

    fn play(&mut self, turn: &Turn, cut: &mut Cut) -> Result<(), String> {
        if turn.handshake {
            self.pump()?;
            self.shake_hands()?;
        }
        if !turn.pause.is_zero() {
            self.pump()?;
            self.now = self.now + turn.pause;
            if self.session.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.session.handle_timeout(self.now);
            }
        }
        let mut left = &turn.send[..];
        while !left.is_empty() {
            let wants_more = self.pump()?;
            if !wants_more {
                break;
            }
            let n = cut.next(left.len());
            let spare = self.buffer.spare();
            let n = n.min(spare.len());
            spare[..n].copy_from_slice(&left[..n]);
            self.buffer.commit(n);
            left = &left[n..];
        }
        if turn.eof {
            self.pump()?;
            self.session.handle_eof();
        }
        self.pump()?;
        Ok(())
    }

    fn shake_hands(&mut self) -> Result<(), String> {
        let mut plaintext = self.buffer.input();
        let outcome = self.session.tls_established(&mut plaintext, TlsInfo::default(), self.now);
        outcome.map_err(|misuse| misuse.to_string())?;
        self.used = plaintext.used();
        Ok(())
    }

    /// Goes on until the session wants input; false once it is closed.
    fn pump(&mut self) -> Result<bool, String> {
        loop {
            self.steps += 1;
            if self.steps > 1_000_000 {
                return Err("the session spins".to_string());
            }
            self.buffer.consume(core::mem::take(&mut self.used));
            self.buffer.fit(self.session.room());
            match self.session.needs(&self.buffer.input(), self.now) {
                Need::Input if self.buffer.spare().is_empty() => {
                    return Err(format!("input wanted with no room: {:?}", self.session));
                }
                Need::Input => return Ok(true),
                Need::Nothing => return Ok(false),
                Need::Pause(until) => self.now = until,
                Need::Flush => {
                    self.sent.extend_from_slice(self.session.output());
                    self.session.output().clear();
                }
                Need::Upgrade if self.upgrade == Upgrade::InItsTurn => return Ok(true),
                Need::Upgrade => self.shake_hands()?,
                Need::Step => {
                    let mut input = self.buffer.input();
                    if let Some(step) = self.session.next(&mut input) {
                        self.policy.answer(step);
                    }
                    self.used = input.used();
                }
            }
        }
    }
}
