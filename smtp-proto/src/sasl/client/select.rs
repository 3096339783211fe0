//! Which mechanism to use.

use super::Credentials;
use crate::sasl::{Bindings, Mechanism};

/// Whether secrets may be shown to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// TLS is in force and the server's certificate was verified.
    Verified,
    /// It is not, and the user threw the switch that says so by name.
    Insecure,
    /// It is not: nothing is sent.
    None,
}

/// Why no mechanism can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoMechanism {
    /// Credentials are not shown to a server that was not verified.
    #[error("the server is not verified by TLS, credentials are not sent")]
    Untrusted,
    /// The server offers none that these credentials can use.
    #[error("the server offers no mechanism that the credentials can use")]
    NoneInCommon,
}

/// Best first where TLS keeps the exchange to two. CRAM-MD5 comes last: servers announce it that have nothing to
/// check it with, and under TLS it protects from nobody but the server.
const UNDER_TLS: [Mechanism; 11] = [
    Mechanism::SCRAM_SHA_256_PLUS,
    Mechanism::SCRAM_SHA_1_PLUS,
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_1,
    Mechanism::EXTERNAL,
    Mechanism::OAUTHBEARER,
    Mechanism::XOAUTH2,
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::ANONYMOUS,
];

/// Best first where others may listen: nothing that shows the secret, as long as there is something else.
const IN_CLEAR: [Mechanism; 9] = [
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_1,
    Mechanism::CRAM_MD5,
    Mechanism::EXTERNAL,
    Mechanism::OAUTHBEARER,
    Mechanism::XOAUTH2,
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::ANONYMOUS,
];

/// Picks the strongest mechanism that the server offers and the credentials can use. The server's order counts for
/// nothing: who alters it must not choose.
///
/// # Errors
/// [`NoMechanism::Untrusted`] without trust, whatever is offered.
pub fn select(
    offered: impl IntoIterator<Item = Mechanism>,
    credentials: &Credentials,
    bindings: &Bindings,
    trust: Trust,
) -> Result<Mechanism, NoMechanism> {
    let order: &[Mechanism] = match trust {
        Trust::Verified => &UNDER_TLS,
        Trust::Insecure => &IN_CLEAR,
        Trust::None => return Err(NoMechanism::Untrusted),
    };
    let rank = |mechanism: Mechanism| {
        let bound = !mechanism.binds_channel() || !bindings.is_empty();
        let usable = bound && credentials.check(mechanism).is_ok();
        order.iter().position(|&known| usable && known == mechanism)
    };
    let best = offered.into_iter().filter_map(rank).min();
    best.and_then(|rank| order.get(rank).copied()).ok_or(NoMechanism::NoneInCommon)
}
