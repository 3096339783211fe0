//! Writing the answer to EHLO.

use bytes::{BufMut, BytesMut};

use super::{Keyword, Limits};
use crate::limits::REPLY_LINE_WRITTEN;
use crate::sasl::Mechanism;
use crate::wire::number::put_number;

/// One line of an EHLO response.
///
/// Values that the grammar can't carry are left out, never written: a parameter that is empty or holds anything but
/// printable ASCII without SP, and what would make the line longer than 512 octets (RFC 5321 §4.5.3.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability<'a> {
    /// A keyword without parameters.
    Flag(Keyword),
    /// The largest message in octets; `None` and 0 state no limit (RFC 1870 §4).
    Size(Option<u64>),
    /// Mechanisms, best first (RFC 4954 §3).
    Auth(&'a [Mechanism]),
    /// Limits of a session and a transaction (RFC 9422).
    Limits(Limits),
    /// The shortest time in seconds that BY may ask for (RFC 2852 §2).
    DeliverBy(Option<u32>),
    /// The longest hold, in seconds and as a date-time (RFC 4865 §3).
    FutureRelease {
        /// Seconds, at most nine digits.
        max_interval: u32,
        /// RFC 3339 date-time.
        max_datetime: &'a str,
    },
    /// The name of the priority profile (RFC 6710 §3).
    MtPriority(Option<&'a str>),
    /// Classes that are not wanted, joined by commas (RFC 3865 §2.1).
    NoSoliciting(&'a [&'a str]),
    /// What BURL may point to (RFC 4468 §3.2).
    Burl(&'a [&'a str]),
    /// Attributes that XCLIENT may set.
    Xclient(&'a [&'a str]),
    /// Attributes that XFORWARD may set.
    Xforward(&'a [&'a str]),
    /// A keyword that is not in the table; one that is no keyword is left out with its line.
    Other {
        /// Letters, digits and "-", a letter or digit first.
        keyword: &'a str,
        /// Its parameters.
        params: &'a [&'a str],
    },
}

impl From<Keyword> for Capability<'_> {
    fn from(keyword: Keyword) -> Self {
        Self::Flag(keyword)
    }
}

impl Capability<'_> {
    /// The keyword of the line; `None` for one that is not in the table.
    #[must_use]
    pub const fn keyword(&self) -> Option<Keyword> {
        Some(match self {
            Self::Flag(keyword) => *keyword,
            Self::Size(_) => Keyword::Size,
            Self::Auth(_) => Keyword::Auth,
            Self::Limits(_) => Keyword::Limits,
            Self::DeliverBy(_) => Keyword::DeliverBy,
            Self::FutureRelease { .. } => Keyword::FutureRelease,
            Self::MtPriority(_) => Keyword::MtPriority,
            Self::NoSoliciting(_) => Keyword::NoSoliciting,
            Self::Burl(_) => Keyword::Burl,
            Self::Xclient(_) => Keyword::Xclient,
            Self::Xforward(_) => Keyword::Xforward,
            Self::Other { .. } => return None,
        })
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Other { keyword, .. } => is_keyword(keyword.as_bytes()).then_some(*keyword),
            known => known.keyword().map(Keyword::as_str),
        }
    }

    fn write_params(&self, line: &mut Line<'_>) {
        match *self {
            Self::Flag(_) => {}
            Self::Size(octets) => octets.into_iter().for_each(|n| line.number("", n)),
            Self::Auth(mechanisms) => mechanisms.iter().for_each(|name| line.param(name.as_str())),
            Self::Limits(limits) => {
                for (name, n) in limits.items() {
                    line.number(name, u64::from(n));
                }
            }
            Self::DeliverBy(seconds) => {
                seconds.into_iter().for_each(|n| line.number("", u64::from(n.min(999_999_999))));
            }
            Self::FutureRelease { max_interval, max_datetime } => {
                line.number("", u64::from(max_interval.min(999_999_999)));
                line.param(max_datetime);
            }
            Self::MtPriority(profile) => profile.into_iter().for_each(|name| line.param(name)),
            Self::NoSoliciting(classes) => line.list(classes),
            Self::Burl(words) | Self::Xclient(words) | Self::Xforward(words) => {
                words.iter().for_each(|word| line.param(word));
            }
            Self::Other { params, .. } => params.iter().for_each(|param| line.param(param)),
        }
    }
}

