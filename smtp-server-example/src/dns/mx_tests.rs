use super::*;

/// Takes the numbers given, then 0.
fn numbers(numbers: &'static [usize]) -> impl FnMut(usize) -> usize {
    let mut numbers = numbers.iter();
    move |limit| numbers.next().copied().unwrap_or(0).min(limit - 1)
}

fn us() -> Ourselves {
    Ourselves::alone(&["mx.us.example"], &["192.0.2.99"])
}

/// `10 a, 20 b` as records; `.` is the root.
fn records(text: &str) -> Answer<Mx> {
    let read = |record: &str| {
        let (preference, host) = record.trim().split_once(' ').unwrap();
        Mx { preference: preference.parse().unwrap(), host: host.trim_end_matches('.').to_owned() }
    };
    Answer::Records(text.split(',').map(read).collect())
}

fn hosts_of(candidates: &Candidates) -> String {
    candidates.hosts.iter().map(|mx| mx.host.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_list_is_sorted_and_cut_where_we_stand_in_it() {
    for (given, want, why) in [
        ("20 b, 10 a", Ok("a b"), "by preference"),
        ("10 a, 20 mx.us.example, 30 c", Ok("a"), "what stands behind us is for us to deliver to"),
        ("10 a, 20 b, 20 mx.us.example", Ok("a"), "those beside us too: they would send it back"),
        ("10 mx.us.example, 20 b", Err(Why::Loop), "we are the best host"),
        ("10 b, 10 mx.us.example", Err(Why::Loop), "we are among the best hosts"),
        ("0 .", Err(Why::NullMx), "no mail is taken"),
        ("10 .", Err(Why::NullMx), "RFC 7505 §3 wants 0, but what else should it mean"),
        ("0 ., 10 b", Ok("b"), "a root beside other hosts is an error of theirs"),
    ] {
        let got = candidates("d.example", records(given), &us(), &mut numbers(&[]));
        let got = got.as_ref().map(hosts_of).map_err(|no_route| no_route.why);
        assert_eq!(got.as_deref().map_err(|why| *why), want, "{given}: {why}");
    }
}

#[test]
fn an_answer_without_records_means_the_domain_itself_or_nothing() {
    for (answer, want, why) in [
        (Answer::NoData, Ok("d.example"), "implicit MX"),
        (Answer::NoName, Err(Why::NoDomain), "NXDOMAIN"),
        (Answer::Failed("SERVFAIL".to_owned()), Err(Why::Unknown), "it may pass"),
    ] {
        let got = candidates("d.example", answer, &us(), &mut numbers(&[]));
        let got = got.as_ref().map(hosts_of).map_err(|no_route| no_route.why);
        assert_eq!(got.as_deref().map_err(|why| *why), want, "{why}");
    }
    let ours = candidates("mx.us.example", Answer::NoData, &us(), &mut numbers(&[])).unwrap_err();
    assert_eq!(ours.why, Why::Loop, "the implicit MX may be us");
}

#[test]
fn equals_come_in_every_order_and_never_before_better_ones() {
    let mut orders = std::collections::BTreeSet::new();
    for first in 0..3 {
        for second in 0..2 {
            let mut given = vec![first, second].into_iter();
            let list = records("10 x, 10 y, 10 z");
            let got = candidates("d", list, &us(), &mut |_| given.next().unwrap_or(0)).unwrap();
            orders.insert(hosts_of(&got));
        }
    }
    assert_eq!(orders.len(), 6, "all orders of three: {orders:?}");
    let list = records("20 last, 10 x, 5 best, 10 y");
    let got = hosts_of(&candidates("d", list, &us(), &mut numbers(&[0, 0, 0])).unwrap());
    assert!(got.starts_with("best ") && got.ends_with(" last"), "{got}");
}

#[test]
fn of_an_endless_list_the_best_hundred_are_kept() {
    let list = (0..500).rev().map(|n| Mx { preference: n, host: format!("h{n}") }).collect();
    let got = candidates("d", Answer::Records(list), &us(), &mut numbers(&[])).unwrap();
    assert_eq!((got.hosts.len(), got.hosts[99].host.as_str()), (100, "h99"));
}

/// `192.0.2.1 2001:db8::1` as the answers for A and AAAA; `?` for a failure, `-` for a name that does not exist.
fn addresses(text: &str) -> Addresses {
    let v4: Vec<_> = text.split(' ').filter_map(|part| part.parse().ok()).collect();
    let v6: Vec<_> = text.split(' ').filter_map(|part| part.parse().ok()).collect();
    let failed = || "SERVFAIL".to_owned();
    match text {
        "?" => Addresses { v4: Answer::Failed(failed()), v6: Answer::Failed(failed()) },
        "-" => Addresses { v4: Answer::NoName, v6: Answer::NoName },
        "" => Addresses { v4: Answer::NoData, v6: Answer::NoData },
        text if text.ends_with(" ?") => Addresses { v4: Answer::Records(v4), v6: Answer::Failed(failed()) },
        _ => Addresses {
            v4: if v4.is_empty() { Answer::NoData } else { Answer::Records(v4) },
            v6: if v6.is_empty() { Answer::NoData } else { Answer::Records(v6) },
        },
    }
}

/// The route for `list` when its hosts, in order, have these addresses.
fn found(list: &str, answers: &[&str], targets: &Targets) -> Result<String, Why> {
    let candidates = candidates("d.example", records(list), &us(), &mut |limit| limit - 1).unwrap();
    let answers = answers.iter().map(|text| addresses(text)).collect();
    let route = route("d.example", candidates, answers, &us(), targets).map_err(|no_route| no_route.why)?;
    let host = |host: &Host| {
        assert!(!host.addresses.is_empty(), "{}", host.name);
        let addresses: Vec<_> = host.addresses.iter().map(ToString::to_string).collect();
        format!("{}={}", host.name, addresses.join("+"))
    };
    Ok(route.hosts.iter().map(host).collect::<Vec<_>>().join(" "))
}

#[test]
fn hosts_get_their_addresses_and_those_without_are_left_out() {
    for (list, answers, want, why) in [
        ("1 a, 2 b", &["192.0.2.1", "192.0.2.2"][..], Ok("a=192.0.2.1 b=192.0.2.2"), "the plain case"),
        (
            "1 a, 2 b",
            &["?", "192.0.2.2"],
            Ok("b=192.0.2.2"),
            "a failure at one host does not stop the others",
        ),
        ("1 a, 2 b", &["-", "192.0.2.2"], Ok("b=192.0.2.2"), "neither does a host that does not exist"),
        ("1 a", &["192.0.2.1 ?"], Ok("a=192.0.2.1"), "no answer for AAAA does not spoil A"),
        ("1 a, 2 b", &["-", "?"], Err(Why::Unknown), "a failure that may pass wins over one that won't"),
        ("1 a, 2 b", &["?", "-"], Err(Why::Unknown), "in either order"),
        ("1 a, 2 b", &["127.0.0.1", "?"], Err(Why::Unknown), "also over a target that is refused"),
        ("1 a, 2 b", &["", "-"], Err(Why::NoAddress), "no host has an address"),
        ("1 a", &["127.0.0.1"], Err(Why::Forbidden), "loopback"),
        ("1 a", &["169.254.169.254"], Err(Why::Forbidden), "link-local"),
        ("1 a", &["127.0.0.1 ::1 192.0.2.1"], Ok("a=192.0.2.1"), "only what is refused is left out"),
        ("1 a, 2 b", &["127.0.0.1", "192.0.2.2"], Ok("b=192.0.2.2"), "the next host is tried"),
    ] {
        let got = found(list, answers, &Targets::default());
        assert_eq!(got.as_deref().map_err(|why| *why), want, "{list} {answers:?}: {why}");
    }
}

#[test]
fn our_own_address_cuts_the_list_as_our_name_does() {
    for (list, answers, want, why) in [
        ("1 a, 2 b, 3 c", &["192.0.2.1", "192.0.2.99", "192.0.2.3"][..], Ok("a=192.0.2.1"), "we are b"),
        ("1 a, 2 b, 2 c", &["192.0.2.1", "192.0.2.2", "192.0.2.99"], Ok("a=192.0.2.1"), "b is our equal"),
        ("1 a, 2 b", &["192.0.2.99", "192.0.2.2"], Err(Why::Loop), "we are the best host"),
        ("1 a, 1 b", &["192.0.2.1", "192.0.2.99"], Err(Why::Loop), "we are among the best"),
        ("1 a, 2 b", &["?", "192.0.2.99"], Err(Why::NoBetterHost), "there is a better host, not found now"),
        ("1 a, 2 b", &["-", "192.0.2.99"], Err(Why::NoBetterHost), "or one whose records are being changed"),
        ("1 a, 2 mx.us.example", &["?"], Err(Why::NoBetterHost), "the same where our name cut the list"),
        ("1 a", &["192.0.2.1 192.0.2.99"], Err(Why::Loop), "one of several addresses is enough"),
    ] {
        let got = found(list, answers, &Targets::default());
        assert_eq!(got.as_deref().map_err(|why| *why), want, "{list} {answers:?}: {why}");
    }
}

#[test]
fn ipv6_comes_first_where_it_leads_anywhere() {
    let both = &["192.0.2.1 2001:db8::1"][..];
    let with = Targets { ipv6: true, ..Targets::default() };
    assert_eq!(found("1 a", both, &with).unwrap(), "a=2001:db8::1+192.0.2.1");
    assert_eq!(found("1 a", both, &Targets::default()).unwrap(), "a=192.0.2.1+2001:db8::1");
}

#[test]
fn loopback_is_a_target_where_it_is_allowed() {
    let allowed = Targets { allowed: vec!["127.0.0.0/8".parse().unwrap()], ipv6: false };
    assert_eq!(found("1 a", &["127.0.0.2 ::1"], &allowed).unwrap(), "a=127.0.0.2");
}

#[test]
fn an_address_in_brackets_is_a_route_unless_it_is_ours_or_refused() {
    let find = |address: &str| {
        let route = literal(address.parse().unwrap(), &us(), &Targets::default());
        route.map(|route| route.hosts[0].addresses[0].to_string()).map_err(|no_route| no_route.why)
    };
    assert_eq!(find("192.0.2.1"), Ok("192.0.2.1".to_owned()));
    assert_eq!(find("192.0.2.99"), Err(Why::Loop));
    assert_eq!(find("::1"), Err(Why::Forbidden));
}

#[test]
fn each_reason_has_a_code_of_the_same_class_as_its_status() {
    for (why, text) in [
        (Why::NoDomain, "550 5.1.2 x"),
        (Why::DomainGone, "451 4.1.2 x"),
        (Why::NullMx, "556 5.1.10 x"),
        (Why::Loop, "550 5.4.6 x"),
        (Why::NoBetterHost, "451 4.4.4 x"),
        (Why::NoAddressYet, "451 4.4.4 x"),
        (Why::NoAddress, "550 5.4.4 x"),
        (Why::Forbidden, "550 5.4.4 x"),
        (Why::Unknown, "451 4.4.3 x"),
    ] {
        assert_eq!(NoRoute::new(why, "x").to_string(), text);
        assert_eq!(why.is_permanent(), text.starts_with('5'), "{text}");
    }
}
