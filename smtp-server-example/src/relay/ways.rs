//! Which way mail leaves: by the settings of now, whatever they were when it came.

use std::sync::Arc;

use crate::config::{Route, RouteTls, select_route};
use crate::queue::{Job, RouteKey, part};

/// A way for some recipients of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the hosts of a domain.
    Mx { domain: String, tls: RouteTls },
    /// To hosts that the settings name.
    Smart(Route),
}

/// What goes one way together, is left alone together, and shares its limits.
pub(crate) fn route_key(routes: &[Route], sender: &str, recipient: &str) -> RouteKey {
    match select_route(routes, sender, recipient) {
        Some((_, route)) if !route.is_by_mx() => RouteKey::smart(&route.name()),
        _ => RouteKey::domain(domain(recipient)),
    }
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

fn way(routes: &[Route], sender: &str, recipient: &str) -> Way {
    match select_route(routes, sender, recipient) {
        Some((_, route)) if !route.is_by_mx() => Way::Smart(route.clone()),
        other => Way::Mx {
            domain: domain(recipient).to_ascii_lowercase(),
            tls: other.map_or(RouteTls::Auto, |(_, route)| route.tls),
        },
    }
}

/// The parts of a delivery: one, unless routes have changed since it came, or its domain has several.
pub(super) fn parts(routes: &[Route], job: &Arc<Job>) -> Vec<(Way, Arc<Job>)> {
    let mut parts: Vec<(Way, Vec<_>)> = Vec::new();
    for rcpt in &job.rcpts {
        let way = way(routes, &job.envelope.sender, &rcpt.address);
        match parts.iter_mut().find(|(known, _)| *known == way) {
            Some((_, rcpts)) => rcpts.push(rcpt.clone()),
            None => parts.push((way, vec![rcpt.clone()])),
        }
    }
    parts.into_iter().filter_map(|(way, rcpts)| Some((way, part(job, rcpts)?))).collect()
}
