//! What a host can't take, and what is said of a message where the host knows the words.

use smtp_proto::wire::params::{Notify, Ret};

use super::*;

fn plain(heard: &Heard<'_>) -> Act {
    if heard.line.starts_with("EHLO") { Act::Offer(&["PIPELINING"]) } else { Act::Usual }
}

fn able(heard: &Heard<'_>) -> Act {
    match heard.line.starts_with("EHLO") {
        true => Act::Offer(&["8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN"]),
        false => Act::Usual,
    }
}

fn small(heard: &Heard<'_>) -> Act {
    if heard.line.starts_with("EHLO") { Act::Offer(&["SIZE 20"]) } else { Act::Usual }
}

fn busy(heard: &Heard<'_>) -> Act {
    if heard.line == "connect" { Act::Last("421 4.3.2 Busy") } else { Act::Usual }
}

const EIGHT: &[u8] = "Subject: x\r\n\r\n\u{fc}\r\n".as_bytes();
const EIGHT_HEADER: &[u8] = "Subject: \u{fc}\r\n\r\nx\r\n".as_bytes();
const BINARY: &[u8] = b"Subject: x\r\n\r\na\0b\nc";

fn sent(to: &str, body_type: BodyType, content: &[u8]) -> Job {
    let mut job = job_of(&[to], content);
    job.envelope.body_type = body_type;
    job
}

