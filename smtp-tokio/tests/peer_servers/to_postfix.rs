//! To a whole Postfix.

use std::sync::Arc;

use smtp_proto::wire::ehlo::{Keyword, Size};
use smtp_proto::wire::params::{Body, MailParamsBuf, Notify, RcptParamsBuf, Ret};

use super::daemon::free_address;
use super::postfix::Postfix;
use super::{codes, config, mailbox, nasty, self_made};
use crate::adapter::client::{Recipient, Why};
use crate::adapter::{Client, Envelope, Outcome, ReplyBuf, Retry, TlsPolicy, block_on, tls};

/// Most octets of a message.
const MOST: u64 = 300_000;

/// Recipients of a transaction.
const RECIPIENTS: usize = 10;

/// With a table of whom it knows, one of whom it puts off, and a certificate.
const SETTINGS: &str = "
myhostname = mx.store.example
mynetworks =
local_header_rewrite_clients =
virtual_mailbox_domains = store.example, many.example
virtual_mailbox_maps = texthash:$config_directory/boxes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access texthash:$config_directory/access
smtpd_tls_security_level = may
smtpd_tls_cert_file = $config_directory/chain.pem
smtpd_tls_key_file = $config_directory/key.pem
";

const BOXES: &str = "alice@store.example alice/\nbob@store.example bob/\nj\u{fc}rgen@store.example j\u{fc}rgen/\n\
    @many.example many/\n";

struct Peer {
    postfix: Postfix,
    certificate: String,
}

impl Peer {
    fn start() -> Option<Self> {
        let (certificate, key) = self_made("mx.store.example");
        let beside = [
            ("chain.pem", certificate.as_str()),
            ("key.pem", &key),
            ("access", "busy@store.example 450 4.2.1 Try again later\n"),
            ("boxes", BOXES),
        ];
        let limits = format!("message_size_limit = {MOST}\nsmtpd_recipient_limit = {RECIPIENTS}\n");
        let postfix = Postfix::start_with(free_address(), &beside, &format!("{SETTINGS}{limits}"))?;
        Some(Self { postfix, certificate })
    }

    async fn connect(&self) -> Client {
        let connected = Client::to(self.postfix.address.to_string(), config()).connect().await;
        connected.unwrap_or_else(|error| panic!("{error}: {}", self.postfix.daemon.said()))
    }

    /// Waits until it has delivered to `user` what holds `part`, and returns that. Postfix stores lines with LF.
    fn delivered(&self, user: &str, part: &str) -> String {
        loop {
            self.postfix.daemon.wait_for(&format!("to=<{user}@store.example>, relay=virtual"));
            let stored = self.postfix.mail(user);
            let mut texts = stored.iter().map(|octets| octets.escape_ascii().to_string());
            if let Some(text) = texts.find(|text| text.contains(part)) {
                return text;
            }
        }
    }
}

/// A message as Postfix stores it.
fn stored(message: &[u8]) -> String {
    message.escape_ascii().to_string().replace("\\r\\n", "\\n")
}

/// One for all, as it takes a second to start.
#[test]
fn postfix_delivers_what_was_sent_and_is_understood_in_what_it_refuses() {
    let Some(peer) = Peer::start() else { return };
    each_recipient_has_its_answer(&peer);
    it_reports_and_takes_utf8(&peer);
    what_is_too_big_is_not_sent_or_refused_at_the_end(&peer);
    more_recipients_than_it_takes_at_once_get_it_in_further_transactions(&peer);
    a_proxy_sends_chunks_by_hand(&peer);
}

fn each_recipient_has_its_answer(peer: &Peer) {
    // Longer lines than RFC 5321 allows; Postfix takes 2048 octets at a time.
    let message = nasty(50_000);
    let trusting = Arc::new(tls::client_config(peer.certificate.as_bytes()).unwrap());
    let connect = Client::to(peer.postfix.address.to_string(), config())
        .tls(TlsPolicy::Required)
        .tls_config(trusting)
        .server_name("mx.store.example");
    let outcomes = block_on(async {
        let connected = connect.connect().await;
        let mut client = connected.unwrap_or_else(|error| panic!("{error}: {}", peer.postfix.daemon.said()));
        assert!(client.session().is_verified());
        let wrong = connect.clone().server_name("mx.other.example").connect().await;
        assert!(wrong.is_err(), "a certificate for another name");
        let from = mailbox("me@client.example");
        let to = ["alice@store.example", "ghost@store.example", "busy@store.example", "you@other.example"];
        let outcomes = client.send(&Envelope::new(&from).to(&to.map(mailbox)), &message).await;
        let bob = mailbox("bob@store.example");
        let again = client.send(&Envelope::new(&from).to(&bob), &message).await;
        assert_eq!(codes(&again), [250]);
        client.quit().await;
        outcomes
    });
    assert_eq!(codes(&outcomes), [250, 550, 450, 554], "{outcomes:?}");
    let retry: Vec<_> = outcomes.iter().map(Outcome::retry).collect();
    assert_eq!(retry, [Retry::Never, Retry::Never, Retry::Later, Retry::Never]);
    for user in ["alice", "bob"] {
        let text = peer.delivered(user, "Subject: nasty");
        assert!(text.ends_with(&stored(&message)), "{text}");
        assert!(text.contains("with ESMTPS"), "it saw TLS: {text}");
    }
}

