//! Runs some rounds of one contender, for a profiler: `rounds GROUP CONTENDER ROUNDS`, names by a part of them.
//! Prints how many units a round has. Without arguments it lists what there is.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [group, contender, rounds] = &arguments[..] else {
        for group in smtp_benches::groups() {
            for contender in group.contenders {
                println!("{}\t{}", group.name, contender.name);
            }
        }
        return;
    };
    let group = smtp_benches::groups().into_iter().find(|found| found.name.contains(group.as_str()));
    let mut group = group.expect("no such group: see the list without arguments");
    let contender = group.contenders.iter_mut().find(|found| found.name.contains(contender.as_str()));
    let contender = contender.expect("no such contender: see the list without arguments");
    for _ in 0..rounds.parse().expect("ROUNDS is a number") {
        (contender.round)(&group.units);
    }
    println!("{}", group.units.len());
}
