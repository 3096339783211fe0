//! An application that does what a transcript says.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::server::{Pending, Step};
use crate::wire::reply::Reply;

/// What to do with one kind of step.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    event: String,
    argument: Option<String>,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Accept,
    Drop,
    Default,
    Reply(Words),
    HangUp(Words),
    Challenge(String),
}

/// A reply, kept.
#[derive(Clone, Debug)]
struct Words {
    code: u16,
    enhanced: (u8, u16, u16),
    text: String,
}

impl Words {
    fn reply(&self) -> Reply<'_> {
        Reply::clean(self.code, self.enhanced, &self.text)
    }
}

impl Rule {
    /// `EVENT [ARGUMENT] accept|drop|default|refuse REPLY|with REPLY|hangup REPLY|challenge TEXT`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.splitn(3, ' ');
        let event = words.next().unwrap_or_default().to_string();
        let second = words.next().unwrap_or_default();
        let third = words.next().unwrap_or_default();
        let verbs = ["accept", "drop", "default", "refuse", "with", "hangup", "challenge"];
        let (argument, verb, rest) = if verbs.contains(&second) {
            (None, second, third)
        } else {
            let (verb, rest) = third.split_once(' ').unwrap_or((third, ""));
            (Some(second.to_string()), verb, rest)
        };
        let action = match verb {
            "accept" => Action::Accept,
            "drop" => Action::Drop,
            "default" => Action::Default,
            "refuse" | "with" => Action::Reply(reply(rest)?),
            "hangup" => Action::HangUp(reply(rest)?),
            "challenge" => Action::Challenge(rest.to_string()),
            _ => return Err(format!("unknown policy: {text}")),
        };
        Ok(Self { event, argument, action })
    }
}

/// `550 5.1.1 No such user`.
fn reply(text: &str) -> Result<Words, String> {
    let wrong = || format!("a reply like `550 5.1.1 Text` wanted: {text}");
    let mut words = text.splitn(3, ' ');
    let code: u16 = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
    let numbers: Vec<u16> =
        words.next().unwrap_or_default().split('.').filter_map(|number| number.parse().ok()).collect();
    let [class, subject, detail] = numbers[..] else { return Err(wrong()) };
    let class = u8::try_from(class).map_err(|_| wrong())?;
    let text = words.next().unwrap_or("Text").to_string();
    Ok(Words { code, enhanced: (class, subject, detail), text })
}

/// Answers steps and writes down what it saw.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    events: Vec<String>,
    content: Vec<u8>,
}

impl Policy {
    pub(super) const fn new(rules: Vec<Rule>) -> Self {
        Self { rules, events: Vec::new(), content: Vec::new() }
    }

    /// What was seen since the last call; content that came in pieces is joined.
    pub fn take_events(&mut self) -> Vec<String> {
        self.flush_content();
        core::mem::take(&mut self.events)
    }

    fn flush_content(&mut self) {
        if !self.content.is_empty() {
            self.events.push(format!("content \"{}\"", self.content.escape_ascii()));
            self.content.clear();
        }
    }

    fn note(&mut self, event: &str, argument: &str) -> Action {
        self.note_with(event, argument, "")
    }

    /// Notes what goes with an event, too, which no rule looks at.
    fn note_with(&mut self, event: &str, argument: &str, more: &str) -> Action {
        self.flush_content();
        let found = self
            .rules
            .iter()
            .find(|rule| rule.event == event && rule.argument.as_deref().is_none_or(|want| want == argument));
        let action = found.map_or(Action::Accept, |rule| rule.action.clone());
        let words = [event, argument, more];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        self.events.push(words.join(" "));
        action
    }

    /// Answers `step`.
    pub fn answer(&mut self, step: Step<'_, '_>) {
        match step {
            Step::Content(octets) => return self.content.extend_from_slice(octets),
            Step::Quiet(_) => return,
            _ => {}
        }
        match step {
            Step::Connect(token) => settle(self.note("connect", ""), token, Step::Connect),
            Step::Hello(token) => {
                let name = token.name().raw().escape_ascii().to_string();
                settle(self.note("hello", &name), token, Step::Hello);
            }
            Step::Auth(token) => {
                let response = token.response().map(|text| text.decode()).unwrap_or_default();
                match self.note("auth", &response.escape_ascii().to_string()) {
                    Action::Challenge(text) => token.challenge(text.as_bytes()),
                    action => settle(action, token, Step::Auth),
                }
            }
            Step::StartTls(token) => settle(self.note("starttls", ""), token, Step::StartTls),
            Step::Mail(token) => {
                let (sender, params) = (token.sender().to_string(), bare(&token.params()));
                settle(self.note_with("mail", &sender, &params), token, Step::Mail);
            }
            Step::Rcpt(token) => {
                let (mailbox, params) = (token.mailbox().to_string(), bare(&token.params()));
                settle(self.note_with("rcpt", &mailbox, &params), token, Step::Rcpt);
            }
            Step::Vrfy(token) => {
                let name = token.argument().as_bytes().escape_ascii().to_string();
                settle(self.note("vrfy", &name), token, Step::Vrfy);
            }
            Step::Expn(token) => {
                let name = token.argument().as_bytes().escape_ascii().to_string();
                settle(self.note("expn", &name), token, Step::Expn);
            }
            Step::Etrn(token) => {
                let node = token.node().name().to_string();
                settle(self.note("etrn", &node), token, Step::Etrn);
            }
            Step::Xclient(token) => {
                let said = token.attributes().as_bytes().escape_ascii().to_string();
                settle(self.note_with("xclient", "", &said), token, Step::Xclient);
            }
            Step::Xforward(token) => {
                let said = token.attributes().as_bytes().escape_ascii().to_string();
                settle(self.note_with("xforward", "", &said), token, Step::Xforward);
            }
            Step::Data(token) => {
                let recipients = token.recipients().to_string();
                settle(self.note("data", &recipients), token, Step::Data);
            }
            Step::Verdict(token) => {
                let recipient = token.recipient().map(|i| i.to_string()).unwrap_or_default();
                settle(self.note("verdict", &recipient), token, Step::Verdict);
            }
            Step::Answered(answered) => {
                self.note("answered", &answered.code().to_string());
            }
            Step::Reset(cause) => {
                self.note("reset", &format!("{cause:?}"));
            }
            Step::Close(reason) => {
                self.note("close", &format!("{reason:?}"));
            }
            Step::Content(_) | Step::Quiet(_) => {}
        }
    }
}

/// Parameters as the client wrote them.
fn bare(params: &impl core::fmt::Debug) -> String {
    let text = format!("{params:?}");
    text.split_once('(').map_or("", |(_, text)| text.trim_end_matches(')')).to_string()
}

fn settle<'s, 'b, C>(
    action: Action,
    token: Pending<'s, C>,
    step: impl FnOnce(Pending<'s, C>) -> Step<'s, 'b>,
) {
    match action {
        Action::Accept => token.accept(),
        Action::Drop => {}
        Action::Default => step(token).or_default(),
        Action::Reply(words) => token.decide(words.reply()),
        Action::HangUp(words) => token.hang_up(&words.reply()),
        Action::Challenge(_) => {}
    }
}
