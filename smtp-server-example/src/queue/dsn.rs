//! Notifications: what became of a message, for its sender (RFC 3461, RFC 3462, RFC 3464, RFC 6533).

use std::fmt::Write as _;
use std::io::Read;

use jiff::Timestamp;
use smtp_proto::wire::params::Ret;
use smtp_proto::wire::xtext::{Utf8Address, Xtext};

use super::model::{BodyType, Envelope, Kind};
use super::policy::Event;
use super::transport::Said;
use crate::queue_id::QueueId;
use crate::trace;

/// A message up to this size comes back whole, unless RET says otherwise; of a larger one the header does. The sender
/// has it, and many would have to carry it.
pub(crate) const RETURNED_WHOLE: u64 = 50_000;

/// Longest header that comes back.
const RETURNED_HEADER: u64 = 64 * 1024;

/// Longest reply that is quoted; RFC 5321 §4.5.3.1.5 knows of 512 octets a line, some hosts of many lines.
const QUOTED: usize = 900;

/// What of a message comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    Whole(Vec<u8>),
    Header(Vec<u8>),
}

impl Returned {
    /// Reads what comes back of a message.
    ///
    /// What can't be read does not come: a report without it is better than none.
    pub(crate) fn read(
        event: Event,
        envelope: &Envelope,
        octets: u64,
        prefix: &[u8],
        body: impl Read,
    ) -> Self {
        // RFC 3461 §4.3: RET is about failure; of what has not failed the header comes back.
        let whole = event == Event::Failed
            && envelope.ret != Some(Ret::Hdrs)
            && octets <= RETURNED_WHOLE
            // Octets that need not be lines can't stand in a part of a message of lines.
            && envelope.body_type != BodyType::Binary;
        let mut read = prefix.to_vec();
        let mut content = Vec::new();
        let complete = body.take(RETURNED_HEADER).read_to_end(&mut content).is_ok();
        if whole && complete {
            read.append(&mut content);
            return Self::Whole(read);
        }
        let end = memchr::memmem::find(&content, b"\r\n\r\n").map_or(0, |at| at + 2);
        // A body that begins with an empty line has no header.
        let end = if content.starts_with(b"\r\n") { 0 } else { end };
        read.extend_from_slice(&content[..end]);
        Self::Header(read)
    }
}

/// What is told about a recipient.
pub(crate) struct Told<'a> {
    pub(crate) address: &'a str,
    pub(crate) orcpt: Option<&'a str>,
    pub(crate) action: Action,
    pub(crate) said: &'a Said,
    /// It may have been delivered all the same.
    pub(crate) unsure: bool,
}

/// RFC 3464 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Failed,
    Delayed,
    Delivered,
    Relayed,
    Expanded,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    const fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Undelivered mail returned to sender",
            Self::Delayed => "Delayed mail (still being tried)",
            Self::Delivered | Self::Relayed | Self::Expanded => "Delivery report",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Failed => "Your message could not be delivered to:",
            Self::Delayed => {
                "Your message is late. You need not do anything, it is still being tried. It could not be\r\n\
                 delivered yet to:"
            }
            Self::Delivered => "Your message was delivered to:",
            Self::Relayed => {
                "Your message was passed on to a host that does not report further. It was passed on for:"
            }
            Self::Expanded => {
                "Your message was taken, and is being sent on to those whom an address stands for. It is:"
            }
        }
    }
}

/// One notification.
pub(crate) struct Notice<'a> {
    pub(crate) id: QueueId,
    pub(crate) host: &'a str,
    /// The envelope of the message it is about.
    pub(crate) envelope: &'a Envelope,
    /// Never empty. All of one kind.
    pub(crate) told: &'a [Told<'a>],
    /// The host that was asked last.
    pub(crate) mx: Option<&'a str>,
    pub(crate) now: Timestamp,
    pub(crate) returned: Returned,
}

