//! Commands and paths on which SMTP libraries disagree, with the verdict and its reason.

use smtp_proto::wire::params::{Notify, Param};
use smtp_proto::{Command, Leniency, Verb};

/// The reply's code, or 0 where the line is accepted.
const LINES: &[(&[u8], u16, &str)] = &[
    (b"BDAT 184467440737095516155 LAST", 501, "a size that wraps must not become a small one"),
    (b"MAIL FROM:<u@d> SIZE=184467440737095516155", 501, "nor SIZE"),
    (b"MAIL FROM:<u@d> SIZE=18446744073709551616", 501, "2^64 neither, though it has 20 digits"),
    (b"RCPT TO:<Postmaster>", 0, "RFC 5321 §4.5.1"),
    (b"RCPT TO:<pOSTMASTER>", 0, "in any case"),
    (b"RCPT TO:<>", 501, "a forward-path is never null"),
    (b"MAIL FROM:<postmaster>", 501, "only RCPT knows the bare name"),
    (b"MA\rIL FROM:<a\rb@c.d>\r\n", 501, "a bare CR is refused, never deleted"),
    (b"MAIL FROM:<a\rb@c.d>\r\n", 501, "a bare CR is refused, never deleted"),
    (b"MAIL FROM:<>", 0, "the null reverse-path"),
    (b"MAIL FROM:<u@[127.0.0.1]>", 0, "an IPv4 literal"),
    (b"MAIL FROM:<u@[IPv6:2001:db8::1]>", 0, "an IPv6 literal"),
    (b"MAIL FROM:<u@[999.1.1.1]>", 501, "Snum is at most 255"),
    (b"MAIL FROM:<u@[127.0.0.01]>", 501, "ours: a leading zero reads as octal to some"),
    (b"MAIL FROM:<u@[x-tag:hello]>", 0, "a general literal"),
    (b"MAIL FROM:<\"a@b\"@example.com>", 0, "quoted, and the quotes are kept"),
    (b"MAIL FROM:<\"a b\"@example.com>", 0, "quoted, and the quotes are kept"),
    (b"MAIL FROM:<\"\"@example.com>", 0, "*QcontentSMTP may be nothing"),
    (b"MAIL FROM:<\"a\"b@example.com>", 501, "one Quoted-string or one Dot-string"),
    (b"MAIL FROM:<foo@bar\"x y\".com>", 501, "no quotes in a domain"),
    (b"RCPT TO:<@a.example,@b.example:user@d.example>", 0, "a route is ignored"),
    (b"MAIL FROM:<a..b@d>", 501, "an empty atom"),
    (b"MAIL FROM:<.a@d>", 501, "an empty atom in front"),
    (b"MAIL FROM:<a.@d>", 501, "an empty atom at the end"),
    (b"MAIL FROM:<a,b@d>", 501, "a comma is no atext"),
    (b"MAIL FROM:<user@xn--bcher-kva.example>", 0, "an A-label"),
    (b"MAIL FROM:<u@a--b.example>", 0, "hyphens inside a label"),
    (b"MAIL FROM:<u@-a.example>", 501, "a label begins with no hyphen"),
    (b"MAIL FROM:<u@a-.example>", 501, "nor ends with one"),
    (b"MAIL FROM:<u@foo_bar.example>", 501, "no underscore but by leniency"),
    (b"MAIL FROM:<u@example.com.>", 501, "no final dot but by leniency"),
    (b"MAIL FROM:<a@b.c(comment)>", 501, "comments are RFC 5322"),
    (b"MAIL FROM:< a @ b.c >", 501, "so is white space"),
    (b"MAIL FROM:<u@x.y", 501, "the bracket is not closed"),
    ("MAIL FROM:<jörg@d>".as_bytes(), 553, "SMTPUTF8 is not asked for"),
    ("MAIL FROM:<jörg@d> SMTPUTF8".as_bytes(), 0, "and here it is"),
    (b"MAIL FROM:<j\xF6rg@d>", 501, "not UTF-8, never replaced"),
    (b"MAIL FROM:<j\xF6rg@d> SMTPUTF8", 501, "not UTF-8, never replaced"),
    (b"MAIL FROM:<a\x7Fb@d>", 501, "DEL"),
    (b"MAIL FROM:<a\x00b@d>", 501, "NUL"),
    (b"MAIL FROM:<a@b> \r\n", 0, "trailing space is tolerated (RFC 5321 §4.1.1)"),
    (b"DATA \r\n", 0, "trailing space is tolerated"),
    (b"NOOP \r\n", 0, "trailing space is tolerated"),
    (b"DATA foo", 501, "no argument belongs here"),
    (b"QUIT now", 501, "no argument belongs here"),
    (b"RSET x", 501, "no argument belongs here"),
    (b"STARTTLS foo", 501, "RFC 3207 §4"),
    (b"BDAT 5 LAST junk", 501, "nothing follows LAST"),
    (b"RCPT TO:<u@d> NOTIFY=NEVER,SUCCESS", 501, "NEVER stands alone"),
    (b"RCPT TO:<u@d> NOTIFY=SUCCESS,NEVER", 501, "at either end"),
    (b"MAIL FROM:<u@d> RET=HDRS RET=FULL", 501, "a parameter twice"),
    (b"MAIL FROM:<u@d> SIZE=1 SIZE=2", 501, "a parameter twice"),
    (b"MAIL FROM:<u@d> BODY=8BITMIME BODY=BINARYMIME", 501, "a parameter twice"),
    (b"MAIL FROM:<u@d> MT-PRIORITY=99", 501, "-9 to 9"),
    (b"MAIL FROM:<u@d> BY=0;R", 501, "above zero with R"),
    (b"RCPT TO:<u@d> RRVS=2014-13-45T99:99:99Z", 501, "no such date"),
    (b"MAIL FROM:<u@d> HOLDFOR=1 HOLDUNTIL=2", 501, "one of the two"),
    (b"MAIL FROM:<u@d> HOLDFOR=1 HOLDUNTIL=2025-01-02T03:04:05Z", 501, "one of the two"),
    (b"MAIL FROM:<u@d> HOLDUNTIL=2025-01-02T03:04:05Z", 0, "RFC 4865: a date-time"),
    (b"RCPT TO:<u@d> ORCPT=utf-8;user@example.com", 0, "RFC 6533"),
    (b"MAIL FROM:<u@d> BODY", 501, "the value is missing"),
    (b"MAIL FROM:<u@d> RET", 501, "the value is missing"),
    (b"RCPT TO:<u@d> NOTIFY", 501, "the value is missing"),
    (b"MAIL FROM: <u@d>", 501, "a named leniency takes it"),
    (b"MAIL FROM:u@d", 501, "a named leniency takes it"),
    (b"MAIL  FROM:<u@d>", 501, "no leniency takes it"),
    (b"MAIL FROM :<u@d>", 501, "no leniency takes it"),
    (b"AUTH KERBEROS_V4", 0, "RFC 4422: an underscore is in names"),
];

