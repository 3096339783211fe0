//! Help for tests, ours and yours.

pub mod fuzz;
pub mod oracle;
