//! What each extension changes in a server session: what is offered when, what is refused where it is not.

use smtp_proto::Mailbox;
use smtp_proto::sasl::Mechanism;
use smtp_proto::server::{AuthWhen, Extension, Facts, Need, Peer, ReceivedBy, ServerConfig, Step, TlsInfo};
use smtp_proto::wire::reply::Reply;

mod support;

use support::{Wire, config};

/// A client whose every wish is granted, and what the application saw of it.
struct Client {
    wire: Wire,
    greeting: String,
    seen: Vec<String>,
}

impl Client {
    fn new(config: ServerConfig, peer: Peer) -> Self {
        let wire = Wire::with_peer(config, peer);
        let mut client = Self { wire, greeting: String::new(), seen: Vec::new() };
        client.greeting = client.send(b"");
        client
    }

    fn greeted(config: ServerConfig) -> Self {
        let mut client = Self::new(config, Peer::unknown());
        assert!(client.say("EHLO client.example").starts_with("250"));
        client
    }

    fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes())
    }

    fn send(&mut self, octets: &[u8]) -> String {
        self.wire.arrive(octets);
        let seen = &mut self.seen;
        let need = self.wire.go_with(|step| {
            note(seen, &step);
            match step {
                Step::Auth(auth) => auth.accept_as("tim"),
                step => step.accept(),
            }
        });
        if need == Need::Upgrade {
            let now = self.wire.now;
            self.wire
                .session
                .tls_established(&mut self.wire.buffer.input(), TlsInfo::default(), now)
                .unwrap();
        }
        self.wire.said()
    }

    fn facts(&self) -> &Facts {
        self.wire.session.facts()
    }
}

fn note(seen: &mut Vec<String>, step: &Step<'_, '_>) {
    seen.push(match step {
        Step::Connect(_) => "connect".into(),
        Step::Mail(mail) => format!("{:?}", mail.params()),
        Step::Rcpt(rcpt) => format!("{:?}", rcpt.params()),
        Step::Etrn(etrn) => format!("etrn {}", etrn.node().name()),
        Step::Vrfy(vrfy) => format!("vrfy {}", vrfy.argument().as_bytes().escape_ascii()),
        Step::Expn(expn) => format!("expn {}", expn.argument().as_bytes().escape_ascii()),
        Step::Xforward(xforward) => xforward.attributes().as_bytes().escape_ascii().to_string(),
        _ => return,
    });
}

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

fn local() -> Peer {
    Peer::at((LOOPBACK, 40_000).into())
}

fn plain(config: ServerConfig, when: AuthWhen) -> ServerConfig {
    config.auth(&[Mechanism::PLAIN], when)
}

// ---- what is offered ---------------------------------------------------------------------------------------

/// What is different about a configuration.
type Change = fn(ServerConfig) -> ServerConfig;

/// The line, how to offer it, whether it is offered in clear and under TLS, and why.
type Offered = (&'static str, Change, bool, bool, &'static str);

