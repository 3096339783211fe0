//! Transcripts: a session written down, run whole, cut anywhere, and through adapters.
//!
//! A transcript is text, a line each:
//!
//! | line | meaning |
//! |---|---|
//! | `# text` | a comment |
//! | `! setting` | of the server: `lmtp`, `size N`, `recipients N`, `offer NAME`, `auth NAME [always]`, `keep`, `errors N` … |
//! | `> event policy` | what the application answers: `> rcpt ghost@mx.example refuse 550 5.1.1 No such user` |
//! | `C: text` | the client sends this and CR LF; escapes are `\r \n \t \0 \\ \xNN` |
//! | `C! text` | the client sends just this |
//! | `C.` | the client sends nothing more |
//! | `T: n` | n seconds pass; such a transcript needs virtual time |
//! | `S: a ... b` | the server answered: one pattern a reply, each the beginning of its first or last line |
//! | `= event` | the application saw this (others may stand between) |
//!
//! The application accepts whatever no `>` line speaks of.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::policy::{Policy, Rule};
use crate::sasl::Mechanism;
use crate::server::{AuthWhen, Extension, ServerConfig};
use crate::wire::leniency::Leniency;

/// What the client does until the server's next answers are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Time that passes before anything is sent.
    pub pause: Duration,
    /// Octets it sends.
    pub send: Vec<u8>,
    /// It closes its sending side then.
    pub eof: bool,
    /// The answers, one pattern each.
    pub expect: Vec<String>,
    /// Events that the application must have seen since the turn before, in this order.
    pub events: Vec<String>,
    /// The line of the transcript that it ends at, for messages.
    pub line: usize,
}

impl Turn {
    /// Looks at what the server sent in this turn.
    ///
    /// # Errors
    /// When it is not what the transcript says; the text tells both.
    pub fn check(&self, octets: &[u8]) -> Result<(), String> {
        let replies = split_replies(octets);
        let fits = replies.len() == self.expect.len()
            && replies.iter().zip(&self.expect).all(|(reply, pattern)| {
                let lines = reply.split("\r\n").filter(|line| !line.is_empty());
                let first = lines.clone().next().unwrap_or_default();
                first.starts_with(pattern.as_str())
                    || lines.last().unwrap_or_default().starts_with(pattern.as_str())
            });
        if fits {
            return Ok(());
        }
        Err(format!(
            "line {}: want {:?}, got \"{}\"",
            self.line,
            self.expect.join(" ... "),
            octets.escape_ascii()
        ))
    }

    /// Looks at what the application saw in this turn.
    ///
    /// # Errors
    /// When an event is missing.
    pub fn check_events(&self, seen: &[String]) -> Result<(), String> {
        let mut seen_left = seen.iter();
        for want in &self.events {
            if !seen_left.any(|event| event == want) {
                return Err(format!("line {}: want event `{want}`, got {seen:#?}", self.line));
            }
        }
        Ok(())
    }

    /// Whether as many complete replies as expected are there.
    #[must_use]
    pub fn is_answered(&self, octets: &[u8]) -> bool {
        split_replies(octets).len() >= self.expect.len()
    }
}

/// Complete replies, each with its line ends.
fn split_replies(octets: &[u8]) -> Vec<String> {
    let (mut replies, mut begin, mut at) = (Vec::new(), 0, 0);
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        at += line.len();
        let complete = line.ends_with(b"\r\n");
        if complete && line.get(3) != Some(&b'-') {
            replies.push(String::from_utf8_lossy(&octets[begin..at]).into_owned());
            begin = at;
        }
    }
    replies
}

/// A transcript, read.
#[derive(Clone, Debug)]
pub struct Script {
    settings: Vec<String>,
    rules: Vec<Rule>,
    turns: Vec<Turn>,
}

