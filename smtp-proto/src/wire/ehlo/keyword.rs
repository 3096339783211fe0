//! The keywords of EHLO responses: one table for reading and for writing.

use core::fmt;

/// Longest keyword of the table, in words of eight octets.
const WORDS: usize = 3;

macro_rules! keywords {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A registered keyword of an EHLO response (RFC 5321 §4.1.1.1 and the IANA registry).
        ///
        /// Keywords are compared without case. One that is not here can still be read, as octets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Keyword {
            $($(#[$doc])* $variant,)*
        }

        impl Keyword {
            /// Every keyword, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The keyword as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The keyword whose first eight octets these are, folded.
            const fn by_first_word(word: u64) -> Option<Self> {
                Some(match word {
                    $(first::$variant => Self::$variant,)*
                    _ => return None,
                })
            }
        }

        /// The first eight octets of each keyword, as patterns.
        #[allow(non_upper_case_globals, reason = "each constant bears its variant's name")]
        mod first {
            $(pub(super) const $variant: u64 = super::fold($name.as_bytes())[0];)*
        }

        /// What follows the first eight octets of each keyword.
        const REST: &[[u64; WORDS - 1]] = &[$({
            let [_, second, third] = fold($name.as_bytes());
            [second, third]
        },)*];
    };
}

keywords! {
    /// RFC 6152.
    EightBitMime = "8BITMIME",
    /// On-demand relay, RFC 2645.
    Atrn = "ATRN",
    /// RFC 4954.
    Auth = "AUTH",
    /// RFC 3030; needs CHUNKING.
    BinaryMime = "BINARYMIME",
    /// RFC 4468.
    Burl = "BURL",
    /// RFC 1845.
    Checkpoint = "CHECKPOINT",
    /// BDAT, RFC 3030.
    Chunking = "CHUNKING",
    /// RFC 4141.
    Conneg = "CONNEG",
    /// RFC 4141.
    Conperm = "CONPERM",
    /// RFC 2852.
    DeliverBy = "DELIVERBY",
    /// RFC 3461.
    Dsn = "DSN",
    /// RFC 2034.
    EnhancedStatusCodes = "ENHANCEDSTATUSCODES",
    /// RFC 1985.
    Etrn = "ETRN",
    /// RFC 5321 §3.5.2.
    Expn = "EXPN",
    /// RFC 4865.
    FutureRelease = "FUTURERELEASE",
    /// RFC 5321 §4.1.1.8.
    Help = "HELP",
    /// RFC 9422.
    Limits = "LIMITS",
    /// RFC 6710.
    MtPriority = "MT-PRIORITY",
    /// RFC 3885.
    Mtrk = "MTRK",
    /// RFC 3865.
    NoSoliciting = "NO-SOLICITING",
    /// Registered without an RFC, historic.
    Onex = "ONEX",
    /// RFC 2920.
    Pipelining = "PIPELINING",
    /// RFC 8689; offered under TLS only.
    RequireTls = "REQUIRETLS",
    /// RFC 7293.
    Rrvs = "RRVS",
    /// RFC 821, historic.
    Saml = "SAML",
    /// RFC 821, historic.
    Send = "SEND",
    /// RFC 1870.
    Size = "SIZE",
    /// RFC 6531; needs 8BITMIME.
    SmtpUtf8 = "SMTPUTF8",
    /// RFC 821, historic.
    Soml = "SOML",
    /// RFC 3207; offered before TLS only.
    StartTls = "STARTTLS",
    /// RFC 4405, historic.
    Submitter = "SUBMITTER",
    /// RFC 821, historic.
    Turn = "TURN",
    /// Registered without an RFC, historic.
    Verb = "VERB",
    /// RFC 5321 §3.5.3.
    Vrfy = "VRFY",
    /// Attributes of the client that a trusted proxy speaks for; not registered, in wide use.
    Xclient = "XCLIENT",
    /// The same, for logging only; not registered, in wide use.
    Xforward = "XFORWARD",
}

impl Keyword {
    /// The keyword that `word` spells, in any case.
    #[must_use]
    pub const fn parse(word: &[u8]) -> Option<Self> {
        if word.len() > 8 * WORDS {
            return None;
        }
        let [first, second, third] = fold(word);
        let Some(keyword) = Self::by_first_word(first) else { return None };
        let rest = REST[keyword as usize];
        if rest[0] == second && rest[1] == third { Some(keyword) } else { None }
    }
}

