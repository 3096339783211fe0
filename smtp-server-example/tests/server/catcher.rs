//! A foreign host in the test's own process, which does what it is told to and knows what it has got.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::harness::PATIENCE;

/// What it does with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes mail.
    Take,
    /// Takes a message, and closes the connection.
    TakeOne,
    /// Says nothing any more from here on.
    HangAt(Stage),
}

/// The places of a session at which an answer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Dot,
}

/// It listens until the test's process ends.
pub(crate) struct Catcher {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    mood: Mutex<Mood>,
    got: Mutex<Got>,
    changed: Condvar,
}

#[derive(Default)]
struct Got {
    /// How often each subject was answered with 250, or left at its dot.
    copies: HashMap<String, usize>,
    /// Sessions that are hung up.
    hanging: usize,
}

impl Catcher {
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            Arc::new(State { mood: Mutex::new(Mood::Take), got: Mutex::default(), changed: Condvar::new() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                // A client that is gone ends its session.
                std::thread::spawn(move || drop(session(&state, &stream)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn become_(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// How many copies it has of each subject.
    pub(crate) fn copies(&self) -> HashMap<String, usize> {
        self.state.got.lock().unwrap().copies.clone()
    }

    /// Waits until a session hangs.
    pub(crate) fn wait_for_one_that_hangs(&self) {
        let until = Instant::now() + PATIENCE;
        let mut got = self.state.got.lock().unwrap();
        while got.hanging == 0 {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nobody came");
            got = self.state.changed.wait_timeout(got, left).unwrap().0;
        }
        got.hanging = 0;
    }
}

impl State {
    /// Answers, unless it is to say nothing here; then waits for the client to go, and says that it is over.
    fn answer(&self, mut stream: &TcpStream, stage: Stage, reply: &str) -> std::io::Result<()> {
        if *self.mood.lock().unwrap() == Mood::HangAt(stage) {
            self.got.lock().unwrap().hanging += 1;
            self.changed.notify_all();
            std::io::copy(&mut stream, &mut std::io::sink())?;
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        stream.write_all(reply.as_bytes())
    }
}

fn session(state: &State, stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    state.answer(stream, Stage::Greeting, "220 mx.t.example\r\n")?;
    let (mut lines, mut line) = (BufReader::new(stream), String::new());
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => state.answer(stream, Stage::Ehlo, "250 mx.t.example\r\n")?,
            "MAIL" => state.answer(stream, Stage::Mail, "250 2.1.0 ok\r\n")?,
            "RCPT" => state.answer(stream, Stage::Rcpt, "250 2.1.5 ok\r\n")?,
            "DATA" => {
                state.answer(stream, Stage::Data, "354 go on\r\n")?;
                let subject = content(&mut lines)?;
                *state.got.lock().unwrap().copies.entry(subject).or_default() += 1;
                state.answer(stream, Stage::Dot, "250 2.0.0 taken\r\n")?;
                if *state.mood.lock().unwrap() == Mood::TakeOne {
                    return Ok(());
                }
            }
            "QUIT" => return (&mut &*stream).write_all(b"221 2.0.0 bye\r\n"),
            _ => (&mut &*stream).write_all(b"250 2.0.0 ok\r\n")?,
        }
    }
}

/// Reads a message to its dot; returns its subject.
fn content(lines: &mut impl BufRead) -> std::io::Result<String> {
    let (mut line, mut subject) = (String::new(), String::new());
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(subject);
        }
        if let Some(text) = line.strip_prefix("Subject: ") {
            subject = text.trim_end().to_owned();
        }
    }
}
