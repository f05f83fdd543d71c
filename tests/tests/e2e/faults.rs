//! What happens to processes, and to the network between them and their database.

use std::time::{Duration, Instant};

use airlock_test_services::{postgres_on, start_postgres};
use airlock_tests::{Api, Database, Network, Proxy, Server};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Seconds.
const LEASE: &str = "2";

/// A server on PostgreSQL with short leases, the operator `bash`, and a DAG of one task whose first try runs this.
async fn with_task(settings: &[(&str, &str)], first_try: &str, retries: u32) -> Result<(Server, Api)> {
    let settings = [&[("lease", LEASE)], settings].concat();
    let server = Server::start_with(Database::Postgres, &settings)?;
    let api = server.api()?;
    apply(&api, first_try, retries).await?;
    Ok((server, api))
}

async fn apply(api: &Api, first_try: &str, retries: u32) -> Result<()> {
    api.push("bash").await?;
    let command = format!(
        "if [ $AIRFLOW_CTX_TRY_NUMBER = 1 ]; then echo begun; {first_try}; fi; echo by {{{{ ti.try_number }}}}"
    );
    let task = json!({ "task_id": "task", "operator": "bash", "retries": retries, "retry_delay": 0.1,
        "args": { "bash_command": command } });
    api.apply(&json!({ "dag_id": "faulty", "tasks": [task, { "task_id": "after", "operator": "bash",
        "upstream": ["task"], "args": { "bash_command": "echo after" } }] }))
        .await?;
    Ok(())
}

/// Makes a run, and waits until the first try of its task is at work.
async fn begun(api: &Api) -> Result<String> {
    let run = api.trigger("faulty", json!({})).await?;
    api.task_in_state("faulty", &run, "task", "running").await?;
    let log = format!("/api/v2/dags/faulty/dagRuns/{run}/taskInstances/task/logs/1?full_content=true");
    api.until(&log, |log| log["content"].to_string().contains("begun")).await?;
    Ok(run)
}

