//! A thousand seeded schedules of broken connections and failing requests on the embedded broker:
//! no acknowledged record is lost, doubled or reordered, the group reads everything, `close` ends in
//! time, and nothing is left behind. In a third of them producers are transactional and lose their ids
//! to others now and then, and the group reads what is committed, and nothing else.
//!
//! Each schedule has a runtime, a broker, a proxy and clients of its own; many run at a time, in
//! real time with short timeouts. `MILENA_SCHEDULES` says how many there are; with `MILENA_SEED` they
//! are all that one. The log of a run that fails is kept.

mod log;
mod members;
mod producers;
mod run;
mod transactors;

use anyhow::{Context, Result, ensure};
use log::Log;
use milena_sim::schedule::Schedule;
use run::Summary;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SCHEDULES: u64 = 1_000;
/// Most of a run is waiting for timeouts, so many share a processor.
const RUNS_AT_A_TIME: usize = 24;
/// No run takes longer, however busy the machine is: it hangs.
const RUN_WAIT: Duration = Duration::from_secs(90);
/// After so many failures it is clear that something is wrong.
const FAILURES_MAX: usize = 5;
/// What a thousand runs may leave in memory for ever: allocators do not give everything back.
const MEMORY_LEFT_KB_MAX: u64 = 64 * 1024;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn everything_acknowledged_survives_whatever_connections_do() -> Result<()> {
    if let Some(seed) = number("MILENA_SEED") {
        eprintln!("{:#?}", Schedule::new(seed));
        let seeds = vec![seed; usize::try_from(number("MILENA_SCHEDULES").unwrap_or(1))?];
        eprintln!("{:?}", run_all(&seeds)?);
        return Ok(());
    }
    let count = number("MILENA_SCHEDULES").unwrap_or(SCHEDULES);
    // The first runs warm up what stays: allocator arenas, lazily made statics.
    let warm_up = (count / 10).max(1);
    let seeds: Vec<u64> = (0..count).collect();
    let (first, others) = seeds.split_at(usize::try_from(warm_up)?);
    run_all(first)?;
    let (memory_before, files_before) = (memory_kb()?, open_files()?);
    let summary = run_all(others)?;
    eprintln!(
        "{count} schedules, the last {} of them: {summary:?}",
        count - warm_up
    );
    ensure!(summary.fenced > 0, "no producer was shut out by another");
    let (memory_after, files_after) = (memory_kb()?, open_files()?);
    eprintln!("memory {memory_before} kB, then {memory_after} kB; {files_after} files open");
    ensure!(
        memory_after <= memory_before + MEMORY_LEFT_KB_MAX,
        "memory grew from {memory_before} kB to {memory_after} kB"
    );
    ensure!(
        files_after <= files_before,
        "{files_before} files were open, now {files_after} are"
    );
    Ok(())
}

/// Runs the seeds, many at a time; what they did in all.
fn run_all(seeds: &[u64]) -> Result<Summary> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied();
            let is_hopeless = lock(&failures).len() >= FAILURES_MAX;
            let Some(seed) = seed.filter(|_| !is_hopeless) else {
                return;
            };
            let log = Log::default();
            let outcome = log.of(|| run_one(&Schedule::new(seed)));
            match outcome {
                Ok(summary) => lock(&total).add(&summary),
                Err(error) => {
                    eprintln!("MILENA_SEED={seed} fails: {error:#}; {}", log.keep(seed));
                    lock(&failures).push(seed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..RUNS_AT_A_TIME {
            scope.spawn(work);
        }
    });
    let failures = lock(&failures);
    ensure!(
        failures.is_empty(),
        "repeat with MILENA_SEED= one of {failures:?}"
    );
    Ok(lock(&total).clone())
}

fn run_one(schedule: &Schedule) -> Result<Summary> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let run = tokio::time::timeout(RUN_WAIT, run::run(schedule)).await;
        run.with_context(|| format!("it did not end within {RUN_WAIT:?}"))?
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Resident memory; 0 where the system does not tell.
fn memory_kb() -> Result<u64> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return Ok(0);
    };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    Ok(number.context("no VmRSS")?.trim().parse()?)
}

/// How many files and sockets are open; 0 where the system does not tell.
fn open_files() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count))
}
