//! Whom a client trusts, and what its handshake agreed on.

use std::io;
use std::sync::Arc;

use smtp_proto::server::TlsInfo;

/// What our handshake with a server agreed on; `extended_master_secret` says whether it was required.
pub(crate) fn client_info(connection: &rustls::ClientConnection, extended_master_secret: bool) -> TlsInfo {
    #[cfg_attr(not(feature = "scram"), allow(unused_mut, reason = "only SCRAM binds to a certificate"))]
    let mut info = super::agreed(connection, extended_master_secret);
    #[cfg(feature = "scram")]
    {
        let shown = connection.peer_certificates().and_then(|chain| chain.first());
        info.server_end_point = shown.and_then(|leaf| smtp_proto::sasl::Bindings::end_point_of(leaf));
    }
    info
}

/// A client's configuration that trusts the certificates of authority in `roots_pem`, PEM text. TLS 1.2 and 1.3.
///
/// # Errors
/// When the text holds no certificate, or one that is none.
#[cfg(feature = "aws-lc-rs")]
pub fn client_config(roots_pem: &[u8]) -> Result<rustls::ClientConfig, rustls::Error> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots_pem) {
        let root =
            root.map_err(|error| rustls::Error::General(format!("no certificate in the PEM text: {error}")))?;
        roots.add(root)?;
    }
    if roots.is_empty() {
        return Err(rustls::Error::General("no certificate in the PEM text".to_owned()));
    }
    Ok(client_builder()?.with_root_certificates(roots).with_no_client_auth())
}

/// A client's configuration that trusts whom the system trusts.
#[cfg(feature = "aws-lc-rs")]
pub(crate) fn system_roots() -> io::Result<Arc<rustls::ClientConfig>> {
    use rustls_platform_verifier::BuilderVerifierExt;

    // Reading the roots takes milliseconds; a pool connects often.
    static MADE: std::sync::OnceLock<Arc<rustls::ClientConfig>> = std::sync::OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(Arc::clone(made));
    }
    let builder = client_builder().and_then(BuilderVerifierExt::with_platform_verifier);
    let config = builder.map_err(io::Error::other)?.with_no_client_auth();
    Ok(Arc::clone(MADE.get_or_init(|| Arc::new(config))))
}

/// A client's configuration that takes any certificate, for opportunistic TLS.
#[cfg(feature = "aws-lc-rs")]
pub(crate) fn any_certificate() -> io::Result<Arc<rustls::ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let config = client_builder()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(feature = "aws-lc-rs")]
fn client_builder()
-> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) fn system_roots() -> io::Result<Arc<rustls::ClientConfig>> {
    Err(no_provider())
}

#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) fn any_certificate() -> io::Result<Arc<rustls::ClientConfig>> {
    Err(no_provider())
}

#[cfg(not(feature = "aws-lc-rs"))]
fn no_provider() -> io::Error {
    io::Error::other("without the feature `aws-lc-rs` a TLS configuration must be given")
}

/// Takes any certificate whose key signed the handshake: opportunistic TLS keeps out those who only listen (RFC 7435).
#[cfg(feature = "aws-lc-rs")]
#[derive(Debug)]
struct AnyCertificate(rustls::crypto::WebPkiSupportedAlgorithms);

#[cfg(feature = "aws-lc-rs")]
impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls::pki_types::CertificateDer<'_>,
        _intermediates: &[rustls::pki_types::CertificateDer<'_>],
        _server_name: &rustls::pki_types::ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_schemes()
    }
}
