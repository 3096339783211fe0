//! Verbs.

use core::fmt;

use super::class::{LDH, LET_DIG, all, is, key};

/// Which command a line is, whatever its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Verb {
    /// RFC 5321 §4.1.1.1.
    Helo,
    /// RFC 5321 §4.1.1.1.
    Ehlo,
    /// RFC 2033 §4.1.
    Lhlo,
    /// RFC 5321 §4.1.1.2.
    Mail,
    /// RFC 5321 §4.1.1.3.
    Rcpt,
    /// RFC 5321 §4.1.1.4.
    Data,
    /// RFC 3030 §2.
    Bdat,
    /// RFC 5321 §4.1.1.5.
    Rset,
    /// RFC 5321 §4.1.1.9.
    Noop,
    /// RFC 5321 §4.1.1.10.
    Quit,
    /// RFC 5321 §4.1.1.6.
    Vrfy,
    /// RFC 5321 §4.1.1.7.
    Expn,
    /// RFC 5321 §4.1.1.8.
    Help,
    /// RFC 3207 §4.
    StartTls,
    /// RFC 4954 §4.
    Auth,
    /// RFC 1985 §5.
    Etrn,
    /// RFC 2645 §5.2.1.
    Atrn,
    /// RFC 4468 §3.
    Burl,
    /// Postfix's XCLIENT.
    Xclient,
    /// Postfix's XFORWARD.
    Xforward,
    /// Anything else.
    Unknown,
}

impl Verb {
    /// Every verb, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::Helo,
        Self::Ehlo,
        Self::Lhlo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Bdat,
        Self::Rset,
        Self::Noop,
        Self::Quit,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
        Self::StartTls,
        Self::Auth,
        Self::Etrn,
        Self::Atrn,
        Self::Burl,
        Self::Xclient,
        Self::Xforward,
        Self::Unknown,
    ];

    /// The verb in upper case; "?" for an unknown one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Helo => "HELO",
            Self::Ehlo => "EHLO",
            Self::Lhlo => "LHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Etrn => "ETRN",
            Self::Atrn => "ATRN",
            Self::Burl => "BURL",
            Self::Xclient => "XCLIENT",
            Self::Xforward => "XFORWARD",
            Self::Unknown => "?",
        }
    }

    /// The verb of a line, with or without its CR LF, whatever is wrong with its arguments.
    ///
    /// The first word, up to SP or the end of the line, is compared without case. A line that begins with no
    /// verb at all is [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let end = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t' | b'\r' | b'\n'));
        let line = line.get(..end.map_or(0, |last| last + 1)).unwrap_or_default();
        Self::of_word(line.split(|&octet| octet == b' ').next().unwrap_or_default())
    }

    /// The verb that is exactly `word`, compared without case.
    pub(crate) fn of_word(word: &[u8]) -> Self {
        const KEYS: [u128; Verb::ALL.len() - 1] = {
            let mut keys = [0; Verb::ALL.len() - 1];
            let mut i = 0;
            while i < keys.len() {
                keys[i] = key(Verb::ALL[i].name().as_bytes());
                i += 1;
            }
            keys
        };
        let key = key(word);
        KEYS.iter().position(|known| *known == key).map_or(Self::Unknown, |number| Self::ALL[number])
    }
}

/// Whether `word` can be a verb: letters, digits and "-", the first no "-".
pub(crate) fn is_word(word: &[u8]) -> bool {
    word.first().is_some_and(|&octet| is(octet, LET_DIG)) && all(word, LDH)
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_is_found_by_its_name_in_any_case() {
        for (number, verb) in Verb::ALL.into_iter().enumerate() {
            assert_eq!(verb as usize, number);
            assert_eq!(Verb::of(verb.name().as_bytes()), verb);
            assert_eq!(Verb::of(verb.name().to_ascii_lowercase().as_bytes()), verb);
        }
    }

    #[test]
    fn the_verb_is_found_whatever_follows_it() {
        for (line, verb, why) in [
            (&b"MAIL FROM:garbage\r\n"[..], Verb::Mail, "arguments are not looked at"),
            (b"quit\r\n", Verb::Quit, "the line's end is no part of it"),
            (b"DATA \t\r\n", Verb::Data, "nor is white space before it"),
            (b"DATA\tx", Verb::Unknown, "a tab does not end a verb"),
            (b"MAI\0", Verb::Unknown, "NUL is no filler"),
            (b"XCLIENT\0", Verb::Unknown, "NUL is no filler"),
            (b"STARTTLSX", Verb::Unknown, "one letter too many"),
            (b"", Verb::Unknown, "nothing"),
            (b"M\xC1IL", Verb::Unknown, "octets above ASCII do not fold"),
        ] {
            assert_eq!(Verb::of(line), verb, "{why}");
        }
    }
}
