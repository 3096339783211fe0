//! A certificate that is renewed while the server runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use smtp_proto::wire::params::{MailParams, RcptParams};
use smtp_proto::wire::path::{Mailbox, ReversePath};
use smtp_tokio::{Client, ClientConfig, TlsPolicy, tls};
use tempfile::TempDir;

use crate::check::{certificate, in_days};
use crate::harness::{Server, field};
use crate::metrics::figures;

/// Makes a pair that is good until then; the authority that signed it.
fn renew(folder: &Path, until: Date) -> Vec<u8> {
    certificate(folder, "127.0.0.1", 2020, until);
    fs::read(folder.join("root.pem")).unwrap()
}

fn serve(folder: &Path) -> Server {
    let settings = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
        [tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
        [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n";
    Server::serve(folder, settings)
}

/// Connects under TLS if the server shows a certificate that this authority signed.
async fn connect(server: &Server, authority: &[u8]) -> Option<Client> {
    let trust = Arc::new(tls::client_config(authority).unwrap());
    let to = Client::to(server.address.to_string(), ClientConfig::new("client.example").unwrap());
    to.tls(TlsPolicy::Required).tls_config(trust).connect().await.ok()
}

/// When the certificate ends that the figures tell of.
fn end(server: &Server) -> f64 {
    let figures = figures(server);
    let line = figures.lines().find_map(|line| line.strip_prefix("smtp_certificate_end_seconds "));
    line.unwrap_or_else(|| panic!("no end in {figures}")).parse().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_renewed_certificate_is_shown_without_a_signal_and_no_session_ends() {
    let folder = TempDir::new().unwrap();
    let (soon, later) = (in_days(30), in_days(60));
    let first = renew(folder.path(), soon);
    let server = serve(folder.path());
    let before = end(&server);
    runtime().block_on(async {
        let mut open = connect(&server, &first).await.expect("the first is shown");
        let alice = Mailbox::parse(b"alice@example.test").unwrap();
        assert!(open.mail(ReversePath::Null, MailParams::default()).await.unwrap().is_positive());
        assert!(open.rcpt(alice, RcptParams::default()).await.unwrap().is_positive());
        let second = renew(folder.path(), later);
        let line = server.line(" certificate-read ");
        assert_eq!(field(&line, "ends")[..10], later.to_string(), "{line}");
        assert!(connect(&server, &first).await.is_none(), "the old one is not shown any more");
        assert!(connect(&server, &second).await.is_some(), "the new one is");
        // In the middle of a transaction, under the old one's keys.
        assert_eq!(open.data().await.unwrap().code(), 354);
        open.write(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        assert!(open.finish().await.unwrap().is_positive());
    });
    assert_eq!(server.mail("alice").len(), 1);
    assert!(end(&server) - before > 29.0 * 86_400.0);
}

#[test]
fn a_pair_that_does_not_belong_together_is_refused_and_told_once_and_the_old_one_stays() {
    let folder = TempDir::new().unwrap();
    let (soon, later) = (in_days(30), in_days(60));
    let first = renew(folder.path(), soon);
    let server = serve(folder.path());
    let before = end(&server);
    let (key, put_off) = (folder.path().join("key.pem"), folder.path().join("key.new"));
    let old_key = fs::read(&key).unwrap();
    let other = TempDir::new().unwrap();
    let second = renew(other.path(), later);
    fs::copy(other.path().join("key.pem"), &put_off).unwrap();
    let bad: [(&str, &dyn Fn()); 3] = [
        ("another's certificate", &|| {
            fs::copy(other.path().join("certificate.pem"), folder.path().join("certificate.pem")).unwrap();
        }),
        ("half a key", &|| fs::write(&key, &old_key[..40]).unwrap()),
        ("no key", &|| fs::remove_file(&key).unwrap()),
    ];
    for (why, spoil) in bad {
        spoil();
        let lines = server.lines_to(" certificate-not-read ");
        let told = lines.last().unwrap();
        assert!(
            told.contains("key.pem") && told.contains("the certificate of before is shown"),
            "{why}: {told}"
        );
        let is_of_another = told.contains("the key is not that of the certificate");
        assert_eq!(is_of_another, why == "another's certificate", "{told}");
        let times = lines.iter().filter(|line| line.contains(" certificate-not-read ")).count();
        assert_eq!(times, 1, "{why}: {lines:?}");
        assert!(runtime().block_on(connect(&server, &first)).is_some(), "{why}");
        assert_eq!(end(&server), before, "{why}: what is told is the end of what is shown, not of the file");
    }
    fs::rename(&put_off, &key).unwrap();
    server.line(" certificate-read ");
    assert!(runtime().block_on(connect(&server, &second)).is_some(), "the key came at last");
    assert!(runtime().block_on(connect(&server, &first)).is_none());
}
