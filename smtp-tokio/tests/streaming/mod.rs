//! A large message goes from a reader to a server, and neither end holds more of it than a few buffers.

use crate::adapter::{Client, Connection, MailboxBuf, Stream, block_on, pipe, spawn};
use smtp_proto::client::{ClientConfig, Envelope};
use smtp_proto::server::{ServerConfig, Step};

/// Some lines begin with a dot, so that the content is longer on the wire; not more than in mail, as each takes its time.
const LINES: &[u8] = b"What a long message is made of, line by line, is much the same again and again,\r\n\
    and ends now and then with a paragraph that is nearly as dull as those above it,\r\n\
    or with a number of words that nobody is going to read and that no program needs,\r\n\
    but for being compared with what was sent, which they are, octet for octet, here,\r\n\
    so that they may as well be all of one kind, as are the lines of pictures in mail\r\n\
    .dot\r\n..\r\n\r\n";
/// How often the lines are in memory, so that whole blocks are copied and compared.
const TIMES: usize = 200;
/// Most that client and server together may take more for a large message than for a small one, in octets.
const MORE_AT_MOST: u64 = 4 << 20;

/// Content that is made while it is read.
pub(crate) struct Pattern {
    lines: Vec<u8>,
    at: u64,
    end: u64,
}

impl Pattern {
    fn new(end: u64) -> Self {
        Self { lines: LINES.repeat(TIMES), at: 0, end }
    }

    /// What comes next, or a part of that.
    fn rest(&self) -> &[u8] {
        let from = usize::try_from(self.at % self.lines.len() as u64).unwrap();
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        &self.lines[from..self.lines.len().min(from.saturating_add(left))]
    }

    /// Writes what comes next, as much as there is room for; how much that was.
    pub(crate) fn fill(&mut self, room: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < room.len() && self.at < self.end {
            let rest = self.rest();
            let piece = rest.len().min(room.len() - filled);
            room[filled..filled + piece].copy_from_slice(&rest[..piece]);
            (filled, self.at) = (filled + piece, self.at + piece as u64);
        }
        filled
    }
}

/// Compares what comes with the pattern; how many octets came.
async fn compare(stream: Stream) -> u64 {
    let config = ServerConfig::new("mx.example").unwrap().limits(|limits| limits.message = 4 << 30);
    let mut connection = Connection::over(stream, config);
    let mut expected = Pattern::new(u64::MAX);
    while let Some(step) = connection.next().await.unwrap() {
        if let Step::Content(octets) = &step {
            let mut came: &[u8] = octets;
            while !came.is_empty() {
                let rest = expected.rest();
                let piece = rest.len().min(came.len());
                assert!(came[..piece] == rest[..piece], "other octets around {}", expected.at);
                (came, expected.at) = (&came[piece..], expected.at + piece as u64);
            }
        }
        step.accept();
    }
    expected.at
}

/// Sends a message of about `octets`.
async fn stream(octets: u64) {
    let octets = octets / LINES.len() as u64 * LINES.len() as u64;
    let (near, far) = pipe();
    let server = spawn(compare(far));
    let mut client = Client::over(near, ClientConfig::new("client.example").unwrap()).await.unwrap();
    let (from, to): (MailboxBuf, MailboxBuf) =
        ("me@client.example".parse().unwrap(), "you@mx.example".parse().unwrap());
    let envelope = Envelope::new(&from).to(&to).size(octets);
    let outcomes = client.send_stream(&envelope, &mut Pattern::new(octets)).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.is_accepted()), "{outcomes:?}");
    client.quit().await;
    assert_eq!(server.await, octets);
}

/// The most memory that this process ever had, in octets.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn costs_no_more_than_a_small_one(octets: u64) {
    block_on(async {
        stream(1 << 20).await;
        let before = peak();
        stream(octets).await;
        let more = peak() - before;
        println!("{more} octets more for a message of {octets} than for one of 1 MiB");
        assert!(more <= MORE_AT_MOST, "{more} octets more for a message of {octets}");
    });
}

#[test]
fn a_message_of_64_mib_is_streamed_in_the_memory_of_a_small_one() {
    costs_no_more_than_a_small_one(64 << 20);
}

#[test]
#[ignore = "minutes, as tests are built"]
fn a_message_of_2_gib_is_streamed_in_the_memory_of_a_small_one() {
    costs_no_more_than_a_small_one(2 << 30);
}