impl Keyword {
    /// The keyword that stands in front of `rest`, and its length: what [`parse`](Self::parse) finds in the first word.
    ///
    /// An octet of at most SP must stand behind the word. Declines where fewer than eight octets are there, too.
    pub(super) fn at(rest: &[u8]) -> Option<(Self, usize)> {
        let word = u64::from_le_bytes(*rest.first_chunk()?);
        let end = first_up_to_space(word);
        let word = if end < 8 { word & ((1 << (8 * end)) - 1) } else { word };
        let keyword = Self::by_first_word(upper(word))?;
        let name = keyword.as_str().as_bytes();
        if end < 8 {
            return (name.len() == end).then_some((keyword, end));
        }
        let behind = rest.get(8..name.len())?;
        let ends = *rest.get(name.len())? <= b' ';
        (ends && behind.eq_ignore_ascii_case(&name[8..])).then_some((keyword, name.len()))
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// The offset of the first octet up to SP in the word, or 8.
const fn first_up_to_space(word: u64) -> usize {
    (word.wrapping_sub(0x21 * ONES) & !word & HIGH).trailing_zeros() as usize / 8
}

/// The word with its ASCII letters in upper case.
const fn upper(word: u64) -> u64 {
    let low = word & !HIGH;
    let from_a = low + (0x80 - b'a' as u64) * ONES;
    let beyond_z = low + (0x80 - b'z' as u64 - 1) * ONES;
    let lower = from_a & !beyond_z & !word & HIGH;
    word ^ (lower >> 2)
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The octets in upper case as words, filled up with NUL. No keyword holds NUL, so words tell lengths apart.
const fn fold(word: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let mut i = 0;
    while i < word.len() && i < 8 * WORDS {
        words[i / 8] |= (word[i].to_ascii_uppercase() as u64) << (8 * (i % 8));
        i += 1;
    }
    words
}

/// A set of keywords.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeywordSet(u64);

// A 65th keyword needs a wider set.
const _: () = assert!(Keyword::ALL.len() <= 64);

impl KeywordSet {
    /// No keyword.
    pub const EMPTY: Self = Self(0);

    /// The set with `keyword` in it.
    #[must_use]
    pub const fn with(self, keyword: Keyword) -> Self {
        Self(self.0 | 1 << keyword as u8)
    }

    /// The set without `keyword`.
    #[must_use]
    pub const fn without(self, keyword: Keyword) -> Self {
        Self(self.0 & !(1 << keyword as u8))
    }

    /// Whether `keyword` is in it.
    #[must_use]
    pub const fn contains(self, keyword: Keyword) -> bool {
        self.0 & 1 << keyword as u8 != 0
    }

    /// Whether no keyword is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many keywords are in it.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The keywords in it, in the order of [`Keyword::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Keyword> {
        Keyword::ALL.iter().copied().filter(move |&keyword| self.contains(keyword))
    }
}

impl FromIterator<Keyword> for KeywordSet {
    fn from_iter<I: IntoIterator<Item = Keyword>>(keywords: I) -> Self {
        keywords.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for KeywordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_reads_back_in_any_case() {
        for &keyword in Keyword::ALL {
            let name = keyword.as_str();
            assert_eq!(Keyword::parse(name.as_bytes()), Some(keyword), "{name}");
            assert_eq!(Keyword::parse(name.to_ascii_lowercase().as_bytes()), Some(keyword), "{name}");
        }
    }

    #[test]
    fn a_changed_octet_makes_another_keyword() {
        for &keyword in Keyword::ALL {
            let name = keyword.as_str().as_bytes();
            for at in 0..name.len() {
                for flip in [0x01, 0x40, 0x60, 0x80] {
                    let mut word = name.to_vec();
                    word[at] ^= flip;
                    assert_ne!(Keyword::parse(&word), Some(keyword), "{word:?}");
                }
            }
            let mut longer = name.to_vec();
            longer.push(b'S');
            assert_ne!(Keyword::parse(&longer), Some(keyword), "{longer:?}");
            longer.extend([b'X'; 24]);
            assert_eq!(Keyword::parse(&longer), None, "{longer:?}");
        }
        assert_eq!(Keyword::parse(b""), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: KeywordSet = [Keyword::Size, Keyword::Xforward].into_iter().collect();
        assert_eq!(set.len(), 2);
        assert!(set.contains(Keyword::Xforward) && !set.contains(Keyword::Auth));
        assert!(set.without(Keyword::Size).iter().eq([Keyword::Xforward]));
        assert!(KeywordSet::EMPTY.is_empty());
    }
}
