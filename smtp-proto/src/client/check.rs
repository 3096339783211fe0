//! What a server can't take is an error before anything is sent.

use super::envelope::Envelope;
use super::job::Plan;
use super::outcome::Why;
use super::session::ClientSession;
use crate::wire::content::SendNewlines;
use crate::wire::ehlo::{Keyword, Limits, Size};
use crate::wire::params::{Body, Param};

impl ClientSession {
    /// Checks a message against what the server offers.
    pub(crate) fn plan(&self, envelope: &Envelope<'_>) -> Result<Plan, Why> {
        if envelope.to.is_empty() {
            return Err(Why::NoRecipients);
        }
        if !self.takes_another() {
            return Err(Why::Limits);
        }
        let body = self.plan_body(envelope)?;
        let (size, most_octets) = self.plan_size(envelope, body)?;
        let smtputf8 = self.plan_smtputf8(envelope)?;
        let require_tls = envelope.require_tls || envelope.params.contains(Param::RequireTls);
        if require_tls {
            if !self.is_verified() {
                return Err(Why::NotUnderTls);
            }
            self.demand(Keyword::RequireTls)?;
        }
        self.check_params(envelope)?;
        let eight_bit = self.offers(Keyword::EightBitMime) || self.config.eight_bit_anyway;
        Ok(Plan {
            body,
            size,
            smtputf8,
            require_tls,
            eight_bit: eight_bit && declared_body(envelope) != Some(Body::SevenBit),
            most_octets,
            limits: self.extensions().map_or(Limits::NONE, |extensions| extensions.limits()),
        })
    }

    fn demand(&self, keyword: Keyword) -> Result<(), Why> {
        if self.offers(keyword) { Ok(()) } else { Err(Why::Unsupported(keyword)) }
    }

    /// What MAIL says of the body: nothing where the server takes no such parameter.
    fn plan_body(&self, envelope: &Envelope<'_>) -> Result<Option<Body>, Why> {
        let declared = declared_body(envelope);
        if declared == Some(Body::BinaryMime) {
            self.demand(Keyword::BinaryMime)?;
            self.demand(Keyword::Chunking)?;
            return Ok(declared);
        }
        if envelope.declared.bare > 0 && self.config.newlines == SendNewlines::Refuse {
            return Err(Why::BareNewline);
        }
        match (declared, self.offers(Keyword::EightBitMime)) {
            // What is not declared may be in 8 bits where the server takes them.
            (Some(Body::EightBitMime) | None, true) => Ok(Some(Body::EightBitMime)),
            (Some(Body::EightBitMime), false) if !self.config.eight_bit_anyway => {
                Err(Why::Unsupported(Keyword::EightBitMime))
            }
            _ => Ok(None),
        }
    }

    /// What SIZE says, and the most that the server takes.
    fn plan_size(
        &self,
        envelope: &Envelope<'_>,
        body: Option<Body>,
    ) -> Result<(Option<u64>, Option<u64>), Why> {
        let declared = envelope.declared;
        let added = match self.config.newlines {
            SendNewlines::Normalise if body != Some(Body::BinaryMime) => declared.bare,
            _ => 0,
        };
        let size = declared.size.map(|octets| octets.saturating_add(added)).or(envelope.params.size());
        let limit = match self.extensions().and_then(|extensions| extensions.size()) {
            Some(Size::Octets(limit)) => Some(limit),
            Some(Size::NoLimit) | None => None,
        };
        match (size, limit) {
            (Some(octets), Some(limit)) if octets > limit => Err(Why::TooBig { octets, limit }),
            _ => Ok((size.filter(|_| self.offers(Keyword::Size)), limit)),
        }
    }

    /// SMTPUTF8 is said only where an address, a parameter or a header field needs it (RFC 6531 §3.4).
    fn plan_smtputf8(&self, envelope: &Envelope<'_>) -> Result<bool, Why> {
        let mut recipients = envelope.to.iter();
        let in_envelope = envelope.smtputf8
            || envelope.params.smtputf8()
            || envelope.from.needs_smtputf8()
            || envelope.params.needs_smtputf8()
            || recipients.any(|one| one.mailbox().needs_smtputf8() || one.rcpt_params().needs_smtputf8());
        if in_envelope {
            self.demand(Keyword::SmtpUtf8)?;
            return Ok(true);
        }
        match (envelope.declared.eight_bit_header, self.offers(Keyword::SmtpUtf8)) {
            (true, false) if !self.config.eight_bit_anyway => Err(Why::Unsupported(Keyword::SmtpUtf8)),
            (in_header, offered) => Ok(in_header && offered),
        }
    }

    fn check_params(&self, envelope: &Envelope<'_>) -> Result<(), Why> {
        let mail = envelope.params.known();
        let all = envelope.to.iter().flat_map(|one| one.rcpt_params().known()).chain(mail);
        for param in all {
            if let Some(keyword) = keyword_of(param) {
                self.demand(keyword)?;
            }
        }
        Ok(())
    }
}

fn declared_body(envelope: &Envelope<'_>) -> Option<Body> {
    envelope.params.body().or(envelope.declared.body)
}

/// The extension that a parameter belongs to, but for those that are looked at by themselves.
const fn keyword_of(param: Param) -> Option<Keyword> {
    Some(match param {
        Param::Body | Param::Smtputf8 | Param::RequireTls => return None,
        Param::Size => Keyword::Size,
        Param::Ret | Param::Envid | Param::Notify | Param::Orcpt => Keyword::Dsn,
        Param::Auth => Keyword::Auth,
        Param::By => Keyword::DeliverBy,
        Param::HoldFor | Param::HoldUntil => Keyword::FutureRelease,
        Param::MtPriority => Keyword::MtPriority,
        Param::TransId => Keyword::Checkpoint,
        Param::Mtrk => Keyword::Mtrk,
        Param::Solicit => Keyword::NoSoliciting,
        Param::ConPerm => Keyword::Conperm,
        Param::Rrvs => Keyword::Rrvs,
        Param::ConNeg => Keyword::Conneg,
    })
}
