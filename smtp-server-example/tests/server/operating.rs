//! What docs/operating.md says, done: its commands run, in their order, against a server with mail that waits.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::check::{certificate, far};
use crate::harness::{Client, Server, binary};
use crate::login::base64;
use crate::neighbours::{free_address, knot, unbound};
use crate::peers::peer;
use crate::run_a_domain::{Block, blocks};

const ZONE: &str =
    "@ MX 10 mail\n@ TXT \"v=spf1 mx -all\"\n_dmarc TXT \"v=DMARC1; p=none\"\nmail A 192.0.2.7\n";
const OTHER: &str = "@ MX 10 mx\nmx A 127.0.0.4\n";
const REVERSE: &str = "7 PTR mail.example.org.\n";

/// What each command has to say; the same command again takes the next row that has it.
const SAID: &[(&str, &str)] = &[
    ("check --config mail.toml\n", "ok   reverse 192.0.2.7: it is mail.example.org"),
    ("check --config mail.toml --json\n", "\"level\":\"ok\",\"name\":\"settings\""),
    ("curl ", "smtp_queue_deliveries{state=\"ready\"} 3.0"),
    ("queue shape ", "\nexample.net                             3 "),
    ("queue list --config mail.toml\n", "deliveries: 3\n"),
    ("queue list --config mail.toml domain=example.net", "\"why\":\"451 4.4.1 No connection"),
    ("queue show --config mail.toml to=carol@", "to <carol@example.net>: wait, 451 4.4.1 No connection"),
    ("trace ", "outcome=\"wait: 451 4.4.1 No connection"),
    ("queue hold ", " held\nmessages: 3\n"),
    ("state=hold\n", "held by the operator\ndeliveries: 3\n"),
    ("queue release ", " released\nmessages: 3\n"),
    ("--dry-run ", " would be dropped\nmessages: 1\n"),
    ("queue drop --config mail.toml from=", " dropped\nmessages: 1\n"),
    ("queue retry ", " to be tried now\nmessages: 2\n"),
    // The retry may have done it.
    ("queue flush --config mail.toml --wait", "messages: "),
    ("backup ", "messages that wait: 2\n"),
    ("sqlite3 ", "ok\n"),
    ("mv ", ""),
    ("restore ", "messages that wait: 2\n"),
    ("state=hold\n", "from a backup: it may have been delivered since\ndeliveries: 2\n"),
    ("queue show --config mail.toml state=hold", "to <erin@example.net>: wait, -, may be there already"),
    ("queue drop --config mail.toml state=hold", " dropped\nmessages: 1\n"),
    ("queue release ", " released\nmessages: 1\n"),
    ("queue flush --config mail.toml --wait", "messages: "),
];

/// The page's server and where it is.
struct Site {
    folder: TempDir,
    /// The host of example.net, which is down at first.
    elsewhere: SocketAddr,
    metrics: SocketAddr,
    server: Option<Server>,
}

