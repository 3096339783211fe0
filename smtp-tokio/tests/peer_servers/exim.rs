//! A whole Exim with a configuration, a queue and mailboxes of its own, which delivers, forwards and relays. Needs `std` and
//! `daemon.rs` as a sibling module.

use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::daemon::{Daemon, Folder, PATIENCE, behind_field, files, free_address, program};

/// Its own domain; [`Setup::users`] are there.
pub(crate) const DOMAIN: &str = "exim.example";

/// Its name, for which a certificate is to be.
pub(crate) const HOST: &str = "mx.exim.example";

/// Who may log in by PLAIN, with [`PASSWORD`]; only then it relays to domains that it has no route for, which fails.
pub(crate) const LOGIN: &str = "tim";

/// The password.
pub(crate) const PASSWORD: &str = "tanstaaf";

/// What an Exim is started with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup<'a> {
    /// Local parts with a mailbox; everybody else is unknown, but `busy`, who is refused for now.
    pub(crate) users: &'a [&'a str],
    /// Local parts, and the address that each is forwarded to. The sender stays what it was.
    pub(crate) forwards: &'a [(&'a str, &'a str)],
    /// Domains that it takes mail for, and where it hands that on by SMTP, with STARTTLS where that is offered.
    pub(crate) routes: &'a [(&'a str, SocketAddr)],
    /// Certificate and key, in PEM; without, it has no STARTTLS.
    pub(crate) certificate: Option<(&'a str, &'a str)>,
    /// Further settings of its main section, each with its line end.
    pub(crate) more: &'a str,
}

/// A running Exim.
#[derive(Debug)]
pub(crate) struct Exim {
    // Ended before the folder is removed.
    _daemon: Daemon,
    log: Daemon,
    folder: Folder,
    address: SocketAddr,
}

