//! What each answer of DNS comes to for a message that waits: real zones, a validating resolver, the running server.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Server, field};
use crate::neighbours::{free_address, knot, unbound};
use crate::routes::{ours, run, submit_as};

/// Each domain is a case. Its mail is taken on 127.0.0.2 and ::1; nobody listens on 127.0.0.9.
const ZONE: &str = "
mx         A 127.0.0.2
six        AAAA ::1
nobody     A 127.0.0.9
us         A 127.0.0.1
local      A 127.0.0.1
implicit   A 127.0.0.2
null       MX 0 .
aliased    MX 10 alias
alias      CNAME mx
nick       CNAME one
one        MX 10 mx
self       MX 10 us
backup     MX 10 mx
backup     MX 20 us
v6only     MX 10 six
dead       MX 10 nobody
dead       MX 20 mx
gone       MX 10 nowhere
gone       MX 20 mx
two        MX 10 pair
pair       A 127.0.0.9
pair       A 127.0.0.2
loopback   MX 10 local
noaddress  MX 10 empty
empty      TXT \"no address\"
twelve     MX 1 nobody
twelve     MX 2 nobody
twelve     MX 3 nowhere
twelve     MX 4 nobody
twelve     MX 5 nobody
twelve     MX 6 nobody
twelve     MX 7 nobody
twelve     MX 8 nobody
twelve     MX 9 nobody
twelve     MX 10 nobody
twelve     MX 11 nobody
twelve     MX 12 mx
";

/// The domains whose mail is taken.
const TAKEN: &[&str] =
    &["implicit", "aliased", "nick", "one", "backup", "v6only", "dead", "gone", "two", "twelve"];

/// The foreign side. None if the machine has no IPv6.
fn foreign(folder: &Path) -> Server {
    let domains: Vec<_> = TAKEN.iter().map(|name| format!("\"{name}.t.example\"")).collect();
    let port = free_address().port();
    let six = if UdpSocket::bind("[::1]:0").is_ok() {
        format!("[[listener]]\naddress = \"[::1]:{port}\"\n")
    } else {
        String::new()
    };
    Server::serve(
        folder,
        &format!(
            "hostname = \"mx.t.example\"\ndomains = [{}]\ndata = \"mail\"\n\
             [[listener]]\naddress = \"127.0.0.2:{port}\"\n{six}[[user]]\nname = \"x\"\n",
            domains.join(", ")
        ),
    )
}

/// What is not loopback in the sense of these tests.
const TARGETS: &str = "allowed_targets = [\"127.0.0.2\", \"127.0.0.9\", \"::1\"]";

