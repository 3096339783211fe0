//! Whole worlds drawn by chance: who offers what, what goes wrong, and what is sent.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use super::dice::Dice;
use super::link::{Mishap, Side};
use super::{MECHANISMS, Pair};
use crate::client::{Certificate, ClientConfig, Envelope, Recipient};
use crate::server::{AuthWhen, Extension, ServerConfig};
use crate::wire::content::SendNewlines;
use crate::wire::ehlo::Keyword;
use crate::wire::leniency::Leniency;
use crate::wire::params::{Body, MailParamsBuf, Notify, RcptParamsBuf, Ret};
use crate::wire::path::{MailboxBuf, ReversePath};

const EXTENSIONS: [Extension; 17] = [
    Extension::Pipelining,
    Extension::EightBitMime,
    Extension::EnhancedStatusCodes,
    Extension::Smtputf8,
    Extension::Chunking,
    Extension::BinaryMime,
    Extension::Dsn,
    Extension::RequireTls,
    Extension::Vrfy,
    Extension::Expn,
    Extension::Etrn,
    Extension::StartTls,
    Extension::Limits,
    Extension::DeliverBy,
    Extension::FutureRelease,
    Extension::MtPriority,
    Extension::Rrvs,
];

/// Octets that no place in a reply makes a reply of: their lines end, and begin with no code. Others, a hyphen made a
/// space, could split a reply in two, and nothing tells such a server from one that answers so.
const NOISE: [&[u8]; 5] =
    [b"\r\n", b"what?\r\n", b"\xff\x00\r\n", b"\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"];

/// Draws a pair and messages, runs them, and ends the connection.
pub(super) fn run(mut dice: Dice) -> Pair {
    // One in 32 has the two of them speak different protocols.
    let lmtp = dice.chance(5);
    let client_lmtp = lmtp != dice.chance(32);
    let newlines = dice.pick(&[SendNewlines::Refuse, SendNewlines::Normalise]);
    let (server, client) = (server(&mut dice, lmtp), client(&mut dice, client_lmtp, newlines));
    let mut pair = Pair::thrown(dice).server(server).client(client);
    line(&mut pair);
    mood(&mut pair);
    for number in 0..=pair.dice.below(4) {
        if pair.dice.chance(8) {
            let time = pair.dice.time(&(Duration::ZERO..Duration::from_secs(600)));
            pair.idle(time);
        }
        message(&mut pair, number);
    }
    pair.quit();
    pair
}

fn server(dice: &mut Dice, lmtp: bool) -> ServerConfig {
    let name = "server.example";
    let config = if lmtp { ServerConfig::lmtp(name) } else { ServerConfig::new(name) };
    // INVARIANT: the name is a domain.
    let mut config = config.expect("a domain");
    for extension in EXTENSIONS {
        config = if dice.chance(4) { config.withhold(extension) } else { config.offer(extension) };
    }
    if dice.chance(2) {
        config = config.auth(&MECHANISMS, dice.pick(&[AuthWhen::Always, AuthWhen::Tls]));
    }
    if dice.chance(16) {
        config = config.require_auth();
    }
    let presets = [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES];
    config = config.leniency(dice.pick(&presets));
    // None of these has three digits that a cut could make a code of.
    let message = dice.pick(&[10_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000, 100]);
    config.limits(|limits| {
        limits.message = message;
        limits.recipients = 100;
        limits.hold = 1_000_000;
    })
}

fn client(dice: &mut Dice, lmtp: bool, newlines: SendNewlines) -> ClientConfig {
    let name = "client.example";
    let config = if lmtp { ClientConfig::lmtp(name) } else { ClientConfig::new(name) };
    // INVARIANT: the name is a domain.
    let mut config = config.expect("a domain").newlines(newlines);
    if dice.chance(2) {
        let ignored: Vec<_> = Keyword::ALL.iter().copied().filter(|_| dice.chance(8)).collect();
        config = config.ignore(&ignored);
    }
    if dice.chance(8) {
        config = config.reset_between();
    }
    if dice.chance(8) {
        config = config.send_8bit_anyway();
    }
    if dice.chance(2) {
        config = config.insecure_credentials();
    }
    let presets = [Leniency::REPLIES, Leniency::STRICT, Leniency::REPLIES_OWED];
    config.leniency(dice.pick(&presets))
}

/// What the connection is like.
fn line(pair: &mut Pair) {
    let ms = Duration::from_millis;
    let latencies = [ms(0)..ms(0), ms(1)..ms(100), ms(0)..ms(100), ms(0)..ms(2_000), ms(0)..ms(90_000)];
    let slow = [ms(0)..ms(0), ms(0)..ms(0), ms(0)..ms(0), ms(0)..ms(3_000), ms(0)..ms(200_000)];
    let chunks: [Range<usize>; 5] = [1..1_500, 65_536..65_537, 1..100, 1..8, 1..2];
    let (dice, link) = (&mut pair.dice, &mut pair.link);
    link.chunks = dice.pick(&chunks);
    link.capacity = dice.pick(&[65_536, 65_536, 4_096, 512, 64, 16, 3, 2, 1]);
    // Octets that come one by one and a minute apart meet nothing but deadlines.
    link.latency = dice.pick(if link.capacity > 16 { &latencies } else { &latencies[..2] });
    link.abortive = dice.chance(4);
    pair.slow = dice.pick(&slow);
    for _ in 0..dice.pick(&[1, 0, 0, 2]) {
        let from = dice.pick(&[Side::Server, Side::Client]);
        let span = dice.pick(&[1_000, 64, 400, 1_000, 2_000, 20_000]);
        let at = dice.below(span);
        let mut mishaps = [Mishap::Cut, Mishap::Reset, Mishap::Silence, Mishap::Stall].to_vec();
        if from == Side::Server {
            let noise = dice.pick(&NOISE).to_vec();
            mishaps.extend([Mishap::Noise(noise), Mishap::Noise([b'x'; 70_000].to_vec())]);
        }
        let mishap = dice.pick(&mishaps);
        link.mishaps.push((from, at, mishap));
    }
}

