//! What `check` says about a set-up that works, and about each that does not.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::harness::{Server, binary};
use crate::neighbours::{Neighbour, clamd, free_address, is_root, knot, rspamd, unbound};
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

/// Runs it; what it says, and its exit code.
fn check(folder: &Path, settings: &str, args: &[&str]) -> (String, Option<i32>) {
    let file = folder.join("mail.toml");
    fs::write(&file, settings).unwrap();
    let mut command = binary();
    command.arg("check").arg("--config").arg(file).args(args).current_dir(folder);
    command.env("SSL_CERT_FILE", folder.join("root.pem"));
    let output = command.output().unwrap();
    (said(&output), output.status.code())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A certificate for hosts that a root in `root.pem` has signed, good from a year to a year, and its key.
pub(crate) fn certificate(folder: &Path, host: &str, from: i32, until: jiff::civil::Date) -> String {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "a root for tests");
    fs::write(folder.join("root.pem"), root.self_signed(&root_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(root, root_key);
    let mut leaf = CertificateParams::new(host.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap();
    leaf.not_before = date_time_ymd(from, 1, 1);
    leaf.not_after = date_time_ymd(until.year().into(), until.month() as u8, until.day() as u8);
    fs::write(folder.join("certificate.pem"), leaf.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    let file = folder.join("key.pem");
    fs::write(&file, key.serialize_pem()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n".to_owned()
}

pub(crate) fn in_days(days: i64) -> jiff::civil::Date {
    use jiff::ToSpan;
    // Midnight has passed already in UTC or will soon: a day more or less.
    jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date().checked_add(days.days()).unwrap()
}

/// Some time that outlives these tests.
pub(crate) fn far() -> jiff::civil::Date {
    in_days(89)
}

#[test]
fn a_set_up_that_works_is_told_so_line_by_line() {
    let Some(site) = Site::new() else { return };
    let (Some(clamd), Some(rspamd)) = (clamd("malware"), rspamd()) else { return };
    let tls = certificate(site.folder.path(), "mx.site.example", 2020, far());
    let listen = free_address();
    let settings = site.settings(
        "",
        &format!(
            "{tls}[scan]\nclamav = \"{}\"\nrspamd = \"{}\"\n[[blocklist]]\nzone = \"bl.example\"\n\
             [[listener]]\naddress = \"{listen}\"\n[[user]]\nname = \"alice\"\n",
            clamd.address, rspamd.address
        ),
    );
    let server = Server::serve(site.folder.path(), &settings);
    let (said, code) = check(site.folder.path(), &settings, &[]);
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

    let (json, _) = check(site.folder.path(), &settings, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), said.lines().count());
    assert!(json.as_array().unwrap().iter().all(|one| one["level"] != "FAIL"));
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

/// Settings of a site without DNS.
fn alone(end: &str) -> String {
    format!("hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\ndata = \"mail\"\n{end}")
}

#[test]
fn a_certificate_that_will_not_do_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let look = |tls: &str| check(path, &alone(tls), &["--offline"]);
    let row = |(said, code): (String, Option<i32>), want: &str, wanted: i32, why: &str| {
        assert!(said.contains(want), "{why}: no `{want}`:\n{said}");
        assert_eq!(code, Some(wanted), "{why}:\n{said}");
    };
    row(look(""), "warn certificate: there is none", 0, "none");
    let tls = certificate(path, "other.example.test", 2020, far());
    row(look(&tls), "FAIL certificate-name: it does not name mx.example.test", 78, "another host's");
    let tls = certificate(path, "*.example.test", 2020, far());
    row(look(&tls), "ok   certificate-name: it names mx.example.test", 0, "a wildcard");
    let tls = certificate(path, "mx.example.test", 2020, in_days(20));
    row(look(&tls), "warn certificate-days: it ends in ", 0, "renewal is late");
    let tls = certificate(path, "mx.example.test", 2020, in_days(-3));
    row(look(&tls), "FAIL certificate-days: it ended ", 78, "expired");
    let tls = certificate(path, "mx.example.test", 4000, jiff::civil::date(4001, 1, 1));
    row(look(&tls), "FAIL certificate-days: it is not good for another ", 78, "the clock is wrong");
    fs::write(path.join("root.pem"), fs::read(path.join("certificate.pem")).unwrap()).unwrap();
    let tls = certificate(path, "mx.example.test", 2020, far());
    let other_root = fs::read(path.join("root.pem")).unwrap();
    let leaf = fs::read(path.join("certificate.pem")).unwrap();
    certificate(path, "mx.example.test", 2020, far());
    fs::write(path.join("certificate.pem"), &leaf).unwrap();
    row(look(&tls), "FAIL certificate: no use for certificate.pem and key.pem", 78, "another's key");
    certificate(path, "mx.example.test", 2020, far());
    let mut chain = fs::read(path.join("certificate.pem")).unwrap();
    chain.extend_from_slice(&leaf);
    fs::write(path.join("certificate.pem"), chain).unwrap();
    row(look(&tls), "warn certificate-chain: ", 0, "one that did not sign it is behind it");
    fs::write(path.join("root.pem"), other_root).unwrap();
    row(
        look(&tls),
        "warn certificate-trust: nobody who is trusted here signed it",
        0,
        "an unknown authority",
    );
    fs::write(path.join("key.pem"), "no key").unwrap();
    row(look(&tls), "FAIL certificate: no use for certificate.pem and key.pem", 78, "no key at all");
    fs::remove_file(path.join("key.pem")).unwrap();
    row(look(&tls), "FAIL certificate: can't read key.pem", 78, "no file");
}

#[test]
fn secrets_that_others_can_read_and_people_who_keep_scram_away_are_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let tls = certificate(path, "mx.example.test", 2020, far());
    fs::create_dir(path.join("mail")).unwrap();
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$PRC4IRbH5qbsVtGQfwjTgNAOaN4gHTW1ZJmWTyZh5nw";
    let users = path.join("mail/users.toml");
    fs::write(&users, format!("[[user]]\nname = \"alice\"\npassword = \"{hash}\"\n")).unwrap();
    for (file, mode, want, code) in [
        (
            "key.pem",
            0o644,
            "FAIL key: everybody here can read key.pem (644); who has the key can pass for this server; chmod 600 key.pem",
            78,
        ),
        ("key.pem", 0o640, "warn key: others can read key.pem (640)", 0),
        ("mail/users.toml", 0o604, "FAIL users-file: everybody here can read mail/users.toml (604)", 78),
        (
            "mail",
            0o755,
            "warn mail-folder: others can read mail (755); mail is its owner's; chmod 700 mail",
            0,
        ),
    ] {
        for (file, mode) in [("key.pem", 0o600), ("mail/users.toml", 0o600), ("mail", 0o700)] {
            fs::set_permissions(path.join(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(path.join(file), fs::Permissions::from_mode(mode)).unwrap();
        let (said, got) = check(path, &alone(&tls), &["--offline"]);
        assert!(said.contains(want), "{file}: no `{want}`:\n{said}");
        assert_eq!(got, Some(code), "{file}: {said}");
        assert!(said.contains("warn log-in: alice lack SCRAM keys"), "{said}");
    }
    let submission = format!("{tls}[[listener]]\nkind = \"submission\"\naddress = \"127.0.0.1:0\"\n");
    fs::remove_file(&users).unwrap();
    let (said, _) = check(path, &alone(&submission), &["--offline"]);
    assert!(said.contains("warn log-in: nobody can log in"), "{said}");
    fs::write(&users, "[[user]]\nname = \"alice\"\npassword = \"hunter2\"\n").unwrap();
    let (said, code) = check(path, &alone(&tls), &["--offline"]);
    assert!(said.contains("FAIL users: ") && !said.contains("hunter2") && code == Some(78), "{said}");
}

#[test]
fn neighbours_that_do_not_answer_or_are_others_are_told() {
    let folder = TempDir::new().unwrap();
    let dead = free_address();
    let server = Server::demo();
    let other = server.address;
    for (key, name, place, want) in [
        ("clamav", "clamd", dead, "can't connect to"),
        ("rspamd", "rspamd", dead, "can't connect to"),
        ("clamav", "clamd", other, "no answer in time"),
        ("rspamd", "rspamd", other, "rspamd says 220"),
    ] {
        let settings = alone(&format!("[scan]\n{key} = \"{place}\"\ntimeout_seconds = 2\n"));
        let (said, code) = check(folder.path(), &settings, &["--offline"]);
        assert!(said.contains(&format!("FAIL {name}: {want}")), "{name}: no `{want}`:\n{said}");
        assert_eq!(code, Some(69), "{said}");
    }
    let lmtp = |place: &str| {
        let domain = format!("[[domain]]\nname = \"example.test\"\ndelivery = \"lmtp:{place}\"\n");
        check(folder.path(), &alone(&domain), &["--offline"])
    };
    for (place, want, why) in [
        (dead.to_string(), "no connection", "nobody listens"),
        (other.to_string(), "this is SMTP", "it speaks SMTP, not LMTP"),
        ("unix:/nowhere/lmtp".to_owned(), "no connection", "no such socket"),
    ] {
        let (said, code) = lmtp(&place);
        let start = format!("FAIL lmtp example.test: {place}: ");
        let line =
            said.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{why}:\n{said}"));
        assert!(line.contains(want) && code == Some(69), "{why}: {line}");
    }
    let store = TempDir::new().unwrap();
    let settings = alone("[[listener]]\nkind = \"lmtp\"\naddress = \"127.0.0.1:0\"\n");
    let store = Server::serve(store.path(), &settings);
    let (said, code) = lmtp(&store.address.to_string());
    assert!(said.contains("ok   lmtp example.test: ") && code == Some(0), "{said}");
}

#[test]
fn an_open_relay_is_found_without_sending_anything() {
    let Some(mut sink) = peer("smtp-sink") else { return };
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let mut child = sink
        .args(if is_root() { &["-u", "nobody"][..] } else { &[] })
        .args([&address.to_string(), "10"])
        .spawn()
        .unwrap();
    let settings = alone(&format!("[[listener]]\naddress = \"{address}\"\n"));
    // It listens when it listens; until then nobody can be asked, which is a warning.
    let until = std::time::Instant::now() + crate::harness::PATIENCE;
    let (said, code) = loop {
        let (said, code) = check(folder.path(), &settings, &["--offline"]);
        if !said.contains("nobody could be asked") || std::time::Instant::now() > until {
            break (said, code);
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    let want =
        format!("FAIL relay {address}: it takes mail from strangers for <someone@relay-check.invalid>");
    assert!(said.contains(&want), "no `{want}`:\n{said}");
    assert_eq!(code, Some(78), "{said}");
    let (said, code) = check(folder.path(), &settings, &["--offline"]);
    assert!(said.contains(&format!("warn relay {address}: nobody could be asked")), "{said}");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn too_few_descriptors_and_a_folder_that_can_not_be_written_to_are_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mail.toml");
    fs::write(&file, alone("")).unwrap();
    for (limit, want, code) in
        [(200, "FAIL descriptors: 200 may be open", 78), (400, "warn descriptors: 400 may be open", 0)]
    {
        let run = format!("ulimit -n {limit} && exec \"$0\" check --offline --config \"$1\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(run).arg(binary().get_program()).arg(&file).current_dir(folder.path());
        let output = shell.output().unwrap();
        assert!(said(&output).contains(want), "{}", said(&output));
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    }
    // Nobody, not even root, can write there.
    let settings = alone("").replace("\"mail\"", "\"/proc/self\"");
    let (said, code) = check(folder.path(), &settings, &["--offline"]);
    assert!(said.contains("FAIL disk-sync: can't write to /proc/"), "{said}");
    assert_eq!(code, Some(73), "{said}");
}

#[test]
fn a_queue_that_has_failed_is_told_and_so_is_what_waits_for_the_operator() {
    let folder = TempDir::new().unwrap();
    let settings = alone("[[listener]]\naddress = \"127.0.0.1:0\"\n[[user]]\nname = \"alice\"\n");
    let (said, _) = check(folder.path(), &settings, &["--offline"]);
    assert!(said.contains("ok   queue: there is none yet"), "{said}");
    let server = Server::serve(folder.path(), &settings);
    let db = folder.path().join("mail/.queue/queue.db");
    let broken = crate::queue::Broken::new(server.data.join("alice/new"));
    crate::queue::send(&server, "<a@client.example>", &["<alice@example.test>"], "x");
    server.settle();
    crate::queue::queue(&server.data, "hold", &["all"]);
    let (said, code) = check(folder.path(), &settings, &["--offline"]);
    assert!(said.contains("ok   queue: a server works at it; deliveries that wait: 0\n"), "{said}");
    assert!(said.contains("warn queue-held: deliveries that are held: 1; they wait for you"), "{said}");
    assert_eq!(code, Some(0), "{said}");
    drop(broken);
    // A disk that has lost what was on it.
    let other = rusqlite::Connection::open(&db).unwrap();
    other.execute("INSERT INTO meta VALUES ('x', 'y')", []).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let octets = fs::metadata(&db).unwrap().len() as usize;
    let file = fs::OpenOptions::new().write(true).open(&db).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xAA; octets - 4096], 4096).unwrap();
    let mut client = server.connect();
    client.say_all(&["EHLO x.example", "MAIL FROM:<>", "RCPT TO:<alice@example.test>", "DATA"]);
    let reply = client.say("x\r\n.");
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let (said, code) = check(folder.path(), &settings, &["--offline"]);
    assert!(
        said.contains("FAIL server: its queue has failed: database disk image is malformed; nothing is"),
        "{said}"
    );
    assert_eq!(code, Some(74), "{said}");
}

#[test]
fn settings_that_can_not_be_read_end_it_as_they_end_serve() {
    let folder = TempDir::new().unwrap();
    let (said, code) = check(folder.path(), "hostnme = 1\n", &[]);
    assert!(said.contains("unknown key `hostnme`") && said.contains("did you mean `hostname`?"), "{said}");
    assert_eq!(code, Some(78));
}
