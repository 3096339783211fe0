//! Mail by way of hosts that the settings name: another server of ours that wants a log-in, and catchers.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use smtp_tokio::Reply;
use smtp_tokio::testing::Catcher;
use tempfile::TempDir;

use crate::check::{certificate, far};
use crate::harness::{Client, PATIENCE, Server, binary, content, field};
use crate::login::base64;
use crate::neighbours::{Neighbour, free_address, knot};
use crate::sending::submit;

/// one's mail is taken on 127.0.0.2, by MX; relay takes everybody's, from who logs in.
const ZONE: &str = "
mx         A 127.0.0.2
one        MX 10 mx
relay      A 127.0.0.3
other      A 127.0.0.3
";

const LATER: Reply<'static> = Reply::new(451, (4, 3, 0), "Not now");
const DONE: Reply<'static> = Reply::new(250, (2, 0, 0), "Done");

/// Us: alice and bob log in, in clear, and mail leaves by these tables.
pub(crate) fn ours(folder: &Path, dns: Option<&Neighbour>, relay: &str, routes: &str) -> Server {
    ours_by(folder, dns.map_or_else(free_address, |dns| dns.address), relay, routes)
}

/// The same, with the DNS server to be asked.
pub(crate) fn ours_by(folder: &Path, dns: SocketAddr, relay: &str, routes: &str) -> Server {
    let targets = if relay.contains("allowed_targets") { "" } else { "allowed_targets = [\"127.0.0.0/8\"]" };
    let settings = format!(
        "hostname = \"us.t.example\"\ndomains = [\"us.example\"]\ndata = \"mail\"\n\
         [dns]\nservers = [\"{dns}\"]\ntimeout_seconds = 1\n\
         [auth]\nallow_insecure_auth = true\nargon2_memory_kib = 64\nargon2_passes = 1\n\
         [relay]\n{targets}\n{relay}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n\
         [[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n{routes}\n"
    );
    let server = Server::serve_trusting(folder, &settings, &folder.join("root.pem"));
    for name in ["alice", "bob"] {
        crate::users::user(folder, &["passwd", name], "word\n");
        server.line(" users-read ");
    }
    server
}

fn user(server: &Server, name: &str) -> Client {
    let mut client = server.connect_to("submission");
    client.say_all(&["EHLO client.example", &format!("AUTH PLAIN {}", base64(&format!("\0{name}\0word")))]);
    client
}

/// A server that takes mail for carol from anybody and passes nothing on, but takes everything from `us`, who logs in
/// with `word`. Its certificate is relay's, by a root that lies in `ours`.
fn relay(folder: &Path, ours: &Path) -> Server {
    let tls = certificate(folder, "relay.t.example", 2020, far());
    fs::copy(folder.join("root.pem"), ours.join("root.pem")).unwrap();
    let settings = format!(
        "hostname = \"relay.t.example\"\ndomains = [\"far.example\"]\ndata = \"mail\"\n\
         [auth]\nargon2_memory_kib = 64\nargon2_passes = 1\n\
         [[listener]]\nkind = \"submission\"\naddress = \"127.0.0.3:0\"\n\
         [[listener]]\nkind = \"submissions\"\naddress = \"127.0.0.3:0\"\n\
         [[user]]\nname = \"carol\"\n[[user]]\nname = \"us\"\nsenders = [\"@us.example\"]\n{tls}"
    );
    let server = Server::serve(folder, &settings);
    crate::users::user(folder, &["passwd", "us"], "word\n");
    server.line(" users-read ");
    server
}

fn port(server: &Server, kind: &str) -> u16 {
    server.address_of(kind).parse::<SocketAddr>().unwrap().port()
}

/// A route by hosts, with these further keys.
fn by(hosts: &str, more: &str) -> String {
    format!("[[route]]\nhosts = {hosts}\n{more}\n")
}

/// A route by way of a host and a log-in, with the secret in a file.
fn logged_in(folder: &Path, host: &str, secret: &str) -> String {
    let file = folder.join("secret");
    fs::write(&file, format!("{secret}\n")).unwrap();
    by(&format!("[\"{host}\"]"), &format!("user = \"us\"\nsecret = \"${{file:{}}}\"", file.display()))
}

