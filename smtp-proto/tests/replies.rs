//! Replies read and written: vectors, whole and cut everywhere; what is written reads back.

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;
use smtp_proto::Input;
use smtp_proto::limits::{REPLY_LINE, REPLY_LINE_WRITTEN, REPLY_LINES, REPLY_LINES_WRITTEN, REPLY_OCTETS};
use smtp_proto::wire::base64::Base64;
use smtp_proto::wire::leniency::{Deviations, Leniency};
use smtp_proto::wire::reply::{
    EnhancedCode, InvalidReply, Reply, ReplyBuf, ReplyCollector, ReplyError, ReplyFault, ReplyRef,
};

/// The rows' lenient reader takes LF, and has no use for a line over the cap.
const ROWS_LENIENT: Leniency =
    Leniency::REPLIES.with(Leniency::UNSAFE_LF_REPLIES).without(Leniency::REPLY_OVERLONG);

fn rows() -> Vec<Value> {
    serde_json::from_str(include_str!("vectors/replies.json")).unwrap()
}

fn octets(row: &Value, key: &str) -> Vec<u8> {
    match row[key].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => base64(&row[format!("{key}_base64")]),
    }
}

fn base64(value: &Value) -> Vec<u8> {
    Base64::parse(value.as_str().unwrap().as_bytes()).unwrap().decode()
}

fn texts(expected: &Value) -> Vec<Vec<u8>> {
    match expected["lines"].as_array() {
        Some(lines) => lines.iter().map(|line| line.as_str().unwrap().as_bytes().to_vec()).collect(),
        None => expected["lines_base64"].as_array().unwrap().iter().map(base64).collect(),
    }
}

/// What a collector makes of octets that come in pieces of `read`, and how many it used.
fn collect(octets: &[u8], read: usize, leniency: Leniency) -> Result<Option<(ReplyBuf, usize)>, ReplyError> {
    let mut collector = ReplyCollector::new();
    let mut used = 0;
    for piece in octets.chunks(read) {
        let mut input = Input::new(piece);
        let whole = collector.feed(&mut input, leniency)?.cloned();
        used += input.used();
        match whole {
            Some(reply) => {
                assert!(!collector.is_midway());
                return Ok(Some((reply, used)));
            }
            None => assert!(input.used() == piece.len() && collector.is_midway()),
        }
    }
    Ok(None)
}

/// Lengths of reads: every one, but for long replies, where they would take minutes.
fn reads(octets: &[u8]) -> impl Iterator<Item = usize> {
    (1..=octets.len()).step_by(octets.len().div_ceil(400).max(1))
}

fn check(id: &str, octets: &[u8], expected: &Value, leniency: Leniency) {
    let found = ReplyRef::parse(octets, leniency);
    match expected["result"].as_str().unwrap() {
        "reply" => {
            let reply = found.unwrap().unwrap_or_else(|| panic!("{id}: no end found"));
            assert_eq!(u64::from(reply.code()), expected["code"].as_u64().unwrap(), "{id}");
            assert!(reply.lines().eq(texts(expected)), "{id}: {reply:?}");
            assert_eq!(
                reply.enhanced().map(|code| code.to_string()).as_deref(),
                expected["enhanced"].as_str(),
                "{id}"
            );
            assert_eq!(reply.consumed() as u64, expected["consumed"].as_u64().unwrap(), "{id}");
            let owned = reply.to_owned();
            assert!(owned.lines().eq(texts(expected)), "{id}: {owned:?}");
            for read in reads(octets) {
                let whole = Ok(Some((owned.clone(), reply.consumed())));
                assert_eq!(collect(octets, read, leniency), whole, "{id} in pieces of {read}");
            }
            for cut in 0..reply.consumed() {
                assert_eq!(ReplyRef::parse(&octets[..cut], leniency), Ok(None), "{id} cut at {cut}");
            }
        }
        "need_more" => {
            for cut in 0..=octets.len() {
                assert_eq!(ReplyRef::parse(&octets[..cut], leniency), Ok(None), "{id} cut at {cut}");
            }
            assert_eq!(collect(octets, 1, leniency), Ok(None), "{id}");
        }
        "error" => {
            let error = found.expect_err(id);
            for cut in 0..octets.len() {
                let expected = if cut > error.at { Err(error) } else { Ok(None) };
                assert_eq!(ReplyRef::parse(&octets[..cut], leniency), expected, "{id} cut at {cut}");
            }
            for read in reads(octets) {
                assert_eq!(collect(octets, read, leniency), Err(error), "{id} in pieces of {read}");
            }
        }
        other => panic!("{id}: {other}"),
    }
}

