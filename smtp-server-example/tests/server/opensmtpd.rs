//! Somebody else's mail server: a whole OpenSMTPD with a configuration, a queue and a mailbox of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::daemon::{Daemon, Folder, files, program};

pub(crate) struct OpenSmtpd {
    // Ended before its folder is removed.
    pub(crate) daemon: Daemon,
    folder: Folder,
}

/// Where its queue, its socket and its programs are is compiled in: they get file systems that only this one sees.
const BEGIN: &str = "mount -t tmpfs -o mode=711 tmpfs /var/spool/smtpd && mount -t tmpfs tmpfs /run && \
    mount --bind \"$2\" /usr/libexec/opensmtpd && exec \"$0\" -d -v -f \"$1\"";

impl OpenSmtpd {
    /// One that listens there, has a mailbox for carol@them.example, and hands mail for us.example to `us`. None if it is
    /// missing and may be, or if this is not root, as whom alone it runs.
    pub(crate) fn start(address: SocketAddr, us: SocketAddr) -> Option<Self> {
        let (smtpd, folder) = (program("smtpd")?, Folder::new("opensmtpd"));
        if !folder.is_roots() {
            eprintln!("skipped: OpenSMTPD starts as root only");
            return None;
        }
        let mail = folder.make("mail");
        let settings = format!(
            "listen on {} port {} hostname mx.them.example\n\
             action \"mailbox\" maildir \"{}/%{{rcpt.user}}\" virtual {{ \"@them.example\" = nobody }}\n\
             action \"out\" relay host smtp://{us} helo mx.them.example\n\
             match from any for rcpt-to {{ \"carol@them.example\" }} action \"mailbox\"\n\
             match from any for domain \"us.example\" action \"out\"\n",
            address.ip(),
            address.port(),
            mail.display(),
        );
        let settings = folder.write("smtpd.conf", settings);
        let program = Path::new(smtpd.get_program());
        let programs = program.parent().and_then(Path::parent).unwrap().join("libexec/opensmtpd");
        let mut begin = Command::new("unshare");
        begin.args(["--mount", "sh", "-c", BEGIN]).arg(program).arg(settings).arg(programs);
        let daemon = Daemon::start(&mut begin);
        daemon.wait_for_connection(address);
        Some(Self { daemon, folder })
    }

    /// What is in carol's mailbox, with LF.
    pub(crate) fn mail(&self) -> Vec<Vec<u8>> {
        files(&self.folder.join("mail/carol/new"))
    }

    /// Waits until it has delivered something to carol from that sender.
    pub(crate) fn wait_for_mail_from(&self, sender: &str) {
        while !self.daemon.wait_for("mda delivery").contains(&format!(" from=<{sender}> ")) {}
    }
}
