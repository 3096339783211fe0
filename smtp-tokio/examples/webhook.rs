//! Hands mail for in.example to a web application, each message as a POST while it comes in, never stored:
//! `cargo run -p smtp-tokio --example webhook -- 127.0.0.1:1025 127.0.0.1:8080`. Prints where it listens. A 2xx accepts
//! the message, and its text is told to the sender; anything else is our fault, so that the sender tries again.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use smtp_tokio::{Connection, MailboxBuf, Reply, Server, ServerConfig, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LATER: Reply<'static> = Reply::new(451, (4, 3, 0), "Cannot take it now, try again later");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (listen, api) = args.next().zip(args.next()).ok_or("usage: webhook LISTEN APPLICATION")?;
    let server = Server::bind(listen, ServerConfig::new("in.example")?).await?;
    println!("listening on {}", server.local_addr()?);
    server.serve(move |connection| inbound(connection, api.clone())).await?;
    Ok(())
}

async fn inbound(mut connection: Connection, api: String) {
    let (mut rcpts, mut upload) = (Vec::new(), None);
    while let Ok(Some(step)) = connection.next().await {
        match step {
            Step::Rcpt(rcpt) if rcpt.mailbox().domain().is_some_and(|domain| domain == "in.example") => {
                rcpts.push(rcpt.mailbox().to_owned());
                rcpt.accept();
            }
            Step::Data(data) => {
                upload = begin(&api, &rcpts).await;
                data.decide(upload.as_ref().map(|_| ()).ok_or(LATER));
            }
            Step::Content(octets) => upload = chunk(upload, octets).await,
            Step::Verdict(verdict) => match finish(upload.take()).await {
                Some(text) => verdict.accept_with(&Reply::clean(250, (2, 0, 0), text.trim())),
                None => verdict.refuse(&LATER),
            },
            Step::Reset(_) => (rcpts, upload) = (Vec::new(), None),
            other => other.or_default(),
        }
    }
}
/// Begins a request whose body comes in chunks; `None`, here and below, once anything has failed.
async fn begin(api: &str, rcpts: &[MailboxBuf]) -> Option<TcpStream> {
    let to = rcpts.iter().map(MailboxBuf::as_str).collect::<Vec<_>>().join(", ");
    let head = format!("POST /mail HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\nX-Recipients: {to}\r\n");
    let mut stream = TcpStream::connect(api).await.ok()?;
    stream.write_all((head + "Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.ok().map(|()| stream)
}
async fn chunk(upload: Option<TcpStream>, octets: &[u8]) -> Option<TcpStream> {
    let (mut stream, size) = (upload?, format!("{:x}\r\n", octets.len()));
    stream.write_all(&[size.as_bytes(), octets, b"\r\n"].concat()).await.ok().map(|()| stream)
}
async fn finish(upload: Option<TcpStream>) -> Option<String> {
    let (mut stream, mut said) = (chunk(upload, b"").await?, String::new());
    stream.read_to_string(&mut said).await.ok()?;
    let (_, text) = said.strip_prefix("HTTP/1.1 2")?.split_once("\r\n\r\n")?;
    Some(text.to_string())
}
