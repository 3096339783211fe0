//! Octets to values and back: commands, paths, parameters, replies, content. Grammar only, no state.

pub mod base64;
pub mod content;
pub mod ehlo;
mod number;
pub mod reply;
