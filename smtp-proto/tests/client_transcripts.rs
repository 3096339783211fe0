//! Every transcript of a client, whole and cut anywhere: the same octets give the same steps and the same commands.
#![cfg(feature = "testing")]

use smtp_proto::testing::{CLIENT_TRANSCRIPTS, ClientScript, Cut};

#[test]
fn each_transcript_of_a_client_runs_as_it_is_written() {
    for (name, text) in CLIENT_TRANSCRIPTS {
        let script = ClientScript::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        script.run(Cut::Whole).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn cutting_what_the_server_says_changes_neither_steps_nor_commands() {
    for (name, text) in CLIENT_TRANSCRIPTS {
        let script = ClientScript::parse(text).unwrap();
        let whole = script.run(Cut::Whole).unwrap();
        let cuts = [1, 2, 3, 7].map(Cut::Every).into_iter().chain((0..200).map(Cut::Seeded));
        for cut in cuts {
            let events = script.run(cut).unwrap_or_else(|why| panic!("{name}, {cut:?}: {why}"));
            assert_eq!(events, whole, "{name}, {cut:?}");
        }
    }
}

#[test]
fn every_file_of_a_client_transcript_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client_transcripts");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let listed: Vec<&str> = CLIENT_TRANSCRIPTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, listed);
}

#[test]
fn a_client_transcript_that_is_not_kept_fails() {
    let wrong = [
        ("S: 220 x\nC: HELO a.example\n", "another command"),
        ("S: 220 x\n", "a command too many"),
        ("S: 220 x\nC: EHLO a.example\n= ready\n", "an event that did not happen"),
        ("S: 220 x\nC: EHLO a.example\n= outcomes Unknown\n", "an outcome of nothing"),
    ];
    for (text, why) in wrong {
        assert!(ClientScript::parse(text).unwrap().run(Cut::Whole).is_err(), "{why}");
    }
}
