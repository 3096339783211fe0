//! The two sides.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::crypto::Tag;
use super::keys::{ScramHash, ScramKeys};
use super::message::{ClientFinal, ClientFirst, Closing, Opening, ServerError};
use crate::limits::SCRAM_MAX_ITERATIONS;
use crate::sasl::names::{self, Flag};
use crate::sasl::saslprep;
use crate::sasl::secret::{Secret, same};
use crate::sasl::{Bindings, Nonce};
use crate::wire::base64;

fn text(octets: &[u8]) -> String {
    base64::encoded(octets).into_iter().map(char::from).collect()
}

/// What a proof signs: the messages but the proof (RFC 5802 §3).
fn auth_message(bare: &str, server_first: &str, without_proof: &str) -> String {
    [bare, ",", server_first, ",", without_proof].concat()
}

/// How an exchange stands to channel binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sasl) enum Plus {
    /// The mechanism is a -PLUS.
    Used,
    /// It is not, but its -PLUS was offered.
    Offered,
    NotOffered,
}

/// The server's side once the client's first message is read: the user's keys are wanted.
#[derive(Debug)]
pub(in crate::sasl) struct Server {
    hash: ScramHash,
    /// Prepared.
    pub(in crate::sasl) user: String,
    pub(in crate::sasl) authzid: Option<String>,
    /// What the client's last message must hold in `c=`.
    binding: Secret<Vec<u8>>,
    bare: String,
    client_nonce: String,
}

/// The server's side while the client computes its proof.
#[derive(Debug)]
pub(in crate::sasl) struct Proof {
    start: Server,
    keys: ScramKeys,
    /// Whether the keys are the user's. The others open to nobody, and this makes it certain.
    known: bool,
    nonce: String,
    pub(in crate::sasl) server_first: String,
}

impl Server {
    /// Reads the client's first message.
    pub(in crate::sasl) fn start(
        hash: ScramHash,
        octets: &[u8],
        bindings: &Bindings,
        plus: Plus,
    ) -> Result<Self, ServerError> {
        let first = ClientFirst::parse(octets)?;
        let bound = match (first.header.flag, plus) {
            (Flag::Used(name), Plus::Used) => {
                bindings.named(name).ok_or(ServerError::UnsupportedBindingType)?
            }
            (Flag::Used(_), _) => return Err(ServerError::BindingNotSupported),
            (Flag::Unoffered, Plus::NotOffered) | (Flag::None, Plus::NotOffered | Plus::Offered) => &[],
            // RFC 5802 §6: somebody took the -PLUS out of what was offered.
            (Flag::Unoffered, _) => return Err(ServerError::ServerDoesSupportBinding),
            (Flag::None, Plus::Used) => return Err(ServerError::Other),
        };
        let binding = Secret::new([first.header.text.as_bytes(), bound].concat());
        // RFC 5802 §5.1: prepared as a query; what can't be prepared or comes out empty is refused.
        let user = saslprep::query(&first.user).map_err(|_| ServerError::InvalidUsernameEncoding)?;
        if user.is_empty() {
            return Err(ServerError::InvalidUsernameEncoding);
        }
        Ok(Self {
            hash,
            user: user.into_owned(),
            authzid: first.header.authzid,
            binding,
            bare: first.bare.into(),
            client_nonce: first.nonce.into(),
        })
    }

    pub(in crate::sasl) const fn hash(&self) -> ScramHash {
        self.hash
    }

    /// Goes on with the user's keys, or with a decoy's if there are none or they are another hash's.
    pub(in crate::sasl) fn keys(
        self,
        found: Option<&ScramKeys>,
        decoy_secret: &[u8],
        decoy_iterations: u32,
        nonce: &Nonce,
    ) -> Proof {
        // Made for known users too, so that it takes no time apart.
        let decoy = ScramKeys::decoy(self.hash, decoy_secret, &self.user, decoy_iterations);
        let found = found.filter(|keys| keys.hash() == self.hash);
        let known = found.is_some();
        let keys = found.cloned().unwrap_or(decoy);
        let nonce = [&self.client_nonce, nonce.as_str()].concat();
        let server_first = format!("r={nonce},s={},i={}", text(keys.salt()), keys.iterations());
        Proof { start: self, keys, known, nonce, server_first }
    }
}

impl Proof {
    /// Checks the client's last message and returns the server's.
    pub(in crate::sasl) fn check(&self, octets: &[u8]) -> Result<String, ServerError> {
        let last = ClientFinal::parse(octets)?;
        if !same(&last.binding, &self.start.binding) {
            return Err(ServerError::BindingsDontMatch);
        }
        if last.nonce != self.nonce {
            return Err(ServerError::Other);
        }
        let hash = self.start.hash;
        let signed = auth_message(&self.start.bare, &self.server_first, last.without_proof);
        let signature = hash.hmac(self.keys.stored().as_bytes(), &[signed.as_bytes()]);
        let proof =
            Tag::new(&last.proof).filter(|proof| proof.as_bytes().len() == signature.as_bytes().len());
        let client_key = proof.ok_or(ServerError::InvalidProof)?.xor(&signature);
        let proved = hash.digest(client_key.as_bytes()).same(self.keys.stored());
        if !(proved & self.known) {
            return Err(ServerError::InvalidProof);
        }
        let verifier = hash.hmac(self.keys.server().as_bytes(), &[signed.as_bytes()]);
        Ok(format!("v={}", text(verifier.as_bytes())))
    }

