//! The arithmetic of RFC 5802 §3, over both hashes.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keys::ScramHash;

/// Octets of a hash: 20 or 32, wiped on drop.
#[derive(Clone)]
pub(super) struct Tag {
    octets: Zeroizing<[u8; 32]>,
    len: usize,
}

impl Tag {
    /// `None` when there are more octets than any hash has.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        let mut tag = Self { octets: Zeroizing::new([0; 32]), len: octets.len() };
        tag.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(tag)
    }

    fn empty(hash: ScramHash) -> Self {
        Self { octets: Zeroizing::new([0; 32]), len: hash.octets() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..self.len]
    }

    /// In a time that depends on the lengths only.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }

    pub(super) fn xor(mut self, other: &Self) -> Self {
        for (octet, with) in self.as_mut().iter_mut().zip(other.as_bytes()) {
            *octet ^= with;
        }
        self
    }
}

impl ScramHash {
    pub(super) fn digest(self, octets: &[u8]) -> Tag {
        let mut tag = Tag::empty(self);
        match self {
            Self::Sha1 => tag.as_mut().copy_from_slice(&Sha1::digest(octets)),
            Self::Sha256 => tag.as_mut().copy_from_slice(&Sha256::digest(octets)),
        }
        tag
    }

    /// HMAC over the parts, one behind the other.
    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Tag {
        let mut tag = Tag::empty(self);
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, parts, tag.as_mut()),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, parts, tag.as_mut()),
        }
        tag
    }

    /// `Hi(password, salt, iterations)`, which is PBKDF2.
    pub(super) fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Tag {
        let mut tag = Tag::empty(self);
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, tag.as_mut()),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, tag.as_mut()),
        }
        tag
    }
}

fn mac<M: KeyInit + Mac>(key: &[u8], parts: &[&[u8]], out: &mut [u8]) {
    // HMAC takes a key of any length; there is no error to hand on.
    if let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) {
        for part in parts {
            mac.update(part);
        }
        out.copy_from_slice(&mac.finalize().into_bytes());
    }
}
