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

/// Everything that can be set. `config show` describes each key.
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

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! after_least {
        ($text:literal) => {
            concat!("hostname = \"mx.example.test\"\ndomains = [\"example.test\"]\n", $text)
        };
    }

    const LEAST: &str = after_least!("");

    fn error(text: &str) -> String {
        Config::parse("mail.toml", text).expect_err(text).to_string()
    }

    #[test]
    fn two_keys_are_enough_and_the_rest_is_as_documented() {
        let config = Config::parse("mail.toml", LEAST).unwrap();
        let demo = Config::demo();
        assert_eq!(config.limits, demo.limits);
        assert_eq!((config.data, config.listener), (demo.data, demo.listener));
    }

    #[test]
    fn the_example_is_what_demo_runs_by() {
        assert_eq!(Config::parse("example", &example()).unwrap(), Config::demo());
    }

    #[test]
    fn the_example_works_with_every_comment_sign_taken_away() {
        let uncommented: Vec<_> = example()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
                _ => line.to_owned(),
            })
            .collect();
        let config = Config::parse("example", &uncommented.join("\n")).unwrap();
        assert_eq!(config.user[1].mailbox, Some("bob".into()), "the optional keys were among them");
        assert_eq!(config.limits, Config::demo().limits);
    }

    #[test]
    fn what_show_prints_reads_back_as_the_same_settings() {
        let text =
            format!("{LEAST}data = \"/srv/mail\"\n[limits]\nrecipients = 500\n[[user]]\nname = \"carol\"\n");
        let config = Config::parse("mail.toml", &text).unwrap();
        let again = Config::parse("shown", &render(&config)).unwrap();
        assert_eq!(render(&again), render(&config));
        assert_eq!((again.limits.recipients, again.data), (500, "/srv/mail".into()));
    }

    /// Settings, the line of their error, what it says, and why the row is here.
    const WRONG: &[(&str, usize, &[&str], &str)] = &[
        ("hostnam = \"a.b\"", 1, &["unknown key `hostnam`", "did you mean `hostname`?"], "a slip"),
        (
            after_least!("recipients = 5"),
            3,
            &["unknown key `recipients`", "`recipients` belongs below [limits]"],
            "right key, wrong table",
        ),
        (
            after_least!("[limits]\nrecipient = 500"),
            4,
            &["unknown key `recipient`", "did you mean `recipients`?"],
            "a slip in a table",
        ),
        (
            after_least!("[[user]]\nname = \"a\"\npassword = \"x\""),
            5,
            &["unknown key `password`", "known here: name, mailbox"],
            "nothing near, in a list",
        ),
        (
            after_least!("[[users]]\nname = \"a\""),
            3,
            &["unknown key `users`", "did you mean `user`?"],
            "a table's name",
        ),
        ("hostname = \"a.b\"", 1, &["missing field `domains`"], "a required key"),
        (after_least!("data = 5"), 3, &["invalid type", "string"], "a wrong type"),
        (after_least!("data ="), 3, &[], "no TOML at all"),
        (after_least!("hostname = \"again\""), 3, &["duplicate key"], "a key twice"),
        ("hostname = \"a b\"\ndomains = [\"b.c\"]", 1, &["`a b` is no domain"], "a host name with a space"),
        ("hostname = \"a.b\"\ndomains = []", 2, &["no domain is listed"], "no domain"),
        (
            "hostname = \"a.b\"\ndomains = [\n\"b.c\",\n\"-\"]",
            4,
            &["`-` is no domain"],
            "one of several domains",
        ),
        (
            after_least!("[[listener]]\naddress = \"localhost:25\""),
            4,
            &["invalid socket address"],
            "a name instead of an address",
        ),
        (
            after_least!("[[user]]\nname = \"a\"\n[[user]]\nname = \"A\""),
            6,
            &["the user `A` is there twice"],
            "names that differ by case alone",
        ),
        (after_least!("[[user]]\nname = \"a@b\""), 4, &["`a@b` is no user name"], "a whole address"),
        (
            after_least!("[[user]]\nname = \"..\""),
            4,
            &["`..` does not do as a folder's name", "give this user a `mailbox`"],
            "a name that is a path",
        ),
        (
            after_least!("[[user]]\nname = \"a\"\nmailbox = \"../b\""),
            5,
            &["leads out of its folder"],
            "a mailbox above data",
        ),
        (
            after_least!("[limits]\nrecipients = 10"),
            4,
            &["`recipients` is too small", "use 100 or more"],
            "fewer than RFC 5321 allows",
        ),
        (after_least!("[limits]\nrecipients = -1"), 4, &["invalid value"], "less than nothing"),
    ];

    #[test]
    fn errors_say_the_line_and_what_to_do() {
        for (text, line, wants, why) in WRONG {
            let error = error(text);
            assert!(error.contains(&format!("mail.toml:{line}: ")), "{why}: line {line} in\n{error}");
            for want in *wants {
                assert!(error.contains(want), "{why}: `{want}` in\n{error}");
            }
        }
    }

    #[test]
    fn an_error_shows_the_line_with_a_mark_below_the_place() {
        assert_eq!(
            error(&format!("{LEAST}dta = \"x\"")),
            "error: mail.toml:3: unknown key `dta`\n   |\n 3 | dta = \"x\"\n   | ^^^\n  help: did you mean `data`?"
        );
    }

    #[test]
    fn of_several_unknown_keys_the_first_in_the_file_is_named() {
        assert!(error(&format!("{LEAST}zzz = 1\naaa = 2\n")).contains("`zzz`"));
    }

    #[test]
    fn a_user_without_a_plain_name_can_have_a_mailbox_by_setting() {
        let text = format!("{LEAST}[[user]]\nname = \"o'hara/x\"\nmailbox = \"ohara\"\n");
        assert_eq!(Config::parse("mail.toml", &text).unwrap().user[0].folder(), PathBuf::from("ohara"));
    }

    #[test]
    fn a_missing_file_says_how_to_begin() {
        let failure = Config::read(Path::new("/nowhere/mail.toml")).unwrap_err();
        assert_eq!(failure.exit_code(), 66);
        assert!(failure.to_string().contains("config example > /nowhere/mail.toml"), "{failure}");
    }
}
