//! Content of DATA and BDAT: vectors, an exhaustive comparison with the oracle, random content.
#![cfg(feature = "testing")]

use serde_json::Value;
use smtp_proto::testing::oracle;
use smtp_proto::wire::base64::Base64;
use smtp_proto::wire::content::{BareNewline, BareNewlines, Decoder, Encoder, SendNewlines, Status, Survey};

const POLICIES: [BareNewlines; 3] = [BareNewlines::Refuse, BareNewlines::Keep, BareNewlines::Count];

/// Decodes as an adapter does: octets arrive in reads of the given lengths (the last repeats), what is not consumed stays.
fn decode(wire: &[u8], reads: &[usize], policy: BareNewlines) -> (oracle::Content, Decoder) {
    let mut decoder = Decoder::new(policy);
    let mut out = oracle::Content::default();
    let (mut arrived, mut reads) = (0, reads.iter().copied());
    let mut read = 0;
    while arrived < wire.len() && !out.ended {
        read = reads.next().unwrap_or(read);
        arrived = wire.len().min(arrived + read);
        loop {
            let input = &wire[out.consumed..arrived];
            let decoded = decoder.decode(input);
            out.content.extend_from_slice(decoded.content);
            out.consumed += decoded.consumed;
            match decoded.status {
                Status::Piece => assert!(decoded.consumed > 0 && out.consumed < arrived, "{wire:?}"),
                Status::More => {
                    assert!(arrived - out.consumed <= 2, "{wire:?}");
                    break;
                }
                Status::End => {
                    out.ended = true;
                    break;
                }
            }
        }
    }
    (out.bare_cr, out.bare_lf) = (decoder.bare_cr(), decoder.bare_lf());
    (out, decoder)
}

fn encode(content: &[u8], reads: &[usize], policy: SendNewlines) -> Result<Vec<u8>, BareNewline> {
    let mut encoder = Encoder::new(policy);
    let mut wire = Vec::new();
    let mut reads = reads.iter().copied();
    let (mut at, mut read) = (0, 0);
    while at < content.len() {
        read = reads.next().unwrap_or(read);
        let piece = &content[at..content.len().min(at + read)];
        assert_eq!(encoder.put(piece, &mut wire)?, piece.len());
        at += piece.len();
    }
    wire.extend_from_slice(encoder.finish()?);
    Ok(wire)
}

fn rows(direction: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(include_str!("vectors/data.json")).unwrap();
    all.into_iter().filter(|row| row["direction"] == direction).collect()
}

fn octets(row: &Value, key: &str) -> Vec<u8> {
    match (&row[key], &row[format!("{key}_base64")]) {
        (Value::String(text), _) => text.as_bytes().to_vec(),
        (_, Value::String(text)) => Base64::parse(text.as_bytes()).unwrap().decode(),
        _ => panic!("no {key} in {row}"),
    }
}

/// Whole; as the row cuts it; octet by octet; in twos and threes.
fn cuts(row: &Value) -> Vec<Vec<usize>> {
    let mut all = vec![vec![usize::MAX / 2], vec![1], vec![2], vec![3]];
    if let Some(chunks) = row["chunks"].as_array() {
        let mut lengths = Vec::new();
        let mut at = 0;
        for chunk in chunks {
            let chunk = usize::try_from(chunk.as_u64().unwrap()).unwrap();
            lengths.push(chunk - at);
            at = chunk;
        }
        lengths.push(usize::MAX / 2);
        all.push(lengths);
    }
    all
}

