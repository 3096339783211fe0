//! The transcripts of `tests/transcripts`, for every adapter to run.

/// Name and text of each transcript.
pub const TRANSCRIPTS: &[(&str, &str)] = &[
    ("basic", include_str!("../../tests/transcripts/basic.txt")),
    ("chunking", include_str!("../../tests/transcripts/chunking.txt")),
    ("foreign", include_str!("../../tests/transcripts/foreign.txt")),
    ("garbage", include_str!("../../tests/transcripts/garbage.txt")),
    ("hangup", include_str!("../../tests/transcripts/hangup.txt")),
    ("help", include_str!("../../tests/transcripts/help.txt")),
    ("idle", include_str!("../../tests/transcripts/idle.txt")),
    ("lmtp", include_str!("../../tests/transcripts/lmtp.txt")),
    ("order", include_str!("../../tests/transcripts/order.txt")),
    ("oversize", include_str!("../../tests/transcripts/oversize.txt")),
    ("pipelined", include_str!("../../tests/transcripts/pipelined.txt")),
    ("probe", include_str!("../../tests/transcripts/probe.txt")),
    ("refusals", include_str!("../../tests/transcripts/refusals.txt")),
    ("refused", include_str!("../../tests/transcripts/refused.txt")),
    ("smuggling", include_str!("../../tests/transcripts/smuggling.txt")),
];
