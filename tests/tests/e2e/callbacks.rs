//! Callbacks and deadlines: from the document to the operator's log.

use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::each::{lease, on_each};

on_each!(
    every_kind_of_callback_is_called_once,
    callbacks_need_a_place_and_no_slot,
    a_callback_outlives_the_process_that_called_it,
);

fn tell(text: &str) -> Value {
    json!({ "operator": "bash", "args": { "bash_command": "echo \"$TEXT\"", "env": { "TEXT": text } } })
}

async fn every_kind_of_callback_is_called_once(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    let of_task = |event: &str| {
        tell(&format!("{event}: {{{{ ti.task_id }}}} {{{{ try_number }}}} {{{{ exception or reason }}}}"))
    };
    let kinds = ["on_execute", "on_success", "on_failure", "on_retry", "on_skipped"];
    let watched: serde_json::Map<_, _> = kinds.map(|kind| (kind.to_owned(), of_task(kind))).into_iter().collect();
    let fails = "if [ \"$AIRFLOW_CTX_TRY_NUMBER\" = 1 ]; then echo first >&2; exit 1; fi; echo done";
    api.apply(&json!({
        "dag_id": "watched",
        "default_args": { "callbacks": watched },
        "callbacks": {
            "on_failure": [
                tell("run {{ run_id }} is {{ state }}: {{ reason }}"),
                { "operator": "bash", "args": { "bash_command": "echo 'no, no'; exit 3" } },
            ],
        },
        "deadlines": [
            { "name": "at once", "reference": { "fixed": "2020-01-01T00:00:00Z" }, "interval": 60,
              "callback": tell("late: {{ deadline.name }} {{ deadline.deadline_time }} {{ event }}") },
            { "reference": "dagrun_queued_at", "interval": "PT1H", "callback": tell("never") },
        ],
        "tasks": [
            { "task_id": "again", "operator": "bash", "retries": 1, "retry_delay": 0.1, "args": { "bash_command": fails } },
            { "task_id": "broken", "operator": "bash", "args": { "bash_command": "exit 1" } },
            { "task_id": "below", "operator": "bash", "args": { "bash_command": "true" }, "upstream": ["broken"] },
            { "task_id": "left_out", "operator": "bash", "args": { "bash_command": "exit 99" } },
        ]
    }))
    .await?;
    let run = api.trigger("watched", json!({})).await?;
    assert_eq!(api.finished("watched", &run).await?, "failed");
    let base = format!("/api/v2/dags/watched/dagRuns/{run}");
    let over = all_over(&api, &base, 11).await?;

    let count = |event: &str, state: &str| {
        over.iter().filter(|callback| callback["event"] == event && callback["state"] == state).count()
    };
    let counts = [
        ("on_execute", "success", 4),
        ("on_success", "success", 1),
        ("on_retry", "success", 1),
        ("on_skipped", "success", 1),
        ("on_failure", "success", 2),
        ("on_failure", "failed", 1),
        ("deadline", "success", 1),
    ];
    for (event, state, expected) in counts {
        assert_eq!(count(event, state), expected, "{event} {state}: {over:#?}");
    }
    let log = async |event: &str, task: Option<&str>| -> Result<String> {
        let of = |one: &&Value| one["event"] == event && one["task_id"].as_str() == task && one["state"] == "success";
        log_of(&api, &base, over.iter().find(of).context("no such callback")?).await
    };
    let retried = log("on_retry", Some("again")).await?;
    assert!(retried.contains("on_retry: again 1 ") && retried.contains("exit"), "{retried}");
    assert!(log("on_success", Some("again")).await?.contains("on_success: again 2"));
    assert!(log("on_skipped", Some("left_out")).await?.contains("on_skipped: left_out 1"));
    assert!(log("on_failure", None).await?.contains(&format!("run {run} is failed: task_failure")));
    assert!(log("deadline", None).await?.contains("late: at once 2020-01-01 00:01:00+00:00 deadline"));
    let failed = over.iter().find(|one| one["state"] == "failed").context("none has failed")?;
    assert!(failed["message"].as_str().is_some_and(|message| message.contains('3')), "{failed}");
    assert!(log_of(&api, &base, failed).await?.contains("no, no"));

    let deadlines = api.get(&format!("{base}/deadlines")).await?;
    assert_eq!((deadlines["total_entries"].as_u64(), &deadlines["deadlines"][0]["missed"]), (Some(1), &json!(true)));
    let alerts = api.get("/api/v2/dags/watched/deadlineAlerts").await?;
    assert_eq!(alerts["deadline_alerts"][1]["reference_type"], "DagRunQueuedAtDeadline");
    let shown = server.command(&["runs", "callbacks", "watched", &run, "--logs"]).output()?;
    ensure!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("-- on_skipped of left_out, success"));
    Ok(())
}

