//! A message's transactions: commands in groups, content, verdicts.

use super::envelope::Envelope;
use super::job::{Fate, Next, Stage};
use super::outcome::{Contradiction, Why};
use super::session::{ClientSession, Heard, Phase};
use super::step::{CloseReason, Ready, Sent};
use crate::limits;
use crate::server::Protocol;
use crate::wire::command::Command;
use crate::wire::ehlo::Keyword;

impl Ready<'_> {
    /// Sends a message: MAIL, RCPT and DATA in one group where the server allows it, then [`Content`](super::ClientStep),
    /// until the server has answered for each recipient and `Ready` is back. What became of it is
    /// [`ClientSession::outcomes`], also after an error and after the session has closed.
    ///
    /// # Errors
    /// When the server can't take the message. Nothing was sent then, and `Ready` comes again.
    pub fn send(self, envelope: &Envelope<'_>) -> Result<(), Why> {
        let session = self.session;
        match session.plan(envelope) {
            Ok(plan) => {
                session.job.load(envelope, Some(&plan));
                // MAIL in an open transaction is refused, and what is sent with it would go into that one.
                if session.by_hand {
                    session.reset();
                } else {
                    session.begin_transaction();
                }
                Ok(())
            }
            Err(why) => {
                session.job.load(envelope, None);
                session.job.settle_open(Fate::NotTried(why));
                Err(why)
            }
        }
    }
}

impl ClientSession {
    /// Begins a transaction for those that wait; at rest where nobody does.
    fn begin_transaction(&mut self) {
        self.job.begin(self.config.newlines);
        if !self.job.choose() {
            self.phase = Phase::Ready;
            return;
        }
        self.phase = Phase::Envelope;
        self.transactions = self.transactions.saturating_add(1);
        self.write_envelope();
    }

    /// Writes as many commands as the window and the server allow.
    fn write_envelope(&mut self) {
        let pipelining = self.offers(Keyword::Pipelining);
        while let Some(next) = self.job.next() {
            let owed = self.job.owed as usize;
            let ahead = limits::REPLY_OWED * owed + self.output.len();
            if owed > 0 && (!pipelining || ahead >= limits::CLIENT_WINDOW) {
                break;
            }
            let is_hopeless = owed == 0 && self.job.taken == 0;
            // RFC 2033 §4.2: a lone dot would have no answer in LMTP, so it must not come to one.
            let too_early = owed > 0 && self.config.protocol == Protocol::Lmtp;
            if next == Next::Data && (is_hopeless || too_early) {
                break;
            }
            let line = self.job.line(next);
            self.output.extend_from_slice(line);
        }
    }

    pub(crate) fn on_envelope(&mut self, heard: Heard) {
        let next = self.job.answered();
        self.job.owed = self.job.owed.saturating_sub(1);
        match next {
            Next::Mail => self.on_mail(heard),
            Next::Rcpt(index) => self.on_rcpt(heard, index),
            Next::Data => return self.on_data(heard),
        }
        if self.phase != Phase::Envelope {
            return;
        }
        self.write_envelope();
        if self.job.owed > 0 {
            return;
        }
        match self.job.stage {
            Stage::Accepted if self.job.chunked && self.job.taken > 0 => self.begin_content(),
            Stage::Accepted => self.reset(),
            _ => self.after_transaction(),
        }
    }

    fn on_mail(&mut self, heard: Heard) {
        match heard.class() {
            2 => self.job.stage = Stage::Accepted,
            4 | 5 => {
                self.job.stage = Stage::Refused;
                self.exhausted = self.is_full(heard);
                // Answers to what was sent with it follow and say nothing new: this one stands for all.
                let fate = if self.exhausted {
                    Fate::NotTried(Why::Limits)
                } else {
                    Fate::Refused(self.job.keep(self.collector.last()))
                };
                self.job.settle_open(fate);
            }
            _ => self.break_off(CloseReason::OutOfStep { to: Sent::Mail, code: heard.code }),
        }
    }

    /// A server that has had enough messages on this connection: 452 4.4.5.
    fn is_full(&self, heard: Heard) -> bool {
        let detail = heard.enhanced.map(|code| (code.subject(), code.detail()));
        self.transactions > 1 && heard.code == 452 && detail == Some((4, 5))
    }

    fn on_rcpt(&mut self, heard: Heard, index: usize) {
        if self.job.stage == Stage::Refused {
            self.job.stray |= heard.class() == 2;
            return self.job.skip_rcpt(index);
        }
        if self.is_out_of_sync(heard) {
            return self.break_off(CloseReason::Pipelining);
        }
        let fate = match heard.class() {
            2 => Fate::Taken,
            4 | 5 if self.is_too_many(heard) => {
                if self.job.rewinds && self.job.taken > 0 {
                    Fate::Waiting
                } else {
                    Fate::NotTried(Why::Limits)
                }
            }
            4 | 5 => Fate::Refused(self.job.keep(self.collector.last())),
            _ => {
                let to = Sent::Rcpt(index);
                return self.break_off(CloseReason::OutOfStep { to, code: heard.code });
            }
        };
        self.job.settle_rcpt(index, fate);
    }

