//! What the queue knows about a message.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use smtp_proto::wire::params::{Notify, Ret};

use super::in_flight::Flight;
use super::unconfirmed::IntakeKey;
use crate::queue_id::QueueId;

/// A delivery: the recipients of one message that go the same way together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeliveryId(pub(crate) i64);

/// One recipient of one message. Never used again, as it is part of a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RcptId(pub(crate) i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RcptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a delivery goes: a recipient's domain in lower case, [`smart`](Self::smart), [`local`](Self::local),
/// [`lmtp`](Self::lmtp), or nowhere beyond the [`alias`](Self::alias) that was written to.
///
/// Hosts, addresses and TLS are looked up at each attempt, since they may change while a mail waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteKey(String);

impl RouteKey {
    /// The way to the mailboxes here. Not a domain's name: a domain has a dot, is one label in an MX's eyes, or is a
    /// literal; none has a blank.
    const LOCAL_KEY: &'static str = "local mailboxes";
    const ALIAS_KEY: &'static str = "alias here";
    const LIST_KEY: &'static str = "list here";
    /// What stands before a domain of ours; it has a blank too.
    const LMTP: &'static str = "lmtp ";

    pub(crate) fn local() -> Self {
        Self(Self::LOCAL_KEY.to_owned())
    }

    /// Of an address here that stands for several: all there is to do is to say so (RFC 3461 §5.2.7.3 c).
    pub(crate) fn alias() -> Self {
        Self(Self::ALIAS_KEY.to_owned())
    }

    /// To a list here, from which the message goes on in another envelope.
    pub(crate) fn list() -> Self {
        Self(Self::LIST_KEY.to_owned())
    }

    /// The way to the mailboxes of a domain of ours that an LMTP server has. Where that listens is looked up at each
    /// attempt.
    pub(crate) fn lmtp(domain: &str) -> Self {
        Self(format!("{}{}", Self::LMTP, domain.to_ascii_lowercase()))
    }

    /// What stands before the hosts of a route by smart hosts.
    const SMART: &'static str = "smart ";

    /// The way over the hosts that a route of the settings names. Which they are is looked up at each attempt.
    pub(crate) fn smart(name: &str) -> Self {
        Self(format!("{}{name}", Self::SMART))
    }

    /// The way to `domain`, a domain or an address literal.
    pub(crate) fn domain(domain: &str) -> Self {
        Self(domain.to_ascii_lowercase())
    }

    /// As it was stored.
    pub(crate) const fn stored(key: String) -> Self {
        Self(key)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it ends here, be it in mailboxes by LMTP.
    pub(crate) fn is_local(&self) -> bool {
        self.0 == Self::LOCAL_KEY || self.is_alias() || self.is_list() || self.0.starts_with(Self::LMTP)
    }

    pub(crate) fn is_alias(&self) -> bool {
        self.0 == Self::ALIAS_KEY
    }

    pub(crate) fn is_list(&self) -> bool {
        self.0 == Self::LIST_KEY
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.as_str() {
            Self::LOCAL_KEY => "local",
            Self::ALIAS_KEY => "alias",
            Self::LIST_KEY => "list",
            key => key,
        })
    }
}

/// Defines an enum that is stored as a word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The other way round; none for a word that no version of ours writes.
            #[allow(dead_code, reason = "not each of these is read back")]
            pub(crate) fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// Whose mail it is.
    Kind {
        /// Somebody's.
        Mail = "mail",
        /// A notification of ours (RFC 3461).
        Dsn = "dsn",
    }
}

words! {
    /// What its sender declared the content to be (RFC 6152, RFC 3030).
    BodyType {
        /// Nothing, or `BODY=7BIT`.
        SevenBit = "7bit",
        EightBit = "8bitmime",
        Binary = "binarymime",
    }
}

words! {
    /// Where a delivery stands. That it is being tried is known in RAM only.
    DeliveryState {
        /// To be tried, now or later.
        Ready = "ready",
        /// The final dot may have been sent and its answer was not seen.
        Dot = "dot",
        /// Waits for the operator.
        Hold = "hold",
        /// No recipient waits any more.
        Done = "done",
    }
}

words! {
    /// Where a recipient stands.
    RcptState {
        /// Not settled.
        Wait = "wait",
        /// The next host, or the mailbox, has it.
        Accepted = "accepted",
        /// It will never be taken.
        Refused = "refused",
        /// It was not taken in time.
        Expired = "expired",
        /// Time is over, and an attempt without an answer may have succeeded.
        Unknown = "unknown",
        /// The stored octets are not those that we took.
        Corrupt = "corrupt",
        /// The operator took it out.
        Dropped = "dropped",
    }
}

