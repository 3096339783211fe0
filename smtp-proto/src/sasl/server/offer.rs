//! What a server offers, and what changes from one exchange to the next.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::limits::SCRAM_MIN_ITERATIONS;
use crate::sasl::secret::Secret;
use crate::sasl::{Bindings, Mechanism, Nonce, TokenHints};

/// The mechanisms that a server offers, with what they need. Made once; a clone shares it.
#[derive(Clone, Default)]
pub struct Offer(Arc<Settings>);

#[derive(Clone, Default)]
struct Settings {
    mechanisms: Vec<Mechanism>,
    hints: TokenHints,
    host: String,
    decoys: Option<Secret<Vec<u8>>>,
    decoy_iterations: u32,
}

impl Offer {
    /// Offers these mechanisms, in this order.
    ///
    /// SCRAM is offered once [`scram`](Self::scram) is called, CRAM-MD5 once [`cram_md5`](Self::cram_md5) is, either
    /// only where its feature is on; a mechanism that is not spoken here never is.
    #[must_use]
    pub fn new(mechanisms: &[Mechanism]) -> Self {
        Self(Arc::new(Settings { mechanisms: mechanisms.into(), ..Settings::default() }))
    }

    /// Lets SCRAM be offered. From `secret` salts are made up for users that are not there, so that they look like
    /// the others: random octets that stay the same, over restarts too. `iterations` is what the keys of real users
    /// have; it does not go below [`SCRAM_MIN_ITERATIONS`].
    #[must_use]
    pub fn scram(mut self, secret: &[u8], iterations: u32) -> Self {
        let settings = Arc::make_mut(&mut self.0);
        settings.decoys = Some(Secret::new(secret.into()));
        settings.decoy_iterations = iterations.max(SCRAM_MIN_ITERATIONS);
        self
    }

    /// Lets CRAM-MD5 be offered; `host` stands in its challenges.
    #[must_use]
    pub fn cram_md5(mut self, host: &str) -> Self {
        Arc::make_mut(&mut self.0).host = host.into();
        self
    }

    /// What clients are told whose tokens are refused.
    #[must_use]
    pub fn tokens(mut self, hints: TokenHints) -> Self {
        Arc::make_mut(&mut self.0).hints = hints;
        self
    }

    /// The mechanisms to announce on a connection with these bindings: the -PLUS forms where there are any.
    pub fn mechanisms(&self, bindings: &Bindings) -> impl Iterator<Item = Mechanism> + '_ {
        let bound = !bindings.is_empty();
        self.0.mechanisms.iter().copied().filter(move |&mechanism| self.can(mechanism, bound))
    }

    pub(super) fn has(&self, mechanism: Mechanism, bound: bool) -> bool {
        self.0.mechanisms.contains(&mechanism) && self.can(mechanism, bound)
    }

    fn can(&self, mechanism: Mechanism, bound: bool) -> bool {
        match mechanism {
            Mechanism::PLAIN | Mechanism::LOGIN | Mechanism::EXTERNAL | Mechanism::ANONYMOUS => true,
            Mechanism::XOAUTH2 | Mechanism::OAUTHBEARER => true,
            Mechanism::CRAM_MD5 => cfg!(feature = "cram-md5") && !self.0.host.is_empty(),
            _ if !mechanism.is_scram() || !cfg!(feature = "scram") => false,
            _ => self.0.decoys.is_some() && (bound || !mechanism.binds_channel()),
        }
    }

    pub(super) fn token_hints(&self) -> &TokenHints {
        &self.0.hints
    }
}

#[cfg(feature = "cram-md5")]
impl Offer {
    pub(super) fn host(&self) -> &str {
        &self.0.host
    }
}

#[cfg(feature = "scram")]
impl Offer {
    /// How `mechanism` stands to channel binding.
    pub(super) fn plus(
        &self,
        mechanism: Mechanism,
        hash: crate::sasl::ScramHash,
        bound: bool,
    ) -> crate::sasl::scram::Plus {
        use crate::sasl::scram::Plus;
        if mechanism.binds_channel() {
            Plus::Used
        } else if self.has(hash.plus(), bound) {
            Plus::Offered
        } else {
            Plus::NotOffered
        }
    }

    pub(super) fn decoy_secret(&self) -> &[u8] {
        self.0.decoys.as_ref().map_or(&[], |secret| secret)
    }

    pub(super) fn decoy_iterations(&self) -> u32 {
        self.0.decoy_iterations
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("mechanisms", &self.0.mechanisms).finish_non_exhaustive()
    }
}

/// What one exchange needs from outside: randomness, the time, and the TLS connection's bindings.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub(super) bindings: Bindings,
    #[cfg_attr(not(feature = "scram"), allow(dead_code, reason = "SCRAM reads it"))]
    pub(super) nonce: Nonce,
    #[cfg_attr(not(feature = "cram-md5"), allow(dead_code, reason = "CRAM-MD5 reads it"))]
    challenge: Challenge,
}

#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "cram-md5"), allow(dead_code, reason = "CRAM-MD5 reads it"))]
enum Challenge {
    Made { random: u64, clock: u64 },
    Fixed(Vec<u8>),
}

impl Inputs {
    /// `random` is from the operating system's generator and used for one exchange only; `clock` is seconds since
    /// 1970, for CRAM-MD5, and need not be exact.
    #[must_use]
    pub fn new(random: [u8; 32], clock: u64) -> Self {
        let [.., a, b, c, d, e, f, g, h] = random;
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&random[..24]);
        let random = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Self {
            bindings: Bindings::new(),
            nonce: Nonce::new(&nonce),
            challenge: Challenge::Made { random, clock },
        }
    }

    /// The bindings of the TLS connection; without them -PLUS is neither offered nor taken.
    #[must_use]
    pub fn bindings(mut self, bindings: Bindings) -> Self {
        self.bindings = bindings;
        self
    }

    /// A given nonce in place of a random one: for tests.
    #[must_use]
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = nonce;
        self
    }

    /// A given CRAM-MD5 challenge in place of a random one: for tests.
    #[must_use]
    pub fn challenge(mut self, challenge: &[u8]) -> Self {
        self.challenge = Challenge::Fixed(challenge.into());
        self
    }

    pub(super) const fn bound(&self) -> bool {
        !self.bindings.is_empty()
    }

    #[cfg(feature = "cram-md5")]
    pub(super) fn cram_md5_challenge(&self, host: &str) -> Vec<u8> {
        match &self.challenge {
            Challenge::Made { random, clock } => crate::sasl::cram_md5::challenge(*random, *clock, host),
            Challenge::Fixed(challenge) => challenge.clone(),
        }
    }
}

/// Of an exchange that is over: nothing is made of it.
impl Default for Inputs {
    fn default() -> Self {
        Self::new([0; 32], 0)
    }
}
