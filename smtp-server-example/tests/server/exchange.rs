//! Mail and reports between us and other people's servers, there and back.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::free_address;
use crate::exim::{self, Exim, Setup, as_sent};
use crate::harness::{Client, Server, stuffed};
use crate::neighbours::{Neighbour, knot};
use crate::opensmtpd::OpenSmtpd;
use crate::postfix::Postfix;
use crate::reports::{parsed, told};

/// Names, and where both sides listen.
struct World {
    dns: Neighbour,
    us: SocketAddr,
    them: SocketAddr,
}

impl World {
    /// None if a program is missing and may be.
    fn new() -> Option<Self> {
        let zones = [
            ("us.example", "@ MX 10 mx\nmx A 127.0.0.1\n"),
            ("them.example", "@ MX 10 mx\nmx A 127.0.0.4\n"),
            (exim::DOMAIN, "@ MX 10 mx\nmx A 127.0.0.1\n"),
        ];
        let port = || free_address().port();
        let us = SocketAddr::from(([127, 0, 0, 1], port()));
        let them = SocketAddr::from(([127, 0, 0, 4], port()));
        Some(Self { dns: knot(&zones)?, us, them })
    }

    /// A server for a domain of its own, whose aliases `(name, to)` lead to the other side.
    fn server(
        &self,
        folder: &TempDir,
        domain: &str,
        (here, there): (SocketAddr, SocketAddr),
        aliases: &[(&str, &str)],
    ) -> Server {
        let mut settings = format!(
            "hostname = \"mx.{domain}\"\ndomains = [\"{domain}\"]\ndata = \"mail\"\n\
             [dns]\nservers = [\"{}\"]\n[[listener]]\naddress = \"{here}\"\n\
             [queue]\ndelay_notice_seconds = 1\nretry_first_seconds = 1\n\
             [relay]\nport = {}\nallowed_targets = [\"127.0.0.0/8\"]\n[[user]]\nname = \"alice\"\n\
             [[user]]\nname = \"j\u{fc}rgen\"\nmailbox = \"juergen\"\n",
            self.dns.address,
            there.port(),
        );
        for (name, to) in aliases {
            settings.push_str(&format!("[[alias]]\naddress = \"{name}\"\nto = [\"{to}\"]\n"));
        }
        Server::serve(folder.path(), &settings)
    }
}

/// Sends a message; each line must be taken.
fn send(to: SocketAddr, mail: &str, rcpt: &str, content: &str) {
    let mut client = Client::connect(to);
    assert!(client.reply().starts_with("220 "));
    client.say_all(&[
        "EHLO client.example",
        &format!("MAIL FROM:{mail}"),
        &format!("RCPT TO:{rcpt}"),
        "DATA",
    ]);
    client.send(&stuffed(content.as_bytes()));
    let reply = client.reply();
    assert!(reply.starts_with("250 "), "{reply}");
}

const EIGHT_BIT: &str = "Subject: eight bits\r\n\r\ngr\u{fc}n\r\n..dots\r\n";
const UTF8: &str = "Subject: gr\u{fc}n\r\nFrom: <j\u{fc}rgen@us.example>\r\n\r\n\u{20ac}\r\n";

/// The body of a message as it is stored, with LF.
fn body(mail: &[u8]) -> &str {
    std::str::from_utf8(mail).unwrap().split_once("\n\n").unwrap().1
}

/// The one report of `mail` about whom the addresses hold; with a check of what they say.
fn report(mail: &[Vec<u8>], about: &str, want: [&str; 2]) -> Option<Value> {
    let reports: Vec<_> = mail
        .iter()
        .filter(|mail| mail.to_ascii_lowercase().starts_with(b"return-path: <>"))
        .map_while(|mail| parsed(mail))
        .filter(|report| report["recipients"].to_string().contains(about))
        .collect();
    let [report] = &reports[..] else { panic!("{about}: {reports:?}") };
    assert_eq!(told(report).iter().map(|told| [told[0], told[1]]).collect::<Vec<_>>(), [want], "{about}");
    Some(report.clone())
}

/// Waits for such a line of our log, from or to somebody.
fn wait_for(server: &Server, event: &str, whom: &str) {
    while !server.line(&format!(" {event} ")).contains(&format!("=<{whom}>")) {}
}

