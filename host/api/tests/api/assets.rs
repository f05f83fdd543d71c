//! Assets: what DAGs say of them, events, and what is queued.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Client, Contract, Server, dag};

/// `load` produces what `report` follows, with another asset.
async fn add_dags(admin: &Client<'_>) {
    admin.add_dag("talk").await;
    let mut load = dag("load");
    load["tasks"][0]["outlets"] = json!([{ "name": "sales", "uri": "s3://lake/sales", "extra": { "owner": "kim" } }]);
    load["tasks"][1]["inlets"] = json!(["s3://lake/other"]);
    admin.put("/dags/load", load).await.expect(201);
    let mut report = dag("report");
    let sales = json!({ "name": "sales", "uri": "s3://lake/sales" });
    report["schedule"] = json!({ "type": "assets", "condition": { "all": [sales, "s3://lake/other"] } });
    admin.put("/dags/report", report).await.expect(201);
}

async fn asset_id(client: &Client<'_>, name: &str) -> i64 {
    let found = client.get(&format!("/assets?name_pattern={name}")).await.expect(200);
    found["assets"][0]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn assets_are_shown_with_those_who_make_and_use_them() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    add_dags(&user).await;
    let contract = Contract::get();
    let listed = user.get("/assets?order_by=-name").await.expect(200);
    contract.check("get_assets", 200, &listed);
    assert_eq!((listed["total_entries"].as_u64(), listed["assets"][0]["name"].as_str()), (Some(2), Some("sales")));
    let sales = user.get(&format!("/assets/{}", asset_id(&user, "sales").await)).await.expect(200);
    contract.check("get_asset", 200, &sales);
    assert_eq!(sales["producing_tasks"][0]["task_id"], "first");
    assert_eq!(sales["scheduled_dags"][0]["dag_id"], "report");
    assert_eq!(sales["extra"]["owner"], "kim");
    let used = user.get("/assets?dag_ids=load&uri_pattern=other").await.expect(200);
    assert_eq!(used["assets"][0]["consuming_tasks"][0]["task_id"], "second");
    assert_eq!(user.get("/assets/aliases").await.expect(200)["total_entries"], 0);
    user.get("/assets/aliases/1").await.expect(404);
    user.get("/assets/4711").await.expect(404);

    let details = user.get("/dags/report/details").await.expect(200);
    contract.check("get_dag_details", 200, &details);
    assert_eq!(details["asset_expression"]["all"][0]["asset"]["uri"], "s3://lake/sales");
    assert_eq!(
        (details["timetable_summary"].as_str(), details["is_backfillable"].as_bool()),
        (Some("Asset"), Some(false))
    );
    let graph = user.get("/dependencies?node_id=dag:report").await.expect(200);
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 4, "two DAGs, two assets: {graph}");
    assert!(graph["edges"].as_array().unwrap().iter().any(|edge| edge["source_id"] == "dag:load"), "{graph}");
    user.get("/dependencies?node_id=dag:nothing").await.expect(404);
}

#[tokio::test]
async fn aliases_are_listed_and_shown() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    user.add_dag("talk").await;
    let mut export = dag("export");
    export["tasks"][0]["outlets"] = json!([{ "alias": "regions", "group": "lake" }]);
    export["tasks"][1]["inlets"] = json!([{ "alias": "rates" }]);
    export["schedule"] = json!({ "type": "assets", "condition": { "any": [{ "alias": "rates" }, "s3://lake/sales"] } });
    user.put("/dags/export", export).await.expect(201);
    let contract = Contract::get();
    let listed = user.get("/assets/aliases?order_by=-name").await.expect(200);
    contract.check("get_asset_aliases", 200, &listed);
    assert_eq!(
        (listed["total_entries"].as_u64(), listed["asset_aliases"][0]["name"].as_str()),
        (Some(2), Some("regions"))
    );
    let found = user.get("/assets/aliases?name_pattern=REG").await.expect(200);
    assert_eq!(found["asset_aliases"][0]["group"], "lake");
    let one = format!("/assets/aliases/{}", found["asset_aliases"][0]["id"]);
    contract.check("get_asset_alias", 200, &user.get(&one).await.expect(200));
    server.login("other/admin").await.get(&one).await.expect(404);
    let details = user.get("/dags/export/details").await.expect(200);
    assert_eq!(details["asset_expression"]["any"][0]["alias"]["name"], "rates");
    let graph = user.get("/dependencies?node_id=dag:export").await.expect(200);
    let kinds: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|node| node["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "asset-alias").count(), 2, "{graph}");
}

