//! The keywords of EHLO responses: one table for reading and for writing.

use core::fmt;

use crate::wire::reply::plain::PlainLine;
use crate::wire::sweep::{Words, folded_word};

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
        }

        const NAMES: &[&str] = &[$($name,)*];
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
    pub fn parse(word: &[u8]) -> Option<Self> {
        let mut front = [0; 8];
        for (front, octet) in front.iter_mut().zip(word) {
            *front = *octet;
        }
        let (_, front) = folded_word(u64::from_le_bytes(front));
        let (keyword, name) = Self::by_front(front)?;
        word.eq_ignore_ascii_case(name.text.as_bytes()).then_some(keyword)
    }

    /// The keyword that a line on the plain way begins with, and its length: what [`parse`](Self::parse) finds in the
    /// word up to SP, HT or the line's end.
    #[inline(always)]
    pub(super) fn at(words: Words<'_>, line: PlainLine<'_>) -> Option<(Self, usize)> {
        let (_, front) = folded_word(line.front);
        let (keyword, name) = Self::by_front(front)?;
        let len = name.text.len();
        let word = |from| folded_word(words.front(line.octets.get(from..).unwrap_or_default())).1;
        let differs = len >= 8 && word(8) != name.second || len >= 16 && word(16) != name.third;
        (!differs).then_some((keyword, len))
    }

    /// The only keyword that can begin with these octets, folded.
    #[inline(always)]
    fn by_front(front: u64) -> Option<(Self, &'static Name)> {
        let slot = SLOTS[slot(front, MULTIPLIER)];
        let name = NAMES_FOLDED.get(usize::from(slot))?;
        (name.first == front).then(|| (Self::ALL[usize::from(slot)], name))
    }
}

/// A name as it is compared: in words, folded.
struct Name {
    text: &'static str,
    first: u64,
    second: u64,
    third: u64,
}

static NAMES_FOLDED: [Name; NAMES.len()] = folded_names();

const fn folded_names() -> [Name; NAMES.len()] {
    let mut folded = [const { Name { text: "", first: 0, second: 0, third: 0 } }; NAMES.len()];
    let mut i = 0;
    while i < NAMES.len() {
        // A name of 24 octets would need a fourth word, to see that it ends.
        assert!(NAMES[i].len() < 24);
        folded[i] = Name {
            text: NAMES[i],
            first: FRONTS[i],
            second: folded_octets(NAMES[i], 8),
            third: folded_octets(NAMES[i], 16),
        };
        i += 1;
    }
    folded
}

/// Up to eight octets of `name` from `from`, folded.
const fn folded_octets(name: &str, from: usize) -> u64 {
    let name = name.as_bytes();
    let mut word = 0;
    let mut i = 0;
    while i < 8 && from + i < name.len() {
        word |= (name[from + i] as u64) << (8 * i);
        i += 1;
    }
    folded_word(word).1
}

/// The first eight octets of each name.
const FRONTS: [u64; NAMES.len()] = {
    let mut fronts = [0; NAMES.len()];
    let mut i = 0;
    while i < NAMES.len() {
        fronts[i] = folded_octets(NAMES[i], 0);
        i += 1;
    }
    fronts
};

/// Which name begins with the octets that lead to a slot; an index without a name for none.
static SLOTS: [u8; 256] = match slots(MULTIPLIER) {
    Some(slots) => slots,
    None => panic!("the multiplier was chosen so that there are slots"),
};

/// The first number of a random walk that leads the front of each name to a slot of its own.
const MULTIPLIER: u64 = {
    let mut multiplier = 0x9E37_79B9_7F4A_7C15;
    while slots(multiplier).is_none() {
        // Knuth's MMIX generator.
        multiplier =
            multiplier.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
    multiplier
};

const fn slot(front: u64, multiplier: u64) -> usize {
    (front.wrapping_mul(multiplier) >> 56) as usize
}

const fn slots(multiplier: u64) -> Option<[u8; 256]> {
    let mut slots = [u8::MAX; 256];
    let mut i = 0;
    while i < NAMES.len() {
        let slot = slot(FRONTS[i], multiplier);
        if slots[slot] != u8::MAX {
            return None;
        }
        slots[slot] = i as u8;
        i += 1;
    }
    Some(slots)
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
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
