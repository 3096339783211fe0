//! How each mechanism begins, and what it then waits for.

use alloc::string::String;
use alloc::vec::Vec;

use super::credentials::{Credentials, Kind, StartError};
use super::{Failure, Inputs};
use crate::sasl::secret::Secret;
use crate::sasl::{Mechanism, oauthbearer, plain, xoauth2};

/// Where a client's exchange stands.
pub(super) enum State {
    /// The client speaks first and has not yet.
    Initial {
        message: Secret<Vec<u8>>,
        then: Then,
    },
    /// LOGIN: both are asked for, in this order.
    LoginUser {
        user: Secret<Vec<u8>>,
        password: Secret<Vec<u8>>,
    },
    LoginPassword {
        password: Secret<Vec<u8>>,
    },
    #[cfg(feature = "cram-md5")]
    CramMd5 {
        user: String,
        password: Secret<String>,
    },
    /// The client has spoken.
    After(Then),
    Failed(Failure),
}

/// What a client that has spoken waits for.
pub(super) enum Then {
    /// The reply: it has nothing to say to a challenge.
    Reply,
    /// The reply, or why the token is refused, which is answered with these octets.
    Refusal(&'static [u8]),
    #[cfg(feature = "scram")]
    ServerFirst(crate::sasl::scram::Client),
    #[cfg(feature = "scram")]
    ServerFinal(crate::sasl::scram::Expected),
}

/// What a state is while another is made of it.
impl Default for State {
    fn default() -> Self {
        Self::Failed(Failure::Unexpected)
    }
}

impl State {
    /// Whether a challenge only asks to go on.
    pub(super) const fn ignores_text(&self) -> bool {
        matches!(self, Self::Initial { .. } | Self::LoginUser { .. } | Self::LoginPassword { .. })
    }

    /// Whether a challenge can only be a refusal.
    pub(super) const fn hears_refusal(&self) -> bool {
        matches!(self, Self::After(Then::Refusal(_)))
    }
}

fn text(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().into())
}

/// Checks that all goes together and makes the first state.
pub(super) fn open(
    mechanism: Mechanism,
    credentials: &Credentials,
    inputs: &Inputs,
) -> Result<State, StartError> {
    credentials.check(mechanism)?;
    let authzid = credentials.authzid();
    Ok(match (mechanism, credentials.kind()) {
        (Mechanism::PLAIN, Kind::Password { user, password }) => {
            let message = plain::Message { authzid: authzid.unwrap_or_default(), user, password };
            State::Initial { message: message.write(), then: Then::Reply }
        }
        (Mechanism::LOGIN, Kind::Password { user, password }) => {
            State::LoginUser { user: text(user), password: text(password) }
        }
        #[cfg(feature = "cram-md5")]
        (Mechanism::CRAM_MD5, Kind::Password { user, password }) => {
            State::CramMd5 { user: user.clone(), password: password.clone() }
        }
        #[cfg(feature = "scram")]
        (_, Kind::Password { user, password }) => scram(mechanism, user, password, authzid, inputs)?,
        (Mechanism::XOAUTH2, Kind::Token { user, token }) => {
            let message = xoauth2::Message { user, token }.write();
            State::Initial { message, then: Then::Refusal(b"") }
        }
        (Mechanism::OAUTHBEARER, Kind::Token { user, token }) => {
            let authzid = authzid.or(Some(user)).filter(|authzid| !authzid.is_empty());
            let (host, port) = inputs.server.as_ref().map(|(host, port)| (host.as_str(), *port)).unzip();
            let message = oauthbearer::Message { authzid: authzid.map(String::from), host, port, token };
            // RFC 7628 §3.2.3: the answer to a refusal is one ^A.
            State::Initial { message: message.write(), then: Then::Refusal(b"\x01") }
        }
        (Mechanism::EXTERNAL, Kind::External) => {
            State::Initial { message: text(authzid.unwrap_or_default()), then: Then::Reply }
        }
        (Mechanism::ANONYMOUS, Kind::Anonymous { trace }) => {
            State::Initial { message: text(trace), then: Then::Reply }
        }
        _ => return Err(StartError::Mechanism(mechanism)),
    })
}

#[cfg(feature = "scram")]
fn scram(
    mechanism: Mechanism,
    user: &str,
    password: &str,
    authzid: Option<&str>,
    inputs: &Inputs,
) -> Result<State, StartError> {
    use crate::sasl::saslprep;
    use crate::sasl::scram::{Binding, Client, Login, ScramHash};

    let hash = ScramHash::of(mechanism).ok_or(StartError::Mechanism(mechanism))?;
    let user = saslprep::query(user).map_err(StartError::Prepare)?;
    let password = saslprep::stored(password).map_err(StartError::Prepare)?;
    let login = Login { user: &user, authzid, password: Secret::new(password.into_owned()) };
    let binding = match inputs.bindings.best() {
        Some((kind, octets)) if mechanism.binds_channel() => Binding::Used(kind, octets),
        None if mechanism.binds_channel() => return Err(StartError::Unbound),
        // RFC 5802 §6: "y" tells a server that did offer -PLUS that somebody took it out.
        Some(_) if !inputs.plus_offered.contains(&hash.plus()) => Binding::Unoffered,
        Some(_) | None => Binding::None,
    };
    let (client, first) = Client::new(hash, login, binding, &inputs.nonce, inputs.min_iterations);
    Ok(State::Initial { message: Secret::new(first.into_bytes()), then: Then::ServerFirst(client) })
}
