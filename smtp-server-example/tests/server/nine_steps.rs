//! A message's whole way, with everybody it meets: a user's client, DNS, blocklists, the foreign host, mailboxes, and the
//! clients that read them. And the way back of one that is not taken.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::dovecot::{Dovecot, User, as_sent};
use crate::harness::{Server, certificate};
use crate::mailboxes::{body, has_programs, parts, read, submit};
use crate::neighbours::{Neighbour, knot, rbldnsd, resolver};
use crate::peers::succeed;
use crate::postfix::Postfix;

/// Where they come from whom the list has.
const LISTED: &str = "127.0.0.5";

const LIST: &str = "ip4set:\n:127.0.0.2:Junk from $ seen\n127.0.0.2\n127.0.0.5\n";

/// Everything that both sides use.
struct World {
    dovecot: Dovecot,
    dns: Neighbour,
    // Asked through the resolver.
    _authorities: [Neighbour; 2],
    folder: TempDir,
    us: SocketAddr,
    them: SocketAddr,
}

impl World {
    /// None if a program is missing and may be.
    fn new() -> Option<Self> {
        let user = |address| User { address, quota: None };
        let users = ["alice@us.example", "bob@us.example", "carol@them.example"].map(user);
        let dovecot = has_programs().then(|| Dovecot::start_for_readers(&users)).flatten()?;
        let zones = [
            ("us.example", "@ MX 10 mx\nmx A 127.0.0.1\n"),
            ("them.example", "@ MX 10 mx\nmx A 127.0.0.4\n"),
        ];
        let (names, list) = (knot(&zones)?, rbldnsd(&[("bl.example", LIST)])?);
        let known = [
            ("us.example", names.address, false),
            ("them.example", names.address, false),
            ("bl.example", list.address, false),
        ];
        let dns = resolver(&known)?;
        let port = || crate::daemon::free_address().port();
        let us = SocketAddr::from(([127, 0, 0, 1], port()));
        let them = SocketAddr::from(([127, 0, 0, 4], port()));
        let folder = TempDir::new().unwrap();
        Some(Self { dovecot, dns, _authorities: [names, list], folder, us, them })
    }

    /// A server for a domain, with these settings in [relay] and these further tables.
    fn server(&self, domain: &str, user: &str, here: SocketAddr, relay: &str, more: &str) -> Server {
        let folder = self.folder.path().join(domain);
        fs::create_dir(&folder).unwrap();
        let settings = format!(
            "hostname = \"mx.{domain}\"\ndata = \"mail\"\n[auth]\nargon2_memory_kib = 64\nargon2_passes = 1\n\
             [dns]\nservers = [\"{}\"]\n[checks]\nexempt = []\n\
             [[listener]]\naddress = \"{here}\"\n[[listener]]\nkind = \"submission\"\naddress = \"{}:0\"\n\
             [[domain]]\nname = \"{domain}\"\ndelivery = \"lmtp:unix:{}\"\n[[user]]\nname = \"{user}\"\n{}{more}\n\
             [relay]\n{relay}\nallowed_targets = [\"127.0.0.0/8\"]\n",
            self.dns.address,
            here.ip(),
            self.dovecot.socket().display(),
            certificate(&folder),
        );
        let server = Server::serve(&folder, &settings);
        crate::users::user(&folder, &["passwd", user], "word\n");
        server.line(" users-read ");
        server
    }
}

/// The other side: it has carol's mailbox, and what it sends comes from an address that is listed.
trait Foreign {
    /// carol writes to somebody.
    fn send(&self, to: &str, file: &Path);
    /// Returns when it has nothing left to do for a message to or from carol.
    fn settle(&self);
}

impl Foreign for Server {
    fn send(&self, to: &str, file: &Path) {
        submit(self, "carol@them.example", to, file);
    }

    fn settle(&self) {
        Self::settle(self);
    }
}

impl Foreign for Postfix {
    fn send(&self, to: &str, file: &Path) {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", &self.address.to_string(), "--from", "carol@them.example", "--to", to]);
        succeed(swaks.arg("--data").arg(format!("@{}", file.display())));
    }

    fn settle(&self) {
        let line = self.daemon.wait_for("to=<carol@them.example>");
        assert!(line.contains("status=sent"), "{line}");
    }
}

