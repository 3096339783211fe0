use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::{Failure, Kind};

/// What was found, in the order in which it was looked for.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    /// Of the first that fails.
    kind: Option<Kind>,
}

#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    name: String,
    what: String,
    /// Why it matters; empty where all is well.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'static str,
    #[serde(rename = "do", skip_serializing_if = "String::is_empty")]
    remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Level {
    #[serde(rename = "ok")]
    Ok,
    #[serde(rename = "warn")]
    Warn,
    #[serde(rename = "FAIL")]
    Fail,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

impl Findings {
    /// All is well.
    pub(crate) fn ok(&mut self, name: impl Into<String>, what: impl Into<String>) {
        self.add(Level::Ok, name.into(), what.into(), "", String::new());
    }

    /// It works, but not as well as it should, or not for long.
    pub(crate) fn warn(
        &mut self,
        name: impl Into<String>,
        what: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) {
        self.add(Level::Warn, name.into(), what.into(), why, remedy.into());
    }

    /// It does not work. `kind` is what the program ends with.
    pub(crate) fn fail(
        &mut self,
        kind: Kind,
        name: impl Into<String>,
        what: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) {
        self.kind.get_or_insert(kind);
        self.add(Level::Fail, name.into(), what.into(), why, remedy.into());
    }

    fn add(&mut self, level: Level, name: String, what: String, why: &'static str, remedy: String) {
        self.list.push(Finding { level, name, what, why, remedy });
    }

    /// A line for each.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Finding { level, name, what, why, remedy } in &self.list {
            let parts = [what, *why, remedy].into_iter().filter(|part| !part.is_empty());
            let parts: Vec<_> = parts.map(one_line).collect();
            // INVARIANT: writing to a String does not fail.
            let _ = writeln!(text, "{} {}: {}", level.word(), one_line(name), parts.join("; "));
        }
        text
    }

    pub(super) fn json(&self) -> String {
        // INVARIANT: the types are plain, nothing of them can fail.
        serde_json::to_string(&self.list).unwrap_or_default() + "\n"
    }

    /// Whether everything works.
    pub(super) fn result(&self) -> Result<(), Failure> {
        let Some(kind) = self.kind else { return Ok(()) };
        let failed = self.list.iter().filter(|finding| finding.level == Level::Fail).count();
        Err(Failure::new(kind, format!("{failed} of {} checks failed", self.list.len())))
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

/// Whatever others said, it stays one line and does nothing to a terminal.
fn one_line(text: impl AsRef<str>) -> String {
    let text: String = text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_and_the_first_failure_is_the_exit_code() {
        let mut findings = Findings::default();
        findings.ok("a", "well");
        assert!(findings.result().is_ok());
        findings.warn("b", "so so\r\n\x1B[2J", "because", "mend it");
        assert!(findings.result().is_ok(), "a warning is no failure");
        findings.fail(Kind::NoHost, "c", "broken", "because", "mend it");
        findings.fail(Kind::Config, "d", "broken", "because", "mend it");
        assert_eq!(
            findings.lines(),
            [
                "ok   a: well",
                "warn b: so so [2J; because; mend it",
                "FAIL c: broken; because; mend it",
                "FAIL d: broken; because; mend it"
            ]
        );
        let failure = findings.result().unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.to_string()),
            (68, "error: 2 of 4 checks failed".to_owned())
        );
        let json: serde_json::Value = serde_json::from_str(&findings.json()).unwrap();
        assert_eq!((&json[0]["level"], &json[2]["do"]), (&"ok".into(), &"mend it".into()));
    }
}
