use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::log::Page;

/// A scanner that says `answer` to whatever comes, once it has read something or, if `whole`, up to the end mark.
async fn scanner(answer: &'static [u8], end: &'static [u8]) -> At {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::Tcp(listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(end) && stream.read_buf(&mut read).await.unwrap() > 0 {}
        stream.write_all(answer).await.unwrap();
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
    });
    At(Some(place))
}

fn settings(on_error: OnError) -> ScanSettings {
    ScanSettings { on_error, timeout_seconds: 1, ..ScanSettings::default() }
}

async fn verdict(settings: ScanSettings, user: Option<&str>) -> Verdict {
    let (log, _writer) = Log::start(Page::default()).unwrap();
    let about = About { user: user.map(str::to_owned), ..About::default() };
    let mut scan = Scanners::new(settings, log).begin(about);
    for slice in [&b"Subject: x\r\n\r\n"[..], b"", b"hello\r\n"] {
        scan.write(slice).await;
    }
    scan.finish().await
}

/// What stands on top of a message that is taken, or the reply.
fn text(verdict: Verdict) -> String {
    match verdict {
        Verdict::Take(headers) => String::from_utf8(headers).unwrap(),
        Verdict::Refuse(refusal) => refusal.to_string(),
    }
}

const END: &[u8] = &[0; 4];

#[tokio::test]
async fn only_what_is_infected_is_refused_for_good() {
    for (answer, defer, pass, why) in [
        (&b"stream: OK\0"[..], "X-Virus-Scan: clean", "X-Virus-Scan: clean", "clean"),
        (b"stream: Eicar FOUND\0", "550 ", "550 ", "infected"),
        (b"INSTREAM size limit exceeded. ERROR\0", "451 ", "X-Virus-Scan: unscanned", "too large for it"),
        (b"\xFFgarbage FOUND\0", "451 ", "X-Virus-Scan: unscanned", "garbage"),
        (b"stream: Eicar FO", "451 ", "X-Virus-Scan: unscanned", "killed in the middle"),
    ] {
        for (on_error, want) in [(OnError::Defer, defer), (OnError::Pass, pass)] {
            let clamav = scanner(answer, END).await;
            let got = text(verdict(ScanSettings { clamav, ..settings(on_error) }, None).await);
            assert!(got.starts_with(want), "{why}, {on_error:?}: {got}");
        }
    }
}

#[tokio::test]
async fn a_scanner_that_hangs_up_in_the_middle_is_no_finding() {
    let clamav = scanner(b"INSTREAM size limit exceeded. ERROR\0", b"x").await;
    let got = text(verdict(ScanSettings { clamav, ..settings(OnError::Defer) }, None).await);
    assert!(got.starts_with("451 "), "{got}");
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_never_answers_costs_what_the_settings_say() {
    let clamav = scanner(b"", END).await;
    let before = tokio::time::Instant::now();
    let got = text(verdict(ScanSettings { clamav, ..settings(OnError::Defer) }, None).await);
    assert!(got.starts_with("451 "), "{got}");
    assert_eq!(before.elapsed().as_secs(), 1);
}

#[tokio::test]
async fn a_scanner_that_is_not_there_defers_or_passes() {
    // Bound and not listened to any more: nobody is there.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (on_error, want) in [(OnError::Defer, "451 "), (OnError::Pass, "X-Virus-Scan: unscanned")] {
        let clamav = At(Some(Place::Tcp(nobody)));
        let got = text(verdict(ScanSettings { clamav, ..settings(on_error) }, None).await);
        assert!(got.starts_with(want), "{got}");
    }
}

#[tokio::test]
async fn users_are_not_put_off_by_a_junk_filter() {
    let later: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 59\r\n\r\n\
        {\"action\":\"soft reject\",\"score\":1.0,\"required_score\":15.00}";
    let end = b"0\r\n\r\n";
    for (answer, user, want, why) in [
        (later, None, "451 ", "a stranger comes again"),
        (later, Some("alice"), "", "a user can't"),
        (b"garbage", None, "451 ", "a stranger's mail waits for the filter"),
        (b"garbage", Some("alice"), "X-Spam-Status: unscanned", "a user's does not"),
    ] {
        let rspamd = scanner(answer, end).await;
        let got = text(verdict(ScanSettings { rspamd, ..settings(OnError::Defer) }, user).await);
        assert!(got.starts_with(want) && got.is_empty() == want.is_empty(), "{why}: {got}");
    }
}

#[tokio::test]
async fn without_scanners_nothing_is_said() {
    assert_eq!(verdict(ScanSettings::default(), None).await, Verdict::Take(Vec::new()));
}
