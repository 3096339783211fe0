//! Mail to other hosts, which are real programs on other loopback addresses, found by a real DNS server.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Client, Server, content, stuffed};
use crate::login::base64;
use crate::neighbours::{Neighbour, knot};

/// Domains whose mail is taken on 127.0.0.2.
pub(crate) const ZONE: &str = "
mx         A 127.0.0.2
nobody     A 127.0.0.9
one        MX 10 mx
dead       MX 10 nobody
dead       MX 20 mx
null       MX 0 .
self       MX 10 us
us         A 127.0.0.1
";

/// The foreign side: a server of ours for these domains on 127.0.0.2.
pub(crate) fn foreign(folder: &Path, more: &str) -> Server {
    Server::serve(
        folder,
        &format!(
            "hostname = \"mx.t.example\"\ndomains = [\"one.t.example\", \"dead.t.example\"]\ndata = \"mail\"\n\
             [[listener]]\naddress = \"127.0.0.2:0\"\n[[user]]\nname = \"bob\"\n{more}"
        ),
    )
}

/// Our side: alice logs in, in clear, and mail leaves for `port`.
pub(crate) fn ours(folder: &Path, dns: &Neighbour, port: u16, more: &str) -> Server {
    let settings = format!(
        "hostname = \"us.t.example\"\ndomains = [\"us.example\"]\ndata = \"mail\"\n\
         [dns]\nservers = [\"{}\"]\n[auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n\
         [[user]]\nname = \"alice\"\n[[alias]]\naddress = \"away\"\nto = [\"alice\", \"bob@one.t.example\"]\n\
         {more}\n[relay]\nport = {port}\nallowed_targets = [\"127.0.0.0/8\"]\n",
        dns.address
    );
    let server = Server::serve(folder, &settings);
    crate::users::user(folder, &["passwd", "alice"], "word\n");
    server.line(" users-read ");
    server
}

pub(crate) fn alice(server: &Server) -> Client {
    let mut client = server.connect_to("submission");
    client.say_all(&["EHLO client.example", &format!("AUTH PLAIN {}", base64("\0alice\0word"))]);
    client
}

const MESSAGE: &[u8] = b"From: alice@us.example\r\nDate: Tue, 05 May 2026 09:03:01 +0200\r\n\
    Message-ID: <1@us.example>\r\nSubject: hello\r\n\r\n.a line with a dot\r\n";

/// Submits the message to these; the replies to RCPT and to the dot.
pub(crate) fn submit(client: &mut Client, to: &[&str]) -> Vec<String> {
    client.say_all(&["MAIL FROM:<alice@us.example>"]);
    let mut replies: Vec<_> = to.iter().map(|to| client.say(&format!("RCPT TO:<{to}>"))).collect();
    client.say_all(&["DATA"]);
    client.send(&stuffed(MESSAGE));
    replies.push(client.reply());
    replies
}

#[test]
fn a_users_mail_goes_to_the_host_of_its_domain_and_nobody_elses_does() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let foreign = foreign(there.path(), "");
    let ours = ours(here.path(), &dns, foreign.address.port(), "");
    let replies = submit(&mut alice(&ours), &["bob@one.t.example", "bob@dead.t.example", "alice@us.example"]);
    assert!(replies.iter().all(|reply| reply.starts_with("250 ")), "{replies:?}");
    ours.settle();
    let mail = foreign.mail("bob");
    assert_eq!(mail.len(), 2, "one for each domain");
    let stored = String::from_utf8(content(&mail[0]).to_vec()).unwrap();
    assert!(stored.starts_with("Received: from authenticated-user\n\tby us.t.example "), "{stored}");
    assert!(stored.ends_with(&String::from_utf8_lossy(MESSAGE).replace("\r\n", "\n")), "{stored}");
    assert_eq!(ours.mail("alice").len(), 1);
    let line = ours.line(" relayed ");
    for part in [" host=mx.t.example ip=127.0.0.2 ", " tries=1 ", " dns=", " connect=", " data=", " total="] {
        assert!(line.contains(part), "{part} in {line}");
    }

    let mut stranger = ours.connect();
    stranger.say_all(&["EHLO client.example", "MAIL FROM:<alice@us.example>"]);
    let reply = stranger.say("RCPT TO:<bob@one.t.example>");
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    stranger.say_all(&["RCPT TO:<away@us.example>", "DATA", "Subject: to an alias\r\n\r\nx\r\n."]);
    ours.settle();
    assert_eq!((ours.mail("alice").len(), foreign.mail("bob").len()), (2, 3), "an alias leads to both");
}

#[test]
fn what_dns_rules_out_comes_back_to_the_sender() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let here = TempDir::new().unwrap();
    let ours = ours(here.path(), &dns, 9, "");
    for (domain, want, why) in [
        ("null", "Status: 5.1.10\n", "null MX"),
        ("self", "Status: 5.4.6\n", "we are its best host"),
        ("nxdomain", "Status: 5.1.2\n", "no such domain"),
    ] {
        let before = ours.mail("alice").len();
        submit(&mut alice(&ours), &[&format!("x@{domain}.t.example")]);
        let mail = ours.mail("alice");
        assert_eq!(mail.len(), before + 1, "{why}");
        let notices = mail.iter().map(|mail| String::from_utf8_lossy(mail).into_owned());
        assert!(notices.into_iter().any(|notice| notice.contains(want)), "{why}");
    }
}
