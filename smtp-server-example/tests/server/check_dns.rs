//! What `check` says about a site with its DNS, and what `dns print` has published for it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use crate::check::{alone, certificate, check, command, far, said};
use crate::harness::Server;
use crate::neighbours::{Neighbour, clamd, free_address, knot, rspamd, unbound};
use crate::peers::{peer, succeed};

const ZONE: &str = "
@ MX 10 mx
@ TXT \"v=spf1 mx -all\"
_dmarc TXT \"v=DMARC1; p=none\"
two MX 10 mx
two TXT \"v=spf1 mx -all\"
two TXT \"v=spf1 -all\"
mx A 198.51.100.9
mx AAAA 2001:db8::9
lists MX 10 mx
lists TXT \"v=spf1 mx -all\"
_dmarc.lists TXT \"v=DMARC1; p=none\"
backup MX 5 elsewhere
backup MX 10 mx
elsewhere A 198.51.100.77
away MX 10 elsewhere
null MX 0 .
only A 198.51.100.9
bare TXT \"nothing\"
nobody A 198.51.100.66
nat A 198.51.100.9
";
const REVERSE4: &str = "9 PTR mx.site.example.\n77 PTR elsewhere.site.example.\n";
const REVERSE6: &str = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR mx.site.example.\n";
/// Test points of RFC 5782 §5, as a list that works has them, and our own address.
const LIST: &str = "2.0.0.127 A 127.0.0.2\n";
const LISTS_US: &str = "2.0.0.127 A 127.0.0.2\n9.100.51.198 A 127.0.0.2\n9.100.51.198 TXT \"spam seen\"\n";
const LISTS_ALL: &str = "* A 127.0.0.2\n";
const REFUSES: &str = "* A 127.255.255.254\n";

/// A site: its folder, its DNS.
struct Site {
    folder: TempDir,
    dns: SocketAddr,
    _servers: [Neighbour; 2],
}

impl Site {
    /// None if a DNS server is missing and may be.
    fn new() -> Option<Self> {
        let zones = [
            ("site.example", ZONE),
            ("100.51.198.in-addr.arpa", REVERSE4),
            ("8.b.d.0.1.0.0.2.ip6.arpa", REVERSE6),
            ("bl.example", LIST),
            ("us.bl.example", LISTS_US),
            ("all.bl.example", LISTS_ALL),
            ("refuses.bl.example", REFUSES),
            ("broken.example", ""),
        ];
        let authority = knot(&zones)?;
        let names: Vec<_> = zones.iter().map(|(name, _)| (*name, false)).collect();
        let resolver = unbound(authority.address, &names)?;
        let (folder, dns) = (TempDir::new().unwrap(), resolver.address);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::DirBuilder::new().create(folder.path().join("mail")).unwrap();
        fs::set_permissions(folder.path().join("mail"), fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self { folder, dns, _servers: [authority, resolver] })
    }

    /// Settings with these lines at the top and at the end.
    fn settings(&self, top: &str, end: &str) -> String {
        let hostname = if top.contains("hostname") { "" } else { "hostname = \"mx.site.example\"\n" };
        let domains = if top.contains("domains") { "" } else { "domains = [\"site.example\"]\n" };
        format!(
            "{hostname}{domains}{top}data = \"mail\"\n\
             [dns]\nservers = [\"{}\"]\ntimeout_seconds = 2\nown_addresses = [\"198.51.100.9\", \"2001:db8::9\"]\n{end}",
            self.dns
        )
    }
}

