//! The two headers that stand above a delivered message: `Return-Path`, then `Received` (RFC 5321 §4.4).

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use smtp_proto::server::{Facts, ReceivedBy};
use smtp_proto::wire::path::{Mailbox, ReversePath};

use crate::queue_id::QueueId;

/// Both headers in wire form.
///
/// `recipient` is given only where there is one: with several, each would learn of the others (RFC 5321 §7.2).
pub(crate) fn headers(
    facts: &Facts,
    host: &str,
    sender: ReversePath<'_>,
    id: QueueId,
    arrived: Timestamp,
    recipient: Option<Mailbox<'_>>,
) -> Vec<u8> {
    let date = date_of(arrived);
    let mut headers = format!("Return-Path: {sender}\r\n").into_bytes();
    headers.extend(facts.received(ReceivedBy { host, id: id.as_str(), date: &date, for_: recipient }));
    headers
}

/// A moment as headers have it, in the local time.
pub(crate) fn date_of(moment: Timestamp) -> String {
    date(&moment.to_zoned_datetime(TimeZone::system()))
}

/// A date as headers have it: `Tue, 05 May 2026 09:03:01 +0200` (RFC 5322 §3.3).
fn date(date: &ZonedDateTime) -> String {
    date.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_rfc_5322_wants_it() {
        for (moment, want, why) in [
            ("2026-05-05T09:03:01+02:00[+02:00]", "Tue, 05 May 2026 09:03:01 +0200", "a day of two digits"),
            (
                "2026-12-31T23:59:59-05:30[-05:30]",
                "Thu, 31 Dec 2026 23:59:59 -0530",
                "west, and half an hour",
            ),
            ("2026-02-28T00:00:00Z[UTC]", "Sat, 28 Feb 2026 00:00:00 +0000", "UTC is a number, not a name"),
        ] {
            let moment: ZonedDateTime = moment.parse().unwrap();
            assert_eq!(date(&moment), want, "{why}");
        }
    }
}
