//! A mail server on smtp-proto.
fn main() {}
