//! Hosts in any mood: whatever they do, what is reported is what they have.

use std::cell::Cell;

use super::*;

thread_local! {
    /// All of a test runs in its thread.
    static SEED: Cell<u64> = const { Cell::new(1) };
}

fn random(below: usize) -> usize {
    let next = SEED.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    SEED.set(next);
    (next >> 33) as usize % below
}

/// Now and then something else than what is right.
fn moody(heard: &Heard<'_>) -> Act {
    let verb = heard.line.split([' ', ':']).next().unwrap_or_default();
    let moods: &[Act] = match verb {
        "EHLO" => &[
            Act::Offer(&[]),
            Act::Offer(&["PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2"]),
            Act::Offer(&["DSN", "SMTPUTF8", "SIZE 1000"]),
            Act::Offer(&["PIPELINING", "SIZE 10"]),
        ],
        "connect" => &[Act::Last("554 5.7.1 No"), Act::Last("421 4.3.2 Busy"), Act::Close],
        "MAIL" => &[
            Act::Say("451 4.3.0 Later"),
            Act::Say("550 5.7.1 No"),
            Act::Say("452 4.4.5 Enough"),
            Act::Last("421 4.3.2 Busy"),
            Act::Close,
        ],
        "RCPT" => &[
            Act::Say("451 4.3.0 Later"),
            Act::Say("550 5.1.1 Nobody"),
            Act::Say("550 5.7.1 No"),
            Act::Say("452 4.5.3 Too many"),
            Act::Say("552 Too many"),
            Act::Last("421 4.3.2 Busy"),
            Act::Close,
        ],
        "DATA" => {
            &[Act::Say("451 4.3.0 Later"), Act::Say("554 5.6.0 No"), Act::Last("421 4.3.2 Busy"), Act::Close]
        }
        "." => &[
            Act::Say("451 4.3.0 Later"),
            Act::Say("554 5.7.1 No"),
            Act::Last("421 4.3.2 Busy"),
            Act::Last("250 2.0.0 Taken, and good bye"),
            Act::Say("hm"),
            Act::Close,
        ],
        _ => return Act::Usual,
    };
    // Half of all connections have an EHLO that is not the usual one.
    let usually = if verb == "EHLO" { 2 } else { 6 };
    if random(usually) > 0 { Act::Usual } else { moods[random(moods.len())] }
}

#[tokio::test(start_paused = true)]
async fn whatever_hosts_do_nobody_gets_a_message_twice_and_the_report_says_who_has_it() {
    let mut seen = [0_usize; 4];
    for seed in 0..40 {
        SEED.set(seed);
        let hosts: [&[_]; 3] = [
            &[("::1", Some(moody as Script)), ("127.0.0.2", Some(moody))],
            &[("127.0.0.3", Some(moody))],
            &[("127.0.0.4", Some(moody))],
        ];
        let world = World::new(&[(10, hosts[0]), (15, hosts[1]), (20, hosts[2])], |_| {}).await;
        for message in 0..3 {
            let to: Vec<_> = (0..6).map(|number| format!("m{message}n{number}@there.example")).collect();
            let to: Vec<_> = to.iter().map(String::as_str).collect();
            let report = world.deliver(job_of(&to, CONTENT.as_bytes())).await;
            let fates = fates(&report);
            assert_eq!(fates.len(), to.len(), "seed {seed}");
            for (to, fate) in to.iter().zip(&fates) {
                let line = format!("RCPT TO:<{to}>");
                let all = world.hosts.iter().map(|host| host.has(&line));
                let has = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                let (want, kind) = match fate.split([' ', ',']).next() {
                    Some("relayed") => ((1, 0), 0),
                    Some("unknown") => ((0, 1), 1),
                    Some("later") => ((0, 0), 2),
                    _ => ((0, 0), 3),
                };
                assert_eq!(has, want, "seed {seed}: {to} {fate}");
                seen[kind] += 1;
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 20), "each end is met: {seen:?}");
}
