//! Runs that follow from what other runs produce.

use airlock_tests::{Database, Server};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(a_dag_follows_the_assets_of_others);

async fn a_dag_follows_the_assets_of_others(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    api.push("bash").await?;
    api.push("empty").await?;
    let producer = |dag_id: &str, uri: &str, command: &str| {
        json!({ "dag_id": dag_id, "tasks": [
            { "task_id": "make", "operator": "bash", "args": { "bash_command": command }, "outlets": [uri] }
        ] })
    };
    api.apply(&producer("sales", "s3://lake/sales", "echo made")).await?;
    api.apply(&producer("broken", "s3://lake/sales", "exit 1")).await?;
    api.apply(&producer("stock", "s3://lake/stock", "echo made")).await?;
    let told = "{% for uri, events in triggering_asset_events.items() %}{{ uri }} from \
                {{ events | map(attribute='source_dag_id') | join(',') }}; {% endfor %}";
    api.apply(&json!({
        "dag_id": "report",
        "schedule": { "type": "assets", "condition": { "all": ["s3://lake/sales", { "any": ["s3://lake/stock", "s3://lake/else"] }] } },
        "tasks": [{ "task_id": "tell", "operator": "bash", "args": { "bash_command": format!("echo '{told}'") } }]
    }))
    .await?;
    let runs = "/api/v2/dags/report/dagRuns";

    // A failure is no event, and one asset alone is not enough.
    let broken = api.trigger("broken", json!({})).await?;
    assert_eq!(api.finished("broken", &broken).await?, "failed");
    let sales = api.trigger("sales", json!({})).await?;
    assert_eq!(api.finished("sales", &sales).await?, "success");
    let events = api.get("/api/v2/assets/events").await?;
    assert_eq!(
        (events["total_entries"].as_u64(), &events["asset_events"][0]["source_run_id"]),
        (Some(1), &json!(sales))
    );
    assert_eq!(api.get("/api/v2/dags/report/assets/queuedEvents").await?["total_entries"], 1);
    assert_eq!(api.get(runs).await?["total_entries"], 0);

    let stock = answer(&server, &["assets", "materialize", "--name", "s3://lake/stock"])?;
    assert_eq!(stock["run_type"], "asset_materialization");
    let made = api.until(runs, |page| page["total_entries"] == 1).await?;
    let run = &made["dag_runs"][0];
    assert_eq!((run["run_type"].as_str(), run["logical_date"].as_str()), (Some("asset_triggered"), None));
    let run_id = run["dag_run_id"].as_str().context("the run has no id")?;
    assert_eq!(api.finished("report", run_id).await?, "success");
    let said = api.log("report", run_id, "tell", 1).await?;
    assert!(said.contains("s3://lake/sales from sales; s3://lake/stock from stock;"), "{said}");
    let upstream = api.get(&format!("{runs}/{run_id}/upstreamAssetEvents")).await?;
    assert_eq!(upstream["total_entries"], 2);
    assert_eq!(upstream["asset_events"][1]["created_dagruns"][0]["triggering"], true);

    // What was queued has been used up: a new event of one asset waits for the other again.
    let assets = answer(&server, &["assets", "list"])?;
    let of = |uri: &str| assets.as_array()?.iter().find(|asset| asset["uri"] == uri)?["id"].as_i64();
    let post = async |uri: &str| {
        let body = json!({ "asset_id": of(uri), "extra": { "by": "hand" } });
        api.post("/api/v2/assets/events", &body).await
    };
    post("s3://lake/stock").await?;
    post("s3://lake/sales").await?;
    api.until(runs, |page| page["total_entries"] == 2).await?;
    let listed = answer(&server, &["assets", "events", "--name", "s3://lake/sales"])?;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    Ok(())
}

fn answer(server: &Server, arguments: &[&str]) -> Result<Value> {
    let output = server.command(arguments).args(["-o", "json"]).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
