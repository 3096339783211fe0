//! EHLO responses read and written: vectors, and what is written reads back.

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use smtp_proto::Leniency;
use smtp_proto::limits::MECHANISMS;
use smtp_proto::sasl::Mechanism;
use smtp_proto::wire::base64::Base64;
use smtp_proto::wire::ehlo::{
    Capability, EhloResponse, Extensions, Keyword, KeywordSet, Limits, Size, write_ehlo,
};
use smtp_proto::wire::reply::{Reply, ReplyBuf};

const LENIENT: Leniency = Leniency::REPLIES.with(Leniency::UNSAFE_LF_REPLIES);

fn octets(row: &Value, key: &str) -> Vec<u8> {
    match (&row[key], &row[format!("{key}_base64")]) {
        (Value::String(text), _) => text.as_bytes().to_vec(),
        (_, Value::String(text)) => Base64::parse(text.as_bytes()).unwrap().decode(),
        _ => Vec::new(),
    }
}

fn text(octets: &[u8]) -> Value {
    String::from_utf8(octets.to_vec()).unwrap().into()
}

/// The meaning as the rows have it: keywords without parameters are true, others what they say.
fn typed(response: &EhloResponse<'_>) -> Value {
    let mut typed = Map::new();
    for keyword in response.keywords().iter() {
        let value = match keyword {
            Keyword::Size => match response.size() {
                Some(Size::NoLimit) => json!("no limit"),
                Some(Size::Octets(n)) => json!(n),
                None => Value::Null,
            },
            Keyword::Auth => response.auth().map(|mechanism| json!(mechanism.as_str())).collect(),
            Keyword::Limits => limits(response.limits()),
            Keyword::DeliverBy => json!({ "min": response.deliver_by_minimum() }),
            Keyword::FutureRelease => {
                let hold = response.future_release().unwrap();
                json!({ "max_interval": hold.max_interval, "max_datetime": hold.max_datetime.map(text) })
            }
            Keyword::MtPriority => json!({ "profile": response.mt_priority_profile().map(text) }),
            Keyword::NoSoliciting => response.no_soliciting().map(text).collect(),
            Keyword::Burl => response.params(Keyword::Burl).map(text).collect(),
            // The rows leave these to the raw list.
            Keyword::Xclient | Keyword::Xforward => continue,
            _ => json!(true),
        };
        typed.insert(keyword.as_str().to_ascii_lowercase().replace('-', "_"), value);
    }
    Value::Object(typed)
}

fn limits(limits: Limits) -> Value {
    let all = [
        ("rcptmax", limits.rcpt_max()),
        ("mailmax", limits.mail_max()),
        ("rcptdomainmax", limits.rcpt_domain_max()),
    ];
    all.into_iter().filter_map(|(name, n)| Some((name.to_owned(), json!(n?)))).collect()
}

fn raw(response: &EhloResponse<'_>) -> Value {
    let lines = response.extensions().map(|line| {
        let mut name = String::from_utf8(line.name().to_vec()).unwrap();
        name.make_ascii_uppercase();
        json!({ "keyword": name, "params": line.params().map(text).collect::<Vec<_>>() })
    });
    lines.collect()
}

#[test]
fn every_row_is_read_borrowed_and_owned() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("vectors/ehlo.json")).unwrap();
    for row in rows {
        let id = row["id"].as_str().unwrap();
        let octets = octets(&row, "octets");
        let (reply, parsed) = EhloResponse::parse(&octets, LENIENT).unwrap().unwrap();
        assert_eq!(reply.consumed(), octets.len(), "{id}");
        let owned = Extensions::new(reply.to_owned(), LENIENT);
        for response in [parsed, EhloResponse::of(&reply, LENIENT), owned.response()] {
            assert_eq!(response.host().map(text), row["host"].as_str().map(Value::from), "{id}");
            assert_eq!(response.greeting(), self::octets(&row, "greeting_text"), "{id}");
            assert_eq!(raw(&response), row["extensions"], "{id}");
            assert_eq!(typed(&response), row["typed"], "{id}");
        }
        for cut in 0..octets.len() {
            assert!(EhloResponse::parse(&octets[..cut], LENIENT).unwrap().is_none(), "{id} cut at {cut}");
        }
    }
}