#[test]
fn every_line_is_judged_as_written() {
    for &(line, code, why) in LINES {
        let parsed = Command::parse(line);
        let says = parsed.map_or_else(|error| error.fault.reply().code(), |_| 0);
        assert_eq!(says, code, "{}: {why}", line.escape_ascii());
    }
}

#[test]
fn no_leniency_takes_a_misplaced_space_in_front_of_the_colon() {
    let all = Leniency::NAMES.iter().fold(Leniency::STRICT, |all, (one, _)| all.with(*one));
    for line in [&b"MAIL  FROM:<u@d>"[..], b"MAIL FROM :<u@d>", b"RCPT  TO:<u@d>", b"RCPT TO :<u@d>"] {
        assert!(Command::parse_with(line, all).is_err(), "{}", line.escape_ascii());
    }
}

#[test]
fn a_quoted_local_part_is_never_another_mailbox() {
    let mailbox = |line: &'static [u8]| match Command::parse(line) {
        Ok(Command::Rcpt { path, .. }) => path,
        other => panic!("{other:?}"),
    };
    let quoted = mailbox(b"RCPT TO:<\"a@b.c\"@example.com>");
    assert_eq!(quoted.as_bytes(), b"\"a@b.c\"@example.com");
    assert_eq!(quoted.domain().unwrap(), "example.com");
    assert_ne!(quoted, mailbox(b"RCPT TO:<a@b.c>"));
}

