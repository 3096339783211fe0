//! The command line of `send`.

use std::num::{NonZeroU16, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use smtp_proto::MailboxBuf;
use smtp_proto::wire::path::ReversePathBuf;
use smtp_tokio::TlsPolicy;

/// Sends messages, and says what became of each recipient.
///
/// A FILE is one message; `-` is standard input; a FOLDER is each file in it, sorted by name, but for those whose names begin
/// with a dot. All are looked through before anything is sent. Where every line ends in LF, as files on Unix have it, it
/// goes out as CR LF; a mix of line ends is an error that names the line. Large files are streamed.
///
/// For each recipient that was not accepted it prints a line with the server's reply, and at the end what was done. A
/// progress bar shows on terminals. Ctrl-C lets messages on their way finish; a second one breaks off, and says of whom
/// it is not known whether the server has the message.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Where the server listens: HOST, HOST:PORT (an IPv6 address in brackets) or unix:/PATH. Without a port 25, or 587 with --user, or 465 with
    /// --tls implicit
    #[arg(long, value_name = "PLACE")]
    pub(crate) server: Server,
    /// Encrypt by STARTTLS where it is offered, whoever's the certificate is (opportunistic), with a right certificate
    /// or not at all (required), from the first octet (implicit), or never (none) [default: required with --user,
    /// otherwise opportunistic, none on Unix sockets]
    #[arg(long, value_name = "WHEN", hide_default_value = true)]
    pub(crate) tls: Option<When>,
    /// Certificates to trust, PEM, in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Whose certificate it must be, where that is not the host's name
    #[arg(long, value_name = "HOST")]
    pub(crate) server_name: Option<String>,
    /// Log in. The password is the environment's SMTP_PASSWORD, the first line of --password-file, or asked for on the
    /// terminal; never an argument, which others on the machine could see
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// Let the password go out in clear, or to a server whose certificate was not verified
    #[arg(long, requires = "user")]
    pub(crate) insecure: bool,
    /// The envelope's sender, which reports go to; `<>` for none
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Sender,
    /// A recipient; again for more
    #[arg(long, value_name = "ADDRESS", required_unless_present = "to_file")]
    pub(crate) to: Vec<MailboxBuf>,
    /// More recipients, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) to_file: Option<PathBuf>,
    /// The messages
    #[arg(value_name = "FILE", required = true)]
    pub(crate) messages: Vec<PathBuf>,
    /// Make CR LF of every bare CR and LF, whatever the mix. What was signed (DKIM) may no longer verify
    #[arg(long)]
    pub(crate) fix_newlines: bool,
    /// Send each message so many times
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) count: NonZeroU64,
    /// Most connections at a time; each is used for many messages
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) connections: NonZeroU16,
    /// Speak LMTP (RFC 2033), as stores do: each recipient gets an answer to the content
    #[arg(long)]
    pub(crate) lmtp: bool,
    /// How this host calls itself [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) ehlo: Option<String>,
    /// Longest wait for a connection and for each answer, in place of those of RFC 5321 (2 to 10 minutes)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: Option<u64>,
    /// Write down what both sides say, without passwords; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) transcript: Option<PathBuf>,
    /// Print accepted recipients too, with the server's replies
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print no progress and no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print an object of JSON for each recipient, and one for the summary
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  smtp-server-example send --server 127.0.0.1:2525 --from me@client.example --to alice@example.test hello.eml
  smtp-server-example send --server 127.0.0.1:2587 --ca mail-data/demo-certificate.pem --user alice \\
      --from alice@example.test --to bob@example.test hello.eml
  printf 'Subject: hi\\n\\nHow are you?\\n' | smtp-server-example send --server mx.example.org \\
      --from me@client.example --to you@example.org -
  smtp-server-example send --server unix:/run/dovecot/lmtp --lmtp --from '<>' --to carol@example.test mail/new
  smtp-server-example send --server 127.0.0.1:2525 --from me@client.example --to alice@example.test \\
      --count 10000 --connections 20 hello.eml

Exit codes:
   0  everybody was accepted
  64  the command line is wrong
  65  a message can't be sent as it is: --fix-newlines, or what the error says
  66  a file is missing, unreadable or no message
  68  there is no such host
  69  nobody listens there, or a recipient was refused for good (5yz)
  74  reading failed on the way, or it is not known whether the server has a message: ask before sending it again
  75  it may work later: refused for now (4yz), or the connection was lost before the message was out
  76  the server does not keep to the protocol, or has no TLS where it is required
  77  the log-in was refused, or would not be safe
 130  Ctrl-C