/// What a case must come to.
enum Want {
    /// Taken by this host.
    Relayed(&'static str),
    /// Given back, with this.
    Refused(&'static str),
    /// Kept, with this.
    Deferred(&'static str),
}

fn must_be(server: &Server, domain: &str, want: &Want, why: &str) {
    let to = format!("x@{domain}");
    submit_as(server, "alice", &[&to]);
    let line = server.line(&format!(" to=<{to}> via="));
    let event = line.split(' ').nth(1).unwrap_or_default();
    match want {
        Want::Relayed(host) => {
            assert_eq!((event, field(&line, "host").as_str()), ("relayed", *host), "{domain}: {why}: {line}");
            let total: f64 = field(&line, "total").parse().unwrap();
            assert!(total < 30.0, "{domain}: {why}: {line}");
        }
        Want::Refused(text) => assert!(event == "refused" && line.contains(text), "{domain}: {why}: {line}"),
        Want::Deferred(text) => {
            assert!(event == "deferred" && line.contains(text), "{domain}: {why}: {line}");
        }
    }
}

#[test]
fn mail_goes_where_the_records_of_its_domain_say_or_comes_back_for_the_right_reason() {
    use Want::{Deferred, Refused, Relayed};
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let foreign = foreign(there.path());
    let ours = ours(here.path(), Some(&dns), &format!("port = {}\n{TARGETS}", foreign.address.port()), "");
    let cases = [
        ("implicit", Relayed("implicit.t.example"), "no MX, and so the domain itself"),
        ("null", Refused("556 5.1.10 "), "it takes no mail (RFC 7505)"),
        ("aliased", Relayed("alias.t.example"), "a host that is an alias, against RFC 5321 §5.1"),
        ("nick", Relayed("mx.t.example"), "a domain that is an alias"),
        ("self", Refused("550 5.4.6 "), "we are its best host: a loop"),
        ("backup", Relayed("mx.t.example"), "we are its second one"),
        ("v6only", Relayed("six.t.example"), "no address of IPv4"),
        ("dead", Relayed("mx.t.example"), "the first host's address is dead"),
        ("gone", Relayed("mx.t.example"), "the first host does not exist"),
        ("two", Relayed("pair.t.example"), "one of a host's addresses is dead"),
        ("twelve", Relayed("mx.t.example"), "the twelfth of twelve"),
        ("loopback", Refused("550 5.4.4 "), "MX to 127.0.0.1"),
        ("noaddress", Deferred("451 4.4.4 "), "no host has an address, for now"),
    ];
    let has_six = UdpSocket::bind("[::1]:0").is_ok();
    for (domain, want, why) in cases.iter().filter(|(domain, ..)| has_six || *domain != "v6only") {
        must_be(&ours, &format!("{domain}.t.example"), want, why);
    }
}

#[test]
fn what_dns_does_not_know_for_certain_costs_no_mail() {
    use Want::{Deferred, Refused, Relayed};
    // Takes questions and says nothing.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let zones = [("t.example", ZONE), ("broken.example", ""), ("bogus.example", ZONE)];
    let Some(authority) = knot(&zones) else { return };
    let known = [("t.example", false), ("bogus.example", true)];
    let Some(validating) = unbound(authority.address, &known) else { return };
    let there = TempDir::new().unwrap();
    let foreign = foreign(there.path());
    let cases: [(SocketAddr, &str, Want, &str); 9] = [
        (authority.address, "nothing.t.example", Refused("550 5.1.2 "), "NXDOMAIN"),
        (authority.address, "implicit.t.example", Relayed("implicit.t.example"), "NODATA: the domain itself"),
        (authority.address, "empty.t.example", Deferred("451 4.4.4 "), "NODATA for each question"),
        (authority.address, "broken.example", Deferred("451 4.4.3 "), "SERVFAIL"),
        (authority.address, "elsewhere.example", Deferred("451 4.4.3 "), "REFUSED"),
        (mute.local_addr().unwrap(), "t.example", Deferred("451 4.4.3 "), "no answer"),
        (
            validating.address,
            "one.bogus.example",
            Deferred("451 4.4.3 "),
            "a signature that is not ours to trust",
        ),
        (
            validating.address,
            "one.t.example",
            Relayed("mx.t.example"),
            "the same resolver, where nothing is signed",
        ),
        (validating.address, "nothing.t.example", Refused("550 5.1.2 "), "NXDOMAIN by the resolver"),
    ];
    let mut servers: Vec<(SocketAddr, TempDir, Server)> = Vec::new();
    for (resolver, domain, want, why) in &cases {
        let at = servers.iter().position(|(known, ..)| known == resolver).unwrap_or_else(|| {
            let folder = TempDir::new().unwrap();
            let relay = format!("port = {}\n{TARGETS}", foreign.address.port());
            let server = crate::routes::ours_by(folder.path(), *resolver, &relay, "");
            servers.push((*resolver, folder, server));
            servers.len() - 1
        });
        must_be(&servers[at].2, domain, want, why);
    }
}

#[test]
fn a_domain_that_worked_before_a_restart_is_waited_for_once_when_it_is_gone() {
    let there = TempDir::new().unwrap();
    let here = TempDir::new().unwrap();
    let foreign = foreign(there.path());
    let relay = format!("port = {}\n{TARGETS}", foreign.address.port());
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let mut before = ours(here.path(), Some(&dns), &relay, "");
    must_be(&before, "one.t.example", &Want::Relayed("mx.t.example"), "it works");
    before.settle();
    before.signal("TERM");
    assert!(before.wait().success());
    // The same zone without it.
    let without: String =
        ZONE.lines().filter(|line| !line.starts_with("one ")).map(|line| format!("{line}\n")).collect();
    let Some(dns) = knot(&[("t.example", &without)]) else { return };
    let file = here.path().join("mail.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let line = settings.lines().find(|line| line.starts_with("servers = ")).unwrap();
    fs::write(&file, settings.replace(line, &format!("servers = [\"{}\"]", dns.address))).unwrap();
    let after = Server::again(here.path());
    must_be(&after, "one.t.example", &Want::Deferred("451 4.1.2 "), "it worked before the restart");
    must_be(&after, "never.t.example", &Want::Refused("550 5.1.2 "), "this one never did");
    let shown = run(here.path(), &["queue", "list", "domain=one.t.example"]);
    assert!(shown.contains("one.t.example"), "{shown}");
}