const OFFERED: &[Offered] = &[
    ("PIPELINING", |it| it, true, true, "needs nothing"),
    ("PIPELINING", |it| it.withhold(Extension::Pipelining), false, false, "switched off"),
    ("8BITMIME", |it| it, true, true, "needs nothing"),
    ("ENHANCEDSTATUSCODES", |it| it, true, true, "needs nothing"),
    ("SIZE 52428800", |it| it, true, true, "there is always a limit"),
    ("SIZE 1000", |it| it.limits(|limits| limits.message = 1_000), true, true, "as it is set"),
    ("SMTPUTF8", |it| it, false, false, "the application must be able to"),
    ("SMTPUTF8", |it| it.offer(Extension::Smtputf8), true, true, "8BITMIME is there"),
    (
        "SMTPUTF8",
        |it| it.offer(Extension::Smtputf8).withhold(Extension::EightBitMime),
        false,
        false,
        "not without 8BITMIME",
    ),
    ("CHUNKING", |it| it.offer(Extension::Chunking), true, true, "as told"),
    ("BINARYMIME", |it| it.offer(Extension::BinaryMime), false, false, "not without CHUNKING"),
    (
        "BINARYMIME",
        |it| it.offer(Extension::BinaryMime).offer(Extension::Chunking),
        true,
        true,
        "CHUNKING is there",
    ),
    (
        "BINARYMIME",
        |it| it.offer(Extension::BinaryMime).offer(Extension::Chunking).withhold(Extension::EightBitMime),
        false,
        false,
        "its BODY is 8BITMIME's",
    ),
    ("DSN", |it| it.offer(Extension::Dsn), true, true, "as told"),
    ("STARTTLS", |it| it, true, false, "once"),
    ("REQUIRETLS", |it| it.offer(Extension::RequireTls), false, true, "only what came safely can go on so"),
    ("RRVS", |it| it.offer(Extension::Rrvs), true, true, "as told"),
    ("EXPN", |it| it.offer(Extension::Expn), true, true, "must be announced where it works"),
    ("ETRN", |it| it.offer(Extension::Etrn), true, true, "as told"),
    ("LIMITS RCPTMAX=1000", |it| it.offer(Extension::Limits), true, true, "the limit there is"),
    ("DELIVERBY 0", |it| it.offer(Extension::DeliverBy), true, true, "no minimum"),
    (
        "FUTURERELEASE 2592000 9999-12-31T23:59:59Z",
        |it| it.offer(Extension::FutureRelease),
        true,
        true,
        "seconds and date-time",
    ),
    ("MT-PRIORITY", |it| it.offer(Extension::MtPriority), true, true, "no profile"),
    ("AUTH PLAIN", |it| plain(it, AuthWhen::Tls), false, true, "no password in clear"),
    ("AUTH PLAIN", |it| plain(it, AuthWhen::Always), true, true, "by a switch that says so"),
    ("AUTH PLAIN", |it| it, false, false, "no mechanism"),
    (
        "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
        |it| it.offer(Extension::Xclient),
        false,
        false,
        "not to a stranger",
    ),
];

#[test]
fn an_extension_is_offered_where_it_is_switched_on_and_legal() {
    for (line, offer, clear, tls, why) in OFFERED {
        let mut client = Client::new(offer(config().offer(Extension::StartTls)), Peer::unknown());
        let has = |said: String| said.lines().any(|one| &one[4..] == *line);
        assert_eq!(has(client.say("EHLO client.example")), *clear, "{line} in clear: {why}");
        assert!(client.say("STARTTLS").starts_with("220 "), "{line}: {why}");
        assert_eq!(has(client.say("EHLO client.example")), *tls, "{line} under TLS: {why}");
    }
}

/// Parameters of MAIL or RCPT, and how to offer them.
const PARAMS: &[(&str, Change)] = &[
    ("MAIL FROM:<> BODY=8BITMIME", |it| it.offer(Extension::EightBitMime)),
    ("MAIL FROM:<> BODY=BINARYMIME", |it| {
        it.offer(Extension::EightBitMime).offer(Extension::Chunking).offer(Extension::BinaryMime)
    }),
    ("MAIL FROM:<> SMTPUTF8", |it| it.offer(Extension::EightBitMime).offer(Extension::Smtputf8)),
    ("MAIL FROM:<> RET=HDRS ENVID=x", |it| it.offer(Extension::Dsn)),
    ("MAIL FROM:<> BY=60;R", |it| it.offer(Extension::DeliverBy)),
    ("MAIL FROM:<> HOLDFOR=60", |it| it.offer(Extension::FutureRelease)),
    ("MAIL FROM:<> HOLDUNTIL=2030-01-01T00:00:00Z", |it| it.offer(Extension::FutureRelease)),
    ("MAIL FROM:<> MT-PRIORITY=-3", |it| it.offer(Extension::MtPriority)),
    ("MAIL FROM:<> AUTH=<>", |it| plain(it, AuthWhen::Always)),
    ("RCPT TO:<a@b.example> NOTIFY=NEVER ORCPT=rfc822;a@b.example", |it| it.offer(Extension::Dsn)),
    ("RCPT TO:<a@b.example> RRVS=2020-01-01T00:00:00Z", |it| it.offer(Extension::Rrvs)),
];

#[test]
fn a_parameter_is_taken_where_its_extension_is_offered_and_is_555_elsewhere() {
    for (line, offer) in PARAMS {
        let bare = || config().withhold(Extension::EightBitMime);
        for (config, code) in [(offer(bare()), "250 2.1."), (bare(), "555 5.5.4")] {
            let mut client = Client::greeted(config);
            if line.starts_with("RCPT") {
                client.say("MAIL FROM:<>");
            }
            let said = client.say(line);
            assert!(said.starts_with(code), "{line}: {said}");
        }
    }
}

