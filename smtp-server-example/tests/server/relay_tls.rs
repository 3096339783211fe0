//! Encrypted on the way to another server of ours.

use tempfile::TempDir;

use crate::harness::{certificate, content, field, run};
use crate::neighbours::knot;
use crate::sending::{ZONE, alice, foreign, ours, submit};

#[test]
fn a_certificate_that_nobody_trusts_encrypts_all_the_same_and_the_log_says_how_and_how_long_it_took() {
    let Some(dns) = knot(&[("t.example", ZONE)]) else { return };
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let foreign = foreign(there.path(), &certificate(there.path()));
    let ours = ours(here.path(), &dns, foreign.address.port(), "");
    submit(&mut alice(&ours), &["bob@one.t.example"]);
    let line = ours.line(" relayed ");
    assert!(field(&line, "tls").starts_with("TLSv1.3 "), "{line}");
    let seconds = |key: &str| field(&line, key).parse::<f64>().unwrap_or_else(|_| panic!("{key}: {line}"));
    let parts = ["wait", "dns", "connect", "handshake", "data", "dot"].map(seconds);
    assert!(parts.iter().sum::<f64>() <= seconds("total") + 0.01, "{line}");
    // Told when it is asked for, too.
    ours.settle();
    let told = run(&["trace", "--json", "--data", ours.data.to_str().unwrap(), &field(&line, "id")]).stdout;
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    let tried = &told[0]["events"][1];
    assert_eq!((&tried["event"], &tried["ip"]), (&"try".into(), &"127.0.0.2".into()), "{told}");
    for (key, begin) in [("host", "mx"), ("tls", "TLSv1.3 "), ("transcript", "MAIL")] {
        assert!(tried[key].as_str().is_some_and(|value| value.starts_with(begin)), "{key} in {told}");
    }
    assert!(told[0]["events"][2]["reply"].as_str().unwrap().starts_with("250 2.0.0 "), "{told}");
    foreign.settle();
    let mail = foreign.mail("bob");
    assert!(content(&mail[0]).starts_with(b"Received: from "), "ours, below theirs");
    assert!(String::from_utf8_lossy(&mail[0]).contains(" with ESMTPS id "), "{}", mail[0].escape_ascii());
}
