//! Every key: what it is for, in which unit, and why its default is what it is.
//!
//! One table serves `config show`, `config example` and the refusal of unknown keys; a test holds it together with
//! the types that are read.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;

/// One setting.
struct Key {
    /// Its table and name; those of `listener` and `user` stand in a table for each entry.
    path: &'static str,
    unit: &'static str,
    required: bool,
    why: &'static str,
}

const fn key(path: &'static str, unit: &'static str, why: &'static str) -> Key {
    Key { path, unit, required: false, why }
}

const fn required(path: &'static str, unit: &'static str, why: &'static str) -> Key {
    Key { path, unit, required: true, why }
}

/// In the order in which they are printed.
const KEYS: &[Key] = &[
    required(
        "hostname",
        "domain",
        "This host's name: in the greeting, in Received and in file names. The one that DNS gives its address, since \
         other servers compare the two.",
    ),
    required(
        "domains",
        "list of domains",
        "Whose mail is taken. A sub-domain is another domain: list it too. Mail for any other domain is refused \
         with 550 5.7.1.",
    ),
    key(
        "data",
        "folder",
        "Holds a Maildir for each user. A relative path is taken from where the server was started.",
    ),
    key(
        "limits.message_octets",
        "octets",
        "Largest message, announced by SIZE (RFC 1870); a larger one is refused with 552 5.3.4. 50 MiB: what large \
         providers take, with the third that base64 adds.",
    ),
    key(
        "limits.recipients",
        "recipients per message",
        "Further ones are told 452 4.5.3 and come in another message. 1,000 is what common servers allow; at least \
         100 have to be taken (RFC 5321 §4.5.3.1.8).",
    ),
    key(
        "limits.connections",
        "connections per listener",
        "Further ones are told 421. Each may hold a socket and a file; 250 leaves half of the usual 1,024 \
         descriptors free.",
    ),
    key(
        "limits.connections_per_address",
        "connections per listener",
        "From one IPv4 address or IPv6 /64; further ones are told 421. 50: a large sender opens about 20.",
    ),
    key(
        "limits.idle_seconds",
        "seconds",
        "Wait for the next command, then 421. 300 is the least that RFC 5321 §4.5.3.2.7 asks for.",
    ),
    key(
        "limits.drain_seconds",
        "seconds",
        "How long a shutdown waits for running transactions. 30 is less than the 90 after which systemd kills.",
    ),
    key(
        "listener.address",
        "IP address and port",
        "Where to listen, one [[listener]] for each. Port 0 takes a free one. 127.0.0.1:2525 needs no root and can't \
         be reached from outside; a mail server proper listens on [::]:25.",
    ),
    required(
        "user.name",
        "local part",
        "Who gets mail, one [[user]] for each: name@ every domain of `domains`. Case makes no difference. postmaster \
         exists always (RFC 5321 §4.5.1).",
    ),
    key(
        "user.mailbox",
        "folder",
        "This user's Maildir, below `data` unless it is absolute. The name, if not given.",
    ),
];

/// The keys of the table `section`; those outside any table for "".
fn section(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section() == section)
}

