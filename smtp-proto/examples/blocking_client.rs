//! Sends a message from standard input over a blocking socket and prints what became of it:
//! `printf 'Subject: hi\r\n\r\n' | cargo run -p smtp-proto --example blocking_client 127.0.0.1:1025 me@a.example you@b.example`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::{self, ErrorKind::TimedOut, ErrorKind::WouldBlock, Read, Write};
use std::{net::TcpStream, time::Duration, time::Instant};

use smtp_proto::client::{ClientConfig, ClientSession, ClientStep, Envelope, Need};
use smtp_proto::{MailboxBuf, RecvBuf, Time, bytes::Buf};

#[allow(clippy::disallowed_methods, reason = "the core has no clock: a program lends it one")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, server, from, to] = args.as_slice() else { return Err("usage: SERVER FROM TO < MESSAGE".into()) };
    let (from, to): (MailboxBuf, MailboxBuf) = (from.parse()?, to.parse()?);
    let (text, origin) = (io::read_to_string(io::stdin())?.into_bytes(), Instant::now());
    let mail = Envelope::new(&from).to(&to).content(&text);
    let (mut stream, mut buf, mut sent) = (TcpStream::connect(server)?, RecvBuf::default(), false);
    let mut smtp = ClientSession::new(ClientConfig::new("client.example")?, Time::ZERO);
    loop {
        buf.fit(smtp.room());
        let now = Time::new(origin.elapsed());
        let need = smtp.needs(&buf.input(), now);
        // A socket takes a time-out of zero for an error.
        let left = smtp.deadline().map(|at| at.since(now).max(Duration::from_millis(1)));
        stream.set_read_timeout(left).and(stream.set_write_timeout(left))?;
        let moved = match need {
            Need::Flush => stream.write(smtp.output()).map(|n| smtp.output().advance(n)),
            Need::Input => {
                stream.read(buf.spare()).map(|n| if n > 0 { buf.commit(n) } else { smtp.handle_eof() })
            }
            Need::Pause(_) | Need::Upgrade | Need::Nothing => break,
            Need::Step => {
                let mut input = buf.input();
                match smtp.next(&mut input) {
                    Some(ClientStep::Ready(ready)) if sent => ready.quit(),
                    // What the server can't take is not sent, and the outcome says why.
                    Some(ClientStep::Ready(ready)) => (sent, _) = (true, ready.send(&mail)),
                    Some(ClientStep::Content(mut body)) => {
                        let rest = &text[body.at() as usize..];
                        if body.write(rest) == rest.len() {
                            body.finish();
                        }
                    }
                    _ => {}
                }
                let used = input.used();
                buf.consume(used);
                Ok(())
            }
        };
        match moved.map_err(|error| error.kind()) {
            Err(TimedOut | WouldBlock) => smtp.handle_timeout(now),
            Err(_) => smtp.handle_eof(),
            Ok(()) => {}
        }
    }
    println!("{to}: {:?}", smtp.outcome(0));
    Ok(())
}
