//! PROXY headers read and written: vectors, whole and cut everywhere; what is written reads back.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};
use smtp_proto::limits::PROXY_HEADER;
use smtp_proto::wire::base64::{self, Base64};
use smtp_proto::wire::proxy::{
    Endpoints, Header, Preface, ProxyError, Tlv, TlvKind, Transport, Version, write_v1, write_v2,
};

fn rows() -> Vec<Value> {
    serde_json::from_str(include_str!("vectors/proxy.json")).unwrap()
}

fn octets(row: &Value) -> Vec<u8> {
    Base64::parse(row["octets_base64"].as_str().unwrap().as_bytes()).unwrap().decode()
}

fn header(octets: &[u8]) -> Header<'_> {
    match Header::parse(octets) {
        Ok(Preface::Header(header)) => header,
        other => panic!("{octets:?}: {other:?}"),
    }
}

fn address(address: SocketAddr) -> Value {
    json!({ "ip": address.ip().to_string(), "port": address.port() })
}

fn path(path: &[u8]) -> Value {
    json!({ "path": String::from_utf8(path.to_vec()).unwrap() })
}

/// Family, source and destination as the rows have them.
fn endpoints(header: &Header<'_>) -> (&'static str, Value, Value) {
    let stream = |transport, stream, datagram| if transport == Transport::Stream { stream } else { datagram };
    match header.endpoints() {
        Endpoints::V4 { transport, source, destination } => {
            (stream(transport, "TCP4", "UDP4"), address(source.into()), address(destination.into()))
        }
        Endpoints::V6 { transport, source, destination } => {
            (stream(transport, "TCP6", "UDP6"), address(source.into()), address(destination.into()))
        }
        Endpoints::Unix { transport, source, destination } => {
            (stream(transport, "UNIX_STREAM", "UNIX_DGRAM"), path(source), path(destination))
        }
        _ if header.version() == Version::V1 => ("UNKNOWN", Value::Null, Value::Null),
        _ => ("UNSPEC", Value::Null, Value::Null),
    }
}

/// The TLV as the row has it: text where it is text, else base64.
fn tlv(tlv: Tlv<'_>, row: &Value) -> Value {
    let (kind, name) = (tlv.kind.0, tlv.kind.name());
    if let Some(ssl) = tlv.ssl() {
        let sub: Value =
            ssl.tlvs().zip(row["sub"].as_array().unwrap()).map(|(tlv, row)| self::tlv(tlv, row)).collect();
        assert_eq!(ssl.tlvs().count(), row["sub"].as_array().unwrap().len());
        return json!({ "type": kind, "name": name, "client": ssl.client(), "verify": ssl.verify(), "sub": sub });
    }
    if row["value"].is_string() {
        json!({ "type": kind, "name": name, "value": String::from_utf8(tlv.value.to_vec()).unwrap() })
    } else {
        let value = String::from_utf8(base64::encoded(tlv.value)).unwrap();
        json!({ "type": kind, "name": name, "value_base64": value })
    }
}

