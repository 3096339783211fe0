//! What ties an exchange to its TLS connection.

use alloc::vec::Vec;
use core::fmt;

/// The channel bindings of one TLS connection; empty without TLS.
///
/// Both sides of a connection see the same octets and an attacker in between does not, so that a -PLUS exchange
/// fails where the connection was broken up.
#[derive(Clone, Default)]
pub struct Bindings {
    exporter: Option<[u8; 32]>,
    end_point: Option<Vec<u8>>,
}

impl Bindings {
    /// The type names, as they stand in a gs2 header.
    pub(super) const EXPORTER: &'static str = "tls-exporter";
    pub(super) const END_POINT: &'static str = "tls-server-end-point";

    /// The label under which TLS exports the octets of `tls-exporter`; the context is empty (RFC 9266 §2).
    pub const EXPORTER_LABEL: &'static [u8] = b"EXPORTER-Channel-Binding";

    /// No binding at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `tls-exporter` (RFC 9266): 32 octets exported under [`EXPORTER_LABEL`](Self::EXPORTER_LABEL). Only on
    /// TLS 1.3, or on 1.2 with the extended master secret: without it two connections can share the octets.
    #[must_use]
    pub fn exporter(mut self, octets: [u8; 32]) -> Self {
        self.exporter = Some(octets);
        self
    }

    /// Adds `tls-server-end-point` (RFC 5929 §4): the server certificate's hash, as it is.
    #[must_use]
    pub fn end_point(mut self, hash: &[u8]) -> Self {
        self.end_point = Some(hash.into());
        self
    }

    /// Adds `tls-server-end-point` (RFC 5929 §4) of the server's certificate in DER: hashed with the hash of the
    /// certificate's signature, SHA-256 in place of MD5 and SHA-1. Adds nothing where the signature has no single
    /// hash (Ed25519) or names it in parameters (RSASSA-PSS), for which the RFC defines none.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn certificate(mut self, der: &[u8]) -> Self {
        self.end_point = Self::end_point_of(der).or(self.end_point);
        self
    }

    /// The octets of `tls-server-end-point` for a certificate in DER, as [`certificate`](Self::certificate) adds
    /// them; `None` where the RFC defines none.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn end_point_of(der: &[u8]) -> Option<Vec<u8>> {
        end_point::hash(der)
    }

    /// Whether there is no binding.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.end_point.is_none()
    }

    /// The octets of the binding of that name; names have case (RFC 5801 §4).
    #[cfg(feature = "scram")]
    pub(super) fn named(&self, name: &str) -> Option<&[u8]> {
        match name {
            Self::EXPORTER => self.exporter.as_ref().map(<[u8; 32]>::as_slice),
            Self::END_POINT => self.end_point.as_deref(),
            _ => None,
        }
    }

    /// The binding that a client uses: RFC 9266 §3 wants `tls-exporter` where there is one.
    #[cfg(feature = "scram")]
    pub(super) fn best(&self) -> Option<(&'static str, &[u8])> {
        [Self::EXPORTER, Self::END_POINT].into_iter().find_map(|name| Some((name, self.named(name)?)))
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |there: bool, name| if there { name } else { "" };
        f.debug_tuple("Bindings")
            .field(&name(self.exporter.is_some(), Self::EXPORTER))
            .field(&name(self.end_point.is_some(), Self::END_POINT))
            .finish()
    }
}

#[cfg(feature = "scram")]
mod end_point {
    use alloc::vec::Vec;

    use sha2::{Digest, Sha256, Sha384, Sha512};

    const SEQUENCE: u8 = 0x30;
    const OBJECT_ID: u8 = 0x06;

