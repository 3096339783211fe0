//! A service manager's side of the server's life.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, binary};
use crate::peers::{peer, succeed};

const SETTINGS: &str = "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
    [auth]\nallow_insecure_auth = true\n[[user]]\nname = \"alice\"\n";

/// Listeners at an address that is not this machine's: they can't be bound.
fn listeners(kinds: &[&str]) -> String {
    let listener = |kind: &&str| format!("[[listener]]\nkind = \"{kind}\"\naddress = \"192.0.2.1:25\"\n");
    format!("{SETTINGS}{}", kinds.iter().map(listener).collect::<String>())
}

/// Runs what follows with sockets that it has bound, as a service manager does.
fn with_sockets(python: &mut Command, names: &str, unix: &Path) {
    const SCRIPT: &str = "
import os, socket, sys
names, path, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
sockets = []
for at, name in enumerate(names.split(':')):
    if name == 'lmtp':
        one = socket.socket(socket.AF_UNIX)
        one.bind(path)
    else:
        one = socket.socket(socket.AF_INET6 if at else socket.AF_INET)
        one.bind(('::1' if at else '127.0.0.1', 0))
    one.listen()
    sockets.append(os.dup(one.fileno()))
# Beyond those that will be in the way.
high = [os.dup2(fd, 100 + at) for at, fd in enumerate(sockets)]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
os.environ.update(LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=names, LISTEN_PID=str(os.getpid()))
os.execv(arguments[0], arguments)
";
    python.args(["-c", SCRIPT, names]).arg(unix);
}

#[test]
fn sockets_that_are_bound_already_find_their_listeners_by_name() {
    let Some(mut python) = peer("python3") else { return };
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lmtp.sock");
    with_sockets(&mut python, "submission:mx:lmtp", &path);
    let server = Server::serve_through(folder.path(), &listeners(&["mx", "lmtp", "submission"]), python);
    assert!(server.address_of("mx").starts_with("[::1]:"), "{}", server.address_of("mx"));
    assert!(server.address_of("submission").starts_with("127.0.0.1:"));
    assert_eq!(server.address_of("lmtp"), format!("unix:{}", path.display()));
    server.connect_to("mx").begin_content();
    assert!(
        server.connect_to("submission").say("EHLO x.example").contains("AUTH"),
        "it is what its name says"
    );
}

#[test]
fn a_socket_that_no_listener_wants_is_an_error_that_says_so() {
    let Some(mut python) = peer("python3") else { return };
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mail.toml");
    for (names, kinds) in [("smtp", &["mx"][..]), ("mx:mx", &["mx", "lmtp"])] {
        fs::write(&file, listeners(kinds)).unwrap();
        with_sockets(&mut python, names, &folder.path().join("unused"));
        python.arg(binary().get_program()).arg("serve").arg("--config").arg(&file);
        let output = python.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains("and no [[listener]] wants it") && error.contains("help: "), "{error}");
        python = Command::new("python3");
    }
}

#[test]
fn a_service_manager_is_told_of_the_start_of_new_settings_of_life_and_of_the_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = |first: &str| loop {
        let mut octets = [0; 1_024];
        let count = manager.recv(&mut octets).unwrap();
        let text = String::from_utf8(octets[..count].to_vec()).unwrap();
        if text.starts_with(first) {
            return text;
        }
        assert!(text.starts_with("WATCHDOG=1\n"), "{text} instead of {first}");
    };
    let mut program = Command::new("env");
    program.arg(format!("NOTIFY_SOCKET={}", path.display())).arg("WATCHDOG_USEC=200000");
    let settings = format!("{SETTINGS}[[listener]]\naddress = \"127.0.0.1:0\"\n");
    let mut server = Server::serve_through(folder.path(), &settings, program);
    assert!(told("READY=1\n").contains("STATUS=Listening on 1\n"));
    for _ in 0..3 {
        told("WATCHDOG=1\n");
    }
    server.signal("HUP");
    assert!(told("RELOADING=1\n").contains("MONOTONIC_USEC="));
    told("READY=1\n");
    let client = server.connect();
    server.signal("TERM");
    assert!(told("STOPPING=1\n").contains("STATUS=Waiting for 1 sessions\n"));
    drop(client);
    assert!(server.wait().success());
}

#[test]
fn the_units_are_sound_and_leave_the_server_little() {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let Some(mut analyze) = peer("systemd-analyze") else { return };
    let folder = TempDir::new().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(&contrib).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        // Where it will be installed there is nothing yet, nor is there its user.
        let installed = "/usr/local/bin/smtp-server-example ";
        let text = text.replace(installed, &format!("{} ", binary().get_program().to_string_lossy()));
        let unit = folder.path().join(entry.file_name());
        fs::write(&unit, text.replace("User=smtp-server-example", "User=root")).unwrap();
        units.push(unit);
    }
    assert!(units.len() >= 4, "{units:?}");
    let said = succeed(analyze.args(["verify", "--man=no"]).args(&units));
    assert!(!said.contains("smtp-server-example"), "{said}");
    // 0 is nothing at all, 10 is everything.
    let mut judge = Command::new("systemd-analyze");
    judge.args(["security", "--offline=yes", "--threshold=20", "--no-pager"]);
    succeed(judge.arg(folder.path().join("smtp-server-example.service")));
    // The commands that the unit names, and the keys that listeners are named by, are real.
    for kind in ["mx", "submission", "submissions"] {
        let text = fs::read_to_string(contrib.join(format!("smtp-server-example-{kind}.socket"))).unwrap();
        assert!(text.contains(&format!("\nFileDescriptorName={kind}\n")), "{text}");
    }
}
