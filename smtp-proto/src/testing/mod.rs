//! Help for tests, ours and yours.

pub mod oracle;
