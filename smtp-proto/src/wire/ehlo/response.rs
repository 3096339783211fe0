//! The answer to EHLO, borrowed.

use super::keyword::{Keyword, KeywordSet};
use super::limits::Limits;
use super::offer::{Offer, Size};
use super::words::{ExtensionLines, Mechanisms, Params, word_end};
use crate::wire::leniency::{Deviations, Leniency};
use crate::wire::reply::{RawLines, ReplyError, ReplyRef, plain};
use crate::wire::sweep::Words;
use crate::wire::values::number;

/// The code of an answer that offers something.
const OK: u16 = 250;

/// What a server offers, borrowed from its answer to EHLO or LHLO (RFC 5321 §4.1.1.1).
///
/// The first line is never an extension. Of a keyword that comes twice the first valid line counts, but mechanisms
/// and limits are gathered from all; a value that can't be read counts as absent. An answer that is not 250 offers
/// nothing.
#[derive(Clone, Copy, Debug)]
pub struct EhloResponse<'b> {
    lines: RawLines<'b>,
    offer: Offer,
    auth: AuthLines<'b>,
}

/// Where the mechanisms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuthLines<'b> {
    None,
    /// The parameters of the only AUTH line.
    One(Params<'b>),
    /// That was not looked at.
    Search,
}

impl<'b> EhloResponse<'b> {
    /// Reads the reply in front of `input`, as [`ReplyRef::parse`] does, and what it offers, in one pass.
    ///
    /// # Errors
    /// As [`ReplyRef::parse`].
    pub fn parse(input: &'b [u8], leniency: Leniency) -> Result<Option<(ReplyRef<'b>, Self)>, ReplyError> {
        let mut offer = Offer::NOTHING;
        let mut auth = AuthLines::None;
        let mut is_first = true;
        let read = Words::new(input).and_then(|words| {
            plain::read_lines(words, leniency, |line| {
                let known = if is_first { None } else { offer.add_line(words, line, leniency) };
                if let Some((Keyword::Auth, params)) = known {
                    auth = if auth == AuthLines::None { AuthLines::One(params) } else { AuthLines::Search };
                }
                is_first = false;
            })
        });
        let Some(plain) = read else {
            let reply = ReplyRef::parse_unusual(input, leniency)?;
            return Ok(reply.map(|reply| (reply, Self::of(&reply, leniency))));
        };
        let reply = ReplyRef::plain(input, plain);
        if reply.code() != OK {
            (offer, auth) = (Offer::NOTHING, AuthLines::None);
        } else if !offer.deviations.is_empty() {
            auth = AuthLines::Search;
        }
        Ok(Some((reply, Self { lines: reply.raw_lines(), offer, auth })))
    }

    /// What `reply` offers.
    #[must_use]
    pub fn of(reply: &ReplyRef<'b>, leniency: Leniency) -> Self {
        Self::read(reply.code(), reply.raw_lines(), leniency)
    }

    pub(super) fn read(code: u16, lines: RawLines<'b>, leniency: Leniency) -> Self {
        let offer = match code {
            OK => Offer::read(ExtensionLines::of(lines), leniency),
            _ => Offer::NOTHING,
        };
        Self { lines, offer, auth: AuthLines::Search }
    }

    pub(super) const fn with_offer(lines: RawLines<'b>, offer: Offer) -> Self {
        Self { lines, offer, auth: AuthLines::Search }
    }

    pub(super) const fn offer(&self) -> Offer {
        self.offer
    }

