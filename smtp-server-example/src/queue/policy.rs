//! When mail is tried again, and when no more.

use std::time::Duration;

use jiff::Timestamp;
use smtp_proto::wire::params::Notify;

use super::settings::QueueSettings;

/// Times and counts by which the queue works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// From the first failure to the second try. RFC 5321 §4.5.4.1 wants 30 minutes on the average, and allows for more
    /// haste at first: a greylisting host takes it after minutes.
    pub(crate) retry_first: Duration,
    /// How the time between two tries grows, in percent.
    pub(crate) growth: u64,
    /// Longest time between two tries.
    pub(crate) retry_most: Duration,
    /// How long mail is tried. RFC 5321 §4.5.4.1: 4 to 5 days.
    pub(crate) expire: Duration,
    /// How long a notification is tried: nobody waits for it.
    pub(crate) expire_notice: Duration,
    /// When the sender is told that mail is late.
    pub(crate) warn: Duration,
    /// How long a destination that can't be reached is left alone at first: as many mails wait for it, one probe a minute
    /// is no burden.
    pub(crate) pause_first: Duration,
    /// The longest that it is left alone.
    pub(crate) pause_most: Duration,
    /// Deliveries at once to one destination.
    pub(crate) per_route: usize,
    /// Deliveries at once.
    pub(crate) at_once: usize,
    /// What may have been delivered, though no answer was seen, is left to the operator and not tried again.
    pub(crate) hold_unknown: bool,
    /// How long what is done can be asked for.
    pub(crate) keep_done: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self::from(&QueueSettings::default())
    }
}

impl From<&QueueSettings> for Policy {
    fn from(settings: &QueueSettings) -> Self {
        Self {
            retry_first: Duration::from_secs(settings.retry_first_seconds),
            growth: settings.retry_growth_percent,
            retry_most: Duration::from_secs(settings.retry_most_seconds),
            expire: Duration::from_secs(settings.give_up_seconds),
            expire_notice: Duration::from_secs(settings.give_up_notices_seconds),
            warn: Duration::from_secs(settings.delay_notice_seconds),
            pause_first: Duration::from_secs(settings.pause_first_seconds),
            pause_most: Duration::from_secs(settings.pause_most_seconds),
            per_route: settings.deliveries_per_destination,
            at_once: settings.deliveries,
            hold_unknown: settings.hold_unknown,
            keep_done: Duration::from_secs(settings.keep_done_seconds),
        }
    }
}

impl Policy {
    /// The time from try number `attempts` to the next. `chance` is any number; it spreads what failed together by a
    /// tenth to either side.
    pub(crate) fn retry_after(&self, attempts: u32, chance: u32) -> Duration {
        let plain = self.grown(self.retry_first, self.retry_most, attempts.saturating_sub(1));
        let percent = 90 + chance % 21;
        plain * percent / 100
    }

    /// How long a destination is left alone after as many failures in a row.
    pub(crate) fn pause_after(&self, failures: u32) -> Duration {
        self.grown(self.pause_first, self.pause_most, failures.saturating_sub(1))
    }

    /// When mail that arrives now is given up.
    pub(crate) fn expires(&self, arrived: Timestamp) -> Timestamp {
        after(arrived, self.expire)
    }

    /// `first`, as many times grown, and never more than `most`.
    fn grown(&self, first: Duration, most: Duration, times: u32) -> Duration {
        let mut millis = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..times {
            let grown = millis.saturating_mul(self.growth) / 100;
            if millis >= most || grown <= millis {
                break;
            }
            millis = grown;
        }
        Duration::from_millis(millis.min(most))
    }
}

/// A time later by `span`; the last time there is, if that is beyond it.
pub(crate) fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// What a sender may be told about a recipient (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Failed,
    Delayed,
    /// It is where it should be, or at a host that does not report.
    Succeeded,
}

impl Event {
    /// Whether it is told. Without NOTIFY a failure and a delay are (RFC 3461 §4.1).
    pub(crate) const fn is_wanted(self, notify: Option<Notify>) -> bool {
        match (self, notify) {
            (Self::Failed | Self::Delayed, None) => true,
            (Self::Succeeded, None) => false,
            (Self::Failed, Some(notify)) => notify.contains(Notify::FAILURE),
            (Self::Delayed, Some(notify)) => notify.contains(Notify::DELAY),
            (Self::Succeeded, Some(notify)) => notify.contains(Notify::SUCCESS),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tries_are_rare_later_on_and_never_rarer_than_the_cap() {
        let policy = Policy::default();
        let seconds: Vec<_> = (1..=10).map(|attempt| policy.retry_after(attempt, 10).as_secs()).collect();
        assert_eq!(seconds, [120, 216, 388, 699, 1_259, 2_267, 4_081, 7_200, 7_200, 7_200]);
        assert_eq!(policy.pause_after(1).as_secs(), 60);
        assert_eq!(policy.pause_after(40).as_secs(), 1_800);
    }

    proptest! {
        #[test]
        fn chance_moves_a_try_by_a_tenth_at_most(attempts in any::<u32>(), chance in any::<u32>()) {
            let policy = Policy::default();
            let (plain, moved) = (policy.retry_after(attempts, 10), policy.retry_after(attempts, chance));
            prop_assert!(moved >= plain * 9 / 10 && moved <= plain * 11 / 10);
        }
    }

    #[test]
    fn the_sender_is_told_what_notify_says() {
        let table: &[(Option<Notify>, [bool; 3], &str)] = &[
            (None, [true, true, false], "RFC 3461 §4.1 leaves the delay to us"),
            (Some(Notify::NEVER), [false, false, false], "nothing at all"),
            (Some(Notify::SUCCESS), [false, false, true], "success only"),
            (Some(Notify::FAILURE), [true, false, false], "failure only"),
            (Some(Notify::DELAY), [false, true, false], "delay only"),
            (Some(Notify::SUCCESS.with(Notify::FAILURE)), [true, false, true], "two of them"),
        ];
        for (notify, want, why) in table {
            let told =
                [Event::Failed, Event::Delayed, Event::Succeeded].map(|event| event.is_wanted(*notify));
            assert_eq!(told, *want, "{why}");
        }
    }
}
