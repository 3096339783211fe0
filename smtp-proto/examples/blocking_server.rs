//! A server on blocking sockets, a thread for each, that takes all mail and prints what it sees:
//! `cargo run -p smtp-proto --example blocking_server`, then send to 127.0.0.1:1025, or the address given.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::{self, ErrorKind::TimedOut, ErrorKind::WouldBlock, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{sync::Arc, time::Duration, time::Instant};

use smtp_proto::server::{Need, ServerConfig, ServerSession, Step};
use smtp_proto::{RecvBuf, Time, bytes::Buf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Arc::new(ServerConfig::new("blocking.example")?);
    let listener = TcpListener::bind(std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:1025"))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, config) = (stream?, Arc::clone(&config));
        std::thread::spawn(move || serve(stream, config));
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the core has no clock: a program lends it one")]
fn serve(mut stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let (origin, mut buffer) = (Instant::now(), RecvBuf::default());
    let mut session = ServerSession::new(config, stream.peer_addr()?.into(), Time::ZERO);
    loop {
        buffer.fit(session.room());
        let now = Time::new(origin.elapsed());
        let need = session.needs(&buffer.input(), now);
        // A socket takes a time-out of zero for an error.
        let left = session.deadline().map(|at| at.since(now).max(Duration::from_millis(1)));
        stream.set_read_timeout(left).and(stream.set_write_timeout(left))?;
        match need {
            Need::Step => {
                let mut input = buffer.input();
                session.next(&mut input).into_iter().for_each(policy);
                let used = input.used();
                buffer.consume(used);
            }
            Need::Flush => match stream.write(session.output()) {
                Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => session.handle_timeout(now),
                n => session.output().advance(n?),
            },
            Need::Input => match stream.read(buffer.spare()) {
                Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => session.handle_timeout(now),
                Ok(0) | Err(_) => session.handle_eof(),
                Ok(n) => buffer.commit(n),
            },
            Need::Pause(until) => std::thread::sleep(until.since(now)),
            Need::Upgrade | Need::Nothing => return Ok(()),
        }
    }
}

/// What makes it your server.
fn policy(step: Step<'_, '_>) {
    println!("{step:?}");
    step.accept();
}
