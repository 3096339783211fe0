//! To Exim: its pace when commands are pipelined, its chunks, its reports, its limits for a connection.

use std::sync::Arc;

use smtp_proto::wire::ehlo::{Keyword, Size};
use smtp_proto::wire::params::{Body, MailParamsBuf, Notify, RcptParams, RcptParamsBuf, Ret};

use super::daemon::{Daemon, free_address, program};
use super::exim::{DOMAIN, Exim, HOST, LOGIN, PASSWORD, Setup, as_sent};
use super::{codes, config, mailbox, nasty, self_made};
use crate::adapter::client::{Connect, ConnectError, Recipient, Why};
use crate::adapter::{
    Client, Credentials, Envelope, MailboxBuf, Outcome, Pool, ReplyBuf, Retry, TlsPolicy, block_on, tls,
};

/// Most octets of a message.
const MOST: u64 = 300_000;

/// Limits that a message or a connection runs into.
const LIMITS: &str = "message_size_limit = 300000\nrecipients_max = 10\nsmtp_accept_max_per_connection = 4\n";

const USERS: [&str; 3] = ["alice", "bob", "j\u{fc}rgen"];

/// An address of Exim's domain.
fn at(user: &str) -> MailboxBuf {
    mailbox(&format!("{user}@{DOMAIN}"))
}

/// A started Exim, and who trusts its certificate.
struct Peer {
    exim: Exim,
    certificate: String,
}

impl Peer {
    fn start(more: &str) -> Option<Self> {
        let (certificate, key) = self_made(HOST);
        let setup =
            Setup { users: &USERS, certificate: Some((&certificate, &key)), more, ..Setup::default() };
        let exim = Exim::start(&setup)?;
        Some(Self { exim, certificate })
    }

    fn in_clear(&self) -> Connect {
        Client::to(self.exim.address().to_string(), config())
    }

    fn under_tls(&self) -> Connect {
        let trusting = Arc::new(tls::client_config(self.certificate.as_bytes()).unwrap());
        self.in_clear().tls(TlsPolicy::Required).tls_config(trusting).server_name(HOST)
    }

    /// Checks what a user has got, and nothing else; returns it with what Exim has put above.
    fn has(&self, user: &str, sent: &[&[u8]]) -> Vec<String> {
        let stored = self.exim.delivered(user, sent.len());
        let mut got: Vec<_> = stored.iter().map(|one| as_sent(one).escape_ascii().to_string()).collect();
        let mut sent: Vec<_> = sent.iter().map(|one| one.escape_ascii().to_string()).collect();
        // Two deliveries at once have no order.
        got.sort();
        sent.sort();
        assert_eq!(got, sent, "{user}: {}", self.exim.log());
        stored.iter().map(|one| one.escape_ascii().to_string()).collect()
    }
}

#[test]
fn exim_stores_what_was_sent_and_each_recipient_has_its_answer() {
    let Some(peer) = Peer::start("") else { return };
    let message = nasty(50_000);
    let to = ["alice", "ghost", "busy", "bob"].map(at);
    let to = [&to[..], &[mailbox("you@other.example")]].concat();
    let outcomes = block_on(async {
        let mut client = peer.under_tls().connect().await.unwrap();
        assert!(client.session().is_verified());
        let wrong = peer.under_tls().server_name("mx.other.example").connect().await;
        assert!(wrong.is_err(), "a certificate for another name");
        let from = mailbox("me@client.example");
        let outcomes = client.send(&Envelope::new(&from).to(&to), &message).await;
        client.quit().await;
        outcomes
    });
    assert_eq!(codes(&outcomes), [250, 550, 451, 250, 550], "{outcomes:?}");
    let retry: Vec<_> = outcomes.iter().map(Outcome::retry).collect();
    assert_eq!(retry, [Retry::Never, Retry::Never, Retry::Later, Retry::Never, Retry::Never]);
    for user in ["alice", "bob"] {
        let stored = peer.has(user, &[&message]);
        assert!(stored[0].contains("with esmtps"), "it saw TLS: {}", stored[0]);
    }
}