#[test]
fn mail_and_reports_go_to_postfix_and_come_back() {
    let Some(world) = World::new() else { return };
    let settings = format!(
        "myhostname = mx.them.example\nrelayhost = [{}]:{}\nvirtual_mailbox_domains = them.example\n\
         virtual_mailbox_maps = inline:{{ {{ carol@them.example = carol/ }}, {{ j\u{fc}rgen@them.example = j/ }} }}\n\
         smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ busy@them.example = 450 4.2.1 Not now }} }}\n",
        world.us.ip(),
        world.us.port(),
    );
    let Some(postfix) = Postfix::start(world.them, &settings) else { return };
    let folder = TempDir::new().unwrap();
    let aliases = [
        ("out", "carol@them.example"),
        ("out8", "j\u{fc}rgen@them.example"),
        ("ghost", "ghost@them.example"),
        ("busy", "busy@them.example"),
    ];
    let ours = world.server(&folder, "us.example", (world.us, world.them), &aliases);

    // There, and its report of success back.
    let asked = "<out@us.example> NOTIFY=SUCCESS,FAILURE";
    send(world.us, "<alice@us.example> BODY=8BITMIME RET=HDRS ENVID=Q+3D1", asked, EIGHT_BIT);
    postfix.daemon.wait_for("to=<carol@them.example>");
    assert_eq!(body(&postfix.mail("carol")[0]), "gr\u{fc}n\n..dots\n");
    wait_for(&ours, "delivered", "alice@us.example");
    let Some(theirs) = report(&ours.mail("alice"), "out@us.example", ["delivered", "2.0.0"]) else { return };
    assert_eq!(theirs["message"]["original-envelope-id"], "Q=1");
    send(world.us, "<j\u{fc}rgen@us.example> SMTPUTF8 BODY=8BITMIME", "<out8@us.example>", UTF8);
    postfix.daemon.wait_for("to=<j\u{fc}rgen@them.example>");
    assert_eq!(body(&postfix.mail("j")[0]), "\u{20ac}\n");

    // What it does not take, for good and for now.
    send(world.us, "<alice@us.example>", "<ghost@us.example>", EIGHT_BIT.replace('\u{fc}', "ue").as_str());
    wait_for(&ours, "delivered", "alice@us.example");
    let failed = report(&ours.mail("alice"), "ghost@us.example", ["failed", "5.1.1"]).unwrap();
    let rcpt = &failed["recipients"][0];
    assert_eq!(rcpt["remote-mta"], "dns; mx.them.example");
    assert!(rcpt["diagnostic-code"].as_str().unwrap().starts_with("smtp; 550 5.1.1 <ghost@them.example>"));
    send(world.us, "<alice@us.example>", "<busy@us.example>", "Subject: x\r\n\r\nx\r\n");
    wait_for(&ours, "delivered", "alice@us.example");
    report(&ours.mail("alice"), "busy@us.example", ["delayed", "4.2.1"]).unwrap();

    // From there, and our report of success back.
    let asked = "<j\u{fc}rgen@us.example> NOTIFY=SUCCESS ORCPT=utf-8;j\\x{FC}rgen@us.example";
    send(world.them, "<carol@them.example> BODY=8BITMIME SMTPUTF8 ENVID=P1", asked, UTF8);
    wait_for(&ours, "delivered", "carol@them.example");
    assert_eq!(body(&ours.mail("juergen")[0]), "\u{20ac}\n");
    while !postfix.daemon.wait_for("to=<carol@them.example>").contains("status=sent") {}
    let mail = postfix.mail("carol");
    let back = mail.iter().find(|mail| mail.starts_with(b"Return-Path: <>")).expect("a report");
    let back = parsed(back).unwrap();
    assert_eq!(back["of"], "global-delivery-status", "{back}");
    assert!(back["parts"][1] == "message/global-delivery-status", "{back}");
    send(world.them, "<carol@them.example>", "<alice@us.example> NOTIFY=SUCCESS", "Subject: x\r\n\r\nx\r\n");
    while !postfix.daemon.wait_for("to=<carol@them.example>").contains("status=sent") {}
    report(&postfix.mail("carol"), "alice@us.example", ["delivered", "2.0.0"]).unwrap();
    send(world.them, "<carol@them.example>", "<nobody@us.example>", "Subject: x\r\n\r\nx\r\n");
    while !postfix.daemon.wait_for("to=<carol@them.example>").contains("status=sent") {}
    let mail = postfix.mail("carol");
    let bounce = mail
        .iter()
        .filter_map(|mail| parsed(mail))
        .find(|mail| mail["recipients"].to_string().contains("nobody@"));
    let bounce = bounce.expect("their report of our refusal");
    assert_eq!(
        (&bounce["recipients"][0]["status"], &bounce["recipients"][0]["action"]),
        (&"5.1.1".into(), &"failed".into())
    );
}

