//! Mail for mailboxes that an LMTP server has.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use tempfile::TempDir;

use crate::harness::{Client, PATIENCE, Server, field, stuffed};
use crate::queue::queue;

/// What one transaction brought: the recipients taken, and the content.
pub(crate) type Brought = (Vec<String>, String);

/// An LMTP server that answers for a recipient by the first word of their name.
pub(crate) struct Store {
    pub(crate) brought: Receiver<Brought>,
}

impl Store {
    pub(crate) fn start(socket: &Path) -> Self {
        Self::with(socket, |_| {})
    }

    /// One that does this before it answers for what was brought.
    pub(crate) fn with(socket: &Path, before: impl Fn(&Brought) + Send + Sync + 'static) -> Self {
        let before = Arc::new(before);
        let listener = UnixListener::bind(socket).unwrap();
        let (sender, brought) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, before) = (sender.clone(), Arc::clone(&before));
                let brought = move |brought| {
                    before(&brought);
                    drop(sender.send(brought));
                };
                // A client may go whenever it likes.
                std::thread::spawn(move || serve(&stream, &brought));
            }
        });
        Self { brought }
    }

    fn next(&self) -> Brought {
        self.brought.recv_timeout(PATIENCE).unwrap()
    }
}

fn serve(mut stream: &UnixStream, brought: &dyn Fn(Brought)) -> Option<()> {
    let mut lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
    let mut line = || Some(String::from_utf8(lines.next()?).unwrap().trim_end_matches('\r').to_owned());
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 store.example LMTP")?;
    let mut to = Vec::new();
    loop {
        let command = line()?;
        match command.split([' ', ':']).next()? {
            "LHLO" => say("250-store.example\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME")?,
            "MAIL" | "RSET" => {
                to.clear();
                say("250 2.0.0 Ok")?;
            }
            "RCPT" => {
                let address = command.strip_prefix("RCPT TO:<")?.split('>').next()?.to_owned();
                match address.split(['-', '@']).next()? {
                    "gone" => say("550 5.1.1 <gone> User does not exist")?,
                    "busy" => say("451 4.3.0 <busy> Temporary internal error")?,
                    _ => {
                        to.push(address);
                        say("250 2.1.5 Ok")?;
                    }
                }
            }
            "DATA" if to.is_empty() => say("554 5.5.1 No valid recipients")?,
            "DATA" => {
                say("354 Go on")?;
                let mut content = String::new();
                loop {
                    let line = line()?;
                    if line == "." {
                        break;
                    }
                    content.push_str(line.strip_prefix('.').unwrap_or(&line));
                    content.push('\n');
                }
                brought((to.clone(), content));
                for address in &to {
                    match address.split(['-', '@']).next()? {
                        "full" => say("452 4.2.2 <full> Quota exceeded (mailbox for user is full)")?,
                        "junk" => say("554 5.7.1 <junk> Refused by its owner's filter")?,
                        "lost" => return None,
                        _ => say(&format!("250 2.0.0 <{address}> kept"))?,
                    }
                }
            }
            "QUIT" => {
                say("221 2.0.0 Bye")?;
                return None;
            }
            other => panic!("{other}"),
        }
    }
}

const USERS: [&str; 7] = ["alice", "bob", "gone", "busy", "full", "junk", "lost"];

/// Settings of a server whose domain store.test is an LMTP server's, and example.test its own.
pub(crate) fn settings(socket: &Path) -> String {
    let mut text = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[domain]]\nname = \"Store.test\"\ndelivery = \"lmtp:unix:{}\"\n\
         [[alias]]\naddress = \"info@store.test\"\nto = [\"bob\"]\n\
         [[alias]]\naddress = \"both@store.test\"\nto = [\"alice\", \"busy\"]\n",
        socket.display()
    );
    USERS.iter().for_each(|user| text.push_str(&format!("[[user]]\nname = \"{user}\"\n")));
    text
}

