//! What scripts read. A key that is gone or has another name breaks them; a new one does not, and its row is made longer.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Server, run};
use crate::queue::{Broken, send};

/// A command, and the keys of its answer, at whatever depth.
const ANSWERS: &[(&[&str], &str)] = &[
    (&["queue", "list"], "arrived from id next octets route state to tries why"),
    (&["queue", "shape"], "0s 1d 1h 3d 4h 5m ages deliveries oldest_seconds route"),
    (
        &["queue", "show", "to=alice@example.test"],
        "address arrived attempts began client deliveries done ended envid expires from held hello host id ip kind n \
         next notify octets orcpt outcome phase reply route state tls to tries unsure user",
    ),
    (
        &["trace", "alice@example.test"],
        "at client event events from hello id kind ms n next octets outcome phase reply to tries via",
    ),
    (&["trace", "127.0.0.1"], "at peer session transcript via why"),
    (&["queue", "drop", "--dry-run", "all"], "count messages"),
];

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| keys(one, found)),
        Value::Object(map) => map.iter().for_each(|(key, one)| {
            found.insert(key.clone());
            keys(one, found);
        }),
        _ => {}
    }
}

#[test]
fn what_scripts_read_keeps_its_keys() {
    let server = Server::demo();
    let _broken = Broken::new(server.data.join("alice/new"));
    send(&server, "<a@client.example>", &["<alice@example.test>"], "x");
    let mut client = server.connect();
    client.send(b"NOOP\n");
    server.line(" closed ");
    server.settle();
    for (command, wanted) in ANSWERS {
        let args = [command, &["--json", "--data", server.data.to_str().unwrap()][..]].concat();
        let output = run(&args);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{command:?}: {error} in {}", String::from_utf8_lossy(&output.stdout))
        });
        assert!(answer.is_array() || answer["count"].is_u64(), "{command:?}: {answer}");
        let mut found = BTreeSet::new();
        keys(&answer, &mut found);
        for key in wanted.split_whitespace() {
            assert!(found.contains(key), "{command:?} has no `{key}`: {answer}");
        }
    }
}
