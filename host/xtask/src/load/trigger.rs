//! From the request that triggers a run of one task to its success.

use std::time::Instant;

use airlock_tests::Server;
use anyhow::{Result, bail};
use chrono::Utc;
use serde_json::{Value, json};

use super::{DAG, instant, quantile, rounded, seconds};

const RUNS: usize = 200;

/// One run after the other on an idle server.
pub async fn measure(server: &Server) -> Result<Value> {
    let api = server.api()?;
    api.push("empty").await?;
    api.apply(&json!({ "dag_id": DAG, "tasks": [{ "task_id": "only", "operator": "empty" }] })).await?;
    let (mut requests, mut successes) = (Vec::new(), Vec::new());
    for number in 0..=RUNS {
        let (asked, triggered) = (Instant::now(), Utc::now());
        let run = api.trigger(DAG, json!({})).await?;
        let answered = asked.elapsed();
        let state = api.finished(DAG, &run).await?;
        if state != "success" {
            bail!("the run {run} ended as {state}");
        }
        let ended = instant(&api.get(&format!("/api/v2/dags/{DAG}/dagRuns/{run}")).await?["end_date"])?;
        // The first one compiles and caches.
        if number > 0 {
            requests.push(answered.as_secs_f64() * 1e3);
            successes.push(seconds(triggered, ended) * 1e3);
        }
    }
    Ok(json!({
        "runs": RUNS,
        "request_ms_median": rounded(quantile(&mut requests, 0.5)?),
        "success_ms_median": rounded(quantile(&mut successes, 0.5)?),
        "success_ms_p99": rounded(quantile(&mut successes, 0.99)?),
    }))
}

/// From the start of the processes to the success of the first run, on a database and compiled modules that are there.
pub async fn cold(server: &mut Server) -> Result<Value> {
    let api = server.api()?;
    api.push("empty").await?;
    api.apply(&json!({ "dag_id": DAG, "tasks": [{ "task_id": "only", "operator": "empty" }] })).await?;
    let run = api.trigger(DAG, json!({})).await?;
    api.finished(DAG, &run).await?;
    let mut starts = Vec::new();
    for _ in 0..5 {
        server.kill_all()?;
        let asked = Instant::now();
        server.start_again()?;
        let api = server.api()?;
        let run = api.trigger(DAG, json!({})).await?;
        let state = api.finished(DAG, &run).await?;
        if state != "success" {
            bail!("the run {run} ended as {state}");
        }
        starts.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(json!({ "starts": starts.len(), "start_to_success_ms_median": rounded(quantile(&mut starts, 0.5)?) }))
}
