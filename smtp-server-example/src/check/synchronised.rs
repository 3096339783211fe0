//! Whether something keeps the clock right. The kernel knows, and tells nobody who may not make system calls of his own;
//! so those are asked who set it, and systemd, which asks the kernel.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::clock::{REMEDY, WHY};
use super::{Findings, Site};

/// systemd-timesyncd makes this when it has set the clock, since version 239.
const TIMESYNC: &str = "/run/systemd/timesync/synchronized";

/// Both ask on this machine; a bus that hangs is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Dates and certificates do not mind so much, and nothing that works lets it grow so far.
const FAR: f64 = 1.0;

const NAME: &str = "clock-kept";

/// What somebody says about the clock.
#[derive(Debug, PartialEq)]
enum Said {
    /// Who, and seconds that it is off where that is told.
    Kept(&'static str, Option<f64>),
    Not(&'static str),
}

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let said = site.runtime.block_on(async {
        // Whoever sets it knows more than the kernel's flag, which not every set-up of chrony touches.
        if let Some(said) = ask("chronyc", &["-c", "-n", "tracking"]).await.and_then(|text| chrony(&text)) {
            return Some(said);
        }
        if Path::new(TIMESYNC).exists() {
            return Some(Said::Kept("systemd-timesyncd", None));
        }
        ask("timedatectl", &["show", "--property=NTPSynchronized"]).await.and_then(|text| systemd(&text))
    });
    judge(said.as_ref(), findings);
}

/// What a program prints if it succeeds.
async fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).env("LC_ALL", "C");
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A line of `chronyc -c tracking`: the fifth field is how far the clock is off, in seconds, and the last is what it
/// says about leap seconds, where it also says that it knows nothing.
fn chrony(line: &str) -> Option<Said> {
    let fields: Vec<_> = line.trim().split(',').collect();
    let (off, leap) = (fields.get(4)?.parse::<f64>().ok()?, fields.get(13)?);
    Some(match *leap {
        "Not synchronised" => Said::Not("chrony"),
        _ => Said::Kept("chrony", Some(off.abs())),
    })
}

fn systemd(line: &str) -> Option<Said> {
    match line.trim() {
        "NTPSynchronized=yes" => Some(Said::Kept("the kernel", None)),
        "NTPSynchronized=no" => Some(Said::Not("the kernel")),
        _ => None,
    }
}

fn judge(said: Option<&Said>, findings: &mut Findings) {
    match said {
        Some(Said::Kept(who, Some(off))) if *off >= FAR => {
            findings.warn(
                NAME,
                format!("{who} says that it is off by {off:.1} s"),
                WHY,
                "wait until it has caught up, or look why it does not",
            );
        }
        Some(Said::Kept(who, Some(off))) => {
            findings.ok(NAME, format!("{who} keeps it, and says that it is off by {off:.6} s"));
        }
        Some(Said::Kept(who, None)) => findings.ok(NAME, format!("{who} says that something keeps it right")),
        Some(Said::Not(who)) => {
            findings.warn(NAME, format!("{who} says that nothing keeps it right"), WHY, REMEDY);
        }
        None => findings.warn(
            NAME,
            "nobody here knows whether anything keeps it right",
            WHY,
            "in a container, look at its host; else keep it with chrony or systemd-timesyncd",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_keeps_the_clock_is_understood() {
        let chronyd = "C0000202,192.0.2.2,3,1764086400.123456789,-0.000012345,0.0001,0.0002,1.5,0.01,0.02,0.03,0.001,64.5";
        let rows = [
            (
                chrony(&format!("{chronyd},Normal\n")),
                Some(Said::Kept("chrony", Some(0.000_012_345))),
                "as it should be",
            ),
            (
                chrony(&format!("{chronyd},Insert second\n")),
                Some(Said::Kept("chrony", Some(0.000_012_345))),
                "a leap second comes",
            ),
            (
                chrony("7F7F0101,,0,0.000000000,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n"),
                Some(Said::Not("chrony")),
                "it has just begun, or reaches nobody",
            ),
            (chrony("506 Cannot talk to daemon\n"), None, "it is there and does not run"),
            (chrony(""), None, "nothing"),
            (systemd("NTPSynchronized=yes\n"), Some(Said::Kept("the kernel", None)), "set"),
            (systemd("NTPSynchronized=no\n"), Some(Said::Not("the kernel")), "not set"),
            (systemd("System has not been booted\n"), None, "a container"),
        ];
        for (got, want, why) in rows {
            assert_eq!(got, want, "{why}");
        }
    }

    #[test]
    fn a_clock_that_nothing_keeps_is_told_and_so_is_that_nobody_knows() {
        for (said, want, why) in [
            (
                Some(Said::Kept("chrony", Some(0.002))),
                "ok   clock-kept: chrony keeps it, and says that it is off by 0.002000 s",
                "kept",
            ),
            (
                Some(Said::Kept("the kernel", None)),
                "ok   clock-kept: the kernel says that something",
                "by the flag",
            ),
            (
                Some(Said::Kept("chrony", Some(3.0))),
                "warn clock-kept: chrony says that it is off by 3.0 s",
                "far off",
            ),
            (
                Some(Said::Not("the kernel")),
                "warn clock-kept: the kernel says that nothing keeps it",
                "not kept",
            ),
            (None, "warn clock-kept: nobody here knows", "no finding is one too"),
        ] {
            let mut findings = Findings::default();
            judge(said.as_ref(), &mut findings);
            assert!(findings.lines()[0].starts_with(want), "{why}: {:?}", findings.lines());
        }
    }
}
