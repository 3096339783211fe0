//! What grammar and types can't say about settings.

use std::path::{Component, Path};

use super::sections::{Kind, Limits, User};
use super::{Config, Place};

/// Something is wrong at a key: `user.0.name`.
pub(super) struct Wrong {
    pub(super) path: String,
    pub(super) what: String,
    pub(super) help: String,
}

type Checked = Result<(), Wrong>;

fn wrong(path: impl Into<String>, what: impl Into<String>, help: impl Into<String>) -> Checked {
    Err(Wrong { path: path.into(), what: what.into(), help: help.into() })
}

const NO_DOMAIN: &str = "a domain has letters, digits and hyphens between dots, as mx.example.org";

/// Checks everything; the first error stands.
pub(super) fn check(config: &Config) -> Checked {
    names(config)?;
    limits(&config.limits)?;
    tls(config)?;
    if config.listener.is_empty() {
        return wrong("listener", "no listener is left", "leave `listener` out for the default");
    }
    (0..config.listener.len()).try_for_each(|i| listener(config, i))?;
    (0..config.user.len()).try_for_each(|i| user(&config.user, i))
}

fn names(config: &Config) -> Checked {
    let Config { hostname, domains, .. } = config;
    if !is_domain(hostname) {
        return wrong("hostname", format!("`{hostname}` is no domain"), NO_DOMAIN);
    }
    if domains.is_empty() {
        return wrong("domains", "no domain is listed", "list the domains whose mail is taken here");
    }
    match domains.iter().position(|domain| !is_domain(domain)) {
        Some(i) => wrong(format!("domains.{i}"), format!("`{}` is no domain", domains[i]), NO_DOMAIN),
        None => Ok(()),
    }
}

fn limits(limits: &Limits) -> Checked {
    // Below these, mail that every client may send would be refused (RFC 5321 §4.5.3.1).
    at_least(&[
        ("limits.message_octets", limits.message_octets, 64 * 1024),
        ("limits.recipients", u64::from(limits.recipients), 100),
        ("limits.connections", limits.connections as u64, 1),
        ("limits.connections_per_address", limits.connections_per_address as u64, 1),
        ("limits.idle_seconds", limits.idle_seconds, 1),
    ])
}

/// Numbers with the least that each may be.
fn at_least(floors: &[(&str, u64, u64)]) -> Checked {
    match floors.iter().find(|(_, value, least)| value < least) {
        Some((path, _, least)) => {
            let key = path.rsplit('.').next().unwrap_or(path);
            wrong(*path, format!("`{key}` is too small"), format!("use {least} or more"))
        }
        None => Ok(()),
    }
}

fn tls(config: &Config) -> Checked {
    let has_key = !config.tls.key.as_os_str().is_empty();
    match (config.tls.is_set(), has_key) {
        (true, false) => wrong("tls.certificate", "a certificate without its key", "give `key` too"),
        (false, true) => wrong("tls.key", "a key without its certificate", "give `certificate` too"),
        _ => Ok(()),
    }
}

fn listener(config: &Config, i: usize) -> Checked {
    let listener = &config.listener[i];
    let at = format!("listener.{i}.kind");
    if listener.kind.is_submission() && !config.tls.is_set() {
        let what = format!("`{}` needs a certificate", listener.kind);
        return wrong(at, what, "give `certificate` and `key` below [tls]");
    }
    if listener.kind != Kind::Lmtp && matches!(listener.address, Place::Unix(_)) {
        let what = format!("`{}` does not listen on a Unix socket", listener.kind);
        return wrong(at, what, "only `lmtp` does");
    }
    Ok(())
}

fn user(users: &[User], i: usize) -> Checked {
    let user = &users[i];
    let name = &user.name;
    if name.is_empty() || name.contains(|c: char| c == '@' || c.is_control() || c.is_whitespace()) {
        let what = format!("`{}` is no user name", name.escape_debug());
        let help = "it is what stands before the @, and every domain has the same users";
        return wrong(format!("user.{i}.name"), what, help);
    }
    if users[..i].iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
        let what = format!("the user `{name}` is there twice");
        return wrong(format!("user.{i}.name"), what, "case makes no difference");
    }
    match &user.mailbox {
        None if !is_plain_folder(name) => {
            let what = format!("`{name}` does not do as a folder's name");
            wrong(format!("user.{i}.name"), what, "give this user a `mailbox`, the folder to use")
        }
        Some(folder) if folder.as_os_str().is_empty() || !stays_below(folder) => {
            let what = format!("the mailbox `{}` leads out of its folder", folder.display());
            let help = "give a folder below `data`, or an absolute path, without `..`";
            wrong(format!("user.{i}.mailbox"), what, help)
        }
        _ => Ok(()),
    }
}

fn is_domain(text: &str) -> bool {
    smtp_proto::wire::host::Domain::parse(text.as_bytes()).is_ok_and(|domain| !domain.needs_smtputf8())
}

/// A name that is a folder's on every system, and never one that hides or leads elsewhere.
fn is_plain_folder(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-+".contains(&c))
}

fn stays_below(folder: &Path) -> bool {
    folder.components().all(|part| !matches!(part, Component::ParentDir))
}
