//! CPU cost of a request outside the database. `cargo bench --bench pure` reports times by criterion. With
//! `--count NAME`, one workload runs 100 times inside [`counted`], and `.ci/instructions` counts its instructions.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use criterion::Criterion;

mod workloads;

/// One-time work, such as reading the mail layouts, is not counted.
const WARM_UP: usize = 10;
/// Large enough to average out the random seeds of hash maps. `.ci/instructions` divides by it.
const COUNTED: usize = 100;

/// Callgrind collects data only inside this function.
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
        // `cargo test --benches` passes this argument.
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
