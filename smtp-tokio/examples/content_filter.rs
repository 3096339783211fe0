//! Has ClamAV scan mail while it comes in, keeps what is clean; where that fails, the sender tries again:
//! `cargo run -p smtp-tokio --example content_filter -- 127.0.0.1:1025 127.0.0.1:3310 /tmp/clean` prints its address.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
use smtp_tokio::{Connection, ReceivedBy, Reply, Server, ServerConfig, Step};
use std::io::{self, ErrorKind, Write};
use tempfile::NamedTempFile;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut args, usage) = (std::env::args().skip(1), "usage: content_filter LISTEN CLAMD FOLDER");
    let server = Server::bind(args.next().ok_or(usage)?, ServerConfig::new("mx.example")?).await?;
    println!("listening on {}", server.local_addr()?);
    let (clamd, queue) = args.next().zip(args.next()).ok_or(usage)?;
    server.serve(move |connection| serve(connection, clamd.clone(), queue.clone())).await?;
    Ok(())
}

async fn serve(mut connection: Connection, clamd: String, queue: String) {
    let mut job = None;
    while let Ok(Some(step)) = connection.next().await {
        // A token that an error drops tells the sender to try again.
        let _ = scan(step, &mut job, &clamd, &queue).await;
    }
}
type Job = Option<(TcpStream, NamedTempFile)>;
async fn scan(step: Step<'_, '_>, job: &mut Job, clamd: &str, queue: &str) -> io::Result<()> {
    match step {
        Step::Rcpt(rcpt) => rcpt.accept(),
        Step::Data(data) => {
            let (mut scan, mut file) = (TcpStream::connect(clamd).await?, NamedTempFile::new_in(queue)?);
            let date = &jiff::ZonedDateTime::now().strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
            let by = ReceivedBy { from: None, host: "mx.example", id: "-", date, for_: None };
            file.write_all(&data.facts().received(by))?;
            scan.write_all(b"zINSTREAM\0").await?;
            *job = Some((scan, file));
            data.accept();
        }
        Step::Content(octets) => {
            let (mut scan, mut file) = job.take().ok_or(ErrorKind::NotConnected)?;
            scan.write_all(&[&(octets.len() as u32).to_be_bytes(), octets].concat()).await?;
            file.write_all(octets)?;
            *job = Some((scan, file));
        }
        Step::Verdict(verdict) => {
            let ((mut scan, file), mut said) = (job.take().ok_or(ErrorKind::NotConnected)?, String::new());
            scan.write_u32(0).await?;
            scan.read_to_string(&mut said).await?;
            if let Some(virus) = said.strip_suffix(" FOUND\0") {
                verdict.refuse(&Reply::clean(550, (5, 7, 1), virus));
            } else if said == "stream: OK\0" {
                file.as_file().sync_all().and_then(|()| Ok(file.keep()?))?;
                verdict.accept();
            }
        }
        Step::Reset(_) => *job = None,
        other => other.or_default(),
    }
    Ok(())
}
