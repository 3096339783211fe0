//! The mail catcher, as tests use it.
#![cfg(feature = "testing")]

#[path = "client/catching.rs"]
mod catching;
#[path = "client/mod.rs"]
mod client;

use std::net::TcpStream;
use std::time::Duration;

use catching::{is_closed, sign_up};
use client::Client;
use smtp_tokio::testing::Catcher;
use smtp_tokio::{Reply, ServerConfig};

const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
const LATER: Reply<'static> = Reply::new(451, (4, 2, 0), "Mailbox busy, try again later");

#[tokio::test]
async fn a_slow_mailbox_gets_its_mail() {
    let mx = Catcher::start().await;
    mx.on_rcpt("ghost@*", &[NO_USER]);
    mx.on_rcpt("slow@*", &[LATER, Reply::new(250, (2, 1, 5), "Ok")]);
    sign_up("slow@a.example", mx.addr()).unwrap();
    let mail = mx.next().await;
    assert!(mail.content().starts_with(b"From: "), "{}", mx.transcript());
    assert_eq!(mail.recipients()[0].as_str(), "slow@a.example");
    let tried_again = "S: 451 4.2.0 Mailbox busy, try again later\nC: RCPT TO:<slow@a.example>\n";
    assert!(mx.transcript().contains(tried_again), "{}", mx.transcript());
    assert_eq!(sign_up("ghost@a.example", mx.addr()).unwrap_err(), "550 5.1.1 No such user\r\n");
    assert_eq!(mx.try_next(), None, "{}", mx.transcript());
}

#[tokio::test]
async fn each_command_is_answered_by_script() {
    let mx = Catcher::start().await;
    mx.on_auth("eve", &[Reply::new(535, (5, 7, 8), "Not you")]);
    mx.on_mail("spam@*", &[NO_USER]);
    mx.on_data(&[LATER, Reply::bare(354, "Go on")]);
    mx.on_verdict(&[Reply::new(421, (4, 3, 2), "Going down")]);
    let mut client = Client::connect(mx.addr());
    client.expect(&[
        ("EHLO app.example", "250"),
        ("AUTH PLAIN AGV2ZQB4", "535 5.7.8 Not you"),
        ("AUTH PLAIN AHRpbQB4", "235"),
        ("MAIL FROM:<spam@a.example>", "550 5.1.1"),
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<a@b.example>", "250"),
        ("DATA", "451 4.2.0"),
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<a@b.example>", "250"),
        ("DATA", "354"),
        (".", "421 4.3.2 Going down"),
    ]);
    assert!(is_closed(client));
    assert_eq!(mx.try_next(), None);
    let transcript = mx.transcript();
    assert!(transcript.contains("AUTH PLAIN <redacted 8 octets>\n"), "{transcript}");
}

#[tokio::test]
async fn a_message_that_does_not_come_shows_what_came() {
    let mx = Catcher::start_with(ServerConfig::new("mx.example").unwrap()).await;
    Client::connect(mx.addr()).expect(&[("EHLO app.example", "250-mx.example"), ("NOOP", "250")]);
    let waiting = tokio::spawn(async move { mx.next_within(Duration::ZERO).await });
    let text = waiting.await.unwrap_err().into_panic().downcast::<String>().unwrap();
    assert!(text.starts_with(concat!(file!(), ":")), "{text}");
    assert!(text.contains("no mail within 0ns") && text.contains("C: EHLO app.example\n"), "{text}");
    assert!(text.ends_with("C: NOOP\nS: 250 2.0.0 Ok\n"), "{text}");
}

#[tokio::test]
async fn a_dropped_catcher_is_gone() {
    let mx = Catcher::start().await;
    let address = mx.addr();
    let client = Client::connect(address);
    drop(mx);
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
    assert!(is_closed(client));
}

#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn mail_comes_under_tls_both_ways() {
    let mx = Catcher::start().await;
    catching::send_both_ways(mx.addr(), mx.tls_addr(), mx.certificate());
    for _ in ["TLS first", "STARTTLS"] {
        let mail = mx.next().await;
        assert!(mail.is_encrypted());
        assert_eq!((mail.user(), mail.content()), (Some("tim"), &b"x\r\n"[..]));
    }
    let transcript = mx.transcript();
    assert_eq!(transcript.matches("-- Content(\"x\\r\\n\")\n").count(), 2, "{transcript}");
    assert!(!transcript.contains("tanstaaf") && !transcript.contains("AHRpbQB0"), "{transcript}");
}

#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn a_handshake_that_fails_shows_in_the_transcript() {
    let mx = Catcher::start().await;
    let mut stream = TcpStream::connect(mx.tls_addr()).unwrap();
    std::io::Write::write_all(&mut stream, b"EHLO app.example\r\n").unwrap();
    drop(stream);
    let noted = async {
        while !mx.transcript().contains("-- Close(TlsFailed)\n") {
            tokio::task::yield_now().await;
        }
    };
    let noted = tokio::time::timeout(Duration::from_secs(30), noted).await;
    assert!(noted.is_ok(), "{}", mx.transcript());
}
