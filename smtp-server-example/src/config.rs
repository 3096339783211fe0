//! The settings, and where they come from.

mod change;
mod check;
mod document;
mod keys;
mod route;
mod secret;
mod sections;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use self::check::user as check_user;
use self::document::Document;
pub(crate) use self::keys::{defaults, example, render};
pub(crate) use self::route::{At, Pattern, Route, RouteTls, SmartHost, select as select_route};
pub(crate) use self::secret::Secret;
pub(crate) use self::sections::{
    Alias, Auth, Delivery, Domain, Kind, Limits, Listener, Network, Place, Submission, Tls, User,
};
use crate::blocklists::List;
use crate::failure::{Failure, Kind as FailureKind};
use crate::gate::{Checks, Dns};
use crate::metrics::MetricsSettings;
use crate::queue::QueueSettings;
use crate::relay::RelaySettings;
use crate::scan::ScanSettings as Scan;

/// Everything that can be set. `config show` describes each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) hostname: String,
    #[serde(default)]
    pub(crate) domains: Vec<String>,
    #[serde(default = "default_data")]
    pub(crate) data: PathBuf,
    #[serde(default = "default_users_file")]
    pub(crate) users_file: PathBuf,
    #[serde(default)]
    pub(crate) catch_all: String,
    #[serde(default = "default_tag_separator")]
    pub(crate) tag_separator: String,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) tls: Tls,
    #[serde(default)]
    pub(crate) auth: Auth,
    #[serde(default)]
    pub(crate) submission: Submission,
    #[serde(default)]
    pub(crate) dns: Dns,
    #[serde(default)]
    pub(crate) queue: QueueSettings,
    #[serde(default)]
    pub(crate) relay: RelaySettings,
    #[serde(default)]
    pub(crate) route: Vec<Route>,
    #[serde(default)]
    pub(crate) checks: Checks,
    #[serde(default)]
    pub(crate) scan: Scan,
    #[serde(default)]
    pub(crate) metrics: MetricsSettings,
    #[serde(default)]
    pub(crate) blocklist: Vec<List>,
    #[serde(default = "default_listeners")]
    pub(crate) listener: Vec<Listener>,
    #[serde(default)]
    pub(crate) domain: Vec<Domain>,
    #[serde(default)]
    pub(crate) user: Vec<User>,
    #[serde(default)]
    pub(crate) alias: Vec<Alias>,
}

fn default_data() -> PathBuf {
    PathBuf::from("mail-data")
}

fn default_users_file() -> PathBuf {
    PathBuf::from("users.toml")
}

fn default_tag_separator() -> String {
    "+".to_owned()
}

fn default_listeners() -> Vec<Listener> {
    vec![Listener::new(Kind::Mx, SocketAddr::from(([127, 0, 0, 1], 2525)))]
}

impl Config {
    /// What a settings file can begin with.
    pub(crate) fn example() -> Self {
        Self {
            hostname: "mail.example.test".to_owned(),
            domains: vec!["example.test".to_owned()],
            data: default_data(),
            users_file: default_users_file(),
            catch_all: String::new(),
            tag_separator: default_tag_separator(),
            limits: Limits::default(),
            tls: Tls::default(),
            auth: Auth::default(),
            submission: Submission::default(),
            dns: Dns::default(),
            queue: QueueSettings::default(),
            relay: RelaySettings::default(),
            route: vec![Route::example()],
            checks: Checks::default(),
            scan: Scan::default(),
            metrics: MetricsSettings::default(),
            blocklist: vec![List::new("bl.example.org")],
            listener: default_listeners(),
            domain: vec![Domain { name: "example.test".to_owned(), delivery: Delivery::Maildir }],
            user: ["alice", "bob", "postmaster"].map(User::named).to_vec(),
            alias: vec![Alias {
                address: "info".to_owned(),
                to: vec!["alice".to_owned(), "bob".to_owned()],
                sender: String::new(),
            }],
        }
    }

    /// The file of those who can log in.
    pub(crate) fn users_file(&self) -> PathBuf {
        self.data.join(&self.users_file)
    }

    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// [`read`](Self::read), with a look whether the secrets are there too: whoever does not serve need not have them.
    pub(crate) fn read_to_serve(path: &Path) -> Result<Self, Failure> {
        let (text, file) =
            (fs::read_to_string(path).map_err(|error| unreadable(path, &error))?, path.display());
        let config = Self::parse(&file.to_string(), &text)?;
        for (i, route) in config.route.iter().enumerate().filter(|(_, route)| !route.user.is_empty()) {
            if let Err(what) = route.secret.read() {
                let (file, at) = (file.to_string(), format!("route.{i}.secret"));
                return Err(Document::parse(&file, &text)?.wrong(&at, &format!("`secret`: {what}")));
            }
        }
        Ok(config)
    }

    /// Reads and checks settings; `file` is what errors call them.
    fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let document = Document::parse(file, text)?;
        document.refuse_unknown_keys()?;
        let mut config: Self = document.read()?;
        config.list_all_domains();
        check::check(&config)
            .map_err(|wrong| document.wrong(&wrong.path, &wrong.what).help(wrong.help))
            .map(|()| config)
    }
}

impl Config {
    /// Those that have settings of their own are ours too.
    fn list_all_domains(&mut self) {
        for domain in &self.domain {
            if !self.domains.iter().any(|listed| listed.eq_ignore_ascii_case(&domain.name)) {
                self.domains.push(domain.name.clone());
            }
        }
    }

    /// Who puts mail for this domain of ours into mailboxes.
    pub(crate) fn delivery(&self, domain: &str) -> &Delivery {
        let own = self.domain.iter().find(|own| own.name.eq_ignore_ascii_case(domain));
        own.map_or(&Delivery::Maildir, |own| &own.delivery)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(FailureKind::NoInput, format!("can't read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => failure
            .help(format!("begin with an example:\nsmtp-server-example config example > {}", path.display())),
        io::ErrorKind::PermissionDenied => failure.help("make it readable for the user that runs the server"),
        _ => failure,
    }
}
