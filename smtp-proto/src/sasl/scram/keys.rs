//! What a server stores in place of a password.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::crypto::Tag;
use crate::limits::{SCRAM_MIN_ITERATIONS, SCRAM_SALT};
use crate::sasl::Mechanism;
use crate::sasl::saslprep::{self, PrepError};
use crate::sasl::secret::Secret;
use crate::wire::base64::{self, Base64};

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ScramHash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
}

impl ScramHash {
    pub(super) const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The mechanism of that hash, without channel binding.
    #[must_use]
    pub const fn mechanism(self) -> Mechanism {
        match self {
            Self::Sha1 => Mechanism::SCRAM_SHA_1,
            Self::Sha256 => Mechanism::SCRAM_SHA_256,
        }
    }

    /// The mechanism of that hash, with channel binding.
    #[must_use]
    pub const fn plus(self) -> Mechanism {
        match self {
            Self::Sha1 => Mechanism::SCRAM_SHA_1_PLUS,
            Self::Sha256 => Mechanism::SCRAM_SHA_256_PLUS,
        }
    }

    /// The hash of a mechanism, with or without -PLUS; `None` for another mechanism.
    #[must_use]
    pub fn of(mechanism: Mechanism) -> Option<Self> {
        match mechanism {
            Mechanism::SCRAM_SHA_1 | Mechanism::SCRAM_SHA_1_PLUS => Some(Self::Sha1),
            Mechanism::SCRAM_SHA_256 | Mechanism::SCRAM_SHA_256_PLUS => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// What a server stores in place of a password (RFC 5802 §3).
///
/// Who steals it can't log in with it, but can guess passwords offline and pose as the server: keep it as a
/// password hash is kept.
#[derive(Clone)]
pub struct ScramKeys {
    hash: ScramHash,
    iterations: u32,
    salt: Vec<u8>,
    stored: Tag,
    server: Tag,
}

/// Why keys can't be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The password can't be prepared (RFC 4013).
    #[error("password: {0}")]
    Password(PrepError),
    /// The password is empty once prepared.
    #[error("password is empty")]
    Empty,
    /// Fewer than [`SCRAM_MIN_ITERATIONS`].
    #[error("{0} iterations are too few")]
    Iterations(u32),
    /// The salt is empty.
    #[error("salt is empty")]
    Salt,
}

impl ScramKeys {
    /// Derives the keys of a password, which takes as long as it should: run it where it may block.
    ///
    /// `salt` is random and one user's only. Make it [`SCRAM_SALT`] octets long: that is the length made up for
    /// unknown users, and another would tell who exists. `iterations` is at least [`SCRAM_MIN_ITERATIONS`]; take
    /// the same number for everyone.
    ///
    /// # Errors
    /// When the password can't be prepared as a stored string or is empty, when there are too few iterations, and
    /// when there is no salt.
    pub fn derive(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> Result<Self, KeysError> {
        if iterations < SCRAM_MIN_ITERATIONS {
            return Err(KeysError::Iterations(iterations));
        }
        if salt.is_empty() {
            return Err(KeysError::Salt);
        }
        // RFC 5802 §2.2: prepared as a stored string.
        let password = Secret::new(saslprep::stored(password).map_err(KeysError::Password)?.into_owned());
        if password.is_empty() {
            return Err(KeysError::Empty);
        }
        let salted = hash.salted(password.as_bytes(), salt, iterations);
        Ok(Self::of_salted(hash, &salted, salt, iterations))
    }

    pub(super) fn of_salted(hash: ScramHash, salted: &Tag, salt: &[u8], iterations: u32) -> Self {
        let client = hash.hmac(salted.as_bytes(), &[b"Client Key"]);
        Self {
            hash,
            iterations,
            salt: salt.into(),
            stored: hash.digest(client.as_bytes()),
            server: hash.hmac(salted.as_bytes(), &[b"Server Key"]),
        }
    }

    /// Keys that no password opens, the same each time for one name under one secret.
    pub(super) fn decoy(hash: ScramHash, secret: &[u8], user: &str, iterations: u32) -> Self {
        let part = |label: &[u8]| hash.hmac(secret, &[label, b"\0", user.as_bytes()]);
        let salt = part(b"salt").as_bytes().iter().copied().take(SCRAM_SALT).collect();
        Self { hash, iterations, salt, stored: part(b"stored"), server: part(b"server") }
    }

    /// Keys from their parts, as another system stored them. `None` when a key has not the hash's length, or salt
    /// or iterations are missing.
    #[must_use]
    pub fn from_parts(
        hash: ScramHash,
        salt: &[u8],
        iterations: u32,
        stored_key: &[u8],
        server_key: &[u8],
    ) -> Option<Self> {
        let fits = |key: &[u8]| key.len() == hash.octets();
        if !fits(stored_key) || !fits(server_key) || salt.is_empty() || iterations == 0 {
            return None;
        }
        let (stored, server) = (Tag::new(stored_key)?, Tag::new(server_key)?);
        Some(Self { hash, iterations, salt: salt.into(), stored, server })
    }

    /// Reads the text that [`to_text`](Self::to_text) writes; `None` for any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once('$')?;
        let hash = match Mechanism::parse(scheme.as_bytes())? {
            Mechanism::SCRAM_SHA_1 => ScramHash::Sha1,
            Mechanism::SCRAM_SHA_256 => ScramHash::Sha256,
            _ => return None,
        };
        let (info, keys) = rest.split_once('$')?;
        let (iterations, salt) = info.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let octets = |text: &str| Some(Secret::new(Base64::parse(text.as_bytes()).ok()?.decode()));
        let iterations = super::message::positive(iterations)?.try_into().ok()?;
        Self::from_parts(hash, &octets(salt)?, iterations, &octets(stored)?, &octets(server)?)
    }

    /// The keys as one line of text, `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` with base64 (RFC 5803 §2),
    /// which other software stores too. It is as secret as the keys.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text = |octets: &[u8]| base64::encoded(octets).into_iter().map(char::from).collect::<String>();
        let [salt, stored, server] = [&self.salt, self.stored.as_bytes(), self.server.as_bytes()].map(text);
        format!("{}${}:{salt}${stored}:{server}", self.hash.mechanism(), self.iterations)
    }

    /// The hash.
    #[must_use]
    pub const fn hash(&self) -> ScramHash {
        self.hash
    }

    /// How often the hash is repeated.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The salt, which every client is told.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) const fn stored(&self) -> &Tag {
        &self.stored
    }

