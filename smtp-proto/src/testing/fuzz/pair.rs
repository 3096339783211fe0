//! Our client against our server.

use crate::testing::Pair;

/// A client and a server with what the octets make of them, of the connection between them and of the messages: what the
/// client is told is what the server has, and both end.
///
/// # Panics
/// When that does not hold.
pub fn pair(octets: &[u8]) {
    let pair = Pair::trial_of(octets);
    if let Some(contradiction) = pair.contradiction() {
        panic!("{contradiction}:\n{}", pair.transcript());
    }
}
