//! Replays the seeds of every fuzz target, and holds those that come from vectors equal to them.
#![cfg(feature = "testing")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;
use smtp_proto::testing::{Script, TRANSCRIPTS, fuzz};
use smtp_proto::wire::base64::Base64;

/// Seeds by file name.
type Seeds = BTreeMap<String, Vec<u8>>;

/// A target and what every vector gives it.
type Vectors = (&'static str, fn() -> Seeds);

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "seeds", target].iter().collect()
}

fn committed(target: &str) -> Seeds {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn every_seed_passes_its_target() {
    for (target, body) in fuzz::TARGETS {
        let seeds = committed(target);
        assert!(!seeds.is_empty(), "no seeds for {target}");
        for (name, octets) in seeds {
            eprintln!("{target}/{name}");
            body(&octets);
        }
    }
}

#[test]
fn every_target_passes_short_octets_of_every_kind() {
    let interesting = b"\r\n. \x00\xff<>@\"\\[]:=-2A";
    for (target, body) in fuzz::TARGETS {
        eprintln!("{target}");
        body(b"");
        for &a in interesting {
            body(&[a]);
            for &b in interesting {
                body(&[a, b]);
                for &c in interesting {
                    body(&[a, b, c]);
                }
            }
        }
    }
}

const VECTORS: &[Vectors] = &[
    ("address", addresses),
    ("command", commands),
    ("content", content),
    ("ehlo", ehlo),
    ("proxy", headers),
    ("reply", replies),
    ("sasl", exchanges),
    ("session", dialogues),
    ("split", transcripts),
];

#[test]
fn every_vector_passes_its_target() {
    for (target, vectors) in VECTORS {
        let (_, body) = fuzz::TARGETS.iter().find(|(name, _)| name == target).unwrap();
        for (name, octets) in vectors() {
            eprintln!("{target}/{name}");
            body(&octets);
        }
    }
}

/// Seeds named `vector-…` are made of the vectors here, some of each target; others are kept by hand.
/// `UPDATE_SEEDS=1` writes them anew.
#[test]
fn seeds_from_vectors_are_up_to_date() {
    for (target, vectors) in VECTORS {
        let wanted = some(vectors());
        let folder = folder(target);
        if env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for name in committed(target).into_keys().filter(|name| name.starts_with("vector-")) {
                fs::remove_file(folder.join(name)).unwrap();
            }
            for (name, octets) in &wanted {
                fs::write(folder.join(name), octets).unwrap();
            }
        }
        // Transcripts change too often to hold these to them; they are played in any case.
        if matches!(*target, "session" | "split") {
            continue;
        }
        let mut found = committed(target);
        found.retain(|name, _| name.starts_with("vector-"));
        assert!(found == wanted, "seeds of {target} differ from the vectors: run this with UPDATE_SEEDS=1");
    }
}

/// Evenly spread over the rows, few enough to be committed as files.
fn some(all: Seeds) -> Seeds {
    const MOST: usize = 64;
    const LONGEST: usize = 512;
    let short: Vec<_> = all.into_iter().filter(|(_, octets)| octets.len() <= LONGEST).collect();
    let step = short.len().div_ceil(MOST);
    short.into_iter().step_by(step).collect()
}

/// What `input` makes of each row it takes.
fn seeds(json: &str, input: impl Fn(&Value) -> Option<Vec<u8>>) -> Seeds {
    let rows: Vec<Value> = serde_json::from_str(json).unwrap();
    let named = |row: &Value| Some((format!("vector-{}", row["id"].as_str()?), input(row)?));
    let seeds: Seeds = rows.iter().filter_map(named).collect();
    assert!(!seeds.is_empty());
    seeds
}

/// The octets of a field, which is either text or base64.
fn octets(row: &Value, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = row[key].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let text = row[format!("{key}_base64")].as_str()?;
    Some(Base64::parse(text.as_bytes()).unwrap().decode())
}

fn addresses() -> Seeds {
    seeds(include_str!("vectors/addresses.json"), |row| octets(row, "path"))
}

fn commands() -> Seeds {
    seeds(include_str!("vectors/commands.json"), |row| octets(row, "line"))
}

/// In pieces of three, so that most cuts fall into something.
fn in_threes(row: &Value, key: &str) -> Option<Vec<u8>> {
    Some([b"\x03", &octets(row, key)?[..]].concat())
}

fn content() -> Seeds {
    seeds(include_str!("vectors/data.json"), |row| in_threes(row, "wire"))
}

fn replies() -> Seeds {
    seeds(include_str!("vectors/replies.json"), |row| in_threes(row, "octets"))
}

fn headers() -> Seeds {
    seeds(include_str!("vectors/proxy.json"), |row| octets(row, "octets"))
}

fn ehlo() -> Seeds {
    seeds(include_str!("vectors/ehlo.json"), |row| octets(row, "octets"))
}

/// Each transcript's client, against one of the target's servers.
fn transcripts() -> Seeds {
    let seed = |i: usize, text| {
        let script = Script::parse(text).unwrap();
        let sent: Vec<u8> = script.turns().iter().flat_map(|turn| turn.send.clone()).collect();
        let server = u8::try_from(i).unwrap();
        [&[server, 200], &sent[..]].concat()
    };
    let transcripts = TRANSCRIPTS.iter().enumerate();
    transcripts.map(|(i, (name, text))| (format!("vector-{name}"), seed(i, text))).collect()
}

/// The client's messages to a server, or a server's to a client that breaks off, which is what those rows are about.
fn exchanges() -> Seeds {
    const MECHANISMS: &str = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS \
        XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS";
    seeds(include_str!("vectors/sasl.json"), |row| {
        let mut names = MECHANISMS.split(' ');
        let mechanism = u8::try_from(names.position(|name| row["mechanism"] == name)?).unwrap();
        let steps = row["steps"].as_array()?;
        let (from, server) =
            if steps.iter().any(|step| step["wire"] == "*") { ("S", 0x80) } else { ("C", 0) };
        let messages =
            steps.iter().filter(|step| step["from"] == from).filter_map(|step| octets(step, "octets"));
        Some([&[mechanism | server], &messages.collect::<Vec<_>>().join(&b'\n')[..]].concat())
    })
}

/// Each transcript's client, turn by turn, against a server that accepts everything and against a moody one.
fn dialogues() -> Seeds {
    let mut seeds = Seeds::new();
    for (i, (name, text)) in TRANSCRIPTS.iter().enumerate() {
        let script = Script::parse(text).unwrap();
        let mut happens = Vec::new();
        for turn in script.turns() {
            for part in turn.send.chunks(255) {
                // Shorter lengths mean other things.
                happens.push(u8::try_from(part.len()).unwrap().max(4));
                happens.extend_from_slice(part);
            }
        }
        let server = u8::try_from(i).unwrap();
        seeds.insert(format!("vector-{name}"), [&[server, 0], &happens[..]].concat());
        seeds.insert(format!("vector-{name}-moody"), [&[server, server + 1], &happens[..]].concat());
    }
    seeds
}
