//! To Postfix's smtp-sink in each of its moods. Its `-q` leaves without a word, `-Q` with 421, `-r` refuses for now with 450
//! and `-f` for good with 500, each at the commands that it names; both of the latter switch PIPELINING off.

use std::net::SocketAddr;
use std::time::Duration;

use super::daemon::{Daemon, free_address, program};
use super::{config, mailbox};
use crate::adapter::client::{ConnectError, Why};
use crate::adapter::{Client, ClientConfig, Envelope, Outcome, block_on};
use smtp_proto::wire::ehlo::Keyword;
use smtp_proto::wire::params::{Body, MailParamsBuf, Ret};

struct Sink {
    _daemon: Daemon,
    address: SocketAddr,
}

impl Sink {
    fn start(flags: &str) -> Option<Self> {
        let (mut command, address) = (program("smtp-sink")?, free_address());
        // Root has to say whom it becomes.
        command.args(flags.split_whitespace()).args(["-u", "nobody"]);
        let daemon = Daemon::start(command.args([&address.to_string(), "10"]));
        daemon.wait_for_connection(address);
        Some(Self { _daemon: daemon, address })
    }

    /// Connects, sends one message to two recipients and then another, and tells what came of it.
    fn told(&self, config: ClientConfig) -> String {
        block_on(async {
            let mut client = match Client::to(self.address.to_string(), config).connect().await {
                Ok(client) => client,
                Err(error) => return failure(error),
            };
            let from = mailbox("me@client.example");
            let to = ["a@sink.example", "b@sink.example"].map(mailbox);
            let mut told = Vec::new();
            for _ in 0..2 {
                let sent = client.send(&Envelope::new(&from).to(&to), b"Subject: x\r\n\r\n.\r\n").await;
                let [first, second] = &sent[..] else { panic!("{sent:?}") };
                assert_eq!(first, second, "each stage is the same for both");
                told.push(outcome(first));
            }
            match client.session().close_reason() {
                Some(reason) => told.push(format!("closed {reason:?}")),
                None => client.quit().await,
            }
            told.join("; ")
        })
    }
}

fn outcome(outcome: &Outcome) -> String {
    let retry = outcome.retry();
    match outcome {
        Outcome::Accepted(reply) => format!("Accepted {} {retry:?}", reply.code()),
        Outcome::Refused(reply) => format!("Refused {} {retry:?}", reply.code()),
        Outcome::NotTried(Why::Closed(_)) => format!("Closed {retry:?}"),
        Outcome::NotTried(why) => format!("{why:?} {retry:?}"),
        Outcome::Unknown => format!("Unknown {retry:?}"),
    }
}

fn failure(error: ConnectError) -> String {
    match error {
        ConnectError::Closed { reason, reply: Some(reply) } => {
            format!("no session {reason:?}, {}", reply.code())
        }
        ConnectError::Closed { reason, reply: None } => format!("no session {reason:?}"),
        other => format!("{other:?}"),
    }
}

const BOTH: &str = "Accepted 250 Never; Accepted 250 Never";
const FOR_NOW: &str = "Refused 450 Later; Refused 450 Later";
const FOR_GOOD: &str = "Refused 500 Never; Refused 500 Never";

