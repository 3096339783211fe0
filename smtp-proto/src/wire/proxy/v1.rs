//! Version 1: a line of text.

use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::{Endpoints, Header, Preface, ProxyError, Tlvs, Version};
use crate::wire::values::number;

/// What every header of this version begins with. What begins so is a header, or an error.
pub(super) const MAGIC: &[u8] = b"PROXY";

/// Longest line, CR LF included (PROXY protocol §2.1).
const LINE: usize = 107;

pub(super) fn parse(input: &[u8]) -> Result<Preface<'_>, ProxyError> {
    let newline = |octet: &u8| matches!(octet, b'\r' | b'\n');
    let end = match input.iter().take(LINE).position(newline) {
        Some(end) => end,
        None if input.len() <= LINE - 2 => return Ok(Preface::NeedMore { needed: None }),
        None => return Err(ProxyError::TooLong),
    };
    match &input[end..] {
        [b'\r', b'\n', ..] if end + 2 <= LINE => {
            let endpoints = endpoints(&input[..end])?;
            let header = Header { version: Version::V1, endpoints, tlvs: Tlvs::NONE, consumed: end + 2 };
            Ok(Preface::Header(header))
        }
        [b'\r'] if end + 2 <= LINE => Ok(Preface::NeedMore { needed: Some(end + 2) }),
        [b'\r', b'\n', ..] | [b'\r'] => Err(ProxyError::TooLong),
        _ => Err(ProxyError::BareNewline),
    }
}

fn endpoints(line: &[u8]) -> Result<Endpoints<'static>, ProxyError> {
    let mut fields = line.split(|&octet| octet == b' ');
    let mut field = || fields.next().ok_or(ProxyError::Fields);
    if field()? != MAGIC {
        return Err(ProxyError::Fields);
    }
    let parse = match field()? {
        b"UNKNOWN" => return Ok(Endpoints::Unknown),
        b"TCP4" => address::<Ipv4Addr>,
        b"TCP6" => address::<Ipv6Addr>,
        _ => return Err(ProxyError::Protocol),
    };
    let (source, destination) = (parse(field()?)?, parse(field()?)?);
    let (source_port, destination_port) = (port(field()?)?, port(field()?)?);
    if fields.next().is_some() {
        return Err(ProxyError::Fields);
    }
    Ok(Endpoints::tcp(SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)))
}

/// An address in its usual form. Those of the standard library have no leading zeros, zones or brackets either.
fn address<A: FromStr + Into<IpAddr>>(field: &[u8]) -> Result<IpAddr, ProxyError> {
    let text = core::str::from_utf8(field).map_err(|_| ProxyError::Address)?;
    text.parse::<A>().map(Into::into).map_err(|_| ProxyError::Address)
}

fn port(field: &[u8]) -> Result<u16, ProxyError> {
    if let [b'0', _, ..] = field {
        return Err(ProxyError::Port);
    }
    number(field, 5).and_then(|port| port.try_into().ok()).ok_or(ProxyError::Port)
}

/// Appends a header of version 1. What this version has no words for is said to be unknown: UDP, Unix sockets, LOCAL.
pub fn write_v1(out: &mut BytesMut, endpoints: Endpoints<'_>) {
    let (family, source, destination) = match endpoints {
        Endpoints::V4 { transport: super::Transport::Stream, source, destination } => {
            ("TCP4", SocketAddr::V4(source), SocketAddr::V4(destination))
        }
        Endpoints::V6 { transport: super::Transport::Stream, source, destination } => {
            ("TCP6", SocketAddr::V6(source), SocketAddr::V6(destination))
        }
        _ => {
            out.put_slice(b"PROXY UNKNOWN\r\n");
            return;
        }
    };
    // `BytesMut` grows as it is written to, so there is no error to pass on.
    let _ = write!(
        out,
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    );
}