/// Runs the program by the settings of a server.
pub(crate) fn run(folder: &Path, args: &[&str]) -> String {
    let mut command = binary();
    command.args(args).args(["--config", "mail.toml"]).current_dir(folder);
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_smart_host_is_logged_in_at_under_tls_that_is_right_and_the_secret_shows_nowhere() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let relay = relay(there.path(), here.path());
    for (kind, tls, why) in
        [("submission", "", "STARTTLS"), ("submissions", "tls = \"implicit\"", "from the start")]
    {
        let folder = TempDir::new_in(here.path()).unwrap();
        fs::copy(here.path().join("root.pem"), folder.path().join("root.pem")).unwrap();
        let host = format!("relay.t.example:{}", port(&relay, kind));
        let route = logged_in(folder.path(), &host, "word") + tls;
        let ours = ours(folder.path(), Some(&dns), "", &route);
        let replies = submit(&mut user(&ours, "alice"), &["carol@far.example"]);
        assert!(replies.iter().all(|reply| reply.starts_with("250 ")), "{replies:?}");
        let mut log = ours.lines_to(" relayed ");
        let line = log.last().unwrap().clone();
        assert_eq!(field(&line, "host"), "relay.t.example", "{why}: {line}");
        assert_eq!(field(&line, "via"), format!("smart {host} as us"), "{why}: {line}");
        assert!(field(&line, "tls").starts_with("TLSv1.3 "), "{why}: {line}");
        let queued = relay.line(" queued ");
        assert_eq!(
            (field(&queued, "user"), field(&queued, "via")),
            ("us".to_owned(), kind.to_owned()),
            "{why}"
        );

        let shown = run(folder.path(), &["route", "x@else.example"]);
        let tls = if kind == "submission" { "required" } else { "implicit" };
        let want = format!("1 relay.t.example port {} TLS {tls} 127.0.0.3\n", port(&relay, kind));
        assert!(
            shown.starts_with("route 1: smart hosts, logs in as us with ${file:/") && shown.ends_with(&want),
            "{shown}"
        );
        log.push(shown);
        log.push(run(folder.path(), &["config", "show"]));
        log.push(run(folder.path(), &["trace", "carol@far.example"]));
        let said = log.join("\n");
        assert!(!said.contains("word\"") && !said.contains(&base64("\0us\0word")), "{said}");
    }
    assert_eq!(relay.mail("carol").len(), 2);
}

#[tokio::test]
async fn nothing_secret_is_said_to_a_host_whose_certificate_is_not_right() {
    let (here, host) = (TempDir::new().unwrap(), Catcher::start().await);
    for (at, why) in [
        (host.addr(), "the root is nobody's"),
        (SocketAddr::from(([127, 0, 0, 1], host.addr().port())), "nor is it that of an address"),
    ] {
        let folder = TempDir::new_in(here.path()).unwrap();
        fs::write(folder.path().join("root.pem"), "").unwrap();
        let ours = ours(folder.path(), None, "", &logged_in(folder.path(), &at.to_string(), "word"));
        submit(&mut user(&ours, "alice"), &["carol@far.example"]);
        let complaint = ours.line(" smart-host ");
        assert_eq!(field(&complaint, "what"), "its certificate is not right", "{why}: {complaint}");
        let deferred = ours.line(" deferred ");
        assert!(deferred.contains("451 4.7.5 TLS is required"), "{why}: {deferred}");
    }
    let said = host.transcript();
    assert!(said.contains("STARTTLS") && !said.contains("C: AUTH") && !said.contains("C: MAIL"), "{said}");
}

#[test]
fn a_wrong_secret_is_the_operators_to_put_right_and_no_mail_comes_back_for_it() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let relay = relay(there.path(), here.path());
    let host = format!("relay.t.example:{}", port(&relay, "submission"));
    let ours = ours(here.path(), Some(&dns), "", &logged_in(here.path(), &host, "wrong"));
    submit(&mut user(&ours, "alice"), &["carol@far.example"]);
    let complaint = ours.line(" smart-host ");
    assert_eq!(field(&complaint, "what"), "it refuses our name and secret", "{complaint}");
    assert!(
        complaint.contains("user=us") && complaint.contains("(535 ") && complaint.contains("hint="),
        "{complaint}"
    );
    let id = field(&ours.line(" deferred "), "id");
    ours.settle();
    // What was said up to there is told, without the secret.
    let told = run(here.path(), &["trace", &id]);
    for part in ["S: 220 ", "C: AUTH ", "<redacted ", "S: 535 5.7.8 "] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(ours.mail("alice").is_empty(), "nothing came back");
    // Put right where it lies: no restart, no signal.
    fs::write(here.path().join("secret"), "word\n").unwrap();
    run(here.path(), &["queue", "retry", "all"]);
    ours.line(" relayed ");
    assert_eq!(relay.mail("carol").len(), 1);
}

