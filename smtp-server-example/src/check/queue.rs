//! The queue: whether a server works at it, and what is left to the operator.

use super::{Findings, Site};
use crate::failure::Kind;
use crate::mailroom;
use crate::queue::{self, Condition, StoreError};

/// Due mail is tried within seconds. So long, in seconds, that nothing but a fault explains it.
const OVERDUE: i64 = 300;

pub(super) fn check(site: &Site, findings: &mut Findings) {
    judge(queue::condition(&mailroom::folder(&site.config.data)), findings);
}

fn judge(state: Result<Option<Condition>, StoreError>, findings: &mut Findings) {
    const NAME: &str = "queue";
    let state = match state {
        Ok(None) => return findings.ok(NAME, "there is none yet: the server makes it"),
        Ok(Some(state)) => state,
        Err(error) => {
            return findings.fail(
                Kind::Io,
                NAME,
                format!("it can't be asked: {error}"),
                "nothing is known of the mail in it",
                "run this as the user that runs the server; keep a copy of the folder before you change anything in it",
            );
        }
    };
    if state.has_failed {
        // The server has said so, and what there is may not be so.
        return;
    }
    let waiting = state.figures.ages.iter().sum::<i64>();
    if !state.is_served {
        findings.ok(NAME, format!("no server works at it; deliveries that wait: {waiting}"));
    } else if state.figures.overdue > OVERDUE {
        findings.fail(
            Kind::TryLater,
            NAME,
            format!("mail has been due for {} s and is not tried", state.figures.overdue),
            "it should be within seconds",
            "look for `not-stored` and `unreadable` in the log, and restart the server",
        );
    } else {
        findings.ok(NAME, format!("a server works at it; deliveries that wait: {waiting}"));
    }
    let held = state.figures.states.iter().find(|(state, _)| state == "hold").map_or(0, |(_, count)| *count);
    if held > 0 {
        findings.warn(
            "queue-held",
            format!("deliveries that are held: {held}"),
            "they wait for you",
            "queue list state=hold says why, queue release sends, queue drop gives up",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Figures;
    use crate::queue::Trouble;

    #[test]
    fn a_queue_is_judged_by_its_server_and_by_what_waits() {
        let figures = |overdue, held| {
            let states = vec![("ready".to_owned(), 3), ("hold".to_owned(), held)];
            Figures { states, ages: [2, 1, 0, 0, 0, 0], overdue, oldest: 400 }
        };
        let state = |is_served, has_failed, figures| Ok(Some(Condition { is_served, has_failed, figures }));
        let failed = Err(StoreError::new(Trouble::Io, "disk I/O error"));
        for (state, want, why) in [
            (Ok(None), &["ok   queue: there is none yet"][..], "before the first start"),
            (
                state(true, false, figures(0, 0)),
                &["ok   queue: a server works at it; deliveries that wait: 3"],
                "work",
            ),
            (
                state(false, false, figures(9_999, 0)),
                &["ok   queue: no server works at it"],
                "nobody would try it",
            ),
            (state(true, false, figures(301, 0)), &["FAIL queue: mail has been due for 301 s"], "it stands"),
            (state(true, true, figures(9_999, 2)), &[], "it is told of the server"),
            (
                state(true, false, figures(0, 2)),
                &["ok   queue: a server", "warn queue-held: deliveries that are held: 2"],
                "for the operator",
            ),
            (failed, &["FAIL queue: it can't be asked: disk I/O error"], "no answer"),
        ] {
            let mut findings = Findings::default();
            judge(state, &mut findings);
            let lines = findings.lines();
            assert_eq!(lines.len(), want.len(), "{why}: {lines:?}");
            for (line, want) in lines.iter().zip(want) {
                assert!(line.starts_with(want), "{why}: {line}");
            }
        }
    }
}
