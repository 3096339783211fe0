//! Prints one table: time a unit, ratio to ours, heap allocations a unit.
//!
//! The contenders of a group take turns, and the fastest of many turns counts: what disturbs a turn only ever makes
//! it slower. Absolute times are this machine's; ratios carry over.
//!
//! `table 1000 command` takes a thousand turns in the groups whose names hold "command".

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use smtp_benches::{Group, OURS};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How long one turn takes at least.
const TURN: Duration = Duration::from_millis(2);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let turns = arguments.next().map_or(200, |n| n.parse().expect("usage: table [TURNS [GROUP]]"));
    let only = arguments.next().unwrap_or_default();
    println!(
        "| {:<36} | {:<18} | {:>12} | {:>10} | {:>11} |",
        "read", "by", "ns a unit", "ours / it", "allocations"
    );
    println!("|{:-<38}|{:-<20}|{:->13}:|{:->11}:|{:->12}:|", "", "", "", "", "");
    for group in smtp_benches::groups().into_iter().filter(|group| group.name.contains(&only)) {
        print(group, turns);
    }
}

fn print(mut group: Group, turns: u32) {
    let units = group.units.len() as f64;
    let mut rows: Vec<Row> = (0..group.contenders.len()).map(|i| Row::prepare(&mut group, i)).collect();
    for _ in 0..turns {
        for (row, contender) in rows.iter_mut().zip(&mut group.contenders) {
            row.best = row.best.min(turn(&mut contender.round, &group.units, row.rounds));
        }
    }
    let ours = group.contenders.iter().position(|contender| contender.name == OURS);
    for (row, contender) in rows.iter().zip(&group.contenders) {
        let ratio = ours.map_or_else(|| "-".into(), |ours| format!("{:.2}", rows[ours].best / row.best));
        println!(
            "| {:<36} | {:<18} | {:>12.1} | {ratio:>10} | {:>11.2} |",
            group.name,
            contender.name,
            row.best * 1e9 / units,
            row.allocations as f64 / units,
        );
    }
}

struct Row {
    /// Rounds in a turn.
    rounds: u32,
    /// Allocations of one round, once warm.
    allocations: u64,
    /// Seconds a round in the best turn.
    best: f64,
}

impl Row {
    /// Warms contender `i` up, counts what it allocates, and finds how many rounds make a turn.
    fn prepare(group: &mut Group, i: usize) -> Self {
        let round = &mut group.contenders[i].round;
        round(&group.units);
        let before = ALLOCATIONS.load(Relaxed);
        round(&group.units);
        let allocations = ALLOCATIONS.load(Relaxed) - before;
        let mut rounds = 1;
        while turn(round, &group.units, rounds) * f64::from(rounds) < TURN.as_secs_f64() {
            rounds *= 2;
        }
        Self { rounds, allocations, best: f64::INFINITY }
    }
}

fn turn(round: &mut dyn FnMut(&[Vec<u8>]), units: &[Vec<u8>], rounds: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..rounds {
        round(units);
    }
    start.elapsed().as_secs_f64() / f64::from(rounds)
}
