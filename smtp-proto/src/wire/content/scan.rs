//! The passes over content. All speed is here.

use super::{CR, LF, Line};
use memchr::memmem;

/// Smallest and largest block checked before it is known whether it holds anything of interest. The small one keeps text
/// in which every octet is of interest linear, the large one keeps the check a tight loop.
const SMALL_BLOCK: usize = 64;
const LARGE_BLOCK: usize = 2_048;

/// Offset of the first octet that a regular line would not have there: it follows a bare CR, is a bare LF, or is a dot behind
/// an LF. `line` is where the first octet stands.
pub(super) fn first_irregular(line: Line, input: &[u8]) -> Option<usize> {
    let first = *input.first()?;
    if is_irregular(line.as_octet(), first) {
        return Some(0);
    }
    // Two views of the same octets, one shifted, so that the check has no index and no bounds.
    let (before, here) = (&input[..input.len() - 1], &input[1..]);
    let mut at = 0;
    let mut block = SMALL_BLOCK;
    while at < here.len() {
        let end = here.len().min(at + block);
        if any_irregular(&before[at..end], &here[at..end]) {
            return locate(&before[at..end], &here[at..end]).map(|found| at + found + 1);
        }
        at = end;
        block = LARGE_BLOCK.min(block * 2);
    }
    None
}

/// Whether `here`, standing right behind `before`, is what [`first_irregular`] looks for.
const fn is_irregular(before: u8, here: u8) -> bool {
    (before == CR) != (here == LF) || before == LF && here == b'.'
}

/// Whether a block has an irregular octet. No early exit and one accumulator: compilers turn this into vector code.
fn any_irregular(before: &[u8], here: &[u8]) -> bool {
    let mut found = 0;
    for (&before, &here) in before.iter().zip(here) {
        let bare = u8::from(before == CR) ^ u8::from(here == LF);
        let dot = u8::from(before == LF) & u8::from(here == b'.');
        found |= bare | dot;
    }
    found != 0
}

/// Where in a block its first irregular octet is.
fn locate(before: &[u8], here: &[u8]) -> Option<usize> {
    let mut at = 0;
    for (before, here) in before.chunks(SMALL_BLOCK).zip(here.chunks(SMALL_BLOCK)) {
        if any_irregular(before, here) {
            return before.iter().zip(here).position(|(&b, &h)| is_irregular(b, h)).map(|found| at + found);
        }
        at += here.len();
    }
    None
}

/// Offset of the first dot that starts a line. `line` is where the first octet stands.
pub(super) fn first_dot(line: Line, input: &[u8]) -> Option<usize> {
    match (line, input) {
        (Line::Start, [b'.', ..]) => Some(0),
        (Line::AfterCr, [LF, b'.', ..]) => Some(1),
        _ => memmem::find(input, b"\r\n.").map(|at| at + 2),
    }
}
