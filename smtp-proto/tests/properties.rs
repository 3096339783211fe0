//! Any value survives being written and read; no octets make a panic.

use proptest::prelude::*;
use smtp_proto::wire::command::Hello;
use smtp_proto::wire::datetime::DateTime;
use smtp_proto::wire::host::{Domain, Host, Literal};
use smtp_proto::wire::params::{
    Body, ByMode, DeliverBy, MailParams, MailParamsBuf, Mtrk, Notify, Param, RcptParams, RcptParamsBuf, Ret,
    Rrvs, RrvsAction, Submitter,
};
use smtp_proto::wire::path::forward_path;
use smtp_proto::wire::xtext::{self, Utf8Address, Xtext};
use smtp_proto::wire::{base64, base64::Base64};
use smtp_proto::{Command, Leniency, Mailbox, MailboxBuf, ReversePath, ReversePathBuf};

fn regex(pattern: String) -> impl Strategy<Value = String> {
    prop::string::string_regex(&pattern).unwrap()
}

fn domain() -> impl Strategy<Value = String> {
    let label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?";
    prop_oneof![
        9 => regex(format!("{label}(\\.{label}){{0,3}}")),
        1 => regex(format!("{label}\\.[äöüñ例え]{{1,5}}\\.{label}")),
    ]
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| format!("[{}]", std::net::Ipv4Addr::from(octets))),
        any::<[u16; 8]>().prop_map(|groups| format!("[IPv6:{}]", std::net::Ipv6Addr::from(groups))),
        // Zeros, so that there is something to compress.
        any::<(u16, u16)>().prop_map(|(a, b)| format!("[IPv6:{a:x}::{b:X}]")),
        any::<[u8; 4]>().prop_map(|octets| format!("[ipv6:::ffff:{}]", std::net::Ipv4Addr::from(octets))),
        "\\[[a-z]{1,4}-?[xyz]:[!-Z^-~]{1,12}\\]",
    ]
}

fn local_part() -> impl Strategy<Value = String> {
    let atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,12}";
    prop_oneof![
        4 => regex(format!("{atom}(\\.{atom}){{0,3}}")),
        2 => "\"([ !#-\\[\\]-~]|\\\\[ -~]){0,12}\"",
        1 => "[a-zäöü]{1,5}(\\.[日本語]{1,4})?",
        1 => "[pP]ostmaste[rR]",
    ]
}

fn mailbox() -> impl Strategy<Value = String> {
    (local_part(), prop_oneof![4 => domain(), 1 => literal()])
        .prop_map(|(local, host)| format!("{local}@{host}"))
}

fn ascii_mailbox() -> impl Strategy<Value = String> {
    mailbox().prop_filter("ASCII", |text| text.is_ascii())
}

fn time() -> impl Strategy<Value = String> {
    "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{1,4})?(Z|[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9])"
}

fn xtext_value() -> impl Strategy<Value = String> {
    "([!-*,-<>-~]|\\+[2-6][0-9A-F]){1,30}"
}

fn mail_param() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|size| format!("SIZE={size}")),
        "(BODY=(7BIT|8BITMIME|BINARYMIME)|body=binarymime)",
        "RET=(FULL|HDRS)",
        xtext_value().prop_map(|text| format!("ENVID={text}")),
        ascii_mailbox().prop_map(|text| format!("AUTH={}", encoded(text.as_bytes()))),
        Just("auth=<>".into()),
        Just("REQUIRETLS".into()),
        Just("ConPerm".into()),
        "BY=([1-9][0-9]{0,8};RT?|[+-]?[0-9]{1,9};nt?)",
        "HOLDFOR=[1-9][0-9]{0,8}",
        "MT-PRIORITY=(-[1-9]|[0-9])",
        "TRANSID=<[a-z0-9.@]{1,20}>",
        "MTRK=[A-Za-z0-9+/]{12}(:[0-9]{1,9})?",
        "SOLICIT=[a-z][a-z.]{1,9}:ADV(,org\\.example:ADLT)?",
        "X-[A-Z0-9]{3,6}(=[!-<>-~]{1,9})?",
    ]
    .prop_map(|text: String| text)
}

fn rcpt_param() -> impl Strategy<Value = String> {
    prop_oneof![
        "NOTIFY=(NEVER|SUCCESS|FAILURE|DELAY|SUCCESS,DELAY|failure,success,delay)",
        xtext_value().prop_map(|text| format!("ORCPT=rfc822;{text}")),
        "ORCPT=utf-8;[a-zü@.]{1,9}(\\\\x\\{1F600\\})?",
        time().prop_map(|time| format!("RRVS={time};C")),
        Just("conneg".into()),
        "X-[A-Z0-9]{3,6}(=[!-<>-~]{1,9})?",
    ]
    .prop_map(|text: String| text)
}