/// A message to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) envelope: Envelope,
    /// Headers of ours, which stand above the body. They are kept apart, so that the body is never rewritten.
    pub(crate) prefix: Vec<u8>,
    pub(crate) body: Body,
    /// Waits for the operator from the start, for this reason.
    pub(crate) hold: Option<String>,
    /// Never empty; no address is in it twice.
    pub(crate) deliveries: Vec<NewDelivery>,
    /// By what a second sending of it would be known; none if nobody would send it again.
    pub(crate) key: Option<IntakeKey>,
    /// The number of the commit, which the writer knows.
    pub(crate) batch: i64,
}

impl NewMessage {
    /// One of its deliveries, to be tried for the first time.
    pub(crate) fn job(&self, delivery: &NewDelivery, taken: Taken) -> Job {
        let rcpts = taken.rcpts.into_iter().zip(&delivery.rcpts);
        Job {
            delivery: taken.delivery,
            epoch: taken.epoch,
            route: delivery.route.clone(),
            envelope: self.envelope.clone(),
            prefix: self.prefix.clone(),
            body: self.body.clone(),
            warn: delivery.warn,
            attempts: 0,
            adopted: false,
            crashes: 0,
            flight: Flight::default(),
            rcpts: rcpts.map(|(id, rcpt)| rcpt.waiting(id)).collect(),
        }
    }
}

/// The numbers that a store has given to a new delivery.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) delivery: DeliveryId,
    pub(crate) epoch: i64,
    /// In their order.
    pub(crate) rcpts: Vec<RcptId>,
}

/// What a message's envelope says, and who brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) id: QueueId,
    /// The reverse-path without its brackets; empty for the null one.
    pub(crate) sender: String,
    /// ENVID as it was sent: xtext.
    pub(crate) envid: Option<String>,
    pub(crate) ret: Option<Ret>,
    pub(crate) body_type: BodyType,
    pub(crate) smtputf8: bool,
    pub(crate) requiretls: bool,
    pub(crate) kind: Kind,
    pub(crate) user: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) hello: Option<String>,
    pub(crate) tls: Option<String>,
    pub(crate) arrived: Timestamp,
    /// From then on a temporary failure is final.
    pub(crate) expires: Timestamp,
}

#[cfg(test)]
impl Envelope {
    /// Of a message that arrived then and waits for five days; a test changes what it is about.
    pub(crate) fn sample(arrived: Timestamp) -> Self {
        Self {
            id: crate::queue_id::QueueIds::new().next(arrived),
            sender: "a@client.example".into(),
            envid: Some("QQ+2B1".into()),
            ret: None,
            body_type: BodyType::EightBit,
            smtputf8: false,
            requiretls: false,
            kind: Kind::Mail,
            user: None,
            client: None,
            hello: None,
            tls: None,
            arrived,
            expires: super::policy::after(arrived, std::time::Duration::from_secs(5 * 86_400)),
        }
    }
}

/// Where a message's octets are, without the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) octets: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) place: Place,
}

impl Body {
    /// Whether it is small enough for that.
    pub(crate) const fn is_in_row(&self) -> bool {
        matches!(self.place, Place::Row(_))
    }

