//! What the control group that we run in may have of memory, and what is used of it: beyond its limit the system kills.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Which groups we are in: `/proc/[pid]/cgroup` of proc(5).
const OURS: &str = "/proc/self/cgroup";

/// Where they are told about.
const MOUNTS: &str = "/sys/fs/cgroup";

/// How a version of control groups calls things. Both say in `memory.stat` what is held of files, and count that as
/// used; it goes when memory is wanted, as does what the system remembers of folders.
#[derive(Debug)]
struct Version {
    /// A line of [`OURS`] begins with this, behind its number.
    controllers: &'static str,
    /// Below [`MOUNTS`].
    mount: &'static str,
    used: &'static str,
    /// The least of these counts; from the second on the group is slowed down.
    limits: &'static [&'static str],
    /// Lines of `memory.stat` whose octets can be had back.
    spare: &'static [&'static str],
}

/// Where both are mounted, memory is the first's if the first has it.
const VERSIONS: [Version; 2] = [
    Version {
        controllers: "memory",
        mount: "memory",
        used: "memory.usage_in_bytes",
        limits: &["memory.limit_in_bytes"],
        spare: &["total_inactive_file", "total_active_file"],
    },
    Version {
        controllers: "",
        mount: "",
        used: "memory.current",
        limits: &["memory.max", "memory.high"],
        spare: &["inactive_file", "active_file", "slab_reclaimable"],
    },
];

/// The first version has no word for "no limit", but a number beyond any machine.
const NO_LIMIT: u64 = 1 << 60;

/// The control groups that we are in, each within the next.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    version: Option<&'static Version>,
    folders: Vec<PathBuf>,
}

/// Octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Without what can be had back.
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

impl Groups {
    /// Those of this process; none where the system has none, or does not show them.
    pub(crate) fn ours() -> Self {
        fs::read_to_string(OURS).map_or_else(|_| Self::default(), |text| Self::of(&text, Path::new(MOUNTS)))
    }

    /// By the text of [`OURS`], below these mounts.
    pub(super) fn of(text: &str, mounts: &Path) -> Self {
        for version in &VERSIONS {
            let Some(path) = text.lines().find_map(|line| version.path(line)) else { continue };
            // A path that leads out of what is mounted here begins with dots: then the mount is all there is to see.
            let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
            let path: PathBuf = parts.collect();
            let mount = mounts.join(version.mount);
            let folders = path.ancestors().map(|path| mount.join(path));
            let folders: Vec<_> = folders.filter(|folder| folder.join(version.used).is_file()).collect();
            if !folders.is_empty() {
                return Self { version: Some(version), folders };
            }
        }
        Self::default()
    }

    /// Of the group that is nearest to its limit; none if none has one. Limits may be set while we run.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let version = self.version?;
        let all = self.folders.iter().filter_map(|folder| version.usage(folder));
        all.max_by(|one, other| one.share().total_cmp(&other.share()))
    }
}

impl Usage {
    /// 1 is all.
    pub(crate) fn share(self) -> f64 {
        self.used as f64 / self.limit.max(1) as f64
    }
}

