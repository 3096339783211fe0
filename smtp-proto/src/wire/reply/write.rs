//! Writing replies: every line has code and enhanced code, is clean and fits.

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

use super::lines::{Codes, Lines, RawLines};
use super::{EnhancedCode, Form, Reply};
use crate::limits::{REPLY_LINE_WRITTEN, REPLY_LINES_WRITTEN};

/// Longest text that needs no folding whatever its enhanced code: code, separator, `5.999.999 ` and CR LF beside it.
pub(super) const PLAIN_TEXT: usize = REPLY_LINE_WRITTEN - 4 - 10 - 2;

impl Reply<'_> {
    /// Appends the reply's octets, with its enhanced code on every line if `enhanced` says that the session offers
    /// them (RFC 2034 §4).
    pub fn write(&self, out: &mut BytesMut, enhanced: bool) {
        let mut wire = Wire { code: code_digits(self.code), line: out.len(), out };
        match self.form {
            Form::Plain => {
                wire.out.reserve(self.text.len() + REPLY_LINE_WRITTEN - PLAIN_TEXT);
                wire.begin();
                self.put_enhanced(&mut wire, enhanced);
                wire.put(self.text);
            }
            Form::Foreign | Form::Lines | Form::Received { .. } => self.fold(&mut wire, enhanced),
        }
        wire.end();
    }

    /// What a peer reads when the reply is written with its enhanced code: raw lines with LF between them.
    pub(super) fn joined(&self) -> Vec<u8> {
        let mut joined = Joined { text: Vec::new(), begun: false };
        self.fold(&mut joined, true);
        joined.text
    }

    fn fold(&self, sink: &mut impl Sink, enhanced: bool) {
        let code = self.enhanced.filter(|_| enhanced).map_or(0, |code| code.octets().as_slice().len() + 1);
        let room = REPLY_LINE_WRITTEN - 4 - 2 - code;
        let class = (code == 0).then_some((self.code / 100) as u8);
        let lines = self.text_lines().flat_map(|text| Folded { rest: Some(text), room, class });
        for text in lines.take(REPLY_LINES_WRITTEN) {
            sink.begin();
            self.put_enhanced(sink, enhanced);
            for &octet in text {
                escape(octet, |escaped| sink.put(escaped));
            }
        }
    }

    fn put_enhanced(&self, sink: &mut impl Sink, enhanced: bool) {
        if let (Some(code), true) = (self.enhanced, enhanced) {
            sink.put(code.octets().as_slice());
            sink.put(b" ");
        }
    }

    /// The lines of the text as it was given.
    fn text_lines(&self) -> Lines<'_> {
        match self.form {
            Form::Plain | Form::Foreign => Lines::only(self.text, Codes::NONE),
            Form::Lines => Lines::of(RawLines::joined(self.text), Codes::NONE),
            Form::Received { hashed } => Lines::of(RawLines::joined(self.text), Codes::of(self.code, hashed)),
        }
    }
}

/// Where lines go.
trait Sink {
    fn begin(&mut self);
    fn put(&mut self, octets: &[u8]);
}

/// Lines as the peer gets them.
struct Wire<'o> {
    code: [u8; 3],
    /// Where the last line begins.
    line: usize,
    out: &'o mut BytesMut,
}

impl Sink for Wire<'_> {
    fn begin(&mut self) {
        if self.out.len() > self.line {
            self.out[self.line + 3] = b'-';
            self.out.put_slice(b"\r\n");
        }
        self.line = self.out.len();
        self.out.put_slice(&self.code);
        self.out.put_u8(b' ');
    }

    fn put(&mut self, octets: &[u8]) {
        self.out.put_slice(octets);
    }
}

impl Wire<'_> {
    fn end(self) {
        self.out.put_slice(b"\r\n");
    }
}

/// Raw lines with LF between them.
struct Joined {
    text: Vec<u8>,
    begun: bool,
}

impl Sink for Joined {
    fn begin(&mut self) {
        if self.begun {
            self.text.push(b'\n');
        }
        self.begun = true;
    }

    fn put(&mut self, octets: &[u8]) {
        self.text.extend_from_slice(octets);
    }
}

/// A line of text in parts that fit when they are escaped, broken at spaces where there are any.
struct Folded<'t> {
    rest: Option<&'t [u8]>,
    room: usize,
    /// The reply's class where its lines bear no enhanced code: no part may begin like one.
    class: Option<u8>,
}

impl<'t> Iterator for Folded<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let text = self.rest.take()?;
        let mut room = self.room;
        for (at, &octet) in text.iter().enumerate() {
            let mut len = 0;
            escape(octet, |escaped| len = escaped.len());
            match room.checked_sub(len) {
                Some(left) => room = left,
                None => {
                    let space =
                        text[..at].iter().rposition(|&octet| octet == b' ').filter(|&space| space > 0);
                    let (end, begin) = space.map_or((at, at), |space| (space, space + 1));
                    // One octet more in front of it, and no peer takes it for an enhanced code.
                    let ambiguous =
                        self.class.is_some_and(|class| EnhancedCode::split(&text[begin..], class).is_some());
                    let begin = if ambiguous { begin - 1 } else { begin };
                    self.rest = Some(&text[begin..]);
                    return Some(&text[..end.min(begin)]);
                }
            }
        }
        Some(text)
    }
}

const fn code_digits(code: u16) -> [u8; 3] {
    [b'0' + (code / 100) as u8, b'0' + (code / 10 % 10) as u8, b'0' + (code % 10) as u8]
}

/// Hands `put` the octet as it may stand in reply text: itself, or `\xNN` where it is neither printable ASCII nor tab.
///
/// A backslash stays one: the form is for people to read, not to be read back.
pub(crate) fn escape(octet: u8, mut put: impl FnMut(&[u8])) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match octet {
        b'\t' | b' '..=b'~' => put(&[octet]),
        _ => put(&[b'\\', b'x', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]),
    }
}
