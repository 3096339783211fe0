//! ANONYMOUS (RFC 4505): no identity, but a trace of who it may be. For catchers and tests only.

use crate::limits::ANONYMOUS_TRACE;

/// Reads the trace; `None` when it is not UTF-8, holds NUL or is too long.
pub(super) fn parse(octets: &[u8]) -> Option<&str> {
    let trace = core::str::from_utf8(octets).ok()?;
    (!trace.contains('\0') && trace.chars().count() <= ANONYMOUS_TRACE).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_counted_in_characters() {
        assert!(parse("é".repeat(255).as_bytes()).is_some());
        assert!(parse("é".repeat(256).as_bytes()).is_none());
        assert!(parse(b"a\0b").is_none());
        assert!(parse(b"\xFF").is_none());
    }
}
