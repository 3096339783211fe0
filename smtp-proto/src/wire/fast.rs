//! The same commands without nom: what most lines are, in one pass of a few words.
//!
//! It knows the common octets of the common commands and parameters; for anything else it says `None`, and the
//! plain parsers, which are the reference, read the line from its beginning. A test holds the two equal.

use super::command::Command;
use super::host::Hello;
use super::params::{Body, MailParams, Notify, Param, RcptParams};
use super::path::{Mailbox, ReversePath};
use super::sweep::{Words, digits, folded_ldh, literal};
use crate::limits;

const UPPER: u32 = 0xDFDF_DFDF;

/// Reads a line that may have its CR LF. `None` says nothing about it.
#[inline]
pub(super) fn command(line: &[u8]) -> Option<Command<'_>> {
    let text = match line {
        [text @ .., b'\r', b'\n'] => text,
        text => text,
    };
    let verb = u32::from_le_bytes(*text.first_chunk()?) & UPPER;
    if text.len() == 4 {
        return match &verb.to_le_bytes() {
            b"DATA" => Some(Command::Data),
            b"RSET" => Some(Command::Rset),
            b"QUIT" => Some(Command::Quit),
            b"NOOP" => Some(Command::Noop(b"")),
            _ => None,
        };
    }
    if text.len() > limits::COMMAND_LINE - 2 {
        return None;
    }
    let line = Line { words: Words::new(line)?, text };
    match &verb.to_le_bytes() {
        b"MAIL" => line.mail(),
        b"RCPT" => line.rcpt(),
        b"BDAT" => line.bdat(),
        b"EHLO" => line.hello().map(Command::Ehlo),
        b"HELO" => line.hello().map(Command::Helo),
        b"LHLO" => line.hello().map(Command::Lhlo),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Line<'b> {
    words: Words<'b>,
    /// Without CR LF.
    text: &'b [u8],
}

