//! EHLO and its response: what a server offers (RFC 5321 §4.1.1.1).

mod keyword;
mod limits;
mod write;

pub use keyword::{Keyword, KeywordSet};
pub use limits::Limits;
pub use write::{Capability, write_ehlo};
