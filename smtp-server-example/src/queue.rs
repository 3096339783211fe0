//! Mail between our `250` and the next host's, or the mailbox.
//!
//! ```text
//!  session --enqueue--> Writer: one thread, one commit for all that waits --> Store (SQLite)
//!                          |  what was committed
//!                          v
//!                       Schedule: what is due, in turn by destination  (RAM, no clock)
//!                          |  Job
//!                          v
//!                       Transport: Maildir, LMTP, SMTP --Report--> settle --> Writer
//! ```
//!
//! Everything that decides takes time as an argument; what blocks is behind [`Store`](store::Store) and
//! [`Disk`](crate::store::Disk).

mod admin;
pub(crate) mod command;
mod condition;
mod content;
mod control;
mod copy;
mod dsn;
mod figures;
mod filter;
mod fresh;
mod health;
mod held;
mod hint;
mod home;
mod in_flight;
mod intake;
mod lists;
mod lmtp;
mod local;
mod lock;
mod loops;
mod lots;
mod model;
mod pace;
mod policy;
mod removals;
mod results;
mod runner;
mod schedule;
mod settings;
mod settle;
mod shape;
mod spool;
mod sqlite;
mod store;
pub(crate) mod trace;
mod transport;
mod unconfirmed;
mod watchdog;
mod writer;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod power;

pub(crate) use self::admin::Request;
pub(crate) use self::condition::{Condition, condition};
pub(crate) use self::content::{Feed, Seen, look};
pub(crate) use self::control::{listen, state_of_server};
pub(crate) use self::copy::{Copied, save, take_back};
pub(crate) use self::home::{Home, Homes, Mailboxes, part};
#[cfg(test)]
pub(crate) use self::in_flight::Flight;
pub(crate) use self::intake::Intake;
pub(crate) use self::lists::Onward;
pub(crate) use self::lmtp::Lmtp;
pub(crate) use self::local::{Local, Nowhere};
pub(crate) use self::loops::MOST_HOPS;
#[cfg(test)]
pub(crate) use self::model::DeliveryId;
pub(crate) use self::model::{BodyType, Envelope, Job, Kind, NewDelivery, NewRcpt, Rcpt, RcptId, RouteKey};
pub(crate) use self::policy::{Policy, after};
pub(crate) use self::runner::{Opened, Queue, Surroundings, open};
pub(crate) use self::settings::QueueSettings;
pub(crate) use self::spool::{IN_ROW, Spool};
pub(crate) use self::store::{StoreError, Trouble};
pub(crate) use self::transport::{Outcome, Reach, Report, Said, Transport};
pub(crate) use self::unconfirmed::Unsure;
pub(crate) use self::writer::WriterThread;