pub(crate) fn send(client: &mut Client, mail: &str, rcpts: &[&str], content: &str) {
    client.say_all(&[&format!("MAIL FROM:{mail}")]);
    rcpts.iter().for_each(|rcpt| client.say_all(&[&format!("RCPT TO:<{rcpt}>")]));
    client.say_all(&["DATA"]);
    client.send(&stuffed(content.as_bytes()));
    let reply = client.reply();
    assert!(reply.starts_with("250 "), "{reply}");
}

pub(crate) fn greeted(server: &Server) -> Client {
    let mut client = server.connect();
    client.say_all(&["EHLO client.example"]);
    client
}

const PLAIN: &str = "Subject: x\r\nReturn-Path: <old@old.example>\r\nTo: y\r\n\r\n.hello\r\n";

#[test]
fn each_recipient_has_the_stores_own_answer_from_one_transaction() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let (store, server) = (Store::start(&socket), Server::serve(folder.path(), &settings(&socket)));
    let rcpts = USERS.map(|user| format!("{}+tag@STORE.test", user.to_uppercase()));
    let rcpts: Vec<_> =
        rcpts.iter().map(String::as_str).chain(["info@store.test", "alice@example.test"]).collect();
    send(&mut greeted(&server), "<a@client.example>", &rcpts[..6], PLAIN);
    let (to, content) = store.next();
    let want = ["alice", "bob", "full", "junk"].map(|user| format!("{user}@Store.test"));
    assert_eq!(to, want, "users by their names, at the domain as it is set");
    let (header, body) = content.split_once("\n\n").unwrap();
    assert!(header.starts_with("Received: from ") && header.ends_with("\nSubject: x\nTo: y"), "{content}");
    assert_eq!(body, ".hello\n");
    let lines: Vec<_> = (0..6).map(|_| server.line(" via=\"lmtp store.test\" ")).collect();
    for (line, key) in
        lines.iter().flat_map(|line| ["wait", "connect", "data", "total"].map(|key| (line, key)))
    {
        assert!(field(line, key).parse::<f64>().is_ok(), "{key} in {line}");
    }
    let mut lines: Vec<_> = lines
        .iter()
        .map(|line| format!("{} {}", line.split(' ').nth(1).unwrap(), field(line, "reply")))
        .collect();
    lines.sort();
    let want = [
        "deferred 451 4.3.0 <busy> Temporary internal error",
        "deferred 452 4.2.2 <full> Quota exceeded (mailbox for user is full)",
        "delivered 250 2.0.0 <alice@Store.test> kept",
        "delivered 250 2.0.0 <bob@Store.test> kept",
        "refused 550 5.1.1 <gone> User does not exist",
        "refused 554 5.7.1 <junk> Refused by its owner's filter",
    ];
    assert_eq!(lines, want);
    server.settle();
    // What was said is kept, and nothing of the content.
    let told = queue(&server.data, "show", &["--json", "all"]);
    for part in ["C: RCPT TO:<full@Store.test>", "S: 452 4.2.2 <full> Quota exceeded", "-- content, "] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("hello\n"), "{told}");
    // Who is named at both domains has one mailbox that the message goes to: the one named first.
    send(&mut greeted(&server), "<a@client.example>", &rcpts[7..], PLAIN);
    assert_eq!(store.next().0, ["bob@Store.test"], "an alias is its user");
    assert_eq!(server.mail("alice").len(), 1, "the other domain is not the store's");
}

#[test]
fn an_answer_that_is_lost_after_the_dot_is_unknown_and_tried_again() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let (store, server) = (Store::start(&socket), Server::serve(folder.path(), &settings(&socket)));
    send(&mut greeted(&server), "<a@client.example>", &["alice@store.test", "lost@store.test"], PLAIN);
    store.next();
    assert_eq!(field(&server.line(" delivered "), "to"), "<alice@store.test>");
    let line = server.line(" deferred ");
    assert!(line.contains("to=<lost@store.test>") && line.contains("after the final dot"), "{line}");
    queue(&server.data, "retry", &["to=lost@store.test"]);
    assert_eq!(store.next().0, ["lost@Store.test"], "twice is better than never, and for nobody else");
    server.settle();
    let shown = queue(&server.data, "show", &["to=lost@store.test"]);
    assert!(shown.contains("try 2 at") && shown.contains("may be there already"), "{shown}");
}

