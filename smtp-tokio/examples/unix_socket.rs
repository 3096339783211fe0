//! Hands a message from standard input to a store, by LMTP over a Unix socket: `cargo run -p smtp-tokio --example
//! unix_socket -- /run/dovecot/lmtp tim@mx.example < mail.eml`. Prints each recipient's answer.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
use std::io::Read;

use smtp_proto::wire::path::ReversePath;
use smtp_tokio::{Client, ClientConfig, Envelope, MailboxBuf};
use tokio::net::UnixStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let socket = args.next().ok_or("usage: unix_socket SOCKET TO...")?;
    let to = args.map(|to| to.parse()).collect::<Result<Vec<MailboxBuf>, _>>()?;
    let mut mail = Vec::new();
    std::io::stdin().read_to_end(&mut mail)?;

    let store = UnixStream::connect(socket).await?;
    let mut lmtp = Client::over(store, ClientConfig::lmtp("mx.example")?).await?;
    let outcomes = lmtp.send(&Envelope::new(ReversePath::Null).to(&to), &mail).await;
    lmtp.quit().await;
    for (to, outcome) in to.iter().zip(outcomes) {
        println!("{to}: {outcome}");
    }
    Ok(())
}
