//! What a server asks the kernel for, as strace(1) sees it, and faults that strace makes up.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::fs::{CWD, Mode};

use crate::harness::{PATIENCE, Server};
use crate::peers::peer;

/// What strace says, gathered until it ends with the server.
pub(crate) struct Trace {
    lines: JoinHandle<Vec<String>>,
    child: Option<Child>,
}

/// A command that runs under strace what is added to it. It becomes that program itself, so that signals and exit code are
/// the program's own. None if strace is missing and may be.
pub(crate) fn strace(folder: &Path, options: &[&str]) -> Option<(Command, Trace)> {
    let mut command = peer("strace")?;
    // Open files are shown with their paths, strings whole.
    command.args(["-D", "-f", "-y", "-s", "5000", "-o"]).arg(pipe(folder)).args(options).arg("--");
    Some((command, Trace::read(folder)))
}

impl Trace {
    /// Watches a server that runs: all of it, or the thread of a name. Returns when it does.
    pub(crate) fn attach(
        server: &Server,
        folder: &Path,
        thread: Option<&str>,
        options: &[&str],
    ) -> Option<Self> {
        let mut command = peer("strace")?;
        command.args(["-y", "-s", "5000", "-o"]).arg(pipe(folder)).args(options);
        match thread {
            Some(name) => command.args(["-p", &self::thread(server, name)]),
            None => command.args(["-f", "-p", &server.id().to_string()]),
        };
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let trace = Self::read(folder);
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let attached = said.find(|line| line.as_ref().is_ok_and(|line| line.contains(" attached")));
        assert!(attached.is_some(), "strace does not attach");
        // It would end if it could not say what it says.
        std::thread::spawn(move || said.map_while(Result::ok).for_each(drop));
        Some(Self { child: Some(child), ..trace })
    }

    fn read(folder: &Path) -> Self {
        let path = folder.join("strace.pipe");
        // Opened when strace opens it, and at its end when strace is.
        let lines = std::thread::spawn(move || {
            let octets = BufReader::new(File::open(path).unwrap()).split(b'\n');
            octets.map(|line| String::from_utf8_lossy(&line.unwrap()).into_owned()).collect()
        });
        Self { lines, child: None }
    }

    /// Lets go of a server that goes on without faults. What was seen of it.
    pub(crate) fn detach(self) -> Vec<Call> {
        let id = self.child.as_ref().expect("it was attached").id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        self.end()
    }

    /// What was seen of a server that has ended.
    pub(crate) fn end(self) -> Vec<Call> {
        if let Some(mut child) = self.child {
            let _ = child.wait();
        }
        calls(&self.lines.join().unwrap())
    }
}

/// The number of a server's thread, which gives itself its name when it begins.
fn thread(server: &Server, name: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
        let is_it = |task: &std::path::PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        if let Some(task) = tasks.map(|task| task.unwrap().path()).find(is_it) {
            return task.file_name().unwrap().to_string_lossy().into_owned();
        }
        assert!(Instant::now() < until, "no thread {name}");
        std::thread::yield_now();
    }
}

/// A pipe with a name, in place of the one before.
fn pipe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("strace.pipe");
    let _ = std::fs::remove_file(&path);
    rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    path
}

/// A system call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) name: String,
    thread: String,
    /// The first argument, which is an open file and its path.
    pub(crate) file: String,
    pub(crate) arguments: String,
    result: String,
    /// Its place among all beginnings and ends of calls.
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

impl Call {
    pub(crate) fn is_sync(&self) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str())
    }

    pub(crate) fn is_injected(&self) -> bool {
        self.result.ends_with("(INJECTED)")
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.ended > 0 && !self.result.starts_with('-')
    }
}