#[test]
fn every_row_is_read_strictly_and_leniently_whole_and_cut() {
    for row in rows() {
        let id = row["id"].as_str().unwrap();
        let octets = octets(&row, "octets");
        check(id, &octets, &row["strict"], Leniency::STRICT);
        let lenient = if row["lenient"].is_null() { &row["strict"] } else { &row["lenient"] };
        check(id, &octets, lenient, ROWS_LENIENT);
    }
}

#[test]
fn what_strict_reads_lenient_reads_the_same_but_for_a_hashed_code() {
    for row in rows() {
        let octets = octets(&row, "octets");
        let Ok(Some(strict)) = ReplyRef::parse(&octets, Leniency::STRICT) else { continue };
        assert!(strict.deviations().is_empty());
        let lenient = ReplyRef::parse(&octets, ROWS_LENIENT).unwrap().unwrap();
        if !lenient.deviations().contains(Leniency::REPLY_HASHED_CODE) {
            assert_eq!(strict, lenient);
        }
    }
}

#[test]
fn each_deviation_is_named_where_it_is_tolerated_and_where_it_is_not() {
    let rows: &[(&[u8], Leniency, &str)] = &[
        (b"250 OK\n", Leniency::UNSAFE_LF_REPLIES, "bare LF"),
        (b"\r\n250 OK\r\n", Leniency::REPLY_EMPTY_LINE, "in front"),
        (b"250-OK\r\n\r\n250 OK\r\n", Leniency::REPLY_EMPTY_LINE, "inside"),
        (b"220Ready\r\n", Leniency::REPLY_SEPARATOR, "glued"),
        (b"220-a\r\n521 b\r\n", Leniency::REPLY_CODES_DIFFER, "greeting of a balancer"),
        (b"571 no\r\n", Leniency::REPLY_SECOND_DIGIT, "policy refusal"),
        (b"250 \x1b[0m\r\n", Leniency::REPLY_CONTROL, "colour"),
        (b"550 #5.1.0 no\r\n", Leniency::REPLY_HASHED_CODE, "appliance"),
    ];
    let all = Leniency::REPLIES.with(Leniency::UNSAFE_LF_REPLIES);
    for &(octets, deviation, why) in rows {
        let reply = ReplyRef::parse(octets, all).unwrap().unwrap();
        assert_eq!(reply.deviations(), Deviations::from(deviation), "{why}");
        assert_eq!(reply.to_owned().deviations(), reply.deviations(), "{why}");
        let narrow = ReplyRef::parse(octets, all.without(deviation));
        if deviation == Leniency::REPLY_HASHED_CODE {
            assert!(narrow.unwrap().unwrap().lines().eq([b"#5.1.0 no"]), "it is text then");
        } else {
            assert_eq!(narrow.unwrap_err().fault, ReplyFault::Refused(deviation), "{why}");
        }
    }
}

#[test]
fn while_replies_are_owed_nothing_that_could_move_an_end_is_tolerated() {
    for deviation in [Leniency::UNSAFE_LF_REPLIES, Leniency::REPLY_EMPTY_LINE, Leniency::REPLY_SEPARATOR] {
        assert!(!Leniency::REPLIES_OWED.allows(deviation), "{deviation:?}");
    }
    assert!(!Leniency::REPLIES.allows(Leniency::UNSAFE_LF_REPLIES));
}

