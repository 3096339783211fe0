//! Nothing allocates while a peer's octets are read or ours are written into a buffer that has room.

use allocation_counter::measure;
use smtp_proto::wire::command::Command;
use smtp_proto::wire::content::{BareNewlines, ChunkCounter, Decoder, Encoder, SendNewlines, Status, Survey};

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

#[test]
fn reading_and_writing_commands_allocates_nothing() {
    let rows: Vec<serde_json::Value> = serde_json::from_str(include_str!("vectors/commands.json")).unwrap();
    let lines: Vec<&str> = rows.iter().filter_map(|row| row["line"].as_str()).collect();
    assert!(lines.len() > 500);
    let mut written = Vec::with_capacity(16_384);
    for line in lines {
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
