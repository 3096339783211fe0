//! Where mail would go, by the answers of real DNS servers.

use std::net::{SocketAddr, UdpSocket};
use std::process::Output;

use crate::harness::run;
use crate::neighbours::{free_address, knot, unbound};

/// Each domain is one case of RFC 5321 §5 or RFC 7505.
const ZONE: &str = "
two        MX 20 mx2
two        MX 10 mx1
mx1        A 198.51.100.1
mx2        A 198.51.100.2
mx2        AAAA 2001:db8::2
implicit   A 198.51.100.3
null       MX 0 .
self       MX 10 us
backup     MX 10 mx1
backup     MX 20 us
nat        MX 10 mx1
nat        MX 20 ours-by-address
us         A 198.51.100.99
ours-by-address A 198.51.100.99
aliased    MX 10 alias
alias      CNAME mx1
nick       CNAME two
v6only     MX 10 six
six        AAAA 2001:db8::6
deadfirst  MX 10 nowhere
deadfirst  MX 20 mx2
noaddress  MX 10 empty
empty      TXT \"no address\"
loopback   MX 10 localmx
localmx    A 127.0.0.1
localmx    AAAA ::1
literally  MX 10 198.51.100.7
twelve     MX 1 a
twelve     MX 2 b
twelve     MX 3 c
twelve     MX 4 d
twelve     MX 5 e
twelve     MX 6 f
twelve     MX 7 g
twelve     MX 8 h
twelve     MX 9 i
twelve     MX 10 j
twelve     MX 11 k
twelve     MX 12 l
*.hosts    A 198.51.100.50
a CNAME a.hosts
b CNAME b.hosts
c CNAME c.hosts
d CNAME d.hosts
e CNAME e.hosts
f CNAME f.hosts
g CNAME g.hosts
h CNAME h.hosts
i CNAME i.hosts
j CNAME j.hosts
k CNAME k.hosts
l CNAME l.hosts
";

fn route(resolver: SocketAddr, domain: &str, more: &[&str]) -> Output {
    let resolver = resolver.to_string();
    let args = ["route", domain, "--resolver", &resolver, "--own-name", "us.t.example"];
    run(&[&args[..], &["--own-address", "198.51.100.99"], more].concat())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a case must come to: hosts in their order, or an exit code and what is said.
enum Want {
    Hosts(&'static [&'static str]),
    Fails(i32, &'static str),
}

#[test]
fn a_zone_is_read_as_the_rfcs_say() {
    use Want::{Fails, Hosts};
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    for (domain, want, why) in [
        ("two", Hosts(&["mx1", "mx2"]), "sorted by preference"),
        ("implicit", Hosts(&["implicit"]), "no MX: the domain itself"),
        ("null", Fails(68, "556 5.1.10 "), "null MX"),
        ("self", Fails(68, "550 5.4.6 "), "we are its best host"),
        ("backup", Hosts(&["mx1"]), "we are its second host"),
        ("nat", Hosts(&["mx1"]), "the same, known by address"),
        ("aliased", Hosts(&["alias"]), "a host may be an alias, against RFC 5321 §5.1"),
        ("nick", Hosts(&["mx1", "mx2"]), "a domain that is an alias"),
        ("v6only", Hosts(&["six"]), "no address of IPv4"),
        ("deadfirst", Hosts(&["mx2"]), "a host that does not exist is passed over"),
        ("noaddress", Fails(75, "451 4.4.4 "), "nobody has an address, for now"),
        ("loopback", Fails(68, "550 5.4.4 "), "loopback is refused"),
        ("literally", Fails(75, "451 4.4.4 "), "an address is no name"),
        ("ns.missing", Fails(68, "550 5.1.2 "), "NXDOMAIN"),
        ("empty", Fails(75, "451 4.4.4 "), "NODATA for all of MX, A and AAAA"),
        (
            "twelve",
            Hosts(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]),
            "more than fit into UDP's 512",
        ),
    ] {
        let output = route(dns.address, &format!("u@{domain}.t.example"), &[]);
        let said = said(&output);
        match want {
            Fails(code, text) => {
                assert!(said.contains(text), "{domain}: {why}: {said}");
                assert_eq!(output.status.code(), Some(code), "{domain}: {why}: {said}");
            }
            Hosts(hosts) => {
                let got: Vec<_> = said.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
                let hosts: Vec<_> = hosts.iter().map(|host| format!("{host}.t.example")).collect();
                assert_eq!(got, hosts, "{domain}: {why}: {said}");
            }
        }
    }
    let both = said(&route(dns.address, "two.t.example", &[]));
    assert!(
        both.contains(" mx2.t.example ") && both.contains("2001:db8::2") && both.contains("198.51.100.2")
    );
    let allowed = said(&route(dns.address, "loopback.t.example", &["--allow-target", "127.0.0.0/8"]));
    assert_eq!(allowed, "10 localmx.t.example 127.0.0.1\n");
}

#[test]
fn what_is_not_known_now_is_tried_later() {
    // The address of a mute server: it takes questions and says nothing.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let Some(dns) = knot(&[("t.example", ZONE), ("broken.example", "")]) else { return };
    let Some(validating) = unbound(dns.address, &[("t.example", false), ("bogus.example", true)]) else {
        return;
    };
    for (resolver, domain, text, why) in [
        (dns.address, "broken.example", "SERVFAIL", "a zone that can't be loaded"),
        (dns.address, "elsewhere.example", "REFUSED", "a name the server has nothing to say about"),
        (mute.local_addr().unwrap(), "t.example", "no answer in time", "a server that does not answer"),
        (validating.address, "bogus.example", "SERVFAIL", "an answer that does not validate"),
        (free_address(), "t.example", "451 4.4.3 ", "no server at all"),
    ] {
        let output = route(resolver, domain, &["--timeout", "1"]);
        let said = said(&output);
        assert!(said.contains("451 4.4.3 ") && said.contains(text), "{domain}: {why}: {said}");
        assert_eq!(output.status.code(), Some(75), "{domain}: {why}");
    }
    let output = route(validating.address, "two.t.example", &[]);
    assert!(output.status.success(), "the same resolver knows other zones: {}", said(&output));
}

#[test]
fn equal_hosts_do_not_always_come_in_the_same_order() {
    let zone = "d MX 10 a\nd MX 10 b\nd MX 10 c\na A 198.51.100.1\nb A 198.51.100.2\nc A 198.51.100.3\n";
    let Some(dns) = knot(&[("t.example", zone)]) else { return };
    let first = said(&route(dns.address, "d.t.example", &[]));
    assert_eq!(first.lines().count(), 3, "{first}");
    // 1 in 6 is the same by chance; 40 times in a row is not.
    assert!((0..40).any(|_| said(&route(dns.address, "d.t.example", &[])) != first), "always {first}");
}
