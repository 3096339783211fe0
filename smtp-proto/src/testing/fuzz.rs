//! The bodies of the fuzz targets: each takes any octets at all and panics where a promise is broken.
//!
//! They are here and not in `fuzz/`, so that a test on stable Rust replays every seed through the same code.

use alloc::vec::Vec;

use super::oracle;
use crate::wire::command::Command;
use crate::wire::content::{BareNewlines, Decoder, Encoder, SendNewlines, Status};
use crate::wire::host::{Domain, Literal};
use crate::wire::leniency::Leniency;
use crate::wire::path::{Mailbox, MailboxBuf, ReversePath, forward_path};
use crate::{ParseError, limits};

/// A fuzz target's body.
pub type Body = fn(&[u8]);

/// Every target by the name of its binary and its folder of seeds.
pub const TARGETS: &[(&str, Body)] = &[("address", address), ("command", command), ("content", content)];

/// Lengths in which octets arrive, from one octet of the fuzzer's: whole, all of one length, or mixed.
#[derive(Clone, Copy, Debug)]
struct Reads(u32);

impl Reads {
    fn new(choice: u8) -> Self {
        Self(u32::from(choice))
    }

    /// 1 to 32 octets; always the same for choices up to 32, everything at once for 0.
    fn next(&mut self) -> usize {
        match self.0 {
            0 => usize::MAX,
            n @ 1..=32 => n as usize,
            _ => {
                self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 1 << 31;
                (self.0 >> 16) as usize % 32 + 1
            }
        }
    }
}

/// A command line: what is read is written and read again as the same value, on one line, and leniency changes nothing
/// about what is right anyway.
///
/// # Panics
/// When that does not hold.
pub fn command(line: &[u8]) {
    let strict = Command::parse(line);
    check(line, strict.as_ref().err());
    for leniency in [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES] {
        let read = Command::parse_with(line, leniency);
        check(line, read.as_ref().err());
        let Ok((command, deviations)) = read else {
            assert!(strict.is_err(), "{leniency:?} refuses what strict reading accepts");
            continue;
        };
        assert_eq!(deviations.is_empty(), strict.is_ok(), "{deviations:?}");
        assert!(strict.is_err() || strict == Ok(command), "{leniency:?} reads {command:?} instead");
        let mut written = Vec::new();
        command.write(&mut written);
        let text = written.strip_suffix(b"\r\n").expect("a line ends with CR LF");
        assert!(!text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)), "{command:?} is one line");
        // Brackets that were missing may make it too long for us to take again.
        if written.len() <= limits::COMMAND_LINE {
            let again = Command::parse_with(&written, leniency).map(|(again, _)| again);
            assert_eq!(again, Ok(command), "{}", written.escape_ascii());
        }
    }
}

/// Every error lies in the line and is a permanent one.
fn check(line: &[u8], error: Option<&ParseError>) {
    if let Some(error) = error {
        assert!(error.at <= line.len(), "{error:?}");
        assert_eq!(error.fault.reply().code() / 100, 5, "{error:?}");
    }
}

/// A path, with brackets or without: what is read keeps its text, and its canonical form is an equal mailbox that is its
/// own canonical form.
///
/// # Panics
/// When that does not hold.
pub fn address(octets: &[u8]) {
    if let Ok(domain) = Domain::parse(octets) {
        assert_eq!(Domain::parse(domain.to_canonical().as_bytes()), Ok(domain));
    }
    if let Ok(literal) = Literal::parse(octets) {
        assert_eq!(literal.as_bytes(), octets);
    }
    let reverse = ReversePath::parse(octets);
    check(octets, reverse.as_ref().err());
    let forward = forward_path(octets);
    check(octets, forward.as_ref().err());
    if let (Ok(reverse), Ok(forward)) = (reverse, forward) {
        assert_eq!(reverse.mailbox(), Some(forward), "both kinds of path have the same mailboxes");
    }
    let mailbox = Mailbox::parse(octets);
    check(octets, mailbox.as_ref().err());
    for mailbox in
        [mailbox.ok(), forward.ok(), reverse.ok().and_then(ReversePath::mailbox)].into_iter().flatten()
    {
        assert_eq!(Mailbox::parse(mailbox.as_bytes()), Ok(mailbox));
        let canonical: MailboxBuf = mailbox.to_canonical();
        assert_eq!(canonical, mailbox);
        assert_eq!(canonical.as_mailbox().to_canonical().as_str(), canonical.as_str());
        assert!(canonical.as_mailbox().local_value().count() == mailbox.local_value().count());
    }
}

/// Content: the decoder agrees with the oracle however its input is cut, and what the encoder writes decodes to what it
/// was given. The first octet chooses the cuts.
///
/// # Panics
/// When that does not hold.
pub fn content(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    for policy in [BareNewlines::Refuse, BareNewlines::Keep, BareNewlines::Count] {
        let expected = oracle::decode(octets, policy);
        assert_eq!(decode(octets, Reads::new(choice), policy), expected, "{policy:?}");
    }
    let wire = oracle::encode(octets);
    assert_eq!(encode(octets, Reads::new(choice)), wire);
    let decoded = oracle::decode(&wire, BareNewlines::Keep);
    assert!(decoded.ended && decoded.consumed == wire.len(), "what was encoded ends where it was ended");
    assert!(decoded.content.starts_with(octets), "what was encoded is what was given");
}

/// Decodes as an adapter does: what is not consumed stays in front of the next read.
fn decode(wire: &[u8], mut reads: Reads, policy: BareNewlines) -> oracle::Content {
    let mut decoder = Decoder::new(policy);
    let mut out = oracle::Content::default();
    let mut arrived = 0;
    while arrived < wire.len() && !out.ended {
        arrived = wire.len().min(arrived.saturating_add(reads.next()));
        loop {
            let decoded = decoder.decode(&wire[out.consumed..arrived]);
            out.content.extend_from_slice(decoded.content);
            out.consumed += decoded.consumed;
            out.ended = decoded.status == Status::End;
            if decoded.status != Status::Piece {
                break;
            }
            assert!(
                decoded.consumed > 0 && out.consumed < arrived,
                "a piece leaves something and takes something"
            );
        }
    }
    (out.bare_cr, out.bare_lf) = (decoder.bare_cr(), decoder.bare_lf());
    out
}

fn encode(mut content: &[u8], mut reads: Reads) -> Vec<u8> {
    // INVARIANT: this policy refuses nothing.
    const KEPT: &str = "nothing is refused";
    let mut encoder = Encoder::new(SendNewlines::Keep);
    let mut wire = Vec::new();
    while !content.is_empty() {
        let (piece, rest) = content.split_at(content.len().min(reads.next()));
        assert_eq!(encoder.put(piece, &mut wire).expect(KEPT), piece.len());
        content = rest;
    }
    wire.extend_from_slice(encoder.finish().expect(KEPT));
    wire
}