#[test]
fn a_line_is_never_ended_by_less_than_cr_lf() {
    for (line, why) in [
        (&b"QUIT\n"[..], "a bare LF at the end"),
        (b"QUIT\r", "a bare CR at the end"),
        (b"NOOP a\nRSET\r\n", "a bare LF inside"),
        (b"NOOP a\r\r\n", "one CR too many"),
        (b"STARTTLS\nMAIL FROM:<a@b>\r\n", "nothing is smuggled before TLS"),
    ] {
        assert!(Command::parse(line).is_err(), "{why}");
        assert!(Command::parse_with(line, Leniency::DEVICES).is_err(), "{why}");
    }
    let unsafe_lf = Leniency::STRICT.with(Leniency::UNSAFE_LF_COMMANDS);
    assert_eq!(Command::parse_with(b"QUIT\n", unsafe_lf).unwrap().0, Command::Quit);
    assert!(Command::parse_with(b"NOOP a\nRSET\r\n", unsafe_lf).is_err(), "only at the end");
}

#[test]
fn absent_is_not_zero() {
    let params = |line: &'static [u8]| match Command::parse(line) {
        Ok(Command::Mail { params, .. }) => params,
        other => panic!("{other:?}"),
    };
    assert_eq!(params(b"MAIL FROM:<>").size(), None);
    assert_eq!(params(b"MAIL FROM:<> SIZE=0").size(), Some(0));
    assert!(!params(b"MAIL FROM:<>").contains(Param::Size));
    let Ok(Command::Rcpt { params, .. }) = Command::parse(b"RCPT TO:<a@b> NOTIFY=NEVER") else { panic!() };
    assert_eq!(params.notify(), Some(Notify::NEVER), "NEVER is not the same as nothing said");
    let Ok(Command::Rcpt { params, .. }) = Command::parse(b"RCPT TO:<a@b>") else { panic!() };
    assert_eq!(params.notify(), None);
    let Ok(Command::Auth { initial, .. }) = Command::parse(b"AUTH EXTERNAL =") else { panic!() };
    assert_eq!(initial.map(|text| text.decoded_len()), Some(0), "an empty response is one");
    let Ok(Command::Auth { initial, .. }) = Command::parse(b"AUTH EXTERNAL") else { panic!() };
    assert_eq!(initial, None);
}

#[test]
fn long_lines_are_refused_at_their_limit() {
    let noop = |len: usize| [&b"NOOP "[..], &vec![b'x'; len - 7], b"\r\n"].concat();
    assert!(Command::parse(&noop(4_096)).is_ok());
    assert_eq!(Command::parse(&noop(4_097)).unwrap_err().fault, smtp_proto::Fault::LineTooLong);
    let auth = |len: usize| [&b"AUTH PLAIN "[..], &vec![b'A'; len - 13], b"\r\n"].concat();
    assert!(Command::parse(&auth(12_285)).is_ok());
    assert_eq!(Command::parse(&auth(12_289)).unwrap_err().fault, smtp_proto::Fault::LineTooLong);
    let mail = |spaces: usize| [&b"MAIL FROM:<a@b>"[..], &vec![b' '; spaces], b"\r\n"].concat();
    assert_eq!(Command::parse(&mail(4_079)).unwrap().verb(), Verb::Mail);
    assert!(Command::parse(&mail(4_080)).is_err());
}

#[test]
fn unknown_parameters_are_not_without_number() {
    let line = |n: usize| {
        let params: String = (0..n).map(|i| format!(" X{i}")).collect();
        format!("MAIL FROM:<a@b>{params}")
    };
    assert!(Command::parse(line(32).as_bytes()).is_ok());
    assert_eq!(Command::parse(line(33).as_bytes()).unwrap_err().fault.reply().code(), 555);
}
