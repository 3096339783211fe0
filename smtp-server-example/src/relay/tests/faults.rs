//! What is lost, late, damaged, or can't be taken.

use super::*;

/// Does `$act` in answer to the final dot.
macro_rules! at_the_dot {
    ($act:expr) => {{
        fn script(heard: &Heard<'_>) -> Act {
            if heard.line == "." { $act } else { Act::Usual }
        }
        script as Script
    }};
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_to_the_dot_nobody_knows_and_no_other_host_is_asked() {
    let dots = [
        (at_the_dot!(Act::Mute), "silence"),
        (at_the_dot!(Act::Close), "end of file"),
        (at_the_dot!(Act::Say("no reply")), "what is no reply"),
        (at_the_dot!(Act::Say("354 Go on")), "what makes no sense there"),
        (at_the_dot!(Act::Say("199 Hm")), "a code that there is not"),
    ];
    for (script, why) in dots {
        let mx: [&[_]; 2] = [&[("127.0.0.2", Some(script))], &[("127.0.0.3", Some(usual))]];
        let world = World::new(&[(10, mx[0]), (20, mx[1])], |_| {}).await;
        let report = world.deliver(job()).await;
        assert!(fate(&report).starts_with("unknown 4.4.2 "), "{why}: {}", fate(&report));
        assert_eq!(world.hosts[1].connections(), 0, "{why}");
        assert_eq!(report.reach, Reach::Reached, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_the_dot_that_ends_the_connection_is_an_answer() {
    let world = World::one(at_the_dot!(Act::Last("250 2.0.0 Taken, and good bye"))).await;
    assert_eq!(fate(&world.deliver(job()).await), "relayed 250 2.0.0 Taken, and good bye");
    let world = World::one(at_the_dot!(Act::Last("421 4.3.2 Shutting down"))).await;
    assert!(
        fate(&world.deliver(job()).await).starts_with("later 4.3.2 421 "),
        "RFC 5321 §3.8: it has not got it"
    );
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_are_waited_for_the_answer_to_the_dot() {
    let world = World::one(at_the_dot!(Act::Mute)).await;
    let began = tokio::time::Instant::now();
    assert!(fate(&world.deliver(job()).await).starts_with("unknown "));
    let waited = began.elapsed().as_secs();
    assert!((600..602).contains(&waited), "{waited} s");
}
