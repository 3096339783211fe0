//! The client's side of an exchange.
//!
//! [`select`] picks a mechanism of those that the server offers, [`Exchange::start`] begins it, [`Exchange::initial`]
//! is what goes with AUTH, [`Exchange::answer`] answers each 334, and [`Exchange::finish`] says whether the server's
//! last reply means what it says: with SCRAM a 235 of a server that has not proved itself is a failure.
//!
//! ```
//! use smtp_proto::sasl::client::{Credentials, Exchange, Inputs, Trust, select};
//! use smtp_proto::sasl::{Bindings, Mechanism};
//!
//! let offered = [Mechanism::LOGIN, Mechanism::PLAIN];
//! let credentials = Credentials::password("tim", "tanstaaftanstaaf");
//! let mechanism = select(offered, &credentials, &Bindings::new(), Trust::Verified)?;
//! let mut exchange = Exchange::start(mechanism, &credentials, &Inputs::new(&[0; 24], offered))?;
//! assert_eq!(exchange.initial(), Some(&b"\0tim\0tanstaaftanstaaf"[..]));
//! assert_eq!(exchange.finish(235), Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod credentials;
mod opening;
mod select;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use credentials::{Credentials, StartError};
use opening::{State, Then};
pub use select::{NoMechanism, Trust, select};

use super::secret::Secret;
use super::{Bindings, Mechanism, Nonce};
use crate::limits::SCRAM_MIN_ITERATIONS;
use crate::wire::base64::Base64;

/// What one exchange needs from outside.
#[derive(Clone, Debug)]
pub struct Inputs {
    #[cfg_attr(not(feature = "scram"), allow(dead_code, reason = "SCRAM reads it"))]
    nonce: Nonce,
    bindings: Bindings,
    #[cfg_attr(not(feature = "scram"), allow(dead_code, reason = "SCRAM reads it"))]
    /// The -PLUS forms among the mechanisms offered.
    plus_offered: Vec<Mechanism>,
    #[cfg_attr(not(feature = "scram"), allow(dead_code, reason = "SCRAM reads it"))]
    min_iterations: u32,
    server: Option<(String, u16)>,
}

impl Inputs {
    /// `random` is from the operating system's generator and used for one exchange only; `offered` is what the
    /// server announced.
    #[must_use]
    pub fn new(random: &[u8; 24], offered: impl IntoIterator<Item = Mechanism>) -> Self {
        Self {
            nonce: Nonce::new(random),
            bindings: Bindings::new(),
            plus_offered: offered.into_iter().filter(|mechanism| mechanism.binds_channel()).collect(),
            min_iterations: SCRAM_MIN_ITERATIONS,
            server: None,
        }
    }

    /// The bindings of the TLS connection.
    #[must_use]
    pub fn bindings(mut self, bindings: Bindings) -> Self {
        self.bindings = bindings;
        self
    }

    /// Host and port that the client connected to: OAUTHBEARER tells the server.
    #[must_use]
    pub fn server(mut self, host: &str, port: u16) -> Self {
        self.server = Some((host.into(), port));
        self
    }

    /// Fewest SCRAM iterations to compute with. Defaults to [`SCRAM_MIN_ITERATIONS`]; with fewer, whoever poses as
    /// the server learns something that is cheaper to guess the password from.
    #[must_use]
    pub fn min_iterations(mut self, least: u32) -> Self {
        self.min_iterations = least;
        self
    }

    /// A given nonce in place of a random one: for tests.
    #[must_use]
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = nonce;
        self
    }
}

/// Why an exchange failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server refused; its reply says why, [`Exchange::server_said`] may.
    #[error("the server refused")]
    Refused,
    /// The server said that something is wrong: [`Exchange::server_said`] has its words.
    #[error("the server reported an error")]
    Said,
    /// A challenge where none belongs.
    #[error("unexpected challenge")]
    Unexpected,
    /// A challenge that is not base64.
    #[error("challenge is not base64")]
    Base64,
    /// A challenge that the mechanism does not have.
    #[error("malformed challenge")]
    Malformed,
    /// SCRAM: the server's nonce does not begin with ours, or adds nothing to it.
    #[error("the server changed the nonce")]
    Nonce,
    /// SCRAM: too few iterations to be safe, or so many that they are an attack.
    #[error("{0} iterations")]
    Iterations(u64),
    /// SCRAM: the server needs an extension that is not known here.
    #[error("the server needs an unknown extension")]
    Extension,
    /// SCRAM: the server does not know the password's keys: it is another one, or its memory is bad.
    #[error("the server's signature is wrong")]
    Signature,
    /// The server accepted too early: before it was told everything, or with SCRAM before it proved itself.
    #[error("the server accepted before it could know")]
    Unproven,
}

/// What to do with a 334.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<'x> {
    /// Send these octets in base64; none is an empty line.
    Send(&'x [u8]),
    /// Send "*": the exchange has failed.
    Cancel(Failure),
}

/// One exchange, from AUTH to its last reply.
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
    out: Secret<Vec<u8>>,
    said: Option<Vec<u8>>,
}

