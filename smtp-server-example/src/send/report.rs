//! What became of everybody: a line for each, and a last one for all.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;
use smtp_tokio::Outcome;

use super::trouble;
use super::work::{Done, Work};
use crate::failure::{Failure, Kind};

/// Kinds of trouble, the one that counts most first.
const GRAVEST_FIRST: [Kind; 6] =
    [Kind::Io, Kind::Protocol, Kind::NoPermission, Kind::Unavailable, Kind::Refused, Kind::TryLater];

/// Which lines are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
}

/// Counts, and prints to `out`.
#[derive(Debug)]
pub(crate) struct Report<W> {
    out: W,
    style: Style,
    messages: u64,
    octets: u64,
    accepted: u64,
    refused: u64,
    later: u64,
    not_sent: u64,
    unknown: u64,
    troubles: Vec<Kind>,
    unread: Option<String>,
    /// Nobody reads the lines any more.
    broken: bool,
}

impl<W: Write> Report<W> {
    pub(crate) const fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            messages: 0,
            octets: 0,
            accepted: 0,
            refused: 0,
            later: 0,
            not_sent: 0,
            unknown: 0,
            troubles: Vec::new(),
            unread: None,
            broken: false,
        }
    }

    /// Takes down what became of a message.
    pub(crate) fn add(&mut self, work: &Work, done: &Done) {
        self.messages += 1;
        let message = work.message(done.number);
        if done.outcomes.iter().any(Outcome::is_accepted) {
            self.octets += message.octets;
        }
        if let Some(error) = &done.unread {
            self.unread = Some(format!("can't read {}: {error}", message.name));
        }
        for (to, outcome) in work.to.iter().zip(&done.outcomes) {
            let word = self.count(outcome);
            if let Some(kind) = trouble::of_outcome(outcome)
                && !self.troubles.contains(&kind)
            {
                self.troubles.push(kind);
            }
            if self.style.json {
                let reply = outcome.reply().map(ToString::to_string);
                let why = why(outcome, done);
                self.line(&json!({
                    "message": message.name, "number": done.number + 1, "to": to.to_string(),
                    "outcome": word, "reply": reply, "why": why,
                }));
            } else if self.style.verbose || !outcome.is_accepted() {
                let said = outcome.reply().map(ToString::to_string).or_else(|| why(outcome, done));
                let said = said.unwrap_or_default();
                self.line(&format!("{word} {to}, {}: {said}", message.name));
                if let Some(help) = trouble::about(outcome) {
                    self.line(&format!("  help: {help}"));
                }
            }
        }
    }

    fn count(&mut self, outcome: &Outcome) -> &'static str {
        let (counter, word) = match outcome {
            Outcome::Accepted(_) => (&mut self.accepted, "accepted"),
            Outcome::Refused(reply) if reply.is_permanent() => (&mut self.refused, "refused"),
            Outcome::Refused(_) => (&mut self.later, "refused for now"),
            Outcome::NotTried(_) => (&mut self.not_sent, "not sent"),
            Outcome::Unknown => (&mut self.unknown, "unknown"),
        };
        *counter += 1;
        word
    }

    /// The last line.
    pub(crate) fn summary(&mut self, took: Duration, not_begun: u64) {
        let seconds = took.as_secs_f64();
        let rate = if seconds > 0.0 { self.messages as f64 / seconds } else { 0.0 };
        if self.style.json {
            self.line(&json!({
                "messages": self.messages, "not_begun": not_begun, "accepted": self.accepted,
                "refused": self.refused, "refused_for_now": self.later, "not_sent": self.not_sent,
                "unknown": self.unknown, "octets": self.octets, "seconds": seconds,
            }));
        } else if !self.style.quiet {
            let counts = [
                (self.refused, "refused"),
                (self.later, "refused for now"),
                (self.not_sent, "not sent"),
                (self.unknown, "unknown"),
            ];
            let counts = counts.iter().filter(|(count, _)| *count > 0);
            let rest: String = counts.map(|(count, word)| format!(", {count} {word}")).collect();
            let left = if not_begun > 0 { format!(" ({not_begun} not begun)") } else { String::new() };
            self.line(&format!(
                "messages: {}{left}; recipients: {} accepted{rest}; {} octets in {seconds:.3} s, {rate:.1} messages/s",
                self.messages, self.accepted, self.octets,
            ));
        }
    }

    /// What the process ends with.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let Some(kind) = GRAVEST_FIRST.into_iter().find(|kind| self.troubles.contains(kind)) else {
            return Ok(());
        };
        if let Some(unread) = &self.unread {
            return Err(Failure::new(Kind::Io, unread.clone()));
        }
        let missed = self.refused + self.later + self.not_sent + self.unknown;
        let all = missed + self.accepted;
        let failure = Failure::new(kind, format!("{missed} of {all} recipients were not accepted"));
        Err(match kind {
            Kind::Io => failure.help(
                "whether the server has a message is not known: sending it again may deliver it twice, \
                 not sending it may lose it",
            ),
            Kind::TryLater => failure.help("try again later, with the recipients that are named above alone"),
            _ => failure,
        })
    }

    fn line(&mut self, text: &impl ToString) {
        let mut text = text.to_string();
        if !self.style.json {
            text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        }
        self.broken |= writeln!(self.out, "{text}").and_then(|()| self.out.flush()).is_err();
    }

    /// Whether nobody reads the lines any more.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }
}

fn why(outcome: &Outcome, done: &Done) -> Option<String> {
    match outcome {
        Outcome::NotTried(why) => Some(why.to_string()),
        Outcome::Unknown => {
            let end = done.closed.map_or_else(|| "Ctrl-C".to_owned(), |reason| reason.to_string());
            Some(format!("the server may have it: {end}"))
        }
        Outcome::Accepted(_) | Outcome::Refused(_) => None,
    }
}

/// Where lines go.
pub(crate) fn stdout() -> io::Stdout {
    io::stdout()
}
