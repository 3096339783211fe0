//! The last lines of sessions that ended in an error, for whoever asks `trace`. In memory alone, without secrets and
//! without content, and no more than so many.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use smtp_proto::trace::{Lines, Transcript};
use smtp_tokio::client::{Connect, ConnectError};

use crate::config::Kind;
use crate::queue_id::QueueId;

/// Lines that are kept of a session: its last message and what led to the end.
const LINES: usize = 40;

/// So many more wait until they are forgotten together, which costs less than one at a time.
const SPARE: usize = 10;

/// Octets that are set apart at a session's first line, which is what most sessions say at all.
const USUAL: usize = 512;

/// Octets of a line that are kept; with [`LINES`] and [`SPARE`] of them a session takes 10 KiB at most.
const LINE_OCTETS: usize = 200;

/// Sessions that are kept. Who looks, looks soon; what is older is in the log.
const SESSIONS: usize = 200;

/// Messages of a session by whose ids it is found.
const IDS: usize = 20;

/// The last lines of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<Last>>);

/// They are one text: each session writes some, and few are ever looked at.
#[derive(Debug, Default)]
struct Last {
    text: String,
    lines: usize,
}

impl Last {
    fn push(&mut self, line: &str) {
        if self.text.capacity() == 0 {
            self.text.reserve(USUAL);
        }
        // A transcript is ASCII.
        self.text.push_str(line.get(..LINE_OCTETS).unwrap_or(line));
        self.text.push('\n');
        self.lines += 1;
        if self.lines == LINES + SPARE {
            self.text.drain(..self.forgotten());
            self.lines = LINES;
        }
    }

    /// Octets of the lines that are too old.
    fn forgotten(&self) -> usize {
        let old = self.lines.saturating_sub(LINES);
        self.text.split_inclusive('\n').take(old).map(str::len).sum()
    }
}

impl Tail {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transcript that ends here. No content, and nothing of an AUTH exchange.
    pub(crate) fn transcript(&self) -> Transcript<Lines<impl FnMut(&str) + Send + Sync + use<>>> {
        let tail = self.clone();
        Transcript::new(Lines::new(move |line: &str| tail.last().push(line))).without_content()
    }

    pub(crate) fn text(&self) -> String {
        let last = self.last();
        last.text.get(last.forgotten()..).unwrap_or_default().to_owned()
    }
}

/// The last lines of the newest of our own connections to a host, from its greeting on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest(Arc<Mutex<Tail>>);

impl Newest {
    /// Has each connection recorded that is made from here on.
    pub(crate) fn record(&self, connect: Connect) -> Connect {
        let newest = self.clone();
        connect.record(move |_| {
            let tail = Tail::default();
            let transcript = tail.transcript();
            *newest.0.lock().unwrap_or_else(PoisonError::into_inner) = tail;
            transcript
        })
    }

    /// What was said until it came to this; none where nobody was there to say anything.
    pub(crate) fn until(&self, error: &ConnectError) -> Option<String> {
        let nobody = matches!(error, ConnectError::Unreachable { .. } | ConnectError::NoAddress { .. });
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (!nobody).then(|| tail.text()).filter(|text| !text.is_empty())
    }
}

/// What is noted of a session while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) tail: Tail,
    messages: VecDeque<QueueId>,
    why: Option<String>,
}

impl Notes {
    /// Its content begins.
    pub(crate) fn begin(&mut self, id: QueueId) {
        if self.messages.len() == IDS {
            self.messages.pop_front();
        }
        self.messages.push_back(id);
    }

    /// Something went wrong; the first such thing is what is told.
    pub(crate) fn fail(&mut self, why: impl FnOnce() -> String) {
        self.why.get_or_insert_with(why);
    }

    pub(crate) const fn has_failed(&self) -> bool {
        self.why.is_some()
    }

    pub(crate) fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

#[derive(Debug)]
struct Session {
    id: QueueId,
    at: Timestamp,
    kind: Kind,
    peer: Option<SocketAddr>,
    notes: Notes,
}

/// Sessions that ended in an error, newest last.
#[derive(Debug, Default)]
pub(crate) struct Failed(Mutex<VecDeque<Session>>);

impl Failed {
    fn sessions(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep(
        &self,
        id: QueueId,
        at: Timestamp,
        kind: Kind,
        peer: Option<SocketAddr>,
        notes: Notes,
    ) {
        let mut sessions = self.sessions();
        if sessions.len() == SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(Session { id, at, kind, peer, notes });
    }

    /// Those with this id, or with a message of this id, or from this address.
    pub(crate) fn find(&self, what: &str) -> Value {
        let sessions = self.sessions();
        let is_meant = |session: &&Session| {
            session.id.as_str() == what
                || session.notes.messages.iter().any(|id| id.as_str() == what)
                || session.peer.is_some_and(|peer| peer.ip().to_canonical().to_string() == what)
        };
        let told = |session: &Session| {
            json!({
                "session": session.id.as_str(), "at": session.at.to_string(), "via": session.kind.word(),
                "peer": session.peer.map(|peer| peer.to_string()), "why": session.notes.why,
                "transcript": session.notes.tail.text(),
            })
        };
        sessions.iter().filter(is_meant).map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue_id::QueueIds;

    #[test]
    fn the_last_lines_are_kept_short_and_without_secrets() {
        let tail = Tail::default();
        let mut transcript = tail.transcript();
        for n in 0..1_000 {
            transcript.received(format!("NOOP {n} {}\r\n", "x".repeat(1_000)).as_bytes());
        }
        transcript.received(b"AUTH PLAIN AHNlY3JldAo=\r\n");
        let text = tail.text();
        assert_eq!(text.lines().count(), LINES);
        assert!(text.lines().all(|line| line.len() <= LINE_OCTETS), "{text}");
        assert!(
            text.starts_with("C: NOOP 961 ") && text.ends_with("C: AUTH PLAIN <redacted 12 octets>\n"),
            "{text}"
        );
    }

    #[test]
    fn so_many_sessions_are_kept_and_found_by_id_message_and_address() {
        let (ids, failed) = (QueueIds::new(), Failed::default());
        let now = Timestamp::now();
        let mut all = Vec::new();
        for n in 0..SESSIONS + 10 {
            let mut notes = Notes::default();
            notes.fail(|| format!("first {n}"));
            notes.fail(|| "second".to_owned());
            let (session, message) = (ids.next(now), ids.next(now));
            notes.begin(message);
            let peer = SocketAddr::from(([192, 0, 2, u8::try_from(n).unwrap()], 25));
            failed.keep(session, now, Kind::Mx, Some(peer), notes);
            all.push((session, message));
        }
        let count = |what: &str| failed.find(what).as_array().unwrap().len();
        assert_eq!(count(all[9].0.as_str()), 0, "it is too long ago");
        for what in [all[10].0.as_str(), all[10].1.as_str(), "192.0.2.10"] {
            assert_eq!(failed.find(what)[0]["why"], "first 10", "{what}");
            assert_eq!(count(what), 1, "{what}");
        }
    }
}
