//! What the system lets the process have.

use rustix::process::{Resource, getrlimit};

use super::{Findings, Site};
use crate::failure::Kind;

/// Descriptors that are needed besides connections: the queue, the log, DNS, deliveries.
const BASE: u64 = 100;

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let listeners = site.config.listener.len() as u64;
    let connections = (site.config.limits.connections as u64).saturating_mul(listeners);
    // None is no limit.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    descriptors(connections, limit, findings);
}

/// Each connection has a socket, and a file while its message is large.
fn descriptors(connections: u64, limit: u64, findings: &mut Findings) {
    let (most, least) =
        (connections.saturating_mul(2).saturating_add(BASE), connections.saturating_add(BASE));
    let what = format!("{limit} may be open, {connections} connections may need {most}");
    let why = "without descriptors nobody can connect, and mail stays in the queue";
    let remedy =
        format!("LimitNOFILE={most} in the unit, or ulimit -n {most}; or lower `limits.connections`");
    match limit {
        _ if limit < least => findings.fail(Kind::Config, "descriptors", what, why, remedy),
        _ if limit < most => findings.warn("descriptors", what, why, remedy),
        _ => findings.ok("descriptors", what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_counted_for_connections_and_their_files() {
        for (limit, want, why) in [
            (600, "ok ", "a socket and a file each, and a hundred"),
            (599, "warn", "not every message can be large"),
            (350, "warn", "a socket each"),
            (349, "FAIL", "not a socket for everybody"),
        ] {
            let mut findings = Findings::default();
            descriptors(250, limit, &mut findings);
            assert!(findings.lines()[0].starts_with(want), "{why}: {:?}", findings.lines());
        }
    }
}
