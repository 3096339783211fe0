//! The BDAT dialogues of the vectors, through a session: whole, and an octet at a time.

use std::sync::Arc;

use serde_json::Value;
use smtp_proto::server::{Extension, Need, Peer, ServerConfig, ServerSession, Step};
use smtp_proto::{RecvBuf, Time};

/// What came of a dialogue.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    codes: Vec<u16>,
    messages: Vec<Vec<u8>>,
    closed: bool,
}

fn config(limit: Option<u64>) -> Arc<ServerConfig> {
    let config = ServerConfig::new("mx.example")
        .unwrap()
        .without_arrival_checks()
        .offer(Extension::Chunking)
        .offer(Extension::BinaryMime)
        .limits(|limits| limits.message = limit.unwrap_or(limits.message));
    Arc::new(config)
}

fn play(config: Arc<ServerConfig>, octets: &[u8], cut: usize) -> Outcome {
    let mut session = ServerSession::new(config, Peer::unknown(), Time::ZERO);
    let mut buffer = RecvBuf::default();
    let (mut left, mut said, mut message) = (octets, Vec::new(), Vec::new());
    let mut outcome = Outcome::default();
    loop {
        buffer.fit(session.room());
        match session.needs(&buffer.input(), Time::ZERO) {
            Need::Flush => {
                said.extend_from_slice(session.output());
                session.output().clear();
            }
            Need::Input if left.is_empty() => break,
            Need::Input => {
                let spare = buffer.spare();
                let n = spare.len().min(left.len()).min(cut);
                spare[..n].copy_from_slice(&left[..n]);
                buffer.commit(n);
                left = &left[n..];
            }
            Need::Step => {
                let mut input = buffer.input();
                match session.next(&mut input).unwrap() {
                    Step::Content(content) => message.extend_from_slice(content),
                    Step::Verdict(verdict) => {
                        outcome.messages.push(std::mem::take(&mut message));
                        verdict.accept();
                    }
                    Step::Reset(_) => message.clear(),
                    Step::Close(_) => outcome.closed = true,
                    step => step.accept(),
                }
                let used = input.used();
                buffer.consume(used);
            }
            _ => break,
        }
    }
    let text = String::from_utf8(said).unwrap();
    let last_lines = text.lines().filter(|line| line.as_bytes()[3] == b' ');
    // The first two answer the connection and EHLO.
    outcome.codes = last_lines.skip(2).map(|line| line[..3].parse().unwrap()).collect();
    outcome
}

#[test]
fn each_dialogue_has_its_replies_and_messages_whatever_the_cuts() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("vectors/data.json")).unwrap();
    let mut ran = 0;
    for row in rows.iter().filter(|row| row["direction"] == "bdat") {
        let id = &row["id"];
        let mut octets = b"EHLO client.example\r\n".to_vec();
        for step in row["steps"].as_array().unwrap() {
            octets.extend_from_slice(step["command"].as_str().unwrap().as_bytes());
            octets.extend_from_slice(b"\r\n");
            match step["octets_base64"].as_str() {
                Some(base64) => octets.extend(decode(base64)),
                None => octets.extend_from_slice(step["octets"].as_str().unwrap_or_default().as_bytes()),
            }
        }
        let config = config(row["limit"].as_u64());
        let whole = play(Arc::clone(&config), &octets, usize::MAX);
        for cut in [1, 2, 3, 7] {
            assert_eq!(play(Arc::clone(&config), &octets, cut), whole, "{id} in pieces of {cut}");
        }
        check(row, &whole);
        ran += 1;
    }
    assert_eq!(ran, 54);
}

fn decode(base64: &str) -> Vec<u8> {
    smtp_proto::wire::base64::Base64::parse(base64.as_bytes()).unwrap().decode()
}

fn check(row: &Value, outcome: &Outcome) {
    let id = &row["id"];
    let closes = row["closes"].as_bool().unwrap_or(false);
    assert_eq!(outcome.closed, closes, "{id}: {outcome:?}");
    let mut codes = outcome.codes.clone();
    if closes {
        assert_eq!(codes.pop(), Some(421), "{id}: {outcome:?}");
    }
    let want = row["replies"].as_array().unwrap();
    assert_eq!(codes.len(), want.len(), "{id}: {outcome:?}");
    for (index, (code, want)) in codes.iter().zip(want).enumerate() {
        let also = row["replies_also"][index.to_string().as_str()].as_array();
        let fits = u64::from(*code) == want.as_u64().unwrap()
            || also.is_some_and(|also| also.iter().any(|one| one.as_u64() == Some(u64::from(*code))));
        assert!(fits, "{id}, reply {index}: {code}, not {want}: {}", row["why"]);
    }
    let base64 = row["messages_encoding"] == "base64";
    let messages: Vec<Vec<u8>> = row["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let text = message.as_str().unwrap();
            if base64 { decode(text) } else { text.as_bytes().to_vec() }
        })
        .collect();
    assert_eq!(outcome.messages, messages, "{id}: {}", row["why"]);
}
