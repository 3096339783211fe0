//! The answer to EHLO, owned.

use super::keyword::{Keyword, KeywordSet};
use super::limits::Limits;
use super::offer::{Offer, Size};
use super::response::EhloResponse;
use super::words::Mechanisms;
use crate::wire::leniency::Leniency;
use crate::wire::reply::ReplyBuf;

/// What a server offers, as a client keeps it for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    reply: ReplyBuf,
    offer: Offer,
}

impl Extensions {
    /// What `reply` to EHLO or LHLO offers; nothing if it is not 250.
    #[must_use]
    pub fn new(reply: ReplyBuf, leniency: Leniency) -> Self {
        let offer = EhloResponse::read(reply.code(), reply.raw_lines(), leniency).offer();
        Self { reply, offer }
    }

    /// A server that answered HELO: whatever its lines say, it offers nothing.
    #[must_use]
    pub const fn none(reply: ReplyBuf) -> Self {
        Self { reply, offer: Offer::NOTHING }
    }

    /// Takes `keywords` out, for a host that offers what it can't do. Their lines can still be read raw.
    pub fn ignore(&mut self, keywords: KeywordSet) {
        for keyword in keywords.iter() {
            self.offer.remove(keyword);
        }
    }

    /// The whole response, to ask it anything.
    #[must_use]
    pub fn response(&self) -> EhloResponse<'_> {
        EhloResponse::with_offer(self.reply.raw_lines(), self.offer)
    }

    /// The reply they were read from.
    #[must_use]
    pub const fn reply(&self) -> &ReplyBuf {
        &self.reply
    }

    /// Whether the keyword is offered.
    #[must_use]
    pub const fn has(&self, keyword: Keyword) -> bool {
        self.offer.keywords.contains(keyword)
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

    /// The mechanisms of all AUTH lines, each once, in order.
    #[must_use]
    pub fn auth(&self) -> Mechanisms<'_> {
        self.response().auth()
    }
}
