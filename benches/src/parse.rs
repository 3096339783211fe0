//! Commands, replies and EHLO responses.

use std::hint::black_box;

use memchr::memchr;
use ours::wire::command::Command;

use crate::{Contender, Group, OURS, corpus};

/// The groups of this module.
#[must_use]
pub fn groups() -> Vec<Group> {
    vec![
        group("command, RFC 5321 mix", corpus::CORE, commands()),
        group("command, ESMTP mix", corpus::ESMTP, commands()),
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
