//! The one pass over content, and all of its speed.
//!
//! Nearly all content is regular: line ends are whole and no line starts with a dot. So octets are checked a group at a time, with
//! the octet before each from the same slice shifted by one, without index, bounds or early exit: plain code that compilers turn
//! into vector instructions of whatever width the build allows. Only a group that says yes is looked at again.

use super::{CR, LF, Line};

/// Octets checked at once: six vectors of the narrowest kind. Fewer, and looking at the result costs as much as the check;
/// more, and dots get slow, of which each costs about a group.
const GROUP: usize = 96;

/// Octets checked at once to find the place in a group: one vector of the narrowest kind.
const PART: usize = 16;

/// Offset of the first octet that regular content would not have there: it follows a bare CR, is a bare LF, or is a dot
/// behind an LF. `line` is where the first octet stands.
pub(super) fn first_irregular(line: Line, input: &[u8]) -> Option<usize> {
    first_pair(line, input, |before, here| ((before == CR) ^ (here == LF)) | is_line_dot(before, here))
}

/// Offset of the first octet that shows a bare CR or LF: it follows the one, or is the other.
pub(super) fn first_bare(line: Line, input: &[u8]) -> Option<usize> {
    first_pair(line, input, |before, here| (before == CR) ^ (here == LF))
}

/// Offset of the first dot that starts a line. `line` is where the first octet stands.
pub(super) fn first_dot(line: Line, input: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + first_pair(line.at(input, from), &input[from..], is_line_dot)?;
        if line.at(input, at) == Line::Start {
            return Some(at);
        }
        from = at + 1; // behind a bare LF
    }
}

const fn is_line_dot(before: u8, here: u8) -> bool {
    (before == LF) & (here == b'.')
}

/// Offset of the first octet that, with the one before it, is a pair that `wanted` says yes to.
#[inline(always)]
fn first_pair(line: Line, input: &[u8], wanted: impl Fn(u8, u8) -> bool + Copy) -> Option<usize> {
    let first = *input.first()?;
    if wanted(line.as_octet(), first) {
        return Some(0);
    }
    // Two views of the same octets, one shifted, so that the check has no index and no bounds.
    let (before, here) = (&input[..input.len() - 1], &input[1..]);
    let groups = before.chunks_exact(GROUP).zip(here.chunks_exact(GROUP));
    for (group, (before, here)) in groups.enumerate() {
        if any_pair(before, here, wanted) {
            return locate(before, here, wanted).map(|found| group * GROUP + found + 1);
        }
    }
    // The last group overlaps the one before it, in which there was nothing; an input without a whole group is searched.
    let tail = here.len().saturating_sub(GROUP);
    let (before, here) = (&before[tail..], &here[tail..]);
    if here.len() == GROUP && !any_pair(before, here, wanted) {
        return None;
    }
    locate(before, here, wanted).map(|found| tail + found + 1)
}

/// Whether there is a wanted pair. No early exit and one accumulator: compilers turn this into vector code.
#[inline(always)]
fn any_pair(before: &[u8], here: &[u8], wanted: impl Fn(u8, u8) -> bool) -> bool {
    before.iter().zip(here).fold(false, |found, (&before, &here)| found | wanted(before, here))
}

/// Offset of the first wanted pair in a group. Not inlined: it is rare, and slows the loop that calls it.
#[inline(never)]
fn locate(before: &[u8], here: &[u8], wanted: impl Fn(u8, u8) -> bool + Copy) -> Option<usize> {
    let mut at = 0;
    for (before, here) in before.chunks(PART).zip(here.chunks(PART)) {
        if here.len() < PART || any_pair(before, here, wanted) {
            let found = before.iter().zip(here).position(|(&before, &here)| wanted(before, here));
            if let Some(found) = found {
                return Some(at + found);
            }
        }
        at += here.len();
    }
    None
}
