//! The fault suite: breaks the real program, its PostgreSQL, its mail server and the connections between them, under
//! load, and checks from outside that nothing is lost, duplicated or made up ([`check`]).
//!
//! `cargo test` runs the faults that take seconds and need only PostgreSQL. To run all of them, as root, and print the
//! table of `docs/reliability.md`: `cargo test --locked --test faults -- --all`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

#[path = "../support/mod.rs"]
mod support;

mod check;
mod database;
mod kills;
mod load;
mod machine;
mod mail;
mod process;
mod scenario;

use check::Report;

/// When a fault runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// With every `cargo test`.
    Always,
    /// With `--all`.
    All,
    /// With `--all`, and no other fault at the same time.
    Alone,
}
use When::{All, Alone, Always};

type Run = fn() -> Pin<Box<dyn Future<Output = Report>>>;

macro_rules! faults {
    ($($when:ident $name:literal $run:path;)*) => {
        &[$(($name, $when, || Box::pin($run()))),*]
    };
}

const FAULTS: &[(&str, When, Run)] = faults! {
    Alone "8 workers on 10,000 rows" mail::eight_workers;
    All "packets to PostgreSQL dropped, 45 s" process::packets_dropped;
    All "PostgreSQL silent, 35 s" database::silent;
    All "SMTP down for an hour" process::smtp_down_for_an_hour;
    All "clocks off by an hour" process::clocks_off_by_an_hour;
    All "long outage, several servers" database::long_outage_of_several;
    All "kill -9 after claim" kills::after_claim;
    All "kill -9 after 250, before the mark" kills::after_250;
    All "kill -9 anywhere" kills::anywhere;
    Always "kill -9 before commit" kills::before_commit;
    Always "kill -9 after commit" kills::after_commit;
    Always "kill -9 during migration" kills::during_migration;
    All "PostgreSQL immediate restart" database::immediate_restart;
    Always "all backends terminated" database::backends_terminated;
    All "PostgreSQL read-only" database::read_only;
    All "disk of PostgreSQL full" database::disk_full;
    Always "callers that hang up" database::callers_hang_up;
    Always "answer of PostgreSQL lost" database::answer_lost;
    Always "answer to a batch lost" database::batch_answer_lost;
    Always "LISTEN connection lost" database::listen_lost;
    All "PgBouncer between, killed" database::pgbouncer;
    Always "421 at the greeting" mail::reply_421;
    Always "451 to a recipient" mail::reply_451;
    Always "550 to a recipient" mail::reply_550;
    Always "554 after DATA" mail::reply_554_after_data;
    All "tarpit" mail::tarpit;
    Always "cut after the final dot" mail::cut_after_dot;
    Always "reply that is not UTF-8" mail::reply_in_latin_1;
    Always "bad certificate" mail::bad_certificate;
    Always "poison rows" mail::poison_rows;
    All "SIGTERM under load" process::sigterm_under_load;
    Always "4 replicas starting at once" process::four_replicas_at_once;
    All "64 file descriptors" process::few_descriptors;
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = arguments.iter().any(|argument| argument == "--all");
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|filter| if exact { name == *filter } else { name.contains(*filter) })
    };
    let faults: Vec<_> =
        FAULTS.iter().copied().filter(|(name, when, _)| (all || *when == Always) && chosen(name)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, ..) in faults {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(lack) = machine::lacks().filter(|_| all) {
        eprintln!("not every fault can be made here: {lack}");
        return ExitCode::FAILURE;
    }
    println!("\nrunning {} faults", faults.len());
    // Breaches are printed once, in the report.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (alone, others): (Vec<_>, Vec<_>) = faults.into_iter().partition(|(_, when, _)| *when == Alone);
    let done = Mutex::new(Vec::new());
    for (group, at_once) in [(alone, 1), (others, AT_ONCE)] {
        let next = Mutex::new(group.into_iter());
        let take = || next.lock().unwrap().next();
        let worker = || {
            while let Some((name, _, run)) = take() {
                let report = runtime.block_on(one(name, run));
                done.lock().unwrap().push((name, report));
            }
        };
        std::thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(worker))));
    }
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(name, _)| FAULTS.iter().position(|(other, ..)| other == name));
    table(&done);
    let failed = done.iter().filter(|(_, report)| !report.breaches.is_empty()).count();
    let (result, passed) = (if failed == 0 { "ok" } else { "FAILED" }, done.len() - failed);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {seconds:.2}s\n",
        FAULTS.len() - done.len()
    );
    // The shared PostgreSQL ends with the process.
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one fault. A fault that cannot be run, or that panics, is a breach.
async fn one(name: &str, run: Run) -> Report {
    let begun = Instant::now();
    let report = AssertUnwindSafe(run()).catch_unwind().await.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned();
        Report { breaches: vec![format!("broke off: {said}")], ..Report::default() }
    });
    let result = if report.breaches.is_empty() { "ok" } else { "FAILED" };
    println!("test {name} ... {result} ({:.1} s)", begun.elapsed().as_secs_f64());
    for breach in report.breaches.iter().take(12) {
        println!("    {breach}");
    }
    if report.breaches.len() > 12 {
        println!("    and {} more", report.breaches.len() - 12);
    }
    report
}

/// The number of concurrent faults: most of the time they wait.
const AT_ONCE: usize = 5;

const INVARIANTS: [&str; 6] = ["I1", "I2", "I3", "I4", "I5", "I6"];

fn table(done: &[(&str, Report)]) {
    println!(
        "\n| fault | injected | acknowledged | refused | lost | rows | mails | copies | recovery | held |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    );
    for (name, report) in done {
        let broken = |invariant: &&str| report.breaches.iter().any(|breach| breach.starts_with(*invariant));
        let held: Vec<&str> = INVARIANTS.into_iter().filter(|invariant| !broken(invariant)).collect();
        let held = match (held.len(), report.breaches.is_empty()) {
            (6, true) => "I1–I6".to_owned(),
            (6, false) => "broke off".to_owned(),
            _ => held.join(" "),
        };
        let recovery = report
            .recovery
            .as_ref()
            .map_or("–".to_owned(), |time| format!("{:.1} s", Duration::as_secs_f64(time)));
        let Report { injected, acknowledged, refused, lost, rows, mails, copies, .. } = report;
        println!(
            "| {name} | {injected} | {acknowledged} | {refused} | {lost} | {rows} | {mails} | {copies} | {recovery} | {held} |"
        );
    }
    println!();
}
