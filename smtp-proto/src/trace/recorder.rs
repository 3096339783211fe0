//! Where transcripts go, and how an adapter keeps one.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write};

use super::Transcript;

/// A sink that hands on one line at a time, without its end: to a log, a file, a channel.
///
/// ```
/// use smtp_proto::trace::{Lines, Transcript};
///
/// let mut transcript = Transcript::new(Lines::new(|line: &str| println!("192.0.2.1 {line}")));
/// transcript.received(b"NOOP\r\nQUIT\r\n");
/// ```
#[derive(Clone)]
pub struct Lines<F> {
    hand_on: F,
    line: String,
}

impl<F: FnMut(&str)> Lines<F> {
    /// Hands each line to `hand_on`.
    pub const fn new(hand_on: F) -> Self {
        Self { hand_on, line: String::new() }
    }
}

impl<F: FnMut(&str)> Write for Lines<F> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // As a transcript writes it.
        match text.strip_suffix('\n') {
            Some(line) if self.line.is_empty() && memchr::memchr(b'\n', line.as_bytes()).is_none() => {
                (self.hand_on)(line);
            }
            _ => self.gather(text),
        }
        Ok(())
    }
}

impl<F: FnMut(&str)> Lines<F> {
    fn gather(&mut self, text: &str) {
        let mut left = text;
        while let Some(end) = memchr::memchr(b'\n', left.as_bytes()) {
            let (piece, rest) = left.split_at(end);
            self.line.push_str(piece);
            (self.hand_on)(&self.line);
            self.line.clear();
            left = rest.strip_prefix('\n').unwrap_or_default();
        }
        self.line.push_str(left);
    }
}

impl<F> fmt::Debug for Lines<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

/// The transcript of a connection where one is kept: for adapters, which tell it what they read and write.
///
/// A pointer, and where nothing is kept each call does nothing. Lines without an end are written when it is dropped.
#[derive(Debug, Default)]
pub struct Recorder(Option<Box<Kept>>);

/// Drops as a whole, so that a connection needs no `Drop` of its own.
#[derive(Debug)]
struct Kept(Transcript<Sink>);

/// Any sink.
struct Sink(Box<dyn Write + Send + Sync>);

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

impl Recorder {
    /// Keeps nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Keeps `transcript`.
    #[must_use]
    pub fn of<W: Write + Send + Sync + 'static>(transcript: Transcript<W>) -> Self {
        Self(Some(Box::new(Kept(transcript.map_sink(|sink| Sink(Box::new(sink)))))))
    }

    /// The client sent `octets`.
    pub fn received(&mut self, octets: &[u8]) {
        if let Some(kept) = &mut self.0 {
            kept.0.received(octets);
        }
    }

    /// The server sent `octets`.
    pub fn sent(&mut self, octets: &[u8]) {
        if let Some(kept) = &mut self.0 {
            kept.0.sent(octets);
        }
    }

    /// Something happened that no octet shows: what follows begins on a line of its own.
    pub fn note(&mut self, text: fmt::Arguments<'_>) {
        if let Some(kept) = &mut self.0 {
            kept.0.finish();
            kept.0.note(text);
        }
    }
}

/// Makes the [`Recorder`] of each connection that a client opens, where transcripts are kept: for adapters.
#[derive(Clone, Default)]
pub struct Recorders(Option<Arc<MakeRecorder>>);

/// What makes the recorder of a connection, told where it goes.
type MakeRecorder = dyn Fn(&str) -> Recorder + Send + Sync;

impl Recorders {
    /// Keeps nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Keeps what `transcript` makes for a connection; it is told where that goes, as in `192.0.2.1:25`.
    #[must_use]
    pub fn of<W: Write + Send + Sync + 'static>(
        transcript: impl Fn(&str) -> Transcript<W> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(move |to| Recorder::of(transcript(to)))))
    }

    /// The recorder of a connection to `address`, which is noted.
    #[must_use]
    pub fn begin(&self, address: &str) -> Recorder {
        let mut recorder = self.0.as_ref().map_or_else(Recorder::off, |make| make(address));
        recorder.note(format_args!("connected to {address}"));
        recorder
    }
}

impl fmt::Debug for Recorders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorders").field(&self.0.is_some()).finish()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use std::sync::Mutex;

    /// What `play` leaves in a transcript, line by line.
    fn lines(play: impl FnOnce(&mut Recorder)) -> Vec<String> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&kept);
        let lines = Lines::new(move |line: &str| sink.lock().unwrap().push(String::from(line)));
        play(&mut Recorder::of(Transcript::new(lines)));
        Arc::into_inner(kept).unwrap().into_inner().unwrap()
    }

    #[test]
    fn a_recorder_is_a_pointer_and_off_unless_it_is_given_a_transcript() {
        assert_eq!(size_of::<Recorder>(), size_of::<usize>());
        let mut off = Recorder::default();
        off.received(b"NOOP\r\n");
        off.sent(b"250 Ok\r\n");
        off.note(format_args!("nobody listens"));
        assert!(off.0.is_none() && Recorder::off().0.is_none());
    }

    #[test]
    fn lines_without_an_end_are_written_when_the_connection_is_dropped() {
        let lines = lines(|recorder| {
            recorder.sent(b"220 mx.example\r\n");
            recorder.received(b"QU");
            recorder.received(b"IT");
        });
        assert_eq!(lines, ["S: 220 mx.example", "C! QUIT"]);
    }

    #[test]
    fn each_connection_has_a_transcript_of_its_own_and_knows_where_it_goes() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&kept);
        let recorders = Recorders::of(move |to: &str| {
            let (sink, port) = (Arc::clone(&sink), String::from(&to[10..]));
            let keep = move |line: &str| sink.lock().unwrap().push(std::format!("{port} {line}"));
            Transcript::new(Lines::new(keep))
        });
        let mut first = recorders.begin("192.0.2.1:25");
        let mut second = recorders.clone().begin("192.0.2.2:26");
        first.received(b"NOOP\r\n");
        second.sent(b"220 mx.example\r\n");
        let want = ["25 -- connected to 192.0.2.1:25", "26 -- connected to 192.0.2.2:26", "25 C: NOOP"];
        assert_eq!(kept.lock().unwrap()[..3], want);
        assert_eq!(kept.lock().unwrap()[3], "26 S: 220 mx.example");
        assert!(Recorders::off().begin("192.0.2.1:25").0.is_none());
    }

    #[test]
    fn what_follows_a_note_is_no_part_of_what_came_before() {
        let lines = lines(|recorder| {
            recorder.received(b"STARTTLS\r\nAUTH PLAIN AGEAYg==");
            recorder.note(format_args!("TLSv1.3"));
            recorder.received(b"EHLO a.example\r\n");
        });
        let want = ["C: STARTTLS", "C! AUTH PLAIN <redacted 8 octets>", "-- TLSv1.3", "C: EHLO a.example"];
        assert_eq!(lines, want);
    }

    #[test]
    fn several_lines_and_parts_of_lines_reach_a_sink_as_lines() {
        let mut got = Vec::new();
        let mut lines = Lines::new(|line: &str| got.push(String::from(line)));
        for text in ["a", "b\nc\n", "\n", "d"] {
            lines.write_str(text).unwrap();
        }
        assert_eq!(got, ["ab", "c", ""]);
    }
}
