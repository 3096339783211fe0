use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::config::Network;

/// Whom to ask, and what mail may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dns {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) timeout_seconds: u64,
    pub(crate) own_addresses: Vec<IpAddr>,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout_seconds: 5, own_addresses: Vec::new() }
    }
}

/// What is looked at when another server brings mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Checks {
    pub(crate) stage: Stage,
    pub(crate) blocklist_weight: i32,
    pub(crate) reverse_dns: Action,
    pub(crate) hello: Action,
    pub(crate) connections_per_minute: u32,
    pub(crate) messages_per_minute: u32,
    pub(crate) exempt: Vec<Network>,
}

impl Default for Checks {
    fn default() -> Self {
        let loopback = [
            Network { address: Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 },
            Network { address: Ipv6Addr::LOCALHOST.into(), prefix: 128 },
        ];
        Self {
            stage: Stage::Rcpt,
            blocklist_weight: 1,
            reverse_dns: Action::Off,
            hello: Action::Refuse,
            connections_per_minute: 60,
            messages_per_minute: 120,
            exempt: loopback.to_vec(),
        }
    }
}

/// Where in a session a client is told, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Connect,
    Hello,
    Mail,
    Rcpt,
}

/// What a finding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Off,
    Log,
    Refuse,
}
