//! Waits, each with its name and its deadline.

use core::fmt;
use core::time::Duration;

use super::job::Next;
use super::session::{ClientSession, Phase};
use super::step::Sent;
use crate::server::Need;
use crate::time::Time;

/// What a deadline is for. [`Timeouts`](super::Timeouts) has the time of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// The greeting.
    Greeting,
    /// The answer to EHLO, LHLO or HELO.
    Hello,
    /// The answer to STARTTLS.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// An AUTH exchange as a whole.
    Auth,
    /// The answer to MAIL.
    Mail,
    /// The answer to RCPT.
    Rcpt,
    /// The answer to DATA.
    DataInit,
    /// Until the server has taken a block of content.
    DataBlock,
    /// The answer to the end of content.
    DataEnd,
    /// The answer to a chunk that is not the last.
    Chunk,
    /// The answer to another command.
    Command,
    /// Until the server has taken our commands.
    Write,
    /// The answer to QUIT.
    Quit,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting (is it a port where TLS comes first?)",
            Self::Hello => "the answer to EHLO",
            Self::StartTls => "the answer to STARTTLS",
            Self::Handshake => "the TLS handshake",
            Self::Auth => "the end of AUTH",
            Self::Mail => "the answer to MAIL",
            Self::Rcpt => "the answer to RCPT",
            Self::DataInit => "the answer to DATA",
            Self::DataBlock => "the server to take content",
            Self::DataEnd => "the answer to the end of the content",
            Self::Chunk => "the answer to BDAT",
            Self::Command => "the answer to a command",
            Self::Write => "the server to take commands",
            Self::Quit => "the answer to QUIT",
        })
    }
}

impl ClientSession {
    /// By when the wait that [`needs`](Self::needs) named must be over; `None` where there is none. When it passes, call
    /// [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.waits.then_some(self.deadline)
    }

    /// What [`deadline`](Self::deadline) is for.
    #[must_use]
    pub fn waiting_for(&self) -> Option<Wait> {
        self.wait.filter(|_| self.waits)
    }

    pub(crate) fn set_deadline(&mut self, need: Need) {
        let wait = match need {
            Need::Flush => Some(match self.phase {
                Phase::Content | Phase::Verdict | Phase::Single(Sent::Chunk) => Wait::DataBlock,
                _ => Wait::Write,
            }),
            Need::Upgrade => Some(Wait::Handshake),
            Need::Input => self.awaited(),
            // What goes on between two parts of a reply is still the wait for it.
            Need::Step | Need::Pause(_) | Need::Nothing => {
                self.waits = false;
                return;
            }
        };
        self.waits = wait.is_some();
        if self.wait == wait && self.wait_turn == self.turn {
            return;
        }
        (self.wait, self.wait_turn) = (wait, self.turn);
        if let Some(wait) = wait {
            self.deadline =
                if wait == Wait::Auth { self.auth_deadline } else { self.now + self.timeout(wait) };
        }
    }

    fn awaited(&self) -> Option<Wait> {
        Some(match self.phase {
            Phase::Greeting => Wait::Greeting,
            Phase::Hello | Phase::PlainHello | Phase::Single(Sent::Hello) => Wait::Hello,
            Phase::StartTls => Wait::StartTls,
            Phase::Auth => Wait::Auth,
            Phase::Single(Sent::Mail) => Wait::Mail,
            Phase::Single(Sent::Rcpt(_)) => Wait::Rcpt,
            Phase::Single(Sent::Data) => Wait::DataInit,
            Phase::Single(Sent::Chunk) => Wait::Chunk,
            Phase::Envelope => match self.job.answered() {
                Next::Mail => Wait::Mail,
                Next::Rcpt(_) => Wait::Rcpt,
                Next::Data => Wait::DataInit,
            },
            Phase::Content => Wait::Chunk,
            Phase::Verdict | Phase::LoneDot => Wait::DataEnd,
            Phase::Quit(_) => Wait::Quit,
            Phase::Idle if !self.collector.is_midway() => return None,
            _ => Wait::Command,
        })
    }

    pub(crate) fn timeout(&self, wait: Wait) -> Duration {
        let timeouts = &self.config.timeouts;
        match wait {
            Wait::Greeting => timeouts.greeting,
            Wait::Hello => timeouts.hello,
            Wait::StartTls => timeouts.start_tls,
            Wait::Handshake => timeouts.handshake,
            Wait::Auth => timeouts.auth,
            Wait::Mail => timeouts.mail,
            Wait::Rcpt => timeouts.rcpt,
            Wait::DataInit => timeouts.data_init,
            Wait::DataBlock => timeouts.data_block,
            Wait::DataEnd => timeouts.data_end,
            Wait::Chunk => timeouts.chunk,
            Wait::Command | Wait::Write => timeouts.command,
            Wait::Quit => timeouts.quit,
        }
    }
}
