//! See `smtp_proto::testing::fuzz::proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::testing::fuzz::proxy(octets));
