use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Network;

/// How mail goes to other hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RelaySettings {
    pub(crate) enabled: bool,
    pub(crate) hello: String,
    pub(crate) port: u16,
    pub(crate) source_addresses: Vec<IpAddr>,
    pub(crate) allowed_targets: Vec<Network>,
    pub(crate) tls: MxTls,
    pub(crate) connections_per_host: usize,
    pub(crate) messages_per_connection: u32,
    pub(crate) idle_seconds: u64,
    pub(crate) connect_seconds: u64,
    pub(crate) dead_host_seconds: u64,
    pub(crate) answer_seconds: u64,
    pub(crate) final_answer_seconds: u64,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            hello: String::new(),
            port: 25,
            source_addresses: Vec::new(),
            allowed_targets: Vec::new(),
            tls: MxTls::Opportunistic,
            connections_per_host: 10,
            messages_per_connection: 100,
            idle_seconds: 30,
            connect_seconds: 30,
            dead_host_seconds: 60,
            answer_seconds: 300,
            final_answer_seconds: 600,
        }
    }
}

impl RelaySettings {
    /// The longest that a delivery can wait for one thing: for a connection, with each answer at the last moment, that has
    /// to be made twice as TLS broke; or for the answer to its final dot.
    pub(crate) fn longest_wait(&self) -> Duration {
        // Greeting, EHLO, STARTTLS, handshake, EHLO.
        let connection = self.connect_seconds.saturating_add(self.answer_seconds.saturating_mul(5));
        Duration::from_secs(connection.saturating_mul(2).max(self.final_answer_seconds))
    }
}

/// Whether connections to a domain's hosts are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MxTls {
    /// Never.
    Off,
    /// Where the host offers it, whoever's its certificate is (RFC 7435).
    #[default]
    Opportunistic,
    /// With a certificate that is right, or not at all.
    Required,
}
