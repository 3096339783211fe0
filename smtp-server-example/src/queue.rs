//! Mail between our `250` and the next host's, or the mailbox.
//!
//! ```text
//!  session --enqueue--> Writer: one thread, one commit for all that waits --> Store (SQLite)
//!                          |  what was committed
//!                          v
//!                       Schedule: what is due, in turn by destination  (RAM, no clock)
//!                          |  Job
//!                          v
//!                       Transport: Maildir, later LMTP and SMTP --Report--> settle --> Writer
//! ```
//!
//! Everything that decides takes time as an argument; what blocks is behind [`Store`](store::Store) and
//! [`Disk`](crate::store::Disk).

mod dsn;
mod filter;
mod local;
mod lock;
mod loops;
mod model;
mod policy;
mod schedule;
mod settle;
mod spool;
mod sqlite;
mod store;
mod transport;
mod writer;

#[cfg(test)]
mod conformance;
