//! Our client against our server: what the client is told is what the server has.
#![cfg(feature = "testing")]

use std::collections::BTreeSet;
use std::ops::Range;

use smtp_proto::MailboxBuf;
use smtp_proto::client::{Certificate, ClientConfig, Envelope, Outcome};
use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, Extension, ServerConfig};
use smtp_proto::testing::{Mishap, Pair, Side};
use smtp_proto::wire::ehlo::Keyword;
use smtp_proto::wire::params::Body;
use smtp_proto::wire::reply::Reply;

fn check(pair: &Pair, what: impl std::fmt::Display) {
    if let Some(contradiction) = pair.contradiction() {
        panic!("{what}: {contradiction}\n{}", pair.transcript());
    }
}

// ---- by chance -------------------------------------------------------------------------------------------

/// Runs these seeds; what was met on the way.
fn keep_their_promise(seeds: Range<u64>) -> BTreeSet<&'static str> {
    let mut met = BTreeSet::new();
    for seed in seeds {
        let pair = Pair::trial(seed);
        check(&pair, format_args!("seed {seed}"));
        met.extend(pair.outcomes().map(|outcome| match outcome {
            Outcome::Accepted(_) => "Accepted",
            Outcome::Refused(_) => "Refused",
            Outcome::NotTried(_) => "NotTried",
            Outcome::Unknown => "Unknown",
        }));
        let transcript = pair.transcript();
        met.extend(MARKS.into_iter().filter(|mark| transcript.contains(mark)));
    }
    met
}

/// What a transcript holds if the trials are what they are meant to be.
const MARKS: [&str; 16] = [
    "-- TLS",
    "C: AUTH",
    "S: 235 ",
    "C: LHLO",
    "C: HELO",
    "C: RSET",
    "C: BDAT",
    "C: ..dot",
    "SMTPUTF8",
    "S: 421 ",
    "S: 452 ",
    ": Cut",
    ": Reset",
    ": Silence",
    ": Stall",
    ": Noise",
];

#[test]
fn whatever_happens_to_a_connection_the_outcome_is_what_the_server_has() {
    let met = keep_their_promise(0..3_000);
    let outcomes = ["Accepted", "Refused", "NotTried", "Unknown"];
    let missed: Vec<_> = MARKS.iter().chain(&outcomes).filter(|mark| !met.contains(*mark)).collect();
    assert!(missed.is_empty(), "{missed:?} never happened");
}

#[test]
#[ignore = "seconds optimised, minutes otherwise"]
fn a_hundred_thousand_connections_have_the_outcome_that_the_server_has() {
    keep_their_promise(0..100_000);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..50 {
        assert_eq!(Pair::trial(seed).transcript(), Pair::trial(seed).transcript(), "seed {seed}");
    }
}

// ---- everything, everywhere ------------------------------------------------------------------------------

/// A dialogue of two messages that is the same each time but for what goes wrong.
struct Dialogue {
    name: &'static str,
    client: fn() -> ClientConfig,
    server: fn() -> ServerConfig,
    secure: bool,
    body: Option<Body>,
}

const DIALOGUES: [Dialogue; 5] = [
    Dialogue { name: "pipelined", client: smtp, server: all, secure: false, body: None },
    Dialogue { name: "one by one", client: plain, server: all, secure: false, body: None },
    Dialogue { name: "TLS and AUTH", client: smtp, server: all, secure: true, body: None },
    Dialogue { name: "BDAT", client: smtp, server: all, secure: false, body: Some(Body::BinaryMime) },
    Dialogue { name: "LMTP", client: lmtp, server: store, secure: false, body: None },
];

fn smtp() -> ClientConfig {
    ClientConfig::new("x.example").unwrap()
}

fn plain() -> ClientConfig {
    smtp().ignore(&[Keyword::Pipelining]).reset_between()
}

fn lmtp() -> ClientConfig {
    ClientConfig::lmtp("x.example").unwrap()
}

fn all() -> ServerConfig {
    let config = ServerConfig::new("y.example").unwrap().auth(&[Mechanism::PLAIN], AuthWhen::Tls);
    let extensions = [Extension::Chunking, Extension::BinaryMime, Extension::StartTls, Extension::Dsn];
    extensions.into_iter().fold(config, ServerConfig::offer)
}

fn store() -> ServerConfig {
    ServerConfig::lmtp("y.example").unwrap()
}

