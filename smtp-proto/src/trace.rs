//! A session's octets written down: for logs, bug reports and the messages of failed tests.
//!
//! | line | meaning |
//! |---|---|
//! | `C: text` | a line of the client's; CR LF at its end is left out |
//! | `C! text` | octets of the client's without a line's end behind them, or ended by LF alone |
//! | `S: text`, `S! text` | the same of the server's |
//! | `-- text` | a note |
//!
//! What is not printable ASCII is written `\r`, `\n`, `\t`, `\\` or `\xNN`, so that a line of the wire is a line of
//! the transcript, whatever it holds. The scripts of `testing` write what a client sends in the same way.

mod line;
mod recorder;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use line::{is_auth, write_line};
pub use recorder::{Lines, Recorder, Recorders};

/// Longest piece of a line that is held back until its end comes; a longer line is written in pieces.
const PIECE: usize = 4_096;

/// A line's memory is kept for the next one up to here, so that the usual ones cost no allocation.
const KEPT: usize = 256;

/// Writes down what one connection's peers send, in clear text, to anything that takes text.
///
/// What a client sends in an AUTH exchange is replaced by its length, unless it was made
/// [`with_secrets`](Self::with_secrets). Message content is not secret here. Once the sink fails nothing more is
/// written.
///
/// ```
/// use smtp_proto::trace::Transcript;
///
/// let mut transcript = Transcript::new(String::new());
/// transcript.sent(b"220 mx.example ESMTP\r\n");
/// transcript.received(b"EHLO a.example\r\nAUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n");
/// assert_eq!(
///     transcript.text(),
///     "S: 220 mx.example ESMTP\nC: EHLO a.example\nC: AUTH PLAIN <redacted 20 octets>\n"
/// );
/// ```
#[derive(Clone)]
pub struct Transcript<W> {
    sink: W,
    /// The line that is being written.
    written: String,
    broken: bool,
    secrets: bool,
    /// Octets of content that were not written, where content is not.
    left_out: Option<u64>,
    client: Line,
    server: Line,
    state: State,
}

/// What the client's octets are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Commands,
    /// Lines of an AUTH exchange.
    Auth,
    /// Content behind DATA.
    Content,
    /// So many octets of a BDAT chunk.
    Chunk(u64),
}

/// The beginning of a line whose end has not come.
#[derive(Clone, Default)]
struct Line {
    octets: Vec<u8>,
    /// It goes on a line whose first pieces were written; those were secret or not.
    goes_on: Option<bool>,
    /// The line before did not end in CR LF.
    after_bare: bool,
}

impl<W: Write> Transcript<W> {
    /// A transcript without secrets.
    pub const fn new(sink: W) -> Self {
        let client = Line { octets: Vec::new(), goes_on: None, after_bare: false };
        let server = Line { octets: Vec::new(), goes_on: None, after_bare: false };
        Self {
            sink,
            written: String::new(),
            broken: false,
            secrets: false,
            left_out: None,
            client,
            server,
            state: State::Commands,
        }
    }

    /// Leaves message content out: a note says how much there was. For transcripts that are kept where mail is not.
    #[must_use]
    pub fn without_content(mut self) -> Self {
        self.left_out = Some(0);
        self
    }

    /// A transcript with passwords and tokens in it: for honeypots, and for a fault in an exchange itself.
    pub const fn with_secrets(sink: W) -> Self {
        let mut transcript = Self::new(sink);
        transcript.secrets = true;
        transcript
    }

    /// The client sent `octets`; lines may be cut anywhere.
    pub fn received(&mut self, mut octets: &[u8]) {
        loop {
            octets = self.leave_out(octets);
            if octets.is_empty() {
                return;
            }
            let room = match self.state {
                State::Chunk(left) => usize::try_from(left).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let piece = self.client.next_piece(&mut octets, room);
            self.client_sent(piece);
        }
    }

    /// The server sent `octets`; lines may be cut anywhere.
    pub fn sent(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let first = self.server.goes_on.is_none();
            self.server.next_piece(&mut octets, usize::MAX);
            if !self.server.is_complete() {
                continue;
            }
            if first {
                self.replied();
            }
            self.write('S', false);
        }
    }

