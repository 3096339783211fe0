//! Values that are wiped when dropped and never shown.

use core::fmt;
use core::ops::{Deref, DerefMut};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A secret: `Debug` shows its length only, dropping it wipes it.
///
/// A vector that grows leaves copies behind, so that secrets are built with their final capacity.
#[derive(Clone, Default)]
pub(crate) struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl<T: Zeroize> Deref for Secret<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> DerefMut for Secret<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<redacted {} octets>", self.0.as_ref().len())
    }
}

/// Whether two secrets are the same, in a time that depends on their lengths only.
///
/// For tokens, proofs and passwords that are stored in clear; a password's hash is compared by its own crate.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use std::format;

    #[test]
    fn debug_shows_the_length_only() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "<redacted 7 octets>");
    }

    #[test]
    fn secrets_are_the_same_octet_by_octet() {
        assert!(same(b"", b""));
        assert!(same(b"token", b"token"));
        assert!(!same(b"token", b"tokem"));
        assert!(!same(b"token", b"toke"));
    }
}
