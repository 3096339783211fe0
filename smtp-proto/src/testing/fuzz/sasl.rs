use crate::sasl::client::{self, Answer, Credentials};
use crate::sasl::server::{self, Next, Offer};
use crate::sasl::{Bindings, Mechanism, Nonce, Trap};
use crate::wire::base64::{self, Base64};

const MECHANISMS: [Mechanism; 11] = [
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::SCRAM_SHA_1,
    Mechanism::SCRAM_SHA_1_PLUS,
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_256_PLUS,
    Mechanism::XOAUTH2,
    Mechanism::OAUTHBEARER,
    Mechanism::EXTERNAL,
    Mechanism::ANONYMOUS,
];

/// The peer's side of an exchange, a message a line, behind an octet that says which mechanism and, by its top bit,
/// whether the peer is a server. Nobody gets in who does not know the secret, and base64 reads as it is written.
pub fn sasl(octets: &[u8]) {
    let Some((&choice, messages)) = octets.split_first() else { return };
    let mechanism = MECHANISMS[usize::from(choice & 0x7F) % MECHANISMS.len()];
    for text in messages.split(|&octet| octet == b'\n') {
        if let Ok(parsed) = Base64::parse(text) {
            assert_eq!(base64::encoded(&parsed.decode()), text, "one text for the same octets");
        }
    }
    let messages = messages.split(|&octet| octet == b'\n');
    if choice & 0x80 == 0 {
        as_server(mechanism, messages.clone());
        lead_on(mechanism, messages);
    } else {
        as_client(mechanism, messages);
    }
}

fn bindings() -> Bindings {
    Bindings::new().exporter([0; 32]).end_point(&[0; 32])
}

fn as_server<'m>(mechanism: Mechanism, messages: impl Iterator<Item = &'m [u8]>) {
    let offer = Offer::new(&MECHANISMS).scram(b"secret", 4_096).cram_md5("mx.example");
    let mut inputs = server::Inputs::new([0; 32], 0).bindings(bindings());
    // Short enough to be found.
    if let Some(nonce) = Nonce::fixed("s") {
        inputs = inputs.nonce(nonce);
    }
    let mut exchange = server::Exchange::start(mechanism, &offer, inputs);
    for message in messages {
        let text = base64::encoded(message);
        let Ok(response) = Base64::parse(&text) else { panic!("what is written parses") };
        let next = exchange.step(Some(response));
        assert!(!matches!(answer(next), Next::Done(user) if user != "nobody" && user != "certificate"));
    }
}

/// An application that knows one user, whose secret is in no input.
fn answer(mut next: Next<'_>) -> Next<'_> {
    loop {
        next = match next {
            Next::Password(ask) => {
                assert!(!ask.user().is_empty() && !ask.password().is_empty());
                ask.refuse()
            }
            #[cfg(feature = "scram")]
            Next::Keys(ask) => {
                let key = [0xA5; 32];
                let key = &key[..if ask.hash() == crate::sasl::ScramHash::Sha1 { 20 } else { 32 }];
                let keys = crate::sasl::ScramKeys::from_parts(ask.hash(), b"salt", 4_096, key, key);
                ask.decide(keys.as_ref())
            }
            #[cfg(feature = "cram-md5")]
            Next::SharedSecret(ask) => ask.decide(Some("a secret that is in no input")),
            Next::External(ask) => ask.accept("certificate"),
            Next::Anonymous(ask) => ask.accept("nobody"),
            Next::Challenge(_) | Next::Done(_) | Next::Refused(_) => return next,
            other => other.or_refuse(),
        };
    }
}

fn lead_on<'m>(mechanism: Mechanism, messages: impl Iterator<Item = &'m [u8]>) {
    let mut trap = Trap::new();
    for message in messages {
        let text = base64::encoded(message);
        // An empty line stands for AUTH alone.
        let response = Base64::parse(&text).ok().filter(|_| !message.is_empty());
        let _ = trap.step(mechanism, response);
    }
}

fn as_client<'m>(mechanism: Mechanism, messages: impl Iterator<Item = &'m [u8]>) {
    let credentials = match mechanism {
        Mechanism::XOAUTH2 | Mechanism::OAUTHBEARER => Credentials::token("user", "token"),
        Mechanism::EXTERNAL => Credentials::external(),
        Mechanism::ANONYMOUS => Credentials::anonymous("trace"),
        _ => Credentials::password("user", "password"),
    };
    let mut inputs = client::Inputs::new(&[0; 24], MECHANISMS).bindings(bindings()).min_iterations(1);
    if let Some(nonce) = Nonce::fixed("c") {
        inputs = inputs.nonce(nonce);
    }
    let Ok(mut exchange) = client::Exchange::start(mechanism, &credentials, &inputs) else { return };
    let _ = exchange.initial();
    let mut cancelled = false;
    for message in messages.filter(|message| !asks_much(message)) {
        cancelled |= matches!(exchange.answer(message), Answer::Cancel(_));
    }
    let result = exchange.finish(235);
    assert!(result.is_err() || !cancelled, "what was cancelled fails");
    assert!(
        result.is_err() || !mechanism.is_scram(),
        "a server that does not know the password is not believed"
    );
}

/// Whether a message asks for so many iterations that a target would do nothing else.
fn asks_much(message: &[u8]) -> bool {
    let mut parts = message.split(|&octet| octet == b',');
    parts.any(|part| part.strip_prefix(b"i=").is_some_and(|digits| digits.len() > 3))
}
