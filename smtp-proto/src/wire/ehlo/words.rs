//! The lines of an EHLO response, word by word.

use core::iter::FusedIterator;

use super::Keyword;
use crate::limits::MECHANISMS;
use crate::sasl::Mechanism;
use crate::wire::reply::RawLines;

/// Where the word in front of `text` ends: before SP, HT or the end.
pub(super) fn word_end(text: &[u8]) -> usize {
    text.iter().position(|octet| matches!(octet, b' ' | b'\t')).unwrap_or(text.len())
}

/// One line that offers something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'b> {
    name: &'b [u8],
    params: &'b [u8],
}

impl<'b> Extension<'b> {
    /// Reads a line; `None` for one without a word.
    pub(super) fn read(line: &'b [u8]) -> Option<Self> {
        let mut words = Params::of(line);
        let name = words.next()?;
        Some(Self { name, params: words.rest })
    }

    /// The keyword as it was written. It may hold octets that RFC 5321 does not let into keywords.
    #[must_use]
    pub const fn name(&self) -> &'b [u8] {
        self.name
    }

    /// The keyword, if it is a known one.
    #[must_use]
    pub fn keyword(&self) -> Option<Keyword> {
        Keyword::parse(self.name)
    }

    /// The parameters as they were written.
    #[must_use]
    pub const fn params(&self) -> Params<'b> {
        Params::of(self.params)
    }

    /// The first mechanism of an `AUTH=` line; `None` for any other line.
    pub(super) fn auth_equals(&self) -> Option<&'b [u8]> {
        let (auth, mechanism) = self.name.split_at_checked(b"AUTH=".len())?;
        auth.eq_ignore_ascii_case(b"AUTH=").then_some(mechanism)
    }
}

/// Words with SP or HT between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'b> {
    rest: &'b [u8],
}

impl<'b> Params<'b> {
    #[inline]
    pub(super) const fn of(text: &'b [u8]) -> Self {
        Self { rest: text }
    }
}

impl<'b> Iterator for Params<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            let (word, rest) = self.rest.split_at(word_end(self.rest));
            self.rest = rest.get(1..).unwrap_or_default();
            if !word.is_empty() {
                return Some(word);
            }
            if rest.is_empty() {
                return None;
            }
        }
    }
}

impl FusedIterator for Params<'_> {}

/// The extensions of a response, without its first line.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionLines<'b> {
    lines: RawLines<'b>,
}

impl<'b> ExtensionLines<'b> {
    pub(super) fn of(mut lines: RawLines<'b>) -> Self {
        lines.next();
        Self { lines }
    }
}

impl<'b> Iterator for ExtensionLines<'b> {
    type Item = Extension<'b>;

    fn next(&mut self) -> Option<Extension<'b>> {
        self.lines.find_map(Extension::read)
    }
}

impl FusedIterator for ExtensionLines<'_> {}

/// The mechanisms of all AUTH lines, each once, in order; words that are no mechanism names are left out, and what
/// stands behind the first [`MECHANISMS`] words.
#[derive(Clone, Debug)]
pub struct Mechanisms<'b> {
    words: AuthWords<'b>,
    all: AuthWords<'b>,
    /// How many words were taken.
    taken: usize,
    /// One bit for each word taken, by a hash of it: looking back is only for words whose bit is there.
    seen: u64,
}

impl<'b> Mechanisms<'b> {
    /// The mechanisms that `lines` name; those of `AUTH=` lines only where `equals` says so.
    pub(super) fn of(lines: ExtensionLines<'b>, equals: bool) -> Self {
        let mut words = AuthWords { lines: Some(lines), equals, glued: None, params: Params::default() };
        // So that looking back need not pass the lines before the first of AUTH again.
        words.next_line();
        Self { words, all: words, taken: 0, seen: 0 }
    }

    /// Those of the only AUTH line.
    pub(super) const fn only(params: Params<'b>) -> Self {
        let words = AuthWords { lines: None, equals: false, glued: None, params };
        Self { words, all: words, taken: 0, seen: 0 }
    }
}

impl Iterator for Mechanisms<'_> {
    type Item = Mechanism;

    fn next(&mut self) -> Option<Mechanism> {
        while self.taken < MECHANISMS {
            let word = self.words.next()?;
            let before = self.taken;
            self.taken += 1;
            let Some(mechanism) = Mechanism::parse(word) else { continue };
            let bit = 1 << (hash(word) % 64);
            let is_new =
                self.seen & bit == 0 || !self.all.take(before).any(|other| other.eq_ignore_ascii_case(word));
            self.seen |= bit;
            if is_new {
                return Some(mechanism);
            }
        }
        None
    }
}

/// The same for words that differ in case only.
fn hash(word: &[u8]) -> usize {
    let folded = |octet: Option<&u8>| octet.map_or(0, |octet| usize::from(octet & 0xDF));
    word.len() + 5 * folded(word.first()) + 3 * folded(word.last())
}

impl FusedIterator for Mechanisms<'_> {}

/// The words behind AUTH, of all lines.
#[derive(Clone, Copy, Debug)]
struct AuthWords<'b> {
    lines: Option<ExtensionLines<'b>>,
    equals: bool,
    /// What stands behind `AUTH=`.
    glued: Option<&'b [u8]>,
    params: Params<'b>,
}

impl<'b> AuthWords<'b> {
    /// Goes on to the words of the next line; `None` behind the last one.
    fn next_line(&mut self) -> Option<()> {
        let equals = self.equals;
        let (glued, params) = self.lines.as_mut()?.find_map(|line| {
            if line.keyword() == Some(Keyword::Auth) {
                return Some((None, line.params()));
            }
            let glued = line.auth_equals().filter(|_| equals)?;
            Some((Some(glued), line.params()))
        })?;
        (self.glued, self.params) = (glued, params);
        Some(())
    }
}

impl<'b> Iterator for AuthWords<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            if let Some(word) = self.glued.take().or_else(|| self.params.next()) {
                return Some(word);
            }
            self.next_line()?;
        }
    }
}
