//! Help for tests, ours and yours.

pub mod fuzz;
pub mod oracle;
mod policy;
mod run;
mod script;
mod transcripts;

pub use policy::Policy;
pub use run::{Cut, Run};
pub use script::{Script, Turn};
pub use transcripts::TRANSCRIPTS;
