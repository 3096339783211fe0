//! Replays the seeds of every fuzz target, and holds those that come from vectors equal to them.
#![cfg(feature = "testing")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;
use smtp_proto::testing::fuzz;
use smtp_proto::wire::base64::Base64;

/// Seeds by file name.
type Seeds = BTreeMap<String, Vec<u8>>;

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

/// Seeds named `vector-…` are made of the vectors here; others are kept by hand.
/// `UPDATE_SEEDS=1` writes them anew.
#[test]
fn seeds_from_vectors_are_up_to_date() {
    for (target, from_vectors) in [("content", content as fn() -> Seeds)] {
        let wanted = from_vectors();
        let mut found = committed(target);
        found.retain(|name, _| name.starts_with("vector-"));
        if env::var_os("UPDATE_SEEDS").is_some() {
            for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
                fs::remove_file(folder(target).join(name)).unwrap();
            }
            for (name, octets) in &wanted {
                fs::write(folder(target).join(name), octets).unwrap();
            }
        } else {
            assert!(
                found == wanted,
                "seeds of {target} differ from the vectors: run this with UPDATE_SEEDS=1"
            );
        }
    }
}

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

/// The octets of a field, which is either text or base64.
fn octets(row: &Value, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = row[key].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let text = row[format!("{key}_base64")].as_str()?;
    Some(Base64::parse(text.as_bytes()).unwrap().decode())
}

/// One seed for each row that has `key`, unless it is long or the same as an earlier one.
fn seeds(rows: &[Value], key: &str, before: &[u8]) -> Seeds {
    const LONGEST: usize = 160;
    let mut seen = Vec::new();
    let mut seeds = Seeds::new();
    for row in rows {
        let Some(octets) = octets(row, key) else { continue };
        if octets.len() > LONGEST || seen.contains(&octets) {
            continue;
        }
        seeds.insert(format!("vector-{}", row["id"].as_str().unwrap()), [before, &octets].concat());
        seen.push(octets);
    }
    seeds
}

/// Cut in threes, so that most cuts fall into something.
fn content() -> Seeds {
    seeds(&rows(include_str!("vectors/data.json")), "wire", &[3])
}
