//! Listeners: each kind with its own rules, TLS, and balancers in front.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::harness::{Server, certificate, field};
use crate::peers::{peer, succeed};

/// `serve` for example.test with a certificate and these listeners.
fn serve(folder: &TempDir, listeners: &str) -> Server {
    Server::serve(
        folder.path(),
        &format!(
            "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n{}{listeners}\
             [[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n",
            certificate(folder.path())
        ),
    )
}

#[test]
fn each_kind_offers_what_it_keeps_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let server = serve(
        &folder,
        "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\nkind = \"lmtp\"\naddress = \"127.0.0.1:0\"\n",
    );
    for (kind, hello) in [("mx", "EHLO client.example"), ("lmtp", "LHLO client.example")] {
        let mut client = server.connect_to(kind);
        let said = client.say(hello);
        let mut offered: Vec<_> = said.lines().skip(1).map(|line| line[4..].to_owned()).collect();
        offered.sort();
        assert_eq!(
            offered,
            [
                "8BITMIME",
                "CHUNKING",
                "DSN",
                "ENHANCEDSTATUSCODES",
                "LIMITS RCPTMAX=1000",
                "PIPELINING",
                "SIZE 52428800",
                "SMTPUTF8",
                "STARTTLS"
            ],
            "{kind}"
        );
        let other = if hello.starts_with('E') { "LHLO x.example" } else { "EHLO x.example" };
        assert!(client.say(other).starts_with("50"), "{kind} knows no {other}");
    }
}

#[test]
fn lmtp_gives_each_recipient_a_reply_and_takes_mail_for_our_domains_only() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp.sock");
    let server = serve(
        &folder,
        &format!(
            "[[listener]]\nkind = \"lmtp\"\naddress = \"127.0.0.1:0\"\n\
             [[listener]]\nkind = \"lmtp\"\naddress = \"unix:{}\"\n",
            socket.display()
        ),
    );
    let mut client = server.connect();
    client.say_all(&["LHLO x.example", "MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>"]);
    assert!(client.say("RCPT TO:<u@foreign.example>").starts_with("550 5.7.1 "));
    client.say_all(&["RCPT TO:<bob@example.test>", "DATA"]);
    assert!(client.say("x\r\n.").starts_with("250 2.0.0 "), "alice's verdict");
    assert!(client.reply().starts_with("250 2.0.0 "), "bob's verdict");
    assert_eq!(client.say("QUIT"), "221 2.0.0 Bye");
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (1, 1));

    let Some(mut python) = peer("python3") else { return };
    let script = "\
import smtplib, sys
with smtplib.LMTP(sys.argv[1]) as lmtp:
    for user in ['alice', 'bob']:  # this module reads one verdict for a message, however many recipients it has
        lmtp.sendmail('a@x.example', [user + '@example.test'], b'Subject: by LMTP\\r\\n\\r\\nx\\r\\n')
";
    succeed(python.arg("-c").arg(script).arg(&socket));
    assert_eq!((server.mail("alice").len(), server.mail("bob").len()), (2, 2));
}

#[test]
fn mail_comes_in_under_starttls_and_received_says_so() {
    let Some(mut python) = peer("python3") else { return };
    let folder = TempDir::new().unwrap();
    let server = serve(&folder, "[[listener]]\naddress = \"127.0.0.1:0\"\n");
    let script = "\
import smtplib, ssl, sys
with smtplib.SMTP('127.0.0.1', int(sys.argv[1])) as smtp:
    smtp.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
    assert not smtp.has_extn('starttls')
    smtp.sendmail('a@x.example', ['alice@example.test'], b'Subject: x\\r\\n\\r\\nx\\r\\n')
";
    let port = server.address.port().to_string();
    succeed(python.arg("-c").arg(script).arg(port).arg(folder.path().join("certificate.pem")));
    let mail = server.mail("alice");
    assert!(String::from_utf8_lossy(&mail[0]).contains("\n\tby mx.example.test with ESMTPS id "));
}

#[test]
fn a_listed_balancer_says_who_the_client_is_and_nobody_else_may() {
    let folder = TempDir::new().unwrap();
    let server = serve(
        &folder,
        "[[listener]]\naddress = \"127.0.0.1:0\"\nproxies = [\"127.0.0.0/8\"]\n\
         [[listener]]\nkind = \"lmtp\"\naddress = \"127.0.0.1:0\"\nproxies = [\"192.0.2.1\"]\n",
    );
    let mut client = crate::harness::Client::connect(server.address);
    client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 25\r\n");
    assert!(client.reply().starts_with("220 "));
    client.begin_content();
    client.say_all(&["x\r\n."]);
    assert_eq!(field(&server.line(" queued "), "peer"), "198.51.100.7:4711");
    assert!(String::from_utf8_lossy(&server.mail("alice")[0]).contains("([198.51.100.7])"));

    let mut direct = server.connect_to("lmtp");
    assert!(direct.say("PROXY TCP4 198.51.100.7 192.0.2.1 4711 25").starts_with("554 5.5.1 "));
    assert!(server.line(" closed ").contains("why=not-smtp-proxy"));
}

#[test]
fn a_new_certificate_is_shown_after_sighup_and_a_bad_one_is_not() {
    use smtp_tokio::{Client, ClientConfig, TlsPolicy, tls};

    let folder = TempDir::new().unwrap();
    let server = serve(&folder, "[[listener]]\naddress = \"127.0.0.1:0\"\n");
    let connect = |trusted: &[u8]| {
        let trust = std::sync::Arc::new(tls::client_config(trusted).unwrap());
        let connect = Client::to(server.address.to_string(), ClientConfig::new("client.example").unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(connect.tls(TlsPolicy::Required).tls_config(trust).connect()).map(drop)
    };
    let read = || fs::read(folder.path().join("certificate.pem")).unwrap();
    let first = read();
    connect(&first).unwrap();
    certificate(folder.path());
    let second = read();
    server.signal("HUP");
    server.line(" certificate-read ");
    connect(&second).unwrap();
    connect(&first).unwrap_err();
    fs::write(folder.path().join("certificate.pem"), "half a file").unwrap();
    server.signal("HUP");
    assert!(server.line(" settings-not-read ").contains("certificate.pem"));
    connect(&second).unwrap();
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let folder = TempDir::new().unwrap();
    for (mode, exposed) in [(0o644, true), (0o600, false)] {
        let tls = certificate(folder.path());
        let key = folder.path().join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let file = folder.path().join("mail.toml");
        let settings = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n";
        let taken = "[[listener]]\naddress = \"192.0.2.1:25\"\n";
        fs::write(&file, format!("{settings}{tls}{taken}")).unwrap();
        // It ends at once, as that address is not this machine's.
        let output = crate::harness::binary()
            .args(["serve", "--config"])
            .arg(&file)
            .current_dir(folder.path())
            .output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(said.contains("others can read the private key"), exposed, "{mode:o}: {said}");
    }
}

#[test]
fn a_certificate_that_does_not_do_is_an_error_that_names_the_files() {
    let folder = TempDir::new().unwrap();
    let settings = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\n{}",
        certificate(folder.path())
    );
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let file = folder.path().join("mail.toml");
    fs::write(&file, settings).unwrap();
    let output = crate::harness::run(&["serve", "--config", file.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("certificate.pem and ") && error.contains("no private key"), "{error}");
}
