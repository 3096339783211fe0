//! A message on its way: its command lines, and what became of each recipient.

use alloc::vec::Vec;

use super::bdat::Chunks;
use super::envelope::{Declared, Envelope};
use super::outcome::{Outcome, Why};
use crate::limits;
use crate::wire::command::Command;
use crate::wire::content::{Encoder, SendNewlines};
use crate::wire::ehlo::Limits;
use crate::wire::number::put_number;
use crate::wire::params::{Body, Param};
use crate::wire::reply::ReplyBuf;

/// What became of a recipient so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// For a transaction to come.
    Waiting,
    /// In the transaction that runs, not answered yet.
    Chosen,
    /// Accepted at RCPT in the transaction that runs.
    Taken,
    Accepted(u32),
    Refused(u32),
    NotTried(Why),
    Unknown,
}

impl Fate {
    const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Chosen | Self::Taken)
    }
}

#[derive(Clone, Copy, Debug)]
struct Line {
    begin: usize,
    end: usize,
    /// Where the domain is in the line; empty for a mailbox without.
    domain: (usize, usize),
    fate: Fate,
    /// The transaction that it was chosen for last; 0 for none.
    round: u32,
}

/// How far the MAIL of the transaction that runs has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Unsent,
    Sent,
    Accepted,
    Refused,
}

/// The next command of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Mail,
    Rcpt(usize),
    Data,
}

/// What a session must know to write MAIL, checked against what the server offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) body: Option<Body>,
    pub(crate) size: Option<u64>,
    pub(crate) smtputf8: bool,
    pub(crate) require_tls: bool,
    pub(crate) eight_bit: bool,
    pub(crate) most_octets: Option<u64>,
    pub(crate) limits: Limits,
}

/// One message; its memory is kept for the next.
#[derive(Debug)]
pub(crate) struct Job {
    /// All command lines, one behind the other.
    lines: Vec<u8>,
    mail_end: usize,
    recipients: Vec<Line>,
    /// Answers that outcomes point to; the first `kept` are of this message.
    replies: Vec<ReplyBuf>,
    kept: usize,
    pub(crate) stage: Stage,
    /// The next recipient whose line is written, and the next that is answered.
    write_at: usize,
    reply_at: usize,
    pub(crate) data_sent: bool,
    /// Answers that the server owes.
    pub(crate) owed: u32,
    /// Recipients accepted at RCPT in this transaction.
    pub(crate) taken: u32,
    /// The server took a recipient behind a MAIL that it refused: it has another transaction open.
    pub(crate) stray: bool,
    pub(crate) rewinds: bool,
    pub(crate) chunked: bool,
    /// What chunks hold that the application cuts.
    pub(crate) chunks: Chunks,
    /// A chunk was refused: the transaction has failed.
    pub(crate) chunk_refused: bool,
    /// The content is complete, but for the last chunk's line.
    pub(crate) finishing: bool,
    pub(crate) encoder: Encoder,
    /// Octets of content taken in this transaction.
    pub(crate) octets: u64,
    pub(crate) declared: Declared,
    pub(crate) eight_bit: bool,
    pub(crate) most_octets: Option<u64>,
    limits: Limits,
    /// Transactions begun for this message.
    pub(crate) round: u32,
}

