//! From what an attempt brought to what is stored, and to whom it is told.

use jiff::Timestamp;

use super::dsn::{self, Notice, Returned, Told};
use super::model::{
    Attempt, Job, NewDelivery, NewMessage, NewRcpt, Rcpt, RcptState, RouteState, Settled, Settlement,
};
use super::policy::{Event, Policy, after};
use super::spool::body_of;
use super::transport::{Outcome, Reach, Report, Said};
use crate::queue_id::QueueId;

/// What settling needs to know besides job and report.
pub(crate) struct Circumstances<'a> {
    pub(crate) policy: &'a Policy,
    /// Our host's name.
    pub(crate) host: &'a str,
    pub(crate) began: Timestamp,
    pub(crate) now: Timestamp,
    /// Any number, to spread the next tries.
    pub(crate) chance: u32,
    pub(crate) route: Option<RouteState>,
    /// Names a notice.
    pub(crate) next_id: &'a dyn Fn() -> QueueId,
    /// Who gets a notice to this recipient, and by which way.
    pub(crate) ways: &'a dyn Fn(NewRcpt) -> Vec<NewDelivery>,
    /// What a notice of this returns of the message. Asked only if there is one.
    pub(crate) returned: &'a dyn Fn(Event) -> Returned,
}

/// No answer came where one is due.
const NO_ANSWER: &str = "no answer";

/// A delivery for full mailboxes alone (RFC 3463 §3.3) waits as if it had been tried so often: by default 20 minutes at
/// least. Somebody has to clear up first, and much mail may wait for the same mailbox.
const FULL_WAITS_AS: u32 = 5;

/// Decides what becomes of each recipient, when those that wait are tried again, and who is told.
pub(crate) fn settle(job: &Job, report: &Report, with: &Circumstances<'_>) -> Settlement {
    let over = with.now >= job.envelope.expires;
    let fates: Vec<_> = job.rcpts.iter().map(|rcpt| Fate::of(rcpt, report, over)).collect();
    // Who was not tried, as its destination is left alone, has no attempt more than before.
    let tried = report.reach != Reach::Unasked;
    let attempts = job.attempts.saturating_add(u32::from(tried)).max(1);
    let counted = if all_full(&fates) { attempts.max(FULL_WAITS_AS) } else { attempts };
    let retry = after(with.now, with.policy.retry_after(counted, with.chance));
    // The last try is at the end of its time, not before.
    let next = if over { retry } else { retry.min(job.envelope.expires) };
    let late = job.warn.is_some_and(|warn| warn <= with.now);
    let mut notices = report.messages.clone();
    for event in [Event::Failed, Event::Delayed, Event::Succeeded] {
        if event != Event::Delayed || late {
            notices.extend(notice(job, event, &fates, report, with));
        }
    }
    Settlement {
        delivery: job.delivery,
        epoch: job.epoch,
        now: with.now,
        rcpts: fates.iter().map(|fate| fate.settled(report)).collect(),
        next,
        warn: job.warn.filter(|_| !late),
        attempt: tried.then(|| attempt(report, &fates, with)),
        notices,
        route: with.route.clone(),
        hold: held(&fates, with),
    }
}