#[tokio::test]
async fn events_are_posted_and_queued() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    add_dags(&user).await;
    let contract = Contract::get();
    let sales = asset_id(&user, "sales").await;
    let body = json!({ "asset_id": sales, "extra": { "rows": 7 } });
    let event = user.post("/assets/events", body.clone()).await.expect(200);
    contract.check("create_asset_event", 200, &event);
    assert_eq!((event["extra"]["rows"].as_u64(), event["source_map_index"].as_i64()), (Some(7), Some(-1)));
    let events = user.get(&format!("/assets/events?asset_id={sales}&source_map_index=-1")).await.expect(200);
    contract.check("get_asset_events", 200, &events);
    assert_eq!(events["total_entries"], 1);
    assert_eq!(user.get("/assets/events?timestamp_gt=2030-01-01T00:00:00Z").await.expect(200)["total_entries"], 0);
    for wrong in [json!({}), json!({ "asset_id": sales, "colour": 1 }), json!({ "asset_id": sales, "extra": 5 })] {
        user.post("/assets/events", wrong).await.expect(422);
    }
    user.post("/assets/events", json!({ "asset_id": 4711 })).await.expect(404);
    server.login("viewer").await.post("/assets/events", body).await.expect(403);

    let queued = |answer: &Value| answer["queued_events"].as_array().map(Vec::len);
    for (operation, path) in [
        ("get_dag_asset_queued_events", "/dags/report/assets/queuedEvents".to_owned()),
        ("get_asset_queued_events", format!("/assets/{sales}/queuedEvents")),
    ] {
        let answer = user.get(&path).await.expect(200);
        contract.check(operation, 200, &answer);
        assert_eq!(queued(&answer), Some(1));
        assert_eq!(queued(&user.get(&format!("{path}?before=2000-01-01T00:00:00Z")).await.expect(200)), Some(0));
    }
    let one = format!("/dags/report/assets/{sales}/queuedEvents");
    contract.check("get_dag_asset_queued_event", 200, &user.get(&one).await.expect(200));
    user.delete(&one).await.expect(204);
    user.delete(&one).await.expect(404);
    user.get(&one).await.expect(404);
    user.delete("/dags/report/assets/queuedEvents").await.expect(404);
    user.delete(&format!("/assets/{sales}/queuedEvents")).await.expect(404);
}

#[tokio::test]
async fn an_asset_is_materialized_by_its_one_producer() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    add_dags(&user).await;
    let contract = Contract::get();
    let (sales, other) = (asset_id(&user, "sales").await, asset_id(&user, "other").await);
    let path = format!("/assets/{sales}/materialize");
    let run = user.post(&path, json!({ "note": "by hand" })).await.expect(200);
    contract.check("materialize_asset", 200, &run);
    assert_eq!((run["dag_id"].as_str(), run["run_type"].as_str()), (Some("load"), Some("asset_materialization")));
    assert!(run["dag_run_id"].as_str().unwrap().starts_with("asset_materialization__"), "{run}");
    let upstream = format!("/dags/load/dagRuns/{}/upstreamAssetEvents", run["dag_run_id"].as_str().unwrap());
    let upstream = user.get(&upstream).await.expect(200);
    contract.check("get_upstream_asset_events", 200, &upstream);
    assert_eq!(upstream["total_entries"], 0);
    user.post(&path, json!({ "conf": { "region": 7 } })).await.expect(400);
    user.send(Method::POST, &path, None).await.expect(200);
    user.post(&format!("/assets/{other}/materialize"), json!({})).await.expect(404);
    let mut second = dag("second");
    second["tasks"][0]["outlets"] = json!([{ "name": "sales", "uri": "s3://lake/sales" }]);
    user.put("/dags/second", second).await.expect(201);
    user.post(&path, json!({})).await.expect(409);
}

#[tokio::test]
async fn assets_are_their_tenants() {
    let server = Server::start().await;
    let user = server.login("admin").await;
    add_dags(&user).await;
    let sales = asset_id(&user, "sales").await;
    let other = server.login("other/admin").await;
    assert_eq!(other.get("/assets").await.expect(200)["total_entries"], 0);
    other.get(&format!("/assets/{sales}")).await.expect(404);
    other.post("/assets/events", json!({ "asset_id": sales })).await.expect(404);
    other.post(&format!("/assets/{sales}/materialize"), json!({})).await.expect(404);
    assert_eq!(other.get("/dependencies").await.expect(200)["nodes"], json!([]));
}
