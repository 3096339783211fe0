use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::{Before, Delivery, Incoming, Receipt, Store};
use crate::directory::User;

/// The three folders of a Maildir.
const FOLDERS: [&str; 3] = ["tmp", "new", "cur"];

/// Octets of a message that are written at once.
const GATHERED: usize = 64 * 1024;

/// A Maildir for each user, below one folder.
///
/// A message is written to `tmp/`, made durable, and then linked into `new/`; only what is complete is ever seen
/// there. CR LF is stored as LF, since that is what readers of the format expect; nothing else is changed.
pub(crate) struct Maildirs<D> {
    disk: Arc<D>,
    root: PathBuf,
    /// Our host's name as it ends a file's name.
    host: String,
}

impl<D: Disk> Maildirs<D> {
    pub(crate) fn new(disk: D, root: impl Into<PathBuf>, host: &str) -> Self {
        // The two characters that have a meaning in a Maildir's file name are written as readers expect them.
        let host = host.replace('/', "\\057").replace(':', "\\072");
        Self { disk: Arc::new(disk), root: root.into(), host }
    }

    /// Makes the folders of these users, those that are not there yet. The error comes with the folder's path.
    pub(crate) fn prepare(&self, users: &[Arc<User>]) -> Result<(), (PathBuf, io::Error)> {
        for user in users {
            let mailbox = self.mailbox(user);
            make_folders(&*self.disk, &mailbox).map_err(|error| (mailbox, error))?;
        }
        Ok(())
    }

    /// Where a copy is that somebody has looked at already: readers move it to `cur/` and append their marks.
    fn find_read(&self, copy: &Copy) -> io::Result<Option<String>> {
        let folder = copy.mailbox.join("cur");
        let names = match self.disk.names(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names?,
        };
        let found = names.iter().find(|name| name.split(':').next() == Some(&copy.name));
        Ok(found.map(|name| folder.join(name).display().to_string()))
    }

    fn mailbox(&self, user: &User) -> PathBuf {
        self.root.join(&user.mailbox)
    }
}

/// A mailbox's folders, with what is missing of them.
fn make_folders(disk: &impl Disk, mailbox: &Path) -> io::Result<()> {
    FOLDERS.iter().try_for_each(|folder| disk.make_folder(&mailbox.join(folder)))
}

impl<D: Disk> Store for Maildirs<D> {
    fn begin(&self, delivery: &Delivery) -> io::Result<Box<dyn Incoming>> {
        let name =
            format!("{}.Q{}R{}.{}", delivery.arrived.as_second(), delivery.id, delivery.rcpt, self.host);
        let mut copies: Vec<_> =
            delivery.to.iter().map(|user| Copy::new(self.mailbox(user), name.clone())).collect();
        let mut there = Vec::new();
        if delivery.before == Before::Perhaps {
            for copy in std::mem::take(&mut copies) {
                match self.find_read(&copy)? {
                    Some(place) => there.push(place),
                    None => copies.push(copy),
                }
            }
            // A try that was cut off leaves its draft. Nobody else writes to that name.
            copies.iter().for_each(|copy| drop(self.disk.remove(&copy.path("tmp"))));
        }
        let mut draft = Draft {
            disk: Arc::clone(&self.disk),
            file: None,
            copies,
            there,
            line_ends: LineEnds::default(),
            scratch: Vec::new(),
        };
        if !draft.copies.is_empty() {
            draft.file = Some(draft.create_first()?);
        }
        Ok(Box::new(draft))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }
}

/// One recipient's copy and how far it is.
struct Copy {
    mailbox: PathBuf,
    name: String,
    in_tmp: bool,
    in_new: bool,
}

impl Copy {
    const fn new(mailbox: PathBuf, name: String) -> Self {
        Self { mailbox, name, in_tmp: false, in_new: false }
    }

    fn path(&self, folder: &str) -> PathBuf {
        self.mailbox.join(folder).join(&self.name)
    }
}

/// A message on its way: written once while it arrives, copied for the other recipients at the end.
struct Draft<D: Disk> {
    disk: Arc<D>,
    file: Option<D::File>,
    copies: Vec<Copy>,
    /// Where it is already.
    there: Vec<String>,
    line_ends: LineEnds,
    scratch: Vec<u8>,
}

