//! What a subscriber of `tracing` hears of a client's connections; without that feature nothing is said and nothing is held.
//!
//! Names, addresses and codes, never a line: replies repeat addresses, and what a client says may be a password.

use std::io;
use std::net::SocketAddr;

use smtp_proto::client::{Certificate, ClientStep, TlsInfo};

#[cfg(feature = "tracing")]
pub(super) use spoken::{Observer, unreachable};
#[cfg(not(feature = "tracing"))]
pub(super) use unspoken::{Observer, unreachable};

#[cfg(feature = "tracing")]
mod spoken {
    use smtp_proto::client::{CloseReason, Sent};
    use tracing::field::Empty;
    use tracing::{Span, debug, info, info_span, warn};

    use super::{Certificate, ClientStep, SocketAddr, TlsInfo, io};

    /// Speaks of one connection.
    #[derive(Debug)]
    pub(in crate::client) struct Observer {
        span: Box<Span>,
    }

    impl Observer {
        pub(in crate::client) fn new() -> Self {
            Self { span: Box::new(info_span!("smtp_client", host = Empty, peer = Empty, tls = Empty)) }
        }

        pub(in crate::client) fn span(&self) -> &Span {
            &self.span
        }

        /// There is a connection.
        pub(in crate::client) fn connected(&self, host: &str, peer: &str) {
            self.span.record("host", host);
            self.span.record("peer", peer);
            debug!(parent: &*self.span, "connected");
        }

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(in crate::client) fn encrypted(&self, tls: &TlsInfo, certificate: Certificate) {
            self.span.record("tls", tls.protocol.as_str());
            let (protocol, cipher, verified) =
                (&*tls.protocol, &*tls.cipher, certificate == Certificate::Verified);
            debug!(parent: &*self.span, protocol, cipher, verified, "encrypted");
        }

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(in crate::client) fn not_encrypted(&self, error: &io::Error) {
            info!(parent: &*self.span, %error, "the TLS handshake failed");
        }

        pub(in crate::client) fn step(&self, step: &ClientStep<'_>) {
            match step {
                ClientStep::Reply { to, reply } if reply.code() >= 400 => {
                    debug!(parent: &*self.span, %to, code = reply.code(), "refused");
                }
                ClientStep::Reply { to: Sent::Content(_), reply } => {
                    debug!(parent: &*self.span, code = reply.code(), "the message was taken");
                }
                ClientStep::Reply { to: Sent::Auth, reply } if reply.code() / 100 == 2 => {
                    debug!(parent: &*self.span, code = reply.code(), "authenticated");
                }
                ClientStep::Close(reason @ CloseReason::Injection) => {
                    warn!(parent: &*self.span, %reason, "closed");
                }
                ClientStep::Close(reason) => info!(parent: &*self.span, %reason, "closed"),
                _ => {}
            }
        }
    }

    /// One of the host's addresses does not answer.
    pub(in crate::client) fn unreachable(host: &str, address: SocketAddr, error: &io::Error) {
        info!(host, peer = %address, %error, "no connection");
    }
}

#[cfg(not(feature = "tracing"))]
mod unspoken {
    use super::{Certificate, ClientStep, SocketAddr, TlsInfo, io};

    /// Says nothing.
    #[derive(Debug)]
    pub(in crate::client) struct Observer;

    impl Observer {
        pub(in crate::client) const fn new() -> Self {
            Self
        }

        pub(in crate::client) const fn connected(&self, _: &str, _: &str) {}

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(in crate::client) const fn encrypted(&self, _: &TlsInfo, _: Certificate) {}

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(in crate::client) const fn not_encrypted(&self, _: &io::Error) {}

        pub(in crate::client) const fn step(&self, _: &ClientStep<'_>) {}
    }

    pub(in crate::client) const fn unreachable(_: &str, _: SocketAddr, _: &io::Error) {}
}