impl Dialogue {
    /// Runs it with what `change` makes go wrong.
    fn run(&self, change: impl FnOnce(Pair) -> Pair) -> Pair {
        let mut pair = Pair::seeded(0).client((self.client)()).server((self.server)());
        if self.secure {
            pair = pair.start_tls(Certificate::Verified).log_in();
        }
        let mut pair = change(pair);
        let from = mailboxes(&["a@x.example"]);
        let to = mailboxes(&["b@y.example", "c@y.example"]);
        let mut envelope = Envelope::new(&from[0]).to(&to);
        if let Some(body) = self.body {
            envelope = envelope.body(body);
        }
        for content in ["Subject: one\r\n\r\n.\r\n..\r\n", "Subject: two\r\n\r\nNo end"] {
            let outcomes = pair.send(&envelope, content.as_bytes());
            assert_eq!(outcomes.len(), to.len(), "{}", self.name);
        }
        pair.quit();
        pair
    }
}

fn mailboxes(texts: &[&str]) -> Vec<MailboxBuf> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn undisturbed_dialogues_store_everything_once() {
    for dialogue in DIALOGUES {
        let pair = dialogue.run(|pair| pair);
        check(&pair, dialogue.name);
        assert!(pair.outcomes().all(Outcome::is_accepted), "{}", pair.transcript());
        assert_eq!(pair.stored(), 4, "{}", pair.transcript());
        assert!(pair.mails().iter().all(|mail| mail.is_chunked() == dialogue.body.is_some()));
        assert_eq!(pair.transcript().contains("S: 235 "), dialogue.secure, "{}", pair.transcript());
    }
}

#[test]
fn a_fault_at_any_octet_leaves_no_wrong_outcome() {
    let noise = [&b"what?\r\n"[..], b"\r\n", b"\xff\xff\r\n", b"\n", b"*"];
    for dialogue in DIALOGUES {
        let whole = dialogue.run(|pair| pair);
        for side in [Side::Client, Side::Server] {
            for at in 0..=whole.octets(side) {
                let mut mishaps = vec![Mishap::Cut, Mishap::Reset, Mishap::Silence, Mishap::Stall];
                if side == Side::Server {
                    mishaps.extend(noise.iter().map(|octets| Mishap::Noise(octets.to_vec())));
                }
                for mishap in mishaps {
                    let what = format!("{}, {side:?}, {mishap:?} at {at}", dialogue.name);
                    let pair = dialogue.run(|pair| pair.mishap(side, at, mishap));
                    check(&pair, what);
                }
            }
        }
    }
}

#[test]
fn a_refusal_at_any_command_leaves_no_wrong_outcome() {
    let replies = [
        Reply::new(421, (4, 3, 2), "Shutting down"),
        Reply::new(450, (4, 2, 0), "Later"),
        Reply::new(451, (4, 4, 4), "Another region"),
        Reply::new(452, (4, 5, 3), "Too many"),
        Reply::new(452, (4, 4, 5), "Enough"),
        Reply::new(550, (5, 1, 1), "No such user"),
        Reply::new(552, (5, 5, 3), "Too many"),
        Reply::new(554, (5, 7, 1), "No"),
    ];
    for dialogue in DIALOGUES {
        let whole = dialogue.run(|pair| pair);
        for at in 0..whole.decisions() {
            for reply in &replies {
                let what = format!("{}, decision {at}, {reply:?}", dialogue.name);
                check(&dialogue.run(|pair| pair.refuse_at(at, reply)), format!("{what}, refused"));
                let pair = dialogue.run(|pair| pair.hang_up_at(at, reply));
                check(&pair, format!("{what}, hung up"));
                assert!(pair.outcomes().any(|outcome| !outcome.is_accepted()), "{what}: somebody is told");
            }
        }
    }
}

#[test]
fn pipes_of_any_size_and_any_chunks_change_no_outcome() {
    for dialogue in DIALOGUES {
        for pipe in (1..=64).chain([100, 1_000, 4_096]) {
            for chunk in [1, 2, 3, 7, 10_000] {
                let pair = dialogue.run(|pair| pair.pipes(pipe).chunks(chunk..chunk + 1));
                check(&pair, dialogue.name);
                assert_eq!(pair.stored(), 4, "{}, {pipe}, {chunk}:\n{}", dialogue.name, pair.transcript());
            }
        }
    }
}