/// The calls in the order in which they began.
pub(crate) fn calls(lines: &[impl AsRef<str>]) -> Vec<Call> {
    let (mut calls, mut open) = (Vec::<Call>::new(), HashMap::new());
    for (at, line) in lines.iter().enumerate() {
        // Numbers begin at 1: 0 is an end that is not there.
        let at = at + 1;
        // A number begins the line where there may be several threads.
        let (thread, rest) = match line.as_ref().split_once(' ') {
            Some((thread, rest)) if thread.parse::<u32>().is_ok() => (thread, rest.trim_start()),
            _ => ("", line.as_ref()),
        };
        if rest.starts_with("<... ") {
            if let Some(index) = open.remove(thread) {
                let call: &mut Call = &mut calls[index];
                call.ended = at;
                call.result = result(rest);
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let file = arguments.split('>').next().and_then(|file| file.split_once('<'));
        let file = file.filter(|(number, _)| number.parse::<u32>().is_ok()).map_or("", |(_, path)| path);
        let mut call = Call {
            name: name.to_owned(),
            thread: thread.to_owned(),
            file: file.to_owned(),
            began: at,
            ..Call::default()
        };
        if arguments.ends_with("<unfinished ...>") {
            open.insert(thread.to_owned(), calls.len());
        } else {
            call.ended = at;
            call.result = result(arguments);
        }
        call.arguments = arguments.to_owned();
        calls.push(call);
    }
    calls
}

fn result(text: &str) -> String {
    text.rsplit_once(" = ").map(|(_, result)| result.to_owned()).unwrap_or_default()
}

/// Checks that before each `250` to a message its octets were durable; the number of them, or what was not.
///
/// The rows of the message, known by its queue id, are in the log before a sync of the log begins; that succeeds before
/// the reply is sent. Of a large body, the file is synced before that, and then its folder.
pub(crate) fn acknowledged_are_durable(calls: &[Call]) -> Result<usize, String> {
    let mut count = 0;
    for reply in calls {
        for id in reply.arguments.split("Ok: queued as ").skip(1) {
            let id: String = id.chars().take_while(char::is_ascii_alphanumeric).collect();
            durable(calls, reply, &id).map_err(|why| format!("{id}: {why}"))?;
            count += 1;
        }
    }
    Ok(count)
}

fn durable(calls: &[Call], reply: &Call, id: &str) -> Result<(), String> {
    let rows = calls.iter().find(|call| {
        call.name == "pwrite64" && call.file.ends_with("/queue.db-wal") && call.arguments.contains(id)
    });
    let rows = rows.ok_or("no row of it was written")?;
    let synced = |after: &Call, file: &str, before: usize, what: &str| {
        let found = calls.iter().find(|call| {
            call.is_sync()
                && call.file == file
                && call.began > after.ended
                && call.succeeded()
                && call.ended < before
        });
        found.ok_or(format!("{what} was not synced in time"))
    };
    let log = synced(rows, &rows.file, reply.began, "its row")?;
    // A commit is written by one thread; what it writes between is of the same commit.
    let late = calls.iter().find(|call| {
        call.thread == rows.thread
            && call.name == "pwrite64"
            && call.began > log.ended
            && call.ended < log.began
    });
    if late.is_some() {
        return Err("its commit was not whole when it was synced".to_owned());
    }
    let body = format!("/{id}");
    if let Some(last) = calls.iter().rfind(|call| call.name == "write" && call.file.ends_with(&body)) {
        let file = synced(last, &last.file, rows.began, "its body")?;
        let (folder, _) = last.file.rsplit_once('/').unwrap_or_default();
        synced(file, folder, rows.began, "its body's folder")?;
    }
    Ok(())
}

#[test]
fn a_reply_before_its_sync_is_found_out() {
    const ROW: &str = "7 pwrite64(5</q/queue.db-wal>, \"..ID1..\", 4096, 0) = 4096";
    const LOG: &str = "7 fsync(5</q/queue.db-wal>) = 0";
    const BODY: &str = "8 write(9</q/spool/ab/ID1>, \"x\", 1) = 1";
    const FILE: &str = "8 fsync(9</q/spool/ab/ID1>) = 0";
    const FOLDER: &str = "8 fsync(9</q/spool/ab>) = 0";
    const REPLY: &str = "6 sendto(4<socket:[1]>, \"250 2.0.0 Ok: queued as ID1\\r\\n\", 29, 0, NULL, 0) = 29";
    let rows: &[(&[&str], bool, &str)] = &[
        (&[ROW, LOG, REPLY], true, "row, sync, reply"),
        (&[ROW, REPLY], false, "no sync"),
        (&[ROW, REPLY, LOG], false, "the sync comes after the reply"),
        (&[LOG, ROW, REPLY], false, "the sync was for something else"),
        (&[LOG, REPLY], false, "no row"),
        (&[ROW, "7 fsync(5</q/queue.db>) = 0", REPLY], false, "another file is synced"),
        (&[ROW, "7 fsync(5</q/queue.db-wal>) = -1 EIO (Input/output error)", REPLY], false, "it failed"),
        (
            &[
                ROW,
                "7 fsync(5</q/queue.db-wal> <unfinished ...>",
                REPLY,
                "7 <... fsync resumed>)                 = 0",
            ],
            false,
            "it had not ended",
        ),
        (
            &[
                ROW,
                "7 fsync(5</q/queue.db-wal> <unfinished ...>",
                "8 fsync(9</q/other>) = 0",
                "7 <... fsync resumed>)                 = 0",
                REPLY,
            ],
            true,
            "it had, though others came between",
        ),
        (&[BODY, FILE, FOLDER, ROW, LOG, REPLY], true, "a large body"),
        (&[BODY, FOLDER, ROW, LOG, REPLY], false, "whose file is not synced"),
        (&[BODY, FILE, ROW, LOG, REPLY], false, "whose folder is not synced"),
        (&[FILE, BODY, FOLDER, ROW, LOG, REPLY], false, "whose file is synced too early"),
        (&[ROW, LOG, BODY, FILE, FOLDER, REPLY], false, "whose row comes before it"),
    ];
    for (lines, good, why) in rows {
        let found = acknowledged_are_durable(&calls(lines));
        assert_eq!(found.is_ok(), *good, "{why}: {found:?}");
    }
    assert_eq!(acknowledged_are_durable(&calls(&[ROW, LOG, REPLY])), Ok(1));
}
