//! Content of DATA and BDAT: vectors, an exhaustive comparison with the oracle, random content.
#![cfg(feature = "testing")]

use bytes::BufMut;
use proptest::prelude::*;
use serde_json::Value;
use smtp_proto::testing::oracle;
use smtp_proto::wire::base64::Base64;
use smtp_proto::wire::content::{
    BareNewline, BareNewlines, ChunkCounter, Decoder, Encoder, SendNewlines, Status, Survey,
};

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

/// Every string over dot, CR, LF and "a" of up to `longest` octets, nine at most.
fn all_strings(longest: u32, mut check: impl FnMut(&[u8])) {
    for length in 0..=longest {
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
    all_strings(9, |wire| {
        for policy in [BareNewlines::Refuse, BareNewlines::Keep] {
            let expected = oracle::decode(wire, policy);
            for reads in [&[1][..], &[2], &[3], &[64], &[1, 3, 2], &[4, 1, 1, 3]] {
                assert_eq!(decode(wire, reads, policy).0, expected, "{wire:?} {policy:?} {reads:?}");
            }
        }
    });
}

#[test]
fn every_short_string_encodes_as_the_oracle_says_and_decodes_to_itself() {
    all_strings(9, |content| {
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

/// Bare CRs and LFs, the slow way.
fn bare(content: &[u8]) -> (u64, u64) {
    let (mut cr, mut lf) = (0, 0);
    for (at, octet) in content.iter().enumerate() {
        cr += u64::from(*octet == b'\r' && content.get(at + 1) != Some(&b'\n'));
        lf += u64::from(*octet == b'\n' && !content[..at].ends_with(b"\r"));
    }
    (cr, lf)
}

/// Every bare CR and LF replaced by both, the slow way.
fn normalised(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = content;
    loop {
        let (piece, used): (&[u8], _) = match rest {
            [] => return out,
            [b'\r', b'\n', ..] => (b"\r\n", 2),
            [b'\r' | b'\n', ..] => (b"\r\n", 1),
            [other, ..] => (&[*other], 1),
        };
        out.extend_from_slice(piece);
        rest = &rest[used..];
    }
}

#[test]
fn every_short_string_normalised_is_sent_with_whole_line_ends_only() {
    all_strings(7, |content| {
        let expected = oracle::encode(&normalised(content));
        assert_eq!(bare(&expected), (0, 0));
        for reads in [&[1][..], &[2], &[64], &[1, 3, 2]] {
            assert_eq!(
                encode(content, reads, SendNewlines::Normalise).as_ref(),
                Ok(&expected),
                "{content:?}"
            );
        }
    });
}

#[test]
fn an_error_of_the_encoder_names_the_first_bare_octet() {
    all_strings(7, |content| {
        let first_bare = (0..content.len()).find(|&at| {
            let (before, rest) = content.split_at(at);
            rest[0] == b'\r' && !rest.starts_with(b"\r\n") || rest[0] == b'\n' && !before.ends_with(b"\r")
        });
        let expected = first_bare.map(|at| BareNewline { octet: content[at], at: at as u64 });
        for reads in [&[1][..], &[2], &[64]] {
            assert_eq!(encode(content, reads, SendNewlines::Refuse).err(), expected, "{content:?} {reads:?}");
        }
    });
}

/// Chunks of the given sizes (the last repeats), each arriving an octet at a time.
fn count_chunks(content: &[u8], sizes: &[usize], policy: BareNewlines) -> ChunkCounter {
    let mut counter = ChunkCounter::new(policy);
    let mut sizes = sizes.iter().copied();
    let (mut at, mut size) = (0, 0);
    while at < content.len() {
        size = sizes.next().unwrap_or(size).min(content.len() - at);
        counter.begin(size as u64).unwrap();
        while counter.left() > 0 {
            let taken = counter.take(&content[at..=at]);
            assert_eq!(taken, &content[at..=at]);
            at += taken.len();
        }
        assert!(counter.take(b"RSET").is_empty(), "what follows a chunk is not the chunk's");
    }
    counter.finish();
    counter
}

#[test]
fn chunks_are_counted_and_checked_over_their_edges() {
    all_strings(7, |content| {
        for sizes in [&[1][..], &[2], &[64], &[1, 3, 2]] {
            let counter = count_chunks(content, sizes, BareNewlines::Refuse);
            assert_eq!((counter.bare_cr(), counter.bare_lf()), bare(content), "{content:?} {sizes:?}");
            assert_eq!(counter.is_refused(), bare(content) != (0, 0));
            assert_eq!(counter.total(), content.len() as u64);
            let counted = count_chunks(content, sizes, BareNewlines::Count);
            assert_eq!((counted.bare_cr(), counted.bare_lf()), bare(content));
            let kept = count_chunks(content, sizes, BareNewlines::Keep);
            assert_eq!((kept.bare_cr(), kept.bare_lf()), (0, 0));
            assert!(!counted.is_refused() && !kept.is_refused());
        }
    });
}

#[test]
fn chunk_sizes_never_wrap() {
    let mut counter = ChunkCounter::new(BareNewlines::Keep);
    counter.begin(u64::MAX - 1).unwrap();
    assert_eq!(counter.take(b"abc"), b"abc");
    let before = counter;
    assert!(counter.begin(2).is_err());
    assert_eq!(counter, before, "a chunk that can't be counted changes nothing");
    counter.begin(1).unwrap();
    assert_eq!((counter.total(), counter.left()), (u64::MAX, u64::MAX - 3));
}

#[test]
fn a_survey_says_what_content_needs() {
    const NOTHING: &[&str] = &[];
    let rows: &[(&[u8], &[&str], &str)] = &[
        (b"", NOTHING, "empty content is fine"),
        (b"Subject: a\r\n\r\nb\r\n", NOTHING, "plain"),
        (b"Subject: a\r\n\r\n\xff\r\n", &["8bit"], "8-bit in the body alone"),
        (b"Subject: \xc3\xa4\r\n\r\nb\r\n", &["8bit", "8bit header"], "8-bit in the header"),
        (b"\r\n\xff\r\n", &["8bit"], "an empty line first: there is no header"),
        (b"a: b\n\n\xff\r\n", &["8bit", "8bit header", "binary"], "a bare LF ends no header"),
        (b"a\r\n\x00\r\n", &["nul", "binary"], "a NUL"),
        (b"a\rb", &["open", "binary"], "a bare CR; no line end"),
        (b"a\r", &["open", "binary"], "half a line end"),
        (b"a\n", &["open", "binary"], "an LF is no line end"),
        (&[b'x'; 1001], &["open", "long"], "longer than a receiver must take"),
    ];
    for (content, expected, why) in rows {
        for cut in [1, 2, 5, 2_000] {
            let mut survey = Survey::new();
            for piece in content.chunks(cut) {
                survey.update(piece);
            }
            survey.finish();
            let found: Vec<&str> = [
                (survey.has_8bit(), "8bit"),
                (survey.has_8bit_header(), "8bit header"),
                (survey.has_nul(), "nul"),
                (!survey.ends_line(), "open"),
                (survey.needs_binarymime(), "binary"),
                (survey.has_long_line(), "long"),
            ]
            .into_iter()
            .filter_map(|(holds, name)| holds.then_some(name))
            .collect();
            assert_eq!(&found, expected, "{why}, cut at {cut}");
            assert_eq!(survey.octets(), content.len() as u64, "{why}");
        }
    }
}

#[test]
fn a_survey_counts_as_the_slow_way_does_over_every_cut() {
    all_strings(7, |content| {
        let longest =
            content.split_inclusive(|&octet| octet == b'\n').fold((0, 0), |(longest, open), piece| {
                let line = open + piece.len();
                // An LF alone ends no line.
                (longest.max(line), if piece.ends_with(b"\r\n") { 0 } else { line })
            });
        for cut in [1, 2, 64] {
            let mut survey = Survey::new();
            for piece in content.chunks(cut) {
                survey.update(piece);
            }
            survey.finish();
            assert_eq!((survey.bare_cr(), survey.bare_lf()), bare(content), "{content:?} {cut}");
            assert_eq!(survey.longest_line(), longest.0 as u64, "{content:?} {cut}");
        }
    });
}

#[test]
fn what_is_irregular_is_found_at_every_offset() {
    for odd in [&b"\r\n.x"[..], b"\n", b"\r", b"\n.", b"\r\n..", b"\r\r\n.\n"] {
        for offset in 0..400 {
            let mut wire = vec![b'a'; offset];
            wire.extend_from_slice(odd);
            wire.extend_from_slice(&[b'b'; 200]);
            wire.extend_from_slice(b"\r\n.\r\nQUIT\r\n");
            for policy in POLICIES {
                assert_eq!(
                    decode(&wire, &[9_999], policy).0,
                    oracle::decode(&wire, policy),
                    "{offset} {odd:?}"
                );
            }
            let survey = &mut Survey::new();
            survey.update(&wire);
            assert_eq!((survey.bare_cr(), survey.bare_lf()), bare(&wire), "{offset} {odd:?}");
            assert_eq!(encode(&wire, &[9_999], SendNewlines::Keep), Ok(oracle::encode(&wire)));
        }
    }
}

#[test]
fn a_buffer_of_any_size_can_be_encoded_into() {
    let content = b".one\r\n..two\r\nthree\r\n.\r\n.";
    for room in 3..40 {
        let mut encoder = Encoder::new(SendNewlines::Refuse);
        let mut wire = Vec::new();
        let mut rest = &content[..];
        while !rest.is_empty() {
            let before = wire.len();
            let mut out = (&mut wire).limit(room);
            let taken = encoder.put(rest, &mut out).unwrap();
            assert!(taken > 0 && wire.len() - before <= room, "{room}");
            rest = &rest[taken..];
        }
        wire.extend_from_slice(encoder.finish().unwrap());
        assert_eq!(wire, oracle::encode(content), "{room}");
    }
    let mut buffer = Vec::new();
    let mut full = (&mut buffer).limit(2);
    assert_eq!(
        Encoder::new(SendNewlines::Refuse).put(content, &mut full),
        Ok(0),
        "too little room: nothing taken"
    );
}

#[test]
fn a_decoder_is_a_few_octets() {
    assert!(size_of::<Decoder>() <= 24);
    assert!(size_of::<Encoder>() <= 16);
}

/// Text in which what matters is frequent, long enough to cross the blocks of every pass.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        2 => Just(b"\r\n.".to_vec()),
        1 => prop::sample::select(vec![&b"\r"[..], b"\n", b".", b"\n.", b"\r."]).prop_map(<[u8]>::to_vec),
        4 => (any::<u8>(), 0..200_usize).prop_map(|(octet, n)| vec![octet; n]),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn reads() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..4_usize, 1..200_usize, 1..5_000_usize], 1..20)
}

proptest! {
    #[test]
    fn any_octets_decode_as_the_oracle_says_in_any_chunking(wire in content(), reads in reads()) {
        for policy in POLICIES {
            prop_assert_eq!(decode(&wire, &reads, policy).0, oracle::decode(&wire, policy));
        }
    }

    #[test]
    fn any_content_kept_comes_back(content in content(), reads in reads()) {
        let wire = encode(&content, &reads, SendNewlines::Keep).unwrap();
        prop_assert_eq!(&wire, &oracle::encode(&content));
        let (back, _) = decode(&wire, &reads, BareNewlines::Count);
        prop_assert!(back.ended && back.consumed == wire.len());
        prop_assert!(back.content.starts_with(&content));
        prop_assert_eq!((back.bare_cr, back.bare_lf), bare(&back.content));
    }

    #[test]
    fn any_content_normalised_has_nothing_bare(content in content(), reads in reads()) {
        let wire = encode(&content, &reads, SendNewlines::Normalise).unwrap();
        prop_assert_eq!(wire, oracle::encode(&normalised(&content)));
    }

    #[test]
    fn any_content_in_any_chunks_is_counted_alike(content in content(), sizes in reads()) {
        let counter = count_chunks(&content, &sizes, BareNewlines::Count);
        prop_assert_eq!((counter.bare_cr(), counter.bare_lf()), bare(&content));
    }
}