#[test]
fn requiretls_is_555_in_clear_and_taken_under_tls() {
    let mut client = Client::greeted(config().offer(Extension::StartTls).offer(Extension::RequireTls));
    assert!(client.say("MAIL FROM:<> REQUIRETLS").starts_with("555 5.5.4"));
    client.say("STARTTLS");
    client.say("EHLO client.example");
    assert!(client.say("MAIL FROM:<> REQUIRETLS").starts_with("250 2.1.0"));
}

/// A line, its code, and why.
const VALUES: &[(&str, &str, &str)] = &[
    ("MAIL FROM:<> BY=59;R", "501 5.5.4", "less than the minimum"),
    ("MAIL FROM:<> BY=60;R", "250", "the minimum"),
    ("MAIL FROM:<> BY=1;N", "250", "the minimum is for R"),
    ("MAIL FROM:<> HOLDFOR=3601", "501 5.5.4", "over the maximum"),
    ("MAIL FROM:<> HOLDFOR=3600", "250", "the maximum"),
    ("MAIL FROM:<> HOLDUNTIL=2030-01-01T00:00:01Z", "501 5.5.4", "a second too late"),
    ("MAIL FROM:<> HOLDUNTIL=2030-01-01T01:00:00+01:00", "250", "the latest, in another zone"),
    ("MAIL FROM:<> SIZE=1001", "552 5.3.4", "over the limit"),
    ("MAIL FROM:<> SIZE=1000", "250", "the limit"),
];

#[test]
fn values_beyond_what_was_announced_are_refused() {
    for (line, code, why) in VALUES {
        let config = config().offer(Extension::DeliverBy).offer(Extension::FutureRelease);
        let config = config.hold_until("2030-01-01T00:00:00Z").unwrap();
        let mut client = Client::greeted(config.limits(|limits| {
            (limits.deliver_by, limits.hold, limits.message) = (60, 3_600, 1_000);
        }));
        let said = client.say(line);
        assert!(said.starts_with(code), "{line}: {why}: {said}");
    }
}

#[test]
fn the_limit_of_recipients_is_announced_as_it_is_held_and_is_never_below_a_hundred() {
    for (set, announced) in [(5, 100), (101, 101)] {
        let config = config().offer(Extension::Limits).limits(|limits| limits.recipients = set);
        let mut client = Client::greeted(config);
        let said = client.say("EHLO client.example");
        assert!(said.contains(&format!("LIMITS RCPTMAX={announced}\r\n")), "{said}");
        client.say("MAIL FROM:<>");
        for n in 0..announced {
            assert!(client.say("RCPT TO:<a@mx.example>").starts_with("250 2.1.5"), "{n} of {announced}");
        }
        assert!(client.say("RCPT TO:<a@mx.example>").starts_with("452 4.5.3"));
    }
}

#[test]
fn lmtp_offers_what_it_must_and_answers_once_for_each_recipient_taken() {
    let lmtp = || ServerConfig::lmtp("mx.example").unwrap().offer(Extension::Chunking);
    let mut client = Client::new(lmtp(), Peer::unknown());
    let said = client.say("LHLO client.example");
    for line in ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"] {
        assert!(said.lines().any(|one| &one[4..] == line), "{line}: {said}");
    }
    client.say("MAIL FROM:<>");
    assert!(client.say("DATA").starts_with("503 5.5.1"), "nobody was named");
    client.say("RCPT TO:<a@mx.example>");
    client.say("RCPT TO:<b@mx.example>");
    assert_eq!(client.send(b"BDAT 2\r\nhi").lines().count(), 1, "a chunk that is not the last");
    let said = client.send(b"BDAT 0 LAST\r\n");
    assert_eq!(said.lines().filter(|line| line.starts_with("250 2.0.0 ")).count(), 2, "{said}");
}

#[test]
fn a_recipient_in_utf8_needs_a_transaction_with_smtputf8() {
    let mut client = Client::greeted(config().offer(Extension::Smtputf8));
    client.say("MAIL FROM:<a@b.example>");
    assert!(client.say("RCPT TO:<jörg@mx.example>").starts_with("553 5.6.7"));
    client.say("RSET");
    client.say("MAIL FROM:<jörg@b.example> SMTPUTF8");
    assert!(client.say("RCPT TO:<jörg@mx.example>").starts_with("250 2.1.5"));
}

