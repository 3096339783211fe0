//! The headers a server writes above a message: `Return-Path` and `Received` (RFC 5321 §4.4).
//!
//! The peer chooses its EHLO name and the sender, so nothing of either is written that could end a line, open a
//! comment or start another field.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::ZonedDateTime;

/// Longest EHLO name that is written, in octets: that of a domain (RFC 5321 §4.5.3.1.2).
const NAME: usize = 255;

/// What a `Received` field tells.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// The name given with EHLO or HELO, as it came.
    pub(crate) hello: &'a [u8],
    /// Where the client connected from; `None` where there is no such thing, as on a pipe.
    pub(crate) address: Option<IpAddr>,
    /// Our own name.
    pub(crate) by: &'a str,
    /// How it came: `SMTP`, `ESMTP`, … (RFC 3848).
    pub(crate) with: &'a str,
    pub(crate) id: &'a str,
    /// The recipient as it was given in RCPT. Only where there was one: with several, each would learn of the
    /// others (RFC 5321 §7.2).
    pub(crate) recipient: Option<&'a str>,
    pub(crate) date: &'a ZonedDateTime,
}

/// The two fields, `Return-Path` first, in wire form. `reverse_path` comes without its brackets.
pub(crate) fn headers(reverse_path: &str, received: &Received<'_>) -> String {
    let mut text = String::with_capacity(512);
    text.push_str("Return-Path: <");
    path(&mut text, reverse_path);
    text.push_str(">\r\nReceived: from ");
    name(&mut text, received.hello);
    if let Some(address) = received.address {
        text.push_str(" (");
        literal(&mut text, address);
        text.push(')');
    }
    // INVARIANT: writing to a String does not fail.
    let _ = write!(text, "\r\n\tby {} with {} id {}", received.by, received.with, received.id);
    if let Some(recipient) = received.recipient {
        text.push_str("\r\n\tfor <");
        path(&mut text, recipient);
        text.push('>');
    }
    let _ = write!(text, ";\r\n\t{}\r\n", date(received.date));
    text
}

/// A date as headers have it: `Tue, 05 May 2026 09:03:01 +0200` (RFC 5322 §3.3).
pub(crate) fn date(date: &ZonedDateTime) -> impl std::fmt::Display + use<'_> {
    date.strftime("%a, %d %b %Y %H:%M:%S %z")
}

/// A path is checked grammar already; should a control octet ever come this far, it stops here.
fn path(text: &mut String, path: &str) {
    text.extend(path.chars().map(|c| if c.is_control() { '?' } else { c }));
}

/// An EHLO name with everything that does not belong into a domain or address literal in xtext (RFC 3461 §4):
/// `+` and two hexadecimal digits.
fn name(text: &mut String, name: &[u8]) {
    if name.is_empty() {
        text.push_str("unknown");
    }
    for &octet in &name[..name.len().min(NAME)] {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']' => {
                text.push(octet.into());
            }
            _ => {
                let _ = write!(text, "+{octet:02X}");
            }
        }
    }
}

/// An address literal (RFC 5321 §4.1.3).
fn literal(text: &mut String, address: IpAddr) {
    let _ = match address.to_canonical() {
        IpAddr::V4(v4) => write!(text, "[{v4}]"),
        IpAddr::V6(v6) => write!(text, "[IPv6:{v6}]"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn morning() -> ZonedDateTime {
        "2026-05-05T09:03:01+02:00[+02:00]".parse().unwrap()
    }

    fn received<'a>(hello: &'a [u8], date: &'a ZonedDateTime) -> Received<'a> {
        let (address, by, with, id) = (Some([192, 0, 2, 7].into()), "mx.example.test", "ESMTP", "ID7");
        Received { hello, address, by, with, id, recipient: None, date }
    }

    #[test]
    fn one_recipient_is_named_and_several_are_not() {
        let date = morning();
        let mut one = received(b"client.example", &date);
        let several = headers("a@client.example", &one);
        one.recipient = Some("alice@example.test");
        let with_for = headers("a@client.example", &one);
        assert_eq!(
            with_for,
            "Return-Path: <a@client.example>\r\n\
             Received: from client.example ([192.0.2.7])\r\n\
             \tby mx.example.test with ESMTP id ID7\r\n\
             \tfor <alice@example.test>;\r\n\
             \tTue, 05 May 2026 09:03:01 +0200\r\n"
        );
        assert_eq!(several, with_for.replace("\r\n\tfor <alice@example.test>", ""));
    }

    #[test]
    fn the_null_sender_keeps_its_brackets() {
        assert!(headers("", &received(b"c", &morning())).starts_with("Return-Path: <>\r\n"));
    }

    #[test]
    fn a_date_is_written_as_rfc_5322_wants_it() {
        for (moment, want, why) in [
            ("2026-05-05T09:03:01+02:00[+02:00]", "Tue, 05 May 2026 09:03:01 +0200", "day of two digits"),
            ("2026-12-31T23:59:59-05:30[-05:30]", "Thu, 31 Dec 2026 23:59:59 -0530", "west, half an hour"),
            ("2026-02-28T00:00:00Z[UTC]", "Sat, 28 Feb 2026 00:00:00 +0000", "UTC is +0000, not a name"),
        ] {
            let moment: ZonedDateTime = moment.parse().unwrap();
            assert_eq!(date(&moment).to_string(), want, "{why}");
        }
    }

    #[test]
    fn nothing_of_an_ehlo_name_leaves_its_place() {
        let date = morning();
        for (name, want, why) in [
            (&b"client.example"[..], "client.example", "a domain stays"),
            (b"[192.0.2.9]", "[192.0.2.9]", "a literal stays"),
            (b"[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", "that of IPv6 too"),
            (b"my_host", "my_host", "underscores are common and harmless"),
            (b"a\r\nBcc: x", "a+0D+0ABcc:+20x", "a line end would start a header"),
            (b"a (b", "a+20+28b", "a parenthesis would open a comment"),
            (b"a+41", "a+2B41", "the escape itself is escaped"),
            (b"a;\"\\<>", "a+3B+22+5C+3C+3E", "marks with a meaning in headers"),
            (b"\xC3\xA4\0", "+C3+A4+00", "8-bit and NUL"),
            (b"", "unknown", "the field needs a name"),
        ] {
            let text = headers("", &received(name, &date));
            assert!(text.contains(&format!("from {want} ([192.0.2.7])\r\n")), "{why}: {text}");
        }
    }

    #[test]
    fn a_long_ehlo_name_is_cut() {
        let text = headers("", &received(&[b'a'; 4000], &morning()));
        assert!(text.lines().all(|line| line.len() < 300), "{text}");
    }

    #[test]
    fn addresses_are_written_as_literals() {
        let date = morning();
        for (address, want, why) in [
            ("::1", "[IPv6:::1]", "IPv6"),
            ("::ffff:192.0.2.1", "[192.0.2.1]", "IPv4 on a socket for both families"),
        ] {
            let mut from = received(b"c", &date);
            from.address = Some(address.parse().unwrap());
            assert!(headers("", &from).contains(&format!("({want})")), "{why}");
        }
    }

    #[test]
    fn control_characters_never_get_into_a_path() {
        let text = headers("a\r\nX: y@b", &received(b"c", &morning()));
        assert!(text.starts_with("Return-Path: <a??X: y@b>\r\n"), "{text}");
    }
}
