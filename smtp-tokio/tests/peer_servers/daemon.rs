//! Other people's servers, started for a test and gone with it. Needs `std` alone, so that the tests of any crate can
//! include it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far longer than anything takes that is waited for: a hang becomes a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// `nobody` and its group, the same everywhere in Debian.
const NOBODY: u32 = 65_534;

/// Where `scripts/test peers` puts a program whose package can't be installed beside another one's.
const BESIDE: [&str; 3] = [
    "/usr/local/lib/smtp-test-peers/exim4/usr/sbin",
    "/usr/local/lib/smtp-test-peers/opensmtpd/usr/sbin",
    "/usr/local/lib/smtp-test-peers/prometheus/usr/bin",
];

/// Counts what a process makes, so that names and ports of parallel tests differ.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Finds a program, also where only root looks. A missing one fails the test unless the run goes without peers.
pub(crate) fn program(name: &str) -> Option<Command> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders = path.split(':').chain(["/usr/sbin"]).chain(BESIDE);
    let found = folders.find_map(|folder| Some(Path::new(folder).join(name)).filter(|file| file.is_file()));
    if found.is_none() {
        missing(name);
    }
    found.map(Command::new)
}

/// Fails the test, or says that it is skipped where the run goes without peers.
pub(crate) fn missing(name: &str) {
    let optional = std::env::var("SMTP_TEST_PEERS").is_ok_and(|peers| peers == "optional");
    assert!(
        optional,
        "{name} is not installed: run scripts/test, which gets it (or scripts/test --without-peers)"
    );
    eprintln!("skipped: {name} is not installed");
}

/// A folder for one test, which everybody may enter and which is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("smtp-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that everybody may read.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        file
    }

    /// Makes a folder within that [`Self::keeper`] may write to.
    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let (path, (user, group)) = (self.join(name), self.keeper());
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        path
    }

    /// Who keeps mailboxes: whoever runs the test, but never root, whom servers refuse to deliver as.
    pub(crate) fn keeper(&self) -> (u32, u32) {
        let made = fs::metadata(&self.0).unwrap();
        if made.uid() == 0 { (NOBODY, NOBODY) } else { (made.uid(), made.gid()) }
    }

    pub(crate) fn is_roots(&self) -> bool {
        fs::metadata(&self.0).unwrap().uid() == 0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A free port of the loopback interface. It is below those that the kernel gives to outgoing connections, as the server
/// binds it only later.
pub(crate) fn free_address() -> SocketAddr {
    let start = std::process::id().wrapping_mul(37);
    loop {
        let number = start.wrapping_add(MADE.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What comes behind the first field of a stored message, with the field's folded lines; none if it has another name.
pub(crate) fn behind_field<'a>(stored: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = stored.starts_with(name.as_bytes()).then_some(stored)?;
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a whole line") + 2;
        rest = &rest[end..];
        if !matches!(rest.first(), Some(b' ' | b'\t')) {
            return Some(rest);
        }
    }
}

/// A program that serves until this is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    said: Receiver<String>,
}

impl Daemon {
    /// Starts `command`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, said) = channel();
        let listen = |out: Box<dyn Read + Send>| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                // Sent to nobody as well: a pipe that is not read would stop the program.
                for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                    let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                }
            });
        };
        listen(Box::new(child.stdout.take().unwrap()));
        listen(Box::new(child.stderr.take().unwrap()));
        Self { child, said }
    }

    /// Waits for a line that holds `part`, and returns it.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        let (until, mut all) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => all.push(line),
                Err(error) => panic!("no `{part}`: {error}\n{}", all.join("\n")),
            }
        }
    }

    /// Waits until somebody listens there, for those that say nothing.
    pub(crate) fn wait_for_connection(&self, address: SocketAddr) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "nobody listens on {address}: {}", self.said());
            std::thread::yield_now();
        }
    }

    /// What it has said since.
    pub(crate) fn said(&self) -> String {
        self.said.try_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    /// Those that have processes of their own end them when they are asked to.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !matches!(self.child.try_wait(), Ok(Some(_))) {
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
