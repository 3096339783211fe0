//! Under smol rather than async-std, with smol's own listener: `cargo run -p smtp-asyncstd --example smol`, then send to
//! 127.0.0.1:1025, or the address given as the only argument. Prints where it listens and who sent how much to whom.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io;
use std::sync::Arc;

use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpListener;
use smtp_asyncstd::{Connection, ServerConfig, Step};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1025".to_string());
    let config = Arc::new(ServerConfig::new("smol.example")?);
    smol::block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        loop {
            let (stream, peer) = listener.accept().await?;
            let connection = Connection::with_peer(stream, Arc::clone(&config), peer.into());
            smol::spawn(serve(connection)).detach();
        }
    })
}

/// Any stream that reads and writes by the traits of futures-io will do.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut connection: Connection<S>) -> io::Result<()> {
    let mut to = Vec::new();
    while let Some(step) = connection.next().await? {
        match step {
            Step::Rcpt(rcpt) => {
                to.push(rcpt.mailbox().to_owned());
                rcpt.accept();
            }
            Step::Verdict(verdict) => {
                let hello = verdict.facts().hello().escape_ascii();
                println!("{hello} -> {to:?}, {} octets", verdict.octets());
                verdict.accept();
            }
            Step::Reset(_) => to.clear(),
            other => other.or_default(),
        }
    }
    Ok(())
}
