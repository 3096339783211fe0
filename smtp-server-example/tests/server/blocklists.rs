//! Clients that real lists have, or don't.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{Client, PATIENCE, Server};
use crate::login::base64;
use crate::neighbours::{Neighbour, knot, rbldnsd, unbound};

/// What every list has, and one client each for the codes that matter.
const LISTED: &str = "ip4set:
:127.0.0.2:Junk from $ seen, see http://bl.example/
127.0.0.2
192.0.2.7
192.0.2.9 :127.0.0.9:Another code
192.0.2.10 :127.255.255.254:Public resolver, see http://bl.example/refused
";

/// A list of IPv6 addresses, ::ffff:127.0.0.2 among them.
const LISTED_IPV6: &str = "ip6trie:
:127.0.0.2:Junk from $ seen
::ffff:7f00:2
2001:db8::/64
";

/// Settings of a server for example.test behind a balancer, so that clients can come from anywhere.
fn settings(resolver: SocketAddr, more: &str, lists: &[(&str, &str)]) -> String {
    let mut text = format!(
        "hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n\
         [dns]\nservers = [\"{resolver}\"]\ntimeout_seconds = 1\n[checks]\n{more}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nproxies = [\"127.0.0.0/8\"]\n[[user]]\nname = \"alice\"\n"
    );
    for (zone, more) in lists {
        let _ = write!(text, "[[blocklist]]\nzone = \"{zone}\"\n{more}\n");
    }
    text
}

/// Connects as `client`; the greeting is still to come.
fn connect(server: &Server, client: &str) -> Client {
    let mut connection = Client::connect(server.address);
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let here = if client.contains(':') { "2001:db8:1::1" } else { "198.51.100.1" };
    connection.send(format!("PROXY {family} {client} {here} 4711 25\r\n").as_bytes());
    connection
}

/// The reply to RCPT that `client` gets for `recipient`.
fn rcpt(server: &Server, client: &str, recipient: &str) -> String {
    let mut client = connect(server, client);
    assert!(client.reply().starts_with("220 "));
    client.say_all(&["EHLO client.example", "MAIL FROM:<a@client.example>"]);
    client.say(&format!("RCPT TO:<{recipient}>"))
}

fn ready(server: &Server, lists: usize) {
    (0..lists).for_each(|_| drop(server.line(" blocklist-on ")));
}

#[test]
fn a_listed_client_is_refused_with_what_the_list_says_and_postmaster_is_not() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED), ("bl6.example", LISTED_IPV6)]) else { return };
    let folder = TempDir::new().unwrap();
    let narrow = "accept = [\"127.0.0.2\"]";
    let lists = [("bl.example", narrow), ("bl6.example", "ipv4 = false\nipv6 = true")];
    let server = Server::serve(folder.path(), &settings(list.address, "", &lists));
    ready(&server, 2);
    let refused = "554 5.7.1 Your address 192.0.2.7 is listed by bl.example: Junk from 192.0.2.7 seen, see http://bl.example/";
    assert_eq!(rcpt(&server, "192.0.2.7", "alice@example.test"), refused);
    assert!(server.line(" refused ").contains("554"), "the log names the recipient");
    for (client, recipient, code, why) in [
        ("192.0.2.7", "nobody@example.test", "554 5.7.1 ", "a listed client is not told who is here"),
        ("192.0.2.7", "postmaster@example.test", "250 ", "RFC 5321 §4.5.1"),
        ("192.0.2.7", "Postmaster", "250 ", "without a domain too"),
        ("192.0.2.7", "postmaster@foreign.example", "550 5.7.1 ", "which is no way to relay"),
        ("192.0.2.8", "alice@example.test", "250 ", "not listed"),
        ("192.0.2.9", "alice@example.test", "250 ", "a code that is not among those accepted"),
        ("2001:db8::7", "alice@example.test", "554 5.7.1 ", "IPv6, listed by its /64"),
        ("2001:db8:0:1::7", "alice@example.test", "250 ", "IPv6, not listed"),
    ] {
        let reply = rcpt(&server, client, recipient);
        assert!(reply.starts_with(code), "{client} {recipient}: {why}: {reply}");
    }
}

#[test]
fn the_operator_chooses_the_stage() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED)]) else { return };
    for (stage, replies) in [
        ("connect", &["554 Your address 192.0.2.7 is listed"][..]),
        ("hello", &["220 ", "554 Your address 192.0.2.7 is listed"]),
        ("mail", &["220 ", "250-", "554 5.7.1 Your address 192.0.2.7 is listed"]),
    ] {
        let folder = TempDir::new().unwrap();
        let stage_is = format!("stage = \"{stage}\"");
        let server = Server::serve(folder.path(), &settings(list.address, &stage_is, &[("bl.example", "")]));
        ready(&server, 1);
        let mut client = connect(&server, "192.0.2.7");
        let mut said = vec![client.reply()];
        for line in ["EHLO client.example", "MAIL FROM:<a@client.example>"].iter().take(replies.len() - 1) {
            said.push(client.say(line));
        }
        for (reply, want) in said.iter().zip(replies) {
            assert!(reply.starts_with(want), "{stage}: {said:?}");
        }
        if stage == "connect" {
            assert_eq!(client.rest(), "", "the connection ends");
        }
    }
}