fn parse(octets: &[u8], leniency: Leniency) -> EhloResponse<'_> {
    let (_, response) = EhloResponse::parse(octets, leniency).unwrap().unwrap();
    response
}

#[test]
fn only_a_lenient_reader_takes_mechanisms_from_auth_equals() {
    let octets = b"250-mx\r\n250-AUTH PLAIN\r\n250-AUTH=LOGIN\r\n250 DSN\r\n";
    let strict = parse(octets, Leniency::STRICT);
    assert!(strict.auth().eq([Mechanism::PLAIN]));
    assert!(strict.deviations().is_empty());
    let lenient = parse(octets, Leniency::REPLIES);
    assert!(lenient.auth().eq([Mechanism::PLAIN, Mechanism::LOGIN]));
    assert!(lenient.deviations().contains(Leniency::EHLO_AUTH_EQUALS));
    let only = b"250-mx\r\n250 AUTH=LOGIN\r\n";
    assert!(!parse(only, Leniency::STRICT).has(Keyword::Auth));
    assert!(parse(only, Leniency::REPLIES).has(Keyword::Auth));
}

#[test]
fn a_space_before_auth_hides_no_mechanism() {
    for lines in ["250-mx\r\n250  AUTH PLAIN\r\n", "250-mx\r\n250-AUTH LOGIN\r\n250  AUTH PLAIN\r\n"] {
        let response = parse(lines.as_bytes(), Leniency::STRICT);
        assert_eq!(response.auth().last(), Some(Mechanism::PLAIN), "{lines:?}");
    }
}

#[test]
fn a_server_can_not_make_us_compare_mechanisms_without_end() {
    let line = |i| format!("250-AUTH {}\r\n", format!("A{i} ").repeat(100));
    let octets = format!("250-mx\r\n{}250 HELP\r\n", (0..9).map(line).collect::<String>());
    let names: String = (0..99).map(|i| format!(" A{i}")).collect();
    let distinct = format!("250-mx\r\n250 AUTH{names}\r\n");
    assert_eq!(parse(octets.as_bytes(), Leniency::STRICT).auth().count(), 1);
    assert_eq!(parse(distinct.as_bytes(), Leniency::STRICT).auth().count(), MECHANISMS);
}

#[test]
fn an_answer_that_is_not_250_offers_nothing() {
    for octets in
        [b"550-mx\r\n550 SIZE 1000\r\n".as_slice(), b"254-mx\r\n254 AUTH PLAIN\r\n", b"571-a\r\n571 SIZE\r\n"]
    {
        let (reply, response) = EhloResponse::parse(octets, LENIENT).unwrap().unwrap();
        for response in [response, EhloResponse::of(&reply, LENIENT)] {
            assert!(response.keywords().is_empty() && response.size().is_none());
            assert_eq!(response.auth().count(), 0);
        }
    }
}

#[test]
fn an_ignored_keyword_is_not_offered_but_its_line_stays() {
    let octets = b"250-mx\r\n250-SIZE 1000\r\n250-AUTH PLAIN\r\n250-LIMITS RCPTMAX=5\r\n250 CHUNKING\r\n";
    let (reply, _) = EhloResponse::parse(octets, LENIENT).unwrap().unwrap();
    let mut extensions = Extensions::new(reply.to_owned(), LENIENT);
    assert_eq!(extensions.size(), Some(Size::Octets(1000)));
    extensions.ignore([Keyword::Size, Keyword::Auth, Keyword::Limits].into_iter().collect());
    assert_eq!((extensions.size(), extensions.limits()), (None, Limits::NONE));
    assert_eq!((extensions.has(Keyword::Auth), extensions.auth().count()), (false, 0));
    assert!(extensions.has(Keyword::Chunking));
    assert_eq!(extensions.response().extensions().count(), 4);
}

#[test]
fn a_server_that_knows_helo_only_offers_nothing() {
    let extensions = Extensions::none(ReplyBuf::from(Reply::lines(250, (2, 0, 0), "mx\nSIZE 5")));
    assert!(extensions.response().keywords().is_empty());
}

