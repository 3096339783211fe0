//! What docs/run-a-domain.md says, done: its files written, its commands run, in their order.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::check::{certificate, in_days};
use crate::daemon::{Daemon, Folder, free_address, program};
use crate::harness::{Server, binary, run};
use crate::neighbours::{Neighbour, knot, unbound};
use crate::peers::peer;

/// A fenced block: what stands behind its first fence, and what is in it.
pub(crate) struct Block {
    pub(crate) info: String,
    pub(crate) text: String,
}

/// Those of a page below docs/, in their order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let page = fs::read_to_string(page).unwrap();
    let block = |text: &str| {
        let (info, text) = text.split_once('\n').unwrap();
        Block { info: info.to_owned(), text: text.to_owned() }
    };
    page.split("```").skip(1).step_by(2).map(block).collect()
}

/// The page's places and what they are here.
struct Here {
    folder: Folder,
    /// Of the page's ports 25, 587, 465, 993, 995, 9925.
    ports: Vec<(u16, SocketAddr)>,
    resolver: SocketAddr,
}

/// Folders of the page, with those here.
const FOLDERS: &[(&str, &str)] = &[
    ("/etc/letsencrypt/live/mail.example.org", "live"),
    ("/etc/letsencrypt/renewal-hooks/deploy", "hooks"),
    ("/etc/smtp-server-example", "server"),
    ("/var/lib/smtp-server-example", "data"),
    ("/etc/dovecot", "dovecot"),
    ("/run/dovecot", "run"),
    ("/var/vmail", "vmail"),
    ("/var/backups", "backups"),
];

/// Puts `to` where `from` ends in a port, which is no longer there.
fn with_port(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from);
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        done.push_str(if part.starts_with(|c: char| c.is_ascii_digit()) { from } else { to });
        done.push_str(part);
    }
    done
}

impl Here {
    fn new() -> Self {
        let folder = Folder::new("domain");
        for (_, name) in FOLDERS {
            folder.make(name);
        }
        let data = folder.join("data");
        let owner = if folder.is_roots() { Some(0) } else { None };
        chown(&data, owner, owner).unwrap();
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).unwrap();
        let ports = [25, 587, 465, 993, 995, 9925].map(|port| (port, free_address())).to_vec();
        Self { folder, ports, resolver: free_address() }
    }

    /// Text of the page with the places and ports here.
    fn translated(&self, text: &str) -> String {
        let mut text = text.replace("127.0.0.1:53\"", &format!("{}\"", self.resolver));
        for (port, here) in &self.ports {
            for host in ["[::]", "mail.example.org", "127.0.0.1"] {
                text = with_port(&text, &format!("{host}:{port}"), &here.to_string());
            }
            text = text.replace(&format!("port = {port}\n"), &format!("port = {}\n", here.port()));
        }
        for (folder, name) in FOLDERS {
            text = text.replace(folder, self.folder.join(name).to_str().unwrap());
        }
        let (user, group) = self.folder.keeper();
        let ours = if self.folder.is_roots() { "root".to_owned() } else { id("-gn") };
        text.replace("uid=vmail gid=vmail", &format!("uid={user} gid={group}"))
            .replace("group = smtp-server-example", &format!("group = {ours}"))
            .replace("-o smtp-server-example -g smtp-server-example ", "")
            .replace(
                "doveadm ",
                &format!("doveadm -c {} ", self.folder.join("dovecot/dovecot.conf").display()),
            )
    }

    /// What the settings need besides for their ports, and for a network that is this machine alone.
    fn write(&self, path: &str, text: &str, relay: SocketAddr) {
        let mut text = self.translated(text);
        if path.ends_with("mail.toml") {
            let ours = "\nown_addresses = [\"192.0.2.7\", \"2001:db8::7\"]\n\n[metrics]";
            text = text.replace("\n\n[metrics]", ours);
            text.push_str(&format!(
                "[relay]\nport = {}\nallowed_targets = [\"127.0.0.0/8\"]\n\
                 [auth]\nargon2_memory_kib = 64\nargon2_passes = 1\n",
                relay.port()
            ));
        } else if path.ends_with("dovecot.conf") {
            text.push_str(&dovecot_here(&self.folder));
        }
        fs::write(self.translated(path), text).unwrap();
    }

    /// Runs a block as a shell does that stops at the first failure; what it prints.
    fn run(&self, text: &str) -> String {
        let text = self.translated(text);
        let path = Path::new(env!("CARGO_BIN_EXE_smtp-server-example")).parent().unwrap();
        let path = format!("{}:{}:/usr/sbin", path.display(), std::env::var("PATH").unwrap());
        let root = self.folder.join("live/root.pem");
        let output = Command::new("sh")
            .args(["-e", "-c", &text])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("SSL_CERT_FILE", &root)
            .env("CURL_CA_BUNDLE", &root)
            .output()
            .unwrap();
        let said =
            [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(output.status.success(), "{text}\n{said}");
        said
    }

    fn renew(&self, days: i64) {
        let live = self.folder.join("live");
        certificate(&live, "mail.example.org 127.0.0.1", 2020, in_days(days));
        fs::rename(live.join("certificate.pem"), live.join("fullchain.pem")).unwrap();
        fs::rename(live.join("key.pem"), live.join("privkey.pem")).unwrap();
    }
}