/// What smtp-sink is told; what becomes of the first message, the second, and the connection; why.
const STAGES: &[(&str, &str, &str)] = &[
    ("", BOTH, "the measure of the others"),
    ("-q connect", "no session PeerGone(Connection)", "nothing was said at all"),
    ("-Q connect", "no session Unwelcome(421), 421", "busy"),
    ("-r connect", "no session Unwelcome(450), 450", "the greeting refuses, not the answer to QUIT"),
    ("-f connect", "no session Unwelcome(500), 500", "the same for good"),
    ("-e -q helo", "no session PeerGone(Hello), 500", "EHLO was refused, and HELO not answered"),
    ("-e -Q helo", "no session HelloRefused(421), 421", "421 ends it at HELO too"),
    ("-e -r helo", "no session HelloRefused(450), 450", "HELO is the last try"),
    ("-e -f helo", "no session HelloRefused(500), 500", "the same for good"),
    ("-q ehlo", "no session PeerGone(Hello), 220", "to fall back to HELO needs an answer"),
    ("-Q ehlo", "no session HelloRefused(421), 421", "421 is no reason for HELO"),
    ("-r ehlo", "no session HelloRefused(450), 450", "4yz is no reason for HELO: it knows the command"),
    ("-f ehlo", BOTH, "5yz is: HELO follows"),
    ("-q mail", "Closed OtherHost; Closed OtherHost; closed PeerGone(Mail)", "nothing was out"),
    ("-Q mail", "Closed OtherHost; Closed OtherHost; closed Farewell(Mail)", "about the host, not the mail"),
    ("-r mail", FOR_NOW, "one answer for all recipients"),
    ("-f mail", FOR_GOOD, "the same for good"),
    ("-q rcpt", "Closed OtherHost; Closed OtherHost; closed PeerGone(Rcpt(0))", "nothing was out"),
    (
        "-Q rcpt",
        "Closed OtherHost; Closed OtherHost; closed Farewell(Rcpt(0))",
        "421 is no answer about a mailbox",
    ),
    ("-r rcpt", FOR_NOW, "each recipient is refused, and RSET follows"),
    ("-f rcpt", FOR_GOOD, "the same for good"),
    ("-q data", "Closed OtherHost; Closed OtherHost; closed PeerGone(Data)", "the content is not out"),
    ("-Q data", "Closed OtherHost; Closed OtherHost; closed Farewell(Data)", "the content is not out"),
    ("-r data", FOR_NOW, "DATA's answer is for all who were taken"),
    ("-f data", FOR_GOOD, "the same for good"),
    (
        "-q .",
        "Unknown AskUser; Closed OtherHost; closed PeerGone(Content(None))",
        "it may have the first, not the second",
    ),
    (
        "-Q .",
        "Refused 421 Later; Closed OtherHost; closed Farewell(Content(None))",
        "421 there says that it does not",
    ),
    ("-r .", FOR_NOW, "the verdict"),
    ("-f .", FOR_GOOD, "the verdict"),
    (
        "-f rcpt -q rset",
        "Refused 500 Never; Closed OtherHost; closed PeerGone(Rset)",
        "what was refused stays so",
    ),
    (
        "-f rcpt -Q rset",
        "Refused 500 Never; Closed OtherHost; closed Farewell(Rset)",
        "what was refused stays so",
    ),
    (
        "-f rcpt -r rset",
        "Refused 500 Never; Closed OtherHost; closed OutOfStep { to: Rset, code: 450 }",
        "a transaction that can't be ended must not be gone on with",
    ),
    (
        "-f rcpt,rset",
        "Refused 500 Never; Closed OtherHost; closed OutOfStep { to: Rset, code: 500 }",
        "the same for good",
    ),
    ("-q quit", BOTH, "QUIT changes nothing"),
    ("-Q quit", BOTH, "QUIT changes nothing"),
    ("-r quit", BOTH, "QUIT changes nothing"),
    ("-f quit", BOTH, "QUIT changes nothing"),
];

#[test]
fn whatever_smtp_sink_does_at_each_stage_the_outcome_is_what_it_has() {
    for (flags, wanted, why) in STAGES {
        let Some(sink) = Sink::start(flags) else { return };
        assert_eq!(sink.told(config()), *wanted, "{flags}: {why}");
    }
}

/// Extensions that smtp-sink has.
const KEYWORDS: [Keyword; 7] = [
    Keyword::Pipelining,
    Keyword::EightBitMime,
    Keyword::EnhancedStatusCodes,
    Keyword::Dsn,
    Keyword::Auth,
    Keyword::Xclient,
    Keyword::Xforward,
];

/// What smtp-sink is told, which of [`KEYWORDS`] are missing then, why.
const OFFERS: &[(&str, &[Keyword], &str)] = &[
    ("", &[], "all of it"),
    ("-8", &[Keyword::EightBitMime], "7 bits"),
    ("-a", &[Keyword::Auth], "nobody logs in"),
    ("-C", &[Keyword::Xclient], "not behind a proxy"),
    ("-E", &[Keyword::EnhancedStatusCodes], "plain codes"),
    ("-F", &[Keyword::Xforward], "not behind a filter"),
    ("-N", &[Keyword::Dsn], "no reports"),
    ("-p", &[Keyword::Pipelining], "command by command"),
    ("-8 -a -C -E -F -N -p", &KEYWORDS, "EHLO with nothing to offer"),
    ("-e", &KEYWORDS, "no ESMTP: HELO"),
    ("-P", &KEYWORDS, "a greeting of asterisks, and HELO"),
];

#[test]
fn a_message_goes_out_whatever_smtp_sink_leaves_out_of_its_offer() {
    for (flags, missing, why) in OFFERS {
        let Some(sink) = Sink::start(flags) else { return };
        assert_eq!(sink.told(config()), BOTH, "{flags}: {why}");
        let client = block_on(Client::to(sink.address.to_string(), config()).connect()).unwrap();
        let without: Vec<_> = KEYWORDS.into_iter().filter(|one| !client.session().offers(*one)).collect();
        assert_eq!(without, *missing, "{flags}: {why}");
    }
}

