//! A mail server on smtp-proto.
mod directory;
mod failure;
mod queue_id;
mod store;
mod trace;
fn main() {}