impl Script {
    /// Reads a transcript.
    ///
    /// # Errors
    /// When a line makes no sense; the text names it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self { settings: Vec::new(), rules: Vec::new(), turns: Vec::new() };
        let mut turn = Turn::default();
        let mut answered = false;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let (kind, rest) = line.split_at(line.len().min(2));
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            let begins_turn = matches!(kind, "C:" | "C!" | "C." | "T:");
            if begins_turn && answered {
                script.turns.push(core::mem::take(&mut turn));
                answered = false;
            }
            turn.line = number;
            match kind {
                "C:" => {
                    turn.send.extend(unescape(rest).map_err(|why| format!("line {number}: {why}"))?);
                    turn.send.extend_from_slice(b"\r\n");
                }
                "C!" => turn.send.extend(unescape(rest).map_err(|why| format!("line {number}: {why}"))?),
                "C." => turn.eof = true,
                "T:" => {
                    let seconds = rest.parse().map_err(|_| format!("line {number}: seconds wanted"))?;
                    turn.pause += Duration::from_secs(seconds);
                }
                "S:" => {
                    turn.expect.extend(rest.split(" ... ").map(ToString::to_string));
                    answered = true;
                }
                "= " => {
                    turn.events.push(rest.to_string());
                    answered = true;
                }
                "> " => {
                    script.rules.push(Rule::parse(rest).map_err(|why| format!("line {number}: {why}"))?);
                }
                "! " => script.settings.push(rest.to_string()),
                _ if line.trim().is_empty() || line.starts_with('#') => {}
                _ => return Err(format!("line {number}: unknown kind of line: {line}")),
            }
        }
        script.turns.push(turn);
        script.config()?;
        Ok(script)
    }

    /// What the client does.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// What the application does.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::new(self.rules.clone())
    }

    /// Whether time must pass, so that only virtual time will do.
    #[must_use]
    pub fn needs_time(&self) -> bool {
        self.turns.iter().any(|turn| !turn.pause.is_zero())
    }

    /// The server's configuration, without the checks that look at when octets arrive.
    ///
    /// # Errors
    /// When a setting is unknown.
    pub fn config(&self) -> Result<ServerConfig, String> {
        let name = "mx.example";
        let lmtp = self.settings.iter().any(|setting| setting == "lmtp");
        let made = if lmtp { ServerConfig::lmtp(name) } else { ServerConfig::new(name) };
        let mut config = made.map_err(|error| error.to_string())?.without_arrival_checks();
        for setting in &self.settings {
            let words: Vec<&str> = setting.split(' ').collect();
            let number = words.get(1).and_then(|word| word.parse::<u32>().ok()).unwrap_or_default();
            config = match words[0] {
                "lmtp" => config,
                "size" => config.limits(|limits| limits.message = u64::from(number)),
                "recipients" => config.limits(|limits| limits.recipients = number),
                "errors" => config.limits(|limits| (limits.errors, limits.free_errors) = (number, number)),
                "junk" => config.limits(|limits| limits.junk = number),
                "keep" => config.leniency(
                    Leniency::STRICT.with(Leniency::BARE_CR_IN_DATA).with(Leniency::BARE_LF_IN_DATA),
                ),
                "leniency" => config.leniency(leniency(words.get(1).copied().unwrap_or_default())?),
                "submission" => config.require_auth(),
                "offer" => config.offer(extension(words.get(1).copied().unwrap_or_default())?),
                "withhold" => config.withhold(extension(words.get(1).copied().unwrap_or_default())?),
                "auth" => {
                    let mechanism = words.get(1).and_then(|word| Mechanism::parse(word.as_bytes()));
                    let always = words.get(2) == Some(&"always");
                    let when = if always { AuthWhen::Always } else { AuthWhen::Tls };
                    config.auth(&[mechanism.ok_or_else(|| format!("mechanism wanted: {setting}"))?], when)
                }
                _ => return Err(format!("unknown setting: {setting}")),
            };
        }
        Ok(config)
    }
}

fn leniency(name: &str) -> Result<Leniency, String> {
    match name {
        "submission" => Ok(Leniency::SUBMISSION),
        "devices" => Ok(Leniency::DEVICES),
        _ => Leniency::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(one, _)| *one)
            .ok_or_else(|| format!("unknown leniency: {name}")),
    }
}

fn extension(name: &str) -> Result<Extension, String> {
    Ok(match name {
        "PIPELINING" => Extension::Pipelining,
        "8BITMIME" => Extension::EightBitMime,
        "ENHANCEDSTATUSCODES" => Extension::EnhancedStatusCodes,
        "SMTPUTF8" => Extension::Smtputf8,
        "CHUNKING" => Extension::Chunking,
        "BINARYMIME" => Extension::BinaryMime,
        "DSN" => Extension::Dsn,
        "REQUIRETLS" => Extension::RequireTls,
        "VRFY" => Extension::Vrfy,
        "EXPN" => Extension::Expn,
        "ETRN" => Extension::Etrn,
        "STARTTLS" => Extension::StartTls,
        "LIMITS" => Extension::Limits,
        "DELIVERBY" => Extension::DeliverBy,
        "FUTURERELEASE" => Extension::FutureRelease,
        "MT-PRIORITY" => Extension::MtPriority,
        "RRVS" => Extension::Rrvs,
        "XCLIENT" => Extension::Xclient,
        "XFORWARD" => Extension::Xforward,
        _ => return Err(format!("unknown extension: {name}")),
    })
}

/// Resolves `\r \n \t \0 \\ \xNN`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (octet, tail) = match (first, tail) {
            (b'\\', [b'r', tail @ ..]) => (b'\r', tail),
            (b'\\', [b'n', tail @ ..]) => (b'\n', tail),
            (b'\\', [b't', tail @ ..]) => (b'\t', tail),
            (b'\\', [b'0', tail @ ..]) => (0, tail),
            (b'\\', [b'\\', tail @ ..]) => (b'\\', tail),
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let digits = core::str::from_utf8(&digits).map_err(|_| "bad \\x escape")?;
                (u8::from_str_radix(digits, 16).map_err(|_| "bad \\x escape")?, tail)
            }
            (b'\\', _) => return Err("unknown escape".to_string()),
            (octet, tail) => (*octet, tail),
        };
        octets.push(octet);
        rest = tail;
    }
    Ok(octets)
}
