//! Transcripts: a session written down, run whole, cut anywhere, and through adapters.
//!
//! A transcript is text, a line each:
//!
//! | line | meaning |
//! |---|---|
//! | `# text` | a comment |
//! | `! setting` | of the server: `lmtp`, `size N`, `recipients N`, `offer NAME`, `auth NAME [always]`, `keep`, `errors N` … |
//! | `! only clear` | it makes no sense under TLS; `! only fresh`: nor behind EHLO and STARTTLS |
//! | `! peer ADDRESS` | where the client connects from |
//! | `> event policy` | what the application answers: `> rcpt ghost@mx.example refuse 550 5.1.1 No such user` |
//! | `C: text` | the client sends this and CR LF; escapes are `\r \n \t \0 \\ \xNN` |
//! | `C! text` | the client sends just this |
//! | `C.` | the client sends nothing more |
//! | `C~` | the client shakes hands, as STARTTLS was accepted; what it sent behind that was clear text |
//! | `T: n` | n seconds pass; such a transcript needs virtual time |
//! | `S: a ... b` | the server answered: one pattern a reply, each the beginning of one of its lines |
//! | `S: a & b & !c` | of one reply: a line begins with a, one with b, none with c; SP and - behind the code are one |
//! | `= event` | the application saw this (others may stand between) |
//!
//! The application accepts whatever no `>` line speaks of.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::policy::{Policy, Rule};

/// What the client does until the server's next answers are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The client shakes hands before anything is sent: the turn before ended with STARTTLS.
    pub handshake: bool,
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
            && replies
                .iter()
                .zip(&self.expect)
                .all(|(reply, pattern)| pattern.split(" & ").all(|part| has(reply, part)));
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

/// Whether a line of the reply begins like `part`, or with `!` in front, none does.
fn has(reply: &str, part: &str) -> bool {
    let (part, wanted) = part.strip_prefix('!').map_or((part, true), |part| (part, false));
    let code =
        |text: &str| (text.get(..3).unwrap_or(text).to_string(), text.get(4..).unwrap_or("").to_string());
    let (digits, begin) = code(part);
    let begins = |line: &str| {
        let (code, text) = code(line);
        code.starts_with(&digits) && text.starts_with(&begin)
    };
    reply.split("\r\n").filter(|line| !line.is_empty()).any(begins) == wanted
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
    pub(super) settings: Vec<String>,
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
            let begins_turn = matches!(kind, "C:" | "C!" | "C." | "C~" | "T:");
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
                "C~" => turn.handshake = true,
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

    /// Whether the client shakes hands, so that the adapter must be able to.
    #[must_use]
    pub fn shakes_hands(&self) -> bool {
        self.turns.iter().any(|turn| turn.handshake)
    }

    /// Whether it makes sense where TLS comes first.
    #[must_use]
    pub fn fits_implicit_tls(&self) -> bool {
        !self.has("only clear")
    }

    /// Whether it makes sense behind EHLO and STARTTLS; then the greeting of its first turn is not said again.
    #[must_use]
    pub fn fits_starttls(&self) -> bool {
        self.fits_implicit_tls() && !self.has("only fresh")
    }

    pub(super) fn has(&self, setting: &str) -> bool {
        self.settings.iter().any(|one| one == setting)
    }

    /// Whether time must pass, so that only virtual time will do.
    #[must_use]
    pub fn needs_time(&self) -> bool {
        self.turns.iter().any(|turn| !turn.pause.is_zero())
    }
}

/// Resolves `\r \n \t \0 \\ \xNN`.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
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
