//! Airlock in a world where everything goes wrong, and nothing takes real time.
//!
//! The schedulers and the loops of the workers are the real ones, and so is the store: SQLite. Simulated are the
//! clock, the network between processes and database, the wake-ups between processes, what tasks do, what people want, and the faults:
//! processes that are killed between any two of their effects, that stop and go on much later, that lose their connection before or
//! after the database has done what they asked, whose clocks jump. Everything that is left to chance comes from one seed, and all of it
//! happens on one thread: what a seed has shown once, it shows again.
//!
//! After each effect that could break an invariant, the invariants are checked; and when the faults are over, everything has to come to its
//! end within simulated hours.
//!
//! The store is not imitated, because it would be tested against what we believe of it. What is not seen here is several connections at
//! work in one database at once: that is PostgreSQL's, and `cargo xtask chaos` is for it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a simulation that cannot go on has failed")]

mod faults;
mod line;
mod people;
mod plan;
mod processes;
mod questions;
mod tasks;
mod watch;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use world::{Database, Outcome, Sabotage};

use world::World;

/// Lives through one seed.
pub fn run(database: &Database, seed: u64, sabotage: Option<Sabotage>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(async {
        let world = Arc::new(World::new(database, seed, sabotage));
        world.clone().live().await;
        world.outcome()
    });
    // Killed processes still wait for what will not come.
    runtime.shutdown_background();
    outcome
}

/// Lives through seeds from `first` up to `end`, on all cores. `seen` is told of each and answers whether to go on.
pub fn run_all(first: u64, end: u64, sabotage: Option<Sabotage>, seen: impl Fn(u64, Outcome) -> bool + Sync) {
    let (next, goes_on) = (AtomicU64::new(first), AtomicBool::new(true));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                let mut database = Database::new();
                while goes_on.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(&database, seed, sabotage);
                    if !outcome.violations.is_empty() {
                        // What broke has left something behind.
                        database = Database::new();
                    }
                    if !seen(seed, outcome) {
                        goes_on.store(false, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}
