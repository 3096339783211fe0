//! Who else on this machine can read what is secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Findings, Site};
use crate::failure::Kind;

pub(super) fn check(site: &Site, findings: &mut Findings) {
    let config = &site.config;
    if config.tls.is_set() {
        look(findings, "key", &config.tls.key, "who has the key can pass for this server");
    }
    look(findings, "users-file", &config.users_file(), "password hashes can be tried elsewhere");
    look(findings, "mail-folder", &config.data, "mail is its owner's");
}

/// Looks at a file that only the server should read. What is not there is looked at elsewhere.
fn look(findings: &mut Findings, name: &str, path: &Path, why: &'static str) {
    let Ok(file) = fs::metadata(path) else { return };
    let (mode, shown) = (file.permissions().mode() & 0o7777, path.display());
    let private = if file.is_dir() { "700" } else { "600" };
    let remedy = format!("chmod {private} {shown}");
    match mode {
        _ if mode & 0o007 != 0 && !file.is_dir() => {
            findings.fail(
                Kind::Config,
                name,
                format!("everybody here can read {shown} ({mode:o})"),
                why,
                remedy,
            );
        }
        _ if mode & 0o077 != 0 => {
            findings.warn(name, format!("others can read {shown} ({mode:o})"), why, remedy);
        }
        _ => findings.ok(name, format!("{shown} is its owner's alone")),
    }
}
