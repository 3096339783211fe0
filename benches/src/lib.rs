//! `smtp-proto` beside other parsers: the same octets, one run, one profile.
//!
//! `cargo bench` runs the groups under criterion; `cargo run --release --bin table` prints one table with ratios
//! and heap allocations; `./instructions` counts instructions with callgrind, which a busy machine does not disturb.

pub mod content;
pub mod corpus;
pub mod parse;
pub mod session;

/// What is compared: the units (command lines, replies, whole messages) and who reads them.
pub struct Group {
    /// The name in reports.
    pub name: String,
    /// The units; a round reads each once.
    pub units: Vec<Vec<u8>>,
    /// Who reads them.
    pub contenders: Vec<Contender>,
}

/// One library's way to read one kind of unit.
pub struct Contender {
    /// The name in reports; [`OURS`] is what the others are compared with.
    pub name: &'static str,
    /// Reads every unit once.
    pub round: Round,
}

/// Reads each of the units once.
pub type Round = Box<dyn FnMut(&[Vec<u8>])>;

/// The name of every contender that is this repository's.
pub const OURS: &str = "smtp-proto (ours)";

impl Contender {
    /// A contender that reads one unit with `read`. It panics where it does not accept the unit, so that nobody is
    /// timed refusing.
    pub fn new(name: &'static str, mut read: impl FnMut(&[u8]) + 'static) -> Self {
        Self { name, round: Box::new(move |units| units.iter().for_each(|unit| read(unit))) }
    }
}

/// All groups, in the order of the table.
#[must_use]
pub fn groups() -> Vec<Group> {
    let mut groups = parse::groups();
    groups.extend(content::groups());
    groups.extend(session::groups());
    groups
}
