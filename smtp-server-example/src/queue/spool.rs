//! Bodies too large for a row: a file each, durable before the row that names it is committed.

use std::collections::HashSet;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::model::{Body, Place};
use crate::queue_id::QueueId;
use crate::store::Disk;

/// From here on a body is a file. Below, the log that is synced anyway carries it, and a commit needs one sync.
pub(crate) const IN_ROW: usize = 64 * 1024;

/// The folder of large bodies.
///
/// A file has its final name from the start: no row names it before it is whole, and what no row names is swept away
/// at the next start. Its folder is one of 256, made before anything is taken: of two messages that need it first, one
/// would not wait until the name is durable that the other has just made.
#[derive(Debug)]
pub(crate) struct Spool<D> {
    disk: Arc<D>,
    folder: PathBuf,
}

impl<D> Clone for Spool<D> {
    fn clone(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), folder: self.folder.clone() }
    }
}

impl<D: Disk> Spool<D> {
    pub(crate) const fn new(disk: Arc<D>, folder: PathBuf) -> Self {
        Self { disk, folder }
    }

    /// Makes the folders. Whether those that are there are durable nobody knows: who made them may have been killed.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.disk.make_folder(&self.folder)?;
        for shard in 0..=u8::MAX {
            match self.disk.add_folder(&self.folder.join(format!("{shard:02x}"))) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        self.disk.sync_folder(&self.folder)
    }

    /// Begins a body. Nothing is on the disk before it is too large for a row.
    pub(crate) fn begin(&self, id: QueueId) -> Draft<D> {
        Draft {
            spool: self.clone(),
            name: name(id),
            buffer: Vec::new(),
            octets: 0,
            sha256: Sha256::new(),
            file: None,
            kept: false,
        }
    }

    /// A body's octets, wherever they are.
    pub(crate) fn read(&self, body: &Body) -> io::Result<Checked> {
        let source: Box<dyn Read + Send> = match &body.place {
            Place::Row(data) => Box::new(io::Cursor::new(data.clone())),
            Place::File(name) => self.disk.open(&self.path(name)?)?,
        };
        Ok(Checked { source, left: body.octets, sha256: Sha256::new(), want: body.sha256 })
    }

