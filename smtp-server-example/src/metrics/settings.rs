use serde::{Deserialize, Serialize};

use crate::scan::At;

/// Where figures can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    pub(crate) listen: At,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: At(None) }
    }
}