/// Each keyword once, by dropping the later ones.
fn once(params: Vec<String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    for param in params {
        let keyword = |param: &str| param.split('=').next().unwrap_or_default().to_ascii_uppercase();
        if kept.iter().all(|other| keyword(other) != keyword(&param)) {
            kept.push(param);
        }
    }
    kept.iter().map(|param| format!(" {param}")).collect()
}

fn line() -> impl Strategy<Value = String> {
    let host = || prop_oneof![domain().prop_filter("ASCII", |name| name.is_ascii()), literal()];
    let reverse = prop_oneof![1 => Just(String::new()), 6 => mailbox()];
    let forward = prop_oneof![1 => Just("Postmaster".into()), 6 => mailbox()];
    let mail_params = prop::collection::vec(mail_param(), 0..5).prop_map(once);
    let rcpt_params = prop::collection::vec(rcpt_param(), 0..4).prop_map(once);
    prop_oneof![
        8 => (reverse, mail_params).prop_map(|(path, params)| {
            let smtputf8 = if path.is_ascii() { "" } else { " SMTPUTF8" };
            format!("MAIL FROM:<{path}>{smtputf8}{params}")
        }),
        8 => (forward, rcpt_params).prop_map(|(path, params)| format!("RCPT TO:<{path}>{params}")),
        2 => ("[EL]HLO", host()).prop_map(|(verb, host)| format!("{verb} {host}")),
        1 => domain().prop_filter("ASCII", |name| name.is_ascii()).prop_map(|name| format!("HELO {name}")),
        1 => "(DATA|RSET|QUIT|NOOP|HELP|STARTTLS|ATRN|data|rSeT)",
        1 => "(NOOP|HELP) [!-~]([ -~]{0,20}[!-~])?",
        1 => local_part().prop_map(|text| format!("VRFY {text} SMTPUTF8")),
        1 => mailbox().prop_map(|text| format!("EXPN {text} SMTPUTF8")),
        1 => any::<(u64, bool)>().prop_map(|(size, last)| format!("BDAT {size}{}", if last { " LAST" } else { "" })),
        1 => ("[A-Za-z0-9_-]{1,20}", any::<Option<Vec<u8>>>()).prop_map(|(mechanism, response)| match response {
            None => format!("AUTH {mechanism}"),
            Some(octets) if octets.is_empty() => format!("AUTH {mechanism} ="),
            Some(octets) => format!("AUTH {mechanism} {}", String::from_utf8(base64::encoded(&octets)).unwrap()),
        }),
        1 => "BURL [a-z][a-z0-9+.-]{0,5}:[a-zA-Z0-9/:@?=&;.-]{0,20}(%[0-9A-F]{2})?( LAST)?",
        1 => ("[@#]?", domain()).prop_map(|(sign, name)| format!("ETRN {sign}{name}")),
        1 => "ATRN [a-z]{1,5}\\.example(,[a-z]{1,5}){0,3}",
        1 => "XCLIENT ADDR=(192\\.0\\.2\\.[1-9]|IPV6:2001:db8::[1-9])( NAME=(\\[TEMPUNAVAIL\\]|[a-z+2B]{0}[a-z]{1,5}))?( PORT=[0-9]{1,4})?",
        1 => "xforward NAME=[a-z]{1,9}( SOURCE=(LOCAL|remote))?( IDENT=[A-F0-9]{4,9})?",
        1 => "[A-Z]{5}[A-Z0-9-]{0,4}( [!-~]([ -~]{0,20}[!-~])?)?",
    ]
}

fn encoded(octets: &[u8]) -> String {
    let mut text = Vec::new();
    xtext::encode(octets, &mut text);
    String::from_utf8(text).unwrap()
}

