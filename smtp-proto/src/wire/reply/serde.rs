//! [`ReplyBuf`] as a map of code, text and deviations.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ReplyBuf;

use super::lines::{Codes, RawLines};
use crate::wire::leniency::{Deviations, Leniency};

#[derive(Serialize)]
#[serde(rename = "Reply")]
struct Written<'a> {
    code: u16,
    text: Text<&'a [u8]>,
    deviations: Names,
}

#[derive(Deserialize)]
#[serde(rename = "Reply")]
struct Read {
    code: u16,
    text: Text<Vec<u8>>,
    deviations: Names,
}

impl Serialize for ReplyBuf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { code: self.code, text: Text(&self.text), deviations: Names(self.deviations) }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ReplyBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { code, text: Text(text), deviations: Names(deviations) } = Read::deserialize(deserializer)?;
        if !matches!(code, 200..=599) || text.contains(&b'\r') {
            return Err(D::Error::custom("not a reply"));
        }
        let codes = Codes::of(code, deviations.contains(Leniency::REPLY_HASHED_CODE));
        let (enhanced, _) = codes.last_of(RawLines::joined(&text));
        Ok(Self { text, code, enhanced, deviations })
    }
}

/// Deviations by their names.
struct Names(Deviations);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut deviations = Deviations::NONE;
        for name in Vec::<String>::deserialize(deserializer)? {
            let known = Leniency::NAMES.iter().find(|(_, known)| *known == name);
            let (deviation, _) = known.ok_or_else(|| D::Error::custom("not a deviation's name"))?;
            deviations = deviations.with((*deviation).into());
        }
        Ok(Self(deviations))
    }
}

/// Octets as a string where they are one and people may read it, else as octets: nothing is lost.
struct Text<T>(T);

impl Serialize for Text<&[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(self.0) {
            Ok(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => serializer.serialize_bytes(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Text<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TextVisitor)
        } else {
            deserializer.deserialize_byte_buf(TextVisitor)
        }
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or octets")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(text.as_bytes().to_vec()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Text(text.into_bytes()))
    }

    fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Self::Value, E> {
        Ok(Text(text.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut octets: A) -> Result<Self::Value, A::Error> {
        let mut text = Vec::new();
        while let Some(octet) = octets.next_element()? {
            text.push(octet);
        }
        Ok(Text(text))
    }
}
