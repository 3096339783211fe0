//! Other people's programs talk to an adapter: the programs' side, the same for both adapters.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use smtp_proto::Leniency;
use smtp_proto::sasl::Mechanism;
use smtp_proto::sasl::server::{Exchange, Inputs, Next, Offer};
use smtp_proto::server::{Auth, AuthWhen, Pending, ServerConfig, Step};

/// The mechanisms that the programs can do, and we without users' keys.
pub(crate) const MECHANISMS: [Mechanism; 3] = [Mechanism::CRAM_MD5, Mechanism::PLAIN, Mechanism::LOGIN];

/// A server that knows one user, `tim` with the password `tanstaaf`.
pub(crate) fn config() -> ServerConfig {
    // People paste groups of commands into openssl; strict sessions refuse a group before EHLO's answer.
    let config = ServerConfig::new("mx.example").unwrap().leniency(Leniency::SUBMISSION);
    config.auth(&MECHANISMS, AuthWhen::Always)
}

/// A message as it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mail {
    pub(crate) user: Option<String>,
    pub(crate) encrypted: bool,
    pub(crate) content: Vec<u8>,
}

/// What all connections brought.
pub(crate) type Inbox = Arc<Mutex<Vec<Mail>>>;

/// The application on one connection: takes all mail, lets `tim` in.
pub(crate) struct App {
    inbox: Inbox,
    exchange: Exchange,
    mail: Mail,
}

impl App {
    pub(crate) fn new(inbox: &Inbox) -> Self {
        Self { inbox: Arc::clone(inbox), exchange: Exchange::default(), mail: Mail::default() }
    }

    pub(crate) fn answer(&mut self, step: Step<'_, '_>) {
        match step {
            Step::Auth(auth) => self.log_in(auth),
            Step::Mail(mail) => {
                self.mail = Mail {
                    user: mail.facts().user().map(str::to_owned),
                    encrypted: mail.facts().tls().is_some(),
                    content: Vec::new(),
                };
                mail.accept();
            }
            Step::Content(octets) => self.mail.content.extend_from_slice(octets),
            Step::Verdict(verdict) => {
                self.inbox.lock().unwrap().push(std::mem::take(&mut self.mail));
                verdict.accept();
            }
            other => other.accept(),
        }
    }

    fn log_in(&mut self, auth: Pending<'_, Auth<'_>>) {
        if auth.is_first() {
            // Not random: what is tested here are the programs' exchanges.
            let offer = Offer::new(&MECHANISMS).cram_md5("mx.example");
            self.exchange = Exchange::start(auth.mechanism(), &offer, Inputs::new([7; 32], 1));
        }
        let mut next = self.exchange.step(auth.response());
        loop {
            next = match next {
                Next::Password(ask) => {
                    let good = ask.user() == "tim" && ask.password() == "tanstaaf";
                    ask.decide(good)
                }
                Next::SharedSecret(ask) => {
                    let known = (ask.user() == "tim").then_some("tanstaaf");
                    ask.decide(known)
                }
                Next::Challenge(octets) => return auth.challenge(octets),
                Next::Done(user) => return auth.accept_as(user),
                Next::Refused(reply) => return auth.refuse(&reply),
                other => other.or_refuse(),
            };
        }
    }
}

/// A certificate for the server, self-made.
pub(crate) fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Finds a program, also where only root looks. A missing one fails the test unless the run goes without peers.
fn peer(name: &str) -> Option<Command> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders = path.split(':').chain(["/usr/sbin"]);
    let found = folders.find_map(|folder| Some(Path::new(folder).join(name)).filter(|file| file.is_file()));
    if found.is_none() {
        let optional = std::env::var("SMTP_TEST_PEERS").is_ok_and(|peers| peers == "optional");
        assert!(optional, "{name} is not installed: run scripts/test, which gets it");
        eprintln!("skipped: {name} is not installed");
    }
    found.map(Command::new)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    said(&output)
}

fn take(inbox: &Inbox) -> Vec<Mail> {
    std::mem::take(&mut *inbox.lock().unwrap())
}

/// swaks: TLS, each mechanism, pipelining, a wrong password.
pub(crate) fn swaks(address: SocketAddr, inbox: &Inbox) {
    let swaks = || {
        let mut command = peer("swaks")?;
        command.args(["--server", &address.to_string(), "--from", "a@b.example", "--to", "c@mx.example"]);
        command.args(["--helo", "client.example"]);
        Some(command)
    };
    let Some(mut plain) = swaks() else { return };
    succeed(plain.arg("--pipeline"));
    assert_eq!(take(inbox).len(), 1);
    for mechanism in MECHANISMS {
        let mut command = swaks().unwrap();
        command.args(["--tls", "--auth", mechanism.as_str(), "--auth-user", "tim"]);
        succeed(command.args(["--auth-password", "tanstaaf"]));
        let mails = take(inbox);
        assert_eq!(mails.len(), 1, "{mechanism:?}");
        assert_eq!(mails[0].user.as_deref(), Some("tim"));
        assert!(mails[0].encrypted);
    }
    let mut wrong = swaks().unwrap();
    wrong.args(["--auth", "PLAIN", "--auth-user", "tim", "--auth-password", "wrong"]);
    let output = wrong.stdin(Stdio::null()).output().unwrap();
    assert!(said(&output).contains("535 5.7.8"), "{}", said(&output));
    assert!(take(inbox).is_empty());
}

const PYTHON: &str = r#"
import smtplib, ssl, sys
context = ssl._create_unverified_context()
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), "client.example") as smtp:
    smtp.starttls(context=context)
    smtp.login("tim", "tanstaaf")
    smtp.sendmail("a@b.example", ["c@mx.example", "d@mx.example"], b".dot\r\n..two\r\n\xff\r\n.\r\n")
    smtp.sendmail("a@b.example", ["c@mx.example"], "again\r\n")
    assert smtp.verify("c")[0] == 252
    assert smtp.noop()[0] == 250
"#;

/// Python's smtplib: STARTTLS, login, two messages.
pub(crate) fn smtplib(address: SocketAddr, inbox: &Inbox) {
    let Some(mut python) = peer("python3") else { return };
    succeed(python.args(["-c", PYTHON, &address.port().to_string()]));
    let mails = take(inbox);
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].content, b".dot\r\n..two\r\n\xff\r\n.\r\n");
    assert_eq!(mails[1].content, b"again\r\n");
    assert!(mails.iter().all(|mail| mail.encrypted && mail.user.as_deref() == Some("tim")));
}

/// openssl's client: a handshake by STARTTLS that it is content with, and a session inside.
pub(crate) fn openssl(address: SocketAddr) {
    use std::io::Write;
    let Some(mut openssl) = peer("openssl") else { return };
    openssl.args(["s_client", "-starttls", "smtp", "-crlf", "-ign_eof", "-connect", &address.to_string()]);
    let mut child =
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"EHLO client.example\nNOOP\nQUIT\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = said(&output);
    assert!(said.contains("250-mx.example"), "{said}");
    assert!(said.contains("221 2.0.0 Bye"), "{said}");
}

/// Postfix's smtp-source: many messages over a few sessions.
pub(crate) fn smtp_source(address: SocketAddr, inbox: &Inbox) {
    let Some(mut source) = peer("smtp-source") else { return };
    source.args(["-s", "5", "-m", "200", "-l", "4096", "-f", "a@b.example", "-t", "c@mx.example"]);
    succeed(source.arg(address.to_string()));
    assert_eq!(take(inbox).len(), 200);
}
