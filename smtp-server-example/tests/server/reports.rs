//! What senders are told of their mail, as somebody else's parser reads it, and what hosts further on are asked to tell.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, stuffed};
use crate::peers::peer;

/// Reads a message from standard input; prints what kind of report it is, and its fields.
const PARSER: &str = "
import email, email.policy, json, sys
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
fields = lambda block: {name.lower(): ' '.join(str(value).split()) for name, value in block.items()}
parts = list(mail.iter_parts()) if mail.is_multipart() else []
status = [fields(block) for part in parts[1:2] for block in part.get_payload()]
print(json.dumps({
    'defects': [str(type(defect)) for part in mail.walk() for defect in part.defects],
    'is': mail.get_content_type(), 'of': mail.get_param('report-type'),
    'auto': mail['auto-submitted'], 'from': mail['return-path'],
    'parts': [part.get_content_type() for part in parts],
    'message': status[0] if status else None, 'recipients': status[1:],
    'returned': parts[2].as_string() if len(parts) > 2 else None,
}))
";

/// A mail as Python's email package has it; none if Python is missing and may be.
pub(crate) fn parsed(mail: &[u8]) -> Option<Value> {
    let mut python = peer("python3")?;
    let mut child = python.args(["-c", PARSER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", mail.escape_ascii());
    let parsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(parsed["defects"], json!([]), "{}", mail.escape_ascii());
    Some(parsed)
}

/// What is told of each recipient: action, status, and the addresses.
pub(crate) fn told(report: &Value) -> Vec<[&str; 4]> {
    assert_eq!((&report["is"], &report["of"]), (&json!("multipart/report"), &json!("delivery-status")));
    assert!(report["auto"].as_str().unwrap().starts_with("auto-") && report["from"] == "<>", "{report}");
    assert_eq!(report["parts"].as_array().unwrap()[..2], ["text/plain", "message/delivery-status"]);
    let fields = ["action", "status", "final-recipient", "original-recipient"];
    let rcpts = report["recipients"].as_array().unwrap().iter();
    rcpts.map(|rcpt| fields.map(|field| rcpt[field].as_str().unwrap_or("-"))).collect()
}

/// Somebody else's host on 127.0.0.2, which takes what is not for `no…` or `later…`.
struct Host {
    address: SocketAddr,
    /// Each MAIL and RCPT.
    heard: Receiver<String>,
}

impl Host {
    fn start(offers: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                // A client may go whenever it likes.
                std::thread::spawn(move || serve(&stream, offers, &|line| drop(sender.send(line))));
            }
        });
        Self { address, heard }
    }

    fn next(&self) -> String {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }
}

fn serve(mut stream: &TcpStream, offers: &str, heard: &dyn Fn(String)) -> Option<()> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 other.example ESMTP")?;
    let mut is_content = false;
    for line in lines {
        let verb = line.split([' ', ':']).next()?.to_owned();
        if matches!(&*verb, "MAIL" | "RCPT") {
            heard(line.clone());
        }
        match &*verb {
            "." => say("250 2.0.0 Kept")?,
            _ if is_content => continue,
            "EHLO" => say(&format!("250-other.example\r\n250-ENHANCEDSTATUSCODES\r\n250 {offers}"))?,
            "DATA" => say("354 Go on")?,
            "RCPT" if line.contains("<no") => say("550 5.1.1 <no> Nobody is called that")?,
            "RCPT" if line.contains("<later") => say("450 4.2.1 <later> Not now")?,
            "QUIT" => return say("221 2.0.0 Bye"),
            _ => say("250 2.0.0 Ok")?,
        }
        is_content = verb == "DATA";
    }
    None
}

/// Our server, which sends to that host's port and is impatient.
fn ours(folder: &TempDir, host: &Host) -> Server {
    let mut settings = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [queue]\ndelay_notice_seconds = 1\nretry_first_seconds = 1\n\
         [relay]\nport = {}\nallowed_targets = [\"127.0.0.0/8\"]\n",
        host.address.port()
    );
    for user in ["alice", "bob", "carol"] {
        settings.push_str(&format!("[[user]]\nname = \"{user}\"\n"));
    }
    for (address, to) in [
        ("both", "\"alice\", \"carol\""),
        ("away", "\"x@[127.0.0.2]\""),
        ("team", "\"alice\", \"x@[127.0.0.2]\""),
        ("gone", "\"no@[127.0.0.2]\""),
        ("crowd", "\"alice\", \"no@[127.0.0.2]\""),
        ("late", "\"later@[127.0.0.2]\""),
    ] {
        settings.push_str(&format!("[[alias]]\naddress = \"{address}\"\nto = [{to}]\n"));
    }
    settings.push_str(
        "[[alias]]\naddress = \"list\"\nto = [\"alice\", \"x@[127.0.0.2]\", \"no@[127.0.0.2]\"]\n\
         sender = \"carol@example.test\"\n",
    );
    Server::serve(folder.path(), &settings)
}

