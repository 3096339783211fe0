//! A secret as a setting: what it says, or where it is to be had.

use std::fmt;
use std::fs;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown instead of a secret that stands in the settings itself.
const HIDDEN: &str = "(not shown)";

/// A password or key: itself, `${file:/path}` or `${env:NAME}`.
///
/// What it stands for is read whenever it is needed, so that a new one in its file is in force at once; and it is kept
/// nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(String);

enum Source<'a> {
    Literal(&'a str),
    File(&'a str),
    Variable(&'a str),
}

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same for people: a secret that stands here itself is hidden.
    pub(super) fn hidden(&self) -> Self {
        match self.source() {
            Ok(Source::Literal(text)) if !text.is_empty() => Self(HIDDEN.to_owned()),
            _ => self.clone(),
        }
    }

    /// Whether it can be read at all, without doing so.
    pub(super) fn form(&self) -> Result<(), String> {
        self.source().map(drop)
    }

    /// The secret itself. The error names where it should be, and never what is there.
    pub(crate) fn read(&self) -> Result<String, String> {
        let text = match self.source()? {
            Source::Literal(text) => text.to_owned(),
            Source::File(path) => {
                fs::read_to_string(path).map_err(|error| format!("can't read {path}: {error}"))?
            }
            Source::Variable(name) => {
                std::env::var(name).map_err(|_| format!("the environment has no {name} that is text"))?
            }
        };
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        match text {
            "" => Err(format!("{self} is empty")),
            _ if text.contains(char::is_control) => Err(format!("{self} has more than one line")),
            _ => Ok(text.to_owned()),
        }
    }

    fn source(&self) -> Result<Source<'_>, String> {
        const WANT: &str = "want ${file:/path}, ${env:NAME}, or the secret itself";
        if self.0 == HIDDEN {
            return Err(format!("`{HIDDEN}` is what `config show` has in the place of a secret"));
        }
        let Some(inner) = self.0.strip_prefix("${") else { return Ok(Source::Literal(&self.0)) };
        match inner.strip_suffix('}').and_then(|inner| inner.split_once(':')) {
            Some(("file", path)) if path.starts_with('/') => Ok(Source::File(path)),
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Source::Variable(name))
            }
            _ => Err(WANT.to_owned()),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source() {
            Ok(Source::File(_) | Source::Variable(_)) => f.write_str(&self.0),
            _ => f.write_str("the secret"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not as a text at once: the error would quote what stands there.
        match toml::Value::deserialize(deserializer) {
            Ok(toml::Value::String(text)) => Ok(Self(text)),
            _ => Err(D::Error::custom("want a text in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_itself_a_file_or_a_variable_and_loses_one_line_end() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            format!("${{file:{}}}", path.display())
        };
        for (text, want, why) in [
            ("hunter2".to_owned(), Some("hunter2"), "itself"),
            ("$hunter{2}".to_owned(), Some("$hunter{2}"), "a dollar sign alone means nothing"),
            (file("plain", "hunter2"), Some("hunter2"), "a file"),
            (file("line", "hunter2\n"), Some("hunter2"), "as an editor writes it"),
            (file("crlf", "hunter2\r\n"), Some("hunter2"), "as another one does"),
            (file("blank", " hunter2 \n"), Some(" hunter2 "), "blanks may be part of it"),
            (file("two", "hunter2\n\n"), None, "two lines"),
            (file("empty", "\n"), None, "nothing but a line end"),
            ("${env:CARGO_PKG_NAME}".to_owned(), Some("smtp-server-example"), "a variable"),
            ("${env:NOBODY_HAS_THIS_NAME}".to_owned(), None, "none of that name"),
            ("${file:relative}".to_owned(), None, "relative to what"),
            ("${file:/nowhere/at/all}".to_owned(), None, "no such file"),
            ("${vault:x}".to_owned(), None, "no such kind"),
            ("${env:X".to_owned(), None, "not closed"),
            (HIDDEN.to_owned(), None, "what is shown is not the secret"),
            (String::new(), None, "nothing"),
        ] {
            let read = Secret(text.clone()).read();
            assert_eq!(read.as_deref().ok(), want, "{text}: {why}");
            assert!(!read.is_err_and(|error| error.contains("hunter2")), "{text}: {why}");
        }
    }

    #[test]
    fn a_secret_shows_nowhere() {
        let literal = Secret::new("hunter2");
        let shown = format!("{literal} {literal:?} {}", literal.hidden().0);
        assert_eq!(shown, "the secret Secret(the secret) (not shown)");
        let file = Secret::new("${file:/etc/secret}");
        assert_eq!(format!("{file} {}", file.hidden().0), "${file:/etc/secret} ${file:/etc/secret}");
    }
}
