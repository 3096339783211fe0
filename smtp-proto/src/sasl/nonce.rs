//! Nonces.

use alloc::string::String;

use crate::wire::base64;

/// A nonce: printable ASCII without ",", never used twice (RFC 5802 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A nonce made of octets from the operating system's generator.
    #[must_use]
    pub fn new(random: &[u8; 24]) -> Self {
        Self(base64::encoded(random).into_iter().map(char::from).collect())
    }

    /// A nonce that is given: for tests that compare with known exchanges. `None` when it is empty or holds an
    /// octet that a nonce can't.
    #[must_use]
    pub fn fixed(text: &str) -> Option<Self> {
        is_nonce(text).then(|| Self(text.into()))
    }

    /// The nonce's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `printable = %x21-2B / %x2D-7E`, at least one (RFC 5802 §7).
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| matches!(octet, b'!'..=b'+' | b'-'..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_printable_and_has_no_comma() {
        assert_eq!(Nonce::new(&[0xFF; 24]).as_str(), "/".repeat(32));
        assert!(Nonce::fixed("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").is_some());
        for text in ["", "a,b", "a b", "a\u{e9}", "a\x7F"] {
            assert_eq!(Nonce::fixed(text), None, "{text:?}");
        }
    }
}