#[test]
fn of_a_postfix_that_does_not_report_we_say_that_it_has_the_mail() {
    let Some(world) = World::new() else { return };
    let settings = "myhostname = mx.them.example\nvirtual_mailbox_domains = them.example\n\
        virtual_mailbox_maps = static:carol/\nsmtpd_discard_ehlo_keywords = dsn, silent-discard\n";
    let (folder, Some(postfix)) = (TempDir::new().unwrap(), Postfix::start(world.them, settings)) else {
        return;
    };
    let aliases = [("out", "carol@them.example")];
    let ours = world.server(&folder, "us.example", (world.us, world.them), &aliases);
    let asked = "<out@us.example> NOTIFY=SUCCESS";
    send(world.us, "<alice@us.example> ENVID=Q1", asked, "Subject: x\r\n\r\nx\r\n");
    wait_for(&ours, "delivered", "alice@us.example");
    let Some(report) = report(&ours.mail("alice"), "out@us.example", ["relayed", "2.0.0"]) else { return };
    assert_eq!(report["recipients"][0]["remote-mta"], "dns; mx.them.example");
    assert_eq!(report["message"]["original-envelope-id"], "Q1");
    postfix.daemon.wait_for("to=<carol@them.example>");
    assert_eq!(postfix.mail("carol").len(), 1);
}

#[test]
fn mail_that_two_servers_send_to_each_other_ends_in_one_report() {
    let Some(world) = World::new() else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let ours = world.server(&here, "us.example", (world.us, world.them), &[("loop", "loop@them.example")]);
    let _theirs =
        world.server(&there, "them.example", (world.them, world.us), &[("loop", "loop@us.example")]);
    send(world.us, "<alice@us.example>", "<loop@us.example>", "Subject: round\r\n\r\nx\r\n");
    let hops = ends_in_one_report(&ours);
    assert!((40..=50).contains(&hops), "{hops}");
}

#[test]
fn mail_that_exim_and_we_forward_to_each_other_ends_in_one_report() {
    for (more, why) in [("", "it refuses first"), ("received_headers_max = 100\n", "we do")] {
        let (Some(world), folder) = (World::new(), TempDir::new().unwrap()) else { return };
        let (routes, forwards) = ([("us.example", world.us)], [("loop", "loop@us.example")]);
        let setup = Setup { routes: &routes, forwards: &forwards, more, ..Setup::default() };
        let Some(exim) = Exim::start(&setup) else { return };
        let aliases = [("loop", "loop@exim.example")];
        let ours = world.server(&folder, "us.example", (world.us, exim.address()), &aliases);
        send(world.us, "<alice@us.example>", "<loop@us.example>", "Subject: round\r\n\r\nx\r\n");
        let hops = ends_in_one_report(&ours);
        assert!((25..=50).contains(&hops), "{why}: {hops}");
        exim.empty_queue();
        assert_eq!(ours.mail("alice").len(), 1, "{why}: {}", exim.log());
    }
}

