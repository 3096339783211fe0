//! What a version 2 header tells beside the addresses.

use core::fmt;
use core::iter::FusedIterator;

use super::ProxyError;
use super::crc32c::checksum;

/// Longest unique identifier in octets (PROXY protocol §2.2.5).
const UNIQUE_ID: usize = 128;

/// The type of a [`Tlv`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlvKind(pub u8);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $kind:literal,)*) => {
        impl TlvKind {
            $($(#[$doc])* pub const $name: Self = Self($kind);)*

            /// The name of a known type.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The protocol that TLS negotiated for the connection.
    ALPN = 0x01,
    /// The host name that the client asked for (SNI).
    AUTHORITY = 0x02,
    /// A checksum of the header; [`Header::parse`](super::Header::parse) checks it, and what is written gets a right one.
    CRC32C = 0x03,
    /// Padding.
    NOOP = 0x04,
    /// Identifies the connection; at most 128 octets.
    UNIQUE_ID = 0x05,
    /// How TLS was spoken with the client: [`Tlv::ssl`].
    SSL = 0x20,
    /// Inside of [`SSL`](Self::SSL): the version of TLS.
    SSL_VERSION = 0x21,
    /// Inside of [`SSL`](Self::SSL): the common name of the client's certificate.
    SSL_CN = 0x22,
    /// Inside of [`SSL`](Self::SSL): the cipher.
    SSL_CIPHER = 0x23,
    /// Inside of [`SSL`](Self::SSL): what signed the certificate.
    SSL_SIG_ALG = 0x24,
    /// Inside of [`SSL`](Self::SSL): the certificate's key.
    SSL_KEY_ALG = 0x25,
    /// The name space of the network.
    NETNS = 0x30,
}

impl fmt::Debug for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#04x}", self.0),
        }
    }
}

/// A value with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tlv<'b> {
    /// The type.
    pub kind: TlvKind,
    /// The value; at most 65,535 octets can be written.
    pub value: &'b [u8],
}

impl<'b> Tlv<'b> {
    /// The value of one of type [`SSL`](TlvKind::SSL).
    #[must_use]
    pub fn ssl(&self) -> Option<Ssl<'b>> {
        let [client, a, b, c, d, rest @ ..] = self.value else { return None };
        (self.kind == TlvKind::SSL).then_some(Ssl {
            client: *client,
            verify: u32::from_be_bytes([*a, *b, *c, *d]),
            tlvs: Tlvs { rest },
        })
    }

    /// The first one of `octets`, and what follows it.
    fn split(octets: &'b [u8]) -> Option<(Self, &'b [u8])> {
        let [kind, high, low, rest @ ..] = octets else { return None };
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        Some((Self { kind: TlvKind(*kind), value }, rest))
    }
}

/// How TLS was spoken with the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ssl<'b> {
    client: u8,
    verify: u32,
    tlvs: Tlvs<'b>,
}

impl<'b> Ssl<'b> {
    /// The flags as they are: 1 over TLS, 2 a certificate on this connection, 4 a certificate in this session.
    #[must_use]
    pub const fn client(&self) -> u8 {
        self.client
    }

    /// 0 if the client gave a certificate and it was verified.
    #[must_use]
    pub const fn verify(&self) -> u32 {
        self.verify
    }

    /// Whether the client speaks TLS with the balancer.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.client & 1 != 0
    }

    /// Whether the client gave a certificate that was verified.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.client & 6 != 0 && self.verify == 0
    }

    /// Version, names, ciphers.
    #[must_use]
    pub const fn tlvs(&self) -> Tlvs<'b> {
        self.tlvs
    }
}

/// The values of a header, checked when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tlvs<'b> {
    rest: &'b [u8],
}

impl<'b> Tlvs<'b> {
    pub(super) const NONE: Self = Self { rest: &[] };

    /// Those that `header`, a whole one, ends with, from `begin` on.
    pub(super) fn read(header: &'b [u8], begin: usize) -> Result<Self, ProxyError> {
        let all = header.get(begin..).ok_or(ProxyError::Tlv)?;
        let mut rest = all;
        while !rest.is_empty() {
            let (tlv, after) = Tlv::split(rest).ok_or(ProxyError::Tlv)?;
            match tlv.kind {
                TlvKind::UNIQUE_ID if tlv.value.len() > UNIQUE_ID => return Err(ProxyError::Tlv),
                TlvKind::SSL => tlv.ssl().ok_or(ProxyError::Tlv)?.tlvs.check()?,
                TlvKind::CRC32C => {
                    let claimed = tlv.value.try_into().map_err(|_| ProxyError::Tlv)?;
                    let end = header.len() - after.len();
                    if u32::from_be_bytes(claimed) != checksum_without(header, end - claimed.len()) {
                        return Err(ProxyError::Checksum);
                    }
                }
                _ => {}
            }
            rest = after;
        }
        Ok(Self { rest: all })
    }

    fn check(self) -> Result<(), ProxyError> {
        let mut rest = self.rest;
        while !rest.is_empty() {
            (_, rest) = Tlv::split(rest).ok_or(ProxyError::Tlv)?;
        }
        Ok(())
    }
}

impl<'b> Iterator for Tlvs<'b> {
    type Item = Tlv<'b>;

    fn next(&mut self) -> Option<Tlv<'b>> {
        let (tlv, rest) = Tlv::split(self.rest)?;
        self.rest = rest;
        Some(tlv)
    }
}

impl FusedIterator for Tlvs<'_> {}

/// The checksum of `header` as if the four octets at `field` were 0.
pub(super) fn checksum_without(header: &[u8], field: usize) -> u32 {
    let (before, rest) = header.split_at(field);
    checksum(before.iter().chain(&[0; 4]).chain(rest.iter().skip(4)))
}