#[tokio::test]
async fn a_host_that_wants_a_log_in_where_none_is_set_makes_mail_wait_and_the_operator_hear_of_it() {
    let here = TempDir::new().unwrap();
    let host = Catcher::start().await;
    host.on_mail("*", &[Reply::new(530, (5, 7, 0), "Authentication required")]);
    let ours = ours(here.path(), None, "", &by(&format!("[\"{}\"]", host.addr()), "tls = \"off\""));
    submit(&mut user(&ours, "alice"), &["carol@far.example"]);
    let complaint = ours.line(" smart-host ");
    assert!(complaint.contains("530 5.7.0") && complaint.contains("hint="), "{complaint}");
    assert!(ours.line(" deferred ").contains("530 5.7.0"));
    assert_eq!(ours.mail("alice").len(), 0, "no bounce for what the settings lack");
}

#[tokio::test]
async fn the_next_host_has_its_turn_when_one_is_not_there_or_says_later_and_equal_ones_take_turns() {
    let here = TempDir::new().unwrap();
    let [busy, first, second] = [Catcher::start().await, Catcher::start().await, Catcher::start().await];
    busy.on_mail("*", &[LATER]);
    let hosts =
        format!("[\"{}\", \"{}\", \"{} | {}\"]", free_address(), busy.addr(), first.addr(), second.addr());
    let ours = ours(here.path(), None, "", &by(&hosts, "tls = \"off\""));
    for _ in 0..2 {
        submit_as(&ours, "alice", &["carol@far.example", "dave@else.example"]);
        ours.lines_to("dave@else.example> via=");
    }
    ours.settle();
    for (host, name) in [(&first, "the first"), (&second, "the second")] {
        let mail = host.next_within(PATIENCE).await;
        assert_eq!(mail.recipients().len(), 2, "{name}: both domains go in one transaction");
        assert!(host.try_next().is_none(), "{name}: one for each");
    }
    assert!(busy.try_next().is_none() && busy.transcript().contains("451 4.3.0 Not now"), "it was asked");
}

#[tokio::test]
async fn a_host_that_says_no_is_believed_and_one_that_says_later_at_the_end_is_not_asked_at_once_again() {
    let here = TempDir::new().unwrap();
    let [host, spare] = [Catcher::start().await, Catcher::start().await];
    host.on_rcpt("ghost@*", &[Reply::new(550, (5, 1, 1), "No such user")]);
    host.on_data(&[LATER, DONE]);
    spare.on_mail("*", &[LATER]);
    let hosts = format!("[\"{}\", \"{}\"]", host.addr(), spare.addr());
    let ours = ours(here.path(), None, "", &by(&hosts, "tls = \"off\""));
    submit(&mut user(&ours, "alice"), &["ghost@far.example"]);
    ours.settle();
    assert_eq!(ours.mail("alice").len(), 1, "a bounce, by the first host's word");
    assert!(!spare.transcript().contains("C: MAIL"), "which was final");
    submit(&mut user(&ours, "alice"), &["carol@far.example"]);
    assert!(ours.line(" deferred ").contains("451 4.3.0 Not now"));
}

#[tokio::test]
async fn sender_recipient_and_a_default_choose_the_way_and_the_rest_goes_by_mx() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mx = Server::serve(
        there.path(),
        "hostname = \"mx.t.example\"\ndomains = [\"one.t.example\"]\ndata = \"mail\"\n\
         [[listener]]\naddress = \"127.0.0.2:0\"\n[[user]]\nname = \"carol\"\n",
    );
    let [for_bob, special, notices, default] =
        [Catcher::start().await, Catcher::start().await, Catcher::start().await, Catcher::start().await];
    let host = |catcher: &Catcher| format!("[\"{}\"]", catcher.addr());
    let routes = [
        "[[route]]\nto = [\"one.t.example\"]\n".to_owned(),
        by(&host(&special), "to = [\"dave@else.example\", \"*.else.example\"]\ntls = \"off\""),
        by(&host(&for_bob), "from = [\"bob@us.example\"]"),
        by(&host(&notices), "from = [\"<>\"]"),
        by(&host(&default), ""),
    ];
    let ours = ours(here.path(), Some(&dns), &format!("port = {}", mx.address.port()), &routes.join(""));
    for (from, to, way, why) in [
        ("alice", "carol@one.t.example", None, "by MX"),
        ("bob", "carol@one.t.example", None, "the first that matches"),
        ("bob", "dave@else.example", Some(&special), "an address"),
        ("alice", "x@a.else.example", Some(&special), "a domain below one"),
        ("bob", "x@else.example", Some(&for_bob), "by sender"),
        ("alice", "x@else.example", Some(&default), "whatever is left"),
    ] {
        submit_as(&ours, from, &[to]);
        let line = ours.line(" relayed ");
        assert_eq!(field(&line, "to"), format!("<{to}>"), "{why}");
        let shown = run(here.path(), &["route", to, "--from", &format!("{from}@us.example")]);
        match way {
            None => {
                assert_eq!(field(&line, "host"), "mx.t.example", "{why}: {line}");
                assert!(
                    shown.starts_with("route 1, to one.t.example: the MX of one.t.example, port "),
                    "{shown}"
                );
            }
            Some(catcher) => {
                assert_eq!(catcher.next_within(PATIENCE).await.recipients()[0].to_string(), to, "{why}");
                assert!(shown.contains(&format!(" port {} TLS ", catcher.addr().port())), "{why}: {shown}");
            }
        }
    }
    assert_eq!(mx.mail("carol").len(), 2);
    assert_eq!(run(here.path(), &["route", "alice@us.example"]), "local: the mailboxes here\n");
    let all = [&for_bob, &special, &notices, &default];
    assert!(all.iter().all(|catcher| catcher.try_next().is_none()), "nothing else went anywhere");
}

