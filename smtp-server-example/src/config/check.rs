//! What grammar and types can't say about settings.

mod routes;

use std::path::{Component, Path};

use smtp_proto::limits::SCRAM_MIN_ITERATIONS;
use smtp_proto::wire::path::Mailbox;

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
    auth(config)?;
    (0..config.user.len()).try_for_each(|i| listed_user(config, i))?;
    sending(config)?;
    routes::check(config)?;
    metrics(config)?;
    if let Some(i) = config.dns.servers.iter().position(|server| server.port() == 0) {
        return wrong(format!("dns.servers.{i}"), "port 0 is nobody's", "DNS servers have port 53");
    }
    neighbours(config)
}

/// RFC 5321 §4.5.3.2.6 has clients wait ten minutes for the reply; two scanners may take as long one after the other.
const LONGEST_SCAN: u64 = 120;

fn sending(config: &Config) -> Checked {
    let (queue, relay) = (&config.queue, &config.relay);
    at_least(&[
        ("queue.retry_first_seconds", queue.retry_first_seconds, 1),
        ("queue.retry_growth_percent", queue.retry_growth_percent, 100),
        ("queue.retry_most_seconds", queue.retry_most_seconds, 1),
        ("queue.give_up_seconds", queue.give_up_seconds, 1),
        ("queue.give_up_notices_seconds", queue.give_up_notices_seconds, 1),
        ("queue.delay_notice_seconds", queue.delay_notice_seconds, 1),
        ("queue.pause_first_seconds", queue.pause_first_seconds, 1),
        ("queue.pause_most_seconds", queue.pause_most_seconds, 1),
        ("queue.deliveries_per_destination", queue.deliveries_per_destination as u64, 1),
        ("queue.deliveries", queue.deliveries as u64, 1),
        ("queue.keep_done_seconds", queue.keep_done_seconds, 1),
        ("relay.port", u64::from(relay.port), 1),
        ("relay.connections_per_host", relay.connections_per_host as u64, 1),
        ("relay.messages_per_connection", u64::from(relay.messages_per_connection), 1),
        ("relay.idle_seconds", relay.idle_seconds, 1),
        ("relay.connect_seconds", relay.connect_seconds, 1),
        ("relay.answer_seconds", relay.answer_seconds, 1),
        ("relay.final_answer_seconds", relay.final_answer_seconds, 1),
    ])?;
    if !relay.hello.is_empty() && !is_domain(&relay.hello) {
        return wrong("relay.hello", format!("`{}` is no domain", relay.hello), NO_DOMAIN);
    }
    let sources = &relay.source_addresses;
    for (i, address) in sources.iter().enumerate() {
        if sources[..i].iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
            let help = "one of IPv4 and one of IPv6 are used";
            return wrong(format!("relay.source_addresses.{i}"), "a second address of its family", help);
        }
    }
    Ok(())
}

fn neighbours(config: &Config) -> Checked {
    at_least(&[
        ("dns.timeout_seconds", config.dns.timeout_seconds, 1),
        ("scan.timeout_seconds", config.scan.timeout_seconds, 1),
    ])?;
    if config.scan.timeout_seconds > LONGEST_SCAN {
        let help = format!("use {LONGEST_SCAN} or less: a client waits ten minutes after its dot");
        return wrong("scan.timeout_seconds", "`timeout_seconds` is too large", help);
    }
    for (i, list) in config.blocklist.iter().enumerate() {
        if !is_domain(&list.zone) {
            return wrong(format!("blocklist.{i}.zone"), format!("`{}` is no domain", list.zone), NO_DOMAIN);
        }
        if !list.ipv4 && !list.ipv6 {
            let help = "set `ipv4` or `ipv6` to true, or leave the list out";
            return wrong(format!("blocklist.{i}.zone"), "the list is asked for no address at all", help);
        }
    }
    Ok(())
}

fn names(config: &Config) -> Checked {
    let Config { hostname, domains, .. } = config;
    if !is_domain(hostname) {
        return wrong("hostname", format!("`{hostname}` is no domain"), NO_DOMAIN);
    }
    if domains.is_empty() {
        return wrong("domains", "no domain is listed", "list the domains whose mail is taken here");
    }
    for (i, domain) in config.domain.iter().enumerate() {
        let at = format!("domain.{i}.name");
        if !is_domain(&domain.name) {
            return wrong(at, format!("`{}` is no domain", domain.name), NO_DOMAIN);
        }
        if config.domain[..i].iter().any(|other| other.name.eq_ignore_ascii_case(&domain.name)) {
            let what = format!("the domain `{}` is there twice", domain.name);
            return wrong(at, what, "case makes no difference");
        }
    }
    match domains.iter().position(|domain| !is_domain(domain)) {
        Some(i) => wrong(format!("domains.{i}"), format!("`{}` is no domain", domains[i]), NO_DOMAIN),
        None => Ok(()),
    }
}

