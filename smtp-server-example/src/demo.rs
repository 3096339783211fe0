//! A server to play with: no settings, nothing of it outlives the process but the mail.

use std::path::{Path, PathBuf};

use crate::cli::Demo;
use crate::config::{Config, Kind, Listener};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::listen::Door;
use crate::log::Log;
use crate::{serve, tls};

/// Largest message: 25 MB, what many providers take.
const MESSAGE_OCTETS: u64 = 25_000_000;

/// The certificate's file in the mail folder; no user has that name.
const CERTIFICATE: &str = "demo-certificate.pem";

/// Runs it.
pub(crate) fn run(demo: Demo, log: &Log) -> Result<(), Failure> {
    let mut config = Config { data: demo.data, ..Config::example() };
    config.limits.message_octets = MESSAGE_OCTETS;
    config.listener = vec![Listener::new(Kind::Mx, demo.listen)];
    std::fs::create_dir_all(&config.data).map_err(|error| serve::no_folder(&config.data, &error))?;
    let certificate = config.data.join(CERTIFICATE);
    let tls = tls::self_made(&config.hostname, &certificate)?;
    serve::run(&config, log, Some(tls), |doors, directory| {
        Some(banner(&config, doors, &certificate, directory))
    })
}

/// What it says at its start.
fn banner(config: &Config, doors: &[Door], certificate: &Path, directory: &Directory) -> String {
    let address = doors.first().map(|door| door.place.to_string()).unwrap_or_default();
    let mut text =
        format!("\nMail for {} is taken on {address}. It lands in:\n\n", config.domains.join(", "));
    for user in directory.users() {
        for domain in &config.domains {
            let folder: PathBuf = config.data.join(&user.mailbox).join("new");
            text.push_str(&format!("  {:<28} {}\n", format!("{}@{domain}", user.name), folder.display()));
        }
    }
    let first = config.data.join("alice").join("new");
    text.push_str(&format!(
        "\nCertificate: {}\n\
         Send one:    swaks --server {address} --to alice@example.test\n\
         Read it:     cat {}/*\n\
         End:         Ctrl-C, once running transactions are finished; twice, at once\n",
        certificate.display(),
        first.display()
    ));
    text
}
