//! One run of tasks that do nothing, some times: how fast they go, and how long each waits for its turn.

use std::time::Instant;

use airlock_tests::Api;
use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::figures::{instant, milliseconds, quantile, rounded};
use crate::stages::Stages;
use crate::usage::Usage;
use crate::{Bench, DAG, Measured};

/// Runs that are measured, after one that is not.
const RUNS: usize = 5;

/// The tasks of a DAG.
pub struct Row(Vec<Value>);

impl Row {
    /// One after the other.
    pub fn chain(length: usize) -> Self {
        let upstream = |number: usize| number.checked_sub(1).map(|before| format!("t{before}")).into_iter().collect();
        Self((0..length).map(|number| task(format!("t{number}"), upstream(number))).collect())
    }

    /// One, then so many side by side, then one.
    pub fn fanout(width: usize) -> Self {
        let middle: Vec<String> = (0..width).map(|number| format!("t{number}")).collect();
        let mut tasks = vec![task("first".to_owned(), Vec::new())];
        tasks.extend(middle.iter().map(|id| task(id.clone(), vec!["first".to_owned()])));
        tasks.push(task("last".to_owned(), middle));
        Self(tasks)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub async fn apply(&self, api: &Api, dag_id: &str) -> Result<()> {
        let dag = json!({ "dag_id": dag_id, "max_active_runs": 1_000, "max_active_tasks": 100_000, "tasks": self.0 });
        api.apply(&dag).await.map(drop)
    }
}

fn task(task_id: String, upstream: Vec<String>) -> Value {
    json!({ "task_id": task_id, "operator": "empty", "upstream": upstream })
}

/// What some runs, one after the other, have taken.
#[derive(Default)]
pub struct Runs {
    /// Milliseconds from the request that triggers a run to its end.
    pub walls: Vec<f64>,
    /// Milliseconds from the end of a task's last upstream task to its own start, by task.
    pub gaps: Vec<f64>,
}

impl Runs {
    pub async fn of(api: &Api, dag_id: &str, row: &Row, runs: usize) -> Result<Self> {
        let mut measured = Self::default();
        for _ in 0..runs {
            measured.one_more(api, dag_id, row).await?;
        }
        Ok(measured)
    }

    async fn one_more(&mut self, api: &Api, dag_id: &str, Row(tasks): &Row) -> Result<()> {
        let triggered = Utc::now();
        let asked = Instant::now();
        let run = api.trigger(dag_id, json!({})).await?;
        let state = api.finished(dag_id, &run).await?;
        if state != "success" {
            bail!("the run {run} ended as {state} after {:?}", asked.elapsed());
        }
        let ended = instant(&api.get(&format!("/api/v2/dags/{dag_id}/dagRuns/{run}")).await?["end_date"])?;
        let instances = instances_of(api, dag_id, &run, tasks.len()).await?;
        let times = |task: &Value| -> Result<(DateTime<Utc>, DateTime<Utc>)> {
            let instance =
                instances.iter().find(|instance| instance["task_id"] == *task).context("a task is missing")?;
            Ok((instant(&instance["start_date"])?, instant(&instance["end_date"])?))
        };
        for task in tasks {
            let upstream = task["upstream"].as_array().into_iter().flatten();
            let ends: Vec<DateTime<Utc>> = upstream.map(|id| Ok(times(id)?.1)).collect::<Result<_>>()?;
            if let Some(last) = ends.into_iter().max() {
                self.gaps.push(milliseconds(last, times(&task["task_id"])?.0));
            }
        }
        self.walls.push(milliseconds(triggered, ended));
        Ok(())
    }
}

pub async fn measure(bench: &Bench, row: &Row) -> Result<Measured> {
    let server = bench.server()?;
    let api = server.api()?;
    api.push("empty").await?;
    // What is measured is not the pool's waiting line.
    api.patch("/api/v2/pools/default_pool", &json!({ "slots": 100_000 })).await?;
    row.apply(&api, DAG).await?;
    Runs::of(&api, DAG, row, 1).await?;

    let is_one = server.process_ids().len() == 1;
    let began = if is_one { Some(Stages::of(&api).await?) } else { None };
    let before = Usage::of(&server.process_ids())?;
    let measured = Runs::of(&api, DAG, row, RUNS).await?;
    let after = Usage::of(&server.process_ids())?;
    // Null where the stages of a task are not all in one process.
    let stages = match began {
        Some(began) => Stages::of(&api).await?.since(&began)?,
        None => Value::Null,
    };
    let wall = quantile(&measured.walls, 0.5)?;
    let gap = quantile(&measured.gaps, 0.5)?;
    let each = wall / row.len() as f64;
    let cpu = (after.cpu_seconds - before.cpu_seconds) * 1e3 / (RUNS * row.len()) as f64;
    Ok(Measured {
        figures: json!({
            "runs": RUNS,
            "tasks": row.len(),
            "wall_ms": rounded(wall),
            "tasks_per_second": rounded(1e3 / each),
            "gap_ms_median": rounded(gap),
            "gap_ms_p99": rounded(quantile(&measured.gaps, 0.99)?),
            "cpu_ms_per_task": rounded(cpu),
            "peak_memory_mb": rounded(after.peak_memory_mb),
            "stages": stages,
        }),
        ratios: json!({
            "wall_per_task_to_floor": bench.floor.times(each),
            "gap_to_floor": bench.floor.times(gap),
            "cpu_per_task_to_floor": bench.floor.times(cpu),
        }),
    })
}

/// All instances of a run, page by page.
pub async fn instances_of(api: &Api, dag_id: &str, run: &str, count: usize) -> Result<Vec<Value>> {
    let mut instances = Vec::new();
    while instances.len() < count {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances?limit=100&offset={}", instances.len());
        let page = api.get(&path).await?;
        let found = page["task_instances"].as_array().context("no instances")?;
        if found.is_empty() {
            bail!("the run {run} has {} instances, not {count}", instances.len());
        }
        instances.extend(found.clone());
    }
    Ok(instances)
}