#[test]
fn each_extension_may_be_missing_on_either_side() {
    let extensions = [
        (Extension::Pipelining, Keyword::Pipelining),
        (Extension::EightBitMime, Keyword::EightBitMime),
        (Extension::EnhancedStatusCodes, Keyword::EnhancedStatusCodes),
        (Extension::Chunking, Keyword::Chunking),
        (Extension::BinaryMime, Keyword::BinaryMime),
        (Extension::Dsn, Keyword::Dsn),
        (Extension::Limits, Keyword::Limits),
        (Extension::StartTls, Keyword::StartTls),
    ];
    for dialogue in DIALOGUES {
        for (extension, keyword) in extensions {
            let without = || (dialogue.server)().withhold(extension);
            let with = || (dialogue.server)().offer(extension);
            let blind = || (dialogue.client)().ignore(&[keyword]);
            let runs = [
                dialogue.run(|pair| pair.server(without())),
                dialogue.run(|pair| pair.server(with()).client(blind())),
                dialogue.run(|pair| pair.server(without()).client(blind())),
                dialogue.run(|pair| pair.server(with())),
            ];
            let is_needed = match keyword {
                Keyword::Chunking | Keyword::BinaryMime => dialogue.body.is_some(),
                // BINARYMIME is one of its body types.
                Keyword::EightBitMime => dialogue.body.is_some(),
                _ => false,
            };
            for (run, pair) in runs.into_iter().enumerate() {
                let what = format!("{}, {keyword:?}, run {run}", dialogue.name);
                check(&pair, &what);
                assert!(matches!(pair.stored(), 4 | 0), "{what}:\n{}", pair.transcript());
                assert!(is_needed || pair.stored() == 4, "{what}:\n{}", pair.transcript());
            }
        }
    }
}

// ---- what such runs have found ---------------------------------------------------------------------------

#[test]
fn a_421_in_lmtp_is_about_one_recipient() {
    let (from, to) = (mailboxes(&["a@x.example"]), mailboxes(&["b@y.example", "c@y.example", "d@y.example"]));
    let later = Reply::new(421, (4, 3, 2), "Later");
    // Connection, LHLO, MAIL, three times RCPT, DATA; then the verdicts.
    let mut net = Pair::seeded(0).client(lmtp()).server(store()).refuse_at(8, &later);
    let outcomes = net.send(&Envelope::new(&from[0]).to(&to), b"Subject: hi\r\n\r\n");
    assert!(
        matches!(&outcomes[..], [Outcome::Accepted(_), Outcome::Refused(_), Outcome::Accepted(_)]),
        "{outcomes:?}"
    );
    assert_eq!((net.stored(), net.contradiction()), (2, None), "the server goes on behind it");

    let mut net = Pair::seeded(0).client(lmtp()).server(store()).hang_up_at(8, &later);
    let outcomes = net.send(&Envelope::new(&from[0]).to(&to), b"Subject: hi\r\n\r\n");
    assert!(
        matches!(&outcomes[..], [Outcome::Accepted(_), Outcome::Refused(_), Outcome::Unknown]),
        "{outcomes:?}"
    );
    assert_eq!((net.stored(), net.contradiction()), (1, None), "the server leaves");
}

#[test]
fn a_transaction_left_open_command_by_command_is_reset_before_a_message() {
    let (from, to) = (mailboxes(&["a@x.example", "z@x.example"]), mailboxes(&["b@y.example", "c@y.example"]));
    // Connection, EHLO, MAIL, RCPT: nobody stands, DATA is answered 554, and the transaction stays open.
    let nobody = Reply::new(550, (5, 1, 1), "Nobody");
    let mut net = Pair::seeded(0).client(smtp()).server(all()).refuse_at(3, &nobody);
    let outcomes = net.say(&Envelope::new(&from[1]).to(&to[..1]), b"Subject: one\r\n\r\n");
    assert!(matches!(&outcomes[..], [Outcome::Refused(_)]), "{outcomes:?}");
    // This one can be written only once, and still has its transaction.
    let outcomes = net.send_declared(&Envelope::new(&from[0]).to(&to), b"Subject: two\r\n\r\n");
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}\n{}", net.transcript());
    assert_eq!((net.contradiction(), net.mails().len()), (None, 1));
    assert_eq!(net.mails()[0].sender(), "<a@x.example>");
}
