//! A blocking client under TLS and the application it talks to, the same for both adapters: what a handshake tells, and
//! what SCRAM binds itself to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConnection, StreamOwned};
use smtp_proto::sasl::client::{self, Answer, Credentials, Failure};
use smtp_proto::sasl::server::{Exchange, Inputs, Next, Offer};
use smtp_proto::sasl::{Bindings, Mechanism, ScramHash, ScramKeys};
use smtp_proto::server::{Auth, AuthWhen, Pending, ServerConfig, Step, TlsInfo};
use smtp_proto::wire::base64::{self, Base64};

use super::client::{Client, LIMIT};

const MECHANISMS: [Mechanism; 2] = [Mechanism::SCRAM_SHA_256_PLUS, Mechanism::SCRAM_SHA_256];
const PLUS: Mechanism = Mechanism::SCRAM_SHA_256_PLUS;

/// A certificate with its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
        Self { certificate: made.cert.der().clone(), key }
    }

    fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }
}

/// Who is who in a test.
pub(crate) struct Parties {
    server: Identity,
    client: Identity,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Parties {
    pub(crate) fn new() -> Self {
        Self { server: Identity::new("mx.example"), client: Identity::new("client.example") }
    }

    /// Shows its certificate and takes one of the client, if it has one that verifies.
    pub(crate) fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let roots = Arc::new(self.client.roots());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider());
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let chain = vec![self.server.certificate.clone()];
        let key = self.server.key.clone_key();
        Arc::new(builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
    }

    /// A client's side without a certificate of its own.
    pub(crate) fn encrypt(&self, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        self.shake_hands(stream, &How { implicit: true, old: false, shows_certificate: false })
    }

    fn shake_hands(&self, stream: TcpStream, how: &How) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("mx.example").unwrap();
        let connection = ClientConnection::new(self.client_config(how).into(), name).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    }

    fn client_config(&self, how: &How) -> rustls::ClientConfig {
        let versions: &[_] = if how.old { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
        let builder = rustls::ClientConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(self.server.roots());
        if how.shows_certificate {
            let chain = vec![self.client.certificate.clone()];
            builder.with_client_auth_cert(chain, self.client.key.clone_key()).unwrap()
        } else {
            builder.with_no_client_auth()
        }
    }
}

/// How a client connects.
#[derive(Clone, Copy, Debug)]
struct How {
    /// TLS comes first, rather than by STARTTLS.
    implicit: bool,
    /// TLS 1.2.
    old: bool,
    shows_certificate: bool,
}

type Encrypted = Client<StreamOwned<ClientConnection, TcpStream>>;

fn connect(parties: &Parties, address: SocketAddr, how: &How) -> Encrypted {
    let stream = if how.implicit {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    } else {
        let mut client = Client::connect(address);
        client.expect(&[("EHLO client.example", "250"), ("STARTTLS", "220")]);
        client.into_stream()
    };
    let stream = parties.shake_hands(stream, how);
    if how.implicit { Client::over(stream) } else { Client::greeted(stream) }
}

/// What all connections' handshakes told, in their order.
pub(crate) type Told = Arc<Mutex<Vec<TlsInfo>>>;

/// A server that knows one user, `tim` with the password `tanstaaf`, by keys only.
pub(crate) fn config() -> ServerConfig {
    ServerConfig::new("mx.example").unwrap().auth(&MECHANISMS, AuthWhen::Tls)
}

/// The application on one connection.
pub(crate) struct App {
    told: Told,
    exchange: Exchange,
}

impl App {
    pub(crate) fn new(told: &Told) -> Self {
        Self { told: Arc::clone(told), exchange: Exchange::default() }
    }

    pub(crate) fn answer(&mut self, step: Step<'_, '_>) {
        match step {
            Step::Auth(auth) => self.log_in(auth),
            Step::Hello(hello) => {
                self.told.lock().unwrap().extend(hello.facts().tls().cloned());
                hello.accept();
            }
            other => other.accept(),
        }
    }