/// A message in a file, without the line end that swaks adds.
fn message(folder: &Path, header: &str, body: &[u8]) -> std::path::PathBuf {
    let file = folder.join("message");
    fs::write(&file, [header.as_bytes(), &body[..body.len() - 2]].concat()).unwrap();
    file
}

fn all_steps(world: &World, ours: &Server, foreign: &dyn Foreign) {
    let (folder, dovecot) = (world.folder.path(), &world.dovecot);
    let body = body();
    let file = message(folder, "From: alice@us.example\r\nSubject: to both\r\n\r\n", &body);
    submit(ours, "alice@us.example", "bob@us.example,carol@them.example", &file);
    ours.settle();
    foreign.settle();
    for user in ["bob@us.example", "carol@them.example"] {
        for (protocol, address) in [("imap", dovecot.imap()), ("pop3", dovecot.pop3())] {
            let messages = read(protocol, address, user);
            assert_eq!(messages.len(), 1, "{user}, {protocol}: {}", dovecot.log());
            let (header, read) = parts(as_sent(&messages[0]));
            assert!(header.contains("\r\nSubject: to both\r\n"), "{user}, {protocol}: {header}");
            let received = "Received: from authenticated-user\r\n\tby mx.us.example with ESMTPSA id ";
            assert!(header.contains(received), "{user}, {protocol}: {header}");
            assert_eq!(
                read.escape_ascii().to_string(),
                body.escape_ascii().to_string(),
                "{user}, {protocol}"
            );
        }
    }
    // A client from an address that is listed, and then such a client's mail.
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", &world.us.to_string(), "--local-interface", LISTED, "--from", "x@else.example"]);
    let output = swaks.args(["--to", "bob@us.example", "--quit-after", "RCPT"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let refusal = "554 5.7.1 Your address 127.0.0.5 is listed by bl.example: Junk from 127.0.0.5 seen";
    assert!(!output.status.success() && said.contains(refusal), "{said}");
    let file = message(folder, "From: carol@them.example\r\nSubject: not taken\r\n\r\n", b"hello\r\n");
    foreign.send("bob@us.example", &file);
    assert!(ours.line(" unwelcome ").contains("why=blocklisted"));
    foreign.settle();
    let mail = read("imap", dovecot.imap(), "carol@them.example");
    assert_eq!(mail.len(), 2, "it came back: {}", dovecot.log());
    let bounce = mail.iter().find(|mail| mail.starts_with(b"Return-Path: <>\r\n")).expect("a bounce");
    let bounce = String::from_utf8_lossy(bounce).replace("\r\n ", " ").replace("\r\n    ", " ");
    for part in [
        "554 5.7.1",
        "is listed by bl.example",
        "Action: failed",
        "Final-Recipient: rfc822; bob@us.example",
        "not taken",
    ] {
        assert!(bounce.contains(part), "{part} is missing in\n{bounce}");
    }
    assert_eq!(read("pop3", dovecot.pop3(), "bob@us.example").len(), 1, "bob was spared it");
    assert!(read("imap", dovecot.imap(), "alice@us.example").is_empty(), "nobody else is told");
}

fn ours(world: &World) -> Server {
    let more = "[[user]]\nname = \"bob\"\n[[blocklist]]\nzone = \"bl.example\"";
    world.server("us.example", "alice", world.us, &format!("port = {}", world.them.port()), more)
}

#[test]
fn a_message_goes_all_its_way_to_another_server_of_ours_and_one_from_a_listed_address_comes_back() {
    let Some(world) = World::new() else { return };
    let ours = ours(&world);
    let relay = format!("port = {}\nsource_addresses = [\"{LISTED}\"]", world.us.port());
    let foreign = world.server("them.example", "carol", world.them, &relay, "");
    all_steps(&world, &ours, &foreign);
}

#[test]
fn a_message_goes_all_its_way_to_postfix_and_one_from_a_listed_address_comes_back() {
    let Some(world) = World::new() else { return };
    let ours = ours(&world);
    let settings = format!(
        "myhostname = mx.them.example\nrelayhost = [{}]:{}\nsmtp_bind_address = {LISTED}\n\
         virtual_mailbox_domains = them.example\nvirtual_mailbox_maps = static:carol\n\
         virtual_transport = lmtp:unix:{}\n",
        world.us.ip(),
        world.us.port(),
        world.dovecot.socket().display(),
    );
    let Some(foreign) = Postfix::start(world.them, &settings) else { return };
    all_steps(&world, &ours, &foreign);
}
