//! Server sessions, operated at will.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::split::{replies, server};
use crate::io::RecvBuf;
use crate::limits;
use crate::server::{Need, Peer, ServerSession, Step, TlsInfo};
use crate::time::Time;
use crate::wire::reply::Reply;

/// A session whose peer stalls, drips, leaves and shakes hands as it likes, and whose application accepts, refuses, lies,
/// forgets and hangs up: it never asks for what makes no sense, keeps its output bounded, opens and closes transactions in
/// pairs, ends, and what it writes is replies. The first octet chooses the server, the second the application's moods;
/// the others are what happens.
///
/// # Panics
/// When that does not hold.
pub fn session(octets: &[u8]) {
    let [index, mood, script @ ..] = octets else { return };
    let config = server(*index).config().expect("a server as transcripts have it");
    let mut world = World {
        session: ServerSession::new(Arc::new(config), Peer::unknown(), Time::ZERO),
        buffer: RecvBuf::default(),
        used: 0,
        now: Time::ZERO,
        script,
        mood: u32::from(*mood),
        gone: false,
        in_transaction: false,
        closed: false,
        sent: Vec::new(),
        torn: false,
    };
    world.run(64 * octets.len() + 1_000);
    assert!(world.closed && !world.in_transaction, "it ends, and no transaction is left open");
    let rest = replies(&world.sent);
    assert!(world.torn || rest.is_empty(), "\"{}\" is no reply", rest.escape_ascii());
}

/// A session and everything around it.
struct World<'o> {
    session: ServerSession,
    buffer: RecvBuf,
    used: usize,
    now: Time,
    /// What the peer is still going to do.
    script: &'o [u8],
    mood: u32,
    /// The peer has left.
    gone: bool,
    in_transaction: bool,
    closed: bool,
    sent: Vec<u8>,
    /// Replies were lost, the last of them perhaps in part.
    torn: bool,
}

impl World<'_> {
    fn run(&mut self, turns: usize) {
        for _ in 0..turns {
            self.buffer.consume(core::mem::take(&mut self.used));
            self.buffer.fit(self.session.room());
            let need = self.session.needs(&self.buffer.input(), self.now);
            let most = limits::OUTPUT + limits::REPLY_LINES_WRITTEN * limits::REPLY_LINE_WRITTEN;
            assert!(self.session.output().len() <= most, "its output is bounded");
            match need {
                Need::Nothing => return,
                Need::Pause(until) => self.now = until,
                Need::Flush => self.flush(),
                Need::Upgrade if self.mood(4) == 3 => self.time_out(),
                Need::Upgrade => {
                    let mut plaintext = self.buffer.input();
                    let done = self.session.tls_established(&mut plaintext, TlsInfo::default(), self.now);
                    done.expect("it asked for a handshake");
                    self.used = plaintext.used();
                }
                Need::Input => self.arrive(),
                Need::Step => self.step(),
            }
        }
        panic!("it spins: {:?}", self.session);
    }

    /// One of `n` ways; always the first if the application has no moods.
    fn mood(&mut self, n: u32) -> u32 {
        if self.mood == 0 {
            return 0;
        }
        self.mood = self.mood.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 1;
        (self.mood >> 16) % n
    }

    fn flush(&mut self) {
        let output = self.session.output();
        assert!(!output.is_empty(), "there is something to flush");
        let all = output.len();
        let part = match self.mood(8) {
            1 => 1,
            2 => all.div_ceil(2),
            3 => return self.time_out(),
            _ => all,
        };
        self.sent.extend_from_slice(&self.session.output().split_to(part));
    }

    fn time_out(&mut self) {
        let deadline = self.session.deadline().expect("every wait has a deadline");
        self.torn |= !self.session.output().is_empty();
        self.now = self.now.max(deadline);
        self.session.handle_timeout(self.now);
    }

    /// What the peer does next.
    fn arrive(&mut self) {
        assert!(self.session.output().is_empty() && !self.gone, "input is wanted where some can come");
        let [what, rest @ ..] = self.script else {
            self.gone = true;
            return self.session.handle_eof();
        };
        self.script = rest;
        match what {
            0 => self.session.shut_down(),
            1 => self.time_out(),
            2 => {
                self.gone = true;
                self.session.handle_eof();
            }
            3 => {
                let misused =
                    self.session.tls_established(&mut self.buffer.input(), TlsInfo::default(), self.now);
                misused.expect_err("it did not ask for a handshake");
            }
            len => {
                let spare = self.buffer.spare();
                assert!(!spare.is_empty(), "input is wanted where there is room");
                let len = usize::from(*len).min(self.script.len()).min(spare.len());
                let (octets, rest) = self.script.split_at(len);
                spare[..len].copy_from_slice(octets);
                self.buffer.commit(len);
                self.script = rest;
            }
        }
    }

    fn step(&mut self) {
        let mood = self.mood(8);
        let mut input = self.buffer.input();
        let step = self.session.next(&mut input).expect("a step was ready");
        assert!(!self.closed, "nothing follows the end: {step:?}");
        self.used = input.used();
        let accepts = matches!(mood, 0..=3);
        match &step {
            Step::Mail(_) => {
                assert!(!self.in_transaction, "transactions do not nest");
                self.in_transaction = accepts;
            }
            Step::Rcpt(_) | Step::Data(_) | Step::Content(_) | Step::Verdict(_) => {
                assert!(self.in_transaction, "{step:?} belongs to a transaction");
            }
            Step::Reset(_) => assert!(core::mem::take(&mut self.in_transaction), "it ends what had begun"),
            Step::Close(_) => self.closed = true,
            _ => {}
        }
        answer(step, mood);
    }
}

const LATER: Reply<'static> = Reply::new(451, (4, 3, 0), "Later");
const LIE: Reply<'static> = Reply::new(250, (2, 0, 0), "Fine");

/// Moods up to 3 accept.
fn answer(step: Step<'_, '_>, mood: u32) {
    match (mood, step) {
        (3, Step::Mail(token)) => token.accept_with(&LIE),
        (0..=3, step) => step.accept(),
        (4, step) => drop(step),
        (5, Step::Auth(token)) => token.challenge(b"again"),
        (5, Step::Hello(token)) => token.refuse(&LIE),
        (5, Step::Mail(token)) => token.refuse(&LIE),
        (5, Step::Rcpt(token)) => token.refuse(&LIE),
        (6, Step::Mail(token)) => token.accept_with(&LATER),
        (6, Step::Data(token)) => token.decide(LATER),
        (6, Step::Verdict(token)) => token.hang_up(&LATER),
        (7, Step::Mail(token)) => token.hang_up(&LATER),
        (7, Step::Connect(token)) => token.refuse(&LATER),
        (_, Step::Mail(token)) => token.refuse(&LATER),
        (_, step) => step.or_default(),
    }
}