    /// Writes a note between the lines.
    pub fn note(&mut self, text: fmt::Arguments<'_>) {
        self.put(format_args!("-- {text}\n"));
    }

    /// Writes what has come of lines without an end: the connection is over, or goes on under TLS.
    pub fn finish(&mut self) {
        if !self.client.octets.is_empty() {
            let (secret, is_content) =
                (self.is_secret(), matches!(self.state, State::Content | State::Chunk(_)));
            self.write_or_leave_out(is_content, secret);
        }
        if !self.server.octets.is_empty() {
            self.write('S', false);
        }
        self.tell_left_out();
        (self.client, self.server, self.state) = (Line::default(), Line::default(), State::Commands);
    }

    /// The same transcript, from here on into the sink that `change` makes of this one.
    pub fn map_sink<V: Write>(self, change: impl FnOnce(W) -> V) -> Transcript<V> {
        let Self { sink, written, broken, secrets, left_out, client, server, state } = self;
        Transcript { sink: change(sink), written, broken, secrets, left_out, client, server, state }
    }

    /// Gives the sink back, after [`finish`](Self::finish).
    pub fn into_sink(mut self) -> W {
        self.finish();
        self.sink
    }

    /// What was written so far goes here.
    pub const fn sink(&self) -> &W {
        &self.sink
    }

    /// Counts what begins `octets` and is surely content, where that is not written, and gives the rest back: a line
    /// that may end it, the beginning of one, the last octet of a chunk.
    fn leave_out<'o>(&mut self, octets: &'o [u8]) -> &'o [u8] {
        let is_between_lines = self.client.octets.is_empty() && self.client.goes_on.is_none();
        let (Some(count), true) = (&mut self.left_out, is_between_lines) else { return octets };
        let end = match &mut self.state {
            State::Content if octets.first() != Some(&b'.') => {
                let end = memchr::memmem::find(octets, b"\n.").or_else(|| memchr::memrchr(b'\n', octets));
                end.map_or(0, |end| end + 1)
            }
            State::Chunk(left) => {
                let most = usize::try_from(left.saturating_sub(1)).unwrap_or(usize::MAX);
                let end = octets.len().min(most);
                *left = left.saturating_sub(end as u64);
                end
            }
            _ => 0,
        };
        let (content, rest) = octets.split_at(end);
        *count = count.saturating_add(end as u64);
        if content.last() == Some(&b'\n') {
            self.client.after_bare = !content.ends_with(b"\r\n");
        }
        rest
    }

    /// Takes note of `taken` octets of the client's that were added to its line.
    fn client_sent(&mut self, taken: usize) {
        let is_content = matches!(self.state, State::Content | State::Chunk(_));
        let mut chunk_ends = false;
        if let State::Chunk(left) = &mut self.state {
            *left = left.saturating_sub(taken as u64);
            chunk_ends = *left == 0;
        }
        if !(self.client.is_complete() || chunk_ends) {
            return;
        }
        let secret = self.is_secret();
        if chunk_ends {
            self.state = State::Commands;
            self.write_or_leave_out(is_content, secret);
            self.client.goes_on = None;
            return;
        }
        if self.client.goes_on.is_none() {
            self.state = self.state_after_line();
        }
        self.write_or_leave_out(is_content, secret);
    }

    /// Writes the client's line, or a piece of it, or counts its octets.
    fn write_or_leave_out(&mut self, is_content: bool, secret: bool) {
        match &mut self.left_out {
            Some(count) if is_content => {
                *count = count.saturating_add(self.client.octets.len() as u64);
                let ended = self.client.octets.last() == Some(&b'\n');
                self.client.goes_on = (!ended).then_some(false);
                self.client.after_bare = ended && !self.client.octets.ends_with(b"\r\n");
                self.client.octets.clear();
            }
            _ => self.write('C', secret),
        }
        if self.state == State::Commands {
            self.tell_left_out();
        }
    }

    fn tell_left_out(&mut self) {
        if let Some(count @ 1..) = self.left_out {
            self.left_out = Some(0);
            self.put(format_args!("-- content, {count} octets\n"));
        }
    }

    /// Whether the client's line is a secret, or AUTH with its initial response.
    fn is_secret(&self) -> bool {
        self.client.goes_on.unwrap_or_else(|| {
            self.state == State::Auth || self.state == State::Commands && is_auth(&self.client.octets)
        })
    }

    /// What follows the client's line.
    fn state_after_line(&self) -> State {
        let line = &self.client.octets[..];
        match self.state {
            State::Content if line == b".\r\n" && !self.client.after_bare => State::Commands,
            State::Commands if is_auth(line) => State::Auth,
            State::Commands => chunk_size(line).map_or(State::Commands, State::Chunk),
            state => state,
        }
    }

    /// Draws from a reply's line what the client sends next.
    fn replied(&mut self) {
        let [code @ .., b' ' | b'\r' | b'\n'] = &self.server.octets[..self.server.octets.len().min(4)] else {
            return;
        };
        match (code, self.state) {
            (_, State::Chunk(_)) => {}
            (b"334", _) => self.state = State::Auth,
            (b"354", _) => self.state = State::Content,
            _ => self.state = State::Commands,
        }
    }

    /// Writes the line, or a piece of it, of one side.
    fn write(&mut self, who: char, secret: bool) {
        let side = if who == 'C' { &mut self.client } else { &mut self.server };
        let mut octets = core::mem::take(&mut side.octets);
        let ended = octets.last() == Some(&b'\n');
        let goes_on = side.goes_on.is_some();
        side.goes_on = (!ended).then_some(secret);
        side.after_bare = ended && !octets.ends_with(b"\r\n");
        let (is_line, text) = match octets.strip_suffix(b"\r\n") {
            Some(text) => (true, text),
            None => (false, &octets[..]),
        };
        let mark = match (who, is_line) {
            ('C', true) => "C: ",
            ('C', false) => "C! ",
            (_, true) => "S: ",
            (_, false) => "S! ",
        };
        if !self.broken {
            let shown = !secret || self.secrets;
            self.written.clear();
            // A String takes all, and the sink is called once.
            self.broken = write_line(&mut self.written, mark, text, shown, goes_on).is_err()
                || self.sink.write_str(&self.written).is_err();
            self.written.shrink_to(KEPT);
        }
        if octets.capacity() <= KEPT {
            octets.clear();
            let side = if who == 'C' { &mut self.client } else { &mut self.server };
            side.octets = octets;
        }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        if !self.broken {
            self.written.clear();
            self.broken =
                self.written.write_fmt(text).is_err() || self.sink.write_str(&self.written).is_err();
            self.written.shrink_to(KEPT);
        }
    }
}

