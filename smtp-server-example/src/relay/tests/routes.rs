//! Which address is tried after which, and what counts in the end.

use super::*;

fn busy(heard: &Heard<'_>) -> Act {
    if heard.line.starts_with("RCPT") { Act::Say("451 4.2.0 Come back later") } else { Act::Usual }
}

fn policy(heard: &Heard<'_>) -> Act {
    if heard.line.starts_with("RCPT") { Act::Say("550 5.7.25 Your address has no name") } else { Act::Usual }
}

fn nobody(heard: &Heard<'_>) -> Act {
    if heard.line.starts_with("RCPT") { Act::Say("550 5.1.1 No such user") } else { Act::Usual }
}

fn unwelcome(heard: &Heard<'_>) -> Act {
    if heard.line == "connect" { Act::Last("554 5.7.1 Go away") } else { Act::Usual }
}

fn overloaded(heard: &Heard<'_>) -> Act {
    if heard.line == "connect" { Act::Last("421 4.3.2 Too many connections") } else { Act::Usual }
}

fn no_mail(heard: &Heard<'_>) -> Act {
    if heard.line == "connect" { Act::Last("556 5.1.10 No mail here") } else { Act::Usual }
}

fn deaf(heard: &Heard<'_>) -> Act {
    if heard.line == "connect" { Act::Mute } else { Act::Usual }
}

