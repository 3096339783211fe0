//! The server's side of an exchange.
//!
//! [`Exchange::step`] takes what the client sent and returns a [`Next`]: octets to send, a question about users that
//! only the application can answer, or the end. A question is answered by its token, which returns the next `Next`,
//! so that the application is one loop around one `match`:
//!
//! ```
//! use smtp_proto::sasl::server::{Exchange, Inputs, Next, Offer};
//! use smtp_proto::server::{Auth, Pending};
//! # fn is_password(user: &str, password: &str) -> bool { user == password }
//!
//! /// Answers a `Step::Auth`. `exchange` is kept beside the session, at first `Exchange::default()`.
//! fn log_in(auth: Pending<'_, Auth<'_>>, exchange: &mut Exchange, offer: &Offer, random: [u8; 32], now: u64) {
//!     if auth.is_first() {
//!         *exchange = Exchange::start(auth.mechanism(), offer, Inputs::new(random, now));
//!     }
//!     let mut next = exchange.step(auth.response());
//!     loop {
//!         next = match next {
//!             Next::Password(ask) => {
//!                 let good = is_password(ask.user(), ask.password());
//!                 ask.decide(good)
//!             }
//!             Next::Challenge(octets) => return auth.challenge(octets),
//!             Next::Done(user) => return auth.accept_as(user),
//!             Next::Refused(reply) => return auth.refuse(&reply),
//!             other => other.or_refuse(),
//!         };
//!     }
//! }
//! ```
//!
//! The `let` before `decide` is needed: `ask.decide(is_password(ask.user(), ..))` would use the token after it is gone.
//!
//! Unknown users and wrong passwords take the same way and get the same reply. No exchange succeeds while a question
//! is open: a token that is dropped refuses.

mod ask;
mod offer;

#[cfg(feature = "scram")]
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use ask::{Anonymous, Ask, Authorize, External, Keys, Password, Question, SharedSecret, Token};
pub use offer::{Inputs, Offer};

use super::secret::Secret;
use super::{Mechanism, anonymous, external, login, oauthbearer, plain, xoauth2};
use crate::wire::base64::Base64;
use crate::wire::reply::Reply;

/// The reply to a wrong password, an unknown user and a malformed message alike.
pub const FAILED: Reply<'static> = Reply::new(535, (5, 7, 8), "Error: authentication failed");
/// The reply when the application could not find out.
pub const LATER: Reply<'static> = Reply::new(454, (4, 7, 0), "Error: temporary authentication failure");
/// The reply to a mechanism that is not offered.
pub const NOT_OFFERED: Reply<'static> = Reply::new(504, (5, 5, 4), "Error: mechanism not offered");
/// The reply to an initial response where the server speaks first (RFC 4954 §4).
pub const NO_INITIAL: Reply<'static> =
    Reply::new(501, (5, 5, 4), "Error: no initial response for this mechanism");

