//! Figures for Prometheus: counted where things happen, and told to whoever asks on a loopback address.
//!
//! One set for the process. What the queue and the listeners know themselves is asked of them when somebody asks.

mod figures;
mod serve;
mod settings;

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use smtp_proto::wire::reply::{EnhancedCode, Reply};

pub(crate) use self::figures::{AGES, Figures};
pub(crate) use self::serve::{Sources, bind, serve};
pub(crate) use self::settings::Metrics as MetricsSettings;
use crate::config::Kind;

/// Bounds of commit times, in seconds, closest around the tenth of a second from which an alert warns, and below.
const COMMITS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// Bounds of the time from a message's arrival to its end in a mailbox or at the next host, in seconds, up to the five
/// days after which mail is given up.
const TIMES: [f64; 10] = [0.05, 0.25, 1.0, 5.0, 30.0, 300.0, 1_800.0, 14_400.0, 86_400.0, 432_000.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Said {
    listener: &'static str,
    class: &'static str,
    enhanced: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Delivered {
    via: &'static str,
    outcome: &'static str,
    class: &'static str,
    enhanced: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Happened {
    event: String,
}

/// What is counted.
struct Counts {
    sessions: Family<Listener, Counter>,
    replies: Family<Said, Counter>,
    deliveries: Family<Delivered, Counter>,
    events: Family<Happened, Counter>,
    commits: Histogram,
    times: Histogram,
}

/// Events that an alert is about. They are counted from the start: of a figure that is not there before its first one,
/// nobody sees that it grew.
const WATCHED: [&str; 3] = ["failed", "not-stored", "stalled"];

static COUNTS: LazyLock<Counts> = LazyLock::new(|| {
    let counts = Counts {
        sessions: Family::default(),
        replies: Family::default(),
        deliveries: Family::default(),
        events: Family::default(),
        commits: Histogram::new(COMMITS),
        times: Histogram::new(TIMES),
    };
    for event in WATCHED {
        drop(counts.events.get_or_create(&Happened { event: event.to_owned() }));
    }
    counts
});

/// Somebody connected.
pub(crate) fn session(kind: Kind) {
    COUNTS.sessions.get_or_create(&Listener { listener: kind.word() }).inc();
}

/// Counts a reply, and passes it on.
pub(crate) fn reply<'r>(kind: Kind, reply: Reply<'r>) -> Reply<'r> {
    code(kind, reply.code(), reply.enhanced());
    reply
}

/// Counts a reply whose text is the core's.
pub(crate) fn code(kind: Kind, code: u16, enhanced: Option<EnhancedCode>) {
    let enhanced = enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default();
    COUNTS.replies.get_or_create(&Said { listener: kind.word(), class: class(code), enhanced }).inc();
}

const fn class(code: u16) -> &'static str {
    match code {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// What a try brought for a recipient, and what was said of it.
pub(crate) fn delivery(via: &'static str, outcome: &'static str, reply: &str) {
    let mut words = reply.split_ascii_whitespace();
    let code = words.next().filter(|code| code.len() == 3).and_then(|code| code.parse().ok());
    let enhanced =
        code.and_then(|_| words.next()).filter(|code| is_known(code)).unwrap_or_default().to_owned();
    let class = code.map(class).unwrap_or_default();
    COUNTS.deliveries.get_or_create(&Delivered { via, outcome, class, enhanced }).inc();
}

/// Whether it is an enhanced code as the registry has them: other hosts may say what they like, and each makes a row.
fn is_known(code: &str) -> bool {
    // One spelling each: `01`, `001` and `+1` are numbers too.
    let number = |part: &str| part.parse::<u8>().ok().filter(|number| number.to_string() == part);
    let mut parts = code.split('.').map(number);
    let parts = [parts.next(), parts.next(), parts.next(), parts.next()];
    matches!(parts, [Some(Some(2 | 4 | 5)), Some(Some(0..=7)), Some(Some(0..=99)), None])
}

/// A recipient's mail is where it should be, so long after it came.
pub(crate) fn arrived(after: Duration) {
    COUNTS.times.observe(after.as_secs_f64());
}

/// A commit of the queue, and how long it took.
pub(crate) fn commit(took: Duration) {
    COUNTS.commits.observe(took.as_secs_f64());
}

/// An event that the log tells too.
pub(crate) fn event(name: &str) {
    COUNTS.events.get_or_create(&Happened { event: name.to_owned() }).inc();
}

/// All of it with its explanations. Names end as OpenMetrics has them: `_total` and units are added when written.
fn registry() -> Registry {
    let mut registry = Registry::with_prefix("smtp");
    let counts = &*COUNTS;
    registry.register("sessions", "Sessions begun", counts.sessions.clone());
    registry.register(
        "replies",
        "Replies by class and enhanced code (RFC 3463), empty where there is none",
        counts.replies.clone(),
    );
    registry.register("deliveries", "What tries brought, by recipient", counts.deliveries.clone());
    registry.register("events", "Lines of the log, by their names", counts.events.clone());
    registry.register_with_unit(
        "queue_commit",
        "How long commits of the queue took, the sync included",
        Unit::Seconds,
        counts.commits.clone(),
    );
    registry.register_with_unit(
        "delivery_time",
        "From a message's arrival to its end in a mailbox or at the next host, by recipient",
        Unit::Seconds,
        counts.times.clone(),
    );
    registry
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn enhanced_codes_of_others_make_rows_only_where_they_can_be_some() {
        for (code, want, why) in [
            ("5.1.1", true, "no such user"),
            ("4.7.25", true, "two digits"),
            ("2.0.0", true, "accepted"),
            ("5.1.999", false, "a thousand rows"),
            ("5.200.1", false, "no subject"),
            ("3.0.0", false, "no class"),
            ("5.1", false, "not whole"),
            ("5.1.1.1", false, "too much"),
            ("5.001.1", false, "as many rows as zeros fit in a line"),
            ("5.1.+1", false, "a sign"),
            ("No", false, "a word"),
        ] {
            assert_eq!(is_known(code), want, "{code}: {why}");
        }
    }
}