#[test]
fn weights_decide_together() {
    let one = "ip4set:\n:127.0.0.2:One\n127.0.0.2\n192.0.2.1\n192.0.2.2\n192.0.2.3\n";
    let two = "ip4set:\n:127.0.0.2:Two\n127.0.0.2\n192.0.2.2\n192.0.2.3\n";
    let good = "ip4set:\n:127.0.0.2:Good\n127.0.0.2\n192.0.2.3\n";
    let Some(list) = rbldnsd(&[("one.example", one), ("two.example", two), ("good.example", good)]) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let lists =
        [("one.example", "weight = 2"), ("two.example", "weight = 3"), ("good.example", "weight = -3")];
    let server = Server::serve(folder.path(), &settings(list.address, "blocklist_weight = 4", &lists));
    ready(&server, 3);
    for (client, code, why) in [
        ("192.0.2.1", "250 ", "2 of 4"),
        ("192.0.2.2", "554 5.7.1 ", "5 of 4"),
        ("192.0.2.3", "250 ", "5 less 3"),
    ] {
        let reply = rcpt(&server, client, "alice@example.test");
        assert!(reply.starts_with(code), "{client}: {why}: {reply}");
    }
}

#[test]
fn lists_that_are_none_refuse_nobody_and_the_log_says_so() {
    let all = "ip4set:\n:127.0.0.2:All\n127.0.0.0/24\n192.0.2.0/24\n";
    let nothing = "ip4set:\n:127.0.0.2:Nothing\n192.0.2.7\n";
    let refusing = "ip4set:\n:127.255.255.254:Public resolver\n127.0.0.0/24\n192.0.2.0/24\n";
    let zones = [("all.example", all), ("nothing.example", nothing), ("refusing.example", refusing)];
    let Some(list) = rbldnsd(&zones) else { return };
    let folder = TempDir::new().unwrap();
    let lists =
        [("all.example", ""), ("nothing.example", ""), ("refusing.example", ""), ("elsewhere.example", "")];
    let server = Server::serve(folder.path(), &settings(list.address, "", &lists));
    let mut said: Vec<_> = (0..4).map(|_| server.line(" blocklist-off ")).collect();
    said.sort_by_key(|line| line.find("zone=").map(|at| line[at..].to_owned()));
    for (line, zone, why) in [
        (&said[0], "all.example", "it lists every address"),
        (&said[1], "elsewhere.example", "REFUSED"),
        (&said[2], "nothing.example", "it lacks the address"),
        (&said[3], "refusing.example", "127.255.255.254"),
    ] {
        assert!(line.contains(&format!("zone={zone} ")) && line.contains(why), "{line}");
    }
    assert!(rcpt(&server, "192.0.2.7", "alice@example.test").starts_with("250 "));
}

#[test]
fn a_list_that_begins_to_refuse_is_switched_off_at_once() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED)]) else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings(list.address, "", &[("bl.example", "")]));
    ready(&server, 1);
    assert!(rcpt(&server, "192.0.2.10", "alice@example.test").starts_with("250 "), "never a listing");
    let line = server.line(" blocklist-off ");
    assert!(line.contains("127.255.255.254"), "{line}");
    assert!(rcpt(&server, "192.0.2.7", "alice@example.test").starts_with("250 "), "off");
}

/// With `dead` dropped, clients are taken, nobody waits for long, and the log says it once.
fn goes_on_without(dead: Neighbour, server: &Server) {
    assert!(rcpt(server, "192.0.2.7", "alice@example.test").starts_with("554 "));
    drop(dead);
    for n in 0..8 {
        let before = Instant::now();
        // Each is new to the cache.
        let reply = rcpt(server, &format!("203.0.113.{n}"), "alice@example.test");
        assert!(reply.starts_with("250 "), "{reply}");
        assert!(before.elapsed() < PATIENCE / 3, "a decision takes five seconds at most");
    }
    let line = server.line(" blocklist-off ");
    assert!(line.contains("5 times in a row"), "{line}");
    let before = Instant::now();
    assert!(rcpt(server, "203.0.113.99", "alice@example.test").starts_with("250 "));
    assert!(before.elapsed() < PATIENCE / 10, "a list that is off is not asked");
}

#[test]
fn a_list_whose_server_dies_is_switched_off() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED)]) else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings(list.address, "", &[("bl.example", "")]));
    ready(&server, 1);
    goes_on_without(list, &server);
}

