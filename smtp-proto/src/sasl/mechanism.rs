//! Names of mechanisms.

use core::fmt;

/// The name of a SASL mechanism: 1 to 20 letters, digits, "-" and "_" (RFC 4422 §3.1).
///
/// Names are compared without case and kept in upper case. The constants are the mechanisms that
/// [`sasl`](crate::sasl) speaks; any other name is a valid value too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mechanism {
    /// Upper case, filled up with NUL.
    name: [u8; Mechanism::MAX_OCTETS],
}

impl Mechanism {
    /// Longest name in octets (RFC 4422 §3.1).
    pub const MAX_OCTETS: usize = 20;

    /// RFC 4616.
    pub const PLAIN: Self = Self::literal("PLAIN");
    /// draft-murchison-sasl-login, in wide use.
    pub const LOGIN: Self = Self::literal("LOGIN");
    /// RFC 2195.
    pub const CRAM_MD5: Self = Self::literal("CRAM-MD5");
    /// RFC 5802.
    pub const SCRAM_SHA_1: Self = Self::literal("SCRAM-SHA-1");
    /// RFC 5802, bound to the TLS channel.
    pub const SCRAM_SHA_1_PLUS: Self = Self::literal("SCRAM-SHA-1-PLUS");
    /// RFC 7677.
    pub const SCRAM_SHA_256: Self = Self::literal("SCRAM-SHA-256");
    /// RFC 7677, bound to the TLS channel.
    pub const SCRAM_SHA_256_PLUS: Self = Self::literal("SCRAM-SHA-256-PLUS");
    /// Tokens, the form that was in use before RFC 7628.
    pub const XOAUTH2: Self = Self::literal("XOAUTH2");
    /// RFC 7628.
    pub const OAUTHBEARER: Self = Self::literal("OAUTHBEARER");
    /// RFC 4422 appendix A.
    pub const EXTERNAL: Self = Self::literal("EXTERNAL");
    /// RFC 4505.
    pub const ANONYMOUS: Self = Self::literal("ANONYMOUS");

    /// Reads a name; `None` when it is empty, too long, or holds an octet that no name has.
    #[must_use]
    pub const fn parse(name: &[u8]) -> Option<Self> {
        if name.is_empty() || name.len() > Self::MAX_OCTETS {
            return None;
        }
        let mut kept = [0; Self::MAX_OCTETS];
        let mut i = 0;
        while i < name.len() {
            let octet = name[i].to_ascii_uppercase();
            if !matches!(octet, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_') {
                return None;
            }
            kept[i] = octet;
            i += 1;
        }
        Some(Self { name: kept })
    }

    const fn literal(name: &str) -> Self {
        match Self::parse(name.as_bytes()) {
            Some(mechanism) => mechanism,
            None => panic!("not a mechanism name"),
        }
    }

    /// Whether it binds to the TLS channel: the -PLUS forms.
    #[must_use]
    pub fn binds_channel(self) -> bool {
        self == Self::SCRAM_SHA_1_PLUS || self == Self::SCRAM_SHA_256_PLUS
    }

    /// SCRAM with either hash, with or without channel binding.
    #[must_use]
    pub fn is_scram(self) -> bool {
        self.binds_channel() || self == Self::SCRAM_SHA_1 || self == Self::SCRAM_SHA_256
    }

    /// Whether who hears the exchange has all that it takes to log in: true of PLAIN, LOGIN and the token
    /// mechanisms, which belong under TLS, and of names not known here.
    #[must_use]
    pub fn shows_secret(self) -> bool {
        let hidden = [Self::CRAM_MD5, Self::EXTERNAL, Self::ANONYMOUS];
        !self.is_scram() && !hidden.contains(&self)
    }

    /// The name in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.name.iter().position(|&octet| octet == 0).unwrap_or(Self::MAX_OCTETS);
        // INVARIANT: `parse` let only ASCII in.
        core::str::from_utf8(&self.name[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As its name.
#[cfg(feature = "serde")]
impl serde::Serialize for Mechanism {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Mechanism {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let name = alloc::string::String::deserialize(deserializer)?;
        Self::parse(name.as_bytes()).ok_or_else(|| D::Error::custom("not a mechanism's name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[(&str, Option<&str>, &str)] = &[
        ("PLAIN", Some("PLAIN"), "as registered"),
        ("scram-sha-256-Plus", Some("SCRAM-SHA-256-PLUS"), "case does not matter"),
        ("KERBEROS_V4", Some("KERBEROS_V4"), "underscore"),
        ("9P", Some("9P"), "a digit may lead"),
        ("-_-", Some("-_-"), "marks only"),
        ("A2345678901234567890", Some("A2345678901234567890"), "20 octets"),
        ("A23456789012345678901", None, "21 octets"),
        ("", None, "no name"),
        ("PLAIN ", None, "a space is no part of a name"),
        ("PL.AIN", None, "a dot neither"),
        ("PL\0", None, "nor is NUL, which fills up short names"),
        ("PLÄIN", None, "ASCII only"),
    ];

    #[test]
    fn names_keep_to_their_alphabet_and_are_upper_case() {
        for &(name, kept, why) in NAMES {
            assert_eq!(
                Mechanism::parse(name.as_bytes()).as_ref().map(Mechanism::as_str),
                kept,
                "{name:?}: {why}"
            );
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_keeps_the_name() {
        assert_eq!(serde_json::to_string(&Mechanism::CRAM_MD5).unwrap(), "\"CRAM-MD5\"");
        assert_eq!(serde_json::from_str::<Mechanism>("\"plain\"").unwrap(), Mechanism::PLAIN);
        assert!(serde_json::from_str::<Mechanism>("\"P LAIN\"").is_err());
    }

    #[test]
    fn a_mechanism_is_twenty_octets() {
        assert_eq!(size_of::<Mechanism>(), 20);
    }
}