impl Transcript<String> {
    /// The transcript so far, unfinished lines too.
    #[must_use]
    pub fn text(&self) -> String {
        self.clone().into_sink()
    }
}

impl<W> fmt::Debug for Transcript<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl Line {
    /// Adds octets up to the line's end, at most `room`, and says how many.
    fn next_piece(&mut self, octets: &mut &[u8], room: usize) -> usize {
        let room = octets.len().min(room).min(PIECE - self.octets.len());
        let end = memchr::memchr(b'\n', &octets[..room]).map_or(room, |at| at + 1);
        let (piece, rest) = octets.split_at(end);
        self.octets.extend_from_slice(piece);
        *octets = rest;
        end
    }

    /// Whether there is something to write.
    fn is_complete(&self) -> bool {
        self.octets.len() == PIECE || self.octets.last() == Some(&b'\n')
    }
}

/// The octets that follow a BDAT line.
fn chunk_size(line: &[u8]) -> Option<u64> {
    if !line.trim_ascii_start().first().is_some_and(|octet| octet.eq_ignore_ascii_case(&b'B')) {
        return None;
    }
    let mut words = line.split(|octet| octet.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let bdat = words.next().is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"));
    let size = words.next().and_then(|size| core::str::from_utf8(size).ok()?.parse().ok());
    size.filter(|size| bdat && *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    const fn transcript() -> Transcript<String> {
        Transcript::new(String::new())
    }

    /// What is written when a client sends `octets` at once, and an octet at a time, to a silent server.
    fn client(octets: &[u8]) -> String {
        let (mut whole, mut cut) = (transcript(), transcript());
        whole.received(octets);
        octets.iter().for_each(|octet| cut.received(&[*octet]));
        assert_eq!(whole.text(), cut.text());
        whole.text()
    }

    const LINES: &[(&[u8], &str, &str)] = &[
        (b"NOOP\r\n", "C: NOOP\n", "a line"),
        (b"NOOP", "C! NOOP\n", "no end yet"),
        (b"NOOP\n", "C! NOOP\\n\n", "LF alone is no line's end"),
        (b"a\rb\tc\\\0\xff\r\n", "C: a\\rb\\tc\\\\\\x00\\xff\n", "all kinds of octets"),
        (b"AUTH PLAIN AGEAYg==\r\n", "C: AUTH PLAIN <redacted 8 octets>\n", "an initial response"),
        (b"auth plain\r\n", "C: auth plain\n", "nothing secret, case as it came"),
        (b"AUTH AGEAYg==\r\n", "C: AUTH <redacted 8 octets>\n", "the mechanism was forgotten"),
        (b"AUTHAGEAYg==\r\n", "C: AUTH<redacted 8 octets>\n", "the space was forgotten"),
        (b" AUTH  PLAIN  x y\r\n", "C:  AUTH  PLAIN  <redacted 3 octets>\n", "too many spaces"),
        (b"AUTH PLAIN AGEAYg==", "C! AUTH PLAIN <redacted 8 octets>\n", "broken off"),
        (b"AUTH LOGIN\r\nAGE=\r\n", "C: AUTH LOGIN\nC: <redacted 4 octets>\n", "does not wait for 334"),
        (b"AUTH LOGIN\r\n*\r\n", "C: AUTH LOGIN\nC: *\n", "to cancel is no secret"),
        (b"BDAT 6\r\nAUTH xNOOP\r\n", "C: BDAT 6\nC! AUTH x\nC: NOOP\n", "a chunk ends within a line"),
        (b"bdat 8 last\r\na\r\nAUTH\nQ\r\n", "C: bdat 8 last\nC: a\nC! AUTH\\n\nC: Q\n", "lines in a chunk"),
        (b"BDAT 0 LAST\r\nQUIT\r\n", "C: BDAT 0 LAST\nC: QUIT\n", "an empty chunk"),
    ];

    #[test]
    fn lines_are_written_one_for_one() {
        for (octets, want, why) in LINES {
            assert_eq!(client(octets), *want, "{why}");
        }
    }

    #[test]
    fn an_exchange_is_redacted_to_its_end() {
        let mut transcript = transcript();
        transcript.received(b"AUTH LOGIN\r\n");
        transcript.sent(b"334 VXNlcm5hbWU6\r\n");
        transcript.received(b"dGlt\r\n");
        transcript.sent(b"334 UGFzc3dvcmQ6\r\n");
        transcript.received(b"dGFuc3RhYWY=\r\n");
        transcript.sent(b"535 5.7.8 Wrong\r\n");
        transcript.received(b"NOOP\r\n");
        let text = transcript.text();
        assert!(!text.contains("dGlt") && !text.contains("dGFuc3RhYWY"), "{text}");
        assert!(text.ends_with("S: 535 5.7.8 Wrong\nC: NOOP\n"), "{text}");
    }

    #[test]
    fn a_reply_to_an_earlier_command_does_not_end_an_exchange_that_goes_on() {
        let mut transcript = transcript();
        transcript.received(b"NOP\r\nAUTH LOGIN\r\n");
        transcript.sent(b"500 5.5.1 What?\r\n334 VXNlcm5hbWU6\r\n");
        transcript.received(b"dGlt\r\n");
        assert!(transcript.text().ends_with("C: <redacted 4 octets>\n"), "{}", transcript.text());
    }

    #[test]
    fn content_may_be_left_out_and_is_counted_however_it_is_cut() {
        let rows: &[(&[u8], &str, &str)] = &[
            (b"a\r\n\n.\r\nb\r\n.\r\nNOOP\r\n", "-- content, 13 octets\nC: NOOP\n", "to the dot"),
            (
                b"\n.\r\n..\r\n.a\r\n.\r\nNOOP\r\n",
                "-- content, 15 octets\nC: NOOP\n",
                "dots that end nothing",
            ),
            (b"a\n.\n.\r\n\r\n.\r\nNOOP\r\n", "-- content, 12 octets\nC: NOOP\n", "bare LF"),
            (b"a\r\nb", "-- content, 4 octets\n", "broken off"),
            (b".\r\n", "-- content, 3 octets\n", "none"),
        ];
        for (octets, want, why) in rows {
            for cut in 1..=octets.len() {
                let mut transcript = transcript().without_content();
                transcript.received(b"DATA\r\n");
                transcript.sent(b"354 Go on\r\n");
                octets.chunks(cut).for_each(|piece| transcript.received(piece));
                assert_eq!(transcript.text(), format!("C: DATA\nS: 354 Go on\n{want}"), "{why}, by {cut}");
            }
        }
        for cut in 1..30 {
            let mut transcript = transcript().without_content();
            let octets = b"BDAT 5\r\na\r\nbcBDAT 2 LAST\r\nxyAUTH PLAIN AGEAYg==\r\n";
            octets.chunks(cut).for_each(|piece| transcript.received(piece));
            let want = "C: BDAT 5\n-- content, 5 octets\nC: BDAT 2 LAST\n-- content, 2 octets\n\
                C: AUTH PLAIN <redacted 8 octets>\n";
            assert_eq!(transcript.text(), want, "by {cut}");
        }
    }

    #[test]
    fn content_is_written_as_it_is() {
        let mut transcript = transcript();
        transcript.received(b"DATA\r\n");
        transcript.sent(b"354 Go on\r\n");
        transcript.received(b"AUTH x\r\n\n.\r\nAUTH y\r\n.\r\nAUTH z\r\n");
        let text = transcript.text();
        let want = "C: AUTH x\nC! \\n\nC: .\nC: AUTH y\nC: .\nC: AUTH <redacted 1 octets>\n";
        assert!(text.ends_with(want), "{text}");
    }

    #[test]
    fn secrets_are_written_where_they_are_wanted() {
        let mut transcript = Transcript::with_secrets(String::new());
        transcript.received(b"AUTH PLAIN AGEAYg==\r\n");
        assert_eq!(transcript.text(), "C: AUTH PLAIN AGEAYg==\n");
        assert!(!alloc::format!("{transcript:?}").contains("AGEA"));
    }

    #[test]
    fn a_long_line_is_written_in_pieces_and_stays_secret() {
        let line = ["AUTH PLAIN ", &"A".repeat(3 * PIECE), "\r\n"].concat();
        let text = client(line.as_bytes());
        assert!(!text.contains("AAA"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        let mut content = transcript();
        content.sent(b"354 Go on\r\n");
        content.received("x".repeat(PIECE + 1).as_bytes());
        content.received(b"\r\n.\r\nNOOP\r\n");
        assert!(content.text().ends_with("x\nC: x\nC: .\nC: NOOP\n"));
    }

    #[test]
    fn a_note_and_the_servers_lines_stand_between() {
        let mut transcript = transcript();
        transcript.note(format_args!("from {}", "127.0.0.1"));
        transcript.sent(b"250-mx.example\r\n250 SI");
        transcript.sent(b"ZE\r\n22");
        assert_eq!(
            transcript.into_sink(),
            "-- from 127.0.0.1\nS: 250-mx.example\nS: 250 SIZE\nS! 22\n".to_string()
        );
    }

    #[test]
    fn a_sink_that_fails_is_left_alone() {
        struct Full(usize);
        impl Write for Full {
            fn write_str(&mut self, _text: &str) -> fmt::Result {
                self.0 += 1;
                Err(fmt::Error)
            }
        }
        let mut transcript = Transcript::new(Full(0));
        transcript.sent(b"220 a\r\n220 b\r\n");
        assert_eq!(transcript.sink().0, 1);
    }
}
