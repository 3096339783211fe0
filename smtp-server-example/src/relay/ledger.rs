//! What is known of each recipient while one host is tried after another.

use smtp_tokio::Outcome as Sent;
use smtp_tokio::client::Why;

use crate::queue::{Job, Outcome, RcptId, Said};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// The recipients of one delivery.
#[derive(Debug)]
pub(super) struct Ledger(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    id: RcptId,
    settled: Option<Outcome>,
    /// What may pass; another host's answer may still be better.
    soft: Option<Said>,
    /// What won't pass at the hosts tried so far, but says nothing about others.
    hard: Option<Said>,
    /// Refused by policy to an address of this family.
    refused_to: Option<Family>,
}

impl Ledger {
    pub(super) fn new(job: &Job) -> Self {
        let entry = |id| Entry { id, settled: None, soft: None, hard: None, refused_to: None };
        Self(job.rcpts.iter().map(|rcpt| entry(rcpt.id)).collect())
    }

    /// The numbers of those for whom an address of this family is still to be tried.
    pub(super) fn pending(&self, family: Family) -> Vec<usize> {
        let is_pending = |entry: &Entry| entry.settled.is_none() && entry.refused_to != Some(family);
        (0..self.0.len()).filter(|at| is_pending(&self.0[*at])).collect()
    }

    /// Notes what a host did with the message for one recipient. `elsewhere` says whether an address of the other family
    /// is left, which a refusal by policy may not hold for (RFC 5321 says nothing about families; hosts that don't know
    /// our IPv6 address often know the other).
    pub(super) fn note(&mut self, at: usize, sent: Sent, reports: bool, family: Family, elsewhere: bool) {
        let entry = &mut self.0[at];
        match sent {
            Sent::Accepted(reply) => {
                entry.settled = Some(Outcome::Relayed { reply: reply.to_string(), reports });
            }
            Sent::Refused(reply) if !reply.is_permanent() => entry.softly(Said::theirs(&reply)),
            Sent::Refused(reply) => {
                let said = Said::theirs(&reply);
                if said.status.1 == 7 && elsewhere && entry.refused_to.is_none() {
                    entry.refused_to = Some(family);
                    entry.hard = Some(said);
                } else {
                    entry.settled = Some(Outcome::Refused(said));
                }
            }
            // It may have been taken: no other host gets it now.
            Sent::Unknown => {
                let said = Said::ours((4, 4, 2), "451 4.4.2 No valid answer came after the final dot");
                entry.settled = Some(Outcome::Unknown(said));
            }
            Sent::NotTried(why) => match Outcome::not_tried(why) {
                Outcome::Refused(said) if is_about_the_host(why) => entry.hardly(said),
                Outcome::Later(said) => entry.softly(said),
                outcome => entry.settled = Some(outcome),
            },
        }
    }

    /// Notes what a host said of us, which is no recipient's fault: it may pass.
    pub(super) fn put_off(&mut self, at: usize, said: Said) {
        self.0[at].softly(said);
    }

    /// Notes that a host could not be talked to.
    pub(super) fn host_failed(&mut self, family: Family, failure: &HostFailure) {
        for at in self.pending(family) {
            let entry = &mut self.0[at];
            match failure {
                HostFailure::Now(said) | HostFailure::Away(said) | HostFailure::NoTls(said) => {
                    entry.softly(said.clone());
                }
                HostFailure::Always(said) => entry.hardly(said.clone()),
                HostFailure::NoMail(said) => entry.settled = Some(Outcome::Refused(said.clone())),
            }
        }
    }

    /// Settles all that are open.
    pub(super) fn settle(&mut self, outcome: &Outcome) {
        for entry in self.0.iter_mut().filter(|entry| entry.settled.is_none()) {
            entry.settled = Some(outcome.clone());
        }
    }

    /// What became of each, now that no host is left: what may pass goes before what won't.
    pub(super) fn finish(self) -> Vec<(RcptId, Outcome)> {
        let outcome = |entry: Entry| match (entry.settled, entry.soft, entry.hard) {
            (Some(outcome), ..) => outcome,
            (None, Some(soft), _) => Outcome::Later(soft),
            (None, None, Some(hard)) => Outcome::Refused(hard),
            (None, None, None) => Outcome::Later(Said::ours((4, 4, 1), "451 4.4.1 No host could be asked")),
        };
        self.0.into_iter().map(|entry| (entry.id, outcome(entry))).collect()
    }
}

impl Entry {
    /// What a host said stands before what we say, and the first before the next.
    fn softly(&mut self, said: Said) {
        if self.soft.as_ref().is_none_or(|known| said.remote && !known.remote) {
            self.soft = Some(said);
        }
    }

    fn hardly(&mut self, said: Said) {
        self.hard.get_or_insert(said);
    }
}

/// Why a host could not be talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostFailure {
    /// It may pass.
    Now(Said),
    /// It may pass, and nobody is there now.
    Away(Said),
    /// It may pass: TLS is required and not offered.
    NoTls(Said),
    /// It won't, at this host.
    Always(Said),
    /// The domain takes no mail at all (RFC 7504 §4).
    NoMail(Said),
}

impl HostFailure {
    pub(super) const fn said(&self) -> &Said {
        match self {
            Self::Now(said)
            | Self::Away(said)
            | Self::NoTls(said)
            | Self::Always(said)
            | Self::NoMail(said) => said,
        }
    }
}

/// Whether another host may well take what this one can't.
const fn is_about_the_host(why: Why) -> bool {
    matches!(why, Why::Unsupported(_) | Why::NotUnderTls | Why::TooBig { .. })
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
