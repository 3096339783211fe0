//! What can be set, as text: `config show`, `config example` and the refusal of unknown keys come from one table; a
//! test holds it together with the types that are read.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;
use super::change::is_live;
use super::table::{KEYS, Key, LISTS, OPTIONAL};

/// The keys of the table `section`; those outside any table for "".
fn section(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section() == section)
}

/// The tables, in the order in which they are printed.
fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    KEYS.iter().map(Key::section).filter(move |section| std::mem::replace(&mut last, section) != *section)
}

impl Key {
    fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    fn comment(&self, out: &mut String) {
        let required = if self.required { ", required" } else { "" };
        let restart = if is_live(self.path) { "" } else { ", needs a restart" };
        let text = format!("{} [{}{required}{restart}]", self.why, self.unit);
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
            list if LISTS.contains(&list) => format!("`{name}` belongs below [[{list}]]"),
            table => format!("`{name}` belongs below [{table}]"),
        };
    }
    let mut known: Vec<_> = section(table).map(Key::name).collect();
    if table.is_empty() {
        known.extend(sections());
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
    let mut config = Config::example();
    config.user.truncate(1);
    write_document(&mut out, &config, |key, value| {
        let default = !key.required && (key.section() == "listener" || !LISTS.contains(&key.section()));
        format!("{}{} = {value}", if default { "" } else { "# " }, key.name())
    });
    out
}

/// A file to begin with: what must be set, and the rest as comments.
pub(crate) fn example() -> String {
    let mut out = String::from("# Settings of smtp-server-example. What stands behind a # is the default.\n");
    write_document(&mut out, &Config::example(), |key, value| {
        let given = key.required && !is_optional(key.section())
            || matches!(key.path, "data" | "listener.kind" | "listener.address");
        format!("{}{} = {value}", if given { "" } else { "#" }, key.name())
    });
    OPTIONAL.iter().fold(out, |out, list| out.replace(&format!("\n[[{list}]]"), &format!("\n#[[{list}]]")))
}

fn is_optional(section: &str) -> bool {
    OPTIONAL.contains(&section)
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
    for name in sections() {
        match table.get(name) {
            Some(Value::Table(values)) => {
                let _ = writeln!(out, "\n[{name}]");
                write_section(out, name, values, true, &line);
            }
            Some(Value::Array(entries)) => {
                for (i, entry) in entries.iter().filter_map(Value::as_table).enumerate() {
                    let _ = writeln!(out, "\n[[{name}]]");
                    write_section(out, name, entry, i == 0, &line);
                }
            }
            _ => {}
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
    for route in &mut config.route {
        route.secret = route.secret.hidden();
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
        for (name, value) in as_table(&Config::example()) {
            let mut add = |inner: &Table| read.extend(inner.keys().map(|key| format!("{name}.{key}")));
            match &value {
                Value::Table(inner) => add(inner),
                Value::Array(list) if LISTS.contains(&name.as_str()) => {
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
            let ends = ["]", ", required]", ", needs a restart]", ", required, needs a restart]"];
            // Comments are cut at the end of a line.
            let whole = shown.replace("\n# ", " ");
            assert!(ends.iter().any(|end| whole.contains(&format!("{unit}{end}"))), "no unit: {}", key.path);
            assert!(key.why.len() > 20 && key.why.ends_with('.'), "{} has no reason", key.path);
        }
    }
}
