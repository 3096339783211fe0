//! Responses to EHLO.

use alloc::vec::Vec;

use bytes::BytesMut;

use crate::wire::ehlo::{Capability, EhloResponse, Extensions, write_ehlo};
use crate::wire::leniency::Leniency;
use crate::wire::reply::ReplyRef;

/// EHLO responses: reading one in one pass, from its reply and from an owned reply comes to the same, no word holds what
/// separates words, and what is written again is one clean reply.
///
/// # Panics
/// When that does not hold.
pub fn ehlo(octets: &[u8]) {
    for leniency in [Leniency::STRICT, Leniency::REPLIES_OWED, Leniency::REPLIES] {
        let reply = ReplyRef::parse(octets, leniency);
        let read = EhloResponse::parse(octets, leniency);
        assert_eq!(read.map(|read| read.map(|(reply, _)| reply)), reply, "{leniency:?}");
        let Ok(Some((reply, response))) = read else { continue };
        same(&response, &EhloResponse::of(&reply, leniency));
        same(&response, &Extensions::new(reply.to_owned(), leniency).response());
        write_again(&response);
    }
}

/// Both say the same, whatever they are asked.
fn same(one: &EhloResponse<'_>, other: &EhloResponse<'_>) {
    assert_eq!(one.host(), other.host());
    assert_eq!(one.greeting(), other.greeting());
    assert_eq!(one.keywords(), other.keywords());
    assert_eq!(one.deviations(), other.deviations());
    assert_eq!(one.size(), other.size());
    assert_eq!(one.limits(), other.limits());
    assert!(one.auth().eq(other.auth()));
    assert_eq!(one.deliver_by_minimum(), other.deliver_by_minimum());
    assert_eq!(one.future_release(), other.future_release());
    assert!(one.no_soliciting().eq(other.no_soliciting()));
    assert!(one.extensions().eq(other.extensions()));
    for keyword in one.keywords().iter() {
        assert!(one.params(keyword).eq(other.params(keyword)), "{keyword:?}");
    }
}

fn write_again(response: &EhloResponse<'_>) {
    let lines: Vec<(&str, Vec<&str>)> = response
        .extensions()
        .filter_map(|line| {
            let params = line.params().map(core::str::from_utf8).collect::<Result<_, _>>();
            Some((core::str::from_utf8(line.name()).ok()?, params.ok()?))
        })
        .collect();
    for (name, params) in &lines {
        let words = params.iter().chain([name]);
        assert!(words.clone().all(|word| !word.is_empty() && !word.contains([' ', '\t', '\r', '\n'])));
    }
    let greeting = core::str::from_utf8(response.greeting()).unwrap_or_default();
    let mut written = BytesMut::new();
    let capabilities = lines.iter().map(|(keyword, params)| Capability::Other { keyword, params });
    write_ehlo(&mut written, "mx.example", greeting, capabilities);
    let again = ReplyRef::parse(&written, Leniency::STRICT).expect("what is written is right");
    assert_eq!(again.expect("what is written is whole").consumed(), written.len(), "it is one reply");
}
