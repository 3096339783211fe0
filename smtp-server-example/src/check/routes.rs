//! The hosts that routes name: whether they are there, are who they should be, and let us log in.

use std::net::SocketAddr;
use std::time::Duration;

use smtp_tokio::client::ConnectError;
use smtp_tokio::{Client, ClientConfig, Credentials};
use tokio::time::timeout;

use super::{Findings, Site};
use crate::config::{At, Route, SmartHost};
use crate::dns::{Router, RouterSettings};
use crate::failure::Kind;
use crate::relay::{causes, tls_policy};

/// For one address of a host, until it has let us log in.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn check(site: &Site, findings: &mut Findings) {
    for (n, route) in site.config.route.iter().enumerate() {
        for host in route.hosts.iter().flat_map(|equals| &equals.0) {
            let name = format!("route {} {}:{}", n + 1, host.at, route.port_of(host));
            match site.runtime.block_on(visit(site, route, host)) {
                Ok(what) => findings.ok(name, what),
                Err(Trouble { kind, what, remedy }) => {
                    findings.fail(
                        kind,
                        name,
                        what,
                        "mail by this route waits, or goes by its next host",
                        remedy,
                    );
                }
            }
        }
    }
}

struct Trouble {
    kind: Kind,
    what: String,
    remedy: &'static str,
}

/// What is well about a host: it greets, its certificate is right, it knows us.
async fn visit(site: &Site, route: &Route, host: &SmartHost) -> Result<String, Trouble> {
    let addresses = match (&host.at, &site.resolver) {
        (At::Name(_), None) => return Ok("not looked up: DNS is not asked".to_owned()),
        (At::Address(address), _) => vec![*address],
        (At::Name(_), Some(resolver)) => {
            let router = Router::new(resolver.clone(), RouterSettings::of(&site.config));
            router.of_host(&host.at).await.map_err(|no_route| Trouble {
                kind: Kind::NoHost,
                what: no_route.text,
                remedy: "correct `hosts` below [[route]]",
            })?
        }
    };
    let mut last = None;
    for address in addresses {
        match open(site, route, host, SocketAddr::new(address, route.port_of(host))).await {
            Ok(what) => return Ok(what),
            Err(trouble) => last = Some(trouble),
        }
    }
    // INVARIANT: a host that was found has an address.
    Err(last.unwrap_or_else(|| unavailable("it has no address".to_owned())))
}

async fn open(site: &Site, route: &Route, host: &SmartHost, address: SocketAddr) -> Result<String, Trouble> {
    let relay = &site.config.relay;
    let hello = if relay.hello.is_empty() { &site.config.hostname } else { &relay.hello };
    let config = ClientConfig::new(hello).map_err(|error| unavailable(error.to_string()))?;
    let name = host.at.to_string();
    let mut to = Client::to(address.to_string(), config)
        .tls(tls_policy(route.tls_of(host).settled(relay.tls), false))
        .server_name(name.trim_start_matches('[').trim_end_matches(']'));
    if !route.user.is_empty() {
        let secret = route.secret.read().map_err(|what| Trouble {
            kind: Kind::Config,
            what,
            remedy: "correct `secret` below [[route]]",
        })?;
        to = to.credentials(Credentials::password(&route.user, secret));
    }
    if let Some(source) = relay.source_addresses.iter().find(|from| from.is_ipv4() == address.is_ipv4()) {
        to = to.local_addr(*source);
    }
    let connected =
        timeout(PATIENCE, to.connect()).await.map_err(|_| unavailable("no answer in time".to_owned()))?;
    let client = connected.map_err(|error| trouble(&error))?;
    let tls = client.session().tls().map_or_else(|| "in clear".to_owned(), |tls| tls.protocol.to_string());
    let login = if route.user.is_empty() { String::new() } else { format!(", lets {} log in", route.user) };
    client.quit().await;
    Ok(format!("{address} greets us, {tls}{login}"))
}

fn unavailable(what: String) -> Trouble {
    Trouble { kind: Kind::Unavailable, what, remedy: "start it, or correct `hosts` below [[route]]" }
}

fn trouble(error: &ConnectError) -> Trouble {
    let config = |remedy| Trouble { kind: Kind::Config, what: causes(error), remedy };
    match error {
        ConnectError::AuthFailed { .. } => config("correct `user` and `secret` below [[route]]"),
        ConnectError::Auth(_) => {
            config("use another port, or leave `user` out: it offers no log-in that we know")
        }
        ConnectError::NoStartTls(_) | ConnectError::StartTlsRefused(_) => {
            config("use another port, or set `tls` below [[route]]: it offers no STARTTLS")
        }
        ConnectError::Tls(_) => config("name it in `hosts` as its certificate does, or have it renew that"),
        _ => unavailable(causes(error)),
    }
}
