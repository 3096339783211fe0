//! What the lines of an EHLO response add up to.

use super::keyword::{Keyword, KeywordSet};
use super::limits::Limits;
use super::words::{Extension, ExtensionLines, Params};
use crate::wire::leniency::{Deviations, Leniency};
use crate::wire::reply::plain::PlainLine;
use crate::wire::sweep::Words;
use crate::wire::values::number;

/// The size limit that a server announces (RFC 1870 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// No limit is stated: no number, 0, or one over 64 bits.
    NoLimit,
    /// Octets of the largest message; not 0.
    Octets(u64),
}

impl Size {
    fn read(mut params: Params<'_>) -> Option<Self> {
        let Some(digits) = params.next() else { return Some(Self::NoLimit) };
        match number(digits, 20) {
            Some(0) => Some(Self::NoLimit),
            Some(octets) => Some(Self::Octets(octets)),
            // 20 digits may be more than 64 bits hold.
            None if digits.len() == 20 && digits.iter().all(u8::is_ascii_digit) => Some(Self::NoLimit),
            None => None,
        }
    }
}

/// What is asked of a response again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) keywords: KeywordSet,
    pub(super) size: Option<Size>,
    pub(super) limits: Limits,
    pub(super) deviations: Deviations,
}

impl Offer {
    pub(super) const NOTHING: Self =
        Self { keywords: KeywordSet::EMPTY, size: None, limits: Limits::NONE, deviations: Deviations::NONE };

    pub(super) fn read(lines: ExtensionLines<'_>, leniency: Leniency) -> Self {
        let mut offer = Self::NOTHING;
        for extension in lines {
            offer.add_extension(extension, leniency);
        }
        offer
    }

    /// Adds a line on the plain way, and says what it was if it was a known keyword.
    #[inline(always)]
    pub(super) fn add_line<'b>(
        &mut self,
        words: Words<'b>,
        line: PlainLine<'b>,
        leniency: Leniency,
    ) -> Option<(Keyword, Params<'b>)> {
        let Some((keyword, len)) = Keyword::at(words, line) else {
            return self.add_odd_line(line.text, leniency);
        };
        let params = Params::of(line.text.get(len..).unwrap_or_default());
        self.add(keyword, params);
        Some((keyword, params))
    }

    #[cold]
    fn add_odd_line<'b>(&mut self, line: &'b [u8], leniency: Leniency) -> Option<(Keyword, Params<'b>)> {
        self.add_extension(Extension::read(line)?, leniency)
    }

    fn add_extension<'b>(
        &mut self,
        extension: Extension<'b>,
        leniency: Leniency,
    ) -> Option<(Keyword, Params<'b>)> {
        if let Some(keyword) = extension.keyword() {
            self.add(keyword, extension.params());
            return Some((keyword, extension.params()));
        }
        if extension.auth_equals().is_some() && leniency.allows(Leniency::EHLO_AUTH_EQUALS) {
            self.keywords = self.keywords.with(Keyword::Auth);
            self.deviations = self.deviations.with(Leniency::EHLO_AUTH_EQUALS.into());
        }
        None
    }

    #[inline(always)]
    fn add(&mut self, keyword: Keyword, params: Params<'_>) {
        self.keywords = self.keywords.with(keyword);
        match keyword {
            Keyword::Size => self.size = self.size.or_else(|| Size::read(params)),
            Keyword::Limits => self.limits.add(params),
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, keyword: Keyword) {
        self.keywords = self.keywords.without(keyword);
        match keyword {
            Keyword::Size => self.size = None,
            Keyword::Limits => self.limits = Limits::NONE,
            _ => {}
        }
    }
}
