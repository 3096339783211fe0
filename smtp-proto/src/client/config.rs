use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::time::Duration;

use crate::error::{Fault, ParseError};
use crate::limits;
use crate::server::Protocol;
use crate::wire::content::SendNewlines;
use crate::wire::ehlo::{Keyword, KeywordSet};
use crate::wire::host::Host;
use crate::wire::leniency::Leniency;

/// How long a client waits, wait by wait (RFC 5321 §4.5.3.2). [`Wait`](super::Wait) has the names.
///
/// Each belongs to the wait as a whole: a server that sends an octet now and then does not move it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The greeting. Defaults to 5 minutes (RFC 5321 §4.5.3.2.1): tarpits take half a minute.
    pub greeting: Duration,
    /// The answer to EHLO, LHLO or HELO. Defaults to 5 minutes.
    pub hello: Duration,
    /// The answer to STARTTLS. Defaults to 5 minutes.
    pub start_tls: Duration,
    /// The TLS handshake. Defaults to 30 seconds.
    pub handshake: Duration,
    /// An AUTH exchange as a whole. Defaults to 5 minutes.
    pub auth: Duration,
    /// The answer to MAIL. Defaults to 5 minutes (RFC 5321 §4.5.3.2.2).
    pub mail: Duration,
    /// The answer to RCPT. Defaults to 5 minutes (RFC 5321 §4.5.3.2.3).
    pub rcpt: Duration,
    /// The answer to DATA. Defaults to 2 minutes (RFC 5321 §4.5.3.2.4).
    pub data_init: Duration,
    /// Until the server has taken a block of content. Defaults to 3 minutes (RFC 5321 §4.5.3.2.5).
    pub data_block: Duration,
    /// The answer to the end of content. Defaults to 10 minutes (RFC 5321 §4.5.3.2.6): who gives up early sends
    /// twice (RFC 1047).
    pub data_end: Duration,
    /// The answer to a chunk that is not the last. Defaults to 5 minutes.
    pub chunk: Duration,
    /// The answer to any other command, and until the server has taken our commands. Defaults to 5 minutes.
    pub command: Duration,
    /// The answer to QUIT. Defaults to 2 seconds: nothing depends on it, and many servers give none.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            greeting: minutes(5),
            hello: minutes(5),
            start_tls: minutes(5),
            handshake: Duration::from_secs(30),
            auth: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data_init: minutes(2),
            data_block: minutes(3),
            data_end: minutes(10),
            chunk: minutes(5),
            command: minutes(5),
            quit: Duration::from_secs(2),
        }
    }
}

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsPolicy {
    /// Never.
    #[default]
    None,
    /// By STARTTLS where the server offers it, whoever's its certificate is; in clear otherwise, and after a handshake
    /// that failed, on a new connection (RFC 7435). Keeps out those who only listen. Credentials are not sent over it.
    Opportunistic,
    /// By STARTTLS and with a certificate that the configuration accepts, or not at all. Port 587.
    Required,
    /// From the first octet on, likewise (RFC 8314). Port 465.
    Implicit,
}

/// How a client's sessions behave; made once and shared.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub(crate) host: String,
    pub(crate) protocol: Protocol,
    pub(crate) leniency: Leniency,
    pub(crate) ignored: KeywordSet,
    pub(crate) newlines: SendNewlines,
    pub(crate) timeouts: Timeouts,
    pub(crate) reset_between: bool,
    pub(crate) eight_bit_anyway: bool,
    pub(crate) insecure_credentials: bool,
    pub(crate) server: Option<(String, u16)>,
    pub(crate) min_iterations: u32,
}

impl ClientConfig {
    /// A configuration for the client `name`, which EHLO bears: the host's name in the DNS, or its address in
    /// brackets. Servers refuse `localhost` and made-up names.
    ///
    /// # Errors
    /// When `name` is no domain in ASCII and no address literal (RFC 5321 §4.1.4).
    pub fn new(name: &str) -> Result<Self, ParseError> {
        if Host::parse(name.as_bytes())?.domain().is_some_and(|domain| domain.needs_smtputf8()) {
            return Err(ParseError::new(Fault::NeedsSmtputf8, 0));
        }
        Ok(Self {
            host: name.to_string(),
            protocol: Protocol::Smtp,
            leniency: Leniency::REPLIES,
            ignored: KeywordSet::EMPTY,
            newlines: SendNewlines::Refuse,
            timeouts: Timeouts::default(),
            reset_between: false,
            eight_bit_anyway: false,
            insecure_credentials: false,
            server: None,
            min_iterations: limits::SCRAM_MIN_ITERATIONS,
        })
    }

    /// LMTP (RFC 2033): LHLO, and after the content an answer for each recipient.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn lmtp(name: &str) -> Result<Self, ParseError> {
        Ok(Self { protocol: Protocol::Lmtp, ..Self::new(name)? })
    }

    /// What deviations of replies are tolerated. Defaults to [`Leniency::REPLIES`]; while several replies are owed
    /// only [`Leniency::REPLIES_OWED`] of it counts.
    #[must_use]
    pub fn leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }

    /// Takes no notice of these extensions, for a host that offers what it can't do.
    #[must_use]
    pub fn ignore(mut self, keywords: &[Keyword]) -> Self {
        self.ignored = keywords.iter().fold(self.ignored, |set, keyword| set.with(*keyword));
        self
    }

    /// Changes the waits: `config.timeouts(|t| t.greeting = Duration::from_secs(30))`.
    #[must_use]
    pub fn timeouts(mut self, change: impl FnOnce(&mut Timeouts)) -> Self {
        change(&mut self.timeouts);
        self
    }

    /// What becomes of a bare CR or LF in content that is not BINARYMIME. Defaults to [`SendNewlines::Refuse`].
    #[must_use]
    pub fn newlines(mut self, policy: SendNewlines) -> Self {
        self.newlines = policy;
        self
    }

    /// Says RSET after each message, for servers that need it before the next.
    #[must_use]
    pub fn reset_between(mut self) -> Self {
        self.reset_between = true;
        self
    }

    /// Sends content and header fields in 8 bits to servers that do not offer to take them. Most do take them.
    #[must_use]
    pub fn send_8bit_anyway(mut self) -> Self {
        self.eight_bit_anyway = true;
        self
    }

    /// Insecure: credentials may go out in clear, or to a server whose certificate was not verified. Who listens or
    /// poses as the server has them then.
    #[must_use]
    pub fn insecure_credentials(mut self) -> Self {
        self.insecure_credentials = true;
        self
    }

    /// Host and port that the connection is to: OAUTHBEARER tells the server.
    #[must_use]
    pub fn server(mut self, host: &str, port: u16) -> Self {
        self.server = Some((host.to_string(), port));
        self
    }

    /// Fewest SCRAM iterations to compute with. Defaults to [`limits::SCRAM_MIN_ITERATIONS`].
    #[must_use]
    pub fn min_scram_iterations(mut self, least: u32) -> Self {
        self.min_iterations = least;
        self
    }

    /// The name that EHLO bears.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// SMTP or LMTP.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The waits.
    #[must_use]
    pub const fn waits(&self) -> &Timeouts {
        &self.timeouts
    }
}

/// A copy, for sessions made from a configuration on loan.
impl From<&ClientConfig> for Arc<ClientConfig> {
    fn from(config: &ClientConfig) -> Self {
        Self::new(config.clone())
    }
}
