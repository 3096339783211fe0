//! What clients send though it is wrong: refused by the grammar, taken by the leniency with its name and no other.

use smtp_proto::{Command, Leniency, Verb};

const DOTS: &[u8] = b"RCPT TO:<a..b@docomo.example>";
const LATIN: &[u8] = b"EHLO M\xDCLLER-PC";

/// A line, the code that strict reading answers, the leniency it needs, and what it then means.
type Tolerated = (&'static [u8], u16, Leniency, &'static [u8], &'static str);

const TOLERATED: &[Tolerated] = &[
    (b"MAIL FROM: <a@b>", 501, Leniency::SPACE_BEFORE_PATH, b"MAIL FROM:<a@b>", "mail programs, scripts"),
    (b"RCPT TO:\t<a@b>", 501, Leniency::SPACE_BEFORE_PATH, b"RCPT TO:<a@b>", "a tab is white space too"),
    (b"MAIL FROM: <>", 501, Leniency::SPACE_BEFORE_PATH, b"MAIL FROM:<>", "the null path too"),
    (b"RCPT TO: <Postmaster>", 501, Leniency::SPACE_BEFORE_PATH, b"RCPT TO:<Postmaster>", "postmaster too"),
    (b"MAIL FROM:a@b", 501, Leniency::BARE_PATH, b"MAIL FROM:<a@b>", "controllers, telnet"),
    (b"RCPT TO:a.b@c.d NOTIFY=NEVER", 501, Leniency::BARE_PATH, b"RCPT TO:<a.b@c.d> NOTIFY=NEVER", "then SP"),
    (b"EHLO  x", 501, Leniency::DOUBLE_SPACE, b"EHLO x", "Windows Mail"),
    (b"AUTH PLAIN  AHVzZXIAcGFz", 501, Leniency::DOUBLE_SPACE, b"AUTH PLAIN AHVzZXIAcGFz", "Windows Mail"),
    (b"AUTH  LOGIN", 501, Leniency::DOUBLE_SPACE, b"AUTH LOGIN", "before the mechanism too"),
    (b"XCLIENT  NAME=a", 501, Leniency::DOUBLE_SPACE, b"XCLIENT NAME=a", "as its inventor does"),
    (b"HELO", 501, Leniency::EMPTY_HELLO, b"HELO", "cards of power supplies"),
    (b"EHLO ", 501, Leniency::EMPTY_HELLO, b"EHLO", "trailing space is nothing"),
    (b"EHLO my_host", 501, Leniency::HELLO_NAME, b"EHLO my_host", "containers"),
    (b"EHLO x-.dom", 501, Leniency::HELLO_NAME, b"EHLO x-.dom", "a label's end"),
    (b"EHLO x.", 501, Leniency::HELLO_NAME, b"EHLO x.", "a final dot"),
    (b"EHLO fe80::1", 501, Leniency::HELLO_NAME, b"EHLO fe80::1", "an address without brackets"),
    (b"HELO [192.0.2.1]", 501, Leniency::HELLO_NAME, b"HELO [192.0.2.1]", "a literal after HELO"),
    (LATIN, 501, Leniency::HELLO_OCTETS, LATIN, "any charset"),
    (
        "MAIL FROM:<ü@b>".as_bytes(),
        553,
        Leniency::UTF8_UNDECLARED,
        "MAIL FROM:<ü@b>".as_bytes(),
        "no SMTPUTF8",
    ),
    (
        "MAIL FROM:<a@b> X=ü".as_bytes(),
        501,
        Leniency::UTF8_UNDECLARED,
        "MAIL FROM:<a@b> X=ü".as_bytes(),
        "a value",
    ),
    ("VRFY ü".as_bytes(), 553, Leniency::UTF8_UNDECLARED, "VRFY ü".as_bytes(), "no SMTPUTF8 behind it"),
    (DOTS, 501, Leniency::LOCAL_PART_DOTS, DOTS, "telephone providers"),
    (b"RCPT TO:<a.@b>", 501, Leniency::LOCAL_PART_DOTS, b"RCPT TO:<a.@b>", "telephone providers"),
    (b"RCPT TO:<.a@b>", 501, Leniency::LOCAL_PART_DOTS, b"RCPT TO:<.a@b>", "in front too"),
    (b"MAIL FROM:<a@foo_bar>", 501, Leniency::DOMAIN_UNDERSCORE, b"MAIL FROM:<a@foo_bar>", "containers"),
    (b"MAIL FROM:<a@b.c.>", 501, Leniency::DOMAIN_FINAL_DOT, b"MAIL FROM:<a@b.c.>", "names from the DNS"),
    (b"VRFY <a@b>", 501, Leniency::LOOKUP_BRACKETS, b"VRFY a@b", "commonly accepted"),
    (b"NOOP\n", 500, Leniency::UNSAFE_LF_COMMANDS, b"NOOP", "a bench without CR"),
];

#[test]
fn each_deviation_needs_its_own_leniency_and_is_told() {
    let all = everything();
    for &(line, code, needed, means, why) in TOLERATED {
        let shown = line.escape_ascii();
        let error = Command::parse(line).expect_err(why);
        assert_eq!(error.fault.reply().code(), code, "{shown}: {why}");
        assert!(Command::parse_with(line, all.without(needed)).is_err(), "{shown}: {why}");
        let (command, deviations) = Command::parse_with(line, needed).expect(why);
        assert_eq!(deviations, needed.into(), "{shown}: {why}");
        assert_eq!(Command::parse_with(line, all), Ok((command, deviations)), "{shown}: {why}");
        let mut written = Vec::new();
        command.write(&mut written);
        assert_eq!(
            written.strip_suffix(b"\r\n").unwrap().escape_ascii().to_string(),
            means.escape_ascii().to_string()
        );
    }
}

/// Lines that no leniency takes: they could change which mailbox is meant, or where a line ends.
const REFUSED: &[(&[u8], &str)] = &[
    (b"MAIL FROM:<Joe <a@b>>", "which mailbox?"),
    (b"MAIL FROM:<a@b (x)>", "which mailbox?"),
    (b"MAIL FROM:<'a@b'>", "which mailbox?"),
    (b"MAIL FROM:<a@b", "cut off, perhaps in the domain"),
    (b"MAIL FROM:a@b>", "cut off in front"),
    (b"MAIL FROM:<a@b>SIZE=1", "which is the path?"),
    (b"MAIL FROM:a@b,c@d", "two mailboxes"),
    (b"MAIL FROM:\"a b\"@c", "a bare path is a Dot-string"),
    (b"MAIL FROM:@a:b@c", "a bare path has no route"),
    (b"MAIL FROM:a@[192.0.2.1]", "a bare path has no literal"),
    (b"MAIL FROM:", "nothing"),
    (b"MAIL FROM:a", "no domain"),
    (b"MAIL  FROM:<a@b>", "a space where none was ever seen"),
    (b"MAIL FROM :<a@b>", "a space where none was ever seen"),
    (b"MAIL FROM:<a@b>  SIZE=1", "between parameters one space stands"),
    (b"MAIL FROM:<a@b> SIZE= 1", "between parameters one space stands"),
    (b"RCPT TO:<>", "nobody is meant"),
    (b"RCPT TO:<b>", "whose host?"),
    (b"RCPT TO:<j\xF6rg@d>", "not UTF-8: which letter?"),
    (b"RCPT TO:<a@[127.0.0.01]>", "octal or decimal?"),
    (b"RCPT TO:<a@-b>", "not seen in the field"),
    (b"EHLO a b", "two names"),
    (b"EHLO a\tb", "a control octet"),
    (b"EHLO a\x7F", "a control octet"),
    (b"DATA foo", "an argument"),
    (b"STARTTLS foo", "RFC 3207 §4: 501"),
    (b"BDAT 5 junk", "how long is the chunk?"),
    (b"NOOP a\0", "NUL"),
    (b" NOOP", "no verb"),
    (b"MA\rIL FROM:<a@b>", "a bare CR"),
];

#[test]
fn what_could_mean_something_else_is_refused_by_every_leniency() {
    for &(line, why) in REFUSED {
        let read = Command::parse_with(line, everything());
        assert!(read.is_err(), "{}: {why}: {read:?}", line.escape_ascii());
    }
}

/// Looks odd and is right.
const RIGHT: &[(&[u8], Verb, &str)] = &[
    (b"MAIL FROM:<a@b> \t", Verb::Mail, "white space at the end (RFC 5321 §4.1.1)"),
    (b"ehlo x", Verb::Ehlo, "verbs have no case"),
    (b"mail FROM:<a@b>", Verb::Mail, "verbs have no case"),
    (b"auth login", Verb::Auth, "nor have mechanisms"),
    (b"EHLO 192.168.1.2", Verb::Ehlo, "a Domain by the grammar"),
    (b"EHLO XC-B8C463", Verb::Ehlo, "one label"),
    (b"EHLO [IPV6:2001:db8::1]", Verb::Ehlo, "the tag has no case"),
    (b"AUTH LOGIN dXNlcg==", Verb::Auth, "the user name as initial response"),
    (b"AUTH PLAIN", Verb::Auth, "no initial response"),
    (b"AUTH PLAIN =", Verb::Auth, "an empty one"),
    (b"RCPT TO:<a@b> NOTIFY=success,failure ORCPT=rfc822;root", Verb::Rcpt, "ORCPT need not be a mailbox"),
    (b"MAIL FROM:<a@b> ENVID=X400-R.:+20[/C+3DUS;", Verb::Mail, "what X.400 gateways send"),
    (b"RCPT TO:<Postmaster>", Verb::Rcpt, "RFC 5321 §4.5.1"),
    (b"RCPT TO:<@a,@b:c@d>", Verb::Rcpt, "the route is dropped"),
    (b"MAIL FROM:<a@b> SIZE=0", Verb::Mail, "a hint"),
    (b"NOOP x", Verb::Noop, "the argument is ignored"),
    (b"ONEX", Verb::Unknown, "the session may answer it as NOOP"),
    (b"XADR x", Verb::Unknown, "the session may answer it as NOOP"),
];

#[test]
fn what_is_right_is_no_deviation() {
    for &(line, verb, why) in RIGHT {
        let (command, deviations) = Command::parse_with(line, everything()).expect(why);
        assert_eq!((command.verb(), deviations.is_empty()), (verb, true), "{}: {why}", line.escape_ascii());
    }
}

#[test]
fn a_name_that_is_none_is_kept_raw() {
    let hello = |line: &'static [u8]| match Command::parse_with(line, Leniency::DEVICES) {
        Ok((Command::Ehlo(hello) | Command::Helo(hello), _)) => hello,
        other => panic!("{other:?}"),
    };
    assert_eq!((hello(b"EHLO my_host").raw(), hello(b"EHLO my_host").host()), (&b"my_host"[..], None));
    assert_eq!(hello(LATIN).raw(), b"M\xDCLLER-PC");
    assert_eq!((hello(b"HELO").raw(), hello(b"HELO").host()), (&b""[..], None));
    assert_eq!(hello(b"HELO [192.0.2.1]").host().unwrap().as_bytes(), b"[192.0.2.1]");
}

