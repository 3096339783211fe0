//! Content: finding its end, and what dot-stuffing added.

use std::hint::black_box;

use memchr::memmem::Finder;
use ours::wire::content::{BareNewlines, Decoder, Encoder, SendNewlines, Status};

use crate::{Contender, Group, OURS, corpus};

/// 64 KiB, the size of a receive buffer, and 10 MiB, beyond every cache.
const SIZES: [(&str, usize); 2] = [("64 KiB", 64 << 10), ("10 MiB", 10 << 20)];

/// The groups of this module.
#[must_use]
pub fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for (size, octets) in SIZES {
        for (kind, message) in [("text", corpus::text(octets)), ("base64", corpus::base64(octets))] {
            groups.push(decode(format!("content, end only, {kind}, {size}"), BareNewlines::Keep, &message));
            groups.push(decode(
                format!("content, all checked, {kind}, {size}"),
                BareNewlines::Refuse,
                &message,
            ));
            groups.push(encode(format!("encode, {kind}, {size}"), message));
        }
    }
    groups
}

fn decode(name: String, policy: BareNewlines, message: &[u8]) -> Group {
    let finder = Finder::new(corpus::END);
    let mut kept = Vec::with_capacity(message.len());
    let contenders = vec![
        Contender::new(OURS, move |wire| {
            let mut decoder = Decoder::new(policy);
            let mut rest = wire;
            loop {
                let decoded = decoder.decode(rest);
                black_box(decoded.content);
                rest = &rest[decoded.consumed..];
                match decoded.status {
                    Status::Piece => {}
                    Status::More => panic!("it ends"),
                    Status::End => break,
                }
            }
            assert!(!black_box(decoder.is_refused()), "nothing is bare");
        }),
        Contender::new("bare memmem", move |wire| {
            black_box(finder.find(wire).expect("it ends"));
        }),
        // It copies, and does not look for a bare CR or LF.
        Contender::new("smtp-proto 0.2.5", move |wire| {
            kept.clear();
            let mut receiver = stalwart::request::receiver::DataReceiver::new();
            assert!(black_box(receiver.ingest(&mut wire.iter(), &mut kept)), "it ends");
        }),
    ];
    Group { name, units: vec![message.to_vec()], contenders }
}

/// Scanning for what must be stuffed or refused, and copying.
fn encode(name: String, mut message: Vec<u8>) -> Group {
    message.truncate(message.len() - b".\r\n".len());
    let (mut wire, mut copy) = (Vec::with_capacity(message.len() + 8), Vec::with_capacity(message.len()));
    let contenders = vec![
        Contender::new(OURS, move |content| {
            wire.clear();
            let mut encoder = Encoder::new(SendNewlines::Refuse);
            assert_eq!(encoder.put(content, &mut wire), Ok(content.len()));
            wire.extend_from_slice(encoder.finish().expect("it ends with CR LF"));
            black_box(&wire);
        }),
        Contender::new("memcpy", move |content| {
            copy.clear();
            copy.extend_from_slice(content);
            black_box(&copy);
        }),
    ];
    Group { name, units: vec![message], contenders }
}