fn written(command: &Command<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    command.write(&mut octets);
    octets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn valid_lines_are_read_and_written_and_read_alike(line in line()) {
        let command = match Command::parse(line.as_bytes()) {
            Ok(command) => command,
            // What the strategies can't know of: two that exclude each other, a domain of non-ASCII for ETRN.
            Err(_) if line.starts_with("ETRN") && !line.is_ascii() => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{line}: {error}"))),
        };
        let octets = written(&command);
        prop_assert_eq!(Command::parse(&octets), Ok(command));
        prop_assert_eq!(written(&Command::parse(&octets).unwrap()), octets);
    }

    #[test]
    fn no_octets_make_a_panic(line: Vec<u8>) {
        for leniency in [Leniency::STRICT, Leniency::DEVICES] {
            let _ = Command::parse_with(&line, leniency);
        }
        let _ = (Mailbox::parse(&line), Domain::parse(&line), Literal::parse(&line), forward_path(&line));
        let _ = (MailParams::parse(&line), RcptParams::parse(&line));
    }

    #[test]
    fn changed_lines_are_read_and_written_alike_or_refused(
        line in line(), at: prop::sample::Index, octet: u8, with: Vec<u8>,
    ) {
        let mut octets = line.into_bytes();
        let at = at.index(octets.len());
        octets[at] = octet;
        for octets in [octets.clone(), [&octets[..at], &with[..], &octets[at..]].concat()] {
            for leniency in [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES] {
                if let Ok((command, _)) = Command::parse_with(&octets, leniency) {
                    let written = written(&command);
                    prop_assert_eq!(Command::parse_with(&written, leniency).map(|(again, _)| again), Ok(command));
                }
            }
        }
    }

    #[test]
    fn whatever_a_command_is_made_of_it_writes_one_line(text: Vec<u8>) {
        let hand_made = [
            Command::Noop(&text),
            Command::Help(&text),
            Command::Burl { url: &text, last: true },
            Command::Unknown { verb: &text, rest: &text },
        ];
        for command in hand_made {
            let octets = written(&command);
            let line = octets.strip_suffix(b"\r\n").unwrap();
            prop_assert!(!line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | b'\0')));
        }
    }

    #[test]
    fn mailboxes_survive_being_owned_and_made_canonical(text in mailbox()) {
        let mailbox = Mailbox::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(mailbox.to_string(), text.as_str());
        prop_assert_eq!(text.parse::<MailboxBuf>().unwrap(), mailbox);
        let canonical = mailbox.to_canonical();
        prop_assert_eq!(canonical.as_mailbox(), mailbox);
        prop_assert_eq!(Mailbox::parse(canonical.as_str().as_bytes()), Ok(mailbox));
        let path = ReversePath::from(mailbox);
        prop_assert_eq!(path.to_string().parse::<ReversePathBuf>().unwrap(), path.to_owned());
    }

    #[test]
    fn names_and_literals_survive_being_written(name in domain(), literal in literal()) {
        let domain = Domain::parse(name.as_bytes()).unwrap();
        prop_assert_eq!(domain.to_owned(), domain);
        prop_assert_eq!(domain.to_string(), name.as_str());
        prop_assert!(domain == *name.to_ascii_uppercase());
        let host = Host::parse(literal.as_bytes()).unwrap();
        prop_assert_eq!(host.to_string(), literal.as_str());
        prop_assert_eq!(Hello::from(host).host(), Some(host));
        if let Ok(address) = literal.trim_matches(['[', ']']).to_ascii_lowercase().trim_start_matches("ipv6:").parse() {
            prop_assert_eq!(Literal::parse(literal.as_bytes()).unwrap().address(), Some(address));
        }
    }

    #[test]
    fn xtext_stands_for_any_octets(octets: Vec<u8>) {
        let text = encoded(&octets);
        prop_assert_eq!(Xtext::parse(text.as_bytes()).unwrap().decoded().collect::<Vec<_>>(), octets);
    }

    #[test]
    fn any_xtext_stands_for_what_is_encoded_again_alike(text in "[!-~]{0,20}") {
        if let Ok(parsed) = Xtext::parse(text.as_bytes()) {
            let octets: Vec<u8> = parsed.decoded().collect();
            let again = encoded(&octets);
            prop_assert_eq!(Xtext::parse(again.as_bytes()).unwrap().decoded().collect::<Vec<_>>(), octets);
        }
    }

    #[test]
    fn addresses_in_utf8_survive_being_written_in_ascii(address in "[ -~¡-퟿\u{1F600}-\u{1F64F}]{1,20}") {
        let mut text = Vec::new();
        xtext::encode_utf8_address(&address, &mut text);
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Utf8Address::parse(&text).unwrap().decoded().collect::<String>(), address);
    }

    #[test]
    fn times_count_seconds(time in time(), hours in 0..24_i64) {
        let parsed = DateTime::parse(time.as_bytes()).unwrap();
        prop_assert_eq!(parsed.as_str(), time.as_str());
        // The same clock in another zone is another time, by the difference of the zones.
        let zone = time.rfind(['Z', '+', '-']).unwrap();
        let utc = format!("{}Z", &time[..zone]);
        let west = format!("{}-{hours:02}:00", &time[..zone]);
        let utc = DateTime::parse(utc.as_bytes()).unwrap().unix_seconds();
        prop_assert_eq!(DateTime::parse(west.as_bytes()).unwrap().unix_seconds(), utc + hours * 3_600);
    }

    #[test]
    fn parameters_of_mail_survive_being_set_and_read(
        size: u64, envid in "[ -~]{1,30}", submitter in ascii_mailbox(), seconds in -999_999_999..=999_999_999,
        trace: bool, held in 1..=999_999_999_u32, priority in -9..=9_i8, hash: [u8; 20],
    ) {
        let mode = if seconds > 0 { ByMode::Return } else { ByMode::Notify };
        let by = DeliverBy { seconds, mode, trace };
        let submitter = Mailbox::parse(submitter.as_bytes()).unwrap();
        let certifier = base64::encoded(&hash);
        let mtrk = Mtrk { certifier: Base64::parse(&certifier).unwrap(), timeout: Some(held) };
        let params = MailParamsBuf::new().size(1).body(Body::BinaryMime).ret(Ret::Full).smtputf8().size(size);
        let params = params.envid(&envid).unwrap().auth(Some(submitter)).unwrap().by(by).unwrap();
        let params = params.holdfor(held).unwrap().mt_priority(priority).unwrap().mtrk(mtrk).unwrap();
        let params = params.transid("<a@b>").unwrap().solicit("org.example:ADV,net.example").unwrap().requiretls();
        let line = format!("MAIL FROM:<a@b> {params}");
        let Ok(Command::Mail { params: read, .. }) = Command::parse(line.as_bytes()) else {
            return Err(TestCaseError::fail(line));
        };
        prop_assert_eq!(read, params.as_params());
        prop_assert_eq!(read.to_owned(), params);
        prop_assert_eq!((read.size(), read.body(), read.ret()), (Some(size), Some(Body::BinaryMime), Some(Ret::Full)));
        prop_assert_eq!(read.envid().unwrap().decoded().collect::<Vec<_>>(), envid.as_bytes());
        let Some(Submitter::Mailbox(text)) = read.auth() else { return Err(TestCaseError::fail(line)) };
        prop_assert_eq!(text.decoded().collect::<Vec<_>>(), submitter.as_bytes());
        prop_assert_eq!((read.by(), read.holdfor(), read.mt_priority()), (Some(by), Some(held), Some(priority)));
        prop_assert_eq!((read.mtrk(), read.transid()), (Some(mtrk), Some(&b"<a@b>"[..])));
        prop_assert_eq!(read.solicit().unwrap().keywords().count(), 2);
        prop_assert!(read.smtputf8() && read.requiretls() && !read.conperm() && read.unknown().next().is_none());
        prop_assert_eq!(read.known().count(), read.iter().count());
    }

    #[test]
    fn parameters_of_rcpt_survive_being_set_and_read(
        bits in 0..8_usize, kind in "[a-zA-Z0-9-]{1,9}", address in "[ -~]{1,30}", time in time(), reject: bool,
    ) {
        let words = [Notify::SUCCESS, Notify::FAILURE, Notify::DELAY];
        let notify = words.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        let notify = notify.fold(Notify::NEVER, |sum, (_, one)| sum.with(one));
        let action = if reject { RrvsAction::Reject } else { RrvsAction::Continue };
        let rrvs = Rrvs { since: DateTime::parse(time.as_bytes()).unwrap(), action };
        let kind = format!("x{kind}");
        let params = RcptParamsBuf::new().notify(notify).orcpt(&kind, &address).unwrap().rrvs(rrvs).conneg();
        let line = format!("RCPT TO:<a@b> {params}");
        let Ok(Command::Rcpt { params: read, .. }) = Command::parse(line.as_bytes()) else {
            return Err(TestCaseError::fail(line));
        };
        prop_assert_eq!(read, params.as_params());
        prop_assert_eq!((read.notify(), read.rrvs(), read.conneg()), (Some(notify), Some(rrvs), true));
        let orcpt = read.orcpt().unwrap();
        prop_assert_eq!((orcpt.kind(), orcpt.decoded().collect::<String>()), (kind.as_bytes(), address));
        prop_assert_eq!(read.to_owned(), params);
    }

    #[test]
    fn a_parameter_is_set_as_one_or_not_at_all(keyword in "[A-Z= ]{1,4}", value in "[!-~ \r\n]{1,6}") {
        let mut params = MailParamsBuf::new().size(1);
        if params.set(&keyword, Some(&value)).is_ok() {
            let pairs: Vec<_> = params.as_params().iter().collect();
            prop_assert_eq!(pairs, [(&b"SIZE"[..], Some(&b"1"[..])), (keyword.as_bytes(), Some(value.as_bytes()))]);
            params.remove(&keyword);
        }
        prop_assert_eq!(params, MailParamsBuf::new().size(1));
    }
}

