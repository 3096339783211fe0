//! EHLO and its response: what a server offers (RFC 5321 §4.1.1.1).
//!
//! A server writes its offer with [`write_ehlo`]; a client reads it as [`EhloResponse`] and keeps it as
//! [`Extensions`]. [`Keyword`] is the one table behind both.

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