impl Notice<'_> {
    /// The envelope that it travels in: from nobody, so that nothing comes back (RFC 3464 §2).
    pub(crate) fn envelope_of_notice(&self, expires: Timestamp) -> Envelope {
        let plain = match &self.returned {
            Returned::Whole(octets) | Returned::Header(octets) => octets.is_ascii(),
        };
        Envelope {
            id: self.id,
            sender: String::new(),
            envid: None,
            ret: None,
            body_type: if plain && !self.is_global() { BodyType::SevenBit } else { BodyType::EightBit },
            smtputf8: self.is_global(),
            requiretls: self.envelope.requiretls,
            kind: Kind::Dsn,
            user: None,
            client: None,
            hello: None,
            tls: None,
            arrived: self.now,
            expires,
        }
    }

    /// The message in wire form.
    pub(crate) fn content(&self) -> Vec<u8> {
        let boundary = format!("=_{}", self.id);
        let mut text = self.header(&boundary);
        let _ = write!(text, "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n");
        text.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
        text.push_str(&self.for_people());
        let (status, header, whole) = if self.is_global() {
            ("message/global-delivery-status", "message/global-headers", "message/global")
        } else {
            ("message/delivery-status", "text/rfc822-headers", "message/rfc822")
        };
        let _ = write!(text, "\r\n--{boundary}\r\nContent-Type: {status}\r\n\r\n");
        text.push_str(&self.for_programs());
        let (kind, returned) = match &self.returned {
            Returned::Whole(octets) => (whole, octets),
            Returned::Header(octets) => (header, octets),
        };
        let _ = write!(text, "--{boundary}\r\nContent-Type: {kind}\r\n");
        if !returned.is_ascii() {
            text.push_str("Content-Transfer-Encoding: 8bit\r\n");
        }
        text.push_str("\r\n");
        let mut content = text.into_bytes();
        content.extend_from_slice(returned);
        content.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        content
    }

    /// Whether an address in it is not ASCII (RFC 6533 §3).
    fn is_global(&self) -> bool {
        !self.envelope.sender.is_ascii() || self.told.iter().any(|told| !told.address.is_ascii())
    }

    fn action(&self) -> Action {
        self.told.first().map_or(Action::Failed, |told| told.action)
    }

    fn header(&self, boundary: &str) -> String {
        let (host, id) = (self.host, self.id);
        format!(
            "Date: {date}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{to}>\r\n\
             Subject: {subject}\r\nMessage-ID: <{id}@{host}>\r\nAuto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={report};\r\n\
             \tboundary=\"{boundary}\"\r\n\r\n",
            date = trace::date_of(self.now),
            to = self.envelope.sender,
            subject = self.action().subject(),
            report = if self.is_global() { "global-delivery-status" } else { "delivery-status" },
        )
    }

    fn for_people(&self) -> String {
        let mut text =
            format!("This is the mail system at {}.\r\n\r\n{}\r\n", self.host, self.action().text());
        for told in self.told {
            let _ = write!(text, "\r\n  <{}>\r\n", told.address);
            let who = if told.said.remote { self.mx.unwrap_or("its host") } else { self.host };
            for line in wrapped(&clean(&told.said.text)) {
                let _ = write!(text, "    {line}\r\n");
            }
            let _ = write!(text, "    ({who} said so)\r\n");
            if told.unsure && told.action == Action::Failed {
                text.push_str("    It may have been delivered: one attempt ended without an answer.\r\n");
            }
        }
        if self.action() == Action::Delayed {
            let _ = write!(text, "\r\nIt will be tried until {}.\r\n", trace::date_of(self.envelope.expires));
        }
        let _ = write!(text, "\r\nThe message is named {} in our log.\r\n", self.envelope.id);
        text
    }

    fn for_programs(&self) -> String {
        let mut text = format!("Reporting-MTA: dns; {}\r\n", self.host);
        if let Some(envid) = self.envelope.envid.as_deref().and_then(decoded) {
            let _ = write!(text, "Original-Envelope-Id: {envid}\r\n");
        }
        let _ = write!(text, "Arrival-Date: {}\r\n\r\n", trace::date_of(self.envelope.arrived));
        for told in self.told {
            self.recipient(told, &mut text);
            text.push_str("\r\n");
        }
        text
    }

    /// RFC 3464 §2.3.
    fn recipient(&self, told: &Told<'_>, text: &mut String) {
        if let Some(original) = told.orcpt.and_then(original) {
            let _ = write!(text, "Original-Recipient: {original}\r\n");
        }
        let kind = if told.address.is_ascii() { "rfc822" } else { "utf-8" };
        let (class, subject, detail) = told.said.status;
        let _ = write!(
            text,
            "Final-Recipient: {kind}; {}\r\nAction: {}\r\nStatus: {class}.{subject}.{detail}\r\n",
            told.address,
            told.action.word()
        );
        if let Some(mx) = self.mx.filter(|_| told.said.remote) {
            let _ = write!(text, "Remote-MTA: dns; {}\r\n", ascii(&clean(mx)));
        }
        // Of ours there is nothing to quote: it is no SMTP reply.
        if told.said.remote {
            let lines = wrapped(&ascii(&clean(&told.said.text)));
            let _ = write!(text, "Diagnostic-Code: smtp; {}\r\n", lines.join("\r\n "));
        }
        let _ = write!(text, "Last-Attempt-Date: {}\r\n", trace::date_of(self.now));
        if told.action == Action::Delayed {
            let _ = write!(text, "Will-Retry-Until: {}\r\n", trace::date_of(self.envelope.expires));
        }
    }
}

/// Foreign words on one line, and not too many of them.
fn clean(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(QUOTED).collect()
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

/// Lines of 76, cut between words where there are some. No word is longer than a line may be (RFC 5322 §2.1.1).
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.is_empty() || line.len() + word.len() < 76);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// xtext as it was before it was encoded; none if it holds what can't stand in a line.
fn decoded(text: &str) -> Option<String> {
    let octets: Vec<u8> = Xtext::parse(text.as_bytes()).ok()?.decoded().collect();
    let plain = !octets.is_empty() && octets.iter().all(|octet| (b' '..=b'~').contains(octet));
    if plain { String::from_utf8(octets).ok() } else { None }
}

/// ORCPT as `Original-Recipient` has it (RFC 3461 §6.2, RFC 6533 §4).
fn original(orcpt: &str) -> Option<String> {
    let (kind, address) = orcpt.split_once(';')?;
    if kind.eq_ignore_ascii_case("utf-8") {
        let address: String = Utf8Address::parse(address.as_bytes()).ok()?.decoded().collect();
        // In a report of ASCII it stays encoded.
        let shown = if address.is_ascii() { address } else { orcpt.split_once(';')?.1.to_owned() };
        return (!shown.contains(char::is_control)).then(|| format!("utf-8; {}", ascii(&shown)));
    }
    Some(format!("{kind}; {}", decoded(address)?))
}
