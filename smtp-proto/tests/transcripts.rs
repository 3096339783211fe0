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

#[test]
fn a_transcript_that_is_not_kept_fails() {
    let wrong = [
        ("S: 250\n", "another code"),
        ("S: 220 ... 250\n", "a reply too many"),
        ("S: 220\n= close Quit\n", "an event that did not happen"),
    ];
    for (text, why) in wrong {
        assert!(Script::parse(text).unwrap().run(Cut::Whole).is_err(), "{why}");
    }
}
