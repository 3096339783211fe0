//! Other people's programs talk to an adapter: the programs' side, the same for both adapters.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

/// The same by LMTP.
pub(crate) fn lmtp_config() -> ServerConfig {
    ServerConfig::lmtp("mx.example").unwrap().leniency(Leniency::SUBMISSION)
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// In clear, with STARTTLS.
    pub(crate) clear: SocketAddr,
    /// TLS comes first.
    pub(crate) tls: SocketAddr,
    /// LMTP on a Unix socket, with STARTTLS.
    pub(crate) lmtp: PathBuf,
}

/// A path for a socket of this process and test.
pub(crate) fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("smtp-peers-{name}-{}", std::process::id()))
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
            // In LMTP it comes once for each recipient.
            Step::Verdict(verdict) if verdict.recipient().unwrap_or(0) > 0 => verdict.accept(),
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

/// swaks: pipelining, TLS by STARTTLS and from the start, each mechanism that it and we know, a wrong password, LMTP.
pub(crate) fn swaks(places: &Places, inbox: &Inbox) {
    let swaks = |place: &[&str]| {
        let mut command = peer("swaks")?;
        command.args(place).args(["--from", "a@b.example", "--to", "c@mx.example,d@mx.example"]);
        command.args(["--helo", "client.example"]);
        Some(command)
    };
    let clear = ["--server", &places.clear.to_string()];
    let tls = ["--server", &places.tls.to_string(), "--tls-on-connect"];
    let Some(mut plain) = swaks(&clear) else { return };
    succeed(plain.arg("--pipeline"));
    assert_eq!(take(inbox).len(), 1);
    for mechanism in MECHANISMS {
        for (place, options) in [(&clear[..], &["--tls", "--pipeline"][..]), (&tls, &[])] {
            let mut command = swaks(place).unwrap();
            command.args(options).args(["--auth", mechanism.as_str(), "--auth-user", "tim"]);
            succeed(command.args(["--auth-password", "tanstaaf"]));
            let mails = take(inbox);
            assert_eq!(mails.len(), 1, "{mechanism:?} {options:?}");
            assert_eq!(mails[0].user.as_deref(), Some("tim"));
            assert!(mails[0].encrypted);
        }
    }
    let mut wrong = swaks(&clear).unwrap();
    wrong.args(["--auth", "PLAIN", "--auth-user", "tim", "--auth-password", "wrong"]);
    let output = wrong.stdin(Stdio::null()).output().unwrap();
    assert!(said(&output).contains("535 5.7.8"), "{}", said(&output));
    assert!(take(inbox).is_empty());
    let lmtp = ["--socket", places.lmtp.to_str().unwrap(), "--protocol", "LMTP"];
    for options in [&[][..], &["--tls"]] {
        succeed(swaks(&lmtp).unwrap().args(options));
        assert_eq!(take(inbox).len(), 1, "LMTP {options:?}");
    }
}

const PYTHON: &str = r#"
import smtplib, ssl, sys
context = ssl._create_unverified_context()
clear, tls, lmtp = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with smtplib.SMTP("127.0.0.1", clear, "client.example") as smtp:
    smtp.starttls(context=context)
    smtp.login("tim", "tanstaaf")
    smtp.sendmail("a@b.example", ["c@mx.example", "d@mx.example"], b".dot\r\n..two\r\n\xff\r\n.\r\n")
    smtp.sendmail("a@b.example", ["c@mx.example"], "again\r\n")
    assert smtp.verify("c")[0] == 252
    assert smtp.noop()[0] == 250
for mechanism in ["CRAM-MD5", "PLAIN", "LOGIN"]:
    with smtplib.SMTP_SSL("127.0.0.1", tls, "client.example", context=context) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = "tim", "tanstaaf"
        smtp.auth(mechanism, getattr(smtp, "auth_" + mechanism.lower().replace("-", "_")))
        smtp.sendmail("a@b.example", ["c@mx.example"], "by " + mechanism + "\r\n")
with smtplib.LMTP(lmtp) as smtp:
    # It reads one verdict only, so there is one recipient.
    smtp.sendmail("a@b.example", ["c@mx.example"], "LMTP\r\n")
"#;

/// Python's smtplib: STARTTLS and TLS from the start, each mechanism, several messages, LMTP.
pub(crate) fn smtplib(places: &Places, inbox: &Inbox) {
    let Some(mut python) = peer("python3") else { return };
    let ports = [places.clear.port().to_string(), places.tls.port().to_string()];
    succeed(python.args(["-c", PYTHON]).args(ports).arg(&places.lmtp));
    let mails = take(inbox);
    let contents: Vec<&[u8]> = mails.iter().map(|mail| &mail.content[..]).collect();
    let wanted: [&[u8]; 6] = [
        b".dot\r\n..two\r\n\xff\r\n.\r\n",
        b"again\r\n",
        b"by CRAM-MD5\r\n",
        b"by PLAIN\r\n",
        b"by LOGIN\r\n",
        b"LMTP\r\n",
    ];
    assert_eq!(contents, wanted);
    assert!(mails[..5].iter().all(|mail| mail.encrypted && mail.user.as_deref() == Some("tim")));
}

/// openssl's client: handshakes that it is content with, and a session inside each.
pub(crate) fn openssl(places: &Places) {
    let (clear, tls) = (places.clear.to_string(), places.tls.to_string());
    let lmtp = places.lmtp.to_str().unwrap();
    let ways: [(&[&str], &str); 3] = [
        (&["-starttls", "smtp", "-connect", &clear], "EHLO"),
        (&["-connect", &tls], "EHLO"),
        (&["-starttls", "lmtp", "-unix", lmtp], "LHLO"),
    ];
    for (arguments, hello) in ways {
        use std::io::Write;
        let Some(mut openssl) = peer("openssl") else { return };
        openssl.args(["s_client", "-crlf", "-ign_eof"]).args(arguments);
        let mut child =
            openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = format!("{hello} client.example\nNOOP\nQUIT\n");
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = said(&output);
        assert!(said.contains("250-mx.example"), "{arguments:?}: {said}");
        assert!(said.contains("221 2.0.0 Bye"), "{arguments:?}: {said}");
    }
}

/// Postfix's smtp-source: many messages over a few sessions at a time, by SMTP and LMTP, to one recipient and to some, and
/// over sessions that are kept.
pub(crate) fn smtp_source(places: &Places, inbox: &Inbox) {
    let (clear, lmtp) = (places.clear.to_string(), format!("unix:{}", places.lmtp.display()));
    let ways: [(&[&str], &str); 3] = [
        (&["-s", "5", "-m", "200", "-l", "4096"], &clear),
        (&["-s", "3", "-m", "60", "-d", "-r", "7", "-l", "100000"], &clear),
        (&["-L", "-s", "5", "-m", "100", "-r", "3"], &lmtp),
    ];
    for (arguments, place) in ways {
        let Some(mut source) = peer("smtp-source") else { return };
        let many = arguments.iter().position(|one| *one == "-m").map(|at| arguments[at + 1]).unwrap();
        succeed(source.args(arguments).args(["-f", "a@b.example", "-t", "c@mx.example", place]));
        assert_eq!(take(inbox).len().to_string(), many, "{arguments:?}");
    }
}
