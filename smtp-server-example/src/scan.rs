//! Scanners for malware and junk, which read a message while it streams in.
//!
//! A scanner that is down, slow or answers garbage has found nothing: its message waits or passes, as configured, and
//! is never taken for infected.

mod clamav;
pub(crate) mod command;
mod rspamd;
mod settings;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use self::settings::{At, OnError, Scan as ScanSettings};
use self::wire::Wire;
use crate::config::Place;
use crate::log::Log;
use crate::refusal::Refusal;

/// Slices of content that may wait for a scanner; then the client waits too.
const WAITING: usize = 32;

/// What a scanner finds.
#[derive(Clone, Debug, PartialEq)]
enum Finding {
    Nothing,
    /// The name of the malware.
    Infected(String),
    /// Junk, with what the scanner wants the client to be told, if anything.
    Junk(String),
    /// Come later, for the same.
    Later(String),
    /// To be delivered with a mark.
    Marked {
        score: f64,
        required: f64,
        junk: bool,
    },
}

/// What is known of a message before its content, for scanners that ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) id: String,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) hello: String,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    /// Who has logged in.
    pub(crate) user: Option<String>,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Taken, with these lines on top.
    Take(Vec<u8>),
    Refuse(Refusal),
}

const NOT_SCANNED: Refusal =
    Refusal::new(451, (4, 7, 1), "The message could not be scanned, try again later");

/// The scanners in use.
#[derive(Clone, Debug)]
pub(crate) struct Scanners {
    settings: ScanSettings,
    log: Log,
}

/// Which scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Clamav,
    Rspamd,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Clamav => "clamav",
            Self::Rspamd => "rspamd",
        }
    }
}

impl Scanners {
    pub(crate) const fn new(settings: ScanSettings, log: Log) -> Self {
        Self { settings, log }
    }

    /// Begins to scan a message.
    pub(crate) fn begin(&self, about: About) -> Scan {
        let about = Arc::new(about);
        let both = [(Kind::Clamav, &self.settings.clamav), (Kind::Rspamd, &self.settings.rspamd)];
        let begin = |(kind, at): (Kind, &At)| at.place().map(|place| self.spawn(kind, place.clone(), &about));
        let running = both.into_iter().filter_map(begin).collect();
        Scan { scanners: self.clone(), about, running }
    }

    fn spawn(&self, kind: Kind, place: Place, about: &Arc<About>) -> Running {
        let (sender, content) = channel(WAITING);
        let (about, patience) = (Arc::clone(about), Duration::from_secs(self.settings.timeout_seconds));
        let task = tokio::spawn(async move {
            let wire = Wire::connect(&place, patience).await?;
            match kind {
                Kind::Clamav => clamav::scan(wire, content).await,
                Kind::Rspamd => rspamd::scan(wire, &about, content).await,
            }
        });
        Running { kind, sender: Some(sender), task }
    }
}

/// Whether clamd answers.
pub(crate) async fn ping_clamd(place: &Place, patience: Duration) -> Result<(), String> {
    clamav::ping(Wire::connect(place, patience).await?).await
}

/// Whether rspamd answers.
pub(crate) async fn ping_rspamd(place: &Place, patience: Duration) -> Result<(), String> {
    rspamd::ping(Wire::connect(place, patience).await?).await
}

/// A message that is being scanned. Dropped, it is not scanned on.
#[derive(Debug)]
pub(crate) struct Scan {
    scanners: Scanners,
    about: Arc<About>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    kind: Kind,
    /// None once the scanner has given up.
    sender: Option<Sender<Arc<[u8]>>>,
    task: JoinHandle<Result<Finding, String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scan {
    /// Hands on the next slice of content. A scanner that is slower than the client makes the client wait, for as long
    /// as the settings allow.
    pub(crate) async fn write(&mut self, octets: &[u8]) {
        if self.running.is_empty() {
            return;
        }
        let octets: Arc<[u8]> = octets.into();
        for running in &mut self.running {
            // The receiver is gone when the scanner has failed; why shows at the end.
            if let Some(sender) = &running.sender
                && sender.send(Arc::clone(&octets)).await.is_err()
            {
                running.sender = None;
            }
        }
    }

    /// Waits for what the scanners say.
    pub(crate) async fn finish(mut self) -> Verdict {
        let mut headers = Vec::new();
        for mut running in std::mem::take(&mut self.running) {
            // This is what tells a scanner that the content is over.
            drop(running.sender.take());
            let patience = Duration::from_secs(self.scanners.settings.timeout_seconds);
            let found = match timeout(patience, &mut running.task).await {
                Ok(Ok(found)) => found,
                Ok(Err(panic)) => Err(panic.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            };
            match self.weigh(running.kind, found) {
                Ok(header) => headers.extend_from_slice(header.as_bytes()),
                Err(refusal) => return Verdict::Refuse(refusal),
            }
        }
        Verdict::Take(headers)
    }

    /// What a finding leads to: a header, or the message's refusal.
    fn weigh(&self, kind: Kind, found: Result<Finding, String>) -> Result<String, Refusal> {
        let event =
            |name| self.scanners.log.event(name).field("id", &self.about.id).field("scanner", kind.name());
        match found {
            Ok(Finding::Nothing) => Ok("X-Virus-Scan: clean\r\n".to_owned()),
            Ok(Finding::Infected(name)) => {
                event("infected").field("malware", &name);
                let text = format!("The message is infected with {name}");
                Err(Refusal::quoting(550, (5, 7, 1), text))
            }
            Ok(Finding::Junk(text)) => {
                event("junk").field("text", &text);
                let text = if text.is_empty() { "The message looks like junk".to_owned() } else { text };
                Err(Refusal::quoting(550, (5, 7, 1), text))
            }
            // Who has logged in has nobody to try again for them.
            Ok(Finding::Later(_)) if self.about.user.is_some() => Ok(String::new()),
            Ok(Finding::Later(text)) => {
                event("put-off").field("text", &text);
                let text = if text.is_empty() { "Try again later".to_owned() } else { text };
                Err(Refusal::quoting(451, (4, 7, 1), text))
            }
            Ok(Finding::Marked { score, required, junk }) => {
                let junk = if junk { "yes" } else { "no" };
                Ok(format!("X-Spam-Status: {junk}, score={score:.2} required={required:.2}\r\n"))
            }
            Err(why) => {
                event("not-scanned").field("error", &why);
                let pass = self.scanners.settings.on_error == OnError::Pass
                    || kind == Kind::Rspamd && self.about.user.is_some();
                let header = match kind {
                    Kind::Clamav => "X-Virus-Scan: unscanned\r\n",
                    Kind::Rspamd => "X-Spam-Status: unscanned\r\n",
                };
                if pass { Ok(header.to_owned()) } else { Err(NOT_SCANNED) }
            }
        }
    }
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;