impl<'b> Line<'b> {
    #[inline(always)]
    fn mail(self) -> Option<Command<'b>> {
        const FROM: u64 = literal(b" FROM:<");
        const FOLD: u64 = literal(b"\xFF\xDF\xDF\xDF\xDF\xFF\xFF");
        if self.words.at(4) & FOLD != FROM {
            return None;
        }
        let (end, path) = if self.words.octet(11) == b'>' {
            (11, ReversePath::Null)
        } else {
            let (end, mailbox) = self.mailbox(11)?;
            (end, ReversePath::Mailbox(mailbox))
        };
        Some(Command::Mail { path, params: self.mail_params(end + 1)? })
    }

    #[inline(always)]
    fn rcpt(self) -> Option<Command<'b>> {
        const TO: u64 = literal(b" TO:<");
        const FOLD: u64 = literal(b"\xFF\xDF\xDF\xFF\xFF");
        if self.words.at(4) & FOLD != TO {
            return None;
        }
        let (end, path) = self.mailbox(9)?;
        Some(Command::Rcpt { path, params: self.rcpt_params(end + 1)? })
    }

    #[inline(always)]
    fn bdat(self) -> Option<Command<'b>> {
        const LAST: u64 = literal(b" LAST");
        const FOLD: u64 = literal(b"\xFF\xDF\xDF\xDF\xDF");
        let (end, size) = self.number(5)?;
        let left = self.text.len().checked_sub(end)?;
        let last = left == 5 && self.words.at(end) & FOLD == LAST;
        (self.words.octet(4) == b' ' && (left == 0 || last)).then_some(Command::Bdat { size, last })
    }

    #[inline(always)]
    fn hello(self) -> Option<Hello<'b>> {
        let end = self.words.domain(5)?;
        let name = self.text.get(5..)?;
        let whole = self.words.octet(4) == b' ' && end == self.text.len() && name.len() <= limits::LABEL;
        whole.then_some(Hello::new(name, true))
    }

    /// A mailbox from `from`, and where the ">" behind it is. A domain that may have a label over its limit is
    /// left to the plain parser.
    #[inline(always)]
    fn mailbox(self, from: usize) -> Option<(usize, Mailbox<'b>)> {
        let at = self.words.dot_string(from)?;
        if self.words.octet(at) != b'@' || at - from > limits::LOCAL_PART {
            return None;
        }
        let end = self.words.domain(at + 1)?;
        if self.words.octet(end) != b'>' || end - at > limits::LABEL {
            return None;
        }
        Some((end, Mailbox::checked(self.text.get(from..end)?, at - from)))
    }

    /// Where the next keyword begins; `None` if neither SP nor the end of the line is at `at`.
    #[inline(always)]
    fn next(self, at: usize) -> Option<Option<usize>> {
        if at == self.text.len() {
            return Some(None);
        }
        (self.words.octet(at) == b' ').then_some(Some(at + 1))
    }

    #[inline(always)]
    fn mail_params(self, from: usize) -> Option<MailParams<'b>> {
        let Some(first) = self.next(from)? else { return Some(MailParams::EMPTY) };
        let mut params = MailParams::EMPTY;
        let mut at = first;
        loop {
            let (len, keyword) = folded_ldh(self.words.at(at));
            at += len;
            let value = self.words.octet(at) == b'=';
            let param = match keyword {
                SIZE if value => {
                    let (end, size) = self.number(at + 1)?;
                    params.set_size(size);
                    at = end;
                    Param::Size
                }
                BODY if value => {
                    let (end, body) = self.body(at + 1)?;
                    params.set_body(body);
                    at = end;
                    Param::Body
                }
                SMTPUTF8 if !value => Param::Smtputf8,
                RET if value => {
                    at = self.ret(at + 1)?;
                    Param::Ret
                }
                ENVID if value => {
                    let end = self.xtext(at + 1)?;
                    if !(2..=limits::ENVID + 1).contains(&(end - at)) {
                        return None;
                    }
                    at = end;
                    Param::Envid
                }
                AUTH if value && self.words.at(at + 1) & 0xFFFF == literal(b"<>") => {
                    at += 3;
                    Param::Auth
                }
                _ => return None,
            };
            if params.see(param) {
                return None;
            }
            let Some(next) = self.next(at)? else {
                params.set_text(self.text.get(first..)?);
                return Some(params);
            };
            at = next;
        }
    }

    #[inline(always)]
    fn rcpt_params(self, from: usize) -> Option<RcptParams<'b>> {
        let Some(first) = self.next(from)? else { return Some(RcptParams::EMPTY) };
        let mut params = RcptParams::EMPTY;
        let mut at = first;
        loop {
            let (len, keyword) = folded_ldh(self.words.at(at));
            at += len;
            if self.words.octet(at) != b'=' {
                return None;
            }
            let param = match keyword {
                NOTIFY => {
                    at = self.notify(at + 1)?;
                    Param::Notify
                }
                ORCPT => {
                    at = self.orcpt(at + 1)?;
                    Param::Orcpt
                }
                _ => return None,
            };
            if params.see(param) {
                return None;
            }
            let Some(next) = self.next(at)? else {
                params.set_text(self.text.get(first..)?);
                return Some(params);
            };
            at = next;
        }
    }

    /// One to fifteen digits: more are rare, and only more can be too many.
    #[inline(always)]
    fn number(self, from: usize) -> Option<(usize, u64)> {
        let (len, value) = digits(self.words.at(from));
        match len {
            0 => None,
            1..=7 => Some((from + len, value)),
            _ => {
                let (len, low) = digits(self.words.at(from + 8));
                let scale = *[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000].get(len)?;
                Some((from + 8 + len, value * scale + low))
            }
        }
    }

    #[inline(always)]
    fn body(self, from: usize) -> Option<(usize, Body)> {
        let word = self.words.at(from);
        if word & literal(b"\xFF\xDF\xDF\xDF\xDF\xDF\xDF\xDF") == literal(b"8BITMIME") {
            return Some((from + 8, Body::EightBitMime));
        }
        if word & literal(b"\xFF\xDF\xDF\xDF") == literal(b"7BIT") {
            return Some((from + 4, Body::SevenBit));
        }
        let rest = self.words.at(from + 8) & literal(b"\xDF\xDF");
        let binary = word & literal(&[0xDF; 8]) == literal(b"BINARYMI") && rest == literal(b"ME");
        binary.then_some((from + 10, Body::BinaryMime))
    }

    #[inline(always)]
    fn ret(self, from: usize) -> Option<usize> {
        let word = self.words.at(from) & literal(&[0xDF; 4]);
        (word == literal(b"FULL") || word == literal(b"HDRS")).then_some(from + 4)
    }

    /// NOTIFY's list. A keyword that is not all of what is there ends at an octet that [`next`](Self::next) refuses.
    #[inline(always)]
    fn notify(self, from: usize) -> Option<usize> {
        let mut at = from;
        let mut seen = Notify::NEVER;
        loop {
            let (len, word) = folded_ldh(self.words.at(at));
            let one = match word {
                NEVER if at == from => return Some(at + len),
                SUCCESS => Notify::SUCCESS,
                FAILURE => Notify::FAILURE,
                DELAY => Notify::DELAY,
                _ => return None,
            };
            if seen.contains(one) {
                return None;
            }
            seen = seen.with(one);
            at += len;
            if self.words.octet(at) != b',' {
                return Some(at);
            }
            at += 1;
        }
    }

    /// ORCPT of type rfc822.
    #[inline(always)]
    fn orcpt(self, from: usize) -> Option<usize> {
        let kind = self.words.at(from) & literal(b"\xDF\xDF\xDF\xFF\xFF\xFF\xFF");
        if kind != literal(b"RFC822;") {
            return None;
        }
        let end = self.xtext(from + 7)?;
        (end - from <= limits::ORCPT).then_some(end)
    }

    /// Where xtext that stands for printable ASCII ends.
    #[inline(always)]
    fn xtext(self, from: usize) -> Option<usize> {
        let mut at = self.words.xchars(from);
        while self.words.octet(at) == b'+' {
            let (high, low) = (self.words.octet(at + 1), self.words.octet(at + 2));
            let printable = matches!(high, b'2'..=b'7')
                && matches!(low, b'0'..=b'9' | b'A'..=b'F')
                && (high, low) != (b'7', b'F');
            if !printable {
                return None;
            }
            at = self.words.xchars(at + 3);
        }
        Some(at)
    }
}

