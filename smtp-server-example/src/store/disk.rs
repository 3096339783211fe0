use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The few file operations a store is made of, so that a test can make any of them fail.
///
/// All of them block.
pub(crate) trait Disk: Send + Sync + 'static {
    /// A file being written.
    type File: Write + Send;

    /// Whether there is a folder of this name.
    fn is_folder(&self, folder: &Path) -> bool;

    /// Makes a folder, readable by its owner only. An error if the name is taken.
    fn add_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes a folder and those above it; one that is there is fine. A new folder's name is durable afterwards.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if self.is_folder(folder) {
            return Ok(());
        }
        let above = match folder.parent() {
            Some(above) if above != Path::new("") => above,
            _ => Path::new("."),
        };
        self.make_folder(above)?;
        match self.add_folder(folder) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.is_folder(folder) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_folder(above),
        }
    }

    /// Makes a file, readable by its owner only. An error if the name is taken, be it by a symbolic link.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Makes the file `to` as [`create`](Self::create) does, with the octets of `from`. After an error it is not
    /// there.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<Self::File>;

    /// Lets the disk begin to make the file's octets durable, and waits for nothing.
    fn begin_sync(&self, _: &Self::File) {}

    /// Returns when the file's octets are durable.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file a second name. An error if the name is taken: nothing is ever replaced.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in a folder are durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Opens a file to read it.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// The names in a folder, in no order; those that are no text are not ours and left out.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
}

/// The real one.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn is_folder(&self, folder: &Path) -> bool {
        folder.is_dir()
    }

    fn add_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(folder)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<File> {
        let mut original = File::open(from)?;
        let mut copy = self.create(to)?;
        match io::copy(&mut original, &mut copy) {
            Ok(_) => Ok(copy),
            Err(error) => {
                let _ = fs::remove_file(to);
                Err(error)
            }
        }
    }

    fn begin_sync(&self, file: &File) {
        // That nobody reads it soon is not the point: Linux begins to write such a file. A wait that was not begun early
        // is a longer one, and no error.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// With what is needed to read them: length and place. Of a file's times nothing hangs on their being durable, and to
    /// sync them too costs as much again.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }
}