#[test]
fn many_recipients_reach_exim_in_transactions_of_what_it_takes_at_once() {
    let Some(peer) = Peer::start(LIMITS) else { return };
    let mut to: Vec<_> = (0..25).map(|number| at(["alice", "bob"][number % 2])).collect();
    to[13] = at("ghost");
    block_on(async {
        let mut client = peer.in_clear().connect().await.unwrap();
        let from = mailbox("me@client.example");
        let outcomes = client.send(&Envelope::new(&from).to(&to), b"Subject: all\r\n\r\n").await;
        let mut wanted = [250; 25];
        wanted[13] = 550;
        assert_eq!(codes(&outcomes), wanted, "{outcomes:?}");
        // The queue's name is in each answer.
        let mut queued: Vec<_> = outcomes.iter().filter(|one| one.is_accepted()).collect();
        queued.dedup_by_key(|one| one.reply().map(ReplyBuf::to_string));
        assert_eq!(queued.len(), 3, "{queued:?}");
        client.quit().await;
    });
    // Exim delivers once to whom it was told of several times.
    for user in ["alice", "bob"] {
        assert_eq!(peer.exim.delivered(user, 3).len(), 3);
    }
}

#[test]
fn exim_takes_chunks_by_hand_and_what_it_can_not_take_is_not_sent() {
    let Some(peer) = Peer::start(LIMITS) else { return };
    let (from, alice) = (mailbox("me@client.example"), at("alice"));
    block_on(async {
        let mut client = peer.under_tls().connect().await.unwrap();
        for keyword in [Keyword::Dsn, Keyword::EightBitMime, Keyword::SmtpUtf8, Keyword::Chunking] {
            assert!(client.session().offers(keyword), "{keyword:?}");
        }
        assert_eq!(client.extensions().unwrap().size(), Some(Size::Octets(MOST)));
        let envelope = Envelope::new(&from).to(&alice);
        let outcomes = client.send(&envelope.body(Body::BinaryMime), b"\0").await;
        assert_eq!(outcomes, [Outcome::NotTried(Why::Unsupported(Keyword::BinaryMime))]);
        let eight_bit = MailParamsBuf::new().body(Body::EightBitMime);
        assert_eq!(client.mail((&from).into(), eight_bit.as_params()).await.unwrap().code(), 250);
        assert_eq!(client.rcpt(alice.as_mailbox(), RcptParams::EMPTY).await.unwrap().code(), 250);
        // What looks like a command or an end is none within a chunk.
        let first = b"Subject: chunks\r\n\r\n.\r\nQUIT\r\nRSET\r\n\xff\r\n";
        assert_eq!(client.bdat(first).await.unwrap().code(), 250);
        assert_eq!(client.bdat_last(b".\r\n").await.unwrap().code(), 250);
        client.quit().await;
    });
    peer.has("alice", &[b"Subject: chunks\r\n\r\n.\r\nQUIT\r\nRSET\r\n\xff\r\n.\r\n"]);
}

#[test]
fn what_is_too_big_for_exim_is_not_sent_or_refused_at_the_end() {
    let Some(peer) = Peer::start(LIMITS) else { return };
    let big = [b"Subject: big\r\n\r\n".as_slice(), &b"0123456789abcd\r\n".repeat(20_000)].concat();
    let (from, alice) = (mailbox("me@client.example"), at("alice"));
    let envelope = Envelope::new(&from).to(&alice);
    block_on(async {
        let mut client = peer.in_clear().connect().await.unwrap();
        let outcomes = client.send(&envelope, &big).await;
        assert_eq!(outcomes, [Outcome::NotTried(Why::TooBig { octets: big.len() as u64, limit: MOST })]);
        let blind = config().ignore(&[Keyword::Size]);
        let blind = Client::to(peer.exim.address().to_string(), blind);
        let mut client = blind.connect().await.unwrap();
        let outcomes = client.send(&envelope, &big).await;
        assert_eq!(codes(&outcomes), [552], "{outcomes:?}");
        let outcomes = client.send(&envelope, b"Subject: small\r\n\r\n").await;
        assert_eq!(codes(&outcomes), [250], "the connection is as it was");
    });
    peer.has("alice", &[b"Subject: small\r\n\r\n"]);
}