impl Version {
    /// The path in a line that is about memory: number, controllers and path, with colons between.
    fn path<'a>(&self, line: &'a str) -> Option<&'a Path> {
        let mut fields = line.splitn(3, ':').skip(1);
        let mut controllers = fields.next()?.split(',');
        controllers.any(|one| one == self.controllers).then(|| fields.next().map(Path::new))?
    }

    fn usage(&self, folder: &Path) -> Option<Usage> {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
        // "max" is no number, and no limit.
        let limit =
            self.limits.iter().filter_map(|name| number(name)).min().filter(|limit| *limit < NO_LIMIT)?;
        let stat = text("memory.stat")?;
        let spare =
            stat.lines().filter_map(|line| line.split_once(' ')).filter(|(key, _)| self.spare.contains(key));
        let spare = spare.filter_map(|(_, octets)| octets.parse::<u64>().ok()).fold(0, u64::saturating_add);
        Some(Usage { used: number(self.used)?.saturating_sub(spare), limit })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Files below a folder.
    fn tree(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::DirBuilder::new().recursive(true).create(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    type Files = &'static [(&'static str, &'static str)];

    const V2: Files = &[
        ("memory.current", "9000\n"),
        ("memory.stat", "anon 9000\n"),
        ("system.slice/memory.current", "8000\n"),
        ("system.slice/memory.stat", "anon 8000\n"),
        ("system.slice/memory.max", "max\n"),
        ("system.slice/memory.high", "max\n"),
        ("system.slice/mail.service/memory.current", "1000\n"),
        (
            "system.slice/mail.service/memory.stat",
            "anon 100\nfile 700\ninactive_file 300\nactive_file 400\nslab_reclaimable 50\nslab_unreclaimable 50\n",
        ),
        ("system.slice/mail.service/memory.max", "2000\n"),
        ("system.slice/mail.service/memory.high", "max\n"),
    ];

    #[test]
    fn what_counts_is_what_can_not_be_had_back_of_the_group_that_is_nearest_to_its_limit() {
        const UNIT: &str = "0::/system.slice/mail.service\n";
        const V1: Files = &[
            ("memory/memory.usage_in_bytes", "9000"),
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("memory/memory.stat", "total_active_file 0"),
            ("memory/docker/a/memory.usage_in_bytes", "1000"),
            ("memory/docker/a/memory.limit_in_bytes", "2000"),
            (
                "memory/docker/a/memory.stat",
                "cache 9\ninactive_file 5\ntotal_inactive_file 300\ntotal_active_file 200\n",
            ),
            ("unified/cgroup.procs", ""),
        ];
        const HYBRID: &str =
            "9:cpu,cpuacct:/other\n4:hugetlb,memory:/docker/a\n1:name=systemd:/x\n0::/unified\n";
        let used = |used, limit| Some(Usage { used, limit });
        let rows: &[(&str, Files, Files, Option<Usage>, &str)] = &[
            (UNIT, V2, &[], used(250, 2000), "a unit with MemoryMax="),
            (
                UNIT,
                V2,
                &[("system.slice/mail.service/memory.high", "500")],
                used(250, 500),
                "and MemoryHigh=",
            ),
            (
                UNIT,
                V2,
                &[("system.slice/memory.max", "10000")],
                used(8000, 10000),
                "what it is in has a limit too",
            ),
            (UNIT, V2, &[("system.slice/memory.max", "100000")], used(250, 2000), "a wide one"),
            (UNIT, V2, &[("system.slice/mail.service/memory.max", "max")], None, "no limit"),
            (
                "0::/a:b\n",
                &[("a:b/memory.current", "1"), ("a:b/memory.max", "2"), ("a:b/memory.stat", "")],
                &[],
                used(1, 2),
                "a colon",
            ),
            ("0::/\n", V2, &[("memory.max", "9000")], used(9000, 9000), "a container that sees itself alone"),
            ("0::/../../x\n", V2, &[("memory.max", "9000")], used(9000, 9000), "one that was moved"),
            (
                "0::/kubepods/y\n",
                V2,
                &[("memory.max", "9000")],
                used(9000, 9000),
                "one that sees its host's path",
            ),
            (HYBRID, V1, &[], used(500, 2000), "the first version"),
            (
                HYBRID,
                V1,
                &[("memory/docker/a/memory.limit_in_bytes", "9223372036854771712")],
                None,
                "without limit",
            ),
            (
                UNIT,
                V2,
                &[("system.slice/mail.service/memory.stat", "inactive_file 5000")],
                used(0, 2000),
                "moments apart",
            ),
            (UNIT, V2, &[("system.slice/mail.service/memory.current", "x")], None, "nonsense"),
            (UNIT, &[], &[], None, "nothing is mounted"),
            ("", V2, &[], None, "the system has none"),
            ("nonsense\n\n0\n0:\n", V2, &[], None, "what proc(5) does not know"),
        ];
        for (ours, files, more, want, why) in rows {
            let folder = tree(&[*files, *more].concat());
            assert_eq!(Groups::of(ours, folder.path()).usage(), *want, "{why}");
        }
    }

    #[test]
    fn a_limit_that_is_set_while_we_run_counts() {
        let folder = tree(V2);
        let groups = Groups::of("0::/system.slice/mail.service", folder.path());
        fs::write(folder.path().join("system.slice/mail.service/memory.max"), "max\n").unwrap();
        assert_eq!(groups.usage(), None);
        fs::write(folder.path().join("system.slice/mail.service/memory.max"), "1000\n").unwrap();
        assert_eq!(groups.usage().map(Usage::share), Some(0.25));
    }
}
