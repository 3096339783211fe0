//! What a submission server puts right in a message's header (RFC 6409 §6 and §8): a missing Date, Message-ID and
//! From are added, Bcc is taken out, and From has to be the user's. The body passes through as it came.

use mail_parser::{HeaderName, MessageParser};
use smtp_proto::wire::path::{Mailbox, ReversePathBuf};
use smtp_proto::wire::reply::Reply;

/// Most octets of a header. Real ones have some KiB; until its end is seen it is held in memory.
const HEADER_OCTETS: usize = 256 * 1024;
/// Most fields of a header.
const HEADER_FIELDS: usize = 2_000;

/// A header that is none, or has more than one of what comes once (RFC 5322 §3.6).
const NO_HEADER: Reply<'static> = Reply::new(554, (5, 6, 0), "The header is too large");
const FROM_TWICE: Reply<'static> = Reply::new(550, (5, 6, 0), "From, Sender or Date is there more than once");
const FROM_UNREADABLE: Reply<'static> =
    Reply::new(550, (5, 6, 0), "From or Sender holds no address that can be read");
/// RFC 6409 §6.1.
const FROM_NOT_YOURS: Reply<'static> =
    Reply::new(550, (5, 7, 1), "An address in From or Sender is not yours");

/// Fields that are taken out: recipients that the others must not see (RFC 5322 §3.6.3), and what the last host adds
/// (RFC 5321 §4.4).
const REMOVED: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];

/// What is needed to put a header right.
#[derive(Debug)]
pub(crate) struct Given {
    /// The moment it came, as Date has it.
    pub(crate) date: String,
    /// What stands in a new Message-ID, without its angle brackets.
    pub(crate) message_id: String,
    pub(crate) sender: ReversePathBuf,
}

/// A message on its way through.
#[derive(Debug)]
pub(crate) struct Fixups {
    given: Given,
    /// The header's octets until its end is seen.
    header: Vec<u8>,
    /// Where the line begins that was not looked at yet.
    line: usize,
    /// How far a line end was looked for.
    searched: usize,
    fields: usize,
    /// Whether the header is done with.
    in_body: bool,
    /// Why the message can't be taken.
    refusal: Option<Reply<'static>>,
    /// Addresses in From and Sender, which have to be the user's.
    authors: Vec<String>,
}

impl Fixups {
    pub(crate) const fn new(given: Given) -> Self {
        Self {
            given,
            header: Vec::new(),
            line: 0,
            searched: 0,
            fields: 0,
            in_body: false,
            refusal: None,
            authors: Vec::new(),
        }
    }