impl Exchange {
    /// Begins an exchange.
    ///
    /// # Errors
    /// When mechanism, credentials and inputs do not go together. Nothing was sent then.
    pub fn start(
        mechanism: Mechanism,
        credentials: &Credentials,
        inputs: &Inputs,
    ) -> Result<Self, StartError> {
        let state = opening::open(mechanism, credentials, inputs)?;
        Ok(Self { mechanism, state, out: Secret::default(), said: None })
    }

    /// The mechanism.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response, to be sent with AUTH; no octets are sent as "=". `None` where the server speaks
    /// first, for LOGIN too: servers refuse one there.
    ///
    /// Asking for it is sending it. Where the line would be too long for the server (RFC 4954 §4) send AUTH alone
    /// and do not ask: [`answer`](Self::answer) has it for the empty challenge that follows.
    pub fn initial(&mut self) -> Option<&[u8]> {
        match core::mem::take(&mut self.state) {
            State::Initial { message, then } => {
                self.state = State::After(then);
                self.out = message;
                Some(&self.out)
            }
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Answers a 334 whose text is `text`, as it was received.
    ///
    /// Where the text does not matter it need not be base64: servers are known that explain themselves there.
    pub fn answer_text(&mut self, text: &[u8]) -> Answer<'_> {
        match Base64::parse(text) {
            Ok(challenge) => self.answer(&challenge.decode()),
            Err(_) if self.state.ignores_text() => self.answer(b""),
            Err(_) if self.state.hears_refusal() => self.answer(text),
            Err(_) => self.cancel(Failure::Base64),
        }
    }

    /// Answers a challenge of these octets.
    pub fn answer(&mut self, challenge: &[u8]) -> Answer<'_> {
        match core::mem::take(&mut self.state) {
            State::Initial { message, then } => self.send(message, State::After(then)),
            State::LoginUser { user, password } => self.send(user, State::LoginPassword { password }),
            State::LoginPassword { password } => self.send(password, State::After(Then::Reply)),
            #[cfg(feature = "cram-md5")]
            State::CramMd5 { user, password } => {
                let answer = super::cram_md5::answer(&user, password.as_bytes(), challenge);
                self.send(answer, State::After(Then::Reply))
            }
            State::After(Then::Reply) => self.cancel(Failure::Unexpected),
            State::After(Then::Refusal(answer)) => self.hear(challenge, answer),
            #[cfg(feature = "scram")]
            State::After(Then::ServerFirst(client)) => match client.prove(challenge) {
                Ok((proof, expected)) => {
                    let then = Then::ServerFinal(expected);
                    self.send(Secret::new(proof.into_bytes()), State::After(then))
                }
                Err(fault) => self.scram_fault(fault, challenge),
            },
            #[cfg(feature = "scram")]
            State::After(Then::ServerFinal(expected)) => match expected.check(challenge) {
                Ok(()) => self.send(Secret::default(), State::After(Then::Reply)),
                Err(fault) => self.scram_fault(fault, challenge),
            },
            State::Failed(failure) => self.cancel(failure),
        }
    }

    /// Ends the exchange with the code of the server's last reply: success is 2yz and nothing left to prove.
    ///
    /// # Errors
    /// Why it failed. The connection is not authenticated then, whatever the code.
    pub fn finish(self, code: u16) -> Result<(), Failure> {
        match self.state {
            State::Failed(failure) => Err(failure),
            _ if code / 100 != 2 => Err(Failure::Refused),
            State::After(Then::Reply | Then::Refusal(_)) => Ok(()),
            _ => Err(Failure::Unproven),
        }
    }

    /// What the server said about its refusal in the exchange: JSON for tokens (RFC 7628 §3.2.2), `e=` and a word
    /// for SCRAM (RFC 5802 §7). It is the server's, and unchecked.
    #[must_use]
    pub fn server_said(&self) -> Option<&[u8]> {
        self.said.as_deref()
    }

    fn send(&mut self, octets: Secret<Vec<u8>>, state: State) -> Answer<'_> {
        self.state = state;
        self.out = octets;
        Answer::Send(&self.out)
    }

    fn cancel(&mut self, failure: Failure) -> Answer<'_> {
        self.state = State::Failed(failure);
        Answer::Cancel(failure)
    }

    /// The server refuses and says why: it is answered politely, so that its reply says so too.
    fn hear(&mut self, words: &[u8], answer: &[u8]) -> Answer<'_> {
        self.said = Some(words.into());
        self.send(Secret::new(answer.into()), State::Failed(Failure::Said))
    }

    #[cfg(feature = "scram")]
    fn scram_fault(&mut self, fault: super::scram::ClientFault, challenge: &[u8]) -> Answer<'_> {
        use super::scram::ClientFault;
        match fault {
            ClientFault::Said => self.hear(challenge, b""),
            ClientFault::Malformed => self.cancel(Failure::Malformed),
            ClientFault::Nonce => self.cancel(Failure::Nonce),
            ClientFault::Iterations(count) => self.cancel(Failure::Iterations(count)),
            ClientFault::Mandatory => self.cancel(Failure::Extension),
            ClientFault::Signature => self.cancel(Failure::Signature),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}
