//! The certificate: from files, or self-made for trying things out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use smtp_tokio::tls::{rustls, server_config};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{Kind as ListenerKind, Tls};
use crate::failure::{Failure, Kind};
use crate::people::Stamp;

/// A certificate with its key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// What listeners shake hands with.
    pub(crate) config: Arc<rustls::ServerConfig>,
    /// When the first certificate of the chain ends, in seconds of Unix.
    pub(crate) ends: Option<i64>,
    /// What the files were like before they were read; none if it is from no files.
    pub(crate) files: Option<Stamps>,
}

/// What changes when a certificate's file or its key's does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamps([Stamp; 2]);

impl Stamps {
    pub(crate) fn of(tls: &Tls) -> Self {
        Self([&tls.certificate, &tls.key].map(|file| Stamp::of(file)))
    }
}

/// Reads the pair; `None` where no certificate is set.
pub(crate) fn load(tls: &Tls) -> Result<Option<Pair>, Failure> {
    if !tls.is_set() {
        return Ok(None);
    }
    let files = Some(Stamps::of(tls));
    let read = |path: &Path| {
        fs::read(path).map_err(|error| {
            Failure::new(Kind::NoInput, format!("can't read {}: {error}", path.display()))
                .help("it is named below [tls]; the user that runs the server must be able to read it")
        })
    };
    let (chain, key) = (read(&tls.certificate)?, read(&tls.key)?);
    let made = server_config(&chain, &key).map_err(|error| {
        let files = format!("{} and {}", tls.certificate.display(), tls.key.display());
        let what = match is_of_another_key(&error) {
            true => "the key is not that of the certificate".to_owned(),
            false => error.to_string(),
        };
        Failure::new(Kind::Config, format!("no use for {files}: {what}"))
            .help("want PEM text: the server's certificate before those that signed it, and its own key")
    })?;
    Ok(Some(Pair { config: Arc::new(made), ends: ends(&certificates(&chain)), files }))
}

fn is_of_another_key(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch))
}

/// The certificates in the file, the server's own first; none where there is none or it can't be read.
pub(crate) fn chain(tls: &Tls) -> Vec<CertificateDer<'static>> {
    fs::read(&tls.certificate).ok().filter(|_| tls.is_set()).map_or_else(Vec::new, |pem| certificates(&pem))
}

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// When the first of these certificates ends, in seconds of Unix; none if there is none.
pub(crate) fn ends(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let parsed = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    parsed.map(|(_, one)| one.validity().not_after.timestamp()).min()
}

/// The same for listeners of a kind: other servers are shown no session tickets, which upset some of them.
pub(crate) fn of_kind(tls: &Arc<rustls::ServerConfig>, kind: ListenerKind) -> Arc<rustls::ServerConfig> {
    if kind != ListenerKind::Mx {
        return Arc::clone(tls);
    }
    let mut config = rustls::ServerConfig::clone(tls);
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// Whether others than its owner can read the key's file.
pub(crate) fn is_key_exposed(tls: &Tls) -> bool {
    let mode = fs::metadata(&tls.key).map(|file| file.permissions().mode());
    tls.is_set() && mode.is_ok_and(|mode| mode & 0o077 != 0)
}

/// Makes a certificate for `host` and this machine itself, and writes it to `file`, so that clients can be told to
/// trust it. The key stays in memory.
pub(crate) fn self_made(host: &str, file: &Path) -> Result<Pair, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Kind::CantCreate, format!("can't make the certificate {}: {error}", file.display()))
    };
    let names = vec![host.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::write(file, &certificate).map_err(|error| failed(&error))?;
    let config = server_config(certificate.as_bytes(), key.as_bytes()).map_err(|error| failed(&error))?;
    Ok(Pair { config: Arc::new(config), ends: ends(&certificates(certificate.as_bytes())), files: None })
}
