//! The `queue` commands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::admin::{Behind, Request};
use super::control::ask;
use super::filter::{Filter, HELP};
use super::shape;
use super::store::{StoreError, Trouble, Verb};
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::mailroom;

/// Looks at the mail that waits, and does something about it.
///
/// A running server is asked; if none runs, its files are opened. Each verb selects by the same WHICH, which its --help
/// explains: a queue id, from=, to=, domain=, state=, older=, or all.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists deliveries that are not done, the oldest first
    #[command(after_help = HELP)]
    List(Any),
    /// Counts deliveries that are not done, for each destination and by age
    #[command(after_help = HELP)]
    Shape(Any),
    /// Shows everything about messages, done ones too: recipients, replies, attempts
    #[command(after_help = HELP)]
    Show(Which),
    /// Tries deliveries now, and asks hosts again that could not be reached
    #[command(after_help = HELP)]
    Retry(Change),
    /// Stops trying deliveries until they are released
    #[command(after_help = HELP)]
    Hold(Change),
    /// Tries held deliveries again
    #[command(after_help = HELP)]
    Release(Change),
    /// Ends deliveries without telling their senders; what was dropped can still be shown
    #[command(after_help = HELP)]
    Drop(Change),
    /// Tries everything now, or what is selected; with --wait, returns when all was tried
    #[command(after_help = HELP)]
    Flush(Flush),
}

/// Why a message may not be found.
pub(super) const FORGOTTEN: &str = "what was done is forgotten after queue.keep_done_seconds, 30 days unless set; what was refused is in the log, and sessions that failed are known as long as the server runs";

/// Where the queue is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// The server's settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's mail folder, as `demo --data` has it
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Any, or some.
#[derive(Debug, Args)]
pub(crate) struct Any {
    #[command(flatten)]
    place: Place,
    /// Which deliveries; all that are not done, if left out
    #[arg(value_name = "WHICH")]
    which: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Those that are named.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    place: Place,
    /// Which messages
    #[arg(value_name = "WHICH", required = true)]
    which: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Those to be changed.
#[derive(Debug, Args)]
pub(crate) struct Change {
    #[command(flatten)]
    which: Which,
    /// Only print what would be changed
    #[arg(long)]
    dry_run: bool,
}

/// All of them, or some.
#[derive(Debug, Args)]
pub(crate) struct Flush {
    #[command(flatten)]
    some: Any,
    /// Return when nothing is due and nothing is being tried any more
    #[arg(long)]
    wait: bool,
    /// Only print what would be tried
    #[arg(long)]
    dry_run: bool,
}

impl Place {
    fn folder(&self) -> Result<PathBuf, Failure> {
        let data = match (&self.config, &self.data) {
            (Some(config), _) => Config::read(config)?.data,
            (None, Some(data)) => data.clone(),
            (None, None) => {
                return Err(Failure::new(Kind::Usage, "where is the queue? give --config or --data"));
            }
        };
        Ok(mailroom::folder(&data))
    }

    pub(super) fn ask(&self, request: Request) -> Result<Value, Failure> {
        let folder = self.folder()?;
        ask(&folder, request).map_err(|error| failed(&folder, &error))
    }

    /// Asks as often as it takes to have all rows.
    pub(super) fn ask_for_all(&self, request: impl Fn(Behind) -> Request) -> Result<Value, Failure> {
        let (mut all, mut behind) = (Vec::new(), Some(Behind::default()));
        while let Some(last) = behind {
            let Value::Array(mut rows) = self.ask(request(last))? else { break };
            behind = Behind::last(&rows);
            // What it takes to go on is nobody's business.
            rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| drop(row.remove("row")));
            all.append(&mut rows);
        }
        Ok(Value::Array(all))
    }
}

fn failed(folder: &Path, error: &StoreError) -> Failure {
    match error.kind {
        Trouble::Closed => {
            let help = "is it the folder of a server that has run? it is `data` in the settings, or --data of `demo`";
            Failure::new(Kind::NoInput, error.text.clone()).help(help)
        }
        _ => mailroom::broken(folder, error),
    }
}

pub(super) fn filter(words: &[String]) -> Result<Filter, Failure> {
    Filter::parse(words.iter().map(String::as_str)).map_err(|what| Failure::new(Kind::Usage, what))
}