#[test]
fn a_set_up_that_works_is_told_so_line_by_line() {
    let Some(site) = Site::new() else { return };
    let (Some(clamd), Some(rspamd)) = (clamd("malware"), rspamd()) else { return };
    let tls = certificate(site.folder.path(), "mx.site.example", 2020, far());
    let listen = free_address();
    let store = TempDir::new().unwrap();
    let mailboxes = alone("[[listener]]\nkind = \"lmtp\"\naddress = \"127.0.0.1:0\"\n");
    let mailboxes = Server::serve(store.path(), &mailboxes);
    let settings = site.settings(
        "",
        &format!(
            "{tls}[scan]\nclamav = \"{}\"\nrspamd = \"{}\"\n[[blocklist]]\nzone = \"bl.example\"\n\
             [[domain]]\nname = \"lists.site.example\"\ndelivery = \"lmtp:{}\"\n\
             [[listener]]\naddress = \"{listen}\"\n[[user]]\nname = \"alice\"\n",
            clamd.address, rspamd.address, mailboxes.address
        ),
    );
    let server = Server::serve(site.folder.path(), &settings);
    let output = command(site.folder.path(), &settings, &[]).output().unwrap();
    let (said, code) = (said(&output), output.status.code());
    for want in [
        "ok   settings: ",
        "ok   users: 2 have mail here",
        "ok   key: key.pem is its owner's alone",
        "ok   certificate: certificate.pem is the certificate of its key",
        "ok   certificate-name: it names mx.site.example",
        "ok   certificate-days: it is good for 8",
        "ok   certificate-chain: certificates in the file: 1",
        "ok   certificate-trust: this machine trusts it",
        "a sync takes ",
        "ok   clock: ",
        "ok   address mx.site.example: 198.51.100.9, 2001:db8::9",
        "ok   reverse 198.51.100.9: it is mx.site.example, which leads back",
        "ok   reverse 2001:db8::9: it is mx.site.example, which leads back",
        "ok   mx site.example: 10 mx.site.example is this server",
        "ok   spf site.example: v=spf1 mx -all",
        "ok   dmarc site.example: v=DMARC1; p=none",
        "ok   queue: a server works at it; deliveries that wait: 0",
        "ok   resolver: ",
        "ok   blocklist bl.example ipv4: ",
        "ok   listed 198.51.100.9: ",
        &format!("ok   clamd: {} answers", clamd.address),
        &format!("ok   rspamd: {} answers", rspamd.address),
        &format!("ok   relay {listen}: 1"),
    ] {
        assert!(said.contains(want), "no `{want}`:\n{said}");
    }
    assert!(!said.contains("FAIL") && code == Some(0), "{code:?}\n{said}");
    assert!(server.mail("alice").is_empty() && server.mail("postmaster").is_empty(), "nothing is sent");

    for (item, name) in [
        ("configuration", "settings"),
        ("certificate", "certificate"),
        ("its days", "certificate-days"),
        ("what is shown", &format!("shown mx {listen}")),
        ("DNS", "mx site.example"),
        ("PTR of IPv4", "reverse 198.51.100.9"),
        ("PTR of IPv6", "reverse 2001:db8::9"),
        ("disk", "disk"),
        ("fsync", "disk-sync"),
        ("descriptors", "descriptors"),
        ("clock", "clock"),
        ("whether it is kept right", "clock-kept"),
        ("scanners", "clamd"),
        ("scanners", "rspamd"),
        ("a store", "lmtp lists.site.example"),
        ("test points of a list", "blocklist bl.example ipv4"),
        ("relay probe", &format!("relay {listen}")),
    ] {
        let count = said
            .lines()
            .filter(|line| line.get(5..).is_some_and(|line| line.starts_with(&format!("{name}: "))))
            .count();
        assert_eq!(count, 1, "{item}, by the name {name}:\n{said}");
    }

    let (json, code) = check(site.folder.path(), &settings, &[]);
    let names =
        |said: &str| said.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((names(&json), code), (names(&said), Some(0)), "with --json it says the same");
}

#[test]
fn what_is_wrong_in_dns_is_told_with_what_to_publish() {
    let Some(site) = Site::new() else { return };
    for (top, want, code, why) in [
        (
            "domains = [\"away.site.example\"]\n",
            "FAIL mx away.site.example: elsewhere.site.example take its mail",
            68,
            "another's",
        ),
        (
            "domains = [\"backup.site.example\"]\n",
            "ok   mx backup.site.example: 10 mx.site.example",
            0,
            "second of two",
        ),
        (
            "domains = [\"only.site.example\"]\n",
            "warn dmarc only.site.example: there is no policy; large providers ask for one",
            0,
            "no DMARC",
        ),
        ("domains = [\"null.site.example\"]\n", "FAIL mx null.site.example: a null MX", 68, "RFC 7505"),
        (
            "domains = [\"only.site.example\"]\n",
            "warn mx only.site.example: there is no MX record, only",
            0,
            "implicit MX",
        ),
        (
            "domains = [\"bare.site.example\"]\n",
            "FAIL mx bare.site.example: there is no MX record; no mail comes; publish: bare.site.example. MX 10 mx.site.example.",
            68,
            "no MX and no address",
        ),
        (
            "domains = [\"not.site.example\"]\n",
            "FAIL mx not.site.example: the domain does not exist",
            68,
            "NXDOMAIN",
        ),
        ("domains = [\"broken.example\"]\n", "FAIL mx broken.example: DNS fails: SERVFAIL", 75, "SERVFAIL"),
        (
            "hostname = \"bare.site.example\"\n",
            "FAIL address bare.site.example: it has no address in DNS",
            68,
            "no address",
        ),
        (
            "hostname = \"elsewhere.site.example\"\n",
            "FAIL address elsewhere.site.example: 198.51.100.77 is no address of this machine",
            68,
            "moved",
        ),
        (
            "hostname = \"nobody.site.example\"\n",
            "FAIL reverse 198.51.100.66: it has no name that leads back",
            68,
            "no PTR",
        ),
        (
            "hostname = \"nat.site.example\"\n",
            "warn reverse 198.51.100.9: it is mx.site.example, we call ourselves nat.site.example",
            0,
            "another name",
        ),
        (
            "hostname = \"mx.broken.example\"\n",
            "FAIL address mx.broken.example: DNS fails: SERVFAIL",
            75,
            "SERVFAIL",
        ),
    ] {
        let (said, got) = check(site.folder.path(), &site.settings(top, ""), &[]);
        assert!(said.contains(want), "{why}: no `{want}`:\n{said}");
        assert_eq!(got, Some(code), "{why}:\n{said}");
    }
    let settings = site.settings("", "[relay]\nsource_addresses = [\"198.51.100.77\"]\n");
    let (said, _) = check(site.folder.path(), &settings, &[]);
    assert!(said.contains("warn reverse 198.51.100.77: this machine sends from there"), "{said}");
    let (said, code) =
        check(site.folder.path(), &site.settings("domains = [\"not.site.example\"]\n", ""), &["--offline"]);
    assert!(!said.contains("mx ") && code == Some(0), "DNS is not asked: {said}");
}