/// bob writes to these.
fn send(server: &Server, mail: &str, rcpts: &[&str]) {
    let mut client = server.connect();
    client.say_all(&["EHLO client.example", &format!("MAIL FROM:<bob@example.test> {mail}")]);
    for rcpt in rcpts {
        let (name, more) = rcpt.split_once(' ').unwrap_or((rcpt, ""));
        client.say_all(&[format!("RCPT TO:<{name}@example.test> {more}").trim_end()]);
    }
    client.say_all(&["DATA", "Subject: of this\r\n\r\nthe text\r\n."]);
}

#[test]
fn what_is_told_of_each_outcome_reads_as_it_was_meant() {
    let host = Host::start("8BITMIME");
    let gone = ["failed", "5.1.1", "rfc822; no@[127.0.0.2]"];
    for (mail, rcpts, want, why) in [
        (
            "ENVID=QQ+2B1",
            &["alice NOTIFY=SUCCESS ORCPT=rfc822;al+2Bx@x.example"][..],
            &[["delivered", "2.0.0", "rfc822; alice@example.test", "rfc822; al+x@x.example"]][..],
            "a mailbox",
        ),
        (
            "RET=FULL",
            &["away NOTIFY=SUCCESS"],
            &[["relayed", "2.0.0", "rfc822; x@[127.0.0.2]", "rfc822; away@example.test"]],
            "a host that does not report",
        ),
        (
            "RET=FULL",
            &["both NOTIFY=SUCCESS,FAILURE"],
            &[["expanded", "2.0.0", "rfc822; both@example.test", "-"]],
            "several: that they have it is not told of each",
        ),
        (
            "",
            &["gone", "alice"],
            &[[gone[0], gone[1], gone[2], "rfc822; gone@example.test"]],
            "nobody, elsewhere: the sender knows the alias alone",
        ),
        (
            "",
            &["crowd NOTIFY=FAILURE ORCPT=rfc822;us@x.example"],
            &[[gone[0], gone[1], gone[2], "rfc822; us@x.example"]],
            "one of several",
        ),
        (
            "RET=FULL",
            &["late NOTIFY=DELAY"],
            &[["delayed", "4.2.1", "rfc822; later@[127.0.0.2]", "rfc822; late@example.test"]],
            "not yet",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let server = ours(&folder, &host);
        send(&server, mail, rcpts);
        server.line(" notice ");
        let mail = server.mail("bob");
        assert_eq!(mail.len(), 1, "{why}");
        let Some(report) = parsed(&mail[0]) else { return };
        assert_eq!(told(&report), want, "{why}");
        assert_eq!(report["message"]["reporting-mta"], "dns; mx.example.test", "{why}");
        assert!(report["message"]["arrival-date"].is_string(), "{why}");
        let (rcpt, action) = (&report["recipients"][0], want[0][0]);
        assert_eq!(rcpt["remote-mta"].is_string(), want[0][2].contains('['), "{why}: {rcpt}");
        assert_eq!(rcpt["will-retry-until"].is_string(), action == "delayed", "{why}: {rcpt}");
        let is_whole = report["returned"].as_str().unwrap().contains("the text");
        assert_eq!(is_whole, action == "failed", "{why}: {report}");
        if action == "delivered" {
            assert_eq!(report["message"]["original-envelope-id"], "QQ+1");
        }
    }
}

#[test]
fn who_is_behind_an_alias_gets_the_message_and_its_sender_one_report() {
    let (host, folder) = (Host::start("DSN"), TempDir::new().unwrap());
    let server = ours(&folder, &host);
    send(&server, "", &["both NOTIFY=SUCCESS", "carol NOTIFY=SUCCESS"]);
    let reports: Vec<_> = server.mail("bob").iter().map_while(|mail| parsed(mail)).collect();
    let mut told: Vec<_> = reports.iter().flat_map(told).map(|told| [told[0], told[2]]).collect();
    told.sort_unstable();
    // carol was written to by name as well, and got one copy.
    let want = [["delivered", "rfc822; carol@example.test"], ["expanded", "rfc822; both@example.test"]];
    assert!(reports.is_empty() || told == want, "{told:?}");
    assert_eq!((server.mail("alice").len(), server.mail("carol").len()), (1, 1));
    let shown = crate::queue::queue(&server.data, "show", &["to=both@example.test"]);
    assert!(shown.contains("via alias: done") && shown.contains("sent on to several recipients"), "{shown}");
}

#[test]
fn what_a_host_further_on_is_asked_to_report_depends_on_who_is_behind_the_address() {
    let (host, folder) = (Host::start("DSN"), TempDir::new().unwrap());
    let server = ours(&folder, &host);
    for (rcpt, want, why) in [
        ("away", "ORCPT=rfc822;away@example.test", "one, and nothing was said: which address it was"),
        (
            "away NOTIFY=SUCCESS,DELAY ORCPT=rfc822;aw+2Bay@x.example",
            "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;aw+2Bay@x.example",
            "one: all goes on as it was",
        ),
        ("away NOTIFY=NEVER", "NOTIFY=NEVER ORCPT=rfc822;away@example.test", "one, and silence"),
        ("team", "ORCPT=rfc822;team@example.test", "several, and nothing was said"),
        (
            "team NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;t@x.example",
            "NOTIFY=FAILURE ORCPT=rfc822;t@x.example",
            "several: that the alias has it was said here",
        ),
        ("team NOTIFY=SUCCESS", "NOTIFY=NEVER ORCPT=rfc822;team@example.test", "nothing of it is left"),
    ] {
        send(&server, "RET=HDRS ENVID=Q+3D1", &[rcpt]);
        assert_eq!(host.next(), "MAIL FROM:<bob@example.test> RET=HDRS ENVID=Q+3D1", "{why}");
        assert_eq!(host.next(), format!("RCPT TO:<x@[127.0.0.2]> {want}"), "{why}");
    }
}

#[test]
fn a_list_sends_on_in_its_owners_name_and_who_wrote_learns_that_it_was_delivered_there() {
    let (host, folder) = (Host::start("DSN"), TempDir::new().unwrap());
    let server = ours(&folder, &host);
    let large = "0123456789\r\n".repeat(10_000);
    for (text, why) in [("the text\r\n", "in a row"), (&*large, "in a file")] {
        let before = server.mail("bob").len();
        let mut client = server.connect();
        client.say_all(&["EHLO client.example", "MAIL FROM:<bob@example.test> ENVID=Q1 RET=FULL"]);
        client.say_all(&["RCPT TO:<list@example.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;l@x.example"]);
        client.say_all(&["RCPT TO:<List@Example.test> NOTIFY=SUCCESS", "RCPT TO:<list+tag@example.test>"]);
        client.say_all(&["DATA"]);
        client.send(&stuffed(format!("Subject: to all\r\n\r\n{text}").as_bytes()));
        assert!(client.reply().starts_with("250 "), "{why}");
        assert_eq!(
            host.next(),
            "MAIL FROM:<carol@example.test>",
            "{why}: the owner, and nothing of who wrote"
        );
        let mut rcpts = [host.next(), host.next()];
        rcpts.sort_unstable();
        assert_eq!(rcpts, ["RCPT TO:<no@[127.0.0.2]>", "RCPT TO:<x@[127.0.0.2]>"], "{why}");
        assert_eq!(server.mail("bob").len(), before + 1, "{why}");
    }
    let [to_bob, to_carol] = ["bob", "carol"].map(|user| server.mail(user));
    for mail in to_bob {
        let Some(report) = parsed(&mail) else { return };
        let want = ["delivered", "2.0.0", "rfc822; list@example.test", "rfc822; l@x.example"];
        assert_eq!(told(&report), [want]);
        assert!(!String::from_utf8_lossy(&mail).contains("127.0.0.2"), "nobody behind it is named");
    }
    assert_eq!(to_carol.len(), 2, "the owner");
    for mail in to_carol {
        let report = parsed(&mail).unwrap();
        assert_eq!(told(&report), [["failed", "5.1.1", "rfc822; no@[127.0.0.2]", "-"]]);
        assert_eq!(report["message"]["original-envelope-id"], Value::Null);
    }
    let mut to_alice = server.mail("alice");
    to_alice.sort_by_key(Vec::len);
    for (mail, text) in to_alice.iter().zip(["the text\r\n", &*large]) {
        assert!(mail.starts_with(b"Return-Path: <carol@example.test>\nDelivered-To: list@example.test\n"));
        assert!(mail.ends_with(format!("\nSubject: to all\n\n{}", text.replace('\r', "")).as_bytes()));
    }
    assert_eq!(to_alice.len(), 2);
    // A report that is sent to a list goes on from nobody.
    let mut client = server.connect();
    client.say_all(&["EHLO client.example", "MAIL FROM:<>", "RCPT TO:<list@example.test>", "DATA"]);
    client.say_all(&["Subject: a report\r\n\r\nx\r\n."]);
    assert_eq!(host.next(), "MAIL FROM:<>");
    assert_eq!((server.mail("alice").len(), server.mail("carol").len()), (3, 2), "and makes none");
}
