//! One message over one connection.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use smtp_proto::wire::ehlo::Keyword;
use smtp_proto::wire::params::{Body, MailParamsBuf, RcptParamsBuf, Ret};
use smtp_tokio::client::{ClientStep, Recipient, Sent as Command};
use smtp_tokio::{Client, Envelope, MailboxBuf, Outcome as Sent, ReversePath};

use crate::failed::Tail;
use crate::queue::{BodyType, Feed, Job, Rcpt, Seen, Spool, look};
use crate::store::RealDisk;

/// Longest transcript that is kept.
const TRANSCRIPT: usize = 2_048;

/// What went over a connection.
#[derive(Debug, Default)]
pub(super) struct Transmitted {
    /// In the order of the recipients.
    pub(super) outcomes: Vec<Sent>,
    /// What was answered last.
    pub(super) phase: Option<&'static str>,
    /// What the host said, and to what; all that was said last if it did not take all of it.
    pub(super) transcript: String,
    /// How long the answers to final dots took, or how long they were waited for.
    pub(super) dot: Option<Duration>,
    /// The message could not be read to its end, and so has not got one.
    pub(super) unreadable: Option<io::Error>,
}

impl Transmitted {
    /// Whatever ends the wait for the answer to a final dot.
    fn answered(&mut self, dotted: Option<Instant>) {
        if let Some(dotted) = dotted {
            *self.dot.get_or_insert_default() += dotted.elapsed();
        }
    }
}

/// A message to be sent.
pub(super) struct Message {
    job: Arc<Job>,
    spool: Spool<RealDisk>,
    seen: Seen,
}

impl Message {
    /// Looks at all of it, so that one that is damaged is noticed before a host is told of it.
    pub(super) async fn open(job: &Arc<Job>, spool: &Spool<RealDisk>) -> io::Result<Self> {
        let (there, at) = (Arc::clone(job), spool.clone());
        let seen = look(&job.body, move || read(&at, &there)).await?;
        Ok(Self { job: Arc::clone(job), spool: spool.clone(), seen })
    }

    /// Sends it to those of its recipients.
    pub(super) async fn transmit(&self, client: &mut Client, to: &[usize]) -> Transmitted {
        let offers = |keyword| client.session().offers(keyword);
        let (dsn, utf8) = (offers(Keyword::Dsn), offers(Keyword::SmtpUtf8));
        let envelope = &self.job.envelope;
        let mail =
            if dsn { mail_params(envelope.ret, envelope.envid.as_deref()) } else { MailParamsBuf::new() };
        let to: Vec<_> = to.iter().filter_map(|at| self.job.rcpts.get(*at)).collect();
        let params: Vec<_> =
            to.iter().map(|rcpt| if dsn { rcpt_params(rcpt, utf8) } else { RcptParamsBuf::new() }).collect();
        let mailboxes: Vec<Option<MailboxBuf>> = to.iter().map(|rcpt| rcpt.address.parse().ok()).collect();
        let recipients: Vec<_> = mailboxes
            .iter()
            .zip(&params)
            // INVARIANT: it was one when the message came, so that none is left out.
            .filter_map(|(mailbox, params)| Some(Recipient::new(mailbox.as_ref()?).params(params)))
            .collect();
        let sender = format!("<{}>", envelope.sender);
        let sender = ReversePath::parse(sender.as_bytes()).unwrap_or(ReversePath::Null);
        let mut sent = Envelope::new(sender).to(&recipients).params(&mail);
        if envelope.body_type == BodyType::Binary && self.seen.survey.needs_binarymime() {
            sent = sent.body(Body::BinaryMime);
        }
        sent = sent.surveyed(&self.seen.survey).rewinds();
        if envelope.requiretls {
            sent = sent.require_tls();
        }
        self.converse(client, &sent).await
    }

