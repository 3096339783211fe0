//! Between the final dot and the client's next word.

use std::time::{Duration, Instant};

use smtp_proto::server::{CloseReason, Step, Verdict};
use smtp_proto::wire::reply::Reply;
use smtp_tokio::{Connection, HangUp};

use crate::queue::Unsure;

/// The client was gone before we could tell it that we have its message, which it will send again. We have it no more.
/// Only one that has closed its own side alone can hear this.
pub(crate) const LOST: Reply<'static> =
    Reply::new(451, (4, 4, 2), "You were gone before the message was stored");
/// What had to be done after the final dot took too long. Said late, a 250 finds nobody, and the message comes twice
/// (RFC 1047).
pub(crate) const LATE: Reply<'static> =
    Reply::new(451, (4, 3, 2), "It took too long to store the message, try again later");

/// The store can't be believed any more: it takes an operator.
pub(crate) const UNSAFE: Reply<'static> = Reply::new(421, (4, 3, 0), "The queue has failed, try again later");

/// What a session has to remember about the message whose verdict it gives or gave last.
#[derive(Default)]
pub(crate) struct AfterDot {
    watch: Option<HangUp>,
    /// A client that had said more before its verdict came is heard only when content follows: for that it had to read.
    said_more: bool,
    given: Option<Unsure>,
}

impl AfterDot {
    /// Looks after the client while content comes, by a descriptor more, and no longer.
    pub(crate) fn watch(&mut self, connection: &Connection, content: bool) {
        match (content, &self.watch) {
            (true, None) => self.watch = connection.watch(),
            (false, Some(_)) => self.watch = None,
            _ => {}
        }
    }

    /// The verdict is about to be given: until when, and who is looked for then.
    pub(crate) fn begin(&mut self, verdict: &Verdict, limit: Duration) -> Client<'_> {
        self.said_more = verdict.followed();
        let watch = self.watch.as_ref().filter(|_| !self.said_more);
        Client { watch, until: Instant::now() + limit }
    }

    pub(crate) fn given(&mut self, unsure: Option<Unsure>) {
        self.given = unsure.or(self.given.take());
    }

    /// A step comes: one that shows that the client has gone on behind its `250` confirms the message.
    pub(crate) fn see(&mut self, step: &Step<'_, '_>) {
        let goes_on = match step {
            Step::Reset(_) | Step::Verdict(_) | Step::Quiet(_) => false,
            Step::Close(reason) => *reason == CloseReason::Quit && !self.said_more,
            Step::Content(_) => true,
            _ => !self.said_more,
        };
        if goes_on && let Some(unsure) = self.given.take() {
            unsure.confirm();
        }
    }
}

/// Somebody who waits for a verdict.
pub(crate) struct Client<'a> {
    watch: Option<&'a HangUp>,
    pub(crate) until: Instant,
}

impl Client<'_> {
    /// One look: reset, or at its end with nothing said after the dot.
    pub(crate) fn is_gone(&self) -> bool {
        self.watch.is_some_and(HangUp::is_gone)
    }

    pub(crate) fn is_late(&self) -> bool {
        Instant::now() > self.until
    }
}
