//! Who may run at once, and who comes first.

use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(a_pool_is_never_over_its_slots_and_the_heaviest_comes_first, limits_hold_for_a_dag_its_runs_and_its_tasks);

/// The instances of a run in the order in which they were started.
async fn by_start(api: &Api, dag_id: &str, run: &str) -> Result<Vec<Value>> {
    let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances?order_by=start_date&limit=100");
    let found = api.get(&path).await?;
    Ok(found["task_instances"].as_array().cloned().unwrap_or_default())
}

/// From when to when something was at work.
fn span(one: &Value) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let moment = |member: &str| one[member].as_str().context("it has run").and_then(|text| Ok(text.parse()?));
    Ok((moment("start_date")?, moment("end_date")?))
}

/// The most that were at work at one time.
fn most_at_once(all: &[Value]) -> Result<usize> {
    let spans = all.iter().map(span).collect::<Result<Vec<_>>>()?;
    let at_work = |moment| spans.iter().filter(|(start, end)| *start <= moment && moment < *end).count();
    Ok(spans.iter().map(|(start, _)| at_work(*start)).max().unwrap_or(0))
}

async fn a_pool_is_never_over_its_slots_and_the_heaviest_comes_first(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.post("/api/v2/pools", &json!({ "name": "narrow", "slots": 2 })).await?;
    let task = |task_id: &str, weight: i32, slots: u32| {
        json!({ "task_id": task_id, "operator": "bash", "pool": "narrow", "priority_weight": weight, "pool_slots": slots,
            "weight_rule": "absolute", "upstream": ["gate"], "args": { "bash_command": "sleep 0.2" } })
    };
    api.apply(&json!({
        "dag_id": "crowd",
        "tasks": [
            { "task_id": "gate", "operator": "bash", "args": { "bash_command": "true" } },
            task("light", 1, 1), task("middle", 5, 1), task("wide", 9, 2), task("heavy", 20, 1), task("second", 15, 1)
        ]
    }))
    .await?;
    let run = api.trigger("crowd", json!({})).await?;
    assert_eq!(api.finished("crowd", &run).await?, "success");

    let mut instances = by_start(&api, "crowd", &run).await?;
    instances.remove(0);
    let names: Vec<&str> = instances.iter().filter_map(|one| one["task_id"].as_str()).collect();
    // The two heaviest first, in whatever order; what needs the whole pool waits for both of them and then for nobody.
    let mut first = names[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, ["heavy", "second"], "{names:?}");
    assert!(most_at_once(&instances)? <= 2, "{instances:?}");
    let wide = instances.iter().find(|one| one["task_id"] == "wide").context("it is there")?;
    let (from, to) = span(wide)?;
    for other in instances.iter().filter(|one| one["task_id"] != "wide") {
        let (start, end) = span(other)?;
        assert!(end <= from || start >= to, "{other} is beside {wide}");
    }
    Ok(())
}

async fn limits_hold_for_a_dag_its_runs_and_its_tasks(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    let task = |task_id: &str, more: Value| {
        let mut task = json!({ "task_id": task_id, "operator": "bash", "args": { "bash_command": "sleep 0.1" } });
        for (name, value) in more.as_object().into_iter().flatten() {
            task[name] = value.clone();
        }
        task
    };
    api.apply(&json!({
        "dag_id": "bounded", "max_active_tasks": 2, "max_active_runs": 2,
        "tasks": [
            task("a", json!({})), task("b", json!({})), task("c", json!({})),
            task("single", json!({ "max_active_tis_per_dag": 1 })),
            task("parts", json!({ "args": {}, "max_active_tis_per_dagrun": 1,
                "expand": { "bash_command": ["sleep 0.1", "sleep 0.1", "sleep 0.1"] } }))
        ]
    }))
    .await?;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(api.trigger("bounded", json!({})).await?);
    }
    let (mut all_runs, mut singles) = (Vec::new(), Vec::new());
    for run in &runs {
        assert_eq!(api.finished("bounded", run).await?, "success");
        let instances = by_start(&api, "bounded", run).await?;
        assert!(most_at_once(&instances)? <= 2, "of one run: {instances:?}");
        let of = |task_id: &str| instances.iter().filter(|one| one["task_id"] == task_id).cloned().collect::<Vec<_>>();
        assert_eq!(most_at_once(&of("parts"))?, 1, "of a task in one run");
        singles.extend(of("single"));
        all_runs.push(api.get(&format!("/api/v2/dags/bounded/dagRuns/{run}")).await?);
    }
    assert_eq!(most_at_once(&singles)?, 1, "of a task in all runs");
    assert!(most_at_once(&all_runs)? <= 2, "of all runs");
    Ok(())
}