#[test]
fn attributes_of_a_proxy_are_read() {
    let response = parse(b"250-mx\r\n250-XCLIENT NAME ADDR\r\n250 XFORWARD HELO\r\n", Leniency::STRICT);
    assert!(response.params(Keyword::Xclient).eq([b"NAME", b"ADDR"]));
    assert!(response.params(Keyword::Xforward).eq([b"HELO"]));
    assert_eq!(response.params(Keyword::Burl).count(), 0);
}

#[test]
fn a_keyword_is_known_wherever_its_line_stands() {
    for &keyword in Keyword::ALL {
        for params in ["", " ", " a b", "\ta", "x", "-", "\u{1}", "\u{e9}"] {
            for behind in ["", "250 HELP\r\n"] {
                let separator = if behind.is_empty() { ' ' } else { '-' };
                let octets = format!("250-mx\r\n250{separator}{keyword}{params}\r\n{behind}");
                let response = parse(octets.as_bytes(), LENIENT);
                let known = matches!(params.bytes().next(), None | Some(b' ' | b'\t'));
                let other = keyword != Keyword::Help || behind.is_empty();
                assert_eq!(response.has(keyword), known || !other, "{octets:?}");
            }
        }
    }
}

/// Lines that are nearly those of an EHLO response.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let keyword = prop::sample::select(Keyword::ALL).prop_map(|keyword| keyword.as_str().to_owned());
    let word = prop_oneof![
        4 => keyword,
        2 => "[A-Za-z0-9=,.:-]{0,24}",
        1 => "(RCPT|MAIL|RCPTDOMAIN)MAX=[0-9]{0,7}",
        1 => "[0-9]{0,21}",
        1 => "[ -~\t]{0,12}",
        1 => any::<String>().prop_map(|text| text.replace(['\r', '\n'], "")),
    ];
    let line = prop::collection::vec(word, 0..5).prop_map(|words| words.join(" "));
    prop::collection::vec(line, 1..12).prop_map(|lines| {
        let last = lines.len() - 1;
        let line = |(i, line)| format!("250{}{line}\r\n", if i == last { ' ' } else { '-' });
        lines.into_iter().enumerate().map(line).collect::<String>().into_bytes()
    })
}

/// A row's octets with a few of them changed, dropped or added.
fn changed() -> impl Strategy<Value = Vec<u8>> {
    let rows: Vec<Value> = serde_json::from_str(include_str!("vectors/ehlo.json")).unwrap();
    let row = prop::sample::select(rows.iter().map(|row| octets(row, "octets")).collect::<Vec<_>>());
    let octet = prop::sample::select(b"\r\n\t -=#.025AUTHaz\0\x7f\xff".as_slice());
    let change = (any::<prop::sample::Index>(), 0..=1usize, prop::collection::vec(octet, 0..=1));
    (row, prop::collection::vec(change, 0..4)).prop_map(|(mut octets, changes)| {
        for (at, dropped, added) in changes {
            let at = at.index(octets.len());
            octets.splice(at..at + dropped, added);
            octets.push(b'\n');
        }
        octets
    })
}

fn params() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[!-+.-~-]{1,12}", 0..5)
}

fn mechanisms() -> impl Strategy<Value = Vec<Mechanism>> {
    let mechanism = "[A-Z0-9_-]{1,20}".prop_map(|name| Mechanism::parse(name.as_bytes()).unwrap());
    prop::collection::hash_set(mechanism, 0..6).prop_map(|all| all.into_iter().collect())
}

