//! The certificate that listeners show, beside the one in the file: a server that began without one, or could not read
//! a new pair, goes on with what it had.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use smtp_tokio::client::ConnectError;
use smtp_tokio::tls::rustls;
use smtp_tokio::{Client, ClientConfig, TlsPolicy};
use tokio::time::timeout;

use super::relay::reachable;
use super::{Findings, Site};
use crate::config::{Kind as ListenerKind, Place};
use crate::failure::Kind;
use crate::relay::causes;
use crate::{mailroom, queue, tls};

/// For greeting and handshake. A server that makes strangers wait is given the time.
const PATIENCE: Duration = Duration::from_secs(30);

const WHY: &str = "clients see what is shown, not what is in the file";

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let chain = tls::chain(&site.config.tls);
    // What is wrong with the file is told already.
    let Some(file) = chain.first() else { return };
    if queue::state_of_server(&mailroom::folder(&site.config.data)).is_none() {
        return findings.ok("shown", "no server runs by these settings");
    }
    for listener in site.config.listener.iter().filter(|listener| listener.kind != ListenerKind::Lmtp) {
        let Place::Tcp(address) = &listener.address else { continue };
        let target = reachable(*address);
        // Where any port was asked for, nobody knows which it is; and balancers have their own certificates.
        if address.port() == 0 || listener.proxies.iter().any(|range| range.contains(target.ip())) {
            continue;
        }
        let name = format!("shown {} {address}", listener.kind);
        let asked = async { timeout(PATIENCE, shown(&site.config.hostname, listener.kind, target)).await };
        let answer = site
            .runtime
            .block_on(asked)
            .unwrap_or_else(|_| Err(Trouble::Silent("no answer in time".to_owned())));
        judge(findings, name, file, answer, jiff::Timestamp::now().as_second());
    }
}

/// Why no certificate was seen.
enum Trouble {
    /// Nobody could be asked.
    Silent(String),
    /// It speaks, and shows none.
    None(String),
}

fn judge(
    findings: &mut Findings,
    name: String,
    file: &CertificateDer<'_>,
    answer: Result<CertificateDer<'static>, Trouble>,
    now: i64,
) {
    const AGAIN: &str = "restart the server; where it runs by other settings, check those";
    match answer {
        Ok(shown) if shown == *file => findings.ok(name, "it shows the certificate that is in the file"),
        Ok(shown) => match tls::ends(&[shown]) {
            Some(end) if end <= now => {
                let what = "it shows another certificate than the file's, which has ended";
                findings.fail(Kind::Config, name, what, "who checks it will not connect", AGAIN);
            }
            _ => findings.warn(
                name,
                "it shows another certificate than the file's",
                WHY,
                "if the file is older than some seconds, `certificate-not-read` in the log says why it is not shown; once \
                 `certificate` above is ok, it is shown without a restart",
            ),
        },
        Err(Trouble::None(error)) => findings.fail(
            Kind::Config,
            name,
            format!("it shows no certificate: {error}"),
            "mail comes in clear text, and nobody can log in",
            AGAIN,
        ),
        Err(Trouble::Silent(error)) => findings.warn(
            name,
            format!("nobody could be asked: {error}"),
            "what it shows is not known",
            "if it listens elsewhere, as by a service manager's socket, set `address` to that; else restart the server",
        ),
    }
}

/// What a listener of a kind shows.
async fn shown(
    host: &str,
    kind: ListenerKind,
    target: SocketAddr,
) -> Result<CertificateDer<'static>, Trouble> {
    let silent = |error: &dyn std::error::Error| Trouble::Silent(causes(error));
    let (tls, seen) = watching().map_err(|error| silent(&error))?;
    let policy = match kind {
        ListenerKind::Submissions => TlsPolicy::Implicit,
        ListenerKind::Mx | ListenerKind::Submission | ListenerKind::Lmtp => TlsPolicy::Required,
    };
    let config = ClientConfig::new("certificate-check.invalid").map_err(|error| silent(&error))?;
    let to = Client::to(target.to_string(), config).tls(policy).tls_config(tls).server_name(host);
    let connected = to.connect().await;
    if let Some(leaf) = seen.leaf.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Ok(leaf);
    }
    match connected {
        Err(
            error @ (ConnectError::NoStartTls(_) | ConnectError::StartTlsRefused(_) | ConnectError::Tls(_)),
        ) => Err(Trouble::None(causes(&error))),
        Err(error) => Err(silent(&error)),
        Ok(_) => Err(Trouble::None("there was no handshake".to_owned())),
    }
}

/// A client's side of TLS that takes any certificate and remembers it: nothing is said over the connection.
fn watching() -> Result<(Arc<rustls::ClientConfig>, Arc<Seen>), Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let seen = Arc::new(Seen::new(&provider));
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    Ok((Arc::new(config), seen))
}

#[derive(Debug)]
struct Seen {
    leaf: Mutex<Option<CertificateDer<'static>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Seen {
    const fn new(provider: &CryptoProvider) -> Self {
        Self { leaf: Mutex::new(None), algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.leaf.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