    /// Takes the next octets. What goes on is the vector (the header put right, once its end is seen), then the slice.
    pub(crate) fn pass<'o>(&mut self, octets: &'o [u8]) -> (Vec<u8>, &'o [u8]) {
        if self.in_body {
            return (Vec::new(), octets);
        }
        self.header.extend_from_slice(octets);
        if let Some(end) = self.find_end() {
            return (self.leave_header(end), &[]);
        }
        if self.header.len() > HEADER_OCTETS || self.fields > HEADER_FIELDS {
            self.refusal = Some(NO_HEADER);
            self.in_body = true;
            self.header = Vec::new();
        }
        (Vec::new(), &[])
    }

    /// The message is complete: what is left of it. A header may be all there is.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        if self.in_body {
            return Vec::new();
        }
        let unfinished = &self.header[self.line..];
        let end = if self.belongs(unfinished) { self.header.len() } else { self.line };
        self.leave_header(end)
    }

    /// Why the message can't be taken, if so; `owns` knows whose address is the user's.
    pub(crate) fn verdict(&self, owns: impl Fn(Mailbox<'_>) -> bool) -> Result<(), Reply<'static>> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        for author in &self.authors {
            let mailbox = Mailbox::parse(author.as_bytes()).map_err(|_| FROM_UNREADABLE)?;
            if !owns(mailbox) {
                return Err(FROM_NOT_YOURS);
            }
        }
        Ok(())
    }

    /// Where the header ends: at the empty line, or at the first line that belongs into no header.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(at) = memchr::memchr(b'\n', &self.header[self.searched..]) {
            self.searched += at + 1;
            let line = &self.header[self.line..self.searched];
            if !self.belongs(line) {
                return Some(self.line);
            }
            self.fields += usize::from(!is_continued(line));
            self.line = self.searched;
        }
        self.searched = self.header.len();
        None
    }

    /// Whether the line that is looked at belongs into the header.
    fn belongs(&self, line: &[u8]) -> bool {
        is_header_line(line) && (self.line > 0 || !is_continued(line))
    }

    fn leave_header(&mut self, end: usize) -> Vec<u8> {
        self.in_body = true;
        let octets = std::mem::take(&mut self.header);
        let (header, rest) = octets.split_at(end);
        let mut out = self.put_right(header);
        // Where no empty line stands between header and body, one is put there: what follows was body already.
        if !rest.starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(rest);
        out
    }

    fn put_right(&mut self, header: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(header.len() + 256);
        let mut named = Named::default();
        for field in fields(header) {
            let name = name(field);
            if REMOVED.iter().any(|removed| name.eq_ignore_ascii_case(removed.as_bytes())) {
                continue;
            }
            named.see(name, field);
            out.extend_from_slice(field);
        }
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        self.refusal = named.refusal();
        self.authors = named.authors;
        self.complete(&mut out, named.seen);
        out
    }

    fn complete(&mut self, out: &mut Vec<u8>, seen: Seen) {
        let Given { date, message_id, sender } = &self.given;
        let mut add = |name: &str, value: &str| out.extend(format!("{name}: {value}\r\n").into_bytes());
        match sender {
            ReversePathBuf::Null if seen.from == 0 => self.refusal = Some(FROM_UNREADABLE),
            sender if seen.from == 0 => add("From", &sender.to_string()),
            // RFC 5322 §3.6.2: of several authors it must be said who sent it.
            sender if seen.from_addresses > 1 && seen.sender == 0 && *sender != ReversePathBuf::Null => {
                add("Sender", &sender.to_string());
            }
            _ => {}
        }
        if seen.date == 0 {
            add("Date", date);
        }
        if seen.message_id == 0 {
            add("Message-ID", &format!("<{message_id}>"));
        }
    }
}

/// The fields that matter, as they are seen.
#[derive(Debug, Default)]
struct Named {
    seen: Seen,
    authors: Vec<String>,
    unreadable: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    from: usize,
    from_addresses: usize,
    sender: usize,
    date: usize,
    message_id: usize,
}

impl Named {
    fn see(&mut self, name: &[u8], field: &[u8]) {
        if name.eq_ignore_ascii_case(b"From") {
            self.seen.from += 1;
            self.seen.from_addresses += self.addresses(field);
        } else if name.eq_ignore_ascii_case(b"Sender") {
            self.seen.sender += 1;
            self.addresses(field);
        } else if name.eq_ignore_ascii_case(b"Date") {
            self.seen.date += 1;
        } else if name.eq_ignore_ascii_case(b"Message-ID") {
            self.seen.message_id += 1;
        }
    }

    /// Reads the addresses of a field; how many there are.
    fn addresses(&mut self, field: &[u8]) -> usize {
        // Whatever its name, it is read as From is.
        let value = field.split(|&octet| octet == b':').next().map_or(0, <[u8]>::len);
        let text = [b"From", &field[value..], b"\r\n"].concat();
        let parsed = MessageParser::new().header_address(HeaderName::From).parse_headers(&text);
        let found: Vec<_> = parsed
            .as_ref()
            .and_then(|message| message.from())
            .map(|addresses| {
                addresses.iter().map(|one| one.address().unwrap_or_default().to_owned()).collect()
            })
            .unwrap_or_default();
        self.unreadable |= found.is_empty() || found.iter().any(|address| !address.contains('@'));
        let count = found.len();
        self.authors.extend(found);
        count
    }

    fn refusal(&self) -> Option<Reply<'static>> {
        if self.seen.from > 1 || self.seen.sender > 1 || self.seen.date > 1 {
            return Some(FROM_TWICE);
        }
        self.unreadable.then_some(FROM_UNREADABLE)
    }
}

/// Whether a line belongs into a header: a name and a colon, or white space that goes on with the line before.
fn is_header_line(line: &[u8]) -> bool {
    if is_continued(line) {
        return true;
    }
    let name = name(line);
    !name.is_empty()
        && line.contains(&b':')
        && name.iter().all(|octet| matches!(octet, b'!'..=b'9' | b';'..=b'~'))
}

