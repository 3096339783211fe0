//! Mail to a host that a test scripts: damaged, perhaps taken, not to be taken, reported, and while the host is down.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{Client, PATIENCE, Server, field, stuffed};
use crate::queue::queue;
use crate::sending::alice;

/// What a host does at something that it hears: `connect`, a line, or `.` for the end of a message, and the message's
/// subject. None is what is right, an empty text the end of the connection.
type Script = Box<dyn FnMut(&str, &str) -> Option<&'static str> + Send>;

struct Host {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    /// Everything that it hears, in order; of content the subject, or all that came where it had no end.
    heard: Receiver<String>,
}

impl Host {
    fn start(script: impl FnMut(&str, &str) -> Option<&'static str> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let (sender, heard) = channel();
        let there = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, sender) = (Arc::clone(&there), sender.clone());
                // A client may go whenever it likes.
                std::thread::spawn(move || Talk { stream: &stream, script: &script, sender }.run());
            }
        });
        Self { address, script, heard }
    }

    fn now(&self, script: impl FnMut(&str, &str) -> Option<&'static str> + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Waits for something that begins so.
    fn wait_for(&self, begin: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let heard = self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("`{begin}` never came"));
            if heard.starts_with(begin) {
                return heard;
            }
        }
    }

    /// What it has heard since it was looked at last that begins so.
    fn all(&self, begin: &str) -> Vec<String> {
        self.heard.try_iter().filter(|heard| heard.starts_with(begin)).collect()
    }
}

struct Talk<'a> {
    stream: &'a TcpStream,
    script: &'a Mutex<Script>,
    sender: Sender<String>,
}

impl Talk<'_> {
    /// Answers by the script; None at the end of the connection.
    fn answer(&mut self, heard: &str, subject: &str, usual: &str) -> Option<()> {
        self.sender.send(if heard == "." { format!("taken {subject}") } else { heard.to_owned() }).ok()?;
        let text = self.script.lock().unwrap()(heard, subject);
        let text = text.unwrap_or(usual);
        if text.is_empty() {
            return None;
        }
        self.stream.write_all(format!("{text}\r\n").as_bytes()).ok()?;
        (!text.starts_with("421 ")).then_some(())
    }

    fn run(mut self) -> Option<()> {
        let mut lines = BufReader::new(self.stream);
        self.answer("connect", "", "220 there.example")?;
        loop {
            let line = line(&mut lines)?;
            let usual = match line.trim_end().split(' ').next()? {
                "EHLO" => "250-there.example\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME",
                "DATA" => "354 Go on",
                "QUIT" => "221 2.0.0 Bye",
                _ => "250 2.0.0 Ok",
            };
            self.answer(line.trim_end(), "", usual)?;
            if line.trim_end() == "DATA" {
                self.content(&mut lines)?;
            }
        }
    }

    fn content(&mut self, lines: &mut impl BufRead) -> Option<()> {
        let (mut content, mut subject) = (String::new(), String::new());
        loop {
            let Some(line) = line(lines) else {
                self.sender.send(format!("cut {content}")).ok()?;
                return None;
            };
            if line == ".\r\n" {
                return self.answer(".", &subject, "250 2.0.0 Taken");
            }
            if let Some(named) = line.strip_prefix("Subject: ") {
                subject = named.trim_end().to_owned();
            }
            content.push_str(&line);
        }
    }
}

fn line(lines: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).ok().filter(|count| *count > 0)?;
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// A server that sends to hosts at this port; alice submits.
fn ours(folder: &Path, port: u16, queue: &str) -> Server {
    let settings = format!(
        "hostname = \"us.example\"\ndomains = [\"us.example\"]\ndata = \"mail\"\n\
         [auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n\
         [[user]]\nname = \"alice\"\n[queue]\n{queue}\n\
         [relay]\nport = {port}\nallowed_targets = [\"127.0.0.0/8\"]\ndead_host_seconds = 1\n"
    );
    let server = Server::serve(folder, &settings);
    crate::users::user(folder, &["passwd", "alice"], "word\n");
    server.line(" users-read ");
    server
}

