//! What happens where there is not enough of something.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::harness::{Client, Server, field};
use crate::metrics::figures;
use crate::peers::peer;

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n[checks]\nexempt = []\n";

fn settings(limits: &str, more: &str) -> String {
    format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n[limits]\n{limits}\n{more}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n"
    )
}

/// A small file system, gone when it is dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// None where it can't be made: that needs root.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output();
        done.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }

    /// Changes how much there is of it, as `size=` in octets or `nr_inodes=` say.
    pub(crate) fn change(&self, options: &str) {
        let mut mount = Command::new("mount");
        let done = mount.args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(done.unwrap().success(), "{options}");
    }

    /// Octets and files in it.
    pub(crate) fn used(&self) -> (u64, u64) {
        let found = rustix::fs::statvfs(&self.0).unwrap();
        ((found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_message_that_would_not_leave_the_reserve_is_told_452_at_mail() {
    let folder = TempDir::new().unwrap();
    let most = i64::MAX;
    let server = Server::serve(folder.path(), &settings(&format!("message_octets = {most}"), ""));
    let mut client = server.connect();
    client.say_all(&["EHLO x.example"]);
    let reply = client.say(&format!("MAIL FROM:<a@x.example> SIZE={}", most / 2));
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    let line = server.line(" refused ");
    for part in ["via=mx", "from=<a@x.example>", "peer=127.0.0.1:", "size=", "why=\"Not enough room"] {
        assert!(line.contains(part), "who asks for it has no more: {line}");
    }
    client.say_all(&["MAIL FROM:<a@x.example> SIZE=1000", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
    assert_eq!(server.mail("alice").len(), 1, "a smaller one finds room");
}

#[test]
fn a_disk_that_gets_full_refuses_new_mail_delivers_what_is_here_and_recovers_by_itself() {
    let folder = TempDir::new().unwrap();
    let Some(_disk) = Disk::mount(&folder.path().join("mail"), "8m") else { return };
    let server = Server::serve(folder.path(), &settings("disk_reserve_percent = 50", ""));
    let mut client = server.connect();
    client.begin_content();
    let mut other = server.connect();
    other.say_all(&["EHLO x.example"]);
    fs::write(server.data.join("filling"), vec![0; 4 << 20]).unwrap();
    server.line(" disk-short ");
    let reply = other.say("MAIL FROM:<a@x.example>");
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    client.say_all(&["begun before\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
    assert!(server.ask("State").unwrap().contains("\"has_room\":false"));
    fs::remove_file(server.data.join("filling")).unwrap();
    other.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>", "DATA", "after\r\n."]);
    server.line(" disk-has-room ");
    assert_eq!(server.mail("alice").len(), 2);
}

#[test]
fn a_disk_with_few_names_left_refuses_new_mail_and_recovers_by_itself() {
    let folder = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(&folder.path().join("mail"), "8m") else { return };
    let reserve = "disk_reserve_percent = 0\ninode_reserve_percent = 50";
    let server = Server::serve(folder.path(), &settings(reserve, ""));
    let mut client = server.connect();
    client.say_all(&["EHLO x.example"]);
    let (_, files) = disk.used();
    disk.change(&format!("nr_inodes={}", files * 3 / 2));
    let reply = client.say("MAIL FROM:<a@x.example>");
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    assert!(field(&server.line(" disk-short "), "free-files").parse::<u64>().unwrap() <= files / 2 + 1);
    disk.change(&format!("nr_inodes={}", files * 4));
    client.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>", "DATA", "after\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
}

#[test]
fn as_many_messages_as_memory_is_set_apart_for_and_no_one_is_ended_in_the_middle() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings("memory_octets = 1048576", ""));
    let mut clients: Vec<Client> = Vec::new();
    let mut refused = loop {
        let mut client = server.connect();
        client.say_all(&["EHLO x.example"]);
        let reply = client.say("MAIL FROM:<a@x.example>");
        if reply.starts_with("452 4.3.1 ") {
            break client;
        }
        assert!(reply.starts_with("250 "), "{reply}");
        clients.push(client);
        assert!(clients.len() < 10, "a megabyte is not without end");
    };
    assert!(clients.len() >= 5, "{}", clients.len());
    server.line(" pressure ");
    let begun = clients.len();
    for client in &mut clients {
        client.say_all(&["RCPT TO:<alice@example.test>", "DATA"]);
        client.send(&[b"0123456789".repeat(7), b"\r\n".to_vec()].concat().repeat(3_000));
        client.say_all(&["."]);
    }
    assert_eq!(server.mail("alice").len(), begun);
    refused.say_all(&["MAIL FROM:<a@x.example>", "RCPT TO:<alice@example.test>", "DATA", "x\r\n."]);
}

#[test]
fn who_connects_while_it_is_lean_makes_one_error_and_no_more() {
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings("memory_octets = 1048576", ""));
    let mut before = server.connect();
    let begun: Vec<Client> = (0..5)
        .map(|_| {
            let mut client = server.connect();
            client.say_all(&["EHLO x.example", "MAIL FROM:<a@x.example>"]);
            client
        })
        .collect();
    server.line(" level=lean ");
    let mut guesses = server.connect();
    guesses.send(b"NONSENSE\r\n");
    let said = guesses.rest();
    assert!(said.starts_with("500 ") && said.contains("\n421 4.7.0 "), "{said}");
    let mut idles = server.connect();
    idles.say_all(&["EHLO x.example", "EHLO x.example", "NOOP"]);
    idles.send(b"NOOP\r\n");
    assert!(idles.rest().contains("421 4.7.0 "));
    server.connect().begin_content();
    for _ in 0..3 {
        assert!(before.say("NONSENSE").starts_with("500 "), "who was here before is not judged by it");
    }
    drop(begun);
    server.line(" level=normal ");
    let mut after = server.connect();
    assert!(after.say("NONSENSE").starts_with("500 ") && after.say("NOOP").starts_with("250 "));
}

/// Room for a thousand sockets of our own.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

#[test]
fn a_thousand_idle_sockets_and_few_descriptors_cost_no_time_and_end_nothing_that_runs() {
    raise_descriptors();
    let folder = TempDir::new().unwrap();
    let more = "[checks]\nexempt = []\nconnections_per_minute = 0\n[auth]\nallow_insecure_auth = true\n\
        [[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n";
    let text = settings("connections = 5000\nconnections_per_address = 5000", more);
    // The listener that [`settings`] adds comes second then.
    let mut program = Command::new("prlimit");
    program.arg("--nofile=256:256");
    let server = Server::serve_through(folder.path(), &text, program);
    let printed =
        server.start.iter().find(|line| line.contains(" descriptors ")).expect("what there are is said");
    assert!(printed.ends_with(" limit=256 sessions=32 deliveries=47"), "{printed}");
    let mx = server.address_of("mx").parse().unwrap();
    let mut running = server.connect_to("mx");
    running.begin_content();
    let idle: Vec<TcpStream> = (0..1_000).map(|_| TcpStream::connect(mx).unwrap()).collect();
    let line = server.line(" level=shed ");
    let (began, used) = (Instant::now(), server.processor_time());
    assert!(line.contains(" sessions=0.9") || line.contains(" sessions=1"), "{line}");
    let mut waiting = Client::connect(mx);
    assert_eq!(waiting.reply_within(Duration::from_secs(2)), None, "it is not accepted, and not sent away");
    // What is kept for users is there for them, and operators are answered.
    drop(server.connect_to("submission"));
    assert!(server.ask("State").unwrap().contains("\"level\":\"shed\""));
    running.say_all(&["begun before\r\n."]);
    assert_eq!(server.mail("alice").len(), 1);
    // Those who only sit there make room after ten seconds.
    assert!(server.line(" closed ").contains(" why="));
    let (took, used) = (began.elapsed(), server.processor_time() - used);
    assert!(took > Duration::from_secs(5), "{took:?}: too short to say anything");
    assert!(used < took / 20, "{used:?} of {took:?}");
    let reply = waiting.reply();
    assert!(reply.starts_with("421 Too busy"), "still too busy for strangers: {reply}");
    drop(idle);
    server.line(" level=normal ");
    server.connect_to("mx").begin_content();
}

/// A control group with a limit of memory, gone when it is dropped.
struct Group(PathBuf);

impl Group {
    /// None where none can be made: that needs root, and the memory controller.
    fn new(limit: u64) -> Option<Self> {
        for (mounts, key) in [("memory", "memory.limit_in_bytes"), ("", "memory.max")] {
            let folder =
                Path::new("/sys/fs/cgroup").join(mounts).join(format!("smtp-test-{}", std::process::id()));
            if fs::create_dir(&folder).is_ok() {
                let group = Self(folder);
                if fs::write(group.0.join(key), limit.to_string()).is_ok() {
                    return Some(group);
                }
            }
        }
        eprintln!("skipped: no control group can be made");
        None
    }

    /// A program that runs what follows in it.
    fn run(&self) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.0);
        shell
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What was in it has ended and may still be on its way out of it.
        let until = Instant::now() + crate::harness::PATIENCE;
        while fs::remove_dir(&self.0).is_err() && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}

/// A process that holds something, ended when it is dropped.
struct Holder(std::process::Child);

impl Holder {
    /// It says when it has it.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "here\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn memory_that_its_control_group_lacks_sends_strangers_away_and_what_is_cached_of_files_does_not() {
    const LIMIT: u64 = 256 << 20;
    let Some(python) = peer("python3") else { return };
    let python = python.get_program().to_owned();
    let folder = TempDir::new().unwrap();
    // It is dropped last.
    let Some(group) = Group::new(LIMIT) else { return };
    let server = Server::serve_through(folder.path(), &settings("", METRICS), group.run());
    let limit = format!("group-limit-mib={}", LIMIT >> 20);
    assert!(
        server.start.iter().any(|line| line.contains(" memory ") && line.contains(&limit)),
        "{:?}",
        server.start
    );
    let hold = |script: &str| {
        let mut command = group.run();
        command
            .arg(&python)
            .args(["-c", &format!("{script}; print('here', flush=True); input()")])
            .arg(folder.path());
        Holder::start(command)
    };
    // More than the whole limit, written, and read twice.
    let _cached = hold(
        "import sys, os; name = sys.argv[1] + '/large'; f = open(name, 'wb'); \
         [f.write(bytes(1 << 20)) for _ in range(300)]; f.flush(); os.fsync(f.fileno()); \
         [len(open(name, 'rb').read(64 << 20)) for _ in range(2)]",
    );
    let share = |server: &Server| {
        let text = figures(server);
        let line =
            text.lines().find_map(|line| line.strip_prefix("smtp_pressure_ratios{resource=\"group\"} "));
        line.unwrap_or_else(|| panic!("it is not told: {text}")).parse::<f64>().unwrap()
    };
    let before = share(&server);
    assert!(before < 0.7, "{before}");
    server.connect().begin_content();
    let much = hold("x = bytearray(b'x') * (200 << 20)");
    let line = server.line(" level=shed ");
    assert!(line.contains(" group=1."), "{line}");
    let reply = Client::connect(server.address).reply();
    assert!(reply.starts_with("421 Too busy"), "{reply}");
    assert!(share(&server) > 0.9);
    drop(much);
    server.line(" level=normal ");
    server.connect().begin_content();
}