fn states(tries: &[Value]) -> Vec<&str> {
    tries.iter().filter_map(|one| one["state"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_stopped_for_long_has_lost_its_try() -> Result<()> {
    let (mut server, api) = with_task(&[], "sleep 600", 1).await?;
    let run = begun(&api).await?;
    let first = server.ids_of("worker")[0];
    server.signal(first, "STOP")?;
    server.start_process("worker")?;

    assert_eq!(api.finished("faulty", &run).await?, "success");
    let tries = api.tries("faulty", &run, "task").await?;
    assert_eq!(states(&tries), ["failed", "success"]);
    let log = api.log("faulty", &run, "task", 1).await?;
    assert!(log.contains("begun") && log.contains("lost"), "{log}");

    // It hears of that when it wakes up, and is of use again.
    server.signal(first, "CONT")?;
    let log = format!("/api/v2/dags/faulty/dagRuns/{run}/taskInstances/task/logs/1?full_content=true");
    api.until(&log, |log| log["content"].to_string().contains("the try was stopped")).await?;
    let second = *server.ids_of("worker").last().context("no worker")?;
    server.signal(second, "STOP")?;
    apply(&api, "true", 0).await?;
    let again = api.trigger("faulty", json!({})).await?;
    assert_eq!(api.finished("faulty", &again).await?, "success");
    assert_eq!(api.tries("faulty", &run, "task").await?, tries, "a finished try never changes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_result_is_refused_and_shows_in_the_history() -> Result<()> {
    let (mut server, api) = with_task(&[], "sleep 1", 1).await?;
    let database = server.database_url()?.to_owned();
    let address = database.split(['@', '/']).nth(3).context("no address")?;
    let network = Proxy::start(address.parse()?).await?;
    let cut_off = database.replace(address, &network.address().to_string());
    server.kill("worker")?;
    server.start_process_with("worker", &[("database_url", &cut_off)])?;
    let run = begun(&api).await?;
    network.turn(Network::Dark);
    server.start_process("worker")?;
    assert_eq!(api.finished("faulty", &run).await?, "success");
    assert_eq!(api.xcom("faulty", &run, "task", "return_value").await?, "by 2");

    network.turn(Network::Clear);

    let log = format!("/api/v2/dags/faulty/dagRuns/{run}/taskInstances/task/logs/1?full_content=true");
    api.until(&log, |log| log["content"].to_string().contains("were refused")).await?;
    assert_eq!(api.xcom("faulty", &run, "task", "return_value").await?, "by 2");
    assert_eq!(states(&api.tries("faulty", &run, "task").await?), ["failed", "success"]);
    assert!(server.log("worker").contains("a late result was refused"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_drains_and_gives_up_what_takes_too_long() -> Result<()> {
    let (mut server, api) = with_task(&[("grace", "1")], "sleep 600", 1).await?;
    let run = begun(&api).await?;

    let stopped = server.stop("worker")?;

    ensure!(stopped[0].status.success(), "{stopped:?}\n{}", server.log("worker"));
    assert!(stopped[0].took < Duration::from_secs(10), "{stopped:?}");
    let path = format!("/api/v2/dags/faulty/dagRuns/{run}/taskInstances/task");
    api.until(&path, |task| task["state"] == "queued").await?;
    assert!(api.log("faulty", &run, "task", 1).await?.contains("the worker was stopped"));
    // Nobody claims: there is no worker.
    server.start_process("worker")?;
    assert_eq!(api.finished("faulty", &run).await?, "success");
    assert_eq!(states(&api.tries("faulty", &run, "task").await?), ["failed", "success"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_scheduler_is_followed_by_another_within_its_lease() -> Result<()> {
    let (mut server, api) = with_task(&[], "sleep 1", 0).await?;
    let run = begun(&api).await?;
    let holder = server.ids_of("scheduler")[0];
    server.start_process("scheduler")?;

    let died = Instant::now();
    server.signal(holder, "KILL")?;

    assert_eq!(api.finished("faulty", &run).await?, "success");
    assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
    assert_eq!(api.tries("faulty", &run, "task").await?.len(), 1, "its task has lost nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_was_stopped_for_long_changes_nothing() -> Result<()> {
    let (mut server, api) = with_task(&[], "sleep 1", 0).await?;
    let run = begun(&api).await?;
    let holder = server.ids_of("scheduler")[0];
    server.signal(holder, "STOP")?;
    server.start_process("scheduler")?;
    assert_eq!(api.finished("faulty", &run).await?, "success");
    let path = format!("/api/v2/dags/faulty/dagRuns/{run}/taskInstances");
    let before = api.get(&path).await?;

    server.signal(holder, "CONT")?;

    // It is at work again: alone, it drives another run.
    let second = *server.ids_of("scheduler").last().context("no scheduler")?;
    server.signal(second, "KILL")?;
    let again = api.trigger("faulty", json!({})).await?;
    assert_eq!(api.finished("faulty", &again).await?, "success");
    assert_eq!(api.get(&path).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_costs_no_try() -> Result<()> {
    let postgres = start_postgres()?;
    let server = Server::start_on(postgres_on(&postgres)?, &[("lease", "5")])?;
    let api = server.api()?;
    apply(&api, "sleep 2", 0).await?;
    for signal in ["INT", "QUIT"] {
        let run = begun(&api).await?;

        postgres.restart(signal)?;

        let path = format!("/api/v2/dags/faulty/dagRuns/{run}");
        let end = Instant::now() + Duration::from_secs(60);
        // The API says that it cannot answer, until it can.
        let state = loop {
            let found = api.get(&path).await;
            let state = found.as_ref().ok().and_then(|run| run["state"].as_str());
            if let Some(state @ ("success" | "failed")) = state {
                break state.to_owned();
            }
            ensure!(Instant::now() < end, "{found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(state, "success");
        assert_eq!(api.tries("faulty", &run, "task").await?.len(), 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_with_what_they_run() -> Result<()> {
    let (server, api) = with_task(&[("worker_slots", "3")], "sleep 600", 0).await?;
    let made = api.post("/api/v2/tenants", &json!({ "name": "other", "admin": { "username": "admin" } })).await?;
    let others = api.login("other/admin", made["admin"]["password"].as_str().context("no password")?).await?;
    let run = begun(&api).await?;

    let found = api.get("/api/v2/workers").await?;

    let worker = &found["workers"][0];
    assert_eq!((&found["total_entries"], &worker["slots"], &worker["running"]), (&json!(1), &json!(3), &json!(1)));
    assert_eq!(worker["queues"], json!(["default"]));
    let at_work = &worker["tries"][0];
    assert_eq!((&at_work["dag_run_id"], &at_work["task_id"]), (&json!(run), &json!("task")));
    let seen = others.get("/api/v2/workers").await?["workers"][0].clone();
    assert_eq!((&seen["running"], &seen["tries"]), (&json!(1), &json!([])), "what others run is theirs to know");
    drop(server);
    Ok(())
}