#[test]
fn mail_and_reports_go_to_exim_and_come_back() {
    let (Some(world), folder) = (World::new(), TempDir::new().unwrap()) else { return };
    let routes = [("us.example", world.us)];
    let Some(exim) = Exim::start(&Setup { users: &["tim"], routes: &routes, ..Setup::default() }) else {
        return;
    };
    let aliases =
        [("out", "tim@exim.example"), ("ghost", "ghost@exim.example"), ("busy", "busy@exim.example")];
    let ours = world.server(&folder, "us.example", (world.us, exim.address()), &aliases);

    // There, and its report of success back.
    let asked = "<out@us.example> NOTIFY=SUCCESS,FAILURE";
    send(world.us, "<alice@us.example> BODY=8BITMIME RET=HDRS ENVID=Q1", asked, EIGHT_BIT);
    let there = exim.delivered("tim", 1);
    assert!(as_sent(&there[0]).ends_with("gr\u{fc}n\r\n..dots\r\n".as_bytes()));
    wait_for(&ours, "delivered", "alice@us.example");
    let Some(theirs) = report(&ours.mail("alice"), "out@us.example", ["delivered", "2.0.0"]) else { return };
    assert_eq!(theirs["message"]["original-envelope-id"], "Q1");
    let utf8 = "<j\u{fc}rgen@us.example> SMTPUTF8 BODY=8BITMIME";
    send(world.us, utf8, "<out@us.example>", UTF8);
    assert_eq!(
        exim.delivered("tim", 2).iter().filter(|mail| mail.ends_with("\u{20ac}\r\n".as_bytes())).count(),
        1
    );

    // What it does not take, for good and for now.
    send(world.us, "<alice@us.example>", "<ghost@us.example>", "Subject: x\r\n\r\nx\r\n");
    wait_for(&ours, "delivered", "alice@us.example");
    report(&ours.mail("alice"), "ghost@us.example", ["failed", "5.0.0"]).unwrap();
    send(world.us, "<alice@us.example>", "<busy@us.example>", "Subject: x\r\n\r\nx\r\n");
    wait_for(&ours, "delivered", "alice@us.example");
    report(&ours.mail("alice"), "busy@us.example", ["delayed", "4.0.0"]).unwrap();

    // From there in chunks, and our report of success back.
    let asked = "<j\u{fc}rgen@us.example> NOTIFY=SUCCESS";
    send(exim.address(), "<tim@exim.example> BODY=8BITMIME SMTPUTF8 ENVID=E1", asked, UTF8);
    wait_for(&ours, "delivered", "tim@exim.example");
    assert_eq!(body(&ours.mail("juergen")[0]), "\u{20ac}\n");
    let line = exim.wait_for("=> j");
    assert!(line.contains(" K "), "it sent a chunk: {line}");
    let back = exim.delivered("tim", 3);
    let back = back.iter().find(|mail| mail.starts_with(b"Return-path: <>")).expect("a report");
    assert_eq!(parsed(back).unwrap()["of"], "global-delivery-status");
    send(
        exim.address(),
        "<tim@exim.example> ENVID=E2",
        "<alice@us.example> NOTIFY=SUCCESS",
        "Subject: x\r\n\r\nx\r\n",
    );
    report(&exim.delivered("tim", 4), "alice@us.example", ["delivered", "2.0.0"]).unwrap();
    send(exim.address(), "<tim@exim.example>", "<nobody@us.example>", "Subject: x\r\n\r\nx\r\n");
    report(&exim.delivered("tim", 5), "nobody@us.example", ["failed", "5.0.0"]).unwrap();
}

