//! Slow, obvious twins of fast code, to test it against.

use crate::wire::content::BareNewlines;
use alloc::vec::Vec;

/// What content decodes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The message, dots removed.
    pub content: Vec<u8>,
    /// Octets that are done with; a dot at a line start, or a dot and a CR, that end the input are not.
    pub consumed: usize,
    /// Whether the dot line was there.
    pub ended: bool,
    /// Bare CRs; 0 under [`BareNewlines::Keep`].
    pub bare_cr: u64,
    /// Bare LFs; 0 under [`BareNewlines::Keep`].
    pub bare_lf: u64,
}

/// Decodes content of DATA from its first octet, an octet at a time (RFC 5321 §4.1.1.4, §4.5.2).
#[must_use]
pub fn decode(wire: &[u8], policy: BareNewlines) -> Content {
    let mut out = Content::default();
    while out.consumed < wire.len() {
        let (before, rest) = wire.split_at(out.consumed);
        if before.is_empty() || before.ends_with(b"\r\n") {
            if rest.starts_with(b".\r\n") {
                out.consumed += 3;
                out.ended = true;
                break;
            }
            if rest == b"." || rest == b".\r" {
                break;
            }
            if rest[0] == b'.' {
                out.consumed += 1;
                continue;
            }
        }
        if policy != BareNewlines::Keep {
            out.bare_cr += u64::from(before.ends_with(b"\r") && rest[0] != b'\n');
            out.bare_lf += u64::from(!before.ends_with(b"\r") && rest[0] == b'\n');
        }
        out.content.push(rest[0]);
        out.consumed += 1;
    }
    out
}

/// Encodes whole content for DATA, bare CRs and LFs as they are (RFC 5321 §4.5.2).
#[must_use]
pub fn encode(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (at, &octet) in content.iter().enumerate() {
        if octet == b'.' && (at == 0 || content[..at].ends_with(b"\r\n")) {
            wire.push(b'.');
        }
        wire.push(octet);
    }
    if !(wire.is_empty() || wire.ends_with(b"\r\n")) {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