/// Does one; returns what to print.
pub(crate) fn run(command: Command) -> Result<String, Failure> {
    match command {
        Command::List(some) => {
            let which = filter(&some.which)?;
            let list = some.place.ask_for_all(|behind| Request::List(which.clone(), behind))?;
            Ok(if some.json { format!("{list}\n") } else { table(&list) })
        }
        Command::Shape(some) => {
            let shape = some.place.ask(Request::Shape(filter(&some.which)?))?;
            Ok(if some.json { format!("{shape}\n") } else { shape::table(&shape) })
        }
        Command::Show(which) => {
            let some = filter(&which.which)?;
            let shown = which.place.ask_for_all(|behind| Request::Show(some.clone(), behind))?;
            if shown.as_array().is_none_or(Vec::is_empty) {
                return Err(Failure::new(Kind::NoInput, "no message is like that").help(FORGOTTEN));
            }
            Ok(if which.json { format!("{shown}\n") } else { details(&shown) })
        }
        Command::Retry(change) => order(Verb::Retry, "to be tried now", &change),
        Command::Hold(change) => order(Verb::Hold, "held", &change),
        Command::Release(change) => order(Verb::Release, "released", &change),
        Command::Drop(change) => order(Verb::Drop, "dropped", &change),
        Command::Flush(flush) => {
            let (some, dry) = (&flush.some, flush.dry_run);
            let filter = filter(&some.which)?;
            let done = some.place.ask(Request::Order { verb: Verb::Retry, filter, dry })?;
            if flush.wait && !dry {
                some.place.ask(Request::Wait)?;
            }
            Ok(ordered(&done, &would("to be tried now", dry), some.json))
        }
    }
}

fn order(verb: Verb, word: &str, change: &Change) -> Result<String, Failure> {
    let filter = filter(&change.which.which)?;
    let done = change.which.place.ask(Request::Order { verb, filter, dry: change.dry_run })?;
    Ok(ordered(&done, &would(word, change.dry_run), change.which.json))
}

fn would(word: &str, dry: bool) -> String {
    if dry { format!("would be {}", word.trim_start_matches("to be ")) } else { word.to_owned() }
}

fn ordered(done: &Value, word: &str, json: bool) -> String {
    if json {
        return format!("{done}\n");
    }
    let mut text = String::new();
    for id in done["messages"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "{} {word}", plain(id));
    }
    let _ = writeln!(text, "messages: {}", done["count"]);
    text
}

/// A value for a terminal: foreign words do nothing to it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn sender(value: &Value) -> String {
    format!("<{}>", value.as_str().map(|_| plain(value)).unwrap_or_default())
}

/// Four lines a delivery would be too many, one is too narrow for replies.
fn table(list: &Value) -> String {
    let mut text = String::new();
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    for row in list {
        let _ = writeln!(
            text,
            "{} {} {} octets {} -> {} via {} tries {} next {}",
            plain(&row["id"]),
            plain(&row["state"]),
            row["octets"],
            sender(&row["from"]),
            plain(&row["to"]),
            plain(&row["route"]),
            row["tries"],
            plain(&row["next"]),
        );
        if !row["why"].is_null() {
            let _ = writeln!(text, "    {}", plain(&row["why"]));
        }
    }
    let _ = writeln!(text, "deliveries: {}", list.len());
    text
}

fn details(shown: &Value) -> String {
    let mut text = String::new();
    for message in shown.as_array().into_iter().flatten() {
        let _ = writeln!(text, "{} from {}", plain(&message["id"]), sender(&message["from"]));
        let facts =
            ["kind", "octets", "user", "client", "hello", "tls", "arrived", "expires", "held", "done"];
        for key in facts.iter().filter(|key| !message[**key].is_null()) {
            let _ = writeln!(text, "  {key}: {}", plain(&message[*key]));
        }
        for delivery in message["deliveries"].as_array().into_iter().flatten() {
            let (route, state) = (plain(&delivery["route"]), plain(&delivery["state"]));
            let _ = writeln!(text, "  via {route}: {state}, next {}", plain(&delivery["next"]));
            for rcpt in delivery["to"].as_array().into_iter().flatten() {
                let (to, state) = (plain(&rcpt["address"]), plain(&rcpt["state"]));
                let unsure = if rcpt["unsure"] == true { ", may be there already" } else { "" };
                let _ = writeln!(text, "    to <{to}>: {state}, {}{unsure}", plain(&rcpt["reply"]));
            }
            for attempt in delivery["attempts"].as_array().into_iter().flatten() {
                let (n, ended) = (&attempt["n"], plain(&attempt["ended"]));
                let host = attempt["host"]
                    .as_str()
                    .map_or_else(String::new, |_| format!(" at {}", plain(&attempt["host"])));
                let _ = writeln!(text, "    try {n} at {ended}: {}{host}", plain(&attempt["outcome"]));
            }
        }
    }
    text
}
