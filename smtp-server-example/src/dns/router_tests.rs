use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use super::super::Mx;
use super::*;

/// Answers from a table; a name that is not in it does not exist, and `mute` never answers.
#[derive(Default)]
struct Zone {
    mx: Mutex<BTreeMap<&'static str, Answer<Mx>>>,
    a: BTreeMap<&'static str, Ipv4Addr>,
}

impl Lookup for Zone {
    async fn mx(&self, domain: &str) -> Answer<Mx> {
        self.mx.lock().unwrap().get(domain).cloned().unwrap_or(Answer::NoName)
    }

    async fn a(&self, host: &str) -> Answer<Ipv4Addr> {
        if host == "mute" {
            std::future::pending::<()>().await;
        }
        self.a.get(host).map_or(Answer::NoName, |address| Answer::Records(vec![*address]))
    }

    async fn aaaa(&self, _: &str) -> Answer<Ipv6Addr> {
        Answer::NoData
    }

    async fn txt(&self, _: &str) -> Answer<Vec<u8>> {
        Answer::NoData
    }

    async fn ptr(&self, _: IpAddr) -> Answer<String> {
        Answer::NoData
    }
}

fn mx(preference: u16, host: &str) -> Mx {
    Mx { preference, host: host.to_owned() }
}

fn router(mx: &[(&'static str, Answer<Mx>)]) -> Router<Zone> {
    let a = [("a.example", Ipv4Addr::new(192, 0, 2, 1)), ("b.example", Ipv4Addr::new(192, 0, 2, 2))];
    let zone = Zone { mx: Mutex::new(mx.iter().cloned().collect()), a: a.into() };
    Router::new(zone, RouterSettings { ourselves: Ourselves::alone(&[], &[]), allowed_targets: Vec::new() })
}

async fn names(router: &Router<Zone>, domain: &str) -> Result<String, Why> {
    let route = router.route(domain).await.map_err(|no_route| no_route.why)?;
    Ok(route.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" "))
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_costs_a_minute_and_one_host() {
    let router = router(&[("d.example", Answer::Records(vec![mx(1, "mute"), mx(2, "b.example")]))]);
    let before = Instant::now();
    assert_eq!(names(&router, "d.example").await.unwrap(), "b.example");
    assert_eq!(before.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_vanishes_for_a_moment_bounces_no_mail() {
    let router = router(&[("d.example", Answer::Records(vec![mx(1, "a.example")]))]);
    assert_eq!(names(&router, "d.example").await.unwrap(), "a.example");
    let record = router.dns.mx.lock().unwrap().remove("d.example").unwrap();
    assert_eq!(names(&router, "d.example").await, Err(Why::DomainGone));
    router.dns.mx.lock().unwrap().insert("d.example", record);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(names(&router, "d.example").await.unwrap(), "a.example");
    router.dns.mx.lock().unwrap().clear();
    assert_eq!(names(&router, "d.example").await, Err(Why::DomainGone));
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(names(&router, "d.example").await, Err(Why::NoDomain));
}

#[tokio::test]
async fn what_stands_behind_the_at_sign_is_read_as_mail_has_it() {
    let found = || Answer::Records(vec![mx(1, "a.example")]);
    let router = router(&[("d.example", found()), ("xn--mnchen-3ya.example", found())]);
    for (domain, want, why) in [
        ("D.Example", Ok("a.example"), "case makes no difference"),
        ("d.example.", Ok("a.example"), "a dot at the end means the same"),
        ("MÜNCHEN.example", Ok("a.example"), "U-labels are looked up as A-labels"),
        ("[192.0.2.7]", Ok("[192.0.2.7]"), "an address"),
        ("[IPv6:2001:db8::1]", Ok("[2001:db8::1]"), "an address of IPv6"),
        ("[127.0.0.1]", Err(Why::Forbidden), "no way around the refusal"),
        ("[x:y]", Err(Why::NoDomain), "a literal of no known kind"),
        ("a..b", Err(Why::NoDomain), "no domain"),
        ("", Err(Why::NoDomain), "nothing"),
        ("unknown.example", Err(Why::NoDomain), "NXDOMAIN"),
    ] {
        let got = names(&router, domain).await;
        assert_eq!(got.as_deref().map_err(|why| *why), want, "{domain}: {why}");
    }
}

#[tokio::test]
async fn an_address_as_the_name_of_a_host_is_no_address() {
    let router = router(&[("d.example", Answer::Records(vec![mx(1, "192.0.2.7")]))]);
    assert_eq!(names(&router, "d.example").await, Err(Why::NoAddressYet));
}

#[test]
fn random_numbers_stay_below_their_limit() {
    assert!((1..50).all(|limit| random_below(limit) < limit));
    assert_eq!(random_below(0), 0);
}
