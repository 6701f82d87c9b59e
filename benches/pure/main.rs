//! What a request costs before and after the database: `cargo bench --bench pure`, times by criterion. With
//! `--count NAME` one work is done a hundred times inside [`counted`], whose instructions `.ci/instructions` counts.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use criterion::Criterion;

mod workloads;

/// Nothing that is done once, such as reading the layouts of mails, is counted.
const WARM_UP: usize = 10;
/// So many that what differs from one map's random seed to the next evens out. `.ci/instructions` divides by it.
const COUNTED: usize = 100;

/// What callgrind collects.
#[inline(never)]
fn counted(work: &dyn Fn()) {
    for _ in 0..COUNTED {
        work();
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let works = workloads::all();
    match arguments.next().as_deref() {
        // What `cargo test --benches` asks for.
        Some("--test") => works.iter().for_each(|(_, work)| work()),
        Some("--names") => works.iter().for_each(|(name, _)| println!("{name}")),
        Some("--count") => {
            let asked = arguments.next().unwrap();
            let (_, work) = works.iter().find(|(name, _)| *name == asked).unwrap();
            (0..WARM_UP).for_each(|_| work());
            counted(work);
        }
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            for (name, work) in &works {
                criterion.bench_function(name, |bencher| bencher.iter(work));
            }
            criterion.final_summary();
        }
    }
}
