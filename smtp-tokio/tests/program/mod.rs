//! Examples as programs: started, listened to, ended.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far longer than anything here takes: a hang becomes a failure.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Where an example lies. `cargo test` builds tests into `deps` and examples beside it; with `--test` it builds the test
/// alone.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(program.is_file(), "{} is missing: cargo build --examples", program.display());
    program
}

pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Program {
    /// Starts an example and takes the address that it prints.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(path(name)).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut program = Self { child, lines, address: String::new() };
        let first = program.line();
        program.address = first.strip_prefix("listening on ").expect(&first).to_owned();
        program
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The next line that it prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line on its output")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
