//! Nothing allocates while a peer's octets are read or ours are written into a buffer that has room.

use allocation_counter::measure;
use smtp_proto::wire::command::Command;
use smtp_proto::wire::content::{BareNewlines, ChunkCounter, Decoder, Encoder, SendNewlines, Status, Survey};
use smtp_proto::wire::ehlo::{Capability, EhloResponse, Keyword, write_ehlo};
use smtp_proto::wire::leniency::Leniency;
use smtp_proto::wire::reply::{Reply, ReplyCollector, ReplyRef};
use smtp_proto::{Input, bytes::BytesMut};

/// Heap allocations made by `run`, on this thread alone.
fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

const MESSAGE: &[u8] = b"Subject: dots\r\n\r\n..two\r\n.one\r\nbare\rand\nbare\r\n\xfc\r\n";

#[test]
fn the_counter_counts() {
    let mut kept = Vec::new();
    assert_eq!(allocations(|| kept = vec![1_u8]), 1);
    assert_eq!(allocations(|| kept.extend_from_slice(MESSAGE)), 1, "growing counts too");
    assert_eq!(allocations(|| drop(kept)), 0, "giving back does not");
}

/// The rows of a file of vectors that have text, not base64, under `key`.
fn texts(json: &str, key: &str) -> Vec<String> {
    let rows: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
    let texts: Vec<_> = rows.iter().filter_map(|row| row[key].as_str().map(String::from)).collect();
    assert!(texts.len() > 100);
    texts
}

#[test]
fn reading_and_writing_commands_allocates_nothing() {
    let mut written = Vec::with_capacity(16_384);
    for line in texts(include_str!("vectors/commands.json"), "line") {
        let count = allocations(|| {
            written.clear();
            if let Ok(command) = Command::parse(line.as_bytes()) {
                command.write(&mut written);
            }
        });
        assert_eq!(count, 0, "{line:?}");
    }
}

#[test]
fn reading_replies_allocates_nothing() {
    for octets in texts(include_str!("vectors/replies.json"), "octets") {
        let count = allocations(|| {
            if let Ok(Some(reply)) = ReplyRef::parse(octets.as_bytes(), Leniency::REPLIES) {
                assert!(reply.lines().count() > 0);
            }
        });
        assert_eq!(count, 0, "{octets:?}");
    }
}

#[test]
fn collecting_replies_allocates_nothing_once_warm() {
    const REPLIES: &[u8] = b"250-5.1.1 a\r\n250 2.1.5 bcd\r\n";
    let mut collector = ReplyCollector::new();
    for warm in [false, true] {
        for read in [1, 5, REPLIES.len()] {
            let mut replies = 0;
            let count = allocations(|| {
                for piece in REPLIES.chunks(read) {
                    let reply = collector.feed(&mut Input::new(piece), Leniency::REPLIES).unwrap();
                    replies += usize::from(reply.is_some());
                }
            });
            assert_eq!(replies, 1);
            assert!(!warm || count == 0, "{count} in reads of {read}");
        }
    }
}

#[test]
fn writing_replies_allocates_nothing_in_a_buffer_with_room() {
    const FOREIGN: Reply<'_> = Reply::clean(550, (5, 7, 1), "scanner said:\r\n250 fine\u{fc}");
    let mut out = BytesMut::with_capacity(4_096);
    let count = allocations(|| {
        Reply::new(250, (2, 1, 0), "Ok").write(&mut out, true);
        FOREIGN.write(&mut out, true);
        Reply::lines(214, (2, 0, 0), "one\ntwo").write(&mut out, false);
    });
    assert_eq!(count, 0);
    assert_eq!(out.iter().filter(|&&octet| octet == b'\n').count(), 4);
}

#[test]
fn reading_and_writing_ehlo_responses_allocates_nothing() {
    for octets in texts(include_str!("vectors/ehlo.json"), "octets") {
        let count = allocations(|| {
            if let Ok(Some((_, response))) = EhloResponse::parse(octets.as_bytes(), Leniency::REPLIES) {
                assert!(response.extensions().count() >= response.keywords().len().min(1));
                assert!(response.auth().count() == 0 || response.has(Keyword::Auth));
            }
        });
        assert_eq!(count, 0, "{octets:?}");
    }
    let offered = [Capability::Flag(Keyword::Pipelining), Capability::Size(Some(52_428_800))];
    let mut out = BytesMut::with_capacity(512);
    let count = allocations(|| write_ehlo(&mut out, "mx.example.com", "hello", offered.iter().copied()));
    assert_eq!(count, 0);
    assert!(out.ends_with(b"250 SIZE 52428800\r\n"));
}

#[test]
fn decoding_content_allocates_nothing() {
    let wire = [MESSAGE, b".\r\n"].concat();
    for policy in [BareNewlines::Refuse, BareNewlines::Keep, BareNewlines::Count] {
        for read in [1, 3, wire.len()] {
            let mut ended = false;
            let count = allocations(|| ended = decode(&wire, read, policy));
            assert!(ended, "{policy:?} in reads of {read}");
            assert_eq!(count, 0, "{policy:?} in reads of {read}");
        }
    }
}

fn decode(wire: &[u8], read: usize, policy: BareNewlines) -> bool {
    let mut decoder = Decoder::new(policy);
    let (mut from, mut to) = (0, 0);
    loop {
        let decoded = decoder.decode(&wire[from..to]);
        from += decoded.consumed;
        match decoded.status {
            Status::End => return true,
            Status::More if to == wire.len() => return false,
            Status::More => to = wire.len().min(to + read),
            Status::Piece => {}
        }
    }
}

#[test]
fn encoding_content_allocates_nothing() {
    let mut wire = Vec::with_capacity(2 * MESSAGE.len());
    let count = allocations(|| {
        for policy in [SendNewlines::Normalise, SendNewlines::Keep] {
            wire.clear();
            let mut encoder = Encoder::new(policy);
            assert_eq!(encoder.put(MESSAGE, &mut wire), Ok(MESSAGE.len()));
            wire.extend_from_slice(encoder.finish().unwrap());
        }
        assert!(Encoder::new(SendNewlines::Refuse).put(MESSAGE, &mut wire).is_err());
    });
    assert_eq!(count, 0);
    assert!(wire.windows(7).any(|seven| seven == b"\r\n...tw"), "the dots were doubled");
}

#[test]
fn counting_chunks_and_surveying_content_allocate_nothing() {
    let count = allocations(|| {
        let mut counter = ChunkCounter::new(BareNewlines::Count);
        counter.begin(MESSAGE.len() as u64).unwrap();
        assert_eq!(counter.take(MESSAGE).len(), MESSAGE.len());
        counter.finish();
        assert_eq!((counter.bare_cr(), counter.bare_lf()), (1, 1));
        let mut survey = Survey::new();
        survey.update(MESSAGE);
        survey.finish();
        assert!(survey.has_8bit());
    });
    assert_eq!(count, 0);
}
