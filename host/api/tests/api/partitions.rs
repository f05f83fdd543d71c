//! Runs by the partitions that they are about.

use serde_json::{Value, json};

use crate::support::{Client, Contract, Server, dag};

/// A DAG of which somebody has asked for three partitions, one of them twice.
async fn with_partitions<'a>(server: &'a Server) -> Client<'a> {
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let mut parts = dag("parts");
    parts["schedule"] = json!({ "type": "cron_partition", "cron": "0 2 * * *", "key_format": "%Y-%m-%d" });
    parts["max_active_runs"] = json!(100);
    user.put("/dags/parts", parts).await.expect(201);
    for key in ["a", "b", "b", "2027-01-03"] {
        user.post("/dags/parts/dagRuns", json!({ "logical_date": null, "partition_key": key })).await.expect(200);
    }
    user
}

fn keys(runs: &Value) -> Vec<&Value> {
    runs["dag_runs"].as_array().unwrap().iter().map(|run| &run["partition_key"]).collect()
}

#[tokio::test]
async fn runs_are_cleared_by_their_partition() {
    let server = Server::start().await;
    let user = with_partitions(&server).await;
    let contract = Contract::get();
    let path = "/dags/parts/clearDagRuns";
    let dry = user.post(path, json!({ "partition_key": "b" })).await.expect(200);
    contract.check("clear_dag_runs", 200, &dry);
    let done = user.post(path, json!({ "partition_key": "b", "dry_run": false })).await.expect(200);
    contract.check("clear_dag_runs", 200, &done);
    assert_eq!(keys(&done), ["b", "b"]);
    let nothing = json!({ "dry_run": false, "partition_date_start": "2020-01-01", "partition_date_end": "2030-01-01" });
    assert_eq!(user.post(path, nothing).await.expect(200)["total_entries"], 0, "of named partitions no date is known");
    for (wrong, words) in [
        (json!({ "partition_key": "b", "partition_date_end": "2030-01-01" }), "exclude each other"),
        (json!({ "partition_key": "b", "dag_runs": [{ "dag_run_id": "mine" }] }), "exclude each other"),
        (json!({ "partition_key": "" }), "1 to 250"),
        (json!({ "partition_date_start": "2027-01-02", "partition_date_end": "2027-01-01" }), "on or before"),
        (json!({}), "or the partitions"),
    ] {
        let refused = user.post(path, wrong.clone()).await.expect(422).to_string();
        assert!(refused.contains(words), "{wrong}: {refused}");
    }
    user.post("/dags/~/clearDagRuns", json!({ "partition_key": "b" })).await.expect(400);
    user.post("/dags/nothing/clearDagRuns", json!({ "partition_key": "b" })).await.expect(404);
}

#[tokio::test]
async fn what_runs_say_of_their_partition_is_taken_from_them() {
    let server = Server::start().await;
    let user = with_partitions(&server).await;
    let contract = Contract::get();
    let path = "/dags/parts/clearPartitions";
    let dry = user.post(path, json!({ "partition_key": "b", "clear_task_instances": true })).await.expect(200);
    contract.check("clear_dag_run_partitions", 200, &dry);
    assert_eq!((&dry["dag_runs_cleared"], &dry["dry_run"]), (&json!(2), &json!(true)));
    let done = user.post(path, json!({ "partition_key": "b", "dry_run": false })).await.expect(200);
    assert_eq!((&done["dag_runs_cleared"], &done["dry_run"]), (&json!(2), &json!(false)));
    let left = user.get("/dags/parts/dagRuns?order_by=run_after").await.expect(200);
    assert_eq!(keys(&left), [&json!("a"), &Value::Null, &Value::Null, &json!("2027-01-03")]);
    let by_id = json!({ "run_id": left["dag_runs"][0]["dag_run_id"], "dry_run": false, "clear_task_instances": true });
    assert_eq!(user.post(path, by_id.clone()).await.expect(200)["dag_runs_cleared"], 1);
    assert_eq!(user.post(path, by_id).await.expect(200)["dag_runs_cleared"], 0, "it says nothing any more");
    for (wrong, status) in [
        (json!({}), 422),
        (json!({ "run_id": "mine", "partition_key": "b" }), 422),
        (json!({ "run_id": "mine" }), 404),
        (json!({ "colour": 1 }), 422),
    ] {
        user.post(path, wrong).await.expect(status);
    }
    server.login("viewer").await.post(path, json!({ "partition_key": "a" })).await.expect(403);
}

#[tokio::test]
async fn a_backfill_of_partitions_tells_which() {
    let server = Server::start().await;
    let user = with_partitions(&server).await;
    let details = user.get("/dags/parts/details").await.expect(200);
    assert_eq!(details["is_backfillable"], true);
    let span = json!({ "dag_id": "parts", "from_date": "2027-01-02", "to_date": "2027-01-04T12:00:00Z" });
    let dry = user.post("/backfills/dry_run", span.clone()).await.expect(200);
    Contract::get().check("create_backfill_dry_run", 200, &dry);
    let told: Vec<_> = dry["backfills"].as_array().unwrap().iter().map(|slot| &slot["partition_key"]).collect();
    assert_eq!(told, ["2027-01-02", "2027-01-04"], "of the third there is a run");
    assert_eq!(dry["backfills"][0]["partition_date"], "2027-01-02T01:00:00Z", "two in Berlin");
    user.post("/backfills", span).await.expect(200);
}
