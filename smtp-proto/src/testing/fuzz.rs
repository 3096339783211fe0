//! The bodies of the fuzz targets: each takes any octets at all and panics where a promise is broken.
//!
//! They are here and not in `fuzz/`, so that a test on stable Rust replays every seed through the same code.

use alloc::vec::Vec;

use super::oracle;
use crate::wire::content::{BareNewlines, Decoder, Encoder, SendNewlines, Status};

/// A fuzz target's body.
pub type Body = fn(&[u8]);

/// Every target by the name of its binary and its folder of seeds.
pub const TARGETS: &[(&str, Body)] = &[("content", content)];

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