/// A keyword as [`folded_ldh`] gives it.
const fn folded(keyword: &str) -> u64 {
    literal(keyword.as_bytes()) & literal(&[0xDF; 8])
}

const SIZE: u64 = folded("SIZE");
const BODY: u64 = folded("BODY");
const SMTPUTF8: u64 = folded("SMTPUTF8");
const RET: u64 = folded("RET");
const ENVID: u64 = folded("ENVID");
const AUTH: u64 = folded("AUTH");
const NOTIFY: u64 = folded("NOTIFY");
const ORCPT: u64 = folded("ORCPT");
const NEVER: u64 = folded("NEVER");
const SUCCESS: u64 = folded("SUCCESS");
const FAILURE: u64 = folded("FAILURE");
const DELAY: u64 = folded("DELAY");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Leniency;
    use crate::wire::grammar::Rules;
    use std::vec::Vec;

    /// Lines to start from: what this file reads, and what lies close to it.
    const LINES: &[&[u8]] = &[
        b"EHLO mail.example.com\r\n",
        b"helo a-b.example",
        b"LHLO x.y\r\n",
        b"MAIL FROM:<>\r\n",
        b"MAIL FROM:<> SIZE=1\r\n",
        b"MAIL FROM:<bounces+77@lists.example.org> SIZE=1048576 BODY=8BITMIME\r\n",
        b"MAIL FROM:<a.b-c_d=e@x-y.example> BODY=BINARYMIME RET=HDRS ENVID=a+20b+3Dc\r\n",
        b"mail from:<A@B> size=123456789012345 body=7bit smtputf8 auth=<>",
        b"MAIL FROM:<a@b.c> RET=FULL ENVID=QQ314159 SIZE=18446744073709551615 SMTPUTF8\r\n",
        b"MAIL FROM:<a@b.c> BY=120;R MT-PRIORITY=3 REQUIRETLS FOO=bar\r\n",
        b"RCPT TO:<first.middle.last@department.university.example.edu>\r\n",
        b"RCPT TO:<a@b.c> NOTIFY=SUCCESS,FAILURE,DELAY\r\n",
        b"rcpt to:<Postmaster> notify=never\r\n",
        b"RCPT TO:<a@b.c> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb@old.example.net\r\n",
        b"RCPT TO:<\"a b\"@[192.0.2.1]> ORCPT=utf-8;a\r\n",
        b"RCPT TO:<u@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example>\r\n",
        b"BDAT 12345\r\n",
        b"bdat 123456789 last",
        b"DATA\r\n",
        b"rset\r\n",
        b"QUIT",
        b"NOOP\r\n",
    ];

    /// What a mutation puts in: octets at the edges of classes, and all that means something to the grammar.
    const OCTETS: &[u8] =
        b"\0\x01\t\n\r !\"#'()*+,-./0129:;<=>?@ADFGMNRSTZ[\\]^_`afmnrstxz{}~\x7F\x80\xC3\xA9\xFF";

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % sides
        }
    }

    fn mutate(line: &mut Vec<u8>, dice: &mut Dice) {
        let at = dice.roll(line.len() + 1);
        let octet = OCTETS[dice.roll(OCTETS.len())];
        match dice.roll(7) {
            0 => line.insert(at, octet),
            1 if at < line.len() => drop(line.remove(at)),
            2 => line.truncate(at),
            3 => {
                let other = LINES[dice.roll(LINES.len())];
                let begin = dice.roll(other.len());
                let end = begin + dice.roll(other.len() - begin + 1);
                line.splice(at..at, other[begin..end].iter().copied());
            }
            4 if at < line.len() => line[at] ^= 0x20,
            5 => {
                let copies = dice.roll(70);
                line.splice(at..at, std::iter::repeat_n(octet, copies));
            }
            _ if at < line.len() => line[at] = octet,
            _ => line.push(octet),
        }
    }

    /// Values compare without case here and there; what they write does not.
    fn written(command: &Command<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        command.write(&mut octets);
        octets
    }

    /// Whatever this file accepts, the plain parsers accept as the same value; and it does its work at all.
    #[test]
    fn what_is_read_fast_is_what_the_plain_parsers_read() {
        let rounds = if cfg!(debug_assertions) { 400_000 } else { 8_000_000 };
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        let (mut fast, mut refused) = (0, 0);
        for round in 0..rounds {
            let mut line = LINES[round % LINES.len()].to_vec();
            for _ in 0..dice.roll(4) {
                mutate(&mut line, &mut dice);
            }
            let plain = Command::read(&line, &Rules::new(Leniency::STRICT));
            refused += usize::from(plain.is_err());
            if let Some(command) = command(&line) {
                assert_eq!(Ok(command), plain, "{}", line.escape_ascii());
                assert_eq!(written(&command), written(&plain.unwrap()), "{}", line.escape_ascii());
                fast += 1;
            }
        }
        assert!(fast > rounds / 5, "{fast} of {rounds} were read fast");
        assert!(refused > rounds / 5, "{refused} of {rounds} were refused");
    }

    #[test]
    fn common_lines_are_read_fast() {
        for line in &LINES[..8] {
            assert!(command(line).is_some(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn rare_lines_are_left_to_the_plain_parsers() {
        for (line, why) in [
            (&b"MAIL FROM:<\"a b\"@c.d>\r\n"[..], "a quoted string"),
            (b"RCPT TO:<a@[192.0.2.1]>\r\n", "a literal"),
            (b"RCPT TO:<Postmaster>\r\n", "no domain"),
            (b"MAIL FROM:<@a.b:c@d.e>\r\n", "a route"),
            (b"MAIL FROM:<a!b@c.d>\r\n", "a rare mark"),
            (b"MAIL FROM:<a@b.c> \r\n", "white space at the end"),
            (b"MAIL FROM:<a@b.c> SIZE=1234567890123456\r\n", "sixteen digits"),
            (b"MAIL FROM:<a@b.c> FOO\r\n", "an unknown parameter"),
        ] {
            assert_eq!(command(line), None, "{why}");
            assert!(Command::parse(line).is_ok(), "{why}");
        }
    }
}