/// What the two applications are like.
fn mood(pair: &mut Pair) {
    let dice = &mut pair.dice;
    pair.app.moody = dice.pick(&[0, 0, 64, 16, 6]);
    pair.fickle = dice.pick(&[0, 0, 0, 20]);
    let certificate = dice.pick(&[Certificate::Verified, Certificate::Unverified]);
    pair.wants.tls = dice.chance(2);
    pair.wants.certificate = certificate;
    pair.wants.handshake_fails = dice.chance(16);
    if dice.chance(2) {
        let password = dice.pick(&[super::PASSWORD, super::PASSWORD, "wrong"]);
        pair.wants.credentials = Some(crate::sasl::client::Credentials::password(super::USER, password));
    }
}

/// Sends one message, of which the number makes a difference to the others.
fn message(pair: &mut Pair, number: usize) {
    let dice = &mut pair.dice;
    let content = content(dice, number);
    let many = if dice.chance(64) { 101 + dice.below(30) } else { 1 + dice.below(4) };
    // INVARIANT: they are mailboxes.
    let mailbox = |text: &str| text.parse::<MailboxBuf>().expect("a mailbox");
    let utf8 = dice.chance(24);
    let domains = [if utf8 { "bücher.example" } else { "b.example" }, "c.example"];
    let recipients: Vec<_> =
        (0..many).map(|i| mailbox(&format!("r{i}.m{number}@{}", domains[i % domains.len()]))).collect();
    let (asks, by_hand) = (dice.chance(12), dice.chance(10));
    let params = rcpt_params(asks);
    let to: Vec<_> = recipients.iter().map(|one| Recipient::new(one).params(&params)).collect();
    let sender = mailbox("me@client.example");
    let from = if dice.chance(8) { ReversePath::Null } else { ReversePath::from(&sender) };
    let mail = mail_params(dice, asks);
    let mut envelope = Envelope::new(from).to(&to).params(&mail);
    if dice.chance(3) {
        let bodies = [Body::BinaryMime, Body::BinaryMime, Body::EightBitMime, Body::SevenBit];
        envelope = envelope.body(dice.pick(&bodies));
    }
    if dice.chance(32) {
        envelope = envelope.require_tls();
    }
    if by_hand && !utf8 {
        pair.say(&envelope, &content);
    } else if dice.chance(4) {
        if dice.chance(2) {
            envelope = envelope.size(dice.pick(&[content.len() + 2, content.len(), 10]) as u64);
        }
        if dice.chance(2) {
            envelope = envelope.rewinds();
        }
        pair.send_declared(&envelope, &content);
    } else {
        pair.send(&envelope, &content);
    }
}

fn rcpt_params(asks: bool) -> RcptParamsBuf {
    let params = RcptParamsBuf::new();
    if !asks {
        return params;
    }
    let notify = Notify::NEVER;
    // INVARIANT: the address is ASCII.
    params.notify(notify).orcpt("rfc822", "old@b.example").expect("an address")
}

fn mail_params(dice: &mut Dice, asks: bool) -> MailParamsBuf {
    let mut params = MailParamsBuf::new();
    if asks {
        params = params.ret(Ret::Hdrs);
    }
    if dice.chance(32) {
        // INVARIANT: -9 to 9.
        params = params.mt_priority(3).expect("a priority");
    }
    params
}

/// Lines of what is difficult, and a number that no other message has.
fn content(dice: &mut Dice, number: usize) -> Vec<u8> {
    const LINES: [&[u8]; 12] = [
        b"Subject: hi\r\n",
        b"\r\n",
        b".\r\n",
        b"..\r\n",
        b".dot\r\n",
        b"QUIT\r\n",
        b"RSET\r\n",
        b"text without an end",
        "Gr\u{fc}\u{df}e\r\n".as_bytes(),
        b"\n.\n",
        b"\r.\r",
        b"\x00\xff.\r\n",
    ];
    let mut content = format!("Message-ID: <{number}@client.example>\r\n").into_bytes();
    // Most contents are right, so that most are sent.
    let lines = dice.pick(&[&LINES[..8], &LINES[..8], &LINES[..8], &LINES[..9], &LINES[..]]);
    for _ in 0..dice.below(16) {
        content.extend_from_slice(lines[dice.below(lines.len())]);
    }
    if dice.chance(64) {
        let line = String::from("a line of a long message\r\n");
        content.extend_from_slice(line.repeat(dice.below(3_000)).as_bytes());
    }
    content
}