    /// The server's name for itself as it was written; `None` if there is none.
    ///
    /// It is the first word, whatever that is: some servers greet without a name.
    #[must_use]
    pub fn host(&self) -> Option<&'b [u8]> {
        let (host, _) = self.first_line();
        (!host.is_empty()).then_some(host)
    }

    /// What the server says behind its name.
    #[must_use]
    pub fn greeting(&self) -> &'b [u8] {
        let (_, greeting) = self.first_line();
        greeting
    }

    fn first_line(&self) -> (&'b [u8], &'b [u8]) {
        let mut lines = self.lines;
        let line = lines.next().unwrap_or_default();
        let (host, rest) = line.split_at(word_end(line));
        (host, rest.get(1..).unwrap_or_default())
    }

    /// Every line but the first one as it was written, in order; unknown keywords too.
    #[must_use]
    pub fn extensions(&self) -> ExtensionLines<'b> {
        ExtensionLines::of(self.lines)
    }

    /// Whether the keyword is offered.
    #[must_use]
    pub const fn has(&self, keyword: Keyword) -> bool {
        self.offer.keywords.contains(keyword)
    }

    /// Every known keyword that is offered.
    #[must_use]
    pub const fn keywords(&self) -> KeywordSet {
        self.offer.keywords
    }

    /// What was not as the RFC has it and was tolerated, beside what the reply itself shows.
    #[must_use]
    pub const fn deviations(&self) -> Deviations {
        self.offer.deviations
    }

    /// The size limit; `None` where SIZE is absent or can't be read.
    #[must_use]
    pub const fn size(&self) -> Option<Size> {
        self.offer.size
    }

    /// The limits (RFC 9422).
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.offer.limits
    }

    /// The mechanisms of all AUTH lines (RFC 4954 §3), each once, in order.
    #[must_use]
    pub fn auth(&self) -> Mechanisms<'b> {
        match self.auth {
            AuthLines::One(params) => Mechanisms::only(params),
            AuthLines::Search if self.has(Keyword::Auth) => {
                let equals = self.offer.deviations.contains(Leniency::EHLO_AUTH_EQUALS);
                Mechanisms::of(self.extensions(), equals)
            }
            AuthLines::None | AuthLines::Search => Mechanisms::only(Params::default()),
        }
    }

    /// The shortest time in seconds that BY may ask for (RFC 2852 §2); `None` where DELIVERBY states none.
    #[must_use]
    pub fn deliver_by_minimum(&self) -> Option<u32> {
        self.lines_of(Keyword::DeliverBy).find_map(|mut params| {
            // RFC 2852 §2: what follows a comma is reserved.
            let minimum = params.next()?.split(|&octet| octet == b',').next()?;
            u32::try_from(number(minimum, 9)?).ok()
        })
    }

    /// How long a message may be held (RFC 4865 §3); `None` where FUTURERELEASE is absent.
    #[must_use]
    pub fn future_release(&self) -> Option<FutureRelease<'b>> {
        let mut params = self.lines_of(Keyword::FutureRelease).next()?;
        let max_interval = params.next().and_then(|seconds| number(seconds, 9)).map(|n| n as u32);
        Some(FutureRelease { max_interval, max_datetime: params.next() })
    }

    /// The name of the priority profile (RFC 6710 §3); `None` where MT-PRIORITY names none.
    #[must_use]
    pub fn mt_priority_profile(&self) -> Option<&'b [u8]> {
        self.params(Keyword::MtPriority).next()
    }

    /// The solicitation classes that are not wanted (RFC 3865 §2.1).
    pub fn no_soliciting(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let classes = self.params(Keyword::NoSoliciting).next().unwrap_or_default();
        classes.split(|&octet| octet == b',').filter(|class| !class.is_empty())
    }

    /// The parameters of the first line that offers `keyword`, as they were written: for BURL, XCLIENT, XFORWARD and
    /// ATRN that is all there is. None where it is not offered.
    #[must_use]
    pub fn params(&self, keyword: Keyword) -> Params<'b> {
        self.lines_of(keyword).next().unwrap_or_default()
    }

    fn lines_of(&self, keyword: Keyword) -> impl Iterator<Item = Params<'b>> + use<'b> {
        let lines = self.has(keyword).then(|| self.extensions());
        lines
            .into_iter()
            .flatten()
            .filter(move |line| line.keyword() == Some(keyword))
            .map(|line| line.params())
    }
}

/// What FUTURERELEASE announces (RFC 4865 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FutureRelease<'b> {
    /// The longest HOLDFOR in seconds; `None` if it can't be read.
    pub max_interval: Option<u32>,
    /// The latest HOLDUNTIL, a date-time of RFC 3339, as it was written.
    pub max_datetime: Option<&'b [u8]>,
}