#[tokio::test(start_paused = true)]
async fn the_next_host_is_tried_where_that_may_help_and_only_there() {
    type Row = (Option<Script>, Option<Script>, &'static str, usize, &'static str);
    let taken = "relayed 250 2.0.0 Taken";
    let rows: [Row; 11] = [
        (Some(busy), Some(usual), taken, 1, "4yz may be this host's alone"),
        (None, Some(usual), taken, 1, "nobody listens"),
        (Some(deaf), Some(usual), taken, 1, "no greeting comes"),
        (Some(overloaded), Some(usual), taken, 1, "421 before anything"),
        (Some(unwelcome), Some(usual), taken, 1, "5yz for a greeting is this host's alone"),
        (
            Some(nobody),
            Some(usual),
            "refused 5.1.1 550 5.1.1 No such user",
            0,
            "5yz for a recipient is final",
        ),
        (
            Some(policy),
            Some(usual),
            "refused 5.7.25 550 5.7.25 Your address has no name",
            0,
            "the same family",
        ),
        (Some(no_mail), Some(usual), "refused 5.1.10 556 5.1.10 No mail here", 0, "the domain takes none"),
        (Some(busy), Some(unwelcome), "later 4.2.0 451 4.2.0 Come back later", 1, "soft before hard"),
        (Some(unwelcome), Some(busy), "later 4.2.0 451 4.2.0 Come back later", 1, "soft behind hard"),
        (Some(unwelcome), Some(unwelcome), "refused 5.7.1 554 5.7.1 Go away", 1, "all of them say so"),
    ];
    for (first, second, want, asked, why) in rows {
        let mx: [&[_]; 2] = [&[("127.0.0.2", first)], &[("127.0.0.3", second)]];
        let world = World::new(&[(10, mx[0]), (20, mx[1])], |_| {}).await;
        assert_eq!(fate(&world.deliver(job()).await), want, "{why}");
        assert_eq!(world.hosts.last().unwrap().connections(), asked, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_host_said_is_told_before_what_we_say_of_another() {
    let mx: [&[_]; 2] = [&[("127.0.0.2", None)], &[("127.0.0.3", Some(busy as Script))]];
    let world = World::new(&[(10, mx[0]), (20, mx[1])], |_| {}).await;
    assert_eq!(fate(&world.deliver(job()).await), "later 4.2.0 451 4.2.0 Come back later");
}

/// The addresses of a host with both families, that which is tried first in front.
async fn both(first: Script, second: Script) -> World {
    async fn of(v6: Script, v4: Script) -> World {
        let addresses: &[_] = &[("::1", Some(v6)), ("127.0.0.2", Some(v4))];
        World::new(&[(10, addresses)], |_| {}).await
    }
    let world = of(usual, usual).await;
    let route = world.relay.router.route("there.example").await.unwrap();
    match route.hosts[0].addresses[0].is_ipv6() {
        true => of(first, second).await,
        false => {
            let mut world = of(second, first).await;
            world.hosts.reverse();
            world
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_family_is_tried_once_where_this_one_is_refused_by_policy() {
    let taken = "relayed 250 2.0.0 Taken";
    type Row = (Script, Script, &'static str, usize, &'static str);
    let rows: [Row; 6] = [
        (policy, usual, taken, 1, "our other address has a name"),
        (deaf, usual, taken, 1, "nothing comes over this family"),
        (unwelcome, usual, taken, 1, "the greeting says so"),
        (policy, policy, "refused 5.7.25 550 5.7.25 Your address has no name", 1, "neither"),
        (policy, busy, "later 4.2.0 451 4.2.0 Come back later", 1, "soft wins"),
        (nobody, usual, "refused 5.1.1 550 5.1.1 No such user", 0, "it is not about us"),
    ];
    for (first, second, want, asked, why) in rows {
        let world = both(first, second).await;
        assert_eq!(fate(&world.deliver(job()).await), want, "{why}");
        assert_eq!(world.hosts[1].connections(), asked, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_those_go_to_the_other_family_whom_policy_refuses() {
    fn some(heard: &Heard<'_>) -> Act {
        match heard.line {
            "RCPT TO:<b@there.example>" => Act::Say("550 5.7.1 Not from you"),
            "RCPT TO:<c@there.example>" => Act::Say("550 5.1.1 No such user"),
            _ => Act::Usual,
        }
    }
    let world = both(some, usual).await;
    let report =
        world.deliver(job_of(&["b@there.example", "c@there.example", "d@there.example"], b"x\r\n")).await;
    let want = ["relayed 250 2.0.0 Taken", "refused 5.1.1 550 5.1.1 No such user", "relayed 250 2.0.0 Taken"];
    assert_eq!(fates(&report), want);
    let to = |host: &Host| host.messages().into_iter().map(|(to, _)| to).collect::<Vec<_>>();
    assert_eq!(to(&world.hosts[0]), [["RCPT TO:<d@there.example>"]]);
    assert_eq!(to(&world.hosts[1]), [["RCPT TO:<b@there.example>"]], "nobody gets it twice");
}

#[tokio::test(start_paused = true)]
async fn hosts_of_equal_preference_share_the_mail() {
    let mx: [&[_]; 2] = [&[("127.0.0.2", Some(usual as Script))], &[("127.0.0.3", Some(usual))]];
    let world = World::new(&[(10, mx[0]), (10, mx[1])], |_| {}).await;
    for _ in 0..40 {
        assert_eq!(fate(&world.deliver(job()).await), "relayed 250 2.0.0 Taken");
    }
    let got = [0, 1].map(|at: usize| world.hosts[at].messages().len());
    assert_eq!(got[0] + got[1], 40);
    // Less than 5 of 40 by chance: once in a million runs.
    assert!(got.iter().all(|count| *count >= 5), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_down_is_asked_by_one_message_a_minute_and_the_others_go_on_at_once() {
    let mx: [&[_]; 2] = [&[("127.0.0.2", Some(deaf as Script))], &[("127.0.0.3", Some(usual))]];
    let world = World::new(&[(10, mx[0]), (20, mx[1])], |_| {}).await;
    let mut waited = Vec::new();
    for pause in [0, 0, 59, 1, 0] {
        tokio::time::advance(Duration::from_secs(pause)).await;
        let began = tokio::time::Instant::now();
        assert_eq!(fate(&world.deliver(job()).await), "relayed 250 2.0.0 Taken");
        waited.push(began.elapsed().as_secs());
    }
    assert_eq!(waited, [300, 0, 0, 300, 0], "the time that a greeting may take");
    assert_eq!(world.hosts[0].connections(), 2);
    assert_eq!(world.hosts[1].messages().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_back_is_known_again_and_the_operator_need_not_wait_for_that() {
    let mx: &[_] = &[("127.0.0.2", None)];
    let world = World::new(&[(10, mx)], |_| {}).await;
    let first = fate(&world.deliver(job()).await);
    assert!(first.starts_with("later 4.4.1 451 4.4.1 No connection to 127.0.0.2:"), "{first}");
    let report = world.deliver(job()).await;
    assert!(fate(&report).ends_with(" (0 s ago, not asked again so soon)"), "{}", fate(&report));
    assert!(matches!(report.reach, Reach::Unreachable(_)), "others of its domain need not try");
    assert_eq!((report.ip, report.delays.connect), (None, None), "it was not asked");
    let socket = tokio::net::TcpListener::bind(("127.0.0.2", world.port)).await.unwrap();
    let host = Host::start(socket, usual, &world.clock);
    assert!(fate(&world.deliver(job()).await).starts_with("later "), "nobody looks");
    world.relay.ask_again();
    assert_eq!(fate(&world.deliver(job()).await), "relayed 250 2.0.0 Taken");
    assert_eq!(host.connections(), 1);
}
