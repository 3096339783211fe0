//! One line an event, on standard output.
//!
//! A thread of its own writes, so that a reader who stalls holds no session up.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::ZonedDateTime;

/// Lines that wait for a slow reader. Further ones are dropped and counted: mail is worth more than its log.
const WAITING: usize = 10_000;

/// Octets of lines that are written at once, about.
const AT_ONCE: usize = 16 * 1024;

/// Takes lines from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: SyncSender<String>,
    dropped: Arc<AtomicU64>,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer(JoinHandle<()>);

impl Log {
    /// Starts the thread. It ends when every `Log` is gone.
    pub(crate) fn start(out: impl Write + Send + 'static) -> std::io::Result<(Self, Writer)> {
        let (lines, waiting) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread =
            thread::Builder::new().name("log".to_owned()).spawn(move || write(out, &waiting, &counter))?;
        Ok((Self { lines, dropped }, Writer(thread)))
    }

    /// Text as it is, for people.
    pub(crate) fn text(&self, mut text: String) {
        text.push('\n');
        if self.lines.try_send(text).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One event; the line is written when `event` is dropped.
    pub(crate) fn event(&self, name: &str) -> Event<'_> {
        crate::metrics::event(name);
        let text = format!("{} {name}", ZonedDateTime::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"));
        Event { log: self, text }
    }
}

impl Writer {
    /// Waits until all is written.
    pub(crate) fn finish(self) {
        // A panic of the thread has been printed already.
        let _ = self.0.join();
    }
}

fn write(mut out: impl Write, waiting: &Receiver<String>, dropped: &AtomicU64) {
    let mut lines = String::new();
    while let Ok(first) = waiting.recv() {
        lines.clear();
        lines.push_str(&first);
        // What came meanwhile goes with it: on a busy server a call for each line costs more than the line.
        while lines.len() < AT_ONCE
            && let Ok(line) = waiting.try_recv()
        {
            lines.push_str(&line);
        }
        // With standard output closed there is nobody to tell.
        let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "log lines lost, as nobody read them in time: {lost}");
        }
    }
}

/// A span as lines have it.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.3}", span.as_secs_f64())
}

/// A line in the making: a name, then `key=value` pairs.
#[derive(Debug)]
pub(crate) struct Event<'l> {
    log: &'l Log,
    text: String,
}

impl Event<'_> {
    /// Adds a value, in quotes where it needs them. Whatever it holds, the line stays one line.
    pub(crate) fn field(mut self, key: &str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        self.put(key, value.as_bytes());
        self
    }

    /// [`field`](Self::field) for octets that need not be text.
    pub(crate) fn octets(mut self, key: &str, value: &[u8]) -> Self {
        self.put(key, value);
        self
    }

    /// [`field`](Self::field) where there is a value.
    pub(crate) fn maybe(self, key: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.field(key, value),
            None => self,
        }
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        // INVARIANT: writing to a String does not fail.
        let _ = write!(self.text, " {key}=");
        let plain =
            !value.is_empty() && value.iter().all(|&c| c.is_ascii_graphic() && !b"\"\\=".contains(&c));
        if plain {
            self.text.push_str(&value.escape_ascii().to_string().replace("\\'", "'"));
        } else {
            // Line ends, escape sequences of terminals, quotes and 8-bit octets all end up harmless.
            let _ = write!(self.text, "\"{}\"", value.escape_ascii().to_string().replace("\\'", "'"));
        }
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        self.log.text(std::mem::take(&mut self.text));
    }
}

/// Where a log is written to in tests.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Page(Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Page {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Page {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(act: impl FnOnce(&Log)) -> String {
        let page = Page::default();
        let (log, writer) = Log::start(page.clone()).unwrap();
        act(&log);
        drop(log);
        writer.finish();
        page.text()
    }

    #[test]
    fn values_are_quoted_where_needed_and_never_break_the_line() {
        for (value, want, why) in [
            (&b"a@b.example"[..], "a@b.example", "an address stays as it is"),
            (b"it's", "it's", "an apostrophe is harmless"),
            (b"it's \\'", "\"it's \\\\'\"", "in quotes too"),
            (b"", "\"\"", "nothing at all needs quotes to be seen"),
            (b"two words", "\"two words\"", "a space"),
            (b"a=b", "\"a=b\"", "an equals sign would look like a field"),
            (b"say \"hi\"", "\"say \\\"hi\\\"\"", "a quote"),
            (b"a\r\nevil from=x", "\"a\\r\\nevil from=x\"", "a line end would forge a line"),
            (b"\x1B[2J", "\"\\x1b[2J\"", "a terminal's escape sequence"),
            (b"\xC3\xA4", "\"\\xc3\\xa4\"", "8-bit octets"),
        ] {
            let line = logged(|log| drop(log.event("seen").octets("value", value)));
            let rest = line.split_once(" seen ").unwrap().1;
            assert_eq!(rest, format!("value={want}\n"), "{why}");
        }
    }

    #[test]
    fn a_reader_that_stalls_loses_lines_and_is_told() {
        struct Stalled(Receiver<()>, Page);
        impl Write for Stalled {
            fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.recv();
                self.1.write(octets)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (go, stalled) = sync_channel(0);
        let page = Page::default();
        let (log, writer) = Log::start(Stalled(stalled, page.clone())).unwrap();
        // Some lines may be with the writer already, the channel holds WAITING more.
        for n in 0..WAITING + AT_ONCE {
            log.text(format!("{n}"));
        }
        drop((go, log));
        writer.finish();
        let text = page.text();
        assert!(text.contains("log lines lost, as nobody read them in time: "), "{text}");
    }
}
