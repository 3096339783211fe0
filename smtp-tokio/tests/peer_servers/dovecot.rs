//! Dovecot's LMTP with mailboxes in a folder of its own. Runs as whoever runs the test; root gives the mailboxes to `nobody`.
//! Needs `std` and `daemon.rs` as a sibling module.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::{Daemon, Folder, behind_field, files, free_address, missing, program};

/// Where Debian's package dovecot-lmtpd puts the service.
const SERVICE: &str = "/usr/lib/dovecot/lmtp";

/// A mailbox: its address, and its quota in octets, below which Dovecot allows nothing smaller than 1024.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) address: &'static str,
    pub(crate) quota: Option<u64>,
}

/// A running Dovecot.
#[derive(Debug)]
pub(crate) struct Dovecot {
    // Ended before its folder is removed.
    daemon: Daemon,
    folder: Folder,
    address: SocketAddr,
    readers: [SocketAddr; 2],
}

/// What everybody's password is.
pub(crate) const PASSWORD: &str = "word";

impl Dovecot {
    /// Starts it with these mailboxes; everybody else is unknown. None if it is missing and may be.
    pub(crate) fn start(users: &[User]) -> Option<Self> {
        Self::start_with(users, "", [free_address(), free_address()])
    }

    /// The same, to be read from by IMAP and POP3 too.
    #[allow(dead_code, reason = "not everybody reads")]
    pub(crate) fn start_for_readers(users: &[User]) -> Option<Self> {
        for (service, package) in [("imap", "dovecot-imapd"), ("pop3", "dovecot-pop3d")] {
            if !Path::new(SERVICE).with_file_name(service).is_file() {
                missing(package);
                return None;
            }
        }
        let readers = [free_address(), free_address()];
        let more = readers_settings(readers);
        Self::start_with(users, &more, readers)
    }

    fn start_with(users: &[User], more: &str, readers: [SocketAddr; 2]) -> Option<Self> {
        let mut command = program("dovecot")?;
        if !Path::new(SERVICE).is_file() {
            missing("dovecot-lmtpd");
            return None;
        }
        let (folder, address) = (Folder::new("dovecot"), free_address());
        for name in ["run", "state", "mail"] {
            folder.make(name);
        }
        folder.write("users", passwd_file(users, &folder));
        let settings = folder.write("dovecot.conf", settings(&folder, address) + more);
        let daemon = Daemon::start(command.arg("-F").arg("-c").arg(settings));
        // It listens before it says so.
        daemon.wait_for("starting up for ");
        Some(Self { daemon, folder, address, readers })
    }

    /// Where it listens on TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens in the file system.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("run/lmtp")
    }

    /// Where it listens for IMAP, if it does.
    #[allow(dead_code, reason = "not everybody reads")]
    pub(crate) fn imap(&self) -> SocketAddr {
        self.readers[0]
    }

    /// Where it listens for POP3, if it does.
    #[allow(dead_code, reason = "not everybody reads")]
    pub(crate) fn pop3(&self) -> SocketAddr {
        self.readers[1]
    }

    /// The messages in a user's mailbox in the order of their coming, with the CR LF they came with, below the
    /// `Return-Path`, `Delivered-To` and `Received` of Dovecot.
    pub(crate) fn messages(&self, user: &str) -> Vec<Vec<u8>> {
        let name = user.split('@').next().unwrap_or_default();
        files(&self.folder.join("mail").join(name).join("new"))
    }

    /// What it has logged since this was called last.
    pub(crate) fn log(&self) -> String {
        self.daemon.said()
    }
}

/// Takes off what Dovecot has put above a message: the fields `Return-Path`, `Delivered-To` and one `Received`.
pub(crate) fn as_sent(stored: &[u8]) -> &[u8] {
    let names = ["Return-Path:", "Delivered-To:", "Received:"];
    names.iter().fold(stored, |rest, name| behind_field(rest, name).unwrap_or(rest))
}

fn passwd_file(users: &[User], folder: &Folder) -> String {
    let (user, group) = folder.keeper();
    users.iter().fold(String::new(), |mut text, one| {
        let quota = one.quota.map(|most| format!("userdb_quota_rule=*:bytes={most}"));
        let _ = writeln!(
            text,
            "{}:{{PLAIN}}{PASSWORD}:{user}:{group}::::{}",
            one.address,
            quota.unwrap_or_default()
        );
        text
    })
}

fn settings(folder: &Folder, address: SocketAddr) -> String {
    // The users that the package makes; nobody else can change who he is.
    let (internal, login, group) = if folder.is_roots() {
        ("dovecot".to_owned(), "dovenull".to_owned(), "dovecot".to_owned())
    } else {
        (id("-un"), id("-un"), id("-gn"))
    };
    let (path, port) = (folder.path().display(), address.port());
    format!(
        "base_dir = {path}/run
state_dir = {path}/state
log_path = /dev/stderr
ssl = no
protocols = lmtp
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1
mail_home = {path}/mail/%n
mail_location = maildir:{path}/mail/%n
mail_save_crlf = yes
mail_fsync = never
passdb {{
  driver = passwd-file
  args = {path}/users
}}
userdb {{
  driver = passwd-file
  args = {path}/users
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1G
}}
"
    )
}

/// What a configuration needs besides so that IMAP and POP3 are spoken.
fn readers_settings(readers: [SocketAddr; 2]) -> String {
    let listener = |service: &str, address: SocketAddr| {
        format!(
            "service {service}-login {{
  chroot =
  inet_listener {service} {{
    address = 127.0.0.1
    port = {}
  }}
  inet_listener {service}s {{
    port = 0
  }}
}}
",
            address.port()
        )
    };
    let listeners = listener("imap", readers[0]) + &listener("pop3", readers[1]);
    format!("protocols = lmtp imap pop3\ndisable_plaintext_auth = no\n{listeners}")
}

/// The name of this process's user or group.
fn id(which: &str) -> String {
    let output = Command::new("id").arg(which).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
