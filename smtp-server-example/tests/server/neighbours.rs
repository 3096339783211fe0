//! DNS servers on free ports of the loopback interface, with zones in a folder of their own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::PATIENCE;
use crate::peers::peer;

/// Longest wait for somebody else's program to begin. Rspamd takes seconds, and many where much else runs.
const START: Duration = Duration::from_secs(90);

/// A program that serves until it is dropped.
pub(crate) struct Neighbour {
    child: Child,
    said: Receiver<String>,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Neighbour {
    /// Starts `command` and waits until it says `ready`.
    fn start(mut command: Command, folder: TempDir, address: SocketAddr, ready: &str) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, said) = channel();
        let listen = |out: Box<dyn Read + Send>| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        };
        listen(Box::new(child.stdout.take().unwrap()));
        listen(Box::new(child.stderr.take().unwrap()));
        drop(sender);
        let neighbour = Self { child, said, address, _folder: folder };
        neighbour.wait_for(ready);
        neighbour
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for a line that holds `part`.
    fn wait_for(&self, part: &str) {
        let (until, mut all) = (Instant::now() + START, Vec::new());
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return,
                Ok(line) => all.push(line),
                Err(error) => panic!("no `{part}`: {error}\n{}", all.join("\n")),
            }
        }
    }
}

