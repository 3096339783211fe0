use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use crate::failure::{Failure, Kind};

/// A settings file as it was written: errors can say where.
pub(super) struct Document<'d> {
    file: &'d str,
    text: &'d str,
    root: Spanned<DeTable<'d>>,
}

impl<'d> Document<'d> {
    pub(super) fn parse(file: &'d str, text: &'d str) -> Result<Self, Failure> {
        let root =
            DeTable::parse(text).map_err(|error| located(file, text, error.span(), error.message()))?;
        Ok(Self { file, text, root })
    }

    /// The document as a value.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        toml::from_str(self.text).map_err(|error| {
            let failure = located(self.file, self.text, error.span(), error.message());
            match form_of(error.message()) {
                Some(form) => failure.help(form),
                None => failure,
            }
        })
    }

    /// Something is wrong at a key or list entry: `user.0.name`. Should it not be in the file, the error names the
    /// file alone.
    pub(super) fn wrong(&self, path: &str, what: &str) -> Failure {
        located(self.file, self.text, self.find(path), what)
    }

    /// The first key in the file that nothing reads.
    pub(super) fn refuse_unknown_keys(&self) -> Result<(), Failure> {
        let mut unknown = Vec::new();
        collect_unknown("", self.root.get_ref(), &mut unknown);
        unknown.sort_by_key(|(span, _)| span.start);
        match unknown.into_iter().next() {
            None => Ok(()),
            Some((span, path)) => {
                let key = path.rsplit('.').next().unwrap_or_default();
                let failure = located(self.file, self.text, Some(span), &format!("unknown key `{key}`"));
                Err(failure.help(keys::suggestion(&path)))
            }
        }
    }

    fn find(&self, path: &str) -> Option<Range<usize>> {
        let mut steps = path.split('.');
        let (key, mut value) = self
            .root
            .get_ref()
            .iter()
            .find(|(key, _)| Some(key.get_ref().as_ref()) == steps.clone().next())?;
        steps.next();
        let mut span = key.span();
        for step in steps {
            let inner = match value.get_ref() {
                DeValue::Array(array) => array.get(step.parse::<usize>().ok()?),
                DeValue::Table(table) => {
                    table.iter().find(|(key, _)| key.get_ref().as_ref() == step).map(|(_, value)| value)
                }
                _ => None,
            };
            match inner {
                Some(inner) => (value, span) = (inner, inner.span()),
                None => break,
            }
        }
        Some(span)
    }
}

/// How a value has to be written, where it is one of another kind.
fn form_of(error: &str) -> Option<&'static str> {
    let (found, wanted) = error.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    Some(match wanted {
        "u16" | "u32" | "u64" | "usize" => {
            "a whole number without quotes or a unit, as 30: the unit is in the key's name"
        }
        "a boolean" => "true or false, without quotes",
        "a sequence" => "a list, in brackets also if it is of one: [\"a\"]",
        "a string" | "path string" if !found.starts_with("map") && !found.starts_with("sequence") => {
            "in quotes: \"a\""
        }
        _ => return None,
    })
}

fn collect_unknown(above: &str, table: &DeTable<'_>, unknown: &mut Vec<(Range<usize>, String)>) {
    for (key, value) in table {
        let path =
            if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        if !keys::is_known(&path) {
            unknown.push((key.span(), path));
            continue;
        }
        match value.get_ref() {
            DeValue::Table(inner) => collect_unknown(&path, inner, unknown),
            DeValue::Array(array) => {
                for inner in array.iter().filter_map(|value| value.get_ref().as_table()) {
                    collect_unknown(&path, inner, unknown);
                }
            }
            _ => {}
        }
    }
}

/// An error with the line it is about and a mark below the place.
fn located(file: &str, text: &str, span: Option<Range<usize>>, what: &str) -> Failure {
    let Some(span) = span.filter(|span| text.is_char_boundary(span.start)) else {
        return Failure::new(Kind::Config, format!("{file}: {what}"));
    };
    let before = &text[..span.start];
    let number = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = without_secret(text[start..].lines().next().unwrap_or_default());
    let column = before[start..].chars().count();
    let marks = text.get(span).map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count());
    let margin = number.to_string().len();
    let blank = " ".repeat(margin);
    Failure::new(
        Kind::Config,
        format!(
            "{file}:{number}: {what}\n {blank} |\n {number} | {line}\n {blank} | {}{}",
            " ".repeat(column),
            "^".repeat(marks.max(1))
        ),
    )
}

/// A line as it may be shown: on a screen, and in the log of a server that reads its settings again.
fn without_secret(line: &str) -> String {
    match line.split_once("secret") {
        Some((before, _)) => format!("{before}secret (the rest of the line is not shown)"),
        None => line.to_owned(),
    }
}