    pub(super) const fn server(&self) -> &Tag {
        &self.server
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// As [`to_text`](ScramKeys::to_text) writes it.
#[cfg(feature = "serde")]
impl serde::Serialize for ScramKeys {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ScramKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = Secret::new(String::deserialize(deserializer)?);
        Self::parse(&text).ok_or_else(|| D::Error::custom("not SCRAM keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pencil() -> ScramKeys {
        let salt = Base64::parse(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().decode();
        ScramKeys::derive(ScramHash::Sha256, "pencil", &salt, 4_096).unwrap()
    }

    #[test]
    fn keys_are_written_as_others_store_them_and_read_back() {
        let text = pencil().to_text();
        assert_eq!(
            text,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
             $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert_eq!(ScramKeys::parse(&text).unwrap().to_text(), text);
    }

    const BAD: &[(&str, &str)] = &[
        ("", "nothing"),
        ("SCRAM-SHA-512$4096:QQ==$QQ==:QQ==", "another hash"),
        ("SCRAM-SHA-256$4096:QQ==$QQ==:QQ==", "keys of another length"),
        ("SCRAM-SHA-256$0:QQ==$QQ==:QQ==", "no iterations"),
        ("SCRAM-SHA-256$4096:QQ==", "no keys"),
    ];

    #[test]
    fn other_text_is_no_keys() {
        for (text, why) in BAD {
            assert!(ScramKeys::parse(text).is_none(), "{why}");
        }
    }

    #[test]
    fn keys_that_would_be_weak_are_not_made() {
        let derive = |password, salt: &[u8], iterations| {
            ScramKeys::derive(ScramHash::Sha1, password, salt, iterations).map(drop)
        };
        assert_eq!(derive("pw", b"salt", 4_095), Err(KeysError::Iterations(4_095)));
        assert_eq!(derive("pw", b"", 4_096), Err(KeysError::Salt));
        assert_eq!(derive("\u{AD}", b"salt", 4_096), Err(KeysError::Empty));
        assert!(matches!(derive("a\x07", b"salt", 4_096), Err(KeysError::Password(_))));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_keeps_keys_as_text() {
        let json = serde_json::to_string(&pencil()).unwrap();
        assert_eq!(json, format!("\"{}\"", pencil().to_text()));
        assert_eq!(serde_json::from_str::<ScramKeys>(&json).unwrap().to_text(), pencil().to_text());
        assert!(serde_json::from_str::<ScramKeys>("\"x\"").is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", pencil()), "ScramKeys { hash: Sha256, iterations: 4096, .. }");
    }

    #[test]
    fn decoys_look_like_keys_and_differ_by_name_only() {
        let decoy = |secret: &[u8], user| ScramKeys::decoy(ScramHash::Sha256, secret, user, 4_096).salt;
        assert_eq!(decoy(b"secret", "nobody").len(), SCRAM_SALT);
        assert_eq!(decoy(b"secret", "nobody"), decoy(b"secret", "nobody"));
        assert_ne!(decoy(b"secret", "nobody"), decoy(b"secret", "nobodi"));
        assert_ne!(decoy(b"secret", "nobody"), decoy(b"secreT", "nobody"));
    }
}