/// `airlock dags test` waits for callbacks, and shows what they said.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_tried_out_with_its_callbacks() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/dags/callbacks.json");
    let tried = server.command(&["dags", "test", document]).output()?;
    ensure!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
    let said = String::from_utf8_lossy(&tried.stdout);
    for line in [
        "answer is tried again after: the script failed",
        "try 2 of answer begins",
        "callbacks has ended: success; the answer is 42",
    ] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
    assert!(!said.contains("was to end by"), "{said}");
    Ok(())
}

async fn callbacks_need_a_place_and_no_slot(database: Database) -> Result<()> {
    let server = Server::start_with(database, &[("worker_slots", "2")])?;
    let api = server.api()?;
    api.push("bash").await?;
    api.post("/api/v2/pools", &json!({ "name": "one", "slots": 1 })).await?;
    let many: Vec<Value> = (0..16).map(|number| tell(&number.to_string())).collect();
    api.apply(&json!({
        "dag_id": "full",
        "default_args": { "pool": "one" },
        "tasks": [
            { "task_id": "first", "operator": "bash", "args": { "bash_command": "true" }, "callbacks": { "on_success": many } },
            { "task_id": "holds", "operator": "bash", "args": { "bash_command": "sleep 600" }, "upstream": ["first"] },
        ]
    }))
    .await?;
    let run = api.trigger("full", json!({})).await?;
    api.task_in_state("full", &run, "holds", "running").await?;
    let base = format!("/api/v2/dags/full/dagRuns/{run}");
    let over = all_over(&api, &base, 16).await?;
    assert!(over.iter().all(|one| one["state"] == "success"), "{over:#?}");
    assert_eq!(api.get(&format!("{base}/taskInstances/holds")).await?["state"], "running");
    api.patch(&base, &json!({ "state": "failed" })).await?;
    Ok(())
}

async fn a_callback_outlives_the_process_that_called_it(database: Database) -> Result<()> {
    let mut server = Server::start_with(database, &[("lease", lease(database))])?;
    let api = server.api()?;
    api.push("bash").await?;
    let mark = json!({ "key": "killed", "value": "no" });
    api.post("/api/v2/variables", &mark).await?;
    let slow_at_first = "echo begun; if [ '{{ var.value.killed }}' = no ]; then sleep 600; fi; echo ended";
    api.apply(&json!({
        "dag_id": "survivor",
        "callbacks": { "on_success": { "operator": "bash", "args": { "bash_command": slow_at_first } } },
        "tasks": [{ "task_id": "one", "operator": "bash", "args": { "bash_command": "true" } }]
    }))
    .await?;
    let run = api.trigger("survivor", json!({})).await?;
    assert_eq!(api.finished("survivor", &run).await?, "success", "a callback does not hold up its run");
    let base = format!("/api/v2/dags/survivor/dagRuns/{run}");
    let running = api.until(&format!("{base}/callbacks"), |page| page["callbacks"][0]["state"] == "running").await?;
    let log = format!("{base}/callbacks/{}/log?attempt=1", word(&running["callbacks"][0]["id"]));
    api.until(&log, |log| log["content"].to_string().contains("begun")).await?;
    api.patch("/api/v2/variables/killed", &json!({ "key": "killed", "value": "yes" })).await?;

    server.kill_all()?;
    server.start_again()?;

    let api = server.api()?;
    let over = all_over(&api, &base, 1).await?;
    assert_eq!((&over[0]["state"], &over[0]["attempts"]), (&json!("success"), &json!(2)), "{over:#?}");
    assert!(log_of(&api, &base, &over[0]).await?.contains("ended"));
    assert!(!api.get(&log).await?["content"].to_string().contains("ended"));
    Ok(())
}

/// The callbacks of a run, once there are so many and none is to be called any more.
async fn all_over(api: &Api, run: &str, count: u64) -> Result<Vec<Value>> {
    let ended = |one: &Value| one["end_date"].is_string();
    let is_over = |page: &Value| {
        let ended = page["callbacks"].as_array().is_some_and(|all| all.iter().all(ended));
        ended && page["total_entries"].as_u64() >= Some(count)
    };
    let page = api.until(&format!("{run}/callbacks"), is_over).await?;
    ensure!(page["total_entries"].as_u64() == Some(count), "more than {count} callbacks: {page:#}");
    Ok(page["callbacks"].as_array().context("no callbacks")?.clone())
}

async fn log_of(api: &Api, run: &str, callback: &Value) -> Result<String> {
    let answer = api.get(&format!("{run}/callbacks/{}/log", word(&callback["id"]))).await?;
    let records = answer["content"].as_array().context("no content")?;
    Ok(records.iter().map(|record| word(&record["event"])).collect::<Vec<_>>().join("\n"))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
