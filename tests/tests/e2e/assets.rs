//! Runs that follow from what other runs produce.

use airlock_tests::{Database, Server};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::each::on_each;

on_each!(a_dag_follows_the_assets_of_others, a_task_says_what_has_happened_and_reads_what_has);

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

/// What a task says has happened if the task succeeds, and only then; who follows an alias follows what came by it.
async fn a_task_says_what_has_happened_and_reads_what_has(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    for operator in ["asset-event", "inlet-events", "bash"] {
        api.push(operator).await?;
    }
    let sales = json!({ "name": "sales", "uri": "s3://lake/sales" });
    let regions = json!({ "alias": "regions" });
    let events = json!([
        { "asset": { "uri": "s3://lake/{{ params.region }}", "group": "regions" }, "alias": "regions",
          "extra": { "region": "{{ params.region }}" } },
        // Of what is no outlet nothing can be said.
        { "asset": "{{ 's3://lake/none' if params.broken else 's3://lake/sales' }}", "extra": { "rows": 7 } }
    ]);
    api.apply(&json!({ "dag_id": "export", "params": { "region": "eu", "broken": false }, "tasks": [
        { "task_id": "say", "operator": "asset-event", "args": { "events": events }, "outlets": [sales, regions] }
    ] }))
    .await?;
    let told = "{{ triggering_asset_events['s3://lake/eu'][-1].extra.region }} by \
                {{ inlet_events['regions'][-1].source_aliases | join(',') }}";
    api.apply(&json!({
        "dag_id": "follow",
        "schedule": { "type": "assets", "condition": regions },
        "tasks": [
            { "task_id": "read", "operator": "inlet-events", "inlets": [regions, sales], "args": { "inlet": "regions" } },
            { "task_id": "again", "operator": "inlet-events", "inlets": [sales], "args": { "inlet": "sales", "limit": 1 } },
            { "task_id": "tell", "operator": "bash", "inlets": [regions],
              "args": { "bash_command": format!("echo '{told}'") } }
        ]
    }))
    .await?;
    assert_eq!(api.get("/api/v2/assets/aliases").await?["asset_aliases"][0]["name"], "regions");

    let broken = api.trigger("export", json!({ "broken": true })).await?;
    assert_eq!(api.finished("export", &broken).await?, "failed");
    let said = api.log("export", &broken, "say", 1).await?;
    assert!(said.contains("no outlet `s3://lake/none`"), "{said}");
    assert_eq!(api.get("/api/v2/assets/events").await?["total_entries"], 0, "nothing has happened");

    let run = api.trigger("export", json!({})).await?;
    assert_eq!(api.finished("export", &run).await?, "success");
    let happened = api.get("/api/v2/assets/events?order_by=-id").await?;
    let seen = |place: usize| {
        let event = &happened["asset_events"][place];
        (event["uri"].as_str(), event["group"].as_str(), event["extra"].clone(), event["source_run_id"].as_str())
    };
    assert_eq!(seen(0), (Some("s3://lake/eu"), Some("regions"), json!({ "region": "eu" }), Some(run.as_str())));
    assert_eq!(seen(1), (Some("s3://lake/sales"), Some("asset"), json!({ "rows": 7 }), Some(run.as_str())));
    let made = api.get("/api/v2/assets?uri_pattern=lake/eu").await?;
    assert_eq!(made["assets"][0]["aliases"][0]["name"], "regions");

    let followed = api.until("/api/v2/dags/follow/dagRuns", |page| page["total_entries"] == 1).await?;
    let follower = followed["dag_runs"][0]["dag_run_id"].as_str().context("the run has no id")?;
    assert_eq!(api.finished("follow", follower).await?, "success");
    let said = api.log("follow", follower, "tell", 1).await?;
    assert!(said.contains("eu by regions"), "{said}");
    let read = api.xcom("follow", follower, "read", "return_value").await?;
    assert_eq!(read.as_array().map(Vec::len), Some(1), "{read}");
    assert_eq!((&read[0]["uri"], &read[0]["source"]["run_id"]), (&json!("s3://lake/eu"), &json!(run)));
    assert_eq!(api.xcom("follow", follower, "again", "return_value").await?[0]["extra"], json!({ "rows": 7 }));
    Ok(())
}