#[tokio::test(start_paused = true)]
async fn what_a_host_can_not_take_is_refused_with_the_status_for_it_and_nothing_is_sent() {
    use BodyType::{Binary, EightBit, SevenBit};
    let to = "b@there.example";
    let utf8 = "\u{fc}@there.example";
    type Row<'a> = (Script, &'a str, BodyType, &'a [u8], &'a str, &'a str);
    let rows: [Row<'_>; 8] = [
        (plain, to, EightBit, EIGHT, "5.6.3", "8 bits, no 8BITMIME"),
        (plain, to, SevenBit, EIGHT, "5.6.3", "8 bits that were not declared"),
        (usual, to, Binary, BINARY, "5.6.3", "no BINARYMIME"),
        (usual, utf8, EightBit, EIGHT, "5.6.7", "an address in UTF-8, no SMTPUTF8"),
        (usual, to, EightBit, EIGHT_HEADER, "5.6.7", "a header in UTF-8, no SMTPUTF8"),
        (usual, "b@m\u{fc}nchen.example", EightBit, EIGHT, "5.6.7", "a domain in UTF-8"),
        (small, to, SevenBit, CONTENT.as_bytes(), "5.3.4", "SIZE"),
        (
            usual,
            to,
            SevenBit,
            b"Subject: x\r\n\r\na\nb\r\n",
            "5.6.0",
            "a line end that no host would get as it is",
        ),
    ];
    for (script, to, body_type, content, status, why) in rows {
        let world = World::one(script).await;
        let report = world.deliver(sent(to, body_type, content)).await;
        let want = format!("refused {status} 554 {status} ");
        assert!(fate(&report).starts_with(&want), "{why}: {}", fate(&report));
        assert!(!world.hosts[0].heard("MAIL"), "{why}: {:?}", world.hosts[0].lines());
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_host_can_not_take_goes_to_the_next_that_can_or_waits_for_it() {
    type Row = (Script, Script, &'static str, &'static str);
    let rows: [Row; 3] = [
        (plain, able, "relayed, reports 250 2.0.0 Taken", "the second can"),
        (plain, busy, "later 4.3.2 421 4.3.2 Busy", "who knows what the second can"),
        (plain, plain, "refused 5.6.3 554 5.6.3 ", "neither"),
    ];
    for (first, second, want, why) in rows {
        let mx: [&[_]; 2] = [&[("127.0.0.2", Some(first))], &[("127.0.0.3", Some(second))]];
        let world = World::new(&[(10, mx[0]), (20, mx[1])], |_| {}).await;
        let report = world.deliver(sent("b@there.example", BodyType::EightBit, EIGHT)).await;
        assert!(fate(&report).starts_with(want), "{why}: {}", fate(&report));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_host_can_take_is_declared_to_it() {
    use BodyType::{Binary, EightBit, SevenBit};
    let (to, utf8) = ("b@there.example", "\u{fc}@there.example");
    let rows: [(&str, BodyType, &[u8], &str, &str); 5] = [
        (to, EightBit, EIGHT, "MAIL FROM:<a@us.example> BODY=8BITMIME", "8 bits"),
        (utf8, EightBit, EIGHT, "MAIL FROM:<a@us.example> BODY=8BITMIME SMTPUTF8", "an address in UTF-8"),
        (to, SevenBit, EIGHT_HEADER, "MAIL FROM:<a@us.example> BODY=8BITMIME SMTPUTF8", "a header in UTF-8"),
        (to, Binary, BINARY, "MAIL FROM:<a@us.example> BODY=BINARYMIME", "binary"),
        (to, Binary, EIGHT, "MAIL FROM:<a@us.example> BODY=8BITMIME", "declared binary, and is not"),
    ];
    for (to, body_type, content, want, why) in rows {
        let world = World::one(able).await;
        let report = world.deliver(sent(to, body_type, content)).await;
        assert_eq!(fate(&report), "relayed, reports 250 2.0.0 Taken", "{why}");
        assert!(
            world.hosts[0].lines().iter().any(|line| line == want),
            "{why}: {:?}",
            world.hosts[0].lines()
        );
        let arrived = &world.hosts[0].messages()[0].1;
        let want = ["Received: here\r\n".as_bytes(), content].concat();
        assert_eq!(arrived.replace("..text", ".text"), String::from_utf8_lossy(&want), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_in_utf8_takes_nobody_else_along() {
    let world = World::one(usual).await;
    let to = ["b@there.example", "\u{fc}@there.example", "c@there.example"];
    let report = world.deliver(job_of(&to, CONTENT.as_bytes())).await;
    let fates = fates(&report);
    assert!(fates[1].starts_with("refused 5.6.7 "), "{fates:?}");
    assert_eq!((&*fates[0], &*fates[2]), ("relayed 250 2.0.0 Taken", "relayed 250 2.0.0 Taken"));
    assert_eq!(world.hosts[0].messages()[0].0.len(), 2);
}

fn with_dsn() -> Job {
    let mut job = job_of(&["b@there.example", "c@there.example"], CONTENT.as_bytes());
    (job.envelope.ret, job.envelope.envid) = (Some(Ret::Hdrs), Some("QQ+2B1".into()));
    job.rcpts[0].notify = Some(Notify::SUCCESS.with(Notify::DELAY));
    job.rcpts[0].orcpt = Some("rfc822;first+2B@us.example".into());
    job.rcpts[1].notify = Some(Notify::NEVER);
    job
}

#[tokio::test(start_paused = true)]
async fn what_the_sender_wants_to_be_told_goes_along_to_a_host_that_reports() {
    let world = World::one(able).await;
    let report = world.deliver(with_dsn()).await;
    assert_eq!(fates(&report), ["relayed, reports 250 2.0.0 Taken"; 2]);
    let lines = world.hosts[0].lines();
    let said: Vec<_> = lines.iter().filter(|line| line.contains(":<")).collect();
    let want = [
        "MAIL FROM:<a@us.example> RET=HDRS ENVID=QQ+2B1",
        "RCPT TO:<b@there.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2B@us.example",
        "RCPT TO:<c@there.example> NOTIFY=NEVER",
    ];
    assert_eq!(said, want);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_report_is_told_nothing_of_it() {
    let world = World::one(usual).await;
    let report = world.deliver(with_dsn()).await;
    assert_eq!(fates(&report), ["relayed 250 2.0.0 Taken"; 2], "success is ours to report");
    let lines = world.hosts[0].lines();
    assert!(
        !lines.iter().any(|line| ["RET", "ENVID", "NOTIFY", "ORCPT"].iter().any(|word| line.contains(word)))
    );
}

#[tokio::test(start_paused = true)]
async fn an_original_address_in_utf8_is_told_only_to_who_takes_that() {
    fn ascii(heard: &Heard<'_>) -> Act {
        if heard.line.starts_with("EHLO") { Act::Offer(&["DSN"]) } else { Act::Usual }
    }
    for (script, has) in [(ascii as Script, false), (able, true)] {
        let world = World::one(script).await;
        let mut job = job();
        job.rcpts[0].orcpt = Some("utf-8;\u{fc}@us.example".into());
        assert_eq!(fate(&world.deliver(job).await), "relayed, reports 250 2.0.0 Taken");
        assert_eq!(world.hosts[0].lines().iter().any(|line| line.contains("ORCPT=utf-8;")), has);
    }
}
