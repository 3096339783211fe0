//! See `smtp_proto::testing::fuzz::pair`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::testing::fuzz::pair(octets));
