//! What a pool of connections decides, without the connections: for adapters.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::envelope::{Envelope, Recipient};
use super::outcome::{Outcome, Why};
use super::step::{CloseReason, Sent};

/// How many connections a message may find closed before it stays unsent: each was closed by the server at rest.
const STALE: usize = 3;

/// How many connections a pool makes, and how long it uses them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolLimits {
    /// Most connections at a time. Defaults to 10: large receivers refuse more from a sender that they don't know.
    pub connections: usize,
    /// Most messages over one connection. Defaults to 100: what the strictest of the well-known receivers don't mind.
    pub messages: u32,
    /// How long a connection may be at rest. Defaults to 30 seconds: servers wait five minutes, many much less.
    pub idle: Duration,
    /// How old a connection may get. Defaults to 10 minutes, so that changes of addresses and certificates take effect.
    pub age: Duration,
    /// After this time at rest a connection is asked (RSET) before it is used. Defaults to 2 seconds.
    pub check: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            connections: 10,
            messages: 100,
            idle: Duration::from_secs(30),
            age: Duration::from_secs(600),
            check: Duration::from_secs(2),
        }
    }
}

impl PoolLimits {
    /// Whether a connection has had its share: of transactions, in all, or at rest.
    #[must_use]
    pub fn is_spent(&self, transactions: u32, age: Duration, rest: Duration) -> bool {
        transactions >= self.messages || age >= self.age || rest >= self.idle
    }
}

/// What a pool has done so far, and does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections made.
    pub connected: u64,
    /// Connections that could not be made.
    pub failed: u64,
    /// Times that a connection was used again.
    pub reused: u64,
    /// Connections that the server had closed, or spoken on unasked, while they idled.
    pub stale: u64,
    /// Messages handed to the pool.
    pub messages: u64,
    /// Recipients by outcome.
    pub accepted: u64,
    /// Recipients by outcome.
    pub refused: u64,
    /// Recipients by outcome.
    pub not_tried: u64,
    /// Recipients by outcome.
    pub unknown: u64,
    /// Messages that wait for a connection now.
    pub waiting: usize,
    /// Connections that idle now.
    pub idle: usize,
    /// Connections that send now.
    pub busy: usize,
}

impl PoolStats {
    /// Counts a message's recipients.
    pub fn count(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            *match outcome {
                Outcome::Accepted(_) => &mut self.accepted,
                Outcome::Refused(_) => &mut self.refused,
                Outcome::NotTried(_) => &mut self.not_tried,
                Outcome::Unknown => &mut self.unknown,
            } += 1;
        }
    }
}

/// What a message's next attempt goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A connection that is at rest, or a new one where there is none.
    Any,
    /// A new one: what was kept may be as dead as the last.
    New,
}

/// One message over several connections: who is sent to again at once, and when that ends.
///
/// Sent again is what was not tried because of a server's limits, or because a kept connection had ended: at rest, or, once
/// for a message, when MAIL was said on it or nobody was served over it. Refused and [`Unknown`](Outcome::Unknown) never are: the first was said by the
/// server, the second could deliver twice.
///
/// ```
/// use smtp_proto::client::{Attempts, CloseReason, Envelope, Outcome, Over, Sent, Why};
/// use smtp_proto::MailboxBuf;
///
/// let (from, to): (MailboxBuf, MailboxBuf) = ("me@a.example".parse()?, "you@b.example".parse()?);
/// let envelope = Envelope::new(&from).to(&to);
/// let mut attempts = Attempts::new(&envelope);
/// assert_eq!(attempts.over(), Some(Over::Any));
/// // Here the message is sent, over a connection that was used before.
/// # assert_eq!(attempts.recipients(&envelope).len(), 1);
/// let gone = Outcome::NotTried(Why::Closed(CloseReason::PeerGone(Sent::Mail)));
/// attempts.settle_used(vec![gone.clone()]);
/// assert_eq!(attempts.over(), Some(Over::New));
/// attempts.settle(vec![gone]);
/// assert_eq!(attempts.over(), None);
/// # assert_eq!(attempts.into_outcomes().len(), 1);
/// # Ok::<(), smtp_proto::ParseError>(())
/// ```
#[derive(Debug)]
pub struct Attempts {
    outcomes: Vec<Outcome>,
    /// Those of the next attempt.
    again: Vec<usize>,
    over: Over,
    /// Attempts that found the connection closed.
    stale: usize,
    /// A used connection died under MAIL, or had had its share.
    died: bool,
}

