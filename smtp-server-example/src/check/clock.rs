//! The clock, as far as it can be told without asking anybody: against the file system's, which is another machine's
//! where a disk is, and against what was written in the past. That a certificate is good is another sign.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Findings, Site};
use crate::failure::Kind;
use crate::mailroom;

/// The first moment of 2026: nobody runs this before.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

/// File systems round to seconds, and to two in the case of some.
const OFF: Duration = Duration::from_secs(5);

pub(super) const WHY: &str = "dates in mail, retries and certificates go by it";
pub(super) const REMEDY: &str = "keep it with chrony or systemd-timesyncd";

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let now = SystemTime::now();
    let newest = newest(&mailroom::folder(&site.config.data));
    judge(now, newest, written_now(&site.config.data), findings);
}

/// `newest` was written in the past, `fresh` just now.
fn judge(now: SystemTime, newest: Option<SystemTime>, fresh: Option<SystemTime>, findings: &mut Findings) {
    let ahead =
        |time: Option<SystemTime>| time.and_then(|time| time.duration_since(now).ok()).unwrap_or_default();
    let behind = fresh.and_then(|fresh| now.duration_since(fresh).ok()).unwrap_or_default();
    let differs = ahead(fresh).max(behind);
    if now.duration_since(UNIX_EPOCH).unwrap_or_default() < EARLIEST {
        findings.fail(Kind::System, "clock", "it is before 2026 here", WHY, REMEDY);
    } else if ahead(newest) > OFF {
        let what = format!("the queue was written to {} s from now", ahead(newest).as_secs());
        findings.warn("clock", what, "it was set back, or the queue is another machine's", REMEDY);
    } else if differs > OFF {
        let what = format!("the file system's differs by {} s", differs.as_secs());
        findings.warn("clock", what, WHY, REMEDY);
    } else {
        findings.ok("clock", "it agrees with the file system's, and with what was written before");
    }
}

/// When anything in a folder was written last.
fn newest(folder: &Path) -> Option<SystemTime> {
    let files = fs::read_dir(folder).ok()?.flatten();
    files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
}

/// What time a file has that is written now. Where none can be written, another check says so.
fn written_now(folder: &Path) -> Option<SystemTime> {
    let path = folder.join(format!(".check-clock-{}", std::process::id()));
    fs::write(&path, b"x").ok()?;
    let modified = fs::metadata(&path).and_then(|file| file.modified());
    let _ = fs::remove_file(&path);
    modified.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_was_written() {
        let now = UNIX_EPOCH + EARLIEST + Duration::from_secs(1_000_000);
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        for (now, newest, fresh, want, why) in [
            (now, Some(now - minute), Some(now), "ok ", "as it should be"),
            (now, None, None, "ok ", "nothing is known"),
            (now, None, Some(now - second), "ok ", "rounded down"),
            (
                now,
                Some(now + minute),
                Some(now),
                "warn clock: the queue was written to 60 s from now",
                "set back",
            ),
            (now, None, Some(now + minute), "warn clock: the file system's differs by 60 s", "ahead"),
            (now, None, Some(now - minute), "warn clock: the file system's differs by 60 s", "behind"),
            (UNIX_EPOCH + second, None, None, "FAIL", "a machine without a battery"),
        ] {
            let mut findings = Findings::default();
            judge(now, newest, fresh, &mut findings);
            assert!(findings.lines()[0].starts_with(want), "{why}: {:?}", findings.lines());
        }
    }
}