impl Site {
    fn new(dns: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let (metrics, mx, submission) = (free_address(), free_address(), free_address());
        let elsewhere = SocketAddr::from(([127, 0, 0, 4], free_address().port()));
        let tls = certificate(folder.path(), "mail.example.org", 2020, far());
        let settings = format!(
            "hostname = \"mail.example.org\"\ndomains = [\"example.org\"]\ndata = \"mail\"\n{tls}\
             [dns]\nservers = [\"{dns}\"]\nown_addresses = [\"192.0.2.7\"]\n[metrics]\nlisten = \"{metrics}\"\n\
             [auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
             [relay]\nport = {}\nallowed_targets = [\"127.0.0.0/8\"]\n[[user]]\nname = \"alice\"\n\
             [[listener]]\naddress = \"{mx}\"\n[[listener]]\nkind = \"submission\"\naddress = \"{submission}\"\n",
            elsewhere.port()
        );
        fs::write(folder.path().join("mail.toml"), settings).unwrap();
        crate::users::user(folder.path(), &["passwd", "alice"], "word\n");
        let mut site = Self { folder, elsewhere, metrics, server: None };
        site.start(&[]);
        site
    }

    fn start(&mut self, arguments: &[&str]) {
        let mut command = binary();
        command.args(["serve", "--config", "mail.toml"]).args(arguments).current_dir(self.folder.path());
        self.server = Some(Server::start(command, &self.folder.path().join("mail")));
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// alice writes to somebody elsewhere, who can't be reached.
    fn submit(&self, to: &str) {
        let mut client: Client = self.server().connect_to("submission");
        client.say_all(&["EHLO client.example", &format!("AUTH PLAIN {}", base64("\0alice\0word"))]);
        client.say_all(&["MAIL FROM:<alice@example.org>", &format!("RCPT TO:<{to}>"), "DATA"]);
        client.say_all(&["From: alice@example.org\r\nSubject: x\r\n\r\nx\r\n."]);
        self.server().settle();
    }

    /// Who is there at last, and takes what comes for these.
    fn elsewhere(&self, folder: &Path) -> Server {
        let users: String =
            ["carol", "dave", "erin"].map(|name| format!("[[user]]\nname = \"{name}\"\n")).concat();
        let address = self.elsewhere;
        let settings = format!(
            "hostname = \"mx.example.net\"\ndomains = [\"example.net\"]\ndata = \"mail\"\n\
             [[listener]]\naddress = \"{address}\"\n{users}"
        );
        Server::serve(folder, &settings)
    }

    /// Runs a block as a shell does that stops at the first failure, with a line for each command; what each prints.
    fn run(&self, text: &str) -> Vec<String> {
        let text = text.replace("127.0.0.1:9925", &self.metrics.to_string());
        let bin = Path::new(env!("CARGO_BIN_EXE_smtp-server-example")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let run = |line: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-e", "-c", line]).current_dir(self.folder.path());
            let output =
                shell.env("PATH", &path).env("SSL_CERT_FILE", self.folder.path().join("root.pem")).output();
            let output = output.unwrap();
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
            assert!(output.status.success(), "{line}\n{}", said.concat());
            said.concat()
        };
        text.lines().map(run).collect()
    }
}

#[test]
fn what_the_operators_page_says_is_what_happens() {
    for needed in ["curl", "sqlite3"] {
        if peer(needed).is_none() {
            return;
        }
    }
    let zones = [("example.org", ZONE), ("example.net", OTHER), ("2.0.192.in-addr.arpa", REVERSE)];
    let Some(authority) = knot(&zones) else { return };
    let known = zones.map(|(name, _)| (name, false));
    let Some(dns) = unbound(authority.address, &known) else { return };
    let mut site = Site::new(dns.address);
    for to in ["carol@example.net", "dave@example.net", "victim@example.net"] {
        site.submit(to);
    }
    let (there, mut elsewhere) = (TempDir::new().unwrap(), None);
    let (mut rows, mut last) = (SAID.iter(), Vec::new());
    for Block { info, text } in &blocks("operating.md") {
        match (info.as_str(), text.trim()) {
            ("console", _) => {
                // What happens meanwhile elsewhere.
                if text.contains("backup ") {
                    elsewhere = None;
                    site.submit("dave@example.net");
                    site.submit("erin@example.net");
                } else if text.contains("queue flush ") {
                    elsewhere = Some(site.elsewhere(there.path()));
                }
                last = site.run(text);
                for (line, said) in text.split_inclusive('\n').zip(&last) {
                    let (command, want) = rows.next().unwrap_or_else(|| panic!("nothing is known of {line}"));
                    assert!(line.contains(command), "{line} instead of {command}");
                    assert!(said.contains(want), "no `{want}` from {line}:\n{said}");
                }
            }
            ("text", want) => {
                let said = last.last().unwrap();
                assert!(said.contains(want), "the page has\n{text}\nand there is\n{said}");
            }
            ("yaml prometheus.yml", _) => {}
            ("sh", "systemctl stop smtp-server-example") => drop(site.server.take()),
            ("sh", "systemctl start smtp-server-example") => site.start(&[]),
            ("sh", "smtp-server-example serve --config mail.toml --hold-all") => {
                elsewhere = None;
                site.submit("carol@example.net");
                drop(site.server.take());
                site.start(&["--hold-all"]);
                assert!(
                    site.run("smtp-server-example queue list --config mail.toml state=hold")[0]
                        .contains("deliveries: 1")
                );
            }
            other => panic!("what is to be done with {other:?}?"),
        }
    }
    assert_eq!(rows.next(), None, "not every command is there that this test knows");
    drop(elsewhere);
    let there = Server::again(there.path());
    assert_eq!((there.mail("carol").len(), there.mail("dave").len(), there.mail("erin").len()), (1, 1, 1));
}
