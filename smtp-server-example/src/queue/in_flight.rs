//! Deliveries that are being tried, written down so that the next run knows with which of them this one died.
//!
//! A line each: `S id` when a try begins, `D id` before a final dot is sent, `E id` when what the try brought is stored,
//! and `Q` when the server ends in order. Nothing is synced. What a process has written stays when it is killed, and
//! that costs next to nothing; a power cut may lose it, and then at most a delivery is not known to be doubtful.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

use super::model::DeliveryId;
use super::watchdog::Pulse;

/// A file of more octets is begun anew, with what is open. There is room for so many from the start.
const LONG: u64 = 1 << 20;

/// What the last run left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Being tried when it died.
    pub(super) crashed: Vec<DeliveryId>,
    /// Their final dot was sent, or was about to be.
    pub(super) dotted: Vec<DeliveryId>,
}

/// The file, while the server runs.
#[derive(Debug)]
pub(super) struct InFlight {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// None where it could not be written. Mail goes on; crashes are not counted until it can be, which is tried each time.
    file: Option<File>,
    /// With whether the final dot was sent.
    open: HashMap<DeliveryId, bool>,
    octets: u64,
}

impl InFlight {
    pub(super) const FILE: &str = "in-flight";

    /// What a file says. Lines that make no sense are passed over: the last one may be cut.
    pub(super) fn read(folder: &Path) -> io::Result<Left> {
        match fs::read(folder.join(Self::FILE)) {
            Ok(lines) => Ok(Left::of(&String::from_utf8_lossy(&lines))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Left::default()),
            Err(error) => Err(error),
        }
    }

    /// Begins a new file, once what the old one says is in the store.
    pub(super) fn begin_anew(folder: &Path) -> Self {
        let path = folder.join(Self::FILE);
        let file = create(&path).ok();
        Self { path, state: Mutex::new(State { file, ..State::default() }) }
    }

    /// A try begins.
    pub(super) fn start(self: &Arc<Self>, id: DeliveryId) -> Flight {
        let mut state = self.state();
        state.open.insert(id, false);
        state.write(format_args!("S {id}\n"), &self.path);
        Flight { line: Some((Arc::clone(self), id)), pulse: Pulse::default() }
    }

    /// What a try brought is stored.
    pub(super) fn end(&self, id: DeliveryId) {
        let mut state = self.state();
        state.open.remove(&id);
        state.write(format_args!("E {id}\n"), &self.path);
    }

    /// How many are being tried.
    pub(super) fn count(&self) -> usize {
        self.state().open.len()
    }

    /// The server ends in order: what is open was cut off and is to blame for nothing.
    pub(super) fn quit(&self) {
        self.state().write(format_args!("Q\n"), &self.path);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, line: fmt::Arguments<'_>, path: &Path) {
        let line = line.to_string();
        if !self.append(&line) {
            // The line may be cut, and so nothing is added to that file.
            self.file = None;
            self.shorten(path);
            self.append(&line);
        }
        if self.octets > LONG {
            self.shorten(path);
        }
    }

    fn append(&mut self, line: &str) -> bool {
        self.octets += line.len() as u64;
        self.file.as_mut().is_some_and(|file| file.write_all(line.as_bytes()).is_ok())
    }

    /// Writes what is open to a new file, which takes the old one's place as a whole.
    fn shorten(&mut self, path: &Path) {
        let mut text = String::new();
        for (id, dotted) in &self.open {
            text.push_str(&format!("S {id}\n"));
            if *dotted {
                text.push_str(&format!("D {id}\n"));
            }
        }
        let fresh = path.with_extension("new");
        let made = create(&fresh).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            fs::rename(&fresh, path)?;
            Ok(file)
        });
        self.octets = text.len() as u64;
        // If that failed, the old one goes on.
        if let Ok(file) = made {
            self.file = Some(file);
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)?;
    // On a disk that is full later, nothing but these lines may say what another host has taken. Where the file system can
    // set no room apart, they have to find it.
    let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, LONG);
    Ok(file)
}

