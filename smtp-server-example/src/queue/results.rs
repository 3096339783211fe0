//! What deliveries brought while the store could not take it, so that no other copy of what was accepted is sent.
//!
//! A line of JSON each, synced. Only facts are in it: who has the message, and who may have it. All else is found out
//! again by another try.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::model::{DeliveryId, RcptId, RcptState, Settled, Settlement};

/// What is certain about a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fact {
    delivery: i64,
    /// In milliseconds since 1970.
    at: i64,
    accepted: Vec<Accepted>,
    /// Those whose final dot was not answered.
    unsure: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Accepted {
    rcpt: i64,
    reply: String,
    mx: Option<String>,
    tls: Option<String>,
}

impl Fact {
    /// None where nothing is certain.
    fn of(settlement: &Settlement) -> Option<Self> {
        if !settlement.is_fact() {
            return None;
        }
        let accepted = settlement.rcpts.iter().filter(|rcpt| rcpt.state == RcptState::Accepted);
        let accepted: Vec<_> = accepted
            .map(|rcpt| Accepted {
                rcpt: rcpt.id.0,
                reply: rcpt.reply.clone(),
                mx: rcpt.mx.clone(),
                tls: rcpt.tls.clone(),
            })
            .collect();
        let unsure = settlement.rcpts.iter().filter(|rcpt| rcpt.unsure && rcpt.state == RcptState::Wait);
        let unsure: Vec<_> = unsure.map(|rcpt| rcpt.id.0).collect();
        let at = settlement.now.as_millisecond();
        (!accepted.is_empty() || !unsure.is_empty()).then_some(Self {
            delivery: settlement.delivery.0,
            at,
            accepted,
            unsure,
        })
    }

    pub(super) const fn delivery(&self) -> DeliveryId {
        DeliveryId(self.delivery)
    }

    pub(super) fn is_unsure(&self) -> bool {
        !self.unsure.is_empty()
    }

    /// As a settlement of no run that is known, of which a store believes the acceptances alone.
    pub(super) fn settlement(self, now: Timestamp) -> Settlement {
        let accepted = self.accepted.into_iter().map(|rcpt| Settled {
            id: RcptId(rcpt.rcpt),
            state: RcptState::Accepted,
            unsure: false,
            reply: rcpt.reply,
            mx: rcpt.mx,
            tls: rcpt.tls,
        });
        Settlement {
            delivery: DeliveryId(self.delivery),
            epoch: 0,
            now: Timestamp::from_millisecond(self.at).unwrap_or(now),
            rcpts: accepted.collect(),
            next: now,
            warn: None,
            attempt: None,
            notices: Vec::new(),
            route: None,
            hold: None,
        }
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct Results {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Results {
    pub(super) const FILE: &str = "results.journal";

    /// What is in it. Lines that make no sense are passed over: the last one may be cut, and was not synced then.
    pub(super) fn read(folder: &Path) -> io::Result<Vec<Fact>> {
        match fs::read(folder.join(Self::FILE)) {
            Ok(lines) => {
                let lines = lines.split(|octet| *octet == b'\n');
                Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Begins without any, once what is in the file is in the store.
    pub(super) fn begin_anew(folder: &Path) -> io::Result<Self> {
        let path = folder.join(Self::FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self { path, file: Mutex::new(None) }),
        }
    }

    /// Makes what is certain durable. Blocks.
    pub(super) fn keep(&self, settlement: &Settlement) -> io::Result<()> {
        let Some(fact) = Fact::of(settlement) else { return Ok(()) };
        let line = serde_json::to_string(&fact)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?);
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        }
        // A line that was cut before this one is ended first.
        let written = file.as_mut().map_or(Ok(()), |file| {
            file.write_all(format!("\n{line}\n").as_bytes())?;
            file.sync_data()
        });
        if written.is_err() {
            *file = None;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::queue::conformance::at;

    #[test]
    fn facts_are_kept_and_the_rest_is_not() {
        let folder = TempDir::new().unwrap();
        assert_eq!(Results::read(folder.path()).unwrap(), []);
        let results = Results::begin_anew(folder.path()).unwrap();
        let settled = |id, state, unsure| Settled {
            id: RcptId(id),
            state,
            unsure,
            reply: "250 \u{fc}\n".into(),
            mx: Some("mx.example".into()),
            tls: None,
        };
        let mut settlement = Settlement {
            delivery: DeliveryId(7),
            epoch: 3,
            now: at(60),
            rcpts: vec![
                settled(1, RcptState::Accepted, false),
                settled(2, RcptState::Wait, true),
                settled(3, RcptState::Refused, false),
                settled(4, RcptState::Wait, false),
            ],
            next: at(120),
            warn: None,
            attempt: None,
            notices: Vec::new(),
            route: None,
            hold: None,
        };
        results.keep(&settlement).unwrap();
        settlement.rcpts.drain(..2);
        results.keep(&settlement).unwrap();
        let mut file = OpenOptions::new().append(true).open(folder.path().join(Results::FILE)).unwrap();
        file.write_all(b"{\"delivery\":8,\"at").unwrap();
        let facts = Results::read(folder.path()).unwrap();
        assert_eq!(facts.len(), 1, "only the first says who has it");
        assert_eq!((facts[0].delivery(), &facts[0].unsure[..]), (DeliveryId(7), &[2][..]));
        let again = facts[0].clone().settlement(at(90));
        assert_eq!((again.now, again.rcpts), (at(60), vec![settled(1, RcptState::Accepted, false)]));
        Results::begin_anew(folder.path()).unwrap();
        assert_eq!(Results::read(folder.path()).unwrap(), []);
    }
}