/// Appends the positive answer to EHLO or LHLO: `host` and `greeting` on the first line, then one line a capability.
///
/// No octet of an argument can end a line: what does not belong into the host name is written as "?", what does not
/// belong into the greeting as `\xNN`; [`Capability`] says what becomes of the rest. Enhanced codes never stand in
/// this answer (RFC 2034 §3).
pub fn write_ehlo<'a>(
    out: &mut BytesMut,
    host: &str,
    greeting: &str,
    capabilities: impl IntoIterator<Item = Capability<'a>>,
) {
    let mut last = write_first(out, host, greeting);
    for capability in capabilities {
        let Some(name) = capability.name() else { continue };
        last = out.len();
        let mut line = Line::begin(out);
        line.put(name.as_bytes());
        capability.write_params(&mut line);
        line.end();
    }
    out[last + 3] = b' ';
}

/// Writes the line with the host and returns where it begins.
fn write_first(out: &mut BytesMut, host: &str, greeting: &str) -> usize {
    let begin = out.len();
    let mut line = Line::begin(out);
    for &octet in host.as_bytes() {
        line.put(if octet.is_ascii_graphic() { core::slice::from_ref(&octet) } else { b"?" });
    }
    if !greeting.is_empty() {
        line.put(b" ");
        for &octet in greeting.as_bytes() {
            crate::wire::reply::escape(octet, |escaped| {
                line.put(escaped);
            });
        }
    }
    line.end();
    begin
}

/// A line that is being written and keeps to its length.
struct Line<'o> {
    out: &'o mut BytesMut,
    room: usize,
}

impl<'o> Line<'o> {
    fn begin(out: &'o mut BytesMut) -> Self {
        out.put_slice(b"250-");
        Self { out, room: REPLY_LINE_WRITTEN - 6 }
    }

    /// Writes all of `octets`, or nothing and from then on nothing.
    fn put(&mut self, octets: &[u8]) {
        match self.room.checked_sub(octets.len()) {
            Some(room) => {
                self.room = room;
                self.out.put_slice(octets);
            }
            None => self.room = 0,
        }
    }

    fn param(&mut self, param: &str) {
        if self.room > param.len() && is_param(param.as_bytes()) {
            self.put(b" ");
            self.put(param.as_bytes());
        }
    }

    /// A parameter of `name` and a number.
    fn number(&mut self, name: &str, n: u64) {
        self.put(b" ");
        self.put(name.as_bytes());
        let before = self.out.len();
        put_number(self.out, n);
        self.room = self.room.saturating_sub(self.out.len() - before);
    }

    /// One parameter of many values, joined by commas.
    fn list(&mut self, values: &[&str]) {
        let mut separator = b" ";
        for value in values.iter().filter(|value| is_param(value.as_bytes()) && !value.contains(',')) {
            if self.room > value.len() {
                self.put(separator);
                self.put(value.as_bytes());
                separator = b",";
            }
        }
    }

    fn end(self) {
        self.out.put_slice(b"\r\n");
    }
}

/// RFC 5321 §4.1.1.1: `ehlo-param`.
fn is_param(param: &[u8]) -> bool {
    !param.is_empty() && param.iter().all(u8::is_ascii_graphic)
}

