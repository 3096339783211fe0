//! PLAIN (RFC 4616): `[authzid] NUL user NUL password`.

use alloc::vec::Vec;

use super::secret::Secret;

/// One message, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Message<'m> {
    /// Empty when there is none.
    pub(super) authzid: &'m str,
    pub(super) user: &'m str,
    pub(super) password: &'m str,
}

impl<'m> Message<'m> {
    /// Takes a message apart: UTF-8, two NULs, neither user nor password empty (RFC 4616 §2).
    pub(super) fn parse(octets: &'m [u8]) -> Option<Self> {
        let mut parts = core::str::from_utf8(octets).ok()?.split('\0');
        let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && !user.is_empty() && !password.is_empty();
        whole.then_some(Self { authzid, user, password })
    }

    /// The message's octets. The caller has made sure that no part holds a NUL.
    pub(super) fn write(self) -> Secret<Vec<u8>> {
        let Self { authzid, user, password } = self;
        Secret::new([authzid, user, password].join("\0").into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_three_parts() {
        let message = Message::parse(b"Ursel\0Kurt\0xipj3plmq").unwrap();
        assert_eq!((message.authzid, message.user, message.password), ("Ursel", "Kurt", "xipj3plmq"));
        assert_eq!(**message.write(), *b"Ursel\0Kurt\0xipj3plmq");
    }

    const MALFORMED: &[(&[u8], &str)] = &[
        (b"", "nothing"),
        (b"tim", "no NUL"),
        (b"tim\0pw", "one NUL"),
        (b"\0tim\0p\0w", "three NULs"),
        (b"\0\0pw", "no user"),
        (b"\0tim\0", "no password"),
        (b"\0j\xF6rg\0pw", "not UTF-8"),
    ];

    #[test]
    fn a_malformed_message_is_none() {
        for (octets, why) in MALFORMED {
            assert!(Message::parse(octets).is_none(), "{why}");
        }
    }
}
