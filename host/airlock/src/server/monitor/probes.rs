//! Whether the process lives, and whether it can do its work.
//!
//! A process is **live** as long as its loops turn. A loop that has been at one turn for three leases will not come back, and the
//! process is better started anew. That the database is away is no reason: a new process would not find it either.
//! A process is **ready** while the database answers and has this program's tables, each of its loops has come round once and none has failed
//! for longer than a lease, and nobody has asked it to stop.

use std::time::{Duration, Instant};

use airlock_store::StoreError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;

use super::Monitor;

/// Anybody may ask, and the database is asked at most this often.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long the database may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(2);

/// In leases.
const STUCK_AFTER: u32 = 3;

/// What the database said last, and when.
#[derive(Default)]
pub struct Probes(Mutex<Option<(Instant, Check)>>);

#[derive(Clone, Copy, Debug, Serialize)]
struct Check {
    name: &'static str,
    /// `ok`, or a fixed sentence: anybody may read it.
    status: &'static str,
}

const OK: &str = "ok";

#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
    checks: Vec<Check>,
}

type Answer = (StatusCode, Json<Health>);

fn answer(checks: Vec<Check>, (good, bad): (&'static str, &'static str)) -> Answer {
    let is_good = checks.iter().all(|check| check.status == OK);
    let (code, status) = if is_good { (StatusCode::OK, good) } else { (StatusCode::SERVICE_UNAVAILABLE, bad) };
    (code, Json(Health { status, checks }))
}

/// Whether the process is to be left alone.
pub async fn healthz(State(monitor): State<Monitor>) -> Answer {
    let limit = monitor.0.lease * STUCK_AFTER;
    let checks = monitor.pulses().into_iter().map(|pulse| {
        let status = if pulse.stuck_for() > limit { "it has been at one turn for three leases" } else { OK };
        Check { name: pulse.name(), status }
    });
    answer(checks.collect(), ("live", "stuck"))
}

/// Whether the process can do its work.
pub async fn readyz(State(monitor): State<Monitor>) -> Answer {
    let mut checks = vec![monitor.database().await];
    let lease = monitor.0.lease;
    checks.extend(monitor.pulses().into_iter().map(|pulse| {
        let status = if pulse.stuck_for() > lease {
            "it has been at one turn for longer than a lease"
        } else if pulse.failing_for().is_some_and(|failing| failing > lease) {
            "it has failed for longer than a lease"
        } else if !pulse.has_succeeded() {
            "it has not come round yet"
        } else {
            OK
        };
        Check { name: pulse.name(), status }
    }));
    if monitor.0.stop.is_cancelled() {
        checks.push(Check { name: "process", status: "it stops" });
    }
    answer(checks, ("ready", "not ready"))
}

impl Monitor {
    async fn database(&self) -> Check {
        let mut last = self.0.probes.0.lock().await;
        if let Some((at, check)) = &*last
            && at.elapsed() < FRESH_FOR
        {
            return *check;
        }
        let store = &self.0.parts.store;
        let asked = async {
            store.ping().await?;
            store.check_migrations().await
        };
        let status = match tokio::time::timeout(PATIENCE, asked).await {
            // A newer program may be on its way in: what the older one needs is still there.
            Ok(Ok(()) | Err(StoreError::NewerDatabase { .. })) => OK,
            Ok(Err(StoreError::NotMigrated)) => "it has not been migrated to what this program needs",
            Ok(Err(_)) | Err(_) => "it does not answer",
        };
        let check = Check { name: "database", status };
        *last = Some((Instant::now(), check));
        check
    }
}