#[test]
fn exim_reports_takes_utf8_and_lets_in_whom_it_knows() {
    let Some(peer) = Peer::start("") else { return };
    let text = "Subject: gr\u{fc}\u{df}e\r\nFrom: <me@client.example>\r\n\r\n\u{20ac}\r\n".as_bytes();
    let (bob, alice, jurgen) = (at("bob"), at("alice"), at("j\u{fc}rgen"));
    block_on(async {
        let login = |password: &str| peer.under_tls().credentials(Credentials::password(LOGIN, password));
        let wrong = login("x").connect().await.unwrap_err();
        let ConnectError::AuthFailed { reply, .. } = &wrong else { panic!("{wrong:?}") };
        assert_eq!(reply.code(), 535);
        let mut client = login(PASSWORD).connect().await.unwrap();
        let outcomes = client.send(&Envelope::new(&bob).to(&jurgen), text).await;
        assert_eq!(codes(&outcomes), [250], "{outcomes:?}");
        let params = MailParamsBuf::new().ret(Ret::Hdrs).envid("QQ+314=159").unwrap();
        let wants = RcptParamsBuf::new().notify(Notify::SUCCESS);
        let wants = wants.orcpt("rfc822", "al+ice@old.example").unwrap();
        let to = [Recipient::new(&alice).params(&wants)];
        let outcomes = client.send(&Envelope::new(&bob).to(&to).params(&params), text).await;
        assert_eq!(codes(&outcomes), [250], "{outcomes:?}");
        client.quit().await;
    });
    let stored = peer.has("j\u{fc}rgen", &[text]);
    assert!(stored[0].contains("with utf8esmtpsa"), "it saw UTF-8, TLS and a login: {}", stored[0]);
    let report = peer.exim.delivered("bob", 1)[0].escape_ascii().to_string();
    // It reports what it was given as it came: both in xtext.
    for part in [
        "Original-Envelope-ID: QQ+2B314+3D159\\r\\n",
        "Original-Recipient: rfc822;al+2Bice@old.example\\r\\n",
        "Action: delivered\\r\\n",
    ] {
        assert!(report.contains(part), "no {part}: {report}");
    }
}

#[test]
fn a_pool_goes_on_where_exim_has_had_enough_of_a_connection() {
    let Some(peer) = Peer::start(LIMITS) else { return };
    let message = |number: usize| format!("Subject: {number}\r\n\r\n.{number}\r\n").into_bytes();
    block_on(async {
        let pool = Pool::to(peer.under_tls()).connections(1).build();
        let (from, alice) = (mailbox("me@client.example"), at("alice"));
        for number in 0..10 {
            let outcomes = pool.send(&Envelope::new(&from).to(&alice), &message(number)).await;
            assert_eq!(codes(&outcomes), [250], "{number}: {outcomes:?}");
        }
        pool.close_idle().await;
        // Four by one connection, and the fifth MAIL is answered 421.
        let stats = pool.stats();
        assert_eq!((stats.messages, stats.connected, stats.accepted), (10, 3, 10), "{stats:?}");
    });
    let sent: Vec<_> = (0..10).map(message).collect();
    peer.has("alice", &sent.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn what_exim_forwards_waits_in_its_queue_until_the_next_host_is_there() {
    let next = free_address();
    let (forwards, routes) = ([("info", "you@next.example")], [("next.example", next)]);
    let setup = Setup { forwards: &forwards, routes: &routes, ..Setup::default() };
    let Some(exim) = Exim::start(&setup) else { return };
    let Some(mut sink) = program("smtp-sink") else { return };
    block_on(async {
        let mut client = Client::to(exim.address().to_string(), config()).connect().await.unwrap();
        assert!(!client.session().offers(Keyword::StartTls), "without a certificate");
        let from = mailbox("me@client.example");
        let outcomes = client.send(&Envelope::new(&from).to(&at("info")), b"Subject: on\r\n\r\n").await;
        assert_eq!(codes(&outcomes), [250], "{outcomes:?}");
        client.quit().await;
    });
    exim.wait_for("Connection refused");
    assert!(exim.queue().contains("info@exim.example"), "{}", exim.queue());
    let sink = Daemon::start(sink.args(["-u", "nobody", &next.to_string(), "10"]));
    sink.wait_for_connection(next);
    exim.empty_queue();
    exim.wait_for("=> you@next.example <info@exim.example>");
}
