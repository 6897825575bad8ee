//! Thousands of made-up days of a host: commits, faults, deaths, and people at work, in any order, on paused
//! time. Whatever happens, some things are never seen, and once it is quiet the host is as git says.
//!
//! `EVENKEEL_SIMULATION_SEED=n` replays one day and tells what happened; `EVENKEEL_SIMULATION_DAYS=n` says how
//! many there are, and `EVENKEEL_SIMULATION_FIRST=n` where they begin.

mod bugs;
mod chance;
mod checks;
mod day;
mod trouble;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use day::{Day, Told};

/// How many days the ordinary tests try.
const FEW: u64 = 400;

#[expect(clippy::disallowed_methods, reason = "a switch for who runs the tests")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Lives through one day; what went wrong on it, if anything did.
fn live(seed: u64, bug: Option<bugs::Bug>, wordy: bool) -> (Told, Result<(), String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut day = Day::new(seed, bug, wordy);
    let lived = catch_unwind(AssertUnwindSafe(|| runtime.block_on(day.live())));
    let ended = lived.unwrap_or_else(|_| Err("it panicked".to_owned()));
    (day.told(), ended)
}

#[test]
fn whatever_happens_the_host_is_as_git_says_in_the_end() {
    if let Some(seed) = number("EVENKEEL_SIMULATION_SEED") {
        let (told, ended) = live(seed, None, true);
        println!("{}", told.lines.join("\n"));
        return assert_eq!(ended, Ok(()), "day {seed}");
    }
    let days = number("EVENKEEL_SIMULATION_DAYS").unwrap_or(FEW);
    let first = number("EVENKEEL_SIMULATION_FIRST").unwrap_or(0);
    let next = AtomicU64::new(first);
    let kinds: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + days {
                return;
            }
            let (told, ended) = live(seed, None, false);
            assert!(
                ended.is_ok(),
                "day {seed}: {:.2000}\nEVENKEEL_SIMULATION_SEED={seed} tells of it",
                ended.unwrap_err()
            );
            let mut kinds = kinds.lock().unwrap();
            for kind in told.kinds {
                *kinds.entry(kind).or_default() += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    let kinds = kinds.into_inner().unwrap();
    for (kind, times) in &kinds {
        println!("{times:8} {kind}");
    }
    println!("{days} days, {} kinds of trouble", kinds.len());
    assert!(kinds.len() >= 30, "only {} kinds of trouble", kinds.len());
}

#[test]
fn a_planted_bug_is_found() {
    let days = number("EVENKEEL_SIMULATION_DAYS").unwrap_or(FEW);
    let finds = |bug| {
        let found = (0..days).find_map(|seed| Some((seed, live(seed, Some(bug), false).1.err()?)));
        (bug.name, found)
    };
    let (some, others) = bugs::ALL.split_at(bugs::ALL.len() / 2);
    let found: Vec<_> = std::thread::scope(|scope| {
        let others = scope.spawn(|| others.iter().copied().map(finds).collect::<Vec<_>>());
        let mut found: Vec<_> = some.iter().copied().map(finds).collect();
        found.extend(others.join().unwrap());
        found
    });
    let mut missed = Vec::new();
    for (bug, found) in &found {
        match found {
            Some((seed, told)) => println!("{bug}, found on day {seed}: {told:.100}"),
            None => missed.push(*bug),
        }
    }
    assert_eq!(missed, Vec::<&str>::new(), "not found in {days} days");
}
