//! One large run: what an instance costs where there are very many of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use airlock_tests::{Api, Server};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::figures::rounded;
use crate::usage::Usage;
use crate::{Bench, Measured};

/// The largest page that the API gives.
const PAGE: usize = 100;

const WIDE: usize = 5_000;
const MAPPED: usize = 100_000;
/// What a mapped run is held against: its instances should cost the same.
const SMALL: usize = 1_000;

/// A DAG whose run ends in so many instances.
struct Shape {
    dag_id: String,
    tasks: Vec<Value>,
    task_groups: Vec<Value>,
    instances: usize,
}

impl Shape {
    /// One task, then all others but one, then one. Of those in the middle, each tenth waits for the one before it too.
    fn wide(instances: usize) -> Self {
        let middle: Vec<String> = (2..instances).map(|number| format!("t{number}")).collect();
        let mut tasks = vec![empty("first", json!([]))];
        for (number, id) in middle.iter().enumerate() {
            let before = number.checked_sub(1).filter(|_| number % 10 == 0).and_then(|before| middle.get(before));
            tasks.push(empty(id, json!(["first"].into_iter().chain(before.map(String::as_str)).collect::<Vec<_>>())));
        }
        tasks.push(empty("last", json!(middle)));
        Self { dag_id: "wide".to_owned(), instances: tasks.len(), tasks, task_groups: Vec::new() }
    }

    /// One task, a mapped group over what it returns, and one task after the group. Each instance reads its element: it is called by it.
    fn mapped(instances: usize) -> Self {
        let query = format!(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < {instances}) select i from n"
        );
        let mut each = empty("each", json!([]));
        each["task_group"] = json!("group");
        each["map_index_template"] = json!("{{ expanded.row[0] }}");
        let tasks = vec![
            json!({ "task_id": "list", "operator": "sql",
                "args": { "conn_id": "numbers", "sql": query, "handler": "fetch_all", "row_limit": instances } }),
            each,
            empty("last", json!(["group"])),
        ];
        let group = json!({ "group_id": "group", "expand": { "row": { "xcom": "list" } } });
        Self { dag_id: format!("mapped-{instances}"), tasks, task_groups: vec![group], instances: instances + 2 }
    }
}

fn empty(task_id: &str, upstream: Value) -> Value {
    json!({ "task_id": task_id, "operator": "empty", "upstream": upstream })
}

/// One run of a DAG with many tasks.
pub async fn wide(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    prepare(&server).await?;
    let wide = measure(&server, &Shape::wide(bench.instances.unwrap_or(WIDE))).await?;
    Ok(Measured {
        ratios: json!({ "wall_per_instance_to_floor": bench.floor.times(wide.wall_ms) }),
        figures: wide.figures,
    })
}

/// A small run, then a large one: an instance costs the same in both.
pub async fn mapped(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    prepare(&server).await?;
    let small = measure(&server, &Shape::mapped(SMALL)).await?;
    let large = measure(&server, &Shape::mapped(bench.instances.unwrap_or(MAPPED))).await?;
    Ok(Measured {
        ratios: json!({
            "wall_per_instance_to_floor": bench.floor.times(large.wall_ms),
            "wall_per_instance_to_small_run": rounded(large.wall_ms / small.wall_ms),
            "cpu_per_instance_to_small_run": rounded(large.cpu_ms / small.cpu_ms),
        }),
        figures: json!([small.figures, large.figures]),
    })
}

async fn prepare(server: &Server) -> Result<()> {
    let api = server.api()?;
    api.push("empty").await?;
    api.push("sql").await?;
    api.patch("/api/v2/pools/default_pool", &json!({ "slots": 1_000_000 })).await?;
    let limits = json!({ "map_length": 100_000, "xcom_bytes": 64 << 20, "host_call_bytes": 64 << 20 });
    api.put("/api/v2/tenants/default/policy", &json!({ "host_folders": [server.home()], "limits": limits })).await?;
    let numbers = server.home().join("numbers.db");
    let connection = json!({ "connection_id": "numbers", "conn_type": "sqlite", "host": numbers });
    api.post("/api/v2/connections", &connection).await.map(drop)
}

/// What each instance of a run has cost.
struct Cost {
    wall_ms: f64,
    cpu_ms: f64,
    figures: Value,
}

async fn measure(server: &Server, shape: &Shape) -> Result<Cost> {
    let api = server.api()?;
    let (dag_id, tasks, groups) = (&shape.dag_id, &shape.tasks, &shape.task_groups);
    api.apply(&json!({ "dag_id": dag_id, "max_active_tasks": 1_000_000, "tasks": tasks, "task_groups": groups }))
        .await?;

    let (before, bytes) = (Usage::of(&server.process_ids())?, database_bytes(server.home())?);
    let asked = Instant::now();
    let run = api.trigger(dag_id, json!({})).await?;
    let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run}");
    until_success(&api, &path).await?;
    let wall = asked.elapsed();
    let after = Usage::of(&server.process_ids())?;
    let pages = [0, shape.instances.saturating_sub(PAGE)];
    let mut page_ms = Vec::new();
    for offset in pages {
        page_ms.push(rounded(page(&api, &path, offset, shape.instances).await?.as_secs_f64() * 1e3));
    }
    let grown = bytes.zip(database_bytes(server.home())?).map(|(before, after)| after.saturating_sub(before));
    let each = |total: f64| total / shape.instances as f64;
    let wall_ms = each(wall.as_secs_f64() * 1e3);
    let cpu_ms = each((after.cpu_seconds - before.cpu_seconds) * 1e3);
    let figures = json!({
        "instances": shape.instances,
        "wall_seconds": rounded(wall.as_secs_f64()),
        "instances_per_second": rounded(1e3 / wall_ms),
        "wall_ms_per_instance": rounded(wall_ms),
        "cpu_ms_per_instance": rounded(cpu_ms),
        "peak_memory_mb": rounded(after.peak_memory_mb),
        "memory_kb_per_instance": rounded(each((after.peak_memory_mb - before.peak_memory_mb) * 1024.0)),
        // Null where the database is a server's.
        "database_bytes_per_instance": grown.map(|grown| rounded(each(grown as f64))),
        "first_page_ms": page_ms.first(),
        "last_page_ms": page_ms.last(),
    });
    Ok(Cost { wall_ms, cpu_ms, figures })
}

/// However long it takes.
async fn until_success(api: &Api, path: &str) -> Result<()> {
    loop {
        let run = api.get(path).await?;
        match run["state"].as_str() {
            Some("success") => return Ok(()),
            Some("failed") => bail!("the run failed: {run:#}"),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// How long one page of the run's instances takes.
async fn page(api: &Api, run: &str, offset: usize, instances: usize) -> Result<Duration> {
    let asked = Instant::now();
    let found = api.get(&format!("{run}/taskInstances?limit={PAGE}&offset={offset}")).await?;
    let took = asked.elapsed();
    if found["total_entries"] != instances {
        bail!("the run has {} instances, not {instances}", found["total_entries"]);
    }
    Ok(took)
}

/// What the database's files take, if it is in this folder.
fn database_bytes(home: &Path) -> Result<Option<u64>> {
    let mut bytes = None;
    for entry in fs::read_dir(home).with_context(|| format!("cannot read {}", home.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("airlock.db") {
            bytes = Some(bytes.unwrap_or(0) + entry.metadata()?.len());
        }
    }
    Ok(bytes)
}