/// alice submits a message; `mail` and `rcpt` are what stands behind the addresses.
fn submit(client: &mut Client, (mail, rcpt): (&str, &str), subject: &str, body: &str) {
    let mail = format!("MAIL FROM:<alice@us.example>{mail}");
    client.say_all(&[&mail, &format!("RCPT TO:<bob@[127.0.0.2]>{rcpt}"), "DATA"]);
    let content = format!(
        "From: alice@us.example\r\nDate: Tue, 05 May 2026 09:03:01 +0200\r\nMessage-ID: <{subject}@us.example>\r\n\
         Subject: {subject}\r\n\r\n{body}\r\n"
    );
    client.send(&stuffed(content.as_bytes()));
    let reply = client.reply();
    assert!(reply.starts_with("250 "), "{reply}");
}

const PLAIN: (&str, &str) = ("", "");

fn notices(server: &Server) -> Vec<String> {
    server.mail("alice").iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
}

/// The only large body that waits.
fn body(queue: &Path) -> PathBuf {
    let shards = fs::read_dir(queue.join("spool")).unwrap().map(|shard| shard.unwrap().path());
    let mut files: Vec<_> =
        shards.flat_map(|shard| fs::read_dir(shard).unwrap()).map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn a_message_that_is_damaged_while_it_waits_has_no_end_anywhere_and_operator_and_sender_are_told() {
    let folder = TempDir::new().unwrap();
    let queue_folder = folder.path().join("mail/.queue");
    // It was whole when it was looked at, before MAIL.
    let host = Host::start(move |heard, _| {
        if heard == "DATA" {
            let file = File::options().write(true).open(body(&queue_folder)).unwrap();
            file.write_at(b"#", 100_000).unwrap();
        }
        None
    });
    let ours = ours(folder.path(), host.address.port(), "");
    submit(&mut alice(&ours), PLAIN, "large", &"0123456789012345678901234567\r\n".repeat(10_000));
    let cut = host.wait_for("cut ");
    assert!(cut.contains("Subject: large") && !cut.ends_with("\r\n.\r\n"), "{} octets", cut.len());
    let line = ours.line(" corrupt ");
    assert!(line.contains("reply=\"554 5.3.0 ") && line.contains(" hint=\"look at the disk"), "{line}");
    ours.settle();
    let notices = notices(&ours);
    assert_eq!(notices.len(), 1);
    for part in ["Action: failed\n", "Status: 5.3.0\n", "Final-Recipient: rfc822; bob@[127.0.0.2]\n"] {
        assert!(notices[0].contains(part), "{part} in {}", notices[0]);
    }
    assert!(host.all("taken").is_empty());
    assert!(queue(&ours.data, "list", &[]).contains("deliveries: 0"), "nobody tries it again");
}

#[test]
fn what_may_have_been_taken_is_listed_and_sent_again_behind_all_that_was_not() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(|heard, subject| match heard {
        "." if subject == "first" => Some(""),
        "." => Some("451 4.3.0 Not now"),
        _ => None,
    });
    let ours = ours(folder.path(), host.address.port(), "deliveries_per_destination = 1\n");
    let mut alice = alice(&ours);
    submit(&mut alice, PLAIN, "first", "x");
    let line = ours.line(" deferred ");
    assert!(
        line.contains("after the final dot") && line.contains(" hint=\"it may have been taken"),
        "{line}"
    );
    submit(&mut alice, PLAIN, "second", "x");
    assert!(ours.line(" deferred ").contains("451 4.3.0 Not now"));
    ours.settle();
    let shown = queue(&ours.data, "show", &["to=bob@[127.0.0.2]"]);
    assert_eq!(shown.matches("may be there already").count(), 1, "{shown}");
    host.all("");
    host.now(|_, _| None);
    queue(&ours.data, "flush", &["--wait"]);
    assert_eq!(host.all("taken"), ["taken second", "taken first"]);
    assert!(ours.mail("alice").is_empty(), "nothing came back");
}

