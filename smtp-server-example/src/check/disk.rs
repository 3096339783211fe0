//! Room, and how long a sync takes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Findings, Site};
use crate::config::Limits;
use crate::failure::Kind;
use crate::pressure::{self, Space};

/// Parts in a hundred of a disk that should be free.
const SPARE: u64 = 10;

/// A sync of a solid-state disk takes about one millisecond, of a spinning one about ten.
const SLOW: Duration = Duration::from_millis(50);

/// How often it is measured.
const TRIES: usize = 9;

/// File systems of other machines, by the number that `statfs(2)` has for them: NFS, SMB and CIFS.
const REMOTE: &[u64] = &[0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42];

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let data = &site.config.data;
    let Some(folder) = existing(data) else {
        return findings.fail(
            Kind::CantCreate,
            "disk",
            format!("there is no folder above {}", data.display()),
            "there is no place for mail",
            "make it, or set `data`",
        );
    };
    match pressure::space(&folder) {
        Ok(space) => {
            room(space, &site.config.limits, findings);
            inodes(space, &site.config.limits, findings);
        }
        Err(error) => findings.warn(
            "disk",
            format!("can't tell how much room there is: {error}"),
            "it may be full",
            "look with df",
        ),
    }
    if let Ok(stat) = rustix::fs::statfs(&folder) {
        kind(u64::try_from(stat.f_type).unwrap_or_default(), findings);
    }
    match sync_time(&folder) {
        Ok(taken) => sync(taken, findings),
        Err(error) => findings.fail(
            Kind::CantCreate,
            "disk-sync",
            format!("can't write to {}: {error}", folder.display()),
            "no mail can be stored",
            "let the user that runs the server write there, and run this as that user",
        ),
    }
}

/// The folder, or what there is above it.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
}

fn room(Space { free, all, .. }: Space, limits: &Limits, findings: &mut Findings) {
    let (percent, mib) = (percent(free, all), free >> 20);
    let what = format!("{mib} MiB are free, {percent} %");
    let why = "without room mail is refused for now (452), and comes again";
    // Below the reserve no message is taken.
    let last = u64::from(limits.disk_reserve_percent);
    if free < limits.message_octets.saturating_mul(2) || percent < last || all == 0 {
        findings.fail(Kind::CantCreate, "disk", what, why, "make room");
    } else if percent < SPARE {
        findings.warn("disk", what, why, "make room before it is full");
    } else {
        findings.ok("disk", what);
    }
}

/// Some file systems have no number of files that they end at.
fn inodes(Space { free_files: free, all_files: all, .. }: Space, limits: &Limits, findings: &mut Findings) {
    if all == 0 {
        return findings.ok("disk-files", "their number has no bound");
    }
    let percent = percent(free, all);
    let what = format!("{free} more files find place, {percent} %");
    let why = "each mail in a Maildir is a file";
    if percent < u64::from(limits.inode_reserve_percent) {
        let remedy = "take files away, or make a file system with more inodes";
        findings.fail(Kind::CantCreate, "disk-files", what, why, remedy);
    } else if percent < SPARE {
        findings.warn("disk-files", what, why, "take files away before there are none");
    } else {
        findings.ok("disk-files", what);
    }
}

fn percent(part: u64, all: u64) -> u64 {
    part.saturating_mul(100).checked_div(all).unwrap_or_default()
}

fn kind(number: u64, findings: &mut Findings) {
    if REMOTE.contains(&number) {
        findings.fail(
            Kind::Config,
            "disk-kind",
            "the mail folder is on another machine's disk",
            "the queue's locks and syncs can't be relied on over a network",
            "set `data` to a folder on a disk of this machine",
        );
    }
}

/// How long a small write takes to be durable: the middle of some.
fn sync_time(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".check-{}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let measured = measure(file);
    fs::remove_file(&path)?;
    measured
}

fn measure(mut file: File) -> io::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TRIES {
        file.write_all(&[0; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[TRIES / 2])
}

fn sync(taken: Duration, findings: &mut Findings) {
    let what = format!("a sync takes {:.1} ms", taken.as_secs_f64() * 1e3);
    match taken > SLOW {
        true => findings.warn(
            "disk-sync",
            what,
            "each message waits for one before its 250",
            "use a disk that is quicker, or has less to do",
        ),
        false => findings.ok("disk-sync", what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(look: impl FnOnce(&mut Findings)) -> String {
        let mut findings = Findings::default();
        look(&mut findings);
        findings.lines().join("\n")
    }

    const NONE: Space = Space { free: 0, all: 0, free_files: 0, all_files: 0 };

    #[test]
    fn room_is_judged_by_share_and_by_the_largest_message() {
        for (free, all, want, why) in [
            (50 << 30, 100 << 30, "ok ", "half of it"),
            (9 << 30, 100 << 30, "warn", "less than a tenth"),
            (1 << 30, 100 << 30, "FAIL", "a hundredth"),
            (90 << 20, 100 << 20, "FAIL", "a small disk: two of the largest messages do not fit"),
            (0, 0, "FAIL", "a disk without size"),
        ] {
            let said = found(|findings| room(Space { free, all, ..NONE }, &Limits::default(), findings));
            assert!(said.starts_with(want), "{why}: {said}");
        }
    }

    #[test]
    fn inodes_are_judged_by_share_where_there_are_any() {
        for (free, all, want, why) in [
            (0, 0, "ok ", "btrfs counts none"),
            (50, 100, "ok ", "half of them"),
            (9, 100, "warn", "less than a tenth"),
            (1, 100, "FAIL", "the last"),
        ] {
            let space = Space { free_files: free, all_files: all, ..NONE };
            let said = found(|findings| inodes(space, &Limits::default(), findings));
            assert!(said.starts_with(want), "{why}: {said}");
        }
    }

    #[test]
    fn a_slow_sync_and_a_disk_of_another_machine_are_told() {
        assert!(
            found(|findings| sync(Duration::from_millis(51), findings))
                .starts_with("warn disk-sync: a sync takes 51.0 ms")
        );
        assert!(found(|findings| sync(Duration::from_millis(2), findings)).starts_with("ok "));
        assert!(found(|findings| kind(0x6969, findings)).starts_with("FAIL disk-kind"));
        assert_eq!(found(|findings| kind(0xEF53, findings)), "", "ext4");
    }
}
