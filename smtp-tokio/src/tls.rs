//! TLS by rustls: the configuration is yours; these make one, and tell what a handshake agreed on.
//!
//! ```no_run
//! # #[cfg(feature = "aws-lc-rs")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{fs, sync::Arc};
//!
//! use smtp_tokio::{Server, ServerConfig, tls};
//!
//! let tls = Arc::new(tls::server_config(&fs::read("chain.pem")?, &fs::read("key.pem")?)?);
//! let config = Arc::new(ServerConfig::new("mx.example")?);
//! let submission = Server::builder(Arc::clone(&config)).starttls(Arc::clone(&tls)).bind("[::]:587").await?;
//! let submissions = Server::builder(config).implicit_tls(tls).bind("[::]:465").await?;
//! // Later, with a new certificate:
//! let tls = tls::server_config(&fs::read("chain.pem")?, &fs::read("key.pem")?)?;
//! submissions.handle().reload_tls(Arc::new(tls));
//! # Ok(())
//! # }
//! ```

mod client;

use std::sync::Arc;
#[cfg(feature = "scram")]
use std::sync::{Mutex, PoisonError};

use smtp_proto::server::TlsInfo;

#[cfg(feature = "aws-lc-rs")]
pub use client::client_config;
pub(crate) use client::{any_certificate, client_info, system_roots};
pub use rustls;

/// Label of the channel binding tls-exporter (RFC 9266 §2).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What a client's handshake with us agreed on; `shown` is what [`watched`] gave for it.
pub(crate) fn info(connection: &rustls::ServerConnection, shown: &Shown) -> TlsInfo {
    let mut info = agreed(connection, shown.extended_master_secret);
    info.server_name = connection.server_name().map(str::to_owned);
    info.client_certificate =
        connection.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec());
    #[cfg(feature = "scram")]
    {
        info.server_end_point = shown.end_point.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
    info
}

/// What a handshake agreed on that concerns both sides alike.
fn agreed<Side>(connection: &rustls::ConnectionCommon<Side>, extended_master_secret: bool) -> TlsInfo {
    let mut info = TlsInfo::default();
    info.protocol = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    };
    if let Some(suite) = connection.negotiated_cipher_suite() {
        info.cipher = format!("{:?}", suite.suite()).trim_start_matches("TLS13_").to_owned();
    }
    // RFC 9266 §3: in TLS 1.2 two connections can share these octets, unless the extended master secret is used.
    if connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) || extended_master_secret {
        let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[]));
        info.exporter = exporter.ok().map(Vec::from);
    }
    info
}

/// What only a handshake's configuration can tell.
#[derive(Debug)]
pub(crate) struct Shown {
    extended_master_secret: bool,
    /// The binding to the certificate that was shown.
    #[cfg(feature = "scram")]
    end_point: Arc<Mutex<Option<Vec<u8>>>>,
}

/// A configuration for one handshake that remembers which certificate it shows.
pub(crate) fn watched(config: &Arc<rustls::ServerConfig>) -> (Arc<rustls::ServerConfig>, Shown) {
    let shown = Shown {
        extended_master_secret: config.require_ems,
        #[cfg(feature = "scram")]
        end_point: Arc::default(),
    };
    #[cfg(not(feature = "scram"))]
    let config = Arc::clone(config);
    #[cfg(feature = "scram")]
    let config = {
        // All that is large in it is shared, tickets and sessions too.
        let mut config = rustls::ServerConfig::clone(config);
        let certificates = Arc::clone(&config.cert_resolver);
        config.cert_resolver = Arc::new(Watched { certificates, end_point: Arc::clone(&shown.end_point) });
        Arc::new(config)
    };
    (config, shown)
}

#[cfg(feature = "scram")]
#[derive(Debug)]
struct Watched {
    certificates: Arc<dyn rustls::server::ResolvesServerCert>,
    end_point: Arc<Mutex<Option<Vec<u8>>>>,
}

#[cfg(feature = "scram")]
impl rustls::server::ResolvesServerCert for Watched {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let key = self.certificates.resolve(hello)?;
        let end_point = key.cert.first().and_then(|leaf| smtp_proto::sasl::Bindings::end_point_of(leaf));
        *self.end_point.lock().unwrap_or_else(PoisonError::into_inner) = end_point;
        Some(key)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.certificates.only_raw_public_keys()
    }
}

/// A configuration from PEM text: the certificate chain, leaf first, and its key (PKCS#8, PKCS#1 or SEC1). TLS 1.2 and
/// 1.3, no client certificates.
///
/// What it returns may be changed before it is shared. Some senders of mail are upset by session tickets: on port 25 set
/// `send_tls13_tickets = 0`.
///
/// # Errors
/// When the text holds no certificate or key, or the two don't fit.
#[cfg(feature = "aws-lc-rs")]
pub fn server_config(chain_pem: &[u8], key_pem: &[u8]) -> Result<rustls::ServerConfig, rustls::Error> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let unreadable = |what: &str, error: rustls::pki_types::pem::Error| {
        rustls::Error::General(format!("no {what} in the PEM text: {error}"))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable("certificate", error))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| unreadable("private key", error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
}
