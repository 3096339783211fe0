//! Which port, and STARTTLS or TLS from the start.
//!
//! | port | who connects | TLS | what the configuration says |
//! |---|---|---|---|
//! | 25 | other servers | STARTTLS, if they want (RFC 3207) | `offer(Extension::StartTls)` |
//! | 465 | mail programs | from the start, before the greeting (RFC 8314 §3.3) | `auth(..)`, `require_auth()` |
//! | 587 | mail programs | STARTTLS | `offer(Extension::StartTls)`, `auth(..)`, `require_auth()` |
//! | a Unix socket, or 24 | your own mail server, LMTP | none | `ServerConfig::lmtp(name)` |
//!
//! Where you can choose, take 465 for mail programs: there is no step in clear text that somebody could strip. Port 25
//! can't require TLS (RFC 3207 §4): a server that does gets less mail.
//!
//! # From the start
//!
//! [`ServerSession::implicit_tls`](crate::server::ServerSession::implicit_tls) says [`Need::Upgrade`](crate::server::Need)
//! before anything else; in the adapters that is `Server::builder(config).implicit_tls(tls)`. STARTTLS is not offered
//! there. A client that expects it connects and waits for a greeting that never comes, until
//! [`handshake`](crate::server::Limits::handshake) ends it: it has the wrong port.
//!
//! # STARTTLS
//!
//! In the adapters it is `Server::builder(config).starttls(tls)`. Accepting [`Step::StartTls`](crate::server::Step::StartTls)
//! (which [`or_default`](crate::server::Step::or_default) does) queues 220, then the session needs Flush, then Upgrade, then a
//! fresh EHLO: everything said before is forgotten (RFC 3207 §4.2). Octets that came in clear behind STARTTLS are dropped,
//! never run; [`Facts::dropped_at_tls`](crate::server::Facts::dropped_at_tls) counts them, and anything but 0 is either a
//! broken client or somebody in between. After a handshake that failed there is nothing to go back to:
//! [`CloseReason::TlsFailed`](crate::server::CloseReason::TlsFailed).
//!
//! A client that sends a TLS hello to a port in clear text is told 554 and seen as
//! [`NotSmtp(Tls)`](crate::server::ForeignProtocol::Tls): it wanted 465.
//!
//! # What was agreed
//!
//! [`Facts::tls`](crate::server::Facts::tls) has version, cipher, the name the client asked for, and its certificate if it
//! showed one, beside every token. To take mail from one network only under TLS:
//!
//! ```
//! use smtp_proto::server::{Mail, Pending};
//! use smtp_proto::wire::reply::Reply;
//!
//! const TLS_FIRST: Reply<'static> = Reply::new(530, (5, 7, 0), "Must issue a STARTTLS command first");
//!
//! fn answer(mail: Pending<'_, Mail<'_>>) {
//!     if mail.facts().tls().is_some() { mail.accept() } else { mail.refuse(&TLS_FIRST) }
//! }
//! ```
//!
//! Behind something that ends TLS before you, say so with [`Peer::over_tls`](crate::server::Peer::over_tls); AUTH is then
//! offered as under TLS of your own.
