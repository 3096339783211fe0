//! The PROXY protocol, versions 1 and 2: what a load balancer says of the connection that it passes on.
//!
//! A header stands before everything else, the TLS handshake of an implicit TLS port included. Read it only from peers
//! that are configured to send it, and refuse their connection without it: anybody can claim to be anyone in it.

mod crc32c;
mod tlv;
mod v1;
mod v2;

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

pub use tlv::{Ssl, Tlv, TlvKind, Tlvs};
pub use v1::write_v1;
pub use v2::write_v2;

/// What the first octets of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preface<'b> {
    /// A whole header.
    Header(Header<'b>),
    /// A header that has come in part.
    NeedMore {
        /// How many octets it has in all, if that can be told yet.
        needed: Option<usize>,
    },
    /// Something else.
    NotProxy,
}

/// A header, borrowed from the octets that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'b> {
    version: Version,
    endpoints: Endpoints<'b>,
    tlvs: Tlvs<'b>,
    consumed: usize,
}

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Between whom the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoints<'b> {
    /// LOCAL: the balancer speaks for itself, as in a health check. The socket's own addresses count.
    Local,
    /// UNKNOWN or UNSPEC: passed on, but the addresses are not told. The socket's own addresses count.
    Unknown,
    /// IPv4.
    V4 {
        /// TCP or UDP.
        transport: Transport,
        /// The client.
        source: SocketAddrV4,
        /// Where the client connected to.
        destination: SocketAddrV4,
    },
    /// IPv6.
    V6 {
        /// TCP or UDP.
        transport: Transport,
        /// The client.
        source: SocketAddrV6,
        /// Where the client connected to.
        destination: SocketAddrV6,
    },
    /// Unix sockets, by their paths without the NULs behind them.
    Unix {
        /// Stream or datagram.
        transport: Transport,
        /// The client.
        source: &'b [u8],
        /// Where the client connected to.
        destination: &'b [u8],
    },
}

impl Endpoints<'_> {
    /// The addresses of client and server, if they are of IP; else the socket's own count.
    #[must_use]
    pub const fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        match *self {
            Self::V4 { source, destination, .. } => {
                Some((SocketAddr::V4(source), SocketAddr::V4(destination)))
            }
            Self::V6 { source, destination, .. } => {
                Some((SocketAddr::V6(source), SocketAddr::V6(destination)))
            }
            Self::Local | Self::Unknown | Self::Unix { .. } => None,
        }
    }

    /// TCP between two addresses; [`Unknown`](Self::Unknown) if one is of IPv4 and one of IPv6.
    #[must_use]
    pub const fn tcp(source: SocketAddr, destination: SocketAddr) -> Self {
        let transport = Transport::Stream;
        match (source, destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                Self::V4 { transport, source, destination }
            }
            (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
                Self::V6 { transport, source, destination }
            }
            _ => Self::Unknown,
        }
    }
}

/// What carries the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, or a stream socket.
    Stream,
    /// UDP, or a datagram socket.
    Datagram,
}

impl<'b> Header<'b> {
    /// Reads what `input`, the first octets of a connection, begins with.
    ///
    /// # Errors
    /// When it begins as a header does but can't become a valid one; the connection is to be closed.
    pub fn parse(input: &'b [u8]) -> Result<Preface<'b>, ProxyError> {
        for (magic, parse) in [(v1::MAGIC, v1::parse as fn(_) -> _), (v2::MAGIC, v2::parse)] {
            if input.starts_with(magic) {
                return parse(input);
            }
            if magic.starts_with(input) {
                return Ok(Preface::NeedMore { needed: None });
            }
        }
        Ok(Preface::NotProxy)
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Between whom the connection is.
    #[must_use]
    pub const fn endpoints(&self) -> Endpoints<'b> {
        self.endpoints
    }

    /// What else is told: version 2 only, and not with LOCAL.
    #[must_use]
    pub const fn tlvs(&self) -> Tlvs<'b> {
        self.tlvs
    }

    /// How many octets the header has; what follows it belongs to the connection.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }
}

/// Why octets that begin as a PROXY header are none, or why one can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Longer than it may be.
    #[error("PROXY header too long")]
    TooLong,
    /// Version 1: CR or LF alone.
    #[error("PROXY header with a bare CR or LF")]
    BareNewline,
    /// Version 1: not the fields there should be, with one space between them.
    #[error("PROXY header with wrong fields")]
    Fields,
    /// Not a known protocol, or a combination of family and transport that does not exist.
    #[error("PROXY header with an unknown protocol")]
    Protocol,
    /// An address is malformed, missing, or of another family.
    #[error("PROXY header with a malformed address")]
    Address,
    /// A port is not a number of 0 to 65,535 without leading zeros.
    #[error("PROXY header with a malformed port")]
    Port,
    /// Neither version 1 nor 2.
    #[error("PROXY header of an unknown version")]
    Version,
    /// Neither LOCAL nor PROXY.
    #[error("PROXY header with an unknown command")]
    Command,
    /// A TLV is cut or has a length that its type does not have.
    #[error("PROXY header with a malformed TLV")]
    Tlv,
    /// The CRC32C is not that of the header.
    #[error("PROXY header with a wrong checksum")]
    Checksum,
}
