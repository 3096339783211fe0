//! The four messages of an exchange (RFC 5802 §7).

use alloc::string::String;
use alloc::vec::Vec;

use crate::sasl::names::{self, Header};
use crate::sasl::nonce::is_nonce;
use crate::sasl::secret::Secret;
use crate::wire::base64::Base64;

/// Why a server ends an exchange, as it tells the client (RFC 5802 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sasl) enum ServerError {
    InvalidEncoding,
    ExtensionsNotSupported,
    InvalidProof,
    BindingsDontMatch,
    ServerDoesSupportBinding,
    BindingNotSupported,
    UnsupportedBindingType,
    InvalidUsernameEncoding,
    Other,
}

impl ServerError {
    /// The whole message.
    pub(in crate::sasl) const fn message(self) -> &'static str {
        match self {
            Self::InvalidEncoding => "e=invalid-encoding",
            Self::ExtensionsNotSupported => "e=extensions-not-supported",
            Self::InvalidProof => "e=invalid-proof",
            Self::BindingsDontMatch => "e=channel-bindings-dont-match",
            Self::ServerDoesSupportBinding => "e=server-does-support-channel-binding",
            Self::BindingNotSupported => "e=channel-binding-not-supported",
            Self::UnsupportedBindingType => "e=unsupported-channel-binding-type",
            Self::InvalidUsernameEncoding => "e=invalid-username-encoding",
            Self::Other => "e=other-error",
        }
    }
}

/// Whether `text` is `attr-val *("," attr-val)`, which is ignored as an extension must be.
fn are_extensions(text: &str) -> bool {
    text.split(',').all(|attribute| match attribute.as_bytes() {
        [name, b'=', value @ ..] => name.is_ascii_alphabetic() && !value.is_empty() && !value.contains(&0),
        _ => false,
    })
}

/// Splits the first attribute off: its value if it has that name, and what follows the comma.
fn attribute<'m>(text: &'m str, name: &str) -> Option<(&'m str, Option<&'m str>)> {
    let text = text.strip_prefix(name)?;
    Some(match text.split_once(',') {
        Some((value, rest)) => (value, Some(rest)),
        None => (text, None),
    })
}

/// `posit-number`: no sign, no leading zero. A number too large for any limit is still a number.
pub(super) fn positive(digits: &str) -> Option<u64> {
    let number = !digits.starts_with('0') && digits.bytes().all(|octet| octet.is_ascii_digit());
    (number && !digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The client's first message.
#[derive(Debug)]
pub(in crate::sasl) struct ClientFirst<'m> {
    pub(in crate::sasl) header: Header<'m>,
    /// As it was sent, for the signature.
    pub(super) bare: &'m str,
    /// Unescaped, not prepared.
    pub(super) user: String,
    pub(super) nonce: &'m str,
}

impl<'m> ClientFirst<'m> {
    pub(super) fn parse(octets: &'m [u8]) -> Result<Self, ServerError> {
        // The user's name is the only part that may hold anything but ASCII.
        let text = core::str::from_utf8(octets).map_err(|_| ServerError::InvalidUsernameEncoding)?;
        let (header, bare) = Header::parse(text).ok_or(ServerError::Other)?;
        if bare.starts_with("m=") {
            return Err(ServerError::ExtensionsNotSupported);
        }
        let (user, rest) = attribute(bare, "n=").ok_or(ServerError::Other)?;
        let user = names::unescape(user).ok_or(ServerError::InvalidUsernameEncoding)?;
        let (nonce, extensions) = rest.and_then(|rest| attribute(rest, "r=")).ok_or(ServerError::Other)?;
        if !is_nonce(nonce) || !extensions.is_none_or(are_extensions) {
            return Err(ServerError::Other);
        }
        Ok(Self { header, bare, user, nonce })
    }
}

/// The server's first message.
pub(super) struct ServerFirst<'m> {
    pub(super) nonce: &'m str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u64,
}

/// What a server's first message may be.
pub(super) enum Opening<'m> {
    First(ServerFirst<'m>),
    /// `e=`: the server gave up.
    Error,
    /// `m=`: an extension that is not known here and must not be ignored.
    Mandatory,
    Malformed,
}

impl<'m> Opening<'m> {
    pub(super) fn parse(text: &'m str) -> Self {
        if text.starts_with("e=") {
            return Self::Error;
        }
        if text.starts_with("m=") {
            return Self::Mandatory;
        }
        Self::first(text).map_or(Self::Malformed, Self::First)
    }

