//! Stands between a client and its server and passes everything on, commands, parameters, content and replies:
//! `cargo run -p smtp-tokio --example proxy -- 127.0.0.1:1025 127.0.0.1:25`. Prints where it listens, and each decision.
//! What a filter wants to know or change, it does here; the client's transaction is the server's all along.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io;

use smtp_tokio::{Client, ClientConfig, Connection, Extension, Server, ServerConfig, Step};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (listen, next) = args.next().zip(args.next()).ok_or("usage: proxy LISTEN HOST:PORT")?;
    // Offers no more than every server takes; who knows the next one offers what it does.
    let config = ServerConfig::new("proxy.example")?.withhold(Extension::EightBitMime);
    let server = Server::bind(listen, config).await?;
    println!("listening on {}", server.local_addr()?);
    server.serve(move |connection| serve(connection, next.clone())).await?;
    Ok(())
}

async fn serve(mut from: Connection, next: String) {
    let config = ClientConfig::new("proxy.example").expect("a domain");
    let mut to = match Client::to(next, config).connect().await {
        Ok(to) => to,
        Err(error) => return println!("no server: {error}"),
    };
    // Once passing on has failed the two are out of step: both connections end.
    while let Ok(Some(step)) = from.next().await {
        if let Err(error) = pass_on(step, &mut to).await {
            return println!("broken off: {error}");
        }
    }
    to.quit().await;
}

async fn pass_on(step: Step<'_, '_>, to: &mut Client) -> io::Result<()> {
    match step {
        Step::Mail(mail) => {
            let said = to.mail(mail.sender(), mail.params()).await?;
            println!("{} {said}", mail.sender());
            mail.decide(&said);
        }
        Step::Rcpt(rcpt) => {
            let said = to.rcpt(rcpt.mailbox(), rcpt.params()).await?;
            println!("{} {said}", rcpt.mailbox());
            rcpt.decide(&said);
        }
        Step::Data(data) => data.decide(&to.data().await?),
        Step::Content(octets) => to.write(octets).await?,
        Step::Verdict(verdict) => verdict.decide(&to.finish().await?),
        Step::Reset(_) => drop(to.rset().await?),
        other => other.or_default(),
    }
    Ok(())
}
