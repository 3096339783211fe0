//! The clock as the sessions see it, and what an error of a socket means to them.

use std::io;
use std::time::{Duration, Instant};

use smtp_proto::Time;

/// The peer went away: an event of its session, not an error of ours.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

pub(crate) fn now(origin: Instant) -> Time {
    Time::new(Instant::now().saturating_duration_since(origin))
}

pub(crate) fn instant(origin: Instant, time: Time) -> Instant {
    origin.checked_add(time.since_origin()).unwrap_or_else(far_future)
}

/// Thirty years: a wait without an end that every timer can hold.
pub(crate) fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}