    fn first(text: &'m str) -> Option<ServerFirst<'m>> {
        let (nonce, rest) = attribute(text, "r=")?;
        let (salt, rest) = attribute(rest?, "s=")?;
        let (iterations, extensions) = attribute(rest?, "i=")?;
        let salt = Base64::parse(salt.as_bytes()).ok()?.decode();
        let iterations = positive(iterations)?;
        let sound = is_nonce(nonce) && !salt.is_empty() && extensions.is_none_or(are_extensions);
        sound.then_some(ServerFirst { nonce, salt, iterations })
    }
}

/// The client's last message.
pub(super) struct ClientFinal<'m> {
    /// The gs2 header and the binding's octets.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'m str,
    pub(super) proof: Secret<Vec<u8>>,
    /// As it was sent, for the signature.
    pub(super) without_proof: &'m str,
}

impl<'m> ClientFinal<'m> {
    pub(super) fn parse(octets: &'m [u8]) -> Result<Self, ServerError> {
        let text = core::str::from_utf8(octets).map_err(|_| ServerError::InvalidEncoding)?;
        let (without_proof, proof) = text.rsplit_once(',').ok_or(ServerError::Other)?;
        let proof = proof.strip_prefix("p=").ok_or(ServerError::Other)?;
        let (binding, rest) = attribute(without_proof, "c=").ok_or(ServerError::Other)?;
        let (nonce, extensions) = rest.and_then(|rest| attribute(rest, "r=")).ok_or(ServerError::Other)?;
        if binding.is_empty() || !extensions.is_none_or(are_extensions) {
            return Err(ServerError::Other);
        }
        let octets = |text: &str| match Base64::parse(text.as_bytes()) {
            Ok(text) => Ok(text.decode()),
            Err(_) => Err(ServerError::InvalidEncoding),
        };
        let (binding, proof) = (octets(binding)?, Secret::new(octets(proof)?));
        Ok(Self { binding, nonce, proof, without_proof })
    }
}

/// What a server's last message may be.
pub(super) enum Closing {
    /// `v=`: the server's signature.
    Verifier(Vec<u8>),
    /// `e=`: the server refuses.
    Error,
    Malformed,
}

impl Closing {
    pub(super) fn parse(text: &str) -> Self {
        if text.starts_with("e=") {
            return Self::Error;
        }
        let verifier = attribute(text, "v=").filter(|(_, extensions)| extensions.is_none_or(are_extensions));
        match verifier.map(|(value, _)| Base64::parse(value.as_bytes())) {
            Some(Ok(signature)) => Self::Verifier(signature.decode()),
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[(&str, ServerError, &str)] = &[
        ("n=u,r=x", ServerError::Other, "no gs2 header"),
        ("n,,m=x,n=u,r=x", ServerError::ExtensionsNotSupported, "mandatory extension"),
        ("n,,r=x,n=u", ServerError::Other, "wrong order"),
        ("n,,n=u", ServerError::Other, "no nonce"),
        ("n,,n=u,r=", ServerError::Other, "empty nonce"),
        ("n,,n=u,r=a b", ServerError::Other, "space in the nonce"),
        ("n,,n=u,r=x,", ServerError::Other, "comma at the end"),
        ("n,,n=u,r=x,1=y", ServerError::Other, "a digit is no attribute's name"),
        ("n,,n=u,r=x,y=", ServerError::Other, "an extension without a value"),
        ("n,,n=,r=x", ServerError::InvalidUsernameEncoding, "no name"),
        ("n,,n=a=2Db,r=x", ServerError::InvalidUsernameEncoding, "bad escape"),
    ];

    #[test]
    fn a_malformed_first_message_has_its_error() {
        for &(text, error, why) in FIRST {
            assert_eq!(ClientFirst::parse(text.as_bytes()).unwrap_err(), error, "{text:?}: {why}");
        }
    }

    const NUMBERS: &[(&str, Option<u64>, &str)] = &[
        ("4096", Some(4_096), "plain"),
        ("99999999999999999999999999", Some(u64::MAX), "over every limit, but a number"),
        ("", None, "nothing"),
        ("0", None, "posit-number begins with 1 to 9"),
        ("04096", None, "leading zero"),
        ("-1", None, "sign"),
        ("+1", None, "sign"),
        ("4096x", None, "a letter"),
    ];

    #[test]
    fn iterations_are_a_positive_number() {
        for &(digits, number, why) in NUMBERS {
            assert_eq!(positive(digits), number, "{digits:?}: {why}");
        }
    }
}
