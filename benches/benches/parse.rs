//! Every group under criterion.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn all(criterion: &mut Criterion) {
    for group in smtp_benches::groups() {
        let mut bench = criterion.benchmark_group(&group.name);
        let octets: usize = group.units.iter().map(Vec::len).sum();
        bench.throughput(Throughput::Bytes(octets as u64));
        for mut contender in group.contenders {
            bench.bench_function(contender.name, |bencher| {
                bencher.iter(|| (contender.round)(&group.units));
            });
        }
        bench.finish();
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
