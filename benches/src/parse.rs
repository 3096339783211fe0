//! Commands, replies and EHLO responses.

use std::hint::black_box;

use memchr::memchr;
use ours::wire::command::Command;
use ours::wire::ehlo::EhloResponse;
use ours::wire::leniency::Leniency;
use ours::wire::reply::ReplyRef;

use crate::{Contender, Group, OURS, corpus};

/// The groups of this module.
#[must_use]
pub fn groups() -> Vec<Group> {
    vec![
        group("command, RFC 5321 mix", corpus::CORE, commands()),
        group("command, ESMTP mix", corpus::ESMTP, commands()),
        group("reply, one line", corpus::REPLIES, replies(Contender::new(OURS, reply))),
        group("reply, one line, text read", corpus::REPLIES, replies(Contender::new(OURS, reply_text))),
        group("reply, several lines too", corpus::REPLY_MIX, replies(Contender::new(OURS, reply))),
        group(
            "reply, several lines, text read",
            corpus::REPLY_MIX,
            replies(Contender::new(OURS, reply_text)),
        ),
        group("EHLO response, 13 lines", &[corpus::EHLO], ehlo()),
    ]
}

fn group(name: &str, lines: &[&[u8]], contenders: Vec<Contender>) -> Group {
    Group { name: name.into(), units: lines.iter().map(|line| line.to_vec()).collect(), contenders }
}

fn commands() -> Vec<Contender> {
    vec![
        // The others find the line's end themselves, so ours has to as well.
        Contender::new(OURS, |octets| {
            let end = memchr(b'\n', octets).expect("a whole line");
            black_box(Command::parse(&octets[..=end]).expect("accepted"));
        }),
        Contender::new("smtp-proto 0.2.5", |line| {
            black_box(stalwart::Request::parse(&mut line.iter()).expect("accepted"));
        }),
        Contender::new("smtp-codec 0.2.0", |line| {
            black_box(smtp_codec::parse::command::command(line).expect("accepted"));
        }),
    ]
}

fn reply(octets: &[u8]) {
    let reply = ReplyRef::parse(octets, Leniency::REPLIES).expect("accepted");
    black_box(reply.expect("whole"));
}

fn reply_text(octets: &[u8]) {
    let reply = ReplyRef::parse(octets, Leniency::REPLIES).expect("accepted");
    for line in reply.expect("whole").lines() {
        black_box(line);
    }
}

fn replies(ours: Contender) -> Vec<Contender> {
    let mut receiver = stalwart::response::parser::ResponseReceiver::default();
    vec![
        ours,
        // It copies the text.
        Contender::new("smtp-proto 0.2.5", move |octets| {
            black_box(receiver.parse(&mut octets.iter()).expect("accepted"));
            receiver.reset();
        }),
        // It says where the reply ends, not what it says.
        Contender::new("smtp-codec 0.2.0", |octets| {
            black_box(smtp_codec::parse::response::Reply_line(octets).expect("accepted"));
        }),
    ]
}

fn ehlo() -> Vec<Contender> {
    vec![
        Contender::new(OURS, |octets| {
            let response = EhloResponse::parse(octets, Leniency::REPLIES).expect("accepted");
            black_box(response.expect("whole"));
        }),
        Contender::new("smtp-proto 0.2.5", |octets| {
            black_box(stalwart::EhloResponse::parse(&mut octets.iter()).expect("accepted"));
        }),
        Contender::new("smtp-codec 0.2.0", |octets| {
            black_box(smtp_codec::parse::response::ehlo_ok_rsp(octets).expect("accepted"));
        }),
    ]
}
