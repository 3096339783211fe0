use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::Place;

/// Who scans messages, and what happens where nobody can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scan {
    pub(crate) clamav: At,
    pub(crate) rspamd: At,
    pub(crate) on_error: OnError,
    pub(crate) timeout_seconds: u64,
}

impl Default for Scan {
    fn default() -> Self {
        Self { clamav: At(None), rspamd: At(None), on_error: OnError::Defer, timeout_seconds: 60 }
    }
}

/// What happens to a message that can't be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    Defer,
    Pass,
}

/// Where a scanner listens, if it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Option<Place>);

impl At {
    pub(crate) const fn place(&self) -> Option<&Place> {
        self.0.as_ref()
    }
}

impl FromStr for At {
    type Err = <Place as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self(None)) } else { text.parse().map(Some).map(Self) }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(place) => place.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