impl Attempts {
    /// Nothing was tried so far.
    #[must_use]
    pub fn new(envelope: &Envelope<'_>) -> Self {
        let all = envelope.recipients().len();
        Self {
            outcomes: vec![Outcome::NotTried(Why::NoConnection); all],
            again: (0..all).collect(),
            over: Over::Any,
            stale: 0,
            died: false,
        }
    }

    /// What to send over now, to the [`recipients`](Self::recipients); then comes [`settle`](Self::settle). `None` when it is
    /// over.
    #[must_use]
    pub fn over(&self) -> Option<Over> {
        (!self.again.is_empty()).then_some(self.over)
    }

    /// Those to send to now.
    #[must_use]
    pub fn recipients<'e>(&self, envelope: &Envelope<'e>) -> Vec<Recipient<'e>> {
        let all = envelope.recipients();
        self.again.iter().filter_map(|at| all.at(*at)).collect()
    }

    /// There is no connection to send over: it is over.
    pub fn give_up(&mut self) {
        let none = vec![Outcome::NotTried(Why::NoConnection); self.again.len()];
        self.settle(none);
    }

    /// What became of those, in their order, over a connection that was new.
    pub fn settle(&mut self, outcomes: Vec<Outcome>) {
        let was_stale =
            outcomes.iter().any(|outcome| is_closed(outcome, |reason| reason == CloseReason::Idle));
        // Limits that leave nobody served would leave nobody served the next time.
        let is_stuck = outcomes.iter().all(is_limited);
        self.stale += usize::from(was_stale);
        let is_over = is_stuck || self.stale > STALE;
        self.take(outcomes, |outcome| {
            !is_over && (is_limited(outcome) || is_closed(outcome, |reason| reason == CloseReason::Idle))
        });
        self.over = Over::Any;
    }

    /// The same over a connection that was used before: a server that leaves when MAIL is said on it, or has had enough
    /// messages on it, says nothing about the message.
    pub fn settle_used(&mut self, outcomes: Vec<Outcome>) {
        let is_worn_out = outcomes.iter().any(has_died) || outcomes.iter().all(is_limited);
        if self.died || !is_worn_out {
            return self.settle(outcomes);
        }
        self.died = true;
        self.take(outcomes, |outcome| is_limited(outcome) || has_died(outcome));
        self.over = Over::New;
    }

    fn take(&mut self, outcomes: Vec<Outcome>, is_again: impl Fn(&Outcome) -> bool) {
        let mut outcomes = outcomes.into_iter();
        let Self { outcomes: all, again, .. } = self;
        again.retain(|at| {
            let outcome = outcomes.next().unwrap_or(Outcome::NotTried(Why::NoConnection));
            let stays = is_again(&outcome);
            all[*at] = outcome;
            stays
        });
    }

    /// What became of each recipient, in the envelope's order.
    #[must_use]
    pub fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes
    }
}

fn is_limited(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotTried(Why::Limits))
}

fn is_closed(outcome: &Outcome, how: impl Fn(CloseReason) -> bool) -> bool {
    matches!(outcome, Outcome::NotTried(Why::Closed(reason)) if how(*reason))
}

