//! Server sessions.

use crate::testing::{Cut, Script};
use crate::wire::leniency::Leniency;
use crate::wire::reply::ReplyRef;

/// Servers and their applications, as transcripts describe them. A seed holds an index: add new ones at the end.
const SERVERS: &[&str] = &[
    "",
    "! offer CHUNKING\n! offer BINARYMIME\n! offer SMTPUTF8\n! offer DSN\n! offer VRFY",
    "! lmtp\n! offer CHUNKING\n> rcpt ghost@mx.example refuse 550 5.1.1 No such user\n> verdict 1 refuse 452 4.2.2 Full",
    "! keep\n! size 100\n! offer CHUNKING\n> mail drop",
    "! auth PLAIN always\n> auth challenge user?\n! errors 3\n! junk 5",
    "! auth LOGIN always\n! submission\n> verdict drop",
    "! withhold PIPELINING\n! withhold ENHANCEDSTATUSCODES\n! size 20\n> data refuse 451 4.3.0 Later\n> hello drop",
    "! offer STARTTLS\n! offer ETRN\n! offer EXPN\n> rcpt drop\n> vrfy hangup 421 4.7.0 Enough",
];

/// A server and its application, without turns.
pub(super) fn server(index: u8) -> Script {
    Script::parse(SERVERS[usize::from(index) % SERVERS.len()]).expect("a server as transcripts have it")
}

/// What is left of `sent` behind its whole replies, each of which must be right.
pub(super) fn replies(mut sent: &[u8]) -> &[u8] {
    while let Some(reply) = ReplyRef::parse(sent, Leniency::STRICT).expect("what the session writes is right")
    {
        sent = &sent[reply.consumed()..];
    }
    sent
}

/// A session: whatever a client sends, cutting it anywhere changes neither the steps nor the replies, and the replies are
/// replies. The first octet chooses the server, the second the cuts.
///
/// # Panics
/// When that does not hold.
pub fn split(octets: &[u8]) {
    let [index, choice, octets @ ..] = octets else { return };
    let script = server(*index);
    let play = |cut| script.play(octets, cut).unwrap_or_else(|why| panic!("{cut:?}: {why}"));
    let whole = play(Cut::Whole);
    let rest = replies(&whole.output);
    assert!(rest.is_empty(), "\"{}\" is no reply", rest.escape_ascii());
    // What follows STARTTLS in the same read must be dropped, so there the cut has to matter.
    if !whole.events.iter().any(|event| event == "starttls") {
        let cut = match choice {
            0..=32 => Cut::Every(usize::from(*choice) + 1),
            _ => Cut::Seeded(u64::from(*choice)),
        };
        assert_eq!(play(cut), whole, "{cut:?}");
    }
}
