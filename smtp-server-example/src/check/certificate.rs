//! The certificate: whether it is the key's, names this host, is trusted, and for how long.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use smtp_tokio::tls::rustls;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Findings, Site};
use crate::failure::Kind;
use crate::tls;

/// Certificates last for 90 days, or soon for 47, and are renewed after two thirds: less than this is late.
const DAYS: i64 = 21;

const DAY: i64 = 24 * 60 * 60;

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let settings = &site.config.tls;
    if !settings.is_set() {
        return findings.warn(
            "certificate",
            "there is none",
            "mail comes in clear text, and nobody can log in",
            "set `certificate` and `key` below [tls]",
        );
    }
    if let Err(failure) = tls::load(settings) {
        let remedy = failure.remedy().unwrap_or("mend the files");
        return findings.fail(
            Kind::Config,
            "certificate",
            failure.what(),
            "the server does not start",
            remedy,
        );
    }
    findings.ok("certificate", format!("{} is the certificate of its key", settings.certificate.display()));
    let chain = tls::chain(settings);
    let parsed: Vec<_> = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok()).collect();
    let (Some(leaf), Some(first)) = (chain.first(), parsed.first()) else {
        return findings.fail(
            Kind::Config,
            "certificate",
            "it can't be read",
            "clients can't either",
            "get another one",
        );
    };
    name(leaf, &site.config.hostname, findings);
    let until = tls::ends(&chain).unwrap_or_default();
    let from = first.1.validity().not_before.timestamp();
    time(from, until, jiff::Timestamp::now().as_second(), findings);
    order(&parsed.iter().map(|(_, one)| one).collect::<Vec<_>>(), findings);
    trust(&chain, &site.config.hostname, findings);
}

fn name(leaf: &CertificateDer<'_>, host: &str, findings: &mut Findings) {
    let matches = ParsedCertificate::try_from(leaf)
        .ok()
        .zip(ServerName::try_from(host).ok())
        .is_some_and(|(leaf, name)| verify_server_name(&leaf, &name).is_ok());
    match matches {
        true => findings.ok("certificate-name", format!("it names {host}")),
        false => findings.fail(
            Kind::Config,
            "certificate-name",
            format!("it does not name {host}"),
            "who checks it will not connect",
            "get one for `hostname`, or set `hostname` to a name that it has",
        ),
    }
}

/// Looks at a certificate that is good for the time between, at `now`; all in seconds of Unix.
fn time(from: i64, until: i64, now: i64, findings: &mut Findings) {
    const NAME: &str = "certificate-days";
    const WHY: &str = "who checks it will not connect";
    let days = (until - now).div_euclid(DAY);
    if now < from {
        let what = format!("it is not good for another {} days", (from - now).div_euclid(DAY) + 1);
        findings.fail(Kind::Config, NAME, what, WHY, "if that is not so, set this machine's clock");
    } else if until <= now {
        let what = format!("it ended {} days ago", (now - until).div_euclid(DAY));
        findings.fail(Kind::Config, NAME, what, WHY, "renew it; a running server sees that by itself");
    } else if days < DAYS {
        findings.warn(
            NAME,
            format!("it ends in {days} days"),
            "it should have been renewed by now",
            "renew it, and look why that was not done",
        );
    } else {
        findings.ok(NAME, format!("it is good for {days} days"));
    }
}

/// Each certificate is followed by the one that signed it (RFC 5246 §7.4.2).
fn order(chain: &[&X509Certificate<'_>], findings: &mut Findings) {
    const NAME: &str = "certificate-chain";
    let broken = chain.windows(2).find(|pair| pair[0].issuer() != pair[1].subject());
    match broken {
        Some(pair) => findings.warn(
            NAME,
            format!("{} is followed by {}, which did not sign it", pair[0].subject(), pair[1].subject()),
            "some clients give up there",
            "put the server's own first, and behind each the one that signed it",
        ),
        None => findings.ok(NAME, format!("certificates in the file: {}", chain.len())),
    }
}

/// Whether this machine trusts it, as others that have the usual roots do.
fn trust(chain: &[CertificateDer<'_>], host: &str, findings: &mut Findings) {
    use rustls::CertificateError::{BadSignature, UnknownIssuer};

    const NAME: &str = "certificate-trust";
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (Ok(verifier), Ok(name)) =
        (rustls_platform_verifier::Verifier::new(provider), ServerName::try_from(host))
    else {
        return findings.warn(
            NAME,
            "can't tell",
            "the system's roots can't be read",
            "install ca-certificates",
        );
    };
    let (leaf, rest) = (&chain[0], &chain[1..]);
    match verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now()) {
        Err(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => findings.warn(
            NAME,
            "nobody who is trusted here signed it, or one in between is missing",
            "programs of users refuse it; other servers mostly take it",
            "put all that came with it into the file, or get one of a public authority",
        ),
        // What else there may be is told above.
        Err(_) => {}
        Ok(_) => findings.ok(NAME, "this machine trusts it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_to_the_end() {
        let now = 1_000 * DAY;
        for (from, until, want, why) in [
            (0, now + DAYS * DAY, "ok   certificate-days: it is good for 21 days", "three weeks"),
            (0, now + DAYS * DAY - 1, "warn certificate-days: it ends in 20 days", "a second less"),
            (0, now + 1, "warn certificate-days: it ends in 0 days", "the last second"),
            (0, now, "FAIL certificate-days: it ended 0 days ago", "over"),
            (now + 1, now + 90 * DAY, "FAIL certificate-days: it is not good for another 1 days", "not yet"),
        ] {
            let mut findings = Findings::default();
            time(from, until, now, &mut findings);
            assert!(findings.lines()[0].starts_with(want), "{why}: {:?}", findings.lines());
        }
    }
}