#[test]
fn several_deviations_in_one_line_are_all_told() {
    let (command, deviations) =
        Command::parse_with(b"MAIL FROM: a..b@foo_bar. SIZE=1", Leniency::DEVICES).unwrap();
    assert_eq!(command.verb(), Verb::Mail);
    assert_eq!(deviations.len(), 5);
    let names: Vec<_> = deviations.names().collect();
    assert_eq!(
        names,
        ["space_before_path", "bare_path", "local_part_dots", "domain_underscore", "domain_final_dot"]
    );
    assert_eq!(format!("{deviations:?}").matches("domain").count(), 2);
}

#[test]
fn each_preset_holds_the_one_before_and_nothing_unsafe() {
    assert!(Leniency::STRICT.is_strict() && Leniency::default().is_strict());
    assert!(Leniency::DEVICES.allows(Leniency::SUBMISSION) && Leniency::DEVICES != Leniency::SUBMISSION);
    let presets = [Leniency::STRICT, Leniency::SUBMISSION, Leniency::DEVICES, Leniency::REPLIES];
    for (one, name) in Leniency::NAMES {
        assert_eq!(one.names().collect::<Vec<_>>(), [*name]);
        if name.starts_with("unsafe_") {
            assert!(presets.iter().all(|preset| !preset.allows(*one)), "{name}");
        }
    }
}

fn everything() -> Leniency {
    Leniency::NAMES.iter().fold(Leniency::STRICT, |all, (one, _)| all.with(*one))
}