/// What follows a step. Exhaustive: a server that forgets one lets clients hang or strangers in.
#[derive(Debug)]
#[must_use]
pub enum Next<'x> {
    /// Send these octets as a 334; the client's answer is the next step.
    Challenge(&'x [u8]),
    /// Is this the user's password? PLAIN and LOGIN.
    Password(Ask<'x, Password>),
    /// What are the user's keys? SCRAM.
    Keys(Ask<'x, Keys>),
    /// What is the user's password? CRAM-MD5.
    SharedSecret(Ask<'x, SharedSecret>),
    /// Whose is this token? XOAUTH2 and OAUTHBEARER.
    Token(Ask<'x, Token>),
    /// Whom does the client's certificate name? EXTERNAL.
    External(Ask<'x, External>),
    /// May a client without a name come in? ANONYMOUS.
    Anonymous(Ask<'x, Anonymous>),
    /// The user is who they say; may they act as somebody else?
    Authorize(Ask<'x, Authorize>),
    /// Authenticated, and this is who the client acts as: accept the AUTH.
    Done(&'x str),
    /// Refuse the AUTH with this reply.
    Refused(Reply<'static>),
}

impl<'x> Next<'x> {
    /// What the last arm of a `match` should call: refuses every question, and what is no question too.
    pub fn or_refuse(self) -> Next<'x> {
        match self {
            Self::Password(ask) => ask.refuse(),
            Self::Keys(ask) => ask.refuse(),
            Self::SharedSecret(ask) => ask.refuse(),
            Self::Token(ask) => ask.refuse(),
            Self::External(ask) => ask.refuse(),
            Self::Anonymous(ask) => ask.refuse(),
            Self::Authorize(ask) => ask.refuse(),
            Self::Challenge(_) | Self::Done(_) => Next::Refused(FAILED),
            Self::Refused(reply) => Next::Refused(reply),
        }
    }
}

/// One exchange, from AUTH to its reply.
///
/// The default is an exchange that is over: it refuses.
#[derive(Default)]
pub struct Exchange {
    mechanism: Option<Mechanism>,
    state: State,
    offer: Offer,
    #[cfg_attr(
        not(any(feature = "scram", feature = "cram-md5")),
        allow(dead_code, reason = "the challenge mechanisms read it")
    )]
    inputs: Inputs,
    /// What the last challenge said.
    out: Secret<Vec<u8>>,
    /// The server's last words, to be said before success.
    parting: Option<Secret<Vec<u8>>>,
    /// Who the client acts as, once known.
    identity: String,
}

#[derive(Default)]
enum State {
    /// The AUTH command is to come.
    Begin,
    /// An empty challenge is out: the client speaks first.
    First,
    LoginUser,
    LoginPassword {
        user: String,
    },
    #[cfg(feature = "cram-md5")]
    CramMd5,
    #[cfg(feature = "scram")]
    Scram(Box<super::scram::Proof>),
    /// The last words are out; the client's line ends the exchange well.
    Parting,
    /// The last words are out; the client's line ends the exchange badly.
    Sorry,
    /// A question is open, or the exchange is over.
    #[default]
    Over,
}

impl Exchange {
    /// Begins an exchange. Call it when AUTH comes, then [`step`](Self::step) with the initial response.
    ///
    /// A mechanism that `offer` does not have on this connection is refused by that step.
    #[must_use]
    pub fn start(mechanism: Mechanism, offer: &Offer, inputs: Inputs) -> Self {
        let offered = offer.has(mechanism, inputs.bound());
        Self {
            mechanism: offered.then_some(mechanism),
            state: State::Begin,
            offer: offer.clone(),
            inputs,
            ..Self::default()
        }
    }

    /// Takes what the client sent: first AUTH's initial response, if it has one, then its answers.
    pub fn step(&mut self, response: Option<Base64<'_>>) -> Next<'_> {
        let octets = response.map(|text| Secret::new(text.decode()));
        match core::mem::take(&mut self.state) {
            State::Begin => self.begin(octets),
            State::First => self.first(&octets.unwrap_or_default()),
            State::LoginUser => self.login_user(&octets.unwrap_or_default()),
            State::LoginPassword { user } => self.login_password(user, &octets.unwrap_or_default()),
            #[cfg(feature = "cram-md5")]
            State::CramMd5 => self.cram_md5(&octets.unwrap_or_default()),
            #[cfg(feature = "scram")]
            State::Scram(proof) => self.scram_final(*proof, &octets.unwrap_or_default()),
            State::Parting if octets.is_none_or(|octets| octets.is_empty()) => Next::Done(&self.identity),
            State::Parting | State::Sorry => Next::Refused(FAILED),
            State::Over => Next::Refused(LATER),
        }
    }

    fn begin(&mut self, octets: Option<Secret<Vec<u8>>>) -> Next<'_> {
        match (self.mechanism, octets) {
            (None, _) => Next::Refused(NOT_OFFERED),
            (Some(Mechanism::LOGIN), None) => self.challenge(State::LoginUser, login::USERNAME),
            // In wide use against the draft: the initial response is the user.
            (Some(Mechanism::LOGIN), Some(user)) => self.login_user(&user),
            #[cfg(feature = "cram-md5")]
            (Some(Mechanism::CRAM_MD5), None) => {
                let challenge = self.inputs.cram_md5_challenge(self.offer.host());
                self.challenge(State::CramMd5, &challenge)
            }
            #[cfg(feature = "cram-md5")]
            (Some(Mechanism::CRAM_MD5), Some(_)) => Next::Refused(NO_INITIAL),
            (Some(_), None) => self.challenge(State::First, b""),
            (Some(_), Some(octets)) => self.first(&octets),
        }
    }

    /// The client's first message, where the client speaks first.
    fn first(&mut self, octets: &[u8]) -> Next<'_> {
        match self.mechanism {
            Some(Mechanism::PLAIN) => match plain::Message::parse(octets) {
                Some(plain::Message { authzid, user, password }) => {
                    let authzid = (!authzid.is_empty()).then(|| authzid.into());
                    Next::Password(Ask::new(self, Password::new(user.into(), password, authzid)))
                }
                None => Next::Refused(FAILED),
            },
            Some(Mechanism::XOAUTH2) => match xoauth2::Message::parse(octets) {
                Some(xoauth2::Message { user, token }) => {
                    Next::Token(Ask::new(self, Token::new(Some(user.into()), token)))
                }
                None => Next::Refused(FAILED),
            },
            Some(Mechanism::OAUTHBEARER) => self.oauthbearer(octets),
            Some(Mechanism::EXTERNAL) => match external::parse(octets) {
                Some(authzid) => {
                    let authzid = (!authzid.is_empty()).then(|| authzid.into());
                    Next::External(Ask::new(self, External { authzid }))
                }
                None => Next::Refused(FAILED),
            },
            Some(Mechanism::ANONYMOUS) => match anonymous::parse(octets) {
                Some(trace) => Next::Anonymous(Ask::new(self, Anonymous { trace: trace.into() })),
                None => Next::Refused(FAILED),
            },
            #[cfg(feature = "scram")]
            Some(mechanism) => self.scram_first(mechanism, octets),
            #[cfg(not(feature = "scram"))]
            Some(_) => Next::Refused(NOT_OFFERED),
            None => Next::Refused(NOT_OFFERED),
        }
    }

    fn login_user(&mut self, octets: &[u8]) -> Next<'_> {
        // An unreadable name is asked for its password as any other; it will not be found.
        let user = core::str::from_utf8(octets).unwrap_or_default().into();
        self.challenge(State::LoginPassword { user }, login::PASSWORD)
    }

    fn login_password(&mut self, user: String, octets: &[u8]) -> Next<'_> {
        match core::str::from_utf8(octets) {
            Ok(password) if !user.is_empty() && !password.is_empty() => {
                Next::Password(Ask::new(self, Password::new(user, password, None)))
            }
            _ => Next::Refused(FAILED),
        }
    }

    fn oauthbearer(&mut self, octets: &[u8]) -> Next<'_> {
        let Some(message) = oauthbearer::Message::parse(octets) else {
            return self.sorry(br#"{"status":"invalid_request"}"#);
        };
        if message.token.is_empty() {
            // RFC 7628 §3.2.3: the client asks what it would need.
            let json = self.offer.token_hints().json(r#""status":"invalid_request""#);
            return self.sorry(&json);
        }
        let token = Token::new(message.authzid, message.token).at(message.host, message.port);
        Next::Token(Ask::new(self, token))
    }

    #[cfg(feature = "cram-md5")]
    fn cram_md5(&mut self, octets: &[u8]) -> Next<'_> {
        match super::cram_md5::parse(octets) {
            Some((user, digest)) => {
                let challenge = core::mem::take(&mut *self.out);
                Next::SharedSecret(Ask::new(self, SharedSecret { user: user.into(), challenge, digest }))
            }
            None => Next::Refused(FAILED),
        }
    }

    #[cfg(feature = "scram")]
    fn scram_first(&mut self, mechanism: Mechanism, octets: &[u8]) -> Next<'_> {
        use super::scram::{ScramHash, Server};
        let Some(hash) = ScramHash::of(mechanism) else {
            return Next::Refused(NOT_OFFERED);
        };
        let plus = self.offer.plus(mechanism, hash, self.inputs.bound());
        match Server::start(hash, octets, &self.inputs.bindings, plus) {
            Ok(first) => Next::Keys(Ask::new(self, Keys { first })),
            Err(error) => self.sorry(error.message().as_bytes()),
        }
    }

    #[cfg(feature = "scram")]
    fn scram_final(&mut self, proof: super::scram::Proof, octets: &[u8]) -> Next<'_> {
        match proof.check(octets) {
            Ok(verifier) => {
                self.parting = Some(Secret::new(verifier.into_bytes()));
                let (user, authzid) = proof.into_identity();
                self.authenticated(user, authzid)
            }
            Err(error) => self.sorry(error.message().as_bytes()),
        }
    }

    fn challenge(&mut self, state: State, octets: &[u8]) -> Next<'_> {
        self.state = state;
        self.out = Secret::new(octets.into());
        Next::Challenge(&self.out)
    }

    /// Says why in the mechanism's own words; the reply follows the client's answer.
    fn sorry(&mut self, words: &[u8]) -> Next<'_> {
        self.challenge(State::Sorry, words)
    }

    /// The user is who they say. Asks whether they may act as `authzid`, where that is somebody else.
    fn authenticated(&mut self, user: String, authzid: Option<String>) -> Next<'_> {
        match authzid {
            Some(authzid) if authzid != user => Next::Authorize(Ask::new(self, Authorize { user, authzid })),
            _ => self.succeed(user),
        }
    }

    fn succeed(&mut self, identity: String) -> Next<'_> {
        self.identity = identity;
        match self.parting.take() {
            Some(words) => {
                self.state = State::Parting;
                self.out = words;
                Next::Challenge(&self.out)
            }
            None => Next::Done(&self.identity),
        }
    }

    /// The application says no.
    fn refused(&mut self) -> Next<'_> {
        self.parting = None;
        match self.mechanism {
            Some(Mechanism::XOAUTH2) => {
                let json = self.offer.token_hints().json(r#""status":"401","schemes":"Bearer""#);
                self.sorry(&json)
            }
            Some(Mechanism::OAUTHBEARER) => {
                let json = self.offer.token_hints().json(r#""status":"invalid_token""#);
                self.sorry(&json)
            }
            #[cfg(feature = "scram")]
            Some(mechanism) if super::scram::ScramHash::of(mechanism).is_some() => {
                self.sorry(super::scram::ServerError::Other.message().as_bytes())
            }
            _ => Next::Refused(FAILED),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}
