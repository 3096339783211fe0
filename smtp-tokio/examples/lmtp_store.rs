//! Puts mail into folders, by LMTP on a Unix socket: `cargo run -p smtp-tokio --example lmtp_store -- /tmp/lmtp /tmp/mail`.
//! Prints where it listens. Mail for tim, at any domain, goes into the folder /tmp/mail/tim, if there is one; each
//! recipient has an answer of its own, once its copy is on the disk.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use smtp_tokio::{Connection, Mailbox, Reply, ServerConfig, Step};
use tempfile::NamedTempFile;
use tokio::net::{UnixListener, UnixStream};

const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user here");
const FULL: Reply<'static> = Reply::new(452, (4, 2, 2), "Mailbox full");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (socket, root) = args.next().zip(args.next()).ok_or("usage: lmtp_store SOCKET FOLDER")?;
    let (listener, config) = (UnixListener::bind(&socket)?, Arc::new(ServerConfig::lmtp("mx.example")?));
    println!("listening on {socket}");
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(store_mail(Connection::over(stream, Arc::clone(&config)), root.clone()));
    }
}

async fn store_mail(mut connection: Connection<UnixStream>, root: String) -> io::Result<()> {
    let mut boxes: Vec<NamedTempFile> = Vec::new();
    while let Some(step) = connection.next().await? {
        match step {
            Step::Rcpt(rcpt) => {
                let opened = open(&root, rcpt.mailbox()).map(|file| boxes.push(file));
                rcpt.decide(opened.ok_or(NO_USER));
            }
            // What could not be written is missed in the end.
            Step::Content(octets) => boxes.iter_mut().for_each(|file| drop(file.write_all(octets))),
            Step::Verdict(verdict) => match commit(&boxes[verdict.recipient().unwrap()], verdict.octets()) {
                Ok(()) => verdict.accept(),
                Err(_) => verdict.refuse(&FULL),
            },
            Step::Reset(_) => boxes.clear(),
            other => other.or_default(),
        }
    }
    Ok(())
}

fn open(root: &str, mailbox: Mailbox<'_>) -> Option<NamedTempFile> {
    let name = std::str::from_utf8(mailbox.local_part()).ok()?;
    let name = Some(name).filter(|name| name.bytes().all(|octet| octet.is_ascii_alphanumeric()))?;
    tempfile::Builder::new().suffix(".part").tempfile_in(Path::new(root).join(name)).ok()
}

fn commit(file: &NamedTempFile, octets: u64) -> io::Result<()> {
    file.as_file().sync_all()?;
    let whole = file.as_file().metadata()?.len() == octets;
    whole.then_some(()).ok_or(io::ErrorKind::WriteZero)?;
    std::fs::hard_link(file, file.path().with_extension("eml"))
}
