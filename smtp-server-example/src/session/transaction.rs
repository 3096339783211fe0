//! What a client has said since MAIL, and the message that comes of it.

use std::net::SocketAddr;
use std::time::Instant;

use jiff::Timestamp;
use smtp_proto::server::{Mail, Pending};
use smtp_proto::wire::params::{Body, Orcpt, OrcptAddress, RcptParams, Ret};
use smtp_proto::wire::path::{Mailbox, MailboxBuf, ReversePathBuf};
use smtp_proto::wire::reply::Reply;

use crate::config::Kind;
use crate::fixups::Fixups;
use crate::log::{Event, Log};
use crate::pressure::Share;
use crate::queue::{self, BodyType, Envelope, Intake, NewRcpt, Policy, Unsure};
use crate::queue_id::QueueId;
use crate::recipients::Recipients;
use crate::refusal::Refusal;
use crate::scan::{About, Scan};
use crate::store::RealDisk;

/// Refused recipients that a log line names; a client chooses how many there are.
const REFUSED_NAMED: usize = 5;

/// What was said since MAIL.
pub(super) struct Transaction {
    pub(super) kind: Kind,
    pub(super) began: Instant,
    pub(super) peer: Option<SocketAddr>,
    pub(super) hello: Vec<u8>,
    pub(super) user: Option<String>,
    pub(super) sender: ReversePathBuf,
    /// The recipients taken, as they were given.
    pub(super) recipients: Vec<MailboxBuf>,
    /// Whom they stand for.
    pub(super) to: Recipients,
    pub(super) said: Said,
    pub(super) refused: Vec<(MailboxBuf, u16)>,
    pub(super) refused_count: usize,
    pub(super) draft: Option<Draft>,
    /// What is put right on the way, where a user submits.
    pub(super) fixups: Option<Fixups>,
    /// What became of the message.
    pub(super) outcome: Option<Result<String, Refusal>>,
    /// Whether the client knows of it is not known.
    pub(super) unsure: Option<Unsure>,
    /// Disk and memory that were promised to it.
    share: Share,
}

/// What MAIL said besides the sender.
pub(super) struct Said {
    pub(super) envid: Option<String>,
    pub(super) ret: Option<Ret>,
    pub(super) body: Option<Body>,
    pub(super) smtputf8: bool,
    pub(super) requiretls: bool,
}

/// A message whose content is coming.
pub(super) struct Draft {
    pub(super) id: QueueId,
    pub(super) arrived: Timestamp,
    /// The headers that we add.
    pub(super) prefix: Vec<u8>,
    pub(super) tls: Option<String>,
    pub(super) intake: Intake<RealDisk>,
    /// None once it is over.
    pub(super) scan: Option<Scan>,
}

impl Transaction {
    pub(super) fn new(kind: Kind, mail: &Pending<'_, Mail<'_>>, share: Share) -> Self {
        let (facts, params) = (mail.facts(), mail.params());
        let said = Said {
            envid: params.envid().map(|envid| text(envid.as_bytes())),
            ret: params.ret(),
            body: params.body(),
            smtputf8: params.smtputf8(),
            requiretls: params.requiretls(),
        };
        Self {
            kind,
            began: Instant::now(),
            peer: facts.peer().remote(),
            hello: facts.hello().to_vec(),
            user: facts.user().map(str::to_owned),
            sender: mail.sender().to_owned(),
            recipients: Vec::new(),
            to: Recipients::default(),
            said,
            refused: Vec::new(),
            refused_count: 0,
            draft: None,
            fixups: None,
            outcome: None,
            unsure: None,
            share,
        }
    }

    /// Notes a recipient that is taken, and returns what is known of it.
    pub(super) fn taken(&mut self, mailbox: Mailbox<'_>, params: RcptParams<'_>) -> NewRcpt {
        self.recipients.push(mailbox.to_owned());
        NewRcpt {
            address: mailbox.as_str().to_owned(),
            user: None,
            orcpt: params.orcpt().map(|orcpt| orcpt_text(&orcpt)),
            notify: params.notify(),
        }
    }

