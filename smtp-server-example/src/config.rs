//! The settings, and where they come from.

mod document;
mod keys;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::document::Document;
pub(crate) use self::keys::{defaults, example, render};
use crate::failure::{Failure, Kind};

/// Everything that can be set. [`keys::KEYS`] describes each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) hostname: String,
    pub(crate) domains: Vec<String>,
    #[serde(default = "default_data")]
    pub(crate) data: PathBuf,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default = "default_listeners")]
    pub(crate) listener: Vec<Listener>,
    #[serde(default)]
    pub(crate) user: Vec<User>,
}

/// Bounds on what a client can make us do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub(crate) message_octets: u64,
    pub(crate) recipients: u32,
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) idle_seconds: u64,
    pub(crate) drain_seconds: u64,
}

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
}

/// Somebody with a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 50 * 1024 * 1024,
            recipients: 1_000,
            connections: 250,
            connections_per_address: 50,
            idle_seconds: 300,
            drain_seconds: 30,
        }
    }
}

fn default_data() -> PathBuf {
    PathBuf::from("mail-data")
}

fn default_listeners() -> Vec<Listener> {
    vec![Listener { address: SocketAddr::from(([127, 0, 0, 1], 2525)) }]
}

impl Config {
    /// What `demo` runs by, and what a settings file can begin with.
    pub(crate) fn demo() -> Self {
        let user = |name: &str| User { name: name.to_owned(), mailbox: None };
        Self {
            hostname: "mail.example.test".to_owned(),
            domains: vec!["example.test".to_owned()],
            data: default_data(),
            limits: Limits::default(),
            listener: default_listeners(),
            user: ["alice", "bob", "postmaster"].map(user).to_vec(),
        }
    }

    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads and checks settings; `file` is what errors call them.
    fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let document = Document::parse(file, text)?;
        document.refuse_unknown_keys()?;
        let config: Self = document.read()?;
        config.check(&document)?;
        Ok(config)
    }

    /// What grammar and types can't say.
    fn check(&self, document: &Document<'_>) -> Result<(), Failure> {
        let wrong = |path: &str, what: String, help: &str| Err(document.wrong(path, &what).help(help));
        let no_domain = "a domain has letters, digits and hyphens between dots, as mx.example.org";
        if !is_domain(&self.hostname) {
            return wrong("hostname", format!("`{}` is no domain", self.hostname), no_domain);
        }
        if self.domains.is_empty() {
            return wrong(
                "domains",
                "no domain is listed".into(),
                "list the domains whose mail is taken here",
            );
        }
        for (i, domain) in self.domains.iter().enumerate() {
            if !is_domain(domain) {
                return wrong(&format!("domains.{i}"), format!("`{domain}` is no domain"), no_domain);
            }
        }
        if self.listener.is_empty() {
            return wrong("listener", "no listener is left".into(), "leave `listener` out for the default");
        }
        for (i, user) in self.user.iter().enumerate() {
            self.check_user(i, user)
                .or_else(|(key, what, help)| wrong(&format!("user.{i}.{key}"), what, help))?;
        }
        self.limits.check().or_else(|(key, least)| {
            wrong(&format!("limits.{key}"), format!("`{key}` is too small"), &format!("use {least} or more"))
        })
    }

    fn check_user(&self, i: usize, user: &User) -> Result<(), (&'static str, String, &'static str)> {
        let name = &user.name;
        if name.is_empty() || name.contains(|c: char| c == '@' || c.is_control() || c.is_whitespace()) {
            let help = "it is what stands before the @, and every domain has the same users";
            return Err(("name", format!("`{}` is no user name", name.escape_debug()), help));
        }
        if self.user[..i].iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(("name", format!("the user `{name}` is there twice"), "case makes no difference"));
        }
        match &user.mailbox {
            None if !is_plain_folder(name) => {
                let what = format!("`{name}` does not do as a folder's name");
                Err(("name", what, "give this user a `mailbox`, the folder to use"))
            }
            Some(folder) if folder.as_os_str().is_empty() || !stays_below(folder) => {
                let what = format!("the mailbox `{}` leads out of its folder", folder.display());
                Err(("mailbox", what, "give a folder below `data`, or an absolute path, without `..`"))
            }
            _ => Ok(()),
        }
    }
}

impl Limits {
    fn check(&self) -> Result<(), (&'static str, u64)> {
        // Below these, mail that every client may send would be refused (RFC 5321 §4.5.3.1).
        let floors = [
            ("message_octets", self.message_octets, 64 * 1024),
            ("recipients", u64::from(self.recipients), 100),
            ("connections", self.connections as u64, 1),
            ("connections_per_address", self.connections_per_address as u64, 1),
            ("idle_seconds", self.idle_seconds, 1),
        ];
        match floors.into_iter().find(|(_, value, least)| value < least) {
            Some((key, _, least)) => Err((key, least)),
            None => Ok(()),
        }
    }
}

impl User {
    /// The mailbox's folder, below `data` unless it is absolute.
    pub(crate) fn folder(&self) -> PathBuf {
        self.mailbox.clone().unwrap_or_else(|| PathBuf::from(&self.name))
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

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(Kind::NoInput, format!("can't read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => failure
            .help(format!("begin with an example:\nsmtp-server-example config example > {}", path.display())),
        io::ErrorKind::PermissionDenied => failure.help("make it readable for the user that runs the server"),
        _ => failure,
    }
}