/// RFC 5321 §4.1.1.1: `ehlo-keyword`.
fn is_keyword(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_alphanumeric)
        && word.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn written(host: &str, greeting: &str, capabilities: &[Capability<'_>]) -> String {
        let mut out = BytesMut::new();
        write_ehlo(&mut out, host, greeting, capabilities.iter().copied());
        String::from_utf8(out.to_vec()).expect("only ASCII is written")
    }

    #[test]
    fn each_capability_is_one_line_and_the_last_has_a_space() {
        let mechanisms = [Mechanism::SCRAM_SHA_256, Mechanism::PLAIN];
        let lines = written(
            "mx.example.com",
            "at your service",
            &[
                Keyword::Pipelining.into(),
                Capability::Size(Some(52_428_800)),
                Capability::Auth(&mechanisms),
                Capability::Limits(Limits::NONE.with_rcpt_max(1000).with_mail_max(50)),
                Capability::DeliverBy(Some(240)),
                Capability::DeliverBy(None),
                Capability::FutureRelease { max_interval: 86_400, max_datetime: "2030-01-01T00:00:00Z" },
                Capability::MtPriority(Some("MIXER")),
                Capability::NoSoliciting(&["net.example:ADV", "org.example:ADV:ADLT"]),
                Capability::NoSoliciting(&[]),
                Capability::Burl(&["imap", "imap://imap.example.org"]),
                Capability::Xclient(&["NAME", "ADDR"]),
                Capability::Other { keyword: "X-FOO", params: &["bar=baz"] },
                Capability::Size(None),
            ],
        );
        assert_eq!(
            lines,
            "250-mx.example.com at your service\r\n\
             250-PIPELINING\r\n\
             250-SIZE 52428800\r\n\
             250-AUTH SCRAM-SHA-256 PLAIN\r\n\
             250-LIMITS RCPTMAX=1000 MAILMAX=50\r\n\
             250-DELIVERBY 240\r\n\
             250-DELIVERBY\r\n\
             250-FUTURERELEASE 86400 2030-01-01T00:00:00Z\r\n\
             250-MT-PRIORITY MIXER\r\n\
             250-NO-SOLICITING net.example:ADV,org.example:ADV:ADLT\r\n\
             250-NO-SOLICITING\r\n\
             250-BURL imap imap://imap.example.org\r\n\
             250-XCLIENT NAME ADDR\r\n\
             250-X-FOO bar=baz\r\n\
             250 SIZE\r\n"
        );
    }

    #[test]
    fn without_capabilities_the_first_line_is_the_last() {
        assert_eq!(written("mx.example.com", "", &[]), "250 mx.example.com\r\n");
    }

    #[test]
    fn no_argument_can_end_a_line() {
        let lines = written(
            "mx\r\n250 x",
            "a\r\nb\u{e9}\0",
            &[
                Capability::Burl(&["imap\r\n", "", "a b", "imap"]),
                Capability::Other { keyword: "X\r\nY", params: &[] },
                Capability::Other { keyword: "", params: &["a"] },
                Capability::MtPriority(Some("\n")),
            ],
        );
        assert_eq!(
            lines,
            "250-mx??250?x a\\x0D\\x0Ab\\xC3\\xA9\\x00\r\n250-BURL imap\r\n250 MT-PRIORITY\r\n"
        );
    }

    #[test]
    fn no_line_is_longer_than_512_octets() {
        let long = "x".repeat(600);
        let many: Vec<Mechanism> = (0..60u8)
            .filter_map(|n| {
                Mechanism::parse(&[
                    b'M',
                    b'E',
                    b'C',
                    b'H',
                    b'A',
                    b'N',
                    b'I',
                    b'S',
                    b'M',
                    b'-',
                    b'0' + n / 10,
                    b'0' + n % 10,
                ])
            })
            .collect();
        let lines = written(
            &long,
            &long,
            &[
                Capability::Auth(&many),
                Capability::Burl(&[&long, "imap"]),
                Capability::NoSoliciting(&[&long, "a:b"]),
            ],
        );
        for line in lines.split_inclusive("\r\n") {
            assert!(line.len() <= REPLY_LINE_WRITTEN, "{line}");
        }
        assert!(lines.contains("250-BURL imap\r\n250 NO-SOLICITING a:b\r\n"), "{lines}");
    }
}
