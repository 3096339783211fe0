//! Transcripts of a client: what a server says, what the client answers, what the application sees.
//!
//! A transcript is text, a line each:
//!
//! | line | meaning |
//! |---|---|
//! | `# text` | a comment |
//! | `! setting` | of the client: `lmtp`, `strict`, `tls`, `insecure`, `ignore KEYWORD`, `reset-between`, `normalise` |
//! | `> send FROM TO,TO [binary] [once]` | the application sends a message once the session is at rest |
//! | `> content text` | the content of the messages from here on; escapes as below |
//! | `> start_tls`, `> auth USER PASSWORD`, `> say LINE`, `> quit` | it does that |
//! | `S: text` | the server says this and CR LF; escapes are `\r \n \t \0 \\ \xNN` |
//! | `S! text` | the server says just this |
//! | `S.` | the server says nothing more |
//! | `T: n` | n seconds pass |
//! | `C: text`, `C! text` | the client has said this since, octet by octet, and nothing else |
//! | `= event` | the application has seen this since, in order (others may stand between) |
//! | `= outcomes a, b` | what became of each recipient |

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::run::Cut;
use super::script::unescape;
use super::talk::{Letter, Talk, Task};
use crate::client::{Certificate, ClientConfig, ClientSession};
use crate::sasl::client::Credentials;
use crate::server::TlsInfo;
use crate::time::Time;
use crate::wire::content::SendNewlines;
use crate::wire::ehlo::Keyword;
use crate::wire::leniency::Leniency;
use crate::wire::params::Body;

/// Name and text of each transcript in `tests/client_transcripts`.
pub const CLIENT_TRANSCRIPTS: &[(&str, &str)] = &[
    ("auth", include_str!("../../tests/client_transcripts/auth.txt")),
    ("basic", include_str!("../../tests/client_transcripts/basic.txt")),
    ("chunks", include_str!("../../tests/client_transcripts/chunks.txt")),
    ("farewell", include_str!("../../tests/client_transcripts/farewell.txt")),
    ("helo", include_str!("../../tests/client_transcripts/helo.txt")),
    ("limits", include_str!("../../tests/client_transcripts/limits.txt")),
    ("lmtp", include_str!("../../tests/client_transcripts/lmtp.txt")),
    ("pipelined", include_str!("../../tests/client_transcripts/pipelined.txt")),
    ("refusals", include_str!("../../tests/client_transcripts/refusals.txt")),
    ("starttls", include_str!("../../tests/client_transcripts/starttls.txt")),
    ("unknown", include_str!("../../tests/client_transcripts/unknown.txt")),
    ("unwelcome", include_str!("../../tests/client_transcripts/unwelcome.txt")),
];

/// What happens until the client is looked at.
#[derive(Clone, Debug, Default)]
struct Turn {
    pause: Duration,
    tasks: Vec<Task>,
    hear: Vec<u8>,
    eof: bool,
    want: Vec<u8>,
    events: Vec<String>,
    outcomes: Option<String>,
    checks: bool,
    line: usize,
}

/// A transcript of a client, read.
#[derive(Clone, Debug)]
pub struct ClientScript {
    settings: Vec<String>,
    turns: Vec<Turn>,
}

impl ClientScript {
    /// Reads a transcript.
    ///
    /// # Errors
    /// When a line makes no sense; the text names it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self { settings: Vec::new(), turns: Vec::new() };
        let (mut turn, mut content) = (Turn::default(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let at = |why: String| format!("line {number}: {why}");
            let (kind, rest) = line.split_at(line.len().min(2));
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            if turn.checks && matches!(kind, "S:" | "S!" | "S." | "T:" | "> ") {
                script.turns.push(core::mem::take(&mut turn));
            }
            turn.line = number;
            turn.checks |= matches!(kind, "C:" | "C!" | "= ");
            let octets = || unescape(rest).map_err(&at);
            match kind {
                "S:" => turn.hear.extend([octets()?, b"\r\n".to_vec()].concat()),
                "S!" => turn.hear.extend(octets()?),
                "S." => turn.eof = true,
                "C:" => turn.want.extend([octets()?, b"\r\n".to_vec()].concat()),
                "C!" => turn.want.extend(octets()?),
                "T:" => {
                    let seconds = rest.parse().map_err(|_| at("seconds wanted".to_string()))?;
                    turn.pause += Duration::from_secs(seconds);
                }
                "= " => match rest.strip_prefix("outcomes ") {
                    Some(outcomes) => turn.outcomes = Some(outcomes.to_owned()),
                    None => turn.events.push(rest.to_owned()),
                },
                "> " => match rest.strip_prefix("content ") {
                    Some(text) => content = unescape(text).map_err(at)?,
                    None => turn.tasks.push(task(rest, &content).map_err(at)?),
                },
                "! " => script.settings.push(rest.to_owned()),
                _ if line.trim().is_empty() || line.starts_with('#') => {}
                _ => return Err(at(format!("unknown kind of line: {line}"))),
            }
        }
        script.turns.push(turn);
        script.session()?;
        Ok(script)
    }