impl Left {
    fn of(lines: &str) -> Self {
        let mut open = HashMap::new();
        let mut in_order = false;
        for line in lines.lines() {
            let (what, id) = line.split_once(' ').unwrap_or((line, ""));
            match (what, id.parse().map(DeliveryId)) {
                ("S", Ok(id)) => drop(open.insert(id, false)),
                ("D", Ok(id)) => drop(open.insert(id, true)),
                ("E", Ok(id)) => drop(open.remove(&id)),
                ("Q", Err(_)) => in_order = true,
                _ => {}
            }
        }
        let mut crashed: Vec<_> = open.keys().copied().filter(|_| !in_order).collect();
        let mut dotted: Vec<_> = open.into_iter().filter(|(_, dotted)| *dotted).map(|(id, _)| id).collect();
        crashed.sort();
        dotted.sort();
        Self { crashed, dotted }
    }
}

/// A delivery's own line to the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flight {
    line: Option<(Arc<InFlight>, DeliveryId)>,
    /// For whoever watches it.
    pub(crate) pulse: Pulse,
}

impl Flight {
    /// To be called before the octets that end a message are sent to the next host, and may be called again: from here
    /// on, a crash leaves it unknown whether that host has it.
    pub(crate) fn before_dot(&self) {
        self.pulse.dot();
        let Some((in_flight, id)) = &self.line else { return };
        let mut state = in_flight.state();
        if state.open.insert(*id, true) != Some(true) {
            state.write(format_args!("D {id}\n"), &in_flight.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn ids(ids: &[i64]) -> Vec<DeliveryId> {
        ids.iter().copied().map(DeliveryId).collect()
    }

    #[test]
    fn what_was_open_is_what_began_and_did_not_end() {
        for (lines, crashed, dotted, why) in [
            ("", &[][..], &[][..], "nothing"),
            ("S 1\nS 2\nE 1\n", &[2], &[], "one ended"),
            ("S 1\nS 2\nD 2\nS 3\nD 3\nE 3\n", &[1, 2], &[2], "one was at its dot"),
            ("S 1\nE 1\nS 1\n", &[1], &[], "it was tried again"),
            ("S 1\nD 1\nS 2\nQ\n", &[], &[1], "an end in order is no crash, but a dot is a dot"),
            (
                "S 1\nS x\nnonsense\nS\n\nD 9999999999999999999\nS 2",
                &[1, 2],
                &[],
                "nonsense, and no line end",
            ),
        ] {
            let want = Left { crashed: ids(crashed), dotted: ids(dotted) };
            assert_eq!(Left::of(lines), want, "{why}");
        }
    }

    #[test]
    fn the_file_says_so_at_any_time_and_does_not_grow_for_ever() {
        let folder = TempDir::new().unwrap();
        assert_eq!(InFlight::read(folder.path()).unwrap(), Left::default());
        let in_flight = Arc::new(InFlight::begin_anew(folder.path()));
        let slow = in_flight.start(DeliveryId(7));
        slow.before_dot();
        slow.before_dot();
        let _slower = in_flight.start(DeliveryId(8));
        for id in 100..100_000 {
            drop(in_flight.start(DeliveryId(id)));
            in_flight.end(DeliveryId(id));
        }
        let length = fs::metadata(folder.path().join(InFlight::FILE)).unwrap().len();
        assert!(length <= LONG + 100, "{length}");
        let want = Left { crashed: ids(&[7, 8]), dotted: ids(&[7]) };
        assert_eq!(InFlight::read(folder.path()).unwrap(), want);
        in_flight.quit();
        assert_eq!(InFlight::read(folder.path()).unwrap().crashed, []);
        InFlight::begin_anew(folder.path());
        assert_eq!(InFlight::read(folder.path()).unwrap(), Left::default());
    }
}