impl Exim {
    /// Starts it. None if it is missing and may be, or if this is not root, as whom alone its daemon changes to its user.
    pub(crate) fn start(setup: &Setup<'_>) -> Option<Self> {
        let mut exim = program("exim4")?;
        let (folder, address) = (Folder::new("exim"), free_address());
        if !folder.is_roots() {
            eprintln!("skipped: Exim starts as root only");
            return None;
        }
        let owner = Some(user());
        for name in ["spool", "log", "mail"] {
            chown(folder.make(name), owner, None).unwrap();
        }
        // There before it writes to it, so that it can be followed from the first line on.
        chown(folder.write("log/main", ""), owner, None).unwrap();
        if let Some((chain, key)) = setup.certificate {
            folder.write("chain.pem", chain);
            folder.write("key.pem", key);
        }
        // It starts itself anew for reports and bounces, and looks for itself where Debian would have put it.
        let itself = format!("exim_path = {}\n", Path::new(exim.get_program()).display());
        let settings = folder.write("exim.conf", itself + &settings(&folder, address, setup));
        let log = Daemon::start(Command::new("tail").args(["-n", "+1", "-f"]).arg(folder.join("log/main")));
        let daemon = Daemon::start(exim.arg("-C").arg(settings).arg("-bdf"));
        daemon.wait_for_connection(address);
        Some(Self { _daemon: daemon, log, folder, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a line of its log that holds `part`, and returns it. What is passed over on the way is not seen again.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        self.log.wait_for(part)
    }

    /// What it has logged since.
    pub(crate) fn log(&self) -> String {
        self.log.said()
    }

    /// Waits until there are so many messages in a user's mailbox, and returns them, oldest first: with CR LF, below the
    /// `Return-path` and `Received` of Exim.
    pub(crate) fn delivered(&self, user: &str, messages: usize) -> Vec<Vec<u8>> {
        loop {
            let stored = files(&self.folder.join("mail").join(user).join("new"));
            if stored.len() >= messages {
                return stored;
            }
            self.log.wait_for(&format!("=> {user} "));
        }
    }

    /// Has it try all that waits in its queue, whether it is time or not, and waits until it has. What another of its
    /// processes is about to put down is passed over.
    pub(crate) fn run_queue(&self) {
        let Some(mut exim) = program("exim4") else { return };
        let done = exim.arg("-C").arg(self.settings_file()).arg("-qff").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Runs its queue until nothing waits there.
    pub(crate) fn empty_queue(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.queue().is_empty() {
            assert!(Instant::now() < until, "{}\n{}", self.queue(), self.log());
            self.run_queue();
        }
    }

    /// What waits in its queue, as it lists it; nothing if nothing does.
    pub(crate) fn queue(&self) -> String {
        let Some(mut exim) = program("exim4") else { return String::new() };
        let listed = exim.arg("-C").arg(self.settings_file()).arg("-bp").output().unwrap();
        String::from_utf8(listed.stdout).unwrap()
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join("exim.conf")
    }
}

/// Takes off what Exim has put above a message: `Return-path` and one `Received`.
pub(crate) fn as_sent(stored: &[u8]) -> &[u8] {
    ["Return-path:", "Received:"].iter().fold(stored, |rest, name| {
        behind_field(rest, name).unwrap_or_else(|| panic!("no {name} in {}", stored.escape_ascii()))
    })
}

/// The user that Debian has compiled in; `scripts/test peers` makes it.
fn user() -> u32 {
    let output = Command::new("id").args(["-u", "Debian-exim"]).output().unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    id.trim().parse().expect("no user Debian-exim: run scripts/test, which makes it")
}

/// Everything runs as its own user, as its program may not become another one without its set-user-ID bit.
fn settings(folder: &Folder, address: SocketAddr, setup: &Setup<'_>) -> String {
    let (path, port) = (folder.path().display(), address.port());
    let tls = match setup.certificate {
        Some(_) => format!(
            "tls_advertise_hosts = *\ntls_certificate = {path}/chain.pem\ntls_privatekey = {path}/key.pem"
        ),
        None => "tls_advertise_hosts =".to_owned(),
    };
    let (users, more) = (setup.users.join(" : "), setup.more);
    let domains: Vec<_> = setup.routes.iter().map(|(domain, _)| *domain).collect();
    let domains = domains.join(" : ");
    // Of several routers one for each: an address in a list has its colons doubled.
    let forwards = setup.forwards.iter().enumerate().map(|(number, (from, to))| {
        format!(
            "forward{number}:\n  driver = redirect\n  domains = {DOMAIN}\n  local_parts = {from}\n  data = {to}\n"
        )
    });
    let routes = setup.routes.iter().enumerate().map(|(number, (domain, host))| {
        format!(
            "route{number}:\n  driver = manualroute\n  domains = {domain}\n  self = send\n  transport = remote\n  \
             route_list = * {}::{} byname\n",
            host.ip(),
            host.port()
        )
    });
    let routers: String = forwards.chain(routes).collect();
    format!(
        "keep_environment =
primary_hostname = {HOST}
spool_directory = {path}/spool
log_file_path = {path}/log/%s
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
deliver_drop_privilege = true
smtp_accept_queue_per_connection = 0
accept_8bitmime = true
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_mail = accept
acl_smtp_rcpt = recipients
acl_smtp_data = accept
{tls}
{more}
begin acl
recipients:
  defer   local_parts = busy
          message = Try again later
  accept  domains = {DOMAIN}
          verify = recipient
  accept  domains = {domains}
  accept  authenticated = *
  deny    message = relay not permitted

begin routers
{routers}
mailbox:
  driver = accept
  domains = {DOMAIN}
  local_parts = {users}
  transport = box

begin transports
box:
  driver = appendfile
  directory = {path}/mail/$local_part_data
  maildir_format
  create_directory
  use_crlf
  return_path_add
remote:
  driver = smtp
  hosts_try_dane =

begin retry
* * F,1h,1m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{LOGIN}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
"
    )
}
