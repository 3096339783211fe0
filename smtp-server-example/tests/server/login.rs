//! Logging in, and what users may do then.

use std::path::Path;
use std::process::Command;

use crate::harness::{Server, certificate, field};
use crate::peers::{peer, succeed};

/// Runs a script with the demo's ports and certificate: `submission`, `submissions`, `certificate`.
fn python(server: &Server, script: &str) -> Option<String> {
    let mut python = peer("python3")?;
    let port = |kind: &str| server.address_of(kind).rsplit(':').next().unwrap().to_owned();
    let before = "\
import smtplib, ssl, sys
submission, submissions, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
trust = ssl.create_default_context(cafile=certificate)
mail = 'From: Alice <alice@example.test>\\r\\nSubject: hello\\r\\n\\r\\nhello\\r\\n'
def starttls():
    smtp = smtplib.SMTP('127.0.0.1', submission)
    smtp.starttls(context=trust)
    return smtp
def code(act):
    try:
        return act()[0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
";
    python.arg("-c").arg(format!("{before}{script}"));
    python.args([port("submission"), port("submissions")]).arg(server.data.join("demo-certificate.pem"));
    Some(succeed(&mut python))
}

#[test]
fn users_log_in_after_starttls_or_under_tls_and_send() {
    let server = Server::demo();
    let said = python(
        &server,
        "
smtp = starttls()
smtp.login('alice', 'word')
smtp.sendmail('alice@example.test', ['bob@example.test'], mail)
with smtplib.SMTP_SSL('127.0.0.1', submissions, context=trust) as smtp:
    smtp.login('alice@example.test', 'word')
    smtp.sendmail('alice@example.test', ['bob@example.test'], mail)
",
    );
    if said.is_none() {
        return;
    }
    let mail = server.mail("bob");
    assert_eq!(mail.len(), 2);
    assert!(mail.iter().all(|mail| String::from_utf8_lossy(mail).contains(" with ESMTPSA id ")));
    assert_eq!(field(&server.line(" login "), "user"), "alice");
    assert_eq!(field(&server.line(" queued "), "user"), "alice");
}

#[test]
fn swaks_logs_in_by_each_mechanism() {
    if peer("swaks").is_none() {
        return;
    }
    let server = Server::demo();
    for (n, mechanism) in ["PLAIN", "LOGIN"].iter().enumerate() {
        for (kind, tls) in [("submission", "--tls"), ("submissions", "--tls-on-connect")] {
            let mut swaks = Command::new("swaks");
            swaks.args([
                "--server",
                server.address_of(kind),
                tls,
                "--auth",
                mechanism,
                "--auth-user",
                "alice",
            ]);
            swaks.args([
                "--auth-password",
                "word",
                "--from",
                "alice@example.test",
                "--to",
                "bob@example.test",
            ]);
            let said = succeed(&mut swaks);
            assert!(said.contains("<~  235 2.7.0 "), "{said}");
        }
        assert_eq!(server.mail("bob").len(), 2 * (n + 1), "{mechanism}");
    }
}

#[test]
fn before_tls_nobody_is_asked_for_a_password_and_without_one_nothing_is_taken() {
    let server = Server::demo();
    let mut client = server.connect_to("submission");
    let offered = client.say("EHLO client.example");
    assert!(offered.contains("STARTTLS") && !offered.contains("AUTH"), "{offered}");
    assert!(offered.contains("SIZE 25000000"), "{offered}");
    assert!(client.say("AUTH PLAIN AGFsaWNlAHdvcmQ=").starts_with("538 5.7.11 "));
    assert!(client.say("MAIL FROM:<alice@example.test>").starts_with("530 5.7.0 "));
    let said = python(
        &server,
        "
smtp = starttls()
smtp.ehlo()
print(sorted(smtp.esmtp_features['auth'].split()))
print(code(lambda: smtp.mail('alice@example.test')))
",
    );
    if let Some(said) = said {
        assert_eq!(said, "['LOGIN', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS']\n530\n");
    }
    assert!(server.connect_to("mx").say("EHLO x.example").lines().all(|line| !line.contains("AUTH")));
}

#[test]
fn wrong_passwords_and_unknown_users_look_the_same_and_after_three_it_is_over() {
    let server = Server::demo();
    let said = python(
        &server,
        "
smtp = starttls()
smtp.ehlo()
def attempt(user, password):
    smtp.user, smtp.password = user, password
    try:
        return smtp.auth('PLAIN', smtp.auth_plain)
    except smtplib.SMTPAuthenticationError as error:
        return error.smtp_code, error.smtp_error
print(attempt('alice', 'wrong'))
print(attempt('ghost', 'wrong'))
print(attempt('postmaster', 'wrong'))
print(code(lambda: smtp.docmd('NOOP')))
",
    );
    let Some(said) = said else { return };
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("(535, b'5.7.8 "), "{said}");
    assert!(lines[..3].iter().all(|line| *line == lines[0]), "{said}");
    assert_eq!(lines[3], "421", "{said}");
    assert_eq!(field(&server.line(" no-login "), "reply"), "535");
}

