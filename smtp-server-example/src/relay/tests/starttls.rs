//! STARTTLS where it is for the asking, and where it is required.

use super::*;

/// Offers STARTTLS, and does what `$act` says when it is asked for.
macro_rules! starttls {
    ($act:expr) => {{
        fn script(heard: &Heard<'_>) -> Act {
            match heard.line {
                "EHLO us.example" if !heard.is_tls => Act::Offer(&["STARTTLS"]),
                "STARTTLS" => $act,
                _ => Act::Usual,
            }
        }
        script
    }};
}

const BROKEN: [(Script, &str); 5] = [
    (starttls!(Act::Babble), "it says what is no TLS"),
    (starttls!(Act::Last("220 2.0.0 Go on")), "it goes instead of shaking hands"),
    (starttls!(Act::Close), "it goes without an answer"),
    (starttls!(Act::Mute), "no answer comes"),
    (starttls!(Act::Say("220 2.0.0 Go on")), "a certificate that nobody trusts"),
];

#[tokio::test(start_paused = true)]
async fn where_tls_breaks_the_message_goes_in_clear_on_one_new_connection() {
    for (script, why) in &BROKEN[..4] {
        let world = World::one(*script).await;
        let report = world.deliver(job()).await;
        assert_eq!(fate(&report), "relayed 250 2.0.0 Taken", "{why}");
        assert_eq!((world.hosts[0].connections(), report.tls), (2, None), "{why}");
        let starttls = world.hosts[0].lines().iter().filter(|line| *line == "STARTTLS").count();
        assert_eq!(starttls, 1, "{why}: the second connection does not ask for it");
        assert_eq!(world.hosts[0].messages().len(), 1, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn octets_that_are_put_behind_the_answer_to_starttls_do_not_lead_to_clear_text() {
    let world = World::one(starttls!(Act::Say("220 2.0.0 Go on\r\n250 2.0.0 Ok"))).await;
    assert!(fate(&world.deliver(job()).await).starts_with("later 4.4.2 "));
    assert_eq!((world.hosts[0].connections(), world.hosts[0].messages().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn where_tls_is_required_nothing_is_said_in_clear() {
    for (script, why) in BROKEN {
        for by_message in [false, true] {
            let mx: &[_] = &[("127.0.0.2", Some(script))];
            let change = |settings: &mut RelaySettings| {
                if !by_message {
                    settings.tls = MxTls::Required;
                }
            };
            let world = World::new(&[(10, mx)], change).await;
            let mut job = job();
            job.envelope.requiretls = by_message;
            let report = world.deliver(job).await;
            assert!(fate(&report).starts_with("later 4."), "{why}: {}", fate(&report));
            assert!(!world.hosts[0].heard("MAIL"), "{why}: {:?}", world.hosts[0].lines());
            assert_eq!(world.hosts[0].connections(), 1, "{why}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_without_tls_gets_nothing_that_requires_it() {
    fn refuses(heard: &Heard<'_>) -> Act {
        starttls!(Act::Say("454 4.7.0 TLS not available"))(heard)
    }
    for (script, why) in [(usual as Script, "not offered"), (refuses, "refused")] {
        let mx: &[_] = &[("127.0.0.2", Some(script))];
        let world = World::new(&[(10, mx)], |settings| settings.tls = MxTls::Required).await;
        let report = world.deliver(job()).await;
        assert!(
            fate(&report).starts_with("later 4.7.4 451 4.7.4 TLS is required"),
            "{why}: {}",
            fate(&report)
        );
        assert!(!world.hosts[0].heard("MAIL"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_requires_tls_comes_back_from_a_domain_without_it_and_waits_where_one_host_may_have_it()
 {
    fn busy(heard: &Heard<'_>) -> Act {
        if heard.line == "connect" { Act::Last("421 4.3.2 Busy") } else { Act::Usual }
    }
    let rows: [(Script, Script, &str); 2] = [
        (usual, usual, "refused 5.7.30 554 5.7.30 The message requires TLS"),
        (usual, busy, "later 4.3.2 421 "),
    ];
    for (first, second, want) in rows {
        let mx: [&[_]; 2] = [&[("127.0.0.2", Some(first))], &[("127.0.0.3", Some(second))]];
        let world = World::new(&[(10, mx[0]), (20, mx[1])], |_| {}).await;
        let mut job = job();
        job.envelope.requiretls = true;
        let report = world.deliver(job).await;
        assert!(fate(&report).starts_with(want), "{}", fate(&report));
        let is_paused = matches!(report.reach, Reach::Unreachable(_));
        assert_eq!(is_paused, want.starts_with("later"), "other mail goes there");
        assert!(!world.hosts.iter().any(|host| host.heard("MAIL")));
    }
}

#[tokio::test(start_paused = true)]
async fn starttls_that_is_refused_leaves_the_connection_as_it_is() {
    for script in [
        starttls!(Act::Say("454 4.7.0 TLS not available")) as Script,
        starttls!(Act::Say("501 5.5.4 No")),
        starttls!(Act::Say("502 5.5.1 No such command")),
    ] {
        let world = World::one(script).await;
        assert_eq!(fate(&world.deliver(job()).await), "relayed 250 2.0.0 Taken");
        assert_eq!(world.hosts[0].connections(), 1, "the same one goes on, in clear");
    }
}

#[tokio::test(start_paused = true)]
async fn what_counts_is_what_is_offered_under_tls() {
    fn script(heard: &Heard<'_>) -> Act {
        match (heard.line, heard.is_tls) {
            ("EHLO us.example", false) => Act::Offer(&["STARTTLS", "PIPELINING", "SIZE 10", "XONLY"]),
            ("EHLO us.example", true) => Act::Offer(&["DSN", "SIZE 100000"]),
            _ => Act::Usual,
        }
    }
    let world = World::one(script).await;
    let mut job = job();
    job.envelope.envid = Some("abc".into());
    let report = world.deliver(job).await;
    assert_eq!(fate(&report), "relayed, reports 250 2.0.0 Taken", "DSN came with the second EHLO");
    assert!(report.tls.is_some_and(|tls| tls.starts_with("TLSv1.3 ")));
    assert!(world.hosts[0].heard("MAIL FROM:<a@us.example> ENVID=abc SIZE="), "{:?}", world.hosts[0].lines());
}
