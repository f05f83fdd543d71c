//! Many runs at once: how long tasks that are ready wait for their start.

use std::time::Instant;

use airlock_tests::{Api, Server};
use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::chain::instances_of;
use crate::figures::{instant, milliseconds, rounded};
use crate::usage::Usage;
use crate::{Bench, Measured};

/// DAGs of one form, each of which runs some times, all at once.
pub struct Scene {
    name: &'static str,
    dags: usize,
    runs: usize,
    /// What each task waits for, by number.
    upstream: Vec<Vec<usize>>,
}

impl Scene {
    pub fn rows(name: &'static str, dags: usize, runs: usize, length: usize) -> Self {
        let upstream = (0..length).map(|number| number.checked_sub(1).into_iter().collect()).collect();
        Self { name, dags, runs, upstream }
    }

    /// Each task has two that follow it.
    fn trees(name: &'static str, dags: usize, size: usize) -> Self {
        let upstream =
            (0..size).map(|number| number.checked_sub(1).map(|before| before / 2).into_iter().collect()).collect();
        Self { name, dags, runs: 1, upstream }
    }

    fn tasks(&self) -> Vec<Value> {
        let task = |(number, upstream): (usize, &Vec<usize>)| {
            let upstream: Vec<String> = upstream.iter().map(|before| format!("t{before}")).collect();
            json!({ "task_id": format!("t{number}"), "operator": "empty", "upstream": upstream })
        };
        self.upstream.iter().enumerate().map(task).collect()
    }
}

/// 200 runs of one DAG.
pub async fn runs(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    let cost = measure(&server, &Scene::rows("runs", 1, 200, 10)).await?;
    Ok(Measured { ratios: json!({ "wall_per_task_to_floor": bench.floor.times(cost.wall_ms) }), figures: cost.figures })
}

/// The scenes of public reports of Airflow and DAGForge.
pub async fn scenes(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    let scenes =
        [Scene::rows("rows-10", 100, 1, 10), Scene::rows("rows-100", 10, 1, 100), Scene::trees("trees-10", 100, 10)];
    let (mut figures, mut ratios) = (Vec::new(), serde_json::Map::new());
    for scene in &scenes {
        let cost = measure(&server, scene).await?;
        ratios.insert(format!("{}_wall_per_task_to_floor", scene.name), json!(bench.floor.times(cost.wall_ms)));
        figures.push(cost.figures);
    }
    Ok(Measured { figures: Value::Array(figures), ratios: Value::Object(ratios) })
}

/// What each task of a scene has cost.
pub struct Cost {
    pub wall_ms: f64,
    pub figures: Value,
}

/// Starts all runs and waits for all. The sum of all times from ready to started is the figure that those reports give.
pub async fn measure(server: &Server, scene: &Scene) -> Result<Cost> {
    let api = server.api()?;
    api.push("empty").await?;
    api.patch("/api/v2/pools/default_pool", &json!({ "slots": 100_000 })).await?;
    let tasks = scene.tasks();
    let dag_ids: Vec<String> = (0..scene.dags).map(|number| format!("{}-{number}", scene.name)).collect();
    for dag_id in &dag_ids {
        let limits = json!({ "dag_id": dag_id, "max_active_runs": 1_000, "max_active_tasks": 1_000, "tasks": tasks });
        api.apply(&limits).await?;
    }
    let before = Usage::of(&server.process_ids())?;
    let asked = Instant::now();
    let mut runs = Vec::new();
    for dag_id in &dag_ids {
        for _ in 0..scene.runs {
            runs.push((dag_id, api.trigger(dag_id, json!({})).await?));
        }
    }
    let triggered = asked.elapsed();
    for (dag_id, run) in &runs {
        let state = api.finished(dag_id, run).await?;
        if state != "success" {
            bail!("the run {run} of {dag_id} ended as {state}");
        }
    }
    let wall = asked.elapsed().as_secs_f64();
    let after = Usage::of(&server.process_ids())?;
    let mut waited = 0.0;
    for (dag_id, run) in &runs {
        waited += waits(&api, dag_id, run, scene).await?;
    }
    let count = (runs.len() * tasks.len()) as f64;
    let wall_ms = wall / count * 1e3;
    let figures = json!({
        "scene": scene.name,
        "runs": runs.len(),
        "tasks": count,
        "trigger_seconds": rounded(triggered.as_secs_f64()),
        "wall_seconds": rounded(wall),
        "tasks_per_second": rounded(1e3 / wall_ms),
        "ready_to_started_seconds": rounded(waited / 1e3),
        "ready_to_started_ms_per_task": rounded(waited / count),
        "cpu_ms_per_task": rounded((after.cpu_seconds - before.cpu_seconds) / count * 1e3),
        "peak_memory_mb": rounded(after.peak_memory_mb),
    });
    Ok(Cost { wall_ms, figures })
}

/// Milliseconds that the tasks of a run have waited between being ready and being started.
async fn waits(api: &Api, dag_id: &str, run_id: &str, scene: &Scene) -> Result<f64> {
    let run = api.get(&format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}")).await?;
    let began = instant(&run["start_date"])?;
    let instances = instances_of(api, dag_id, run_id, scene.upstream.len()).await?;
    let mut times = vec![(began, began); scene.upstream.len()];
    for instance in &instances {
        let number = instance["task_id"].as_str().and_then(|id| id.strip_prefix('t')?.parse::<usize>().ok());
        if let Some(times) = number.and_then(|number| times.get_mut(number)) {
            *times = (instant(&instance["start_date"])?, instant(&instance["end_date"])?);
        }
    }
    let ends = |upstream: &Vec<usize>| upstream.iter().filter_map(|before| Some(times.get(*before)?.1)).max();
    let wait = |(upstream, (started, _)): (&Vec<usize>, &(DateTime<Utc>, DateTime<Utc>))| {
        milliseconds(ends(upstream).unwrap_or(began), *started).max(0.0)
    };
    Ok(scene.upstream.iter().zip(&times).map(wait).sum())
}
