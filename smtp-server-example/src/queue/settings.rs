use serde::{Deserialize, Serialize};

/// How long mail waits, and how much is done at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QueueSettings {
    pub(crate) retry_first_seconds: u64,
    pub(crate) retry_growth_percent: u64,
    pub(crate) retry_most_seconds: u64,
    pub(crate) give_up_seconds: u64,
    pub(crate) give_up_notices_seconds: u64,
    pub(crate) delay_notice_seconds: u64,
    pub(crate) pause_first_seconds: u64,
    pub(crate) pause_most_seconds: u64,
    pub(crate) deliveries_per_destination: usize,
    pub(crate) deliveries: usize,
    pub(crate) hold_unknown: bool,
    pub(crate) keep_done_seconds: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            retry_first_seconds: 120,
            retry_growth_percent: 180,
            retry_most_seconds: 2 * 3_600,
            give_up_seconds: 5 * 86_400,
            give_up_notices_seconds: 86_400,
            delay_notice_seconds: 4 * 3_600,
            pause_first_seconds: 60,
            pause_most_seconds: 1_800,
            deliveries_per_destination: 20,
            deliveries: 200,
            hold_unknown: false,
            keep_done_seconds: 30 * 86_400,
        }
    }
}
