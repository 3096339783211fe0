//! Settings that are read again while the server runs: what is in force at once, and what needs a restart.

use toml::{Table, Value};

use super::{Config, check};
use crate::failure::{Failure, Kind};

/// Keys and tables that a running server takes over. All others keep their value until it is started again: listeners
/// stay bound, and what lies on the disk stays where it is.
const LIVE: &[&str] = &[
    "domains",
    "catch_all",
    "tag_separator",
    "limits.message_octets",
    "limits.recipients",
    "limits.connections",
    "limits.connections_per_address",
    "limits.memory_octets",
    "limits.group_memory_percent",
    "limits.disk_reserve_percent",
    "limits.inode_reserve_percent",
    "limits.idle_seconds",
    "tls",
    "auth",
    "submission",
    "dns",
    "route",
    "checks",
    "scan",
    "blocklist",
    "domain",
    "user",
    "alias",
];

/// Whether a change of this key is in force without a restart.
pub(super) fn is_live(path: &str) -> bool {
    let table = path.split_once('.').map_or(path, |(table, _)| table);
    LIVE.contains(&path) || LIVE.contains(&table)
}

/// What new settings come to in a running server.
#[derive(Debug)]
pub(crate) struct Renewed {
    /// What is in force from now on.
    pub(crate) config: Config,
    /// Keys that have changed, and are in force.
    pub(crate) changed: Vec<String>,
    /// Keys that have changed, and will be in force after a restart.
    pub(crate) waiting: Vec<String>,
}

impl Config {
    /// What `fresh` changes about these settings.
    pub(crate) fn renewed(&self, fresh: &Self) -> Result<Renewed, Failure> {
        let table = |config| {
            Table::try_from(config)
                .map_err(|error| Failure::new(Kind::Config, format!("the settings: {error}")))
        };
        let (old, mut new) = (table(self)?, table(fresh)?);
        let mut paths = Vec::new();
        collect(&old, &new, &mut paths);
        // Listeners that were bound without a certificate can't be given one.
        let live = |path: &String| {
            is_live(path) && !(path.starts_with("tls.") && self.tls.is_set() != fresh.tls.is_set())
        };
        let (changed, waiting): (Vec<_>, Vec<_>) = paths.into_iter().partition(live);
        for path in &waiting {
            keep(&old, &mut new, path);
        }
        let config =
            new.try_into().map_err(|error| Failure::new(Kind::Config, format!("the settings: {error}")))?;
        // Old and new together can be wrong where each alone was right.
        check::check(&config).map_err(|wrong| {
            Failure::new(Kind::Config, format!("{} (not before a restart)", wrong.what)).help(wrong.help)
        })?;
        Ok(Renewed { config, changed, waiting })
    }
}

/// The keys in which two documents differ.
fn collect(old: &Table, new: &Table, paths: &mut Vec<String>) {
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        match (old.get(name), new.get(name)) {
            (Some(Value::Table(old)), Some(Value::Table(new))) => {
                let mut inner = Vec::new();
                collect(old, new, &mut inner);
                paths.extend(inner.into_iter().map(|key| format!("{name}.{key}")));
            }
            (old, new) if old != new => paths.push(name.clone()),
            _ => {}
        }
    }
}

/// Gives a key of `new` the value that it has in `old`.
fn keep(old: &Table, new: &mut Table, path: &str) {
    if let Some((table, key)) = path.split_once('.') {
        if let (Some(Value::Table(old)), Some(Value::Table(new))) = (old.get(table), new.get_mut(table)) {
            keep(old, new, key);
        }
    } else if let Some(value) = old.get(path) {
        new.insert(path.to_owned(), value.clone());
    } else {
        new.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::KEYS;
    use super::*;

    const OLD: &str = "hostname = \"mx.example.org\"\ndomains = [\"example.org\"]\n";

    fn renewed(old: &str, new: &str) -> Result<Renewed, Failure> {
        Config::parse("old", old).unwrap().renewed(&Config::parse("new", new).unwrap())
    }

    #[test]
    fn what_changes_is_named_and_what_needs_a_restart_stays() {
        for (more, changed, waiting, why) in [
            ("", &[][..], &[][..], "nothing"),
            (
                "catch_all = \"alice\"\n[[user]]\nname = \"alice\"\n",
                &["catch_all", "user"],
                &[],
                "who has mail here",
            ),
            ("[limits]\nrecipients = 200\n", &["limits.recipients"], &[], "a limit of sessions"),
            ("[limits]\ndrain_seconds = 5\n", &[], &["limits.drain_seconds"], "a limit of listeners"),
            ("data = \"elsewhere\"\n", &[], &["data"], "mail stays where it is"),
            ("[[listener]]\naddress = \"127.0.0.1:26\"\n", &[], &["listener"], "bound already"),
            ("[[blocklist]]\nzone = \"bl.example\"\n", &["blocklist"], &[], "a list"),
            (
                "[tls]\ncertificate = \"c\"\nkey = \"k\"\n",
                &[],
                &["tls.certificate", "tls.key"],
                "STARTTLS was not offered",
            ),
        ] {
            let renewed = renewed(OLD, &format!("{OLD}{more}")).unwrap();
            assert_eq!(
                (&renewed.changed[..], &renewed.waiting[..]),
                (changed_of(changed), changed_of(waiting)),
                "{why}"
            );
        }
        let both =
            renewed(OLD, &format!("{OLD}data = \"elsewhere\"\n[limits]\nrecipients = 200\n")).unwrap().config;
        assert_eq!((both.data.to_str(), both.limits.recipients), (Some("mail-data"), 200));
    }

    fn changed_of(names: &[&str]) -> &'static [String] {
        Vec::leak(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_certificate_that_was_there_can_be_another() {
        let with = |name: &str| format!("{OLD}[tls]\ncertificate = \"{name}\"\nkey = \"k\"\n");
        assert_eq!(renewed(&with("a"), &with("b")).unwrap().changed, ["tls.certificate"]);
    }

    #[test]
    fn what_hangs_together_waits_together() {
        let listener = "[[listener]]\naddress = \"127.0.0.1:465\"\nkind = \"submissions\"\n";
        let old = format!("{OLD}[tls]\ncertificate = \"c\"\nkey = \"k\"\n{listener}");
        assert_eq!(renewed(&old, OLD).unwrap().waiting, ["listener", "tls.certificate", "tls.key"]);
    }

    #[test]
    fn what_is_right_only_after_a_restart_is_refused_before() {
        let new = format!("{OLD}users_file = \"other.toml\"\n[[user]]\nname = \"users.toml\"\n");
        let error = renewed(OLD, &new).unwrap_err().to_string();
        assert!(error.contains("is the users' file (not before a restart)"), "{error}");
    }

    #[test]
    fn what_is_live_is_a_key() {
        for live in LIVE {
            let known = KEYS.iter().any(|key| key.path == *live || key.path.starts_with(&format!("{live}.")));
            assert!(known, "{live} is no key");
        }
    }
}
