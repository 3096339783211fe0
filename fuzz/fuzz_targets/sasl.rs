//! See `smtp_proto::testing::fuzz::sasl`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::testing::fuzz::sasl(octets));