    async fn converse(&self, client: &mut Client, envelope: &Envelope<'_>) -> Transmitted {
        let mut done = Transmitted::default();
        let (mut begun, mut dotted) = (false, None::<Instant>);
        let mut content = Content::default();
        let wire = Tail::default();
        client.record(wire.transcript());
        while let Ok(Some(step)) = client.next().await {
            self.job.flight.pulse.beat();
            match step {
                ClientStep::Ready(ready) if !begun => {
                    begun = true;
                    // Why not is among the outcomes.
                    if ready.send(envelope).is_err() {
                        break;
                    }
                }
                ClientStep::Ready(_) | ClientStep::Close(_) => break,
                ClientStep::Reply { to, reply } => {
                    done.answered(dotted.take());
                    done.phase = Some(phase(to));
                    note(&mut done.transcript, to, &reply.to_string());
                }
                ClientStep::Content(mut body) => {
                    if let Err(error) = content.fill(body.round(), self).await {
                        body.abandon();
                        done.unreadable = Some(error);
                        continue;
                    }
                    let taken = body.write(&content.rest);
                    content.rest.advance(taken);
                    if content.is_over {
                        self.job.flight.before_dot();
                        body.finish();
                        dotted = Some(Instant::now());
                    }
                }
                _ => {}
            }
        }
        done.answered(dotted);
        done.outcomes = client.session().outcomes().collect();
        if !done.outcomes.iter().all(Sent::is_accepted) {
            done.transcript = wire.text();
        }
        if !begun {
            let reason = client.session().close_reason().unwrap_or(smtp_tokio::client::CloseReason::Idle);
            done.outcomes =
                vec![Sent::NotTried(smtp_tokio::client::Why::Closed(reason)); envelope.recipients().len()];
        }
        done
    }

    fn feed(&self) -> Feed {
        let (spool, job) = (self.spool.clone(), Arc::clone(&self.job));
        Feed::start(move || read(&spool, &job))
    }
}

/// The content on its way, from its begin in each transaction.
#[derive(Default)]
struct Content {
    round: Option<u32>,
    /// Where the rest comes from; none of what is in memory.
    feed: Option<Feed>,
    rest: Bytes,
    is_over: bool,
}

impl Content {
    /// Has something to write, or is over.
    async fn fill(&mut self, round: u32, message: &Message) -> io::Result<()> {
        if self.round != Some(round) {
            *self = Self { round: Some(round), ..Self::default() };
            match &message.seen.whole {
                Some(whole) => self.rest = whole.clone(),
                None => self.feed = Some(message.feed()),
            }
        }
        if self.rest.is_empty() && !self.is_over {
            let next = match &mut self.feed {
                Some(feed) => feed.next().await?,
                None => None,
            };
            self.is_over = next.is_none();
            self.rest = next.unwrap_or_default().into();
        }
        Ok(())
    }
}

/// A message as the next host gets it: what we put on top, then what was taken. The last octets of what is not what was
/// taken are an error.
fn read(spool: &Spool<RealDisk>, job: &Job) -> io::Result<impl Read + use<>> {
    Ok(Read::chain(io::Cursor::new(job.prefix.clone()), spool.read(&job.body)?))
}

/// RET and ENVID as they came. What can't be said is left out.
fn mail_params(ret: Option<Ret>, envid: Option<&str>) -> MailParamsBuf {
    let mut params = MailParamsBuf::new();
    if let Some(ret) = ret {
        params = params.ret(ret);
    }
    if let Some(envid) = envid {
        // INVARIANT: it was one when the message came.
        let _ = params.set("ENVID", Some(envid));
    }
    params
}

/// NOTIFY and ORCPT as they came.
fn rcpt_params(rcpt: &Rcpt, utf8: bool) -> RcptParamsBuf {
    let mut params = RcptParamsBuf::new();
    if let Some(notify) = rcpt.notify {
        params = params.notify(notify);
    }
    if let Some(orcpt) = &rcpt.orcpt {
        let mut with = params.clone();
        // An address in UTF-8 can only be told to who takes that; for its own sake no mail comes back.
        if with.set("ORCPT", Some(orcpt)).is_ok() && (utf8 || !with.as_params().needs_smtputf8()) {
            params = with;
        }
    }
    params
}

const fn phase(to: Command) -> &'static str {
    match to {
        Command::Mail => "mail",
        Command::Rcpt(_) => "rcpt",
        Command::Data => "data",
        Command::Chunk | Command::Content(_) => "content",
        _ => "session",
    }
}

fn note(transcript: &mut String, to: Command, reply: &str) {
    let room = TRANSCRIPT.saturating_sub(transcript.len());
    let line = format!("{to}: {}\n", reply.escape_debug());
    if line.len() <= room {
        transcript.push_str(&line);
    }
}
