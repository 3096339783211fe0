//! What a client checks of a message before it is sent, what it says of it, and how the content travels.
#![cfg(feature = "testing")]

use smtp_proto::client::{CloseReason, Contradiction, Why};
use smtp_proto::testing::{Letter, Task};
use smtp_proto::wire::content::SendNewlines;
use smtp_proto::wire::ehlo::Keyword;
use smtp_proto::wire::params::{Body, MailParamsBuf, Notify, RcptParamsBuf, Ret};

#[path = "support/client.rs"]
mod support;

use support::{HI, config, greeted_with, letter, pipelining, send};

#[test]
fn each_message_that_a_server_cannot_take_is_an_error_before_anything_is_sent() {
    let ehlo = b"250-mx.example\r\n250-PIPELINING\r\n250 SIZE 100\r\n";
    let base = || letter(&["you@b.example"]);
    let content = |octets: &[u8]| Letter { content: octets.to_vec(), ..base() };
    let ret = MailParamsBuf::new().ret(Ret::Hdrs);
    let notify = RcptParamsBuf::new().notify(Notify::NEVER);
    let with_notify = Letter { to: vec![("you@b.example".parse().unwrap(), notify)], ..base() };
    let rows = [
        (content("\r\n\u{fc}\r\n".as_bytes()), "Unsupported(EightBitMime)", "8-bit content"),
        (
            content("x: \u{fc}\r\n\r\n".as_bytes()),
            "Unsupported(EightBitMime)",
            "8-bit header and 7-bit server",
        ),
        (content(b"a\nb\r\n"), "BareNewline", "a bare LF"),
        (content(b"a\rb\r\n"), "BareNewline", "a bare CR"),
        (content(b"a\r"), "BareNewline", "a bare CR at the end"),
        (
            content(&[b'x'; 99]),
            "TooBig { octets: 101, limit: 100 }",
            "over SIZE with the CR LF that is added",
        ),
        (Letter { require_tls: true, ..base() }, "NotUnderTls", "REQUIRETLS in clear"),
        (Letter { params: ret, ..base() }, "Unsupported(Dsn)", "RET without DSN"),
        (with_notify, "Unsupported(Dsn)", "NOTIFY without DSN"),
        (Letter { stream: Some(Body::BinaryMime), ..base() }, "Unsupported(BinaryMime)", "BINARYMIME"),
        (letter(&["j\u{f6}rg@b.example"]), "Unsupported(SmtpUtf8)", "a UTF-8 recipient"),
        (
            Letter::new("j\u{f6}rg@b.example", &["a@b.example"], HI).unwrap(),
            "Unsupported(SmtpUtf8)",
            "a UTF-8 sender",
        ),
        (letter(&[]), "NoRecipients", "nobody"),
    ];
    for (letter, error, why) in rows {
        let mut talk = greeted_with(config(), ehlo);
        let recipients = letter.to.len();
        talk.then(Task::Send(letter));
        talk.go();
        assert_eq!(talk.events, [format!("error {error}"), "ready".into()], "{why}");
        assert_eq!(talk.said(), "", "{why}");
        assert_eq!(talk.outcomes(), vec![format!("NotTried {error}"); recipients], "{why}");
    }
}

#[test]
fn parameters_are_said_where_they_are_offered_and_needed() {
    let all = b"250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE\r\n";
    let params = MailParamsBuf::new().ret(Ret::Hdrs).envid("x y").unwrap();
    let notify = RcptParamsBuf::new().notify(Notify::NEVER);
    let base = || letter(&["you@b.example"]);
    let rows = [
        (base(), "MAIL FROM:<me@a.example> SIZE=22\r\nRCPT TO:<you@b.example>\r\nDATA\r\n", "nothing needed"),
        (
            Letter { content: "\r\n\u{fc}\r\n".into(), ..base() },
            "MAIL FROM:<me@a.example> SIZE=6 BODY=8BITMIME\r\nRCPT TO:<you@b.example>\r\nDATA\r\n",
            "8 bits in the body",
        ),
        (
            Letter { content: "x: \u{fc}\r\n\r\n".into(), ..base() },
            "MAIL FROM:<me@a.example> SIZE=9 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<you@b.example>\r\nDATA\r\n",
            "UTF-8 in a header field",
        ),
        (
            letter(&["j\u{f6}rg@b.example"]),
            "MAIL FROM:<me@a.example> SIZE=22 SMTPUTF8\r\nRCPT TO:<j\u{f6}rg@b.example>\r\nDATA\r\n",
            "a UTF-8 address",
        ),
        (
            Letter { params, to: vec![("you@b.example".parse().unwrap(), notify)], ..base() },
            "MAIL FROM:<me@a.example> RET=HDRS ENVID=x+20y SIZE=22\r\nRCPT TO:<you@b.example> NOTIFY=NEVER\r\nDATA\r\n",
            "DSN",
        ),
        (
            Letter { once: true, ..base() },
            "MAIL FROM:<me@a.example> BODY=8BITMIME\r\nRCPT TO:<you@b.example>\r\nDATA\r\n",
            "a stream that declares nothing",
        ),
        (
            Letter::new("<>", &["you@b.example"], HI).unwrap(),
            "MAIL FROM:<> SIZE=22\r\nRCPT TO:<you@b.example>\r\nDATA\r\n",
            "a report",
        ),
    ];
    for (letter, said, why) in rows {
        let mut talk = greeted_with(config(), all);
        talk.then(Task::Send(letter));
        talk.go();
        assert_eq!(talk.said(), said, "{why}");
    }
}

