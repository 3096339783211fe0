//! Passwords: hashed so that a stolen file is of little use, checked so that the time tells nothing.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use smtp_proto::limits::SCRAM_SALT;
use smtp_proto::sasl::{self, ScramHash, ScramKeys, saslprep};
use tokio::sync::Semaphore;

use crate::config::Auth;

/// Octets of a password hash's salt (RFC 9106 §4).
const SALT: usize = 16;

/// Hashes and checks passwords, at the cost that the settings say.
#[derive(Debug)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    scram_iterations: u32,
    /// What the password of somebody who does not exist is compared with.
    nobody: String,
    /// Checks that run at once: each takes the memory that the settings say.
    places: Semaphore,
}

impl Passwords {
    /// The error says what about the settings does not do.
    pub(crate) fn new(auth: &Auth) -> Result<Self, String> {
        let params = Params::new(auth.argon2_memory_kib, auth.argon2_passes, 1, None)
            .map_err(|error| error.to_string())?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, &random_text())?;
        let places = Semaphore::new(auth.checks_at_once);
        Ok(Self { argon2, scram_iterations: auth.scram_iterations, nobody, places })
    }

    /// The hash of a password, as text. It takes as long as it should: run it where it may block.
    ///
    /// The error says why a password does not do.
    pub(crate) fn hash(&self, password: &str) -> Result<String, String> {
        let prepared = saslprep::stored(password).map_err(|error| error.to_string())?;
        if prepared.is_empty() {
            return Err("it is empty".to_owned());
        }
        hash(&self.argon2, &prepared)
    }

    /// The SCRAM keys of a password; it takes its time too.
    pub(crate) fn keys(&self, password: &str) -> Result<ScramKeys, String> {
        let salt: [u8; SCRAM_SALT] = random()?;
        ScramKeys::derive(ScramHash::Sha256, password, &salt, self.scram_iterations)
            .map_err(|error| error.to_string())
    }

    /// Whether a hash was made at today's cost.
    pub(crate) fn is_current(&self, hash: &str) -> bool {
        PasswordHash::new(hash).is_ok_and(|hash| {
            let (made, now) = (Params::try_from(&hash), self.argon2.params());
            hash.algorithm == Algorithm::Argon2id.ident()
                && made.is_ok_and(|made| (made.m_cost(), made.t_cost()) == (now.m_cost(), now.t_cost()))
        })
    }

    /// Whether SCRAM keys were made at today's cost. Were they not, their number of iterations would tell users from
    /// names that nobody has.
    pub(crate) fn are_current(&self, keys: &ScramKeys) -> bool {
        keys.iterations() == self.scram_iterations
    }

    /// Checks a password. Without a hash it takes the same time and says no.
    pub(crate) async fn check(&self, password: &str, hash: Option<&str>) -> bool {
        let Ok(_place) = self.places.acquire().await else { return false };
        let (password, there) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let right = tokio::task::spawn_blocking(move || matches(&password, &hash)).await;
        right.unwrap_or(false) && there
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, String> {
    let salt: [u8; SALT] = random()?;
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// The cost is the hash's own.
fn matches(password: &str, hash: &str) -> bool {
    if let Some(keys) = ScramKeys::parse(hash) {
        let made = ScramKeys::derive(keys.hash(), password, keys.salt(), keys.iterations());
        return made.is_ok_and(|made| sasl::same(made.to_text().as_bytes(), keys.to_text().as_bytes()));
    }
    // What can't be prepared is nobody's password, but is compared all the same for the time it takes.
    let prepared = saslprep::query(password).unwrap_or_else(|_| password.into());
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(prepared.as_bytes(), &hash).is_ok())
}

/// Whether this is a hash that can be checked.
pub(crate) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        Algorithm::try_from(hash.algorithm.as_str()).is_ok()
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok()
    })
}

/// Octets from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| format!("the system has no random numbers: {error}"))?;
    Ok(octets)
}

/// Letters and digits that nobody guesses and everybody can type: 16 of 32, 80 bits.
pub(crate) fn random_text() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    let octets: [u8; 16] = random().unwrap_or_default();
    octets.iter().map(|octet| char::from(LETTERS[usize::from(octet % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(&Auth { argon2_memory_kib: 64, argon2_passes: 1, ..Auth::default() }).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_and_no_other_matches() {
        let passwords = passwords();
        let hash = passwords.hash("pass\u{AD}word \u{E9}").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && is_hash(&hash), "{hash}");
        for (given, right, why) in [
            ("password \u{E9}", true, "a soft hyphen is nothing (RFC 4013)"),
            ("password e\u{301}", true, "composed or not"),
            ("password e", false, "another letter"),
            ("Password \u{E9}", false, "another case"),
            ("", false, "nothing"),
            ("a\x07", false, "what can't be prepared"),
        ] {
            assert_eq!(passwords.check(given, Some(&hash)).await, right, "{why}");
        }
        let keys = passwords.keys("password \u{E9}").unwrap().to_text();
        assert!(passwords.check("pass\u{AD}word \u{E9}", Some(&keys)).await, "keys do as a hash");
        assert!(!passwords.check("password", Some(&keys)).await);
        assert!(!passwords.check("password \u{E9}", None).await, "nobody has no password");
        assert!(!passwords.check("x", Some("no hash")).await);
    }

    #[test]
    fn hashes_and_keys_of_another_cost_are_told_apart() {
        let (cheap, now) =
            (passwords(), Auth { argon2_memory_kib: 128, argon2_passes: 1, ..Auth::default() });
        let now = Passwords::new(&now).unwrap();
        let hash = cheap.hash("x").unwrap();
        assert!(cheap.is_current(&hash) && !now.is_current(&hash) && !now.is_current("$1$x"));
        assert!(now.are_current(&now.keys("x").unwrap()));
    }

    #[test]
    fn nobodys_password_costs_what_a_users_does() {
        let passwords = passwords();
        assert!(passwords.is_current(&passwords.nobody));
    }

    #[test]
    fn only_what_can_be_checked_is_a_hash() {
        for (text, why) in [
            ("", "nothing"),
            ("$1$salt$hash", "an old system hash"),
            ("$argon2id$v=19$m=64,t=1,p=1", "no hash in it"),
            ("$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "another algorithm"),
        ] {
            assert!(!is_hash(text), "{why}");
        }
    }

    #[test]
    fn made_up_passwords_differ() {
        assert_ne!(random_text(), random_text());
        assert_eq!(random_text().len(), 16);
    }
}
