//! What it costs that very many tasks wait.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::figures::rounded;
use crate::trigger::{self, Latencies};
use crate::usage::{Idle, Usage, WATCHED};
use crate::{Bench, DAG, Measured};

const WAITING: usize = 100_000;
const RUNS: usize = 50;

/// A run in which everything waits is let go when it has been quiet for ten seconds, and a millisecond more for each instance.
const QUIET: Duration = Duration::from_secs(15);
const QUIET_PER_INSTANCE: Duration = Duration::from_millis(1);

/// One run of a group that is mapped over so many elements, each of which waits for an event that nobody posts.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    let waiting = bench.instances.unwrap_or(WAITING);
    let server = bench.server()?;
    let api = server.api()?;
    for operator in ["sql", "event-sensor"] {
        api.push(operator).await?;
    }
    api.patch("/api/v2/pools/default_pool", &json!({ "slots": 1_000_000 })).await?;
    let limits = json!({ "map_length": 100_000, "xcom_bytes": 64 << 20, "host_call_bytes": 64 << 20 });
    api.put("/api/v2/tenants/default/policy", &json!({ "host_folders": [server.home()], "limits": limits })).await?;
    let connection =
        json!({ "connection_id": "numbers", "conn_type": "sqlite", "host": server.home().join("numbers.db") });
    api.post("/api/v2/connections", &connection).await?;
    let query =
        format!("with recursive n (i) as (select 1 union all select i + 1 from n where i < {waiting}) select i from n");
    let list = json!({ "task_id": "list", "operator": "sql",
        "args": { "conn_id": "numbers", "sql": query, "handler": "fetch_all", "row_limit": waiting } });
    let wait =
        json!({ "task_id": "wait", "operator": "event-sensor", "args": { "name": "never" }, "task_group": "group" });
    let group = json!({ "group_id": "group", "expand": { "row": { "xcom": "list" } } });
    let dag = json!({ "dag_id": DAG, "max_active_tasks": 1_000_000, "tasks": [list, wait], "task_groups": [group] });
    api.apply(&dag).await?;
    trigger::apply(&api).await?;
    let alone = Latencies::of(&api, RUNS).await?;

    let empty = Usage::of(&server.process_ids())?;
    let asked = Instant::now();
    let run = api.trigger(DAG, json!({})).await?;
    let run = format!("/api/v2/dags/{DAG}/dagRuns/{run}");
    while api.get(&format!("{run}/taskInstances?limit=1&state=deferred")).await?["total_entries"] != waiting {
        let run = api.get(&run).await?;
        if run["state"] == "failed" {
            bail!("the run failed: {run:#}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let begun = asked.elapsed();
    let held = Usage::of(&server.process_ids())?;
    tokio::time::sleep(QUIET + QUIET_PER_INSTANCE * u32::try_from(waiting)?).await;
    let idle = Idle::of(&server).await?;
    let beside = Latencies::of(&api, RUNS).await?;
    Ok(Measured {
        figures: json!({
            "waiting": waiting,
            "seconds_until_all_wait": rounded(begun.as_secs_f64()),
            "memory_mb_before": rounded(empty.memory_mb),
            "memory_mb_held": rounded(held.memory_mb),
            "memory_mb_at_rest": rounded(idle.memory_mb),
            "watched_seconds": WATCHED.as_secs(),
            "idle_cpu_percent": rounded(idle.cpu_percent),
            "trigger_alone": alone.figures()?,
            "trigger_beside": beside.figures()?,
        }),
        ratios: json!({
            "trigger_beside_to_alone": rounded(beside.median()? / alone.median()?),
            "memory_at_rest_to_before": rounded(idle.memory_mb / empty.memory_mb),
        }),
    })
}
