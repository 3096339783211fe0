//! Content: finding its end, and what dot-stuffing added.

use std::hint::black_box;

use memchr::memmem::Finder;

use crate::{Contender, Group, corpus};

/// 64 KiB, the size of a receive buffer, and 10 MiB, beyond every cache.
const SIZES: [(&str, usize); 2] = [("64 KiB", 64 << 10), ("10 MiB", 10 << 20)];

/// The groups of this module.
#[must_use]
pub fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for (size, octets) in SIZES {
        groups.push(group(format!("content, text, {size}"), corpus::text(octets)));
        groups.push(group(format!("content, base64, {size}"), corpus::base64(octets)));
    }
    groups
}

fn group(name: String, message: Vec<u8>) -> Group {
    let finder = Finder::new(corpus::END);
    let mut kept = Vec::with_capacity(message.len());
    let contenders = vec![
        Contender::new("bare memmem", move |message| {
            black_box(finder.find(message).expect("it ends"));
        }),
        // It copies, and checks no bare CR or LF.
        Contender::new("smtp-proto 0.2.5", move |message| {
            kept.clear();
            let ended =
                stalwart::request::receiver::DataReceiver::new().ingest(&mut message.iter(), &mut kept);
            assert!(black_box(ended), "it ends");
        }),
    ];
    Group { name, units: vec![message], contenders }
}