Of several the first of 130, 74, 76, 77, 69, 65, 75 counts. After anything but 0 the lines say who has got the message;
sending it again to all gives it to them twice.";

/// Where to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Tcp { host: String, port: Option<u16> },
    Unix(PathBuf),
}

/// When to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    None,
    Opportunistic,
    Required,
    Implicit,
}

/// A sender, or none.
#[derive(Clone, Debug)]
pub(crate) struct Sender(pub(crate) ReversePathBuf);

impl Send {
    /// When to encrypt, as told or as fits.
    pub(crate) fn when(&self) -> When {
        match (self.tls, &self.server, &self.user) {
            (Some(when), _, _) => when,
            (None, Server::Unix(_), _) => When::None,
            (None, _, Some(_)) if !self.insecure => When::Required,
            (None, _, _) => When::Opportunistic,
        }
    }

    /// What to connect to, as `Client::to` wants it.
    pub(crate) fn address(&self) -> String {
        let (host, port) = match &self.server {
            Server::Tcp { host, port } => (host, port),
            Server::Unix(path) => return format!("unix:{}", path.display()),
        };
        let usual = match (self.when(), &self.user) {
            (When::Implicit, _) => 465,
            (_, Some(_)) => 587,
            (_, None) => 25,
        };
        format!("{host}:{}", port.unwrap_or(usual))
    }
}

impl From<When> for TlsPolicy {
    fn from(when: When) -> Self {
        match when {
            When::None => Self::None,
            When::Opportunistic => Self::Opportunistic,
            When::Required => Self::Required,
            When::Implicit => Self::Implicit,
        }
    }
}

impl FromStr for Server {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "want HOST, HOST:PORT, [IPV6]:PORT or unix:/PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(WANTED) } else { Ok(Self::Unix(path.into())) };
        }
        // Of an IPv6 address without brackets the last part would be taken for a port.
        let is_bare_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
        let (host, port) = match text.rsplit_once(':') {
            _ if is_bare_v6 => (format!("[{text}]"), None),
            Some((host, _)) if host.starts_with('[') && !host.ends_with(']') => (text.to_owned(), None),
            Some((host, port)) => (host.to_owned(), Some(port.parse().map_err(|_| WANTED)?)),
            None => (text.to_owned(), None),
        };
        let is_whole = !host.starts_with('[') || host.ends_with(']');
        let is_host = !host.is_empty() && !host.contains(['/', ' ', '@']) && is_whole;
        if is_host { Ok(Self::Tcp { host, port }) } else { Err(WANTED) }
    }
}

impl FromStr for Sender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(text, "" | "<>") {
            return Ok(Self(ReversePathBuf::Null));
        }
        let mailbox: MailboxBuf = text.parse().map_err(|error| format!("no mail address: {error}"))?;
        Ok(Self(ReversePathBuf::Mailbox(mailbox)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_with_or_without_a_port_or_a_unix_socket() {
        let tcp = |host: &str, port| Some(Server::Tcp { host: host.to_owned(), port });
        #[rustfmt::skip]
        let rows = [
            ("mx.example", tcp("mx.example", None), "the port is the usual one"),
            ("mx.example:2525", tcp("mx.example", Some(2525)), "or another"),
            ("[2001:db8::1]:25", tcp("[2001:db8::1]", Some(25)), "brackets keep address and port apart"),
            ("[2001:db8::1]", tcp("[2001:db8::1]", None), "and need no port"),
            ("2001:db8::1", tcp("[2001:db8::1]", None), "an address alone is meant as such"),
            ("unix:/run/lmtp", Some(Server::Unix("/run/lmtp".into())), "a path"),
            ("unix:", None, "of nothing"),
            ("", None, "nothing"),
            (":25", None, "a port without a host"),
            ("mx.example:smtp", None, "ports are numbers"),
            ("mx.example:65536", None, "up to 65535"),
            ("[2001:db8::1", None, "half a bracket"),
            ("smtp://mx.example", None, "a URL"),
        ];
        for (text, want, why) in rows {
            assert_eq!(text.parse::<Server>().ok(), want, "{text}: {why}");
        }
    }
}
