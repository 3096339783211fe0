//! What we put above a message: `Received` (RFC 5321 §4.4).

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use smtp_proto::server::{Facts, ReceivedBy};

/// [`Facts::received`] without the client's name and address: where its users are, a server need not tell.
pub(crate) fn received_from_user(facts: &Facts, by: ReceivedBy<'_>) -> Vec<u8> {
    let ReceivedBy { host, id, date, for_, .. } = by;
    let with = facts.with_protocol();
    let for_ = for_.map(|mailbox| format!("\r\n\tfor <{mailbox}>")).unwrap_or_default();
    // RFC 5321 §4.4 wants a name behind "from".
    format!("Received: from authenticated-user\r\n\tby {host} with {with} id {id}{for_}; {date}\r\n")
        .into_bytes()
}

/// A moment as headers have it, in this machine's time zone.
pub(crate) fn date_of(moment: Timestamp) -> String {
    date(&moment.to_zoned_datetime(TimeZone::system()))
}

/// `Tue, 05 May 2026 09:03:01 +0200` (RFC 5322 §3.3).
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
