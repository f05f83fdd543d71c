//! Not a case but a measure: what a realistic batch costs. Run it by name:
//! `cargo test -p airlock-store-sqlite --test throughput -- --ignored --nocapture`.

use std::fmt;
use std::time::{Duration, Instant};

use airlock_core::state::TaskState;

use super::actors::{Driver, Worker};
use super::fixture::{admission, dag, new_run, put_dag, report, settle, success, tenant};
use crate::Store;
use crate::driving::{Admission, RunChange, UsageQuery};

/// What so many tries at a time cost, on average.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// Tries at a time.
    pub size: usize,
    pub claim: Duration,
    pub report: Duration,
    pub commit: Duration,
    /// CPU time of this process for all of it: what a busy machine cannot distort. In steps of 10 ms over all rounds.
    pub cpu: Duration,
}

impl fmt::Display for Costs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, claim, report, commit, cpu } = self;
        let whole = (*claim + *report + *commit).as_secs_f64();
        let (commits, tries) = (1.0 / commit.as_secs_f64(), *size as f64 / whole);
        let cpu = cpu.as_secs_f64() * 1e6 / *size as f64;
        write!(formatter, "{size:>5} tries a batch: claim {claim:.1?}, report {report:.1?}, commit {commit:.1?}, ")?;
        write!(formatter, "{commits:.0} commits/s, {tries:.0} tries/s in all, {cpu:.0} us of CPU a try")
    }
}

/// Drives `rounds` batches of `size` tries each through claim, report and a commit that settles them and admits the next.
pub async fn measure(store: &dyn Store, size: usize, rounds: usize) -> Costs {
    let tenant = tenant(store, &format!("size-{size}")).await;
    let names: Vec<String> = (0..size * (rounds + 1)).map(|number| format!("task_{number}")).collect();
    put_dag(store, tenant, &dag("many", &names.iter().map(String::as_str).collect::<Vec<_>>())).await;
    store.create_run(&new_run(tenant, "many", "manual__1")).await.unwrap();
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    let batches: Vec<Vec<Admission>> =
        instances.chunks(size).map(|chunk| chunk.iter().map(|one| admission(&run, one)).collect()).collect();
    let usage = UsageQuery { tenants: vec![tenant], tasks: Vec::new() };
    driver.commit_and_admit(Vec::new(), usage.clone(), 1, &|_| batches[0].clone()).await;

    let mut costs = Costs::default();
    let cpu = cpu_time();
    for next in &batches[1..] {
        let start = Instant::now();
        let claimed = worker.claim(size as u32, 2).await;
        costs.claim += start.elapsed();
        assert_eq!(claimed.len(), size);
        let reports: Vec<_> = claimed.iter().map(|claimed| report(claimed, success(), 3)).collect();
        let start = Instant::now();
        assert!(store.report_tries(&reports).await.unwrap().is_empty());
        costs.report += start.elapsed();
        let start = Instant::now();
        let reported = store.reported_tries(driver.owner, size as u32).await.unwrap();
        let moves = reported.iter().map(|reported| settle(reported, TaskState::Success, 4)).collect();
        let change = RunChange { moves, ..RunChange::default() };
        let committed = driver
            .commit_and_admit(vec![(run.key, run.epoch, change)], usage.clone(), 4, &|usage| {
                assert_eq!(usage.pools[0].2, 0);
                next.clone()
            })
            .await;
        costs.commit += start.elapsed();
        assert_eq!((committed.refused.len(), committed.admitted.len()), (0, size));
    }
    // The last batch is not to be claimed by whoever measures next.
    worker.claim(size as u32, 5).await;
    let rounds = u32::try_from(rounds).unwrap();
    let cpu = (cpu_time() - cpu) / rounds;
    Costs { size, cpu, claim: costs.claim / rounds, report: costs.report / rounds, commit: costs.commit / rounds }
}

/// User and system time of this process, from Linux.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks: u64 =
        stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    Duration::from_millis(ticks * 10)
}
