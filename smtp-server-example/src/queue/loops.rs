//! Mail that goes in circles.

use super::transport::Said;

/// Hosts that a message may have passed. RFC 5321 §6.3 suggests 100; no path that works has 50, and each round of a
/// loop costs all of its hosts.
pub(crate) const MOST_HOPS: usize = 50;

/// How many hosts have put their `Received` above a message, as far as `beginning` shows its header.
pub(crate) fn hops(beginning: &[u8]) -> usize {
    fields(beginning).filter(|(name, _)| name.eq_ignore_ascii_case(b"Received")).count()
}

/// Whether a message was put into the mailbox of this address before, and came back from there.
pub(crate) fn was_delivered_to(beginning: &[u8], address: &str) -> bool {
    fields(beginning).any(|(name, value)| {
        name.eq_ignore_ascii_case(b"Delivered-To")
            && value.trim_ascii().eq_ignore_ascii_case(address.as_bytes())
    })
}

/// What is said of a message that came back.
pub(crate) fn delivered_before() -> Said {
    Said::ours((5, 4, 6), "554 5.4.6 Mail loop: it was delivered to this address before")
}

/// The Message-ID of a message, where its header has one.
pub(crate) fn message_id(beginning: &[u8]) -> Option<&[u8]> {
    let mut found = fields(beginning).filter(|(name, _)| name.eq_ignore_ascii_case(b"Message-ID"));
    found.next().map(|(_, value)| value.trim_ascii()).filter(|id| !id.is_empty())
}

/// The fields of a header, by their first lines.
fn fields(beginning: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = beginning;
    let lines = std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        (!line.is_empty()).then_some(line)
    });
    lines.filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line[..colon].trim_ascii_end(), &line[colon + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_in_the_header_only() {
        for (content, want, why) in [
            (&b""[..], 0, "nothing"),
            (
                b"Received: a\r\nRECEIVED : b\r\n\tby c\r\nSubject: Received: no\r\n\r\n",
                2,
                "in any case, folded",
            ),
            (b"Received: a\r\n\r\nReceived: b\r\n", 1, "the body quotes one"),
            (b"\r\nReceived: b\r\n", 0, "no header at all"),
            (b"Received: a\r\nReceived: cut", 1, "the end is not seen"),
            (b"X-Received: a\r\n\r\n", 0, "another field"),
        ] {
            assert_eq!(hops(content), want, "{why}");
        }
    }

    #[test]
    fn an_address_is_recognised_in_any_case_and_as_a_whole() {
        let content = b"Delivered-To: Alice@Example.test\r\n\r\nDelivered-To: bob@example.test\r\n";
        for (address, want) in
            [("alice@example.test", true), ("alice@example.tes", false), ("bob@example.test", false)]
        {
            assert_eq!(was_delivered_to(content, address), want, "{address}");
        }
    }
}
