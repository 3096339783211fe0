//! A message's octets as they leave: our headers, then what was taken.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use smtp_proto::wire::content::Survey;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::{Receiver, channel};

use super::local::fill;
use super::model::Body;

/// Octets that are carried at once.
pub(super) const SLICE: usize = 64 * 1024;

/// Slices that may wait to be sent; reading a disk is faster than any connection.
const WAITING: usize = 2;

/// The field that whoever makes the final delivery writes, and nobody else (RFC 5321 §4.4).
const RETURN_PATH: &[u8] = b"return-path";

/// Leaves out the `Return-Path` fields that a message brought along, wherever its octets are cut. Where it went before
/// is not where it came from now.
#[derive(Debug, Default)]
pub(super) struct FinalContent {
    place: Place,
    /// The begin of a line that may be the field's.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the begin of a header line; more of it is needed to say which.
    #[default]
    Start,
    /// In a line that stays.
    Kept,
    /// In a line that goes.
    Dropped,
    /// At the begin of a line that may belong to the one that went.
    AfterDropped,
    Body,
}

impl FinalContent {
    /// Appends what stays of the next octets to `out`.
    pub(super) fn pass(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while let Some(&first) = octets.first() {
            match self.place {
                Place::Body => {
                    out.extend_from_slice(octets);
                    return;
                }
                Place::AfterDropped if matches!(first, b' ' | b'\t') => self.place = Place::Dropped,
                Place::AfterDropped => self.place = Place::Start,
                Place::Start => {
                    self.held.push(first);
                    octets = &octets[1..];
                    self.decide(out);
                }
                Place::Kept | Place::Dropped => {
                    let end = memchr::memchr(b'\n', octets).map_or(octets.len(), |at| at + 1);
                    let (line, rest) = octets.split_at(end);
                    let is_kept = self.place == Place::Kept;
                    if is_kept {
                        out.extend_from_slice(line);
                    }
                    if line.ends_with(b"\n") {
                        self.place = if is_kept { Place::Start } else { Place::AfterDropped };
                    }
                    octets = rest;
                }
            }
        }
    }

    /// Appends what is left at the end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Looks at the begin of a line.
    fn decide(&mut self, out: &mut Vec<u8>) {
        let held = &self.held;
        let same = held.iter().zip(RETURN_PATH).all(|(have, want)| have.to_ascii_lowercase() == *want);
        let behind = held.get(RETURN_PATH.len()..).unwrap_or_default();
        self.place = match behind.last() {
            // The old syntax has blanks before the colon (RFC 5322 §4.5).
            _ if same && behind.iter().all(|octet| matches!(octet, b' ' | b'\t')) => return,
            Some(b':') if same => {
                self.held.clear();
                Place::Dropped
            }
            _ if held == b"\r\n" || held == b"\n" => Place::Body,
            _ if held == b"\r" => return,
            _ if held.ends_with(b"\n") => Place::Start,
            _ => Place::Kept,
        };
        out.append(&mut self.held);
    }
}

/// What is known of a message after one look at all of it.
pub(crate) struct Seen {
    pub(crate) survey: Survey,
    /// As far as loops are looked for.
    pub(crate) beginning: Bytes,
    /// All of it, if it is small.
    pub(crate) whole: Option<Bytes>,
}

/// Looks at all of a message, and keeps it if it is in memory anyway. What is not is read by a thread that may block.
pub(crate) async fn look<R: Read>(
    body: &Body,
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<Seen> {
    if body.is_in_row() {
        return look_at_small(open()?);
    }
    let looking = tokio::task::spawn_blocking(move || look_at_large(open()?));
    looking.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

fn look_at_small(mut source: impl Read) -> io::Result<Seen> {
    let (mut survey, mut whole) = (Survey::new(), Vec::new());
    source.read_to_end(&mut whole)?;
    survey.update(&whole);
    survey.finish();
    let whole = Bytes::from(whole);
    Ok(Seen { survey, beginning: whole.clone(), whole: Some(whole) })
}

fn look_at_large(mut source: impl Read) -> io::Result<Seen> {
    let (mut survey, mut slice) = (Survey::new(), vec![0; SLICE]);
    let mut filled = fill(&mut source, &mut slice)?;
    let beginning = Bytes::copy_from_slice(&slice[..filled]);
    while filled > 0 {
        survey.update(&slice[..filled]);
        filled = fill(&mut source, &mut slice)?;
    }
    survey.finish();
    Ok(Seen { survey, beginning, whole: None })
}

/// A reader for tasks, of octets that a thread reads which may block.
pub(crate) struct Feed {
    slices: Receiver<io::Result<Vec<u8>>>,
    slice: Vec<u8>,
    at: usize,
}

impl Feed {
    /// Reads what `open` opens, to its end or to the first error.
    pub(crate) fn start<R: Read>(open: impl FnOnce() -> io::Result<R> + Send + 'static) -> Self {
        let (sender, slices) = channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let mut source = match open() {
                Ok(source) => source,
                // Whoever read may be gone, here and below; then nothing is to be read.
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
            loop {
                let mut slice = vec![0; SLICE];
                match source.read(&mut slice) {
                    Ok(0) => return,
                    Ok(count) => {
                        slice.truncate(count);
                        if sender.blocking_send(Ok(slice)).is_err() {
                            return;
                        }
                    }
                    Err(error) => return drop(sender.blocking_send(Err(error))),
                }
            }
        });
        Self { slices, slice: Vec::new(), at: 0 }
    }

    /// The next octets as they were read; none at the end. Not to be mixed with reading.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.slices.recv().await.transpose()
    }
}

