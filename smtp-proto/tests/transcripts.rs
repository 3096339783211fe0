//! Every transcript, whole and cut anywhere: the same octets give the same steps and the same replies.
#![cfg(feature = "testing")]

use smtp_proto::testing::{Cut, Run, Script, TRANSCRIPTS};

fn run(name: &str, script: &Script, cut: Cut) -> Run {
    script.run(cut).unwrap_or_else(|why| panic!("{name}, {cut:?}: {why}"))
}

#[test]
fn each_transcript_runs_as_it_is_written() {
    for (name, text) in TRANSCRIPTS {
        let script = Script::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        run(name, &script, Cut::Whole);
    }
}

#[test]
fn cutting_the_input_anywhere_changes_neither_steps_nor_replies() {
    for (name, text) in TRANSCRIPTS {
        let script = Script::parse(text).unwrap();
        let whole = run(name, &script, Cut::Whole);
        let cuts = [1, 2, 3, 7].map(Cut::Every).into_iter().chain((0..200).map(Cut::Seeded));
        for cut in cuts {
            let cut_run = run(name, &script, cut);
            assert_eq!(whole.events, cut_run.events, "{name}, {cut:?}");
            assert_eq!(
                whole.output.escape_ascii().to_string(),
                cut_run.output.escape_ascii().to_string(),
                "{name}, {cut:?}"
            );
        }
    }
}

#[test]
fn every_transcript_file_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let listed: Vec<&str> = TRANSCRIPTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, listed);
}

/// What a server can offer, and the transcript that plays it.
const EXTENSIONS: &[(&str, &str)] = &[
    ("250-PIPELINING", "pipelined"),
    ("250-SIZE 20", "oversize"),
    ("250-8BITMIME", "8bitmime"),
    ("250-SMTPUTF8", "smtputf8"),
    ("250 CHUNKING", "chunking"),
    ("250-BINARYMIME", "binarymime"),
    ("250-DSN", "dsn"),
    ("!250-ENHANCEDSTATUSCODES", "enhancedstatuscodes"),
    ("250 STARTTLS", "starttls"),
    ("250-AUTH PLAIN LOGIN", "auth"),
    ("250-REQUIRETLS", "requiretls"),
    ("250-LIMITS RCPTMAX=100", "limits"),
    ("250-DELIVERBY 60", "deliverby"),
    ("250-FUTURERELEASE 3600 2030-01-01T00:00:00Z", "futurerelease"),
    ("250 MT-PRIORITY", "mt-priority"),
    ("250-RRVS", "rrvs"),
    ("250-ETRN", "etrn"),
    ("250 XCLIENT NAME ADDR", "xclient"),
    ("250 XFORWARD NAME ADDR", "xforward"),
    ("VRFY joe", "vrfy"),
    ("250-EXPN", "expn"),
    ("HELP", "help"),
    ("LHLO", "lmtp"),
];

#[test]
fn each_extension_has_its_transcript() {
    for (keyword, name) in EXTENSIONS {
        let (_, text) = TRANSCRIPTS.iter().find(|(known, _)| known == name).expect(name);
        assert!(text.contains(keyword), "{name} does not play {keyword}");
    }
}

#[test]
fn a_transcript_that_is_not_kept_fails() {
    let wrong = [
        ("S: 220 & !220 mx\n", "a line that must not be there"),
        ("S: 220 & 220 ESMTP\n", "one that must be"),
        ("S: 250\n", "another code"),
        ("S: 220 ... 250\n", "a reply too many"),
        ("S: 220\n= close Quit\n", "an event that did not happen"),
    ];
    for (text, why) in wrong {
        assert!(Script::parse(text).unwrap().run(Cut::Whole).is_err(), "{why}");
    }
}
