//! Whether what the client was told is what the server has.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Pair;
use super::app::Stored;
use crate::client::{Envelope, Outcome};

/// A message that was sent, and what became of it.
pub(super) struct Message {
    recipients: Vec<String>,
    content: Vec<u8>,
    /// The content as it comes out of DATA.
    in_data: Vec<u8>,
    /// `None` while it is on its way.
    pub(super) outcomes: Option<Vec<Outcome>>,
}

impl Message {
    pub(super) fn new(envelope: &Envelope<'_>, content: &[u8], normalises: bool) -> Self {
        let mut in_data = content.to_vec();
        if normalises {
            in_data = normalised(content);
        }
        if !(in_data.is_empty() || in_data.ends_with(b"\r\n")) {
            in_data.extend_from_slice(b"\r\n");
        }
        Self {
            recipients: envelope.recipients().iter().map(|one| one.mailbox().to_string()).collect(),
            content: content.to_vec(),
            in_data,
            outcomes: None,
        }
    }

    fn is_in(&self, mail: &Stored) -> bool {
        let content = if mail.chunked { &self.content } else { &self.in_data };
        mail.content == *content && mail.recipients.iter().all(|one| self.recipients.contains(one))
    }
}

/// Each bare CR and each bare LF as CR LF.
fn normalised(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, &octet) in content.iter().enumerate() {
        match octet {
            b'\n' if !content[..at].ends_with(b"\r") => out.extend_from_slice(b"\r\n"),
            b'\r' if content.get(at + 1) != Some(&b'\n') => out.extend_from_slice(b"\r\n"),
            octet => out.push(octet),
        }
    }
    out
}

impl Pair {
    /// What contradicts what: each recipient has one outcome in its place; who is Accepted has the message once, who is
    /// Unknown at most once, and nobody else; what is stored is what was sent, octet by octet; and the server found
    /// nothing wrong with the client's commands. Messages must differ from each other.
    #[must_use]
    pub fn contradiction(&self) -> Option<String> {
        let strangers = |mail: &&Stored| !self.messages.iter().any(|message| message.is_in(mail));
        if let Some(mail) = self.app.stored.iter().find(strangers) {
            return Some(format!("nobody sent {mail:?}"));
        }
        // Octets out of nowhere may make a client believe in extensions that there are not.
        let faults = [500, 501, 502, 504, 555];
        if let Some(code) = self.app.answered.iter().find(|code| faults.contains(code) && !self.link.noisy) {
            let is_lmtp = self.client.session.config.protocol != self.server.session.config.protocol;
            if !is_lmtp {
                return Some(format!("the server said {code}"));
            }
        }
        self.messages.iter().find_map(|message| self.contradicts(message))
    }

    fn contradicts(&self, message: &Message) -> Option<String> {
        let outcomes = message.outcomes.as_deref()?;
        if outcomes.len() != message.recipients.len() {
            return Some(format!("{} outcomes for {:?}", outcomes.len(), message.recipients));
        }
        for (recipient, outcome) in message.recipients.iter().zip(outcomes) {
            // Noise within the text makes it another text.
            let told = outcome.reply().filter(|_| !self.link.noisy);
            let text = told.map(|reply| reply.text_lossy().into_owned()).unwrap_or_default();
            if recipient.is_ascii() && text.contains('<') && !text.contains(&format!("<{recipient}>")) {
                return Some(format!("{recipient} was told {text}"));
            }
            let mails = self.app.stored.iter().filter(|mail| message.is_in(mail));
            let copies = mails.flat_map(|mail| &mail.recipients).filter(|one| *one == recipient).count();
            let same = || message.recipients.iter().zip(outcomes).filter(|(one, _)| *one == recipient);
            let least = same().filter(|(_, outcome)| outcome.is_accepted()).count();
            let most = least + same().filter(|(_, outcome)| **outcome == Outcome::Unknown).count();
            if !(least..=most).contains(&copies) {
                return Some(format!("{recipient} has {copies} copies: {outcome:?}"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::content::{Encoder, SendNewlines};

    #[test]
    fn line_ends_are_repaired_as_the_encoder_does() {
        for text in ["a\nb\r\nc\rd", "\r", "\n\r", "\r\r\n", "a\r"] {
            let mut wire = Vec::new();
            let mut encoder = Encoder::new(SendNewlines::Normalise);
            assert_eq!(encoder.put(text.as_bytes(), &mut wire), Ok(text.len()));
            wire.extend_from_slice(encoder.finish().unwrap());
            let decoded = crate::testing::oracle::decode(&wire, crate::wire::content::BareNewlines::Count);
            assert!(decoded.ended && decoded.content.starts_with(&normalised(text.as_bytes())), "{text:?}");
        }
    }
}
