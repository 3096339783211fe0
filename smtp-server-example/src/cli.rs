use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Network;
use crate::queue;
use crate::scan::At;
use crate::send::options as send;

/// A mail server.
///
/// It takes mail for its own domains over SMTP and delivers it to a Maildir for each user. Mail for anybody else
/// is refused: it is never an open relay.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, subcommand_required = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  smtp-server-example demo                         try it: no settings, no root
  smtp-server-example config example > mail.toml   begin a settings file
  smtp-server-example serve --config mail.toml     run by it
  smtp-server-example send --help                  send mail to any server

Exit codes follow sysexits.h: 64 command line, 65 message refused, 66 file missing or unreadable, 68 no such host,
69 address not available, 73 folder can't be made, 74 reading or writing failed, 75 may work later, 78 settings wrong.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    #[command(after_help = send::EXAMPLES)]
    Send(Box<send::Send>),
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    #[command(subcommand, after_help = USER_EXAMPLES)]
    User(User),
    #[command(subcommand, after_help = QUEUE_EXAMPLES)]
    Queue(queue::command::Command),
    Trace(queue::trace::Trace),
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(Backup),
    #[command(after_help = BACKUP_EXAMPLES)]
    Restore(Restore),
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(Config),
    #[command(subcommand, after_help = DNS_EXAMPLES)]
    Dns(Dns),
    #[command(after_help = ROUTE_EXAMPLES)]
    Route(Route),
    #[command(after_help = SCAN_EXAMPLES)]
    Scan(Scan),
}

