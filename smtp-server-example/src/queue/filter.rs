//! Which messages the operator means: `id=…`, `from=…`, `to=…`, `domain=…`, `state=…`, `older=…`, all of them or
//! `all`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::model::DeliveryState;

/// Deliveries for which every term is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filter(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Term {
    /// The message with this queue id.
    Id(String),
    /// Messages with this sender; the empty one is `<>`.
    From(String),
    /// Deliveries with this recipient.
    To(String),
    /// Deliveries to this domain, or `local`.
    Domain(String),
    /// `ready`, `hold`, `dot` or `done`.
    State(String),
    /// Messages that came longer ago.
    Older(Duration),
    /// Every message. It says so on purpose, where a forgotten word would be a disaster.
    All,
}

impl Filter {
    /// Reads words as the operator writes them; a word without `=` is a queue id. The error says what is wrong.
    pub(crate) fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, String> {
        words.into_iter().map(Term::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Everything.
    pub(crate) fn all() -> Self {
        Self(vec![Term::All])
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.0
    }

    /// Whether it says something about the state, so that no default is needed.
    pub(crate) fn names_state(&self) -> bool {
        self.0.iter().any(|term| matches!(term, Term::State(_) | Term::Id(_)))
    }
}

impl Term {
    fn parse(word: &str) -> Result<Self, String> {
        let Some((key, value)) = word.split_once('=') else {
            return match word {
                "all" => Ok(Self::All),
                id if !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric()) => {
                    Ok(Self::Id(id.to_ascii_uppercase()))
                }
                address if address.contains('@') => {
                    Err(format!("`{address}` is no queue id; did you mean to={address}, or from={address}?"))
                }
                other => Err(format!("`{other}` is no queue id; {GRAMMAR}")),
            };
        };
        match key {
            "id" => Ok(Self::Id(value.to_ascii_uppercase())),
            "from" => Ok(Self::From(without_brackets(value).to_owned())),
            "to" => Ok(Self::To(without_brackets(value).to_owned())),
            "domain" => Ok(Self::Domain(value.to_ascii_lowercase())),
            "state" if DeliveryState::of(value).is_some() => Ok(Self::State(value.to_owned())),
            "state" => Err(format!("`{value}` is no state; there are ready, hold, dot and done")),
            "older" => age(value)
                .map(Self::Older)
                .ok_or_else(|| format!("`{value}` is no age; give a number and s, m, h or d, as older=2h")),
            _ => Err(format!("`{key}` is nothing to select by; {GRAMMAR}")),
        }
    }
}

/// What can be said, in short.
const GRAMMAR: &str =
    "give a queue id, from=ADDRESS, to=ADDRESS, domain=DOMAIN, state=ready|hold|dot|done, older=AGE, or all";

/// What can be said, for the help of each verb.
pub(super) const HELP: &str = "\
WHICH is one or more of these; of several, all must be true:
  ID              a queue id, as the reply to the message and the log have it; also id=ID
  from=ADDRESS    the sender; from=<> for notifications
  to=ADDRESS      one of the recipients
  domain=DOMAIN   where it goes; domain=local for the mailboxes here
  state=STATE     ready: is tried when it is time; hold: waits for you; dot: its final dot was sent and not answered
                  before the server died (the next start makes it ready or holds it); done: nobody waits any more
  older=AGE       came longer ago: a number and s, m, h or d, as 90s, 5m, 2h, 3d
  all             every one; a verb that changes something wants to hear it";

fn without_brackets(address: &str) -> &str {
    address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address)
}

fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " " })?;
            match term {
                Term::Id(id) => write!(f, "id={id}")?,
                Term::From(address) => write!(f, "from=<{address}>")?,
                Term::To(address) => write!(f, "to=<{address}>")?,
                Term::Domain(domain) => write!(f, "domain={domain}")?,
                Term::State(state) => write!(f, "state={state}")?,
                Term::Older(age) => write!(f, "older={}s", age.as_secs())?,
                Term::All => f.write_str("all")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_select_what_they_say() {
        for (word, want, why) in [
            ("0abc", Some(Term::Id("0ABC".into())), "an id by itself, in any case"),
            ("id=0ABC", Some(Term::Id("0ABC".into())), "an id by name"),
            ("from=<>", Some(Term::From(String::new())), "the null sender"),
            ("from=A@b.example", Some(Term::From("A@b.example".into())), "a local part keeps its case"),
            ("to=<a@b>", Some(Term::To("a@b".into())), "brackets are allowed"),
            ("domain=B.Example", Some(Term::Domain("b.example".into())), "domains have no case"),
            ("state=hold", Some(Term::State("hold".into())), "a state"),
            ("state=dot", Some(Term::State("dot".into())), "what the server died with"),
            ("state=gone", None, "no state of ours"),
            ("older=90m", Some(Term::Older(Duration::from_secs(5_400))), "an age"),
            ("older=5", None, "an age without its unit"),
            ("older=99999999999999999999d", None, "a number too large"),
            ("older=99999999999999999d", None, "a product too large"),
            ("older=", None, "no age"),
            ("all", Some(Term::All), "everything"),
            ("", None, "an empty word, as from an unset variable"),
            ("a@b.example", None, "an address, of which it is not said what it is"),
            ("subject=x", None, "a key we don't know"),
        ] {
            let parsed = Filter::parse([word]);
            assert_eq!(parsed.ok(), want.map(|term| Filter(vec![term])), "{why}: {word}");
        }
        assert!(
            Filter::parse(["a@b.example"]).unwrap_err().contains("did you mean to=a@b.example, or from=")
        );
    }

    #[test]
    fn what_is_printed_selects_the_same() {
        let words = ["0ABC", "from=<>", "to=a@b", "domain=c.example", "state=done", "older=2h", "all"];
        let filter = Filter::parse(words).unwrap();
        assert_eq!(Filter::parse(filter.to_string().split(' ')).unwrap(), filter);
    }
}