#[test]
fn parameters_that_are_wrong_are_not_set() {
    let mail = MailParamsBuf::new;
    let by = DeliverBy { seconds: 0, mode: ByMode::Return, trace: false };
    assert!(mail().by(by).is_err(), "above zero to return");
    assert!(mail().holdfor(0).is_err(), "no zero");
    assert!(mail().mt_priority(10).is_err(), "at most 9");
    assert!(mail().envid("").is_err(), "something");
    assert!(mail().envid("a\r\nb").is_err(), "printable");
    assert!(mail().envid(&"a".repeat(101)).is_err(), "at most 100 characters");
    assert!(mail().transid("a=b").is_err(), "no equals sign");
    assert!(mail().solicit("a b").is_err(), "no space");
    assert!(mail().auth(Some(Mailbox::parse(b"Postmaster").unwrap())).is_err(), "a domain");
    assert!(mail().auth(Some(Mailbox::parse("ü@b".as_bytes()).unwrap())).is_err(), "ASCII");
    let until = DateTime::parse(b"2026-01-02T03:04:05Z").unwrap();
    assert!(mail().holdfor(1).unwrap().holduntil(until).is_err(), "one of the two");
    assert!(mail().set("NOTIFY", Some("NEVER")).is_err(), "belongs to RCPT");
    assert!(RcptParamsBuf::new().orcpt("rfc822", "ü").is_err(), "ASCII");
    assert!(RcptParamsBuf::new().orcpt_utf8("").is_err(), "something");
    assert!(RcptParamsBuf::new().orcpt_utf8("ü@b").is_ok());
    assert_eq!(mail().auth(None).unwrap().as_params().auth(), Some(Submitter::Unknown));
    assert_eq!(mail().conperm().as_params().known().collect::<Vec<_>>(), [Param::ConPerm]);
}