/// Runs a server to play with, without any settings.
///
/// Its domain is example.test, with the users alice and bob, who can log in with the passwords that it prints, and
/// postmaster. Nothing leaves it: mail for other domains is refused. Each line it prints is one event. Ctrl-C ends it once running transactions are finished; a second Ctrl-C ends it at once.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to take mail from other servers; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Where users log in after STARTTLS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2587", value_parser = address)]
    pub(crate) listen_submission: SocketAddr,
    /// Where users log in under TLS from the start
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2465", value_parser = address)]
    pub(crate) listen_submissions: SocketAddr,
    /// The password of all users; without it each gets one that is made up
    #[arg(long, value_name = "WORD")]
    pub(crate) password: Option<String>,
    /// The folder that holds a Maildir for each user; one that exists is used again
    #[arg(long, value_name = "FOLDER", default_value = "mail-data")]
    pub(crate) data: PathBuf,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  smtp-server-example demo
  smtp-server-example demo --listen 127.0.0.1:0 --data /tmp/mail
  swaks --server 127.0.0.1:2525 --to alice@example.test     then, in another terminal
  cat mail-data/alice/new/*";

/// Runs the server by a settings file.
///
/// SIGTERM and Ctrl-C end it once running transactions are finished, after `limits.drain_seconds` at the latest; a
/// second signal ends it at once. SIGHUP has it read its settings again; `config show` says which need a restart. What
/// is wrong changes nothing. The users' file and the certificate with its key are read when they change.
///
/// Under systemd it takes sockets whose FileDescriptorName= is the kind of a listener, and says how it is (Type=notify).
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings, in TOML; `config example` prints some to begin with
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Deliver nothing that waits until it is released: for a queue from a backup, of which much was delivered since
    #[arg(long)]
    pub(crate) hold_all: bool,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  smtp-server-example config example > mail.toml
  smtp-server-example serve --config mail.toml
  smtp-server-example serve --config mail.toml --hold-all     then queue list, queue drop, queue release";

/// Looks for what would keep a server from working: settings, certificate, disk, queue, DNS, neighbours.
///
/// A line for each thing that is looked at: `ok`, `warn` or `FAIL`, its name, what was found, why it matters, and what to
/// do. What fails decides about the exit code: 78 settings or certificate, 73 disk, 74 queue, 69 a neighbour, 68 DNS, 75 no answer.
/// Run it as the user that runs the server, on the same machine, best while the server runs.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Don't ask DNS
    #[arg(long)]
    pub(crate) offline: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  smtp-server-example check --config mail.toml
  smtp-server-example check --config mail.toml --offline
  smtp-server-example check --config mail.toml --json | jq '.[] | select(.level != \"ok\")'";

const QUEUE_EXAMPLES: &str = "\
Examples:
  smtp-server-example queue list --config mail.toml
  smtp-server-example queue list --config mail.toml domain=example.org older=1h --json
  smtp-server-example queue shape --config mail.toml
  smtp-server-example queue drop --config mail.toml --dry-run from=spammer@example.org
  smtp-server-example queue retry --config mail.toml all";

/// Saves the queue, who can log in and the settings to a new folder, whether or not the server runs.
///
/// Mailboxes and the certificate are not in it: they are files that other programs copy. A folder that has the name is
/// whole and durable.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A folder that does not exist yet
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
}

/// Takes a queue back that `backup` has saved, and who can log in, where neither is there.
///
/// No server may run. All that waits is held, since it may have been delivered since: look at it with queue list
/// state=hold, then queue release or queue drop.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `backup` has made
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
}

const BACKUP_EXAMPLES: &str = "\
Examples:
  smtp-server-example backup --config mail.toml /var/backups/mail-$(date +%F)
  smtp-server-example restore --config mail.toml /var/backups/mail-2026-11-25
  smtp-server-example queue list --config mail.toml state=hold";

/// Says who can log in.
///
/// What these change is in the users' file (`users_file` in the settings), which a running server reads again within
/// a second. Passwords come on standard input, one line.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Adds a user
    Add(Add),
    /// Sets a user's password
    Passwd(Passwd),
    /// Lists the users, who can log in, and who keeps SCRAM from being offered
    List(List),
    /// Takes over users and aliases of another server
    Import(Import),
}

/// Adds a user.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The part before the @, or a whole address for one domain alone
    pub(crate) name: String,
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
    /// The Maildir, below `data` unless it is absolute; the name, if not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) mailbox: Option<PathBuf>,
    /// Make a password up and print it
    #[arg(long)]
    pub(crate) generate: bool,
}

/// Sets a user's password.
#[derive(Debug, Args)]
pub(crate) struct Passwd {
    /// The user's name or address
    pub(crate) name: String,
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
    /// Make a password up and print it
    #[arg(long)]
    pub(crate) generate: bool,
}

/// Lists the users.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
}

/// Takes over users and aliases of another server.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
    /// A Postfix aliases file, as /etc/aliases
    #[arg(long, value_name = "FILE", required_unless_present = "passwd_file")]
    pub(crate) aliases: Option<PathBuf>,
    /// A Dovecot passwd-file; ARGON2ID, SCRAM-SHA-256 and PLAIN passwords are taken over, others have to be set anew
    #[arg(long, value_name = "FILE")]
    pub(crate) passwd_file: Option<PathBuf>,
}

const SETTINGS: &str = "The settings that the server runs by";

const USER_EXAMPLES: &str = "\
Examples:
  smtp-server-example user add carol --config mail.toml --generate
  printf 'new password\\n' | smtp-server-example user passwd carol --config mail.toml
  smtp-server-example user list --config mail.toml
  smtp-server-example user import --config mail.toml --aliases /etc/aliases --passwd-file /etc/dovecot/users";

/// Shows what can be set.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Prints every setting with its value, its unit and the reason for its default
    Show {
        /// Print the values in force with this file instead of the defaults; this also checks the file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Prints a settings file to begin with
    Example,
}

const CONFIG_EXAMPLES: &str = "\
Examples:
  smtp-server-example config show                      every setting, its unit, its default and why
  smtp-server-example config show --config mail.toml   what a file says; an error if it is wrong
  smtp-server-example config example > mail.toml";

/// Says what has to be in DNS; `check` looks whether it is.
#[derive(Debug, Subcommand)]
pub(crate) enum Dns {
    /// Prints the records to publish for each domain
    Print(DnsPrint),
}

/// Prints the records to publish for each domain.
#[derive(Debug, Args)]
pub(crate) struct DnsPrint {
    #[arg(long, value_name = "FILE", help = SETTINGS)]
    pub(crate) config: PathBuf,
    /// Where others reach this server; again for more. Without it `dns.own_addresses`, or this machine's
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Vec<IpAddr>,
    /// Users read their mail on this host by IMAP, on port 993, as with Dovecot beside the server
    #[arg(long)]
    pub(crate) imap: bool,
    /// Users read their mail on this host by POP3, on port 995
    #[arg(long)]
    pub(crate) pop3: bool,
    /// Print lines of a zone file
    #[arg(long, conflicts_with = "json")]
    pub(crate) zone: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const DNS_EXAMPLES: &str = "\
Examples:
  smtp-server-example dns print --config mail.toml --address 192.0.2.7
  smtp-server-example dns print --config mail.toml --imap --zone";

/// Shows which hosts would get the mail for an address, in the order in which they would be tried.
///
/// With the settings it says first which of their routes is taken, how its hosts are spoken to, and as whom; without, it is
/// always MX. What it asks of DNS is what delivery asks. Where there is no host it says why, as a reply of SMTP would, and
/// ends with 68 if that is final or 75 if it may pass.
#[derive(Debug, Args)]
pub(crate) struct Route {
    /// A domain, a mail address, or an address in brackets
    #[arg(value_name = "ADDRESS")]
    pub(crate) to: String,
    /// Who sends: a route may be for some senders alone. Without it, nobody, as for notifications
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true, requires = "config")]
    pub(crate) from: String,
    /// The settings that the server runs by: routes, DNS servers, names and addresses of this server
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A DNS server to ask; again for more. Without it, those of the system
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub(crate) resolver: Vec<SocketAddr>,
    /// How long to wait for each answer: 5, if the settings don't say
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) timeout: Option<u64>,
    /// A name of this server, where a list of hosts is cut; again for more
    #[arg(long, value_name = "HOST")]
    pub(crate) own_name: Vec<String>,
    /// An address of this server that its interfaces don't have, as the outer one of a NAT; again for more
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) own_address: Vec<IpAddr>,
    /// Loopback or link-local addresses that mail may go to, as 127.0.0.0/8; again for more
    #[arg(long, value_name = "RANGE")]
    pub(crate) allow_target: Vec<Network>,
}

const ROUTE_EXAMPLES: &str = "\
Examples:
  smtp-server-example route example.org
  smtp-server-example route carol@example.org --resolver 127.0.0.1:53
  smtp-server-example route [192.0.2.1]
  smtp-server-example route carol@example.org --config mail.toml --from alice@example.test";

/// Has a message scanned, to see that scanners work and what they would say.
///
/// Prints the lines that a message would get on top. One that would be refused ends with 65, and one that could not be
/// scanned with 75.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// The message, as it is sent
    #[arg(value_name = "FILE")]
    pub(crate) message: PathBuf,
    /// Where clamd listens, as 127.0.0.1:3310 or unix:/run/clamav/clamd.ctl
    #[arg(long, value_name = "PLACE", default_value = "off")]
    pub(crate) clamav: At,
    /// Where rspamd's normal worker listens, as 127.0.0.1:11333
    #[arg(long, value_name = "PLACE", default_value = "off")]
    pub(crate) rspamd: At,
    /// How long each of them may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
}

const SCAN_EXAMPLES: &str = "\
Examples:
  smtp-server-example scan message.eml --clamav unix:/run/clamav/clamd.ctl
  smtp-server-example scan message.eml --rspamd 127.0.0.1:11333";

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "want an IP address and a port, as 127.0.0.1:2525 or [::1]:2525".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