#[test]
fn what_may_have_been_taken_waits_for_the_operator_where_that_is_set() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(|heard, _| (heard == ".").then_some(""));
    let ours = ours(folder.path(), host.address.port(), "hold_unknown = true\n");
    submit(&mut alice(&ours), PLAIN, "first", "x");
    let line = ours.line(" deferred ");
    assert!(field(&line, "hold").starts_with("unknown: ") && !line.contains(" next="), "{line}");
    ours.settle();
    let listed = queue(&ours.data, "list", &["state=hold"]);
    assert!(listed.contains("deliveries: 1") && listed.contains("unknown: "), "{listed}");
    host.all("");
    host.now(|_, _| None);
    queue(&ours.data, "flush", &["--wait"]);
    assert!(host.all("taken").is_empty(), "flush is not release");
    queue(&ours.data, "release", &["all"]);
    assert_eq!(host.wait_for("taken"), "taken first");
}

#[test]
fn success_is_reported_by_the_next_host_where_it_can_and_by_us_where_it_can_not() {
    const WANTED: (&str, &str) = (" RET=HDRS ENVID=QQ", " NOTIFY=SUCCESS ORCPT=rfc822;first@us.example");
    let folder = TempDir::new().unwrap();
    let host = Host::start(|_, _| None);
    let ours = ours(folder.path(), host.address.port(), "");
    let mut alice = alice(&ours);
    submit(&mut alice, WANTED, "one", "x");
    assert_eq!(host.wait_for("MAIL"), "MAIL FROM:<alice@us.example>");
    host.wait_for("taken");
    ours.settle();
    let told = notices(&ours);
    assert_eq!(told.len(), 1);
    for part in [
        "Action: relayed\n",
        "Status: 2.0.0\n",
        "Original-Envelope-Id: QQ\n",
        "Original-Recipient: rfc822; first@us.example\n",
        "Diagnostic-Code: smtp; 250 2.0.0 Taken\n",
    ] {
        assert!(told[0].contains(part), "{part} in {}", told[0]);
    }
    // Over a new connection, which is told of DSN.
    let mut closed = false;
    host.now(move |heard, _| match heard.split(' ').next() {
        Some("RSET" | "MAIL") if !std::mem::replace(&mut closed, true) => Some("421 4.3.2 Closing"),
        Some("EHLO") => Some("250-there.example\r\n250 DSN"),
        _ => None,
    });
    submit(&mut alice, WANTED, "two", "x");
    host.wait_for("connect");
    assert!(host.wait_for("MAIL").contains(" RET=HDRS ENVID=QQ"));
    assert_eq!(
        host.wait_for("RCPT"),
        "RCPT TO:<bob@[127.0.0.2]> NOTIFY=SUCCESS ORCPT=rfc822;first@us.example"
    );
    host.wait_for("taken two");
    assert_eq!(notices(&ours).len(), 1, "the next host tells");
}

#[test]
fn what_the_next_host_can_not_take_comes_back_with_the_status_for_it_and_is_not_sent() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(|heard, _| heard.starts_with("EHLO").then_some("250 there.example"));
    let ours = ours(folder.path(), host.address.port(), "");
    submit(&mut alice(&ours), (" BODY=8BITMIME", ""), "eight", "\u{fc}");
    assert!(ours.line(" refused ").contains("554 5.6.3 "));
    ours.settle();
    let told = notices(&ours);
    assert!(told.len() == 1 && told[0].contains("Action: failed\nStatus: 5.6.3\n"), "{told:?}");
    assert!(host.all("MAIL").is_empty());
}