    pub(in crate::sasl) fn into_identity(self) -> (String, Option<String>) {
        (self.start.user, self.start.authzid)
    }
}

/// The client's side before the server's first message.
#[derive(Debug)]
pub(in crate::sasl) struct Client {
    hash: ScramHash,
    password: Secret<String>,
    /// The gs2 header and the binding's octets.
    binding: Secret<Vec<u8>>,
    bare: String,
    nonce: String,
    min_iterations: u32,
}

/// Who logs in; user and password are prepared.
pub(in crate::sasl) struct Login<'a> {
    pub(in crate::sasl) user: &'a str,
    pub(in crate::sasl) authzid: Option<&'a str>,
    pub(in crate::sasl) password: Secret<String>,
}

/// How the client stands to channel binding.
pub(in crate::sasl) enum Binding<'a> {
    /// It has none.
    None,
    /// It has one and was not offered -PLUS.
    Unoffered,
    /// It uses one: type and octets.
    Used(&'a str, &'a [u8]),
}

/// What a client finds wrong with a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sasl) enum ClientFault {
    Malformed,
    /// The server's nonce does not begin with ours, or adds nothing.
    Nonce,
    Iterations(u64),
    Mandatory,
    /// The server says that it failed.
    Said,
    /// The server does not know the password.
    Signature,
}

/// The signature by which the server has to prove itself.
pub(in crate::sasl) struct Expected(Tag);

impl Client {
    /// Begins, and returns the first message too.
    pub(in crate::sasl) fn new(
        hash: ScramHash,
        login: Login<'_>,
        binding: Binding<'_>,
        nonce: &Nonce,
        min_iterations: u32,
    ) -> (Self, String) {
        let (flag, kind, bound) = match binding {
            Binding::None => ("n", "", &[][..]),
            Binding::Unoffered => ("y", "", &[][..]),
            Binding::Used(kind, octets) => ("p=", kind, octets),
        };
        let mut header = [flag, kind, ","].concat();
        if let Some(authzid) = login.authzid {
            header.push_str("a=");
            names::escape(authzid, &mut header);
        }
        header.push(',');
        let mut bare = String::from("n=");
        names::escape(login.user, &mut bare);
        bare.push_str(",r=");
        bare.push_str(nonce.as_str());
        let first = [&*header, &bare].concat();
        let binding = Secret::new([header.as_bytes(), bound].concat());
        let nonce = nonce.as_str().into();
        (Self { hash, password: login.password, binding, bare, nonce, min_iterations }, first)
    }

    /// Answers the server's first message with the proof.
    pub(in crate::sasl) fn prove(&self, server_first: &[u8]) -> Result<(String, Expected), ClientFault> {
        let server_first = core::str::from_utf8(server_first).map_err(|_| ClientFault::Malformed)?;
        let first = match Opening::parse(server_first) {
            Opening::First(first) => first,
            Opening::Error => return Err(ClientFault::Said),
            Opening::Mandatory => return Err(ClientFault::Mandatory),
            Opening::Malformed => return Err(ClientFault::Malformed),
        };
        if first.nonce.strip_prefix(&self.nonce).is_none_or(str::is_empty) {
            return Err(ClientFault::Nonce);
        }
        let iterations = u32::try_from(first.iterations)
            .ok()
            .filter(|count| (self.min_iterations..=SCRAM_MAX_ITERATIONS).contains(count))
            .ok_or(ClientFault::Iterations(first.iterations))?;
        let salted = self.hash.salted(self.password.as_bytes(), &first.salt, iterations);
        let without_proof = format!("c={},r={}", text(&self.binding), first.nonce);
        let signed = auth_message(&self.bare, server_first, &without_proof);
        let keys = ScramKeys::of_salted(self.hash, &salted, &first.salt, iterations);
        let signature = self.hash.hmac(keys.stored().as_bytes(), &[signed.as_bytes()]);
        let proof = self.hash.hmac(salted.as_bytes(), &[b"Client Key"]).xor(&signature);
        let expected = Expected(self.hash.hmac(keys.server().as_bytes(), &[signed.as_bytes()]));
        Ok((format!("{without_proof},p={}", text(proof.as_bytes())), expected))
    }
}

impl Expected {
    /// Checks the server's last message.
    pub(in crate::sasl) fn check(&self, server_final: &[u8]) -> Result<(), ClientFault> {
        let text = core::str::from_utf8(server_final).map_err(|_| ClientFault::Malformed)?;
        match Closing::parse(text) {
            Closing::Verifier(signature) if same(&signature, self.0.as_bytes()) => Ok(()),
            Closing::Verifier(_) => Err(ClientFault::Signature),
            Closing::Error => Err(ClientFault::Said),
            Closing::Malformed => Err(ClientFault::Malformed),
        }
    }
}
