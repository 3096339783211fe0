//! Version 2: binary.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use bytes::{BufMut, BytesMut};

use super::tlv::checksum_without;
use super::{Endpoints, Header, Preface, ProxyError, Tlv, TlvKind, Tlvs, Transport, Version};
use crate::limits::PROXY_HEADER;

/// What every header of this version begins with.
pub(super) const MAGIC: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Octets before the addresses.
const FIXED: usize = 16;

/// Octets of a Unix socket's path.
const PATH: usize = 108;

const LOCAL: u8 = 0;
const PROXY: u8 = 1;

pub(super) fn parse(input: &[u8]) -> Result<Preface<'_>, ProxyError> {
    let Some(command) = input.get(MAGIC.len()) else {
        return Ok(Preface::NeedMore { needed: None });
    };
    if command >> 4 != 2 {
        return Err(ProxyError::Version);
    }
    let command = command & 0x0F;
    if command > PROXY {
        return Err(ProxyError::Command);
    }
    let [family, high, low, ..] = input[MAGIC.len() + 1..] else {
        return Ok(Preface::NeedMore { needed: None });
    };
    let consumed = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if consumed > PROXY_HEADER {
        return Err(ProxyError::TooLong);
    }
    let Some(header) = input.get(..consumed) else {
        return Ok(Preface::NeedMore { needed: Some(consumed) });
    };
    // PROXY protocol §2.2: with LOCAL all that follows is dropped, whatever it is.
    let (endpoints, tlvs) = match command {
        LOCAL => (Endpoints::Local, Tlvs::NONE),
        _ => {
            let (endpoints, len) = endpoints(family, &header[FIXED..])?;
            (endpoints, Tlvs::read(header, FIXED + len)?)
        }
    };
    Ok(Preface::Header(Header { version: Version::V2, endpoints, tlvs, consumed }))
}

/// The endpoints that `block` begins with, and how many octets they take.
fn endpoints(family: u8, block: &[u8]) -> Result<(Endpoints<'_>, usize), ProxyError> {
    if family == 0 {
        return Ok((Endpoints::Unknown, 0));
    }
    let transport = match family & 0x0F {
        1 => Transport::Stream,
        2 => Transport::Datagram,
        _ => return Err(ProxyError::Protocol),
    };
    let mut fields = Fields { rest: block };
    let endpoints = match family >> 4 {
        1 => {
            let (source, destination): (Ipv4Addr, Ipv4Addr) = (fields.take()?.into(), fields.take()?.into());
            let (from, to) = (fields.port()?, fields.port()?);
            let (source, destination) = (SocketAddrV4::new(source, from), SocketAddrV4::new(destination, to));
            Endpoints::V4 { transport, source, destination }
        }
        2 => {
            let (source, destination): (Ipv6Addr, Ipv6Addr) = (fields.take()?.into(), fields.take()?.into());
            let (from, to) = (fields.port()?, fields.port()?);
            let address = |ip, port| SocketAddrV6::new(ip, port, 0, 0);
            Endpoints::V6 { transport, source: address(source, from), destination: address(destination, to) }
        }
        3 => Endpoints::Unix { transport, source: fields.path()?, destination: fields.path()? },
        _ => return Err(ProxyError::Protocol),
    };
    Ok((endpoints, block.len() - fields.rest.len()))
}

struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ProxyError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(ProxyError::Address)?;
        self.rest = rest;
        Ok(*field)
    }

    fn port(&mut self) -> Result<u16, ProxyError> {
        self.take().map(u16::from_be_bytes)
    }

    fn path(&mut self) -> Result<&'b [u8], ProxyError> {
        let (field, rest) = self.rest.split_first_chunk::<PATH>().ok_or(ProxyError::Address)?;
        self.rest = rest;
        let len = field.iter().position(|&octet| octet == 0).unwrap_or(PATH);
        Ok(&field[..len])
    }
}

/// Appends a header of version 2. The value given for a [`CRC32C`](TlvKind::CRC32C) does not matter: the right one is
/// written. With [`Endpoints::Local`] there are no TLVs.
///
/// # Errors
/// Where a path has over 108 octets or a NUL, or where the TLVs are more than a header of
/// [`PROXY_HEADER`] octets holds, or not what their types have. Nothing is appended then.
pub fn write_v2<'t>(
    out: &mut BytesMut,
    endpoints: Endpoints<'_>,
    tlvs: impl IntoIterator<Item = Tlv<'t>>,
) -> Result<(), ProxyError> {
    let begin = out.len();
    let written = write(out, endpoints, tlvs);
    if written.is_err() {
        out.truncate(begin);
    }
    written
}

fn write<'t>(
    out: &mut BytesMut,
    endpoints: Endpoints<'_>,
    tlvs: impl IntoIterator<Item = Tlv<'t>>,
) -> Result<(), ProxyError> {
    let begin = out.len();
    let (command, family) = command_and_family(&endpoints);
    out.put_slice(MAGIC);
    out.put_slice(&[2 << 4 | command, family, 0, 0]);
    put_endpoints(out, endpoints)?;
    let tlvs_at = out.len() - begin;
    let mut checksum_at = None;
    if command == PROXY {
        for tlv in tlvs {
            out.put_u8(tlv.kind.0);
            out.put_u16(tlv.value.len().try_into().map_err(|_| ProxyError::TooLong)?);
            if tlv.kind == TlvKind::CRC32C {
                checksum_at = Some(out.len() - begin);
            }
            out.put_slice(tlv.value);
            if out.len() - begin > PROXY_HEADER {
                return Err(ProxyError::TooLong);
            }
        }
    }
    let header = &mut out[begin..];
    let length = u16::try_from(header.len() - FIXED).map_err(|_| ProxyError::TooLong)?;
    header[FIXED - 2..FIXED].copy_from_slice(&length.to_be_bytes());
    if let Some(at) = checksum_at {
        let right = checksum_without(header, at).to_be_bytes();
        header.get_mut(at..at + 4).ok_or(ProxyError::Tlv)?.copy_from_slice(&right);
    }
    Tlvs::read(header, tlvs_at).map(|_| ())
}

fn command_and_family(endpoints: &Endpoints<'_>) -> (u8, u8) {
    let with = |family: u8, transport: Transport| match transport {
        Transport::Stream => (PROXY, family << 4 | 1),
        Transport::Datagram => (PROXY, family << 4 | 2),
    };
    match *endpoints {
        Endpoints::Local => (LOCAL, 0),
        Endpoints::Unknown => (PROXY, 0),
        Endpoints::V4 { transport, .. } => with(1, transport),
        Endpoints::V6 { transport, .. } => with(2, transport),
        Endpoints::Unix { transport, .. } => with(3, transport),
    }
}

fn put_endpoints(out: &mut BytesMut, endpoints: Endpoints<'_>) -> Result<(), ProxyError> {
    match endpoints {
        Endpoints::Local | Endpoints::Unknown => {}
        Endpoints::V4 { source, destination, .. } => {
            out.put_slice(&source.ip().octets());
            out.put_slice(&destination.ip().octets());
            out.put_u16(source.port());
            out.put_u16(destination.port());
        }
        Endpoints::V6 { source, destination, .. } => {
            out.put_slice(&source.ip().octets());
            out.put_slice(&destination.ip().octets());
            out.put_u16(source.port());
            out.put_u16(destination.port());
        }
        Endpoints::Unix { source, destination, .. } => {
            for path in [source, destination] {
                if path.len() > PATH || path.contains(&0) {
                    return Err(ProxyError::Address);
                }
                out.put_slice(path);
                out.put_bytes(0, PATH - path.len());
            }
        }
    }
    Ok(())
}
