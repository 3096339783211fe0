//! What a mail catcher answers and keeps; the sockets around it are the adapters'.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll, Waker};

use crate::sasl::{self, Mechanism};
use crate::server::{Auth, AuthWhen, Extension, Pending, ServerConfig, Step};
use crate::trace::Transcript;
use crate::wire::leniency::Leniency;
use crate::wire::path::{MailboxBuf, ReversePath, ReversePathBuf};
use crate::wire::reply::{Reply, ReplyBuf};

/// Octets of transcript kept of each session, the last ones: what failed is at the end.
const TRANSCRIPT: usize = 256 * 1024;
/// Sessions whose transcripts are kept, the last ones.
const SESSIONS: usize = 100;

/// A message that a catcher took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    from: ReversePathBuf,
    recipients: Vec<MailboxBuf>,
    content: Vec<u8>,
    user: Option<String>,
    encrypted: bool,
}

impl Mail {
    const EMPTY: Self = Self {
        from: ReversePathBuf::Null,
        recipients: Vec::new(),
        content: Vec::new(),
        user: None,
        encrypted: false,
    };

    /// The reverse-path.
    #[must_use]
    pub const fn from(&self) -> &ReversePathBuf {
        &self.from
    }

    /// The recipients that were accepted, in the order in which they were given.
    #[must_use]
    pub fn recipients(&self) -> &[MailboxBuf] {
        &self.recipients
    }

    /// Header and body as they were sent, dots removed.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Who the client logged in as; `None` where it did not.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether it came under TLS.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

/// What can be answered by script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Auth,
    Mail,
    Rcpt,
    Data,
    Verdict,
}

/// The answers to one kind of command with arguments of one kind.
#[derive(Debug)]
struct Answers {
    event: Event,
    pattern: String,
    replies: VecDeque<ReplyBuf>,
}

/// What all sessions of a catcher share: the replies to give, the mail taken, the transcripts.
///
/// Everything is accepted but what a script refuses. A pattern is matched without case, `*` in it stands for any
/// octets, none included. Of several patterns that match, the one that was given last decides. Its replies are used up
/// one after another, whatever session asks; the last one stays. A 421 ends the session, any other reply decides by
/// its class. No replies at all mean that these are accepted again.
#[derive(Debug, Default)]
pub struct Catch {
    script: Vec<Answers>,
    mails: VecDeque<Mail>,
    waiting: Vec<Waker>,
    sessions: VecDeque<Record>,
    begun: usize,
}

/// A session's transcript.
#[derive(Debug)]
struct Record {
    id: usize,
    transcript: Transcript<Tail>,
    wire: Wire,
}

/// What the octets on the wire are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Clear,
    /// STARTTLS was accepted; its reply is to come.
    LastReply,
    Encrypted,
}

impl Catch {
    /// A server's configuration that lets in what can be let in: AUTH by every mechanism whose client does not check
    /// the server, TLS or not, UTF-8, BDAT, DSN, and the deviations of
    /// [`Leniency::SUBMISSION`](crate::Leniency::SUBMISSION).
    #[must_use]
    pub fn config() -> ServerConfig {
        let mechanisms = [
            Mechanism::PLAIN,
            Mechanism::LOGIN,
            Mechanism::CRAM_MD5,
            Mechanism::XOAUTH2,
            Mechanism::OAUTHBEARER,
            Mechanism::EXTERNAL,
            Mechanism::ANONYMOUS,
        ];
        let offered = [Extension::Smtputf8, Extension::Chunking, Extension::BinaryMime, Extension::Dsn];
        // INVARIANT: the name is a domain.
        let config = ServerConfig::new("catch.example").expect("a host name");
        let config = config.auth(&mechanisms, AuthWhen::Always).leniency(Leniency::SUBMISSION);
        offered.into_iter().fold(config, ServerConfig::offer)
    }