#[test]
fn text_beyond_the_caps_is_dropped_and_the_code_stands() {
    let long = format!("550-{}\r\n550 end\r\n", "x".repeat(REPLY_LINE));
    let many = format!("{}550 end\r\n", "550-x\r\n".repeat(REPLY_LINES));
    for (octets, lines, last) in [(&long, 2, b"end".as_slice()), (&many, REPLY_LINES, b"x")] {
        let octets = octets.as_bytes();
        let error = ReplyRef::parse(octets, Leniency::STRICT).unwrap_err();
        assert_eq!(error.fault, ReplyFault::Refused(Leniency::REPLY_OVERLONG));
        let reply = ReplyRef::parse(octets, Leniency::REPLIES_OWED).unwrap().unwrap();
        assert_eq!((reply.code(), reply.consumed()), (550, octets.len()));
        assert_eq!(reply.deviations(), Leniency::REPLY_OVERLONG.into());
        assert_eq!(reply.lines().count(), lines);
        assert_eq!(reply.lines().last().unwrap(), last);
        for read in [1, 7, 4_096] {
            let whole = Ok(Some((reply.to_owned(), octets.len())));
            assert_eq!(collect(octets, read, Leniency::REPLIES_OWED), whole, "in pieces of {read}");
        }
    }
}

#[test]
fn a_reply_that_never_ends_is_an_error_and_holds_no_more_memory_than_its_cap() {
    for line in [b"250-xxxx\r\n".as_slice(), b"\r\n", b"250-", b"250-\xff"] {
        let mut endless: Vec<u8> = line.to_vec();
        while endless.len() <= REPLY_OCTETS {
            let more = if line.ends_with(b"\n") { line } else { b"x" };
            endless.extend_from_slice(more);
        }
        let error = ReplyError { fault: ReplyFault::TooLong, at: REPLY_OCTETS };
        assert_eq!(ReplyRef::parse(&endless, Leniency::REPLIES), Err(error));
        assert_eq!(collect(&endless, 4_096, Leniency::REPLIES), Err(error));
    }
}

#[test]
fn a_collector_reads_one_reply_after_the_other() {
    let octets = b"250 2.1.0 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n354 go\r\n25";
    for read in 1..=octets.len() {
        let mut collector = ReplyCollector::new();
        let mut found = Vec::new();
        for piece in octets.chunks(read) {
            let mut input = Input::new(piece);
            while let Some(reply) = collector.feed(&mut input, Leniency::REPLIES_OWED).unwrap() {
                found.push(reply.to_string());
            }
            assert_eq!(input.used(), piece.len());
        }
        assert!(collector.is_midway());
        assert_eq!(found, ["250 2.1.0 a", "550 5.1.1 b / 5.1.1 c", "354 go"], "in pieces of {read}");
    }
}

#[test]
fn only_a_whole_reply_can_be_taken() {
    let mut collector = ReplyCollector::new();
    let mut feed = |octets: &[u8]| {
        let is_read = collector.feed(&mut Input::new(octets), Leniency::STRICT).is_ok();
        (is_read, collector.take().map(|reply| reply.to_string()))
    };
    assert_eq!(feed(b""), (true, None));
    assert_eq!(feed(b"250 o"), (true, None), "midway");
    assert_eq!(feed(b"k\r\n"), (true, Some("250 ok".to_owned())));
    assert_eq!(feed(b""), (true, None), "taken already");
    assert_eq!(feed(b"250-a\r\n2x"), (false, None), "an error");
    assert_eq!(feed(b"250 b\r\n"), (true, Some("250 b".to_owned())), "from the begin after an error");
}

