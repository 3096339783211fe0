//! The numbers of pressure that are not settings, each with its reason. What depends on the machine is below `[limits]`
//! in the settings.

use std::time::Duration;

/// How often everything is looked at: soon enough for a burst, and nothing to a machine.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Share of sessions or memory from which on it is lean: a third is left for those who come until that helps.
pub(crate) const LEAN_SHARE: f64 = 0.7;

/// Share from which on strangers are sent away: the last tenth is for our own users.
pub(crate) const SHED_SHARE: f64 = 0.9;

/// Commits that take so long make it lean: something else has the disk.
pub(crate) const LEAN_COMMIT: Duration = Duration::from_millis(500);

/// And so long, send strangers away: those who are here would wait for minutes otherwise.
pub(crate) const SHED_COMMIT: Duration = Duration::from_secs(5);

/// A level is left below so much of what it was entered at, or it would be left and entered each second.
pub(crate) const LEAVE: f64 = 0.8;

/// Looks in a row that must say so before a lower level is believed.
pub(crate) const CALM_LOOKS: u32 = 5;

/// Wait for a command while it is lean. RFC 5321 §4.5.3.2.7 asks for 300 seconds, but a client that does nothing while
/// others wait for its place can come again. Most clients send all they have in one.
pub(crate) const LEAN_IDLE: Duration = Duration::from_secs(10);

/// What a client's share of connections is divided by while it is lean.
pub(crate) const LEAN_CLIENT_DIVISOR: usize = 5;

/// Errors after which a session ends that began while it was lean: programs make none, and who guesses has to connect again.
/// Postfix has the same under stress.
pub(crate) const LEAN_ERRORS: u32 = 1;

/// Commands that do nothing after which such a session ends. Two are EHLO, before and after STARTTLS, and one may be a NOOP
/// or RSET: as Postfix has it, which does not count EHLO.
pub(crate) const LEAN_JUNK: u32 = 4;

/// Part of all sessions that strangers can't have: one in so many is kept for users and our own programs.
pub(crate) const KEPT_FOR_USERS: usize = 8;

/// Memory of a session without a message: 2 KiB while it waits, its last lines for `trace` (8 KiB at most), and what TLS and
/// the looks at its client take.
pub(crate) const SESSION_OCTETS: u64 = 16 * 1024;

/// Memory of a transaction besides its content: sender, names, header lines, what scanners are told.
pub(crate) const TRANSACTION_OCTETS: u64 = 16 * 1024;

/// Memory of a recipient: its address, whom it stands for, and what is stored of it.
pub(crate) const RECIPIENT_OCTETS: u64 = 512;

/// Descriptors of the process besides sessions and deliveries: the queue's files (7), log, timers and signals (8), DNS
/// (16), metrics (8), the operator's questions (8), accounts and certificates (4), and some to spare.
pub(crate) const OWN_DESCRIPTORS: u64 = 64;

/// Descriptors of a session at most: its socket, its file when the message is large, and the watch for hang-ups.
pub(crate) const SESSION_DESCRIPTORS: u64 = 3;

/// Descriptors of a delivery at most: a connection and the message's file.
pub(crate) const DELIVERY_DESCRIPTORS: u64 = 2;

/// Fewer than so many sessions or deliveries at once make no server, however few descriptors there are.
pub(crate) const FEWEST: u64 = 4;

/// No more sessions are promised than this, however many descriptors there are: a port has 65,536 clients at most.
pub(crate) const MOST_SESSIONS: u64 = 65_536;
