//! Owned values to and from their text.
//!
//! What was read leniently once must be readable again, so that a queue can store it.

use alloc::string::String;

use ::serde::de::Error;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::host::{Domain, DomainBuf};
use super::leniency::Leniency;
use super::params::{MailParamsBuf, RcptParamsBuf};
use super::path::{Mailbox, MailboxBuf, ReversePath, ReversePathBuf};
use crate::error::ParseError;

/// All that can be odd about a mailbox that was accepted.
const STORED: Leniency =
    Leniency::LOCAL_PART_DOTS.with(Leniency::DOMAIN_UNDERSCORE).with(Leniency::DOMAIN_FINAL_DOT);

macro_rules! as_text {
    ($($name:ident: $read:expr;)*) => {
        $(
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let read: fn(&str) -> Result<Self, ParseError> = $read;
                    read(&String::deserialize(deserializer)?).map_err(D::Error::custom)
                }
            }
        )*
    };
}

as_text! {
    DomainBuf: |text| Domain::parse_with(text.as_bytes(), STORED).map(|(domain, _)| domain.to_owned());
    MailboxBuf: |text| Mailbox::parse_with(text.as_bytes(), STORED).map(|(mailbox, _)| mailbox.to_owned());
    ReversePathBuf: |text| ReversePath::parse_with(text.as_bytes(), STORED).map(|(path, _)| path.to_owned());
    MailParamsBuf: str::parse;
    RcptParamsBuf: str::parse;
}
