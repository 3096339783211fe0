//! AUTH.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::output::Output;
use super::session::{ClientSession, Heard, Phase};
use super::step::{CloseReason, Ready, Sent};
use crate::limits;
use crate::sasl::Mechanism;
use crate::sasl::client::{
    Answer, Credentials, Exchange, Failure, Inputs, NoMechanism, StartError, Trust, select,
};
use crate::server::TlsInfo;
use crate::wire::base64::{self, Base64};

/// Why AUTH can't be said. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no mechanism to use, or the server is not trusted with credentials.
    #[error(transparent)]
    Mechanism(#[from] NoMechanism),
    /// The credentials can't be sent.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The session is authenticated (RFC 4954 §4).
    #[error("AUTH succeeded already")]
    Already,
}

/// An exchange that runs.
pub(crate) struct Login {
    mechanism: Mechanism,
    /// `None` where the application answers.
    exchange: Option<Exchange>,
    /// The initial response that did not fit the AUTH line.
    late: Option<Zeroizing<Vec<u8>>>,
    failure: Option<Failure>,
}

impl Ready<'_> {
    /// Logs in with the strongest mechanism that the server offers and the credentials can use. `random` is from the
    /// operating system's generator, for this exchange alone. How it ended is
    /// [`ClientSession::auth_outcome`], once `Ready` is back.
    ///
    /// # Errors
    /// When nothing in common is offered, or without verified TLS, unless
    /// [`insecure_credentials`](super::ClientConfig::insecure_credentials) is set.
    pub fn auth(self, credentials: &Credentials, random: &[u8; 24]) -> Result<(), AuthError> {
        let session = self.session;
        let trust = session.trust();
        if matches!(session.auth, Some(Ok(_))) {
            return Err(AuthError::Already);
        }
        let offered: Vec<Mechanism> =
            session.extensions().map(|offer| offer.auth().collect()).unwrap_or_default();
        let bindings = session.tls().map(TlsInfo::bindings).unwrap_or_default();
        let mechanism = select(offered.iter().copied(), credentials, &bindings, trust)?;
        let mut inputs =
            Inputs::new(random, offered).bindings(bindings).min_iterations(session.config.min_iterations);
        if let Some((host, port)) = &session.config.server {
            inputs = inputs.server(host, *port);
        }
        let mut exchange = Exchange::start(mechanism, credentials, &inputs)?;
        let late = session.say_auth(mechanism, exchange.initial());
        let login = Login { mechanism, exchange: Some(exchange), late, failure: None };
        session.begin_auth(login);
        Ok(())
    }

    /// Begins an exchange whose challenges the application answers ([`ClientStep::Challenge`](super::ClientStep)).
    ///
    /// # Errors
    /// As [`auth`](Self::auth): the same trust is needed.
    pub fn auth_by_hand(self, mechanism: Mechanism, initial: Option<&[u8]>) -> Result<(), AuthError> {
        let session = self.session;
        if session.trust() == Trust::None {
            return Err(NoMechanism::Untrusted.into());
        }
        if matches!(session.auth, Some(Ok(_))) {
            return Err(AuthError::Already);
        }
        let late = session.say_auth(mechanism, initial);
        session.begin_auth(Login { mechanism, exchange: None, late, failure: None });
        Ok(())
    }
}

impl ClientSession {
    fn trust(&self) -> Trust {
        if self.is_verified() {
            Trust::Verified
        } else if self.config.insecure_credentials {
            Trust::Insecure
        } else {
            Trust::None
        }
    }

    /// What the server said of the last AUTH before its reply: JSON for tokens (RFC 7628 §3.2.2), `e=` and a word for SCRAM
    /// (RFC 5802 §7). `None` where it said nothing of the kind. It is the server's, and unchecked.
    #[must_use]
    pub fn auth_words(&self) -> Option<&[u8]> {
        self.auth_words.as_deref()
    }