impl<D: Disk> Draft<D> {
    fn create_first(&mut self) -> io::Result<D::File> {
        let first =
            self.copies.first_mut().ok_or_else(|| io::Error::other("a delivery without recipients"))?;
        let file = with_folders(&*self.disk, &first.mailbox, |disk| disk.create(&first.path("tmp")))?;
        first.in_tmp = true;
        Ok(file)
    }

    /// Writes what is gathered.
    fn write_stored(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(&self.scratch)?,
            // Everybody has it already.
            None if self.copies.is_empty() => {}
            None => return Err(io::Error::other("the draft was closed")),
        }
        self.scratch.clear();
        Ok(())
    }
}

/// Runs `action`, and once more if a folder was missing: somebody may empty the data folder of a running server.
fn with_folders<D: Disk, T>(disk: &D, mailbox: &Path, action: impl Fn(&D) -> io::Result<T>) -> io::Result<T> {
    match action(disk) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folders(disk, mailbox)?;
            action(disk)
        }
        result => result,
    }
}

/// All that can fail for want of room or rights comes before the first link, so that as good as nothing can fail once a
/// copy can be seen.
impl<D: Disk> Incoming for Draft<D> {
    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.line_ends.convert(octets, &mut self.scratch);
        if self.scratch.len() < GATHERED { Ok(()) } else { self.write_stored() }
    }

    fn end(&mut self) -> io::Result<()> {
        self.line_ends.finish(&mut self.scratch);
        self.write_stored()?;
        if let Some(file) = &self.file {
            self.disk.begin_sync(file);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            self.disk.sync(&file)?;
        }
        let Some((first, others)) = self.copies.split_first_mut() else { return Ok(()) };
        let original = first.path("tmp");
        for copy in others {
            let file =
                with_folders(&*self.disk, &copy.mailbox, |disk| disk.copy(&original, &copy.path("tmp")))?;
            copy.in_tmp = true;
            self.disk.sync(&file)?;
        }
        Ok(())
    }

    fn show(&mut self) -> io::Result<Vec<PathBuf>> {
        for copy in &mut self.copies {
            match with_folders(&*self.disk, &copy.mailbox, |disk| {
                disk.link(&copy.path("tmp"), &copy.path("new"))
            }) {
                Ok(()) => copy.in_new = true,
                // An earlier try got so far, and perhaps not to where its folder is synced.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.copies.iter().map(|copy| copy.mailbox.join("new")).collect())
    }

    fn receipt(mut self: Box<Self>) -> Receipt {
        let mut places = std::mem::take(&mut self.there);
        for copy in &mut self.copies {
            // Delivered: from here on nothing is taken back.
            copy.in_new = false;
            places.push(copy.path("new").display().to_string());
        }
        Receipt { places }
    }
}

/// Takes away the names in `tmp/`, and of a delivery that did not succeed those in `new/` too.
impl<D: Disk> Drop for Draft<D> {
    fn drop(&mut self) {
        for copy in &self.copies {
            // Nobody is left to hear of an error here. A file that stays in tmp/ is litter that readers of a
            // Maildir clear away after 36 hours.
            if copy.in_new && self.disk.remove(&copy.path("new")).is_ok() {
                let _ = self.disk.sync_folder(&copy.mailbox.join("new"));
            }
            if copy.in_tmp {
                let _ = self.disk.remove(&copy.path("tmp"));
            }
        }
    }
}

/// Turns CR LF into LF wherever the octets are cut, and leaves a CR alone that no LF follows.
#[derive(Debug, Default)]
struct LineEnds {
    /// The last octet was a CR; what follows decides.
    held: bool,
}

impl LineEnds {
    fn convert(&mut self, mut octets: &[u8], stored: &mut Vec<u8>) {
        if octets.is_empty() {
            return;
        }
        if std::mem::take(&mut self.held) && octets[0] != b'\n' {
            stored.push(b'\r');
        }
        while let Some(at) = memchr::memchr(b'\r', octets) {
            stored.extend_from_slice(&octets[..at]);
            octets = &octets[at + 1..];
            match octets.first() {
                Some(b'\n') => {}
                Some(_) => stored.push(b'\r'),
                None => self.held = true,
            }
        }
        stored.extend_from_slice(octets);
    }

    fn finish(&mut self, stored: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) {
            stored.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::TempDir;

    use super::*;
    use crate::queue_id::QueueIds;
    use crate::store::conformance::{self, Bench, commit, delivery, user};
    use crate::store::{RealDisk, commit_all};

    struct OnDisk<D: Disk> {
        folder: TempDir,
        store: Maildirs<D>,
    }

    impl<D: Disk> OnDisk<D> {
        fn new(disk: D) -> Self {
            let folder = TempDir::new().unwrap();
            let store = Maildirs::new(disk, folder.path().join("mail"), "mx.example.test");
            Self { folder, store }
        }

        fn names(&self, user: &User, folder: &str) -> Vec<PathBuf> {
            fs::read_dir(self.store.mailbox(user).join(folder))
                .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
                .unwrap_or_default()
        }
    }

    impl<D: Disk> Bench for OnDisk<D> {
        fn store(&self) -> &dyn Store {
            &self.store
        }

        fn delivered(&self, user: &User) -> Vec<Vec<u8>> {
            self.names(user, "new").iter().map(|path| fs::read(path).unwrap()).collect()
        }

        fn as_read(&self, wire: &[u8]) -> Vec<u8> {
            let pairs = wire.iter().zip(wire[1..].iter().map(Some).chain([None]));
            pairs.filter(|pair| *pair != (&b'\r', Some(&b'\n'))).map(|(octet, _)| *octet).collect()
        }

        fn is_clean(&self, user: &User) -> bool {
            self.names(user, "tmp").is_empty() && self.names(user, "cur").is_empty()
        }
    }

    /// A disk on which the operations in `broken` fail.
    struct Faulty<F> {
        calls: AtomicUsize,
        broken: F,
    }

    impl<F: Fn(usize) -> bool + Send + Sync + 'static> Faulty<F> {
        const fn new(broken: F) -> Self {
            Self { calls: AtomicUsize::new(0), broken }
        }

        fn step<T>(&self, action: impl FnOnce(&RealDisk) -> io::Result<T>) -> io::Result<T> {
            if (self.broken)(self.calls.fetch_add(1, Ordering::SeqCst)) {
                return Err(io::Error::other("broken"));
            }
            action(&RealDisk)
        }
    }

    impl<F: Fn(usize) -> bool + Send + Sync + 'static> Disk for Faulty<F> {
        type File = fs::File;
        fn is_folder(&self, folder: &Path) -> bool {
            RealDisk.is_folder(folder)
        }
        fn add_folder(&self, folder: &Path) -> io::Result<()> {
            self.step(|disk| disk.add_folder(folder))
        }
        fn create(&self, path: &Path) -> io::Result<fs::File> {
            self.step(|disk| disk.create(path))
        }
        fn copy(&self, from: &Path, to: &Path) -> io::Result<fs::File> {
            self.step(|disk| disk.copy(from, to))
        }
        fn sync(&self, file: &fs::File) -> io::Result<()> {
            self.step(|disk| disk.sync(file))
        }
        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step(|disk| disk.link(from, to))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step(|disk| disk.remove(path))
        }
        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            self.step(|disk| disk.sync_folder(folder))
        }
        fn open(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
            self.step(|disk| disk.open(path))
        }
        fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
            self.step(|disk| disk.names(folder))
        }
    }

    fn deliver_to_two<D: Disk>(bench: &OnDisk<D>) -> io::Result<Receipt> {
        let mut incoming = bench.store.begin(&delivery(&QueueIds::new(), &[user("alice"), user("bob")]))?;
        incoming.write(b"A: 1\r\n\r\nwhole\r\n")?;
        commit(&bench.store, incoming)
    }

    #[test]
    fn maildirs_keep_the_rules_of_a_store() {
        conformance::all(|| OnDisk::new(RealDisk));
    }

    #[test]
    fn whichever_operation_fails_the_mail_is_in_every_mailbox_or_in_none() {
        let mut failures = 0;
        loop {
            let bench = OnDisk::new(Faulty::new(move |call| call == failures));
            let result = deliver_to_two(&bench);
            let found = [user("alice"), user("bob")].map(|user| bench.delivered(&user));
            match result {
                Err(_) => assert_eq!(found, [const { Vec::<Vec<u8>>::new() }; 2], "operation {failures}"),
                Ok(_) => {
                    let whole = || vec![b"A: 1\n\nwhole\n".to_vec()];
                    assert_eq!(found, [whole(), whole()], "operation {failures}");
                    if bench.store.disk.calls.load(Ordering::SeqCst) <= failures {
                        break;
                    }
                }
            }
            failures += 1;
        }
        assert!(failures > 12, "only {failures} operations: is the disk still asked?");
    }

    #[test]
    fn of_messages_delivered_together_each_is_whole_or_not_there_as_its_result_says() {
        let texts = ["first\n", "second\n", "third\n"];
        let mut mixed = 0;
        for failing in 0.. {
            let bench = OnDisk::new(Faulty::new(move |call| call == failing));
            let ids = QueueIds::new();
            let begun = texts.map(|text| {
                let mut incoming = bench.store.begin(&delivery(&ids, &[user("alice")]))?;
                incoming.write(text.as_bytes()).map(|()| incoming)
            });
            let (texts, begun): (Vec<_>, Vec<_>) =
                texts.into_iter().zip(begun).filter_map(|(text, begun)| Some((text, begun.ok()?))).unzip();
            let results = commit_all(&bench.store, begun);
            let mut want: Vec<_> = texts
                .iter()
                .zip(&results)
                .filter(|(_, result)| result.is_ok())
                .map(|(text, _)| *text)
                .collect();
            let found =
                bench.delivered(&user("alice")).into_iter().map(|mail| String::from_utf8(mail).unwrap());
            let mut found: Vec<_> = found.collect();
            want.sort_unstable();
            found.sort();
            assert_eq!(found, want, "operation {failing}");
            mixed += usize::from((1..3).contains(&want.len()));
            if bench.store.disk.calls.load(Ordering::SeqCst) <= failing {
                assert_eq!(want.len(), 3);
                break;
            }
        }
        assert!(mixed > 6, "only {mixed} operations failed for one message alone");
    }

    #[test]
    fn a_disk_that_dies_in_the_middle_shows_no_partial_mail() {
        for alive in 0..24 {
            let bench = OnDisk::new(Faulty::new(move |call| call >= alive));
            let _ = deliver_to_two(&bench);
            for user in [user("alice"), user("bob")] {
                for message in bench.delivered(&user) {
                    assert_eq!(message, b"A: 1\n\nwhole\n", "after {alive} operations");
                }
            }
        }
    }

    #[test]
    fn what_a_commit_returns_after_is_synced() {
        /// Notes the order of what matters for durability.
        #[derive(Default)]
        struct Notes(std::sync::Mutex<Vec<String>>);
        impl Notes {
            fn add(&self, what: &str, path: &Path) {
                let name = path.file_name().unwrap().to_string_lossy();
                let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy();
                self.0.lock().unwrap().push(format!("{what} {folder}/{}", name.rsplit('.').next().unwrap()));
            }
        }
        impl Disk for Notes {
            type File = fs::File;
            fn is_folder(&self, folder: &Path) -> bool {
                RealDisk.is_folder(folder)
            }
            fn add_folder(&self, folder: &Path) -> io::Result<()> {
                RealDisk.add_folder(folder)
            }
            fn create(&self, path: &Path) -> io::Result<fs::File> {
                RealDisk.create(path)
            }
            fn copy(&self, from: &Path, to: &Path) -> io::Result<fs::File> {
                RealDisk.copy(from, to)
            }
            fn sync(&self, file: &fs::File) -> io::Result<()> {
                self.add("sync", Path::new("tmp/file"));
                RealDisk.sync(file)
            }
            fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
                self.add("link", to);
                RealDisk.link(from, to)
            }
            fn remove(&self, path: &Path) -> io::Result<()> {
                RealDisk.remove(path)
            }
            fn sync_folder(&self, folder: &Path) -> io::Result<()> {
                self.add("sync", folder);
                RealDisk.sync_folder(folder)
            }
            fn open(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
                RealDisk.open(path)
            }
            fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
                RealDisk.names(folder)
            }
        }
        let bench = OnDisk::new(Notes::default());
        bench.store.prepare(&[user("alice"), user("bob")]).unwrap();
        bench.store.disk.0.lock().unwrap().clear();
        deliver_to_two(&bench).unwrap();
        let noted = || std::mem::take(&mut *bench.store.disk.0.lock().unwrap()).join(", ");
        assert_eq!(
            noted(),
            "sync tmp/file, sync tmp/file, link new/test, link new/test, sync alice/new, sync bob/new"
        );
        let ids = QueueIds::new();
        let begin = |name| bench.store.begin(&delivery(&ids, &[user(name)])).unwrap();
        let together = commit_all(&bench.store, ["alice", "bob", "alice"].map(begin).into());
        assert!(together.iter().all(Result::is_ok));
        let (syncs, links) = (["sync tmp/file"; 3].join(", "), ["link new/test"; 3].join(", "));
        assert_eq!(noted(), format!("{syncs}, {links}, sync alice/new, sync bob/new"), "each folder once");
    }

    #[test]
    fn only_the_owner_can_read_what_is_stored() {
        let bench = OnDisk::new(RealDisk);
        deliver_to_two(&bench).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let alice = user("alice");
        assert_eq!(mode(&bench.names(&alice, "new")[0]), 0o600);
        let root = bench.folder.path().join("mail");
        for folder in ["", "alice", "alice/tmp", "alice/new", "alice/cur"] {
            assert_eq!(mode(&root.join(folder)), 0o700, "mail/{folder}");
        }
    }

    #[test]
    fn a_folder_taken_away_while_the_server_runs_is_made_again() {
        let bench = OnDisk::new(RealDisk);
        deliver_to_two(&bench).unwrap();
        fs::remove_dir_all(bench.folder.path().join("mail")).unwrap();
        deliver_to_two(&bench).unwrap();
        assert_eq!(bench.delivered(&user("bob")).len(), 1);
    }

    #[test]
    fn a_taken_name_is_never_overwritten() {
        let bench = OnDisk::new(RealDisk);
        let same = delivery(&QueueIds::new(), &[user("alice")]);
        let store = |text: &[u8]| {
            let mut incoming = bench.store.begin(&same)?;
            incoming.write(text)?;
            commit(&bench.store, incoming)
        };
        store(b"first").unwrap();
        store(b"second").unwrap();
        assert_eq!(bench.delivered(&user("alice")), [b"first"]);
        assert!(bench.is_clean(&user("alice")));
    }

    #[test]
    fn what_was_read_already_is_not_delivered_again() {
        let bench = OnDisk::new(RealDisk);
        let again =
            Delivery { before: Before::Perhaps, ..delivery(&QueueIds::new(), &[user("alice"), user("bob")]) };
        let store = || {
            let mut incoming = bench.store.begin(&again)?;
            incoming.write(b"text")?;
            commit(&bench.store, incoming)
        };
        store().unwrap();
        let new = bench.names(&user("alice"), "new").remove(0);
        let cur = new.parent().unwrap().with_file_name("cur");
        fs::rename(&new, cur.join(format!("{}:2,S", new.file_name().unwrap().to_str().unwrap()))).unwrap();
        // What a try leaves that was cut off while it wrote.
        fs::write(new.parent().unwrap().with_file_name("tmp").join(new.file_name().unwrap()), "te").unwrap();
        let receipt = store().unwrap();
        assert_eq!(receipt.places.len(), 2, "both have it: {receipt}");
        assert!(bench.names(&user("alice"), "new").is_empty(), "alice has read it");
        assert_eq!(bench.delivered(&user("bob")), [b"text"]);
    }

    #[test]
    fn a_file_name_says_time_queue_id_recipient_and_host() {
        let folder = TempDir::new().unwrap();
        let store = Maildirs::new(RealDisk, folder.path(), "a/b:c");
        let delivery = delivery(&QueueIds::new(), &[user("alice"), user("bob")]);
        let receipt = commit(&store, store.begin(&delivery).unwrap()).unwrap();
        let names: HashSet<_> =
            receipt.places.iter().map(|place| place.rsplit('/').next().unwrap().to_owned()).collect();
        let seconds = delivery.arrived.as_second();
        assert_eq!(names, HashSet::from([format!("{seconds}.Q{}R7.a\\057b\\072c", delivery.id)]));
    }
}