    /// The client, before it has heard anything.
    ///
    /// # Errors
    /// When a setting is unknown.
    pub fn session(&self) -> Result<ClientSession, String> {
        let has = |name: &str| self.settings.iter().any(|setting| setting == name);
        let made = if has("lmtp") { ClientConfig::lmtp("a.example") } else { ClientConfig::new("a.example") };
        let mut config = made.map_err(|error| error.to_string())?;
        for setting in &self.settings {
            config = match setting.split_once(' ').unwrap_or((setting, "")) {
                ("lmtp" | "tls", "") => config,
                ("strict", "") => config.leniency(Leniency::STRICT),
                ("insecure", "") => config.insecure_credentials(),
                ("reset-between", "") => config.reset_between(),
                ("normalise", "") => config.newlines(SendNewlines::Normalise),
                ("ignore", keyword) => {
                    let keyword = Keyword::parse(keyword.as_bytes());
                    config.ignore(&[keyword.ok_or_else(|| format!("no keyword: {setting}"))?])
                }
                _ => return Err(format!("unknown setting: {setting}")),
            };
        }
        let tls = || (TlsInfo::default(), Certificate::Verified);
        Ok(match has("tls") {
            true => ClientSession::over_tls(config, tls().0, tls().1, Time::ZERO),
            false => ClientSession::new(config, Time::ZERO),
        })
    }

    /// Runs the transcript on virtual time and checks each turn. What the application saw comes back.
    ///
    /// # Errors
    /// When the client does not do what the transcript says; the text tells both.
    pub fn run(&self, mut cut: Cut) -> Result<Vec<String>, String> {
        let mut talk = Talk::of(self.session()?);
        let mut events = Vec::new();
        for turn in &self.turns {
            turn.play(&mut talk, &mut cut);
            turn.check(&mut talk)?;
            events.append(&mut talk.events);
        }
        Ok(events)
    }
}

impl Turn {
    fn play(&self, talk: &mut Talk, cut: &mut Cut) {
        for task in &self.tasks {
            talk.then(task.clone());
        }
        talk.go();
        if !self.pause.is_zero() {
            talk.advance(self.pause);
        }
        let mut rest = &self.hear[..];
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(cut.next(rest.len()));
            talk.hear(piece);
            rest = left;
        }
        if self.eof {
            talk.eof();
        }
    }

    fn check(&self, talk: &mut Talk) -> Result<(), String> {
        let line = self.line;
        let sent = core::mem::take(&mut talk.sent);
        if sent != self.want {
            let (want, got) = (self.want.escape_ascii(), sent.escape_ascii());
            return Err(format!("line {line}: want \"{want}\", got \"{got}\""));
        }
        let mut seen = talk.events.iter();
        if let Some(missing) = self.events.iter().find(|event| !seen.any(|seen| seen == *event)) {
            return Err(format!("line {line}: want `{missing}`, got {:#?}", talk.events));
        }
        let outcomes = talk.outcomes().join(", ");
        match &self.outcomes {
            Some(want) if *want != outcomes => Err(format!("line {line}: want {want}, got {outcomes}")),
            _ => Ok(()),
        }
    }
}

fn task(text: &str, content: &[u8]) -> Result<Task, String> {
    let words: Vec<&str> = text.split(' ').collect();
    Ok(match words[..] {
        ["start_tls"] => Task::StartTls,
        ["quit"] => Task::Quit,
        ["auth", user, password] => Task::Auth(Credentials::password(user, password)),
        ["say", ..] => Task::Say(text["say ".len()..].into()),
        ["send", from, to, ref options @ ..] => {
            let to: Vec<&str> = to.split(',').collect();
            let mut letter = Letter::new(from, &to, content)?;
            for option in options {
                match *option {
                    "binary" => letter.stream = Some(Body::BinaryMime),
                    "once" => letter.once = true,
                    _ => return Err(format!("unknown option: {option}")),
                }
            }
            Task::Send(letter)
        }
        _ => return Err(format!("unknown task: {text}")),
    })
}
