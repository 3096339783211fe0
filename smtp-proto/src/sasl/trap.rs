//! Collects what clients log in with, and believes everything.

use alloc::vec::Vec;
use core::fmt;

use super::{Mechanism, Nonce, login};
use crate::wire::base64::Base64;

/// What follows a step of a [`Trap`]. Exhaustive: there is nothing else.
#[must_use]
pub enum Next<'t> {
    /// Send these octets as a 334; the client's answer is the next step.
    Challenge(&'t [u8]),
    /// What the client logged in with: it is not checked against anything, and may be any octets.
    Credentials {
        /// The name; empty where the client gave none.
        user: &'t [u8],
        /// The password or token. With CRAM-MD5 and SCRAM the client sends none: here is its last message then,
        /// from which the password can be guessed.
        password: &'t [u8],
    },
}

/// The server's side of every mechanism for honeypots and mail catchers: it leads a client on until it has shown its
/// credentials, whatever it says and however malformed.
///
/// Announce PLAIN and LOGIN to see passwords. A SCRAM client that is let in notices that the server has not proved
/// itself. A client that breaks off is forgotten when it comes back with AUTH alone, or with another mechanism.
pub struct Trap {
    mechanism: Option<Mechanism>,
    /// The user's name, once LOGIN or SCRAM has it.
    user: Option<Vec<u8>>,
    last: Vec<u8>,
    nonce: Nonce,
}

impl Default for Trap {
    fn default() -> Self {
        Self::new()
    }
}

impl Trap {
    /// A trap. Its nonces are always the same, by which it can be known: see [`seeded`](Self::seeded).
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(&[0; 24])
    }

    /// A trap whose challenges are made of `random`.
    #[must_use]
    pub fn seeded(random: &[u8; 24]) -> Self {
        Self { mechanism: None, user: None, last: Vec::new(), nonce: Nonce::new(random) }
    }

    /// Takes what the client sent, AUTH's initial response or an answer.
    pub fn step(&mut self, mechanism: Mechanism, response: Option<Base64<'_>>) -> Next<'_> {
        if response.is_none() || self.mechanism != Some(mechanism) {
            self.user = None;
        }
        self.mechanism = Some(mechanism);
        let Some(response) = response else {
            return self.ask(mechanism);
        };
        self.last = response.decode();
        match mechanism {
            Mechanism::LOGIN => match self.user.take() {
                None => {
                    self.user = Some(core::mem::take(&mut self.last));
                    Next::Challenge(login::PASSWORD)
                }
                Some(user) => self.caught(user),
            },
            _ if mechanism.is_scram() => match self.user.take() {
                None => self.scram_first(),
                Some(user) => self.caught(user),
            },
            _ => self.split(mechanism),
        }
    }

    /// The first challenge of a mechanism whose client sent no initial response.
    fn ask(&mut self, mechanism: Mechanism) -> Next<'_> {
        self.last = match mechanism {
            Mechanism::LOGIN => login::USERNAME.into(),
            Mechanism::CRAM_MD5 => ["<", self.nonce.as_str(), "@localhost>"].concat().into_bytes(),
            _ => Vec::new(),
        };
        Next::Challenge(&self.last)
    }

    /// Credentials whose password is the whole last message.
    fn caught(&mut self, user: Vec<u8>) -> Next<'_> {
        self.mechanism = None;
        let user = self.user.insert(user);
        Next::Credentials { user, password: &self.last }
    }

    /// Answers a first message with keys that look like any.
    fn scram_first(&mut self) -> Next<'_> {
        let value = |name: &[u8]| {
            let parts = self.last.split(|&octet| octet == b',');
            parts.filter_map(|part| part.strip_prefix(name)).next().unwrap_or_default()
        };
        let parts = [b"r=", value(b"r="), self.nonce.as_str().as_bytes(), b",s=QSXCR+Q6sek8bf92,i=4096"];
        let (user, first) = (value(b"n=").to_vec(), parts.concat());
        self.user = Some(user);
        self.last = first;
        Next::Challenge(&self.last)
    }

    /// Takes a message apart that holds user and password.
    fn split(&mut self, mechanism: Mechanism) -> Next<'_> {
        self.mechanism = None;
        let (user, password) = parts(mechanism, &self.last);
        Next::Credentials { user, password }
    }
}

