//! What it costs that nothing is due.

use std::time::Duration;

use airlock_tests::{Api, Server};
use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{rounded, usage::Usage};

/// DAGs that are sent side by side.
const SENDERS: usize = 8;

/// How long the idle server is watched.
const WATCHED: Duration = Duration::from_secs(60);

/// Sends so many DAGs with a daily schedule, none of them due, and watches the server do nothing.
pub async fn measure(server: &Server, dags: usize) -> Result<Value> {
    let api = server.api()?;
    api.push("empty").await?;
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
    if found != Some(dags as u64) {
        bail!("{dags} DAGs were sent, and {found:?} are there");
    }
    // What sending has left to do is over by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = Usage::of(&server.process_ids())?;
    tokio::time::sleep(WATCHED).await;
    let after = Usage::of(&server.process_ids())?;
    let asked = std::time::Instant::now();
    let run = api.trigger("idle-0", json!({})).await?;
    api.finished("idle-0", &run).await?;
    Ok(json!({
        "dags": dags,
        "send_seconds": rounded(sent.as_secs_f64()),
        "watched_seconds": WATCHED.as_secs(),
        "idle_cpu_percent": rounded((after.cpu_seconds - before.cpu_seconds) / WATCHED.as_secs_f64() * 100.0),
        "peak_memory_mb": rounded(after.peak_memory_mb),
        "trigger_to_end_ms": rounded(asked.elapsed().as_secs_f64() * 1e3),
    }))
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
