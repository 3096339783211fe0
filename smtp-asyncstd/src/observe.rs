//! What a subscriber of `tracing` hears of connections; without that feature nothing is said and nothing is held.
//!
//! Names, addresses and codes, never a line: what a client said may be a password where it does not look like one.

use std::io;
use std::net::SocketAddr;

use smtp_proto::server::{Facts, Peer, Step, TlsInfo};

#[cfg(feature = "tracing")]
pub(crate) use spoken::{Observer, accept_failed, turned_away};
#[cfg(not(feature = "tracing"))]
pub(crate) use unspoken::{Observer, accept_failed, turned_away};

#[cfg(feature = "tracing")]
mod spoken {
    use smtp_proto::server::CloseReason;
    use tracing::field::{Empty, display};
    use tracing::{Span, debug, info, info_span, warn};

    use super::{Facts, Peer, SocketAddr, Step, TlsInfo, io};

    /// Speaks of one connection.
    #[derive(Debug)]
    pub(crate) struct Observer {
        /// Boxed, as connections that nobody listens to are many.
        span: Box<Span>,
        refusals: u32,
        deviations: u64,
    }

    impl Observer {
        pub(crate) fn new(peer: &Peer) -> Self {
            let span = info_span!("smtp", peer = Empty, tls = Empty, helo = Empty);
            if let Some(peer) = peer.remote() {
                span.record("peer", display(peer));
            }
            Self { span: Box::new(span), refusals: 0, deviations: 0 }
        }

        pub(crate) fn span(&self) -> &Span {
            &self.span
        }

        /// A balancer told who the client is.
        pub(crate) fn proxied(&self, client: SocketAddr) {
            self.span.record("peer", display(client));
            debug!(parent: &*self.span, %client, "proxied");
        }

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(crate) fn encrypted(&self, tls: &TlsInfo, dropped: usize) {
            self.span.record("tls", tls.protocol.as_str());
            let (protocol, cipher, name) = (&*tls.protocol, &*tls.cipher, tls.server_name.as_deref());
            debug!(parent: &*self.span, protocol, cipher, name, "encrypted");
            if dropped > 0 {
                warn!(parent: &*self.span, octets = dropped, "clear text behind STARTTLS was dropped");
            }
        }

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(crate) fn not_encrypted(&self, error: &io::Error) {
            info!(parent: &*self.span, %error, "the TLS handshake failed");
        }

        /// Looks at what is new about the session: refusals and deviations.
        pub(crate) fn look_at(&mut self, facts: &Facts) {
            if facts.refusals() != self.refusals {
                self.refusals = facts.refusals();
                debug!(parent: &*self.span, code = facts.last_refusal(), "refused");
            }
            if facts.deviation_count() != self.deviations {
                self.deviations = facts.deviation_count();
                debug!(parent: &*self.span, so_far = ?facts.deviations(), "a deviation was tolerated");
            }
        }

        pub(crate) fn step(&self, step: &Step<'_, '_>) {
            match step {
                Step::Connect(_) => debug!(parent: &*self.span, "connected"),
                Step::Hello(hello) => {
                    let name = hello.name().raw().escape_ascii();
                    self.span.record("helo", display(name));
                }
                Step::Answered(answered) => {
                    debug!(parent: &*self.span, code = answered.code(), "answered by the session");
                }
                Step::Close(reason @ CloseReason::Abuse(_)) => {
                    warn!(parent: &*self.span, ?reason, "closed: a budget is used up");
                }
                Step::Close(reason) => info!(parent: &*self.span, ?reason, "closed"),
                _ => {}
            }
        }
    }

    pub(crate) fn accept_failed(error: &io::Error) {
        warn!(%error, "accepting a connection failed");
    }

    pub(crate) fn turned_away(peer: Option<SocketAddr>) {
        info!(peer = peer.map(display), "turned away: too many connections");
    }
}

#[cfg(not(feature = "tracing"))]
mod unspoken {
    use super::{Facts, Peer, SocketAddr, Step, TlsInfo, io};

    /// Says nothing.
    #[derive(Debug)]
    pub(crate) struct Observer;

    impl Observer {
        pub(crate) const fn new(_: &Peer) -> Self {
            Self
        }

        pub(crate) const fn proxied(&self, _: SocketAddr) {}

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(crate) const fn encrypted(&self, _: &TlsInfo, _: usize) {}

        #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no handshakes"))]
        pub(crate) const fn not_encrypted(&self, _: &io::Error) {}

        pub(crate) const fn look_at(&mut self, _: &Facts) {}

        pub(crate) const fn step(&self, _: &Step<'_, '_>) {}
    }

    pub(crate) const fn accept_failed(_: &io::Error) {}

    pub(crate) const fn turned_away(_: Option<SocketAddr>) {}
}
