//! How much waits for each destination, and since when: `queue shape`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value, json};

use super::admin::states;
use super::command::plain;
use super::filter::Filter;
use super::model::RouteKey;
use super::sqlite::matching;
use super::store::StoreError;
use crate::metrics::AGES;

/// One destination's share.
#[derive(Default)]
struct Share {
    /// Deliveries by age, each in the oldest band that it has reached.
    bands: [u64; AGES.len()],
    /// In seconds.
    oldest: i64,
}

/// The destinations with the most deliveries first; what is done is left out unless it is asked for.
pub(super) fn shape(db: &Connection, filter: &Filter, now: Timestamp) -> Result<Value, StoreError> {
    let (condition, values) = matching(filter, states(filter), now);
    let sql = format!(
        "SELECT d.route_key, m.arrived_at FROM delivery d JOIN message m USING (msg_id) WHERE {condition}"
    );
    let mut query = db.prepare(&sql)?;
    let mut rows = query.query(params_from_iter(values))?;
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (route, arrived): (String, i64) = (row.get(0)?, row.get(1)?);
        let age = (now.as_millisecond().saturating_sub(arrived)).max(0) / 1_000;
        let share = shares.entry(RouteKey::stored(route).to_string()).or_default();
        share.bands[AGES.iter().rposition(|(_, from)| age >= *from).unwrap_or(0)] += 1;
        share.oldest = share.oldest.max(age);
    }
    let mut rows: Vec<_> = shares.into_iter().map(|(route, share)| row(&route, &share)).collect();
    // Those with as many stay in the order of their names.
    rows.sort_by_key(|row| std::cmp::Reverse(row["deliveries"].as_u64()));
    Ok(Value::Array(rows))
}

fn row(route: &str, share: &Share) -> Value {
    let bands = AGES.iter().zip(share.bands).map(|((age, _), count)| ((*age).to_owned(), json!(count)));
    json!({
        "route": route,
        "deliveries": share.bands.iter().sum::<u64>(),
        "oldest_seconds": share.oldest,
        "ages": Map::from_iter(bands),
    })
}

/// A line for each destination and one for all of them, a column for each band.
pub(super) fn table(shape: &Value) -> String {
    let rows = shape.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = format!("{:<32} {:>8}", "destination", "all");
    for (age, _) in AGES {
        let _ = write!(text, " {age:>7}");
    }
    text.push('\n');
    let sum = |of: &dyn Fn(&Value) -> u64| rows.iter().map(of).sum::<u64>();
    let band = |row: &Value, age: &str| row["ages"][age].as_u64().unwrap_or(0);
    let mut line = |name: &str, all: u64, of: &dyn Fn(&str) -> u64| {
        let _ = write!(text, "{name:<32} {all:>8}");
        for (age, _) in AGES {
            let _ = write!(text, " {:>7}", of(age));
        }
        text.push('\n');
    };
    for row in rows {
        line(&plain(&row["route"]), row["deliveries"].as_u64().unwrap_or(0), &|age| band(row, age));
    }
    line("total", sum(&|row| row["deliveries"].as_u64().unwrap_or(0)), &|age| sum(&|row| band(row, age)));
    text
}
