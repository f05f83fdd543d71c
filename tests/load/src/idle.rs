//! What it costs that nothing is due.

use std::time::Duration;

use airlock_tests::Api;
use anyhow::{Result, bail};
use serde_json::json;

use crate::figures::rounded;
use crate::trigger::{self, Latencies};
use crate::usage::{Idle, Usage, WATCHED};
use crate::{Bench, Measured};

const DAGS: usize = 100_000;
const RUNS: usize = 50;

/// DAGs that are sent side by side.
const SENDERS: usize = 8;

/// Sends so many DAGs with a daily schedule, none of them due, and watches the server do nothing.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    let dags = bench.instances.unwrap_or(DAGS);
    let server = bench.server()?;
    let api = server.api()?;
    trigger::apply(&api).await?;
    let empty = Usage::of(&server.process_ids())?;
    let alone = Latencies::of(&api, RUNS).await?;
    let begun = std::time::Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let api = api.clone();
        tokio::spawn(async move { send(&api, (sender..dags).step_by(SENDERS)).await })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    let sent = begun.elapsed();
    let found = api.get("/api/v2/dags?limit=1").await?["total_entries"].as_u64();
    if found != Some(dags as u64 + 1) {
        bail!("{dags} DAGs were sent beside one, and {found:?} are there");
    }
    // What sending has left to do is over by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = Idle::of(&server).await?;
    let beside = Latencies::of(&api, RUNS).await?;
    Ok(Measured {
        figures: json!({
            "dags": dags,
            "send_seconds": rounded(sent.as_secs_f64()),
            "watched_seconds": WATCHED.as_secs(),
            "idle_cpu_percent": rounded(idle.cpu_percent),
            "memory_mb_at_start": rounded(empty.memory_mb),
            "memory_mb": rounded(idle.memory_mb),
            "trigger_alone": alone.figures()?,
            "trigger_beside": beside.figures()?,
        }),
        ratios: json!({ "trigger_beside_to_alone": rounded(beside.median()? / alone.median()?) }),
    })
}

async fn send(api: &Api, numbers: impl Iterator<Item = usize>) -> Result<()> {
    for number in numbers {
        api.apply(&json!({
            "dag_id": format!("idle-{number}"),
            "schedule": format!("{} {} * * *", number % 60, number / 60 % 24),
            "start_date": "2099-01-01T00:00:00Z",
            "tasks": [{ "task_id": "only", "operator": "empty" }]
        }))
        .await?;
    }
    Ok(())
}