fn check_header(id: &str, octets: &[u8], row: &Value) {
    let header = header(octets);
    let version = if header.version() == Version::V1 { 1 } else { 2 };
    assert_eq!(row["version"], version, "{id}");
    assert_eq!(row["consumed"], header.consumed(), "{id}");
    let command = if header.endpoints() == Endpoints::Local { "LOCAL" } else { "PROXY" };
    assert_eq!(row["command"], command, "{id}");
    let (family, source, destination) = endpoints(&header);
    // With LOCAL the family means nothing.
    if command != "LOCAL" {
        assert_eq!(row["family"], family, "{id}");
    }
    assert_eq!((&row["source"], &row["destination"]), (&source, &destination), "{id}");
    let none = Vec::new();
    let expected = row["tlvs"].as_array().unwrap_or(&none);
    assert_eq!(header.tlvs().count(), expected.len(), "{id}");
    for (tlv, row) in header.tlvs().zip(expected) {
        assert_eq!(&self::tlv(tlv, row), row, "{id}");
    }
    for cut in 0..header.consumed() {
        match Header::parse(&octets[..cut]) {
            Ok(Preface::NeedMore { needed: None }) => {}
            Ok(Preface::NeedMore { needed }) => {
                assert_eq!(needed, Some(header.consumed()), "{id} cut at {cut}");
            }
            other => panic!("{id} cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn every_row_is_read_whole_and_cut() {
    for row in rows() {
        let id = row["id"].as_str().unwrap();
        let octets = octets(&row);
        let result = match Header::parse(&octets) {
            Ok(Preface::Header(_)) => "ok",
            Ok(Preface::NeedMore { .. }) => "need_more",
            Ok(Preface::NotProxy) => "none",
            Err(_) => "error",
        };
        let also = row["also"].as_array().is_some_and(|also| also.iter().any(|other| other == result));
        assert!(row["result"] == result || also, "{id}: {result}, not {}", row["result"]);
        match Header::parse(&octets) {
            Ok(Preface::Header(_)) => check_header(id, &octets, &row),
            Ok(Preface::NeedMore { needed }) => {
                if let Some(expected) = row["needed"].as_u64() {
                    assert_eq!(needed, Some(expected as usize), "{id}");
                }
            }
            outcome => {
                for cut in 0..octets.len() {
                    let earlier = Header::parse(&octets[..cut]);
                    let more = matches!(earlier, Ok(Preface::NeedMore { .. }));
                    assert!(more || earlier == outcome, "{id} cut at {cut}: {earlier:?}");
                }
            }
        }
    }
}

#[test]
fn a_refused_header_has_its_reason() {
    let v2 = |tail: &[u8]| [b"\r\n\r\n\0\r\nQUIT\n", tail].concat();
    let rows: &[(Vec<u8>, ProxyError, &str)] = &[
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n".to_vec(), ProxyError::BareNewline, "LF alone"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx".to_vec(), ProxyError::BareNewline, "CR alone"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n".to_vec(), ProxyError::Fields, "a field missing"),
        (b"PROXY SCTP 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), ProxyError::Protocol, "another protocol"),
        (b"PROXY TCP4 ::1 1.2.3.4 1 2\r\n".to_vec(), ProxyError::Address, "another family"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n".to_vec(), ProxyError::Port, "leading zero"),
        ([b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat(), ProxyError::TooLong, "over 107 octets"),
        (v2(&[0x11]), ProxyError::Version, "version 1 in binary"),
        (v2(&[0x22]), ProxyError::Command, "command 2"),
        (v2(&[0x21, 0x41, 0, 0]), ProxyError::Protocol, "family 4"),
        (v2(&[0x21, 0x11, 0, 0]), ProxyError::Address, "no address"),
        (v2(&[0x21, 0x00, 0, 1, 4]), ProxyError::Tlv, "a TLV cut"),
        (v2(&[0x21, 0x00, 0, 7, 3, 0, 4, 1, 2, 3, 4]), ProxyError::Checksum, "a wrong checksum"),
        (v2(&[0x21, 0x00, 0xFF, 0xFF]), ProxyError::TooLong, "over our limit, seen at once"),
    ];
    for (octets, error, why) in rows {
        assert_eq!(Header::parse(octets), Err(*error), "{why}");
    }
}

#[test]
fn what_version_1_can_not_say_is_unknown() {
    let source = "192.0.2.1:1".parse().unwrap();
    let udp = Endpoints::V4 { transport: Transport::Datagram, source, destination: source };
    for endpoints in
        [udp, Endpoints::Local, Endpoints::tcp("192.0.2.1:1".parse().unwrap(), "[::1]:2".parse().unwrap())]
    {
        let mut out = BytesMut::new();
        write_v1(&mut out, endpoints);
        assert_eq!(out, b"PROXY UNKNOWN\r\n".as_slice());
    }
}

#[test]
fn what_can_not_be_written_leaves_the_output_alone() {
    let long = [b'x'; 109];
    let large = vec![0; PROXY_HEADER];
    let unix = |source| Endpoints::Unix { transport: Transport::Stream, source, destination: b"/b" };
    let rows: &[(Endpoints<'_>, Tlv<'_>, ProxyError, &str)] = &[
        (unix(&long), Tlv { kind: TlvKind::NOOP, value: b"" }, ProxyError::Address, "a path of 109 octets"),
        (unix(b"a\0b"), Tlv { kind: TlvKind::NOOP, value: b"" }, ProxyError::Address, "a path with NUL"),
        (Endpoints::Unknown, Tlv { kind: TlvKind::NOOP, value: &large }, ProxyError::TooLong, "too large"),
        (Endpoints::Unknown, Tlv { kind: TlvKind::CRC32C, value: b"123" }, ProxyError::Tlv, "no checksum"),
        (
            Endpoints::Unknown,
            Tlv { kind: TlvKind::UNIQUE_ID, value: &[0; 129] },
            ProxyError::Tlv,
            "129 octets",
        ),
        (Endpoints::Unknown, Tlv { kind: TlvKind::SSL, value: b"1234" }, ProxyError::Tlv, "four octets"),
    ];
    for &(endpoints, tlv, error, why) in rows {
        let mut out = BytesMut::from("before");
        assert_eq!(write_v2(&mut out, endpoints, [tlv]), Err(error), "{why}");
        assert_eq!(out, b"before".as_slice(), "{why}");
    }
}

#[test]
fn a_verified_certificate_needs_a_certificate() {
    let ssl = |client, verify: u32| {
        let value = [&[client][..], &verify.to_be_bytes()].concat();
        let ssl = Tlv { kind: TlvKind::SSL, value: &value }.ssl().unwrap();
        (ssl.is_tls(), ssl.is_verified())
    };
    assert_eq!(ssl(7, 0), (true, true));
    assert_eq!(ssl(1, 0), (true, false), "no certificate: 0 says nothing");
    assert_eq!(ssl(3, 1), (true, false), "not verified");
    assert_eq!(ssl(0, 0), (false, false));
    assert_eq!(Tlv { kind: TlvKind::NOOP, value: &[0; 5] }.ssl(), None);
}

fn transports() -> impl Strategy<Value = Transport> {
    prop::sample::select(&[Transport::Stream, Transport::Datagram][..])
}

fn v6() -> impl Strategy<Value = SocketAddrV6> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV6::new(ip.into(), port, 0, 0))
}

fn v4() -> impl Strategy<Value = SocketAddrV4> {
    (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV4::new(ip.into(), port))
}

fn all_endpoints(path: &'static [u8]) -> impl Strategy<Value = Endpoints<'static>> {
    let paths = (0..=108usize, 0..=108usize);
    prop_oneof![
        Just(Endpoints::Local),
        Just(Endpoints::Unknown),
        (transports(), v4(), v4()).prop_map(|(transport, source, destination)| Endpoints::V4 {
            transport,
            source,
            destination
        }),
        (transports(), v6(), v6()).prop_map(|(transport, source, destination)| Endpoints::V6 {
            transport,
            source,
            destination
        }),
        (transports(), paths).prop_map(move |(transport, (source, destination))| Endpoints::Unix {
            transport,
            source: &path[..source],
            destination: &path[..destination],
        }),
    ]
}

const MAGIC: &[&[u8]] = &[b"PROXY ", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n!", b""];

const PATH: &[u8] = &[b'/'; 108];

proptest! {
    #[test]
    fn what_is_written_reads_back(
        endpoints in all_endpoints(PATH),
        values in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..64)), 0..6),
        behind in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let not_checked = |kind: &u8| ![TlvKind::CRC32C, TlvKind::SSL].contains(&TlvKind(*kind));
        let tlvs: Vec<Tlv<'_>> = values
            .iter()
            .filter(|(kind, _)| not_checked(kind))
            .map(|(kind, value)| Tlv { kind: TlvKind(*kind), value })
            .collect();
        let checksum = Tlv { kind: TlvKind::CRC32C, value: &[0; 4] };
        let ssl = Tlv { kind: TlvKind::SSL, value: b"\x01\0\0\0\0\x21\0\x02v3" };
        let mut out = BytesMut::new();
        write_v2(&mut out, endpoints, tlvs.iter().copied().chain([checksum, ssl])).unwrap();
        let len = out.len();
        out.extend_from_slice(&behind);
        let read = header(&out);
        prop_assert_eq!((read.version(), read.consumed()), (Version::V2, len));
        prop_assert_eq!(read.endpoints(), endpoints);
        if endpoints == Endpoints::Local {
            prop_assert_eq!(read.tlvs().count(), 0);
        } else {
            prop_assert!(read.tlvs().take(tlvs.len()).eq(tlvs.iter().copied()));
            prop_assert_eq!(read.tlvs().count(), tlvs.len() + 2);
            let mut changed = out.to_vec();
            changed[len - 1] ^= 1;
            prop_assert_eq!(Header::parse(&changed), Err(ProxyError::Checksum));
        }
    }

    #[test]
    fn a_line_that_is_written_reads_back(
        addresses in prop_oneof![
            (v4(), v4()).prop_map(|(a, b)| (SocketAddr::V4(a), SocketAddr::V4(b))),
            (v6(), v6()).prop_map(|(a, b)| (SocketAddr::V6(a), SocketAddr::V6(b))),
        ],
    ) {
        let endpoints = Endpoints::tcp(addresses.0, addresses.1);
        let mut out = BytesMut::new();
        write_v1(&mut out, endpoints);
        let read = header(&out);
        prop_assert_eq!((read.version(), read.consumed()), (Version::V1, out.len()));
        prop_assert_eq!(read.endpoints(), endpoints);
        prop_assert_eq!(read.endpoints().addresses(), Some(addresses));
    }

    #[test]
    fn no_octets_are_too_odd(
        magic in prop::sample::select(MAGIC),
        octets in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let octets = [magic, &octets].concat();
        if let Ok(Preface::Header(header)) = Header::parse(&octets) {
            prop_assert!(header.consumed() <= octets.len());
            for tlv in header.tlvs() {
                let _ = (tlv.ssl().map(|ssl| ssl.tlvs().count()), format!("{tlv:?}"));
            }
        }
    }

    #[test]
    fn a_changed_vector_is_no_trouble(row in 0..173usize, at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut octets = octets(&rows()[row]);
        if !octets.is_empty() {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(Preface::Header(header)) = Header::parse(&octets) {
            prop_assert!(header.consumed() <= octets.len());
        }
    }
}
