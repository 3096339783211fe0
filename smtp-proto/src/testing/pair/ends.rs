//! The two sides as adapters would run them, and time.

use super::Pair;
use super::link::{Gone, Read, Side};
use crate::client::{ClientStep, Envelope, Ready};
use crate::io::RecvBuf;
use crate::server::{Need, TlsInfo};
use crate::time::Time;
use crate::wire::params::{MailParams, RcptParams};

/// Turns in a row in which no octet moves and no time passes. A full buffer of short commands is under a thousand.
const MOST_IDLE_TURNS: u32 = 10_000;
/// No session lasts longer, in seconds; each of its waits is some minutes.
const LONGEST: u64 = 100 * 86_400;

/// A session and its buffer.
pub(super) struct End<S> {
    pub(super) session: S,
    buffer: RecvBuf,
    used: usize,
    /// It was told that nothing more comes.
    told: bool,
    /// It has ended and closed the connection.
    pub(super) gone: bool,
}

impl<S> End<S> {
    pub(super) fn new(session: S) -> Self {
        Self { session, buffer: RecvBuf::default(), used: 0, told: false, gone: false }
    }
}

/// What the client's application is about.
pub(super) struct Task<'t> {
    aim: Aim<'t>,
    begun: bool,
    done: bool,
}

enum Aim<'t> {
    Send(&'t Envelope<'t>, &'t [u8]),
    /// Command by command, and which comes next: MAIL, RCPT for each, DATA.
    Say(&'t Envelope<'t>, &'t [u8], usize),
    Idle(Time),
    Quit,
}

impl<'t> Task<'t> {
    pub(super) const fn send(envelope: &'t Envelope<'t>, content: &'t [u8]) -> Self {
        Self { aim: Aim::Send(envelope, content), begun: false, done: false }
    }

    pub(super) const fn say(envelope: &'t Envelope<'t>, content: &'t [u8]) -> Self {
        Self { aim: Aim::Say(envelope, content, 0), begun: false, done: false }
    }

    pub(super) const fn idle(until: Time) -> Self {
        Self { aim: Aim::Idle(until), begun: false, done: false }
    }

    pub(super) const fn quit() -> Self {
        Self { aim: Aim::Quit, begun: false, done: false }
    }

    /// The client is at rest: begins, goes on, or is done.
    fn start(&mut self, ready: Ready<'_>) {
        let is_begun = core::mem::replace(&mut self.begun, true);
        match &mut self.aim {
            Aim::Say(envelope, _, next) => self.done = say_next(ready, envelope, next),
            _ if is_begun => self.done = true,
            Aim::Send(envelope, _) => drop(ready.send(envelope)),
            Aim::Idle(_) => ready.wait(),
            Aim::Quit => ready.quit(),
        }
    }
}

/// Says the next command of a message that goes command by command; true when there is none.
fn say_next(ready: Ready<'_>, envelope: &Envelope<'_>, next: &mut usize) -> bool {
    let (at, to) = (*next, envelope.recipients());
    let is_refused = !ready.session().last_reply().is_positive();
    *next += 1;
    match at {
        0 => ready.mail(envelope.sender(), MailParams::EMPTY),
        // Nobody goes on behind a refused MAIL.
        1 if is_refused => {
            *next = to.len() + 2;
            ready.rset();
        }
        _ if at <= to.len() => {
            // INVARIANT: there are so many.
            let recipient = to.at(at - 1).expect("a recipient");
            ready.rcpt(recipient.mailbox(), RcptParams::EMPTY);
        }
        _ if at == to.len() + 1 => ready.data(),
        _ => return true,
    }
    false
}

impl Pair {
    /// Runs until the task is done, or both sides have ended; whether it was begun.
    pub(super) fn run(&mut self, task: &mut Task<'_>) -> bool {
        let (mut idle, mut moves) = (0, self.link.moves);
        self.link.strike(Side::Client, &mut self.dice);
        self.link.strike(Side::Server, &mut self.dice);
        while !(task.done || self.client.gone && self.server.gone) {
            let client_first = self.dice.chance(2);
            let mut something = client_first && self.client_turn(task);
            something |= self.server_turn();
            something |= !client_first && self.client_turn(task);
            idle += 1;
            if !something {
                self.pass_time(task);
                idle = 0;
            } else if moves != self.link.moves {
                (idle, moves) = (0, self.link.moves);
            }
            assert!(idle < MOST_IDLE_TURNS, "a session spins:\n{}", self.report());
        }
        task.begun
    }

    /// Moves on to the next thing that happens by itself.
    fn pass_time(&mut self, task: &Task<'_>) {
        let now = self.link.now;
        let is_busy = self.busy > now;
        let candidates = [
            self.link.next_arrival(),
            self.client.session.deadline().filter(|_| !self.client.gone),
            self.server.session.deadline().filter(|_| !self.server.gone && !is_busy),
            Some(self.busy).filter(|_| is_busy),
            self.pause,
            match task.aim {
                Aim::Idle(until) => Some(until),
                Aim::Send(..) | Aim::Say(..) | Aim::Quit => None,
            },
        ];
        let next = candidates.into_iter().flatten().filter(|time| *time > now).min();
        let Some(next) = next else { panic!("nothing can happen any more:\n{}", self.report()) };
        self.link.now = next;
        assert!(next.since_origin().as_secs() < LONGEST, "it goes on for ever:\n{}", self.report());
    }

    fn report(&self) -> alloc::string::String {
        let (client, server) = (&self.client.session, &self.server.session);
        alloc::format!("{}\n{client:?}\n{server:?}", self.transcript())
    }

    // ---- the client --------------------------------------------------------------------------------------

    /// One turn of the client's; whether it did something.
    fn client_turn(&mut self, task: &mut Task<'_>) -> bool {
        if self.client.gone {
            return false;
        }
        let now = self.link.now;
        if matches!(task.aim, Aim::Idle(until) if now >= until) {
            self.client.session.wake();
            task.done = true;
            return true;
        }
        let end = &mut self.client;
        end.buffer.consume(core::mem::take(&mut end.used));
        end.buffer.fit(end.session.room());
        let need = end.session.needs(&end.buffer.input(), now);
        if end.session.deadline().is_some_and(|deadline| deadline <= now) {
            let wait = end.session.waiting_for();
            self.link.trace.note(format_args!("the client waits no longer: {wait:?}"));
            end.session.handle_timeout(now);
            return true;
        }
        match need {
            Need::Step => self.client_step(task),
            Need::Flush => self.client_flush(),
            Need::Input | Need::Pause(_) => self.client_read(),
            Need::Upgrade => self.client_upgrade(),
            Need::Nothing => {
                end.gone = true;
                self.link.close(Side::Client);
                true
            }
        }
    }

    /// Writes, and reads where nothing can be written: who only writes may wait for a server that waits for them.
    fn client_flush(&mut self) -> bool {
        let end = &mut self.client;
        match self.link.write(Side::Client, end.session.output(), &mut self.dice) {
            Ok(0) => self.client_read(),
            Ok(n) => {
                let _ = end.session.output().split_to(n);
                true
            }
            Err(Gone) => {
                // What has arrived is read before the loss is noticed.
                while let Read::Octets(n) = self.link.read(Side::Client, end.buffer.spare()) {
                    end.buffer.commit(n);
                }
                end.told = true;
                end.session.handle_eof();
                true
            }
        }
    }

    fn client_read(&mut self) -> bool {
        let end = &mut self.client;
        match self.link.read(Side::Client, end.buffer.spare()) {
            Read::Octets(n) => {
                end.buffer.commit(n);
                true
            }
            Read::End if !end.told => {
                end.told = true;
                end.session.handle_eof();
                true
            }
            Read::Nothing | Read::End => false,
        }
    }

    fn client_step(&mut self, task: &mut Task<'_>) -> bool {
        let (wants, dice) = (&mut self.wants, &mut self.dice);
        let End { session, buffer, used, .. } = &mut self.client;
        let mut input = buffer.input();
        match session.next(&mut input) {
            None => panic!("a step was ready, and there is none"),
            Some(ClientStep::Ready(ready)) => {
                if core::mem::take(&mut wants.tls) {
                    let _ = ready.start_tls();
                } else if let Some(credentials) = wants.credentials.take() {
                    let _ = ready.auth(&credentials, &[7; 24]);
                } else {
                    task.start(ready);
                }
            }
            Some(ClientStep::Content(mut writer)) => {
                let (Aim::Send(_, content) | Aim::Say(_, content, _)) = task.aim else {
                    panic!("content is wanted where none was offered")
                };
                let at = usize::try_from(writer.at()).unwrap_or(usize::MAX);
                let rest = &content[at..];
                let piece = &rest[..rest.len().min(dice.within(&(1..rest.len() + 1)))];
                if dice.chance(self.fickle) {
                    writer.abandon();
                } else if writer.write(piece) == rest.len() {
                    writer.finish();
                }
            }
            Some(ClientStep::Challenge(challenge)) => challenge.cancel(),
            Some(_) => {}
        }
        *used = input.used();
        true
    }

    /// The client wants the handshake. It needs the server to want it too, and a clear line.
    fn client_upgrade(&mut self) -> bool {
        let now = self.link.now;
        let (client, server) = (&mut self.client, &mut self.server);
        let is_lost = self.link.is_ended(Side::Client) || self.link.is_coming(Side::Client);
        if !is_lost && (self.busy > now || server.gone) {
            return false;
        }
        server.buffer.consume(core::mem::take(&mut server.used));
        let is_ready = !server.gone && server.session.needs(&server.buffer.input(), now) == Need::Upgrade;
        if !is_lost && !is_ready {
            return false;
        }
        if is_lost || self.wants.handshake_fails {
            self.link.trace.note(format_args!("the handshake fails"));
            client.session.tls_failed();
            if is_ready {
                server.session.tls_failed();
            }
            return true;
        }
        let mut plaintext = client.buffer.input();
        let done =
            client.session.tls_established(&mut plaintext, TlsInfo::default(), self.wants.certificate, now);
        client.used = plaintext.used();
        done.expect("the client asked for the handshake");
        let mut plaintext = server.buffer.input();
        let done = server.session.tls_established(&mut plaintext, TlsInfo::default(), now);
        server.used = plaintext.used();
        done.expect("the server asked for the handshake");
        self.link.trace.finish();
        self.link.trace.note(format_args!("TLS"));
        true
    }

    // ---- the server --------------------------------------------------------------------------------------

    /// One turn of the server's; whether it did something.
    fn server_turn(&mut self) -> bool {
        let now = self.link.now;
        self.pause = None;
        if self.server.gone || self.busy > now {
            return false;
        }
        let end = &mut self.server;
        end.buffer.consume(core::mem::take(&mut end.used));
        end.buffer.fit(end.session.room());
        let need = end.session.needs(&end.buffer.input(), now);
        if end.session.deadline().is_some_and(|deadline| deadline <= now) {
            self.link.trace.note(format_args!("the server waits no longer"));
            end.session.handle_timeout(now);
            return true;
        }
        match need {
            Need::Step => self.server_step(),
            Need::Flush => match self.link.write(Side::Server, end.session.output(), &mut self.dice) {
                Ok(n) => {
                    let _ = end.session.output().split_to(n);
                    n > 0
                }
                Err(Gone) => {
                    end.told = true;
                    end.session.output().clear();
                    end.session.handle_eof();
                    true
                }
            },
            Need::Input => {
                assert!(!end.buffer.spare().is_empty(), "input is wanted with no room for it");
                self.server_read()
            }
            Need::Pause(until) => {
                self.pause = Some(until);
                self.server_read()
            }
            // The client's side of it does both. A client that is gone, or talks in clear, shakes no hands.
            Need::Upgrade if self.client.gone || self.link.is_coming(Side::Server) => {
                end.session.tls_failed();
                true
            }
            Need::Upgrade => false,
            Need::Nothing => {
                end.gone = true;
                self.link.close(Side::Server);
                true
            }
        }
    }

    fn server_read(&mut self) -> bool {
        let end = &mut self.server;
        match self.link.read(Side::Server, end.buffer.spare()) {
            Read::Octets(n) => {
                end.buffer.commit(n);
                true
            }
            Read::End if !end.told => {
                end.told = true;
                end.session.handle_eof();
                true
            }
            Read::Nothing | Read::End => false,
        }
    }

    fn server_step(&mut self) -> bool {
        let End { session, buffer, used, .. } = &mut self.server;
        let mut input = buffer.input();
        let Some(step) = session.next(&mut input) else { panic!("a step was ready, and there is none") };
        self.app.answer(step, &mut self.dice);
        *used = input.used();
        self.busy = self.link.now + self.dice.time(&self.slow);
        true
    }
}