    /// Copies a body that is a file, and makes it durable. Says whether it could be: it may be missing, or not what it was.
    pub(super) fn take(&self, body: &Body, from: &Self) -> io::Result<bool> {
        let Place::File(name) = &body.place else { return Ok(true) };
        let mut source = match from.read(body) {
            Err(error) if is_corrupt(&error) => return Ok(false),
            source => source?,
        };
        let path = self.path(name)?;
        let mut file = match self.create(&path) {
            // From a copy that was broken off.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(&path)?;
                self.create(&path)?
            }
            file => file?,
        };
        let copied = io::copy(&mut source, &mut file).and_then(|_| self.disk.sync(&file));
        let copied = copied.and_then(|()| self.disk.sync_folder(path.parent().unwrap_or(&self.folder)));
        match copied {
            Ok(()) => Ok(true),
            Err(error) => {
                self.disk.remove(&path)?;
                if is_corrupt(&error) { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Makes a file, and the folder that it is in if somebody has taken that away.
    fn create(&self, path: &Path) -> io::Result<D::File> {
        match self.disk.create(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.make_folder(path.parent().unwrap_or(&self.folder))?;
                self.disk.create(path)
            }
            result => result,
        }
    }

    /// Takes a file away that no row names any more.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(&self.path(name)?)
    }

    /// Takes away what no row names: bodies of messages that were never acknowledged, or are done. Tells how many.
    ///
    /// Only for the start, when nobody writes.
    pub(crate) fn sweep(&self, named: &[String]) -> io::Result<usize> {
        let named: HashSet<&str> = named.iter().map(String::as_str).collect();
        let mut swept = 0;
        for shard in self.names(&self.folder)? {
            for file in self.names(&self.folder.join(&shard))? {
                if !named.contains(format!("{shard}/{file}").as_str()) {
                    self.disk.remove(&self.folder.join(&shard).join(file))?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        match self.disk.names(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names,
        }
    }

    /// A name from a row leads to a file of ours and nowhere else.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric());
        match name.split_once('/') {
            Some((shard, file)) if plain(shard) && plain(file) => Ok(self.folder.join(name)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a spool file's name leads elsewhere")),
        }
    }
}

fn name(id: QueueId) -> String {
    let shard = id.as_str().bytes().fold(0_u8, |sum, digit| sum.wrapping_mul(31).wrapping_add(digit));
    format!("{shard:02x}/{id}")
}

/// A body that is being taken. Dropped before its message is stored, it leaves nothing behind.
pub(crate) struct Draft<D: Disk> {
    spool: Spool<D>,
    name: String,
    /// What is not in the file: all of it, as long as there is none.
    buffer: Vec<u8>,
    octets: u64,
    sha256: Sha256,
    file: Option<D::File>,
    kept: bool,
}

impl<D: Disk> Draft<D> {
    /// Takes octets into memory. When this says so, [`spill`](Self::spill) has to take them to the disk.
    pub(crate) fn take(&mut self, octets: &[u8]) -> bool {
        self.octets += octets.len() as u64;
        self.sha256.update(octets);
        self.buffer.extend_from_slice(octets);
        self.buffer.len() >= IN_ROW
    }

    /// The beginning of the body, as far as it is in memory: all of what was taken before the first spill.
    pub(crate) fn in_memory(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether some of it is on the disk, so that [`finish`](Self::finish) will wait for that.
    pub(crate) const fn is_on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// Writes what is in memory to the file. Blocks.
    pub(crate) fn spill(&mut self) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.create()?,
        };
        let written = file.write_all(&self.buffer);
        self.file = Some(file);
        self.buffer.clear();
        written
    }

    fn create(&self) -> io::Result<D::File> {
        self.spool.create(&self.spool.path(&self.name)?)
    }

    /// Makes the body as durable as it has to be before its row is committed. Blocks if it is on the disk.
    pub(crate) fn finish(&mut self) -> io::Result<Body> {
        let place = if self.file.is_some() {
            self.spill()?;
            if let Some(file) = &self.file {
                self.spool.disk.sync(file)?;
            }
            let path = self.spool.path(&self.name)?;
            self.spool.disk.sync_folder(path.parent().unwrap_or(&self.spool.folder))?;
            Place::File(self.name.clone())
        } else {
            Place::Row(std::mem::take(&mut self.buffer).into())
        };
        let sha256 = std::mem::take(&mut self.sha256).finalize().into();
        Ok(Body { octets: self.octets, sha256, place })
    }

    /// Takes away what is on the disk. Blocks.
    pub(crate) fn discard(&mut self) -> io::Result<()> {
        self.kept = true;
        match self.file.take() {
            Some(_) => self.spool.remove(&self.name),
            None => Ok(()),
        }
    }

    /// A row names the file now, or may.
    pub(crate) const fn keep(&mut self) {
        self.kept = true;
    }
}

impl<D: Disk> Drop for Draft<D> {
    fn drop(&mut self) {
        if self.file.is_some() && !self.kept {
            // What stays is swept away at the next start.
            let _ = self.spool.remove(&self.name);
        }
    }
}

/// A body of its own making, as notifications are.
pub(crate) fn body_of(octets: Vec<u8>) -> Body {
    let sha256 = Sha256::digest(&octets).into();
    Body { octets: octets.len() as u64, sha256, place: Place::Row(octets.into()) }
}

/// Reads a body, and fails with `InvalidData` before its end if it is not the one that was taken.
pub(crate) struct Checked {
    source: Box<dyn Read + Send>,
    left: u64,
    sha256: Sha256,
    want: [u8; 32],
}

/// Whether an error says that the stored octets are not those that were taken.
pub(crate) fn is_corrupt(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound
    )
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.source.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        self.left = match self.left.checked_sub(count as u64) {
            Some(left) => left,
            None => return damaged("the stored message is longer than it was"),
        };
        if count == 0 && self.left > 0 {
            return damaged("the stored message is shorter than it was");
        }
        // With the last octet, so that nobody who has got all of it takes it for good.
        if self.left == 0 && count > 0 && <[u8; 32]>::from(self.sha256.clone().finalize()) != self.want {
            return damaged("the stored message is not what it was");
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::queue_id::QueueIds;
    use crate::store::RealDisk;

    fn spool() -> (TempDir, Spool<RealDisk>) {
        let folder = TempDir::new().unwrap();
        let spool = Spool::new(Arc::new(RealDisk), folder.path().join("spool"));
        (folder, spool)
    }

    fn store(spool: &Spool<RealDisk>, content: &[u8]) -> Body {
        let mut draft = spool.begin(QueueIds::new().next(jiff::Timestamp::now()));
        for slice in content.chunks(10_000) {
            if draft.take(slice) {
                draft.spill().unwrap();
            }
        }
        let body = draft.finish().unwrap();
        draft.keep();
        body
    }

    fn read(spool: &Spool<RealDisk>, body: &Body) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        spool.read(body)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn a_body_reads_as_it_was_written_in_a_row_or_in_a_file() {
        let (_folder, spool) = spool();
        for length in [0, 1, IN_ROW - 1, IN_ROW, 5 * IN_ROW + 3] {
            let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let body = store(&spool, &content);
            assert_eq!(matches!(body.place, Place::Row(_)), length < IN_ROW, "{length} octets");
            assert_eq!(body.octets, length as u64);
            assert!(read(&spool, &body).unwrap() == content, "{length} octets");
        }
    }

    #[test]
    fn a_damaged_body_never_reads_to_its_end() {
        let (_folder, spool) = spool();
        let body = store(&spool, &[b'x'; 2 * IN_ROW]);
        let Place::File(name) = &body.place else { panic!("a file") };
        let path = spool.path(name).unwrap();
        for (damaged, why) in [
            (vec![b'y'; 2 * IN_ROW], "other octets"),
            (vec![b'x'; 2 * IN_ROW - 1], "one too few"),
            (vec![b'x'; 2 * IN_ROW + 1], "one too many"),
            (Vec::new(), "none"),
        ] {
            std::fs::write(&path, damaged).unwrap();
            assert!(is_corrupt(&read(&spool, &body).unwrap_err()), "{why}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(is_corrupt(&read(&spool, &body).unwrap_err()), "no file at all");
    }

    #[test]
    fn a_draft_given_up_and_a_file_without_a_row_leave_nothing() {
        let (_folder, spool) = spool();
        let mut draft = spool.begin(QueueIds::new().next(jiff::Timestamp::now()));
        draft.take(&[b'x'; IN_ROW]);
        draft.spill().unwrap();
        let path = spool.path(&draft.name).unwrap();
        assert!(path.exists());
        drop(draft);
        assert!(!path.exists(), "left by the draft");
        let [kept, lost] = [store(&spool, &[b'k'; IN_ROW]), store(&spool, &[b'l'; IN_ROW])];
        let Place::File(name) = &kept.place else { panic!("a file") };
        assert_eq!(spool.sweep(std::slice::from_ref(name)).unwrap(), 1);
        assert!(read(&spool, &kept).is_ok());
        assert!(read(&spool, &lost).is_err());
    }

    #[test]
    fn no_name_leads_out_of_the_spool() {
        let (_folder, spool) = spool();
        for name in ["../x", "a/../../x", "/etc/passwd", "ab", "", "ab/", "a/b/c", "ab/x.tmp"] {
            assert!(spool.path(name).is_err(), "{name}");
        }
    }
}