/// Whether whoever waits has a mailbox that is full.
fn all_full(fates: &[Fate<'_>]) -> bool {
    let mut waiting = fates.iter().filter(|fate| fate.state == RcptState::Wait).peekable();
    waiting.peek().is_some() && waiting.all(|fate| matches!(fate.said.status, (_, 2, 2)))
}

/// Why it is left to the operator, where somebody may have it who did not say so and that is how the settings want it.
fn held(fates: &[Fate<'_>], with: &Circumstances<'_>) -> Option<String> {
    let unknown = fates.iter().any(|fate| fate.state == RcptState::Wait && fate.unsure);
    (unknown && with.policy.hold_unknown)
        .then(|| "unknown: it may have been delivered, no answer was seen".to_owned())
}

/// A recipient, and what became of it.
struct Fate<'a> {
    rcpt: &'a Rcpt,
    state: RcptState,
    event: Option<Event>,
    unsure: bool,
    action: dsn::Action,
    said: Said,
}

impl<'a> Fate<'a> {
    fn of(rcpt: &'a Rcpt, report: &Report, over: bool) -> Self {
        let outcome = report.outcomes.iter().find(|(id, _)| *id == rcpt.id).map(|(_, outcome)| outcome);
        let none = Outcome::Later(Said::ours((4, 4, 2), NO_ANSWER));
        let unsure = rcpt.unsure || matches!(outcome, Some(Outcome::Unknown(_)));
        let (state, event, action, said) = match outcome.unwrap_or(&none) {
            Outcome::Delivered(text) => (
                RcptState::Accepted,
                Some(Event::Succeeded),
                dsn::Action::Delivered,
                Said::ours((2, 0, 0), text.clone()),
            ),
            Outcome::Relayed { reply, reports } => (
                RcptState::Accepted,
                // A host that offers DSN tells by itself.
                (!reports).then_some(Event::Succeeded),
                dsn::Action::Relayed,
                Said { text: reply.clone(), status: (2, 0, 0), remote: true },
            ),
            Outcome::Expanded => (
                RcptState::Accepted,
                Some(Event::Succeeded),
                dsn::Action::Expanded,
                Said::ours((2, 0, 0), "sent on to several recipients"),
            ),
            Outcome::Refused(said) => failed(RcptState::Refused, said.clone()),
            Outcome::Corrupt(said) => failed(RcptState::Corrupt, said.clone()),
            Outcome::Later(said) | Outcome::Unknown(said) if over => {
                let state = if unsure { RcptState::Unknown } else { RcptState::Expired };
                failed(state, Said { status: (4, 4, 7), ..said.clone() })
            }
            Outcome::Later(said) | Outcome::Unknown(said) => {
                (RcptState::Wait, Some(Event::Delayed), dsn::Action::Delayed, said.clone())
            }
        };
        Self { rcpt, state, event, unsure, action, said }
    }

    fn settled(&self, report: &Report) -> Settled {
        Settled {
            id: self.rcpt.id,
            state: self.state,
            unsure: self.unsure,
            reply: self.said.text.clone(),
            mx: report.mx.clone(),
            tls: report.tls.clone(),
        }
    }
}

fn failed(state: RcptState, said: Said) -> (RcptState, Option<Event>, dsn::Action, Said) {
    (state, Some(Event::Failed), dsn::Action::Failed, said)
}

fn attempt(report: &Report, fates: &[Fate<'_>], with: &Circumstances<'_>) -> Attempt {
    let mut words: Vec<_> =
        fates.iter().map(|fate| format!("{}: {}", fate.state.word(), fate.said.text)).collect();
    words.dedup();
    Attempt {
        began: with.began,
        ended: with.now,
        mx: report.mx.clone(),
        ip: report.ip.clone(),
        tls: report.tls.clone(),
        phase: report.phase.clone(),
        outcome: words.join("; "),
        transcript: report.transcript.clone(),
    }
}

/// The notice about one event, if anybody wants it. Never for the null reverse-path, as notices have it: a bounce of a
/// bounce would go on for ever (RFC 5321 §6.1).
fn notice(
    job: &Job,
    event: Event,
    fates: &[Fate<'_>],
    report: &Report,
    with: &Circumstances<'_>,
) -> Option<NewMessage> {
    let sender = &job.envelope.sender;
    let told: Vec<_> = fates
        .iter()
        .filter(|fate| fate.event == Some(event) && event.is_wanted(fate.rcpt.notify))
        .map(|fate| Told {
            address: &fate.rcpt.address,
            orcpt: fate.rcpt.orcpt.as_deref(),
            action: fate.action,
            said: &fate.said,
            unsure: fate.unsure,
        })
        .collect();
    if sender.is_empty() || told.is_empty() {
        return None;
    }
    let id = (with.next_id)();
    let notice = Notice {
        id,
        host: with.host,
        envelope: &job.envelope,
        told: &told,
        mx: report.mx.as_deref(),
        now: with.now,
        returned: (with.returned)(event),
    };
    let rcpt = NewRcpt {
        address: sender.clone(),
        user: None,
        orcpt: None,
        notify: Some(smtp_proto::wire::params::Notify::NEVER),
    };
    Some(NewMessage {
        envelope: notice.envelope_of_notice(after(with.now, with.policy.expire_notice)),
        prefix: Vec::new(),
        body: body_of(notice.content()),
        hold: None,
        deliveries: (with.ways)(rcpt),
        key: None,
        batch: 0,
    })
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};
    use smtp_proto::wire::params::{Notify, Ret};

    use super::super::conformance::{self, at};
    use super::super::in_flight::Flight;
    use super::super::model::{Body, BodyType, DeliveryId, Envelope, Place, RcptId, RouteKey};
    use super::*;
    use crate::queue_id::QueueIds;

    const CONTENT: &[u8] = b"Subject: x\r\n\r\nthe text\r\n";

    fn job(rcpts: &[(&str, Option<&str>, Option<Notify>)]) -> Job {
        let rcpts = rcpts.iter().enumerate().map(|(i, (address, orcpt, notify))| Rcpt {
            id: RcptId(i as i64),
            address: (*address).into(),
            user: None,
            orcpt: orcpt.map(str::to_owned),
            notify: *notify,
            unsure: false,
        });
        Job {
            delivery: DeliveryId(7),
            epoch: 1,
            route: RouteKey::domain("one.example"),
            envelope: Envelope { body_type: BodyType::SevenBit, ..Envelope::sample(at(0)) },
            prefix: Vec::new(),
            body: Body { octets: CONTENT.len() as u64, sha256: [0; 32], place: Place::Row(CONTENT.into()) },
            warn: Some(at(4 * 3_600)),
            attempts: 0,
            adopted: false,
            crashes: 0,
            flight: Flight::default(),
            rcpts: rcpts.collect(),
        }
    }

    fn report(outcomes: Vec<Outcome>) -> Report {
        let outcomes = outcomes.into_iter().enumerate().map(|(i, o)| (RcptId(i as i64), o)).collect();
        Report { outcomes, mx: Some("mx.one.example".into()), ..Report::default() }
    }

    fn said(text: &str, status: (u8, u16, u16)) -> Said {
        Said { text: text.into(), status, remote: true }
    }

    fn settled(job: &Job, report: &Report, now: i64) -> Settlement {
        let ids = QueueIds::new();
        settle(
            job,
            report,
            &Circumstances {
                policy: &Policy::default(),
                host: "mx.example.test",
                began: at(now - 1),
                now: at(now),
                chance: 10,
                route: None,
                next_id: &|| ids.next(at(now)),
                ways: &conformance::by_domain,
                returned: &|event| {
                    Returned::read(event, &job.envelope, job.body.octets, &job.prefix, CONTENT)
                },
            },
        )
    }

    fn text(notice: &NewMessage) -> String {
        let Place::Row(content) = &notice.body.place else { panic!("in the row") };
        String::from_utf8(content.to_vec()).unwrap()
    }

    #[test]
    fn each_outcome_has_its_state_and_its_notice() {
        let later = || Outcome::Later(said("451 4.7.1 later", (4, 7, 1)));
        let unknown = || Outcome::Unknown(said("no reply", (4, 4, 2)));
        let refused = || Outcome::Refused(said("550 5.1.1 nobody", (5, 1, 1)));
        let delivered = || Outcome::Delivered("delivered to the mailbox".into());
        let relayed = |reports| Outcome::Relayed { reply: "250 ok".into(), reports };
        let (success, all) =
            (Some(Notify::SUCCESS), Some(Notify::SUCCESS.with(Notify::FAILURE).with(Notify::DELAY)));
        let (soon, late, over) = (60, 5 * 3_600, 5 * 86_400);
        use RcptState::{Accepted, Expired, Refused, Unknown, Wait};
        for (outcome, notify, now, state, action, why) in [
            (delivered(), None, soon, Accepted, None, "nobody asked"),
            (delivered(), success, soon, Accepted, Some("delivered"), "it was asked for"),
            (relayed(false), success, soon, Accepted, Some("relayed"), "the next host does not report"),
            (relayed(true), success, soon, Accepted, None, "the next host does"),
            (Outcome::Expanded, success, soon, Accepted, Some("expanded"), "an alias of several"),
            (refused(), None, soon, Refused, Some("failed"), "a failure is told unless told otherwise"),
            (refused(), success, soon, Refused, None, "only success was asked for"),
            (refused(), Some(Notify::NEVER), soon, Refused, None, "nothing was asked for"),
            (later(), all, soon, Wait, None, "it is not late yet"),
            (later(), None, late, Wait, Some("delayed"), "it is late"),
            (later(), success, late, Wait, None, "late, and nobody asked"),
            (later(), None, over, Expired, Some("failed"), "its time is over"),
            (unknown(), None, soon, Wait, None, "tried again: twice is better than never"),
            (unknown(), None, over, Unknown, Some("failed"), "its time is over, and it may be there"),
        ] {
            let job = job(&[("b@one.example", None, notify)]);
            let settlement = settled(&job, &report(vec![outcome]), now);
            assert_eq!(settlement.rcpts[0].state, state, "{why}");
            let actions: Vec<_> = settlement.notices.iter().map(text).collect();
            assert_eq!(actions.len(), usize::from(action.is_some()), "{why}: {actions:?}");
            if let Some(action) = action {
                assert!(actions[0].contains(&format!("\r\nAction: {action}\r\n")), "{why}: {}", actions[0]);
            }
            let late_now = now >= 4 * 3_600;
            assert_eq!(settlement.warn.is_none(), late_now, "{why}: it is told once");
        }
    }

    #[test]
    fn nobody_is_told_of_mail_from_nobody() {
        let mut job = job(&[("b@one.example", None, Some(Notify::FAILURE))]);
        job.envelope.sender.clear();
        let refused = Outcome::Refused(said("550 no", (5, 0, 0)));
        assert!(settled(&job, &report(vec![refused]), 60).notices.is_empty());
    }

    #[test]
    fn what_is_not_answered_for_waits_and_the_last_try_is_at_the_end() {
        let job = job(&[("b@one.example", None, None)]);
        let settlement = settled(&job, &report(vec![]), 60);
        assert_eq!((settlement.rcpts[0].state, settlement.next), (RcptState::Wait, at(180)));
        assert_eq!(settled(&job, &report(vec![]), 5 * 86_400 - 30).next, job.envelope.expires);
        let skipped = Report { reach: Reach::Unasked, ..Report::default() };
        assert_eq!(settled(&job, &skipped, 5 * 3_600).attempt, None, "it was not tried");
    }

    #[test]
    fn a_full_mailbox_is_left_alone_for_longer_and_its_reason_is_told() {
        let full = || Outcome::Later(said("452 4.2.2 <b@one.example> Quota exceeded", (4, 2, 2)));
        let busy = || Outcome::Later(said("451 4.3.0 busy", (4, 3, 0)));
        let mut job = job(&[("b@one.example", None, None), ("c@one.example", None, None)]);
        for (outcomes, attempts, next, why) in [
            (vec![full(), full()], 0, 1_259, "all are full"),
            (vec![full(), Outcome::Delivered(String::new())], 0, 1_259, "who waits is full"),
            (vec![full(), full()], 6, 4_081, "and it goes on as any other"),
            (vec![full(), busy()], 0, 120, "the other can be tried soon"),
        ] {
            job.attempts = attempts;
            let settlement = settled(&job, &report(outcomes), 60);
            assert_eq!(settlement.next.as_second() - at(60).as_second(), next, "{why}");
        }
        let settlement = settled(&job, &report(vec![full(), full()]), 5 * 86_400);
        let report = text(&settlement.notices[0]);
        assert!(
            report.contains("Diagnostic-Code: smtp; 452 4.2.2 <b@one.example> Quota exceeded\r\n"),
            "{report}"
        );
    }

    #[test]
    fn a_notice_is_a_report_that_programs_can_read() {
        let job = job(&[
            ("b@one.example", Some("rfc822;B+2BC@one.example"), None),
            ("c@one.example", None, Some(Notify::NEVER)),
            ("d@one.example", None, None),
        ]);
        let evil = "550 5.1.1 nobody\r\nAction: delivered \u{e9}";
        let outcomes = [evil, "550 hidden", "551 5.1.6 moved"];
        let outcomes = outcomes.map(|text| Outcome::Refused(said(text, (5, 1, 1)))).to_vec();
        let settlement = settled(&job, &report(outcomes), 60);
        let [notice] = &settlement.notices[..] else { panic!("one for all: {}", settlement.notices.len()) };
        assert_eq!(notice.envelope.sender, "", "from nobody");
        assert_eq!(notice.deliveries[0].rcpts[0].address, "a@client.example");
        assert_eq!(notice.deliveries[0].rcpts[0].notify, Some(Notify::NEVER));
        let content = text(notice);
        let parsed = MessageParser::new().parse(content.as_bytes()).expect("a message");
        assert_eq!(parsed.header_raw("Auto-Submitted").map(str::trim), Some("auto-replied"));
        let kind = parsed.content_type().unwrap();
        assert_eq!((kind.c_type.as_ref(), kind.c_subtype.as_deref()), ("multipart", Some("report")));
        assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
        assert_eq!(parsed.parts.len(), 4, "the whole, for people, for programs, the message");
        let status = std::str::from_utf8(parsed.parts[2].contents()).unwrap();
        for line in [
            "Reporting-MTA: dns; mx.example.test",
            "Original-Envelope-Id: QQ+1",
            "Original-Recipient: rfc822; B+C@one.example",
            "Final-Recipient: rfc822; b@one.example",
            "Final-Recipient: rfc822; d@one.example",
            "Status: 5.1.1",
            "Remote-MTA: dns; mx.one.example",
            "Diagnostic-Code: smtp; 550 5.1.1 nobody Action: delivered ?",
        ] {
            assert!(status.lines().any(|had| had == line), "{line} is missing in\n{status}");
        }
        assert!(!status.contains("c@one.example"), "who wants no notice is in none");
        assert!(!status.lines().any(|line| line == "Action: delivered"), "a reply forges no field");
        assert!(content.contains("the text"), "the message comes back");
        assert!(content.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }

    #[test]
    fn of_what_has_not_failed_the_header_comes_back_whatever_ret_says() {
        let mut asked = job(&[("b@one.example", None, Some(Notify::SUCCESS.with(Notify::DELAY)))]);
        asked.envelope.ret = Some(Ret::Full);
        let delivered = Outcome::Delivered("delivered".into());
        let later = Outcome::Later(said("451 later", (4, 0, 0)));
        for (outcome, now) in [(delivered, 60), (Outcome::Expanded, 60), (later, 5 * 3_600)] {
            let content = text(&settled(&asked, &report(vec![outcome]), now).notices[0]);
            assert!(content.contains("text/rfc822-headers") && !content.contains("the text"), "{content}");
        }
    }

    #[test]
    fn ret_says_how_much_comes_back() {
        let refused = || vec![Outcome::Refused(said("550 no", (5, 0, 0)))];
        let mut hdrs = job(&[("b@one.example", None, None)]);
        hdrs.envelope.ret = Some(Ret::Hdrs);
        let mut large = job(&[("b@one.example", None, None)]);
        large.body.octets = dsn::RETURNED_WHOLE + 1;
        for (job, why) in [(hdrs, "RET=HDRS"), (large, "too large")] {
            let content = text(&settled(&job, &report(refused()), 60).notices[0]);
            assert!(content.contains("text/rfc822-headers") && content.contains("Subject: x"), "{why}");
            assert!(!content.contains("the text"), "{why}");
        }
    }

    #[test]
    fn addresses_beyond_ascii_make_it_a_global_report() {
        let job = job(&[("b\u{e9}@one.example", None, None)]);
        let refused = Outcome::Refused(said("550 5.1.1 nobody", (5, 1, 1)));
        let settlement = settled(&job, &report(vec![refused]), 60);
        let content = text(&settlement.notices[0]);
        assert!(content.contains("report-type=global-delivery-status"));
        assert!(content.contains("Final-Recipient: utf-8; b\u{e9}@one.example\r\n"));
        assert!(settlement.notices[0].envelope.smtputf8, "it may only go where that is taken");
    }
}
