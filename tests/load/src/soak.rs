//! A steady load for as long as one likes: what does it leave behind in memory?

use std::time::{Duration, Instant};

use airlock_tests::Api;
use anyhow::{Result, bail};
use chrono::Utc;
use serde_json::{Value, json};

use crate::figures::{instant, milliseconds, quantile, rounded};
use crate::usage::Usage;
use crate::{Bench, DAG, Measured};

/// Runs that are begun in a second, of nine tasks each.
const RATE: u32 = 5;
/// Every so many runs one is waited for and looked at.
const WATCHED: usize = 25;
/// The memory of the last quarter is flat if it is not more than this many times that of the second: the first one fills caches.
const FLAT: f64 = 1.1;

/// Runs of tasks that print, return values, read each other's and are mapped. The trigger's own pace does not wait for the runs.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    let api = server.api()?;
    prepare(&api).await?;
    let begun = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
    let (mut triggered, mut latencies, mut memory) = (0_usize, Vec::new(), Vec::new());
    let mut watched: Option<String> = None;
    while begun.elapsed() < Duration::from_secs(bench.seconds) {
        pace.tick().await;
        let run = api.trigger(DAG, json!({ "number": triggered })).await?;
        if triggered % WATCHED == 0 {
            if let Some(before) = watched.replace(run) {
                latencies.push(latency(&api, &before).await?);
            }
            memory.push(Usage::of(&server.process_ids())?.memory_mb);
        }
        triggered += 1;
    }
    all_succeed(&api, triggered).await?;
    let usage = Usage::of(&server.process_ids())?;
    let quarter = |number: usize| memory.chunks(memory.len().div_ceil(4).max(1)).nth(number).unwrap_or_default();
    let early = quantile(quarter(1), 0.5)?;
    let late = quantile(quarter(3), 0.5)?;
    let ratio = late / early;
    let quarters: Vec<Value> =
        (0..4).map(|number| Ok(json!(rounded(quantile(quarter(number), 0.5)?)))).collect::<Result<_>>()?;
    let halves = latencies.split_at(latencies.len() / 2);
    Ok(Measured {
        figures: json!({
            "seconds": bench.seconds,
            "runs": triggered,
            "tasks": triggered * 9,
            "memory_mb_by_quarter": quarters,
            "memory_mb_at_end": rounded(usage.memory_mb),
            "peak_memory_mb": rounded(usage.peak_memory_mb),
            "cpu_percent": rounded(usage.cpu_seconds / begun.elapsed().as_secs_f64() * 100.0),
            "run_ms_median_by_half": [rounded(quantile(halves.0, 0.5)?), rounded(quantile(halves.1, 0.5)?)],
            "memory_is_flat": ratio <= FLAT,
        }),
        ratios: json!({ "memory_last_quarter_to_second": rounded(ratio) }),
    })
}

async fn prepare(api: &Api) -> Result<()> {
    for operator in ["empty", "bash"] {
        api.push(operator).await?;
    }
    let bash = |task_id: &str, command: &str, upstream: &[&str]| json!({ "task_id": task_id, "operator": "bash", "args": { "bash_command": command }, "upstream": upstream });
    let mut each = bash("each", "echo {{ run_id }} has {{ dag_run.conf.number }}", &["first"]);
    each["expand"] = json!({ "env": [{ "N": "1" }, { "N": "2" }, { "N": "3" }, { "N": "4" }] });
    let tasks = [
        json!({ "task_id": "first", "operator": "empty" }),
        each,
        bash("left", "for i in 1 2 3 4 5 6 7 8; do echo line $i; done", &["first"]),
        bash("right", "echo {{ ti.try_number }}", &["first"]),
        bash("reads", "echo {{ ti.xcom_pull(task_ids='right') }}", &["left", "right", "each"]),
        json!({ "task_id": "last", "operator": "empty", "upstream": ["reads"] }),
    ];
    api.apply(&json!({ "dag_id": DAG, "max_active_runs": 1_000, "max_active_tasks": 1_000, "tasks": tasks }))
        .await
        .map(drop)
}

/// Milliseconds that a run took, which ended long ago.
async fn latency(api: &Api, run: &str) -> Result<f64> {
    let state = api.finished(DAG, run).await?;
    if state != "success" {
        bail!("the run {run} ended as {state}");
    }
    let run = api.get(&format!("/api/v2/dags/{DAG}/dagRuns/{run}")).await?;
    Ok(milliseconds(instant(&run["queued_at"])?, instant(&run["end_date"])?))
}

async fn all_succeed(api: &Api, triggered: usize) -> Result<()> {
    let asked = Utc::now();
    let runs = format!("/api/v2/dags/{DAG}/dagRuns?limit=1&state=");
    api.until(&format!("{runs}success"), |page| page["total_entries"] == triggered).await?;
    let failed = api.get(&format!("{runs}failed")).await?;
    if failed["total_entries"] != 0 {
        bail!("since {asked} there are failed runs: {failed:#}");
    }
    Ok(())
}