#[test]
fn a_destination_that_is_down_is_probed_by_one_message_and_then_drained_within_its_limit() {
    const ALL: usize = 12;
    let folder = TempDir::new().unwrap();
    let host = Host::start(|heard, _| (heard == "connect").then_some("421 4.3.2 Down"));
    let settings = "deliveries_per_destination = 3\npause_first_seconds = 1\nretry_first_seconds = 1\n";
    let ours = ours(folder.path(), host.address.port(), settings);
    let (mut alice, began) = (alice(&ours), Instant::now());
    (0..ALL).for_each(|number| submit(&mut alice, PLAIN, &format!("m{number}"), "x"));
    ours.settle();
    let (asked, seconds) = (host.all("connect").len(), began.elapsed().as_secs() as usize);
    assert!(asked >= 1 && asked <= 3 + 1 + seconds, "{asked} times in {seconds} s");
    let inside = Arc::new(Mutex::new((0_usize, 0_usize)));
    let counted = Arc::clone(&inside);
    host.now(move |heard, _| {
        let mut inside = counted.lock().unwrap();
        match heard {
            "DATA" => inside.0 += 1,
            "." => inside.0 -= 1,
            _ => {}
        }
        inside.1 = inside.1.max(inside.0);
        None
    });
    let mut order = Vec::new();
    while order.iter().filter(|heard: &&String| heard.starts_with("taken")).count() < ALL {
        order.push(host.heard.recv_timeout(PATIENCE).expect("more"));
    }
    let first = order.iter().position(|heard| heard.starts_with("taken")).unwrap();
    let probes = order[..first].iter().filter(|heard| *heard == "connect").count();
    assert_eq!(probes, 1, "one before anybody knows that it is up: {order:?}");
    assert!(inside.lock().unwrap().1 <= 3, "{order:?}");
    let mut taken: Vec<_> = order.iter().filter(|heard| heard.starts_with("taken")).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), ALL, "each once");
}

#[test]
fn what_hosts_said_that_took_nothing_is_told_up_to_the_last_reply() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(|heard, _| heard.starts_with("EHLO").then_some("450 4.7.1 Not so fast"));
    let ours = ours(folder.path(), host.address.port(), "");
    let mut alice = alice(&ours);
    submit(&mut alice, PLAIN, "one", "x");
    let id = field(&ours.line(" deferred "), "id");
    let told = |id: &str| {
        ours.settle();
        let output = crate::harness::run(&["trace", "--data", ours.data.to_str().unwrap(), id]);
        String::from_utf8(output.stdout).unwrap()
    };
    let before_mail = told(&id);
    for part in ["S: 220 there.example", "C: EHLO us.example", "S: 450 4.7.1 Not so fast", " next="] {
        assert!(before_mail.contains(part), "{part} in {before_mail}");
    }
    host.now(|heard, _| (heard == ".").then_some("452 4.3.1 Full"));
    queue(&ours.data, "retry", &["all"]);
    ours.line(" deferred ");
    let at_dot = told(&id);
    assert!(at_dot.contains("S: 452 4.3.1 Full") && at_dot.contains("-- content, "), "{at_dot}");
    assert!(!at_dot.contains("C: x"), "{at_dot}");
}

#[test]
fn a_host_that_wants_a_second_try_gets_it_and_the_log_says_that_this_will_do() {
    let folder = TempDir::new().unwrap();
    let mut seen = false;
    let host = Host::start(move |heard, _| {
        let first = heard.starts_with("RCPT") && !std::mem::replace(&mut seen, true);
        first.then_some("450 4.2.0 Greylisted for a second")
    });
    let ours = ours(folder.path(), host.address.port(), "retry_first_seconds = 1\n");
    submit(&mut alice(&ours), PLAIN, "one", "x");
    let line = ours.line(" deferred ");
    assert!(field(&line, "hint").contains("a second try"), "{line}");
    assert_eq!(field(&ours.line(" relayed "), "tries"), "2");
    assert_eq!(host.all("taken"), ["taken one"]);
}