/// Whether a line goes on with the one before.
fn is_continued(line: &[u8]) -> bool {
    line.starts_with(b" ") || line.starts_with(b"\t")
}

/// What stands before the colon, without the white space that old software puts there.
fn name(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(b':', field).unwrap_or(field.len());
    field[..end].trim_ascii_end()
}

/// The fields of a header, each with its folded lines.
fn fields(mut header: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            end += memchr::memchr(b'\n', &header[end..]).map_or(header.len() - end, |at| at + 1);
            match header.get(end) {
                Some(b' ' | b'\t') => {}
                _ => break,
            }
        }
        let (field, rest) = header.split_at(end);
        header = rest;
        (!field.is_empty()).then_some(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixups() -> Fixups {
        let sender = Mailbox::parse(b"alice@example.test").unwrap().to_owned();
        Fixups::new(Given {
            date: "Tue, 05 May 2026 09:03:01 +0200".to_owned(),
            message_id: "id@mx".to_owned(),
            sender: ReversePathBuf::Mailbox(sender),
        })
    }

    /// What becomes of a message that comes in pieces of this size, and its verdict.
    fn passed(message: &str, step: usize) -> (String, Result<(), Reply<'static>>) {
        let mut fixups = fixups();
        let mut out = Vec::new();
        for piece in message.as_bytes().chunks(step) {
            let (header, rest) = fixups.pass(piece);
            out.extend(header);
            out.extend(rest);
        }
        out.extend(fixups.finish());
        let owns = |mailbox: Mailbox<'_>| mailbox.as_str().starts_with("alice@");
        (String::from_utf8(out).unwrap(), fixups.verdict(owns))
    }

    const DATE: &str = "Date: Tue, 05 May 2026 09:03:01 +0200\r\n";
    const ID: &str = "Message-ID: <id@mx>\r\n";
    const FROM: &str = "From: <alice@example.test>\r\n";

    #[test]
    fn a_header_is_put_right_and_the_body_is_not_touched() {
        let body = "\r\nFrom me\r\nBcc: in the body\r\n\r\n  x \r\n\u{e4}";
        for (header, want, why) in [
            (
                "From: Alice <alice@example.test>\r\nDate: x\r\nMessage-ID: <y@z>\r\n".to_owned(),
                "From: Alice <alice@example.test>\r\nDate: x\r\nMessage-ID: <y@z>\r\n".to_owned(),
                "nothing to do",
            ),
            (
                "Subject: s\r\n".to_owned(),
                format!("Subject: s\r\n{FROM}{DATE}{ID}"),
                "what is missing is added below",
            ),
            (
                "FROM: alice@example.test\r\ndate: x\r\nmessage-id: <y@z>\r\n".to_owned(),
                "FROM: alice@example.test\r\ndate: x\r\nmessage-id: <y@z>\r\n".to_owned(),
                "case means nothing",
            ),
            (
                format!("Bcc: bob@x.example,\r\n\tcarol@x.example\r\n{FROM}bcc : d@x.example\r\nBcc:\r\n"),
                format!("{FROM}{DATE}{ID}"),
                "blind copies go, with their folded lines",
            ),
            (
                format!("Return-Path: <x@y.example>\r\nResent-Bcc: z@x.example\r\n{FROM}"),
                format!("{FROM}{DATE}{ID}"),
                "so do the others that nobody else should see",
            ),
            (String::new(), format!("{FROM}{DATE}{ID}"), "no header at all"),
            (
                "From: alice@example.test, Alice <alice@other.test>\r\n".to_owned(),
                format!(
                    "From: alice@example.test, Alice <alice@other.test>\r\nSender: <alice@example.test>\r\n{DATE}{ID}"
                ),
                "two authors and nobody who sent it",
            ),
            (
                "X-Long: a\r\n b\r\n\tc\r\nFrom:\r\n alice@example.test\r\n".to_owned(),
                format!("X-Long: a\r\n b\r\n\tc\r\nFrom:\r\n alice@example.test\r\n{DATE}{ID}"),
                "folded lines",
            ),
        ] {
            for step in [1, 2, 7, 1000] {
                let (out, verdict) = passed(&format!("{header}{body}"), step);
                assert_eq!(out, format!("{want}{body}"), "{why}, in pieces of {step}");
                assert_eq!(verdict, Ok(()), "{why}");
            }
        }
    }

    #[test]
    fn a_header_without_its_empty_line_gets_one() {
        for (message, want, why) in [
            (String::new(), format!("{FROM}{DATE}{ID}\r\n"), "nothing"),
            ("Subject: s\r\n".to_owned(), format!("Subject: s\r\n{FROM}{DATE}{ID}\r\n"), "only a header"),
            ("Subject: s".to_owned(), format!("Subject: s\r\n{FROM}{DATE}{ID}\r\n"), "cut in its last line"),
            ("hello\r\nB: c\r\n".to_owned(), format!("{FROM}{DATE}{ID}\r\nhello\r\nB: c\r\n"), "only a body"),
            ("hello".to_owned(), format!("{FROM}{DATE}{ID}\r\nhello"), "one line of it, unfinished"),
            (
                " x\r\n".to_owned(),
                format!("{FROM}{DATE}{ID}\r\n x\r\n"),
                "white space that continues nothing",
            ),
            (
                "Subject: s\r\nno field\r\nBcc: x\r\n".to_owned(),
                format!("Subject: s\r\n{FROM}{DATE}{ID}\r\nno field\r\nBcc: x\r\n"),
                "a body that begins at once",
            ),
        ] {
            for step in [1, 3, 1000] {
                let (out, verdict) = passed(&message, step);
                assert_eq!((out, verdict), (want.clone(), Ok(())), "{why}, in pieces of {step}");
            }
        }
    }

    #[test]
    fn what_would_go_out_in_a_wrong_name_is_refused() {
        for (header, want, why) in [
            ("From: bob@example.test", FROM_NOT_YOURS, "somebody else"),
            (
                "From: alice@example.test <bob@example.test>",
                FROM_NOT_YOURS,
                "a name that looks like an address",
            ),
            ("From: \"alice@example.test\" <bob@example.test>", FROM_NOT_YOURS, "in quotes"),
            ("From: alice@example.test, bob@example.test", FROM_NOT_YOURS, "one of two"),
            ("From: us: alice@example.test, bob@example.test;", FROM_NOT_YOURS, "in a group"),
            ("From: alice@example.test\r\nSender: bob@example.test", FROM_NOT_YOURS, "who sent it"),
            ("From: alice@example.test\r\nFrom: bob@example.test", FROM_TWICE, "two of them"),
            ("From: alice@example.test\r\nfrom : alice@example.test", FROM_TWICE, "by another spelling"),
            ("From: alice@example.test\r\nDate: x\r\nDate: y", FROM_TWICE, "two dates"),
            ("From:", FROM_UNREADABLE, "nothing"),
            ("From: Alice", FROM_UNREADABLE, "no address"),
            ("From: us:;", FROM_UNREADABLE, "an empty group"),
        ] {
            for step in [1, 1000] {
                let (_, verdict) = passed(&format!("{header}\r\n\r\nx\r\n"), step);
                assert_eq!(verdict, Err(want), "{why}");
            }
        }
    }

    #[test]
    fn without_a_sender_there_is_no_author_to_add() {
        let mut fixups = fixups();
        fixups.given.sender = ReversePathBuf::Null;
        fixups.pass(b"Subject: s\r\n\r\n");
        assert_eq!(fixups.verdict(|_| true), Err(FROM_UNREADABLE));
    }

    #[test]
    fn a_header_without_end_is_not_kept() {
        for (line, why) in [
            (format!("X: {}\r\n", "x".repeat(1000)), "octets"),
            ("X: \r\n".to_owned(), "fields"),
            (format!(" {}", "x".repeat(1000)), "one line"),
        ] {
            let mut fixups = fixups();
            fixups.pass(b"A: b\r\n");
            for _ in 0..2_500 {
                fixups.pass(line.as_bytes());
                assert!(fixups.header.len() <= HEADER_OCTETS + line.len(), "{why}");
            }
            assert_eq!(fixups.verdict(|_| true), Err(NO_HEADER), "{why}");
            assert!(fixups.finish().is_empty());
        }
    }
}