    /// Takes the next octets of content.
    pub(super) async fn take(&mut self, octets: &[u8]) {
        let Some(Draft { intake, scan, .. }) = &mut self.draft else { return };
        if let Some(scan) = scan {
            scan.write(octets).await;
        }
        match &mut self.fixups {
            Some(fixups) => {
                intake.see_sent(octets);
                let (header, rest) = fixups.pass(octets);
                intake.write(&header).await;
                intake.write(rest).await;
            }
            None => intake.write(octets).await,
        }
        self.share.grow(intake.octets(), self.recipients.len());
    }

    /// The content is complete.
    pub(super) async fn finish(&mut self) {
        if let (Some(Draft { intake, .. }), Some(fixups)) = (&mut self.draft, &mut self.fixups) {
            intake.write(&fixups.finish()).await;
        }
    }

    pub(super) fn envelope(&self, draft: &Draft, policy: &Policy) -> Envelope {
        Envelope {
            id: draft.id,
            sender: address_of(&self.sender).to_owned(),
            envid: self.said.envid.clone(),
            ret: self.said.ret,
            body_type: match self.said.body {
                Some(Body::EightBitMime) => BodyType::EightBit,
                Some(Body::BinaryMime) => BodyType::Binary,
                _ => BodyType::SevenBit,
            },
            smtputf8: self.said.smtputf8,
            requiretls: self.said.requiretls,
            kind: queue::Kind::Mail,
            user: self.user.clone(),
            client: self.peer.map(|peer| peer.ip().to_string()),
            hello: Some(text(&self.hello)),
            tls: draft.tls.clone(),
            arrived: draft.arrived,
            expires: policy.expires(draft.arrived),
        }
    }

    /// What scanners are told about a message.
    pub(super) fn about(&self, id: QueueId) -> About {
        About {
            id: id.to_string(),
            ip: self.peer.map(|peer| peer.ip()),
            hello: text(&self.hello),
            sender: self.sender.to_string(),
            recipients: self.recipients.iter().map(ToString::to_string).collect(),
            user: self.user.clone(),
        }
    }

    pub(super) fn event<'l>(&self, log: &'l Log, name: &str) -> Event<'l> {
        let to: Vec<_> = self.recipients.iter().map(|recipient| format!("<{recipient}>")).collect();
        let mut event = log.event(name).field("via", self.kind).field("from", &self.sender);
        if !to.is_empty() {
            event = event.field("to", to.join(","));
        }
        if self.refused_count > 0 {
            event = event.field("refused", self.refused_text());
        }
        event
            .maybe("user", self.user.as_ref())
            .maybe("peer", self.peer)
            .octets("hello", &self.hello)
            .field("ms", self.began.elapsed().as_millis())
    }

    pub(super) fn refused(&mut self, mailbox: Mailbox<'_>, reply: &Reply<'_>) {
        self.refused_count += 1;
        if self.refused.len() < REFUSED_NAMED {
            self.refused.push((mailbox.to_owned(), reply.code()));
        }
    }

    pub(super) fn refused_text(&self) -> String {
        let mut text: Vec<_> =
            self.refused.iter().map(|(mailbox, code)| format!("<{mailbox}> {code}")).collect();
        let more = self.refused_count - self.refused.len();
        if more > 0 {
            text.push(format!("{more} more"));
        }
        text.join(", ")
    }
}

/// A sender without brackets; empty for the null one.
pub(super) fn address_of(sender: &ReversePathBuf) -> &str {
    sender.as_path().mailbox().map_or("", |sender| sender.as_str())
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// ORCPT as it was sent.
fn orcpt_text(orcpt: &Orcpt<'_>) -> String {
    let address = match orcpt.address() {
        OrcptAddress::Xtext(address) => address.as_bytes(),
        OrcptAddress::Utf8(address) => address.as_bytes(),
        _ => b"",
    };
    format!("{};{}", text(orcpt.kind()), text(address))
}
