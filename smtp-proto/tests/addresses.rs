//! Paths, row by row.

use serde_json::{Map, Value, json};
use smtp_proto::wire::base64::Base64;
use smtp_proto::wire::host::Host;
use smtp_proto::wire::path::forward_path;
use smtp_proto::{Fault, Mailbox, ParseError, ReversePath};

const ROWS: &str = include_str!("vectors/addresses.json");

fn rows() -> Vec<Value> {
    serde_json::from_str(ROWS).unwrap()
}

fn octets(row: &Value) -> Vec<u8> {
    match row["path"].as_str() {
        Some(path) => path.as_bytes().to_vec(),
        None => Base64::parse(row["path_base64"].as_str().unwrap().as_bytes()).unwrap().decode(),
    }
}

fn parse<'b>(row: &Value, path: &'b [u8]) -> Result<ReversePath<'b>, ParseError> {
    match row["kind"].as_str().unwrap() {
        "reverse" => ReversePath::parse(path),
        "forward" => forward_path(path).map(ReversePath::Mailbox),
        other => panic!("{other}"),
    }
}

/// Whether we accept a row; where the RFC leaves it open, our copy says so and why.
fn accepted(row: &Value) -> bool {
    row["valid"].as_bool().unwrap_or_else(|| {
        assert!(row["ours_why"].is_string(), "{}: a choice has its reason", row["id"]);
        row["ours"].as_bool().unwrap()
    })
}

#[test]
fn every_row_is_accepted_or_refused_with_its_reply() {
    for row in rows() {
        let path = octets(&row);
        let fault = if row["kind"] == "reverse" { Fault::ReversePath } else { Fault::ForwardPath };
        match parse(&row, &path) {
            Ok(_) => assert!(accepted(&row), "{} is accepted", row["id"]),
            Err(error) => {
                assert!(!accepted(&row), "{} is refused: {error}", row["id"]);
                assert_eq!(error.fault, fault, "{}", row["id"]);
                assert_eq!(error.fault.reply().code(), 501);
            }
        }
    }
}

#[test]
fn every_row_means_what_it_says() {
    const MEANING: [&str; 7] =
        ["local", "local_value", "domain", "literal", "null", "postmaster", "needs_smtputf8"];
    for row in rows().iter().filter(|row| row["valid"] == true) {
        let path = octets(row);
        let mut wanted = row.as_object().unwrap().clone();
        wanted.retain(|key, _| MEANING.contains(&key.as_str()));
        assert_eq!(Value::from(meaning(parse(row, &path).unwrap())), Value::from(wanted), "{}", row["id"]);
    }
}

/// What a row would say of `path`.
fn meaning(path: ReversePath<'_>) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("needs_smtputf8".into(), path.needs_smtputf8().into());
    let Some(mailbox) = path.mailbox() else {
        row.insert("null".into(), true.into());
        return row;
    };
    let Some(host) = mailbox.host() else {
        assert!(mailbox.is_postmaster());
        row.insert("postmaster".into(), true.into());
        return row;
    };
    row.insert("local".into(), std::str::from_utf8(mailbox.local_part()).unwrap().into());
    let value = String::from_utf8(mailbox.local_value().collect()).unwrap();
    row.insert("local_value".into(), value.into());
    match host {
        Host::Domain(domain) => row.insert("domain".into(), domain.as_str().into()),
        Host::Literal(literal) => {
            let inner = literal.as_str().trim_matches(['[', ']']);
            let (kind, value) = match literal.address() {
                Some(address) if address.is_ipv4() => ("ipv4", inner),
                Some(_) => ("ipv6", &inner[5..]),
                None => ("general", inner),
            };
            row.insert("literal".into(), json!({ "kind": kind, "value": value }))
        }
        other => panic!("{other:?}"),
    };
    row
}

#[test]
fn a_route_is_dropped_and_nothing_else() {
    for row in rows().iter().filter(|row| row["valid"] == true) {
        let path = octets(row);
        let text = std::str::from_utf8(&path).unwrap();
        let without = match row["route"].as_array() {
            Some(route) => {
                let hops: Vec<String> =
                    route.iter().map(|hop| format!("@{}", hop.as_str().unwrap())).collect();
                text.replace(&format!("{}:", hops.join(",")), "")
            }
            None => text.into(),
        };
        assert_eq!(parse(row, &path).unwrap().to_string(), without, "{}", row["id"]);
    }
}

#[test]
fn addresses_in_literals_have_the_value_the_standard_library_gives_them() {
    let mut addresses = 0;
    for row in
        rows().iter().filter(|row| row["literal"]["kind"].as_str().is_some_and(|kind| kind != "general"))
    {
        let path = octets(row);
        let literal = parse(row, &path).unwrap().mailbox().and_then(Mailbox::literal).unwrap();
        let value = row["literal"]["value"].as_str().unwrap();
        assert_eq!(literal.address(), Some(value.parse().unwrap()), "{}", row["id"]);
        addresses += 1;
    }
    assert!(addresses > 10);
}