#[test]
fn a_resolver_that_dies_refuses_nobody() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED)]) else { return };
    let Some(resolver) = unbound(list.address, &[("bl.example", false)]) else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings(resolver.address, "", &[("bl.example", "")]));
    ready(&server, 1);
    goes_on_without(resolver, &server);
}

#[test]
fn a_list_that_hangs_holds_a_client_up_for_five_seconds_at_most() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED)]) else { return };
    let folder = TempDir::new().unwrap();
    // As long as it is by default.
    let settings = settings(list.address, "", &[("bl.example", "")]).replace("timeout_seconds = 1", "");
    let server = Server::serve(folder.path(), &settings);
    ready(&server, 1);
    list.signal("STOP");
    let before = Instant::now();
    let reply = rcpt(&server, "192.0.2.8", "alice@example.test");
    let waited = before.elapsed();
    list.signal("CONT");
    assert!(reply.starts_with("250 "), "{reply}");
    assert!((4..7).contains(&waited.as_secs()), "five seconds, and what a busy machine adds: {waited:?}");
}

#[test]
fn who_logs_in_may_come_from_a_listed_address() {
    let Some(list) = rbldnsd(&[("bl.example", LISTED)]) else { return };
    let folder = TempDir::new().unwrap();
    let submission = "[auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
        [[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\nproxies = [\"127.0.0.0/8\"]";
    let mut settings = settings(list.address, "", &[("bl.example", "")]);
    settings.push_str(submission);
    let server = Server::serve(folder.path(), &settings);
    ready(&server, 1);
    crate::users::user(folder.path(), &["passwd", "alice"], "word\n");
    server.line(" users-read ");
    assert!(rcpt(&server, "192.0.2.7", "alice@example.test").starts_with("554 "));
    let mut client = Client::connect(server.address_of("submission").parse().unwrap());
    client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 587\r\n");
    client.reply();
    client.say_all(&["EHLO client.example", &format!("AUTH PLAIN {}", base64("\0alice\0word"))]);
    client.say_all(&["MAIL FROM:<alice@example.test>", "RCPT TO:<alice@example.test>"]);
}

#[test]
fn received_tells_a_clients_name_only_if_it_leads_back() {
    let zones = [
        ("2.0.192.in-addr.arpa", "20 PTR host.client.example.\n21 PTR liar.client.example.\n"),
        ("client.example", "host A 192.0.2.20\nliar A 192.0.2.99\n"),
    ];
    let Some(knot) = knot(&zones) else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::serve(folder.path(), &settings(knot.address, "reverse_dns = \"log\"", &[]));
    for (address, want, why) in [
        ("192.0.2.20", "(host.client.example [192.0.2.20])", "there and back"),
        ("192.0.2.21", "([192.0.2.21])", "somebody else's"),
        ("192.0.2.22", "([192.0.2.22])", "none at all"),
    ] {
        let mut client = connect(&server, address);
        client.reply();
        // To postmaster nothing has to be found out before the content.
        client.say_all(&[
            "EHLO c.example",
            "MAIL FROM:<>",
            "RCPT TO:<postmaster>",
            "DATA",
            &format!("X: {address}\r\n."),
        ]);
        let mail = server.mail("postmaster").into_iter().map(|mail| String::from_utf8(mail).unwrap());
        let mail = mail.into_iter().find(|mail| mail.contains(&format!("X: {address}\n"))).unwrap();
        assert!(mail.contains(&format!("\nReceived: from c.example {want}\n\tby ")), "{why}: {mail}");
    }
}

#[test]
fn too_many_connections_in_a_minute_are_told_to_come_later() {
    let folder = TempDir::new().unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let limits = "connections_per_minute = 3\nmessages_per_minute = 2";
    let server = Server::serve(folder.path(), &settings(nowhere, limits, &[]));
    for _ in 0..2 {
        assert!(connect(&server, "192.0.2.1").reply().starts_with("220 "));
    }
    let mut client = connect(&server, "192.0.2.1");
    client.reply();
    client.say_all(&["EHLO client.example", "MAIL FROM:<>", "RSET", "MAIL FROM:<>", "RSET"]);
    assert!(client.say("MAIL FROM:<>").starts_with("451 4.7.1 "));
    assert!(connect(&server, "192.0.2.1").reply().starts_with("421 "));
    assert!(connect(&server, "192.0.2.2").reply().starts_with("220 "), "others are not concerned");
}

#[test]
fn a_client_that_calls_itself_by_our_name_is_refused() {
    let folder = TempDir::new().unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let server = Server::serve(folder.path(), &settings(nowhere, "", &[]));
    let mut client = connect(&server, "192.0.2.1");
    client.reply();
    client.say_all(&["EHLO mx.example.test", "MAIL FROM:<>"]);
    assert!(client.say("RCPT TO:<alice@example.test>").starts_with("550 5.7.1 "));
    assert!(server.line(" unwelcome ").contains("why=hello-is-ours"));
}