#[test]
fn a_store_that_is_down_holds_up_its_own_domain_alone_and_is_asked_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let server = Server::serve(folder.path(), &settings(&socket));
    let mut client = greeted(&server);
    send(&mut client, "<a@client.example>", &["alice@store.test", "bob@example.test"], PLAIN);
    let line = server.line(" deferred ");
    assert!(line.contains("451 4.4.1 No connection to unix:"), "{line}");
    send(&mut client, "<a@client.example>", &["bob@store.test", "bob@example.test"], PLAIN);
    assert_eq!(server.mail("bob").len(), 2, "nobody else waits, and who has a mailbox of each kind gets two");
    let listed = queue(&server.data, "list", &["domain=store.test"]);
    assert!(listed.contains("deliveries: 2"), "{listed}");
    let store = Store::start(&socket);
    queue(&server.data, "flush", &[]);
    let mut to = [store.next().0, store.next().0].concat();
    to.sort();
    assert_eq!(to, ["alice@Store.test", "bob@Store.test"]);
}

#[test]
fn a_large_message_and_one_with_octets_above_127_arrive_as_they_were() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let (store, server) = (Store::start(&socket), Server::serve(folder.path(), &settings(&socket)));
    let mut client = greeted(&server);
    for lines in [1, 20_000] {
        let body = "\u{e9} .dots\r\n.\r\n..\r\n".repeat(lines);
        let content = format!("Subject: x\r\nReturn-Path: <>\r\n\r\n{body}");
        send(&mut client, "<a@client.example> BODY=8BITMIME", &["alice@store.test"], &content);
        let brought = store.next().1;
        let (header, brought) = brought.split_once("\n\n").unwrap();
        assert!(header.ends_with("\nSubject: x"), "{header}");
        assert!(brought == body.replace('\r', ""), "{} octets", body.len());
        assert!(server.line(" delivered ").contains(" kept"));
    }
}

#[test]
fn what_was_delivered_to_the_same_mailbox_before_goes_round_no_more() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let (store, server) = (Store::start(&socket), Server::serve(folder.path(), &settings(&socket)));
    // The store names the mailbox by the address that it was given: the user's.
    let looped = "Delivered-To: bob@store.test\r\nSubject: x\r\n\r\n";
    send(&mut greeted(&server), "<alice@store.test>", &["info@store.test"], looped);
    assert!(server.line(" refused ").contains("554 5.4.6 Mail loop"));
    let (to, report) = store.next();
    assert_eq!(to, ["alice@Store.test"], "the sender is told");
    assert!(
        report.contains("\nFinal-Recipient: rfc822; info@store.test\nAction: failed\nStatus: 5.4.6\n"),
        "{report}"
    );
}

#[test]
fn a_report_quotes_the_stores_reason() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let (store, server) = (Store::start(&socket), Server::serve(folder.path(), &settings(&socket)));
    send(&mut greeted(&server), "<bob@example.test>", &["junk@store.test"], PLAIN);
    store.next();
    server.line(" notice ");
    let report = String::from_utf8(server.mail("bob").remove(0)).unwrap();
    for part in [
        "Status: 5.7.1\n",
        "Diagnostic-Code: smtp; 554 5.7.1 <junk> Refused by its owner's filter\n",
        "Remote-MTA: dns; unix:",
    ] {
        assert!(report.contains(part), "{part} is missing in\n{report}");
    }
}

#[test]
fn of_several_people_who_are_told_together_each_is_told_once() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("lmtp");
    let (store, server) = (Store::start(&socket), Server::serve(folder.path(), &settings(&socket)));
    send(&mut greeted(&server), "<both@store.test>", &["gone@store.test"], PLAIN);
    let (to, report) = store.next();
    assert!(report.contains("Action: failed\n"), "{report}");
    assert_eq!(to, ["alice@Store.test"], "busy is asked too, and says so");
    // Only who has not got it is tried again.
    queue(&server.data, "flush", &["--wait"]);
    send(&mut greeted(&server), "<a@client.example>", &["bob@store.test"], PLAIN);
    assert_eq!(store.next().0, ["bob@Store.test"], "alice has it");
}
