//! The programs that this server talks to.

use std::time::Duration;

use smtp_tokio::{Client, ClientConfig};
use tokio::time::timeout;

use super::{Findings, Site};
use crate::config::{Delivery, Place};
use crate::failure::Kind;
use crate::relay::causes;
use crate::scan;

/// They are near, and asked for next to nothing.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let scan = &site.config.scan;
    if let Some(place) = scan.clamav.place() {
        let answer = site.runtime.block_on(scan::ping_clamd(place, PATIENCE));
        tell(findings, "clamd", place, answer);
    }
    if let Some(place) = scan.rspamd.place() {
        let answer = site.runtime.block_on(scan::ping_rspamd(place, PATIENCE));
        tell(findings, "rspamd", place, answer);
    }
    let mut asked = Vec::new();
    for domain in &site.config.domain {
        let Delivery::Lmtp(place) = &domain.delivery else { continue };
        if !asked.contains(&place) {
            asked.push(place);
            let answer = site.runtime.block_on(greeting(&site.config.hostname, place));
            store(findings, &domain.name, place, answer);
        }
    }
}

/// What a mail store says to LHLO.
async fn greeting(host: &str, place: &Place) -> Result<(), String> {
    let config = ClientConfig::lmtp(host).map_err(|error| error.to_string())?;
    let to = Client::to(place.to_string(), config);
    let client = timeout(PATIENCE, to.connect())
        .await
        .map_err(|_| "no answer in time".to_owned())?
        .map_err(|error| causes(&error))?;
    client.quit().await;
    Ok(())
}

fn store(findings: &mut Findings, domain: &str, place: &Place, answer: Result<(), String>) {
    let name = format!("lmtp {domain}");
    match answer {
        Ok(()) => findings.ok(name, format!("{place} greets us")),
        Err(error) => findings.fail(
            Kind::Unavailable,
            name,
            format!("{place}: {error}"),
            "mail for the domain waits until it does",
            "start it, or set where it listens: `delivery` below [[domain]]",
        ),
    }
}

fn tell(findings: &mut Findings, name: &str, place: &Place, answer: Result<(), String>) {
    match answer {
        Ok(()) => findings.ok(name, format!("{place} answers")),
        Err(error) => findings.fail(
            Kind::Unavailable,
            name,
            error,
            "mail that can't be scanned is put off, or passes with a mark: see `scan.on_error`",
            format!("start {name}, or set where it listens below [scan]"),
        ),
    }
}
