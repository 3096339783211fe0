//! Questions about users, as tokens.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Exchange, FAILED, LATER, Next};
use crate::sasl::secret::{Secret, same};

/// A question that only the application can answer. Answering consumes it and returns what comes next.
///
/// It may be held while a database is asked. Dropped, it refuses: the next step gets 454.
#[must_use]
pub struct Ask<'x, Q> {
    exchange: &'x mut Exchange,
    question: Q,
}

/// A kind of question. Sealed: these are all.
pub trait Question: sealed::Sealed {}
impl<Q: sealed::Sealed> Question for Q {}

mod sealed {
    use super::{Ask, Next};

    pub trait Sealed: Sized {
        /// Answers no.
        fn refuse(ask: Ask<'_, Self>) -> Next<'_> {
            ask.exchange.refused()
        }
    }
}

impl<'x, Q: Question> Ask<'x, Q> {
    pub(super) fn new(exchange: &'x mut Exchange, question: Q) -> Self {
        Self { exchange, question }
    }

    /// No: wrong, unknown or not allowed, which the client can't tell apart.
    pub fn refuse(self) -> Next<'x> {
        Q::refuse(self)
    }

    /// It can't be found out now (the database is down): the client is told to come back, 454.
    pub fn later(self) -> Next<'x> {
        Next::Refused(LATER)
    }
}

/// Shows the kind of the question only: what it holds is secret.
impl<Q> core::fmt::Debug for Ask<'_, Q> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ask").field("mechanism", &self.exchange.mechanism).finish_non_exhaustive()
    }
}

/// Is this the user's password?
///
/// Both are as the client sent them. RFC 4616 §2 wants them prepared before they are compared with what is stored:
/// that is `saslprep::query`, with the feature `saslprep`.
pub struct Password {
    user: String,
    password: Secret<String>,
    authzid: Option<String>,
}

impl Password {
    pub(super) fn new(user: String, password: &str, authzid: Option<String>) -> Self {
        Self { user, password: Secret::new(password.into()), authzid }
    }
}

impl sealed::Sealed for Password {}

impl<'x> Ask<'x, Password> {
    /// The user's name; never empty.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.question.user
    }

    /// The password; never empty.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.question.password
    }

    /// Accepts if it is `good`, else refuses.
    pub fn decide(self, good: bool) -> Next<'x> {
        if good { self.accept() } else { self.refuse() }
    }

    /// Yes. Where the client wants to act as somebody else, [`Next::Authorize`] asks about that.
    pub fn accept(self) -> Next<'x> {
        let Password { user, authzid, .. } = self.question;
        self.exchange.authenticated(user, authzid)
    }
}

#[cfg(feature = "saslprep")]
impl Ask<'_, Password> {
    /// Whether user and password, prepared, are these two; for the few that are stored in clear. In a time that
    /// depends on lengths only.
    #[must_use]
    pub fn matches(&self, user: &str, password: &str) -> bool {
        use crate::sasl::saslprep::query;
        let equal = |given: &str, stored: &str| match (query(given), query(stored)) {
            (Ok(given), Ok(stored)) => !given.is_empty() & same(given.as_bytes(), stored.as_bytes()),
            _ => false,
        };
        equal(&self.question.user, user) & equal(&self.question.password, password)
    }
}

/// What are the user's keys? Asked with the feature `scram` only.
pub struct Keys {
    #[cfg(feature = "scram")]
    pub(super) first: crate::sasl::scram::Server,
}

impl sealed::Sealed for Keys {
    #[cfg(feature = "scram")]
    fn refuse(ask: Ask<'_, Self>) -> Next<'_> {
        ask.decide(None)
    }
}

#[cfg(feature = "scram")]
impl<'x> Ask<'x, Keys> {
    /// The user's name, prepared; never empty.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.question.first.user
    }

    /// The hash that the keys must have.
    #[must_use]
    pub const fn hash(&self) -> crate::sasl::ScramHash {
        self.question.first.hash()
    }

    /// Goes on with the user's keys. Without, or with another hash's, the exchange goes on all the same and fails
    /// where a wrong password fails, so that a client can't ask who exists.
    pub fn decide(self, keys: Option<&crate::sasl::ScramKeys>) -> Next<'x> {
        let Exchange { offer, inputs, .. } = &*self.exchange;
        let proof =
            self.question.first.keys(keys, offer.decoy_secret(), offer.decoy_iterations(), &inputs.nonce);
        let words = proof.server_first.clone();
        self.exchange.challenge(super::State::Scram(alloc::boxed::Box::new(proof)), words.as_bytes())
    }
}

