//! What is so at the moment, and is looked up when it is asked for.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::pressure::Level;

/// Ages by which mail that waits is counted, with the seconds from which it is older.
pub(crate) const AGES: [(&str, i64); 6] =
    [("0s", 0), ("5m", 300), ("1h", 3_600), ("4h", 14_400), ("1d", 86_400), ("3d", 259_200)];

/// What the queue holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Deliveries that are not done, by state.
    pub(crate) states: Vec<(String, i64)>,
    /// Those that are ready, by age: how many are so old or older, but younger than the next.
    pub(crate) ages: [i64; AGES.len()],
    /// Age of the oldest message of which somebody waits, in seconds.
    pub(crate) oldest: i64,
    /// How long the delivery that should be tried first has been due, in seconds.
    pub(crate) overdue: i64,
}

/// What there is of something, and how much may be.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) resource: &'static str,
    pub(crate) used: u64,
    pub(crate) most: u64,
}

/// Everything that is looked up.
#[derive(Debug)]
pub(super) struct Now {
    pub(super) open: Vec<(&'static str, usize)>,
    /// None if the queue could not be asked.
    pub(super) queue: Option<Figures>,
    pub(super) uses: Vec<Use>,
    pub(super) level: Level,
    /// Whether the disk has room for new mail.
    pub(super) has_room: bool,
    /// Deliveries that are being tried.
    pub(super) in_flight: usize,
    /// Whether the queue can't be believed any more.
    pub(super) failed: bool,
    /// When the certificate that is shown ends, in seconds of Unix.
    pub(super) certificate: Option<i64>,
}

impl Now {
    fn gauges(&self) -> Vec<Gauge<'_>> {
        let mut gauges = Vec::new();
        let mut add = |name, help, unit, rows| gauges.push(Gauge { name, help, unit, rows });
        let open = self.open.iter().map(|(kind, open)| (Some(("listener", *kind)), *open as f64));
        add("sessions_open", "Sessions open now", None, open.collect());
        add(
            "queue_up",
            "Whether the queue could be asked",
            None,
            vec![(None, f64::from(u8::from(self.queue.is_some())))],
        );
        if let Some(queue) = &self.queue {
            let states =
                queue.states.iter().map(|(state, count)| (Some(("state", state.as_str())), *count as f64));
            add("queue_deliveries", "Deliveries that are not done, by state", None, states.collect());
            let ages =
                AGES.iter().zip(queue.ages).map(|((age, _), count)| (Some(("age", *age)), count as f64));
            add("queue_waiting", "Deliveries that wait, by age, younger than the next", None, ages.collect());
            let help = "Age of the oldest message that somebody waits for";
            add("queue_oldest", help, Some(Unit::Seconds), vec![(None, queue.oldest as f64)]);
            let help = "How long the delivery that should be tried first has been due";
            add("queue_overdue", help, Some(Unit::Seconds), vec![(None, queue.overdue as f64)]);
        }
        let pressure =
            |one: &Use| (Some(("resource", one.resource)), one.used as f64 / one.most.max(1) as f64);
        let help = "How much of what it may have is used, 0 to 1";
        add("pressure", help, Some(Unit::Ratios), self.uses.iter().map(pressure).collect());
        let help = "How much goes on: 0 normal, 1 lean, 2 shed";
        add("pressure_level", help, None, vec![(None, f64::from(self.level as u8))]);
        let help = "Whether the disk has room for new mail above its reserve";
        add("disk_has_room", help, None, vec![(None, f64::from(u8::from(self.has_room)))]);
        add("deliveries_in_flight", "Deliveries being tried", None, vec![(None, self.in_flight as f64)]);
        let help =
            "Whether a sync or a read has failed, so that nothing is taken or delivered before a restart";
        add("queue_failed", help, None, vec![(None, f64::from(u8::from(self.failed)))]);
        if let Some(ends) = self.certificate {
            let help = "When the certificate that is shown ends, in seconds since 1970";
            add("certificate_end", help, Some(Unit::Seconds), vec![(None, ends as f64)]);
        }
        gauges
    }
}

struct Gauge<'n> {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    rows: Vec<(Option<(&'static str, &'n str)>, f64)>,
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for Gauge { name, help, unit, rows } in self.gauges() {
            if rows.is_empty() {
                continue;
            }
            let mut metric: MetricEncoder<'_> =
                encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for (label, value) in rows {
                let gauge = ConstGauge::new(value);
                match label {
                    Some(label) => gauge.encode(metric.encode_family(&[label])?)?,
                    None => gauge.encode(metric.encode_family(&[] as &[(&str, &str); 0])?)?,
                }
            }
        }
        Ok(())
    }
}

/// Descriptors that are open, and how many may be.
pub(super) fn descriptors() -> Option<Use> {
    let used = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    Some(Use { resource: "descriptors", used, most })
}