    /// Whether the server says of a command that was sent in a group that it is none or out of order: what offers
    /// PIPELINING is then something in front of it.
    fn is_out_of_sync(&self, heard: Heard) -> bool {
        matches!(heard.code, 500 | 502 | 503) && self.offers(Keyword::Pipelining)
    }

    /// Whether this recipient is one too many for the transaction, and fine in another: 452 4.5.3, the 552 that means the
    /// same (RFC 5321 §4.5.3.1.10), and what a large provider says of recipients in several of its regions (451 4.4.4).
    fn is_too_many(&self, heard: Heard) -> bool {
        let detail = heard.enhanced.map(|code| (code.subject(), code.detail()));
        match heard.code {
            552 => matches!(detail, None | Some((5, 3))),
            452 => self.job.taken > 0 && matches!(detail, None | Some((5, 3))),
            451 => self.job.taken > 0 && detail == Some((4, 4)),
            _ => false,
        }
    }

    fn on_data(&mut self, heard: Heard) {
        match heard.class() {
            3 if self.job.taken > 0 => self.begin_content(),
            // A lone dot would send an empty message to whoever stands there.
            3 if self.job.stray => {
                self.break_off(CloseReason::OutOfStep { to: Sent::Data, code: heard.code });
            }
            3 => {
                self.output.extend_from_slice(b".\r\n");
                self.phase = Phase::LoneDot;
            }
            4 | 5 => {
                if self.job.taken > 0 && self.is_out_of_sync(heard) {
                    return self.break_off(CloseReason::Pipelining);
                }
                if self.job.taken > 0 {
                    let slot = self.job.keep(self.collector.last());
                    self.job.settle_taken(Fate::Refused(slot));
                }
                let is_open = self.job.stage == Stage::Accepted || self.job.stray;
                if is_open { self.reset() } else { self.after_transaction() }
            }
            _ => self.break_off(CloseReason::OutOfStep { to: Sent::Data, code: heard.code }),
        }
    }

    fn begin_content(&mut self) {
        self.job.begin_content(self.config.newlines);
        self.phase = Phase::Content;
    }

    fn reset(&mut self) {
        self.write(&Command::Rset);
        self.phase = Phase::Reset;
    }

    /// Whether the next chunk may be written, or its end.
    pub(crate) fn may_write_content(&self) -> bool {
        let owed = self.job.owed as usize;
        owed == 0
            || (self.offers(Keyword::Pipelining)
                && !self.job.finishing
                && !self.job.chunk_refused
                && limits::REPLY_OWED * owed < limits::CLIENT_WINDOW)
    }

    pub(crate) fn write_content(&mut self, octets: &[u8]) -> usize {
        if self.phase != Phase::Content {
            // The session has ended: a loop that writes all of it must end too.
            return octets.len();
        }
        let room = limits::CONTENT_ROOM.saturating_sub(self.output.len());
        let piece = &octets[..octets.len().min(room)];
        if piece.is_empty() {
            return 0;
        }
        self.turn = self.turn.wrapping_add(1);
        let put = if self.job.chunked { self.put_chunk(piece) } else { self.put_lines(piece) };
        put.unwrap_or_else(|why| {
            self.contradict(why);
            octets.len()
        })
    }

    fn put_chunk(&mut self, piece: &[u8]) -> Result<usize, Why> {
        self.check_content(piece)?;
        if !self.may_write_content() {
            return Ok(0);
        }
        self.write(&Command::Bdat { size: piece.len() as u64, last: false });
        self.output.extend_from_slice(piece);
        self.job.owed += 1;
        self.job.octets = self.job.octets.saturating_add(piece.len() as u64);
        Ok(piece.len())
    }

    fn put_lines(&mut self, piece: &[u8]) -> Result<usize, Why> {
        // Room for some dots, so that the buffer seldom grows twice.
        self.output.reserve(piece.len() + piece.len() / 16 + 16);
        for block in piece.chunks(CHECKED) {
            // Checked afterwards, as the encoder has work to do while memory is slow. What must not go out is dropped again.
            let put = self.job.encoder.put(block, &mut *self.output);
            self.check_content(block)?;
            if put != Ok(block.len()) {
                return Err(Contradiction::BareNewline.into());
            }
            self.job.octets = self.job.octets.saturating_add(block.len() as u64);
        }
        Ok(piece.len())
    }

    /// Whether `piece` is what was declared.
    fn check_content(&self, piece: &[u8]) -> Result<(), Why> {
        let octets = self.job.octets.saturating_add(piece.len() as u64);
        if let Some(limit) = self.job.most_octets.filter(|limit| octets > *limit) {
            return Err(Why::TooBig { octets, limit });
        }
        if self.job.declared.size.is_some_and(|size| octets > size) {
            return Err(Contradiction::Size.into());
        }
        if !self.job.eight_bit && !self.job.chunked && !piece.is_ascii() {
            return Err(Contradiction::EightBit.into());
        }
        Ok(())
    }