    /// Writes AUTH with its initial response, or returns that for later where the line would be too long for it
    /// (RFC 4954 §4).
    fn say_auth(&mut self, mechanism: Mechanism, initial: Option<&[u8]>) -> Option<Zeroizing<Vec<u8>>> {
        self.output.begin_secret(limits::COMMAND_LINE_WRITTEN);
        self.output.extend_from_slice(b"AUTH ");
        self.output.extend_from_slice(mechanism.as_str().as_bytes());
        let mut late = None;
        match initial {
            Some([]) => self.output.extend_from_slice(b" ="),
            Some(octets) if fits(mechanism, octets) => {
                self.output.extend_from_slice(b" ");
                base64::encode(octets, self.output.octets());
            }
            Some(octets) => late = Some(Zeroizing::new(octets.to_vec())),
            None => {}
        }
        self.output.extend_from_slice(b"\r\n");
        late
    }

    fn begin_auth(&mut self, login: Login) {
        self.auth = None;
        self.auth_words = None;
        self.login = Some(alloc::boxed::Box::new(login));
        self.auth_deadline = self.now + self.config.timeouts.auth;
        self.phase = Phase::Auth;
    }

    pub(crate) fn on_auth(&mut self, heard: Heard) {
        match (heard.code, heard.class()) {
            (334, _) => self.on_challenge(),
            (code, 2 | 4 | 5) => self.end_auth(code),
            (code, _) => self.break_off(CloseReason::OutOfStep { to: Sent::Auth, code }),
        }
    }

    fn on_challenge(&mut self) {
        let text = Zeroizing::new(self.challenge_text().to_vec());
        let is_strict = self.config.leniency.is_strict();
        let Some(login) = self.login.as_deref_mut() else { return };
        if login.failure.is_some() {
            // It goes on after "*".
            return self.break_off(CloseReason::OutOfStep { to: Sent::Auth, code: 334 });
        }
        if is_strict && Base64::parse(&text).is_err() {
            login.failure = Some(Failure::Base64);
        } else if let Some(late) = login.late.take() {
            put_line(&mut self.output, &late);
        } else if let Some(exchange) = &mut login.exchange {
            match exchange.answer_text(&text) {
                Answer::Send(octets) => put_line(&mut self.output, octets),
                Answer::Cancel(failure) => login.failure = Some(failure),
            }
        } else {
            self.phase = Phase::Challenge;
            return;
        }
        if login.failure.is_some() {
            self.output.extend_from_slice(b"*\r\n");
        }
    }

    fn end_auth(&mut self, code: u16) {
        self.phase = Phase::Ready;
        let Some(login) = self.login.take() else { return };
        self.auth_words = login.exchange.as_ref().and_then(|exchange| exchange.server_said().map(Into::into));
        let ended = match (login.failure, login.exchange) {
            (Some(failure), _) => Err(failure),
            (None, Some(exchange)) => exchange.finish(code),
            (None, None) if code / 100 == 2 => Ok(()),
            (None, None) => Err(Failure::Refused),
        };
        self.auth = Some(ended.map(|()| login.mechanism));
        if ended.is_err() && code / 100 == 2 {
            self.break_off(CloseReason::Unproven);
        }
    }

    /// The text behind 334, trimmed: some servers send no space behind the code, some two.
    pub(crate) fn challenge_text(&self) -> &[u8] {
        let text = self.collector.last().raw_lines().next().unwrap_or_default();
        if self.config.leniency.is_strict() { text } else { text.trim_ascii() }
    }

    pub(crate) fn answer_challenge(&mut self, octets: &[u8]) {
        put_line(&mut self.output, octets);
        self.phase = Phase::Auth;
    }

    pub(crate) fn cancel_challenge(&mut self) {
        if let Some(login) = self.login.as_deref_mut() {
            login.failure = Some(Failure::Refused);
        }
        self.output.extend_from_slice(b"*\r\n");
        self.phase = Phase::Auth;
    }
}

fn fits(mechanism: Mechanism, initial: &[u8]) -> bool {
    let around = b"AUTH  \r\n".len() + mechanism.as_str().len();
    around + base64::encoded_len(initial.len()) <= limits::COMMAND_LINE_WRITTEN
}

fn put_line(out: &mut Output, octets: &[u8]) {
    out.begin_secret(base64::encoded_len(octets.len()) + b"\r\n".len());
    base64::encode(octets, out.octets());
    out.extend_from_slice(b"\r\n");
}