fn some_limits() -> impl Strategy<Value = Limits> {
    (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(rcpt, mail, domain)| {
        let limits = rcpt.map_or(Limits::NONE, |n| Limits::NONE.with_rcpt_max(n));
        let limits = mail.map_or(limits, |n| limits.with_mail_max(n));
        domain.map_or(limits, |n| limits.with_rcpt_domain_max(n))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_pass_and_two_read_the_same(octets in prop_oneof![nearly(), changed()]) {
        for leniency in [Leniency::STRICT, LENIENT] {
            let Ok(Some((reply, response))) = EhloResponse::parse(&octets, leniency) else { continue };
            let owned = Extensions::new(reply.to_owned(), leniency);
            for again in [EhloResponse::of(&reply, leniency), owned.response()] {
                prop_assert_eq!(response.keywords(), again.keywords());
                prop_assert_eq!((response.size(), response.limits()), (again.size(), again.limits()));
                prop_assert_eq!(response.deviations(), again.deviations());
                prop_assert!(response.auth().eq(again.auth()));
                prop_assert!(response.extensions().eq(again.extensions()));
            }
            let known = response.extensions().filter_map(|line| line.keyword());
            let known: KeywordSet = known.filter(|_| reply.code() == 250).collect();
            let equals = response.deviations().contains(Leniency::EHLO_AUTH_EQUALS);
            prop_assert_eq!(response.keywords(), if equals { known.with(Keyword::Auth) } else { known });
            let _ = (response.host(), response.greeting(), response.future_release());
        }
    }
}

proptest! {
    #[test]
    fn no_octets_are_too_odd(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Some((_, response))) = EhloResponse::parse(&octets, LENIENT) {
            let _ = (response.auth().count(), response.extensions().count(), response.future_release());
        }
    }

    #[test]
    fn what_is_written_reads_back(
        host in "[!-~]{1,255}",
        greeting in "[!-~][ -~\t]{0,200}",
        size in any::<Option<u64>>(),
        mechanisms in mechanisms(),
        limits in some_limits(),
        minimum in prop::option::of(0..=999_999_999u32),
        interval in 0..=999_999_999u32,
        classes in params(),
        words in params(),
    ) {
        let classes: Vec<&str> = classes.iter().map(String::as_str).filter(|class| !class.contains(',')).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let datetime = "2030-01-01T00:00:00Z";
        let capabilities = [
            Capability::Size(size),
            Capability::Auth(&mechanisms),
            Keyword::StartTls.into(),
            Capability::Limits(limits),
            Capability::DeliverBy(minimum),
            Capability::FutureRelease { max_interval: interval, max_datetime: datetime },
            Capability::MtPriority(words.first().copied()),
            Capability::NoSoliciting(&classes),
            Capability::Burl(&words),
            Capability::Xclient(&words),
            Capability::Xforward(&words),
            Capability::Other { keyword: "X-OTHER", params: &words },
        ];
        let mut out = BytesMut::new();
        write_ehlo(&mut out, &host, &greeting, capabilities);
        let (reply, response) = EhloResponse::parse(&out, Leniency::STRICT).unwrap().unwrap();
        prop_assert_eq!(reply.consumed(), out.len());
        prop_assert_eq!(response.host(), Some(host.as_bytes()));
        prop_assert_eq!(response.greeting(), greeting.as_bytes());
        let keywords: KeywordSet = capabilities.iter().filter_map(Capability::keyword).collect();
        prop_assert_eq!(response.keywords(), keywords);
        let stated = size.filter(|&n| n > 0).map_or(Size::NoLimit, Size::Octets);
        prop_assert_eq!(response.size(), Some(stated));
        prop_assert!(response.auth().eq(mechanisms.iter().copied()));
        prop_assert_eq!(response.limits(), limits);
        prop_assert_eq!(response.deliver_by_minimum(), minimum);
        let hold = response.future_release().unwrap();
        prop_assert_eq!((hold.max_interval, hold.max_datetime), (Some(interval), Some(datetime.as_bytes())));
        prop_assert!(response.no_soliciting().eq(classes.iter().map(|class| class.as_bytes())));
        for keyword in [Keyword::Burl, Keyword::Xclient, Keyword::Xforward] {
            prop_assert!(response.params(keyword).eq(words.iter().map(|word| word.as_bytes())));
        }
        let last = response.extensions().last().unwrap();
        prop_assert_eq!((last.name(), last.keyword()), (b"X-OTHER".as_slice(), None));
        prop_assert!(last.params().eq(words.iter().map(|word| word.as_bytes())));
    }
}
