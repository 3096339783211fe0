//! Command lines, row by row.

use serde_json::Value;
use smtp_proto::Command;
use smtp_proto::wire::base64::Base64;

const ROWS: &str = include_str!("vectors/commands.json");

fn octets(row: &Value) -> Vec<u8> {
    match row["line"].as_str() {
        Some(line) => line.as_bytes().to_vec(),
        None => Base64::parse(row["line_base64"].as_str().unwrap().as_bytes()).unwrap().decode(),
    }
}

#[test]
fn every_row_is_accepted_or_refused_with_its_reply() {
    let rows: Vec<Value> = serde_json::from_str(ROWS).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let line = octets(row);
        let parsed = Command::parse(&line);
        let says = match (&parsed, row["valid"].as_bool().unwrap()) {
            (Ok(Command::Unknown { .. }), false) => 500,
            (Ok(_), true) => continue,
            (Ok(_), false) => 250,
            (Err(error), _) => u64::from(error.fault.reply().code()),
        };
        let fits = row["reply"] == says
            || row["reply_also"].as_array().is_some_and(|also| also.contains(&says.into()));
        if !fits {
            wrong.push(format!("{} {:?}: {parsed:?} {says}", row["id"], line.escape_ascii().to_string()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