#[test]
fn seconds_count_from_1970() {
    for (time, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2014-04-03T23:01:00-07:00", 1_396_591_260),
        ("2016-12-31T23:59:60Z", 1_483_228_800),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("0000-01-01T00:00:00Z", -62_167_219_200),
    ] {
        assert_eq!(DateTime::parse(time.as_bytes()).unwrap().unix_seconds(), seconds, "{time}");
    }
}

#[cfg(feature = "serde")]
mod stored {
    use super::*;
    use smtp_proto::wire::host::DomainBuf;

    fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn owned_values_survive_being_stored(text in mailbox(), name in domain(), mail in prop::collection::vec(mail_param(), 0..4), rcpt in prop::collection::vec(rcpt_param(), 0..4)) {
            let mailbox: MailboxBuf = text.parse().unwrap();
            prop_assert_eq!(again(&mailbox), mailbox.clone());
            let path = ReversePathBuf::from(mailbox);
            prop_assert_eq!(again(&path), path);
            let name: DomainBuf = name.parse().unwrap();
            prop_assert_eq!(again(&name), name);
            let mail: MailParamsBuf = once(mail).trim_start().parse().unwrap();
            prop_assert_eq!(again(&mail), mail);
            let rcpt: RcptParamsBuf = once(rcpt).trim_start().parse().unwrap();
            prop_assert_eq!(again(&rcpt), rcpt);
        }
    }

    #[test]
    fn what_was_read_leniently_can_be_stored() {
        let (mailbox, _) = Mailbox::parse_with(b"a..b@foo_bar.", Leniency::DEVICES).unwrap();
        assert_eq!(again(&mailbox.to_owned()), mailbox);
        assert_eq!(again(&ReversePathBuf::Null), ReversePathBuf::Null);
        let line = "MAIL FROM:<a@b> X=ü";
        let (Command::Mail { params, .. }, _) =
            Command::parse_with(line.as_bytes(), Leniency::DEVICES).unwrap()
        else {
            panic!()
        };
        assert_eq!(again(&params.to_owned()), params.to_owned());
    }

    #[test]
    fn what_is_no_value_is_not_read() {
        assert!(serde_json::from_str::<MailboxBuf>("\"a b@c\"").is_err());
        assert!(serde_json::from_str::<ReversePathBuf>("\"a@b\"").is_err());
        assert!(serde_json::from_str::<MailParamsBuf>("\"SIZE=x\"").is_err());
        assert!(serde_json::from_str::<DomainBuf>("\"-\"").is_err());
    }
}