    /// Octets that it takes in memory.
    pub(crate) fn octets_in_row(&self) -> usize {
        match &self.place {
            Place::Row(data) => data.len(),
            Place::File(_) => 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the row.
    Row(Bytes),
    /// In this file of the spool, which is durable already.
    File(String),
}

/// Recipients that go the same way.
#[derive(Clone, Debug)]
pub(crate) struct NewDelivery {
    pub(crate) route: RouteKey,
    /// When its sender is told that it is late; none for mail that nobody is told about.
    pub(crate) warn: Option<Timestamp>,
    pub(crate) rcpts: Vec<NewRcpt>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewRcpt {
    pub(crate) address: String,
    /// Whose mailbox here it is for, if that is known: a user's name.
    pub(crate) user: Option<String>,
    /// ORCPT as it was sent: `rfc822;` and xtext.
    pub(crate) orcpt: Option<String>,
    pub(crate) notify: Option<Notify>,
}

impl NewRcpt {
    fn waiting(&self, id: RcptId) -> Rcpt {
        Rcpt {
            id,
            address: self.address.clone(),
            user: self.user.clone(),
            orcpt: self.orcpt.clone(),
            notify: self.notify,
            unsure: false,
        }
    }
}

/// A delivery to be scheduled: all that the schedule keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: DeliveryId,
    pub(crate) route: RouteKey,
    pub(crate) next: Timestamp,
    /// When somebody has to be told something even if it can't be tried: it is late, or its time is over.
    pub(crate) deadline: Timestamp,
    pub(crate) octets: u64,
    /// An earlier try may have delivered it. It goes behind what is certain.
    pub(crate) unsure: bool,
}

impl Entry {
    /// Of a delivery that has just come.
    pub(crate) fn of(job: &Job) -> Self {
        let expires = job.envelope.expires;
        Self {
            id: job.delivery,
            route: job.route.clone(),
            next: job.envelope.arrived,
            deadline: job.warn.map_or(expires, |warn| warn.min(expires)),
            octets: job.body.octets,
            unsure: false,
        }
    }
}

/// A delivery to be tried: everything about it but its body's octets.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) delivery: DeliveryId,
    pub(crate) epoch: i64,
    pub(crate) route: RouteKey,
    pub(crate) envelope: Envelope,
    pub(crate) prefix: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) warn: Option<Timestamp>,
    /// Attempts before this one.
    pub(crate) attempts: u32,
    /// An earlier process left it: perhaps tried, perhaps delivered.
    pub(crate) adopted: bool,
    /// Times that it was being tried when the server died, or that trying it broke off.
    pub(crate) crashes: u32,
    /// Where the one who carries it says that its final dot is sent.
    pub(crate) flight: Flight,
    /// Those that wait.
    pub(crate) rcpts: Vec<Rcpt>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rcpt {
    pub(crate) id: RcptId,
    pub(crate) address: String,
    pub(crate) user: Option<String>,
    pub(crate) orcpt: Option<String>,
    pub(crate) notify: Option<Notify>,
    /// An earlier attempt ended without an answer to its final dot.
    pub(crate) unsure: bool,
}

/// What an attempt changes.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub(crate) delivery: DeliveryId,
    pub(crate) epoch: i64,
    pub(crate) now: Timestamp,
    /// The recipients that are told about; the others stay as they are.
    pub(crate) rcpts: Vec<Settled>,
    /// When it is tried again, if somebody waits still.
    pub(crate) next: Timestamp,
    /// When its sender is told that it is late, from now on.
    pub(crate) warn: Option<Timestamp>,
    /// None if it was given no try.
    pub(crate) attempt: Option<Attempt>,
    /// Notifications and what goes on from a list, stored in the same commit or not at all.
    pub(crate) notices: Vec<NewMessage>,
    pub(crate) route: Option<RouteState>,
    /// It is left to the operator, for this reason, if somebody waits still.
    pub(crate) hold: Option<String>,
}

impl Settlement {
    /// Whether an acceptance is true even if nothing of this can be stored. Not at a list: what goes on from there is in
    /// here alone.
    pub(crate) fn is_fact(&self) -> bool {
        self.notices.iter().all(|notice| notice.envelope.kind == Kind::Dsn)
    }
}

/// A delivery that broke off, by a fault of ours.
#[derive(Clone, Debug)]
pub(crate) struct Crash {
    pub(crate) delivery: DeliveryId,
    pub(crate) next: Timestamp,
    pub(crate) why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) id: RcptId,
    pub(crate) state: RcptState,
    pub(crate) unsure: bool,
    pub(crate) reply: String,
    pub(crate) mx: Option<String>,
    pub(crate) tls: Option<String>,
}

/// One try, for whoever asks later what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) mx: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) tls: Option<String>,
    pub(crate) phase: Option<String>,
    pub(crate) outcome: String,
    pub(crate) transcript: Option<String>,
}

/// What is known about a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteState {
    pub(crate) key: RouteKey,
    /// Times in a row that it could not be reached.
    pub(crate) failures: u32,
    /// Not tried before.
    pub(crate) not_before: Timestamp,
    pub(crate) why: String,
}

/// `NOTIFY` as it is stored: in the words of the parameter.
pub(crate) fn notify_word(notify: Notify) -> String {
    if notify.is_never() {
        return "NEVER".to_owned();
    }
    let all = [(Notify::SUCCESS, "SUCCESS"), (Notify::FAILURE, "FAILURE"), (Notify::DELAY, "DELAY")];
    let words: Vec<_> = all.iter().filter(|(one, _)| notify.contains(*one)).map(|(_, word)| *word).collect();
    words.join(",")
}

pub(crate) fn notify_of(words: &str) -> Notify {
    words.split(',').fold(Notify::NEVER, |notify, word| match word {
        "SUCCESS" => notify.with(Notify::SUCCESS),
        "FAILURE" => notify.with(Notify::FAILURE),
        "DELAY" => notify.with(Notify::DELAY),
        _ => notify,
    })
}
