//! Files of the spool that go, but not while somebody copies them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::spool::Spool;
use crate::store::Disk;

/// Takes files away that no row names any more.
#[derive(Debug)]
pub(super) struct Removals<D: Disk> {
    spool: Spool<D>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many want that all stays.
    keepers: usize,
    /// What goes when nobody does.
    waiting: Vec<String>,
}

impl<D: Disk> Removals<D> {
    pub(super) fn new(spool: Spool<D>) -> Arc<Self> {
        Arc::new(Self { spool, state: Mutex::default() })
    }

    /// Takes a file away, now or when nobody keeps it. One that can't be is swept at the next start.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.keepers > 0 {
            state.waiting.push(name.to_owned());
            return Ok(());
        }
        drop(state);
        self.spool.remove(name)
    }

    /// Keeps every file until what it returns is dropped, which blocks.
    pub(super) fn keep(self: &Arc<Self>) -> Kept<D> {
        self.state().keepers += 1;
        Kept(Arc::clone(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who wants that all files stay.
pub(super) struct Kept<D: Disk>(Arc<Removals<D>>);

impl<D: Disk> Drop for Kept<D> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.keepers -= 1;
        if state.keepers == 0 {
            for name in std::mem::take(&mut state.waiting) {
                let _ = self.0.spool.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::RealDisk;

    #[test]
    fn what_is_removed_while_somebody_keeps_it_goes_when_the_last_one_does_not() {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::create_dir(file("00")).unwrap();
        for name in ["00/a", "00/b", "00/c"] {
            std::fs::write(file(name), "x").unwrap();
        }
        let removals = Removals::new(Spool::new(Arc::new(RealDisk), folder.path().to_owned()));
        let (one, other) = (removals.keep(), removals.keep());
        removals.remove("00/a").unwrap();
        drop(one);
        removals.remove("00/b").unwrap();
        assert!(file("00/a").exists() && file("00/b").exists(), "one of two is left");
        drop(other);
        assert!(!file("00/a").exists() && !file("00/b").exists() && file("00/c").exists());
        removals.remove("00/c").unwrap();
        assert!(!file("00/c").exists(), "nobody keeps anything");
    }
}
