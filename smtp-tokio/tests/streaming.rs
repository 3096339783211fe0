//! A large message goes from a reader to a server, and neither end holds more of it than a few buffers.
#![cfg(target_os = "linux")]

use std::pin::Pin;
use std::task::{Context, Poll};

use smtp_proto::MailboxBuf;
use smtp_proto::server::Step;
use smtp_tokio::{Client, ClientConfig, Connection, Envelope, ServerConfig};
use tokio::io::{AsyncRead, DuplexStream, ReadBuf, duplex};

/// Some lines begin with a dot, so that the content is longer on the wire.
const LINES: &[u8] = b"What a long message is made of, line by line\r\n.dot\r\n..\r\n\r\n";
/// Most that client and server together may take more for a large message than for a small one, in octets.
const MORE_AT_MOST: u64 = 4 << 20;

/// Content that is made while it is read.
struct Pattern {
    at: u64,
    end: u64,
}

impl AsyncRead for Pattern {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while buffer.remaining() > 0 && self.at < self.end {
            let from = usize::try_from(self.at % LINES.len() as u64).unwrap();
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let piece = &LINES[from..LINES.len().min(from + left)];
            let piece = &piece[..piece.len().min(buffer.remaining())];
            buffer.put_slice(piece);
            self.at += piece.len() as u64;
        }
        Poll::Ready(Ok(()))
    }
}

/// Compares what comes with the pattern; how many octets came.
async fn compare(stream: DuplexStream) -> u64 {
    let config = ServerConfig::new("mx.example").unwrap().limits(|limits| limits.message = 4 << 30);
    let mut connection = Connection::over(stream, config);
    let mut at = 0;
    while let Some(step) = connection.next().await.unwrap() {
        if let Step::Content(octets) = &step {
            let mut rest: &[u8] = octets;
            while !rest.is_empty() {
                let from = usize::try_from(at % LINES.len() as u64).unwrap();
                let piece = rest.len().min(LINES.len() - from);
                assert!(rest[..piece] == LINES[from..from + piece], "other octets around {at}");
                (rest, at) = (&rest[piece..], at + piece as u64);
            }
        }
        step.accept();
    }
    at
}

/// Sends a message of about `octets`; how many there were.
async fn stream(octets: u64) -> u64 {
    let octets = octets / LINES.len() as u64 * LINES.len() as u64;
    let (near, far) = duplex(64 << 10);
    let server = tokio::spawn(compare(far));
    let mut client = Client::over(near, ClientConfig::new("client.example").unwrap()).await.unwrap();
    let (from, to): (MailboxBuf, MailboxBuf) =
        ("me@client.example".parse().unwrap(), "you@mx.example".parse().unwrap());
    let envelope = Envelope::new(&from).to(&to).size(octets);
    let outcomes = client.send_stream(&envelope, &mut Pattern { at: 0, end: octets }).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.is_accepted()), "{outcomes:?}");
    client.quit().await;
    assert_eq!(server.await.unwrap(), octets);
    octets
}

/// The most memory that this process ever had, in octets.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

async fn costs_no_more_than_a_small_one(octets: u64) {
    stream(1 << 20).await;
    let before = peak();
    stream(octets).await;
    let more = peak() - before;
    assert!(more <= MORE_AT_MOST, "{more} octets more for a message of {octets}");
}

#[tokio::test]
async fn a_message_of_64_mib_is_streamed_in_the_memory_of_a_small_one() {
    costs_no_more_than_a_small_one(64 << 20).await;
}

#[tokio::test]
#[ignore = "minutes, as tests are built"]
async fn a_message_of_2_gib_is_streamed_in_the_memory_of_a_small_one() {
    costs_no_more_than_a_small_one(2 << 30).await;
}