    /// Ends the session without the end of the content: what is out so far is no message.
    fn contradict(&mut self, why: Why) {
        self.job.settle_taken(Fate::NotTried(why));
        self.break_off(CloseReason::FalseDeclaration);
    }

    pub(crate) fn abandon(&mut self) {
        if self.phase == Phase::Content {
            self.job.settle_taken(Fate::NotTried(Why::Abandoned));
            self.break_off(CloseReason::Abandoned);
        }
    }

    pub(crate) fn finish_content(&mut self) {
        if self.phase != Phase::Content {
            return;
        }
        if self.job.chunked {
            // The last chunk is sent only when all before it were taken: its answer is then about the message.
            self.job.finishing = true;
            return self.write_last_chunk();
        }
        match self.job.encoder.finish() {
            Ok(end) => {
                self.output.extend_from_slice(end);
                self.begin_verdict();
            }
            Err(_) => self.contradict(Contradiction::BareNewline.into()),
        }
    }

    fn write_last_chunk(&mut self) {
        if self.job.finishing && self.job.owed == 0 {
            self.write(&Command::Bdat { size: 0, last: true });
            self.begin_verdict();
        }
    }

    pub(crate) fn begin_verdict(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        self.phase = Phase::Verdict;
    }

    pub(crate) fn on_chunk(&mut self, heard: Heard) {
        if self.job.owed == 0 {
            return self.on_early_reply(heard);
        }
        self.job.owed -= 1;
        match heard.class() {
            2 => self.write_last_chunk(),
            4 | 5 => {
                let slot = self.job.keep(self.collector.last());
                self.job.settle_taken(Fate::Refused(slot));
                self.job.chunk_refused = true;
            }
            _ => return self.break_off(CloseReason::OutOfStep { to: Sent::Chunk, code: heard.code }),
        }
        if self.job.chunk_refused && self.job.owed == 0 && self.phase == Phase::Content {
            self.reset();
        }
    }

    /// The server answers in the middle of the content. A refusal is one; but the rest of the content must not be taken for
    /// commands, so that the connection ends here, without the dot.
    pub(crate) fn on_early_reply(&mut self, heard: Heard) {
        if matches!(heard.class(), 4 | 5) {
            let slot = self.job.keep(self.collector.last());
            self.job.settle_taken(Fate::Refused(slot));
        }
        self.break_off(CloseReason::OutOfStep { to: Sent::Data, code: heard.code });
    }

    /// Whose answer to the end of the content is due, in LMTP.
    pub(crate) fn verdict_of(&self) -> Option<usize> {
        match self.config.protocol {
            Protocol::Smtp => None,
            Protocol::Lmtp => self.job.first_taken(),
        }
    }

    pub(crate) fn on_verdict(&mut self, heard: Heard) {
        let by_hand = self.by_hand;
        let fate = match heard.class() {
            2 if self.output.is_empty() => Fate::Accepted(self.job.keep(self.collector.last())),
            4 | 5 => Fate::Refused(self.job.keep(self.collector.last())),
            _ => {
                let to = Sent::Content(self.verdict_of());
                return self.break_off(CloseReason::OutOfStep { to, code: heard.code });
            }
        };
        match self.config.protocol {
            Protocol::Smtp => self.job.settle_taken(fate),
            Protocol::Lmtp => {
                if let Some(index) = self.job.first_taken() {
                    self.job.settle(index, fate);
                }
                if self.job.first_taken().is_some() {
                    return;
                }
            }
        }
        if self.config.reset_between {
            self.reset();
        } else {
            self.after_transaction();
        }
        // A last chunk may be refused for its place only, and the transaction stand (RFC 3030 §2).
        self.by_hand = by_hand && self.job.chunked && heard.class() != 2;
    }

    /// The server has no transaction any more: the next one, or at rest.
    pub(crate) fn after_transaction(&mut self) {
        self.job.owed = 0;
        self.by_hand = false;
        if !self.job.has_waiting() {
            self.phase = Phase::Ready;
        } else if self.job.round == 0 || self.takes_another() && self.job.rewinds {
            self.begin_transaction();
        } else {
            self.job.settle_open(Fate::NotTried(Why::Limits));
            self.phase = Phase::Ready;
        }
    }

    /// A transaction that the application begins or drops command by command.
    pub(crate) fn forget_transaction(&mut self) {
        self.job.clear();
    }
}

/// How much content is encoded before it is checked, which then finds it in the nearest cache.
const CHECKED: usize = 4_096;

impl From<Contradiction> for Why {
    fn from(contradiction: Contradiction) -> Self {
        Self::FalseDeclaration(contradiction)
    }
}
