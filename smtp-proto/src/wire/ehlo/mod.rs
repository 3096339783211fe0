//! EHLO and its response: what a server offers (RFC 5321 §4.1.1.1).
//!
//! A server writes its offer with [`write_ehlo`]; a client reads it as [`EhloResponse`] and keeps it as
//! [`Extensions`]. [`Keyword`] is the one table behind both.
//!
//! ```
//! use smtp_proto::Leniency;
//! use smtp_proto::bytes::BytesMut;
//! use smtp_proto::sasl::Mechanism;
//! use smtp_proto::wire::ehlo::{Capability, EhloResponse, Keyword, Size, write_ehlo};
//!
//! let mut out = BytesMut::new();
//! let mechanisms = [Mechanism::PLAIN];
//! let offer = [Keyword::Pipelining.into(), Capability::Size(Some(1_000)), Capability::Auth(&mechanisms)];
//! write_ehlo(&mut out, "mx.example.com", "at your service", offer);
//! assert!(out.ends_with(b"250-SIZE 1000\r\n250 AUTH PLAIN\r\n"));
//!
//! let (reply, response) = EhloResponse::parse(&out, Leniency::REPLIES)?.expect("its end is there");
//! assert_eq!(reply.code(), 250);
//! assert!(response.has(Keyword::Pipelining) && !response.has(Keyword::StartTls));
//! assert_eq!(response.size(), Some(Size::Octets(1_000)));
//! assert!(response.auth().eq(mechanisms));
//! # Ok::<(), smtp_proto::wire::reply::ReplyError>(())
//! ```

mod extensions;
mod keyword;
mod limits;
mod offer;
mod response;
mod words;
mod write;

pub use extensions::Extensions;
pub use keyword::{Keyword, KeywordSet};
pub use limits::Limits;
pub use offer::Size;
pub use response::{EhloResponse, FutureRelease};
pub use words::{Extension, ExtensionLines, Mechanisms, Params};
pub use write::{Capability, write_ehlo};
