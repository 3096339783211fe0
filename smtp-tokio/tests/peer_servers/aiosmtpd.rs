//! To Python's aiosmtpd: AUTH under STARTTLS, UTF-8 addresses, lines that are too long, LMTP.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::daemon::{Daemon, Folder, files, missing};
use super::{codes, config, mailbox, nasty, self_made};
use crate::adapter::client::{CloseReason, ConnectError, Wait};
use crate::adapter::{Client, ClientConfig, Credentials, Envelope, Outcome, Retry, TlsPolicy, block_on, tls};

/// Debian's Python and its module: another Python would not see it.
const PYTHON: &str = "/usr/bin/python3";
const MODULE: &str = "/usr/lib/python3/dist-packages/aiosmtpd";

/// Arguments: the folder, then `smtp` with the mechanism to leave out, or `lmtp` with how many recipients it answers for.
const SERVER: &str = r#"
import asyncio, os, ssl, sys
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult

folder, kind, option = sys.argv[1:]

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("ghost@"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        with open(os.path.join(folder, "mail", str(len(os.listdir(os.path.join(folder, "mail"))))), "wb") as file:
            file.write((envelope.rcpt_tos[0] + "\n").encode())
            file.write(envelope.content)
        if kind == "smtp":
            return "250 2.0.0 Ok"
        said = ["452 4.2.2 Full" if to.startswith("full@") else "250 2.0.0 Ok" for to in envelope.rcpt_tos]
        return "\r\n".join(said[:int(option)])

def authenticate(server, session, envelope, mechanism, data):
    is_tim = data.login == b"tim" and data.password == "tanst\u00e4\u00e4f".encode()
    return AuthResult(success=is_tim, handled=False)

def serve():
    if kind == "lmtp":
        return LMTP(Handler())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem"))
    return SMTP(Handler(), enable_SMTPUTF8=True, tls_context=context, require_starttls=True, auth_required=True,
                authenticator=authenticate, auth_exclude_mechanism=[option])

async def main():
    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0)
    print("listening on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

struct Python {
    // Ended before its folder is removed.
    _daemon: Daemon,
    folder: Folder,
    address: String,
    certificate: String,
}

impl Python {
    fn start(kind: &str, option: &str) -> Option<Self> {
        if !Path::new(MODULE).is_dir() {
            missing("python3-aiosmtpd");
            return None;
        }
        let folder = Folder::new("aiosmtpd");
        folder.make("mail");
        let (certificate, key) = self_made("mx.example");
        folder.write("chain.pem", &certificate);
        folder.write("key.pem", key);
        let mut python = Command::new(PYTHON);
        let daemon = Daemon::start(python.args(["-c", SERVER]).arg(folder.path()).args([kind, option]));
        let line = daemon.wait_for("listening on ");
        let address = line.trim_start_matches("listening on ").to_owned();
        Some(Self { _daemon: daemon, folder, address, certificate })
    }

    /// What has come: the first recipient, then the content.
    fn mail(&self) -> Vec<Vec<u8>> {
        files(&self.folder.join("mail"))
    }

    /// Logs in under verified TLS.
    async fn log_in(&self, password: &str) -> Result<Client, ConnectError> {
        let trusting = Arc::new(tls::client_config(self.certificate.as_bytes()).unwrap());
        let connect = Client::to(&self.address, config()).tls(TlsPolicy::Required).tls_config(trusting);
        connect.server_name("mx.example").credentials(Credentials::password("tim", password)).connect().await
    }
}

#[test]
fn aiosmtpd_lets_us_in_by_each_mechanism_and_stores_what_was_sent() {
    for left_out in ["LOGIN", "PLAIN"] {
        let Some(python) = Python::start("smtp", left_out) else { return };
        let message = nasty(998);
        block_on(async {
            let wrong = python.log_in("tanstaaf").await.unwrap_err();
            let ConnectError::AuthFailed { reply, .. } = &wrong else { panic!("{wrong:?}") };
            assert_eq!(reply.code(), 535, "without {left_out}: {wrong}");

            let mut client = python.log_in("tanst\u{e4}\u{e4}f").await.unwrap();
            let (from, to) = (mailbox("me@client.example"), mailbox("j\u{fc}rgen@mx.example"));
            let outcomes = client.send(&Envelope::new(&from).to(&to), &message).await;
            assert_eq!(codes(&outcomes), [250], "without {left_out}: {outcomes:?}");
            client.quit().await;
        });
        let sent = ["j\u{fc}rgen@mx.example\n".as_bytes(), &message].concat();
        let stored: Vec<_> = python.mail().iter().map(|one| one.escape_ascii().to_string()).collect();
        assert_eq!(stored, [sent.escape_ascii().to_string()], "without {left_out}");
    }
}

#[test]
fn aiosmtpd_wants_tls_and_a_login_and_we_say_which_is_missing() {
    let Some(python) = Python::start("smtp", "CRAM-MD5") else { return };
    let (from, to) = (mailbox("me@client.example"), mailbox("you@mx.example"));
    block_on(async {
        // AUTH is not offered in clear.
        let clear = Client::to(&python.address, config().insecure_credentials());
        let refused = clear.credentials(Credentials::password("tim", "x")).connect().await.unwrap_err();
        assert!(matches!(refused, ConnectError::Auth(_)), "{refused:?}");
        let mut client = Client::to(&python.address, config()).connect().await.unwrap();
        let outcomes = client.send(&Envelope::new(&from).to(&to), b"x\r\n").await;
        assert_eq!(codes(&outcomes), [530], "{outcomes:?}");
        assert_eq!(outcomes[0].retry(), Retry::Never);
    });
    assert!(python.mail().is_empty());
}

#[test]
fn a_line_that_is_too_long_for_aiosmtpd_is_refused_at_the_end_and_the_connection_goes_on() {
    let Some(python) = Python::start("smtp", "LOGIN") else { return };
    block_on(async {
        let mut client = python.log_in("tanst\u{e4}\u{e4}f").await.unwrap();
        let from = mailbox("me@client.example");
        let to = ["you@mx.example", "ghost@mx.example"].map(mailbox);
        let outcomes = client.send(&Envelope::new(&from).to(&to), &nasty(2000)).await;
        assert_eq!(codes(&outcomes), [500, 550], "{outcomes:?}");
        let outcomes = client.send(&Envelope::new(&from).to(&to), &nasty(998)).await;
        assert_eq!(codes(&outcomes), [250, 550], "{outcomes:?}");
        client.quit().await;
    });
    assert_eq!(python.mail().len(), 1);
}

/// Connects by LMTP and sends to three, one of whom aiosmtpd does not know and one whose mailbox is full.
fn by_lmtp(python: &Python, config: ClientConfig) -> (Vec<Outcome>, Option<CloseReason>) {
    block_on(async {
        let mut client = Client::to(&python.address, config).connect().await.unwrap();
        let from = mailbox("me@client.example");
        let to = ["a@mx.example", "ghost@mx.example", "full@mx.example"].map(mailbox);
        let outcomes = client.send(&Envelope::new(&from).to(&to), &nasty(998)).await;
        (outcomes, client.session().close_reason())
    })
}

#[test]
fn aiosmtpd_answers_for_each_recipient_by_lmtp() {
    let Some(python) = Python::start("lmtp", "9") else { return };
    let (outcomes, ended) = by_lmtp(&python, ClientConfig::lmtp("client.example").unwrap());
    assert_eq!(codes(&outcomes), [250, 550, 452], "{outcomes:?}");
    assert_eq!(ended, None);
}

/// As aiosmtpd does by itself: its LMTP answers once for all.
#[test]
fn a_recipient_that_aiosmtpd_has_no_answer_for_is_unknown() {
    let Some(python) = Python::start("lmtp", "1") else { return };
    let config = ClientConfig::lmtp("client.example").unwrap();
    let hasty = config.timeouts(|waits| waits.data_end = Duration::from_millis(300));
    let (outcomes, ended) = by_lmtp(&python, hasty);
    assert_eq!(codes(&outcomes), [250, 550, 0], "{outcomes:?}");
    assert_eq!(outcomes[2], Outcome::Unknown);
    assert_eq!(ended, Some(CloseReason::Timeout(Wait::DataEnd)));
}
