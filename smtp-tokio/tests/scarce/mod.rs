//! A process without descriptors left.

use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No descriptor can be opened as long as it lives. It holds for the whole process, so such a test is alone in its own.
pub(crate) struct Scarcity {
    before: Rlimit,
}

impl Scarcity {
    pub(crate) fn begin() -> Self {
        let before = getrlimit(Resource::Nofile);
        let lowest_free = File::open("/dev/null").unwrap().as_raw_fd();
        let current = Some(u64::try_from(lowest_free).unwrap());
        setrlimit(Resource::Nofile, Rlimit { current, maximum: before.maximum }).unwrap();
        assert!(File::open("/dev/null").is_err(), "there are none left");
        Self { before }
    }
}

impl Drop for Scarcity {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}
