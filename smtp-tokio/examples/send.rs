//! Sends a message from stdin and prints what became of it, recipient by recipient:
//! `printf 'Subject: hi\n\nHow are you?\n' | cargo run -p smtp-tokio --example send -- 127.0.0.1:1025 me@a.example you@b.example`.
//! The exit code is 0 when all have it, 75 when some may have it later, 69 when the rest never will.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::{Read, stdin};
use std::process::ExitCode;

use smtp_tokio::{Client, ClientConfig, Envelope, MailboxBuf, Outcome, Retry, TlsPolicy};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (host, from) = args.next().zip(args.next()).ok_or("usage: send HOST:PORT FROM TO... < MESSAGE")?;
    let (from, to): (MailboxBuf, Vec<MailboxBuf>) =
        (from.parse()?, args.map(|to| to.parse()).collect::<Result<_, _>>()?);
    let mut text = String::new();
    stdin().read_to_string(&mut text)?;
    // Lines end with CR LF on the wire; a message that has others is not sent.
    let text = text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>();

    // A server wants the name that this host's address has in the DNS.
    let config = ClientConfig::new("client.example")?;
    let mut client = Client::to(host, config).tls(TlsPolicy::Opportunistic).connect().await?;
    let outcomes = client.send(&Envelope::new(&from).to(&to), text.as_bytes()).await;
    client.quit().await;
    for (to, outcome) in to.iter().zip(&outcomes) {
        println!("{to}: {outcome}");
    }
    let waits = outcomes.iter().any(|outcome| !matches!(outcome.retry(), Retry::Never));
    let all = outcomes.iter().all(Outcome::is_accepted);
    Ok(ExitCode::from(if all {
        0
    } else if waits {
        75
    } else {
        69
    }))
}