/// Whether the server left, or said that it does, when MAIL was said.
fn has_died(outcome: &Outcome) -> bool {
    let at_mail =
        |reason| matches!(reason, CloseReason::PeerGone(Sent::Mail) | CloseReason::Farewell(Sent::Mail));
    is_closed(outcome, at_mail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::path::MailboxBuf;
    use crate::wire::reply::{ReplyBuf, ReplyCollector};

    const LIMITS: Outcome = Outcome::NotTried(Why::Limits);
    const IDLE: Outcome = Outcome::NotTried(Why::Closed(CloseReason::Idle));
    const GONE: Outcome = Outcome::NotTried(Why::Closed(CloseReason::PeerGone(Sent::Mail)));
    const FAREWELL: Outcome = Outcome::NotTried(Why::Closed(CloseReason::Farewell(Sent::Mail)));
    const LATE: Outcome = Outcome::NotTried(Why::Closed(CloseReason::PeerGone(Sent::Data)));

    fn reply() -> ReplyBuf {
        ReplyCollector::new().last().clone()
    }

    fn accepted() -> Outcome {
        Outcome::Accepted(reply())
    }

    /// Attempts to send to so many.
    fn to(n: usize) -> Attempts {
        let from: MailboxBuf = "me@a.example".parse().unwrap();
        let all = vec!["you@b.example".parse::<MailboxBuf>().unwrap(); n];
        Attempts::new(&Envelope::new(&from).to(&all))
    }

    #[test]
    fn what_is_sent_again_over_what_depends_on_the_outcome_and_the_connection() {
        let refused = Outcome::Refused(reply());
        type Row<'a> = (&'a [Outcome], Option<Over>, Option<Over>, &'a str);
        let rows: [Row<'_>; 9] = [
            (&[accepted()], None, None, "done"),
            (&[refused], None, None, "the server said so"),
            (&[Outcome::Unknown], None, None, "it could deliver twice"),
            (&[IDLE], Some(Over::Any), Some(Over::Any), "closed at rest"),
            (&[GONE], None, Some(Over::New), "a new connection that dies is the server's answer"),
            (&[FAREWELL], None, Some(Over::New), "421 to the second MAIL"),
            (&[LATE], None, None, "the server has begun with it"),
            (&[LIMITS], None, Some(Over::New), "nobody was served: a used connection may have had its share"),
            (&[accepted(), LIMITS], Some(Over::Any), Some(Over::Any), "one too many"),
        ];
        for (outcomes, new, used, why) in rows {
            let mut attempts = to(outcomes.len());
            assert_eq!(attempts.over(), Some(Over::Any));
            attempts.settle(outcomes.to_vec());
            assert_eq!(attempts.over(), new, "{why}");
            let mut attempts = to(outcomes.len());
            attempts.settle_used(outcomes.to_vec());
            assert_eq!(attempts.over(), used, "{why}");
        }
    }

    #[test]
    fn a_connection_may_die_under_a_message_once() {
        let mut attempts = to(1);
        attempts.settle_used(vec![GONE]);
        assert_eq!(attempts.over(), Some(Over::New));
        // Even where it was not as new as asked for.
        attempts.settle_used(vec![FAREWELL]);
        assert_eq!(attempts.over(), None);
        assert_eq!(attempts.into_outcomes(), [FAREWELL]);
    }

    #[test]
    fn connections_that_were_closed_at_rest_are_not_tried_for_ever() {
        let (mut attempts, mut tries) = (to(1), 0);
        while attempts.over().is_some() {
            attempts.settle_used(vec![IDLE]);
            tries += 1;
        }
        assert_eq!(tries, 1 + STALE);
    }

    #[test]
    fn each_attempt_is_for_those_that_are_left_and_keeps_what_the_others_have() {
        let mut attempts = to(4);
        attempts.settle(vec![accepted(), LIMITS, Outcome::Unknown, LIMITS]);
        assert_eq!(attempts.again, [1, 3]);
        attempts.settle(vec![LIMITS, accepted()]);
        assert_eq!(attempts.again, [1]);
        attempts.give_up();
        assert_eq!(attempts.over(), None);
        let none = Outcome::NotTried(Why::NoConnection);
        assert_eq!(attempts.into_outcomes(), [accepted(), none, Outcome::Unknown, accepted()]);
    }

    #[test]
    fn a_message_to_nobody_needs_no_connection() {
        assert_eq!(to(0).over(), None);
    }

    #[test]
    fn a_connection_is_spent_by_messages_by_age_or_by_rest() {
        let limits = PoolLimits { messages: 2, ..PoolLimits::default() };
        let (none, moment) = (Duration::ZERO, Duration::from_secs(1));
        assert!(!limits.is_spent(1, moment, moment));
        assert!(limits.is_spent(2, none, none));
        assert!(limits.is_spent(0, limits.age, none));
        assert!(limits.is_spent(0, none, limits.idle));
    }
}