    /// Hashes a certificate as RFC 5929 §4.1 wants it.
    pub(super) fn hash(der: &[u8]) -> Option<Vec<u8>> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (_, rest) = element(certificate, SEQUENCE)?;
        let (algorithm, _) = element(rest, SEQUENCE)?;
        let (id, _) = element(algorithm, OBJECT_ID)?;
        Some(match signature_hash(id)? {
            256 => Sha256::digest(der).to_vec(),
            384 => Sha384::digest(der).to_vec(),
            _ => Sha512::digest(der).to_vec(),
        })
    }

    /// The bits of the hash in a signature algorithm, by its object identifier in DER.
    fn signature_hash(id: &[u8]) -> Option<u16> {
        // RFC 8017 appendix C: 1.2.840.113549.1.1.n
        const PKCS1: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
        // RFC 5758 §3.2: 1.2.840.10045.4.3.n; RFC 3279 §2.2.3 has SHA-1 under 1.2.840.10045.4.1
        const ECDSA_SHA2: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
        const ECDSA_SHA1: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01];
        if id == ECDSA_SHA1 {
            return Some(256);
        }
        match (id.strip_prefix(PKCS1), id.strip_prefix(ECDSA_SHA2)) {
            (Some([4 | 5 | 11]), _) | (_, Some([2])) => Some(256),
            (Some([12]), _) | (_, Some([3])) => Some(384),
            (Some([13]), _) | (_, Some([4])) => Some(512),
            _ => None,
        }
    }

    /// The first element's content, if it has that tag, and what follows the element.
    fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
        let (&found, rest) = der.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81..=0x83 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                (octets.iter().fold(0, |len, &octet| len << 8 | usize::from(octet)), rest)
            }
            _ => return None,
        };
        let parts = rest.split_at_checked(len)?;
        (found == tag).then_some(parts)
    }
}

#[cfg(all(test, feature = "scram"))]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256, Sha384, Sha512};
    use std::format;

    /// A certificate's outer shape around an algorithm identifier.
    fn certificate(id: &[u8]) -> Vec<u8> {
        let tbs = [&[0x30, 0x82, 0x01, 0x00][..], &[0; 256]].concat();
        let algorithm = [&[0x30, id.len() as u8 + 2, 0x06, id.len() as u8][..], id].concat();
        let content = [tbs, algorithm, [0x03, 0x02, 0x00, 0xFF].into()].concat();
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82][..], &len, &content].concat()
    }

    #[test]
    fn a_certificate_is_hashed_with_the_hash_of_its_signature() {
        const RSA: [u8; 8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
        const EC: [u8; 6] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04];
        let sha256 = |der: &[u8]| Some(Sha256::digest(der).to_vec());
        let sha384 = |der: &[u8]| Some(Sha384::digest(der).to_vec());
        let sha512 = |der: &[u8]| Some(Sha512::digest(der).to_vec());
        let none = |_: &[u8]| None;
        type Hash<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;
        let table: &[(&[u8], Hash<'_>, &str)] = &[
            (&[&RSA[..], &[4]].concat(), &sha256, "MD5 becomes SHA-256"),
            (&[&RSA[..], &[5]].concat(), &sha256, "SHA-1 becomes SHA-256"),
            (&[&RSA[..], &[11]].concat(), &sha256, "RSA with SHA-256"),
            (&[&RSA[..], &[12]].concat(), &sha384, "RSA with SHA-384"),
            (&[&RSA[..], &[13]].concat(), &sha512, "RSA with SHA-512"),
            (&[&RSA[..], &[10]].concat(), &none, "RSASSA-PSS has its hash in parameters"),
            (&[&EC[..], &[1]].concat(), &sha256, "ECDSA with SHA-1"),
            (&[&EC[..], &[3, 2]].concat(), &sha256, "ECDSA with SHA-256"),
            (&[&EC[..], &[3, 3]].concat(), &sha384, "ECDSA with SHA-384"),
            (&[&EC[..], &[3, 4]].concat(), &sha512, "ECDSA with SHA-512"),
            (&[0x2B, 0x65, 0x70], &none, "Ed25519 has no hash"),
        ];
        for (id, hash, why) in table {
            let der = certificate(id);
            assert_eq!(Bindings::new().certificate(&der).end_point, hash(&der), "{why}");
        }
    }

    #[test]
    fn what_is_no_certificate_binds_nothing() {
        let der = certificate(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02]);
        for end in 0..der.len() - 4 {
            assert!(Bindings::new().certificate(&der[..end]).is_empty(), "cut at {end}");
        }
    }

    #[test]
    fn debug_names_the_bindings_and_shows_none() {
        let bindings = Bindings::new().exporter([7; 32]);
        assert_eq!(format!("{bindings:?}"), "Bindings(\"tls-exporter\", \"\")");
        assert_eq!(bindings.best(), Some(("tls-exporter", &[7; 32][..])));
        assert_eq!(bindings.named("TLS-EXPORTER"), None);
    }
}
