//! What processes say of themselves: metrics, health, readiness.

use std::time::Instant;

use airlock_tests::{Database, PATIENCE, Scrape, Server, http_client};
use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::relay::Relay;

/// Every metric, as the documentation has it.
const DOCUMENT: &str = include_str!("../../../host/telemetry/METRICS.md");

/// A process's own address for those who watch it.
struct Watched {
    http: reqwest::Client,
    url: String,
}

impl Watched {
    fn of(server: &Server, role: &str) -> Result<Self> {
        let log = server.log(role);
        let url = log.split("metrics and health are on ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let url = url.with_context(|| format!("{role} does not say where its metrics are:\n{log}"))?.to_owned();
        Ok(Self { http: http_client()?, url })
    }

    async fn metrics(&self) -> Result<Scrape> {
        let answer = self.http.get(format!("{}/metrics", self.url)).send().await?.error_for_status()?;
        let text = answer.text().await?;
        Scrape::read(&text).with_context(|| format!("{} answers:\n{text}", self.url))
    }

    async fn probe(&self, path: &str) -> Result<(StatusCode, Value)> {
        let answer = self.http.get(format!("{}/{path}", self.url)).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// Asks until the answer is this one.
    async fn until(&self, path: &str, status: u16) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let (found, body) = self.probe(path).await?;
            if found == status {
                return Ok(body);
            }
            if Instant::now() > end {
                bail!("{}/{path} still answers {found}: {body}", self.url);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

async fn run_to_the_end(server: &Server, dag: &Value) -> Result<String> {
    let api = server.api()?;
    api.apply(dag).await?;
    let dag_id = dag["dag_id"].as_str().context("no dag_id")?;
    let run = api.trigger(dag_id, json!({})).await?;
    api.finished(dag_id, &run).await
}

fn documented(scrape: &Scrape) -> Result<()> {
    for (name, kind) in &scrape.families {
        ensure!(DOCUMENT.contains(&format!("| `{name}` | {kind} |")), "`{name}`, a {kind}, is not documented");
    }
    let named = ["tenant", "dag_id", "run_id", "task_id", "dag", "task", "pool", "username"];
    let found: Vec<_> = scrape.label_names().into_iter().filter(|label| named.contains(label)).collect();
    ensure!(found.is_empty(), "labels name what is somebody's: {found:?}");
    Ok(())
}

#[tokio::test]
async fn three_processes_count_what_they_do() -> Result<()> {
    let server = Server::start_with(Database::Postgres, &[("listen_monitor", "127.0.0.1:0"), ("worker_slots", "4")])?;
    server.api()?.push("bash").await?;
    let (api, scheduler, worker) =
        (Watched::of(&server, "api")?, Watched::of(&server, "scheduler")?, Watched::of(&server, "worker")?);
    for watched in [&api, &scheduler, &worker] {
        watched.until("readyz", 200).await?;
        assert_eq!(watched.probe("healthz").await?.0, 200);
        documented(&watched.metrics().await?)?;
    }
    let at_rest = worker.metrics().await?;
    let slots = |name: &str| at_rest.sum(name, &[]);
    assert_eq!((slots("airlock_worker_slots"), slots("airflow_executor_open_slots")), (4.0, 4.0));

    let bash =
        |id: &str, script: &str| json!({ "task_id": id, "operator": "bash", "args": { "bash_command": script } });
    let good = json!({ "dag_id": "good", "tasks": [bash("a", "echo 1"), bash("b", "echo 2"), bash("c", "echo 3")] });
    assert_eq!(run_to_the_end(&server, &good).await?, "success");
    let mut endless = bash("spin", "while true; do x=$((x + 1)); done");
    endless["limits"] = json!({ "cpu_ms": 300 });
    endless["queue"] = json!("default");
    assert_eq!(run_to_the_end(&server, &json!({ "dag_id": "bad", "tasks": [endless] })).await?, "failed");

    let seen = scheduler.metrics().await?;
    let of = |name: &str| seen.sum(name, &[]);
    assert_eq!((of("airflow_ti_successes"), of("airflow_ti_failures")), (3.0, 1.0));
    assert_eq!((of("airflow_dagrun_duration_success_count"), of("airflow_dagrun_duration_failed_count")), (1.0, 1.0));
    for stage in ["airflow_task_scheduled_duration", "airflow_task_queued_duration", "airlock_task_settle_seconds"] {
        assert_eq!(of(&format!("{stage}_count")), 4.0, "{stage}");
    }
    assert!(of("airflow_scheduler_heartbeat") >= 1.0 && of("airflow_scheduler_scheduler_loop_duration_count") >= 3.0);
    assert!(seen.sum("airlock_database_seconds_count", &[("transaction", "commit")]) >= 3.0);
    assert_eq!(of("airlock_database_up"), 1.0);

    let seen = worker.metrics().await?;
    for stage in ["start", "sandbox_wait", "sandbox", "report"] {
        assert_eq!(seen.sum(&format!("airlock_task_{stage}_seconds_count"), &[]), 4.0, "{stage}");
    }
    assert_eq!(seen.sum("airlock_sandbox_kills_total", &[("cause", "cpu_ms")]), 1.0);
    assert_eq!(
        (seen.sum("airflow_executor_open_slots", &[]), seen.sum("airflow_executor_running_tasks", &[])),
        (4.0, 0.0)
    );

    let seen = api.metrics().await?;
    let triggers = [("method", "POST"), ("route", "/api/v2/dags/{dag_id}/dagRuns"), ("status", "2xx")];
    assert_eq!(seen.sum("airlock_api_request_seconds_count", &triggers), 2.0);
    for role in ["api", "scheduler", "worker"] {
        assert_eq!(seen.sum("airlock_processes", &[("role", role)]), 1.0, "{role}");
    }
    assert_eq!(seen.sum("airflow_pool_open_slots", &[]), 128.0);
    for watched in [&api, &scheduler, &worker] {
        documented(&watched.metrics().await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn what_waits_is_counted_for_an_autoscaler() -> Result<()> {
    let mut server = Server::start_with(Database::Postgres, &[("listen_monitor", "127.0.0.1:0")])?;
    server.api()?.push("bash").await?;
    server.stop("worker")?;
    let on_queue = |id: &str, queue: &str| json!({ "task_id": id, "operator": "bash", "queue": queue, "args": { "bash_command": ":" } });
    let tasks = [on_queue("a", "default"), on_queue("b", "default"), on_queue("c", "nobody-takes-from-this")];
    let api = server.api()?;
    api.apply(&json!({ "dag_id": "waiting", "tasks": tasks })).await?;
    let run = api.trigger("waiting", json!({})).await?;
    for task in ["a", "b", "c"] {
        api.task_in_state("waiting", &run, task, "queued").await?;
    }
    let watched = Watched::of(&server, "api")?;
    // The count before may be shown for a few seconds.
    let end = Instant::now() + PATIENCE;
    let seen = loop {
        let seen = watched.metrics().await?;
        if seen.sum("airflow_executor_queued_tasks", &[]) == 3.0 || Instant::now() > end {
            break seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    let queued = |queue: &str| seen.sum("airlock_queue_queued", &[("queue", queue)]);
    assert_eq!((queued("default"), queued("other"), queued("nobody-takes-from-this")), (2.0, 1.0, 0.0));
    assert_eq!((seen.sum("airflow_pool_queued_slots", &[]), seen.sum("airflow_pool_open_slots", &[])), (3.0, 125.0));
    assert_eq!(seen.sum("airlock_processes", &[("role", "worker")]), 0.0, "it said that it stops");
    Ok(())
}

// The relay goes on while the server starts.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_database() -> Result<()> {
    let database = airlock_test_services::postgres()?;
    let relay = Relay::to(database.url()).await?;
    let settings = [("listen_monitor", "127.0.0.1:0"), ("database_url", relay.url())];
    let mut server = Server::start_with(Database::Postgres, &settings)?;
    let watched = ["api", "scheduler", "worker"].map(|role| Watched::of(&server, role));
    let watched = watched.into_iter().collect::<Result<Vec<_>>>()?;
    for one in &watched {
        one.until("readyz", 200).await?;
    }
    relay.cut().await;
    for one in &watched {
        let body = one.until("readyz", 503).await?;
        assert_eq!(body["status"], "not ready");
        assert!(
            body["checks"].as_array().is_some_and(|checks| {
                checks.contains(&json!({ "name": "database", "status": "it does not answer" }))
            })
        );
        assert_eq!(one.probe("healthz").await?.0, 200, "a new process would not find the database either");
        assert_eq!(one.metrics().await?.sum("airlock_database_up", &[]), 0.0);
    }
    relay.mend().await?;
    for one in &watched {
        one.until("readyz", 200).await?;
    }
    // The API's own address answers probes too, and metrics for those who may see them.
    let api = server.api()?;
    assert_eq!(api.get("/readyz").await?["status"], "ready");
    assert!(api.get("/metrics").await?.as_str().is_some_and(|text| Scrape::read(text).is_ok()));
    let stopped = server.stop("worker")?;
    assert!(stopped.iter().all(|one| one.status.success()), "{stopped:?}");
    Ok(())
}
