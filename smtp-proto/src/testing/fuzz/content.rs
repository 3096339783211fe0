//! Message content.

use alloc::vec::Vec;

use super::Pieces;
use crate::testing::oracle;
use crate::wire::content::{BareNewlines, Decoder, Encoder, SendNewlines, Status};

/// Content: the decoder agrees with the oracle however its input is cut, and what the encoder writes decodes to what it
/// was given. The first octet chooses the cuts.
///
/// # Panics
/// When that does not hold.
pub fn content(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    for policy in [BareNewlines::Refuse, BareNewlines::Keep, BareNewlines::Count] {
        let expected = oracle::decode(octets, policy);
        assert_eq!(decode(octets, choice, policy), expected, "{policy:?}");
    }
    let wire = oracle::encode(octets);
    assert_eq!(encode(octets, choice), wire);
    let decoded = oracle::decode(&wire, BareNewlines::Keep);
    assert!(decoded.ended && decoded.consumed == wire.len(), "what was encoded ends where it was ended");
    assert!(decoded.content.starts_with(octets), "what was encoded is what was given");
}

/// Decodes as an adapter does: what is not consumed stays in front of what comes next.
fn decode(wire: &[u8], choice: u8, policy: BareNewlines) -> oracle::Content {
    let mut decoder = Decoder::new(policy);
    let mut out = oracle::Content::default();
    let mut arrived = 0;
    for piece in Pieces::new(wire, choice) {
        arrived += piece.len();
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
                "it takes something and leaves something"
            );
        }
        if out.ended {
            break;
        }
    }
    (out.bare_cr, out.bare_lf) = (decoder.bare_cr(), decoder.bare_lf());
    out
}

fn encode(content: &[u8], choice: u8) -> Vec<u8> {
    // INVARIANT: this policy refuses nothing.
    const KEPT: &str = "nothing is refused";
    let mut encoder = Encoder::new(SendNewlines::Keep);
    let mut wire = Vec::new();
    for piece in Pieces::new(content, choice) {
        assert_eq!(encoder.put(piece, &mut wire).expect(KEPT), piece.len());
    }
    wire.extend_from_slice(encoder.finish().expect(KEPT));
    wire
}
