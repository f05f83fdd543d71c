//! Seeds of the simulation that every change has to live through.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use airlock_simulation::{Database, Sabotage, run, run_all};

/// The seeds up to `end` in which something broke, until there are `enough`.
fn broken(end: u64, sabotage: Option<Sabotage>, enough: usize) -> Vec<(u64, Vec<String>)> {
    let broken = Mutex::new(Vec::new());
    run_all(0, end, sabotage, |seed, outcome| {
        let mut broken = broken.lock().unwrap();
        if !outcome.violations.is_empty() {
            broken.push((seed, outcome.violations));
        }
        broken.len() < enough
    });
    broken.into_inner().unwrap()
}

#[test]
fn nothing_breaks() {
    let broken = broken(1_000, None, 3);
    assert!(broken.is_empty(), "see `cargo xtask simulate --first SEED --seeds 1 --trace`: {broken:#?}");
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for sabotage in Sabotage::ALL {
        assert!(!broken(200, Some(sabotage), 1).is_empty(), "{sabotage:?} was not noticed");
    }
}

#[test]
fn a_seed_shows_the_same_again() {
    let (once, again) = (Database::new(), Database::new());
    for seed in 0..20 {
        assert_eq!(run(&once, seed, None).trace, run(&again, seed, None).trace, "seed {seed}");
    }
}