impl AsyncRead for Feed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.at == self.slice.len() {
            match ready!(self.slices.poll_recv(cx)) {
                Some(slice) => (self.slice, self.at) = (slice?, 0),
                None => return Poll::Ready(Ok(())),
            }
        }
        let rest = &self.slice[self.at..];
        let count = rest.len().min(room.remaining());
        room.put_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

/// A message without old `Return-Path` fields, to be read.
pub(super) struct FinalReader<R> {
    source: R,
    filter: FinalContent,
    ready: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> FinalReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, filter: FinalContent::default(), ready: Vec::new(), at: 0, is_over: false }
    }
}

impl<R: Read> Read for FinalReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && !self.is_over {
            let mut slice = [0; 8 * 1024];
            self.ready.clear();
            self.at = 0;
            match self.source.read(&mut slice)? {
                0 => {
                    self.is_over = true;
                    self.filter.finish(&mut self.ready);
                }
                count => self.filter.pass(&slice[..count], &mut self.ready),
            }
        }
        let rest = &self.ready[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn old_return_paths_go_and_nothing_else_does_however_it_is_cut() {
        let rows: &[(&[u8], &[u8], &str)] = &[
            (b"", b"", "nothing"),
            (b"A: b\r\n\r\ntext", b"A: b\r\n\r\ntext", "none is there"),
            (b"Return-Path: <a@b>\r\nA: b\r\n\r\nx", b"A: b\r\n\r\nx", "on top"),
            (
                b"A: b\r\nRETURN-path \t: <a\r\n\t@b>\r\n c\r\nC: d\r\n\r\n",
                b"A: b\r\nC: d\r\n\r\n",
                "folded, in any case",
            ),
            (b"Return-Path: a\r\nReturn-Path: b\r\n\r\n", b"\r\n", "several"),
            (b"Return-Path: a\r\n\r\nReturn-Path: b\r\n", b"\r\nReturn-Path: b\r\n", "the body quotes one"),
            (b"\r\nReturn-Path: b\r\n", b"\r\nReturn-Path: b\r\n", "no header at all"),
            (b"\nReturn-Path: b\n", b"\nReturn-Path: b\n", "lines end otherwise"),
            (
                b"Return-Pathology: a\r\nReturn-Pat: b\r\n\r\n",
                b"Return-Pathology: a\r\nReturn-Pat: b\r\n\r\n",
                "other names",
            ),
            (b"A: b\r\n Return-Path: c\r\n\r\n", b"A: b\r\n Return-Path: c\r\n\r\n", "within another field"),
            (b"Return-Path", b"Return-Path", "cut off"),
            (b"Return-Path\r\nA: b\r\n\r\n", b"Return-Path\r\nA: b\r\n\r\n", "no field"),
            (b"\r", b"\r", "half a line end"),
        ];
        for (content, want, why) in rows {
            for cut in 1..=content.len().max(1) {
                let (mut filter, mut out) = (FinalContent::default(), Vec::new());
                content.chunks(cut).for_each(|octets| filter.pass(octets, &mut out));
                filter.finish(&mut out);
                assert_eq!(
                    out.escape_ascii().to_string(),
                    want.escape_ascii().to_string(),
                    "{why}, by {cut}"
                );
            }
            let mut read = Vec::new();
            FinalReader::new(*content).read_to_end(&mut read).unwrap();
            assert_eq!(&read, want, "{why}");
        }
    }

    #[tokio::test]
    async fn a_task_reads_what_a_thread_reads_and_its_error() {
        let large: Vec<u8> = (0..5 * SLICE + 3).map(|i| (i % 251) as u8).collect();
        let (source, mut read) = (large.clone(), Vec::new());
        Feed::start(move || Ok(io::Cursor::new(source))).read_to_end(&mut read).await.unwrap();
        assert!(read == large);
        let mut broken = Feed::start(|| Err::<io::Empty, _>(io::ErrorKind::NotFound.into()));
        assert_eq!(broken.read_u8().await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
