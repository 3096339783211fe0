//! What `check` says about a set-up that works, and about each that does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::harness::{Server, binary};
use crate::neighbours::{free_address, is_root};
use crate::peers::peer;

pub(crate) fn command(folder: &Path, settings: &str, args: &[&str]) -> Command {
    let file = folder.join("mail.toml");
    fs::write(&file, settings).unwrap();
    let mut command = binary();
    command.arg("check").arg("--config").arg(file).args(args).current_dir(folder);
    command.env("SSL_CERT_FILE", folder.join("root.pem"));
    command
}

/// Runs it; what it says, and its exit code.
pub(crate) fn check(folder: &Path, settings: &str, args: &[&str]) -> (String, Option<i32>) {
    let output = command(folder, settings, &[args, &["--json"]].concat()).output().unwrap();
    (lines(&output), output.status.code())
}

/// The lines that it prints without `--json`. Whatever is not well says why that matters and what to do.
fn lines(output: &Output) -> String {
    let Ok(found) = serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout) else {
        return said(output);
    };
    let part = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let line = |one: &serde_json::Value| {
        let (level, why, remedy) = (part(one, "level"), part(one, "why"), part(one, "do"));
        assert_eq!(level != "ok", !why.is_empty() && !remedy.is_empty(), "{one}");
        let parts = [part(one, "what"), why, remedy];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{level:<4} {}: {}\n", part(one, "name"), parts.join("; "))
    };
    found.iter().map(line).collect::<String>() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn said(output: &Output) -> String {
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
fn whoever_keeps_the_clock_right_is_asked() {
    let folder = TempDir::new().unwrap();
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let tool = |name: &str, says: &str| {
        let file = tools.join(name);
        fs::write(&file, format!("#!/bin/sh\nprintf '%s\\n' '{says}'\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let look = || {
        let mut command = command(folder.path(), &alone(""), &["--offline", "--json"]);
        lines(&command.env("PATH", &tools).output().unwrap())
    };
    let row = |want: &str, why: &str| {
        let said = look();
        assert!(said.contains(want), "{why}: no `{want}`:\n{said}");
    };
    // Where systemd-timesyncd has set this machine's clock, it is the next that is asked.
    if !Path::new("/run/systemd/timesync/synchronized").exists() {
        row("warn clock-kept: nobody here knows", "no programs");
        tool("timedatectl", "NTPSynchronized=no");
        row("warn clock-kept: the kernel says that nothing keeps it right; dates in mail", "not set");
        tool("timedatectl", "NTPSynchronized=yes");
        row("ok   clock-kept: the kernel says that something keeps it right", "set");
    }
    let chrony = "C0000202,192.0.2.2,3,1764086400.1,OFF,0.0,0.0,0.0,0.0,0.0,0.0,0.0,64.5";
    tool("chronyc", &(chrony.replace("OFF", "-0.000012") + ",Normal"));
    row("ok   clock-kept: chrony keeps it, and says that it is off by 0.000012 s", "by chrony");
    tool("chronyc", &(chrony.replace("OFF", "-42.5") + ",Normal"));
    row("warn clock-kept: chrony says that it is off by 42.5 s; dates in mail", "far off");
    tool("chronyc", &(chrony.replace("OFF", "0.0") + ",Not synchronised"));
    row("warn clock-kept: chrony says that nothing keeps it right; dates in mail", "it reaches nobody");
}

/// Settings of a site without DNS.
pub(crate) fn alone(end: &str) -> String {
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
fn a_server_that_shows_another_certificate_than_the_file_is_told() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path();
    let (mx, submission, submissions) = (free_address(), free_address(), free_address());
    let listeners = format!(
        "[[listener]]\naddress = \"{mx}\"\n[[listener]]\nkind = \"submission\"\naddress = \"{submission}\"\n\
         [[listener]]\nkind = \"submissions\"\naddress = \"{submissions}\"\n"
    );
    let tls = certificate(path, "mx.example.test", 2020, in_days(-3));
    let settings = alone(&format!("{tls}{listeners}"));
    let all = |said: &str, want: &str| {
        for (kind, address) in [("mx", mx), ("submission", submission), ("submissions", submissions)] {
            let want = want.replace("{}", &format!("shown {kind} {address}"));
            assert!(said.contains(&want), "no `{want}`:\n{said}");
        }
    };
    let (said, _) = check(path, &settings, &["--offline"]);
    all(&said, "ok   shown: no server runs by these settings");
    let server = Server::serve(path, &settings);
    let (said, _) = check(path, &settings, &["--offline"]);
    all(&said, "ok   {}: it shows the certificate that is in the file\n");
    // What the settings name by now, and the server does not know of.
    certificate(other.path(), "mx.example.test", 2020, far());
    let renewed = settings
        .replace("certificate.pem", other.path().join("certificate.pem").to_str().unwrap())
        .replace("key.pem", other.path().join("key.pem").to_str().unwrap());
    let (said, code) = check(path, &renewed, &["--offline"]);
    all(&said, "FAIL {}: it shows another certificate than the file's, which has ended; who checks it");
    assert_eq!(code, Some(78), "{said}");
    drop(server);

    certificate(path, "mx.example.test", 2020, in_days(30));
    let server = Server::serve(path, &settings);
    let (said, code) = check(path, &renewed, &["--offline"]);
    all(&said, "warn {}: it shows another certificate than the file's; clients see what is shown");
    assert_eq!(code, Some(0), "{said}");
    let elsewhere = free_address();
    let (said, _) = check(path, &settings.replace(&mx.to_string(), &elsewhere.to_string()), &["--offline"]);
    let want = format!("warn shown mx {elsewhere}: nobody could be asked: ");
    assert!(said.contains(&want), "no `{want}`:\n{said}");
    drop(server);

    let _server = Server::serve(path, &alone(&format!("[[listener]]\naddress = \"{mx}\"\n")));
    let (said, code) = check(path, &settings, &["--offline"]);
    let want = format!("FAIL shown mx {mx}: it shows no certificate: ");
    assert!(said.contains(&want), "no `{want}`:\n{said}");
    assert_eq!(code, Some(78), "{said}");
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