/// User and password of a message, as well as can be.
fn parts(mechanism: Mechanism, message: &[u8]) -> (&[u8], &[u8]) {
    let after = |name: &[u8]| {
        let mut fields = message.split(|octet| matches!(octet, b'\x01' | b','));
        fields.find_map(|field| field.strip_prefix(name)).unwrap_or_default()
    };
    match mechanism {
        Mechanism::PLAIN => {
            let mut fields = message.splitn(3, |&octet| octet == 0);
            match (fields.next(), fields.next(), fields.next()) {
                (_, Some(user), Some(password)) => (user, password),
                (user, password, _) => (user.unwrap_or_default(), password.unwrap_or_default()),
            }
        }
        Mechanism::CRAM_MD5 => match message.iter().rposition(|&octet| octet == b' ') {
            Some(space) => (&message[..space], &message[space + 1..]),
            None => (message, b""),
        },
        Mechanism::XOAUTH2 => (after(b"user="), after(b"auth=")),
        Mechanism::OAUTHBEARER => (after(b"a="), after(b"auth=")),
        _ => (message, b""),
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(octets) => f.debug_tuple("Challenge").field(octets).finish(),
            Self::Credentials { .. } => f.debug_struct("Credentials").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::base64;
    use alloc::string::String;

    /// What a trap says to a client's lines, and what it caught.
    fn lead_on(mechanism: Mechanism, lines: &[Option<&str>]) -> Vec<String> {
        let mut trap = Trap::new();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let said = lines.iter().map(|line| {
            let line = line.map(|line| base64::encoded(line.as_bytes()));
            match trap.step(mechanism, line.as_deref().map(|line| Base64::parse(line).unwrap())) {
                Next::Challenge(octets) => text(octets),
                Next::Credentials { user, password } => [text(user), text(password)].join("|"),
            }
        });
        said.collect()
    }

    /// Mechanism, what the client sends, the trap's last words, and why.
    type Case = (Mechanism, &'static [Option<&'static str>], &'static str, &'static str);

    const CASES: &[Case] = &[
        (Mechanism::PLAIN, &[None], "", "the client speaks first"),
        (Mechanism::PLAIN, &[Some("x\0root\0pw")], "root|pw", "as it should be"),
        (Mechanism::PLAIN, &[Some("root\0pw")], "root|pw", "a NUL too few"),
        (Mechanism::PLAIN, &[Some("\0root\0p\0w")], "root|p\0w", "a NUL too many"),
        (Mechanism::PLAIN, &[Some("root")], "root|", "no NUL"),
        (Mechanism::LOGIN, &[None, Some("root"), Some("pw")], "root|pw", "two prompts"),
        (Mechanism::LOGIN, &[Some("root"), Some("pw")], "root|pw", "the user comes with AUTH"),
        (Mechanism::LOGIN, &[Some("a"), None, Some("root"), Some("pw")], "root|pw", "broken off once"),
        (Mechanism::CRAM_MD5, &[None, Some("a b 0123")], "a b|0123", "the last space parts"),
        (
            Mechanism::SCRAM_SHA_1,
            &[Some("n,,n=root,r=x"), Some("c=biws,p=y")],
            "root|c=biws,p=y",
            "the proof",
        ),
        (
            Mechanism::XOAUTH2,
            &[Some("user=root\x01auth=Bearer t\x01\x01")],
            "root|Bearer t",
            "with its scheme",
        ),
        (Mechanism::OAUTHBEARER, &[Some("n,a=root,\x01auth=Bearer t\x01\x01")], "root|Bearer t", "the same"),
        (Mechanism::EXTERNAL, &[Some("root")], "root|", "a name alone"),
    ];

    #[test]
    fn a_trap_shows_what_the_client_sent() {
        for (mechanism, lines, last, why) in CASES {
            assert_eq!(
                lead_on(*mechanism, lines).last().map(String::as_str),
                Some(*last),
                "{mechanism}: {why}"
            );
        }
    }

    #[test]
    fn a_scram_client_finds_its_nonce_in_the_answer() {
        let said = lead_on(Mechanism::SCRAM_SHA_256, &[None, Some("n,,n=root,r=abc")]);
        assert!(said[1].starts_with("r=abcAAAA"), "{said:?}");
    }
}
