//! The gs2 header and names in it, shared by SCRAM and OAUTHBEARER (RFC 5801 §4).

use alloc::string::String;

/// How the client stands to channel binding: the header's first letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flag<'m> {
    /// `n`: the client has none.
    None,
    /// `y`: the client has it and believes that the server does not.
    Unoffered,
    /// `p=type`: in use, of that type.
    Used(&'m str),
}

/// A gs2 header, taken apart.
#[derive(Debug)]
pub(super) struct Header<'m> {
    pub(super) flag: Flag<'m>,
    /// The authorization identity, unescaped.
    pub(super) authzid: Option<String>,
    /// The header's octets with its last comma.
    #[cfg_attr(not(feature = "scram"), allow(dead_code, reason = "SCRAM reads it"))]
    pub(super) text: &'m str,
}

impl<'m> Header<'m> {
    /// Reads the header and returns what follows it.
    pub(super) fn parse(message: &'m str) -> Option<(Self, &'m str)> {
        let (flag, rest) = message.split_once(',')?;
        let (authzid, rest) = rest.split_once(',')?;
        let flag = match flag {
            "n" => Flag::None,
            "y" => Flag::Unoffered,
            _ => Flag::Used(flag.strip_prefix("p=").filter(|kind| is_binding_name(kind))?),
        };
        let authzid = match authzid {
            "" => None,
            _ => Some(unescape(authzid.strip_prefix("a=")?)?),
        };
        let text = &message[..message.len() - rest.len()];
        Some((Self { flag, authzid, text }, rest))
    }
}

/// `cb-name = 1*(ALPHA / DIGIT / "." / "-")` (RFC 5801 §4).
fn is_binding_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
}

/// Writes "," as `=2C` and "=" as `=3D` (RFC 5802 §5.1).
pub(super) fn escape(name: &str, out: &mut String) {
    for letter in name.chars() {
        match letter {
            ',' => out.push_str("=2C"),
            '=' => out.push_str("=3D"),
            _ => out.push(letter),
        }
    }
}

/// Undoes [`escape`]; `None` for no name, for NUL and for any other use of "=" (RFC 5802 §5.1).
pub(super) fn unescape(name: &str) -> Option<String> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    let mut parts = name.split('=');
    let mut out = String::with_capacity(name.len());
    out.push_str(parts.next()?);
    for part in parts {
        let (letter, rest) = match part.as_bytes() {
            [b'2', b'C', ..] => (',', &part[2..]),
            [b'3', b'D', ..] => ('=', &part[2..]),
            _ => return None,
        };
        out.push(letter);
        out.push_str(rest);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: &[(&str, Option<&str>, &str)] = &[
        ("user", Some("user"), "nothing to escape"),
        ("a=2Cb=3Dc", Some("a,b=c"), "both escapes"),
        ("=3D=3D", Some("=="), "escapes side by side"),
        ("=3D2C", Some("=2C"), "unescaped once only"),
        ("", None, "no name"),
        ("a=b", None, "a bare ="),
        ("ab=", None, "= at the end"),
        ("a=2", None, "half an escape"),
        ("a=2Db", None, "another octet"),
        ("a=2cb", None, "RFC 5802 §5.1 spells them in upper case"),
        ("a\0b", None, "NUL"),
    ];

    #[test]
    fn only_comma_and_equals_are_escaped() {
        for &(text, name, why) in NAMES {
            assert_eq!(unescape(text).as_deref(), name, "{text:?}: {why}");
        }
    }

    /// Flag, identity and what follows.
    type Parts = Option<(Flag<'static>, Option<&'static str>, &'static str)>;

    const HEADERS: &[(&str, Parts, &str)] = &[
        ("n,,n=u", Some((Flag::None, None, "n=u")), "the plainest"),
        ("y,,", Some((Flag::Unoffered, None, "")), "nothing behind it"),
        ("p=tls-exporter,a=x,r", Some((Flag::Used("tls-exporter"), Some("x"), "r")), "all of it"),
        ("n,a=u=2C=3Dx,", Some((Flag::None, Some("u,=x"), "")), "an escaped identity"),
        ("n=u,r=x", None, "none at all"),
        ("n,n=u,r=x", None, "one comma"),
        ("N,,n=u", None, "upper case"),
        ("z,,n=u", None, "another letter"),
        ("p=,,n=u", None, "no type"),
        ("p=a_b,,n=u", None, "a type has no underscore"),
        ("n,a=,n=u", None, "an empty identity after a="),
        ("n,a=x=2D,n=u", None, "a bad escape"),
        ("n,x,n=u", None, "something else in the identity's place"),
    ];

    #[test]
    fn a_header_has_a_flag_and_perhaps_an_identity() {
        for &(text, expected, why) in HEADERS {
            let parsed = Header::parse(text);
            let found = parsed.as_ref().map(|(header, rest)| (header.flag, header.authzid.as_deref(), *rest));
            assert_eq!(found, expected, "{text:?}: {why}");
            if let Some((header, rest)) = parsed {
                assert_eq!([header.text, rest].concat(), text);
            }
        }
    }

    proptest! {
        #[test]
        fn an_escaped_name_reads_the_same(name in "[^\0]{1,20}") {
            let mut escaped = String::new();
            escape(&name, &mut escaped);
            prop_assert!(!escaped.contains(','));
            prop_assert_eq!(unescape(&escaped), Some(name));
        }
    }
}
