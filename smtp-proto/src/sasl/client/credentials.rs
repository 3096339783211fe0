//! What a client logs in with.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::sasl::secret::Secret;
use crate::sasl::{Mechanism, anonymous};

/// What a client logs in with. `Debug` shows no secret, and dropping it wipes them.
#[derive(Clone)]
pub struct Credentials {
    kind: Kind,
    authzid: Option<String>,
    only: Option<Vec<Mechanism>>,
}

#[derive(Clone)]
pub(super) enum Kind {
    Password { user: String, password: Secret<String> },
    Token { user: String, token: Secret<String> },
    External,
    Anonymous { trace: String },
}

/// Why an exchange can't begin. Nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The mechanism is not spoken here, its feature is off, or it takes credentials of another kind.
    #[error("{0} does not go with these credentials")]
    Mechanism(Mechanism),
    /// A name, password or token is empty or holds a character that would end it early (NUL, ^A).
    #[error("a name, password or token is empty or holds a character that can't be sent")]
    Character,
    /// User or password can't be prepared, which SCRAM needs.
    #[cfg(feature = "saslprep")]
    #[error("user or password: {0}")]
    Prepare(crate::sasl::saslprep::PrepError),
    /// A -PLUS mechanism without a channel binding.
    #[error("no channel binding for a -PLUS mechanism")]
    Unbound,
}

impl Credentials {
    fn of(kind: Kind) -> Self {
        Self { kind, authzid: None, only: None }
    }

    /// A user's name and password: SCRAM, PLAIN, LOGIN, CRAM-MD5.
    #[must_use]
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::of(Kind::Password { user: user.into(), password: Secret::new(password.into()) })
    }

    /// A user's name and access token: OAUTHBEARER, which takes an empty name too, and XOAUTH2.
    #[must_use]
    pub fn token(user: impl Into<String>, token: impl Into<String>) -> Self {
        Self::of(Kind::Token { user: user.into(), token: Secret::new(token.into()) })
    }

    /// The client's certificate: EXTERNAL.
    #[must_use]
    pub fn external() -> Self {
        Self::of(Kind::External)
    }

    /// None; the trace says who it may be and may be empty: ANONYMOUS, which test servers take.
    #[must_use]
    pub fn anonymous(trace: impl Into<String>) -> Self {
        Self::of(Kind::Anonymous { trace: trace.into() })
    }

    /// Asks to act as somebody else. LOGIN, CRAM-MD5 and XOAUTH2 can't say that and are not used then.
    #[must_use]
    pub fn acting_as(mut self, authzid: impl Into<String>) -> Self {
        self.authzid = Some(authzid.into());
        self
    }

    /// Uses no mechanism but these.
    #[must_use]
    pub fn only(mut self, mechanisms: &[Mechanism]) -> Self {
        self.only = Some(mechanisms.into());
        self
    }

    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(super) fn authzid(&self) -> Option<&str> {
        self.authzid.as_deref()
    }

    /// Whether `mechanism` can carry them.
    pub(super) fn check(&self, mechanism: Mechanism) -> Result<(), StartError> {
        let spoken = self.only.as_ref().is_none_or(|only| only.contains(&mechanism));
        if !spoken || !self.speaks(mechanism) {
            return Err(StartError::Mechanism(mechanism));
        }
        let sound = match &self.kind {
            // PLAIN separates its parts with NUL; the others send what RFC 4013 lets through.
            Kind::Password { user, password } => {
                is_name(user) && !password.is_empty() && !password.contains('\0')
            }
            Kind::Token { user, token } => {
                (is_name(user) || user.is_empty() && mechanism == Mechanism::OAUTHBEARER) && is_token(token)
            }
            Kind::External => true,
            Kind::Anonymous { trace } => anonymous::parse(trace.as_bytes()).is_some(),
        };
        if !sound || !self.authzid().is_none_or(is_name) {
            return Err(StartError::Character);
        }
        #[cfg(feature = "scram")]
        if let (Kind::Password { user, password }, true) = (&self.kind, mechanism.is_scram()) {
            use crate::sasl::saslprep;
            let user = saslprep::query(user).map_err(StartError::Prepare)?;
            let password = Secret::new(saslprep::stored(password).map_err(StartError::Prepare)?.into_owned());
            if user.is_empty() || password.is_empty() {
                return Err(StartError::Character);
            }
        }
        Ok(())
    }

    fn speaks(&self, mechanism: Mechanism) -> bool {
        match (&self.kind, mechanism) {
            (Kind::Password { .. }, Mechanism::PLAIN) => true,
            (Kind::Password { .. }, Mechanism::LOGIN) => self.authzid.is_none(),
            (Kind::Password { .. }, Mechanism::CRAM_MD5) => {
                cfg!(feature = "cram-md5") && self.authzid.is_none()
            }
            (Kind::Password { .. }, _) => cfg!(feature = "scram") && mechanism.is_scram(),
            (Kind::Token { .. }, Mechanism::XOAUTH2) => self.authzid.is_none(),
            (Kind::Token { .. }, _) => mechanism == Mechanism::OAUTHBEARER,
            (Kind::External, _) => mechanism == Mechanism::EXTERNAL,
            (Kind::Anonymous { .. }, _) => mechanism == Mechanism::ANONYMOUS && self.authzid.is_none(),
        }
    }
}

/// Not empty, and no control character: in one message or another each of them ends a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// Visible ASCII (RFC 6750 §2.1 allows fewer).
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Credentials");
        match &self.kind {
            Kind::Password { user, password } => f.field("user", user).field("password", password),
            Kind::Token { user, token } => f.field("user", user).field("token", token),
            Kind::External => f.field("user", &"<certificate>"),
            Kind::Anonymous { trace } => f.field("trace", trace),
        };
        f.field("authzid", &self.authzid).field("only", &self.only).finish()
    }
}
