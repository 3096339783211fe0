//! PROXY headers.

use alloc::vec::Vec;

use bytes::BytesMut;

use crate::wire::proxy::{Endpoints, Header, Preface, Tlv, Version, write_v1, write_v2};

/// Headers: one that is cut short asks for more and never for more than it has, and what is written again from what was
/// read says the same.
///
/// # Panics
/// When that does not hold.
pub fn proxy(octets: &[u8]) {
    let Ok(Preface::Header(header)) = Header::parse(octets) else { return };
    let consumed = header.consumed();
    for cut in 0..consumed {
        match Header::parse(&octets[..cut]) {
            Ok(Preface::NeedMore { needed }) => {
                assert!(
                    needed.is_none_or(|needed| cut < needed && needed <= consumed),
                    "{needed:?} at {cut}"
                );
            }
            other => panic!("cut at {cut} of {consumed}: {other:?}"),
        }
    }
    let mut written = BytesMut::new();
    match header.version() {
        Version::V1 => write_v1(&mut written, header.endpoints()),
        Version::V2 => {
            write_v2(&mut written, header.endpoints(), header.tlvs()).expect("what was read can be written");
        }
    }
    let Ok(Preface::Header(again)) = Header::parse(&written) else { panic!("{}", written.escape_ascii()) };
    assert_eq!(again.consumed(), written.len());
    assert_eq!(again.endpoints(), header.endpoints());
    if header.version() == Version::V2 && header.endpoints() != Endpoints::Local {
        let all = |header: &Header<'_>| {
            header.tlvs().map(|tlv: Tlv<'_>| (tlv.kind, tlv.value.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(all(&again), all(&header));
    }
}