fn it_reports_and_takes_utf8(peer: &Peer) {
    let text = "Subject: gr\u{fc}\u{df}e\r\nFrom: <me@client.example>\r\n\r\n\u{20ac}\r\n".as_bytes();
    let (bob, alice, jurgen) =
        (mailbox("bob@store.example"), mailbox("alice@store.example"), mailbox("j\u{fc}rgen@store.example"));
    block_on(async {
        let mut client = peer.connect().await;
        for keyword in [Keyword::Dsn, Keyword::EightBitMime, Keyword::SmtpUtf8, Keyword::Chunking] {
            assert!(client.session().offers(keyword), "{keyword:?}");
        }
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
    let got = peer.delivered("j\u{fc}rgen", "Subject");
    assert!(got.ends_with(&stored(text)), "{got}");
    let report = peer.delivered("bob", "Subject: Successful Mail Delivery Report\\n");
    for part in [
        "Original-Envelope-Id: QQ+314=159\\n",
        "Original-Recipient: rfc822;al+ice@old.example\\n",
        "Action: delivered\\n",
    ] {
        assert!(report.contains(part), "no {part}: {report}");
    }
}

fn what_is_too_big_is_not_sent_or_refused_at_the_end(peer: &Peer) {
    let big = [b"Subject: big\r\n\r\n".as_slice(), &b"0123456789abcd\r\n".repeat(20_000)].concat();
    let (from, alice) = (mailbox("me@client.example"), mailbox("alice@store.example"));
    let envelope = Envelope::new(&from).to(&alice);
    block_on(async {
        let mut client = peer.connect().await;
        assert_eq!(client.extensions().unwrap().size(), Some(Size::Octets(MOST)));
        let outcomes = client.send(&envelope, &big).await;
        let wanted = Why::TooBig { octets: big.len() as u64, limit: MOST };
        assert_eq!(outcomes, [Outcome::NotTried(wanted)]);
        assert_eq!(outcomes[0].retry(), Retry::Never);
        // Neither MAIL nor a count stops this one; the server does, once it has read all of it.
        let blind = config().ignore(&[Keyword::Size]);
        let mut client = Client::to(peer.postfix.address.to_string(), blind).connect().await.unwrap();
        let outcomes = client.send(&envelope, &big).await;
        assert_eq!(codes(&outcomes), [552], "{outcomes:?}");
        let outcomes = client.send(&envelope, b"Subject: small\r\n\r\n").await;
        assert_eq!(codes(&outcomes), [250], "the connection is as it was");
        let outcomes = client.send(&envelope.body(Body::BinaryMime), b"\0").await;
        assert_eq!(outcomes, [Outcome::NotTried(Why::Unsupported(Keyword::BinaryMime))]);
    });
}

fn more_recipients_than_it_takes_at_once_get_it_in_further_transactions(peer: &Peer) {
    let to: Vec<_> = (0..25).map(|number| mailbox(&format!("{number}@many.example"))).collect();
    block_on(async {
        let mut client = peer.connect().await;
        let from = mailbox("me@client.example");
        let outcomes = client.send(&Envelope::new(&from).to(&to), b"Subject: all\r\n\r\n").await;
        assert_eq!(codes(&outcomes), [250; 25]);
        // The queue's name is in each answer: three of them.
        let mut queued: Vec<_> =
            outcomes.iter().filter_map(Outcome::reply).map(ReplyBuf::to_string).collect();
        queued.dedup();
        assert_eq!(queued.len(), 3, "{queued:?}");
        client.quit().await;
    });
}

fn a_proxy_sends_chunks_by_hand(peer: &Peer) {
    block_on(async {
        let mut client = peer.connect().await;
        let alice = mailbox("alice@store.example");
        let bare = smtp_proto::wire::params::RcptParams::EMPTY;
        let eight_bit = MailParamsBuf::new().body(Body::EightBitMime);
        let sent = client.mail((&alice).into(), eight_bit.as_params()).await.unwrap();
        assert_eq!(sent.code(), 250);
        assert_eq!(client.rcpt(alice.as_mailbox(), bare).await.unwrap().code(), 250);
        // What looks like a command or an end is none within a chunk.
        let chunks = b"BDAT 37\r\nSubject: chunks\r\n\r\n.\r\nQUIT\r\nRSET\r\n\xff\r\nBDAT 3 LAST\r\n.\r\n";
        client.raw(chunks).await.unwrap();
        assert_eq!(client.reply().await.unwrap().code(), 250);
        assert_eq!(client.reply().await.unwrap().code(), 250);
        client.quit().await;
    });
    let got = peer.delivered("alice", "Subject: chunks");
    let sent = b"Subject: chunks\r\n\r\n.\r\nQUIT\r\nRSET\r\n\xff\r\n.\r\n";
    assert!(got.ends_with(&stored(sent)), "{got}");
}
