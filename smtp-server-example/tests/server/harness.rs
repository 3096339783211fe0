use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for anything. Nothing here takes a tenth of it; a test that hangs should still end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A transaction up to DATA that the server takes.
pub(crate) const TRANSACTION: &str =
    "EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n";

/// A running server, ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    /// The first listener's address.
    pub(crate) address: SocketAddr,
    /// Every listener's kind and address, in the order of the settings.
    places: Vec<(String, String)>,
    pub(crate) data: PathBuf,
    /// The lines of the log before it was ready.
    pub(crate) start: Vec<String>,
    _folder: Option<TempDir>,
}

impl Server {
    /// `demo` with a new mail folder.
    pub(crate) fn demo() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("mail");
        let mut server = Self::demo_in(&data);
        server._folder = Some(folder);
        server
    }

    /// `demo` with this mail folder.
    pub(crate) fn demo_in(data: &Path) -> Self {
        let mut command = binary();
        command.args(["demo", "--password", "word", "--listen", "127.0.0.1:0"]);
        command.args(["--listen-submission", "127.0.0.1:0", "--listen-submissions", "127.0.0.1:0", "--data"]);
        command.arg(data);
        Self::start(command, data)
    }

    /// `serve` for example.test, with these lines in [limits]. `folder` holds the settings and, in `mail`, the mail.
    pub(crate) fn limited(folder: &Path, limits: &str) -> Self {
        Self::serve(
            folder,
            &format!(
                "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
                 [limits]\n{limits}\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
                 [[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n"
            ),
        )
    }

    /// `serve` with settings that listen on a free port and keep mail in `mail`.
    pub(crate) fn serve(folder: &Path, settings: &str) -> Self {
        Self::serve_with(folder, settings, &[])
    }

    /// [`serve`](Self::serve) with further arguments.
    pub(crate) fn serve_with(folder: &Path, settings: &str, arguments: &[&str]) -> Self {
        fs::write(folder.join("mail.toml"), settings).unwrap();
        Self::start_in(folder, arguments)
    }

    /// [`serve`](Self::serve) by a server that trusts the certificates in a file and no others.
    pub(crate) fn serve_trusting(folder: &Path, settings: &str, roots: &Path) -> Self {
        fs::write(folder.join("mail.toml"), settings).unwrap();
        let mut program = binary();
        program.env("SSL_CERT_FILE", roots);
        Self::start_by(program, folder, &[])
    }

    /// `serve` with the settings that lie in the folder.
    pub(crate) fn again(folder: &Path) -> Self {
        Self::start_in(folder, &[])
    }

    /// [`serve`](Self::serve) by a program that is given the server's command line.
    pub(crate) fn serve_through(folder: &Path, settings: &str, mut program: Command) -> Self {
        fs::write(folder.join("mail.toml"), settings).unwrap();
        program.arg(env!("CARGO_BIN_EXE_smtp-server-example"));
        Self::start_by(program, folder, &[])
    }

    fn start_in(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_by(binary(), folder, arguments)
    }

    fn start_by(mut command: Command, folder: &Path, arguments: &[&str]) -> Self {
        let (file, data) = (folder.join("mail.toml"), folder.join("mail"));
        command.arg("serve").arg("--config").arg(file).args(arguments).current_dir(folder);
        Self::start(command, &data)
    }

    /// `serve` with the settings that lie in the folder, by a program that is given what to run, and becomes it. An
    /// exit status if it ended before it was ready.
    pub(crate) fn again_by(mut program: Command, folder: &Path) -> Result<Self, ExitStatus> {
        program.arg(binary().get_program()).args(["serve", "--config", "mail.toml"]).current_dir(folder);
        Self::try_start(program, &folder.join("mail"))
    }

    /// Starts it by this command, with its mail in `data`.
    pub(crate) fn start(command: Command, data: &Path) -> Self {
        Self::try_start(command, data)
            .unwrap_or_else(|status| panic!("it ended before it was ready: {status}"))
    }

    fn try_start(mut command: Command, data: &Path) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let places = Vec::new();
        let (data, start) = (data.to_owned(), Vec::new());
        let mut server = Self { child, lines, address, places, data, start, _folder: None };
        let until = Instant::now() + PATIENCE;
        loop {
            let line = match server.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return Err(server.child.wait().unwrap()),
                Err(RecvTimeoutError::Timeout) => panic!("it does not get ready: {:?}", server.start),
            };
            if line.contains(" ready ") {
                break;
            } else if line.contains(" listening ") {
                server.places.push((field(&line, "kind"), field(&line, "address")));
            }
            server.start.push(line);
        }
        server.address = server.places[0].1.parse().unwrap_or(address);
        Ok(server)
    }

    /// The address of the first listener of a kind.
    pub(crate) fn address_of(&self, kind: &str) -> &str {
        let place = self.places.iter().find(|(found, _)| found == kind);
        &place.unwrap_or_else(|| panic!("no {kind} among {:?}", self.places)).1
    }

    /// Waits for a line of the log that holds `part`.
    pub(crate) fn line(&self, part: &str) -> String {
        self.lines_to(part).pop().unwrap_or_default()
    }

    /// The lines of the log from the one that was looked at last to the next that holds `part`, which it waits for.
    pub(crate) fn lines_to(&self, part: &str) -> Vec<String> {
        let (until, mut seen) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line with `{part}`: {error}"),
            }
            if seen.last().is_some_and(|line| line.contains(part)) {
                return seen;
            }
        }
    }

    /// The next line that holds `part`, if there is one before that time.
    pub(crate) fn line_until(&self, part: &str, until: Instant) -> Option<String> {
        loop {
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            if line.contains(part) {
                return Some(line);
            }
        }
    }

    /// Connects to the first listener of a kind.
    pub(crate) fn connect_to(&self, kind: &str) -> Client {
        let mut client = Client::connect(self.address_of(kind).parse().unwrap());
        assert!(client.reply().starts_with("220 "), "a greeting");
        client
    }

    pub(crate) fn connect(&self) -> Client {
        let mut client = Client::connect(self.address);
        assert!(client.reply().starts_with("220 "), "a greeting");
        client
    }

    /// Whether a new connection is refused, or closed without a word.
    pub(crate) fn is_closed(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return true };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = String::new();
        let end = stream.read_to_string(&mut said);
        said.is_empty() && end.map_or_else(|error| error.kind() == io::ErrorKind::ConnectionReset, |_| true)
    }

    /// Returns when all that was taken is delivered; at once if the server is gone.
    pub(crate) fn settle(&self) {
        assert!(self.ask("Wait").is_none_or(|said| said == "null\n"));
    }

    /// What the operator is told; nothing if the server is gone.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        let mut control = UnixStream::connect(self.data.join(".queue/control.sock")).ok()?;
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        control.write_all(format!("\"{question}\"\n").as_bytes()).unwrap();
        let mut said = String::new();
        BufReader::new(control).read_line(&mut said).unwrap();
        Some(said)
    }

    /// Processor time that it has used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name, which may hold anything: the 14th and 15th field, in hundredths of a second.
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
        Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
    }

    /// The files in a folder of a user's Maildir, once all that was taken is delivered.
    pub(crate) fn files(&self, user: &str, folder: &str) -> Vec<PathBuf> {
        self.settle();
        let entries = fs::read_dir(self.data.join(user).join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The messages that a user has got, as stored.
    pub(crate) fn mail(&self, user: &str) -> Vec<Vec<u8>> {
        self.files(user, "new").iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Nothing was delivered to anybody and nothing lies around.
    pub(crate) fn assert_no_mail(&self, why: &str) {
        for user in ["alice", "bob", "postmaster"] {
            for folder in ["new", "cur", "tmp"] {
                let files = self.files(user, folder);
                assert!(files.is_empty(), "{files:?}: {why}");
            }
        }
    }

    /// The server still takes mail, also from others.
    pub(crate) fn assert_alive(&self) {
        let before = self.mail("postmaster").len();
        let mut client = self.connect();
        client.say_all(&["EHLO still.example", "MAIL FROM:<>", "RCPT TO:<Postmaster>", "DATA", "alive\r\n."]);
        assert_eq!(self.mail("postmaster").len(), before + 1);
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        // Its output is closed when it ends.
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test.
pub(crate) fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_smtp-server-example"))
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    binary().args(args).stdin(Stdio::null()).output().unwrap()
}

/// A value of a log line.
pub(crate) fn field(line: &str, key: &str) -> String {
    let start =
        line.find(&format!(" {key}=")).unwrap_or_else(|| panic!("no {key} in {line}")) + key.len() + 2;
    let rest = &line[start..];
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(' ').next(),
    };
    value.unwrap_or_default().to_owned()
}

/// What a client sent, from a stored message: what stands below the two trace headers.
pub(crate) fn content(stored: &[u8]) -> &[u8] {
    assert!(stored.starts_with(b"Return-Path: <"), "{}", stored.escape_ascii());
    let received = find(stored, b"\nReceived: from ").expect("a Received header") + 1;
    // The date ends it; before the date there is no semicolon.
    let date = received + find(&stored[received..], b"; ").expect("a date");
    let end = date + find(&stored[date..], b"\n").expect("a line end") + 1;
    &stored[end..]
}

fn find(octets: &[u8], part: &[u8]) -> Option<usize> {
    octets.windows(part.len()).position(|window| window == part)
}

/// A client that says exactly what it is told to.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The next reply, its lines joined by LF; empty at the end of the connection.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line) {
                Ok(0) => return reply,
                // The server may close while our octets are still on their way.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return reply,
                result => drop(result.unwrap()),
            }
            reply.push_str(line.strip_suffix("\r\n").expect("a reply line ends with CR LF"));
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
            reply.push('\n');
        }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).unwrap();
    }

    /// Sends a line and returns the reply.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// [`say`](Self::say) to a server that may have closed: nothing then.
    pub(crate) fn say_unless_closed(&mut self, line: &str) -> String {
        self.send_if_open(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// [`send`](Self::send) to a server that may have closed.
    pub(crate) fn send_if_open(&mut self, octets: &[u8]) {
        let _ = self.stream.get_mut().write_all(octets);
    }

    /// The next reply, if it comes within `limit`.
    pub(crate) fn reply_within(&mut self, limit: Duration) -> Option<String> {
        self.stream.get_ref().set_read_timeout(Some(limit)).unwrap();
        let is_silence =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        let is_there = !self.stream.fill_buf().is_err_and(|error| is_silence(&error));
        self.stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        is_there.then(|| self.reply())
    }

    /// Sends lines one by one; each must be answered positively.
    pub(crate) fn say_all(&mut self, lines: &[&str]) {
        for line in lines {
            let reply = self.say(line);
            assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
        }
    }

    /// Sends [`TRANSACTION`] and waits for 354.
    pub(crate) fn begin_content(&mut self) {
        self.send(TRANSACTION.as_bytes());
        for want in ["250", "250", "250", "354"] {
            let reply = self.reply();
            assert!(reply.starts_with(want), "{reply}");
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "the server neither speaks nor closes");
        }
        String::from_utf8(rest).unwrap()
    }

    /// Goes away without a word, as a process that is killed.
    pub(crate) fn vanish(self) {
        drop(self);
    }
}

/// Content as DATA carries it (RFC 5321 §4.5.2), with the final dot.
pub(crate) fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Writes a self-made certificate for 127.0.0.1 and its key into `folder`; what stands below [tls] for it.
pub(crate) fn certificate(folder: &Path) -> String {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display())
}
