//! Help for tests, ours and yours.

mod catch;
mod client_script;
pub mod fuzz;
pub mod oracle;
mod pair;
mod policy;
mod run;
mod script;
mod settings;
mod talk;
mod transcripts;

pub use catch::{Catch, Catching, Mail};
pub use client_script::{CLIENT_TRANSCRIPTS, ClientScript};
pub use pair::{Mishap, Pair, Side, Stored};
pub use policy::Policy;
pub use run::{Cut, Run};
pub use script::{Script, Turn};
pub use talk::{Letter, Talk, Task};
pub use transcripts::TRANSCRIPTS;
