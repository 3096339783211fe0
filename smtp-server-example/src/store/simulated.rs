//! A disk in memory that loses what was not synced when the power goes, as real ones do: each write, each new name and each
//! name taken away by itself.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Disk;

/// Shared by all who use it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is seen.
    names: BTreeMap<PathBuf, Node>,
    /// What is there for certain after a power cut.
    durable: BTreeMap<PathBuf, Node>,
    /// What has happened to names since, in its order.
    pending: Vec<(PathBuf, Option<Node>)>,
    files: Vec<Octets>,
    /// Operations until the power goes; none: it stays.
    left: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

/// A file's writes, and how many of them are durable.
#[derive(Clone, Debug, Default)]
struct Octets {
    writes: Vec<Vec<u8>>,
    synced: usize,
}

/// A file being written.
#[derive(Debug)]
pub(crate) struct SimulatedFile {
    disk: SimulatedDisk,
    number: usize,
}

impl SimulatedDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// An operation that changes something; none is possible without power.
    fn act<T>(&self, action: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        state.left = match state.left {
            Some(0) => return Err(io::Error::other("no power")),
            left => left.map(|left| left - 1),
        };
        action(&mut state)
    }

    /// Lets the power go after this many operations.
    pub(crate) fn fail_after(&self, operations: usize) {
        self.state().left = Some(operations);
    }

    /// Whether an operation has failed for want of power, or the next one will.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().left == Some(0)
    }

    /// The power is back. Of what was not durable, `survives` is asked each by itself.
    pub(crate) fn come_back(&self, mut survives: impl FnMut() -> bool) {
        let mut state = self.state();
        let state = &mut *state;
        for (path, node) in std::mem::take(&mut state.pending) {
            if survives() {
                set(&mut state.durable, path, node);
            }
        }
        // What lies in a folder that is lost is lost.
        let mut whole = BTreeMap::new();
        for (path, node) in std::mem::take(&mut state.durable) {
            // The folder comes before what is in it.
            if path.parent().is_none_or(|above| is_root(above) || whole.contains_key(above)) {
                whole.insert(path, node);
            }
        }
        state.durable = whole;
        state.names = state.durable.clone();
        for file in &mut state.files {
            let kept: Vec<_> = (0..file.writes.len()).map(|i| i < file.synced || survives()).collect();
            let length = kept.iter().rposition(|kept| *kept).map_or(0, |last| last + 1);
            file.writes.truncate(length);
            for (write, kept) in file.writes.iter_mut().zip(kept) {
                // What comes behind it has made the file longer.
                if !kept {
                    write.fill(0);
                }
            }
            file.synced = length;
        }
        state.left = None;
    }

    /// The whole of each file in a folder.
    pub(crate) fn contents(&self, folder: &Path) -> Vec<Vec<u8>> {
        let state = self.state();
        let in_it = state.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        in_it.filter_map(|(_, node)| node.file()).map(|number| state.files[number].writes.concat()).collect()
    }
}

impl State {
    fn change(&mut self, path: &Path, node: Option<Node>) {
        set(&mut self.names, path.to_owned(), node);
        self.pending.push((path.to_owned(), node));
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let above = path.parent().unwrap_or(Path::new(""));
        if !is_root(above) && self.names.get(above) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(path, Some(node));
        Ok(())
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).and_then(|node| node.file()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        let number = self.files.len();
        self.add(path, Node::File(number))?;
        self.files.push(Octets::default());
        Ok(number)
    }
}

impl Node {
    const fn file(self) -> Option<usize> {
        match self {
            Self::File(number) => Some(number),
            Self::Folder => None,
        }
    }
}

fn is_root(path: &Path) -> bool {
    path == Path::new("") || path == Path::new(".")
}

fn set(names: &mut BTreeMap<PathBuf, Node>, path: PathBuf, node: Option<Node>) {
    match node {
        Some(node) => drop(names.insert(path, node)),
        None => drop(names.remove(&path)),
    }
}

impl Write for SimulatedFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // Pages, which are written by themselves.
        let page = &octets[..octets.len().min(16_384)];
        self.disk.act(|state| {
            state.files[self.number].writes.push(page.to_vec());
            Ok(page.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn is_folder(&self, folder: &Path) -> bool {
        is_root(folder) || self.state().names.get(folder) == Some(&Node::Folder)
    }

    fn add_folder(&self, folder: &Path) -> io::Result<()> {
        self.act(|state| state.add(folder, Node::Folder))
    }

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        let number = self.act(|state| state.create(path))?;
        Ok(SimulatedFile { disk: self.clone(), number })
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<SimulatedFile> {
        let number = self.act(|state| {
            let original = state.file(from)?;
            let number = state.create(to)?;
            state.files[number].writes = state.files[original].writes.clone();
            Ok(number)
        })?;
        Ok(SimulatedFile { disk: self.clone(), number })
    }

    fn sync(&self, file: &SimulatedFile) -> io::Result<()> {
        self.act(|state| {
            let file = &mut state.files[file.number];
            file.synced = file.writes.len();
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(|state| {
            let number = state.file(from)?;
            state.add(to, Node::File(number))
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.act(|state| {
            state.file(path)?;
            state.change(path, None);
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.act(|state| {
            for (path, node) in std::mem::take(&mut state.pending) {
                let above = path.parent().unwrap_or(Path::new(""));
                if above == folder || (is_root(above) && is_root(folder)) {
                    set(&mut state.durable, path, node);
                } else {
                    state.pending.push((path, node));
                }
            }
            Ok(())
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let state = self.state();
        Ok(Box::new(io::Cursor::new(state.files[state.file(path)?].writes.concat())))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        if !self.is_folder(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let state = self.state();
        let in_it = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(in_it.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }
}

#[test]
fn what_is_not_synced_may_be_lost_and_what_is_synced_is_not() {
    let files = |sync_file: bool, sync_folder: bool, survives: bool| {
        let (disk, folder) = (SimulatedDisk::default(), Path::new("a/b"));
        disk.make_folder(folder).unwrap();
        let mut file = disk.create(&folder.join("f")).unwrap();
        file.write_all(b"octets").unwrap();
        if sync_file {
            disk.sync(&file).unwrap();
        }
        if sync_folder {
            disk.sync_folder(folder).unwrap();
        }
        disk.come_back(|| survives);
        disk.contents(folder)
    };
    for (sync_file, sync_folder, survives, want, why) in [
        (true, true, false, &[&b"octets"[..]][..], "both are synced"),
        (false, true, false, &[b""], "the name alone"),
        (true, false, false, &[], "the octets alone"),
        (false, false, true, &[b"octets"], "luck"),
    ] {
        assert_eq!(files(sync_file, sync_folder, survives), want, "{why}");
    }
}