/// A new message from one of ours.
pub(crate) fn submit_as(server: &Server, name: &str, to: &[&str]) {
    let mut client = user(server, name);
    client.say_all(&[&format!("MAIL FROM:<{name}@us.example>")]);
    to.iter().for_each(|to| client.say_all(&[&format!("RCPT TO:<{to}>")]));
    client.say_all(&["DATA"]);
    let reply = client.say(&format!("From: {name}@us.example\r\nSubject: hello\r\n\r\nhello\r\n."));
    assert!(reply.starts_with("250 "), "{reply}");
}

#[tokio::test]
async fn other_routes_hold_at_once_for_mail_that_waits_too() {
    let here = TempDir::new().unwrap();
    let host = Catcher::start().await;
    let ours = ours(here.path(), None, "", &by(&format!("[\"{}\"]", free_address()), ""));
    submit(&mut user(&ours, "alice"), &["carol@far.example"]);
    assert!(ours.line(" deferred ").contains("No connection to "));
    let file = here.path().join("mail.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let (before, _) = settings.split_once("[[route]]").unwrap();
    fs::write(&file, format!("{before}{}", by(&format!("[\"{}\"]", host.addr()), ""))).unwrap();
    ours.signal("HUP");
    assert!(ours.line(" settings-read ").contains("changed=route"));
    run(here.path(), &["queue", "retry", "domain=far.example"]);
    let mail = host.next_within(PATIENCE).await;
    assert!(content(&[b"Return-Path: <>\n", mail.content()].concat()).len() < mail.content().len());
}

#[test]
fn check_visits_each_host_of_a_route_and_says_what_keeps_mail_from_it() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let relay = relay(there.path(), here.path());
    let (starttls, implicit) = (port(&relay, "submission"), port(&relay, "submissions"));
    let secret = |word| {
        by(&format!("[\"relay.t.example:{starttls}\"]"), &format!("user = \"us\"\nsecret = \"{word}\""))
    };
    let dead = free_address();
    for (route, level, parts, why) in [
        (secret("word"), "ok", &["127.0.0.3:", "TLSv1.3, lets us log in"][..], "as it should be"),
        (
            by(&format!("[\"relay.t.example:{implicit}\"]"), "tls = \"implicit\""),
            "ok",
            &["greets us, TLSv1.3"],
            "TLS from the start",
        ),
        (secret("wrong"), "FAIL", &["535 5.7.8", "correct `user` and `secret`"], "a wrong secret"),
        (
            secret("word").replace("relay.t", "other.t"),
            "FAIL",
            &["TLS handshake failed", "as its certificate does"],
            "another name's certificate",
        ),
        (by("[\"nowhere.t.example\"]", ""), "FAIL", &["there is no host nowhere.t.example"], "no such name"),
        (by(&format!("[\"{dead}\"]"), ""), "FAIL", &["no connection to", "start it"], "nobody there"),
    ] {
        let settings = format!(
            "hostname = \"us.t.example\"\ndomains = [\"us.example\"]\ndata = \"mail\"\n\
             [dns]\nservers = [\"{}\"]\ntimeout_seconds = 1\n{route}",
            dns.address
        );
        fs::write(here.path().join("mail.toml"), settings).unwrap();
        let mut command = binary();
        command.args(["check", "--config", "mail.toml"]).current_dir(here.path());
        let output = command.env("SSL_CERT_FILE", here.path().join("root.pem")).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line =
            said.lines().find(|line| line.contains(" route 1 ")).unwrap_or_else(|| panic!("{why}: {said}"));
        assert!(line.starts_with(level) && parts.iter().all(|part| line.contains(part)), "{why}: {line}");
        assert!(!line.contains("word"), "{why}: {line}");
    }
}