/// What is the user's password? CRAM-MD5 needs it in clear. Asked with the feature `cram-md5` only.
#[cfg_attr(not(feature = "cram-md5"), allow(dead_code, reason = "never made"))]
pub struct SharedSecret {
    pub(super) user: String,
    pub(super) challenge: Vec<u8>,
    pub(super) digest: [u8; 32],
}

impl sealed::Sealed for SharedSecret {}

#[cfg(feature = "cram-md5")]
impl<'x> Ask<'x, SharedSecret> {
    /// The user's name; never empty.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.question.user
    }

    /// Checks the client's answer with the user's password; `None` when there is no such user.
    pub fn decide(self, password: Option<&str>) -> Next<'x> {
        let SharedSecret { user, challenge, digest } = self.question;
        // Computed for unknown users too, so that it takes no time apart.
        let key = password.unwrap_or_default().as_bytes();
        let proved = crate::sasl::cram_md5::verify(key, &challenge, &digest);
        match password {
            Some(password) if !password.is_empty() && proved => self.exchange.authenticated(user, None),
            _ => self.exchange.refused(),
        }
    }
}

/// Whose is this token?
pub struct Token {
    user: Option<String>,
    token: Secret<String>,
    host: Option<String>,
    port: Option<u16>,
}

impl Token {
    pub(super) fn new(user: Option<String>, token: &str) -> Self {
        Self { user, token: Secret::new(token.into()), host: None, port: None }
    }

    pub(super) fn at(mut self, host: Option<&str>, port: Option<u16>) -> Self {
        (self.host, self.port) = (host.map(String::from), port);
        self
    }
}

impl sealed::Sealed for Token {}

impl<'x> Ask<'x, Token> {
    /// Who the client says it is; OAUTHBEARER may leave it to the token.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.question.user.as_deref()
    }

    /// The token; never empty.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.question.token
    }

    /// The host that the client believes to talk to; OAUTHBEARER only.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.question.host.as_deref()
    }

    /// The port that the client believes to talk to; OAUTHBEARER only.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.question.port
    }

    /// Whether the token is this one, in a time that depends on lengths only.
    #[must_use]
    pub fn matches(&self, token: &str) -> bool {
        same(self.token().as_bytes(), token.as_bytes())
    }

    /// The token is good, and `identity` is whose it is. Where the client named somebody else,
    /// [`Next::Authorize`] asks about that.
    pub fn accept(self, identity: &str) -> Next<'x> {
        self.exchange.authenticated(identity.into(), self.question.user)
    }
}

/// Whom does the client's certificate name?
pub struct External {
    pub(super) authzid: Option<String>,
}

impl sealed::Sealed for External {}

impl<'x> Ask<'x, External> {
    /// The certificate names `identity`. Where the client wants to act as somebody else, [`Next::Authorize`] asks
    /// about that. An empty identity is none, and refuses.
    pub fn accept(self, identity: &str) -> Next<'x> {
        if identity.is_empty() {
            return Next::Refused(FAILED);
        }
        self.exchange.authenticated(identity.into(), self.question.authzid)
    }
}

/// May a client without a name come in?
pub struct Anonymous {
    pub(super) trace: String,
}

impl sealed::Sealed for Anonymous {}

impl<'x> Ask<'x, Anonymous> {
    /// What the client says about itself; it may be empty and proves nothing.
    #[must_use]
    pub fn trace(&self) -> &str {
        &self.question.trace
    }

    /// Yes, as `identity`, which mail servers give to nobody else. For catchers and tests: on the Internet this is
    /// an open relay.
    pub fn accept(self, identity: &str) -> Next<'x> {
        self.exchange.succeed(identity.into())
    }
}

/// The user is who they say; may they act as somebody else?
pub struct Authorize {
    pub(super) user: String,
    pub(super) authzid: String,
}

impl sealed::Sealed for Authorize {}

impl<'x> Ask<'x, Authorize> {
    /// Who it is.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.question.user
    }

    /// Who they want to act as.
    #[must_use]
    pub fn authzid(&self) -> &str {
        &self.question.authzid
    }

    /// Accepts if it is `allowed`, else refuses.
    pub fn decide(self, allowed: bool) -> Next<'x> {
        if allowed { self.accept() } else { self.refuse() }
    }

    /// Yes.
    pub fn accept(self) -> Next<'x> {
        self.exchange.succeed(self.question.authzid)
    }
}
