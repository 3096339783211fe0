//! CRAM-MD5 (RFC 2195): the server sends a challenge, the client its HMAC-MD5 keyed with the password.
//!
//! Both sides need the password itself, and who hears one exchange can guess it offline: for peers that have
//! nothing better.

use alloc::format;
use alloc::vec::Vec;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::secret::{Secret, same};

/// A challenge: `<digits.clock@host>`; `random` makes it one of its kind.
pub(super) fn challenge(random: u64, clock: u64, host: &str) -> Vec<u8> {
    format!("<{random}.{clock}@{host}>").into_bytes()
}

/// The answer's octets.
pub(super) fn answer(user: &str, password: &[u8], challenge: &[u8]) -> Secret<Vec<u8>> {
    let digest = digest(password, challenge);
    Secret::new([user.as_bytes(), b" ", &digest].concat())
}

/// Takes an answer apart: user, space, 32 hexadecimal digits in lower case. The last space separates, so that a
/// user's name may hold others.
pub(super) fn parse(answer: &[u8]) -> Option<(&str, [u8; 32])> {
    let (user, digest) = core::str::from_utf8(answer).ok()?.rsplit_once(' ')?;
    let digest: [u8; 32] = digest.as_bytes().try_into().ok()?;
    let hexadecimal = digest.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
    (hexadecimal && !user.is_empty()).then_some((user, digest))
}

/// Whether `given` is the digest of `challenge` under `password`.
pub(super) fn verify(password: &[u8], challenge: &[u8], given: &[u8; 32]) -> bool {
    same(&digest(password, challenge), given)
}

/// HMAC-MD5 in hexadecimal.
fn digest(password: &[u8], challenge: &[u8]) -> [u8; 32] {
    let mut text = [0; 32];
    // HMAC takes a key of any length; there is no error to hand on.
    if let Ok(mut mac) = Hmac::<Md5>::new_from_slice(password) {
        mac.update(challenge);
        for (pair, octet) in text.chunks_exact_mut(2).zip(mac.finalize().into_bytes()) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            pair.copy_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 0xF)]]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &[u8] = b"<1896.697170952@postoffice.reston.mci.net>";

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let written = answer("tim", b"tanstaaftanstaaf", CHALLENGE);
        assert_eq!(**written, *b"tim b913a602c7eda7a495b4e6e7334d3890");
        let (user, digest) = parse(&written).unwrap();
        assert_eq!(user, "tim");
        assert!(verify(b"tanstaaftanstaaf", CHALLENGE, &digest));
        assert!(!verify(b"tanstaaftanstaag", CHALLENGE, &digest));
        assert_eq!(challenge(1896, 697_170_952, "postoffice.reston.mci.net"), CHALLENGE);
    }

    const MALFORMED: &[(&str, &str)] = &[
        ("", "nothing"),
        ("tim", "no digest"),
        ("tim b913a602", "short digest"),
        (" b913a602c7eda7a495b4e6e7334d3890", "no user"),
        ("tim B913A602C7EDA7A495B4E6E7334D3890", "upper case"),
        ("tim b913a602c7eda7a495b4e6e7334d389g", "not hexadecimal"),
    ];

    #[test]
    fn a_malformed_answer_is_none() {
        for (text, why) in MALFORMED {
            assert!(parse(text.as_bytes()).is_none(), "{why}");
        }
    }
}
