//! A line of a transcript: what is not printable, what is secret.

use core::fmt::{self, Write};

use crate::sasl::Mechanism;

/// Behind AUTH these names are shown; any other word there may be a password in the wrong place.
const SHOWN: [Mechanism; 11] = [
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::SCRAM_SHA_1,
    Mechanism::SCRAM_SHA_1_PLUS,
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_256_PLUS,
    Mechanism::XOAUTH2,
    Mechanism::OAUTHBEARER,
    Mechanism::EXTERNAL,
    Mechanism::ANONYMOUS,
];

/// A whole line of a transcript, by no more calls than needed: many are written, few are read.
pub(super) fn write_line(
    sink: &mut impl Write,
    mark: &str,
    text: &[u8],
    shown: bool,
    goes_on: bool,
) -> fmt::Result {
    sink.write_str(mark)?;
    match shown {
        true => write_escaped(sink, text)?,
        false => write!(sink, "{}", Redacted { text, goes_on })?,
    }
    sink.write_str("\n")
}

const fn is_plain(octet: u8) -> bool {
    matches!(octet, b' '..=b'[' | b']'..=b'~')
}

/// How many octets stand as they are; by blocks without a branch, which become vector instructions.
fn plain_run(octets: &[u8]) -> usize {
    let blocks = octets.chunks_exact(16);
    let whole =
        blocks.take_while(|block| block.iter().fold(true, |all, &one| all & is_plain(one))).count() * 16;
    whole + octets[whole..].iter().take_while(|&&octet| is_plain(octet)).count()
}

fn write_escaped(f: &mut impl Write, octets: &[u8]) -> fmt::Result {
    let mut left = octets;
    loop {
        let (run, rest) = left.split_at(plain_run(left));
        // INVARIANT: it is ASCII. Runs, not octets: a sink may do much for each call.
        f.write_str(core::str::from_utf8(run).unwrap_or_default())?;
        let Some((&octet, rest)) = rest.split_first() else { return Ok(()) };
        match octet {
            b'\r' => f.write_str("\\r")?,
            b'\n' => f.write_str("\\n")?,
            b'\t' => f.write_str("\\t")?,
            b'\\' => f.write_str("\\\\")?,
            _ => write!(f, "\\x{octet:02x}")?,
        }
        left = rest;
    }
}

pub(super) fn is_auth(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"))
}

/// Octets as a transcript has them.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0)
    }
}

/// A secret line, or the AUTH line that begins an exchange.
struct Redacted<'a> {
    text: &'a [u8],
    goes_on: bool,
}

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.text;
        if !self.goes_on && left == b"*" {
            return f.write_str("*");
        }
        if !self.goes_on && is_auth(left) {
            let (words, rest) = auth_words(left);
            write!(f, "{}", Escaped(words))?;
            left = rest;
        }
        if left.is_empty() { Ok(()) } else { write!(f, "<redacted {} octets>", left.len()) }
    }
}

/// Parts an AUTH line behind its mechanism, if it is one we know, else behind AUTH.
fn auth_words(line: &[u8]) -> (&[u8], &[u8]) {
    let verb = line.len() - line.trim_ascii_start().len() + 4;
    let blank = |from: usize| line[from..].len() - line[from..].trim_ascii_start().len();
    let name = verb + blank(verb);
    let end = line[name..].iter().position(u8::is_ascii_whitespace).map_or(line.len(), |at| name + at);
    let shown = name > verb && Mechanism::parse(&line[name..end]).is_some_and(|name| SHOWN.contains(&name));
    line.split_at(if shown { end + blank(end) } else { name })
}
