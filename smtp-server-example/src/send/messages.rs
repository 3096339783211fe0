//! The messages: found, looked through, and opened when their turn comes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::newlines::Newlines;
use super::options::Send;
use crate::failure::{Failure, Kind};

/// Messages up to this size are kept in memory once they were looked through: small ones are sent often.
const SMALL: u64 = 256 * 1024;
/// All that is kept in memory together.
const KEPT: u64 = 64 * 1024 * 1024;
/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// A message to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// What the user calls it.
    pub(crate) name: String,
    pub(crate) body: Body,
    /// Octets as they go out, doubled dots and the end not counted.
    pub(crate) octets: u64,
}

/// Where its octets are.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Held(Arc<[u8]>),
    File(PathBuf),
    /// What came by standard input; the file is removed with the last of them.
    Spooled(Arc<NamedTempFile>),
}

/// Finds and reads everything; an error before anything is sent is better than one in the middle.
pub(crate) fn read(options: &Send) -> Result<Vec<Message>, Failure> {
    let (mut messages, mut kept) = (Vec::new(), 0);
    for path in find(&options.messages)? {
        let (name, spooled) = named(&path)?;
        let place = spooled.as_ref().map_or(path.as_path(), |file| file.path());
        let (newlines, octets, content) = survey(place, &name, KEPT - kept)?;
        if let (Some(doubt), false) = (newlines.doubt(), options.fix_newlines) {
            let what = format!("{name}: {doubt}; servers differ in what they make of that");
            return Err(Failure::new(Kind::Refused, what)
                .help("--fix-newlines makes CR LF of each; what was signed (DKIM) may no longer verify"));
        }
        let body = match (content, spooled) {
            (Some(content), _) => {
                kept += content.len() as u64;
                Body::Held(content.into())
            }
            (None, Some(file)) => Body::Spooled(Arc::new(file)),
            (None, None) => Body::File(path),
        };
        messages.push(Message { name, body, octets: octets.saturating_add(newlines.to_be_added()) });
    }
    Ok(messages)
}

/// Files as they are, and those in folders.
fn find(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if named.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Failure::new(Kind::Usage, "standard input can be read once, and `-` is named twice"));
    }
    let mut all = Vec::new();
    for path in named {
        if path.as_path() == Path::new("-") || !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let before = all.len();
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(&path.display(), &error))?;
        for entry in entries {
            let file = entry.map_err(|error| unreadable(&path.display(), &error))?;
            if !file.file_name().to_string_lossy().starts_with('.') && file.path().is_file() {
                all.push(file.path());
            }
        }
        if all.len() == before {
            return Err(Failure::new(Kind::NoInput, format!("no message in the folder {}", path.display()))
                .help("folders in it are not looked into; of a Maildir, name `new` or `cur`"));
        }
        all[before..].sort();
    }
    Ok(all)
}

/// What a message is called; and a copy of it, if it can be read once only.
fn named(path: &Path) -> Result<(String, Option<NamedTempFile>), Failure> {
    if path == Path::new("-") {
        return Ok(("standard input".to_owned(), Some(spool(&mut io::stdin().lock())?)));
    }
    let name = path.display().to_string();
    if path.metadata().is_ok_and(|known| !known.is_file()) {
        let mut pipe = File::open(path).map_err(|error| unreadable(&name, &error))?;
        let copy = spool(&mut pipe)?;
        return Ok((name, Some(copy)));
    }
    Ok((name, None))
}

/// Reads a message once; its octets too if there is room for them.
fn survey(path: &Path, name: &str, room: u64) -> Result<(Newlines, u64, Option<Vec<u8>>), Failure> {
    let failed = |error: io::Error| unreadable(&name, &error);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut content = (size <= SMALL.min(room)).then(Vec::new);
    let (mut newlines, mut octets, mut piece) = (Newlines::default(), 0, vec![0; PIECE]);
    loop {
        let length = file.read(&mut piece).map_err(failed)?;
        let read = &piece[..length];
        if read.is_empty() {
            break;
        }
        newlines.update(read);
        octets += read.len() as u64;
        if octets > SMALL.min(room) {
            content = None;
        }
        if let Some(content) = &mut content {
            content.extend_from_slice(read);
        }
    }
    newlines.finish();
    if octets == 0 {
        return Err(Failure::new(Kind::NoInput, format!("{name} is empty: that is no message")));
    }
    Ok((newlines, octets, content))
}

/// Keeps a pipe's octets in a file, as they may have to be sent more than once.
fn spool(from: &mut impl Read) -> Result<NamedTempFile, Failure> {
    let failed = |error: io::Error| {
        Failure::new(Kind::CantCreate, format!("can't keep what is read from a pipe in a file: {error}"))
            .help("TMPDIR names the folder for such files")
    };
    let mut file = NamedTempFile::new().map_err(failed)?;
    io::copy(from, &mut file).map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(file)
}

fn unreadable(name: &impl std::fmt::Display, error: &io::Error) -> Failure {
    Failure::new(Kind::NoInput, format!("can't read {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use tempfile::TempDir;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        send: Send,
    }

    fn read_all(folder: &TempDir, files: &[&str]) -> Result<Vec<Message>, String> {
        let mut line = vec!["send", "--server", "x", "--from", "<>", "--to", "a@b.example"];
        let files: Vec<_> = files.iter().map(|file| folder.path().join(file).display().to_string()).collect();
        line.extend(files.iter().map(String::as_str));
        read(&Line::parse_from(line).send).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_folder_is_its_files_by_name_and_what_is_large_stays_where_it_is() {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("new/deeper")).unwrap();
        let large = "0123456789\n".repeat(60_000);
        for (name, text) in [("b", "Subject: b\n"), ("a", large.as_str()), ("c", "x\r\n"), (".hidden", "h")] {
            fs::write(folder.path().join("new").join(name), text).unwrap();
        }
        let messages = read_all(&folder, &["new", "new/c"]).unwrap();
        let names: Vec<_> = messages.iter().map(|one| one.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c", "c"]);
        assert!(matches!(&messages[0].body, Body::File(_)) && messages[0].octets == 60_000 * 12);
        assert!(
            matches!(&messages[1].body, Body::Held(octets) if octets.len() == 11) && messages[1].octets == 12
        );
    }

    #[test]
    fn what_is_no_message_is_an_error_that_says_which_and_why() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("none")).unwrap();
        fs::write(folder.path().join("empty"), "").unwrap();
        fs::write(folder.path().join("mixed"), "a\r\nb\nc\r\n").unwrap();
        for (file, want) in [
            ("none", "no message in the folder"),
            ("empty", "empty is empty"),
            ("missing", "No such file"),
            ("mixed", "mixed: line 2 ends in LF and other lines in CR LF"),
        ] {
            let error = read_all(&folder, &[file]).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }
}