#[test]
fn a_log_line_says_where_the_time_went_to_a_mailbox_and_to_another_host() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(|_, _| None);
    let ours = ours(folder.path(), host.address.port(), "");
    submit(&mut alice(&ours), PLAIN, "one", "x");
    let line = ours.line(" relayed ");
    let seconds =
        |line: &str, key: &str| field(line, key).parse::<f64>().unwrap_or_else(|_| panic!("{key}: {line}"));
    let parts: f64 = ["wait", "dns", "connect", "data", "dot"].iter().map(|key| seconds(&line, key)).sum();
    let total = seconds(&line, "total");
    assert!(parts <= total + 0.01, "{parts} of {total} s: {line}");
    assert!(!line.contains(" handshake=") && !line.contains(" hint="), "{line}");
    let mut client = ours.connect();
    client.say_all(&[
        "EHLO c.example",
        "MAIL FROM:<c@c.example>",
        "RCPT TO:<alice@us.example>",
        "DATA",
        "x\r\n.",
    ]);
    let line = ours.line(" delivered ");
    assert!(seconds(&line, "wait") + seconds(&line, "data") <= seconds(&line, "total") + 0.01, "{line}");
    assert!(Duration::from_secs_f64(seconds(&line, "total")) < PATIENCE, "{line}");
}

/// When a host says what, which event the log has then, how often it is asked for the message until it has taken it
/// properly, and why.
const NONSENSE: &[(&str, &str, &str, usize, &str)] = &[
    (".", "250 2.0.0 Taken\r\n421 4.3.2 Bye", " relayed ", 1, "what it says later changes nothing"),
    (".", "250-2.0.0 Taken\r\n\0 nonsense\r\n250 2.0.0 Taken", " deferred ", 2, "a line that is none"),
    (".", "999 2.0.0 Taken", " deferred ", 2, "no such class"),
    (".", "25", " deferred ", 2, "half a code"),
    (".", "354 Go on", " deferred ", 2, "no answer to that"),
    (".", "554 5.7.1 No\r\n250 2.0.0 Taken", " refused ", 1, "the first answer is the answer"),
    ("DATA", "250 2.0.0 Taken", " deferred ", 1, "nothing was sent that could have been taken"),
    (
        "RCPT",
        "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Taken",
        " deferred ",
        1,
        "answers in advance are for nobody",
    ),
    ("MAIL", "220 there.example", " relayed ", 1, "the first digit decides (RFC 5321 §4.3.2)"),
];

#[test]
fn a_host_that_answers_nonsense_makes_no_message_be_lost_and_none_come_twice_that_it_had_not() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(|_, _| None);
    let ours = ours(folder.path(), host.address.port(), "");
    let mut alice = alice(&ours);
    let endless: &str = "250-more\r\n".repeat(100_000).leak();
    let long: &str = format!("250 {}", "x".repeat(1_000_000)).leak();
    let large = [
        (".", endless, " deferred ", 2, "a reply of a megabyte"),
        ("RCPT", endless, " deferred ", 1, "it ends the connection early"),
        (".", long, " deferred ", 2, "one line of a megabyte"),
    ];
    for (n, (at, answer, event, asked, why)) in NONSENSE.iter().copied().chain(large).enumerate() {
        let subject = format!("m{n}");
        host.now(move |heard, _| (heard.split(' ').next() == Some(at)).then_some(answer));
        submit(&mut alice, PLAIN, &subject, "x");
        let line = ours.line(event);
        ours.settle();
        let shown = queue(&ours.data, "show", &[&field(&line, "id")]);
        assert_eq!(shown.contains("may be there already"), asked == 2, "{why}: {shown}");
        host.now(|_, _| None);
        queue(&ours.data, "flush", &["--wait"]);
        assert!(queue(&ours.data, "list", &[]).contains("deliveries: 0"), "{why}");
        let ends = host.all("taken").into_iter().filter(|end| *end == format!("taken {subject}")).count();
        assert_eq!(ends, asked, "{why}");
    }
    assert_eq!(notices(&ours).len(), 1, "for the one that was refused");
}