fn id(which: &str) -> String {
    let output = Command::new("id").arg(which).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What Dovecot needs to run in a folder, as whoever runs the test.
fn dovecot_here(folder: &Folder) -> String {
    let path = folder.path().display();
    let mut text = format!(
        "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = /dev/stderr\nfirst_valid_uid = 1\n\
         mail_fsync = never\n"
    );
    for service in ["anvil", "stats", "imap-login", "pop3-login"] {
        text.push_str(&format!("service {service} {{\n  chroot =\n}}\n"));
    }
    if !folder.is_roots() {
        let (user, group) = (id("-un"), id("-gn"));
        text.push_str(&format!(
            "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n"
        ));
    }
    text
}

/// DNS with what `dns print` prints for these settings, and with the other side's.
fn publish(here: &Here, settings: &str) -> Option<[Neighbour; 2]> {
    let draft = here.folder.write("draft.toml", settings);
    let args = ["dns", "print", "--zone", "--imap", "--pop3", "--config", draft.to_str().unwrap()];
    let printed = run(&[&args[..], &["--address", "192.0.2.7", "--address", "2001:db8::7"]].concat());
    let printed = String::from_utf8(printed.stdout).unwrap();
    let of = |name: &str| {
        let ending = format!("{name}.");
        let mine = |line: &&str| line.split(' ').next().unwrap().ends_with(&ending);
        printed.lines().filter(mine).collect::<Vec<_>>().join("\n") + "\n"
    };
    let names = ["example.org", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];
    let mut zones: Vec<_> = names.iter().map(|name| (*name, of(name))).collect();
    zones.push(("elsewhere.example", "@ MX 10 mx\nmx A 127.0.0.4\n".to_owned()));
    let zones: Vec<_> = zones.iter().map(|(name, records)| (*name, records.as_str())).collect();
    let authority = knot(&zones)?;
    let known: Vec<_> = zones.iter().map(|(name, _)| (*name, false)).collect();
    let resolver = unbound(authority.address, &known)?;
    Some([authority, resolver])
}

/// What some commands have to say.
const SAID: &[(&str, &str)] = &[
    ("smtp-server-example check", "ok   lmtp example.org: "),
    ("smtp-server-example check", "ok   mx example.org: 10 mail.example.org is this server"),
    ("smtp-server-example check", "ok   reverse 2001:db8::7: it is mail.example.org"),
    ("smtp-server-example check", "are refused"),
    ("imaps://", "Subject: first in"),
    ("smtp-server-example trace", "you@elsewhere.example"),
    (
        "/metrics",
        "smtp_deliveries_total{via=\"remote\",outcome=\"relayed\",class=\"2xx\",enhanced=\"2.0.0\"} 1",
    ),
    ("smtp-server-example queue list", "deliveries: 0"),
    ("smtp-server-example backup", "messages that wait: 0"),
];

#[test]
fn what_the_page_about_a_domain_says_is_what_happens() {
    for needed in ["swaks", "curl", "doveadm", "dovecot"] {
        if peer(needed).is_none() {
            return;
        }
    }
    let (mut here, blocks) = (Here::new(), blocks("run-a-domain.md"));
    let settings = &blocks.iter().find(|block| block.info.ends_with("/mail.toml")).unwrap().text;
    let Some(dns) = publish(&here, settings) else { return };
    here.resolver = dns[1].address;
    let other = Folder::new("elsewhere");
    let them = SocketAddr::from(([127, 0, 0, 4], free_address().port()));
    let elsewhere = Server::serve(
        other.path(),
        &format!(
            "hostname = \"mx.elsewhere.example\"\ndomains = [\"elsewhere.example\"]\ndata = \"mail\"\n\
             [[listener]]\naddress = \"{them}\"\n[[user]]\nname = \"you\"\n"
        ),
    );
    here.renew(60);
    let (mut server, mut dovecot, mut last) = (None::<Server>, None, String::new());
    let mut told = vec![false; SAID.len()];
    for Block { info, text } in &blocks {
        match info.split_once(' ').unwrap_or((info, "")) {
            (_, path) if !path.is_empty() => {
                here.write(path, text, them);
            }
            ("console", _) => {
                last = here.run(text);
                for ((command, want), told) in SAID.iter().zip(&mut told) {
                    if text.contains(command) {
                        assert!(last.contains(want), "no `{want}` from\n{text}\n{last}");
                        *told = true;
                    }
                }
                server.iter().for_each(Server::settle);
            }
            ("text", _) => assert!(last.contains(text), "the page has\n{text}\nand there is\n{last}"),
            // What needs a machine of its own.
            ("sh", _) if text.starts_with("apt-get install ") => {}
            ("sh", _) if text.contains("enable --now unbound dovecot\n") => {
                let mut command = program("dovecot").unwrap();
                let daemon =
                    Daemon::start(command.arg("-F").arg("-c").arg(here.folder.join("dovecot/dovecot.conf")));
                daemon.wait_for("starting up for ");
                dovecot = Some(daemon);
                server = Some(started(&here));
            }
            other => panic!("what is to be done with {other:?}?"),
        }
    }
    assert!(told.iter().all(|told| *told), "not every command is there that this test knows: {told:?}");
    let mail = elsewhere.mail("you");
    assert!(mail.len() == 1 && String::from_utf8_lossy(&mail[0]).contains("Subject: first out"));

    // A renewal.
    here.renew(80);
    let hook = blocks.iter().find(|block| block.text.starts_with("RENEWED_LINEAGE=")).unwrap();
    let said = here.run(&hook.text);
    assert!(!said.contains("does not run"), "{said}");
    server.unwrap().line(" certificate-read ");
    dovecot.unwrap().wait_for("SIGHUP received");
}

/// The server as its unit starts it, on ports of its own.
fn started(here: &Here) -> Server {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/smtp-server-example.service");
    let unit = fs::read_to_string(unit).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/smtp-server-example"));
    let mut command = binary();
    command.args(words.map(|word| here.translated(word)));
    Server::start(command, &here.folder.join("data"))
}