#[test]
fn what_a_sender_says_about_reports_reaches_the_application() {
    let mut client = Client::greeted(config().offer(Extension::Dsn));
    client.say("MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1");
    client.say("RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@d.example");
    assert_eq!(
        client.seen[1..],
        ["MailParams(RET=HDRS ENVID=QQ+2B1)", "RcptParams(NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@d.example)"]
    );
}

// ---- commands that an extension adds -----------------------------------------------------------------------

#[test]
fn lookups_reach_the_application_where_they_are_switched_on() {
    let lines = ["ETRN @example.org", "VRFY joe", "EXPN list"];
    let mut client = Client::greeted(config());
    for (line, code) in lines.iter().zip(["502 5.5.1", "252 2.5.2", "502 5.5.1"]) {
        assert!(client.say(line).starts_with(code), "{line}");
    }
    assert_eq!(client.seen, ["connect"], "the session answered by itself");
    let extensions = [Extension::Etrn, Extension::Vrfy, Extension::Expn];
    let mut client = Client::greeted(extensions.into_iter().fold(config(), ServerConfig::offer));
    for line in lines {
        assert!(client.say(line).starts_with("25"), "{line}");
    }
    assert_eq!(client.seen[1..], ["etrn example.org", "vrfy joe", "expn list"]);
}

fn proxied() -> ServerConfig {
    config().offer(Extension::Xclient).offer(Extension::Xforward).trust([127, 0, 0, 0].into(), 8)
}

#[test]
fn xclient_starts_the_session_over_as_the_client_it_names() {
    let mut client = Client::new(proxied(), local());
    assert!(client.say("EHLO proxy.example").contains("250-XCLIENT NAME ADDR"));
    let said = client.say("XCLIENT ADDR=IPV6:2001:db8::9 PORT=1234 HELO=other.example");
    assert_eq!(said, client.greeting, "the greeting again");
    assert_eq!(client.seen, ["connect", "connect"], "the application decides about the client named");
    assert_eq!(client.facts().peer().remote(), Some("[2001:db8::9]:1234".parse().unwrap()));
    assert_eq!(client.facts().hello(), b"other.example");
    assert!(client.say("MAIL FROM:<>").starts_with("503 5.5.1"), "EHLO is needed again");
    client.say("EHLO other.example");
    client.say("MAIL FROM:<>");
    assert!(client.say("XCLIENT ADDR=192.0.2.9").starts_with("503 5.5.1"), "not in a transaction");
}

#[test]
fn xforward_is_for_the_log_and_changes_nothing() {
    let mut client = Client::new(proxied(), local());
    assert!(client.say("EHLO proxy.example").contains("XFORWARD NAME ADDR"));
    assert!(client.say("XFORWARD NAME=a.example ADDR=192.0.2.9").starts_with("250 2.0.0"));
    assert!(client.say("XFORWARD SOURCE=REMOTE").starts_with("250 2.0.0"), "it may be repeated");
    assert_eq!(client.seen[1..], ["NAME=a.example ADDR=192.0.2.9", "SOURCE=REMOTE"]);
    assert_eq!(client.facts().peer().remote(), Some((LOOPBACK, 40_000).into()));
    assert!(client.say("MAIL FROM:<>").starts_with("250 2.1.0"));
    assert!(client.say("XFORWARD NAME=a.example").starts_with("503 5.5.1"), "not in a transaction");

    let mut stranger = Client::new(proxied(), Peer::at(([192, 0, 2, 1], 25).into()));
    assert!(!stranger.say("EHLO client.example").contains("XFORWARD"));
    assert!(stranger.say("XFORWARD NAME=a.example").starts_with("550 5.7.0"));
}

// ---- replies and trace -------------------------------------------------------------------------------------

