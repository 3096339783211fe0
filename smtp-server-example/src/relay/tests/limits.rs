//! Hosts that take a message for some recipients at a time, or over a new connection only.

use super::*;

const ALL: [&str; 8] = [
    "a@there.example",
    "b@there.example",
    "c@there.example",
    "d@there.example",
    "e@there.example",
    "f@there.example",
    "g@there.example",
    "h@there.example",
];

/// How many recipients each of a host's transactions had; none of them twice.
fn sizes(host: &Host) -> Vec<usize> {
    let messages = host.messages();
    let mut all: Vec<_> = messages.iter().flat_map(|(to, _)| to).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "nobody gets it twice: {messages:?}");
    messages.iter().map(|(to, _)| to.len()).collect()
}

#[tokio::test(start_paused = true)]
async fn who_is_too_many_for_a_transaction_or_a_connection_is_in_the_next_at_once() {
    fn three_by_limits(heard: &Heard<'_>) -> Act {
        if heard.line.starts_with("EHLO") {
            Act::Offer(&["PIPELINING", "LIMITS RCPTMAX=3"])
        } else {
            Act::Usual
        }
    }
    fn three_by_reply(heard: &Heard<'_>) -> Act {
        match heard.taken {
            3 if heard.line.starts_with("RCPT") => Act::Say("452 4.5.3 Too many recipients"),
            _ => Act::Usual,
        }
    }
    fn three_by_old_reply(heard: &Heard<'_>) -> Act {
        match heard.taken {
            3 if heard.line.starts_with("RCPT") => Act::Say("552 Too many recipients"),
            _ => Act::Usual,
        }
    }
    fn one_each(heard: &Heard<'_>) -> Act {
        if heard.line.starts_with("EHLO") { Act::Offer(&["LIMITS MAILMAX=1 RCPTMAX=1"]) } else { Act::Usual }
    }
    fn one_message(heard: &Heard<'_>) -> Act {
        match heard.taken {
            _ if heard.line.starts_with("MAIL") && heard.transaction > 1 => {
                Act::Say("452 4.4.5 Enough for now")
            }
            3 if heard.line.starts_with("RCPT") => Act::Say("452 4.5.3 Too many recipients"),
            _ => Act::Usual,
        }
    }
    let rows: [(Script, &[usize], usize, &str); 5] = [
        (three_by_limits, &[3, 3, 2], 1, "RCPTMAX"),
        (three_by_reply, &[3, 3, 2], 1, "452 4.5.3"),
        (three_by_old_reply, &[3, 3, 2], 1, "552 (RFC 5321 §4.5.3.1.10)"),
        (one_each, &[1; 8], 8, "MAILMAX and RCPTMAX"),
        (one_message, &[3, 3, 2], 3, "452 4.4.5 to the second MAIL"),
    ];
    for (script, want, connections, why) in rows {
        let world = World::one(script).await;
        let report = world.deliver(job_of(&ALL, CONTENT.as_bytes())).await;
        assert!(
            fates(&report).iter().all(|fate| fate == "relayed 250 2.0.0 Taken"),
            "{why}: {:?}",
            fates(&report)
        );
        assert_eq!(sizes(&world.hosts[0]), want, "{why}");
        assert_eq!(world.hosts[0].connections(), connections, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_takes_nobody_is_not_asked_for_ever() {
    fn none(heard: &Heard<'_>) -> Act {
        if heard.line.starts_with("RCPT") { Act::Say("452 4.5.3 Too many recipients") } else { Act::Usual }
    }
    let world = World::one(none).await;
    let report = world.deliver(job_of(&ALL, CONTENT.as_bytes())).await;
    assert!(fates(&report).iter().all(|fate| fate.starts_with("later ")), "{:?}", fates(&report));
    assert_eq!(world.hosts[0].connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_is_worn_out_says_nothing_about_the_message() {
    /// The second message over a connection meets this.
    macro_rules! second {
        ($act:expr) => {{
            fn script(heard: &Heard<'_>) -> Act {
                let is_second = heard.line.starts_with("MAIL") && heard.transaction > 1;
                if is_second { $act } else { Act::Usual }
            }
            script as Script
        }};
    }
    for (script, why) in [
        (second!(Act::Say("452 4.4.5 Enough for now")), "452 4.4.5"),
        (second!(Act::Last("421 4.4.2 Enough for now")), "421"),
        (second!(Act::Close), "it goes"),
    ] {
        let world = World::one(script).await;
        for _ in 0..3 {
            assert_eq!(fate(&world.deliver(job()).await), "relayed 250 2.0.0 Taken", "{why}");
        }
        assert_eq!(world.hosts[0].connections(), 3, "{why}");
        assert_eq!(world.hosts[0].messages().len(), 3, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_dies_at_mail_is_the_hosts_answer() {
    fn script(heard: &Heard<'_>) -> Act {
        if heard.line.starts_with("MAIL") { Act::Close } else { Act::Usual }
    }
    let world = World::one(script).await;
    assert!(fate(&world.deliver(job()).await).starts_with("later 4.4.2 "));
    assert_eq!(world.hosts[0].connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_than_are_allowed_go_to_a_host_at_a_time_whoever_waits() {
    let mx: &[_] = &[("127.0.0.2", Some(usual as Script))];
    let world = World::new(&[(10, mx)], |settings| settings.connections_per_host = 3).await;
    let all = (0..20).map(|_| world.deliver(job()));
    for report in futures_util::future::join_all(all).await {
        assert_eq!(fate(&report), "relayed 250 2.0.0 Taken");
    }
    assert_eq!((world.hosts[0].at_once(), world.hosts[0].messages().len()), (3, 20));
}