impl Job {
    pub(crate) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            mail_end: 0,
            recipients: Vec::new(),
            replies: Vec::new(),
            kept: 0,
            stage: Stage::Unsent,
            write_at: 0,
            reply_at: 0,
            data_sent: false,
            owed: 0,
            taken: 0,
            stray: false,
            rewinds: false,
            chunked: false,
            chunks: Chunks::NONE,
            chunk_refused: false,
            finishing: false,
            encoder: Encoder::new(SendNewlines::Refuse),
            octets: 0,
            declared: Declared { body: None, size: None, bare: 0, eight_bit_header: false },
            eight_bit: true,
            most_octets: None,
            limits: Limits::NONE,
            round: 0,
        }
    }

    /// Forgets the message before. Memory of long lists is given back.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.lines.shrink_to(limits::CLIENT_KEEPS);
        self.recipients.clear();
        self.recipients.shrink_to(limits::CLIENT_KEEPS / size_of::<Line>());
        self.replies.truncate(limits::CLIENT_KEEPS_REPLIES);
        self.kept = 0;
        self.round = 0;
        self.rewinds = false;
        self.chunked = false;
        self.chunks = Chunks::NONE;
        self.declared = Declared::default();
        self.eight_bit = true;
        self.most_octets = None;
        self.begin(SendNewlines::Refuse);
    }

    /// Takes an envelope; every recipient waits.
    pub(crate) fn load(&mut self, envelope: &Envelope<'_>, plan: Option<&Plan>) {
        self.clear();
        if let Some(plan) = plan {
            self.write_mail(envelope, plan);
            self.rewinds = envelope.rewinds;
            self.chunked = plan.body == Some(Body::BinaryMime);
            self.declared = envelope.declared;
            self.eight_bit = plan.eight_bit;
            self.most_octets = plan.most_octets;
            self.limits = plan.limits;
        }
        for recipient in envelope.to.iter() {
            let (mailbox, begin) = (recipient.mailbox(), self.lines.len());
            Command::Rcpt { path: mailbox, params: recipient.rcpt_params() }.write(&mut self.lines);
            let host = mailbox.as_bytes().len() - mailbox.host().map_or(0, |host| host.as_bytes().len());
            let domain = begin + b"RCPT TO:<".len() + host;
            let domain = (domain, begin + b"RCPT TO:<".len() + mailbox.as_bytes().len());
            self.recipients.push(Line {
                begin,
                end: self.lines.len(),
                domain,
                fate: Fate::Waiting,
                round: 0,
            });
        }
    }

    fn write_mail(&mut self, envelope: &Envelope<'_>, plan: &Plan) {
        let params = envelope.params;
        Command::Mail { path: envelope.from, params }.write(&mut self.lines);
        self.lines.truncate(self.lines.len() - b"\r\n".len());
        if let (Some(size), false) = (plan.size, params.contains(Param::Size)) {
            self.lines.extend_from_slice(b" SIZE=");
            put_number(&mut self.lines, size);
        }
        if let (Some(body), false) = (plan.body, params.contains(Param::Body)) {
            self.lines.extend_from_slice(b" BODY=");
            self.lines.extend_from_slice(body.as_str().as_bytes());
        }
        if plan.smtputf8 && !params.smtputf8() {
            self.lines.extend_from_slice(b" SMTPUTF8");
        }
        if plan.require_tls && !params.contains(Param::RequireTls) {
            self.lines.extend_from_slice(b" REQUIRETLS");
        }
        self.lines.extend_from_slice(b"\r\n");
        self.mail_end = self.lines.len();
    }

    /// Begins a transaction for which nobody is chosen yet.
    pub(crate) const fn begin(&mut self, newlines: SendNewlines) {
        self.stage = Stage::Unsent;
        self.write_at = 0;
        self.reply_at = 0;
        self.data_sent = false;
        self.owed = 0;
        self.taken = 0;
        self.stray = false;
        self.chunk_refused = false;
        self.finishing = false;
        self.encoder = Encoder::new(newlines);
        self.octets = 0;
    }

    /// Chooses those of the next transaction, as many as the server's limits allow (RFC 9422 §4); whether there are any.
    pub(crate) fn choose(&mut self) -> bool {
        let most = self.limits.rcpt_max().map_or(usize::MAX, |most| most as usize);
        let most_domains = self.limits.rcpt_domain_max().map_or(usize::MAX, |most| most as usize);
        let (mut chosen, mut domains) = (0, 0);
        self.round = self.round.saturating_add(1);
        for index in 0..self.recipients.len() {
            if chosen == most {
                break;
            }
            if self.recipients[index].fate != Fate::Waiting {
                continue;
            }
            if most_domains != usize::MAX && !self.is_domain_chosen(index) {
                if domains == most_domains {
                    continue;
                }
                domains += 1;
            }
            (self.recipients[index].fate, self.recipients[index].round) = (Fate::Chosen, self.round);
            chosen += 1;
        }
        chosen > 0
    }

    /// Whether a recipient before `index` that is chosen has the same domain.
    fn is_domain_chosen(&self, index: usize) -> bool {
        let domain = |line: &Line| &self.lines[line.domain.0..line.domain.1];
        let mine = domain(&self.recipients[index]);
        let mut before = self.recipients[..index].iter().filter(|line| line.fate == Fate::Chosen);
        before.any(|line| domain(line).eq_ignore_ascii_case(mine))
    }

    /// The next command that is not written yet.
    pub(crate) fn next(&self) -> Option<Next> {
        match self.stage {
            Stage::Unsent => return Some(Next::Mail),
            Stage::Refused => return None,
            Stage::Sent | Stage::Accepted => {}
        }
        match self.chosen_from(self.write_at) {
            Some(index) => Some(Next::Rcpt(index)),
            None => (!self.data_sent && !self.chunked).then_some(Next::Data),
        }
    }

    fn chosen_from(&self, from: usize) -> Option<usize> {
        let rest = self.recipients.get(from..).unwrap_or_default();
        rest.iter().position(|line| line.fate == Fate::Chosen).map(|at| from + at)
    }

    /// The line of `next`, which is written now.
    pub(crate) fn line(&mut self, next: Next) -> &[u8] {
        self.owed += 1;
        match next {
            Next::Mail => {
                self.stage = Stage::Sent;
                &self.lines[..self.mail_end]
            }
            Next::Rcpt(index) => {
                self.write_at = index + 1;
                let line = &self.recipients[index];
                &self.lines[line.begin..line.end]
            }
            Next::Data => {
                self.data_sent = true;
                b"DATA\r\n"
            }
        }
    }

    /// Which command the next answer belongs to.
    pub(crate) fn answered(&self) -> Next {
        if self.stage == Stage::Sent {
            return Next::Mail;
        }
        match self.written_from(self.reply_at) {
            Some(index) => Next::Rcpt(index),
            None => Next::Data,
        }
    }

    /// The next recipient whose line was written in this transaction and is not answered.
    fn written_from(&self, from: usize) -> Option<usize> {
        let written = self.recipients.get(from..self.write_at).unwrap_or_default();
        written.iter().position(|line| line.round == self.round).map(|at| from + at)
    }

    /// Settles the recipient at `index`, whose RCPT was answered.
    pub(crate) fn settle_rcpt(&mut self, index: usize, fate: Fate) {
        self.reply_at = index + 1;
        self.taken += u32::from(fate == Fate::Taken);
        self.recipients[index].fate = fate;
    }

    /// Passes over the answer for the recipient at `index`, which MAIL's answer has settled.
    pub(crate) const fn skip_rcpt(&mut self, index: usize) {
        self.reply_at = index + 1;
    }

    /// Counts a recipient of a transaction that goes command by command; its number.
    pub(crate) fn count_recipient(&mut self) -> usize {
        self.recipients.push(Line { begin: 0, end: 0, domain: (0, 0), fate: Fate::Chosen, round: 0 });
        self.recipients.len() - 1
    }

    /// Content begins.
    pub(crate) const fn begin_content(&mut self, newlines: SendNewlines) {
        self.encoder = Encoder::new(newlines);
        self.octets = 0;
        self.finishing = false;
    }

    /// Whether anybody waits for a transaction to come.
    pub(crate) fn has_waiting(&self) -> bool {
        self.recipients.iter().any(|line| line.fate == Fate::Waiting)
    }

    /// Keeps an answer; its number.
    pub(crate) fn keep(&mut self, reply: &ReplyBuf) -> u32 {
        match self.replies.get_mut(self.kept) {
            Some(slot) => slot.copy_from(reply),
            None => self.replies.push(reply.clone()),
        }
        self.kept += 1;
        self.kept as u32 - 1
    }

    /// The first recipient that was taken and has no answer to the content.
    pub(crate) fn first_taken(&self) -> Option<usize> {
        self.recipients.iter().position(|line| line.fate == Fate::Taken)
    }

    pub(crate) fn settle(&mut self, index: usize, fate: Fate) {
        if let Some(line) = self.recipients.get_mut(index) {
            line.fate = fate;
        }
    }

    /// Settles all that were taken.
    pub(crate) fn settle_taken(&mut self, fate: Fate) {
        self.settle_where(|line| line.fate == Fate::Taken, fate);
    }

    /// Settles all that nothing is known of.
    pub(crate) fn settle_open(&mut self, fate: Fate) {
        self.settle_where(|line| line.fate.is_open(), fate);
    }

    fn settle_where(&mut self, which: impl Fn(&Line) -> bool, fate: Fate) {
        for line in self.recipients.iter_mut().filter(|line| which(line)) {
            line.fate = fate;
        }
    }

    /// Whether the recipient at `index` was accepted at RCPT and is not settled.
    pub(crate) fn is_taken(&self, index: usize) -> bool {
        self.recipients.get(index).is_some_and(|line| line.fate == Fate::Taken)
    }

    /// How many recipients the message has.
    pub(crate) fn len(&self) -> usize {
        self.recipients.len()
    }

    /// What became of the recipient at `index`; whoever is still open counts as `open`.
    pub(crate) fn outcome(&self, index: usize, open: Why) -> Outcome {
        let reply = |slot: u32| self.replies.get(slot as usize).cloned();
        let fate = self.recipients.get(index).map(|line| line.fate);
        match fate {
            Some(Fate::Accepted(slot)) => reply(slot).map_or(Outcome::Unknown, Outcome::Accepted),
            Some(Fate::Refused(slot)) => reply(slot).map_or(Outcome::Unknown, Outcome::Refused),
            Some(Fate::NotTried(why)) => Outcome::NotTried(why),
            Some(Fate::Unknown) => Outcome::Unknown,
            Some(Fate::Waiting | Fate::Chosen | Fate::Taken) | None => Outcome::NotTried(open),
        }
    }
}
