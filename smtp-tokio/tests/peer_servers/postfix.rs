//! A whole Postfix with a configuration, a queue and mailboxes of its own. Needs `std` and `daemon.rs` as a sibling module.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::daemon::{Daemon, Folder, files, program};

/// A running Postfix.
#[derive(Debug)]
pub(crate) struct Postfix {
    // Ended before its folder is removed.
    pub(crate) daemon: Daemon,
    folder: Folder,
    pub(crate) address: SocketAddr,
}

const SERVICES: &str = "
cleanup   unix       n - n -    0 cleanup
qmgr      unix       n - n 300  1 qmgr
rewrite   unix       - - n -    - trivial-rewrite
bounce    unix       - - n -    0 bounce
defer     unix       - - n -    0 bounce
trace     unix       - - n -    0 bounce
flush     unix       n - n 999? 0 flush
proxymap  unix       - - n -    - proxymap
tlsmgr    unix       - - n 999? 1 tlsmgr
error     unix       - - n -    - error
retry     unix       - - n -    - error
smtp      unix       - - n -    - smtp
lmtp      unix       - - n -    - lmtp
virtual   unix       - n n -    - virtual
anvil     unix       - - n -    1 anvil
postlog   unix-dgram n - n -    1 postlogd
";

impl Postfix {
    /// One that listens there, takes mail from everybody here, and has these further settings. None if it is missing and
    /// may be, or if this is not root, as whom alone it runs.
    pub(crate) fn start(address: SocketAddr, more: &str) -> Option<Self> {
        Self::start_with(address, &[], more)
    }

    /// One that has these files too, by name, where the settings call it `$config_directory`.
    pub(crate) fn start_with(address: SocketAddr, beside: &[(&str, &str)], more: &str) -> Option<Self> {
        let (mut postfix, folder) = (program("postfix")?, Folder::new("postfix"));
        if !folder.is_roots() {
            eprintln!("skipped: Postfix starts as root only");
            return None;
        }
        folder.make("mail");
        for name in ["etc", "queue", "data"] {
            let made = folder.make(name);
            std::os::unix::fs::chown(made, Some(0), Some(0)).unwrap();
        }
        let user = Command::new("id").args(["-u", "postfix"]).output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap().trim().parse().unwrap();
        std::os::unix::fs::chown(folder.join("data"), Some(user), None).unwrap();
        let (path, (keeper, group)) = (folder.path().display(), folder.keeper());
        let settings = format!(
            "compatibility_level = 3.6\nqueue_directory = {path}/queue\ndata_directory = {path}/data\n\
             maillog_file = /dev/stdout\nmydestination =\nmynetworks = 127.0.0.0/8\ninet_protocols = ipv4\n\
             virtual_mailbox_base = {path}/mail\nvirtual_uid_maps = static:{keeper}\n\
             virtual_gid_maps = static:{group}\nvirtual_minimum_uid = 1\n{more}"
        );
        folder.write("etc/main.cf", settings);
        for (name, text) in beside {
            folder.write(&format!("etc/{name}"), text);
        }
        folder.write("etc/master.cf", format!("{address} inet n - n - - smtpd{SERVICES}"));
        // What it ends with itself is a group of processes, which must not be the test's.
        let daemon =
            Daemon::start(postfix.arg("-c").arg(folder.join("etc")).arg("start-fg").process_group(0));
        daemon.wait_for("daemon started");
        Some(Self { daemon, folder, address })
    }

    /// What is in the mailbox of that folder. Postfix stores lines with LF.
    pub(crate) fn mail(&self, user: &str) -> Vec<Vec<u8>> {
        files(&self.folder.join("mail").join(user).join("new"))
    }
}

impl Drop for Postfix {
    /// What was started is a script that waits for it.
    fn drop(&mut self) {
        if let Ok(master) = fs::read_to_string(self.folder.join("queue/pid/master.pid")) {
            let _ = Command::new("kill").arg(master.trim()).status();
        }
    }
}
