//! What both sides said, written down while they say it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use smtp_tokio::trace::{Lines, Transcript};

use super::unwritable;
use crate::failure::Failure;

/// What takes the lines of one connection.
type HandOn = Box<dyn FnMut(&str) + Send + Sync>;

type Sink = Arc<Mutex<Box<dyn Write + Send + Sync>>>;

/// Makes a transcript for each connection, all into one file, `-` for standard output: each line with the number of its
/// connection, since several are open at a time. Secrets are left out.
pub(crate) fn to(
    file: &Path,
) -> Result<impl Fn(&str) -> Transcript<Lines<HandOn>> + Send + Sync + 'static, Failure> {
    let sink: Box<dyn Write + Send + Sync> = match file == Path::new("-") {
        true => Box::new(io::stdout()),
        false => Box::new(File::create(file).map_err(|error| unwritable(file, &error))?),
    };
    let (sink, connections): (Sink, _) = (Arc::new(Mutex::new(sink)), AtomicU64::new(0));
    Ok(move |to: &str| {
        let (sink, number) = (Arc::clone(&sink), connections.fetch_add(1, Relaxed) + 1);
        write(&sink, format_args!("{number} -- {to}"));
        let hand_on: HandOn = Box::new(move |line: &str| write(&sink, format_args!("{number} {line}")));
        Transcript::new(Lines::new(hand_on))
    })
}

/// A transcript that can't be written any more is no reason to send no mail.
fn write(sink: &Sink, line: std::fmt::Arguments<'_>) {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = writeln!(sink, "{line}");
}
