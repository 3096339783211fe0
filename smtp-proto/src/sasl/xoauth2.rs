//! XOAUTH2: `user=` name ^A `auth=Bearer ` token ^A ^A, as large providers defined it before RFC 7628.

use alloc::vec::Vec;

use super::oauthbearer::bearer;
use super::secret::Secret;

/// One message, taken apart.
pub(super) struct Message<'m> {
    pub(super) user: &'m str,
    pub(super) token: &'m str,
}

impl<'m> Message<'m> {
    /// Takes a message apart; the scheme's case does not matter.
    pub(super) fn parse(octets: &'m [u8]) -> Option<Self> {
        let text = core::str::from_utf8(octets).ok()?;
        let text = text.strip_prefix("user=")?.strip_suffix("\x01\x01")?;
        let (user, auth) = text.split_once('\x01')?;
        let token = bearer(auth.strip_prefix("auth=")?)?;
        let clean = |part: &str| !part.is_empty() && !part.contains(['\x01', '\0']);
        (clean(user) && clean(token)).then_some(Self { user, token })
    }

    /// The message's octets. The caller has made sure that no part holds ^A.
    pub(super) fn write(self) -> Secret<Vec<u8>> {
        Secret::new(["user=", self.user, "\x01auth=Bearer ", self.token, "\x01\x01"].concat().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_user_and_token() {
        let octets = b"user=u@b.example\x01auth=Bearer abc==\x01\x01";
        let message = Message::parse(octets).unwrap();
        assert_eq!((message.user, message.token), ("u@b.example", "abc=="));
        assert_eq!(**message.write(), *octets);
    }

    const MALFORMED: &[(&str, &str)] = &[
        ("", "nothing"),
        ("user=u\x01auth=Bearer t\x01", "one ^A missing"),
        ("user=u\x01auth=Bearer t\x01\x01\x01", "one ^A too many"),
        ("user=u\x01\x01", "no auth"),
        ("auth=Bearer t\x01\x01", "no user"),
        ("user=\x01auth=Bearer t\x01\x01", "empty user"),
        ("user=u\x01auth=Bearer \x01\x01", "empty token"),
        ("user=u\x01auth=Basic t\x01\x01", "another scheme"),
        ("user=u\x01auth=Bearer a\x01auth=Bearer b\x01\x01", "two tokens"),
    ];

    #[test]
    fn a_malformed_message_is_none() {
        for (text, why) in MALFORMED {
            assert!(Message::parse(text.as_bytes()).is_none(), "{why}");
        }
    }
}
