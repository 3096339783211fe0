//! What a server makes of a client: the client's octets on stdin, steps and replies on stdout. It accepts all it can.
//! `printf 'EHLO me.example\r\nQUIT\r\n' | cargo run -q -p smtp-proto --example explain`; lines typed at a terminal
//! get the CR that they lack. Of a transcript: `sed -n 's/^C: \(.*\)/\1\r/p' FILE | cargo run ...`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;

use smtp_proto::sasl::{Mechanism, Next, Trap};
use smtp_proto::server::Extension::{BinaryMime, Chunking, Dsn, Etrn, Expn, Smtputf8, Vrfy};
use smtp_proto::server::{AuthWhen, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::{Input, Time};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = ServerConfig::new("explain.example")?;
    let config = config.auth(&[Mechanism::PLAIN, Mechanism::LOGIN], AuthWhen::Always);
    let all = [BinaryMime, Chunking, Dsn, Etrn, Expn, Smtputf8, Vrfy];
    // When the octets arrived says nothing here.
    let config = all.into_iter().fold(config, ServerConfig::offer).without_arrival_checks();
    let (mut now, mut octets, mut login) = (Time::ZERO, Vec::new(), Trap::new());
    let mut session = ServerSession::new(Arc::new(config), Peer::unknown(), now);
    loop {
        match session.needs(&Input::new(&octets), now) {
            Need::Step => {
                let mut input = Input::new(&octets);
                session.next(&mut input).into_iter().for_each(|step| explain(step, &mut login));
                let used = input.used();
                octets.drain(..used);
            }
            Need::Flush => {
                let replies = session.output().split();
                let lines = replies.split_inclusive(|&octet| octet == b'\n');
                lines.for_each(|line| println!("S: {}", line.escape_ascii()));
            }
            Need::Input => {
                if io::stdin().lock().read_until(b'\n', &mut octets)? == 0 {
                    session.handle_eof();
                } else if io::stdin().is_terminal() && !octets.ends_with(b"\r\n") {
                    octets.insert(octets.len() - 1, b'\r');
                }
            }
            Need::Pause(until) => now = until,
            Need::Upgrade | Need::Nothing => return Ok(()),
        }
    }
}

fn explain(step: Step<'_, '_>, login: &mut Trap) {
    match &step {
        Step::Content(octets) => println!("= Content(\"{}\")", octets.escape_ascii()),
        step => println!("= {step:?}"),
    }
    match step {
        Step::Auth(auth) => match login.step(auth.mechanism(), auth.response()) {
            Next::Challenge(text) => auth.challenge(text),
            Next::Credentials { .. } => auth.accept(),
        },
        step => step.accept(),
    }
}
