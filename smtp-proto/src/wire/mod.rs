//! Octets to values and back: commands, paths, parameters, replies, content. Grammar only, no state.

mod arguments;
mod attributes;
pub mod base64;
mod canonical;
pub(crate) mod class;
pub mod command;
mod commands;
pub mod content;
pub mod datetime;
pub mod ehlo;
mod fast;
mod grammar;
pub mod host;
pub mod leniency;
pub(crate) mod number;
pub mod params;
mod params_buf;
pub mod path;
pub mod proxy;
pub mod reply;
#[cfg(feature = "serde")]
mod serde;
mod sweep;
mod values;
mod verb;
pub mod xtext;
