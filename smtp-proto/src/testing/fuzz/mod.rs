//! The bodies of the fuzz targets: each takes any octets at all and panics where a promise is broken.
//!
//! They are here and not in `fuzz/`, so that a test on stable Rust replays every seed through the same code.

mod command;
mod content;
mod ehlo;
mod pair;
mod proxy;
mod reply;
mod sasl;
mod session;
mod split;

pub use command::{address, command};
pub use content::content;
pub use ehlo::ehlo;
pub use pair::pair;
pub use proxy::proxy;
pub use reply::reply;
pub use sasl::sasl;
pub use session::session;
pub use split::split;

/// A fuzz target's body.
pub type Body = fn(&[u8]);

/// Every target by the name of its binary and its folder of seeds.
pub const TARGETS: &[(&str, Body)] = &[
    ("address", address),
    ("command", command),
    ("content", content),
    ("ehlo", ehlo),
    ("pair", pair),
    ("proxy", proxy),
    ("reply", reply),
    ("sasl", sasl),
    ("session", session),
    ("split", split),
];

/// Octets in the pieces in which they arrive.
struct Pieces<'b> {
    rest: &'b [u8],
    state: u32,
}

impl<'b> Pieces<'b> {
    /// `choice` 0 is one piece of everything, 1 to 32 are pieces of that length, others are of mixed lengths up to 32.
    fn new(octets: &'b [u8], choice: u8) -> Self {
        Self { rest: octets, state: choice.into() }
    }
}

impl<'b> Iterator for Pieces<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let len = match self.state {
            0 => usize::MAX,
            n @ 1..=32 => n as usize,
            _ => {
                // The top bit keeps it out of the ranges above.
                self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 1 << 31;
                (self.state >> 16) as usize % 32 + 1
            }
        };
        let (piece, rest) = self.rest.split_at(self.rest.len().min(len));
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}