impl Drop for Neighbour {
    /// Those that have processes of their own end them when they are asked to.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !matches!(self.child.try_wait(), Ok(Some(_))) {
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of the loopback interface that is free for both UDP and TCP.
pub(crate) fn free_address() -> SocketAddr {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// An authoritative server for `zones`: names, and records in the form of zone files. A name without records is
/// configured but can't be loaded, which is answered with SERVFAIL. None if Knot is missing and may be.
pub(crate) fn knot(zones: &[(&str, &str)]) -> Option<Neighbour> {
    let mut command = peer("knotd")?;
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    let path = folder.path().display();
    let mut settings = format!(
        "server:\n    rundir: \"{path}\"\n    listen: \"{}@{}\"\n    udp-workers: 1\n    tcp-workers: 1\n    \
         background-workers: 1\nlog:\n  - target: stderr\n    any: info\ndatabase:\n    storage: \"{path}\"\n\
         template:\n  - id: default\n    storage: \"{path}\"\n    journal-content: none\nzone:\n",
        address.ip(),
        address.port(),
    );
    for (name, records) in zones {
        settings.push_str(&format!("  - domain: {name}\n    file: {name}.zone\n"));
        if !records.is_empty() {
            let head = format!(
                "$ORIGIN {name}.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
            );
            fs::write(folder.path().join(format!("{name}.zone")), head + records).unwrap();
        }
    }
    let file = folder.path().join("knot.conf");
    fs::write(&file, settings).unwrap();
    command.arg("--config").arg(file);
    Some(Neighbour::start(command, folder, address, "server started"))
}

/// Lists of addresses: names, and entries as rbldnsd has them, the type of the set before the first colon. None if
/// rbldnsd is missing and may be.
pub(crate) fn rbldnsd(lists: &[(&str, &str)]) -> Option<Neighbour> {
    let mut command = peer("rbldnsd")?;
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    command.args(["-n", "-t", "60", "-b", &format!("{}/{}", address.ip(), address.port())]);
    if is_root() {
        // It gives itself up in favour of a user, who can't read a folder that is root's alone.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        command.args(["-u", "nobody"]);
    }
    for (zone, entries) in lists {
        let (kind, entries) = entries.split_once(':').unwrap();
        let file = folder.path().join(zone);
        // An SOA, as negative answers without one are not kept.
        fs::write(&file, format!("$SOA 60 ns.{zone} h.{zone} 0 60 60 60 60\n{}", entries.trim_start()))
            .unwrap();
        command.arg(format!("{zone}:{kind}:{}", file.display()));
    }
    Some(Neighbour::start(command, folder, address, "started"))
}

/// clamd with one signature of its own, for what `malware` holds. It reads no more than 1 MB. None if clamd is missing
/// and may be.
pub(crate) fn clamd(malware: &str) -> Option<Neighbour> {
    let mut command = peer("clamd")?;
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    let path = folder.path().display();
    let sample = folder.path().join("sample");
    fs::write(&sample, malware).unwrap();
    let sum = Command::new("md5sum").arg(&sample).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split(' ').next().unwrap();
    fs::create_dir(folder.path().join("db")).unwrap();
    fs::write(folder.path().join("db/test.hdb"), format!("{sum}:{}:Eicar-Test\n", malware.len())).unwrap();
    let settings = format!(
        "DatabaseDirectory {path}/db\nTCPAddr {}\nTCPSocket {}\nForeground yes\nStreamMaxLength 1M\n\
         TemporaryDirectory {path}\nUser root\n",
        address.ip(),
        address.port(),
    );
    let settings = if is_root() { settings } else { settings.replace("User root\n", "") };
    let file = folder.path().join("clamd.conf");
    fs::write(&file, settings).unwrap();
    command.arg("--config-file").arg(file);
    Some(Neighbour::start(command, folder, address, "Self checking every"))
}

/// Parts of rspamd that would ask the network or keep books.
const RSPAMD_OFF: &[&str] = &[
    "antivirus",
    "arc",
    "asn",
    "bayes_expiry",
    "dkim",
    "dkim_signing",
    "dmarc",
    "elastic",
    "emails",
    "fuzzy_check",
    "hfilter",
    "history_redis",
    "maillist",
    "mime_types",
    "multimap",
    "mx_check",
    "neural",
    "once_received",
    "p0f",
    "phishing",
    "ratelimit",
    "rbl",
    "replies",
    "spf",
    "surbl",
];

/// What rspamd decides for messages whose subject asks for it; other subjects are left to its own rules.
const RSPAMD_BY_SUBJECT: &str = "
rspamd_config:register_symbol{
  name = 'BY_SUBJECT',
  type = 'prefilter',
  callback = function(task)
    local subject = task:get_subject()
    if subject == 'add header' or subject == 'soft reject' then
      task:set_pre_result(subject, 'as the subject says')
    end
  end,
}
";

/// rspamd with its own rules, [`RSPAMD_BY_SUBJECT`] and no neighbours. None if rspamd is missing and may be.
pub(crate) fn rspamd() -> Option<Neighbour> {
    let mut command = peer("rspamd")?;
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    let path = folder.path().display();
    let etc = folder.path().join("etc");
    assert!(Command::new("cp").args(["-r", "/etc/rspamd"]).arg(&etc).status().unwrap().success());
    for part in RSPAMD_OFF {
        fs::write(etc.join(format!("local.d/{part}.conf")), "enabled = false;\n").unwrap();
    }
    fs::write(etc.join("rspamd.local.lua"), RSPAMD_BY_SUBJECT).unwrap();
    let settings = format!(
        ".include \"{path}/etc/common.conf\"\n\
         options {{ .include \"{path}/etc/options.inc\"\n disable_hyperscan = true; pidfile = \"{path}/pid\"; \
         dns {{ nameserver = \"127.0.0.1:9\"; timeout = 0.1s; retransmits = 1; }} }}\n\
         logging {{ type = \"console\"; level = \"info\"; }}\n\
         worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; }}\n"
    );
    let file = folder.path().join("rspamd.conf");
    fs::write(&file, settings).unwrap();
    command.args(["-f", "-i", "-c"]).arg(file);
    for (name, value) in [("DBDIR", ""), ("RUNDIR", ""), ("CONFDIR", "/etc"), ("LOCAL_CONFDIR", "/etc")] {
        command.arg(format!("--var={name}={path}{value}"));
    }
    Some(Neighbour::start(command, folder, address, "listening for control commands"))
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// A validating resolver that has `zones` from the server at `authority`. Of each it is told a key that nothing is
/// signed with if it is to be bogus, and that it is not signed otherwise. None if Unbound is missing and may be.
pub(crate) fn unbound(authority: SocketAddr, zones: &[(&str, bool)]) -> Option<Neighbour> {
    let zones: Vec<_> = zones.iter().map(|(name, bogus)| (*name, authority, *bogus)).collect();
    resolver(&zones)
}

/// The same, with the server that each zone is had from.
pub(crate) fn resolver(zones: &[(&str, SocketAddr, bool)]) -> Option<Neighbour> {
    let mut command = peer("unbound")?;
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    let mut settings = format!(
        "server:\n  interface: {}@{}\n  directory: \"{}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  \
         use-syslog: no\n  verbosity: 1\n  do-not-query-localhost: no\n  num-threads: 1\n  \
         module-config: \"validator iterator\"\n",
        address.ip(),
        address.port(),
        folder.path().display(),
    );
    for (name, _, bogus) in zones {
        settings.push_str(&match bogus {
            true => format!("  trust-anchor: \"{name}. DS 12345 13 2 {}\"\n", "AB".repeat(32)),
            false => format!("  domain-insecure: \"{name}\"\n"),
        });
        settings.push_str(&format!("  local-zone: \"{name}.\" nodefault\n"));
    }
    for (name, authority, _) in zones {
        let authority = format!("{}@{}", authority.ip(), authority.port());
        settings.push_str(&format!("stub-zone:\n  name: \"{name}\"\n  stub-addr: {authority}\n"));
    }
    let file = folder.path().join("unbound.conf");
    fs::write(&file, settings).unwrap();
    command.arg("-d").arg("-c").arg(file);
    Some(Neighbour::start(command, folder, address, "start of service"))
}
