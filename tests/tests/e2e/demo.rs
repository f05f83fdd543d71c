//! The demo's DAG on its real parts, and through a `kill -9`.

use std::path::{Path, PathBuf};

use airlock_test_services::S3;
use airlock_tests::{Api, Database, Server};
use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::each::{lease, on_each};

on_each!(the_demo_runs, the_demo_survives_a_kill);

const ORDERS: &str = "id,region,amount,state\n1,north,40.00,paid\n2,south,85.50,paid\n3,north,99.99,cancelled\n";

/// Everything that the demo's DAG reaches.
struct World {
    folder: TempDir,
    lake: S3,
    rates: String,
}

impl World {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for bucket in ["landing", "clean"] {
            std::fs::create_dir_all(folder.path().join("lake").join(bucket))?;
        }
        let lake = airlock_test_services::s3(&folder.path().join("lake"))?;
        let rates = airlock_test_services::answer("/rates/EUR", r#"{"dollars":2.0}"#)?;
        Ok(Self { folder, lake, rates })
    }

    fn orders(&self) -> PathBuf {
        self.folder.path().join("lake/landing/orders-1.csv")
    }

    async fn furnish(&self, api: &Api) -> Result<()> {
        let policy = json!({
            "egress": { "allow_hosts": ["127.0.0.1"], "allow_networks": ["127.0.0.0/8"] },
            "host_folders": [self.folder.path()],
        });
        api.put("/api/v2/tenants/default/policy", &policy).await?;
        let extra = json!({ "endpoint_url": self.lake.endpoint(), "region_name": S3::REGION }).to_string();
        for connection in [
            json!({ "connection_id": "lake", "conn_type": "aws", "login": S3::ACCESS_KEY, "password": S3::SECRET_KEY, "extra": extra }),
            json!({ "connection_id": "warehouse", "conn_type": "sqlite", "host": self.folder.path().join("warehouse.db") }),
            json!({ "connection_id": "rates", "conn_type": "http", "host": self.rates }),
        ] {
            api.post("/api/v2/connections", &connection).await?;
        }
        for operator in ["s3-key-sensor", "s3-to-sql", "sql", "s3-file-transform", "http", "branch", "bash", "empty"] {
            api.push(operator).await?;
        }
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/dags/demo.json");
        let dag: Value = serde_json::from_slice(&std::fs::read(document)?)?;
        api.apply(&dag).await?;
        Ok(())
    }
}

async fn results_are_right(api: &Api, run: &str) -> Result<()> {
    let states = api.states("demo", run).await?;
    let skipped: Vec<&str> =
        states.iter().filter(|(_, state)| state == "skipped").map(|(task, _)| task.as_str()).collect();
    assert_eq!(skipped, ["nothing_to_report"], "{states:?}");
    let totals = api.xcom("demo", run, "totals", "return_value").await?;
    assert_eq!(
        totals,
        json!([{ "region": "north", "orders": 1, "amount": 40.0 }, { "region": "south", "orders": 1, "amount": 85.5 }])
    );
    let report = api.xcom("demo", run, "report", "return_value").await?;
    assert_eq!(report, "in all 2 orders, 125.50 EUR, 251.00 USD");
    let tries = api.tries("demo", run, "tell_somebody").await?;
    assert!(tries.len() >= 2, "{tries:#?}");
    assert_eq!(tries[0]["state"], "failed");
    Ok(())
}

async fn the_demo_runs(database: Database) -> Result<()> {
    let world = World::new()?;
    let server = Server::start(database)?;
    let api = server.api()?;
    world.furnish(&api).await?;
    let run = api.trigger("demo", json!({})).await?;
    // The sensor has to have found nothing before the file comes.
    api.task_in_state("demo", &run, "wait_for_orders", "up_for_reschedule").await?;
    std::fs::write(world.orders(), ORDERS)?;

    assert_eq!(api.finished("demo", &run).await?, "success");
    results_are_right(&api, &run).await
}

async fn the_demo_survives_a_kill(database: Database) -> Result<()> {
    let world = World::new()?;
    let mut server = Server::start_with(database, &[("lease", lease(database))])?;
    let api = server.api()?;
    world.furnish(&api).await?;
    std::fs::write(world.orders(), ORDERS)?;
    let run = api.trigger("demo", json!({})).await?;
    let sensor = format!("/api/v2/dags/demo/dagRuns/{run}/taskInstances/wait_for_orders");
    while api.request(Method::GET, &sensor).send().await?.json::<Value>().await?["state"] != "success" {
        tokio::task::yield_now().await;
    }

    server.kill_all()?;
    server.start_again()?;

    let api = server.api()?;
    let state = api.finished("demo", &run).await.context("after a kill")?;
    assert_eq!(state, "success");
    results_are_right(&api, &run).await
}