#[test]
fn a_user_sends_in_their_own_name_only_and_to_nobody_elsewhere() {
    let server = Server::demo();
    let said = python(
        &server,
        "
smtp = starttls()
smtp.login('alice', 'word')
for sender in ['bob@example.test', 'alice@elsewhere.example', 'info@example.test', 'alice+x@example.test']:
    print(smtp.mail(sender)[0])
    smtp.rset()
smtp.mail('alice@example.test')
print(smtp.rcpt('u@foreign.example'))
print(smtp.rcpt('bob@example.test')[0])
",
    );
    let Some(said) = said else { return };
    assert!(said.starts_with("553\n553\n553\n250\n(550, b'5.7.1 ") && said.ends_with("\n250\n"), "{said}");
    server.assert_no_mail("nobody got as far as DATA");
}

#[test]
fn scram_goes_through_with_and_without_channel_binding() {
    use smtp_tokio::sasl::Mechanism;
    use smtp_tokio::{Client, ClientConfig, Credentials, TlsPolicy, tls};

    let server = Server::demo();
    let trusted = std::fs::read(server.data.join("demo-certificate.pem")).unwrap();
    let trust = std::sync::Arc::new(tls::client_config(&trusted).unwrap());
    let log_in = |kind: &str, policy, mechanism, password: &str| {
        let credentials = Credentials::password("alice@example.test", password).only(&[mechanism]);
        let connect = Client::to(server.address_of(kind), ClientConfig::new("client.example").unwrap());
        let connect = connect.tls(policy).tls_config(trust.clone()).credentials(credentials);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(connect.connect()).map(drop)
    };
    for mechanism in [Mechanism::SCRAM_SHA_256, Mechanism::SCRAM_SHA_256_PLUS] {
        for (kind, policy) in [("submission", TlsPolicy::Required), ("submissions", TlsPolicy::Implicit)] {
            log_in(kind, policy, mechanism, "word").unwrap();
            let line = server.line(" login ");
            assert!(line.contains(" user=alice ") && line.contains(&format!(" by={mechanism} ")), "{line}");
            log_in(kind, policy, mechanism, "wrong").unwrap_err();
            assert_eq!(field(&server.line(" no-login "), "reply"), "535");
        }
    }
}

/// Says with openssl what `lines` hold, and returns what came back.
fn openssl(server: &Server, kind: &str, lines: &str) -> Option<String> {
    peer("openssl")?;
    let address = server.address_of(kind);
    let mut command = Command::new("sh");
    let script = "printf \"$1\" | openssl s_client -quiet -ign_eof -crlf -connect \"$0\" 2>/dev/null";
    command.args(["-c", script, address, lines]);
    let output = command.output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn openssl_speaks_with_the_port_that_begins_with_tls() {
    let server = Server::demo();
    let script = "EHLO x.example\\nAUTH PLAIN AGFsaWNlAHdvcmQ=\\nQUIT\\n";
    let Some(said) = openssl(&server, "submissions", script) else { return };
    assert!(said.starts_with("220 mail.example.test "), "{said}");
    assert!(said.contains("\r\n235 2.7.0 ") && said.contains("\r\n221 2.0.0 "), "{said}");
    assert!(!said.contains("STARTTLS"), "{said}");
}

/// Whether openssl is given session tickets behind STARTTLS.
fn gives_tickets(server: &Server, kind: &str) -> Option<bool> {
    peer("openssl")?;
    let mut command = Command::new("sh");
    let script = "printf 'QUIT\\n' | openssl s_client -starttls smtp -ign_eof -crlf -connect \"$0\" 2>&1";
    let output = command.args(["-c", script, server.address_of(kind)]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\n221 2.0.0 "), "{said}");
    Some(said.contains("New Session Ticket arrived"))
}

#[test]
fn other_servers_are_given_no_session_tickets() {
    let server = Server::demo();
    let Some(given) = gives_tickets(&server, "mx") else { return };
    assert!(!given);
    assert_eq!(gives_tickets(&server, "submission"), Some(true));
}

/// `serve` with a submission listener that takes log-in in clear, cheap hashes, and `more` settings.
pub(crate) fn serve(folder: &Path, more: &str) -> Server {
    Server::serve(
        folder,
        &format!(
            "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
             [auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
             scram_iterations = 4096\nfailure_delay_ms = 0\n{more}\
             [[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\nproxies = [\"127.0.0.1\"]\n\
             [[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n{}",
            certificate(folder)
        ),
    )
}

/// Tries to log in from an address, as a balancer reports it; the reply.
pub(crate) fn log_in(server: &Server, from: &str, user: &str, password: &str) -> String {
    let mut client = crate::harness::Client::connect(server.address);
    client.send(format!("PROXY TCP4 {from} 192.0.2.1 4711 587\r\n").as_bytes());
    assert!(client.reply().starts_with("220 "));
    client.say_all(&["EHLO client.example"]);
    let (user, password) = (base64(user), base64(password));
    assert!(client.say(&format!("AUTH LOGIN {user}")).starts_with("334 "));
    client.say(&password)
}

pub(crate) fn base64(text: &str) -> String {
    let octets = smtp_proto::wire::base64::encoded(text.as_bytes());
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn an_address_that_guesses_is_not_listened_to_any_more() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = serve(folder.path(), "failures_per_address = 3\n");
    for n in 0..3 {
        assert!(log_in(&server, "198.51.100.7", "alice", &format!("guess {n}")).starts_with("535 5.7.8 "));
    }
    assert!(log_in(&server, "198.51.100.7", "bob", "guess").starts_with("454 4.7.0 "));
    assert!(log_in(&server, "198.51.100.8", "bob", "guess").starts_with("535 5.7.8 "), "its neighbour");
}