#[test]
fn lists_that_do_not_work_or_have_us_are_told() {
    let Some(site) = Site::new() else { return };
    for (zone, want, code, why) in [
        (
            "all.bl.example",
            "FAIL blocklist all.bl.example ipv4: it lists every address",
            69,
            "a list that has ended",
        ),
        (
            "refuses.bl.example",
            "FAIL blocklist refuses.bl.example ipv4: it refuses our questions (127.255.255.254)",
            69,
            "a public resolver",
        ),
        ("no.site.example", "FAIL blocklist no.site.example ipv4: it lacks the address", 69, "no list"),
        ("bl.broken.example", "FAIL blocklist bl.broken.example ipv4: SERVFAIL", 69, "no answer"),
        (
            "us.bl.example",
            "FAIL listed 198.51.100.9: us.bl.example has this server: spam seen",
            65,
            "we are on it",
        ),
    ] {
        let settings = site.settings("", &format!("[[blocklist]]\nzone = \"{zone}\"\n"));
        let (said, got) = check(site.folder.path(), &settings, &[]);
        assert!(said.contains(want), "{why}: no `{want}`:\n{said}");
        assert_eq!(got, Some(code), "{why}:\n{said}");
    }
}

#[test]
fn what_dns_print_prints_can_be_published_and_is_what_check_wants() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mail.toml");
    let settings = "hostname = \"mx.a.example\"\ndomains = [\"a.example\", \"b.example\"]\ndata = \"mail\"\n\
                    [auth]\nallow_insecure_auth = true\n[[listener]]\nkind = \"submission\"\naddress = \"[::]:587\"\n";
    fs::write(&file, settings).unwrap();
    let print = |more: &[&str]| {
        let args =
            ["dns", "print", "--config", file.to_str().unwrap(), "--imap", "--address", "198.51.100.9"];
        let output = crate::harness::run(&[&args[..], &["--address", "2001:db8::9"], more].concat());
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let (zone, table) = (print(&["--zone"]), print(&[]));
    let json: serde_json::Value = serde_json::from_str(&print(&["--json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), zone.lines().count());
    assert!(table.contains("a.example.  ") && table.contains("  MX    10 mx.a.example.\n"), "{table}");

    for domain in ["a.example", "b.example"] {
        for record in ["_submission._tcp.{} 3600 IN SRV 0 1 587", "_imaps._tcp.{} 3600 IN SRV 0 1 993"] {
            let record = record.replace("{}", &format!("{domain}.")) + " mx.a.example. ";
            assert!(zone.contains(&record), "no `{record}`:\n{zone}");
        }
    }
    // Knot does not load what it can't read, and then nothing resolves.
    let of = |zone_name: &str| {
        let ending = format!("{zone_name}.");
        let mine = |line: &&str| line.split(' ').next().unwrap().ends_with(&ending);
        zone.lines().filter(mine).collect::<Vec<_>>().join("\n") + "\n"
    };
    let names = ["a.example", "b.example", "100.51.198.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];
    let zones: Vec<_> = names.iter().map(|name| (*name, of(name))).collect();
    let zones: Vec<_> = zones.iter().map(|(name, records)| (*name, records.as_str())).collect();
    let Some(checker) = peer("kzonecheck") else { return };
    for (name, records) in &zones {
        let file = folder.path().join(format!("{name}.zone"));
        let head = "@ 60 SOA ns hostmaster 1 60 60 60 60\n@ 60 NS ns\nns 60 A 127.0.0.1\n";
        fs::write(&file, format!("$ORIGIN {name}.\n{head}{records}")).unwrap();
        succeed(Command::new(checker.get_program()).args(["--origin", name]).arg(&file));
    }
    let Some(dns) = knot(&zones) else { return };
    let Some(resolver) = unbound(dns.address, &names.map(|name| (name, false))) else { return };
    let own = format!(
        "{settings}[dns]\nservers = [\"{}\"]\nown_addresses = [\"198.51.100.9\", \"2001:db8::9\"]\n",
        resolver.address
    );
    let (said, code) = check(folder.path(), &own, &[]);
    for want in [
        "ok   address mx.a.example: 198.51.100.9, 2001:db8::9",
        "ok   reverse 198.51.100.9: it is mx.a.example",
        "ok   reverse 2001:db8::9: it is mx.a.example",
        "ok   mx a.example: ",
        "ok   mx b.example: ",
        "ok   spf a.example: v=spf1 mx -all",
        "ok   spf b.example: v=spf1 mx -all",
        "ok   dmarc a.example: v=DMARC1; p=none",
        "ok   dmarc b.example: v=DMARC1; p=none",
    ] {
        assert!(said.contains(want), "no `{want}`:\n{said}\n{zone}");
    }
    assert_eq!(code, Some(0), "{said}");
}