fn limits(limits: &Limits) -> Checked {
    // Below these, mail that every client may send would be refused (RFC 5321 §4.5.3.1).
    for (path, percent) in [
        ("limits.disk_reserve_percent", limits.disk_reserve_percent),
        ("limits.inode_reserve_percent", limits.inode_reserve_percent),
    ] {
        if percent > 90 {
            return wrong(path, "so little would be left that no mail is taken", "use 90 or less");
        }
    }
    if limits.group_memory_percent > 100 {
        return wrong(
            "limits.group_memory_percent",
            "there is no more than all",
            "use 100 or less, or 0 for none",
        );
    }
    at_least(&[
        ("limits.memory_octets", limits.memory_octets, 1 << 20),
        ("limits.message_octets", limits.message_octets, 64 * 1024),
        ("limits.recipients", u64::from(limits.recipients), 100),
        ("limits.connections", limits.connections as u64, 1),
        ("limits.connections_per_address", limits.connections_per_address as u64, 1),
        ("limits.idle_seconds", limits.idle_seconds, 1),
        ("limits.verdict_seconds", limits.verdict_seconds, 1),
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

fn metrics(config: &Config) -> Checked {
    match config.metrics.listen.place() {
        None => Ok(()),
        Some(Place::Tcp(address)) if address.ip().is_loopback() => Ok(()),
        Some(_) => wrong(
            "metrics.listen",
            "metrics are for this machine alone",
            "use an address such as 127.0.0.1:9925; a proxy that asks for a password can pass them on",
        ),
    }
}

fn listener(config: &Config, i: usize) -> Checked {
    let listener = &config.listener[i];
    let at = format!("listener.{i}.kind");
    let in_clear = config.auth.allow_insecure_auth && listener.kind == Kind::Submission;
    if listener.kind.is_submission() && !config.tls.is_set() && !in_clear {
        let what = format!("`{}` needs a certificate", listener.kind);
        return wrong(at, what, "give `certificate` and `key` below [tls]");
    }
    if listener.kind != Kind::Lmtp && matches!(listener.address, Place::Unix(_)) {
        let what = format!("`{}` does not listen on a Unix socket", listener.kind);
        return wrong(at, what, "only `lmtp` does");
    }
    Ok(())
}

fn listed_user(config: &Config, i: usize) -> Checked {
    let listed = &config.user[i];
    if config.user[..i].iter().any(|other| other.name.eq_ignore_ascii_case(&listed.name)) {
        let what = format!("the user `{}` is there twice", listed.name);
        return wrong(format!("user.{i}.name"), what, "case makes no difference");
    }
    for (j, sender) in listed.senders.iter().enumerate() {
        let address = sender.strip_prefix('@').map_or(sender.clone(), |domain| format!("x@{domain}"));
        if Mailbox::parse(address.as_bytes()).is_err() {
            let what = format!("`{sender}` is no address");
            return wrong(format!("user.{i}.senders.{j}"), what, "give an address, or @ and a domain");
        }
    }
    user_parts(config, listed).or_else(|(key, what, help)| wrong(format!("user.{i}.{key}"), what, help))
}

/// Checks somebody's name and mailbox; the error says what is wrong.
pub(crate) fn user(config: &Config, user: &User) -> Result<(), String> {
    user_parts(config, user).map_err(|(_, what, help)| format!("{what}: {help}"))
}

/// Longest name of a file in octets (`NAME_MAX` of POSIX systems).
const FOLDER_NAME: usize = 255;

fn user_parts(config: &Config, user: &User) -> Result<(), (&'static str, String, &'static str)> {
    let name = &user.name;
    let (local, domain) = name.rsplit_once('@').map_or((name.as_str(), None), |(l, d)| (l, Some(d)));
    if local.is_empty() || local.contains(|c: char| c == '@' || c.is_control() || c.is_whitespace()) {
        let help = "it is what stands before the @, at every domain, or a whole address";
        return Err(("name", format!("`{}` is no user name", name.escape_debug()), help));
    }
    if domain.is_some_and(|domain| !config.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain))) {
        let what = format!("the domain of `{}` is not ours", name.escape_debug());
        return Err(("name", what, "list it in `domains`, or give the part before the @ alone"));
    }
    match &user.mailbox {
        None if !is_plain_folder(local) || domain.is_some_and(|domain| domain.starts_with('.')) => {
            let what = format!("`{name}` does not do as a folder's name");
            Err(("name", what, "give this user a `mailbox`, the folder to use"))
        }
        Some(folder) if folder.as_os_str().is_empty() || !stays_below(folder) => {
            let what = format!("the mailbox `{}` leads out of its folder", folder.display());
            Err(("mailbox", what, "give a folder below `data`, or an absolute path, without `..`"))
        }
        _ if user.folder().iter().any(|part| part.len() > FOLDER_NAME) => {
            let what = format!("the mailbox's folder has a name of more than {FOLDER_NAME} octets");
            let key = if user.mailbox.is_some() { "mailbox" } else { "name" };
            Err((key, what, "no file system has such names; give this user a shorter `mailbox`"))
        }
        _ if config.data.join(user.folder()) == config.users_file() => {
            let what = format!("the mailbox of `{name}` is the users' file");
            Err(("name", what, "give this user another `mailbox`, or another `users_file`"))
        }
        _ => Ok(()),
    }
}

fn auth(config: &Config) -> Checked {
    let auth = &config.auth;
    at_least(&[
        // Least that argon2 can do with (RFC 9106 §3.1).
        ("auth.argon2_memory_kib", u64::from(auth.argon2_memory_kib), 8),
        ("auth.argon2_passes", u64::from(auth.argon2_passes), 1),
        ("auth.checks_at_once", auth.checks_at_once as u64, 1),
        ("auth.scram_iterations", u64::from(auth.scram_iterations), u64::from(SCRAM_MIN_ITERATIONS)),
        ("auth.failures_per_address", u64::from(auth.failures_per_address), 1),
        ("auth.failures_per_account", u64::from(auth.failures_per_account), 1),
        ("auth.failure_window_seconds", auth.failure_window_seconds, 1),
        ("submission.messages_per_hour", u64::from(config.submission.messages_per_hour), 1),
        ("submission.recipients_per_hour", u64::from(config.submission.recipients_per_hour), 1),
    ])?;
    if config.tag_separator.contains(|c: char| !c.is_ascii_punctuation() || c == '@') {
        return wrong("tag_separator", "no use as a separator", "take + or -, or nothing for no tags");
    }
    Ok(())
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
