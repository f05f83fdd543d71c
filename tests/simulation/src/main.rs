//! Lives through seeds, on all cores, and prints what breaks.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use airlock_simulation::{Outcome, Sabotage, run_all};
use clap::Parser;

/// Schedulers and workers under a simulated clock, network and faults.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Breaks something on purpose; it has to be found.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Prints everything that happened in each seed that broke.
    #[arg(long)]
    trace: bool,
}

#[derive(Default)]
struct Totals {
    seeds: u64,
    broken: u64,
    runs: usize,
    tries: usize,
    faults: u64,
}

fn main() -> ExitCode {
    let Arguments { first, seeds, sabotage, trace } = Arguments::parse();
    let began = Instant::now();
    let totals = Mutex::<Totals>::default();
    run_all(first, first.saturating_add(seeds), sabotage, |seed, outcome| {
        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.seeds += 1;
        totals.runs += outcome.runs;
        totals.tries += outcome.tries;
        totals.faults += u64::from(outcome.faults);
        if !outcome.violations.is_empty() {
            totals.broken += 1;
            report(seed, &outcome, trace);
        }
        true
    });
    let Totals { seeds, broken, runs, tries, faults } = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{seeds} seeds: {runs} runs, {tries} tries, {faults} faults, in {:.0} s", began.elapsed().as_secs_f64());
    println!("{} passed, {broken} failed", seeds - broken);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(seed: u64, outcome: &Outcome, trace: bool) {
    if trace {
        outcome.trace.iter().for_each(|line| println!("{line}"));
    }
    outcome.violations.iter().for_each(|violation| println!("seed {seed}: {violation}"));
    println!("seed {seed}: again with `cargo xtask simulate --first {seed} --seeds 1 --trace`");
}