#[test]
fn what_smtp_sink_does_not_offer_is_not_asked_of_it() {
    let Some(sink) = Sink::start("-8 -N") else { return };
    let eight_bit = "Subject: x\r\n\r\n\u{e9}\r\n".as_bytes();
    let params = MailParamsBuf::new().ret(Ret::Hdrs);
    block_on(async {
        let (from, to) = (mailbox("me@client.example"), mailbox("a@sink.example"));
        let plain = Envelope::new(&from).to(&to);
        let mut client = Client::to(sink.address.to_string(), config()).connect().await.unwrap();
        let rows = [
            (plain, eight_bit, "Unsupported(EightBitMime) OtherHost", "content in 8 bits"),
            (plain.params(&params), b"x\r\n".as_slice(), "Unsupported(Dsn) OtherHost", "RET"),
            (plain.body(Body::BinaryMime), b"x\r\n", "Unsupported(BinaryMime) OtherHost", "binary"),
            (plain, b"a\nb\r\n", "BareNewline Never", "no server takes it"),
            (plain, b"x\r\n", "Accepted 250 Never", "the connection is as it was"),
        ];
        for (envelope, content, wanted, why) in rows {
            assert_eq!(outcome(&client.send(&envelope, content).await[0]), wanted, "{why}");
        }
        let lax = config().send_8bit_anyway();
        let mut client = Client::to(sink.address.to_string(), lax).connect().await.unwrap();
        assert_eq!(outcome(&client.send(&plain, eight_bit).await[0]), "Accepted 250 Never");
    });
}

#[test]
fn a_stage_at_which_smtp_sink_sleeps_has_its_own_deadline() {
    let rows = [
        ("-W connect:9", "no session Timeout(Greeting)"),
        ("-W ehlo:9", "no session Timeout(Hello), 220"),
        ("-p -W mail:9", "Closed OtherHost; Closed OtherHost; closed Timeout(Mail)"),
        ("-p -W rcpt:9", "Closed OtherHost; Closed OtherHost; closed Timeout(Rcpt)"),
        ("-p -W data:9", "Closed OtherHost; Closed OtherHost; closed Timeout(DataInit)"),
        ("-W .:9", "Unknown AskUser; Closed OtherHost; closed Timeout(DataEnd)"),
        ("-W quit:9", BOTH),
    ];
    for (flags, wanted) in rows {
        let Some(sink) = Sink::start(flags) else { return };
        let hasty = config().timeouts(|waits| {
            let soon = Duration::from_millis(300);
            let all = [
                &mut waits.greeting,
                &mut waits.hello,
                &mut waits.mail,
                &mut waits.rcpt,
                &mut waits.data_init,
                &mut waits.data_end,
                &mut waits.quit,
            ];
            all.into_iter().for_each(|wait| *wait = soon);
        });
        assert_eq!(sink.told(hasty), wanted, "{flags}");
    }
}

#[test]
fn content_that_smtp_sink_does_not_read_is_not_sent_in_full() {
    // More than the buffers of both ends hold.
    let long = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(1 << 18);
    // It says 550 behind the 354 and reads on no more, or sleeps.
    for (flags, wanted) in [("-A 0", "Refused 550 Never"), ("-T 4096 -H 60", "Closed OtherHost")] {
        let Some(sink) = Sink::start(flags) else { return };
        block_on(async {
            let hasty = config().timeouts(|waits| waits.data_block = Duration::from_millis(300));
            let mut client = Client::to(sink.address.to_string(), hasty).connect().await.unwrap();
            let (from, to) = (mailbox("me@client.example"), mailbox("a@sink.example"));
            let outcomes = client.send(&Envelope::new(&from).to(&to), &long).await;
            assert_eq!(outcome(&outcomes[0]), wanted, "{flags} {outcomes:?}");
            assert!(
                client.session().close_reason().is_some(),
                "{flags}: nothing can follow unfinished content"
            );
        });
    }
}

#[test]
fn each_recipient_has_a_verdict_of_its_own_from_smtp_sink_by_lmtp() {
    let rows = [
        ("-L", BOTH, "accepted twice"),
        ("-L -f .", FOR_GOOD, "refused twice"),
        (
            "-L -q .",
            "Unknown AskUser; Closed OtherHost; closed PeerGone(Content(Some(0)))",
            "no verdict came",
        ),
        ("-L -f rcpt", FOR_GOOD, "no DATA is sent for nobody"),
        ("-L -f lhlo", "no session HelloRefused(500), 500", "LMTP has no HELO"),
    ];
    for (flags, wanted, why) in rows {
        let Some(sink) = Sink::start(flags) else { return };
        assert_eq!(sink.told(ClientConfig::lmtp("client.example").unwrap()), wanted, "{flags}: {why}");
    }
}
