//! The server's application: decides by order, by mood, or well, and keeps what it accepts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::dice::Dice;
use crate::sasl::server::{Exchange, Inputs, Next, Offer};
use crate::server::{Auth, Pending, Step};
use crate::wire::reply::Reply;

/// How a decision falls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say {
    Accept,
    /// The token is dropped.
    Forget,
    Refuse(u16, (u8, u16, u16)),
    HangUp(u16, (u8, u16, u16)),
}

/// How decisions fall that fall badly.
const MOODS: [Say; 13] = [
    Say::HangUp(421, (4, 3, 2)),
    Say::Refuse(550, (5, 1, 1)),
    Say::Refuse(450, (4, 2, 1)),
    Say::Refuse(452, (4, 5, 3)),
    Say::Refuse(552, (5, 5, 3)),
    Say::Refuse(552, (5, 3, 4)),
    Say::Refuse(451, (4, 4, 4)),
    Say::Refuse(452, (4, 4, 5)),
    Say::Refuse(554, (5, 7, 1)),
    Say::Refuse(421, (4, 7, 0)),
    Say::HangUp(550, (5, 7, 1)),
    Say::HangUp(451, (4, 3, 0)),
    Say::Forget,
];

/// The one user there is.
pub(super) const USER: &str = "tim";
pub(super) const PASSWORD: &str = "tanstaaf";

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    pub(super) content: Vec<u8>,
    pub(super) chunked: bool,
}

impl Stored {
    /// The reverse-path with its brackets.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// The recipients that have it: in LMTP one.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// The content as it came out of DATA or BDAT.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Whether it came by BDAT.
    #[must_use]
    pub const fn is_chunked(&self) -> bool {
        self.chunked
    }
}

/// The application of one server session.
pub(super) struct App {
    /// How often it decided.
    pub(super) decisions: usize,
    /// How those with these numbers fall.
    pub(super) orders: Vec<(usize, Say)>,
    /// One decision in so many falls badly; none if 0.
    pub(super) moody: usize,
    pub(super) stored: Vec<Stored>,
    /// What the session answered by itself.
    pub(super) answered: Vec<u16>,
    offer: Offer,
    exchange: Exchange,
    mail: Stored,
}

const NO_MAIL: Stored =
    Stored { sender: String::new(), recipients: Vec::new(), content: Vec::new(), chunked: false };

impl App {
    pub(super) fn new(offer: Offer) -> Self {
        Self {
            decisions: 0,
            orders: Vec::new(),
            moody: 0,
            stored: Vec::new(),
            answered: Vec::new(),
            offer,
            exchange: Exchange::default(),
            mail: NO_MAIL,
        }
    }

    fn decide(&mut self, dice: &mut Dice) -> Say {
        let number = self.decisions;
        self.decisions += 1;
        if let Some((_, say)) = self.orders.iter().find(|(at, _)| *at == number) {
            return *say;
        }
        if dice.chance(self.moody) { dice.pick(&MOODS) } else { Say::Accept }
    }

    pub(super) fn answer(&mut self, step: Step<'_, '_>, dice: &mut Dice) {
        match step {
            Step::Connect(token) => drop(settle(self.decide(dice), token, "")),
            Step::Hello(token) => drop(settle(self.decide(dice), token, "")),
            Step::StartTls(token) => drop(settle(self.decide(dice), token, "")),
            Step::Auth(token) => match self.decide(dice) {
                Say::Accept => self.log_in(token),
                say => drop(settle(say, token, "")),
            },
            Step::Mail(token) => {
                let sender = token.sender().to_string();
                if settle(self.decide(dice), token, "") {
                    self.mail = Stored { sender, ..NO_MAIL };
                }
            }
            Step::Rcpt(token) => {
                let mailbox = token.mailbox().to_string();
                if settle(self.decide(dice), token, &mailbox) {
                    self.mail.recipients.push(mailbox);
                }
            }
            Step::Data(token) => {
                self.mail.chunked = token.is_chunked();
                settle(self.decide(dice), token, "");
            }
            Step::Content(octets) => self.mail.content.extend_from_slice(octets),
            Step::Verdict(token) => {
                let mail = match token.recipient() {
                    Some(i) => {
                        Stored { recipients: [self.mail.recipients[i].clone()].into(), ..self.mail.clone() }
                    }
                    None => self.mail.clone(),
                };
                // In SMTP the one answer is about them all.
                let about = if token.recipient().is_some() { &mail.recipients[0] } else { "" };
                if settle(self.decide(dice), token, about) {
                    self.stored.push(mail);
                }
            }
            Step::Answered(answered) => self.answered.push(answered.code()),
            Step::Reset(_) => self.mail = NO_MAIL,
            Step::Quiet(_) | Step::Close(_) => {}
            other => other.or_default(),
        }
    }

    fn log_in(&mut self, auth: Pending<'_, Auth<'_>>) {
        if auth.is_first() {
            self.exchange = Exchange::start(auth.mechanism(), &self.offer, Inputs::new([7; 32], 0));
        }
        let mut next = self.exchange.step(auth.response());
        loop {
            next = match next {
                Next::Password(ask) => {
                    let good = ask.user() == USER && ask.password() == PASSWORD;
                    ask.decide(good)
                }
                Next::Challenge(octets) => return auth.challenge(octets),
                Next::Done(user) => return auth.accept_as(user),
                Next::Refused(reply) => return auth.refuse(&reply),
                other => other.or_refuse(),
            };
        }
    }
}

/// Answers with a reply that bears `about` in brackets; whether that accepts.
fn settle<C>(say: Say, token: Pending<'_, C>, about: &str) -> bool {
    let text = if about.is_empty() { String::from("Text") } else { format!("It is about <{about}>") };
    match say {
        Say::Accept if about.is_empty() => token.accept(),
        Say::Accept => token.accept_with(&Reply::clean(250, (2, 1, 5), &text)),
        Say::Forget => drop(token),
        Say::Refuse(code, enhanced) => token.refuse(&Reply::clean(code, enhanced, &text)),
        Say::HangUp(code, enhanced) => token.hang_up(&Reply::clean(code, enhanced, &text)),
    }
    matches!(say, Say::Accept)
}