const SAME: &[(&str, &str, bool, &str)] = &[
    ("a@example.com", "a@EXAMPLE.com", true, "domains have no case"),
    ("a@example.com", "A@example.com", false, "local parts have (RFC 5321 §2.4)"),
    ("postmaster@a.b", "PostMaster@A.B", true, "but postmaster has none (RFC 5321 §4.5.1)"),
    ("\"postmaster\"@a.b", "POSTMASTER@a.b", true, "quoted or not"),
    ("Postmaster", "POSTMASTER", true, "alone too"),
    ("Postmaster", "postmaster@a.b", false, "whose postmaster it is, only the server knows"),
    ("\"a\"@b.c", "a@b.c", true, "quotes that are not needed mean nothing"),
    ("\"a\\b\"@c.d", "ab@c.d", true, "nor do backslashes"),
    ("\"a b\"@c.d", "\"a\\ b\"@c.d", true, "nor do backslashes before a space"),
    ("\"a b\"@c.d", "ab@c.d", false, "a space is a character"),
    ("\"a@b\"@c.d", "a@b.c", false, "an @ in quotes splits nothing"),
    ("a@[192.0.2.1]", "a@192.0.2.1", false, "a name of digits is no address"),
    ("a@[IPv6:::1]", "a@[ipv6:0:0:0:0:0:0:0:1]", true, "addresses compare by value"),
    ("a@[IPv6:::ffff:192.0.2.1]", "a@[192.0.2.1]", false, "a mapped address is another one on the wire"),
    ("a@[x-tag:Ab]", "a@[X-TAG:aB]", true, "other literals without case"),
    ("ö@b.c", "o\u{308}@b.c", false, "nothing is normalised"),
    ("a@bücher.example", "a@xn--bcher-kva.example", false, "A-labels and U-labels are not converted"),
];

#[test]
fn mailboxes_are_equal_when_they_mean_the_same() {
    use std::hash::BuildHasher;
    let hasher = std::hash::RandomState::new();
    for &(one, other, same, why) in SAME {
        let one = Mailbox::parse(one.as_bytes()).unwrap();
        let other = Mailbox::parse(other.as_bytes()).unwrap();
        assert_eq!(one == other, same, "{one} {other}: {why}");
        assert_eq!(
            one.to_canonical().as_str() == other.to_canonical().as_str(),
            same,
            "{one} {other}: {why}"
        );
        assert_eq!(one.to_owned() == other.to_owned(), same, "{one} {other}: {why}");
        if same {
            assert_eq!(hasher.hash_one(one), hasher.hash_one(other), "{one} {other}: {why}");
        }
    }
}

const CANONICAL: &[(&str, &str, &str)] = &[
    ("A.b@Example.COM", "A.b@example.com", "the domain in lower case, the local part as it is"),
    ("\"a.b\"@c.d", "a.b@c.d", "quotes are taken off"),
    ("\"a..b\"@c.d", "\"a..b\"@c.d", "unless they are needed"),
    ("\"\"@c.d", "\"\"@c.d", "nothing needs quotes"),
    ("\"\\a\\\"\"@c.d", "\"a\\\"\"@c.d", "backslashes only where needed"),
    ("a@[IPV6:2001:DB8:0:0:0:0:0:1]", "a@[IPv6:2001:db8::1]", "RFC 5952"),
    ("PostMaster", "postmaster", "alone"),
];

#[test]
fn the_canonical_form_is_one_form() {
    for &(mailbox, canonical, why) in CANONICAL {
        let mailbox = Mailbox::parse(mailbox.as_bytes()).unwrap();
        assert_eq!(mailbox.to_canonical().as_str(), canonical, "{why}");
    }
}

#[test]
fn lengths_are_limited_where_the_limits_say() {
    let label = |len: usize| "a".repeat(len);
    let domain = |len: usize| {
        let labels = "a".repeat(61) + ".";
        let long = labels.repeat(len / 62) + &"a".repeat(len % 62);
        assert_eq!(long.len(), len);
        long
    };
    for (path, valid, why) in [
        (format!("<{}@b.c>", label(255)), true, "255 octets of local part"),
        (format!("<{}@b.c>", label(256)), false, "256"),
        (format!("<\"{}\"@b.c>", label(253)), true, "255 with its quotes"),
        (format!("<\"{}\"@b.c>", label(254)), false, "256 with its quotes"),
        (format!("<a@{}.c>", label(63)), true, "a label of 63"),
        (format!("<a@{}.c>", label(64)), false, "of 64"),
        (format!("<a@{}>", domain(255)), true, "a domain of 255"),
        (format!("<a@{}>", domain(256)), false, "of 256"),
        (format!("<{}@{}>", label(255), domain(255)), true, "a path of 513 with its brackets"),
        (format!("<@x:{}@{}>", label(255), domain(252)), true, "of 513 with its route"),
        (format!("<@x:{}@{}>", label(255), domain(253)), false, "of 514 with its route"),
        (format!("<a@{}.c>", "ü".repeat(40)), true, "a U-label of 80 octets: the limit is its A-label's"),
        (format!("<a@[x-t:{}]>", label(249)), true, "a literal of 255"),
        (format!("<a@[x-t:{}]>", label(250)), false, "of 256"),
    ] {
        assert_eq!(ReversePath::parse(path.as_bytes()).is_ok(), valid, "{why}");
    }
}
