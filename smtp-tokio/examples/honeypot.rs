//! Takes whatever it is offered, slowly, and prints every octet of it, passwords too:
//! `cargo run -p smtp-tokio --example honeypot -- 127.0.0.1:1025 2`. It waits so many seconds before each answer;
//! the session's own time-outs don't run meanwhile.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io;
use std::time::Duration;

use smtp_tokio::sasl::{self, Mechanism};
use smtp_tokio::trace::{Lines, Transcript};
use smtp_tokio::{AuthWhen, Connection, Leniency, Server, ServerConfig, Step};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (listen, seconds) = args.next().zip(args.next()).ok_or("usage: honeypot LISTEN SECONDS")?;
    let delay = Duration::from_secs_f32(seconds.parse()?);
    let config = ServerConfig::new("mail.example")?.greeting("ESMTP Sendmail 8.12.11/8.12.11")?;
    let config = config.auth(&[Mechanism::LOGIN, Mechanism::PLAIN], AuthWhen::Always);
    let server = Server::bind(listen, config.leniency(Leniency::DEVICES)).await?;
    println!("listening on {}", server.local_addr()?);
    server.serve(move |connection| async move { drop(honeypot(connection, delay).await) }).await?;
    Ok(())
}

async fn honeypot(mut connection: Connection, delay: Duration) -> io::Result<()> {
    let mut login = sasl::Trap::new();
    let who = connection.facts().peer().remote().map_or("unknown".to_string(), |remote| remote.to_string());
    let peer = who.clone();
    connection.record(Transcript::with_secrets(Lines::new(move |line: &str| println!("{peer} {line}"))));
    while let Some(step) = connection.next().await? {
        sleep(delay).await;
        match step {
            Step::Auth(auth) => match login.step(auth.mechanism(), auth.response()) {
                sasl::Next::Challenge(text) => auth.challenge(text),
                sasl::Next::Credentials { user, password } => {
                    println!("{who} user {}, password {}", user.escape_ascii(), password.escape_ascii());
                    auth.accept();
                }
            },
            Step::Answered(answered) => println!("{who} odd {}", answered.line().escape_ascii()),
            other => other.accept(),
        }
    }
    Ok(())
}