fn written(reply: &Reply<'_>, enhanced: bool) -> String {
    let mut out = BytesMut::new();
    reply.write(&mut out, enhanced);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn every_line_has_the_code_and_the_enhanced_code() {
    const HELP: Reply<'static> = Reply::lines(214, (2, 0, 0), "HELO EHLO MAIL\n\nRCPT\tDATA");
    const GO: Reply<'static> = Reply::bare(354, "Go on");
    const EMPTY: Reply<'static> = Reply::new(250, (2, 0, 0), "");
    assert_eq!(written(&HELP, true), "214-2.0.0 HELO EHLO MAIL\r\n214-2.0.0 \r\n214 2.0.0 RCPT\tDATA\r\n");
    assert_eq!(written(&HELP, false), "214-HELO EHLO MAIL\r\n214-\r\n214 RCPT\tDATA\r\n");
    assert_eq!(written(&GO, true), "354 Go on\r\n");
    assert_eq!(written(&EMPTY, true), "250 2.0.0 \r\n");
    assert_eq!(written(&Reply::new(550, (5, 7, 509), "No"), true), "550 5.7.509 No\r\n");
    assert_eq!(written(&Reply::new(452, (4, 5, 30), "No"), true), "452 4.5.30 No\r\n");
}

#[test]
fn no_folded_line_begins_with_what_a_peer_would_take_for_an_enhanced_code() {
    for text in ["word ".repeat(100), "x".repeat(503), "x".repeat(505)] {
        for code in ["2.1.5 x", " 2.1.5 x", " 2.82.80 2.82.82 x"] {
            for pad in 0..12 {
                let received = format!("250 {text}{}{code}{}\r\n", "y".repeat(pad), "z".repeat(600));
                let reply =
                    ReplyRef::parse(received.as_bytes(), Leniency::STRICT).unwrap().unwrap().to_owned();
                assert_eq!(reply.enhanced(), None);
                let written = written(&Reply::from(&reply), true);
                let again = ReplyRef::parse(written.as_bytes(), Leniency::STRICT).unwrap().unwrap();
                assert_eq!(again.enhanced(), None, "{written}");
                assert_eq!(again.consumed(), written.len());
            }
        }
    }
}

#[test]
fn foreign_text_is_escaped_folded_and_cut() {
    let injected = Reply::clean(550, (5, 7, 1), "no\r\n250 ok\n\0 \u{e9} \\x \x7f");
    assert_eq!(written(&injected, true), "550 5.7.1 no\\x0D\\x0A250 ok\\x0A\\x00 \\xC3\\xA9 \\x \\x7F\r\n");
    let words = "word ".repeat(200);
    let folded = written(&Reply::clean(550, (5, 7, 1), &words), true);
    assert_eq!(folded.split_inclusive("\r\n").count(), 2);
    assert!(folded.contains("word\r\n550 5.7.1 word"), "{folded}");
    let endless = "\u{e9}".repeat(100_000);
    let cut = written(&Reply::clean(550, (5, 7, 1), &endless), true);
    assert_eq!(cut.split_inclusive("\r\n").count(), REPLY_LINES_WRITTEN);
}

#[test]
fn what_is_not_clean_makes_no_reply() {
    let none = None;
    let rows: &[(u16, Option<EnhancedCode>, &str, InvalidReply, &str)] = &[
        (199, none, "x", InvalidReply::Code, "1yz is gone since RFC 2821"),
        (600, none, "x", InvalidReply::Code, "no such class"),
        (260, none, "x", InvalidReply::Code, "second digit over 5"),
        (250, EnhancedCode::new(5, 0, 0), "x", InvalidReply::Class, "classes differ"),
        (354, EnhancedCode::new(2, 0, 0), "x", InvalidReply::Class, "3yz has no enhanced code"),
        (250, none, "a\r\n550 b", InvalidReply::Text, "CR LF"),
        (250, none, "a\nb", InvalidReply::Text, "LF"),
        (250, none, "a\0", InvalidReply::Text, "NUL"),
        (250, none, "\u{e9}", InvalidReply::Text, "not ASCII"),
        (550, none, "5.1.1 x", InvalidReply::Ambiguous, "a peer reads an enhanced code"),
        (550, none, "5.1.1", InvalidReply::Ambiguous, "the same at the end"),
    ];
    for &(code, enhanced, text, why, reason) in rows {
        assert_eq!(Reply::parse(code, enhanced, text), Err(why), "{reason}");
    }
    assert!(Reply::parse(550, None, "4.1.1 x").is_ok(), "of another class it is text");
    assert!(Reply::parse(550, EnhancedCode::new(5, 1, 1), "a\tb").is_ok(), "tab is text");
}

#[test]
fn a_reply_that_was_received_is_passed_on() {
    let rows: &[(&[u8], &str, &str)] = &[
        (b"550-5.1.1 a\r\n550 5.1.1 b\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "as it was"),
        (b"550-a\r\n550 5.1.1 b\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "the code on every line"),
        (b"550 #5.1.0 a\r\n", "550 5.1.0 a\r\n", "without the #"),
        (b"571 5.7.1 no\r\n", "550 5.7.1 no\r\n", "a code of the grammar"),
        (b"550 caf\xe9\r\n", "550 caf\\xE9\r\n", "8-bit octets escaped"),
        (b"250\r\n", "250 \r\n", "an SP that needs no text"),
    ];
    for &(octets, passed, why) in rows {
        let received = ReplyRef::parse(octets, Leniency::REPLIES).unwrap().unwrap().to_owned();
        assert_eq!(written(&Reply::from(&received), true), passed, "{why}");
    }
}

#[test]
fn a_reply_shows_on_one_line_and_escaped() {
    let octets = b"550-5.1.1 a\x1b\r\n550 \xe9\r\n";
    let reply = ReplyRef::parse(octets, Leniency::REPLIES).unwrap().unwrap();
    assert_eq!(format!("{reply:?}"), "ReplyRef(550 5.1.1 a\\x1B / \\xE9)");
    assert_eq!(reply.to_owned().to_string(), "550 5.1.1 a\\x1B / \\xE9");
    assert_eq!(reply.text_lossy(), "a\x1b\n\u{fffd}");
    assert_eq!(reply.to_owned().text_lossy(), "a\x1b\n\u{fffd}");
}

#[test]
fn replies_are_small() {
    assert_eq!(size_of::<Reply<'_>>(), 24);
    assert_eq!(size_of::<ReplyRef<'_>>(), 32);
    assert_eq!(size_of::<ReplyBuf>(), 40);
}

#[cfg(feature = "serde")]
#[test]
fn owned_replies_go_through_serde_unchanged() {
    for octets in
        [b"550-5.1.1 a\r\n550 5.1.1 b\r\n".as_slice(), b"550 #5.1.0 a\r\n", b"250 caf\xe9\r\n", b"354 \r\n"]
    {
        let reply = ReplyRef::parse(octets, Leniency::REPLIES).unwrap().unwrap().to_owned();
        let text = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<ReplyBuf>(&text).unwrap(), reply, "{text}");
    }
    assert!(serde_json::from_str::<ReplyBuf>(r#"{"code":99,"text":""}"#).is_err());
    assert!(serde_json::from_str::<ReplyBuf>(r#"{"code":250,"text":"a\r"}"#).is_err());
    let code = EnhancedCode::new(5, 7, 509).unwrap();
    assert_eq!(serde_json::to_string(&code).unwrap(), "\"5.7.509\"");
    assert_eq!(serde_json::from_str::<EnhancedCode>("\"5.7.509\"").unwrap(), code);
    assert!(serde_json::from_str::<EnhancedCode>("\"3.0.0\"").is_err());
}

/// Octets that are nearly replies: what is random alone never gets past the code.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => "[245][0-6][0-9][ -]",
        8 => "[25][.][0-9]{1,3}[.][0-9]{1,4} ?",
        8 => "[a-z #.\t]{0,20}",
        8 => Just("\r\n".to_owned()),
        8 => Just("250-".to_owned()),
        8 => Just("250 ".to_owned()),
        1 => Just("\r".to_owned()),
        1 => Just("\n".to_owned()),
        1 => "[\0\x1b\x7f\u{e9}]",
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat().into_bytes())
}

/// A row's octets with a few of them changed, dropped or added.
fn changed() -> impl Strategy<Value = Vec<u8>> {
    let rows: Vec<Vec<u8>> = rows().iter().map(|row| octets(row, "octets")).collect();
    let short =
        rows.into_iter().filter(|octets| octets.len() < 600 && !octets.is_empty()).collect::<Vec<_>>();
    let octet = prop::sample::select(b"\r\n\t -#.0256x\0\x7f\xff".as_slice());
    let change = (any::<prop::sample::Index>(), 0..=1usize, prop::collection::vec(octet, 0..=1));
    (prop::sample::select(short), prop::collection::vec(change, 0..4)).prop_map(|(mut octets, changes)| {
        for (at, dropped, added) in changes {
            let at = at.index(octets.len());
            octets.splice(at..at + dropped, added);
            octets.push(b'\n');
        }
        octets
    })
}

fn leniencies() -> impl Strategy<Value = Leniency> {
    prop::collection::vec(prop::sample::select(Leniency::NAMES), 0..40)
        .prop_map(|some| some.into_iter().fold(Leniency::STRICT, |all, (one, _)| all.with(one)))
}

fn enhanced(class: u8) -> impl Strategy<Value = (u8, u16, u16)> {
    (Just(class), 0..=999u16, 0..=999u16)
}

fn codes() -> impl Strategy<Value = (u16, (u8, u16, u16))> {
    (prop::sample::select(&[2u8, 4, 5][..]), 0..=5u16, 0..=9u16).prop_flat_map(|(class, second, third)| {
        (Just(u16::from(class) * 100 + second * 10 + third), enhanced(class))
    })
}

fn reads_back(reply: &Reply<'_>) {
    let octets = written(reply, true);
    let read = ReplyRef::parse(octets.as_bytes(), Leniency::STRICT).unwrap().unwrap();
    assert_eq!(read.consumed(), octets.len());
    assert_eq!(read.to_owned(), ReplyBuf::from(reply));
    let plain = written(reply, false);
    for octets in [octets, plain] {
        let read = ReplyRef::parse(octets.as_bytes(), Leniency::STRICT).unwrap().unwrap();
        assert_eq!((read.code(), read.consumed()), (reply.code(), octets.len()));
        assert!(octets.split_inclusive("\r\n").all(|line| line.len() <= REPLY_LINE_WRITTEN));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // In pieces it is the machine that reads: this also holds the plain way to what the machine says.
    #[test]
    fn any_way_to_cut_a_reply_reads_the_same(
        octets in prop_oneof![nearly(), changed()],
        leniency in leniencies(),
        read in 1..9usize,
    ) {
        let whole = ReplyRef::parse(&octets, leniency)
            .map(|reply| reply.map(|reply| (reply.to_owned(), reply.consumed())));
        prop_assert_eq!(collect(&octets, read, leniency), whole);
    }

}

proptest! {
    #[test]
    fn no_octets_are_too_odd(octets in prop::collection::vec(any::<u8>(), 0..200), leniency in leniencies()) {
        if let Ok(Some(reply)) = ReplyRef::parse(&octets, leniency) {
            let _ = (reply.lines().count(), reply.text_lossy(), reply.to_owned().to_string());
        }
    }

    #[test]
    fn what_is_written_reads_back(
        (code, enhanced) in codes(),
        clean in "[ -~\t]{0,1200}",
        lines in "[ -~\n]{0,2000}",
        foreign in any::<String>(),
    ) {
        reads_back(&Reply::new(code, enhanced, &clean));
        reads_back(&Reply::lines(code, enhanced, &lines));
        reads_back(&Reply::clean(code, enhanced, &foreign));
        if let Ok(bare) = Reply::parse(code, None, &clean) {
            reads_back(&bare);
        }
    }

    #[test]
    fn what_was_read_and_is_passed_on_reads_back(octets in nearly()) {
        if let Ok(Some(reply)) = ReplyRef::parse(&octets, Leniency::REPLIES) {
            reads_back(&Reply::from(&reply.to_owned()));
        }
    }
}
