//! OAUTHBEARER (RFC 7628): a gs2 header, then keys and values, each behind a ^A.
//!
//! The JSON by which a server refuses a token is written here for XOAUTH2 too.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::names::{self, Flag, Header};
use super::secret::Secret;

/// One message, taken apart.
pub(super) struct Message<'m> {
    pub(super) authzid: Option<String>,
    pub(super) host: Option<&'m str>,
    pub(super) port: Option<u16>,
    /// Empty when the client only asks what the server wants (RFC 7628 §3.2.3).
    pub(super) token: &'m str,
}

impl<'m> Message<'m> {
    /// Takes a message apart; unknown keys are ignored, a key given twice is malformed (RFC 7628 §3.1).
    pub(super) fn parse(octets: &'m [u8]) -> Option<Self> {
        let text = core::str::from_utf8(octets).ok()?;
        let (header, rest) = Header::parse(text)?;
        // RFC 7628 §3.1: there is no -PLUS form.
        if matches!(header.flag, Flag::Used(_)) {
            return None;
        }
        let pairs = rest.strip_prefix('\x01')?.strip_suffix("\x01\x01")?;
        let (mut host, mut port, mut auth) = (None, None, None);
        for pair in pairs.split('\x01') {
            let (key, value) = pair.split_once('=')?;
            if !is_key(key) || !is_value(value) {
                return None;
            }
            let slot = match key {
                "host" => &mut host,
                "port" => &mut port,
                "auth" => &mut auth,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let token = match auth? {
            "" => "",
            auth => bearer(auth)?,
        };
        let port = match port {
            Some(digits) => Some(digits.parse().ok()?),
            None => None,
        };
        Some(Self { authzid: header.authzid, host, port, token })
    }

    /// The message's octets. The caller has made sure that no part holds a control octet.
    pub(super) fn write(self) -> Secret<Vec<u8>> {
        let mut head = String::from("n,");
        if let Some(authzid) = &self.authzid {
            head.push_str("a=");
            names::escape(authzid, &mut head);
        }
        head.push_str(",\x01");
        if let Some(host) = self.host {
            head.push_str(&format!("host={host}\x01"));
        }
        if let Some(port) = self.port {
            head.push_str(&format!("port={port}\x01"));
        }
        Secret::new([&head, "auth=Bearer ", self.token, "\x01\x01"].concat().into_bytes())
    }
}

/// `key = 1*ALPHA`
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphabetic())
}

/// `value = *(VCHAR / SP / HTAB / CR / LF)`
fn is_value(value: &str) -> bool {
    value.bytes().all(|octet| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

/// The token behind `Bearer `, whatever the case of the scheme (RFC 7235 §2.1).
pub(super) fn bearer(auth: &str) -> Option<&str> {
    let (scheme, token) = auth.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start_matches(' '))
}

/// What a server tells a client whose token it refused (RFC 7628 §3.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenHints {
    scope: Option<String>,
    openid_configuration: Option<String>,
}

impl TokenHints {
    /// No hints.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The scope that a token must have.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Where the client finds who issues tokens.
    #[must_use]
    pub fn openid_configuration(mut self, url: impl Into<String>) -> Self {
        self.openid_configuration = Some(url.into());
        self
    }

    /// The JSON text: `members` as they stand, then the hints.
    pub(super) fn json(&self, members: &str) -> Vec<u8> {
        let mut out = format!("{{{members}");
        let hints = [("scope", &self.scope), ("openid-configuration", &self.openid_configuration)];
        for (name, value) in hints.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
            out.push_str(&format!(",\"{name}\":\""));
            escape_json(value, &mut out);
            out.push('"');
        }
        out.push('}');
        out.into_bytes()
    }
}

fn escape_json(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            // Writing to a string does not fail.
            '\0'..='\x1F' => _ = write!(out, "\\u{:04x}", u32::from(letter)),
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_the_rfc_reads_and_writes_the_same() {
        let octets = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
            auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let message = Message::parse(octets).unwrap();
        assert_eq!(message.authzid.as_deref(), Some("user@example.com"));
        assert_eq!((message.host, message.port), (Some("server.example.com"), Some(143)));
        assert_eq!(message.token, "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        assert_eq!(**message.write(), *octets);
    }

    const MALFORMED: &[(&str, &str)] = &[
        ("", "nothing"),
        ("n,,\x01auth=Bearer t\x01", "last ^A missing"),
        ("n,,auth=Bearer t\x01\x01", "no ^A after the header"),
        ("\x01auth=Bearer t\x01\x01", "no header"),
        ("p=tls-exporter,,\x01auth=Bearer t\x01\x01", "there is no channel binding here"),
        ("n,,\x01=t\x01\x01", "empty key"),
        ("n,,\x01a1=x\x01auth=Bearer t\x01\x01", "a key is letters"),
        ("n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01", "auth twice"),
        ("n,,\x01host=h\x01\x01", "no auth"),
        ("n,,\x01auth=Basic dTpw\x01\x01", "another scheme"),
        ("n,,\x01port=x\x01auth=Bearer t\x01\x01", "port is no number"),
        ("n,,\x01auth=Bearer\0t\x01\x01", "NUL in a value"),
        ("n,,\x01auth=Bearer t\u{e9}\x01\x01", "values are ASCII"),
    ];

    #[test]
    fn a_malformed_message_is_none() {
        for (text, why) in MALFORMED {
            assert!(Message::parse(text.as_bytes()).is_none(), "{why}");
        }
    }

    #[test]
    fn hints_are_escaped_in_json() {
        let hints = TokenHints::new().scope("a\"b\\c\n").openid_configuration("https://x.example/");
        let json = hints.json("\"status\":\"invalid_token\"");
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["status"], "invalid_token");
        assert_eq!(read["scope"], "a\"b\\c\n");
        assert_eq!(read["openid-configuration"], "https://x.example/");
    }
}
