use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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

Exit codes follow sysexits.h: 64 command line, 66 file missing or unreadable, 69 address not available,
73 folder can't be made, 74 reading or writing failed, 78 settings wrong.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(Config),
}

/// Runs a server to play with, without any settings.
///
/// Its domain is example.test, with the users alice, bob and postmaster. Each line it prints is one transaction.
/// Ctrl-C ends it once running transactions are finished; a second Ctrl-C ends it at once.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to listen; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525", value_parser = address)]
    pub(crate) listen: SocketAddr,
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
/// second signal ends it at once.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings, in TOML; `config example` prints some to begin with
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  smtp-server-example config example > mail.toml
  smtp-server-example serve --config mail.toml";

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
