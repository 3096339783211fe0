//! What whoever reads the log may do about it.

use super::model::RcptId;
use super::transport::{Outcome, Report, Said};

const NEEDS_NAME: &str =
    "the address that mail leaves from needs a name in DNS, and that name the address: `check`";
const SEE_SPF: &str = "is this server named in the SPF record of the sender's domain? `dns print` shows one";

/// What may be done about a recipient who has not got the message, where that is not plain.
pub(super) fn of(report: &Report, rcpt: RcptId) -> Option<&'static str> {
    match &report.outcomes.iter().find(|(id, _)| *id == rcpt)?.1 {
        Outcome::Delivered(_) | Outcome::Relayed { .. } | Outcome::Expanded => None,
        Outcome::Corrupt(_) => Some("look at the disk and the memory of this machine"),
        Outcome::Unknown(_) => {
            Some("it may have been taken, and is sent again last; `queue.hold_unknown` leaves that to you")
        }
        Outcome::Refused(said) | Outcome::Later(said) if said.remote => theirs(said),
        Outcome::Refused(said) | Outcome::Later(said) => ours(said),
    }
}

/// Of what another host said.
fn theirs(said: &Said) -> Option<&'static str> {
    let text = said.text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let (class, subject, detail) = said.status;
    Some(match (subject, detail) {
        _ if class == 4 && has(&["greylist", "graylist"]) => {
            "that host wants a second try, which comes by itself"
        }
        (7, 25) => NEEDS_NAME,
        (7, 20..=24 | 26 | 27) => SEE_SPF,
        (7, _) if has(&["ptr", "reverse dns", "rdns"]) => NEEDS_NAME,
        (7, _) if has(&["spf", "dkim", "dmarc"]) => SEE_SPF,
        (7, _) if has(&[" listed", "blocklist", "blacklist", "block list", "black list", "reputation"]) => {
            "the address that mail leaves from may be on a blocklist: `check` looks at those that are set"
        }
        (2, 2) => "the recipient has to make room",
        (7, 8) if class == 4 => "the log-in at that host was refused: see its name and password",
        _ => return None,
    })
}

/// Of what we say.
fn ours(said: &Said) -> Option<&'static str> {
    Some(match said.status {
        (4, 4, 1) if is_refused_elsewhere(&said.text) => {
            "nobody listens there: does it run, and is that its port?"
        }
        (4, 4, 1) => "if no host can be reached, port 25 may be closed on the way out: ask the provider",
        (4, 3, 1) => "make room on the disk; then it is tried by itself, or by `queue retry` at once",
        (4, 4, 3) => "does the resolver answer? `check` asks it",
        (_, 4, 6) => "its hosts in DNS lead here: if its mail belongs here, add it to `domains`",
        (4, 7, 4 | 5) => "`relay.tls`, or the message, requires TLS that this host does not have",
        (4, 2, 2) => "the recipient has to make room",
        _ => return None,
    })
}

/// Whether a host says that nobody listens, at a port that is not the one that providers close.
fn is_refused_elsewhere(text: &str) -> bool {
    text.contains("Connection refused") && !text.contains(":25: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(outcome: Outcome) -> Option<&'static str> {
        of(&Report { outcomes: vec![(RcptId(1), outcome)], ..Report::default() }, RcptId(1))
    }

    #[test]
    fn what_can_be_done_something_about_has_a_hint_and_the_rest_has_none() {
        let theirs = |text: &str, status| Said { text: text.into(), status, remote: true };
        let rows = [
            (
                theirs("451 4.7.1 Greylisted, see http://there.example", (4, 7, 1)),
                Some("second try"),
                "greylisting",
            ),
            (theirs("550 5.7.1 Greylisted for ever", (5, 7, 1)), None, "no second try helps"),
            (theirs("550 5.7.25 No PTR", (5, 7, 25)), Some("a name in DNS"), "RFC 7372 §3.3"),
            (theirs("550 5.7.1 reverse DNS missing", (5, 7, 1)), Some("a name in DNS"), "in words alone"),
            (theirs("550 5.7.26 Unauthenticated", (5, 7, 26)), Some("SPF record"), "RFC 7372 §3.4"),
            (theirs("550 5.7.1 rejected by DMARC policy", (5, 7, 1)), Some("SPF record"), "in words alone"),
            (theirs("554 5.7.1 192.0.2.1 is listed by bl.example", (5, 7, 1)), Some("blocklist"), "listed"),
            (theirs("452 4.2.2 Quota exceeded", (4, 2, 2)), Some("make room"), "a full mailbox"),
            (theirs("550 5.1.1 No such user", (5, 1, 1)), None, "that is plain"),
            (theirs("550 5.7.1 Not from you", (5, 7, 1)), None, "nobody knows why"),
            (Said::ours((4, 4, 1), "451 4.4.1 No connection"), Some("port 25"), "nobody there"),
            (
                Said::ours(
                    (4, 4, 1),
                    "451 4.4.1 No connection to 192.0.2.1:587: Connection refused (os error 111)",
                ),
                Some("its port"),
                "a smart host that does not run",
            ),
            (
                Said::ours(
                    (4, 4, 1),
                    "451 4.4.1 No connection to 192.0.2.1:25: Connection refused (os error 111)",
                ),
                Some("provider"),
                "some providers refuse for others",
            ),
            (Said::ours((4, 3, 1), "452 4.3.1 No space left on device"), Some("make room"), "our own disk"),
            (Said::ours((4, 4, 3), "451 4.4.3 no answer"), Some("resolver"), "DNS"),
            (Said::ours((5, 4, 6), "550 5.4.6 loop"), Some("`domains`"), "a loop"),
            (Said::ours((4, 7, 4), "451 4.7.4 TLS is required"), Some("`relay.tls`"), "TLS"),
            (Said::ours((5, 6, 3), "554 5.6.3 no 8BITMIME"), None, "the sender is told"),
        ];
        for (said, want, why) in rows {
            let hint = match said.status.0 {
                5 => hint(Outcome::Refused(said)),
                _ => hint(Outcome::Later(said)),
            };
            assert_eq!(hint.is_some(), want.is_some(), "{why}: {hint:?}");
            assert!(hint.unwrap_or_default().contains(want.unwrap_or_default()), "{why}: {hint:?}");
        }
        assert_eq!(hint(Outcome::Delivered("x".into())), None);
        assert!(hint(Outcome::Unknown(Said::ours((4, 4, 2), "x"))).unwrap().contains("queue.hold_unknown"));
        assert!(hint(Outcome::Corrupt(Said::ours((5, 3, 0), "x"))).unwrap().contains("disk"));
        assert_eq!(of(&Report::default(), RcptId(1)), None, "it was not tried");
    }
}
