//! What is looked up when somebody asks, rather than counted as it happens.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use airlock_store::health::{Load, ProcessRow};
use airlock_store::{Store, StoreResult};
use airlock_telemetry::catalogue::{
    DATABASE_CONNECTIONS, DATABASE_UP, EXECUTOR_QUEUED_TASKS, POOL_DEFERRED_SLOTS, POOL_OPEN_SLOTS, POOL_QUEUED_SLOTS,
    POOL_RUNNING_SLOTS, POOL_SCHEDULED_SLOTS, PROCESSES, QUEUE_QUEUED, QUEUE_RUNNING, RESIDENT_MEMORY, RUNS,
    TRIGGERS_RUNNING,
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::server::parts::Parts;

/// The installation is counted at most this often, however many ask.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// No scrape waits longer for the database.
const PATIENCE: Duration = Duration::from_secs(4);

/// As for `/monitor/health`.
const ALIVE_FOR: TimeDelta = TimeDelta::seconds(30);

/// The label of queues from which no worker takes: a document may name any, and each would be a time series for ever.
const OTHER: &str = "other";

#[derive(Default)]
pub struct Gauges {
    of_all: AtomicBool,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    at: Option<Instant>,
    /// Queues that have a gauge; one that is empty now is 0 and not what it was.
    queues: BTreeSet<String>,
}

impl Gauges {
    pub fn answer_for_all(&self) {
        self.of_all.store(true, Ordering::Relaxed);
    }

    pub async fn refresh(&self, parts: &Parts) {
        if let Some(bytes) = resident_memory() {
            RESIDENT_MEMORY.gauge().set(bytes as f64);
        }
        if let Some(connections) = parts.store.connections() {
            let of = |state: &str, count: u32| DATABASE_CONNECTIONS.gauge_of([state]).set(count);
            of("idle", connections.idle);
            of("used", connections.open.saturating_sub(connections.idle));
            of("limit", connections.limit);
        }
        // Whoever comes second waits for the count of whoever came first, and has the same.
        let mut counted = self.counted.lock().await;
        if counted.at.is_some_and(|at| at.elapsed() < FRESH_FOR) {
            return;
        }
        let answer = tokio::time::timeout(PATIENCE, self.count(&*parts.store, parts.now(), &mut counted.queues)).await;
        let is_up = matches!(answer, Ok(Ok(())));
        if !is_up {
            tracing::debug!("the database does not answer a scrape");
        }
        DATABASE_UP.gauge().set(if is_up { 1.0 } else { 0.0 });
        // While the database is away, each scrape asks again.
        counted.at = is_up.then(Instant::now);
    }

    async fn count(&self, store: &dyn Store, now: DateTime<Utc>, queues: &mut BTreeSet<String>) -> StoreResult<()> {
        if !self.of_all.load(Ordering::Relaxed) {
            return store.ping().await;
        }
        let load = store.load().await?;
        let processes = store.list_processes().await?;
        show_queues(&load, &processes, queues);
        show_load(&load);
        for role in ["api", "scheduler", "worker"] {
            let is_alive = |process: &&ProcessRow| {
                process.role == role && process.stopped_at.is_none() && now - process.heartbeat_at < ALIVE_FOR
            };
            PROCESSES.gauge_of([role]).set(processes.iter().filter(is_alive).count() as f64);
        }
        Ok(())
    }
}

fn show_queues(load: &Load, processes: &[ProcessRow], seen: &mut BTreeSet<String>) {
    seen.extend(processes.iter().flat_map(|process| process.queues.iter().cloned()));
    seen.insert(OTHER.to_owned());
    for name in seen.iter() {
        let is_meant =
            |queue: &str| if name == OTHER { queue == OTHER || !seen.contains(queue) } else { queue == name };
        let depths = load.queues.iter().filter(|depth| is_meant(&depth.queue));
        let (queued, running) =
            depths.fold((0, 0), |(queued, running), depth| (queued + depth.queued, running + depth.running));
        QUEUE_QUEUED.gauge_of([name]).set(queued as f64);
        QUEUE_RUNNING.gauge_of([name]).set(running as f64);
    }
}

fn show_load(load: &Load) {
    EXECUTOR_QUEUED_TASKS.gauge().set(load.queues.iter().map(|depth| depth.queued).sum::<u64>() as f64);
    POOL_OPEN_SLOTS.gauge().set(load.pools.open as f64);
    POOL_QUEUED_SLOTS.gauge().set(load.pools.queued as f64);
    POOL_RUNNING_SLOTS.gauge().set(load.pools.running as f64);
    POOL_SCHEDULED_SLOTS.gauge().set(load.pools.scheduled as f64);
    POOL_DEFERRED_SLOTS.gauge().set(load.pools.deferred as f64);
    TRIGGERS_RUNNING.gauge().set(load.deferred as f64);
    RUNS.gauge_of(["queued"]).set(load.queued_runs as f64);
    RUNS.gauge_of(["running"]).set(load.running_runs as f64);
}

/// As Linux says it; nothing elsewhere.
fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
