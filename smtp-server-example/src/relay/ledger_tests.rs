use smtp_proto::Leniency;
use smtp_proto::wire::ehlo::Keyword;
use smtp_proto::wire::reply::ReplyRef;
use smtp_tokio::ReplyBuf;
use smtp_tokio::client::{CloseReason, Sent as Command};

use super::super::tests::job_of;
use super::*;

fn reply(text: &str) -> ReplyBuf {
    let line = format!("{text}\r\n");
    ReplyRef::parse(line.as_bytes(), Leniency::STRICT).unwrap().unwrap().to_owned()
}

fn refused(text: &str) -> Sent {
    Sent::Refused(reply(text))
}

fn taken() -> Sent {
    Sent::Accepted(reply("250 2.0.0 Taken"))
}

const UNABLE: Sent = Sent::NotTried(Why::Unsupported(Keyword::EightBitMime));
const LOST: Sent = Sent::NotTried(Why::Closed(CloseReason::PeerGone(Command::Data)));

fn ours(text: &str) -> Said {
    Said::ours((4, 4, 1), text)
}

/// What happens at one address.
enum At {
    V6(Sent),
    V4(Sent),
    Failed(HostFailure),
}

/// What is noted for one recipient, and what comes of it.
fn outcome(of: Vec<At>) -> Outcome {
    let mut ledger = Ledger::new(&job_of(&["b@there.example"], b""));
    let last = of.len();
    for (at, what) in of.into_iter().enumerate() {
        let elsewhere = at + 1 < last;
        match what {
            At::V6(sent) => ledger.note(0, sent, true, Family::V6, elsewhere),
            At::V4(sent) => ledger.note(0, sent, true, Family::V4, elsewhere),
            At::Failed(failure) => ledger.host_failed(Family::V4, &failure),
        }
    }
    ledger.finish().remove(0).1
}

#[test]
fn what_counts_in_the_end_is_what_is_final_then_what_may_pass_then_the_rest() {
    let away = || At::Failed(HostFailure::Away(ours("451 4.4.1 away")));
    let always = || At::Failed(HostFailure::Always(Said::theirs(&reply("554 5.3.2 never"))));
    let no_mail = || At::Failed(HostFailure::NoMail(Said::theirs(&reply("556 5.1.10 none"))));
    let rows: Vec<(Vec<At>, &str, &str)> = vec![
        (vec![], "451 4.4.1 No host could be asked", "nobody was asked"),
        (
            vec![At::V4(refused("451 4.2.0 one")), At::V4(refused("451 4.2.0 two"))],
            "451 4.2.0 one",
            "the first",
        ),
        (vec![away(), At::V4(refused("451 4.2.0 one"))], "451 4.2.0 one", "theirs before ours"),
        (
            vec![At::V4(refused("451 4.2.0 one")), away()],
            "451 4.2.0 one",
            "theirs before ours, the other way round",
        ),
        (vec![away(), always()], "451 4.4.1 away", "soft before hard"),
        (vec![always(), away()], "451 4.4.1 away", "soft behind hard"),
        (vec![always(), always()], "554 5.3.2 never", "all of them"),
        (vec![away(), no_mail()], "556 5.1.10 none", "the domain's word is final"),
        (
            vec![always(), At::V4(refused("550 5.1.1 gone"))],
            "550 5.1.1 gone",
            "5yz about the recipient is final",
        ),
        (vec![At::V6(refused("550 5.7.1 no")), away()], "451 4.4.1 away", "the other family may know us yet"),
        (
            vec![At::V6(refused("550 5.7.1 no")), At::V4(refused("550 5.7.1 No"))],
            "550 5.7.1 No",
            "neither family",
        ),
        (vec![At::V6(refused("550 5.7.1 no"))], "550 5.7.1 no", "there is no other family"),
        (vec![At::V4(UNABLE), away()], "451 4.4.1 away", "who knows what the other can"),
    ];
    for (of, want, why) in rows {
        let (Outcome::Later(said) | Outcome::Refused(said)) = outcome(of) else { panic!("{why}") };
        assert_eq!(said.text, want, "{why}");
        let is_final = said.text.starts_with('5');
        assert_eq!(said.status.0 == 5, is_final, "{why}");
    }
}

#[test]
fn what_is_settled_stays_and_is_not_pending() {
    let rows: Vec<(Sent, bool, &str)> = vec![
        (taken(), true, "it has it"),
        (refused("550 5.1.1 gone"), true, "it never will"),
        (Sent::Unknown, true, "it may have it"),
        (Sent::NotTried(Why::BareNewline), true, "no host takes that"),
        (refused("451 4.2.0 later"), false, "another may"),
        (LOST, false, "another may"),
        (UNABLE, false, "another may"),
        (refused("550 5.7.1 no"), false, "the other family may"),
    ];
    for (sent, is_settled, why) in rows {
        let mut ledger = Ledger::new(&job_of(&["a@there.example", "b@there.example"], b""));
        ledger.note(0, sent, true, Family::V6, true);
        let want: &[usize] = if is_settled { &[1] } else { &[0, 1] };
        assert_eq!(ledger.pending(Family::V4), want, "{why}");
        ledger.settle(&Outcome::Delivered("later".into()));
        ledger.host_failed(Family::V4, &HostFailure::NoMail(ours("never")));
        let outcomes = ledger.finish();
        assert_eq!(outcomes[0].1 == Outcome::Delivered("later".into()), !is_settled, "{why}");
        assert_eq!(outcomes[1].1, Outcome::Delivered("later".into()), "{why}");
    }
}

#[test]
fn a_policy_of_one_family_is_not_asked_about_at_its_other_addresses() {
    let mut ledger = Ledger::new(&job_of(&["a@there.example"], b""));
    ledger.note(0, refused("550 5.7.1 no"), true, Family::V6, true);
    assert!(ledger.pending(Family::V6).is_empty());
    assert_eq!(ledger.pending(Family::V4), [0]);
    ledger.note(0, taken(), false, Family::V4, true);
    assert!(ledger.pending(Family::V4).is_empty());
    let want = Outcome::Relayed { reply: "250 2.0.0 Taken".into(), reports: false };
    assert_eq!(ledger.finish()[0].1, want);
}
