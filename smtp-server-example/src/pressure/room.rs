//! Room on the disk.

use std::io;
use std::path::Path;

use crate::config::Limits;

/// What there is of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free: u64,
    pub(crate) all: u64,
    /// Files; `all_files` is 0 where their number has no bound.
    pub(crate) free_files: u64,
    pub(crate) all_files: u64,
}

/// Asks the system. It knows without looking at the disk.
pub(crate) fn space(folder: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(folder)?;
    let octets = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Space {
        free: octets(stat.f_bavail),
        all: octets(stat.f_blocks),
        free_files: stat.f_favail,
        all_files: stat.f_files,
    })
}

impl Space {
    /// Whether the reserve stays free, of octets and of files, when `promised` octets more are written.
    pub(crate) fn has_room(&self, promised: u64, limits: &Limits) -> bool {
        self.free >= promised.saturating_add(percent(self.all, limits.disk_reserve_percent))
            && self.free_files >= percent(self.all_files, limits.inode_reserve_percent)
    }
}

pub(super) fn percent(all: u64, percent: u32) -> u64 {
    all.saturating_mul(u64::from(percent)) / 100
}