#[test]
fn an_extension_that_is_ignored_is_not_used() {
    let ehlo = b"250-mx.example\r\n250-PIPELINING\r\n250 SIZE 10\r\n";
    let mut talk = greeted_with(config().ignore(&[Keyword::Pipelining, Keyword::Size]), ehlo);
    send(&mut talk, &["you@b.example"]);
    assert_eq!(talk.said(), "MAIL FROM:<me@a.example>\r\n");
}

#[test]
fn a_false_declaration_ends_the_connection_without_the_dot() {
    let stream = |body, content: &[u8]| Letter {
        stream: Some(body),
        once: true,
        content: content.to_vec(),
        ..letter(&["you@b.example"])
    };
    let rows = [
        (stream(Body::SevenBit, b"a\xfc\r\n"), Why::FalseDeclaration(Contradiction::EightBit), "8 bits"),
        (
            stream(Body::EightBitMime, b"a\nb\r\n"),
            Why::FalseDeclaration(Contradiction::BareNewline),
            "a bare LF",
        ),
        (
            stream(Body::SevenBit, b"a\r\nb\r"),
            Why::FalseDeclaration(Contradiction::BareNewline),
            "a bare CR at the end",
        ),
        (stream(Body::SevenBit, &[b'x'; 1001]), Why::TooBig { octets: 1001, limit: 1000 }, "over SIZE"),
    ];
    for (letter, why, row) in rows {
        let mut talk = pipelining();
        talk.then(Task::Send(letter));
        talk.go();
        talk.said();
        talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
        assert!(!talk.said().contains("\r\n.\r\n"), "{row}");
        assert_eq!(talk.outcomes(), [format!("NotTried {why:?}")], "{row}");
        assert_eq!(talk.close(), Some(CloseReason::FalseDeclaration), "{row}");
    }
}

#[test]
fn content_is_normalised_on_request_only() {
    let ehlo = b"250-mx.example\r\n250-PIPELINING\r\n250 SIZE\r\n";
    let mut talk = greeted_with(config().newlines(SendNewlines::Normalise), ehlo);
    talk.then(Task::Send(Letter { content: b"a\n.b\rc\r\n".to_vec(), ..letter(&["you@b.example"]) }));
    talk.go();
    assert!(talk.said().starts_with("MAIL FROM:<me@a.example> SIZE=10\r\n"));
    talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
    assert_eq!(talk.said(), "a\r\n..b\r\nc\r\n.\r\n");
}

#[test]
fn binary_content_goes_in_chunks_as_it_is() {
    let ehlo = b"250-mx.example\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING\r\n";
    let binary = || Letter {
        stream: Some(Body::BinaryMime),
        content: b"a\nb\r.\r\n.\r\n\0".to_vec(),
        ..letter(&["you@b.example"])
    };
    let mut talk = greeted_with(config(), ehlo);
    talk.then(Task::Send(binary()));
    talk.go();
    assert_eq!(talk.said(), "MAIL FROM:<me@a.example> BODY=BINARYMIME\r\nRCPT TO:<you@b.example>\r\n");
    talk.hear(b"250 Ok\r\n250 Ok\r\n");
    assert_eq!(talk.said(), "BDAT 11\r\na\nb\r.\r\n.\r\n\0");
    talk.hear(b"250 11 octets\r\n");
    assert_eq!(talk.said(), "BDAT 0 LAST\r\n");
    talk.hear(b"250 Queued\r\n");
    assert_eq!(talk.outcomes(), ["Accepted 250"]);
    talk.then(Task::Send(binary()));
    talk.go();
    talk.hear(b"250 Ok\r\n250 Ok\r\n");
    talk.said();
    talk.hear(b"552 5.3.4 Too much\r\n");
    assert_eq!(talk.said(), "RSET\r\n", "a chunk refused is the message refused");
    talk.hear(b"250 Ok\r\n");
    assert_eq!(talk.outcomes(), ["Refused 552"]);
}

#[test]
fn who_gives_up_in_the_middle_sends_no_dot() {
    let mut talk = pipelining();
    talk.then(Task::Send(Letter { abandon_at: Some(8), ..letter(&["you@b.example"]) }));
    talk.go();
    talk.said();
    talk.hear(b"250 Ok\r\n250 Ok\r\n354 Go\r\n");
    assert_eq!(talk.said(), "", "what was not written yet is dropped");
    assert_eq!(talk.outcomes(), ["NotTried Abandoned"]);
    assert_eq!(talk.close(), Some(CloseReason::Abandoned));
}