#[test]
#[ignore = "OpenSMTPD needs file systems of its own"]
fn mail_and_reports_go_to_opensmtpd_and_come_back() {
    let (Some(world), folder) = (World::new(), TempDir::new().unwrap()) else { return };
    let Some(theirs) = OpenSmtpd::start(world.them, world.us) else { return };
    let aliases = [
        ("out", "carol@them.example"),
        ("out8", "j\u{fc}rgen@them.example"),
        ("ghost", "ghost@them.example"),
    ];
    let ours = world.server(&folder, "us.example", (world.us, world.them), &aliases);

    // There, and its report of success back.
    let asked = "<out@us.example> NOTIFY=SUCCESS,FAILURE";
    send(world.us, "<alice@us.example> BODY=8BITMIME RET=HDRS ENVID=Q1", asked, EIGHT_BIT);
    theirs.wait_for_mail_from("alice@us.example");
    assert_eq!(body(&theirs.mail()[0]), "gr\u{fc}n\n..dots\n");
    wait_for(&ours, "delivered", "alice@us.example");
    assert!(is_their_report(&ours.mail("alice")[0], "carol@them.example", "delivered"));

    // It has no SMTPUTF8, and no ghost.
    send(world.us, "<alice@us.example> SMTPUTF8", "<out8@us.example>", "Subject: x\r\n\r\nx\r\n");
    wait_for(&ours, "delivered", "alice@us.example");
    let refused = b"\nFinal-Recipient: utf-8; j\xc3\xbcrgen@them.example\nAction: failed\nStatus: 5.6.7\n";
    let says_so = |mail: &&Vec<u8>| mail.windows(refused.len()).any(|part| part == refused);
    assert_eq!(ours.mail("alice").iter().filter(says_so).count(), 1);
    send(world.us, "<alice@us.example>", "<ghost@us.example>", "Subject: x\r\n\r\nx\r\n");
    wait_for(&ours, "delivered", "alice@us.example");
    let mut mail = ours.mail("alice");
    mail.retain(|mail| !is_their_report(mail, "carol@them.example", "delivered"));
    report(&mail, "ghost@us.example", ["failed", "5.0.0"]).unwrap();

    // From there, and our reports back.
    let asked = "<alice@us.example> NOTIFY=SUCCESS";
    send(world.them, "<carol@them.example> BODY=8BITMIME", asked, EIGHT_BIT);
    theirs.wait_for_mail_from("");
    let from_carol = |mail: &&Vec<u8>| mail.starts_with(b"Return-Path: <carol@them.example>");
    let mail = ours.mail("alice");
    assert_eq!(body(mail.iter().find(from_carol).unwrap()), "gr\u{fc}n\n..dots\n");
    // Without Return-Path, as it stores it.
    let mail = theirs.mail();
    let of_alice = |report: &Value| report["recipients"].to_string().contains("alice@us.example");
    let back = mail.iter().filter_map(|mail| parsed(mail)).find(of_alice).expect("our report");
    assert_eq!(back["recipients"][0]["action"], "delivered", "{back}");
    send(world.them, "<carol@them.example>", "<nobody@us.example>", "Subject: x\r\n\r\nx\r\n");
    theirs.wait_for_mail_from("");
    let mail = theirs.mail();
    assert_eq!(mail.iter().filter(|mail| is_their_report(mail, "nobody@us.example", "failed")).count(), 1);
}

/// OpenSMTPD puts a report into a `multipart/mixed`, which is no report to a parser.
fn is_their_report(mail: &[u8], about: &str, action: &str) -> bool {
    let mail = String::from_utf8_lossy(mail);
    mail.contains("\nContent-Type: message/delivery-status\n")
        && mail.contains("(OpenSMTPD)")
        && mail.contains(&format!("\nFinal-Recipient: rfc822; {about}\nAction: {action}\n"))
}

/// Waits until what alice sent has gone round often enough, and returns how many hosts it had passed then.
fn ends_in_one_report(ours: &Server) -> usize {
    wait_for(ours, "delivered", "alice@us.example");
    let mail = ours.mail("alice");
    assert_eq!(mail.len(), 1, "one report");
    let report = String::from_utf8_lossy(&mail[0]);
    assert!(report.starts_with("Return-Path: <>\n") && report.contains("\nAction: failed\n"), "{report}");
    // But those of the report itself.
    let (_, returned) =
        report.rsplit_once("\nContent-type: ").or(report.rsplit_once("\nContent-Type: ")).unwrap();
    returned.matches("\nReceived: ").count()
}

#[test]
fn a_report_to_somebody_who_is_not_there_makes_no_other() {
    let folder = TempDir::new().unwrap();
    let Some(world) = World::new() else { return };
    let ours =
        world.server(&folder, "us.example", (world.us, world.them), &[("gone", "x@nowhere.us.example")]);
    for sender in ["<ghost@us.example>", "<>"] {
        send(world.us, sender, "<gone@us.example>", "Subject: x\r\n\r\nx\r\n");
    }
    wait_for(&ours, "refused", "ghost@us.example");
    ours.settle();
    let all = crate::queue::queue(&ours.data, "show", &["--json", "all"]);
    let all: Value = serde_json::from_str(&all).unwrap();
    let mut kinds: Vec<_> = all.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["dsn", "mail", "mail"], "one report, to ghost: {all}");
}