    fn log_in(&mut self, auth: Pending<'_, Auth<'_>>) {
        if auth.is_first() {
            let offer = Offer::new(&MECHANISMS).scram(b"a secret for decoys", 4_096);
            let bindings = auth.facts().tls().map(TlsInfo::bindings).unwrap_or_default();
            // Not random: what is tested here is what it is bound to.
            let inputs = Inputs::new([7; 32], 1).bindings(bindings);
            self.exchange = Exchange::start(auth.mechanism(), &offer, inputs);
        }
        let keys = ScramKeys::derive(ScramHash::Sha256, "tanstaaf", b"sixteen octets..", 4_096).unwrap();
        let mut next = self.exchange.step(auth.response());
        loop {
            next = match next {
                Next::Keys(ask) => {
                    let known = (ask.user() == "tim").then_some(&keys);
                    ask.decide(known)
                }
                Next::Challenge(octets) => break auth.challenge(octets),
                Next::Done(user) => break auth.accept_as(user),
                Next::Refused(reply) => break auth.refuse(&reply),
                other => other.or_refuse(),
            };
        }
    }
}

/// Logs in with SCRAM-SHA-256-PLUS; the error is what the client thinks of it.
fn log_in<S: Read + Write>(client: &mut Client<S>, bindings: Bindings) -> Result<(), Failure> {
    let inputs = client::Inputs::new(&[1; 24], MECHANISMS).bindings(bindings);
    let credentials = Credentials::password("tim", "tanstaaf");
    let mut exchange = client::Exchange::start(PLUS, &credentials, &inputs).unwrap();
    let first = base64::encoded(exchange.initial().unwrap());
    let first = String::from_utf8(first).unwrap();
    let mut said = client.ask(&format!("AUTH {} {first}", PLUS.as_str()));
    while let Some(challenge) = said.strip_prefix("334 ") {
        let challenge = Base64::parse(challenge.trim_end().as_bytes()).unwrap().decode();
        said = match exchange.answer(&challenge) {
            Answer::Send(octets) => client.ask(&String::from_utf8(base64::encoded(octets)).unwrap()),
            Answer::Cancel(_) => client.ask("*"),
        };
    }
    exchange.finish(said[..3].parse().unwrap())
}

/// Connects in each way, and looks at what the server was told and at what SCRAM lets in.
pub(crate) fn in_each_way(parties: &Parties, starttls: SocketAddr, implicit: SocketAddr, told: &Told) {
    for n in 0..8 {
        let how = How { implicit: n & 1 > 0, old: n & 2 > 0, shows_certificate: n & 4 > 0 };
        let address = if how.implicit { implicit } else { starttls };
        let mut client = connect(parties, address, &how);
        let offered = client.ask("EHLO client.example");
        assert!(offered.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256\r\n"), "{how:?}: {offered}");
        let tls = told.lock().unwrap().pop().expect("a handshake was told of");

        let mut exporter = [0; 32];
        let connection = &client.stream().conn;
        connection.export_keying_material(&mut exporter, Bindings::EXPORTER_LABEL, Some(&[])).unwrap();
        assert_eq!(tls.protocol, if how.old { "TLSv1.2" } else { "TLSv1.3" });
        assert!(tls.cipher.contains("_SHA"), "{}", tls.cipher);
        assert_eq!(tls.server_name.as_deref(), Some("mx.example"));
        let shown = how.shows_certificate.then(|| parties.client.certificate.to_vec());
        assert_eq!(tls.client_certificate, shown, "{how:?}");
        assert_eq!(tls.exporter, (!how.old).then(|| exporter.to_vec()), "{how:?}");
        assert_eq!(tls.server_end_point, Bindings::end_point_of(&parties.server.certificate), "{how:?}");

        // What another connection, or another certificate, would give: somebody stands in between.
        let other = Bindings::new().exporter([9; 32]);
        assert_eq!(log_in(&mut client, other), Err(Failure::Said), "{how:?}");
        let other = Bindings::new().certificate(&parties.client.certificate);
        assert_eq!(log_in(&mut client, other), Err(Failure::Said), "{how:?}");
        let mut bindings = Bindings::new().certificate(&parties.server.certificate);
        if !how.old {
            bindings = bindings.exporter(exporter);
        }
        assert_eq!(log_in(&mut client, bindings), Ok(()), "{how:?}");
        client.expect(&[("MAIL FROM:<>", "250"), ("QUIT", "221")]);
    }
}

/// A new certificate is in force for the connections that come after it, and the one that is open goes on.
pub(crate) fn around_a_reload(address: SocketAddr, old: &Parties, new: &Parties, reload: impl FnOnce()) {
    let how = How { implicit: true, old: false, shows_certificate: false };
    let mut open = connect(old, address, &how);
    reload();
    open.expect(&[("EHLO client.example", "250"), ("NOOP", "250")]);
    connect(new, address, &how).expect(&[("QUIT", "221")]);
    let refused = std::panic::catch_unwind(|| connect(old, address, &how));
    assert!(refused.is_err(), "the old certificate is not shown any more");
}
