//! See `smtp_proto::testing::fuzz::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::testing::fuzz::session(octets));