#[test]
fn every_decode_row_holds_however_it_is_cut() {
    let rows = rows("decode");
    assert_eq!(rows.len(), 180);
    for row in rows {
        let id = row["id"].as_str().unwrap();
        let wire = octets(&row, "wire");
        let policies: &[_] = match row["policy"].as_str().unwrap() {
            "refuse" => &[BareNewlines::Refuse],
            "keep" => &[BareNewlines::Keep, BareNewlines::Count],
            other => panic!("{id}: policy {other}"),
        };
        for &policy in policies {
            for reads in cuts(&row) {
                let (got, decoder) = decode(&wire, &reads, policy);
                assert_eq!(got.content, octets(&row, "content"), "{id} {policy:?} {reads:?}");
                if row["result"] == "end" {
                    assert!(got.ended, "{id}");
                    assert_eq!(got.consumed as u64, row["consumed"].as_u64().unwrap(), "{id}");
                } else {
                    assert_eq!(row["result"], "need_more", "{id}");
                    assert!(!got.ended, "{id}");
                    // The row counts the dot of an undecided end as consumed; ours leaves it in the buffer.
                    let held = wire.len() - got.consumed;
                    assert!(
                        matches!(&wire[got.consumed..], [] | [b'.'] | [b'.', b'\r']),
                        "{id}: {held} held"
                    );
                    assert_eq!((got.consumed + held) as u64, row["consumed"].as_u64().unwrap(), "{id}");
                }
                if policy != BareNewlines::Keep {
                    assert_eq!(got.bare_cr, row["bare_cr"].as_u64().unwrap(), "{id} {reads:?}");
                    assert_eq!(got.bare_lf, row["bare_lf"].as_u64().unwrap(), "{id} {reads:?}");
                }
                assert_eq!(decoder.is_refused(), row["refused"].as_bool().unwrap(), "{id}");
                if let Some(longest) = row["longest_line"].as_u64() {
                    let mut survey = Survey::new();
                    survey.update(&got.content);
                    assert_eq!(survey.longest_line(), longest, "{id}");
                    assert_eq!(survey.has_long_line(), row["over_long"].as_bool().unwrap(), "{id}");
                }
            }
        }
    }
}

#[test]
fn every_encode_row_holds_however_it_is_cut() {
    let rows = rows("encode");
    assert_eq!(rows.len(), 30);
    for row in rows {
        let id = row["id"].as_str().unwrap();
        let content = octets(&row, "content");
        let policy = match row["policy"].as_str().unwrap() {
            "refuse" => SendNewlines::Refuse,
            "keep" => SendNewlines::Keep,
            other => panic!("{id}: policy {other}"),
        };
        for reads in cuts(&row) {
            let got = encode(&content, &reads, policy);
            match row["result"].as_str().unwrap() {
                "ok" => assert_eq!(got.as_ref(), Ok(&octets(&row, "wire")), "{id} {reads:?}"),
                "error" => assert!(got.is_err(), "{id} {reads:?}"),
                other => panic!("{id}: result {other}"),
            }
        }
    }
}

/// Every string over dot, CR, LF and "a" of up to nine octets.
fn all_strings(mut check: impl FnMut(&[u8])) {
    for length in 0..=9_u32 {
        for number in 0..4_usize.pow(length) {
            let mut text = [0; 9];
            let text = &mut text[..length as usize];
            let mut rest = number;
            for octet in text.iter_mut() {
                *octet = b".\r\na"[rest % 4];
                rest /= 4;
            }
            check(text);
        }
    }
}

#[test]
fn every_short_string_decodes_as_the_oracle_says_in_every_chunking() {
    all_strings(|wire| {
        for policy in POLICIES {
            let expected = oracle::decode(wire, policy);
            for reads in [&[1][..], &[2], &[3], &[64], &[1, 3, 2], &[4, 1, 1, 3]] {
                assert_eq!(decode(wire, reads, policy).0, expected, "{wire:?} {policy:?} {reads:?}");
            }
        }
    });
}

#[test]
fn every_short_string_encodes_as_the_oracle_says_and_decodes_to_itself() {
    all_strings(|content| {
        let expected = oracle::encode(content);
        let mut survey = Survey::new();
        survey.update(content);
        survey.finish();
        let is_clean = survey.bare_cr() + survey.bare_lf() == 0;
        for reads in [&[1][..], &[2], &[3], &[64], &[1, 3, 2]] {
            assert_eq!(encode(content, reads, SendNewlines::Keep).as_ref(), Ok(&expected));
            let strict = encode(content, reads, SendNewlines::Refuse);
            assert_eq!(strict.is_ok(), is_clean, "{content:?} {reads:?}");
            if let Ok(wire) = strict {
                assert_eq!(wire, expected);
            }
        }
        let decoded = oracle::decode(&expected, BareNewlines::Keep);
        assert!(decoded.ended && decoded.consumed == expected.len(), "{content:?}");
        let added = if content.is_empty() || content.ends_with(b"\r\n") { &b""[..] } else { b"\r\n" };
        assert_eq!(decoded.content, [content, added].concat());
    });
}
