//! A bar for people who wait.

use std::io::{self, IsTerminal, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

/// How often the time in it is brought up to date.
const TICK: Duration = Duration::from_millis(250);

/// What was sent of all that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar on the terminal, if there is one on standard error.
    pub(crate) fn new(octets: u64, is_wanted: bool) -> Self {
        if !is_wanted || !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(octets), ProgressDrawTarget::stderr());
        let line = "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(line) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many messages are done.
    pub(crate) fn messages(&self, done: u64, total: u64) {
        self.0.set_message(format!("{done}/{total} messages"));
    }

    /// So many octets more are out.
    pub(crate) fn add(&self, octets: u64) {
        self.0.inc(octets);
    }

    /// Prints while the bar is out of the way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }

    /// A reader whose octets are counted once it was rewound: the first time it is only looked through.
    pub(crate) fn counted<R>(&self, reader: R) -> Counted<R> {
        Counted { reader, progress: self.clone(), rewound: false }
    }
}

/// A reader that says how far it was read.
#[derive(Debug)]
pub(crate) struct Counted<R> {
    reader: R,
    progress: Progress,
    rewound: bool,
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let read = Pin::new(&mut self.reader).poll_read(cx, room);
        if self.rewound {
            self.progress.add((room.filled().len() - before) as u64);
        }
        read
    }
}

impl<R: AsyncSeek + Unpin> AsyncSeek for Counted<R> {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.rewound |= matches!(to, SeekFrom::Start(_));
        Pin::new(&mut self.reader).start_seek(to)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.reader).poll_complete(cx)
    }
}
