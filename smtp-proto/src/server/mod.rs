//! The server's side of a session: what may be said when, and what the application decides.
//!
//! [`ServerSession`] reads octets and hands out one [`Step`] after another. A step that wants an answer carries a
//! token, [`Pending`]: look at it, await what you need, then consume it with `accept`, `refuse` or `decide`.
//! **A token dropped without an answer never accepts**: the peer gets 451 (421 at the connection's start, 454 for
//! AUTH and STARTTLS), so `Step::Mail(_) => {}` refuses mail for now and loses nothing.
//!
//! # A policy
//!
//! It is one `match`, and its last arm is [`Step::or_default`]. A transaction is kept in variables of yours;
//! [`Step::Reset`] says that it is over, whatever ended it, and nothing of it follows.
//!
//! ```
//! use smtp_proto::MailboxBuf;
//! use smtp_proto::server::Step;
//! use smtp_proto::wire::reply::Reply;
//!
//! const NOT_OURS: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user here");
//! const FULL: Reply<'static> = Reply::new(452, (4, 3, 1), "Disk full, try again later");
//!
//! #[derive(Default)]
//! struct Inbox {
//!     recipients: Vec<MailboxBuf>,
//!     content: Vec<u8>,
//! }
//!
//! fn answer(inbox: &mut Inbox, step: Step<'_, '_>, store: impl Fn(&Inbox) -> bool) {
//!     match step {
//!         Step::Rcpt(rcpt) if rcpt.mailbox().domain().is_some_and(|domain| domain == "mx.example") => {
//!             inbox.recipients.push(rcpt.mailbox().to_owned());
//!             rcpt.accept();
//!         }
//!         Step::Rcpt(rcpt) => rcpt.refuse(&NOT_OURS),
//!         Step::Content(octets) => inbox.content.extend_from_slice(octets),
//!         Step::Verdict(verdict) => verdict.decide(if store(inbox) { Ok(()) } else { Err(FULL) }),
//!         Step::Reset(_) => *inbox = Inbox::default(),
//!         other => other.or_default(),
//!     }
//! }
//! ```
//!
//! # Decisions
//!
//! What a client is told when a token is answered without words of yours, by each way to end it:
//!
#![doc = include_str!("decision_table.md")]
//!
//! After 554 in place of the greeting only QUIT is taken. A refused `Hello` changes nothing. A refused `Data` ends the
//! transaction ([`DataRefused`](ResetCause::DataRefused)); with BDAT the first reply comes once the chunk is there. An
//! accepted `Xclient` starts over with `Connect`, hence the 220.
//!
//! - **The reply's class wins.** `accept_with` a 4yz or 5yz refuses, so a policy can't say one thing and do another.
//!   `refuse` with a 2yz or 3yz would tell the client that it had succeeded: the session's own refusal goes out instead.
//! - **A reply without an enhanced code gets x.0.0** where ENHANCEDSTATUSCODES is offered and one must stand (RFC 2034
//!   §4), which is everywhere but in the greeting, in answers to EHLO and HELO, and in 3yz.
//! - **Why a dropped token is 451.** Of the three ways to be wrong it is the one that can be put right. A 250 that
//!   nobody meant makes us responsible for the mail (RFC 5321 §6.1), and nobody has it. A 550 that nobody meant makes
//!   the client send a bounce. After 451 it keeps the mail and tries again, so that a `match` arm that forgot its
//!   token costs a delay. There is no destructor behind it: the next call of [`needs`](ServerSession::needs) finds the
//!   token unanswered, which holds for `mem::forget` too.
//! - **Policy functions** return a [`Decision`], or `Result<(), Reply<'static>>`, which becomes one:
//!   `rcpt.decide(found)`. A received [`ReplyBuf`](crate::wire::reply::ReplyBuf) is a decision too: a proxy passes
//!   on what it was told.
//! - **`accept` on [`Verdict`](Step::Verdict) is the promise.** Sync the message to the disk before it, not after.
//!   In LMTP the verdict comes once per accepted recipient ([`Verdict::recipient`] says which); in SMTP there is one
//!   for all, and the protocol has no way to give different ones.
//!
//! # Traps
//!
//! A token can't be looked at in the call that consumes it: bind the answer first.
//!
//! ```compile_fail,E0382
//! # use smtp_proto::{Mailbox, server::{Pending, Rcpt}, wire::reply::Reply};
//! # async fn lookup(mailbox: Mailbox<'_>) -> Result<(), Reply<'static>> { Ok(()) }
//! # async fn policy(rcpt: Pending<'_, Rcpt<'_>>) {
//! rcpt.decide(lookup(rcpt.mailbox()).await);
//! # }
//! ```
//! ```
//! # use smtp_proto::{Mailbox, server::{Pending, Rcpt}, wire::reply::Reply};
//! # async fn lookup(mailbox: Mailbox<'_>) -> Result<(), Reply<'static>> { Ok(()) }
//! # async fn policy(rcpt: Pending<'_, Rcpt<'_>>) {
//! let found = lookup(rcpt.mailbox()).await;
//! rcpt.decide(found);
//! # }
//! ```
//!
//! Beside a token the session is borrowed, and so is an adapter's connection: the token has the same facts.
//!
//! ```compile_fail,E0502
//! # use smtp_proto::{Input, server::{ServerSession, Step}};
//! # fn policy(session: &mut ServerSession, input: &mut Input<'_>) {
//! if let Some(Step::Mail(mail)) = session.next(input) {
//!     let peer = session.facts().peer().remote();
//!     # drop(peer);
//!     mail.accept();
//! }
//! # }
//! ```
//! ```
//! # use smtp_proto::{Input, server::{ServerSession, Step}};
//! # fn policy(session: &mut ServerSession, input: &mut Input<'_>) {
//! if let Some(Step::Mail(mail)) = session.next(input) {
//!     let peer = mail.facts().peer().remote();
//!     # drop(peer);
//!     mail.accept();
//! }
//! # }
//! ```
//!
//! A mailbox, a parameter and a slice of content live as long as the octets in the buffer: past the answer, not past
//! the step. `to_owned()` keeps them.
//!
//! # Time-outs
//!
//! All are in [`Limits`]. A deadline is set when a wait begins and belongs to the whole of it: a client that sends an
//! octet now and then does not move it. It runs only while the client is awaited, so a slow policy never meets it.
//!
//! | wait | limit | default | source | when it has passed |
//! |---|---|---|---|---|
//! | for a command | [`command`](Limits::command) | 5 min | RFC 5321 §4.5.3.2.7: at least 5 min | 421 4.4.2; [`Idle`](CloseReason::Idle) between commands, [`Timeout`](CloseReason::Timeout) within a line or a transaction |
//! | for content | [`content`](Limits::content), [`content_rate`](Limits::content_rate) | 5 min of silence, or as much behind 500 octets/s | RFC 5321 §4.5.3.2.5 gives a client 3 min a block; the rate is ours | 421 4.4.2, [`Timeout`](CloseReason::Timeout) |
//! | for an AUTH exchange, from its first challenge to its end | [`auth`](Limits::auth) | 5 min | as a command | 421 4.4.2, [`Timeout`](CloseReason::Timeout) |
//! | until the client takes our replies | [`flush`](Limits::flush) | 5 min | ours | [`Timeout`](CloseReason::Timeout), without a word |
//! | for the PROXY header of a balancer | [`proxy_header`](Limits::proxy_header) | 10 s | its specification asks for 3 s at least | [`NoProxyHeader`](CloseReason::NoProxyHeader), without a word |
//! | for the TLS handshake | [`handshake`](Limits::handshake) | 30 s | ours; RFC 3207 has none | [`Timeout`](CloseReason::Timeout), without a word |
//!
//! [`greet_delay`](Limits::greet_delay) (none) and the second that each error costs are pauses of ours: nothing is
//! closed when they end. What a client waits for is in [`client::Timeouts`](crate::client::Timeouts), field by field.
//!
//! # Budgets
//!
//! | what is counted | limit | default | when it is used up |
//! |---|---|---|---|
//! | errors that the session answered by itself | [`free_errors`](Limits::free_errors), [`errors`](Limits::errors) | each after the 10th waits 1 s, the 20th ends it | 421 4.7.0, [`Errors`](Abuse::Errors) |
//! | commands that do nothing, since the last message | [`junk`](Limits::junk) | 100 | 421 4.7.0, [`Junk`](Abuse::Junk) |
//! | recipients that policy refused | [`refused_recipients`](Limits::refused_recipients) | 100 | 421 4.7.0, [`RefusedRecipients`](Abuse::RefusedRecipients) |
//! | AUTH that policy refused | [`failed_auth`](Limits::failed_auth) | 3 | 421 4.7.0, [`FailedAuth`](Abuse::FailedAuth) |
//! | recipients of a transaction | [`recipients`](Limits::recipients) | 1,000 | 452 4.5.3 to each further one, which counts as an error |
//! | octets of a message | [`message`](Limits::message) | 50 MiB | content stops there, [`TooBig`](ResetCause::TooBig), 552 5.3.4 at its end; after ten times as much [`Oversize`](Abuse::Oversize) |
//! | chunks of a message | [`chunks`](Limits::chunks) | 100,000 | 421 4.7.0, [`Oversize`](Abuse::Oversize) |
//!
//! Refusals by policy are not errors: a newsletter with eleven dead recipients is no attack.
//! [`MORE_ERRORS`](crate::Leniency::MORE_ERRORS) bears five times as many.
//!
//! ```
//! # use {smtp_proto::server::{Limits, ServerConfig}, std::time::Duration};
//! let config = ServerConfig::new("mx.example")?.limits(|limits| {
//!     limits.command = Duration::from_secs(60);
//!     limits.message = 10 * 1024 * 1024;
//! });
//! # let Limits { command, content, content_rate, auth, flush, handshake, greet_delay, proxy_header, .. } =
//! #     Limits::default();
//! # let five_minutes = Duration::from_secs(300);
//! # assert_eq!(proxy_header, Duration::from_secs(10));
//! # assert_eq!([command, content, auth, flush], [five_minutes; 4], "the tables above say so");
//! # assert_eq!((content_rate, handshake, greet_delay), (500, Duration::from_secs(30), Duration::ZERO));
//! # let Limits { free_errors, errors, junk, refused_recipients, failed_auth, recipients, message, chunks, .. } =
//! #     Limits::default();
//! # assert_eq!((free_errors, errors, junk, refused_recipients, failed_auth), (10, 20, 100, 100, 3));
//! # assert_eq!((recipients, message, chunks), (1_000, 50 << 20, 100_000));
//! # Ok::<(), smtp_proto::ParseError>(())
//! ```
//!
//! # The state table
//!
//! What each verb does in each state; `run` means that its step goes to the application (or that the session
//! does what RFC 5321 asks), a number is the reply the session gives by itself.
//!
#![doc = include_str!("state_table.md")]

mod answer;
mod commands;
mod config;
mod content;
mod decision;
mod envelope;
mod facts;
mod greet;
#[cfg(doctest)]
mod misuse;
pub mod replies;
mod secure;
mod session;
pub mod state;
mod step;

pub use config::{AuthWhen, Extension, Extensions, Limits, Protocol, ServerConfig, contains};
pub use decision::Decision;
pub use facts::{Facts, Peer, ReceivedBy, TlsInfo};
pub use session::{ApiMisuse, Need, ServerSession};
pub use step::{
    Abuse, Answered, Auth, CloseReason, Connect, Data, Etrn, Expn, ForeignProtocol, Hello, Mail, Pending,
    Rcpt, ResetCause, StartTls, Step, Verdict, Vrfy, Xclient, Xforward,
};