#[test]
fn enhanced_codes_stand_on_all_replies_but_the_three_kinds_without() {
    let lines =
        ["EHLO client.example", "MAIL FROM:<>", "RCPT TO:<a@mx.example>", "NOOP", "XYZZY", "DATA", "."];
    for offered in [true, false] {
        let config = if offered { config() } else { config().withhold(Extension::EnhancedStatusCodes) };
        let mut client = Client::new(config, Peer::unknown());
        assert_eq!(client.greeting, "220 mx.example ESMTP\r\n");
        for line in lines {
            for text in client.say(line).lines() {
                let has = text[4..].split('.').count() == 3 && text[4..5] == text[..1] && &text[5..6] == ".";
                let wanted = offered && !line.starts_with("EHLO") && line != "DATA";
                assert_eq!(has, wanted, "{line}: {text}");
            }
        }
        assert_eq!(client.say("QUIT"), if offered { "221 2.0.0 Bye\r\n" } else { "221 Bye\r\n" });
    }
}

/// What the session is at, what an application says without an enhanced code, and what the client reads.
const BARE: &[(&str, Reply<'static>, &str)] = &[
    ("Connect", Reply::bare(554, "No"), "554 No\r\n"),
    ("Hello", Reply::bare(550, "No"), "550 No\r\n"),
    ("Mail", Reply::bare(250, "Yes"), "250 2.0.0 Yes\r\n"),
    ("Rcpt", Reply::bare(450, "Later"), "450 4.0.0 Later\r\n"),
    ("Data", Reply::bare(554, "No"), "554 5.0.0 No\r\n"),
    ("Verdict", Reply::bare(250, "Yes"), "250 2.0.0 Yes\r\n"),
];

#[test]
fn a_reply_made_without_an_enhanced_code_gets_one_where_one_must_stand() {
    let lines = "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\nDATA\r\n.\r\n";
    for (name, reply, said) in BARE {
        for hangs_up in [false, true] {
            let mut wire = Wire::new(config().without_arrival_checks());
            wire.arrive(lines.as_bytes());
            wire.go_with(|step| {
                if !format!("{step:?}").starts_with(&format!("{name}(")) {
                    return step.accept();
                }
                match step {
                    Step::Connect(it) if hangs_up => it.hang_up(reply),
                    Step::Hello(it) if hangs_up => it.hang_up(reply),
                    Step::Connect(it) => it.decide(reply),
                    Step::Hello(it) => it.decide(reply),
                    Step::Mail(it) => it.decide(reply),
                    Step::Rcpt(it) => it.decide(reply),
                    Step::Data(it) => it.decide(reply),
                    Step::Verdict(it) => it.decide(reply),
                    other => other.accept(),
                }
            });
            let all = wire.said();
            assert!(all.contains(said), "{name}: {all}");
        }
    }
    let mut wire = Wire::new(config());
    wire.session.shut_down();
    wire.go();
    assert_eq!(wire.said(), "421 Service not available, try again later\r\n", "a greeting has none");
}

#[test]
fn refusals_are_counted_with_the_code_that_was_said() {
    let mut wire = Wire::new(config().without_arrival_checks());
    wire.arrive(b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\nRCPT TO:<b@mx.example>\r\n");
    wire.arrive(b"RCPT TO:<c@mx.example>\r\nXYZZY\r\n");
    let mut recipients = 0;
    wire.go_with(|step| match step {
        Step::Rcpt(rcpt) => {
            recipients += 1;
            match recipients {
                1 => rcpt.refuse(&Reply::new(556, (5, 1, 10), "Null MX")),
                2 => rcpt.accept(),
                _ => {}
            }
        }
        other => other.accept(),
    });
    let facts = wire.session.facts();
    assert_eq!((facts.refusals(), facts.last_refusal()), (2, Some(451)), "a dropped token refuses, too");
    assert_eq!(Client::greeted(config()).facts().last_refusal(), None);
}

#[test]
fn a_host_or_a_domain_that_takes_no_mail_can_say_so() {
    const NO_MAIL: Reply<'static> = Reply::new(521, (5, 3, 2), "mx.example takes no mail");
    const NULL_MX: Reply<'static> = Reply::new(556, (5, 1, 10), "Domain takes no mail");
    let mut wire = Wire::new(config());
    wire.go_with(|step| match step {
        Step::Connect(connect) => connect.refuse(&NO_MAIL),
        other => panic!("{other:?}"),
    });
    assert_eq!(wire.said(), "521 mx.example takes no mail\r\n", "no enhanced code in a greeting");
    wire.send(b"EHLO client.example\r\n");
    assert!(wire.said().starts_with("503 Error"));
    wire.send(b"QUIT\r\n");
    assert!(wire.said().starts_with("221 "));

    let mut wire = Wire::greeted(config());
    wire.send(b"MAIL FROM:<>\r\n");
    wire.said();
    wire.arrive(b"RCPT TO:<a@null.example>\r\n");
    wire.go_with(|step| match step {
        Step::Rcpt(rcpt) => rcpt.refuse(&NULL_MX),
        other => panic!("{other:?}"),
    });
    assert_eq!(wire.said(), "556 5.1.10 Domain takes no mail\r\n");
}

/// LMTP, TLS, AUTH, SMTPUTF8, and the name of it all.
const WITH: &[(bool, bool, bool, bool, &str)] = &[
    (false, false, false, false, "ESMTP"),
    (false, false, true, false, "ESMTPA"),
    (false, true, false, false, "ESMTPS"),
    (false, true, true, false, "ESMTPSA"),
    (true, false, false, false, "LMTP"),
    (true, false, true, false, "LMTPA"),
    (true, true, false, false, "LMTPS"),
    (true, true, true, false, "LMTPSA"),
    (false, false, false, true, "UTF8SMTP"),
    (false, false, true, true, "UTF8SMTPA"),
    (false, true, false, true, "UTF8SMTPS"),
    (false, true, true, true, "UTF8SMTPSA"),
    (true, false, false, true, "UTF8LMTP"),
    (true, false, true, true, "UTF8LMTPA"),
    (true, true, false, true, "UTF8LMTPS"),
    (true, true, true, true, "UTF8LMTPSA"),
];

#[test]
fn how_mail_came_in_has_its_registered_name() {
    for &(lmtp, tls, auth, utf8, name) in WITH {
        let config = if lmtp { ServerConfig::lmtp("mx.example").unwrap() } else { config() };
        let config = plain(config, AuthWhen::Always).offer(Extension::Smtputf8);
        let peer = if tls { Peer::unknown().over_tls(TlsInfo::default()) } else { Peer::unknown() };
        let mut client = Client::new(config, peer);
        client.say(if lmtp { "LHLO client.example" } else { "EHLO client.example" });
        if auth {
            assert!(client.say("AUTH PLAIN AHRpbQBwdw==").starts_with("235 2.7.0"), "{name}");
        }
        client.say(if utf8 { "MAIL FROM:<> SMTPUTF8" } else { "MAIL FROM:<>" });
        assert_eq!(client.facts().with_protocol(), name);
    }
    let mut client = Client::new(config(), Peer::unknown());
    client.say("HELO client.example");
    assert_eq!(client.facts().with_protocol(), "SMTP");
}

#[test]
fn the_trace_header_says_who_by_whom_how_for_whom_and_when() {
    let date = "Tue, 05 May 2026 09:03:01 +0200";
    let by = |for_| ReceivedBy { from: None, host: "mx.example", id: "4711", date, for_ };
    let mut client = Client::new(config(), Peer::at("[2001:db8::1]:25".parse().unwrap()));
    client.say("EHLO client.example");
    let one = client.facts().received(by(Some(Mailbox::parse(b"c@mx.example").unwrap())));
    let want = "Received: from client.example ([IPv6:2001:db8::1])\r\n\tby mx.example with ESMTP id 4711\r\n\
        \tfor <c@mx.example>; Tue, 05 May 2026 09:03:01 +0200\r\n";
    assert_eq!(String::from_utf8(one).unwrap(), want);
    let several = client.facts().received(by(None));
    assert_eq!(String::from_utf8(several).unwrap(), want.replace("\r\n\tfor <c@mx.example>", ""));
    let named = client.facts().received(ReceivedBy { from: Some("host.isp.example"), ..by(None) });
    let from = "Received: from client.example (host.isp.example [IPv6:2001:db8::1])\r\n";
    assert!(named.starts_with(from.as_bytes()), "{}", named.escape_ascii());
    let mut unknown = Client::new(config(), Peer::unknown());
    unknown.say("EHLO client.example");
    let without = unknown.facts().received(ReceivedBy { from: Some("host.isp.example"), ..by(None) });
    assert!(without.starts_with(b"Received: from client.example\r\n"), "a name alone proves nothing");
}
