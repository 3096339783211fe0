//! See `smtp_proto::testing::fuzz::split`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::testing::fuzz::split(octets));
