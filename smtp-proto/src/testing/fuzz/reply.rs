//! Replies.

use bytes::BytesMut;

use super::Pieces;
use crate::Input;
use crate::wire::leniency::Leniency;
use crate::wire::reply::{Reply, ReplyBuf, ReplyCollector, ReplyError, ReplyRef};

/// Replies: cut anywhere they are the same as whole, and what is passed on is one reply of the same class in clean lines.
/// The first octet chooses the cuts.
///
/// # Panics
/// When that does not hold.
pub fn reply(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    let unsafe_lf = Leniency::REPLIES.with(Leniency::UNSAFE_LF_REPLIES);
    for leniency in [Leniency::STRICT, Leniency::REPLIES_OWED, Leniency::REPLIES, unsafe_lf] {
        let whole = ReplyRef::parse(octets, leniency);
        let owned = whole.map(|reply| reply.map(|reply| (reply.to_owned(), reply.consumed())));
        assert_eq!(collect(octets, choice, leniency), owned, "{leniency:?}");
        let Ok(Some(reply)) = whole else { continue };
        assert_eq!(reply.octets(), &octets[..reply.consumed()]);
        assert!(!reply.lines().any(|text| text.iter().any(|octet| matches!(octet, b'\r' | b'\n'))));
        pass_on(&reply.to_owned());
    }
}

/// The first reply in `octets` and how many of them it took.
fn collect(octets: &[u8], choice: u8, leniency: Leniency) -> Result<Option<(ReplyBuf, usize)>, ReplyError> {
    let mut collector = ReplyCollector::new();
    let mut used = 0;
    for piece in Pieces::new(octets, choice) {
        let mut input = Input::new(piece);
        let reply = collector.feed(&mut input, leniency)?.cloned();
        used += input.used();
        if let Some(reply) = reply {
            return Ok(Some((reply, used)));
        }
        assert_eq!(input.used(), piece.len(), "what is no reply yet is used up");
    }
    Ok(None)
}

fn pass_on(reply: &ReplyBuf) {
    for enhanced in [false, true] {
        let mut written = BytesMut::new();
        Reply::from(reply).write(&mut written, enhanced);
        let again = ReplyRef::parse(&written, Leniency::STRICT);
        let again = again.expect("what is written is right").expect("what is written is whole");
        assert_eq!(again.consumed(), written.len(), "it is one reply");
        assert_eq!(again.code() / 100, reply.code() / 100, "{again:?}");
        assert!(!enhanced || again.enhanced() == reply.enhanced(), "{again:?}");
    }
}
