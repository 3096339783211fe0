//! What a transcript says of its server.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::str::FromStr;

use super::script::Script;
use crate::sasl::Mechanism;
use crate::server::{AuthWhen, Extension, Peer, ServerConfig};
use crate::wire::leniency::Leniency;

impl Script {
    /// The server's configuration, without the checks that look at when octets arrive.
    ///
    /// # Errors
    /// When a setting is unknown.
    pub fn config(&self) -> Result<ServerConfig, String> {
        let name = "mx.example";
        let made = if self.is_lmtp() { ServerConfig::lmtp(name) } else { ServerConfig::new(name) };
        let config = made.map_err(|error| error.to_string())?.without_arrival_checks();
        self.settings.iter().try_fold(config, |config, setting| {
            let words: Vec<&str> = setting.split(' ').collect();
            match words[0] {
                "lmtp" | "peer" | "only" => Ok(config),
                "size" | "recipients" | "errors" | "junk" | "deliverby" | "hold" => number(config, &words),
                _ => changed(config, &words),
            }
        })
    }

    /// Whether the server speaks LMTP.
    #[must_use]
    pub fn is_lmtp(&self) -> bool {
        self.has("lmtp")
    }

    /// Where the client connects from.
    #[must_use]
    pub fn peer(&self) -> Peer {
        let address = self.settings.iter().find_map(|setting| setting.strip_prefix("peer "));
        address
            .and_then(|ip| ip.parse().ok())
            .map_or(Peer::unknown(), |ip: IpAddr| Peer::at((ip, 4_711).into()))
    }
}

/// A limit that is a number.
fn number(config: ServerConfig, words: &[&str]) -> Result<ServerConfig, String> {
    let number: u32 = argument(words, 1)?;
    Ok(config.limits(|limits| match words[0] {
        "size" => limits.message = u64::from(number),
        "recipients" => limits.recipients = number,
        "errors" => (limits.errors, limits.free_errors) = (number, number),
        "junk" => limits.junk = number,
        "deliverby" => limits.deliver_by = number,
        _ => limits.hold = number,
    }))
}

/// Any other setting.
fn changed(config: ServerConfig, words: &[&str]) -> Result<ServerConfig, String> {
    let word = words.get(1).copied().unwrap_or_default();
    Ok(match words[0] {
        "keep" => {
            config.leniency(Leniency::STRICT.with(Leniency::BARE_CR_IN_DATA).with(Leniency::BARE_LF_IN_DATA))
        }
        "leniency" => config.leniency(leniency(word)?),
        "submission" => config.require_auth(),
        "offer" => config.offer(extension(word)?),
        "withhold" => config.withhold(extension(word)?),
        "hold_until" => config.hold_until(word).map_err(|error| error.to_string())?,
        "trust" => config.trust(argument(words, 1)?, argument(words, 2)?),
        "auth" => {
            let always = words.last() == Some(&"always");
            let names = words[1..].iter().filter(|word| **word != "always");
            let mechanisms: Option<Vec<Mechanism>> =
                names.map(|name| Mechanism::parse(name.as_bytes())).collect();
            let mechanisms = mechanisms.ok_or_else(|| format!("mechanisms wanted: {words:?}"))?;
            config.auth(&mechanisms, if always { AuthWhen::Always } else { AuthWhen::Tls })
        }
        _ => return Err(format!("unknown setting: {words:?}")),
    })
}

fn argument<T: FromStr>(words: &[&str], i: usize) -> Result<T, String> {
    words.get(i).and_then(|word| word.parse().ok()).ok_or_else(|| format!("a value is missing: {words:?}"))
}

fn leniency(name: &str) -> Result<Leniency, String> {
    match name {
        "submission" => Ok(Leniency::SUBMISSION),
        "devices" => Ok(Leniency::DEVICES),
        _ => Leniency::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(one, _)| *one)
            .ok_or_else(|| format!("unknown leniency: {name}")),
    }
}

fn extension(name: &str) -> Result<Extension, String> {
    Ok(match name {
        "PIPELINING" => Extension::Pipelining,
        "8BITMIME" => Extension::EightBitMime,
        "ENHANCEDSTATUSCODES" => Extension::EnhancedStatusCodes,
        "SMTPUTF8" => Extension::Smtputf8,
        "CHUNKING" => Extension::Chunking,
        "BINARYMIME" => Extension::BinaryMime,
        "DSN" => Extension::Dsn,
        "REQUIRETLS" => Extension::RequireTls,
        "VRFY" => Extension::Vrfy,
        "EXPN" => Extension::Expn,
        "ETRN" => Extension::Etrn,
        "STARTTLS" => Extension::StartTls,
        "LIMITS" => Extension::Limits,
        "DELIVERBY" => Extension::DeliverBy,
        "FUTURERELEASE" => Extension::FutureRelease,
        "MT-PRIORITY" => Extension::MtPriority,
        "RRVS" => Extension::Rrvs,
        "XCLIENT" => Extension::Xclient,
        "XFORWARD" => Extension::Xforward,
        _ => return Err(format!("unknown extension: {name}")),
    })
}