    /// Answers AUTH of users that match `pattern`; by default all are let in.
    pub fn on_auth(&mut self, pattern: &str, replies: &[Reply<'_>]) {
        self.script(Event::Auth, pattern, replies);
    }

    /// Answers MAIL from senders that match `pattern`, written without brackets; the null sender is `<>`.
    pub fn on_mail(&mut self, pattern: &str, replies: &[Reply<'_>]) {
        self.script(Event::Mail, pattern, replies);
    }

    /// Answers RCPT to recipients that match `pattern`, written without brackets.
    pub fn on_rcpt(&mut self, pattern: &str, replies: &[Reply<'_>]) {
        self.script(Event::Rcpt, pattern, replies);
    }

    /// Answers DATA, and the first BDAT.
    pub fn on_data(&mut self, replies: &[Reply<'_>]) {
        self.script(Event::Data, "*", replies);
    }

    /// Answers the end of the content.
    pub fn on_verdict(&mut self, replies: &[Reply<'_>]) {
        self.script(Event::Verdict, "*", replies);
    }

    fn script(&mut self, event: Event, pattern: &str, replies: &[Reply<'_>]) {
        let replies = replies.iter().map(ReplyBuf::from).collect();
        self.script.push(Answers { event, pattern: pattern.into(), replies });
    }

    /// The reply to an event; `None` where it is accepted in the session's own words.
    fn reply(&mut self, event: Event, argument: &[u8]) -> Option<ReplyBuf> {
        let fits =
            |answers: &&mut Answers| answers.event == event && matches(answers.pattern.as_bytes(), argument);
        let answers = self.script.iter_mut().rev().find(fits)?;
        match answers.replies.len() {
            0 | 1 => answers.replies.front().cloned(),
            _ => answers.replies.pop_front(),
        }
    }

    /// A session begins in clear text, with `peer`.
    pub fn begin(&mut self, peer: impl fmt::Display) -> Catching {
        self.record(peer, Wire::Clear)
    }

    /// A session begins under TLS (RFC 8314), with `peer`.
    pub fn begin_encrypted(&mut self, peer: impl fmt::Display) -> Catching {
        self.record(peer, Wire::Encrypted)
    }

    fn record(&mut self, peer: impl fmt::Display, wire: Wire) -> Catching {
        self.begun += 1;
        let id = self.begun;
        let mut transcript = Transcript::new(Tail::default());
        transcript.note(format_args!("session {id}, client {peer}"));
        if self.sessions.len() == SESSIONS {
            self.sessions.pop_front();
        }
        self.sessions.push_back(Record { id, transcript, wire });
        Catching { id, trap: sasl::Trap::new(), mail: Mail::EMPTY }
    }

    fn session(&mut self, id: usize) -> Option<&mut Record> {
        self.sessions.iter_mut().rev().find(|record| record.id == id)
    }

    /// Octets came from the client of the session `id`.
    pub fn received(&mut self, id: usize, octets: &[u8]) {
        if let Some(record) = self.session(id).filter(|record| record.wire == Wire::Clear) {
            record.transcript.received(octets);
        }
    }

    /// Octets went to the client of the session `id`.
    pub fn sent(&mut self, id: usize, octets: &[u8]) {
        let Some(record) = self.session(id).filter(|record| record.wire != Wire::Encrypted) else { return };
        record.transcript.sent(octets);
        if record.wire == Wire::LastReply {
            record.wire = Wire::Encrypted;
        }
    }

    /// Writes a note to the transcript of the session `id`.
    pub fn note(&mut self, id: usize, text: impl fmt::Display) {
        if let Some(record) = self.session(id) {
            record.transcript.note(format_args!("{text}"));
        }
    }

    /// The next message, if it is there.
    pub fn take_mail(&mut self) -> Option<Mail> {
        self.mails.pop_front()
    }

    /// The next message; without one the task is woken when it comes.
    pub fn poll_mail(&mut self, cx: &mut Context<'_>) -> Poll<Mail> {
        match self.mails.pop_front() {
            Some(mail) => Poll::Ready(mail),
            None => {
                if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    self.waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    fn keep(&mut self, mail: Mail) {
        self.mails.push_back(mail);
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// What went over the wire, session after session, as [`trace`](crate::trace) writes it, without secrets. Under
    /// TLS it is what the session made of it: its steps, as notes.
    #[must_use]
    pub fn transcript(&self) -> String {
        let mut all = String::new();
        for record in &self.sessions {
            let Tail { text, cut } = record.transcript.clone().into_sink();
            if cut {
                all.push_str("-- the beginning is cut off\n");
            }
            all.push_str(&text);
        }
        all
    }
}

/// One session's application.
#[derive(Debug)]
pub struct Catching {
    id: usize,
    trap: sasl::Trap,
    mail: Mail,
}

impl Catching {
    /// The session's number.
    #[must_use]
    pub const fn id(&self) -> usize {
        self.id
    }

    /// Answers `step` as the script says.
    pub fn answer(&mut self, catch: &mut Catch, step: Step<'_, '_>) {
        self.note(catch, &step);
        match step {
            Step::Auth(auth) => self.log_in(catch, auth),
            Step::StartTls(token) => {
                if let Some(record) = catch.session(self.id) {
                    record.wire = Wire::LastReply;
                }
                token.accept();
            }
            Step::Mail(mail) => {
                let path = mail.sender();
                self.mail = Mail {
                    from: path.to_owned(),
                    user: mail.facts().user().map(Into::into),
                    encrypted: mail.facts().tls().is_some(),
                    ..Mail::EMPTY
                };
                let reply = catch.reply(Event::Mail, address(path));
                self.settle(catch, mail, reply);
            }
            Step::Rcpt(rcpt) => {
                let mailbox = rcpt.mailbox();
                let reply = catch.reply(Event::Rcpt, mailbox.as_bytes());
                if self.settle(catch, rcpt, reply) {
                    self.mail.recipients.push(mailbox.to_owned());
                }
            }
            Step::Data(data) => {
                let reply = catch.reply(Event::Data, b"");
                self.settle(catch, data, reply);
            }
            Step::Content(octets) => self.mail.content.extend_from_slice(octets),
            Step::Verdict(verdict) => {
                let (recipient, reply) = (verdict.recipient(), catch.reply(Event::Verdict, b""));
                if self.settle(catch, verdict, reply) {
                    catch.keep(self.mail_for(recipient));
                }
            }
            Step::Reset(_) => self.mail = Mail::EMPTY,
            other => other.accept(),
        }
    }

    /// The message; in LMTP, where each recipient has a verdict, for that one alone.
    fn mail_for(&mut self, recipient: Option<usize>) -> Mail {
        let Some(index) = recipient else { return core::mem::replace(&mut self.mail, Mail::EMPTY) };
        let recipients = self.mail.recipients.get(index).cloned().into_iter().collect();
        Mail { recipients, ..self.mail.clone() }
    }

    fn log_in(&mut self, catch: &mut Catch, auth: Pending<'_, Auth<'_>>) {
        if auth.is_first() {
            self.trap = sasl::Trap::new();
        }
        match self.trap.step(auth.mechanism(), auth.response()) {
            sasl::Next::Challenge(text) => auth.challenge(text),
            sasl::Next::Credentials { user, .. } => {
                let user = String::from_utf8_lossy(user).into_owned();
                match catch.reply(Event::Auth, user.as_bytes()) {
                    None => auth.accept_as(&user),
                    Some(reply) if reply.is_positive() => auth.accept_as(&user),
                    reply => {
                        self.settle(catch, auth, reply);
                    }
                }
            }
        }
    }

    /// Gives the reply; true where it accepts.
    fn settle<C>(&self, catch: &mut Catch, token: Pending<'_, C>, reply: Option<ReplyBuf>) -> bool {
        let Some(reply) = reply else {
            token.accept();
            return true;
        };
        if let Some(record) = catch.session(self.id).filter(|record| record.wire == Wire::Encrypted) {
            record.transcript.note(format_args!("answered {reply}"));
        }
        let accepted = reply.is_positive();
        if reply.code() == 421 {
            token.hang_up(&Reply::from(&reply));
        } else {
            token.decide(reply);
        }
        accepted
    }

    /// Writes the step down where the wire can't be read.
    fn note(&self, catch: &mut Catch, step: &Step<'_, '_>) {
        let Some(record) = catch.session(self.id).filter(|record| record.wire == Wire::Encrypted) else {
            return;
        };
        match step {
            Step::Content(octets) => {
                record.transcript.note(format_args!("Content(\"{}\")", octets.escape_ascii()));
            }
            step => record.transcript.note(format_args!("{step:?}")),
        }
    }
}

fn address<'b>(path: ReversePath<'b>) -> &'b [u8] {
    path.mailbox().map_or(b"<>", |mailbox| mailbox.as_bytes())
}

/// The end of a text.
#[derive(Clone, Debug, Default)]
struct Tail {
    text: String,
    cut: bool,
}

impl fmt::Write for Tail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        if self.text.len() > 2 * TRANSCRIPT {
            let least = self.text.len() - TRANSCRIPT;
            // Whole lines, and no character is cut in two. A transcript's lines are short.
            let at = self.text.bytes().skip(least).position(|octet| octet == b'\n');
            self.text.drain(..at.map_or(self.text.len(), |at| least + at + 1));
            self.cut = true;
        }
        Ok(())
    }
}

/// Whether `text` is what `pattern` describes, without ASCII case; `*` stands for anything.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|&octet| octet == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = strip_prefix(text, first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = (0..=rest.len()).find(|&at| strip_prefix(&rest[at..], part).is_some()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest[rest.len() - last.len()..].eq_ignore_ascii_case(last)
}

fn strip_prefix<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: &[(&str, &str, bool, &str)] = &[
        ("*", "", true, "anything, nothing included"),
        ("*", "a@b.example", true, "anything"),
        ("ghost@*", "ghost@b.example", true, "the end is open"),
        ("ghost@*", "GHOST@b.example", true, "case does not matter"),
        ("ghost@*", "aghost@b.example", false, "the beginning is not"),
        ("*@b.example", "a@B.example", true, "the beginning is open"),
        ("*@b.example", "a@b.example.net", false, "the end is not"),
        ("a*b*c", "a-b-b-c", true, "as often as one likes"),
        ("a*b*c", "ac", false, "a part is missing"),
        ("a*a", "a", false, "what matched once is used up"),
        ("a*ab*b", "aab", false, "the same in the middle"),
        ("", "", true, "empty is empty"),
        ("", "a", false, "and nothing else"),
        ("<>", "<>", true, "the null sender"),
    ];

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits, why) in PATTERNS {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), *fits, "{pattern} {text}: {why}");
        }
    }

    #[test]
    fn of_a_long_transcript_the_end_is_kept() {
        let mut transcript = Transcript::new(Tail::default());
        for i in 0..TRANSCRIPT / 10 {
            transcript.note(format_args!("line {i:06} of a long transcript"));
        }
        let Tail { text, cut } = transcript.into_sink();
        assert!(cut && (TRANSCRIPT - 100..=2 * TRANSCRIPT).contains(&text.len()), "{}", text.len());
        assert!(text.starts_with("-- line ") && text.ends_with("of a long transcript\n"));
    }
}
