//! A server to play with: no settings, and nothing of it but the mail outlives the process.

use std::path::{Path, PathBuf};

use crate::cli::Demo;
use crate::config::{Config, Kind, Listener};
use crate::failure::{Failure, Kind as FailureKind};
use crate::listen::Door;
use crate::log::Log;
use crate::mailroom::Waiting;
use crate::people::{Account, Passwords, People, random_text};
use crate::systemd::Sockets;
use crate::{serve, tls};

/// Largest message: 25 MB, what many providers take.
const MESSAGE_OCTETS: u64 = 25_000_000;

/// The certificate's file in the mail folder; no user has that name.
const CERTIFICATE: &str = "demo-certificate.pem";

/// Who can log in.
const USERS: [&str; 2] = ["alice", "bob"];

/// Runs it.
pub(crate) fn run(demo: Demo, log: &Log) -> Result<(), Failure> {
    let mut config =
        Config { data: demo.data, blocklist: Vec::new(), route: Vec::new(), ..Config::example() };
    config.limits.message_octets = MESSAGE_OCTETS;
    // Nobody has a demonstration in mind that sends mail to strangers.
    config.relay.enabled = false;
    config.listener = vec![
        Listener::new(Kind::Mx, demo.listen),
        Listener::new(Kind::Submission, demo.listen_submission),
        Listener::new(Kind::Submissions, demo.listen_submissions),
    ];
    // The passwords are printed, so there is nothing to protect by slow hashes; it starts at once instead.
    (config.auth.argon2_memory_kib, config.auth.argon2_passes) = (64, 1);
    config.auth.scram_iterations = smtp_proto::limits::SCRAM_MIN_ITERATIONS;
    std::fs::create_dir_all(&config.data).map_err(|error| serve::no_folder(&config.data, &error))?;
    let certificate = config.data.join(CERTIFICATE);
    let tls = tls::self_made(&config.hostname, &certificate)?;
    let passwords = USERS.map(|user| (user, demo.password.clone().unwrap_or_else(random_text)));
    let people = People::in_memory(&config, accounts(&config, &passwords)?)?;
    serve::run(people, Waiting::Tried, log, Some(tls), Sockets::default(), None, |doors, people| {
        Some(banner(people, doors, &certificate, &passwords))
    })
}

fn accounts(config: &Config, passwords: &[(&str, String)]) -> Result<Vec<Account>, Failure> {
    let wrong = |what| Failure::new(FailureKind::Usage, format!("--password: no password: {what}"));
    let hasher = Passwords::new(&config.auth).map_err(wrong)?;
    let account = |(user, password): &(&str, String)| {
        Ok(Account {
            name: (*user).to_owned(),
            password: Some(hasher.hash(password).map_err(wrong)?),
            scram_sha_256: Some(hasher.keys(password).map_err(wrong)?.to_text()),
            ..Account::default()
        })
    };
    passwords.iter().map(account).collect()
}

/// What it says at its start.
fn banner(people: &People, doors: &[Door], certificate: &Path, passwords: &[(&str, String)]) -> String {
    let config = people.config();
    let mut text = format!("\nMail for {} lands in:\n\n", config.domains.join(", "));
    for user in people.known().directory.users() {
        for domain in &config.domains {
            let folder: PathBuf = config.data.join(&user.mailbox).join("new");
            let password = passwords.iter().find(|(name, _)| *name == user.name);
            let password = password.map(|(_, word)| format!("password {word}")).unwrap_or_default();
            let address = format!("{}@{domain}", user.name);
            text.push_str(&format!("  {address:<24} {password:<26} {}\n", folder.display()));
        }
    }
    text.push_str("\nIt is taken on:\n\n");
    for door in doors {
        let how = match door.kind {
            Kind::Mx => "from anybody; STARTTLS",
            Kind::Submission => "from users, who log in; STARTTLS",
            Kind::Submissions => "from users, who log in; TLS from the start",
            Kind::Lmtp => "from this machine",
        };
        text.push_str(&format!("  {:<24} {how}\n", door.place.to_string()));
    }
    let at = |kind| doors.iter().find(|door| door.kind == kind).map(|door| door.place.to_string());
    let (user, password) = passwords.first().map(|(user, word)| (*user, word.as_str())).unwrap_or_default();
    text.push_str(&format!(
        "\nCertificate: {}\n\
         Send one:    swaks --server {} --to alice@example.test\n\
         As a user:   swaks --server {} --tls --auth-user {user} --auth-password {password} --from {user}@example.test \
         --to bob@example.test\n\
         Read it:     cat {}/*\n\
         End:         Ctrl-C, once running transactions are finished; twice, at once\n",
        certificate.display(),
        at(Kind::Mx).unwrap_or_default(),
        at(Kind::Submission).unwrap_or_default(),
        config.data.join("alice").join("new").display()
    ));
    text
}