impl Key {
    fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    fn comment(&self, out: &mut String) {
        let text = format!("{} [{}{}]", self.why, self.unit, if self.required { ", required" } else { "" });
        let mut line = String::from("#");
        for word in text.split(' ') {
            if line.len() + 1 + word.len() > 100 {
                let _ = writeln!(out, "{line}");
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(out, "{line}");
    }
}

/// Whether something reads this key or table.
pub(super) fn is_known(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path || key.section() == path)
}

/// What somebody who wrote an unknown key may have meant.
pub(super) fn suggestion(path: &str) -> String {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    if let Some(key) = KEYS.iter().find(|key| key.name() == name) {
        return match key.section() {
            "" => format!("`{name}` belongs above every [table]"),
            "limits" => format!("`{name}` belongs below [limits]"),
            list => format!("`{name}` belongs below [[{list}]]"),
        };
    }
    let mut known: Vec<_> = section(table).map(Key::name).collect();
    if table.is_empty() {
        known.extend(["limits", "listener", "user"]);
    }
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(known, name), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 2.max(name.len() / 3) => {
            format!("did you mean `{nearest}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// Every default.
pub(crate) fn defaults() -> String {
    let mut out =
        String::from("# Every setting with its default. `config example` prints a file to begin with.\n");
    let mut config = Config::demo();
    config.user.truncate(1);
    write_document(&mut out, &config, |key, value| match key.required || key.section() == "user" {
        true => format!("# {} = {value}", key.name()),
        false => format!("{} = {value}", key.name()),
    });
    out
}

/// A file to begin with: what must be set, and the rest as comments.
pub(crate) fn example() -> String {
    let mut out = String::from("# Settings of smtp-server-example. What stands behind a # is the default.\n");
    write_document(&mut out, &Config::demo(), |key, value| {
        let given = key.required || matches!(key.path, "data" | "listener.address");
        format!("{}{} = {value}", if given { "" } else { "#" }, key.name())
    });
    out
}

/// Every setting with the value it has in `config`.
pub(crate) fn render(config: &Config) -> String {
    let mut out = String::new();
    write_document(&mut out, config, |key, value| format!("{} = {value}", key.name()));
    out
}

fn write_document(out: &mut String, config: &Config, line: impl Fn(&Key, &Value) -> String) {
    let table = as_table(config);
    write_section(out, "", &table, true, &line);
    if let Some(Value::Table(limits)) = table.get("limits") {
        out.push_str("\n[limits]\n");
        write_section(out, "limits", limits, true, &line);
    }
    for list in ["listener", "user"] {
        let entries = table.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (i, entry) in entries.iter().filter_map(Value::as_table).enumerate() {
            let _ = writeln!(out, "\n[[{list}]]");
            write_section(out, list, entry, i == 0, &line);
        }
    }
}

fn write_section(
    out: &mut String,
    name: &str,
    values: &Table,
    with_comments: bool,
    line: &impl Fn(&Key, &Value) -> String,
) {
    let mut gap = name.is_empty();
    for key in section(name) {
        let Some(value) = values.get(key.name()) else { continue };
        if with_comments {
            if std::mem::replace(&mut gap, true) {
                out.push('\n');
            }
            key.comment(out);
        }
        let _ = writeln!(out, "{}", line(key, value));
    }
}

fn as_table(config: &Config) -> Table {
    let mut config = config.clone();
    for user in &mut config.user {
        user.mailbox = Some(user.folder());
    }
    // INVARIANT: the types are plain; only paths that are no text can fail, and such a path can't be written in TOML.
    Table::try_from(&config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_exactly_the_keys_that_are_read() {
        let mut read = BTreeSet::new();
        for (name, value) in as_table(&Config::demo()) {
            let mut add = |inner: &Table| read.extend(inner.keys().map(|key| format!("{name}.{key}")));
            match &value {
                Value::Table(inner) => add(inner),
                Value::Array(list) if list.iter().all(Value::is_table) => {
                    list.iter().filter_map(Value::as_table).for_each(add);
                }
                _ => drop(read.insert(name)),
            }
        }
        let described: BTreeSet<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(described, read);
    }

    #[test]
    fn every_default_is_printed_with_its_unit_and_reason() {
        let shown = defaults();
        for key in KEYS {
            let line = format!("{} = ", key.name());
            assert!(shown.contains(&line), "{} is missing in\n{shown}", key.path);
            let unit = key.unit.split(' ').next_back().unwrap();
            assert!(shown.contains(&format!("{unit}]")) || shown.contains(&format!("{unit}, required]")));
            assert!(key.why.len() > 20 && key.why.ends_with('.'), "{} has no reason", key.path);
        }
    }
}
