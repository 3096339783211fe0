//! `route`: what delivery would do, printed.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use smtp_proto::wire::path::Mailbox;

use super::{NoRoute, Ourselves, Resolver, ResolverSettings, Route, Router, RouterSettings};
use crate::cli;
use crate::config::{Config, Route as Way, RouteTls, select_route};
use crate::directory::Found;
use crate::failure::{Failure, Kind};
use crate::people::People;
use crate::relay::MxTls;

pub(crate) fn route(command: cli::Route) -> Result<String, Failure> {
    let config = command.config.as_deref().map(Config::read).transpose()?;
    if let Some(config) = &config
        && is_here(config, &command.to)?
    {
        return Ok("local: the mailboxes here\n".to_owned());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::System, format!("can't start: {error}")))?;
    runtime.block_on(async {
        let router = Router::new(
            Resolver::new(&resolver(&command, config.as_ref()))?,
            settings(&command, config.as_ref()),
        );
        // A domain alone stands for anybody there.
        let to =
            if command.to.contains('@') { command.to.clone() } else { format!("anybody@{}", command.to) };
        let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
        let chosen = config.as_ref().map(|config| (config, select_route(&config.route, &command.from, &to)));
        match chosen {
            Some((config, Some((n, way)))) if !way.is_by_mx() => {
                let hosts = smart_table(&router, way, config.relay.tls).await?;
                Ok(format!("{}: smart hosts, {}\n{hosts}", title(n, way), login(way)))
            }
            _ => {
                let head = chosen.map_or_else(String::new, |(config, chosen)| by_mx(config, chosen, domain));
                let route = router.route(domain).await;
                route.map(|route| head + &table(&route)).map_err(failure)
            }
        }
    })
}

/// Whether mail for it stays. As for delivery, only whoever serves knows.
fn is_here(config: &Config, to: &str) -> Result<bool, Failure> {
    let people = People::open(config)?;
    let domain = to.rsplit_once('@').map_or(to, |(_, domain)| domain);
    let ours = config.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain));
    let found = Mailbox::parse(to.as_bytes())
        .map(|mailbox| matches!(people.known().directory.find(mailbox), Found::Foreign));
    Ok(found.map_or(ours, |foreign| !foreign))
}

fn resolver(command: &cli::Route, config: Option<&Config>) -> ResolverSettings {
    let mut settings = config.map_or_else(
        || ResolverSettings { servers: Vec::new(), timeout: Duration::from_secs(5) },
        |config| ResolverSettings::from(&config.dns),
    );
    if !command.resolver.is_empty() {
        settings.servers.clone_from(&command.resolver);
    }
    settings.timeout = command.timeout.map_or(settings.timeout, Duration::from_secs);
    settings
}

fn settings(command: &cli::Route, config: Option<&Config>) -> RouterSettings {
    let mut settings = match config {
        Some(config) => RouterSettings::of(config),
        None => {
            let ourselves = Ourselves::new(command.own_name.clone(), command.own_address.clone());
            RouterSettings { ourselves, allowed_targets: Vec::new() }
        }
    };
    settings.allowed_targets.extend(&command.allow_target);
    settings
}

fn title(n: usize, way: &Way) -> String {
    let of = |name: &str, patterns: &[crate::config::Pattern]| {
        let all: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        if all.is_empty() { String::new() } else { format!(", {name} {}", all.join(" ")) }
    };
    format!("route {}{}{}", n + 1, of("to", &way.to), of("from", &way.from))
}

fn login(way: &Way) -> String {
    match (way.user.as_str(), &way.secret) {
        ("", _) => "nobody logs in".to_owned(),
        (user, secret) => format!("logs in as {user} with {secret}"),
    }
}

fn by_mx(config: &Config, chosen: Option<(usize, &Way)>, domain: &str) -> String {
    let tls = chosen.map_or(RouteTls::Auto, |(_, way)| way.tls);
    let title = chosen.map_or_else(|| "no route".to_owned(), |(n, way)| title(n, way));
    format!(
        "{title}: the MX of {domain}, port {}, TLS {}\n",
        config.relay.port,
        tls.settled(config.relay.tls).word()
    )
}

/// A line for each host: equal ones have the same number. An error if none can be found.
async fn smart_table(router: &Router<Resolver>, way: &Way, relay: MxTls) -> Result<String, Failure> {
    let hosts: Vec<_> = way
        .hosts
        .iter()
        .enumerate()
        .flat_map(|(n, equals)| equals.0.iter().map(move |host| (n, host)))
        .collect();
    let found = join_all(hosts.iter().map(|(_, host)| router.of_host(&host.at))).await;
    let (mut text, mut any, mut trouble) = (String::new(), false, None);
    for ((n, host), found) in hosts.iter().zip(found) {
        let tls = way.tls_of(host).settled(relay).word();
        let said = match found {
            Ok(addresses) => {
                any = true;
                addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Err(no_route) => {
                let said = no_route.to_string();
                trouble = trouble.or(Some(no_route));
                said
            }
        };
        // INVARIANT: writing to a String does not fail.
        let _ = writeln!(text, "{} {} port {} TLS {tls} {said}", n + 1, host.at, way.port_of(host));
    }
    match trouble {
        Some(no_route) if !any => Err(failure(no_route)),
        _ => Ok(text),
    }
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
