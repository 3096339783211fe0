//! `route`: what delivery would do, printed.

use std::fmt::Write as _;
use std::time::Duration;

use super::{NoRoute, Ourselves, Resolver, ResolverSettings, Route, Router, RouterSettings};
use crate::cli;
use crate::failure::{Failure, Kind};

pub(crate) fn route(command: cli::Route) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start: {error}")))?;
    let domain = command.to.rsplit_once('@').map_or(command.to.as_str(), |(_, domain)| domain).to_owned();
    runtime.block_on(async {
        let resolver = Resolver::new(&ResolverSettings {
            servers: command.resolver,
            timeout: Duration::from_secs(command.timeout),
        })?;
        let settings = RouterSettings {
            ourselves: Ourselves::new(command.own_name, command.own_address),
            allowed_targets: command.allow_target,
        };
        let route = Router::new(resolver, settings).route(&domain).await;
        route.map(|route| table(&route)).map_err(failure)
    })
}

fn table(route: &Route) -> String {
    let mut text = String::new();
    for host in &route.hosts {
        let addresses: Vec<_> = host.addresses.iter().map(ToString::to_string).collect();
        // INVARIANT: writing to a String does not fail.
        let _ = writeln!(text, "{} {} {}", host.preference, host.name, addresses.join(" "));
    }
    text
}

fn failure(no_route: NoRoute) -> Failure {
    let kind = if no_route.why.is_permanent() { Kind::NoHost } else { Kind::TryLater };
    Failure::new(kind, no_route.to_string())
}
