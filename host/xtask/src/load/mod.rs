//! `cargo xtask load`: what a task costs, on a release build of the real binary, over HTTP.

mod floor;
mod idle;
mod large;
mod many;
mod sensors;
mod stages;
mod trigger;
mod usage;

use std::time::Instant;

use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{build, guests, setup};
use large::Shape;
use many::Scene;
use stages::Stages;
use usage::Usage;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// 50 tasks that do nothing, one after the other.
    Chain,
    /// One, then 1,000 side by side, then one.
    Fanout,
    /// One run of a DAG with 5,000 tasks.
    Wide,
    /// One run of a group that is mapped over 100,000 elements.
    Mapped,
    /// 100,000 DAGs with a daily schedule, none of them due.
    Idle,
    /// 200 runs of 10 tasks at once.
    Runs,
    /// 100 DAGs of 10 tasks in a row, 10 of 100 in a row, 100 binary trees of 10, each at once.
    Scenes,
    /// Runs of one task, one after the other.
    Trigger,
    /// The first run after a start.
    Cold,
    /// 100,000 tasks that wait for an event.
    Sensors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// Runs that are measured, after one that is not.
const RUNS: usize = 5;
const DAG: &str = "load";

/// `instances` is for the profiles of one large run, of many DAGs, and of many that wait.
pub fn run(profile: Profile, store: Store, instances: Option<usize>) -> Result<()> {
    if store == Store::Postgres {
        setup::test()?
    } else {
        setup::build()?
    }
    guests::build_operators(crate::root())?;
    let binary = build::binary(true)?;
    let database = if store == Store::Postgres { Database::Postgres } else { Database::Sqlite };
    let settings = [("worker_slots", "64"), ("log", "warn")];
    let mut server = Server::start_binary(&binary, database, &settings)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let count = instances.unwrap_or(100_000);
    let cost = runtime.block_on(async {
        Ok::<_, anyhow::Error>(match profile {
            Profile::Wide => Some(large::measure(&server, &Shape::wide(instances.unwrap_or(5_000))).await?),
            Profile::Mapped => Some(large::measure(&server, &Shape::mapped(count)).await?),
            Profile::Idle => Some(idle::measure(&server, count).await?),
            Profile::Runs => Some(many::measure(&server, &Scene::rows("runs", 1, 200, 10)).await?),
            Profile::Scenes => Some(scenes(&server).await?),
            Profile::Trigger => Some(trigger::measure(&server).await?),
            Profile::Cold => Some(trigger::cold(&mut server).await?),
            Profile::Sensors => Some(sensors::measure(&server, count).await?),
            Profile::Chain | Profile::Fanout => None,
        })
    })?;
    if let Some(cost) = cost {
        let report = json!({ "profile": name(profile), "db": name(store), "cost": cost });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let measured = runtime.block_on(measure(&server, profile))?;

    let floor = floor::measure(store)?;
    let mut walls = measured.walls;
    let mut gaps = measured.gaps;
    let tasks = profile.tasks().len();
    let wall = quantile(&mut walls, 0.5)?;
    let report = json!({
        "profile": name(profile),
        "db": name(store),
        "runs": RUNS,
        "tasks": tasks,
        "wall_seconds": rounded(wall),
        "tasks_per_second": rounded(tasks as f64 / wall),
        "gap_ms_median": rounded(quantile(&mut gaps, 0.5)?),
        "gap_ms_p99": rounded(quantile(&mut gaps, 0.99)?),
        "cpu_seconds_per_task": rounded(measured.cpu_seconds / (RUNS * tasks) as f64),
        "peak_memory_mb": rounded(measured.peak_memory_mb),
        "stages": measured.stages,
        "floor": floor,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

struct Measured {
    /// Seconds from the request that triggers a run to the end of its last task, by run.
    walls: Vec<f64>,
    /// Milliseconds from the end of a task's last upstream task to its own start, by task.
    gaps: Vec<f64>,
    cpu_seconds: f64,
    peak_memory_mb: f64,
    /// Null where the stages of a task are not all in one process.
    stages: Value,
}

async fn scenes(server: &Server) -> Result<Value> {
    let scenes =
        [Scene::rows("rows-10", 100, 1, 10), Scene::rows("rows-100", 10, 1, 100), Scene::trees("trees-10", 100, 10)];
    let mut measured = Vec::new();
    for scene in &scenes {
        measured.push(many::measure(server, scene).await?);
    }
    Ok(Value::Array(measured))
}

async fn measure(server: &Server, profile: Profile) -> Result<Measured> {
    let api = server.api()?;
    api.push("empty").await?;
    let tasks = profile.tasks();
    // What is measured is not the pool's waiting line.
    api.patch("/api/v2/pools/default_pool", &json!({ "slots": 100_000 })).await?;
    api.apply(&json!({ "dag_id": DAG, "max_active_tasks": 100_000, "tasks": tasks })).await?;
    one_run(&api, &tasks).await?;

    let is_one = server.process_ids().len() == 1;
    let began = if is_one { Some(Stages::of(&api).await?) } else { None };
    let before = Usage::of(&server.process_ids())?;
    let (mut walls, mut gaps) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (wall, found) = one_run(&api, &tasks).await?;
        walls.push(wall);
        gaps.extend(found);
    }
    let after = Usage::of(&server.process_ids())?;
    let stages = match began {
        Some(began) => Stages::of(&api).await?.since(&began)?,
        None => Value::Null,
    };
    Ok(Measured {
        stages,
        walls,
        gaps,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        peak_memory_mb: after.peak_memory_mb,
    })
}

/// One run: how long it took, and the gaps before its tasks.
async fn one_run(api: &Api, tasks: &[Value]) -> Result<(f64, Vec<f64>)> {
    let triggered = Utc::now();
    let asked = Instant::now();
    let run = api.trigger(DAG, json!({})).await?;
    let state = api.finished(DAG, &run).await?;
    if state != "success" {
        bail!("the run {run} ended as {state} after {:?}", asked.elapsed());
    }
    let ended = instant(&api.get(&format!("/api/v2/dags/{DAG}/dagRuns/{run}")).await?["end_date"])?;
    let instances = instances_of(api, DAG, &run, tasks.len()).await?;
    let times = |task: &Value| -> Result<(DateTime<Utc>, DateTime<Utc>)> {
        let instance = instances.iter().find(|instance| instance["task_id"] == *task).context("a task is missing")?;
        Ok((instant(&instance["start_date"])?, instant(&instance["end_date"])?))
    };
    let mut gaps = Vec::new();
    for task in tasks {
        let upstream = task["upstream"].as_array().into_iter().flatten();
        let ends: Vec<DateTime<Utc>> = upstream.map(|id| Ok(times(id)?.1)).collect::<Result<_>>()?;
        if let Some(last) = ends.into_iter().max() {
            gaps.push(seconds(last, times(&task["task_id"])?.0) * 1e3);
        }
    }
    Ok((seconds(triggered, ended), gaps))
}

/// All instances of a run, page by page.
async fn instances_of(api: &Api, dag_id: &str, run: &str, count: usize) -> Result<Vec<Value>> {
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

impl Profile {
    fn tasks(self) -> Vec<Value> {
        let task =
            |id: String, upstream: Vec<String>| json!({ "task_id": id, "operator": "empty", "upstream": upstream });
        match self {
            Self::Chain => (0..50)
                .map(|number: u32| {
                    let upstream = number.checked_sub(1).map(|before| format!("t{before}")).into_iter().collect();
                    task(format!("t{number}"), upstream)
                })
                .collect(),
            Self::Fanout => {
                let middle: Vec<String> = (0..1_000).map(|number| format!("t{number}")).collect();
                let mut tasks = vec![task("first".to_owned(), Vec::new())];
                tasks.extend(middle.iter().map(|id| task(id.clone(), vec!["first".to_owned()])));
                tasks.push(task("last".to_owned(), middle));
                tasks
            }
            // These make their own.
            Self::Wide | Self::Mapped | Self::Idle => Vec::new(),
            Self::Runs | Self::Scenes | Self::Trigger | Self::Cold | Self::Sensors => Vec::new(),
        }
    }
}

fn instant(value: &Value) -> Result<DateTime<Utc>> {
    let text = value.as_str().context("an instant is missing")?;
    Ok(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc))
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}

/// The value below which this share of the values lies.
fn quantile(values: &mut [f64], share: f64) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).context("nothing was measured")?;
    values.get((last as f64 * share).round() as usize).copied().context("nothing was measured")
}

/// Six digits say more than a measurement knows.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
