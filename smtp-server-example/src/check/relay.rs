//! Whether a stranger can send through this server to others: it is asked to, and nothing is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use smtp_proto::wire::params::{MailParams, RcptParams};
use smtp_proto::wire::path::{Mailbox, ReversePath};
use smtp_tokio::{Client, ClientConfig};
use tokio::time::timeout;

use super::{Findings, Site, outer_address};
use crate::config::{Kind as ListenerKind, Place};
use crate::failure::Kind;

/// For the whole of it. A server that makes strangers wait is given the time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom a stranger would want to reach. Nobody has that name (RFC 2606 §2).
const FOREIGN: &str = "relay-check.invalid";

pub(super) fn check(site: &Site, findings: &mut Findings) {
    for listener in site.config.listener.iter().filter(|listener| listener.kind == ListenerKind::Mx) {
        let Place::Tcp(address) = &listener.address else { continue };
        let (name, target) = (format!("relay {address}"), reachable(*address));
        if address.port() == 0 {
            continue;
        }
        if listener.proxies.iter().any(|range| range.contains(target.ip())) {
            findings.ok(name, "only balancers get there from here; try it through one of them");
            continue;
        }
        let probe = async { timeout(PATIENCE, probe(site, target)).await };
        match site.runtime.block_on(probe).unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(Said::Refused(count)) => {
                findings.ok(name, format!("{count} ways to send through it are refused"));
            }
            Ok(Said::Accepted(rcpt)) => findings.fail(
                Kind::Config,
                name,
                format!("it takes mail from strangers for <{rcpt}>"),
                "it is an open relay: it will be abused, and then refused everywhere",
                "shut it off now; see what forwards to this port",
            ),
            Ok(Said::Unclear(reply)) => findings.warn(
                name,
                format!("it did not say no for good: {reply}"),
                "whether it is open to strangers is not known",
                "run this again later",
            ),
            Err(error) => findings.warn(
                name,
                format!("nobody could be asked: {error}"),
                "whether it is open to strangers is not known",
                "start the server, and run this again",
            ),
        }
    }
}

/// Where a stranger would connect to: an address of this machine that is not loopback, if it listens on all.
pub(super) fn reachable(listening: SocketAddr) -> SocketAddr {
    let (outer, loopback): (Option<IpAddr>, IpAddr) = match listening.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => {
            (outer_address([192, 0, 2, 1].into()), Ipv4Addr::LOCALHOST.into())
        }
        IpAddr::V6(v6) if v6.is_unspecified() => {
            let anywhere = IpAddr::from([0x2000, 0, 0, 0, 0, 0, 0, 1]);
            (outer_address(anywhere), Ipv6Addr::LOCALHOST.into())
        }
        _ => return listening,
    };
    SocketAddr::new(outer.unwrap_or(loopback), listening.port())
}

enum Said {
    /// So many times.
    Refused(usize),
    Accepted(String),
    Unclear(String),
}

async fn probe(site: &Site, target: SocketAddr) -> Result<Said, String> {
    let config = ClientConfig::new("relay-check.invalid").map_err(|error| error.to_string())?;
    let connected = Client::to(target.to_string(), config).connect().await;
    let mut client = connected.map_err(|error| error.to_string())?;
    let senders = ["", "stranger@relay-check.invalid", &format!("postmaster@{}", site.config.domains[0])]
        .map(str::to_owned);
    let mut refused = 0;
    for sender in &senders {
        let path = if sender.is_empty() { ReversePath::Null } else { ReversePath::from(mailbox(sender)?) };
        let reply = client.mail(path, MailParams::default()).await.map_err(|error| error.to_string())?;
        if !reply.is_positive() {
            continue;
        }
        for rcpt in recipients(site) {
            let reply = client
                .rcpt(mailbox(&rcpt)?, RcptParams::default())
                .await
                .map_err(|error| error.to_string())?;
            match reply.code() {
                200..300 => return Ok(Said::Accepted(rcpt)),
                500.. => refused += 1,
                _ => return Ok(Said::Unclear(reply.to_string())),
            }
        }
        client.rset().await.map_err(|error| error.to_string())?;
    }
    client.quit().await;
    Ok(Said::Refused(refused))
}

/// The forms in which servers were abused. What a catch-all takes stays here.
fn recipients(site: &Site) -> Vec<String> {
    let ours = &site.config.domains[0];
    let mut all = vec![format!("someone@{FOREIGN}"), "someone@[192.0.2.1]".to_owned()];
    let caught = !site.config.catch_all.is_empty()
        || site.config.alias.iter().any(|alias| alias.address.starts_with('@'));
    if !caught {
        all.push(format!("someone%{FOREIGN}@{ours}"));
        all.push(format!("\"someone@{FOREIGN}\"@{ours}"));
        all.push(format!("{FOREIGN}!someone@{ours}"));
    }
    all
}

fn mailbox(text: &str) -> Result<Mailbox<'_>, String> {
    Mailbox::parse(text.as_bytes()).map_err(|error| format!("{text}: {error}"))
}
